//! Two cards in two networks, and a VLAN on the second: each answer leaves by the link that was asked. And
//! frames that are no IP at all.
//!
//! The test is the router on both cables. It never says where it is: the guest is told by hand.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use etherparse::{NetSlice, PacketBuilder, SlicedPacket};

use super::ethernet::ANSWER;
use super::six::await_proven;
use super::{Group, Stage, tests};
use crate::frames::{Cable, GUEST_MAC, Mac, OUR_MAC, arp_request, as_echo_reply, pad};
use crate::guest::Guest;
use crate::machine::{Card, Link, Machine};

/// The cards, and the router on each cable.
const CARDS: [Mac; 2] = [GUEST_MAC, [0x52, 0x54, 0, 0x12, 0x34, 0x99]];
const ROUTERS: [Mac; 2] = [OUR_MAC, [2, 0, 0, 0, 0, 2]];
/// Behind both.
const FAR4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 9);
const FAR6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, 0, 0, 0, 9);
/// The guest on the VLAN, and a neighbour there.
const TAGGED: Ipv4Addr = Ipv4Addr::new(10, 42, 0, 2);
const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(10, 42, 0, 9);
const VLAN: [u8; 4] = [0x81, 0, 0, 42];
/// The identifiers of our echo requests: of those that are looked at, and of those that only ask whether all before
/// them was dealt with.
const ID: u16 = 7;
const MARKER: u16 = 0xd0e5;
/// For experiments.
const TYPE: [u8; 2] = [0x88, 0xb5];

const WORDS: &str = "ip=192.0.2.2/24,gw=192.0.2.1 mdns=none ipv6=hardware \
     link2.ip=198.51.100.2/24,gw=198.51.100.1 link2.mdns=none link2.ipv6=hardware \
     link3.vlan=42@2 link3.ip=10.42.0.2/24 link3.mdns=none link3.ipv6=none";

pub fn group() -> Group {
    Group {
        name: "links",
        stage,
        tests: tests![Shared:
            routed_answers_leave_by_the_right_card,
            a_neighbour_of_both_links_is_asked_on_the_one_that_is_named,
            tables_are_shown_and_changed_link_by_link,
            the_summary_tells_of_all_links,
            leases_are_told_of_all_links,
            a_vlan_is_a_link_of_its_own,
            frames_that_are_no_ip_come_and_go,
        ],
    }
}

/// The guest's address on a link, of either family.
fn own(place: usize, is_v4: bool) -> IpAddr {
    match (place, is_v4) {
        (0, true) => Ipv4Addr::new(192, 0, 2, 2).into(),
        (_, true) => Ipv4Addr::new(198, 51, 100, 2).into(),
        (_, false) => {
            let number = u16::try_from(place).unwrap_or(0);
            Ipv6Addr::new(0x2001, 0xdb8, number, 0, 0, 0, 0, 2).into()
        }
    }
}

fn stage() -> Result<Stage> {
    let cables = [Cable::new("links-1")?, Cable::new("links-2")?];
    let second = Card {
        mac: "52:54:00:12:34:99".into(),
        ..Card::new(cables[1].link())
    };
    let mut guest = Guest::boot(Machine {
        cards: vec![Card::new(cables[0].link()), second],
        append: WORDS.into(),
        ..Machine::default()
    })?;
    for (link, router) in [(1, "02:00:00:00:00:01"), (2, "02:00:00:00:00:02")] {
        let v4 = [None, Some("192.0.2.1"), Some("198.51.100.1")][link];
        for gateway in [v4.unwrap_or_default(), "fe80::1"] {
            guest.must(&format!("net neigh add {gateway} {router} link {link}"))?;
        }
        let address = own(link - 1, false);
        guest.must(&format!("net addr add {address}/64 link {link}"))?;
        guest.must(&format!("net route add ::/0 via fe80::1 link {link}"))?;
    }
    // Its addresses have to be nobody else's.
    await_proven(&mut guest, |_| true)?;
    cables.iter().try_for_each(Cable::drain)?;
    Ok(Stage::with_cables(guest, cables))
}

/// An echo request from afar to the guest, by the router of a cable.
fn echo(place: usize, to: IpAddr, id: u16) -> Vec<u8> {
    let mut out = Vec::new();
    let frame = PacketBuilder::ethernet2(ROUTERS[place], CARDS[place]);
    // Writing to a vector does not fail.
    match to {
        IpAddr::V4(to) => frame
            .ipv4(FAR4.octets(), to.octets(), 60)
            .icmpv4_echo_request(id, 1)
            .write(&mut out, b"who"),
        IpAddr::V6(to) => frame
            .ipv6(FAR6.octets(), to.octets(), 60)
            .icmpv6_echo_request(id, 1)
            .write(&mut out, b"who"),
    }
    .ok();
    pad(out)
}

/// Source, destination and hardware destination of a packet to somebody afar.
fn as_answer(frame: &[u8]) -> Option<(IpAddr, IpAddr, Mac)> {
    let (source, destination) = match SlicedPacket::from_ethernet(frame).ok()?.net? {
        NetSlice::Ipv4(ip) => {
            let header = ip.header();
            (
                header.source_addr().into(),
                header.destination_addr().into(),
            )
        }
        NetSlice::Ipv6(ip) => {
            let header = ip.header();
            (
                header.source_addr().into(),
                header.destination_addr().into(),
            )
        }
        NetSlice::Arp(_) => return None,
    };
    let is_far = destination == IpAddr::from(FAR4) || destination == IpAddr::from(FAR6);
    let to = frame.get(..6)?.try_into().ok()?;
    is_far.then_some((source, destination, to))
}

/// What the guest says on each cable until it has dealt with all that was sent to it before, by either.
fn said(cables: [&Cable; 2]) -> Result<[Vec<Vec<u8>>; 2]> {
    let mut said = [Vec::new(), Vec::new()];
    // Twice: what goes out behind the first answers had its cause before the second questions.
    for _ in 0..2 {
        for (place, (cable, said)) in cables.into_iter().zip(&mut said).enumerate() {
            cable.send(&echo(place, own(place, true), MARKER))?;
            cable.expect("answer to the last question", ANSWER, |frame| {
                let is_answer = as_echo_reply(frame).is_some_and(|(id, _, _)| id == MARKER);
                if !is_answer {
                    said.push(frame.to_vec());
                }
                is_answer.then_some(())
            })?;
        }
    }
    Ok(said)
}

fn routed_answers_leave_by_the_right_card(stage: &mut Stage) -> Result<()> {
    let (_, cables) = stage.all()?;
    for is_v4 in [true, false] {
        for place in [1, 0, 1] {
            cables[1 - place].drain()?;
            let to = own(place, is_v4);
            cables[place].send(&echo(place, to, ID))?;
            let (source, _, mac) = cables[place].expect("an answer", ANSWER, as_answer)?;
            ensure!((source, mac) == (to, ROUTERS[place]), "{source} {mac:x?}");
            // What is for the other's address is taken in by neither.
            cables[place].send(&echo(place, own(1 - place, is_v4), ID))?;
            let frames = said(cables)?.concat();
            let answers = frames.iter().filter_map(|frame| as_answer(frame));
            ensure!(answers.count() == 0, "answered by the other card");
        }
    }
    Ok(())
}

/// Both routers are called fe80::1.
fn a_neighbour_of_both_links_is_asked_on_the_one_that_is_named(stage: &mut Stage) -> Result<()> {
    let (guest, cables) = stage.all()?;
    for place in [1, 0] {
        cables[1 - place].drain()?;
        guest.type_line(&format!("ping -c 1 -W 0.3 fe80::1%{}", place + 1))?;
        let is_request = |frame: &[u8]| {
            let is_it = frame.get(12..14) == Some(&[0x86, 0xdd]) && frame.get(54) == Some(&128);
            is_it.then(|| frame[..6] == ROUTERS[place])
        };
        let is_right = cables[place].expect("an echo request", ANSWER, is_request)?;
        ensure!(is_right, "asked by another hardware address");
        guest.answer("ping", ANSWER)?.failure()?;
        let others = &said(cables)?[1 - place];
        ensure!(
            !others.iter().any(|frame| is_request(frame).is_some()),
            "asked on both"
        );
    }
    Ok(())
}

fn tables_are_shown_and_changed_link_by_link(stage: &mut Stage) -> Result<()> {
    let (guest, _) = stage.all()?;
    for (table, lines) in [
        (
            "links",
            &[
                "1: 52:54:00:12:34:56 up",
                "2: 52:54:00:12:34:99 up",
                "3: 52:54:00:12:34:99 vlan 42 up",
            ][..],
        ),
        (
            "addr",
            &[
                "1: 192.0.2.2/24 static",
                "2: 198.51.100.2/24 static",
                "2: 2001:db8:1::2/64",
                "3: 10.42.0.2/24",
            ],
        ),
        (
            "route",
            &[
                "default via 198.51.100.1 link 2",
                "10.42.0.0/24 link 3",
                "default via fe80::1 link 2",
            ],
        ),
        (
            "neigh",
            &["198.51.100.1 02:00:00:00:00:02 link 2 PERMANENT"],
        ),
    ] {
        let text = guest.must(&format!("net {table}"))?;
        for line in lines {
            ensure!(text.contains(line), "no {line:?} in {text}");
        }
    }
    guest.must("net addr add 10.9.9.2/24 link 2")?;
    guest.must("net route add 10.8.0.0/16 via 10.9.9.1 link 2")?;
    guest
        .command("net route add 10.7.0.0/16 via 10.9.9.1 link 1")?
        .failure()?;
    guest
        .command("net addr add 10.6.0.2/24 link 9")?
        .failure()?;
    guest.must("net route del 10.8.0.0/16 link 2")?;
    guest.must("net addr del 10.9.9.2/24 link 2")?;
    Ok(())
}

fn the_summary_tells_of_all_links(stage: &mut Stage) -> Result<()> {
    let text = stage.guest.must("net")?;
    for lines in [
        "link    52:54:00:12:34:56 up mtu 1500",
        "link2   52:54:00:12:34:99 up mtu 1500\n\
         address 198.51.100.2/24 static\ngateway 198.51.100.1",
        "link3   52:54:00:12:34:99 vlan 42 up mtu 1500\naddress 10.42.0.2/24 static",
    ] {
        ensure!(text.contains(lines), "no {lines:?} in {text}");
    }
    Ok(())
}

/// Two user networks of QEMU's, each with its server; the guest has a lease of both.
fn leases_are_told_of_all_links(_: &mut Stage) -> Result<()> {
    let second = Card {
        mac: "52:54:00:12:34:99".into(),
        ..Card::new(Link::user(&[]))
    };
    let mut guest = Guest::boot_online(Machine {
        cards: vec![Card::new(Link::user(&[])), second],
        append: "mdns=none link2.mdns=none link2.ip=dhcp".into(),
        ..Machine::default()
    })?;
    let deadline = Instant::now() + ANSWER;
    let text = loop {
        let text = guest.must("net lease")?;
        if text.matches("state     BOUND").count() == 2 {
            break text;
        }
        ensure!(Instant::now() < deadline, "{text}");
        std::thread::sleep(Duration::from_millis(200));
    };
    for (number, lease) in (1..).zip(text.split("link      ").skip(1)) {
        ensure!(lease.starts_with(&number.to_string()), "{text}");
        ensure!(lease.contains("address   10.0.2.15/24"), "{text}");
        ensure!(lease.contains("router    10.0.2.2"), "{text}");
    }
    Ok(())
}

/// The frame with the VLAN's tag.
fn tagged(frame: &[u8]) -> Vec<u8> {
    [&frame[..12], &VLAN, &frame[12..]].concat()
}

fn a_vlan_is_a_link_of_its_own(stage: &mut Stage) -> Result<()> {
    let (guest, cables) = stage.all()?;
    let mut question = Vec::new();
    PacketBuilder::ethernet2(ROUTERS[1], CARDS[1])
        .ipv4(NEIGHBOUR.octets(), TAGGED.octets(), 64)
        .icmpv4_echo_request(ID, 1)
        .write(&mut question, b"who")?;
    let question = pad(question);
    cables[1].drain()?;
    cables[1].send(&tagged(&arp_request(ROUTERS[1], NEIGHBOUR, TAGGED)))?;
    cables[1].send(&tagged(&question))?;
    // An ARP reply, and an ICMP echo reply: where each says what it is.
    for (ethertype, at, kind) in [([0x08, 0x06], 21, 2), ([0x08, 0x00], 34, 0)] {
        let answer = cables[1].expect("a tagged answer", ANSWER, |frame| {
            let is_tagged = frame.get(12..16) == Some(&VLAN[..]);
            let plain = is_tagged.then(|| [&frame[..12], &frame[16..]].concat())?;
            let is_it = plain.get(12..14) == Some(&ethertype) && plain.get(at) == Some(&kind);
            is_it.then_some(plain)
        })?;
        ensure!(answer[..6] == ROUTERS[1] && answer[6..12] == CARDS[1]);
    }
    // Without a tag, with another, and with two nobody is there.
    let mut foreign = tagged(&question);
    foreign[15] = 43;
    for frame in [&question, &foreign, &tagged(&tagged(&question))] {
        cables[1].send(frame)?;
    }
    let [_, frames] = said(cables)?;
    let is_tagged = |frame: &&Vec<u8>| frame[12..14] == VLAN[..2];
    ensure!(frames.iter().filter(is_tagged).count() == 0, "{frames:x?}");
    let drops = guest.must("net drops")?;
    ensure!(drops.contains("vlan.foreign 1\n"), "{drops}");
    ensure!(drops.contains("vlan.double 1\n"), "{drops}");
    Ok(())
}

fn frames_that_are_no_ip_come_and_go(stage: &mut Stage) -> Result<()> {
    let (guest, cables) = stage.all()?;
    cables[1].drain()?;
    guest.type_line("raw -l 2 -c 1 -w 60 ether 0x88b5 02:00:00:00:00:02 hello")?;
    let sent = cables[1].expect("a frame", ANSWER, |frame| {
        (frame.get(12..14) == Some(&TYPE[..])).then(|| frame.to_vec())
    })?;
    let header = [&ROUTERS[1][..], &CARDS[1], &TYPE].concat();
    ensure!(sent == pad([&header[..], b"hello"].concat()), "{sent:x?}");
    let answer = |to: Mac, text: &[u8]| {
        let frame = [&to[..], &ROUTERS[1], &TYPE, text].concat();
        pad(frame)
    };
    // Not for this card, and on the other cable.
    cables[1].send(&answer(CARDS[0], b"not for you"))?;
    cables[0].send(&answer(CARDS[0], b"elsewhere"))?;
    cables[1].send(&answer(CARDS[1], &[b'x'; 46]))?;
    let text = guest.answer("raw", ANSWER)?.success()?;
    let line = "46 bytes from 02:00:00:00:00:02 to 52:54:00:12:34:99: xxxxxxxx";
    ensure!(text.contains(line), "{text}");
    for refused in ["0x0800", "0x05ff", "0x8100"] {
        let line = format!("raw -w 1 ether {refused}");
        guest.command(&line)?.failure()?;
    }
    Ok(())
}
