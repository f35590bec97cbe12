//! Everything that the guest puts on the wire, seen by an independent dissector.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{Group, no_stage, tests};
use crate::guest::Guest;
use crate::machine::{Card, Link, Machine};
use crate::peers::canned::{Canned, Reply};
use crate::peers::nginx::curl;
use crate::peers::{Scratch, find, noise};

pub fn group() -> Group {
    Group {
        name: "capture",
        stage: no_stage,
        tests: tests![Alone: a_dissector_finds_nothing_wrong],
    }
}

/// What the guest has sent.
const OURS: &str = "eth.src == 52:54:00:12:34:56";

/// Frames of the capture that a display filter selects.
fn frames(dissector: &Path, capture: &Path, filter: &str) -> Result<Vec<String>> {
    let output = Command::new(dissector)
        .arg("-r")
        .arg(capture)
        .args([
            "-o",
            "ip.check_checksum:TRUE",
            "-o",
            "tcp.check_checksum:TRUE",
        ])
        .args(["-o", "udp.check_checksum:TRUE", "-Y", filter])
        .output()
        .context("tshark does not start")?;
    ensure!(
        output.status.success(),
        "tshark: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().map(str::to_owned).collect())
}

/// A session with a bit of everything: DHCP, ARP, ICMP, DNS, UDP, TCP in both directions.
fn a_dissector_finds_nothing_wrong() -> Result<()> {
    find("tshark")?;
    let scratch = Scratch::new("capture")?;
    let capture = scratch.path().join("session.pcap");
    let mut page = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    page.extend(noise(1, 300_000));
    let server = Canned::start(vec![("/", Reply::Bytes(page))])?;
    let mut guest = Guest::boot_online(Machine {
        cards: vec![Card {
            capture: Some(capture.clone()),
            ..Card::new(Link::user(&[80]))
        }],
        ..Machine::default()
    })?;
    guest.must("ping -c 3 -i 0.1 10.0.2.2")?;
    guest.must(&format!("http -q {}", server.url("/")))?;
    // Whatever the answer is, the question is on the wire.
    guest.command("dns example.test @10.0.2.2:9")?;
    let url = format!("http://127.0.0.1:{}/", guest.port(80)?);
    let deadline = Instant::now() + Duration::from_secs(20);
    while curl(&["--max-time", "2", &url]).is_err() {
        ensure!(Instant::now() < deadline, "no page");
    }
    guest.type_line("poweroff")?;
    guest.wait_exit(Duration::from_secs(20))?;

    nothing_is_wrong(&capture, &["arp", "icmp", "dhcp", "dns", "http", "mdns"])
}

/// Looks at what the guest has sent in a capture: there is something that each filter selects, and
/// nothing is malformed or has a wrong checksum.
pub(super) fn nothing_is_wrong(capture: &Path, expected: &[&str]) -> Result<()> {
    nothing_is_malformed(capture, expected)?;
    sent_nothing_of(
        capture,
        &[
            "ip.checksum.status == \"Bad\"",
            "udp.checksum.status == \"Bad\"",
            "tcp.checksum.status == \"Bad\"",
            "icmp.checksum.status == \"Bad\"",
            "icmpv6.checksum.status == \"Bad\"",
        ],
    )
}

/// The same, but for checksums: behind a TAP interface the host's kernel gets datagrams whose sums are the
/// card's to add.
pub(super) fn nothing_is_malformed(capture: &Path, expected: &[&str]) -> Result<()> {
    let dissector = find("tshark")?;
    for protocol in expected {
        let found = frames(&dissector, capture, &format!("{OURS} && {protocol}"))?;
        ensure!(!found.is_empty(), "no {protocol} in the capture");
    }
    sent_nothing_of(capture, &["_ws.malformed", "frame.len < 60"])
}

/// No frame of the guest's is selected by one of the filters.
fn sent_nothing_of(capture: &Path, filters: &[&str]) -> Result<()> {
    let dissector = find("tshark")?;
    for wrong in filters {
        let found = frames(&dissector, capture, &format!("{OURS} && {wrong}"))?;
        ensure!(found.is_empty(), "{wrong}:\n{}", found.join("\n"));
    }
    Ok(())
}
