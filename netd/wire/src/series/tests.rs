use super::*;
use crate::testing::{host4, host6, packet};
use crate::{Ecn, Pseudo, ipv4, sum};
use core::net::Ipv6Addr;
use proptest::prelude::{any, prop, prop_assert_eq, proptest};

proptest! {
    /// A series is nothing new on the wire: each segment is what its headers alone would give.
    #[test]
    fn each_segment_is_as_if_sent_alone(
        (source, destination) in (host4(), host4()),
        (seq, ack, identification) in (any::<u32>(), any::<u32>(), any::<u16>()),
        (window, common, more) in (any::<u16>(), any::<u16>(), any::<u16>()),
        stamps in prop::option::of((any::<u32>(), any::<u32>())),
        (dscp, ecn, ttl) in (0..64_u8, any::<u8>(), any::<u8>()),
        payload in prop::collection::vec(any::<u8>(), 0..100),
        way in 0..3_usize,
    ) {
        let (common, more) = (Flags::from_bits(common), Flags::from_bits(more));
        let timestamps = stamps.map(|(value, echo)| tcp::Timestamps { value, echo });
        let transport = tcp::Header {
            src_port: 0x1234,
            dst_port: 80,
            seq: 77,
            ack,
            flags: common,
            window,
            urgent: 0,
            options: tcp::Options { timestamps, ..tcp::Options::NONE },
        };
        let network = ipv4::Header {
            dscp,
            ecn: Ecn::from_bits(ecn),
            ..ipv4::Header::atomic(source, destination, Protocol::TCP, ttl)
        };
        let pseudo = Pseudo::v4(source, destination);
        let full = Seal::Full { pseudo, payload: sum(&payload) };
        let seal = [full, Seal::Partial { pseudo }, Seal::Omitted][way];
        let series = Series::<Ipv4Addr>::new(&network, &transport).unwrap();
        let place = Place { seq, flags: more, identification };
        let one = packet(&payload, |room| series.emit(room, place, payload.len(), seal));
        let transport = tcp::Header { seq, flags: common | more, ..transport };
        let network = ipv4::Header { identification, ..network };
        let other = packet(&payload, |room| {
            transport.emit(room, payload.len(), seal)?;
            network.emit(room, payload.len() + transport.header_len())
        });
        prop_assert_eq!(one, other);
        prop_assert_eq!(series.header_len(), 20 + transport.header_len());
    }
}

proptest! {
    /// The same over IPv6, whose packets have no checksum and no identification.
    #[test]
    fn each_segment_over_six_is_as_if_sent_alone(
        (source, destination) in (host6(), host6()),
        (seq, ack, label) in (any::<u32>(), any::<u32>(), 0..1_u32 << 20),
        (window, common, more) in (any::<u16>(), any::<u16>(), any::<u16>()),
        stamps in prop::option::of((any::<u32>(), any::<u32>())),
        (dscp, ecn, hop_limit) in (0..64_u8, any::<u8>(), any::<u8>()),
        payload in prop::collection::vec(any::<u8>(), 0..100),
        way in 0..3_usize,
    ) {
        let (common, more) = (Flags::from_bits(common), Flags::from_bits(more));
        let timestamps = stamps.map(|(value, echo)| tcp::Timestamps { value, echo });
        let transport = tcp::Header {
            src_port: 0x1234,
            dst_port: 80,
            seq: 77,
            ack,
            flags: common,
            window,
            urgent: 0,
            options: tcp::Options { timestamps, ..tcp::Options::NONE },
        };
        let network = ipv6::Header {
            dscp,
            ecn: Ecn::from_bits(ecn),
            flow_label: label,
            ..ipv6::Header::new(source, destination, Protocol::TCP, hop_limit)
        };
        let pseudo = Pseudo::v6(source, destination);
        let full = Seal::Full { pseudo, payload: sum(&payload) };
        let seal = [full, Seal::Partial { pseudo }, Seal::Omitted][way];
        let series = Series::<Ipv6Addr>::new(&network, &transport).unwrap();
        let place = Place { seq, flags: more, identification: 5 };
        let one = packet(&payload, |room| series.emit(room, place, payload.len(), seal));
        let transport = tcp::Header { seq, flags: common | more, ..transport };
        let other = packet(&payload, |room| {
            transport.emit(room, payload.len(), seal)?;
            network.emit(room, payload.len() + transport.header_len())
        });
        prop_assert_eq!(one, other);
        prop_assert_eq!(series.header_len(), 40 + transport.header_len());
    }
}

#[test]
fn what_is_too_long_for_a_packet_is_refused() {
    let network = ipv4::Header::atomic(
        [10, 0, 0, 1].into(),
        [10, 0, 0, 2].into(),
        Protocol::TCP,
        64,
    );
    let transport = tcp::Header {
        src_port: 1,
        dst_port: 2,
        seq: 0,
        ack: 0,
        flags: Flags::ACK,
        window: 0,
        urgent: 0,
        options: tcp::Options::NONE,
    };
    let series = Series::<Ipv4Addr>::new(&network, &transport).unwrap();
    let place = Place {
        seq: 1,
        flags: Flags::NONE,
        identification: 1,
    };
    let mut front = [0; 40];
    let mut emit = |len| series.emit(&mut Headroom::new(&mut front), place, len, Seal::Omitted);
    assert_eq!(emit(65_495), Ok(()));
    assert_eq!(emit(65_496), Err(NoRoom));
    let short = &mut front[1..];
    assert_eq!(
        series.emit(&mut Headroom::new(short), place, 0, Seal::Omitted),
        Err(NoRoom)
    );
}
