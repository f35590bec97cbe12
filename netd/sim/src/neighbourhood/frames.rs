//! Frames of those who are no hosts of ours, built by hand.

use std::net::{Ipv4Addr, Ipv6Addr};

use wire::arp::{self, Operation};
use wire::ipv6::Fragment;
use wire::ndp::{self, Item};
use wire::{
    EtherType, Headroom, MacAddress, Protocol, Pseudo, Seal, ethernet, icmp4, icmp6, ipv4, ipv6,
};

/// Everybody on the link.
pub(super) const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// Room for all headers.
const HEADERS: usize = 400;

/// Puts link header and `fill` before a payload.
fn frame(
    (from, to): (MacAddress, MacAddress),
    ethertype: EtherType,
    payload: &[u8],
    fill: impl FnOnce(&mut Headroom<'_>),
) -> Vec<u8> {
    let mut bytes = vec![0; HEADERS];
    let mut room = Headroom::new(&mut bytes);
    fill(&mut room);
    let link = ethernet::Header {
        destination: to,
        source: from,
        ethertype,
    };
    link.emit(&mut room).expect("room");
    let start = room.left();
    bytes.extend_from_slice(payload);
    bytes.split_off(start)
}

/// A packet of IPv6 whose payload is there already.
pub(super) fn packet6(
    links: (MacAddress, MacAddress),
    header: &ipv6::Header,
    payload: &[u8],
) -> Vec<u8> {
    frame(links, EtherType::IPV6, payload, |room| {
        header.emit(room, payload.len()).expect("room");
    })
}

/// A message of neighbour discovery that has passed so many routers less than it could.
pub(super) fn neighbourly(
    links: (MacAddress, MacAddress),
    (source, destination): (Ipv6Addr, Ipv6Addr),
    hops: u8,
    message: ndp::Header,
    items: &[Item<'_>],
) -> Vec<u8> {
    let mut payload = vec![0; HEADERS];
    let mut room = Headroom::new(&mut payload);
    message
        .emit(&mut room, items, Pseudo::v6(source, destination))
        .expect("room");
    let start = room.left();
    let header = ipv6::Header::new(source, destination, Protocol::ICMPV6, hops);
    packet6(links, &header, &payload[start..])
}

/// The answer to an echo request.
pub(super) fn echo_reply(
    links: (MacAddress, MacAddress),
    (source, destination): (Ipv6Addr, Ipv6Addr),
    header: icmp6::Header,
    body: &[u8],
) -> Vec<u8> {
    let mut payload = vec![0; icmp6::HEADER_LEN];
    let seal = Seal::Full {
        pseudo: Pseudo::v6(source, destination),
        payload: wire::sum(body),
    };
    header
        .emit(&mut Headroom::new(&mut payload), body.len(), seal)
        .expect("room");
    payload.extend_from_slice(body);
    let header = ipv6::Header::new(source, destination, Protocol::ICMPV6, 64);
    packet6(links, &header, &payload)
}

/// An echo request over IPv4.
pub(super) fn echo4(
    links: (MacAddress, MacAddress),
    (source, destination): (Ipv4Addr, Ipv4Addr),
) -> Vec<u8> {
    let mut message = [0; icmp4::HEADER_LEN];
    let header = icmp4::Header::EchoRequest {
        identifier: 1,
        sequence: 1,
    };
    header
        .emit(&mut Headroom::new(&mut message), wire::Sum::ZERO)
        .expect("room");
    let header = ipv4::Header::atomic(source, destination, Protocol::ICMP, 64);
    frame(links, EtherType::IPV4, &message, |room| {
        header.emit(room, message.len()).expect("room");
    })
}

/// "`sender` is at `from`."
pub(super) fn arp(
    operation: Operation,
    (from, to): (MacAddress, MacAddress),
    sender: Ipv4Addr,
    target: Ipv4Addr,
) -> Vec<u8> {
    let packet = arp::Packet {
        operation,
        sender_mac: from,
        sender_ip: sender,
        target_mac: to,
        target_ip: target,
    };
    frame((from, to), EtherType::ARP, &[], |room| {
        packet.emit(room).expect("room");
    })
}

/// A part of a datagram over IPv4, of an identification; the offset is in units of 8 bytes.
pub(super) fn part4(
    links: (MacAddress, MacAddress),
    (source, destination): (Ipv4Addr, Ipv4Addr),
    (identification, offset, more): (u16, u16, bool),
    payload: &[u8],
) -> Vec<u8> {
    let mut header = ipv4::Header::atomic(source, destination, Protocol::UDP, 64);
    header.dont_fragment = false;
    header.identification = identification;
    header.fragment_offset = offset;
    header.more_fragments = more;
    frame(links, EtherType::IPV4, payload, |room| {
        header.emit(room, payload.len()).expect("room");
    })
}

/// The same over IPv6.
pub(super) fn part6(
    links: (MacAddress, MacAddress),
    (source, destination): (Ipv6Addr, Ipv6Addr),
    (identification, offset, more): (u16, u16, bool),
    payload: &[u8],
) -> Vec<u8> {
    let part = Fragment {
        offset,
        more,
        identification: identification.into(),
    };
    let header = ipv6::Header::new(source, destination, Protocol(44), 64);
    frame(links, EtherType::IPV6, payload, |room| {
        part.emit(room, Protocol::UDP).expect("room");
        header
            .emit(room, payload.len() + ipv6::FRAGMENT_LEN)
            .expect("room");
    })
}
