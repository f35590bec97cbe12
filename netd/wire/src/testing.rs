//! What the tests of all formats share.

use core::net::{Ipv4Addr, Ipv6Addr};
use std::vec;
use std::vec::Vec;

use proptest::prelude::{Strategy, any};

use crate::{
    Ecn, EtherType, Headroom, MacAddress, NoRoom, Protocol, Pseudo, Seal, ethernet, ipv4, ipv6,
    sum, tcp,
};

/// The bytes of a packet: `payload` with the headers that `write` puts in front of it.
pub fn packet(
    payload: &[u8],
    write: impl FnOnce(&mut Headroom<'_>) -> Result<(), NoRoom>,
) -> Vec<u8> {
    const ROOM: usize = 512;
    let mut bytes = vec![0xaa; ROOM];
    bytes.extend_from_slice(payload);
    let mut room = Headroom::new(&mut bytes[..ROOM]);
    write(&mut room).expect("room for every header");
    let start = room.left();
    bytes.split_off(start)
}

/// An address that one station may own.
pub fn station() -> impl Strategy<Value = MacAddress> {
    any::<[u8; 6]>().prop_map(|[first, b, c, d, e, _]| MacAddress([first & 0xfe, b, c, d, e, 1]))
}

/// An address that may be the source of a packet.
pub fn host4() -> impl Strategy<Value = Ipv4Addr> {
    any::<[u8; 4]>().prop_map(|[a, b, c, d]| Ipv4Addr::new(a & 0x7f, b, c, d))
}

/// An address that may be the source of a packet.
pub fn host6() -> impl Strategy<Value = Ipv6Addr> {
    any::<[u16; 7]>()
        .prop_map(|[b, c, d, e, f, g, h]| Ipv6Addr::new(0x2001, b, c, d, e, f, g, h | 1))
}

pub const ALICE6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xa);
pub const BOB6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xb);

pub const ALICE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub const BOB: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);

/// What a checksum covers between these two.
pub fn pseudo() -> Pseudo {
    Pseudo::v4(ALICE, BOB)
}

/// A checksum over it and this payload.
pub fn full(payload: &[u8]) -> Seal {
    Seal::Full {
        pseudo: pseudo(),
        payload: sum(payload),
    }
}

/// The frame of a segment in a packet with these marks.
pub fn frame_in(ecn: Ecn, header: &tcp::Header, payload: &[u8]) -> Vec<u8> {
    packet(payload, |room| {
        let seal = Seal::Full {
            pseudo: Pseudo::v4(ALICE, BOB),
            payload: sum(payload),
        };
        header.emit(room, payload.len(), seal)?;
        let len = header.header_len() + payload.len();
        let ip = ipv4::Header {
            ecn,
            ..ipv4::Header::atomic(ALICE, BOB, Protocol::TCP, 64)
        };
        ip.emit(room, len)?;
        ethernet::Header {
            destination: MacAddress([2, 0, 0, 0, 0, 1]),
            source: MacAddress([2, 0, 0, 0, 0, 2]),
            ethertype: EtherType::IPV4,
        }
        .emit(room)
    })
}

/// The frame of a segment over IPv6, of the flow with this label.
pub fn frame6(label: u32, header: &tcp::Header, payload: &[u8]) -> Vec<u8> {
    packet(payload, |room| {
        let seal = Seal::Full {
            pseudo: Pseudo::v6(ALICE6, BOB6),
            payload: sum(payload),
        };
        header.emit(room, payload.len(), seal)?;
        let len = header.header_len() + payload.len();
        let ip = ipv6::Header {
            flow_label: label,
            ..ipv6::Header::new(ALICE6, BOB6, Protocol::TCP, 64)
        };
        ip.emit(room, len)?;
        ethernet::Header {
            destination: MacAddress([2, 0, 0, 0, 0, 1]),
            source: MacAddress([2, 0, 0, 0, 0, 2]),
            ethertype: EtherType::IPV6,
        }
        .emit(room)
    })
}
