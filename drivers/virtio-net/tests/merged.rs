//! Frames of several buffers: from a device that is honest, and from one that is not.

use crate::common;
use crate::common::{ANY_LAYOUT, LARGE, MERGED, RECEIVE, Random, Rig, USUAL, rig, small, whole};
use device::{Device, LONGEST_FRAME, Offload, Verified};
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use virtio::EVENT_INDEX;
use virtio_net::Fault;

/// Bytes of a frame that fit into its first buffer, behind the header, and into each other.
const FIRST: usize = OTHER - 12;
const OTHER: usize = 8186;
/// What a device says of a buffer that it has filled.
const WHOLE: u32 = 8186;
/// An IPv4 segment of many, as a device says it: checksum to be completed, 1,448 bytes each.
const SEGMENTS: [u8; 10] = [1, 1, 66, 0, 0xa8, 5, 34, 0, 16, 0];

fn large() -> Rig {
    rig(false, USUAL | LARGE, small())
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut random = Random(seed | 1);
    (0..length)
        .map(|_| random.0.to_le_bytes()[random.up_to(8) - 1])
        .collect()
}

/// After whatever happened: a frame of one buffer and one of many come through.
fn is_alive(rig: &mut Rig) {
    rig.receive();
    for length in [60, 10_000] {
        let frame = noise(7, length);
        assert!(rig.put_large([0; 10], &frame) > 0);
        assert_eq!(rig.receive(), [frame]);
    }
    assert_eq!(rig.fake.queue(RECEIVE, |queue| queue.waiting()), 32);
}

#[test]
fn a_frame_takes_as_many_buffers_as_it_needs() {
    for (length, buffers) in [
        (60, 1),
        (FIRST, 1),
        (FIRST + 1, 2),
        (FIRST + OTHER, 2),
        (FIRST + OTHER + 1, 3),
        (LONGEST_FRAME, 9),
    ] {
        let mut rig = large();
        let frame = noise(1, length);
        assert_eq!(rig.put_large([0; 10], &frame), buffers);
        let mut seen = Vec::new();
        let frames = rig.net.reap_receive(8, &mut |received| {
            let pieces = 1 + received.rest.len();
            seen.push((pieces, received.frame.len(), whole(&received)));
        });
        assert_eq!(frames, 1);
        assert_eq!(seen, [(buffers.into(), length.min(FIRST), frame)]);
        assert_eq!(rig.fake.queue(RECEIVE, |queue| queue.waiting()), 32);
        assert_eq!(rig.net.faults(), 0);
    }
}

#[test]
fn a_turn_ends_when_its_buffers_are_used_up() {
    let mut rig = large();
    for _ in 0..3 {
        assert_eq!(rig.put_large([0; 10], &[1; 60_000]), 8);
    }
    assert_eq!(rig.net.reap_receive(8, &mut |_| {}), 1);
    // A frame that has begun is shown whole.
    assert_eq!(rig.put_large([0; 10], &[1; 60]), 1);
    assert_eq!(rig.net.reap_receive(9, &mut |_| {}), 2);
    assert_eq!(rig.net.reap_receive(9, &mut |_| {}), 1);
    assert_eq!(rig.fake.queue(RECEIVE, |queue| queue.waiting()), 32);
}

#[test]
fn what_is_left_in_a_buffer_is_not_shown_again() {
    let mut rig = large();
    for _ in 0..4 {
        assert_eq!(rig.put_large([0; 10], &[0xaa; 60_000]), 8);
        assert_eq!(rig.receive().len(), 1);
    }
    for length in [60, FIRST + 1, FIRST + OTHER + 100] {
        let frame = vec![0x55; length];
        assert!(rig.put_large([0; 10], &frame) > 0);
        assert_eq!(rig.receive(), [frame]);
    }
}

#[test]
fn large_frames_say_how_long_their_segments_are() {
    let mut rig = large();
    assert!(rig.net.facts().offloads.has(Offload::LargeReceive));
    assert_eq!(rig.put_large(SEGMENTS, &[1; 60_000]), 8);
    assert_eq!(rig.put_large(SEGMENTS, &[1; 1600]), 1);
    assert_eq!(
        rig.put_large([2, 4, 0, 0, 1, 0, 0, 0, 0, 0], &[1; 17_000]),
        3
    );
    assert_eq!(rig.put_large([0; 10], &[1; 17_000]), 3);
    let mut seen = Vec::new();
    rig.net.reap_receive(64, &mut |received| {
        seen.push((received.meta.checksum, received.meta.segment));
    });
    let expected = [
        (Verified::Yes, 1448),
        (Verified::Yes, 1448),
        (Verified::Yes, 1),
        (Verified::No, 0),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn without_the_feature_no_frame_takes_two_buffers() {
    let features = USUAL | (LARGE & !MERGED);
    let mut rig = rig(false, features, small());
    let offloads = rig.net.facts().offloads;
    assert!(!offloads.has(Offload::MergedBuffers) && !offloads.has(Offload::LargeReceive));
    let chain = rig.fake.queue(RECEIVE, |queue| queue.take().unwrap());
    assert_eq!(chain.length(), 12 + 1518, "one frame");
    rig.fake.queue(RECEIVE, |queue| queue.taken -= 1);
    // 5.1.6.4.1: without it the number means nothing.
    rig.put_with(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 9], &[3; 60]);
    assert_eq!(rig.receive(), [[3; 60]]);
    rig.put_with(&[1, 1, 66, 0, 0xa8, 5, 34, 0, 16, 0, 1, 0], &[3; 60]);
    assert!(rig.receive().is_empty());
    assert_eq!(rig.net.fault_counters().of(Fault::Header), 1);
    assert_eq!(rig.net.faults(), 1);
}

proptest! {
    #![proptest_config(common::seeded(48))]

    /// Frames of any length in any batches, past the end of the ring again and again.
    #[test]
    fn frames_come_through_whole(
        lengths in proptest::collection::vec(14..LONGEST_FRAME, 1..40), seed: u64,
        legacy: bool, event_index: bool,
    ) {
        let mut features = (USUAL & !EVENT_INDEX) | LARGE | ANY_LAYOUT;
        if event_index { features |= EVENT_INDEX }
        let mut rig = rig(legacy, features, small());
        prop_assert!(rig.net.accepted() & MERGED != 0);
        let mut random = Random(seed | 1);
        let mut sent = Vec::new();
        for (number, length) in lengths.into_iter().enumerate() {
            let length = if random.up_to(3) == 1 { length } else { 14 + length % 1500 };
            let frame = noise(number as u64, length);
            while rig.put_large([0; 10], &frame) == 0 {
                prop_assert_eq!(rig.receive(), core::mem::take(&mut sent));
            }
            sent.push(frame);
        }
        prop_assert_eq!(rig.receive(), sent);
        prop_assert_eq!(rig.net.faults(), 0);
        prop_assert_eq!(rig.fake.queue(RECEIVE, |queue| queue.waiting()), 32);
    }
}

/// Takes buffers as the device, writes these bytes into the first, and returns them as it is told:
/// whether the id is right, and how many bytes it is said to have written.
fn give(rig: &Rig, bytes: &[u8], returned: &[(bool, u32)]) {
    rig.fake.queue(RECEIVE, |queue| {
        for (place, (is_right, written)) in returned.iter().enumerate() {
            let chain = queue.take().unwrap();
            if place == 0 {
                queue.write(&chain, bytes);
            }
            let id = if *is_right { chain.id.into() } else { 9_999 };
            queue.give_back(id, *written);
        }
    });
}

fn header(count: u16) -> [u8; 12] {
    let [low, high] = count.to_le_bytes();
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, low, high]
}

#[test]
fn a_frame_without_buffers_is_none() {
    let mut rig = large();
    give(&rig, &header(0), &[(true, 100)]);
    assert!(rig.receive().is_empty());
    assert_eq!(rig.net.fault_counters().of(Fault::Buffers), 1);
    assert_eq!((rig.net.faults(), rig.net.restarts()), (1, 0));
    is_alive(&mut rig);
}

#[test]
fn a_frame_of_more_buffers_than_came_costs_a_reset() {
    for count in [2, 3, 9, 10, 18, 19, 1000, u16::MAX] {
        let mut rig = large();
        is_alive(&mut rig);
        give(&rig, &header(count), &[(true, WHOLE)]);
        assert!(rig.receive().is_empty());
        assert_eq!(rig.net.fault_counters().of(Fault::Buffers), 1, "{count}");
        assert_eq!((rig.net.faults(), rig.net.restarts()), (1, 1));
        is_alive(&mut rig);
    }
}

#[test]
fn a_frame_of_more_buffers_than_any_needs_is_skipped() {
    let config = virtio_net::Config {
        receive_buffers: 64,
        ..small()
    };
    let mut rig = rig(false, USUAL | LARGE, config);
    give(&rig, &header(19), &[(true, WHOLE); 19]);
    assert!(rig.put_large([0; 10], &[3; 60]) > 0);
    assert_eq!(rig.receive(), [[3; 60]], "the next frame is found");
    assert_eq!(rig.net.fault_counters().of(Fault::Buffers), 1);
    assert_eq!((rig.net.faults(), rig.net.restarts()), (1, 0));
    assert_eq!(rig.fake.queue(RECEIVE, |queue| queue.waiting()), 64);
}

#[test]
fn lies_within_a_frame_cost_that_frame() {
    let longer = WHOLE + 1;
    for (returned, fault) in [
        (
            &[(true, WHOLE), (false, WHOLE), (true, WHOLE)][..],
            Fault::Id,
        ),
        (&[(true, WHOLE), (true, WHOLE), (false, 0)], Fault::Id),
        (
            &[(true, WHOLE), (true, longer), (true, WHOLE)],
            Fault::Length,
        ),
        (
            &[(true, WHOLE), (true, WHOLE), (true, u32::MAX)],
            Fault::Length,
        ),
        // Headers must lie in one piece.
        (
            &[(true, 12 + 1023), (true, WHOLE), (true, WHOLE)],
            Fault::Length,
        ),
        (&[(true, 12), (true, WHOLE), (true, WHOLE)], Fault::Length),
    ] {
        let mut rig = large();
        give(&rig, &header(3), returned);
        assert!(rig.put_large([0; 10], &[3; 60]) > 0);
        assert_eq!(rig.receive(), [[3; 60]], "the next frame is found");
        assert_eq!(rig.net.fault_counters().of(fault), 1, "{returned:?}");
        assert_eq!((rig.net.faults(), rig.net.restarts()), (1, 0));
    }
}

#[test]
fn a_first_buffer_without_a_header_says_nothing_about_others() {
    let mut rig = large();
    // What it says was written by the frame before.
    give(&rig, &[&header(3)[..], &[9; 60]].concat(), &[(true, 11)]);
    assert!(rig.receive().is_empty());
    assert_eq!(rig.net.fault_counters().of(Fault::Length), 1);
    is_alive(&mut rig);
}

#[test]
fn a_frame_that_no_link_carries_is_none() {
    let mut rig = large();
    give(&rig, &header(9), &[(true, WHOLE); 9]);
    assert!(rig.receive().is_empty());
    assert_eq!(rig.net.fault_counters().of(Fault::Length), 1);
    give(&rig, &header(1), &[(true, 12)]);
    let mut lengths = Vec::new();
    rig.net
        .reap_receive(8, &mut |received| lengths.push(received.frame.len()));
    assert_eq!(lengths, [0], "nothing, and nothing else");
    is_alive(&mut rig);
}

#[test]
fn a_device_that_lies_about_buffers_again_and_again_is_given_up() {
    let mut rig = large();
    for _ in 0..5 {
        if !rig.net.link_up() {
            break;
        }
        give(&rig, &header(9), &[(true, WHOLE)]);
        assert!(rig.receive().is_empty());
    }
    assert!(!rig.net.link_up());
    assert_eq!(rig.net.restarts(), 1);
}

proptest! {
    #![proptest_config(common::seeded(256))]

    /// Any numbers in headers and used elements: no panic, no byte that was not written in this
    /// turn, no buffer lost.
    #[test]
    fn rubbish(
        steps in proptest::collection::vec((any::<[u8; 10]>(), 0_u16..40, 0_u32..8300, 0_u16..40, any::<u8>()), 1..60),
    ) {
        let mut rig = large();
        for (fields, count, written, buffers, odd) in steps {
            if !rig.net.link_up() {
                break;
            }
            let waiting = rig.fake.queue(RECEIVE, |queue| queue.waiting());
            let buffers = buffers.min(waiting);
            let fields = if odd % 4 == 0 { fields } else { [0; 10] };
            let count = if odd % 3 == 0 { count } else { buffers };
            let bytes = [&fields[..], &count.to_le_bytes(), &[0x77; FIRST]].concat();
            rig.fake.queue(RECEIVE, |queue| {
                for place in 0..buffers {
                    let chain = queue.take().unwrap();
                    let stale = vec![0x11; chain.length()];
                    queue.write(&chain, &stale);
                    let fresh = if place == 0 { &bytes[..] } else { &[0x77; OTHER] };
                    queue.write(&chain, &fresh[..fresh.len().min(written as usize)]);
                    let id = if odd % 16 == 5 && place == 1 { 77 } else { chain.id.into() };
                    queue.give_back(id, written);
                }
            });
            let mut is_fresh = true;
            rig.net.reap_receive(64, &mut |received| {
                let whole = whole(&received);
                is_fresh &= whole.iter().all(|byte| *byte != 0x11) && whole.len() <= LONGEST_FRAME;
                is_fresh &= received.rest.is_empty() || received.frame.len() >= 1024;
            });
            prop_assert!(is_fresh);
            if rig.net.arm() {
                rig.net.disarm();
            }
        }
    }
}
