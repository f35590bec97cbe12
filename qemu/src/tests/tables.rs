//! What `net` shows is what is on the cable, and what it changes shows on the cable.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::ethernet::{ANSWER, is_alive, on_cable};
use super::{Group, Stage, tests};
use crate::frames::{
    Arp, Cable, GUEST, GUEST_MAC, OUR_MAC, US, arp_request, as_echo_reply, as_udp, echo_request,
    fix_ipv4_checksum, udp,
};
use crate::guest::{Guest, SOON};

/// Of so many, one is without a word of the guest's own.
const ROUNDS: usize = 3;

pub fn group() -> Group {
    Group {
        name: "tables",
        stage: || on_cable("tables", "hostname=skerry-test"),
        tests: tests![Shared:
            the_configuration_is_shown,
            frames_and_bytes_are_counted,
            drops_are_counted_by_reason,
            neighbours_are_shown,
            sockets_are_shown,
            the_longest_route_wins,
            a_second_address_answers,
            which_address_is_tried_first_is_a_matter_of_policy,
            datagrams_to_everybody_are_received,
        ],
    }
}

fn the_configuration_is_shown(stage: &mut Stage) -> Result<()> {
    let text = stage.guest.must("net")?;
    for fact in [
        "host    skerry-test",
        "link    52:54:00:12:34:56 up mtu 1500",
        "nic     merged-buffers event-index indirect quiet gather",
        "address 192.0.2.2/24 static",
        "gateway 192.0.2.1",
        "dns     192.0.2.1",
    ] {
        ensure!(
            text.lines().any(|line| line == fact),
            "no line {fact:?} in\n{text}"
        );
    }
    let text = stage.guest.must("net addr")?;
    ensure!(
        text.contains("192.0.2.2/24") && text.contains("127.0.0.1/8"),
        "{text}"
    );
    let text = stage.guest.must("net route")?;
    ensure!(
        text.contains("default via 192.0.2.1") && text.contains("192.0.2.0/24"),
        "{text}"
    );
    Ok(())
}

/// Frames and bytes, received and sent.
fn traffic(guest: &mut Guest) -> Result<[u64; 4]> {
    let stats = guest.stats()?;
    Ok([
        stats.figure("frames received")?,
        stats.figure("bytes received")?,
        stats.figure("frames sent")?,
        stats.figure("bytes sent")?,
    ])
}

fn frames_and_bytes_are_counted(stage: &mut Stage) -> Result<()> {
    let (guest, cable) = stage.both()?;
    let mut rounds = Vec::new();
    // What the guest says unasked counts as well; but it says nothing for seconds on end.
    for _ in 0..ROUNDS {
        is_alive(cable)?;
        let before = traffic(guest)?;
        for number in 0..50 {
            cable.send(&echo_request(0xc0, number, &[0; 58]))?;
            cable.expect("echo reply", ANSWER, as_echo_reply)?;
        }
        let after = traffic(guest)?;
        let steps: Vec<u64> = after
            .iter()
            .zip(before)
            .map(|(now, old)| now - old)
            .collect();
        // Fifty frames of 14 + 20 + 8 + 58 bytes each way and nothing else.
        if steps == [50, 5000, 50, 5000] {
            return Ok(());
        }
        rounds.push(steps);
    }
    bail!("of fifty frames of a hundred bytes each way these were counted: {rounds:?}")
}

fn drops_are_counted_by_reason(stage: &mut Stage) -> Result<()> {
    let (guest, cable) = stage.both()?;
    let before = guest.must("net drops")?;
    for _ in 0..10 {
        let mut frame = echo_request(1, 1, b"header checksum");
        frame[24] ^= 0x40;
        cable.send(&frame)?;
        let mut frame = udp(9, 7, b"UDP checksum");
        frame[41] ^= 0x40;
        cable.send(&frame)?;
        let mut frame = [GUEST_MAC, OUR_MAC].concat();
        frame.extend([0x88, 0xb5]);
        cable.send(&crate::frames::pad(frame))?;
    }
    is_alive(cable)?;
    let after = guest.must("net drops")?;
    let parse = |text: &str| -> Vec<(String, u64)> {
        text.lines()
            .filter_map(|line| line.rsplit_once(' '))
            .filter_map(|(name, count)| Some((name.to_owned(), count.parse().ok()?)))
            .collect()
    };
    let old = parse(&before);
    let risen = parse(&after)
        .into_iter()
        .filter(|(name, count)| {
            let before = old
                .iter()
                .find(|(known, _)| known == name)
                .map_or(0, |(_, count)| *count);
            *count == before + 10
        })
        .count();
    ensure!(
        risen == 3,
        "three reasons, ten times each:\n{before}\nthen\n{after}"
    );
    Ok(())
}

fn neighbours_are_shown(stage: &mut Stage) -> Result<()> {
    let (guest, cable) = stage.both()?;
    is_alive(cable)?;
    let text = guest.must("net neigh")?;
    let line = text.lines().find(|line| line.starts_with("192.0.2.1 "));
    let line = line.with_context(|| format!("we are not in\n{text}"))?;
    ensure!(line.contains("02:00:00:00:00:01"), "{line}");
    guest.must("net neigh add 192.0.2.61 02:00:00:00:00:61")?;
    let text = guest.must("net neigh")?;
    ensure!(
        text.contains("192.0.2.61") && text.contains("PERMANENT"),
        "{text}"
    );
    guest.must("net neigh del 192.0.2.61")?;
    ensure!(!guest.must("net neigh")?.contains("192.0.2.61"));
    Ok(())
}

fn sockets_are_shown(stage: &mut Stage) -> Result<()> {
    // The programs that listen may still be on their way to it.
    let missing = |text: &str| {
        // One socket for both families.
        [("tcp", "*:80"), ("tcp", "*:7"), ("udp", "*:7")]
            .into_iter()
            .find(|(kind, place)| {
                let is_it = |line: &str| line.starts_with(kind) && line.contains(place);
                !text.lines().any(is_it)
            })
    };
    let mut text = stage.guest.must("net sockets")?;
    let deadline = Instant::now() + SOON;
    while missing(&text).is_some() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(100));
        text = stage.guest.must("net sockets")?;
    }
    ensure!(
        missing(&text).is_none(),
        "no {:?} in\n{text}",
        missing(&text)
    );
    ensure!(text.contains("LISTEN"), "{text}");
    stage.guest.must("net sockets -v")?;
    Ok(())
}

/// Which next hop the guest asks for when it sends to an address. It may still ask for those that it asked for before,
/// which nobody answers, ask whether we are there, and announce itself.
fn next_hop(guest: &mut Guest, cable: &Cable, to: &str, before: &[Ipv4Addr]) -> Result<Ipv4Addr> {
    cable.drain()?;
    guest.type_line(&format!("ping -c 1 -W 0.3 {to}"))?;
    let hop = cable.expect("question for the next hop", ANSWER, |frame| {
        let question = Arp::parse(frame).filter(|arp| arp.is_request && arp.sender == GUEST)?;
        let is_new = ![US, GUEST].contains(&question.target) && !before.contains(&question.target);
        is_new.then_some(question.target)
    })?;
    guest.answer("ping", ANSWER)?.failure()?;
    Ok(hop)
}

fn the_longest_route_wins(stage: &mut Stage) -> Result<()> {
    let (guest, cable) = stage.both()?;
    guest.must("net route add 198.51.0.0/16 via 192.0.2.71")?;
    guest.must("net route add 198.51.100.0/24 via 192.0.2.72")?;
    guest.must("net route add 198.51.100.128/25 via 192.0.2.73")?;
    let mut hops = Vec::new();
    for (to, hop) in [
        ("198.51.7.7", 71),
        ("198.51.100.7", 72),
        ("198.51.100.200", 73),
    ] {
        let found = next_hop(guest, cable, to, &hops)?;
        hops.push(found);
        ensure!(
            found == Ipv4Addr::new(192, 0, 2, hop),
            "{to} goes to {found}"
        );
    }
    guest.must("net route del 198.51.100.128/25 via 192.0.2.73")?;
    let text = guest.must("net route")?;
    ensure!(
        !text.contains("/25") && text.contains("198.51.100.0/24 via 192.0.2.72"),
        "{text}"
    );
    for (network, hop) in [("198.51.0.0/16", 71), ("198.51.100.0/24", 72)] {
        guest.must(&format!("net route del {network} via 192.0.2.{hop}"))?;
    }
    Ok(())
}

fn a_second_address_answers(stage: &mut Stage) -> Result<()> {
    let (guest, cable) = stage.both()?;
    let second = Ipv4Addr::new(192, 0, 2, 33);
    let echo = |cable: &Cable| -> Result<bool> {
        let mut frame = echo_request(0x33, 1, b"second");
        frame[30..34].copy_from_slice(&second.octets());
        fix_ipv4_checksum(&mut frame);
        cable.drain()?;
        cable.send(&frame)?;
        Ok(cable
            .answers()?
            .iter()
            .any(|frame| as_echo_reply(frame).is_some()))
    };
    ensure!(!echo(cable)?, "it answers already");
    guest.must("net addr add 192.0.2.33/24")?;
    // It may be probed for a while before it is used.
    let deadline = Instant::now() + SOON;
    while !echo(cable)? {
        ensure!(Instant::now() < deadline, "it does not answer");
        std::thread::sleep(Duration::from_millis(50));
    }
    guest.must("net addr del 192.0.2.33/24")?;
    ensure!(!echo(cable)?, "it still answers");
    cable.send(&arp_request(OUR_MAC, US, second))?;
    let of_second = |frame: &Vec<u8>| Arp::parse(frame).is_some_and(|arp| arp.sender == second);
    ensure!(
        !cable.answers()?.iter().any(of_second),
        "it still has a card"
    );
    Ok(())
}

/// The echo service gets what was sent to everybody, and answers with its own address.
fn which_address_is_tried_first_is_a_matter_of_policy(stage: &mut Stage) -> Result<()> {
    let guest = &mut stage.guest;
    let first = |guest: &mut Guest| guest.must("ping -c 1 localhost");
    ensure!(first(guest)?.contains("PING localhost (::1)"));
    guest.must("net policy del ::ffff:0:0/96")?;
    guest.must("net policy add ::ffff:0:0/96 100 4")?;
    let text = guest.must("net policy")?;
    let line = "::ffff:0.0.0.0/96 precedence 100 label 4";
    ensure!(text.contains(line), "{text}");
    let text = first(guest)?;
    ensure!(text.contains("PING localhost (127.0.0.1)"), "{text}");
    let again = guest.command("net policy add ::ffff:0:0/96 7 7")?;
    ensure!(again.failure()?.contains("exists already"));
    guest.must("net policy del ::ffff:0:0/96")?;
    guest.must("net policy add ::ffff:0:0/96 35 4")?;
    ensure!(first(guest)?.contains("PING localhost (::1)"));
    Ok(())
}

fn datagrams_to_everybody_are_received(stage: &mut Stage) -> Result<()> {
    let (_, cable) = stage.both()?;
    for (port, destination) in [(7101, [255; 4]), (7102, [192, 0, 2, 255])] {
        let mut frame = udp(port, 7, b"everybody?");
        frame[..6].copy_from_slice(&[0xff; 6]);
        frame[30..34].copy_from_slice(&destination);
        // The address is part of the UDP checksum as well; none is allowed.
        frame[40..42].fill(0);
        fix_ipv4_checksum(&mut frame);
        cable.drain()?;
        cable.send(&frame)?;
        let back = cable.expect("UDP echo", ANSWER, as_udp)?;
        ensure!(
            back.source == (GUEST, 7) && back.destination == (US, port),
            "{back:?}"
        );
    }
    Ok(())
}
