//! What must hold of any bytes: a parser gives a value or a reason, and never panics; a value can
//! be looked at and written, and what is written is read as the same value.
//!
//! Each law says whether the bytes were accepted. The tests and the fuzz targets share them.

#![allow(dead_code, unused_imports, reason = "every user needs another law")]

mod listeners;
mod options;
mod six;

pub use listeners::{igmp, mld};
pub use options::tcp_options;
pub use six::{icmp6, ipv6, ndp};

use std::net::{Ipv4Addr, Ipv6Addr};

use wire::{
    Check, Headroom, NoRoom, Pseudo, Seal, arp as arp_format, dhcp4 as dhcp4_format,
    dhcp6 as dhcp6_format, dns as dns_format, ethernet as ethernet_format, icmp4 as icmp4_format,
    ipv4 as ipv4_format, sum, tcp as tcp_format, udp as udp_format,
};

/// A packet's ends.
pub const ALICE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// A packet's ends.
pub const BOB: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);

/// A packet's ends.
pub const ALICE6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xa);
/// A packet's ends.
pub const BOB6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xb);

/// For results that need only come without a panic.
fn look<T>(_: T) {}

/// The bytes of a packet: `payload` with the headers that `write` puts in front of it.
pub fn packet(
    payload: &[u8],
    write: impl FnOnce(&mut Headroom<'_>) -> Result<(), NoRoom>,
) -> Vec<u8> {
    const ROOM: usize = 2048;
    let mut bytes = vec![0; ROOM];
    bytes.extend_from_slice(payload);
    let mut room = Headroom::new(&mut bytes[..ROOM]);
    write(&mut room).expect("room");
    let start = room.left();
    bytes.split_off(start)
}

/// Ethernet frames.
pub fn ethernet(bytes: &[u8]) -> bool {
    ethernet_format::Frame::parse(bytes).is_ok_and(|it| {
        assert_eq!(packet(it.payload, |room| it.header.emit(room)), bytes);
        true
    })
}

/// ARP packets.
pub fn arp(bytes: &[u8]) -> bool {
    arp_format::Packet::parse(bytes).is_ok_and(|it| {
        look((it.is_probe(), it.is_announcement()));
        assert_eq!(packet(&[], |room| it.emit(room)), bytes[..arp_format::LEN]);
        true
    })
}

/// IPv4 packets. The checksum is mended first: else hardly any bytes would come further.
pub fn ipv4(bytes: &[u8]) -> bool {
    let mut bytes = bytes.to_vec();
    let len = usize::from(bytes.first().copied().unwrap_or(0) & 0x0f) * 4;
    if len >= ipv4_format::HEADER_LEN && bytes.len() >= len {
        bytes[10..12].fill(0);
        let field = sum(&bytes[..len]).finish();
        bytes[10..12].copy_from_slice(&field);
    }
    let quote = ipv4_format::Quote::parse(&bytes);
    look(quote.map(|it| (it.ports(), it.tcp_sequence(), it.echo())));
    ipv4_format::Packet::parse(&bytes).is_ok_and(|it| {
        let again = packet(it.payload, |room| it.header.emit(room, it.payload.len()));
        let again = ipv4_format::Packet::parse(&again).expect("own bytes");
        assert_eq!((again.header, again.payload), (it.header, it.payload));
        assert!(it.options.len() <= 40 && it.bytes.len() <= bytes.len());
        true
    })
}

/// ICMP messages, their checksum mended.
pub fn icmp4(bytes: &[u8]) -> bool {
    let mut bytes = bytes.to_vec();
    if bytes.len() >= icmp4_format::HEADER_LEN {
        bytes[2..4].fill(0);
        let field = sum(&bytes).finish();
        bytes[2..4].copy_from_slice(&field);
    }
    icmp4_format::Message::parse(&bytes).is_ok_and(|it| {
        look(
            it.quote()
                .map(|quote| (quote.ports(), quote.echo(), quote.tcp_sequence())),
        );
        let again = packet(it.body, |room| it.header.emit(room, sum(it.body)));
        assert_eq!(icmp4_format::Message::parse(&again), Ok(it));
        true
    })
}

/// UDP datagrams.
pub fn udp(bytes: &[u8]) -> bool {
    use udp_format::{Datagram, NoChecksum};
    let pseudo = Pseudo::v4(ALICE, BOB);
    look(Datagram::parse(
        bytes,
        Check::Verify(pseudo),
        NoChecksum::Refuse,
    ));
    Datagram::parse(bytes, Check::Trusted, NoChecksum::Accept).is_ok_and(|it| {
        let seal = Seal::Full {
            pseudo,
            payload: sum(it.payload),
        };
        let again = packet(it.payload, |room| {
            it.header.emit(room, it.payload.len(), seal)
        });
        assert_eq!(
            Datagram::parse(&again, Check::Verify(pseudo), NoChecksum::Refuse),
            Ok(it)
        );
        true
    })
}

/// TCP segments.
pub fn tcp(bytes: &[u8]) -> bool {
    use tcp_format::{Header, Options, Segment};
    let pseudo = Pseudo::v4(ALICE, BOB);
    look(Segment::parse(bytes, Check::Verify(pseudo)));
    Segment::parse(bytes, Check::Trusted).is_ok_and(|it| {
        let seal = Seal::Full {
            pseudo,
            payload: sum(it.payload),
        };
        let again = packet(it.payload, |room| {
            it.header.emit(room, it.payload.len(), seal)
        });
        let again = Segment::parse(&again, Check::Verify(pseudo)).expect("own bytes");
        assert_eq!(again.sequence_len(), it.sequence_len());
        // A header has room for fewer blocks in the customary layout than in the tightest.
        let sack = it
            .header
            .options
            .sack
            .truncated(again.header.options.sack.len());
        let options = Options {
            sack,
            ..it.header.options
        };
        assert_eq!(
            again.header,
            Header {
                options,
                ..it.header
            }
        );
        true
    })
}

/// DHCP messages.
pub fn dhcp4(bytes: &[u8]) -> bool {
    dhcp4_format::Message::parse(bytes).is_ok_and(|it| {
        let mut again = vec![0; 3000];
        let len = it.emit(&mut again).expect("room");
        assert_eq!(dhcp4_format::Message::parse(&again[..len]), Ok(it));
        true
    })
}

/// DHCP messages for IPv6.
pub fn dhcp6(bytes: &[u8]) -> bool {
    dhcp6_format::Message::parse(bytes).is_ok_and(|it| {
        let mut again = vec![0; bytes.len()];
        let len = it
            .emit(&mut again)
            .expect("never longer than what was read");
        assert_eq!(dhcp6_format::Message::parse(&again[..len]), Ok(it));
        true
    })
}

/// DNS messages, as far as their records are well-formed.
pub fn dns(bytes: &[u8]) -> bool {
    dns_format::Message::parse(bytes).is_ok_and(|message| {
        let mut again = vec![0; 65_535];
        let mut builder = dns_format::Builder::new(&mut again, message.header).expect("room");
        // Without compression a long message of short names may not fit.
        let fits = message
            .questions()
            .all(|question| builder.question(&question).is_ok())
            && message
                .records()
                .map_while(Result::ok)
                .all(|(section, record)| builder.record(section, &record).is_ok());
        let len = builder.finish();
        if fits {
            let again = dns_format::Message::parse(&again[..len]).expect("own bytes");
            assert_eq!(again.header, message.header);
            assert!(again.questions().eq(message.questions()));
            assert!(
                again
                    .records()
                    .eq(message.records().take_while(Result::is_ok))
            );
        }
        true
    })
}
