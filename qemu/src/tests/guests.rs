//! Two guests on one cable, which speak with each other alone: each is the other's proof that it does not
//! only understand others' mistakes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use regex::Regex;

use super::capture::nothing_is_wrong;
use super::{Group, no_stage, tests};
use crate::guest::Guest;
use crate::machine::{Card, Link, Machine};
use crate::peers::{Scratch, find};

/// The addresses of both: IPv4, and what they make of their hardware addresses.
const FOUR: [&str; 2] = ["192.0.2.2", "192.0.2.3"];
const SIX: [&str; 2] = ["fe80::5054:ff:fe12:3456", "fe80::5054:ff:fe12:3457"];
/// Payloads: none, the shortest that leave in parts over either family, and the longest. (All boundaries
/// are tried beside Linux, in `fragments.rs`.)
const SIZES: [u16; 4] = [0, 1_453, 1_473, 65_507];
const LIMIT: Duration = Duration::from_secs(30);
/// Where one waits for the other.
const PORT: u16 = 7_000;

pub fn group() -> Group {
    Group {
        name: "guests",
        stage: no_stage,
        tests: tests![Alone: two_guests_speak_over_both_families],
    }
}

fn two_guests_speak_over_both_families() -> Result<()> {
    find("tshark")?;
    let scratch = Scratch::new("guests")?;
    let seen = scratch.path().join("guests.pcap");
    let ends = ["one", "other"].map(|name| scratch.path().join(name));
    let [mut one, mut other] = [boot(&ends, 0, &seen)?, boot(&ends, 1, &seen)?];
    await_proven(&mut one, SIX[0])?;
    await_proven(&mut other, SIX[1])?;
    for (guest, address) in [
        (&mut one, [FOUR[1], SIX[1]]),
        (&mut other, [FOUR[0], SIX[0]]),
    ] {
        address
            .into_iter()
            .try_for_each(|address| reaches(guest, address))?;
    }
    for address in [FOUR[0], SIX[0]] {
        a_line_each(&mut one, &mut other, address)?;
    }
    for guest in [&mut one, &mut other] {
        guest.type_line("poweroff")?;
        guest.wait_exit(LIMIT)?;
    }
    let told = [
        "arp",
        "icmpv6.type == 135",
        "ip.flags.mf == 1 && ip.proto == 1",
        "ipv6.fraghdr.more == 1",
        "tcp.port == 80 && ip",
        "tcp.port == 80 && ipv6",
        "tcp.port == 7000 && ipv6",
    ];
    nothing_is_wrong(&seen, &told)
}

/// A guest gets answers of all sizes from the other, measures the way, is one hop from it, and reads its page.
fn reaches(guest: &mut Guest, address: &str) -> Result<()> {
    for size in SIZES {
        let text = guest.must(&format!("ping -c 1 -W 20 -s {size} {address}"))?;
        let line = format!("bytes from {address}");
        ensure!(text.contains(&line), "{size}: {text}");
    }
    for (how, told) in [
        ("-n 20", "20 round trips in "),
        ("-u -w 20 -n 20", "20 of 20 datagrams came back"),
        ("-m send -n 20", "327680 bytes in "),
        ("-m connect -n 10 -l 64", "10 connections in "),
    ] {
        let text = guest.must(&format!("perf {how} {address}"))?;
        ensure!(text.contains(told), "{how}: {text}");
    }
    let text = guest.must(&format!("traceroute -w 20 {address}"))?;
    ensure!(text.contains(address), "{text}");
    let is_six = address.contains(':');
    let host = if is_six {
        format!("[{address}]")
    } else {
        address.to_owned()
    };
    page_is_the_same(guest, &host)
}

/// A guest whose cable is one datagram socket, and the other guest's the other.
fn boot(ends: &[std::path::PathBuf; 2], place: usize, capture: &std::path::Path) -> Result<Guest> {
    let mut card = Card::new(Link::Frames {
        ours: ends[1 - place].clone(),
        theirs: ends[place].clone(),
    });
    card.mac = format!("52:54:00:12:34:5{}", 6 + place);
    card.capture = (place == 0).then(|| capture.to_owned());
    let address = FOUR[place];
    Guest::boot(Machine {
        cards: vec![card],
        append: format!("ip={address}/24 ipv6=hardware mdns=none services=echo,httpd"),
        ..Machine::default()
    })
}

/// Waits until nobody else has turned out to have the guest's address.
fn await_proven(guest: &mut Guest, address: &str) -> Result<()> {
    let line = Regex::new(&format!(r"(?m)^1: {address}/64 link-local\s*$"))?;
    let deadline = Instant::now() + LIMIT;
    while !line.is_match(&guest.must("net addr")?) {
        ensure!(Instant::now() < deadline, "{}", guest.must("net addr")?);
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// What the other serves is what this guest serves itself.
fn page_is_the_same(guest: &mut Guest, host: &str) -> Result<()> {
    let sum = Regex::new("sha256 [0-9a-f]{64}")?;
    let mut found = [String::new(), String::new()];
    for (found, host) in found.iter_mut().zip([host, "127.0.0.1"]) {
        let text = guest.must(&format!("http http://{host}/"))?;
        let sum = sum.find(&text).with_context(|| text.clone())?;
        *found = sum.as_str().to_owned();
    }
    ensure!(found[0] == found[1], "{found:?}");
    Ok(())
}

/// One waits with a line, the other comes with another.
fn a_line_each(one: &mut Guest, other: &mut Guest, address: &str) -> Result<()> {
    let waits = format!("nc -l -m welcome {PORT}");
    one.type_line(&waits)?;
    let deadline = Instant::now() + LIMIT;
    loop {
        let answer = other.command(&format!("nc -m hello {address} {PORT}"))?;
        if answer.code == 0 {
            ensure!(answer.text.contains("welcome"), "{}", answer.text);
            break;
        }
        if Instant::now() > deadline {
            bail!("nobody waits: {}", answer.text);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let text = one.answer(&waits, LIMIT)?.success()?;
    ensure!(text.contains("hello"), "{text}");
    Ok(())
}
