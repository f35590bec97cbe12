use super::*;
use crate::icmp6::{Cause, ParameterProblem};
use crate::testing::{ALICE6, BOB6, host6, packet};
use crate::{Protocol as P, icmp6, tcp, udp};
use proptest::prelude::{any, prop_assert, prop_assert_eq, prop_compose, proptest};
use std::vec;
use std::vec::Vec;

/// From RFC 8200's figure, by hand.
const GOLDEN: [u8; 42] = [
    0x6b, 0xa1, 0x23, 0x45, 0x00, 0x02, 17, 64, // class ba, label 12345
    0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0a, //
    0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0b, //
    0x5a, 0x5a,
];

/// The headers and what they carry, behind a fixed one that names `next`.
fn with(destination: Ipv6Addr, next: Protocol, payload: &[u8]) -> Vec<u8> {
    let header = Header::new(ALICE6, destination, next, 64);
    packet(payload, |room| header.emit(room, payload.len()))
}

fn content(bytes: &[u8]) -> Result<Content<'_>, Refusal> {
    Packet::parse(bytes).expect("a packet").content()
}

fn whole(bytes: &[u8]) -> Whole<'_> {
    match content(bytes) {
        Ok(Content::Whole(whole)) => whole,
        other => panic!("{other:?}"),
    }
}

fn silent(reason: Drop) -> Result<Content<'static>, Refusal> {
    Err(Refusal {
        reason,
        answer: None,
    })
}

fn told(reason: Drop, cause: Cause, pointer: u32) -> Result<Content<'static>, Refusal> {
    let problem = ParameterProblem { cause, pointer };
    let even_to_group = false;
    let answer = Some(Answer {
        problem,
        even_to_group,
    });
    Err(Refusal { reason, answer })
}

#[test]
fn golden_packet() {
    let header = Header {
        dscp: 0x2e,
        ecn: Ecn::Capable0,
        flow_label: 0x12345,
        ..Header::new(ALICE6, BOB6, P::UDP, 64)
    };
    let expected = Packet {
        header,
        payload: &[0x5a; 2],
        rest: Rest::NONE,
        bytes: &GOLDEN,
    };
    let mut padded = GOLDEN.to_vec();
    padded.extend([0; 18]);
    for bytes in [&GOLDEN[..], &padded] {
        assert_eq!(Packet::parse(bytes), Ok(expected));
    }
    assert_eq!(packet(&[0x5a; 2], |room| header.emit(room, 2)), GOLDEN);
    assert_eq!(next(&GOLDEN), Some(P::UDP));
}

#[test]
fn lengths() {
    for len in 0..HEADER_LEN {
        assert_eq!(Packet::parse(&GOLDEN[..len]), Err(Drop::Ipv6Short));
    }
    for len in HEADER_LEN..GOLDEN.len() {
        assert_eq!(Packet::parse(&GOLDEN[..len]), Err(Drop::Ipv6PayloadLength));
    }
    for version in (0..16_u8).filter(|version| *version != 6) {
        let mut bytes = GOLDEN;
        bytes[0] = version << 4;
        assert_eq!(Packet::parse(&bytes), Err(Drop::Ipv6Version));
    }
    let mut room = [0; 40];
    let header = Header::new(ALICE6, BOB6, P::UDP, 1);
    let mut emit = |len| header.emit(&mut Headroom::new(&mut room), len);
    assert_eq!(emit(65_535), Ok(()));
    assert_eq!(emit(65_536), Err(NoRoom));
}

#[test]
fn what_no_sender_may_say() {
    let mut bytes = GOLDEN;
    bytes[8] = 0xff;
    assert_eq!(Packet::parse(&bytes), Err(Drop::Ipv6Source));
    let jumbo = with(BOB6, P::HOP_BY_HOP, &[]);
    assert_eq!(Packet::parse(&jumbo), Err(Drop::Ipv6Jumbo));
}

#[test]
fn a_scattered_packet_ends_where_its_length_says() {
    let bytes = with(BOB6, P::TCP, &[7; 100]);
    let slices: [&[u8]; 2] = [&bytes[60..90], &[bytes[90..].to_vec(), vec![0; 9]].concat()];
    let it = Packet::parse_scattered(&bytes[..60], Rest::new(&slices)).expect("a packet");
    assert_eq!((it.payload.len(), it.rest.len()), (20, 80));
    assert_eq!(it.bytes, &bytes[..60]);
    let short = Rest::new(&slices[..1]);
    let it = Packet::parse_scattered(&bytes[..60], short);
    assert_eq!(it, Err(Drop::Ipv6PayloadLength));
}

#[test]
fn solicited_node_groups() {
    let address = Ipv6Addr::new(0x4037, 0, 0, 0, 1, 0x800, 0x200e, 0x8c6c);
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff0e, 0x8c6c);
    assert_eq!(solicited_node(address), group);
}

#[test]
fn headers_in_the_recommended_order() {
    let mut headers = Vec::new();
    headers.extend([60, 0, 5, 2, 0, 7, 1, 0]); // hop-by-hop: router alert
    headers.extend([43, 0, 1, 4, 0, 0, 0, 0]); // destination: padding
    headers.extend([44, 2, 0, 0]); // routing, nothing left
    headers.extend([0; 20]);
    headers.extend([60, 0, 0, 0, 0, 0, 0, 9]); // fragment: all of it
    headers.extend([6, 0, 0x1e, 2, 1, 2, 1, 0]); // destination: an option to be skipped
    let at = HEADER_LEN + headers.len();
    headers.extend([1, 2, 3]);
    let bytes = with(BOB6, P::HOP_BY_HOP, &headers);
    let expected = Whole {
        protocol: P::TCP,
        named_at: at - 8,
        payload: &[1, 2, 3],
        router_alert: Some(7),
        has_fragment_header: true,
        home_at: 0,
    };
    assert_eq!(whole(&bytes), expected);
    // Cut off anywhere: never more than was there.
    for len in 1..headers.len() - 3 {
        let bytes = with(BOB6, P::HOP_BY_HOP, &headers[..len]);
        let it = content(&bytes);
        assert!(
            it == silent(Drop::Ipv6ExtensionShort)
                || matches!(it, Ok(Content::Whole(it)) if it.payload.is_empty()),
            "{len}: {it:?}"
        );
    }
    let quote = Quote::parse(&bytes).expect("readable");
    assert_eq!((quote.protocol, quote.payload), (P::TCP, &[1, 2, 3][..]));
}

#[test]
fn hop_by_hop_options_come_first() {
    let bytes = with(BOB6, P::DESTINATION, &[0, 0, 1, 4, 0, 0, 0, 0]);
    let refused = told(Drop::Ipv6ExtensionPlace, Cause::NextHeader, 40);
    assert_eq!(content(&bytes), refused);
    let twice = [0, 0, 1, 4, 0, 0, 0, 0, 6, 0, 1, 4, 0, 0, 0, 0];
    let bytes = with(BOB6, P::HOP_BY_HOP, &twice);
    assert_eq!(content(&bytes), refused);
}

#[test]
fn number_and_size_are_limited() {
    assert_eq!(MAX_HEADERS, 8);
    let chain = |count: usize| {
        let mut headers = [60, 0, 1, 4, 0, 0, 0, 0].repeat(count);
        headers[count * 8 - 8] = 59;
        headers
    };
    let bytes = with(BOB6, P::DESTINATION, &chain(MAX_HEADERS));
    assert_eq!(whole(&bytes).protocol, P::NOTHING);
    let bytes = with(BOB6, P::DESTINATION, &chain(MAX_HEADERS + 1));
    let at = 40 + 8 * (8 + 1);
    let refused = told(Drop::Ipv6ExtensionLimit, Cause::TooManyHeaders, at);
    assert_eq!(content(&bytes), refused);

    // One option as long as it can be, in a header that is as long as it may be, and in a longer.
    let long = |eights: u8| {
        let len = usize::from(eights) * 8 + 8;
        let mut header = vec![0; len.max(264)];
        header[..4].copy_from_slice(&[59, eights, 0x1e, 255]);
        header[259..261].copy_from_slice(&[1, 3]);
        if len > 264 {
            header[264..266].copy_from_slice(&[0x1e, u8::try_from(len - 266).expect("short")]);
        }
        header
    };
    let (fits, fits_not) = (long(63), long(64));
    assert_eq!(fits.len(), MAX_CHAIN);
    let bytes = with(BOB6, P::DESTINATION, &fits);
    assert_eq!(whole(&bytes).protocol, P::NOTHING);
    let bytes = with(BOB6, P::DESTINATION, &fits_not);
    let refused = told(Drop::Ipv6ExtensionLimit, Cause::ChainTooLong, 40);
    assert_eq!(content(&bytes), refused);
}

#[test]
fn options_and_padding_are_limited() {
    let options = |options: &[u8]| {
        let eights = u8::try_from((options.len() + 2) / 8 - 1).expect("short");
        let header = [&[59, eights], options].concat();
        with(BOB6, P::DESTINATION, &header)
    };
    let mut most = [0x1e, 0].repeat(MAX_OPTIONS);
    most.extend([0; 6]);
    assert_eq!(whole(&options(&most)).protocol, P::NOTHING);
    most[MAX_OPTIONS * 2] = 0x1e;
    let refused = told(Drop::Ipv6OptionLimit, Cause::TooManyOptions, 42 + 16);
    assert_eq!(content(&options(&most)), refused);

    let padding = [0x1e, 0, 1, 5, 0, 0, 0, 0, 0, 0x1e, 3, 0, 0, 0];
    assert_eq!(whole(&options(&padding)).protocol, P::NOTHING);
    let padding = [1, 4, 0, 0, 0, 0, 1, 6, 0, 0, 0, 0, 0, 0];
    let refused = told(Drop::Ipv6OptionLimit, Cause::TooManyOptions, 48);
    assert_eq!(content(&options(&padding)), refused);
}

#[test]
fn options_of_a_wrong_length() {
    for options in [[0x1e, 5, 0, 0, 0, 0], [1, 3, 0, 0, 0, 0x1e]] {
        let header = [&[59, 0], &options[..]].concat();
        let bytes = with(BOB6, P::DESTINATION, &header);
        assert_eq!(content(&bytes), silent(Drop::Ipv6Option));
    }
    let bytes = with(BOB6, P::HOP_BY_HOP, &[59, 0, 5, 3, 0, 0, 0, 0]);
    assert_eq!(content(&bytes), silent(Drop::Ipv6Option));
}

#[test]
fn unknown_options_do_what_their_bits_say() {
    let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    for header in [P::HOP_BY_HOP, P::DESTINATION] {
        for kind in 6..=255_u8 {
            let reason = match kind {
                0xc2 => Drop::Ipv6Jumbo,
                _ => Drop::Ipv6UnknownOption,
            };
            for destination in [BOB6, group] {
                let payload = [59, 0, 1, 0, kind, 2, 0, 0];
                let bytes = with(destination, header, &payload);
                let answer = Answer {
                    problem: ParameterProblem {
                        cause: Cause::Option,
                        pointer: 44,
                    },
                    even_to_group: kind >> 6 == 2,
                };
                let answer = match (kind >> 6, destination.is_multicast()) {
                    (0, _) => {
                        assert_eq!(whole(&bytes).protocol, P::NOTHING);
                        continue;
                    }
                    (1, _) | (3, true) => None,
                    _ => Some(answer),
                };
                assert_eq!(content(&bytes), Err(Refusal { reason, answer }));
            }
        }
    }
    // A router alert means something to routers only.
    let bytes = with(BOB6, P::DESTINATION, &[59, 0, 5, 2, 0, 0, 1, 0]);
    assert_eq!(whole(&bytes).router_alert, None);
}

#[test]
fn a_routing_header_leads_to_oneself_or_nowhere() {
    for kind in [0, 2, 3, 4, 253] {
        let mut routing = vec![59, 2, kind, 0, 0, 0, 0, 0];
        routing.extend(BOB6.octets());
        let bytes = with(BOB6, P::ROUTING, &routing);
        assert_eq!(whole(&bytes).protocol, P::NOTHING);
        routing[3] = 1;
        let bytes = with(BOB6, P::ROUTING, &routing);
        if kind == 2 {
            // To another address of the same host, whether that is ours a stack knows.
            let found = whole(&bytes);
            assert_eq!((found.protocol, found.home_at), (P::NOTHING, 48));
            let twice = [&[P::ROUTING.0], &routing[1..], &routing].concat();
            let bytes = with(BOB6, P::ROUTING, &twice);
            assert_eq!(content(&bytes), told(Drop::Ipv6Routing, Cause::Field, 66));
            // With more than one address to come, or other than one address in it.
            (routing[1], routing[3]) = (2, 2);
        }
        let bytes = with(BOB6, P::ROUTING, &routing);
        let refused = told(Drop::Ipv6Routing, Cause::Field, 42);
        assert_eq!(content(&bytes), refused);
    }
}

fn part(fragment: Fragment, next: Protocol, payload: &[u8]) -> Vec<u8> {
    let payload = packet(payload, |room| fragment.emit(room, next));
    with(BOB6, P::FRAGMENT, &payload)
}

#[test]
fn parts_of_packets() {
    let fragment = Fragment {
        offset: 0x1234 & 0x1fff,
        more: true,
        identification: 0x89ab_cdef,
    };
    let bytes = part(fragment, P::UDP, &[3; 16]);
    let expected = Part {
        fragment,
        next: P::UDP,
        before: &bytes[..40],
        payload: &[3; 16],
    };
    assert_eq!(content(&bytes), Ok(Content::Part(expected)));
    let headers = [[44, 0, 1, 4, 0, 0, 0, 0], [17, 0, 0, 9, 0, 0, 0, 1]].concat();
    let bytes = with(BOB6, P::HOP_BY_HOP, &[&headers[..], &[9; 8]].concat());
    let Ok(Content::Part(it)) = content(&bytes) else {
        panic!("{bytes:?}");
    };
    assert_eq!((it.before, it.next), (&bytes[..48], P::UDP));
}

#[test]
fn a_first_parts_headers_become_those_of_the_whole() {
    let headers = [[44, 0, 1, 4, 0, 0, 0, 0], [17, 0, 0, 1, 0, 0, 0, 1]].concat();
    let first = with(BOB6, P::HOP_BY_HOP, &[&headers[..], &[9; 8]].concat());
    let Ok(Content::Part(part)) = content(&first) else {
        panic!("{first:?}");
    };
    let len = part.before.len() + FRAGMENT_LEN;
    let mut headers = first[..len].to_vec();
    let mend = |headers: &mut [u8], len| reassembled(headers, len, Ecn::Congested);
    let skipped = mend(&mut headers, 4000).expect("fits");
    let bytes = [&headers[skipped..], &[9; 4000]].concat();
    let it = Packet::parse(&bytes).expect("a packet");
    assert_eq!((it.header.ecn, it.payload.len()), (Ecn::Congested, 4008));
    let it = whole(&bytes);
    assert_eq!((it.protocol, it.named_at), (P::UDP, 40));
    assert_eq!(it.payload, [9; 4000]);
    let headers = || first[..len].to_vec();
    assert_eq!(mend(&mut headers(), 65_527), Some(8));
    assert_eq!(mend(&mut headers(), 65_528), None);
    for cut in (0..len).filter(|cut| *cut != 48) {
        assert_eq!(mend(&mut headers()[..cut], 8), None);
    }
}

#[test]
fn parts_that_cannot_be() {
    let at = |offset, more| Fragment {
        offset,
        more,
        identification: 1,
    };
    // RFC 8200 section 4.5: the pointer is to the payload's length.
    let bytes = part(at(1, true), P::UDP, &[0; 15]);
    let refused = told(Drop::Ipv6FragmentLength, Cause::Field, 4);
    assert_eq!(content(&bytes), refused);
    for fragment in [at(1, true), at(1, false)] {
        let bytes = part(fragment, P::UDP, &[]);
        assert_eq!(content(&bytes), silent(Drop::Ipv6FragmentLength));
    }
    // The last byte that there can be, and one more.
    let bytes = part(at(0x1fff, false), P::UDP, &[0; 7]);
    assert!(matches!(content(&bytes), Ok(Content::Part(_))));
    let bytes = part(at(0x1fff, false), P::UDP, &[0; 8]);
    let refused = told(Drop::Ipv6FragmentOffset, Cause::Field, 42);
    assert_eq!(content(&bytes), refused);
    // RFC 7112 section 5: all headers are in the first part.
    let first = at(0, true);
    let refused = told(Drop::Ipv6FragmentChain, Cause::FirstFragment, 0);
    for (next, payload) in [
        (P::TCP, &[0; 16][..]),
        (P::DESTINATION, &[6, 0, 1, 4, 0, 0, 0, 0]),
        (P::DESTINATION, &[6, 1, 1, 4, 0, 0, 0, 0]),
        (P::DESTINATION, &[58, 0, 1, 4, 0, 0, 0, 0]),
    ] {
        let bytes = part(first, next, payload);
        assert_eq!(content(&bytes), refused, "{next:?} {payload:?}");
        // Later parts are not asked.
        let bytes = part(at(1, true), next, payload);
        assert!(matches!(content(&bytes), Ok(Content::Part(_))));
    }
    for (next, len) in [(P::TCP, 24), (P::UDP, 8), (P::ICMPV6, 8), (P(200), 8)] {
        let bytes = part(first, next, &vec![0; len]);
        assert!(matches!(content(&bytes), Ok(Content::Part(_))), "{next:?}");
    }
    // In several slices.
    let bytes = part(at(1, true), P::UDP, &[0; 16]);
    let slices = [&bytes[56..]];
    let packet = Packet::parse_scattered(&bytes[..56], Rest::new(&slices)).expect("a packet");
    assert_eq!(packet.content(), silent(Drop::Ipv6FragmentLength));
}

#[test]
fn quotes() {
    let udp = [0, 7, 0, 9, 0, 8, 1, 2];
    let bytes = with(BOB6, P::UDP, &udp);
    let quote = Quote::parse(&bytes).expect("readable");
    assert_eq!(quote.ports(), Some((7, 9)));
    assert_eq!((quote.tcp_sequence(), quote.echo()), (None, None));
    assert_eq!(quote.header.destination, BOB6);
    // Routers need not quote all of it.
    assert_eq!(
        Quote::parse(&bytes[..44]).map(|it| it.ports()),
        Ok(Some((7, 9)))
    );
    assert_eq!(Quote::parse(&bytes[..43]).map(|it| it.ports()), Ok(None));
    assert_eq!(Quote::parse(&bytes[..39]), Err(Drop::Icmp6Quote));
    let bytes = with(BOB6, P::TCP, &[0, 7, 0, 9, 1, 2, 3, 4]);
    let quote = Quote::parse(&bytes).expect("readable");
    assert_eq!(quote.ports(), Some((7, 9)));
    assert_eq!(quote.tcp_sequence(), Some(0x0102_0304));
    let bytes = with(BOB6, P::ICMPV6, &[128, 0, 9, 9, 0, 1, 0, 2]);
    let quote = Quote::parse(&bytes).expect("readable");
    assert_eq!((quote.echo(), quote.ports()), (Some((1, 2)), None));
    // A later part has no ports in front.
    for (offset, ports) in [(0, Some((7, 9))), (1, None)] {
        let fragment = Fragment {
            offset,
            more: true,
            identification: 1,
        };
        let bytes = part(fragment, P::UDP, &udp);
        let quote = Quote::parse(&bytes).expect("readable");
        assert_eq!((quote.protocol, quote.ports()), (P::UDP, ports));
        assert_eq!(quote.is_start, offset == 0);
    }
}

#[test]
fn a_router_alert_is_read_as_such() {
    let payload = packet(&[1, 2], |room| emit_router_alert(room, 0, P::ICMPV6));
    assert_eq!(payload.len(), ROUTER_ALERT_LEN + 2);
    let bytes = with(BOB6, P::HOP_BY_HOP, &payload);
    let it = whole(&bytes);
    assert_eq!((it.protocol, it.router_alert), (P::ICMPV6, Some(0)));
    assert_eq!(it.payload, [1, 2]);
}

#[test]
fn the_least_of_each_transport_is_what_its_header_takes() {
    assert_eq!(
        (tcp::HEADER_LEN, udp::HEADER_LEN, icmp6::HEADER_LEN),
        (20, 8, 8)
    );
}

prop_compose! {
    fn header()(
        (dscp, ecn, flow_label) in (0_u8..64, 0_u8..4, 0_u32..1 << 20),
        (hop_limit, next) in any::<(u8, u8)>(),
        (source, destination) in (host6(), any::<[u8; 16]>()),
    ) -> Header {
        Header {
            dscp,
            ecn: Ecn::from_bits(ecn),
            flow_label,
            hop_limit,
            next: Protocol(next),
            source,
            destination: destination.into(),
        }
    }
}

proptest! {
    #[test]
    fn round_trip(header in header(), payload in proptest::collection::vec(any::<u8>(), 1..300)) {
        let bytes = packet(&payload, |room| header.emit(room, payload.len()));
        let it = Packet::parse(&bytes).expect("own bytes");
        prop_assert_eq!(it.header, header);
        prop_assert_eq!(it.payload, &payload);
    }

    #[test]
    fn fragments_round_trip(offset in 1_u16..0x1ff0, more: bool, identification: u32, next: u8) {
        let fragment = Fragment { offset, more, identification };
        let bytes = part(fragment, Protocol(next), &[0; 8]);
        let Ok(Content::Part(it)) = content(&bytes) else {
            panic!("{bytes:?}");
        };
        prop_assert_eq!((it.fragment, it.next), (fragment, Protocol(next)));
    }

    /// Whatever stands behind the fixed header, what is found lies in the packet, and where it says.
    #[test]
    fn what_is_found_lies_in_the_packet(
        next in proptest::sample::select(vec![0_u8, 43, 44, 60, 17]),
        payload in proptest::collection::vec(
            proptest::sample::select(vec![0_u8, 1, 2, 5, 6, 43, 44, 59, 60, 0x1e, 0xc2]), 1..200),
    ) {
        let bytes = with(BOB6, Protocol(next), &payload);
        match content(&bytes) {
            Ok(Content::Whole(it)) => {
                prop_assert!(bytes.ends_with(it.payload));
                prop_assert_eq!(Protocol(bytes[it.named_at]), it.protocol);
            }
            Ok(Content::Part(it)) => {
                prop_assert!(bytes.ends_with(it.payload) && bytes.starts_with(it.before));
                prop_assert_eq!(it.before.len() + FRAGMENT_LEN + it.payload.len(), bytes.len());
            }
            Err(Refusal { answer: Some(answer), .. }) => {
                let at = usize::try_from(answer.problem.pointer);
                prop_assert!(at.is_ok_and(|at| at < bytes.len()));
            }
            Err(_) => {}
        }
    }

    /// What is cut is what came, part by part, and no part is longer than it may be.
    #[test]
    fn parts_are_the_packet(
        header in header(),
        payload in proptest::collection::vec(any::<u8>(), 100..4000),
        identification: u32,
        mtu in 100_usize..1500,
    ) {
        let header = Header { next: P(200), ..header };
        let whole = packet(&payload, |room| header.emit(room, payload.len()));
        let (mut from, mut parts) = (Some(0), Vec::new());
        while let Some(start) = from {
            let mut bytes = vec![0; mtu];
            let cut = cut(&whole, start, identification, &mut bytes).expect("a part");
            let it = Packet::parse(&bytes[..cut.len]).expect("sound");
            prop_assert_eq!(Header { next: P(200), ..it.header }, header);
            match it.content() {
                Ok(Content::Part(it)) => {
                    prop_assert_eq!(it.fragment.identification, identification);
                    prop_assert_eq!(usize::from(it.fragment.offset) * 8, start);
                    prop_assert_eq!(it.fragment.more, cut.next.is_some());
                    parts.extend_from_slice(it.payload);
                }
                Ok(Content::Whole(it)) => {
                    prop_assert!(it.has_fragment_header && cut.next.is_none());
                    parts.extend_from_slice(it.payload);
                }
                Err(refusal) => panic!("{refusal:?}"),
            }
            from = cut.next;
        }
        prop_assert_eq!(parts, payload);
        prop_assert_eq!(cut(&whole, 0, 0, &mut [0; 55]), None);
    }
}
