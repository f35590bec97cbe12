//! `traceroute`: the routers on the way to a host. Each datagram, or echo request, may pass one router
//! more than the last; the one that has to throw it away says who it is.

#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod options;
mod probe;

use core::net::IpAddr;

use embassy_futures::select::{Either, select};
use net::{Error, Net};
use rt::{console, print, println};

use crate::options::Options;
use crate::probe::{Answer, Probe, SIZE};

/// Exit code: the command makes no sense, or there is no such host.
const USAGE: i32 = 2;
/// Exit code: the host was not reached.
const FAILED: i32 = 1;

/// The program; its result is the exit code.
pub fn run(env: rt::Env) -> i32 {
    let options = match Options::parse(env.args.iter()) {
        Ok(options) => options,
        Err(reason) => {
            println!("traceroute: {reason}");
            println!("{}", options::USAGE);
            return USAGE;
        }
    };
    match rt::block_on(trace(&options)) {
        Ok(true) => 0,
        Ok(false) => FAILED,
        Err(error) => {
            println!("traceroute: {}: {error}", options.host);
            USAGE
        }
    }
}

/// Goes one router farther each time, until the host answers; whether it has.
async fn trace(options: &Options<'_>) -> Result<bool, Error> {
    let net = Net::connect().await?;
    let addresses = net.addresses_of(options.host, options.family).await?;
    let to = addresses.first().copied().ok_or(Error::NoSuchRecord)?;
    let (host, most) = (options.host, options.most);
    println!("traceroute to {host} ({to}), {most} hops at most, {SIZE} bytes of data");
    let probe = Probe::open(&net, to, options).await?;
    let walk = async {
        for hops in options.first..=options.most {
            if hop((&net, &probe), to, hops, options).await? {
                return Ok(true);
            }
        }
        Ok(false)
    };
    match select(walk, console::interrupt()).await {
        Either::First(outcome) => outcome,
        Either::Second(_) => Ok(false),
    }
}

/// Asks whoever is so many routers away, and shows a line; whether the way ends there.
async fn hop(
    (net, probe): (&Net, &Probe),
    to: IpAddr,
    hops: u8,
    options: &Options<'_>,
) -> Result<bool, Error> {
    print!("{hops:>3} ");
    let (mut last, mut ends) = (None, false);
    for query in 0..options.queries {
        let number = u16::from(hops - options.first) * u16::from(options.queries);
        let which = (hops, number + u16::from(query));
        match probe.ask(net, to, which, options.limit).await {
            Ok(answer) => {
                // Nearly always the same router answers.
                if last != Some(answer.from) {
                    print!(" {}", answer.from);
                }
                last = Some(answer.from);
                ends |= answer.ends;
                show(&answer);
            }
            Err(Error::TimedOut) => print!(" *"),
            Err(error) => {
                println!();
                return Err(error);
            }
        }
    }
    println!();
    Ok(ends)
}

/// Shows the time of an answer and what it says.
fn show(answer: &Answer) {
    let microseconds = answer.round_trip.as_micros();
    let (whole, rest) = (microseconds / 1_000, microseconds % 1_000);
    print!("  {whole}.{rest:03} ms{}", answer.word);
}
