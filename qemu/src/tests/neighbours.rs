//! Names and services of the link, beside Avahi, which speaks multicast DNS on most Linux machines.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::net::sockopt;

use super::capture::nothing_is_wrong;
use super::offload::LIMIT;
use super::routers::{capture, end_capture};
use super::{Group, no_stage, tests};
use crate::frames::US;
use crate::guest::{Guest, SOON};
use crate::machine::{Card, Link, Machine};
use crate::namespace::{self, TAP};
use crate::peers::avahi::Avahi;
use crate::peers::{Scratch, find};

const GUEST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

pub fn group() -> Group {
    Group {
        name: "neighbours",
        stage: no_stage,
        tests: tests![Alone: avahi_leaves_the_guest_its_name_and_is_found],
    }
}

fn avahi_leaves_the_guest_its_name_and_is_found() -> Result<()> {
    for program in ["avahi-daemon", "tshark", "dumpcap"] {
        find(program)?;
    }
    namespace::run_inside(&["inside", "neighbours"]).map(drop)
}

pub fn inside() -> Result<()> {
    namespace::make_tap(&format!("{US}/24"))?;
    let scratch = Scratch::new("avahi")?;
    let seen = scratch.path().join("neighbours.pcap");
    let recording = capture(&seen)?;
    let mut guest = Guest::boot(Machine {
        cards: vec![Card::new(Link::Tap {
            interface: TAP.into(),
            queues: 1,
        })],
        append: format!("ip={GUEST}/24,gw={US},dns={US} services=httpd"),
        ..Machine::default()
    })?;
    a_plain_resolver_is_answered()?;
    // It asks for our name, is told that it is ours, and takes the next.
    let avahi = Avahi::start(&scratch, TAP, "skerry", ("A Peer", 8_080))?;
    avahi.await_word("Host name is skerry-2.local.")?;
    avahi.await_word("successfully established")?;
    let own = format!("skerry at skerry.local port 80 {GUEST}");
    let other = format!("A Peer at skerry-2.local port 8080 {US}");
    let found = browse(&mut guest, "_http._tcp", &[&own, &other])?;
    // What a stranger says of himself does nothing to the terminal.
    for line in ["    path=/a=b", "    color", r"    evil=\u{1b}[2J\xff"] {
        ensure!(
            found.lines().any(|it| it == line),
            "{line}: not in\n{found}"
        );
    }
    let printers = browse(&mut guest, "_printer._sub._http._tcp", &[&other])?;
    ensure!(!printers.contains("port 80 "), "{printers}");
    the_way_back(&mut guest)?;
    let own = guest.must("dns -4 skerry.local")?;
    ensure!(own.contains(&format!("skerry.local {GUEST}")), "{own}");
    let own = guest.must("dns -6 skerry.local")?;
    ensure!(own.contains("skerry.local fe80::"), "{own}");
    let other = guest.must("dns skerry-2.local")?;
    ensure!(other.contains(&format!("skerry-2.local {US}")), "{other}");
    guest.type_line("poweroff")?;
    guest.wait_exit(SOON)?;
    end_capture(recording)?;
    let told = [
        "dns.flags.response == 1",
        "dns.flags.response == 0",
        "dns.srv.port == 80",
    ];
    nothing_is_wrong(
        &seen,
        &told
            .map(|it| format!("mdns && {it}"))
            .each_ref()
            .map(String::as_str),
    )
}

/// What the guest shows of these services once it tells of all that is wanted: a browse lasts four seconds only, in
/// which who is there has to be asked, and to answer.
fn browse(guest: &mut Guest, services: &str, wanted: &[&str]) -> Result<String> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let found = guest.command(&format!("dns -s {services}"))?.text;
        if wanted.iter().all(|line| found.contains(line)) {
            return Ok(found);
        }
        ensure!(
            Instant::now() < deadline,
            "not all of {wanted:?} in\n{found}"
        );
    }
}

/// Names of addresses: the guest's own, and the peer's, which only the link knows.
fn the_way_back(guest: &mut Guest) -> Result<()> {
    let six = |guest: &mut Guest, name: &str| -> Result<String> {
        let text = guest.must(&format!("dns -6 {name}"))?;
        let mut words = text.split_whitespace();
        let found = words.find(|word| word.starts_with("fe80::"));
        Ok(found.context("no address")?.to_owned())
    };
    for name in ["skerry.local", "skerry-2.local"] {
        let is_own = name == "skerry.local";
        let four = if is_own { GUEST } else { US }.to_string();
        for address in [four, six(guest, name)?] {
            let text = guest.must(&format!("dns -x {address}"))?;
            let line = format!("{address} {name}");
            ensure!(text.lines().any(|it| it == line), "{line}: not in\n{text}");
        }
    }
    let nobody = guest.command("dns -x fe80::77")?;
    ensure!(
        nobody.code == 1 && nobody.text.contains("no such name"),
        "{}",
        nobody.text
    );
    Ok(())
}

/// One that knows nothing of multicast DNS but where to ask, until the guest has its name.
fn a_plain_resolver_is_answered() -> Result<()> {
    const QUESTION: &[u8] = b"\x12\x34\0\0\0\x01\0\0\0\0\0\0\x06skerry\x05local\0\0\x01\0\x01";
    let socket = UdpSocket::bind((US, 0))?;
    sockopt::set_ip_multicast_if(&socket, &US)?;
    socket.set_read_timeout(Some(Duration::from_millis(300)))?;
    let deadline = Instant::now() + LIMIT;
    loop {
        socket.send_to(QUESTION, ("224.0.0.251", 5_353))?;
        let mut answer = [0; 512];
        if let Ok((len, from)) = socket.recv_from(&mut answer) {
            let answer = answer.get(..len).unwrap_or_default();
            ensure!(from == (GUEST, 5_353).into(), "{from} answers");
            ensure!(
                answer.starts_with(b"\x12\x34\x84\0\0\x01\0\x01"),
                "{answer:x?}"
            );
            // The question again, a pointer to its name, and the address, for ten seconds at most.
            let record = [
                &b"\xc0\x0c\0\x01\0\x01\0\0\0\x0a\0\x04"[..],
                &GUEST.octets(),
            ]
            .concat();
            let is_there = answer.windows(record.len()).any(|it| it == record);
            ensure!(is_there, "{answer:x?}");
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "no answer");
    }
}
