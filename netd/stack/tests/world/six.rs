//! A neighbour over IPv6, made by hand: packets as frames, and frames read back.

use super::{Host, World, config, facts, mac};
use stack::{AddressPlan, AddressState, Config, Identifiers, Instant, Ipv6Plan, MacAddress};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;
use wire::ethernet::{self, EtherType, Frame};
use wire::ipv6::{self, Content, Packet};
use wire::ndp::{self, Item, Message, Preference, Prefix, RouterAdvertisement};
use wire::{Check, Cidr6, Headroom, Protocol, Pseudo, Seal, icmp6, mld};

/// Everybody on the link.
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// The prefix that routers tell of.
pub const PREFIX: &str = "2001:db8:1::/64";

pub fn six(text: &str) -> Ipv6Addr {
    text.parse().expect(text)
}

/// The link-local address of a neighbour by this number.
pub fn local(last: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last)
}

/// What a host of the tests does: its addresses follow from its hardware address.
pub fn plan6() -> Ipv6Plan {
    Ipv6Plan {
        identifiers: Identifiers::Hardware,
        is_optimistic: false,
        follows_routers: true,
        has_temporary: false,
    }
}

/// The link-local address of host `last`.
pub fn own_local(last: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0x00ff, 0xfe00, last.into())
}

/// Its address of a router's making.
pub fn own_global(last: u8) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0x00ff, 0xfe00, last.into())
}

/// A host that has only begun.
pub fn starting(plan: Ipv6Plan, config: Config) -> Host {
    let mut host = Host::with_link(1, facts(1), config, AddressPlan::None);
    let started = host.stack.start_ipv6(host.link, plan, Instant::ZERO);
    started.expect("an interface");
    host
}

/// A host with both addresses, and the time; neighbour 9 is the router.
pub fn settled() -> (Host, Instant) {
    let mut host = starting(plan6(), config());
    let mut now = Instant::ZERO;
    wait(&mut host, &mut now, 2_000);
    host.input(&advertisement(&[prefix(3_600, 1_800)]), now);
    wait(&mut host, &mut now, 2_000);
    host.frames(now);
    (host, now)
}

/// Two hosts that know each other's addresses, those of IPv4 and the link-local ones of IPv6.
pub fn two_hosts() -> World {
    let mut world = World::new();
    for host in [&mut world.a, &mut world.b] {
        let started = host.stack.start_ipv6(host.link, plan6(), world.now);
        started.expect("an interface");
    }
    world.run(Duration::from_secs(3));
    world.log.clear();
    world
}

/// A port of host `last`, at its link-local address.
pub fn at6(last: u8, port: u16) -> SocketAddr {
    SocketAddrV6::new(own_local(last), port, 0, 0).into()
}

/// A port of all addresses of IPv6.
pub fn any6(port: u16) -> SocketAddr {
    SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, port, 0, 0).into()
}

/// Lets so many milliseconds pass. Gives what the host has sent meanwhile.
pub fn wait(host: &mut Host, now: &mut Instant, milliseconds: u64) -> Vec<Vec<u8>> {
    let mut sent = Vec::new();
    for _ in 0..milliseconds / 100 {
        *now = *now + Duration::from_millis(100);
        host.stack.fire(&mut host.memory, *now);
        sent.extend(host.frames(*now));
        host.publish(*now);
    }
    sent
}

/// The state of an address; `None` if it is not there.
pub fn state(host: &Host, address: Ipv6Addr) -> Option<AddressState> {
    let mut all = host.stack.addresses();
    all.find(|it| it.address == IpAddr::V6(address))
        .map(|it| it.state)
}

/// Where frames to an address of host 1, or to a group, are sent.
pub fn link_of(to: Ipv6Addr) -> MacAddress {
    if to.is_multicast() {
        MacAddress::for_multicast6(to)
    } else {
        mac(1)
    }
}

/// A frame with a packet.
pub fn frame6(from: MacAddress, header: &ipv6::Header, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 54];
    let mut room = Headroom::new(&mut frame);
    header.emit(&mut room, payload.len()).expect("room");
    let link = ethernet::Header {
        destination: link_of(header.destination),
        source: from,
        ethertype: EtherType::IPV6,
    };
    link.emit(&mut room).expect("room");
    frame.extend_from_slice(payload);
    frame
}

/// A frame of neighbour 9 with a message of neighbour discovery.
pub fn ndp_frame(ends: (Ipv6Addr, Ipv6Addr), message: ndp::Header, items: &[Item<'_>]) -> Vec<u8> {
    let mut payload = vec![0; 400];
    let mut room = Headroom::new(&mut payload);
    let pseudo = Pseudo::v6(ends.0, ends.1);
    message.emit(&mut room, items, pseudo).expect("room");
    let start = room.left();
    let header = ipv6::Header::new(ends.0, ends.1, Protocol::ICMPV6, ndp::HOP_LIMIT);
    frame6(mac(9), &header, &payload[start..])
}

/// A frame of a neighbour with an ICMPv6 error or echo.
pub fn icmp6_frame(ends: (Ipv6Addr, Ipv6Addr), message: icmp6::Header, body: &[u8]) -> Vec<u8> {
    let mut payload = vec![0; 8];
    let seal = Seal::Full {
        pseudo: Pseudo::v6(ends.0, ends.1),
        payload: wire::sum(body),
    };
    let mut room = Headroom::new(&mut payload);
    message.emit(&mut room, body.len(), seal).expect("room");
    payload.extend_from_slice(body);
    let header = ipv6::Header::new(ends.0, ends.1, Protocol::ICMPV6, 64);
    frame6(mac(9), &header, &payload)
}

/// What routers tell of [`PREFIX`], in seconds.
pub fn prefix(valid: u32, preferred: u32) -> Item<'static> {
    let prefix: Cidr6 = PREFIX.parse().expect("a prefix");
    Item::Prefix(Prefix {
        prefix,
        on_link: true,
        autonomous: true,
        valid,
        preferred,
    })
}

/// What router 9 says of itself.
pub fn router(lifetime: u16) -> RouterAdvertisement {
    RouterAdvertisement {
        hop_limit: 64,
        managed: false,
        other: false,
        preference: Preference::Medium,
        lifetime,
        reachable: 0,
        retransmit: 0,
    }
}

/// What router 9 says to all, with its hardware address.
pub fn advertisement(items: &[Item<'_>]) -> Vec<u8> {
    let mut all = vec![Item::SourceLink(mac(9))];
    all.extend_from_slice(items);
    let message = ndp::Header::RouterAdvertisement(router(1_800));
    ndp_frame((local(9), ALL_NODES), message, &all)
}

/// Neighbour 9 asks host 1 for an address, and says its own.
pub fn solicitation(from: Ipv6Addr, target: Ipv6Addr) -> Vec<u8> {
    let to = ipv6::solicited_node(target);
    let message = ndp::Header::NeighborSolicitation { target };
    ndp_frame((from, to), message, &[Item::SourceLink(mac(9))])
}

/// The header and what the packet in a frame carries, if it is one of IPv6.
pub fn content(frame: &[u8]) -> Option<(ipv6::Header, Protocol, &[u8])> {
    let frame = Frame::parse(frame).expect("a frame");
    if frame.header.ethertype != EtherType::IPV6 {
        return None;
    }
    let packet = Packet::parse(frame.payload).expect("a packet");
    match packet.content() {
        Ok(Content::Whole(whole)) => Some((packet.header, whole.protocol, whole.payload)),
        other => panic!("{other:?}"),
    }
}

/// The messages of neighbour discovery among what a host sends, all of them sound.
pub fn said(frames: &[Vec<u8>]) -> Vec<(ipv6::Header, ndp::Header, bool)> {
    let contents = frames.iter().filter_map(|frame| content(frame));
    contents
        .filter_map(|(header, _, payload)| {
            let pseudo = Pseudo::v6(header.source, header.destination);
            let envelope = icmp6::Envelope::parse(payload, Check::Verify(pseudo)).ok()?;
            if !ndp::is_kind(envelope.kind) {
                return None;
            }
            let message = Message::parse(&envelope, &header, false).expect("sound");
            let items = message.items;
            let has_link = items.source_link().or(items.target_link()).is_some();
            Some((header, message.header, has_link))
        })
        .collect()
}

/// The ICMPv6 errors and echoes among what a host sends.
pub fn errors(frames: &[Vec<u8>]) -> Vec<(ipv6::Header, icmp6::Header, Vec<u8>)> {
    let contents = frames.iter().filter_map(|frame| content(frame));
    contents
        .filter_map(|(header, _, payload)| {
            let pseudo = Pseudo::v6(header.source, header.destination);
            let envelope = icmp6::Envelope::parse(payload, Check::Verify(pseudo)).ok()?;
            if mld::is_kind(envelope.kind) {
                return None;
            }
            let message = icmp6::Message::parse(&envelope).ok()?;
            Some((header, message.header, message.body.to_vec()))
        })
        .collect()
}
