//! What the network card does for the guest, and the guest without it: bytes are the same both ways.
//!
//! The other end is the host's kernel, behind a TAP interface in a network namespace: it sends large
//! segments and leaves checksums to the card where the guest has agreed to that.

use std::io::Read;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{Group, LOGS, no_stage, tests};
use crate::frames::{ADDRESS, GUEST};
use crate::guest::{Guest, indent};
use crate::machine::{Card, Link, Machine};
use crate::namespace::{self, TAP};
use crate::peers::{digest, noise, traffic};

pub const LIMIT: Duration = Duration::from_secs(60);
pub const START: Duration = Duration::from_secs(60);
pub const BULK: usize = 8 << 20;
/// What `net` calls the things that a TAP interface and QEMU's card offer.
const ALL: &str = "checksum-out checksum-in segmentation large-receive merged-buffers event-index indirect quiet gather";
/// Payload of a segment, with timestamps.
const SEGMENT: usize = 1448;

pub fn group() -> Group {
    Group {
        name: "offload",
        stage: no_stage,
        tests: tests![Alone:
            large_segments_are_received_whole,
            large_segments_are_sent_from_where_they_are,
            each_can_be_turned_off_in_the_guest,
            each_can_be_missing_at_the_card,
            a_card_of_before_the_standard,
        ],
    }
}

/// One of the functions below, by its name, inside of a namespace.
pub fn inside(name: &str) -> Result<()> {
    let result = match name {
        "whole" => whole(),
        "sent" => sent(),
        "turned-off" => turned_off(),
        "missing" => missing(),
        "legacy" => legacy(),
        "fragments" => super::fragments::inside(),
        "groups" => super::multicast::inside(),
        "neighbours" => super::neighbours::inside(),
        "clock" => super::clock::inside(),
        "older-groups" => super::multicast::inside_older(),
        other => super::routers::inside(other).unwrap_or_else(|| super::cores::inside(other)),
    };
    result.inspect_err(|_| {
        // The guest has ended, and its log is here.
        LOGS.with_borrow(|logs| logs.iter().for_each(|log| eprintln!("{}", indent(log))));
    })
}

fn large_segments_are_received_whole() -> Result<()> {
    namespace::run_inside(&["inside", "whole"]).map(drop)
}

fn large_segments_are_sent_from_where_they_are() -> Result<()> {
    namespace::run_inside(&["inside", "sent"]).map(drop)
}

fn each_can_be_turned_off_in_the_guest() -> Result<()> {
    namespace::run_inside(&["inside", "turned-off"]).map(drop)
}

fn each_can_be_missing_at_the_card() -> Result<()> {
    namespace::run_inside(&["inside", "missing"]).map(drop)
}

fn a_card_of_before_the_standard() -> Result<()> {
    namespace::run_inside(&["inside", "legacy"]).map(drop)
}

/// A guest on the TAP interface, with these properties of its card and words for its kernel.
pub(super) fn boot(properties: &str, words: &str, legacy: bool) -> Result<Guest> {
    let mut card = Card::new(Link::Tap {
        interface: TAP.into(),
        queues: 1,
    });
    card.properties = properties.into();
    Guest::boot(Machine {
        cards: vec![card],
        append: format!("{ADDRESS} {words}"),
        legacy,
        ..Machine::default()
    })
}

pub(super) fn to(port: u16) -> SocketAddr {
    (GUEST, port).into()
}

/// Waits until the echo service answers.
pub fn await_echo() -> Result<()> {
    let deadline = Instant::now() + START;
    while traffic::echo(to(7), b"?", Duration::from_secs(1))
        .ok()
        .as_deref()
        != Some(b"?")
    {
        ensure!(Instant::now() < deadline, "the echo service does not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// The card's line of `net`.
pub fn agreed(guest: &mut Guest) -> Result<String> {
    let text = guest.must("net")?;
    let line = text.lines().find_map(|line| line.strip_prefix("nic     "));
    Ok(line.context("no line about the card")?.trim().into())
}

/// Everything goes through the guest and comes back, by TCP and by UDP.
pub fn both_ways(length: usize) -> Result<()> {
    await_echo()?;
    let bytes = noise(11, length);
    let back = traffic::echo(to(7), &bytes, LIMIT)?;
    ensure!(back.len() == bytes.len(), "{} bytes came back", back.len());
    ensure!(digest(&back) == digest(&bytes), "they were changed");
    let payload = noise(12, 1400);
    ensure!(
        traffic::datagram(to(7), &payload)? == payload,
        "a datagram was changed"
    );
    Ok(())
}

/// A figure of `net stats`.
pub(super) fn figure(guest: &mut Guest, name: &str) -> Result<usize> {
    Ok(guest.stats()?.figure(name)?.try_into()?)
}

/// Frames that bytes take on their way into the guest.
fn frames_for(guest: &mut Guest, length: usize) -> Result<usize> {
    let before = figure(guest, "frames received")?;
    traffic::discard(to(9), &noise(9, length), LIMIT)?;
    Ok(figure(guest, "frames received")? - before)
}

/// Frames that bytes take on their way out of the guest.
fn frames_from(guest: &mut Guest, length: usize) -> Result<usize> {
    let before = figure(guest, "frames sent")?;
    let mut stream = traffic::connect(to(19), LIMIT)?;
    let mut chunk = vec![0; 256 << 10];
    let mut came = 0;
    while came < length {
        let count = stream.read(&mut chunk)?;
        ensure!(count > 0, "the source ended");
        came += count;
    }
    drop(stream);
    Ok(figure(guest, "frames sent")? - before)
}

fn sent() -> Result<()> {
    namespace::make_tap("192.0.2.1/24")?;
    for (word, is_large) in [
        ("", true),
        ("nic=-segmentation", false),
        ("nic=-gather", false),
        ("nic=-indirect", true),
    ] {
        let mut guest = boot("", word, false)?;
        both_ways(BULK / 2).with_context(|| format!("with {word}"))?;
        let frames = frames_from(&mut guest, BULK)?;
        if is_large {
            let most = BULK / SEGMENT / 4;
            ensure!(
                frames < most,
                "{word}: {frames} frames: they were not large"
            );
        } else {
            let least = BULK / SEGMENT;
            ensure!(frames >= least, "{word}: {frames} frames: they were large");
        }
        // What is sent by zero copies is not in the count of copied bytes.
        let referred = figure(&mut guest, "copy.bytes_referred").unwrap_or(0);
        ensure!(
            (referred > BULK) == (word != "nic=-gather"),
            "{word}: {referred} bytes were not copied"
        );
        ensure!(
            figure(&mut guest, "device faults")? == 0,
            "faults of the card"
        );
    }
    Ok(())
}

fn whole() -> Result<()> {
    namespace::make_tap("192.0.2.1/24")?;
    let mut guest = boot("", "", false)?;
    ensure!(agreed(&mut guest)? == ALL, "{}", agreed(&mut guest)?);
    both_ways(BULK)?;
    let frames = frames_for(&mut guest, BULK)?;
    ensure!(
        frames < BULK / SEGMENT / 2,
        "{frames} frames: they were not large"
    );
    ensure!(
        figure(&mut guest, "device faults")? == 0,
        "faults of the card"
    );
    drop(guest);
    let mut guest = boot("", "nic=-large-receive", false)?;
    await_echo()?;
    let frames = frames_for(&mut guest, BULK)?;
    ensure!(frames >= BULK / SEGMENT, "{frames} frames: they were large");
    Ok(())
}

/// `ALL` without some of its words.
fn all_but(words: &[&str]) -> String {
    let left: Vec<_> = ALL
        .split(' ')
        .filter(|word| !words.contains(word))
        .collect();
    left.join(" ")
}

fn turned_off() -> Result<()> {
    namespace::make_tap("192.0.2.1/24")?;
    for (word, gone) in [
        ("-checksum-out", &["checksum-out", "segmentation"][..]),
        ("-checksum-in", &["checksum-in", "large-receive"]),
        ("-segmentation", &["segmentation"]),
        ("-gather", &["gather", "segmentation"]),
        ("-large-receive", &["large-receive"]),
        ("-merged-buffers", &["merged-buffers", "large-receive"]),
        ("-event-index", &["event-index"]),
        ("-indirect", &["indirect"]),
        ("-quiet", &["quiet"]),
    ] {
        let mut guest = boot("", &format!("nic={word}"), false)?;
        let found = agreed(&mut guest)?;
        ensure!(found == all_but(gone), "{word} leaves {found}");
        both_ways(BULK / 4).with_context(|| format!("with nic={word}"))?;
        ensure!(
            figure(&mut guest, "device faults")? == 0,
            "faults of the card"
        );
    }
    let mut guest = boot("", "nic=plain", false)?;
    ensure!(agreed(&mut guest)? == "plain");
    both_ways(BULK / 4).context("with nic=plain")
}

fn missing() -> Result<()> {
    namespace::make_tap("192.0.2.1/24")?;
    for (properties, gone) in [
        (",csum=off", &["checksum-out", "segmentation"][..]),
        (",guest_csum=off", &["checksum-in", "large-receive"]),
        (",guest_tso4=off,guest_tso6=off", &["large-receive"]),
        (",host_tso4=off,host_tso6=off", &["segmentation"]),
        (",mrg_rxbuf=off", &["merged-buffers", "large-receive"]),
        (",event_idx=off", &["event-index"]),
        (",indirect_desc=off", &["indirect"]),
    ] {
        let mut guest = boot(properties, "", false)?;
        let found = agreed(&mut guest)?;
        ensure!(found == all_but(gone), "{properties} leaves {found}");
        both_ways(BULK / 4).with_context(|| format!("with {properties}"))?;
        ensure!(
            figure(&mut guest, "device faults")? == 0,
            "faults of the card"
        );
    }
    Ok(())
}

fn legacy() -> Result<()> {
    namespace::make_tap("192.0.2.1/24")?;
    let mut guest = boot("", "", true)?;
    ensure!(agreed(&mut guest)? == ALL, "{}", agreed(&mut guest)?);
    both_ways(BULK / 4)?;
    drop(guest);
    let mut guest = boot(",any_layout=off", "", true)?;
    let found = agreed(&mut guest)?;
    ensure!(
        found == all_but(&["merged-buffers", "large-receive", "segmentation", "gather"]),
        "{found}"
    );
    both_ways(BULK / 4)
}
