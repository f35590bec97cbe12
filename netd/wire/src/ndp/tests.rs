use super::*;
use crate::dns::Name;
use crate::testing::{ALICE6, BOB6, host6, packet, station};
use crate::{Check, Cidr6, MacAddress, Protocol, ipv6};
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use std::vec;
use std::vec::Vec;

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const GLOBAL: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xa);
const NOBODY: Ipv6Addr = Ipv6Addr::UNSPECIFIED;
const MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 0xa]);

fn between(source: Ipv6Addr, destination: Ipv6Addr) -> ipv6::Header {
    ipv6::Header::new(source, destination, Protocol::ICMPV6, HOP_LIMIT)
}

fn emit(header: Header, items: &[Item<'_>]) -> Vec<u8> {
    let pseudo = Pseudo::v6(ALICE6, BOB6);
    packet(&[], |room| header.emit(room, items, pseudo))
}

/// Reads a message as if it had come in such a packet.
fn parse_in<'a>(packet: &ipv6::Header, bytes: &'a [u8]) -> Result<Message<'a>, Drop> {
    Message::parse(&Envelope::parse(bytes, Check::Trusted)?, packet, false)
}

fn advertisement(target: Ipv6Addr, solicited: bool) -> Header {
    Header::NeighborAdvertisement {
        target,
        router: false,
        solicited,
        replace: true,
    }
}

const ROUTER: RouterAdvertisement = RouterAdvertisement {
    hop_limit: 64,
    managed: true,
    other: false,
    preference: Preference::High,
    lifetime: 1800,
    reachable: 30_000,
    retransmit: 1000,
};

#[test]
fn golden_solicitation() {
    let header = Header::NeighborSolicitation { target: GLOBAL };
    let bytes = emit(header, &[Item::SourceLink(MAC)]);
    let mut expected = vec![135, 0, bytes[2], bytes[3], 0, 0, 0, 0];
    expected.extend(GLOBAL.octets());
    expected.extend([1, 1, 2, 0, 0, 0, 0, 0xa]);
    assert_eq!(bytes, expected);
    // RFC 4443 section 2.3: the checksum is over the addresses too.
    let check = Check::Verify(Pseudo::v6(ALICE6, BOB6));
    let envelope = Envelope::parse(&bytes, check).expect("sound");
    let it = Message::parse(&envelope, &between(ALICE6, BOB6), false).expect("valid");
    assert_eq!(it.header, header);
    assert_eq!(it.items.source_link(), Some(MAC));
    assert_eq!((it.items.target_link(), it.items.nonce()), (None, None));
}

#[test]
fn golden_router_advertisement() {
    let prefix = Prefix {
        prefix: Cidr6::new(Ipv6Addr::new(0x2001, 0xdb8, 1, 2, 0, 0, 0, 0), 64).expect("short"),
        on_link: true,
        autonomous: true,
        valid: 86_400,
        preferred: 14_400,
    };
    let servers = [GLOBAL.octets(), BOB6.octets()];
    let names = [&b"\x03lan\x00"[..], b"\x07example\x04test\x00"].concat();
    let items = [
        Item::SourceLink(MAC),
        Item::Mtu(1480),
        Item::Prefix(prefix),
        Item::Servers {
            lifetime: 600,
            addresses: Addresses::from_octets(&servers),
        },
        Item::Search {
            lifetime: u32::MAX,
            names: Names::from_bytes(&names),
        },
    ];
    let bytes = emit(Header::RouterAdvertisement(ROUTER), &items);
    let mut expected = vec![134, 0, bytes[2], bytes[3], 64, 0x88, 0x07, 0x08];
    expected.extend([0, 0, 0x75, 0x30, 0, 0, 0x03, 0xe8]);
    expected.extend([1, 1, 2, 0, 0, 0, 0, 0xa, 5, 1, 0, 0, 0, 0, 5, 0xc8]);
    expected.extend([
        3, 4, 64, 0xc0, 0, 1, 0x51, 0x80, 0, 0, 0x38, 0x40, 0, 0, 0, 0,
    ]);
    expected.extend(prefix.prefix.address().octets());
    expected.extend([25, 5, 0, 0, 0, 0, 2, 0x58]);
    expected.extend(servers.as_flattened());
    expected.extend([31, 4, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    expected.extend(&names);
    expected.extend([0; 5]);
    assert_eq!(bytes, expected);
    let it = parse_in(&between(ALICE6, ALL_NODES), &bytes).expect("valid");
    assert_eq!(it.header, Header::RouterAdvertisement(ROUTER));
    assert!(it.items.iter().eq(items));
    let search = Names::from_bytes(&names).iter();
    let domains: [Name; 2] = ["lan", "example.test"].map(|name| name.parse().expect(name));
    assert!(search.eq(domains));
}

// RFC 4861: rs-hop-limit, ra-hop-limit, ns-hop-limit, na-hop-limit, redirect-hop-limit
#[test]
fn what_every_message_must_be() {
    let redirect = Header::Redirect {
        target: ALICE6,
        destination: GLOBAL,
    };
    for (header, packet) in [
        (Header::RouterSolicitation, between(ALICE6, ALL_NODES)),
        (Header::RouterAdvertisement(ROUTER), between(ALICE6, BOB6)),
        (
            Header::NeighborSolicitation { target: BOB6 },
            between(ALICE6, BOB6),
        ),
        (advertisement(GLOBAL, true), between(GLOBAL, BOB6)),
        (redirect, between(ALICE6, BOB6)),
    ] {
        let bytes = emit(header, &[]);
        assert_eq!(parse_in(&packet, &bytes).map(|it| it.header), Ok(header));
        // The hop limit.
        for hop_limit in [0, 1, 64, 254] {
            let packet = ipv6::Header {
                hop_limit,
                ..packet
            };
            assert_eq!(parse_in(&packet, &bytes), Err(Drop::NdpHopLimit));
        }
        // RFC 6980: no-fragments
        let envelope = Envelope::parse(&bytes, Check::Trusted).expect("sound");
        let fragmented = Message::parse(&envelope, &packet, true);
        assert_eq!(fragmented, Err(Drop::NdpFragment));
        // The code.
        let mut with_code = bytes.clone();
        with_code[1] = 1;
        assert_eq!(parse_in(&packet, &with_code), Err(Drop::NdpCode));
        // The length.
        for len in 4..bytes.len() {
            assert_eq!(parse_in(&packet, &bytes[..len]), Err(Drop::NdpShort));
        }
        // Options: of no length, cut off, or not there.
        for options in [
            &[1, 0, 0, 0, 0, 0, 0, 0][..],
            &[200, 2, 0, 0, 0, 0, 0, 0],
            &[9],
        ] {
            let bytes = [&bytes, options].concat();
            assert_eq!(parse_in(&packet, &bytes), Err(Drop::NdpOption));
        }
        let bytes = [&bytes[..], &[200, 1, 0, 0, 0, 0, 0, 0]].concat();
        let it = parse_in(&packet, &bytes).expect("an unknown option is skipped");
        assert_eq!(it.items.iter().next(), None);
    }
    let echo = [128, 0, 0, 0, 0, 0, 0, 0];
    let refused = parse_in(&between(ALICE6, BOB6), &echo);
    assert_eq!(refused, Err(Drop::Icmp6UnknownType));
}

// RFC 4861: rs-nameless
#[test]
fn router_solicitations() {
    let named = emit(Header::RouterSolicitation, &[Item::SourceLink(MAC)]);
    let nameless = emit(Header::RouterSolicitation, &[]);
    let packet = between(NOBODY, ALL_NODES);
    assert!(parse_in(&packet, &nameless).is_ok());
    assert_eq!(parse_in(&packet, &named), Err(Drop::NdpSource));
    assert!(parse_in(&between(ALICE6, ALL_NODES), &named).is_ok());
}

// RFC 4861: ra-source, ra-length
#[test]
fn router_advertisements() {
    let bytes = emit(Header::RouterAdvertisement(ROUTER), &[]);
    for source in [GLOBAL, NOBODY, Ipv6Addr::LOCALHOST] {
        let packet = between(source, ALL_NODES);
        assert_eq!(parse_in(&packet, &bytes), Err(Drop::NdpSource));
    }
    // The reserved preference is as good as none (RFC 4191 section 2.2).
    let mut bytes = bytes;
    bytes[5] = 0x10;
    let it = parse_in(&between(ALICE6, ALL_NODES), &bytes).expect("valid");
    let Header::RouterAdvertisement(router) = it.header else {
        panic!("{it:?}");
    };
    assert_eq!(router.preference, Preference::Medium);
    assert!(Preference::Low < Preference::Medium && Preference::Medium < Preference::High);
}

// RFC 4861: ns-target, ns-nameless-destination, ns-nameless-link
#[test]
fn neighbour_solicitations() {
    let bytes = |target, items: &[Item<'_>]| emit(Header::NeighborSolicitation { target }, items);
    for target in [ALL_NODES, NOBODY] {
        let refused = parse_in(&between(ALICE6, BOB6), &bytes(target, &[])).map(|it| it.header);
        assert_eq!(refused, Err(Drop::NdpTarget));
    }
    let named = bytes(GLOBAL, &[Item::SourceLink(MAC)]);
    let nonce = [1, 2, 3, 4, 5, 6];
    let probe = bytes(GLOBAL, &[Item::Nonce(nonce)]);
    let group = solicited_node(GLOBAL);
    let it = parse_in(&between(NOBODY, group), &probe).expect("valid");
    assert_eq!(it.items.nonce(), Some(nonce));
    for destination in [GLOBAL, ALL_NODES] {
        let refused = parse_in(&between(NOBODY, destination), &probe);
        assert_eq!(refused, Err(Drop::NdpDestination));
    }
    let refused = parse_in(&between(NOBODY, group), &named);
    assert_eq!(refused, Err(Drop::NdpSource));
}

// RFC 4861: na-target, na-solicited-group
#[test]
fn neighbour_advertisements() {
    for target in [ALL_NODES, NOBODY] {
        let bytes = emit(advertisement(target, false), &[]);
        let refused = parse_in(&between(ALICE6, BOB6), &bytes);
        assert_eq!(refused, Err(Drop::NdpTarget));
    }
    let solicited = emit(advertisement(GLOBAL, true), &[Item::TargetLink(MAC)]);
    let it = parse_in(&between(GLOBAL, BOB6), &solicited).expect("valid");
    assert_eq!(it.items.target_link(), Some(MAC));
    let refused = parse_in(&between(GLOBAL, ALL_NODES), &solicited);
    assert_eq!(refused, Err(Drop::NdpDestination));
    let refused = parse_in(&between(NOBODY, BOB6), &solicited);
    assert_eq!(refused, Err(Drop::NdpSource));
    let unasked = emit(advertisement(GLOBAL, false), &[]);
    assert!(parse_in(&between(GLOBAL, ALL_NODES), &unasked).is_ok());
}

// RFC 4861: redirect-source, redirect-target, redirect-destination
#[test]
fn redirects() {
    let quote = [0x60; 40];
    let parse = |source, target, destination| {
        let header = Header::Redirect {
            target,
            destination,
        };
        let bytes = emit(header, &[Item::TargetLink(MAC), Item::Redirected(&quote)]);
        parse_in(&between(source, BOB6), &bytes).map(|it| {
            let quoted = it.items.iter().any(|item| item == Item::Redirected(&quote));
            assert!(quoted);
        })
    };
    assert_eq!(parse(ALICE6, ALICE6, GLOBAL), Ok(()));
    assert_eq!(parse(ALICE6, GLOBAL, GLOBAL), Ok(()));
    assert_eq!(parse(ALICE6, BOB6, GLOBAL), Err(Drop::NdpTarget));
    assert_eq!(parse(ALICE6, ALICE6, ALL_NODES), Err(Drop::NdpTarget));
    assert_eq!(parse(GLOBAL, ALICE6, GLOBAL), Err(Drop::NdpSource));
}

#[test]
fn options_that_have_not_the_form_of_their_type_are_skipped() {
    for option in [
        &[1, 2, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0][..], // a link address of another medium
        &[2, 1, 3, 0, 0, 0, 0, 1],                             // of a group
        &[1, 1, 0, 0, 0, 0, 0, 0],                             // of nobody
        &[3, 1, 64, 0xc0, 0, 0, 0, 1],                         // a prefix cut short
        &[5, 1, 0, 0, 0, 0, 0x04, 0xff],                       // an MTU of 1,279
        &[14, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14], // a longer nonce
        &[25, 1, 0, 0, 0, 0, 0, 9],                            // no name server
        &[25, 2, 0, 0, 0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8],    // half of one
        &[31, 1, 0, 0, 0, 0, 0, 9],                            // no domain
        &[31, 2, 0, 0, 0, 0, 0, 9, 0xc0, 0, 0, 0, 0, 0, 0, 0], // a pointer
        &[31, 2, 0, 0, 0, 0, 0, 9, 9, 1, 1, 1, 1, 1, 1, 1],    // a name without end
        &[24, 2, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0],    // a route (RFC 4191)
    ] {
        let bytes = [&emit(Header::RouterSolicitation, &[]), option].concat();
        let it = parse_in(&between(ALICE6, ALL_NODES), &bytes).expect("valid");
        assert_eq!(it.items.iter().next(), None, "{option:?}");
    }
    let mut long = vec![3, 4, 129, 0xc0];
    long.resize(32, 0);
    let bytes = [emit(Header::RouterSolicitation, &[]), long].concat();
    let it = parse_in(&between(ALICE6, ALL_NODES), &bytes).expect("valid");
    assert_eq!(it.items.iter().next(), None);
    // Host bits say nothing.
    let mut prefix = vec![3, 4, 16, 0];
    prefix.resize(32, 0xff);
    let bytes = [emit(Header::RouterSolicitation, &[]), prefix].concat();
    let it = parse_in(&between(ALICE6, ALL_NODES), &bytes).expect("valid");
    let Some(Item::Prefix(it)) = it.items.iter().next() else {
        panic!("{it:?}");
    };
    assert_eq!(std::format!("{}", it.prefix), "ffff::/16");
}

#[test]
fn what_is_too_long_for_an_option_is_refused() {
    let mut bytes = vec![0; 4000];
    let mut emit = |len| {
        let packet = vec![0; len];
        let items = [Item::Redirected(&packet)];
        let header = Header::RouterSolicitation;
        let pseudo = Pseudo::v6(ALICE6, BOB6);
        header.emit(&mut Headroom::new(&mut bytes), &items, pseudo)
    };
    assert_eq!(emit(2032), Ok(()));
    assert_eq!(emit(2033), Err(NoRoom));
}

fn header() -> impl Strategy<Value = Header> {
    let router = (any::<(u8, bool, bool, u16, u32, u32)>(), 0_u8..4);
    prop_oneof![
        Just(Header::RouterSolicitation),
        router.prop_map(|(it, preference)| {
            let (hop_limit, managed, other, lifetime, reachable, retransmit) = it;
            let preference = Preference::from_bits(preference);
            Header::RouterAdvertisement(RouterAdvertisement {
                hop_limit,
                managed,
                other,
                preference,
                lifetime,
                reachable,
                retransmit,
            })
        }),
        host6().prop_map(|target| Header::NeighborSolicitation { target }),
        (host6(), any::<[bool; 3]>()).prop_map(|(target, [router, solicited, replace])| {
            Header::NeighborAdvertisement {
                target,
                router,
                solicited,
                replace,
            }
        }),
        host6().prop_map(|destination| Header::Redirect {
            target: ALICE6,
            destination
        }),
    ]
}

/// An option that owns what it shows.
#[derive(Clone, Debug)]
enum Kept {
    Plain(Item<'static>),
    Redirected(Vec<u8>),
    Servers(u32, Vec<[u8; 16]>),
    Search(u32, Vec<u8>),
}

impl Kept {
    fn item(&self) -> Item<'_> {
        match self {
            Self::Plain(item) => *item,
            Self::Redirected(bytes) => Item::Redirected(bytes),
            Self::Servers(lifetime, octets) => Item::Servers {
                lifetime: *lifetime,
                addresses: Addresses::from_octets(octets),
            },
            Self::Search(lifetime, bytes) => Item::Search {
                lifetime: *lifetime,
                names: Names::from_bytes(bytes),
            },
        }
    }
}

fn kept() -> impl Strategy<Value = Kept> {
    use proptest::collection::vec;
    let prefix = (
        any::<[u8; 16]>(),
        0_u8..=128,
        any::<(bool, bool, u32, u32)>(),
    );
    let names = vec("[a-z]{1,20}(\\.[a-z]{1,20}){0,3}", 1..4);
    prop_oneof![
        station().prop_map(|mac| Kept::Plain(Item::SourceLink(mac))),
        station().prop_map(|mac| Kept::Plain(Item::TargetLink(mac))),
        (1280_u32..).prop_map(|mtu| Kept::Plain(Item::Mtu(mtu))),
        any::<Nonce>().prop_map(|nonce| Kept::Plain(Item::Nonce(nonce))),
        prefix.prop_map(|(address, len, (on_link, autonomous, valid, preferred))| {
            let prefix = Cidr6::new(address.into(), len).expect("short").network();
            Kept::Plain(Item::Prefix(Prefix {
                prefix,
                on_link,
                autonomous,
                valid,
                preferred,
            }))
        }),
        vec(any::<[u8; 8]>(), 0..5).prop_map(|bytes| Kept::Redirected(bytes.concat())),
        (any::<u32>(), vec(any::<[u8; 16]>(), 1..5))
            .prop_map(|(lifetime, octets)| Kept::Servers(lifetime, octets)),
        (any::<u32>(), names).prop_map(|(lifetime, names)| {
            let names = names
                .iter()
                .map(|name| name.parse::<Name>().expect("a name"));
            let bytes: Vec<_> = names.flat_map(|name| name.as_bytes().to_vec()).collect();
            Kept::Search(lifetime, bytes)
        }),
    ]
}

proptest! {
    #[test]
    fn round_trip(header in header(), kept in proptest::collection::vec(kept(), 0..5)) {
        let items: Vec<_> = kept.iter().map(Kept::item).collect();
        let pseudo = Pseudo::v6(ALICE6, BOB6);
        let mut bytes = vec![0; 2000];
        let mut room = Headroom::new(&mut bytes);
        header.emit(&mut room, &items, pseudo).expect("room");
        let start = room.left();
        let envelope = Envelope::parse(&bytes[start..], Check::Verify(pseudo)).expect("sound");
        let it = Message::parse(&envelope, &between(ALICE6, BOB6), false).expect("valid");
        prop_assert_eq!(it.header, header);
        prop_assert_eq!(it.items.iter().collect::<Vec<_>>(), items);
    }
}
