use super::*;
use crate::testing::{ALICE, BOB, packet};
use crate::{Protocol, ipv4, sum};
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use std::vec::Vec;

#[test]
fn golden_echo() {
    let header = Header::EchoRequest {
        identifier: 0x1234,
        sequence: 1,
    };
    // 0800 + 1234 + 0001 + 6162 + 6364 = defb; complement 2104.
    let bytes = [8, 0, 0x21, 0x04, 0x12, 0x34, 0, 1, b'a', b'b', b'c', b'd'];
    assert_eq!(
        packet(b"abcd", |room| header.emit(room, sum(b"abcd"))),
        bytes
    );
    let message = Message::parse(&bytes).expect("valid");
    assert_eq!(
        message,
        Message {
            header,
            body: b"abcd"
        }
    );
    assert!(!header.is_error());
    assert_eq!(message.quote(), Err(Drop::Icmp4Quote));
}

#[test]
fn an_error_quotes_the_packet() {
    let quoted = packet(&[0x12, 0x34, 0, 53, 0, 9, 0, 0, 1], |room| {
        ipv4::Header::atomic(ALICE, BOB, Protocol::UDP, 3).emit(room, 9)
    });
    let header = Header::Unreachable(Unreachable::Port);
    let bytes = packet(&quoted, |room| header.emit(room, sum(&quoted)));
    let message = Message::parse(&bytes).expect("valid");
    assert!(message.header.is_error());
    let quote = message.quote().expect("readable");
    assert_eq!(quote.ports(), Some((0x1234, 53)));
    assert_eq!(
        (quote.header.source, quote.header.destination),
        (ALICE, BOB)
    );
}

#[test]
fn codes() {
    use Unreachable as U;
    for (code, expected) in [
        (0, U::Network),
        (1, U::Host),
        (2, U::Protocol),
        (3, U::Port),
        (4, U::FragmentationNeeded { mtu: 1280 }),
        (5, U::SourceRoute),
        (6, U::Other { code: 6 }),
        (9, U::Prohibited { code: 9 }),
        (10, U::Prohibited { code: 10 }),
        (12, U::Other { code: 12 }),
        (13, U::Prohibited { code: 13 }),
        (15, U::Other { code: 15 }),
    ] {
        let bytes = message(3, code, [0, 0, 0x05, 0x00]);
        let it = Message::parse(&bytes).expect("known");
        assert_eq!(it.header, Header::Unreachable(expected));
    }
}

#[test]
fn refusals() {
    let bytes = message(8, 0, [1, 2, 3, 4]);
    for len in 0..HEADER_LEN {
        assert_eq!(Message::parse(&bytes[..len]), Err(Drop::Icmp4Short));
    }
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes;
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            Message::parse(&bytes),
            Err(Drop::Icmp4Checksum),
            "bit {bit}"
        );
    }
    // Echo with a code, codes beyond the last, source quench, redirect, router advertisement,
    // timestamp, information, address mask.
    for (kind, code) in [
        (0, 1),
        (8, 1),
        (3, 16),
        (3, 255),
        (11, 2),
        (12, 3),
        (4, 0),
        (5, 4),
        (9, 0),
        (10, 0),
        (13, 0),
        (14, 0),
        (15, 0),
        (17, 0),
        (18, 0),
        (1, 0),
        (255, 0),
    ] {
        let bytes = message(kind, code, [0; 4]);
        assert_eq!(
            Message::parse(&bytes),
            Err(Drop::Icmp4UnknownType),
            "{kind}/{code}"
        );
    }
}

fn message(kind: u8, code: u8, [a, b, c, d]: [u8; 4]) -> [u8; 8] {
    let mut bytes = [kind, code, 0, 0, a, b, c, d];
    let field = sum(&bytes).finish();
    bytes[2..4].copy_from_slice(&field);
    bytes
}

fn header() -> impl Strategy<Value = Header> {
    let codes = prop_oneof![
        Just(6_u8),
        Just(7),
        Just(8),
        Just(11),
        Just(12),
        Just(14),
        Just(15)
    ];
    let unreachable = prop_oneof![
        Just(Unreachable::Network),
        Just(Unreachable::Host),
        Just(Unreachable::Protocol),
        Just(Unreachable::Port),
        any::<u16>().prop_map(|mtu| Unreachable::FragmentationNeeded { mtu }),
        Just(Unreachable::SourceRoute),
        prop_oneof![Just(9_u8), Just(10), Just(13)]
            .prop_map(|code| Unreachable::Prohibited { code }),
        codes.prop_map(|code| Unreachable::Other { code }),
    ];
    prop_oneof![
        any::<(u16, u16)>().prop_map(|(identifier, sequence)| Header::EchoRequest {
            identifier,
            sequence
        }),
        any::<(u16, u16)>().prop_map(|(identifier, sequence)| Header::EchoReply {
            identifier,
            sequence
        }),
        unreachable.prop_map(Header::Unreachable),
        Just(Header::TimeExceeded(TimeExceeded::Transit)),
        Just(Header::TimeExceeded(TimeExceeded::Reassembly)),
        any::<u8>().prop_map(|at| Header::ParameterProblem(ParameterProblem::Pointer(at))),
        (1_u8..=2).prop_map(|code| Header::ParameterProblem(ParameterProblem::Other { code })),
    ]
}

proptest! {
    #[test]
    fn round_trip(header in header(), body: Vec<u8>) {
        let bytes = packet(&body, |room| header.emit(room, sum(&body)));
        prop_assert_eq!(Message::parse(&bytes), Ok(Message { header, body: &body }));
    }
}
