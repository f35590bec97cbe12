use super::*;
use crate::testing::{full, packet, pseudo};
use crate::{Sum, sum};
use proptest::prelude::{prop_assert_eq, proptest};
use std::vec;
use std::vec::Vec;

fn parse(bytes: &[u8]) -> Result<Datagram<'_>, Drop> {
    Datagram::parse(bytes, Check::Verify(pseudo()), NoChecksum::Accept)
}

const HEADER: Header = Header {
    src_port: 0x1234,
    dst_port: 53,
};

/// Checksum by hand: c000 + 0201 + c633 + 6402 + 0011 + 000b = 1ec52 (the pseudo header), and
/// 1234 + 0035 + 000b + 6869 + 2100 = 9bdd; together ec53 + 9bdd = 18830 = 8831; complement.
const GOLDEN: [u8; 11] = [
    0x12, 0x34, 0x00, 0x35, 0x00, 0x0b, 0x77, 0xce, b'h', b'i', b'!',
];

#[test]
fn golden_datagram() {
    assert_eq!(
        packet(b"hi!", |room| HEADER.emit(room, 3, full(b"hi!"))),
        GOLDEN
    );
    assert_eq!(
        parse(&GOLDEN),
        Ok(Datagram {
            header: HEADER,
            payload: b"hi!"
        })
    );
}

#[test]
fn bytes_behind_the_length_are_ignored() {
    let mut padded = GOLDEN.to_vec();
    padded.extend([0xee; 7]);
    assert_eq!(
        parse(&padded),
        Ok(Datagram {
            header: HEADER,
            payload: b"hi!"
        })
    );
}

#[test]
fn refusals() {
    for len in 0..HEADER_LEN {
        assert_eq!(parse(&GOLDEN[..len]), Err(Drop::UdpShort));
    }
    for len in HEADER_LEN..GOLDEN.len() {
        assert_eq!(parse(&GOLDEN[..len]), Err(Drop::UdpLength));
    }
    for length in 0..8 {
        let mut bytes = GOLDEN;
        bytes[5] = length;
        assert_eq!(parse(&bytes), Err(Drop::UdpLength));
    }
    for at in 0..GOLDEN.len() {
        let mut bytes = GOLDEN;
        bytes[at] ^= 0x10;
        let refused = parse(&bytes).expect_err("one bit is wrong");
        assert!(
            matches!(refused, Drop::UdpChecksum | Drop::UdpLength),
            "byte {at}: {refused}"
        );
    }
    let nowhere = Header {
        dst_port: 0,
        ..HEADER
    };
    let bytes = packet(&[], |room| nowhere.emit(room, 0, full(&[])));
    assert_eq!(parse(&bytes), Err(Drop::UdpPort));
}

#[test]
fn absent_checksum() {
    let bytes = packet(b"x", |room| HEADER.emit(room, 1, Seal::Omitted));
    assert_eq!(bytes[6..8], [0, 0]);
    assert!(parse(&bytes).is_ok());
    let check = Check::Verify(pseudo());
    assert_eq!(
        Datagram::parse(&bytes, check, NoChecksum::Refuse),
        Err(Drop::UdpNoChecksum)
    );
    assert!(Datagram::parse(&bytes, Check::Trusted, NoChecksum::Refuse).is_ok());
}

#[test]
fn checksum_of_zero_is_sent_as_ones() {
    // The one payload of two bytes that makes the sum come out as all ones.
    let without = packet(&[0, 0], |room| HEADER.emit(room, 2, full(&[0, 0])));
    let payload = [without[6], without[7]];
    let bytes = packet(&payload, |room| HEADER.emit(room, 2, full(&payload)));
    assert_eq!(bytes[6..8], [0xff, 0xff]);
    assert!(parse(&bytes).is_ok());
}

#[test]
fn partial_checksum_is_the_pseudo_headers_sum() {
    let bytes = packet(b"hi!", |room| {
        HEADER.emit(room, 3, Seal::Partial { pseudo: pseudo() })
    });
    assert_eq!(bytes[6..8], pseudo().with(Protocol::UDP, 11).partial());
    // What the device does: sums from the header on, and writes the complement.
    assert_eq!(sum(&bytes).finish(), GOLDEN[6..8]);
}

#[test]
fn too_long_for_the_length_field() {
    let mut bytes = vec![0; 8];
    let mut room = Headroom::new(&mut bytes);
    let seal = Seal::Full {
        pseudo: pseudo(),
        payload: Sum::ZERO,
    };
    assert_eq!(HEADER.emit(&mut room, 65_528, seal), Err(NoRoom));
    assert_eq!(HEADER.emit(&mut room, usize::MAX, seal), Err(NoRoom));
    assert_eq!(HEADER.emit(&mut room, 65_527, seal), Ok(()));
}

proptest! {
    #[test]
    fn round_trip(src_port: u16, dst_port in 1_u16.., payload: Vec<u8>) {
        let header = Header { src_port, dst_port };
        let bytes = packet(&payload, |room| header.emit(room, payload.len(), full(&payload)));
        prop_assert_eq!(parse(&bytes), Ok(Datagram { header, payload: &payload }));
    }
}
