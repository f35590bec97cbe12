//! The time by chrony, a server as most Linux machines run it, over both families.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::routers::{await_line, capture, end_capture, make_tap};
use super::{Group, no_stage, tests};
use crate::family;
use crate::frames::US;
use crate::guest::Guest;
use crate::machine::{Card, Link, Machine, mortal};
use crate::namespace::{self, TAP};
use crate::peers::{Running, Scratch, find};

const US6: &str = "fd00:77::1";
const GUEST6: &str = "fd00:77::2";
/// Until the server answers.
const LIMIT: Duration = Duration::from_secs(30);
/// How many seconds a host may stand still.
const STILL: u64 = 10;
/// It has no clock above it and says so.
const STRATUM: &str = "stratum 4";

pub fn group() -> Group {
    Group {
        name: "clock",
        stage: no_stage,
        tests: tests![Alone: chrony_tells_the_time],
    }
}

fn chrony_tells_the_time() -> Result<()> {
    for program in ["chronyd", "tshark", "dumpcap"] {
        find(program)?;
    }
    namespace::run_inside(&["inside", "clock"]).map(drop)
}

pub(super) fn inside() -> Result<()> {
    make_tap(&[&format!("{US6}/64")])?;
    let scratch = Scratch::new("chrony")?;
    let seen = scratch.path().join("clock.pcap");
    let recording = capture(&seen)?;
    let identity = scratch.path().join("chronyd.pid");
    let configuration = format!(
        "local stratum 4\nallow\ncmdport 0\npidfile {}\n",
        identity.display()
    );
    // In its namespace there is nobody else that it could be, and no clock that it could set.
    let _server = Running::start(
        mortal(&find("chronyd")?.to_string_lossy())
            .args(["-d", "-x", "-u", "root", "-f"])
            .arg(scratch.write("chrony.conf", configuration)?)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    )?;
    let mut guest = Guest::boot(Machine {
        cards: vec![Card::new(Link::Tap {
            interface: TAP.into(),
            queues: 1,
        })],
        append: family::both(),
        ..Machine::default()
    })?;
    guest.must(&format!("net addr add {GUEST6}/64"))?;
    let proven = format!(r"^1: {GUEST6}/64 static\s*$");
    await_line(&mut guest, "net addr", &proven, true)?;
    await_server(&mut guest)?;
    for server in [US.to_string(), US6.to_owned()] {
        // Both clocks are the host's: that of the guest came from it when it started. A host that stands still
        // between two looks at one clock, or while the answer is on its way, makes a difference, but not always.
        let mut off = set_clock(&mut guest, &server)?;
        ensure!(off <= STILL, "{off} s at first");
        for _ in 0..4 {
            if off <= 1 {
                break;
            }
            off = set_clock(&mut guest, &server)?;
        }
        ensure!(off <= 1, "{off} s each time");
    }
    guest.type_line("poweroff")?;
    guest.wait_exit(LIMIT)?;
    end_capture(recording)?;
    super::capture::nothing_is_malformed(&seen, &["ntp && ip", "ntp && ipv6"])
}

/// Asks the server for the time and sets the clock by it; by how many seconds it was off.
fn set_clock(guest: &mut Guest, server: &str) -> Result<u64> {
    let text = guest.must(&format!("ntp -w 15 -c 2 {server}"))?;
    ensure!(text.matches(STRATUM).count() == 2, "{text}");
    ensure!(text.contains("the clock is set"), "{text}");
    let (_, off) = text.split_once("was off by ").context("the difference")?;
    let seconds = off.trim_start_matches(['-', '+']).split('.').next();
    Ok(seconds.context("seconds")?.parse()?)
}

fn await_server(guest: &mut Guest) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    while guest.command(&format!("ntp -n -c 1 {US}"))?.code != 0 {
        ensure!(Instant::now() < deadline, "chrony does not answer");
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}
