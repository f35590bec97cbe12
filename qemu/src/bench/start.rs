//! From the start of QEMU to the prompt, to an address, to the first byte of a page.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use dhcproto::v4::MessageType;

use super::{Figure, median};
use crate::family::Family;
use crate::frames::{Arp, Cable, GUEST};
use crate::guest::{BOOT, Guest};
use crate::instructions::peer::{ATTEMPTS, Connection};
use crate::machine::{Card, Link, Machine};
use crate::peers::dhcp::{Terms, answer, hear};
use crate::peers::traffic;

const RUNS: usize = 7;
const FIRST_PORT: u16 = 40_000;
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: guest\r\n\r\n";

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

pub fn measure() -> Result<Vec<Figure>> {
    let repeat = |run: fn() -> Result<f64>| (0..RUNS).map(|_| run()).collect::<Result<Vec<_>>>();
    Ok(vec![
        Figure::new("QEMU start to prompt", median(repeat(to_prompt)?), "ms").at_most(150.0),
        Figure::new("QEMU start to lease", median(repeat(to_lease)?), "ms"),
        Figure::new(
            "QEMU start to first HTTP byte",
            median(repeat(to_first_byte)?),
            "ms",
        )
        .at_most(150.0),
        memory_in_use()?,
    ])
}

fn on_user_network() -> Machine {
    Machine {
        cards: vec![Card::new(Link::user(&[80]))],
        ..Machine::default()
    }
}

fn to_prompt() -> Result<f64> {
    let guest = Guest::boot(on_user_network())?;
    Ok(milliseconds(guest.started))
}

/// A guest with an address that a server on the cable gave it, at the moment of its announcement.
fn leased(name: &str) -> Result<(Guest, Cable)> {
    let cable = Cable::new(name)?;
    let guest = Guest::start(Machine {
        cards: vec![Card::new(cable.link())],
        ..Machine::default()
    })?;
    let discover = hear(&cable, MessageType::Discover, BOOT)?;
    answer(&cable, &discover, MessageType::Offer, Terms::default())?;
    let request = hear(&cable, MessageType::Request, BOOT)?;
    answer(&cable, &request, MessageType::Ack, Terms::default())?;
    cable.expect("announcement", BOOT, |frame| {
        Arp::parse(frame).filter(|arp| arp.sender == GUEST)
    })?;
    Ok((guest, cable))
}

fn to_lease() -> Result<f64> {
    let (guest, _cable) = leased("bench-lease")?;
    Ok(milliseconds(guest.started))
}

/// Until the first byte of a page, asked for as soon as there is an address to ask. The user network would not do:
/// what it sends to a guest without an address is lost, and comes again seconds later.
fn to_first_byte() -> Result<f64> {
    let (guest, cable) = leased("bench-page")?;
    cable.introduce()?;
    let mut connection = called(&cable)?;
    cable.send(&connection.acknowledgment()?)?;
    // There is none before the server has accepted.
    connection.await_room(&cable, 1)?;
    cable.send(&connection.say(REQUEST)?)?;
    while connection.hear(&cable)?.payload.is_empty() {}
    Ok(milliseconds(guest.started))
}

/// A connection to the server that has been answered. Until the server listens it is refused.
fn called(cable: &Cable) -> Result<Connection> {
    for port in FIRST_PORT..FIRST_PORT + ATTEMPTS {
        let mut connection = Connection::new(Family::Four, port, 80);
        cable.send(&connection.syn()?)?;
        if connection.hear(cable)?.syn {
            return Ok(connection);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    bail!("port 80 stays closed")
}

/// Asks for the page and waits for its first byte, but not for long.
pub fn first_byte(port: u16) -> Result<()> {
    let mut stream = traffic::connect(traffic::forward(port), Duration::from_millis(40))?;
    stream.write_all(REQUEST)?;
    stream.read_exact(&mut [0])?;
    Ok(())
}

fn memory_in_use() -> Result<Figure> {
    let mut guest = Guest::boot(on_user_network())?;
    let text = guest.must("ps")?;
    let pattern = regex::Regex::new(r"memory: (\d+) KiB free of (\d+) KiB")?;
    let found = pattern.captures(&text);
    let numbers = found
        .and_then(|found| Some((found[1].parse::<f64>().ok()?, found[2].parse::<f64>().ok()?)));
    let (free, total) = numbers.ok_or_else(|| anyhow::anyhow!("ps tells no memory: {text}"))?;
    Ok(Figure::new("memory in use", (total - free) / 1024.0, "MiB"))
}
