//! Everything that the guest puts on the wire, seen by an independent dissector.

use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::{Group, no_stage, tests};
use crate::guest::{BOOT, Guest, SOON};
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

/// What the dissector prints of a capture, asked with these words.
fn dissect(capture: &Path, words: &[&str]) -> Result<String> {
    let output = Command::new(find("tshark")?)
        .arg("-r")
        .arg(capture)
        .args(["-o", "ip.check_checksum:TRUE"])
        .args(["-o", "tcp.check_checksum:TRUE"])
        .args(["-o", "udp.check_checksum:TRUE"])
        .args(words)
        .output()
        .context("tshark does not start")?;
    ensure!(
        output.status.success(),
        "tshark: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
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
    let names = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    names.set_nonblocking(true)?;
    let port = names.local_addr()?.port();
    guest.type_line(&format!("dns example.test @10.0.2.2:{port}"))?;
    guest
        .answer_while("dns", SOON, || know_no_name(&names))?
        .failure()?;
    let url = format!("http://127.0.0.1:{}/", guest.port(80)?);
    let deadline = Instant::now() + BOOT;
    while curl(&["--max-time", "10", &url]).is_err() {
        ensure!(Instant::now() < deadline, "no page");
    }
    guest.type_line("poweroff")?;
    guest.wait_exit(SOON)?;

    nothing_is_wrong(&capture, &["arp", "icmp", "dhcp", "dns", "http", "mdns"])
}

/// A name server that knows nothing answers what it was asked so far.
fn know_no_name(server: &UdpSocket) -> Result<()> {
    let mut message = [0; 512];
    while let Ok((len, from)) = server.recv_from(&mut message) {
        // The question as it came, but for the head: this is an answer, and there is no such name.
        message[2] |= 0x80;
        message[3] = 3;
        server.send_to(&message[..len], from)?;
    }
    Ok(())
}

/// What is wrong with any frame.
const MALFORMED: [&str; 2] = ["_ws.malformed", "frame.len < 60"];
/// And with the checksums.
const BAD: [&str; 5] = [
    "ip.checksum.status == \"Bad\"",
    "udp.checksum.status == \"Bad\"",
    "tcp.checksum.status == \"Bad\"",
    "icmp.checksum.status == \"Bad\"",
    "icmpv6.checksum.status == \"Bad\"",
];

/// Looks at what the guest has sent in a capture: there is something that each filter selects, and
/// nothing is malformed or has a wrong checksum.
pub(super) fn nothing_is_wrong(capture: &Path, expected: &[&str]) -> Result<()> {
    sent_each_of(capture, expected)?;
    sent_nothing_of(capture, &[&MALFORMED[..], &BAD].concat())
}

/// The same, but for checksums: behind a TAP interface the host's kernel gets datagrams whose sums are the
/// card's to add.
pub(super) fn nothing_is_malformed(capture: &Path, expected: &[&str]) -> Result<()> {
    sent_each_of(capture, expected)?;
    sent_nothing_of(capture, &MALFORMED)
}

/// Each filter selects frames of the guest's. The dissector, which is slow to start, counts for all of them at once.
fn sent_each_of(capture: &Path, filters: &[&str]) -> Result<()> {
    let ours = |filter: &&str| format!(",{OURS} && ({filter})");
    let columns: String = filters.iter().map(ours).collect();
    let table = dissect(capture, &["-q", "-z", &format!("io,stat,0{columns}")])?;
    // The only row with figures is `| 0.000 <> 1.234 | FRAMES | BYTES | FRAMES | BYTES |`.
    let row = table.lines().find(|line| line.contains(" <> "));
    let cells = row.context("an empty capture")?.split('|');
    let frames: Vec<&str> = cells.skip(2).step_by(2).map(str::trim).collect();
    for (place, filter) in filters.iter().enumerate() {
        let count = frames.get(place).context(table.clone())?;
        ensure!(
            count.parse::<usize>()? > 0,
            "no {filter} in the capture:\n{table}"
        );
    }
    Ok(())
}

/// No frame of the guest's is selected by one of the filters.
fn sent_nothing_of(capture: &Path, filters: &[&str]) -> Result<()> {
    let filter = format!("{OURS} && ({})", filters.join(" || "));
    let found = dissect(capture, &["-Y", &filter])?;
    ensure!(found.is_empty(), "{filter}:\n{found}");
    Ok(())
}
