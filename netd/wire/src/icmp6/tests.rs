use super::*;
use crate::testing::{ALICE6, BOB6, packet};
use crate::{Protocol, Pseudo, ipv6, sum};
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use std::vec::Vec;

fn pseudo() -> Pseudo {
    Pseudo::v6(ALICE6, BOB6)
}

fn seal(body: &[u8]) -> Seal {
    Seal::Full {
        pseudo: pseudo(),
        payload: sum(body),
    }
}

fn emit(header: Header, body: &[u8]) -> Vec<u8> {
    packet(body, |room| header.emit(room, body.len(), seal(body)))
}

fn parse(bytes: &[u8]) -> Result<Message<'_>, Drop> {
    Message::parse(&Envelope::parse(bytes, Check::Verify(pseudo()))?)
}

/// A message of any type and code, its checksum right.
fn message(kind: u8, code: u8, [a, b, c, d]: [u8; 4]) -> [u8; 8] {
    let mut bytes = [kind, code, 0, 0, a, b, c, d];
    let sum = pseudo().with(Protocol::ICMPV6, 8).plus(sum(&bytes));
    bytes[2..4].copy_from_slice(&sum.finish());
    bytes
}

#[test]
fn golden_echo() {
    let header = Header::EchoRequest {
        identifier: 0x1234,
        sequence: 1,
    };
    // fe80 + a + 2001 + db8 + b, c bytes, protocol 3a: 12c94, so 2c95. 8000 + 1234 + 1 + 6162 +
    // 6364 = 156fb, so 56fc. Together 8391; the complement is 7c6e.
    let bytes = [128, 0, 0x7c, 0x6e, 0x12, 0x34, 0, 1, b'a', b'b', b'c', b'd'];
    assert_eq!(emit(header, b"abcd"), bytes);
    let body = &b"abcd"[..];
    let message = parse(&bytes).expect("valid");
    assert_eq!(message, Message { header, body });
    assert!(!header.is_error());
    assert_eq!(message.quote(), Err(Drop::Icmp6Quote));
}

#[test]
fn an_error_quotes_the_packet() {
    let quoted = packet(&[0x12, 0x34, 0, 53, 0, 9, 0, 0, 1], |room| {
        ipv6::Header::new(ALICE6, BOB6, Protocol::UDP, 3).emit(room, 9)
    });
    let bytes = emit(Header::PacketTooBig { mtu: 1400 }, &quoted);
    let message = parse(&bytes).expect("valid");
    assert!(message.header.is_error());
    let quote = message.quote().expect("readable");
    assert_eq!(quote.ports(), Some((0x1234, 53)));
    assert_eq!(quote.header.source, ALICE6);
}

#[test]
fn codes() {
    use Unreachable as U;
    let parsed = |kind, code| parse(&message(kind, code, [0, 0, 5, 0])).map(|it| it.header);
    for (code, expected) in [
        (0, U::NoRoute),
        (1, U::Prohibited),
        (2, U::BeyondScope),
        (3, U::Address),
        (4, U::Port),
        (5, U::SourcePolicy),
        (6, U::RejectRoute),
        (7, U::Other { code: 7 }),
        (255, U::Other { code: 255 }),
    ] {
        assert_eq!(parsed(1, code), Ok(Header::Unreachable(expected)));
    }
    // The receiver ignores the code of this one.
    for code in [0, 1, 255] {
        assert_eq!(parsed(2, code), Ok(Header::PacketTooBig { mtu: 1280 }));
    }
    for (code, cause) in [
        (0, Cause::Field),
        (1, Cause::NextHeader),
        (2, Cause::Option),
        (3, Cause::FirstFragment),
        (4, Cause::Other { code: 4 }),
        (6, Cause::HeaderTooBig),
        (7, Cause::ChainTooLong),
        (8, Cause::TooManyHeaders),
        (9, Cause::TooManyOptions),
        (10, Cause::OptionTooBig),
        (11, Cause::Other { code: 11 }),
    ] {
        let problem = ParameterProblem {
            cause,
            pointer: 1280,
        };
        assert_eq!(parsed(4, code), Ok(Header::ParameterProblem(problem)));
    }
    for kind in (5..=127).chain([0]) {
        let it = parsed(kind, 3).expect("an error");
        assert_eq!(it, Header::Unknown { kind, code: 3 });
        assert!(it.is_error());
    }
}

#[test]
fn refusals() {
    let bytes = message(128, 0, [1, 2, 3, 4]);
    for len in 0..ENVELOPE_LEN {
        assert_eq!(parse(&bytes[..len]), Err(Drop::Icmp6Short));
    }
    for len in ENVELOPE_LEN..bytes.len() {
        assert_eq!(parse(&bytes[..len]), Err(Drop::Icmp6Checksum));
        let trusted = Envelope::parse(&bytes[..len], Check::Trusted).expect("an envelope");
        assert_eq!(Message::parse(&trusted), Err(Drop::Icmp6Short));
    }
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes;
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(parse(&bytes), Err(Drop::Icmp6Checksum), "bit {bit}");
    }
    // Echoes with a code, a code that no time exceeded has, what only informs and is not known.
    for (kind, code) in [(128, 1), (129, 1), (3, 2), (138, 0), (144, 0), (255, 0)] {
        let bytes = message(kind, code, [0; 4]);
        assert_eq!(parse(&bytes), Err(Drop::Icmp6UnknownType), "{kind}/{code}");
    }
    // The addresses are under the checksum.
    let other = Check::Verify(Pseudo::v6(ALICE6, ALICE6));
    assert_eq!(Envelope::parse(&bytes, other), Err(Drop::Icmp6Checksum));
}

fn header() -> impl Strategy<Value = Header> {
    prop_oneof![
        any::<(u16, u16)>().prop_map(|(identifier, sequence)| Header::EchoRequest {
            identifier,
            sequence
        }),
        any::<(u16, u16)>().prop_map(|(identifier, sequence)| Header::EchoReply {
            identifier,
            sequence
        }),
        any::<u8>().prop_map(|code| Header::Unreachable(Unreachable::from_code(code))),
        any::<u32>().prop_map(|mtu| Header::PacketTooBig { mtu }),
        Just(Header::TimeExceeded(TimeExceeded::Transit)),
        Just(Header::TimeExceeded(TimeExceeded::Reassembly)),
        any::<(u8, u32)>().prop_map(|(code, pointer)| {
            let cause = Cause::from_code(code);
            Header::ParameterProblem(ParameterProblem { cause, pointer })
        }),
        (5_u8..=127, any::<u8>()).prop_map(|(kind, code)| Header::Unknown { kind, code }),
    ]
}

proptest! {
    #[test]
    fn round_trip(header in header(), body: Vec<u8>) {
        let bytes = emit(header, &body);
        prop_assert_eq!(parse(&bytes), Ok(Message { header, body: &body }));
    }
}
