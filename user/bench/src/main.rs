//! `bench`: what the system's basic actions cost, measured from inside.
//!
//! Prints nanoseconds for each action. Under `-icount shift=0`, where the clock advances one
//! nanosecond with each instruction, that is the number of instructions.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

extern crate alloc;

use core::net::{Ipv4Addr, SocketAddr};

use abi::{Error, PAGE_SIZE, Signals, WaitItem};
use net::{Net, UdpSocket};
use ring::Message;
use rt::handle::Channel;
use rt::link::Link;
use rt::system::{self, Refused};
use rt::{Env, block_on, clock, println, syscall};

mod copies;

rt::entry!(run);

/// Under this name one process finds the other.
const SERVICE: &str = "BENCH:";
const CALLS: u32 = 100_000;
const ROUNDS: u32 = 5_000;

const USAGE: &str = "\
usage: bench null      a system call that does nothing
       bench doorbell  a doorbell to a process that waits for it
       bench message   a message to a process that waits, and its answer
       bench socket    a socket that is made, bound and closed, by messages to netd
       bench copy      a copy of a segment's 1,448 bytes; first it tries all kinds
       bench busy      processor time since boot, idling not counted";

fn run(env: Env) -> i32 {
    let result = match env.args.get(0) {
        Some("null") => null().map_err(Refused::from),
        Some("doorbell") => doorbell(),
        Some("message") => message(),
        Some("socket") => socket(),
        Some("copy") => copy(),
        Some("busy") => busy(),
        Some("answer-doorbells") => answer_doorbells(),
        Some("answer-messages") => answer_messages(),
        _ => {
            println!("{USAGE}");
            return 2;
        }
    };
    match result {
        Ok(()) => 0,
        Err(refused) => {
            println!("bench: {refused}");
            1
        }
    }
}

/// Prints the time for each of `count` actions that took from `start` until now.
fn report(name: &str, start: u64, count: u32) {
    // In hundredths, because the run-time of small actions is a few dozen.
    let hundredths = clock::now().saturating_sub(start).saturating_mul(100) / u64::from(count);
    println!("{name}: {}.{:02} ns", hundredths / 100, hundredths % 100);
}

fn null() -> Result<(), Error> {
    let start = clock::now();
    for _ in 0..CALLS {
        syscall::null()?;
    }
    report("null", start, CALLS);
    Ok(())
}

fn copy() -> Result<(), Refused> {
    if !copies::are_right() {
        println!("copies are wrong");
        return Err(Error::BadState.into());
    }
    let (start, count) = copies::of_a_segment();
    report("copy", start, count);
    Ok(())
}

fn busy() -> Result<(), Refused> {
    let figures = system::figures()?;
    // The figures' idle time is that of all cores together.
    let total = clock::now().saturating_mul(figures.cpus.into());
    println!("busy: {} ns", total.saturating_sub(figures.idle));
    Ok(())
}

/// What netd does for a socket's life, and the messages that ask for it.
fn socket() -> Result<(), Refused> {
    let made = block_on(async {
        let net = Net::connect().await?;
        let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        UdpSocket::bind(&net, any).await?;
        let start = clock::now();
        for _ in 0..ROUNDS {
            UdpSocket::bind(&net, any).await?;
        }
        Ok::<_, net::Error>(start)
    });
    let Ok(start) = made else {
        println!("no network, or no socket");
        return Err(Refused::Gone);
    };
    report("socket", start, ROUNDS);
    Ok(())
}

/// Starts this program once more in another role and waits until it has connected.
fn partner(role: &str) -> Result<Channel, Refused> {
    system::register(SERVICE)?;
    block_on(async {
        system::spawn("bench", &[role]).await?;
        Ok(system::accept_client().await?.channel)
    })
}

/// Sleeps until the other end rings.
fn await_doorbell(channel: &Channel) -> Result<(), Error> {
    let wanted = Signals::DOORBELL | Signals::PEER_CLOSED;
    let mut items = [WaitItem::new(channel.raw(), wanted)];
    rt::wait(&mut items, None)?;
    if items[0].signals().contains(Signals::DOORBELL) {
        Ok(())
    } else {
        Err(Error::PeerClosed)
    }
}

/// There and back is two doorbells, each to a process that waits.
fn doorbell() -> Result<(), Refused> {
    let channel = partner("answer-doorbells")?;
    await_doorbell(&channel)?;
    let start = clock::now();
    for _ in 0..ROUNDS {
        channel.ring()?;
        await_doorbell(&channel)?;
    }
    report("doorbell", start, 2 * ROUNDS);
    Ok(())
}

fn answer_doorbells() -> Result<(), Refused> {
    let (channel, peer) = Channel::create(PAGE_SIZE)?;
    block_on(system::connect_channel(SERVICE, peer, true))?;
    channel.ring()?;
    // Until the other end closes.
    while await_doorbell(&channel).is_ok() {
        channel.ring()?;
    }
    Ok(())
}

fn message() -> Result<(), Refused> {
    let mut link = Link::adopt(partner("answer-messages")?)?;
    let mut message = link.receive_blocking().map_err(|_| Refused::Gone)?;
    let start = clock::now();
    for _ in 0..ROUNDS {
        link.push(&message).map_err(|_| Refused::Busy)?;
        link.receive_blocking_into(&mut message)
            .map_err(|_| Refused::Gone)?;
    }
    report("message", start, ROUNDS);
    Ok(())
}

fn answer_messages() -> Result<(), Refused> {
    let mut link = system::connect_blocking(SERVICE, 4, true)?;
    link.send(&Message::ZERO).map_err(|_| Refused::Busy)?;
    let mut message = Message::ZERO;
    while link.receive_blocking_into(&mut message).is_ok() {
        link.push(&message).map_err(|_| Refused::Busy)?;
    }
    Ok(())
}
