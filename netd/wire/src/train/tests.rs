use super::*;
use crate::tcp::{Options, Timestamps};
use crate::testing::{ALICE, ALICE6, BOB, BOB6, frame_in, frame6};
use crate::{Ecn, Pseudo, ethernet, ipv4, ipv6, sum};
use core::net::Ipv6Addr;
use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};
use std::vec;
use std::vec::Vec;

const STAMPS: Options = Options {
    timestamps: Some(Timestamps { value: 9, echo: 8 }),
    ..Options::NONE
};

fn header(options: Options) -> tcp::Header {
    tcp::Header {
        src_port: 80,
        dst_port: 40_000,
        seq: u32::MAX - 2,
        ack: 77,
        flags: Flags::ACK,
        window: 500,
        urgent: 0,
        options,
    }
}

fn frame(header: &tcp::Header, payload: &[u8]) -> Vec<u8> {
    frame_in(Ecn::NotCapable, header, payload)
}

#[test]
fn over_six_the_same_follows() {
    for options in [Options::NONE, STAMPS] {
        let first = header(options);
        let behind_first = || Train::<Ipv6Addr>::behind(&frame6(7, &first, b"abcd"));
        let mut train = behind_first().expect("a train");
        let mut second = frame6(7, &behind(first, 4), b"e");
        second.extend([0x55; 9]);
        let follower = train.follow(&second).expect("the next bytes");
        assert_eq!(follower.payload, b"e");
        assert!(follower.is_valid(sum(b"e")) && !follower.is_valid(sum(b"f")));
        train.append(1);
        assert_eq!(train.header(1), Some((behind(first, 4), Ecn::NotCapable)));
        let mut train = behind_first().expect("a train");
        assert!(
            train.follow(&frame6(8, &behind(first, 4), b"e")).is_none(),
            "another flow"
        );
        assert!(
            train.follow(&frame(&behind(first, 4), b"e")).is_none(),
            "another family"
        );
        assert!(Train::<Ipv6Addr>::behind(&frame(&first, b"abcd")).is_none());
        assert!(Train::<Ipv4Addr>::behind(&frame6(7, &first, b"abcd")).is_none());
    }
}

/// What its last part looks like is not what the packet was.
#[test]
fn no_train_begins_behind_a_part_of_a_packet() {
    let whole = frame(&header(Options::NONE), b"abcd");
    assert!(Train::<Ipv4Addr>::behind(&whole).is_some());
    for fragment in [[0x20, 0], [0, 185], [0x1f, 0xff]] {
        let mut part = whole.clone();
        part[20..22].copy_from_slice(&fragment);
        assert!(Train::<Ipv4Addr>::behind(&part).is_none(), "{fragment:x?}");
    }
}

/// Whether a frame continues the train behind another one.
fn continues(first: &[u8], second: &[u8]) -> bool {
    let mut train = Train::<Ipv4Addr>::behind(first).expect("a train");
    train.follow(second).is_some()
}

fn behind(first: tcp::Header, len: u32) -> tcp::Header {
    tcp::Header {
        seq: first.seq.wrapping_add(len),
        ..first
    }
}

#[test]
fn the_next_bytes_follow_with_or_without_push_and_padding() {
    for options in [Options::NONE, STAMPS] {
        let first = header(options);
        let mut train = Train::<Ipv4Addr>::behind(&frame(&first, b"abcd")).expect("a train");
        let mut second = frame(&behind(first, 4), b"e");
        second.extend([0x55; 9]);
        let follower = train.follow(&second).expect("the next bytes");
        assert_eq!(follower.payload, b"e");
        assert!(follower.is_valid(sum(b"e")) && !follower.is_valid(sum(b"f")));
        train.append(1);
        let mut third = behind(first, 5);
        third.flags |= Flags::PSH;
        let third = frame(&third, b"fgh");
        assert!(
            train
                .follow(&third)
                .is_some_and(|it| it.is_valid(sum(b"fgh")))
        );
        train.append(3);
        assert_eq!(train.header(4), Some((behind(first, 4), Ecn::NotCapable)));
        assert!(train.follow(&third).is_none(), "the same bytes again");
    }
}

#[test]
fn whatever_says_something_new_does_not_follow() {
    let first = header(STAMPS);
    let sent = frame(&first, b"abcd");
    let next = behind(first, 4);
    assert!(continues(&sent, &frame(&next, b"e")));
    let mut others = vec![
        tcp::Header {
            seq: next.seq.wrapping_add(1),
            ..next
        },
        tcp::Header {
            seq: next.seq.wrapping_sub(1),
            ..next
        },
        tcp::Header {
            ack: next.ack + 1,
            ..next
        },
        tcp::Header {
            window: next.window + 1,
            ..next
        },
        tcp::Header {
            src_port: 81,
            ..next
        },
        tcp::Header {
            dst_port: 40_001,
            ..next
        },
        tcp::Header { urgent: 1, ..next },
        header(Options::NONE),
    ];
    for flag in [
        Flags::FIN,
        Flags::SYN,
        Flags::RST,
        Flags::URG,
        Flags::ECE,
        Flags::CWR,
        Flags::AE,
    ] {
        others.push(tcp::Header {
            flags: next.flags | flag,
            ..next
        });
    }
    for (value, echo) in [(8, 8), (10, 8), (9, 7)] {
        let timestamps = Some(Timestamps { value, echo });
        others.push(tcp::Header {
            options: Options {
                timestamps,
                ..STAMPS
            },
            ..next
        });
    }
    for other in others {
        assert!(!continues(&sent, &frame(&other, b"e")), "{other:?}");
    }
    for ecn in [Ecn::Capable0, Ecn::Congested] {
        assert!(!continues(&sent, &frame_in(ecn, &next, b"e")));
    }
    assert!(!continues(&sent, &frame(&next, b"")), "no bytes");
}

#[test]
fn a_train_begins_with_plain_data_only() {
    let plain = header(STAMPS);
    assert!(Train::<Ipv4Addr>::behind(&frame(&plain, b"a")).is_some());
    assert!(Train::<Ipv4Addr>::behind(&frame(&plain, b"")).is_none());
    assert!(Train::<Ipv4Addr>::behind(&frame_in(Ecn::Congested, &plain, b"a")).is_none());
    for flags in [
        Flags::FIN,
        Flags::SYN,
        Flags::RST,
        Flags::URG,
        Flags::ECE,
        Flags::CWR,
    ] {
        let flags = plain.flags | flags;
        assert!(Train::<Ipv4Addr>::behind(&frame(&tcp::Header { flags, ..plain }, b"a")).is_none());
    }
    let no_ack = tcp::Header {
        flags: Flags::PSH,
        ..plain
    };
    assert!(Train::<Ipv4Addr>::behind(&frame(&no_ack, b"a")).is_none());
    let mss = Options {
        mss: Some(1_460),
        ..Options::NONE
    };
    assert!(Train::<Ipv4Addr>::behind(&frame(&header(mss), b"a")).is_none());
}

fn bits() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..4)
}

proptest! {
    /// A frame that follows, however it was changed, says the same as the first to the parsers,
    /// and is valid to both or to none.
    #[test]
    fn who_follows_is_understood_by_the_first(
        stamps: bool,
        len in 1_usize..80,
        bits in bits(),
        cut in 0_usize..20,
    ) {
        let first = header(if stamps { STAMPS } else { Options::NONE });
        let mut train = Train::<Ipv4Addr>::behind(&frame(&first, b"abcd")).expect("a train");
        let mut second = frame(&behind(first, 4), &vec![7; len]);
        for bit in bits {
            let bit = bit.index(second.len() * 8);
            second[bit / 8] ^= 1 << (bit % 8);
        }
        second.truncate(second.len().saturating_sub(cut));
        let Some(follower) = train.follow(&second) else {
            return Ok(());
        };
        let link = ethernet::Frame::parse(&second).expect("as the first");
        let packet = ipv4::Packet::parse(link.payload).expect("as the first");
        let trusted = Segment::parse(packet.payload, Check::Trusted).expect("as the first");
        prop_assert_eq!(trusted.payload, follower.payload);
        let header = tcp::Header {
            flags: trusted.header.flags.without(Flags::PSH),
            ..trusted.header
        };
        prop_assert_eq!(header, behind(first, 4));
        let check = Check::Verify(Pseudo::v4(ALICE, BOB));
        let is_valid = Segment::parse(packet.payload, check).is_ok();
        prop_assert_eq!(is_valid, follower.is_valid(sum(follower.payload)));
    }

    /// The same over IPv6.
    #[test]
    fn who_follows_over_six_is_understood_by_the_first(
        stamps: bool,
        len in 1_usize..80,
        bits in bits(),
        cut in 0_usize..20,
    ) {
        let first = header(if stamps { STAMPS } else { Options::NONE });
        let mut train = Train::<Ipv6Addr>::behind(&frame6(7, &first, b"abcd")).expect("a train");
        let mut second = frame6(7, &behind(first, 4), &vec![7; len]);
        for bit in bits {
            let bit = bit.index(second.len() * 8);
            second[bit / 8] ^= 1 << (bit % 8);
        }
        second.truncate(second.len().saturating_sub(cut));
        let Some(follower) = train.follow(&second) else {
            return Ok(());
        };
        let link = ethernet::Frame::parse(&second).expect("as the first");
        let packet = ipv6::Packet::parse(link.payload).expect("as the first");
        let trusted = Segment::parse(packet.payload, Check::Trusted).expect("as the first");
        prop_assert_eq!(trusted.payload, follower.payload);
        let header = tcp::Header {
            flags: trusted.header.flags.without(Flags::PSH),
            ..trusted.header
        };
        prop_assert_eq!(header, behind(first, 4));
        let check = Check::Verify(Pseudo::v6(ALICE6, BOB6));
        let is_valid = Segment::parse(packet.payload, check).is_ok();
        prop_assert_eq!(is_valid, follower.is_valid(sum(follower.payload)));
    }

    #[test]
    fn any_bytes_are_taken(bytes: Vec<u8>, other: Vec<u8>) {
        if let Some(mut train) = Train::<Ipv4Addr>::behind(&bytes) {
            prop_assert!(train.follow(&other).is_none_or(|it| !it.payload.is_empty()));
        }
        if let Some(mut train) = Train::<Ipv6Addr>::behind(&bytes) {
            prop_assert!(train.follow(&other).is_none_or(|it| !it.payload.is_empty()));
        }
    }
}
