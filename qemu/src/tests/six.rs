//! IPv6 on QEMU's user network: addresses that the guest makes of what the router tells, the
//! neighbours, names asked over it.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use regex::Regex;

use super::{Group, Skip, Stage, no_stage, tests};
use crate::guest::{Guest, SOON};
use crate::machine::{Card, Link, Machine};
use crate::peers::digest;
use crate::peers::dnsmasq::Dnsmasq;

/// Where the guest finds the host, which is its router too.
const HOST: &str = "fec0::2";

pub fn groups() -> [Group; 2] {
    [
        Group {
            name: "six",
            stage: || {
                let mut guest = Guest::boot_online(machine(""))?;
                wait_address(&mut guest)?;
                Ok(Stage::new(guest))
            },
            tests: tests![Shared:
                a_router_gives_an_address,
                the_router_answers,
                loopback_answers_over_six,
                an_address_of_nobody_is_an_error,
                addresses_are_added_and_taken,
                a_page_is_fetched_over_six,
                services_hear_both_families,
            ],
        },
        Group {
            name: "six",
            stage: no_stage,
            tests: tests![Alone: a_name_is_asked_over_six, no_part_in_it],
        },
    ]
}

fn machine(words: &str) -> Machine {
    Machine {
        cards: vec![Card::new(Link::user(&[]))],
        append: words.into(),
        ..Machine::default()
    }
}

/// Waits until the guest has made an address of the router's prefix and is sure of all that it has. One lost
/// question for the router costs four seconds.
fn wait_address(guest: &mut Guest) -> Result<()> {
    await_proven(guest, |text| {
        let mut lines = text.lines();
        lines.any(|line| line.contains("fec0:") && line.ends_with("router"))
    })
}

/// Waits until `net addr` of the guest shows what is wanted, and no address that it still asks the others about: it
/// begins with that after a while of its own choice, up to a second.
pub(super) fn await_proven(guest: &mut Guest, is_wanted: impl Fn(&str) -> bool) -> Result<()> {
    let deadline = Instant::now() + SOON;
    loop {
        let text = guest.must("net addr")?;
        if is_wanted(&text) && !text.contains("being probed") {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "not all is proven:\n{text}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn a_router_gives_an_address(stage: &mut Stage) -> Result<()> {
    let text = stage.guest.must("net addr")?;
    let has = |pattern: &str| -> Result<bool> { Ok(Regex::new(pattern)?.is_match(&text)) };
    ensure!(has(r"(?m)^1: fec0::[0-9a-f:]+/64 router\s*$")?, "{text}");
    ensure!(
        has(r"(?m)^1: fe80::[0-9a-f:]+/64 link-local\s*$")?,
        "{text}"
    );
    ensure!(has(r"(?m)^0: ::1/128 ")?, "{text}");
    // RFC 7217: it tells nothing of the hardware address.
    ensure!(!text.contains("ff:fe"), "{text}");
    let text = stage.guest.must("net route")?;
    ensure!(text.contains("default via fe80::2 link 1"), "{text}");
    ensure!(text.contains("fec0::/64 link 1"), "{text}");
    Ok(())
}

fn the_router_answers(stage: &mut Stage) -> Result<()> {
    for address in [HOST, "fe80::2"] {
        let text = stage.guest.must(&format!("ping -c 3 -i 0.1 {address}"))?;
        let line = format!("bytes from {address}");
        ensure!(text.matches(&line).count() == 3, "{text}");
    }
    let text = stage.guest.must("net neigh")?;
    ensure!(text.contains("fec0::2 52:56:00:00:00:02"), "{text}");
    Ok(())
}

fn loopback_answers_over_six(stage: &mut Stage) -> Result<()> {
    let text = stage.guest.must("net addr")?;
    let own = Regex::new(r"(fec0::[0-9a-f:]+)/64")?;
    let own = own.captures(&text).context("an address")?[1].to_owned();
    for address in ["::1", &own] {
        let text = stage.guest.must(&format!("ping -c 1 {address}"))?;
        ensure!(text.contains(&format!("bytes from {address}")), "{text}");
    }
    Ok(())
}

fn an_address_of_nobody_is_an_error(stage: &mut Stage) -> Result<()> {
    for address in ["::ffff:10.0.2.2", "ff02::1", "::"] {
        let answer = stage.guest.command(&format!("ping -c 1 {address}"))?;
        ensure!(!answer.text.contains("bytes from"), "{}", answer.text);
    }
    Ok(())
}

fn addresses_are_added_and_taken(stage: &mut Stage) -> Result<()> {
    stage.guest.must("net addr add fec0::77/64")?;
    await_proven(&mut stage.guest, |text| text.contains("fec0::77/64"))?;
    let text = stage.guest.must("ping -c 1 fec0::77")?;
    ensure!(text.contains("bytes from fec0::77"), "{text}");
    stage.guest.must("net addr del fec0::77/64")?;
    let text = stage.guest.must("net addr")?;
    ensure!(!text.contains("fec0::77/64"), "{text}");
    Ok(())
}

/// The host's web server listens on its IPv6 loopback address alone.
fn a_page_is_fetched_over_six(stage: &mut Stage) -> Result<()> {
    const PAGE: &str = "a page over six";
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        return Err(Skip("the host has no IPv6 loopback".into()).into());
    };
    let port = listener.local_addr()?.port();
    let server = std::thread::spawn(move || -> std::io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        let mut request = [0; 2_048];
        let length = stream.read(&mut request)?;
        let asked = request.get(..length).unwrap_or_default();
        let is_get = asked.starts_with(b"GET /page HTTP/1.1\r\n");
        let status = if is_get { "200 OK" } else { "400 Bad Request" };
        let length = PAGE.len();
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        stream.write_all(PAGE.as_bytes())
    });
    let url = format!("http://[{HOST}]:{port}/page");
    let text = stage.guest.must(&format!("http {url}"))?;
    let line = format!("sha256 {}", digest(PAGE.as_bytes()));
    ensure!(text.contains(&line), "{text}");
    server
        .join()
        .map_err(|_| anyhow::anyhow!("the server has failed"))??;
    Ok(())
}

fn services_hear_both_families(stage: &mut Stage) -> Result<()> {
    for host in ["[::1]", "127.0.0.1"] {
        let text = stage.guest.must(&format!("http http://{host}/"))?;
        ensure!(text.contains("200"), "{text}");
    }
    let text = stage.guest.must("net sockets")?;
    for (protocol, port) in [("tcp", 7), ("tcp", 9), ("tcp", 19), ("tcp", 80), ("udp", 7)] {
        let line = format!(" *:{port} ");
        let is_there = |row: &str| row.starts_with(protocol) && row.contains(&line);
        ensure!(text.lines().any(is_there), "{protocol} {port} in\n{text}");
    }
    Ok(())
}

fn a_name_is_asked_over_six() -> Result<()> {
    if UdpSocket::bind("[::1]:0").is_err() {
        return Err(Skip("the host has no IPv6 loopback".into()).into());
    }
    let server = Dnsmasq::start()?;
    let mut guest = Guest::boot_online(machine(""))?;
    wait_address(&mut guest)?;
    let at = format!("[{HOST}]:{}", server.port);
    let text = guest.must(&format!("dns six.test AAAA @{at}"))?;
    ensure!(text.contains("six.test 2001:db8::10"), "{text}");
    ensure!(text.contains(&format!("answered by {at}")), "{text}");
    Ok(())
}

fn no_part_in_it() -> Result<()> {
    let mut guest = Guest::boot_online(machine("ipv6=none"))?;
    let text = guest.must("net addr")?;
    ensure!(
        !text.contains("fe80:") && text.contains("10.0.2.15/24"),
        "{text}"
    );
    let answer = guest.command("ping -c 1 fe80::2")?;
    ensure!(!answer.text.contains("bytes from"), "{}", answer.text);
    Ok(())
}
