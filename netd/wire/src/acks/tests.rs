use super::*;
use crate::tcp::{Options, Timestamps};
use crate::testing::{frame_in, frame6};
use crate::{Ecn, MacAddress};
use proptest::prelude::{prop_assert, proptest};
use std::vec::Vec;

const STAMPS: Options = Options {
    timestamps: Some(Timestamps {
        value: u32::MAX,
        echo: 8,
    }),
    ..Options::NONE
};

fn header(options: Options) -> tcp::Header {
    tcp::Header {
        src_port: 80,
        dst_port: 40_000,
        seq: 5,
        ack: u32::MAX - 10,
        flags: Flags::ACK,
        window: 500,
        urgent: 0,
        options,
    }
}

/// A segment without data, over one family or the other.
type Frame = fn(&tcp::Header) -> Vec<u8>;
const FAMILIES: [Frame; 2] = [
    |header| frame_in(Ecn::NotCapable, header, &[]),
    |header| frame6(7, header, &[]),
];

fn kept(frame: &[u8]) -> Option<Acknowledgement> {
    let mut place = Acknowledgement::NONE;
    place.keep(frame);
    let is_whole = frame.len() <= LONGEST;
    assert_eq!(place.frame(), if is_whole { frame } else { &[] });
    assert_eq!(place.head(), &frame[..frame.len().min(LONGEST)]);
    place.is_one().then_some(place)
}

fn overtakes(frame: &[u8], last: &[u8]) -> bool {
    let mut place = kept(last).expect("an acknowledgement");
    let overtaken = place.overtake(frame, false);
    assert_eq!(place.frame(), overtaken.map_or(last, |_| frame));
    assert!(overtaken.is_none_or(|len| len == last.len()));
    overtaken.is_some()
}

fn later(header: tcp::Header, bytes: u32) -> tcp::Header {
    tcp::Header {
        ack: header.ack.wrapping_add(bytes),
        ..header
    }
}

#[test]
fn it_says_how_far_bytes_have_come_and_nothing_else() {
    for (frame, options) in FAMILIES.into_iter().zip([Options::NONE, STAMPS]) {
        let plain = header(options);
        let mut padded = frame(&plain);
        assert_eq!(kept(&padded).expect("one").frame(), padded);
        padded.resize(60.max(padded.len()), 0);
        assert!(kept(&padded).is_some());
        for flags in [
            Flags::ACK | Flags::PSH,
            Flags::ACK | Flags::FIN,
            Flags::ACK | Flags::SYN,
            Flags::ACK | Flags::RST,
            Flags::ACK | Flags::URG,
            Flags::ACK | Flags::ECE,
            Flags::ACK | Flags::CWR,
            Flags::NONE,
        ] {
            assert!(
                kept(&frame(&tcp::Header { flags, ..plain })).is_none(),
                "{flags:?}"
            );
        }
        let mut lost = plain;
        lost.options.sack.push(tcp::SackBlock {
            left: 90,
            right: 100,
        });
        assert!(kept(&frame(&lost)).is_none(), "something is missing");
        assert!(
            kept(&frame_in(Ecn::NotCapable, &plain, b"x")).is_none(),
            "data"
        );
        let mut place = kept(&frame(&plain)).expect("one");
        place.keep(&frame(&lost));
        assert!(!place.is_one(), "the last one does not stay");
    }
}

#[test]
fn a_later_one_stands_for_the_one_before() {
    for frame in FAMILIES {
        for options in [Options::NONE, STAMPS] {
            let first = header(options);
            let last = frame(&first);
            // RFC 9293 section 3.4: numbers go round.
            for bytes in [1, 10, 11, 0x7fff_ffff] {
                assert!(overtakes(&frame(&later(first, bytes)), &last), "{bytes}");
            }
            for bytes in [0, 0x8000_0000, u32::MAX] {
                assert!(!overtakes(&frame(&later(first, bytes)), &last), "{bytes}");
            }
            let other = tcp::Header {
                window: 0,
                ..later(first, 9)
            };
            assert!(overtakes(&frame(&other), &last), "the window is its own");
        }
    }
}

#[test]
fn what_is_another_conversation_or_older_does_not() {
    for frame in FAMILIES {
        let first = header(STAMPS);
        let (last, next) = (frame(&first), later(first, 9));
        for other in [
            tcp::Header {
                src_port: 81,
                ..next
            },
            tcp::Header {
                dst_port: 1,
                ..next
            },
            tcp::Header { seq: 6, ..next },
            header(Options::NONE),
            later(header(Options::NONE), 9),
        ] {
            assert!(!overtakes(&frame(&other), &last), "{other:?}");
        }
        let stamped = |value| {
            let timestamps = Some(Timestamps { value, echo: 900 });
            frame(&tcp::Header {
                options: Options {
                    timestamps,
                    ..Options::NONE
                },
                ..next
            })
        };
        // RFC 7323 section 5.3: older by the numbers that go round.
        assert!(overtakes(&stamped(0), &last) && overtakes(&stamped(u32::MAX), &last));
        assert!(!overtakes(&stamped(u32::MAX - 1), &last));
        let mut strange = frame(&next);
        strange[..6].copy_from_slice(&MacAddress([2, 0, 0, 0, 0, 9]).0);
        assert!(!overtakes(&strange, &last), "another hardware address");
        let [four, six] = FAMILIES;
        assert_eq!(overtakes(&four(&next), &last), last == four(&first));
        assert_eq!(overtakes(&six(&next), &last), last == six(&first));
    }
    let next = later(header(STAMPS), 9);
    let marked = frame_in(Ecn::Congested, &next, &[]);
    assert!(!overtakes(
        &marked,
        &frame_in(Ecn::NotCapable, &header(STAMPS), &[])
    ));
}

#[test]
fn what_is_damaged_does_not_unless_somebody_has_verified_it() {
    for frame in FAMILIES {
        let first = header(STAMPS);
        let last = kept(&frame(&first)).expect("one");
        let right = frame(&later(first, 9));
        for byte in 0..right.len() {
            let mut damaged = right.clone();
            damaged[byte] ^= 0x10;
            assert!(
                last.clone().overtake(&damaged, false).is_none(),
                "byte {byte}"
            );
        }
        let mut unsummed = right;
        let field = unsummed.len() - 16;
        unsummed[field] ^= 1;
        assert_eq!(last.clone().overtake(&unsummed, false), None);
        assert_eq!(last.clone().overtake(&unsummed, true), Some(unsummed.len()));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_taken(bytes: Vec<u8>, start in 0_usize..90) {
        let mut frame = FAMILIES[bytes.len() % 2](&header(STAMPS));
        let start = start.min(frame.len());
        frame.truncate(start);
        frame.extend(bytes);
        let last = kept(&FAMILIES[0](&header(STAMPS))).expect("one");
        prop_assert!(last.clone().overtake(&frame, false).is_none());
        kept(&frame);
    }
}
