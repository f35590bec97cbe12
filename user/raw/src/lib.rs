//! `raw`: shows packets of one protocol of IP, and sends one. Needs the right to raw sockets, which the
//! manifest gives it.

#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod options;

use alloc::vec;
use core::net::IpAddr;

use embassy_futures::select::{Either, select};
use net::{Arrival, Error, Family, Net, RawSocket, Report, within};
use rt::{console, print, println};

use crate::options::Options;

/// Exit code: the command makes no sense, or this cannot be done.
const USAGE: i32 = 2;
/// Exit code: nothing came.
const FAILED: i32 = 1;

/// Bytes of the longest packet.
const LONGEST: usize = u16::MAX as usize;
/// Bytes of a packet that are shown.
const SHOWN: usize = 64;

/// The program; its result is the exit code.
pub fn run(env: rt::Env) -> i32 {
    let options = match Options::parse(env.args.iter()) {
        Ok(options) => options,
        Err(reason) => {
            println!("raw: {reason}");
            println!("{}", options::USAGE);
            return USAGE;
        }
    };
    match rt::block_on(listen(&options)) {
        Ok(()) => 0,
        Err(Error::TimedOut) => {
            println!("raw: nothing came");
            FAILED
        }
        Err(error) => {
            println!("raw: {error}");
            USAGE
        }
    }
}

/// Sends what is to be sent, and shows what comes until Ctrl-C is typed.
async fn listen(options: &Options<'_>) -> Result<(), Error> {
    let net = Net::connect().await?;
    let host = match options.host {
        Some(host) => {
            let found = net.addresses_of(host, options.family).await?;
            Some(found.first().copied().ok_or(Error::NoSuchRecord)?)
        }
        None => None,
    };
    let own = host.map_or(options.family.unwrap_or(Family::V4), Family::of);
    let socket = RawSocket::open(&net, options.protocol, own.unspecified()).await?;
    if let Some(host) = host {
        begin(&socket, host, options).await?;
    }
    match select(show_all(&socket, options), console::interrupt()).await {
        Either::First(outcome) => outcome,
        Either::Second(_) => Ok(()),
    }
}

async fn begin(socket: &RawSocket, host: IpAddr, options: &Options<'_>) -> Result<(), Error> {
    socket.connect(host).await?;
    if let Some(text) = options.text {
        socket.send(text.as_bytes()).await?;
        socket.flush().await?;
    }
    Ok(())
}

async fn show_all(socket: &RawSocket, options: &Options<'_>) -> Result<(), Error> {
    println!("packets of protocol {}", options.protocol);
    let mut bytes = vec![0; LONGEST];
    let mut shown = 0;
    while options.count == 0 || shown < options.count {
        let coming = socket.receive(&mut bytes);
        let (count, arrival) = match options.patience {
            Some(patience) => within(patience, coming).await?,
            None => coming.await?,
        };
        match arrival {
            Arrival::Packet { from, to, hops } => {
                print!(
                    "{count} bytes from {} to {}, ttl={hops}:",
                    from.ip(),
                    to.ip()
                );
                show(&bytes[..count.min(SHOWN)]);
            }
            Arrival::Failed(report) => show_report(&report),
        }
        shown += 1;
    }
    Ok(())
}

/// As text where it is some, else as numbers.
fn show(bytes: &[u8]) {
    let is_text = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    match core::str::from_utf8(bytes) {
        Ok(text) if bytes.iter().all(is_text) => println!(" {text}"),
        _ => {
            bytes.iter().for_each(|byte| print!(" {byte:02x}"));
            println!();
        }
    }
}

fn show_report(report: &Report) {
    let Report {
        from, kind, code, ..
    } = report;
    let about = report.about.ip();
    println!(
        "{from} says of what was sent to {about}: {} (type {kind}, code {code})",
        report.meaning()
    );
}
