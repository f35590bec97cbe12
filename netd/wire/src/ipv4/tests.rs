use super::*;
use crate::testing::{ALICE, BOB, host4, packet};
use proptest::prelude::{any, prop_assert, prop_assert_eq, prop_compose, proptest};
use std::vec::Vec;

/// A header that is shown in many textbooks; its checksum is b861.
const GOLDEN: [u8; 20] = [
    0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11, 0xb8, 0x61, // fixed part
    192, 168, 0, 1, 192, 168, 0, 199,
];

fn golden() -> Vec<u8> {
    let mut bytes = GOLDEN.to_vec();
    bytes.resize(0x73, 0x5a);
    bytes
}

/// Changes a packet and makes its header's checksum right again.
fn changed(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = golden();
    change(&mut bytes);
    let header_len = (usize::from(bytes[0] & 0x0f) * 4).min(bytes.len());
    bytes[10..12].fill(0);
    let field = checksum::sum(&bytes[..header_len]).finish();
    bytes[10..12].copy_from_slice(&field);
    bytes
}

/// The golden packet with options, which must be a multiple of four bytes.
fn with_options(options: &[u8]) -> Vec<u8> {
    changed(|bytes| {
        bytes[0] = 0x45 + u8::try_from(options.len() / 4).expect("few options");
        bytes[3] += u8::try_from(options.len()).expect("few options");
        bytes.splice(20..20, options.iter().copied());
    })
}

#[test]
fn golden_packet() {
    let header = Header::atomic(
        Ipv4Addr::new(192, 168, 0, 1),
        Ipv4Addr::new(192, 168, 0, 199),
        Protocol::UDP,
        64,
    );
    let bytes = golden();
    let expected = Packet {
        header,
        options: &[],
        payload: &bytes[20..],
        bytes: &bytes,
        rest: Rest::NONE,
    };
    assert_eq!(Packet::parse(&bytes), Ok(expected));
    assert_eq!(
        packet(&bytes[20..], |room| header.emit(room, 0x73 - 20)),
        bytes
    );
}

#[test]
fn padding_of_the_frame_is_cut_off() {
    let mut frame = golden();
    frame.extend([0; 30]);
    let it = Packet::parse(&frame).expect("valid");
    assert_eq!(it.payload.len(), 0x73 - 20);
    assert_eq!(it.bytes.len(), 0x73);
}

#[test]
fn lengths() {
    let bytes = golden();
    for len in 0..20 {
        assert_eq!(Packet::parse(&bytes[..len]), Err(Drop::Ipv4Short));
    }
    for len in 20..0x73 {
        assert_eq!(Packet::parse(&bytes[..len]), Err(Drop::Ipv4TotalLength));
    }
    for version in (0..16).filter(|version| *version != 4) {
        let bytes = changed(|bytes| bytes[0] = version << 4 | 5);
        assert_eq!(Packet::parse(&bytes), Err(Drop::Ipv4Version));
    }
    for words in 0..5 {
        let bytes = changed(|bytes| bytes[0] = 0x40 | words);
        assert_eq!(Packet::parse(&bytes), Err(Drop::Ipv4HeaderLength));
    }
    for total in 0..20 {
        let bytes = changed(|bytes| bytes[3] = total);
        assert_eq!(Packet::parse(&bytes), Err(Drop::Ipv4TotalLength));
    }
    // A header that claims to be longer than the whole packet.
    let bytes = changed(|bytes| {
        bytes[0] = 0x4f;
        bytes[3] = 59;
    });
    assert_eq!(Packet::parse(&bytes), Err(Drop::Ipv4TotalLength));
}

#[test]
fn every_bit_is_under_the_checksum() {
    for bit in 0..GOLDEN.len() * 8 {
        let mut bytes = golden();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(Packet::parse(&bytes).is_err(), "bit {bit}");
    }
    let mut bytes = golden();
    bytes[11] ^= 1;
    assert_eq!(Packet::parse(&bytes), Err(Drop::Ipv4Checksum));
}

#[test]
fn a_first_fragments_header_becomes_that_of_the_whole() {
    let mut header = with_options(&[7, 7, 4, 0, 0, 0, 0, 0]);
    header[6] = 0x20;
    header[1] = 0xb8 | 2;
    header.truncate(28);
    assert_eq!(reassembled(&mut header, 4000, Ecn::Congested), Some(()));
    let whole = [&header[..], &[9; 4000]].concat();
    let it = Packet::parse(&whole).expect("a packet");
    assert_eq!((it.header.dscp, it.header.ecn), (0x2e, Ecn::Congested));
    assert!(!it.header.is_fragment());
    assert_eq!((it.options.len(), it.payload), (8, &[9; 4000][..]));
    assert_eq!(reassembled(&mut header, 65_507, Ecn::Congested), Some(()));
    assert_eq!(reassembled(&mut header, 65_508, Ecn::Congested), None);
    assert_eq!(reassembled(&mut header[..19], 1, Ecn::Congested), None);
}

#[test]
fn fragments_are_recognised() {
    for (field, dont, more, offset, is_fragment) in [
        (0x0000, false, false, 0, false),
        (0x4000, true, false, 0, false),
        (0x2000, false, true, 0, true),
        (0x00b9, false, false, 185, true),
        (0x3fff, false, true, 0x1fff, true),
    ] {
        let bytes = changed(|bytes| bytes[6..8].copy_from_slice(&u16::to_be_bytes(field)));
        let header = Packet::parse(&bytes).expect("valid").header;
        assert_eq!(header.dont_fragment, dont);
        assert_eq!(header.more_fragments, more);
        assert_eq!(header.fragment_offset, offset);
        assert_eq!(header.is_fragment(), is_fragment);
    }
    let bytes = changed(|bytes| bytes[6] |= 0x80);
    assert_eq!(Packet::parse(&bytes), Err(Drop::Ipv4ReservedFlag));
}

#[test]
fn sources_that_no_host_has() {
    for source in [[224, 0, 0, 1], [239, 255, 255, 255], [255; 4]] {
        let bytes = changed(|bytes| bytes[12..16].copy_from_slice(&source));
        assert_eq!(Packet::parse(&bytes), Err(Drop::Ipv4Source), "{source:?}");
    }
    // A host without an address yet (RFC 1122 section 3.2.1.3 a).
    let bytes = changed(|bytes| bytes[12..16].fill(0));
    assert!(Packet::parse(&bytes).is_ok());
}

#[test]
fn options_are_skipped() {
    let record_route = [7, 7, 4, 0, 0, 0, 0, 0];
    for options in [
        &[1, 1, 1, 1][..],
        &[0, 9, 9, 9],
        &record_route,
        // Router alert (RFC 2113).
        &[148, 4, 0, 0],
        // Of unknown kind.
        &[0x5e, 3, 1, 0],
        &[1; 40],
    ] {
        let bytes = with_options(options);
        let it = Packet::parse(&bytes).expect("valid");
        assert_eq!(it.options, options);
        assert_eq!(it.payload, &[0x5a; 0x73 - 20]);
    }
}

#[test]
fn options_that_are_refused() {
    for (options, reason) in [
        (&[7, 0, 0, 0][..], Drop::Ipv4Option),
        (&[7, 1, 0, 0], Drop::Ipv4Option),
        (&[7, 5, 0, 0], Drop::Ipv4Option),
        (&[1, 1, 1, 7], Drop::Ipv4Option),
        (&[131, 3, 4, 0], Drop::Ipv4SourceRoute),
        (&[1, 137, 3, 4], Drop::Ipv4SourceRoute),
        (&[1, 1, 1, 131], Drop::Ipv4SourceRoute),
    ] {
        assert_eq!(
            Packet::parse(&with_options(options)),
            Err(reason),
            "{options:?}"
        );
    }
}

#[test]
fn too_long_for_the_length_field() {
    let header = Header::atomic(ALICE, BOB, Protocol::UDP, 1);
    let mut bytes = [0; 20];
    let mut room = Headroom::new(&mut bytes);
    assert_eq!(header.emit(&mut room, 65_516), Err(NoRoom));
    assert_eq!(header.emit(&mut room, usize::MAX), Err(NoRoom));
    assert_eq!(header.emit(&mut room, 65_515), Ok(()));
}

#[test]
fn quotes() {
    let mut bytes = GOLDEN.to_vec();
    bytes.extend([0x12, 0x34, 0x00, 0x35, 1, 2, 3, 4]);
    // Routers change what they like, and cut.
    bytes[8] = 0;
    bytes[10] ^= 0xff;
    let quote = Quote::parse(&bytes).expect("readable");
    assert_eq!(quote.header.destination, Ipv4Addr::new(192, 168, 0, 199));
    assert_eq!(quote.ports(), Some((0x1234, 53)));
    assert_eq!(quote.tcp_sequence(), None);
    assert_eq!(quote.echo(), None);

    bytes[9] = 6;
    let quote = Quote::parse(&bytes).expect("readable");
    assert_eq!(quote.ports(), Some((0x1234, 53)));
    assert_eq!(quote.tcp_sequence(), Some(0x0102_0304));

    bytes[9] = 1;
    bytes[20..24].copy_from_slice(&[8, 0, 0xff, 0xff]);
    let quote = Quote::parse(&bytes).expect("readable");
    assert_eq!(quote.echo(), Some((0x0102, 0x0304)));
    assert_eq!(quote.ports(), None);

    // A later fragment has no ports in front.
    bytes[9] = 17;
    bytes[7] = 1;
    assert_eq!(Quote::parse(&bytes).expect("readable").ports(), None);

    for len in 0..20 {
        assert_eq!(Quote::parse(&bytes[..len]), Err(Drop::Icmp4Quote));
    }
    bytes[0] = 0x48;
    assert_eq!(Quote::parse(&bytes), Err(Drop::Icmp4Quote));
}

prop_compose! {
    fn header()(
        dscp in 0_u8..64,
        ecn in 0_u8..4,
        identification: u16,
        dont_fragment: bool,
        more_fragments: bool,
        fragment_offset in 0_u16..0x2000,
        ttl: u8,
        protocol: u8,
        source in host4(),
        destination: [u8; 4],
    ) -> Header {
        Header {
            dscp,
            ecn: Ecn::from_bits(ecn),
            identification,
            dont_fragment,
            more_fragments,
            fragment_offset,
            ttl,
            protocol: Protocol(protocol),
            source,
            destination: Ipv4Addr::from(destination),
        }
    }
}

proptest! {
    #[test]
    fn round_trip(header in header(), payload: Vec<u8>) {
        let bytes = packet(&payload, |room| header.emit(room, payload.len()));
        let expected = Packet {
            header,
            options: &[],
            payload: &payload,
            rest: Rest::NONE,
            bytes: &bytes,
        };
        prop_assert_eq!(Packet::parse(&bytes), Ok(expected));
    }

    #[test]
    fn a_quote_reads_like_the_packet(header in header(), payload: Vec<u8>) {
        let bytes = packet(&payload, |room| header.emit(room, payload.len()));
        prop_assert_eq!(Quote::parse(&bytes), Ok(Quote { header, payload: &payload }));
    }

    #[test]
    fn any_options_are_walked_safely(options in any::<[u8; 40]>(), words in 1_usize..=10) {
        let bytes = with_options(&options[..words * 4]);
        match Packet::parse(&bytes) {
            Ok(it) => prop_assert_eq!(it.options, &options[..words * 4]),
            Err(reason) => prop_assert!(matches!(reason, Drop::Ipv4Option | Drop::Ipv4SourceRoute)),
        }
    }

    /// What is cut is what came, part by part, and no part is longer than it may be.
    #[test]
    fn parts_are_the_packet(
        header in header(),
        payload in proptest::collection::vec(any::<u8>(), 0..4000),
        identification: u16,
        mtu in 28_usize..1500,
    ) {
        let whole = packet(&payload, |room| header.emit(room, payload.len()));
        let (mut from, mut parts) = (Some(0), Vec::new());
        while let Some(start) = from {
            let mut bytes = std::vec![0; mtu];
            let cut = cut(&whole, start, identification, &mut bytes).expect("a part");
            let it = Packet::parse(&bytes[..cut.len]).expect("sound");
            prop_assert_eq!(usize::from(it.header.fragment_offset) * 8, start);
            prop_assert_eq!(it.header.more_fragments, cut.next.is_some());
            let expected = Header {
                identification,
                dont_fragment: false,
                more_fragments: it.header.more_fragments,
                fragment_offset: it.header.fragment_offset,
                ..header
            };
            prop_assert_eq!(it.header, expected);
            parts.extend_from_slice(it.payload);
            prop_assert_eq!(cut.next.unwrap_or(payload.len()), parts.len());
            from = cut.next;
        }
        prop_assert_eq!(parts, payload);
        prop_assert_eq!(cut(&whole, 0, 0, &mut [0; 27]).is_some(), whole.len() <= 27);
    }
}
