//! Several links: by which of them what comes is taken in, and by which what leaves does.

use crate::world::craft::Peer;
use crate::world::neighbours::datagram;
use crate::world::six::{ALL_NODES, local, ndp_frame, own_local, plan6, router, six};
use crate::world::{Host, config, facts, ip, mac, ping, plan};
use stack::{
    AddressPlan, ConnectError, Data, Drop, EventKind, Instant, InterfaceId, MacAddress, Ping,
    Range, ReceiveMeta, SendError, StaticPlan, Token,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::time::Duration;
use wire::ethernet::{self, EtherType, Frame};
use wire::ndp::{self, RouterAdvertisement};
use wire::{Headroom, Protocol, Pseudo, Seal, arp, icmp4, icmp6, ipv4, ipv6};

/// Behind a router of either link.
const FAR: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xf, 0, 0, 0, 0, 9)),
];
/// Of each link: ours, and its router's hardware address.
const OWN: [MacAddress; 2] = [
    MacAddress([2, 0, 0, 0, 0, 1]),
    MacAddress([2, 0, 0, 0, 0, 11]),
];
const ROUTERS: [MacAddress; 2] = [
    MacAddress([2, 0, 0, 0, 0, 254]),
    MacAddress([2, 0, 0, 0, 0, 253]),
];

/// A host with two links in two networks of each family, and a router on each that leads everywhere.
struct Two {
    host: Host,
    links: [InterfaceId; 2],
    now: Instant,
}

/// An address of ours on a link.
fn own(place: usize, family: usize) -> IpAddr {
    let number = u8::try_from(place).unwrap();
    match family {
        0 => Ipv4Addr::new(10, 0, number, 1).into(),
        _ => Ipv6Addr::new(0x2001, 0xdb8, number.into(), 0, 0, 0, 0, 1).into(),
    }
}

fn two() -> Two {
    let mut now = Instant::ZERO;
    let mut host = Host::new(1, config(), AddressPlan::Static(plan(1)));
    let second = StaticPlan {
        address: Ipv4Addr::new(10, 0, 1, 1),
        gateway: Some(Ipv4Addr::new(10, 0, 1, 254)),
        ..plan(1)
    };
    let link = host
        .stack
        .add_interface(facts(11), AddressPlan::Static(second), now)
        .expect("a second link");
    let links = [host.link, link];
    for (place, link) in links.into_iter().enumerate() {
        let stack = &mut host.stack;
        stack.start_ipv6(link, plan6(), now).expect("IPv6");
        stack
            .add_address(link, own(place, 1), 64, now)
            .expect("address");
        let gateway = [
            Ipv4Addr::new(10, 0, u8::try_from(place).unwrap(), 254).into(),
            IpAddr::from(local(0xfe)),
        ];
        for by in gateway {
            stack
                .add_neighbour(link, by, ROUTERS[place], now)
                .expect("neighbour");
        }
        let all = Ipv6Addr::UNSPECIFIED.into();
        stack
            .add_route(link, all, 0, Some(gateway[1]), 0)
            .expect("route");
    }
    let mut two = Two { host, links, now };
    for _ in 0..80 {
        now = now + Duration::from_millis(100);
        two.now = now;
        two.host.stack.fire(&mut two.host.memory, now);
        two.sent();
    }
    two
}

impl Two {
    fn input(&mut self, place: usize, frame: &[u8]) {
        let Host { stack, memory, .. } = &mut self.host;
        stack.input(
            self.links[place],
            frame,
            ReceiveMeta::default(),
            memory,
            self.now,
        );
    }

    /// What leaves by each link.
    fn sent(&mut self) -> [Vec<Vec<u8>>; 2] {
        let mut frame = [0; 1_600];
        let Host { stack, memory, .. } = &mut self.host;
        self.links.map(|link| {
            let mut frames = Vec::new();
            while let Some((len, _)) = stack.output(link, &mut frame, memory, self.now) {
                frames.push(frame[..len].to_vec());
            }
            frames
        })
    }
}

/// A frame with an echo request.
fn echo(macs: (MacAddress, MacAddress), from: IpAddr, to: IpAddr) -> Vec<u8> {
    let mut message = vec![0; 8];
    let (from, to) = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let header = icmp4::Header::EchoRequest {
                identifier: 1,
                sequence: 1,
            };
            let room = &mut Headroom::new(&mut message);
            header.emit(room, wire::Sum::ZERO).unwrap();
            let (own, host) = (SocketAddrV4::new(from, 0), SocketAddrV4::new(to, 0));
            return Peer { own, host, macs }.packet(Protocol::ICMP, &message);
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => (from, to),
        _ => unreachable!("one family"),
    };
    let header = icmp6::Header::EchoRequest {
        identifier: 1,
        sequence: 1,
    };
    let seal = Seal::Full {
        pseudo: Pseudo::v6(from, to),
        payload: wire::Sum::ZERO,
    };
    header
        .emit(&mut Headroom::new(&mut message), 0, seal)
        .unwrap();
    let mut frame = vec![0; 54];
    let room = &mut Headroom::new(&mut frame);
    let header = ipv6::Header::new(from, to, Protocol::ICMPV6, 64);
    header.emit(room, message.len()).unwrap();
    let link = ethernet::Header {
        destination: macs.1,
        source: macs.0,
        ethertype: EtherType::IPV6,
    };
    link.emit(room).unwrap();
    frame.extend(message);
    frame
}

/// Source and destination of the packet in a frame, and where the frame goes.
fn ends(frame: &[u8]) -> (IpAddr, IpAddr, MacAddress) {
    let frame = Frame::parse(frame).expect("a frame");
    let to = frame.header.destination;
    match frame.header.ethertype {
        EtherType::IPV4 => {
            let it = ipv4::Packet::parse(frame.payload).expect("a packet").header;
            (it.source.into(), it.destination.into(), to)
        }
        EtherType::IPV6 => {
            let it = ipv6::Packet::parse(frame.payload).expect("a packet").header;
            (it.source.into(), it.destination.into(), to)
        }
        other => panic!("{other:?}"),
    }
}

// RFC 1122 section 3.3.4.2: the strong model.
#[test]
fn an_answer_leaves_by_the_link_that_was_asked() {
    let mut two = two();
    for family in [0, 1] {
        for place in [1, 0, 1] {
            let question = echo(
                (ROUTERS[place], OWN[place]),
                FAR[family],
                own(place, family),
            );
            two.input(place, &question);
            let sent = two.sent();
            assert_eq!(sent[1 - place], Vec::<Vec<u8>>::new());
            let answers: Vec<_> = sent[place].iter().map(|frame| ends(frame)).collect();
            let answer = (own(place, family), FAR[family], ROUTERS[place]);
            assert_eq!(answers, [answer]);
        }
    }
    two.host.assert_balance();
}

#[test]
fn what_is_for_an_address_of_another_link_is_not_taken_in() {
    let mut two = two();
    for family in [0, 1] {
        let question = echo((ROUTERS[0], OWN[0]), FAR[family], own(1, family));
        two.input(0, &question);
    }
    // Nor is anybody told where it is.
    let request = arp::Packet::request(mac(9), ip(9), Ipv4Addr::new(10, 0, 1, 1));
    let mut frame = vec![0; 42];
    let room = &mut Headroom::new(&mut frame);
    request.emit(room).unwrap();
    let link = ethernet::Header {
        destination: MacAddress::BROADCAST,
        source: mac(9),
        ethertype: EtherType::ARP,
    };
    link.emit(room).unwrap();
    two.input(0, &frame);
    assert!(two.sent().iter().all(Vec::is_empty));
    let drops = |reason| two.host.stack.drops(reason);
    let counts = [
        drops(Drop::Ipv4NotForUs),
        drops(Drop::Ipv6NotForUs),
        drops(Drop::ArpNotForUs),
    ];
    assert_eq!(counts, [1, 1, 1]);
    two.host.assert_balance();
}

#[test]
fn routes_choose_the_link_and_the_link_the_source() {
    let mut two = two();
    let client = two.host.client();
    let beside: [IpAddr; 2] = [
        Ipv4Addr::new(10, 0, 1, 77).into(),
        six("2001:db8:1::77").into(),
    ];
    for (family, to) in beside.into_iter().enumerate() {
        let stack = &mut two.host.stack;
        let known = stack.add_neighbour(two.links[1], to, mac(77), two.now);
        known.expect("a neighbour");
        let ping = Ping {
            address: to,
            ..ping(0)
        };
        let pinged = stack.ping(client, ping, Token(1), two.now);
        pinged.expect("a route");
        let sent = two.sent();
        assert_eq!(sent[0], Vec::<Vec<u8>>::new());
        assert_eq!(ends(&sent[1][0]), (own(1, family), to, mac(77)));
        // Who speaks from the other link's address speaks there, though this one is nearer.
        let socket = two.host.datagram(client);
        let stack = &mut two.host.stack;
        let from = SocketAddr::new(own(0, family), 0);
        stack.bind(client, socket, from).expect("bound");
        let (data, to_port) = (Data::Inline(b"hello"), SocketAddr::new(to, 9));
        let queued = stack.send(client, socket, data, Some(to_port), Token(2), two.now);
        queued.expect("a route");
        let sent = two.sent();
        assert_eq!(sent[1], Vec::<Vec<u8>>::new());
        assert_eq!(ends(&sent[0][0]), (own(0, family), to, ROUTERS[0]));
    }
}

#[test]
fn without_a_route_of_its_link_an_address_reaches_nobody() {
    let mut two = two();
    let client = two.host.client();
    for family in [0, 1] {
        let all = [
            IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Ipv6Addr::UNSPECIFIED.into(),
        ];
        let stack = &mut two.host.stack;
        let removed = stack.remove_route(two.links[1], all[family], 0);
        removed.expect("a route");
        let far = SocketAddr::new(FAR[family], 80);
        for (place, expected) in [(0, Ok(())), (1, Err(ConnectError::NoRoute))] {
            let socket = two.host.stream(client);
            let stack = &mut two.host.stack;
            let from = SocketAddr::new(own(place, family), 0);
            stack.bind(client, socket, from).expect("bound");
            let begun = stack.connect(client, socket, far, Token(3), two.now);
            assert_eq!(begun, expected);
        }
    }
}

#[test]
fn a_link_that_is_down_is_no_way_and_another_is_found() {
    let mut two = two();
    let client = two.host.client();
    for (down, up) in [(0, 1), (1, 0)] {
        let stack = &mut two.host.stack;
        stack.link_changed(two.links[down], false, two.now);
        for (family, to) in FAR.into_iter().enumerate() {
            let ping = Ping {
                address: to,
                ..ping(0)
            };
            let pinged = two.host.stack.ping(client, ping, Token(1), two.now);
            pinged.expect("the other way");
            let sent = two.sent();
            let found = sent[up].iter().map(|frame| ends(frame));
            let all: Vec<_> = found.filter(|(_, towards, _)| *towards == to).collect();
            assert_eq!(all, [(own(up, family), to, ROUTERS[up])]);
            assert_eq!(sent[down], Vec::<Vec<u8>>::new());
        }
        two.host.stack.link_changed(two.links[down], true, two.now);
        for _ in 0..40 {
            two.now = two.now + Duration::from_millis(100);
            two.host.stack.fire(&mut two.host.memory, two.now);
            two.sent();
        }
    }
}

/// A neighbour that is called the same on both links.
fn twin(zone: u32) -> SocketAddr {
    SocketAddrV6::new(local(0x77), 9, 0, zone).into()
}

// RFC 4007 section 6: zone zero is the default one.
#[test]
fn a_link_local_destination_is_on_the_link_that_is_named() {
    let mut two = two();
    let client = two.host.client();
    for (place, link) in two.links.into_iter().enumerate() {
        let mac = mac(70 + u8::try_from(place).unwrap());
        let known = two
            .host
            .stack
            .add_neighbour(link, twin(0).ip(), mac, two.now);
        known.expect("a neighbour");
    }
    let from = [1, 11].map(|last| IpAddr::from(own_local(last)));
    let socket = two.host.datagram(client);
    for (zone, place) in [(2, 1), (1, 0), (0, 0), (2, 1)] {
        let stream = two.host.stream(client);
        let stack = &mut two.host.stack;
        let data = Data::Inline(b"hello");
        let sent = stack.send(client, socket, data, Some(twin(zone)), Token(1), two.now);
        sent.expect("a way");
        let begun = stack.connect(client, stream, twin(zone), Token(2), two.now);
        begun.expect("a way");
        let link = u8::try_from(zone).unwrap();
        let asked = Ping {
            address: twin(0).ip(),
            link,
            ..ping(0)
        };
        let pinged = stack.ping(client, asked, Token(3), two.now);
        pinged.expect("a way");
        let sent = two.sent();
        let ends: Vec<_> = sent[place].iter().map(|frame| ends(frame)).collect();
        let expected = (
            from[place],
            twin(0).ip(),
            mac(70 + u8::try_from(place).unwrap()),
        );
        assert_eq!(ends, [expected; 3], "zone {zone}");
        assert_eq!(sent[1 - place], Vec::<Vec<u8>>::new());
    }
    // Whose zone is another's, or nobody's.
    let bound = two.host.datagram(client);
    let stack = &mut two.host.stack;
    let own = SocketAddr::new(from[0], 0);
    stack.bind(client, bound, own).expect("bound");
    for (socket, zone) in [(bound, 2), (socket, 3), (socket, 0x1_0002)] {
        let data = Data::Inline(b"hello");
        let sent = stack.send(client, socket, data, Some(twin(zone)), Token(1), two.now);
        let expected = match zone {
            // No link has such a number: it says nothing.
            0x1_0002 => Ok(()),
            _ => Err(SendError::NoRoute),
        };
        assert_eq!(sent, expected, "zone {zone}");
    }
}

/// Else a client would be told that it spoke from a link that it has never seen.
#[test]
fn a_neighbour_does_not_choose_the_link_that_it_is_heard_on() {
    let mut two = two();
    for source in ["fe80:2::9", "fe80:100::9"] {
        let source = source.parse().expect("an address");
        let question = echo((ROUTERS[0], OWN[0]), source, own(0, 1));
        two.input(0, &question);
    }
    assert!(two.sent().iter().all(Vec::is_empty));
    assert_eq!(two.host.stack.drops(Drop::Ipv6Source), 2);
    two.host.assert_balance();
}

#[test]
fn who_hears_a_link_local_neighbour_is_told_of_which_link() {
    let mut two = two();
    let client = two.host.client();
    let socket = two.host.datagram(client);
    let any = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 7);
    let stack = &mut two.host.stack;
    stack.bind(client, socket, any).expect("bound");
    for (place, last) in [1, 11].into_iter().enumerate() {
        let room = Range::new(10_000 * place as u64, 2_000);
        two.host.receive(client, socket, room, 5, two.now);
        let to = SocketAddr::new(own_local(last).into(), 7);
        let mut frame = datagram(twin(0), to, b"hello");
        frame[..6].copy_from_slice(&OWN[place].0);
        two.input(place, &frame);
    }
    two.host.publish(two.now);
    let told = two.host.take(5);
    let from = told.iter().filter_map(|kind| match kind {
        EventKind::Received { from, .. } => *from,
        _ => None,
    });
    assert_eq!(from.collect::<Vec<_>>(), [twin(0), twin(2)]);
}

/// RFC 4861 section 6.3.2: what a router says of its link is so on its link alone.
// RFC 4861: ra-retransmit, ra-hop-limit-value
#[test]
fn what_a_router_says_of_its_link_holds_on_no_other() {
    let mut two = two();
    let said = RouterAdvertisement {
        hop_limit: 99,
        retransmit: 300,
        lifetime: 0,
        ..router(0)
    };
    let ends = (local(9), ALL_NODES);
    let frame = ndp_frame(ends, ndp::Header::RouterAdvertisement(said), &[]);
    two.input(1, &frame);
    for (place, hops) in [(0, 64), (1, 99)] {
        let question = echo((ROUTERS[place], OWN[place]), FAR[1], own(place, 1));
        two.input(place, &question);
        let sent = two.sent();
        let frame = Frame::parse(&sent[place][0]).expect("an answer");
        let answer = ipv6::Packet::parse(frame.payload).expect("a packet");
        assert_eq!(answer.header.hop_limit, hops, "link {place}");
    }
    // A neighbour of each, who is not there.
    let client = two.host.client();
    for place in [0, 1] {
        let to = IpAddr::from(six(["2001:db8:0::77", "2001:db8:1::77"][place]));
        let mut ping = ping(0);
        ping.address = to;
        two.host.ping(client, ping, 1, two.now);
    }
    let mut asked = [0; 2];
    for _ in 0..9 {
        let sent = two.sent();
        for place in [0, 1] {
            asked[place] += sent[place].len();
        }
        two.now = two.now + Duration::from_millis(100);
        let now = two.now;
        two.host.stack.fire(&mut two.host.memory, now);
    }
    assert_eq!(asked, [1, 3]);
}
