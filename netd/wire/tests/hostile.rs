//! Every parser against bytes that were made to hurt it: valid packets with some bytes changed,
//! cut or repeated, and plain noise. Whatever comes, the laws must hold.
//!
//! The inputs depend on nothing but the constants here: a failure names the round to repeat.

mod laws;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use wire::membership::{RecordKind, Report};

use laws::{ALICE, ALICE6, BOB, BOB6, packet};
use wire::{
    Cidr6, EtherType, List, MacAddress, Protocol, Pseudo, Seal, arp, dhcp4, dhcp6, ethernet, icmp4,
    icmp6, igmp, ipv4, ipv6, mld, ndp, sum, tcp, udp,
};

const ROUNDS: u32 = 100_000;

/// Marsaglia's xorshift: small, and the same everywhere.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).expect("64 bits")).expect("small")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }

    /// One of the examples with a few things done to it; now and then, noise.
    fn bytes(&mut self, examples: &[Vec<u8>]) -> Vec<u8> {
        if self.below(16) == 0 {
            return (0..self.below(700)).map(|_| self.byte()).collect();
        }
        let mut bytes = examples[self.below(examples.len())].clone();
        for _ in 0..self.below(4) {
            let at = self.below(bytes.len());
            match self.below(8) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, self.byte()),
                2 => bytes.extend_from_within(at..),
                3 if !bytes.is_empty() => bytes[at] = [0, 1, 0x7f, 0x80, 0xc0, 0xff][self.below(6)],
                4 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                _ if !bytes.is_empty() => bytes[at] = self.byte(),
                _ => {}
            }
        }
        bytes
    }
}

/// Feeds `parse` with the examples, changed in many ways; it says whether it accepted the bytes.
fn feed(examples: &[Vec<u8>], mut parse: impl FnMut(&[u8]) -> bool) {
    let mut noise = Noise(0x5eed_0123_4567_89ab);
    let mut accepted = 0;
    for example in examples {
        assert!(parse(example), "refused unchanged: {example:02x?}");
    }
    for round in 0..ROUNDS {
        let bytes = noise.bytes(examples);
        match catch_unwind(AssertUnwindSafe(|| parse(&bytes))) {
            Ok(is_accepted) => accepted += u32::from(is_accepted),
            Err(_) => panic!("round {round}: {bytes:02x?}"),
        }
    }
    // Else the test only ever sees the first check of each parser.
    assert!(
        (ROUNDS / 50..ROUNDS).contains(&accepted),
        "{accepted} accepted"
    );
}

/// A law by the name of its fuzz target.
type Law = (&'static str, fn(&[u8]) -> bool);

const LAWS: [Law; 15] = [
    ("ethernet", laws::ethernet),
    ("arp", laws::arp),
    ("ipv4", laws::ipv4),
    ("icmp4", laws::icmp4),
    ("ipv6", laws::ipv6),
    ("icmp6", laws::icmp6),
    ("ndp", laws::ndp),
    ("igmp", laws::igmp),
    ("mld", laws::mld),
    ("udp", laws::udp),
    ("tcp", laws::tcp),
    ("tcp_options", laws::tcp_options),
    ("dhcp4", laws::dhcp4),
    ("dhcp6", laws::dhcp6),
    ("dns", laws::dns),
];

#[test]
fn all_that_fuzzing_found_worth_keeping() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, law) in LAWS {
        let files = std::fs::read_dir(corpus.join(name)).expect("a corpus");
        let (mut held, mut accepted) = (0, 0);
        for file in files {
            let path = file.expect("a file").path();
            let bytes = std::fs::read(&path).expect("readable");
            match catch_unwind(AssertUnwindSafe(|| law(&bytes))) {
                Ok(is_accepted) => accepted += u32::from(is_accepted),
                Err(_) => panic!("{}", path.display()),
            }
            held += 1;
        }
        assert!(
            accepted > 0 && accepted < held,
            "{name}: {accepted} of {held}"
        );
    }
}

#[test]
fn ethernet_frames() {
    let header = ethernet::Header {
        destination: MacAddress::BROADCAST,
        source: MacAddress([2, 0, 0, 0, 0, 1]),
        ethertype: EtherType::IPV4,
    };
    feed(
        &[packet(b"payload", |room| header.emit(room))],
        laws::ethernet,
    );
}

#[test]
fn arp_packets() {
    let request = arp::Packet::request(MacAddress([2, 0, 0, 0, 0, 1]), ALICE, BOB);
    let reply = request.reply(MacAddress([2, 0, 0, 0, 0, 2]));
    feed(
        &[request, reply].map(|it| packet(&[], |room| it.emit(room))),
        laws::arp,
    );
}

#[test]
fn ipv4_packets() {
    let header = ipv4::Header::atomic(ALICE, BOB, Protocol::UDP, 64);
    let plain = packet(b"payload", |room| header.emit(room, 7));
    let mut with_options = plain.clone();
    with_options[0] = 0x48;
    with_options[3] += 12;
    with_options.splice(20..20, [7, 7, 4, 0, 0, 0, 0, 148, 4, 0, 0, 0]);
    feed(&[plain, with_options], laws::ipv4);
}

#[test]
fn icmp4_messages() {
    let quoted = packet(&[0; 20], |room| {
        ipv4::Header::atomic(ALICE, BOB, Protocol::TCP, 1).emit(room, 20)
    });
    let examples = [
        icmp4::Header::EchoRequest {
            identifier: 1,
            sequence: 2,
        },
        icmp4::Header::Unreachable(icmp4::Unreachable::FragmentationNeeded { mtu: 1280 }),
        icmp4::Header::Redirect {
            code: 1,
            to: Ipv4Addr::new(192, 0, 2, 1),
        },
        icmp4::Header::TimeExceeded(icmp4::TimeExceeded::Transit),
        icmp4::Header::ParameterProblem(icmp4::ParameterProblem::Pointer(9)),
    ];
    let examples = examples.map(|header| packet(&quoted, |room| header.emit(room, sum(&quoted))));
    feed(&examples, laws::icmp4);
}

#[test]
fn ipv6_packets() {
    let between = |next, payload: &[u8]| {
        let header = ipv6::Header::new(ALICE6, BOB6, next, 64);
        packet(payload, |room| header.emit(room, payload.len()))
    };
    let alert = packet(b"payload", |room| {
        ipv6::emit_router_alert(room, 0, Protocol::ICMPV6)
    });
    let part = ipv6::Fragment {
        offset: 3,
        more: true,
        identification: 7,
    };
    let part = packet(&[5; 16], |room| part.emit(room, Protocol::UDP));
    let mut headers = vec![43, 0, 0x1e, 4, 0, 0, 0, 0, 44, 0, 0, 0, 0, 0, 0, 0];
    headers.extend([60, 0, 0, 0, 0, 0, 0, 9, 17, 1, 0x1e, 4, 1, 2, 3, 4]);
    headers.extend([0x1f, 6, 1, 2, 3, 4, 5, 6]);
    headers.extend([0; 9]);
    let examples = [
        between(Protocol::TCP, b"payload"),
        between(Protocol::HOP_BY_HOP, &alert),
        between(Protocol::FRAGMENT, &part),
        between(Protocol::HOP_BY_HOP, &headers),
    ];
    feed(&examples, laws::ipv6);
}

#[test]
fn icmp6_messages() {
    let quoted = packet(&[0; 20], |room| {
        ipv6::Header::new(ALICE6, BOB6, Protocol::TCP, 1).emit(room, 20)
    });
    let problem = icmp6::ParameterProblem {
        cause: icmp6::Cause::Option,
        pointer: 42,
    };
    let examples = [
        icmp6::Header::EchoRequest {
            identifier: 1,
            sequence: 2,
        },
        icmp6::Header::Unreachable(icmp6::Unreachable::Port),
        icmp6::Header::PacketTooBig { mtu: 1280 },
        icmp6::Header::TimeExceeded(icmp6::TimeExceeded::Transit),
        icmp6::Header::ParameterProblem(problem),
    ];
    let seal = Seal::Full {
        pseudo: Pseudo::v6(ALICE6, BOB6),
        payload: sum(&quoted),
    };
    let examples =
        examples.map(|header| packet(&quoted, |room| header.emit(room, quoted.len(), seal)));
    feed(&examples, laws::icmp6);
}

#[test]
fn ndp_messages() {
    use ndp::{Addresses, Header, Item, Names};
    let mac = MacAddress([2, 0, 0, 0, 0, 1]);
    let router = ndp::RouterAdvertisement {
        hop_limit: 64,
        managed: false,
        other: true,
        preference: ndp::Preference::Medium,
        lifetime: 1800,
        reachable: 0,
        retransmit: 0,
    };
    let prefix = ndp::Prefix {
        prefix: Cidr6::new(BOB6, 64).expect("short").network(),
        on_link: true,
        autonomous: true,
        valid: 86_400,
        preferred: 14_400,
    };
    let servers = [BOB6.octets()];
    let told = [
        Item::SourceLink(mac),
        Item::Mtu(1480),
        Item::Prefix(prefix),
        Item::Servers {
            lifetime: 600,
            addresses: Addresses::from_octets(&servers),
        },
        Item::Search {
            lifetime: 600,
            names: Names::from_bytes(b"\x03lan\0\x07example\0"),
        },
    ];
    let redirect = Header::Redirect {
        target: ALICE6,
        destination: BOB6,
    };
    let advertisement = Header::NeighborAdvertisement {
        target: ALICE6,
        router: false,
        solicited: true,
        replace: true,
    };
    let examples: [(Header, &[Item<'_>]); 5] = [
        (Header::RouterSolicitation, &[Item::SourceLink(mac)]),
        (Header::RouterAdvertisement(router), &told),
        (
            Header::NeighborSolicitation { target: BOB6 },
            &[Item::Nonce([1, 2, 3, 4, 5, 6])],
        ),
        (advertisement, &[Item::TargetLink(mac)]),
        (redirect, &[Item::Redirected(&[6; 48])]),
    ];
    let pseudo = Pseudo::v6(ALICE6, BOB6);
    let examples =
        examples.map(|(header, items)| packet(&[], |room| header.emit(room, items, pseudo)));
    feed(&examples, laws::ndp);
}

#[test]
fn igmp_messages() {
    let group = Ipv4Addr::new(239, 1, 2, 3);
    let mut bytes = [0; 100];
    let mut report = Report::new(&mut bytes).expect("room");
    for kind in [RecordKind::IsExclude, RecordKind::Allow] {
        let sources = [ALICE, BOB].into_iter();
        report.record(kind, group, sources).expect("room");
    }
    let len = igmp::finish(report);
    let mut query = vec![0x11, 100, 0, 0, 239, 1, 2, 3];
    let old = query.clone();
    query.extend([2, 125, 0, 1, 192, 0, 2, 1]);
    let examples = [
        packet(&[], |room| igmp::emit_report(room, group, true)),
        packet(&[], |room| igmp::emit_leave(room, group)),
        bytes[..len].to_vec(),
        old,
        query,
    ];
    feed(&examples, laws::igmp);
}

#[test]
fn mld_messages() {
    let group = Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 1, 3);
    let pseudo = Pseudo::v6(ALICE6, BOB6);
    let mut bytes = [0; 200];
    let mut report = Report::new(&mut bytes).expect("room");
    for kind in [RecordKind::IsExclude, RecordKind::Allow] {
        let sources = [ALICE6, BOB6].into_iter();
        report.record(kind, group, sources).expect("room");
    }
    let len = mld::finish(report, pseudo);
    let mut query = vec![130, 0, 0, 0, 0x27, 0x10, 0, 0];
    query.extend(group.octets());
    let old = query.clone();
    query.extend([2, 125, 0, 1]);
    query.extend(ALICE6.octets());
    let examples = [
        packet(&[], |room| mld::emit_report(room, group, pseudo)),
        packet(&[], |room| mld::emit_done(room, group, pseudo)),
        bytes[..len].to_vec(),
        old,
        query,
    ];
    feed(&examples, laws::mld);
}

#[test]
fn udp_datagrams() {
    let header = udp::Header {
        src_port: 68,
        dst_port: 67,
    };
    let seal = Seal::Full {
        pseudo: Pseudo::v4(ALICE, BOB),
        payload: sum(b"payload"),
    };
    feed(
        &[packet(b"payload", |room| header.emit(room, 7, seal))],
        laws::udp,
    );
}

#[test]
fn tcp_segments() {
    let seal = Seal::Full {
        pseudo: Pseudo::v4(ALICE, BOB),
        payload: sum(b"payload"),
    };
    let clock = tcp::Timestamps { value: 1, echo: 2 };
    let block = tcp::SackBlock { left: 1, right: 2 };
    let options = [
        tcp::Options {
            timestamps: Some(clock),
            ..tcp::Options::NONE
        },
        tcp::Options {
            mss: Some(1460),
            window_scale: Some(7),
            sack_permitted: true,
            timestamps: Some(clock),
            ..tcp::Options::NONE
        },
        tcp::Options {
            sack: [block; 4].into_iter().collect(),
            ..tcp::Options::NONE
        },
    ];
    let examples = options.map(|options| {
        let header = tcp::Header {
            src_port: 1,
            dst_port: 2,
            seq: 3,
            ack: 4,
            flags: tcp::Flags::ACK,
            window: 5,
            urgent: 0,
            options,
        };
        packet(b"payload", |room| header.emit(room, 7, seal))
    });
    feed(&examples, laws::tcp);
}

#[test]
fn dhcp4_messages() {
    let mac = MacAddress([2, 0, 0, 0, 0, 1]);
    let mut message = dhcp4::Message::from_client(dhcp4::MessageType::Request, 7, mac);
    message.options.client_id = List::from_slice(&[1, 2, 3]).expect("short");
    message.options.host_name = dhcp4::Text::new(b"skerry").expect("short");
    message.options.routers = [ALICE, BOB].into_iter().collect();
    message.options.lease_time = Some(3600);
    let route = dhcp4::Route {
        destination: wire::Cidr4::ALL,
        router: ALICE,
    };
    message.options.classless_routes = [route; 3].into_iter().collect();
    let mut plain = vec![0; 576];
    let len = message.emit(&mut plain).expect("room");
    plain.truncate(len);
    let mut overloaded = plain.clone();
    overloaded.splice(243..243, [52, 1, 3]);
    overloaded[44..47].copy_from_slice(&[12, 1, b'x']);
    overloaded[108..111].copy_from_slice(&[15, 1, b'y']);
    feed(&[plain, overloaded], laws::dhcp4);
}

#[test]
fn dhcp6_messages() {
    let leased = dhcp6::Leased {
        address: ALICE6,
        preferred: 60,
        valid: 90,
    };
    let names = b"\x03lan\x00\x07example\x04test\x00";
    let message = dhcp6::Message {
        message_type: dhcp6::MessageType::Reply,
        transaction: 7,
        options: dhcp6::Options {
            client: Some(dhcp6::Duid::of_link(MacAddress([2, 0, 0, 0, 0, 1]))),
            server: dhcp6::Duid::from_bytes(&[0, 2, 1, 2, 3]),
            identity: Some(dhcp6::Identity {
                addresses: [leased, leased].into_iter().collect(),
                status: dhcp6::Status::NO_BINDING,
                ..dhcp6::Identity::default()
            }),
            wanted: [dhcp6::Code::DOMAINS, dhcp6::Code::DNS_SERVERS]
                .into_iter()
                .collect(),
            elapsed: Some(1),
            dns_servers: [BOB6].into_iter().collect(),
            domains: ndp::Names::from_bytes(names),
            ..dhcp6::Options::default()
        },
    };
    let mut bytes = vec![0; 576];
    let len = message.emit(&mut bytes).expect("room");
    bytes.truncate(len);
    feed(&[bytes], laws::dhcp6);
}

#[test]
fn dns_messages() {
    let mut response = vec![0xbe, 0xef, 0x81, 0x80, 0, 1, 0, 2, 0, 1, 0, 1];
    response.extend(b"\x03www\x07example\x03com\0\0\x01\0\x01");
    response.extend(b"\xc0\x0c\0\x05\0\x01\0\0\x0e\x10\0\x06\x03web\xc0\x10");
    response.extend(b"\xc0\x2d\0\x01\0\x01\0\0\0\x3c\0\x04\xc6\x33\x64\x07");
    response.extend(b"\xc0\x10\0\x06\0\x01\0\0\0\x3c\0\x1a\x01a\xc0\x10\xc0\x10");
    response.extend([0; 20]);
    response.extend(b"\0\0\x29\x04\xd0\0\0\0\0\0\0");
    feed(&[response], laws::dns);
}
