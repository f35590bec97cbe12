//! The ping program: on QEMU's user network, over loopback, and on a cable where every reply is
//! ours to give, delay or refuse.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use regex::Regex;

use super::ethernet::{ANSWER, on_cable};
use super::{Group, Stage, tests};
use crate::frames::{Arp, Cable, GUEST, GUEST_MAC, OUR_MAC, US, arp_reply, ipv4, pad};
use crate::guest::Guest;
use crate::machine::{Card, Link, Machine};

pub fn groups() -> [Group; 2] {
    [
        Group {
            name: "ping",
            stage: || {
                Guest::boot_online(Machine {
                    cards: vec![Card::new(Link::user(&[]))],
                    ..Machine::default()
                })
                .map(Stage::new)
            },
            tests: tests![Shared:
                the_gateway_answers,
                loopback_answers,
                an_unreachable_address_is_an_error,
                count_interval_and_size,
                ctrl_c_ends_it,
                nonsense_is_explained,
            ],
        },
        Group {
            name: "ping",
            stage: || on_cable("ping", ""),
            tests: tests![Shared:
                the_time_is_right,
                far_addresses_go_to_the_gateway,
                questions_for_the_missing_are_rationed,
                the_first_packet_waits_for_the_answer,
                errors_on_the_way_are_shown,
                too_long_for_the_wire,
                loopback_stays_inside,
                a_fixed_neighbour_needs_no_question,
                time_to_live_is_set,
            ],
        },
    ]
}

/// An echo request from the guest as it was on the wire.
struct Heard {
    frame: Vec<u8>,
    destination: Ipv4Addr,
    id: u16,
    sequence: u16,
    payload: Vec<u8>,
    time_to_live: u8,
    identification: u16,
}

fn as_echo_request(frame: &[u8]) -> Option<Heard> {
    let sliced = SlicedPacket::from_ethernet(frame).ok()?;
    let NetSlice::Ipv4(ip) = sliced.net.as_ref()? else {
        return None;
    };
    let Some(TransportSlice::Icmpv4(icmp)) = &sliced.transport else {
        return None;
    };
    let etherparse::Icmpv4Type::EchoRequest(echo) = icmp.icmp_type() else {
        return None;
    };
    Some(Heard {
        frame: frame.to_vec(),
        destination: ip.header().destination_addr(),
        id: echo.id,
        sequence: echo.seq,
        payload: icmp.payload().to_vec(),
        time_to_live: ip.header().ttl(),
        identification: ip.header().identification(),
    })
}

fn reply(cable: &Cable, heard: &Heard) -> Result<()> {
    let mut frame = Vec::new();
    ipv4(heard.destination, GUEST)
        .icmpv4_echo_reply(heard.id, heard.sequence)
        .write(&mut frame, &heard.payload)?;
    cable.send(&pad(frame))
}

fn the_gateway_answers(stage: &mut Stage) -> Result<()> {
    let text = stage.guest.must("ping -c 3 -i 0.1 10.0.2.2")?;
    ensure!(text.matches("bytes from 10.0.2.2").count() == 3, "{text}");
    ensure!(
        text.contains("3 packets transmitted, 3 received, 0% packet loss"),
        "{text}"
    );
    let times = Regex::new(r"rtt min/avg/max/mdev = ([\d.]+)/([\d.]+)/([\d.]+)/([\d.]+) ms")?;
    let found = times.captures(&text).context("no times")?;
    let number = |index: usize| found[index].parse::<f64>();
    let (min, avg, max) = (number(1)?, number(2)?, number(3)?);
    ensure!(min > 0.0 && min <= avg && avg <= max, "{text}");
    Ok(())
}

fn loopback_answers(stage: &mut Stage) -> Result<()> {
    for address in ["127.0.0.1", "127.1.2.3", "10.0.2.15"] {
        let text = stage.guest.must(&format!("ping -c 1 {address}"))?;
        ensure!(text.contains(&format!("bytes from {address}")), "{text}");
    }
    Ok(())
}

fn an_unreachable_address_is_an_error(stage: &mut Stage) -> Result<()> {
    let answer = stage.guest.command("ping -c 2 -i 0.1 -W 4 10.0.2.99")?;
    ensure!(
        answer.code == 1,
        "exit code {}: {}",
        answer.code,
        answer.text
    );
    ensure!(answer.text.contains("unreachable"), "{}", answer.text);
    ensure!(
        answer
            .text
            .contains("2 packets transmitted, 0 received, 100% packet loss")
    );
    Ok(())
}

fn count_interval_and_size(stage: &mut Stage) -> Result<()> {
    let started = Instant::now();
    let text = stage.guest.must("ping -c 5 -i 0.3 -s 1400 10.0.2.2")?;
    let time = started.elapsed().as_secs_f64();
    ensure!(
        text.matches("1408 bytes from").count() == 5
            || text.matches("1400 bytes from").count() == 5,
        "{text}"
    );
    ensure!(time > 1.1, "five packets 0.3 s apart in {time:.1} s");
    Ok(())
}

fn ctrl_c_ends_it(stage: &mut Stage) -> Result<()> {
    stage.guest.type_line("ping -c 0 -i 0.1 10.0.2.2")?;
    stage.guest.console.expect("icmp_seq=3", ANSWER)?;
    stage.guest.console.send("\x03")?;
    let answer = stage.guest.answer("ping, then Ctrl-C", ANSWER)?;
    // By the shell, or by itself with the statistics so far.
    let told = answer.text.contains("packets transmitted");
    ensure!(answer.code == 130 || told, "{answer:?}");
    stage.guest.must("ping -c 1 127.0.0.1")?;
    Ok(())
}

fn nonsense_is_explained(stage: &mut Stage) -> Result<()> {
    for line in ["ping", "ping -c many 10.0.2.2", "ping --no-such-thing x"] {
        let answer = stage.guest.command(line)?;
        ensure!(
            answer.code == 2 && answer.text.contains("usage"),
            "{line}: {}",
            answer.text
        );
    }
    Ok(())
}

/// Types a ping with these words, for which an answer is in time for long, and gives its request.
fn start_ping(guest: &mut Guest, cable: &Cable, words: &str) -> Result<Heard> {
    cable.drain()?;
    guest.type_line(&format!("ping -c 1 -W 20 {words}"))?;
    cable.expect("echo request", ANSWER, as_echo_request)
}

fn the_time_is_right(stage: &mut Stage) -> Result<()> {
    let (guest, cable) = stage.both()?;
    let typed = Instant::now();
    let heard = start_ping(guest, cable, "192.0.2.1")?;
    let asked = Instant::now();
    std::thread::sleep(Duration::from_millis(150));
    let least = asked.elapsed().as_secs_f64() * 1000.0;
    reply(cable, &heard)?;
    let text = guest.answer("ping", ANSWER)?.success()?;
    let most = typed.elapsed().as_secs_f64() * 1000.0;
    let time = Regex::new(r"time=([\d.]+) ms")?;
    let shown: f64 = time.captures(&text).context("no time")?[1].parse()?;
    ensure!(
        shown >= least && shown <= most,
        "{shown} ms, and it was between {least:.1} and {most:.1}"
    );
    Ok(())
}

fn far_addresses_go_to_the_gateway(stage: &mut Stage) -> Result<()> {
    let (guest, cable) = stage.both()?;
    let heard = start_ping(guest, cable, "198.51.100.7")?;
    ensure!(
        heard.frame[..6] == OUR_MAC,
        "it goes to {:02x?}",
        &heard.frame[..6]
    );
    ensure!(heard.destination == Ipv4Addr::new(198, 51, 100, 7));
    reply(cable, &heard)?;
    guest.answer("ping", ANSWER)?.success()?;
    Ok(())
}

/// At most one question a second for an address where nobody is.
fn questions_for_the_missing_are_rationed(stage: &mut Stage) -> Result<()> {
    let (guest, cable) = stage.both()?;
    cable.drain()?;
    let started = Instant::now();
    guest.type_line("ping -c 20 -i 0.05 -W 3 192.0.2.200")?;
    let frames = cable.collect(Duration::from_secs(4))?;
    let questions = frames
        .iter()
        .filter_map(|frame| Arp::parse(frame))
        .filter(|arp| arp.is_request && arp.target == Ipv4Addr::new(192, 0, 2, 200))
        .count();
    let seconds = usize::try_from(started.elapsed().as_secs())? + 1;
    ensure!(
        (1..=seconds).contains(&questions),
        "{questions} questions in {seconds} s"
    );
    ensure!(
        !frames.iter().any(|frame| as_echo_request(frame).is_some()),
        "it went somewhere"
    );
    guest.console.send("\x03")?;
    guest.answer("ping", Duration::from_secs(120))?.failure()?;
    Ok(())
}

/// The packet that made the guest ask is sent when the answer comes, not lost.
fn the_first_packet_waits_for_the_answer(stage: &mut Stage) -> Result<()> {
    let (guest, cable) = stage.both()?;
    let neighbour = Ipv4Addr::new(192, 0, 2, 50);
    let mac = [0x02, 0, 0, 0, 0, 0x50];
    cable.drain()?;
    guest.type_line("ping -c 1 -W 20 192.0.2.50")?;
    cable.expect("ARP question", ANSWER, |frame| {
        Arp::parse(frame).filter(|arp| arp.is_request && arp.target == neighbour)
    })?;
    std::thread::sleep(Duration::from_millis(50));
    cable.send(&arp_reply(mac, neighbour, GUEST_MAC, GUEST))?;
    let heard = cable.expect("the waiting request", ANSWER, as_echo_request)?;
    ensure!(heard.frame[..6] == mac && heard.sequence == 1);
    reply(cable, &heard)?;
    guest.answer("ping", ANSWER)?.success()?;
    Ok(())
}

/// A router's errors reach the program whose packet they are about.
fn errors_on_the_way_are_shown(stage: &mut Stage) -> Result<()> {
    let (guest, cable) = stage.both()?;
    for (kind, code, word) in [
        (11, 0, "time to live exceeded"),
        (3, 1, "unreachable"),
        (3, 13, "prohibited"),
    ] {
        let heard = start_ping(guest, cable, "198.51.100.7")?;
        let mut frame = Vec::new();
        ipv4(US, GUEST)
            .icmpv4_raw(kind, code, [0; 4])
            .write(&mut frame, &heard.frame[14..14 + 28])?;
        cable.send(&pad(frame))?;
        let text = guest.answer("ping", ANSWER)?.failure()?;
        ensure!(
            text.contains(word) && text.contains("192.0.2.1"),
            "{kind}/{code}: {text}"
        );
    }
    Ok(())
}

fn too_long_for_the_wire(stage: &mut Stage) -> Result<()> {
    let (guest, cable) = stage.both()?;
    cable.drain()?;
    cable.introduce()?;
    let text = guest.command("ping -c 1 -s 65508 192.0.2.1")?.failure()?;
    ensure!(text.contains("0 to 65507"), "{text}");
    let heard = start_ping(guest, cable, "-s 1472 192.0.2.1")?;
    ensure!(heard.frame.len() == 1514, "{} bytes", heard.frame.len());
    ensure!(heard.frame[20] == 0x40, "it may be fragmented");
    reply(cable, &heard)?;
    guest.answer("ping", ANSWER)?.success()?;
    cable.drain()?;
    // One byte more than a frame takes leaves in two parts.
    guest
        .command("ping -c 1 -W 0.3 -s 1473 192.0.2.1")?
        .failure()?;
    let parts: Vec<_> = cable
        .answers()?
        .iter()
        .filter(|frame| frame[12..14] == [8, 0])
        .map(|frame| (frame.len(), [frame[20], frame[21]]))
        .collect();
    ensure!(parts == [(1514, [0x20, 0]), (60, [0, 185])], "{parts:x?}");
    Ok(())
}

fn loopback_stays_inside(stage: &mut Stage) -> Result<()> {
    let (guest, cable) = stage.both()?;
    cable.drain()?;
    guest.must("ping -c 3 -i 0.05 127.0.0.1")?;
    guest.must("ping -c 1 192.0.2.2")?;
    let frames = cable.answers()?;
    ensure!(
        !frames.iter().any(|frame| as_echo_request(frame).is_some()),
        "it went out"
    );
    Ok(())
}

fn a_fixed_neighbour_needs_no_question(stage: &mut Stage) -> Result<()> {
    let (guest, cable) = stage.both()?;
    guest.must("net neigh add 192.0.2.60 02:00:00:00:00:60")?;
    cable.drain()?;
    guest.type_line("ping -c 1 -W 20 192.0.2.60")?;
    let neighbour = Ipv4Addr::new(192, 0, 2, 60);
    // Questions about others may come in between: an earlier test's neighbours are asked again.
    let first = cable.expect("echo request", ANSWER, |frame| {
        let asks = |arp: Arp| arp.is_request && arp.target == neighbour;
        let is_question = Arp::parse(frame).is_some_and(asks);
        (is_question || as_echo_request(frame).is_some()).then(|| as_echo_request(frame))
    })?;
    let heard = first.context("a question came first")?;
    ensure!(heard.frame[..6] == [0x02, 0, 0, 0, 0, 0x60]);
    reply(cable, &heard)?;
    guest.answer("ping", ANSWER)?.success()?;
    Ok(())
}

fn time_to_live_is_set(stage: &mut Stage) -> Result<()> {
    let (guest, cable) = stage.both()?;
    let mut identifications = Vec::new();
    for time_to_live in [5, 64, 255] {
        let heard = start_ping(guest, cable, &format!("-t {time_to_live} 192.0.2.1"))?;
        ensure!(
            heard.time_to_live == time_to_live,
            "it is {}",
            heard.time_to_live
        );
        identifications.push(heard.identification);
        reply(cable, &heard)?;
        guest.answer("ping", ANSWER)?.success()?;
    }
    identifications.dedup();
    ensure!(
        identifications.len() > 1,
        "every packet has the identification {identifications:?}"
    );
    Ok(())
}
