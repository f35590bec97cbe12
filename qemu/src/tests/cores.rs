//! netd on several cores: connections are dealt out among its loops, whichever queue their frames come
//! by, and nobody notices but the counters.
//!
//! The other end is the host's kernel, behind a TAP interface with as many queues in a namespace.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::offload::{BULK, LIMIT, START, agreed, await_echo, both_ways, figure, to};
use super::{Group, no_stage, tests};
use crate::frames::ADDRESS;
use crate::guest::Guest;
use crate::machine::{Card, Link, Machine};
use crate::namespace::{self, TAP};

/// Connections that are open together.
const CONNECTIONS: usize = 64;

pub fn group() -> Group {
    Group {
        name: "cores",
        stage: no_stage,
        tests: tests![Alone:
            connections_spread_over_two_cores,
            connections_spread_over_four_cores,
            one_loop_where_there_cannot_be_more,
            the_end_of_one_loop_is_the_end_of_all,
        ],
    }
}

/// One of the functions below, by its name, inside of a namespace.
pub fn inside(name: &str) -> Result<()> {
    match name {
        "two-cores" => spread(2),
        "four-cores" => spread(4),
        "one-loop" => one_loop(),
        "end-of-one" => end_of_one(),
        _ => bail!("there is no {name:?}"),
    }
}

fn connections_spread_over_two_cores() -> Result<()> {
    namespace::run_inside(&["inside", "two-cores"]).map(drop)
}

fn connections_spread_over_four_cores() -> Result<()> {
    namespace::run_inside(&["inside", "four-cores"]).map(drop)
}

fn one_loop_where_there_cannot_be_more() -> Result<()> {
    namespace::run_inside(&["inside", "one-loop"]).map(drop)
}

fn the_end_of_one_loop_is_the_end_of_all() -> Result<()> {
    namespace::run_inside(&["inside", "end-of-one"]).map(drop)
}

/// Whether these names of what the card does say that it uses several pairs of queues.
fn has_pairs(names: &str) -> bool {
    names.split(' ').any(|name| name == "mq")
}

/// A guest with so many CPUs, a card with these properties, and words for its kernel.
pub fn boot(cores: u32, properties: &str, words: &str) -> Result<Guest> {
    let mut card = Card::new(Link::Tap {
        interface: TAP.into(),
        queues: cores.max(2),
    });
    card.properties = properties.into();
    Guest::boot(Machine {
        cores,
        cards: vec![card],
        append: format!("{ADDRESS} {words}"),
        ..Machine::default()
    })
}

/// Connections to the echo service, all of which have been answered.
pub fn connections(count: usize) -> Result<Vec<TcpStream>> {
    let mut streams = Vec::new();
    for _ in 0..count {
        let stream = TcpStream::connect_timeout(&to(7), LIMIT)?;
        stream.set_read_timeout(Some(LIMIT))?;
        streams.push(stream);
    }
    for round in 0..10_u8 {
        for stream in &mut streams {
            stream.write_all(&[round; 200])?;
        }
        for (number, stream) in streams.iter_mut().enumerate() {
            let mut back = [0; 200];
            stream
                .read_exact(&mut back)
                .with_context(|| format!("connection {number}, round {round}"))?;
            ensure!(back == [round; 200], "connection {number} was changed");
        }
    }
    Ok(streams)
}

/// Connections of the first loop, as the echo service tells: the others' it does not see.
fn of_the_first() -> Result<usize> {
    let address: SocketAddr = to(1);
    let mut text = String::new();
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.read_to_string(&mut text)?;
    let count = text.trim().rsplit('=').next();
    Ok(count.context("no figure")?.parse()?)
}

fn spread(cores: u32) -> Result<()> {
    namespace::make_tap_with("192.0.2.1/24", true)?;
    let mut guest = boot(cores, ",mq=on", &format!("netd=cores:{cores}"))?;
    await_echo()?;
    let names = agreed(&mut guest)?;
    ensure!(has_pairs(&names), "{names}");
    both_ways(BULK / 2)?;
    let streams = connections(CONNECTIONS)?;
    // A fair share, give or take: that it is none or all has a chance of one in a billion.
    let first = of_the_first()?;
    let share = CONNECTIONS / cores as usize;
    ensure!(
        (share / 4..=CONNECTIONS - share / 4).contains(&first),
        "{first} of {CONNECTIONS} are the first one's"
    );
    drop(streams);
    // From the guest: its connection comes back to the loop that has opened it.
    guest.must("http -q http://127.0.0.1/")?;
    guest.must("ping -c 3 192.0.2.1")?;
    ensure!(
        figure(&mut guest, "device faults")? == 0,
        "faults of the card"
    );
    // Bulk on several connections at once.
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| both_ways(BULK / 8)))
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|_| bail!("fell over")))
    })
}

fn one_loop() -> Result<()> {
    namespace::make_tap_with("192.0.2.1/24", true)?;
    for (cores, properties, words) in [
        (2, ",mq=on", "netd=cores:2 nic=-mq"),
        (2, ",mq=on", ""),
        (1, ",mq=on", "netd=cores:2"),
        (2, ",mq=off", "netd=cores:2"),
    ] {
        let mut guest = boot(cores, properties, words)?;
        await_echo()?;
        let names = agreed(&mut guest)?;
        ensure!(!has_pairs(&names), "{words:?}: {names}");
        both_ways(BULK / 8)?;
        let _streams = connections(8)?;
        let all = of_the_first()?;
        ensure!(all >= 8, "{words:?}: {all} connections");
    }
    Ok(())
}

fn end_of_one() -> Result<()> {
    namespace::make_tap_with("192.0.2.1/24", true)?;
    let mut guest = boot(2, ",mq=on", "netd=cores:2")?;
    await_echo()?;
    let old = super::shell::process(&mut guest, "netd")?;
    guest.must(&format!("kill {old}"))?;
    let deadline = Instant::now() + START;
    while super::shell::process(&mut guest, "netd")
        .ok()
        .is_none_or(|new| new == old)
    {
        ensure!(Instant::now() < deadline, "there is no new network server");
        std::thread::sleep(Duration::from_millis(200));
    }
    await_echo()?;
    let names = agreed(&mut guest)?;
    ensure!(has_pairs(&names), "{names}");
    both_ways(BULK / 8)?;
    connections(CONNECTIONS / 2).map(drop)
}
