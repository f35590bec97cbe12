//! IPv4, ICMP and UDP packets on the cable: answered when right, dropped and counted when wrong.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::ethernet::{ANSWER, is_alive, on_cable};
use super::{Group, Stage, tests};
use crate::frames::{
    BROADCAST, Cable, GUEST, US, as_echo_reply, as_icmp_error, as_tcp, as_udp, echo_request,
    fix_ipv4_checksum, ipv4, pad, tcp_syn, udp,
};
use crate::malformed::KINDS;
use crate::peers::noise;

pub fn group() -> Group {
    Group {
        name: "packets",
        stage: || on_cable("packets", ""),
        tests: tests![Shared:
            echo_of_every_size,
            a_thousand_echoes,
            header_options_are_skipped,
            wrong_headers_are_dropped,
            echoes_to_everybody_are_ignored,
            errors_are_not_answered,
            unknown_protocols_are_refused,
            who_may_hears_protocols_that_nobody_speaks,
            datagrams_find_the_way,
            closed_udp_ports_are_refused,
            errors_are_rationed,
            udp_echo_and_checksums,
            thirty_two_datagrams_wait,
            closed_tcp_ports_are_refused,
            open_tcp_ports_answer,
            malformed_by_the_thousand,
        ],
    }
}

fn echo_back(cable: &Cable, id: u16, payload: &[u8]) -> Result<()> {
    cable.send(&echo_request(id, 1, payload))?;
    let (_, _, back) = cable.expect("echo reply", ANSWER, |frame| {
        as_echo_reply(frame).filter(|(found, _, _)| *found == id)
    })?;
    ensure!(back == payload, "{} bytes came back changed", payload.len());
    Ok(())
}

fn echo_of_every_size(stage: &mut Stage) -> Result<()> {
    let (_, cable) = stage.both()?;
    for size in [
        0usize, 1, 2, 17, 18, 19, 56, 57, 200, 201, 1000, 1399, 1400, 1471, 1472,
    ] {
        echo_back(cable, u16::try_from(size)?, &noise(size as u64, size))?;
    }
    Ok(())
}

fn a_thousand_echoes(stage: &mut Stage) -> Result<()> {
    let (_, cable) = stage.both()?;
    let payload = noise(1, 56);
    for sequence in 0..1000 {
        cable.send(&echo_request(0x1000, sequence, &payload))?;
        cable.expect("echo reply", ANSWER, |frame| {
            as_echo_reply(frame).filter(|(id, found, _)| (*id, *found) == (0x1000, sequence))
        })?;
    }
    Ok(())
}

// RFC 9293: MUST-50
fn header_options_are_skipped(stage: &mut Stage) -> Result<()> {
    let (_, cable) = stage.both()?;
    // Record route with room for three addresses, then padding (RFC 791 section 3.1).
    let mut options = vec![7, 15, 4];
    options.extend([0; 13]);
    let mut frame = echo_request(0x0907, 1, b"a packet with options");
    frame.truncate(14 + 20 + 8 + 21);
    frame.splice(34..34, options);
    frame[14] = 0x49;
    let total = u16::try_from(frame.len() - 14)?;
    frame[16..18].copy_from_slice(&total.to_be_bytes());
    fix_ipv4_checksum(&mut frame);
    cable.send(&frame)?;
    let (_, _, payload) = cable.expect("echo reply", ANSWER, as_echo_reply)?;
    ensure!(payload == b"a packet with options");
    Ok(())
}

/// Sends a frame that must not be answered. What the guest asks for itself is no answer.
fn silence_after(cable: &Cable, frame: &[u8], what: &str) -> Result<()> {
    cable.drain()?;
    cable.send(frame)?;
    let frames = cable.answers()?;
    ensure!(
        frames.is_empty(),
        "{what} was answered by {:02x?}",
        frames[0]
    );
    Ok(())
}

fn wrong_headers_are_dropped(stage: &mut Stage) -> Result<()> {
    let (_, cable) = stage.both()?;
    let wrong = |what: &str, change: &dyn Fn(&mut Vec<u8>), mend: bool| {
        let mut frame = echo_request(0xbad, 1, b"wrong");
        change(&mut frame);
        if mend {
            fix_ipv4_checksum(&mut frame);
        }
        silence_after(cable, &frame, what)
    };
    wrong("a wrong header checksum", &|frame| frame[24] ^= 1, false)?;
    wrong("version 5", &|frame| frame[14] = 0x55, true)?;
    wrong("a header of 16 bytes", &|frame| frame[14] = 0x44, true)?;
    wrong(
        "a length beyond the frame",
        &|frame| frame[16..18].copy_from_slice(&[5, 0]),
        true,
    )?;
    wrong(
        "a length below the header",
        &|frame| frame[16..18].copy_from_slice(&[0, 19]),
        true,
    )?;
    wrong("a time to live of zero", &|frame| frame[22] = 0, true)?;
    wrong(
        "a source of 127.0.0.1",
        &|frame| frame[26..30].copy_from_slice(&[127, 0, 0, 1]),
        true,
    )?;
    wrong(
        "a source of 255.255.255.255",
        &|frame| frame[26..30].fill(255),
        true,
    )?;
    wrong("another's address", &|frame| frame[33] = 99, true)?;
    wrong("a wrong ICMP checksum", &|frame| frame[36] ^= 1, false)?;
    is_alive(cable)
}

fn echoes_to_everybody_are_ignored(stage: &mut Stage) -> Result<()> {
    let (_, cable) = stage.both()?;
    for destination in [[255; 4], [192, 0, 2, 255], [224, 0, 0, 1]] {
        let mut frame = echo_request(0xb, 1, b"everybody");
        frame[..6].copy_from_slice(&BROADCAST);
        frame[30..34].copy_from_slice(&destination);
        fix_ipv4_checksum(&mut frame);
        silence_after(cable, &frame, "an echo request to everybody")?;
    }
    is_alive(cable)
}

fn errors_are_not_answered(stage: &mut Stage) -> Result<()> {
    let (_, cable) = stage.both()?;
    // "Port unreachable" for a port that is not open, about a packet that was never sent.
    let mut quoted = Vec::new();
    etherparse::PacketBuilder::ipv4(GUEST.octets(), US.octets(), 64)
        .udp(4444, 5555)
        .write(&mut quoted, b"never sent")?;
    let mut frame = Vec::new();
    ipv4(US, GUEST)
        .icmpv4_raw(3, 3, [0; 4])
        .write(&mut frame, &quoted)?;
    silence_after(cable, &pad(frame), "an ICMP error")?;
    is_alive(cable)
}

fn unknown_protocols_are_refused(stage: &mut Stage) -> Result<()> {
    let (_, cable) = stage.both()?;
    cable.drain()?;
    cable.send(&experiment(b"an experiment")?)?;
    let (kind, code, _) = cable.expect("ICMP error", ANSWER, as_icmp_error)?;
    ensure!((kind, code) == (3, 2), "type {kind} code {code}");
    Ok(())
}

/// A frame with a packet of a protocol that nobody speaks.
fn experiment(payload: &[u8]) -> Result<Vec<u8>> {
    let mut frame = Vec::new();
    ipv4(US, GUEST).write(&mut frame, 253.into(), payload)?;
    Ok(pad(frame))
}

/// A frame of a router on the way, or of the host at its end, about one of the guest's.
fn icmp_about(from: Ipv4Addr, (kind, code): (u8, u8), about: &[u8]) -> Result<Vec<u8>> {
    let mut frame = Vec::new();
    let quoted = about.get(14..42).context("a packet")?;
    ipv4(from, GUEST)
        .icmpv4_raw(kind, code, [0; 4])
        .write(&mut frame, quoted)?;
    Ok(pad(frame))
}

fn who_may_hears_protocols_that_nobody_speaks(stage: &mut Stage) -> Result<()> {
    let (guest, cable) = stage.both()?;
    guest.type_line("raw -c 2 -w 20 253")?;
    guest.console.expect("packets of protocol 253", ANSWER)?;
    for text in ["one", "two"] {
        silence_after(cable, &experiment(text.as_bytes())?, "an ICMP error")?;
    }
    let text = guest.answer("raw", ANSWER)?.success()?;
    for line in ["one", "two"] {
        let line = format!("3 bytes from {US} to {GUEST}, ttl=64: {line}");
        ensure!(text.contains(&line), "{text}");
    }
    // Nobody hears it any more.
    cable.send(&experiment(b"three")?)?;
    let (kind, code, _) = cable.expect("ICMP error", ANSWER, as_icmp_error)?;
    ensure!((kind, code) == (3, 2), "type {kind} code {code}");
    // What is sent leaves, and what becomes of it is told.
    guest.type_line(&format!("raw -c 1 -w 20 253 {US} hello"))?;
    let sent = cable.expect("a packet of protocol 253", ANSWER, |frame| {
        let is_it = frame.get(12..14) == Some(&[8, 0]) && frame.get(23) == Some(&253);
        is_it.then(|| frame.to_vec())
    })?;
    ensure!(sent[34..39] == *b"hello", "{sent:02x?}");
    cable.send(&icmp_about(US, (3, 2), &sent)?)?;
    let text = guest.answer("raw", ANSWER)?.success()?;
    let line = format!("{US} says of what was sent to {US}: protocol unreachable");
    ensure!(text.contains(&line), "{text}");
    let refused = guest.command("raw 6")?;
    ensure!(refused.code == 2, "TCP is nobody's: {refused:?}");
    is_alive(cable)
}

fn datagrams_find_the_way(stage: &mut Stage) -> Result<()> {
    let (guest, cable) = stage.both()?;
    let (far, router) = (
        Ipv4Addr::new(198, 51, 100, 7),
        Ipv4Addr::new(203, 0, 113, 9),
    );
    let gateway = US;
    cable.drain()?;
    guest.type_line(&format!("traceroute -q 1 -w 20 {far}"))?;
    let way = [(gateway, (11, 0)), (router, (11, 0)), (far, (3, 3))];
    for (hops, (from, what)) in (1u8..).zip(way) {
        let port = 33_433 + u16::from(hops);
        let (probe, datagram) = cable.expect("a probe", ANSWER, |frame| {
            Some((frame.to_vec(), as_udp(frame)?))
        })?;
        ensure!(datagram.destination == (far, port), "{datagram:?}");
        ensure!(datagram.time_to_live == hops, "{datagram:?}");
        // Of a port to which nothing was sent: a stranger's guess, which is not shown.
        let mut guess = probe.clone();
        guess[37] ^= 1;
        cable.send(&icmp_about(Ipv4Addr::new(6, 6, 6, 6), (3, 3), &guess)?)?;
        cable.send(&icmp_about(from, what, &probe)?)?;
    }
    let text = guest.answer("traceroute", ANSWER)?.success()?;
    for (hops, (from, _)) in (1..).zip(way) {
        let line = format!("{hops:>3}  {from}  ");
        ensure!(text.lines().any(|it| it.starts_with(&line)), "{text}");
    }
    ensure!(!text.contains("6.6.6.6"), "{text}");
    Ok(())
}

fn closed_udp_ports_are_refused(stage: &mut Stage) -> Result<()> {
    let (_, cable) = stage.both()?;
    let frame = udp(4321, 33_434, b"anybody there?");
    cable.drain()?;
    cable.send(&frame)?;
    let (kind, code, quoted) = cable.expect("ICMP error", ANSWER, as_icmp_error)?;
    ensure!((kind, code) == (3, 3), "type {kind} code {code}");
    // The header that caused it and at least eight bytes behind (RFC 792).
    ensure!(
        quoted.len() >= 28 && frame[14..].starts_with(&quoted[..28]),
        "a wrong quotation"
    );
    // Never about what went to everybody (RFC 1122 section 3.2.2).
    let mut frame = udp(4321, 33_434, b"everybody?");
    frame[..6].copy_from_slice(&BROADCAST);
    silence_after(cable, &frame, "a datagram to everybody")
}

fn errors_are_rationed(stage: &mut Stage) -> Result<()> {
    let (_, cable) = stage.both()?;
    cable.drain()?;
    let frame = udp(4321, 33_434, b"flood");
    let started = Instant::now();
    let mut errors = 0u32;
    for number in 0..2000 {
        cable.send(&frame)?;
        if number % 32 == 0 {
            while let Some(frame) = cable.receive(Duration::from_millis(1))? {
                errors += u32::from(as_icmp_error(&frame).is_some());
            }
        }
    }
    let rest = cable.answers()?;
    errors += u32::try_from(
        rest.iter()
            .filter(|frame| as_icmp_error(frame).is_some())
            .count(),
    )?;
    let seconds = started.elapsed().as_secs_f64();
    // A hundred a second, and a small stock.
    let limit = 100.0 * seconds + 110.0;
    ensure!(
        errors > 0 && f64::from(errors) < limit,
        "{errors} errors in {seconds:.1} s"
    );
    is_alive(cable)
}

fn udp_echo_and_checksums(stage: &mut Stage) -> Result<()> {
    let (_, cable) = stage.both()?;
    for size in [0usize, 1, 2, 199, 200, 201, 1000, 1472] {
        let payload = noise(size as u64, size);
        cable.send(&udp(5000, 7, &payload))?;
        let back = cable.expect("UDP echo", ANSWER, |frame| {
            as_udp(frame).filter(|datagram| datagram.destination == (US, 5000))
        })?;
        ensure!(
            back.source == (GUEST, 7) && back.payload == payload,
            "{size} bytes changed"
        );
        ensure!(back.checksum_good, "a wrong checksum for {size} bytes");
        ensure!(
            back.time_to_live >= 32,
            "time to live {}",
            back.time_to_live
        );
    }
    let mut frame = udp(5000, 7, b"wrong sum");
    frame[40] ^= 0x10;
    cable.drain()?;
    cable.send(&frame)?;
    // No checksum at all is allowed on IPv4 (RFC 768).
    let mut frame = udp(5000, 7, b"no sum");
    frame[40..42].fill(0);
    cable.send(&frame)?;
    let first = cable.expect("UDP echo", ANSWER, as_udp)?;
    ensure!(first.payload == b"no sum", "a wrong checksum was not seen");
    Ok(())
}

/// They arrive faster than the program takes them; each comes back once, with its own payload, to
/// the port it came from, in order.
fn thirty_two_datagrams_wait(stage: &mut Stage) -> Result<()> {
    let (_, cable) = stage.both()?;
    cable.drain()?;
    for number in 0..32u16 {
        cable.send(&udp(6000 + number, 7, &[u8::try_from(number)?; 300]))?;
    }
    for number in 0..32u16 {
        let back = cable.expect("UDP echo", ANSWER, as_udp)?;
        ensure!(
            back.destination.1 == 6000 + number,
            "out of order at {number}"
        );
        ensure!(
            back.payload == [u8::try_from(number)?; 300],
            "a wrong payload"
        );
    }
    Ok(())
}

fn closed_tcp_ports_are_refused(stage: &mut Stage) -> Result<()> {
    let (_, cable) = stage.both()?;
    cable.send(&tcp_syn(7000, 4999, 12_345))?;
    let reply = cable.expect("TCP reset", ANSWER, as_tcp)?;
    ensure!(
        reply.rst && reply.ack && reply.acknowledgment_number == 12_346,
        "{reply:?}"
    );
    Ok(())
}

fn open_tcp_ports_answer(stage: &mut Stage) -> Result<()> {
    let (_, cable) = stage.both()?;
    let started = Instant::now();
    loop {
        cable.send(&tcp_syn(7001, 80, 99))?;
        let reply = cable.expect("TCP answer", ANSWER, as_tcp)?;
        if reply.syn {
            ensure!(reply.ack && reply.acknowledgment_number == 100, "{reply:?}");
            ensure!(reply.window_size > 0, "no window");
            return Ok(());
        }
        // The web server may still be starting.
        ensure!(started.elapsed() < ANSWER, "port 80 stays closed");
    }
}

/// Ten thousand frames of every kind that can be wrong, and the guest answers as before, knows
/// what it dropped, and has lost no memory.
fn malformed_by_the_thousand(stage: &mut Stage) -> Result<()> {
    let (guest, cable) = stage.both()?;
    let memory_before = super::isolation::free_memory(guest)?;
    let each = 10_000 / KINDS.len() as u64 + 1;
    let mut sent = 0u64;
    for (name, kind) in KINDS {
        for number in 0..each {
            let frame = kind(number.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ number);
            if frame.is_empty() {
                continue;
            }
            cable.send(&frame)?;
            sent += 1;
            if sent.is_multiple_of(32) {
                cable.drain()?;
            }
        }
        let alive = cable.introduce().and_then(|()| is_alive(cable));
        if alive.is_err() {
            // For the log that is shown.
            guest
                .command("ps; net stats; net drops; net neigh; net links")
                .ok();
        }
        alive.with_context(|| format!("after {name}"))?;
    }
    let dropped = super::isolation::dropped(guest)?;
    ensure!(
        dropped > sent / 4,
        "{dropped} of {sent} wrong frames were counted"
    );
    super::isolation::memory_is_back(guest, memory_before)
}
