use super::*;
use crate::testing::{packet, station};
use proptest::prelude::{any, prop_assert_eq, proptest};
use std::vec::Vec;

const FRAME: [u8; 16] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, // to everybody
    0x52, 0x54, 0x00, 0x12, 0x34, 0x56, // from QEMU's usual address
    0x08, 0x06, // ARP
    0xca, 0xfe,
];

#[test]
fn golden_frame() {
    let header = Header {
        destination: MacAddress::BROADCAST,
        source: MacAddress([0x52, 0x54, 0, 0x12, 0x34, 0x56]),
        ethertype: EtherType::ARP,
    };
    assert_eq!(
        Frame::parse(&FRAME),
        Ok(Frame {
            header,
            payload: &[0xca, 0xfe]
        })
    );
    assert_eq!(packet(&[0xca, 0xfe], |room| header.emit(room)), FRAME);
}

#[test]
fn refusals() {
    for len in 0..HEADER_LEN {
        assert_eq!(Frame::parse(&FRAME[..len]), Err(Drop::EthernetShort));
    }
    let mut frame = FRAME;
    frame[12..14].copy_from_slice(&[0x05, 0xff]);
    assert_eq!(Frame::parse(&frame), Err(Drop::EthernetLength));
    let mut frame = FRAME;
    frame[6] |= 0x01;
    assert_eq!(Frame::parse(&frame), Err(Drop::EthernetSource));
}

proptest! {
    #[test]
    fn round_trip(
        destination: [u8; 6],
        source in station(),
        ethertype in LEAST_TYPE..,
        payload: Vec<u8>,
    ) {
        let destination = MacAddress(destination);
        let header = Header { destination, source, ethertype: EtherType(ethertype) };
        let bytes = packet(&payload, |room| header.emit(room));
        prop_assert_eq!(Frame::parse(&bytes), Ok(Frame { header, payload: &payload }));
    }

    #[test]
    fn what_parses_is_what_was_there(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(frame) = Frame::parse(&bytes) {
            prop_assert_eq!(packet(frame.payload, |room| frame.header.emit(room)), bytes);
        }
    }
}
