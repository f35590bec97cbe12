use super::*;
use crate::sum;
use crate::testing::{full, packet, pseudo};
use proptest::prelude::{any, prop_assert, prop_assert_eq, prop_compose, proptest};
use std::vec::Vec;

fn parse(bytes: &[u8]) -> Result<Segment<'_>, Drop> {
    Segment::parse(bytes, Check::Verify(pseudo()))
}

const HEADER: Header = Header {
    src_port: 0x1234,
    dst_port: 80,
    seq: 0x0102_0304,
    ack: 0x0506_0708,
    flags: Flags::ACK.union(Flags::PSH),
    window: 0xfff0,
    urgent: 0,
    options: Options::NONE,
};

/// Checksum by hand: the pseudo header c000 + 0201 + c633 + 6402 + 0006 + 0017 = ec53 + 1 carry
/// (1ec53), the segment 1234 + 0050 + 0102 + 0304 + 0506 + 0708 + 5018 + fff0 + 4745 + 5400 =
/// 20de5 = 0de7; ec54 + 0de7 = fa3b; complement 05c4.
const GOLDEN: [u8; 23] = [
    0x12, 0x34, 0x00, 0x50, 1, 2, 3, 4, 5, 6, 7, 8, 0x50, 0x18, 0xff, 0xf0, 0x05, 0xc4, 0,
    0, //
    b'G', b'E', b'T',
];

// RFC 9293: MUST-2
#[test]
fn golden_segment() {
    assert_eq!(
        packet(b"GET", |room| HEADER.emit(room, 3, full(b"GET"))),
        GOLDEN
    );
    assert_eq!(
        parse(&GOLDEN),
        Ok(Segment {
            header: HEADER,
            payload: b"GET",
            rest: Rest::NONE,
        })
    );
}

#[test]
fn sequence_length_counts_syn_and_fin() {
    for (flags, expected) in [
        (Flags::ACK, 3),
        (Flags::SYN, 4),
        (Flags::FIN | Flags::ACK, 4),
        (Flags::SYN | Flags::FIN, 5),
    ] {
        let header = Header { flags, ..HEADER };
        assert_eq!(
            Segment {
                header,
                payload: b"GET",
                rest: Rest::NONE,
            }
            .sequence_len(),
            expected
        );
    }
}

// RFC 9293: MUST-3
#[test]
fn refusals() {
    for len in 0..HEADER_LEN {
        assert_eq!(parse(&GOLDEN[..len]), Err(Drop::TcpShort));
    }
    for offset in 0..5 {
        let mut bytes = GOLDEN;
        bytes[12] = offset << 4;
        assert_eq!(parse(&bytes), Err(Drop::TcpDataOffset));
    }
    let mut bytes = GOLDEN;
    bytes[12] = 0x60;
    assert_eq!(parse(&bytes), Err(Drop::TcpDataOffset), "24 bytes of 23");
    for bit in (0..GOLDEN.len() * 8).filter(|bit| bit / 8 != 12) {
        let mut bytes = GOLDEN;
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(parse(&bytes), Err(Drop::TcpChecksum), "bit {bit}");
        assert!(Segment::parse(&bytes, Check::Trusted).is_ok());
    }
    for header in [
        Header {
            src_port: 0,
            ..HEADER
        },
        Header {
            dst_port: 0,
            ..HEADER
        },
    ] {
        let bytes = packet(&[], |room| header.emit(room, 0, full(&[])));
        assert_eq!(parse(&bytes), Err(Drop::TcpPort));
    }
}

#[test]
fn partial_checksum_is_completed_by_the_device() {
    let mut bytes = packet(b"GET", |room| {
        HEADER.emit(room, 3, Seal::Partial { pseudo: pseudo() })
    });
    let field = sum(&bytes).finish();
    bytes[16..18].copy_from_slice(&field);
    assert_eq!(bytes, GOLDEN);
}

#[test]
fn wrong_options_refuse_the_segment() {
    let mut bytes = packet(&[2, 3, 0, 0], |room| {
        HEADER.emit(room, 4, full(&[2, 3, 0, 0]))
    });
    bytes[12] = 0x60;
    assert_eq!(Segment::parse(&bytes, Check::Trusted), Err(Drop::TcpOption));
}

prop_compose! {
    pub(super) fn sack_blocks(most: usize)(
        blocks in proptest::collection::vec(any::<(u32, u32)>(), 0..=most),
    ) -> SackBlocks {
        blocks.into_iter().map(|(left, right)| SackBlock { left, right }).collect()
    }
}

prop_compose! {
    /// Options of which all blocks fit beside the others.
    fn options()(
        mss: Option<u16>,
        window_scale: Option<u8>,
        sack_permitted: bool,
        timestamps: Option<(u32, u32)>,
        sack in sack_blocks(2),
        many in sack_blocks(4),
        is_plain: bool,
    ) -> Options {
        if is_plain {
            Options { sack: many, ..Options::NONE }
        } else {
            let timestamps = timestamps.map(|(value, echo)| Timestamps { value, echo });
            let sack = if mss.is_some() || window_scale.is_some() { sack.truncated(1) } else { sack };
            Options { mss, window_scale, sack_permitted, timestamps, sack, ..Options::NONE }
        }
    }
}

prop_compose! {
    fn header()(
        src_port in 1_u16..,
        dst_port in 1_u16..,
        seq: u32,
        ack: u32,
        flags in 0_u16..0x200,
        window: u16,
        urgent: u16,
        options in options(),
    ) -> Header {
        let flags = Flags::from_bits(flags);
        Header { src_port, dst_port, seq, ack, flags, window, urgent, options }
    }
}

proptest! {
    #[test]
    fn round_trip(header in header(), payload: Vec<u8>) {
        let bytes = packet(&payload, |room| header.emit(room, payload.len(), full(&payload)));
        prop_assert_eq!(bytes.len(), header.header_len() + payload.len());
        prop_assert!(header.header_len() <= MAX_HEADER_LEN && header.header_len() % 4 == 0);
        let rest = Rest::NONE;
        prop_assert_eq!(parse(&bytes), Ok(Segment { header, payload: &payload, rest }));
    }
}
