//! `raw`: shows packets of one protocol of IP, or frames of one type, and sends one. Needs the right to raw
//! sockets, which the manifest gives it.

#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod options;

use alloc::vec;
use core::net::IpAddr;

use embassy_futures::select::{Either, select};
use net::{Arrival, Code, Error, EthernetSocket, Family, Mac, Net, RawSocket, Report, within};
use rt::{console, print, println};

use crate::options::{Options, Subject};

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

/// What is listened to.
enum Ear {
    Packets(RawSocket),
    Frames(EthernetSocket),
}

/// What was heard, of so many bytes.
enum Heard {
    Packet(usize, Arrival),
    Frame(usize, Mac, Mac),
}

impl Ear {
    async fn next(&self, into: &mut [u8]) -> Result<Heard, Error> {
        Ok(match self {
            Self::Packets(socket) => {
                let (count, arrival) = socket.receive(into).await?;
                Heard::Packet(count, arrival)
            }
            Self::Frames(socket) => {
                let (count, from, to) = socket.receive(into).await?;
                Heard::Frame(count, from, to)
            }
        })
    }
}

/// Sends what is to be sent, and shows what comes until Ctrl-C is typed.
async fn listen(options: &Options<'_>) -> Result<(), Error> {
    let net = Net::connect().await?;
    let ear = match options.subject {
        Subject::Packets(protocol) => Ear::Packets(packets(&net, protocol, options).await?),
        Subject::Frames(ethertype, link) => {
            Ear::Frames(frames(&net, (ethertype, link), options).await?)
        }
    };
    match select(show_all(&ear, options), console::interrupt()).await {
        Either::First(outcome) => outcome,
        Either::Second(_) => Ok(()),
    }
}

/// A socket for packets, to which the text is sent.
async fn packets(net: &Net, protocol: u8, options: &Options<'_>) -> Result<RawSocket, Error> {
    let host = match options.host {
        Some(host) => {
            let found = net.addresses_of(host, options.family).await?;
            Some(found.first().copied().ok_or(Error::NoSuchRecord)?)
        }
        None => None,
    };
    let own = host.map_or(options.family.unwrap_or(Family::V4), Family::of);
    let socket = RawSocket::open(net, protocol, own.unspecified()).await?;
    if let Some(host) = host {
        begin(&socket, host, options).await?;
    }
    println!("packets of protocol {protocol}");
    Ok(socket)
}

async fn begin(socket: &RawSocket, host: IpAddr, options: &Options<'_>) -> Result<(), Error> {
    socket.connect(host).await?;
    if let Some(text) = options.text {
        socket.send(text.as_bytes()).await?;
        socket.flush().await?;
    }
    Ok(())
}

/// The same for frames.
async fn frames(
    net: &Net,
    (ethertype, link): (u16, u32),
    options: &Options<'_>,
) -> Result<EthernetSocket, Error> {
    let to = options.host.map(str::parse::<Mac>).transpose();
    let to = to.map_err(|_| Error::Other(Code::BadAddress))?;
    let group = to.filter(|to| to.is_group() && *to != Mac::BROADCAST);
    let socket = EthernetSocket::open(net, ethertype, link, group).await?;
    if let (Some(to), Some(text)) = (to, options.text) {
        socket.send_to(text.as_bytes(), to).await?;
        socket.flush().await?;
    }
    println!("frames of type {ethertype:#06x}");
    Ok(socket)
}

async fn show_all(ear: &Ear, options: &Options<'_>) -> Result<(), Error> {
    let mut bytes = vec![0; LONGEST];
    let mut shown = 0;
    while options.count == 0 || shown < options.count {
        let coming = ear.next(&mut bytes);
        let heard = match options.patience {
            Some(patience) => within(patience, coming).await?,
            None => coming.await?,
        };
        let count = match heard {
            Heard::Packet(count, Arrival::Packet { from, to, hops }) => {
                let (from, to) = (from.ip(), to.ip());
                print!("{count} bytes from {from} to {to}, ttl={hops}:");
                Some(count)
            }
            Heard::Packet(_, Arrival::Failed(report)) => {
                show_report(&report);
                None
            }
            Heard::Frame(count, from, to) => {
                print!("{count} bytes from {from} to {to}:");
                Some(count)
            }
        };
        if let Some(count) = count {
            show(&bytes[..count.min(SHOWN)]);
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
