//! netd on several cores: connections are dealt out among its loops, whichever queue their frames come
//! by, and nobody notices but the counters.
//!
//! The other end is the host's kernel, behind a TAP interface with as many queues in a namespace.

use std::io::{Read as _, Write as _};
use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::offload::{BULK, LIMIT, START, agreed, await_echo, both_ways, figure, to};
use super::{Group, no_stage, tests};
use crate::family::{GUEST6, both};
use crate::frames::ADDRESS;
use crate::guest::Guest;
use crate::machine::{Card, Link, Machine};
use crate::namespace::{self, TAP};
use crate::peers::traffic;

/// Our address over IPv6, and the guest's.
const US_SIX: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
const SIX: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);
/// Connections that are open together.
const CONNECTIONS: usize = 64;

pub fn group() -> Group {
    Group {
        name: "cores",
        stage: no_stage,
        tests: tests![Alone:
            connections_spread_over_two_cores,
            connections_spread_over_four_cores,
            connections_over_six_spread_as_well,
            other_cards_are_the_first_loops,
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
        "six" => over_six(),
        "cards" => two_cards(),
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

fn connections_over_six_spread_as_well() -> Result<()> {
    namespace::run_inside(&["inside", "six"]).map(drop)
}

fn other_cards_are_the_first_loops() -> Result<()> {
    namespace::run_inside(&["inside", "cards"]).map(drop)
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
    boot_with(cores, properties, &format!("{ADDRESS} {words}"), None)
}

/// The same, with all words for its kernel, and perhaps another card.
fn boot_with(cores: u32, properties: &str, append: &str, other: Option<Card>) -> Result<Guest> {
    let mut card = Card::new(Link::Tap {
        interface: TAP.into(),
        queues: cores.max(2),
    });
    card.properties = properties.into();
    Guest::boot(Machine {
        cores,
        cards: std::iter::once(card).chain(other).collect(),
        append: append.into(),
        ..Machine::default()
    })
}

/// Connections to the echo service, all of which have been answered.
pub fn connections(count: usize) -> Result<Vec<TcpStream>> {
    connections_to(to(7), count)
}

/// The same to that address.
fn connections_to(echo: SocketAddr, count: usize) -> Result<Vec<TcpStream>> {
    let mut streams = Vec::new();
    for _ in 0..count {
        let stream = TcpStream::connect_timeout(&echo, LIMIT)?;
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
    are_dealt_out(cores)?;
    drop(streams);
    // From the guest: its connection comes back to the loop that has opened it.
    guest.must("http -q http://127.0.0.1/")?;
    guest.must("ping -c 3 -i 0.1 192.0.2.1")?;
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

/// A fair share is the first one's, give or take: that it is none or all has a chance of one in a billion.
fn are_dealt_out(cores: u32) -> Result<()> {
    let first = of_the_first()?;
    let share = CONNECTIONS / cores as usize;
    ensure!(
        (share / 4..=CONNECTIONS - share / 4).contains(&first),
        "{first} of {CONNECTIONS} are the first one's"
    );
    Ok(())
}

/// The guest's addresses are made by its first loop, of its hardware address, and given to it by hand.
fn over_six() -> Result<()> {
    namespace::make_tap_with("192.0.2.1/24", true)?;
    namespace::ip(&format!("addr add {US_SIX}/64 dev {TAP} nodad"))?;
    let mut guest = boot_with(2, ",mq=on", &format!("{} netd=cores:2", both()), None)?;
    await_echo()?;
    guest.must(&format!("net addr add {SIX}/64"))?;
    let link_local = SocketAddrV6::new(GUEST6, 7, 0, namespace::index(TAP)?);
    for echo in [(SIX, 7).into(), link_local.into()] {
        // Its address has to be nobody else's first.
        let deadline = Instant::now() + START;
        while TcpStream::connect_timeout(&echo, Duration::from_secs(1)).is_err() {
            ensure!(Instant::now() < deadline, "{echo} does not answer");
        }
        let streams = connections_to(echo, CONNECTIONS)?;
        are_dealt_out(2)?;
        drop(streams);
        let payload = [6; 1_200];
        ensure!(traffic::datagram(echo, &payload)? == payload, "{echo}");
    }
    guest.must(&format!("ping -c 3 -i 0.1 {US_SIX}"))?;
    // Who has it no more has it in no loop.
    guest.must(&format!("net addr del {SIX}/64"))?;
    for _ in 0..CONNECTIONS / 4 {
        let stream = TcpStream::connect_timeout(&(SIX, 7).into(), Duration::from_millis(200));
        ensure!(stream.is_err(), "an address that is gone answers");
    }
    Ok(())
}

/// The loops share the first card; what comes by the second is the first loop's.
fn two_cards() -> Result<()> {
    namespace::make_tap_with("192.0.2.1/24", true)?;
    for words in [
        "tuntap add dev tap1 mode tap vnet_hdr",
        "addr add 198.51.100.1/24 dev tap1",
        "link set tap1 up",
    ] {
        namespace::ip(words)?;
    }
    let mut second = Card::new(Link::Tap {
        interface: "tap1".into(),
        queues: 1,
    });
    second.mac = "52:54:00:12:34:99".into();
    let words = format!("{ADDRESS} link2.ip=198.51.100.2/24 link2.ipv6=none netd=cores:2");
    let mut guest = boot_with(2, ",mq=on", &words, Some(second))?;
    await_echo()?;
    let names = agreed(&mut guest)?;
    ensure!(has_pairs(&names), "{names}");
    let links = guest.must("net links")?;
    ensure!(links.contains("2: 52:54:00:12:34:99 up"), "{links}");
    let streams = connections(CONNECTIONS)?;
    are_dealt_out(2)?;
    let echo = SocketAddr::from(([198, 51, 100, 2], 7));
    let before = of_the_first()?;
    let others = connections_to(echo, CONNECTIONS)?;
    let more = of_the_first()?.saturating_sub(before);
    // Those that were asked for the figure come and go beside them.
    ensure!(
        more + 4 >= others.len(),
        "{more} of the second card are the first loop's"
    );
    drop((streams, others));
    // In parts, which meet in the first loop: who has them whole must know whose they are.
    let payload = [7; 4_000];
    ensure!(traffic::datagram(echo, &payload)? == payload, "in parts");
    guest.must("ping -c 3 -i 0.1 198.51.100.1")?;
    guest.must("ping -c 3 -i 0.1 192.0.2.1").map(drop)
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
