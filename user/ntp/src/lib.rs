//! `ntp`: asks a server for the time and sets the machine's clock. (RFC 4330: the simple protocol, which asks a
//! few times and believes the fastest answer.)

#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod options;
mod packet;

use core::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use net::{Error, Family, Net, UdpSocket, within};
use rt::{clock, date::Date, println, system, time::sleep};

use crate::{
    options::Options,
    packet::{Answer, Doubt},
};

/// Exit code: the command makes no sense.
const USAGE: i32 = 2;
/// Exit code: nobody has told the time, or the clock may not be set.
const FAILED: i32 = 1;

/// From one question to the next.
const INTERVAL: Duration = Duration::from_millis(200);
const NANOSECONDS: u64 = 1_000_000_000;

/// What a good answer says.
struct Reading {
    stratum: u8,
    /// Nanoseconds since 1970 when our counter was zero.
    wall_at_zero: u64,
    /// Time on the way: half of it is the most that it can be wrong.
    way: Duration,
}

/// The program; its result is the exit code.
pub fn run(env: rt::Env) -> i32 {
    let options = match Options::parse(env.args.iter()) {
        Ok(options) => options,
        Err(reason) => {
            println!("ntp: {reason}");
            println!("{}", options::USAGE);
            return USAGE;
        }
    };
    match rt::block_on(ask(&options, env.seed)) {
        Ok(Some(reading)) => finish(&reading, options.sets),
        Ok(None) => {
            println!("ntp: {}: no answer that can be believed", options.server);
            FAILED
        }
        Err(error) => {
            println!("ntp: {}: {error}", options.server);
            FAILED
        }
    }
}

/// Asks as often as wanted; the reading of the answer that was fastest.
async fn ask(options: &Options<'_>, seed: [u8; 32]) -> Result<Option<Reading>, Error> {
    let net = Net::connect().await?;
    let addresses = net.addresses_of(options.server, options.family).await?;
    let server = addresses.first().copied().ok_or(Error::NoSuchRecord)?;
    let any = Family::of(server).unspecified();
    // Connected: nobody else's datagrams come in.
    let mut socket = UdpSocket::bind(&net, SocketAddr::new(any, 0)).await?;
    socket
        .connect(SocketAddr::new(server, options.port))
        .await?;
    let mut best: Option<Reading> = None;
    let numbers = seed.as_chunks::<8>().0.iter().cycle();
    for (round, number) in (0..options.count).zip(numbers) {
        if round > 0 {
            sleep(INTERVAL).await;
        }
        let number = u64::from_be_bytes(*number).wrapping_add(round.into());
        let reading = within(options.limit, question(&socket, number)).await;
        match reading {
            Ok(Ok(reading)) => {
                show(server, &reading);
                if best.as_ref().is_none_or(|best| reading.way < best.way) {
                    best = Some(reading);
                }
            }
            Ok(Err(doubt)) => {
                println!("{server}: {doubt}");
                // RFC 4330 section 8: who says so is not asked again.
                if matches!(doubt, Doubt::Kiss(_)) {
                    break;
                }
            }
            Err(error) => println!("{server}: {error}"),
        }
    }
    Ok(best)
}

/// One question, and the first answer to it: what answers something else was meant for an earlier one.
async fn question(socket: &UdpSocket, number: u64) -> Result<Result<Reading, Doubt>, Error> {
    let asked = clock::now();
    socket.send(&packet::question(number)).await?;
    let mut bytes = [0; 512];
    loop {
        let (count, _) = socket.receive_from(&mut bytes).await?;
        let came = clock::now();
        let answer = match Answer::parse(&bytes[..count], number) {
            Err(Doubt::NotOurs) => continue,
            other => other,
        };
        let round_trip = Duration::from_nanos(came.saturating_sub(asked));
        return Ok(answer.and_then(|answer| {
            let (now, way) = answer.time(round_trip)?;
            Ok(Reading {
                stratum: answer.stratum,
                wall_at_zero: now.checked_sub(came).ok_or(Doubt::Impossible)?,
                way,
            })
        }));
    }
}

fn show(server: IpAddr, reading: &Reading) {
    let Reading { stratum, way, .. } = reading;
    println!(
        "{server}: stratum {stratum}, {} us on the way",
        way.as_micros()
    );
}

/// Sets the clock, if it is to be set, and tells what has become of it.
fn finish(reading: &Reading, sets: bool) -> i32 {
    let now = reading.wall_at_zero.saturating_add(clock::now());
    println!("it is {}", Date(now / NANOSECONDS));
    if let Some(before) = clock::wall_nanoseconds() {
        let (sign, off) = if now >= before {
            ('-', now - before)
        } else {
            ('+', before - now)
        };
        println!(
            "the clock was off by {sign}{}.{:03} s",
            off / NANOSECONDS,
            off % NANOSECONDS / 1_000_000
        );
    }
    if !sets {
        return 0;
    }
    match system::set_wall_at_zero(reading.wall_at_zero) {
        Ok(()) => {
            println!("the clock is set");
            0
        }
        Err(refused) => {
            println!("ntp: the clock is not set: {refused}");
            FAILED
        }
    }
}
