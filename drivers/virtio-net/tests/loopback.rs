//! The driver and an honest device that sends every frame back.

use crate::common;
use crate::common::{ANY_LAYOUT, RECEIVE, Random, Rig, TRANSMIT, USUAL, rig, small};
use device::{Checksum, Device, Offload, TransmitMeta, Verified};
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use virtio::EVENT_INDEX;

/// A frame whose content follows from its number.
fn frame(number: u32) -> Vec<u8> {
    let length = 60 + number as usize % 97;
    let word = number.to_le_bytes();
    let noise = (0..=u8::MAX).cycle();
    word.into_iter()
        .cycle()
        .zip(noise)
        .map(|(byte, noise)| byte ^ noise)
        .take(length)
        .collect()
}

/// What the device does in one turn: loops at most `budget` frames back, those without a receive
/// buffer stay where they are. Returns whether it goes on without being told.
fn device_turn(rig: &Rig, budget: usize) -> bool {
    let mut looped = 0;
    rig.fake.queue(TRANSMIT, |queue| queue.quiet());
    rig.fake.queue(RECEIVE, |queue| queue.quiet());
    while looped < budget {
        if rig.fake.queue(RECEIVE, |queue| queue.waiting()) == 0 {
            return rig.fake.queue(RECEIVE, |queue| queue.rest());
        }
        let Some((_, sent)) = rig.take_sent() else {
            return rig.fake.queue(TRANSMIT, |queue| queue.rest());
        };
        assert!(rig.put(&sent));
        looped += 1;
    }
    true
}

/// Sends and receives `frames` frames in random batches. Each side only works when it has reason
/// to: it was told, or it has not asked to be told. A lost notification or interrupt ends it.
fn run(mut rig: Rig, seed: u64, frames: u32) -> (u64, u64) {
    let mut random = Random(seed | 1);
    let (mut sent, mut received) = (0, 0);
    let (mut device_awake, mut driver_awake) = (true, true);
    let (mut kicks, mut turns) = (0, 0);
    while received < frames {
        turns += 1;
        assert!(
            device_awake || driver_awake,
            "stall at {sent} sent, {received} received"
        );
        if driver_awake {
            rig.net.disarm();
            rig.net.interrupt();
            let mut expected = received;
            let mut visit = |frame: device::Received<'_>| {
                assert_eq!(frame.frame, self::frame(expected), "{expected}");
                expected += 1;
            };
            let budget = random.up_to(40);
            let reaped = rig.net.reap_receive(budget, &mut visit);
            received += u32::try_from(reaped).unwrap();
            rig.net.reap_transmit();
            let mut refused = false;
            for _ in 0..random.up_to(40) {
                if sent < frames {
                    refused = !rig.send(&frame(sent));
                    sent += u32::from(!refused);
                }
            }
            rig.net.flush();
            if reaped == 0 && (refused || sent == frames) {
                driver_awake = rig.net.arm();
            }
        }
        let told = rig.fake.notifications(TRANSMIT) + rig.fake.notifications(RECEIVE);
        kicks += told;
        device_awake |= told > 0;
        if device_awake {
            device_awake = device_turn(&rig, random.up_to(40));
            driver_awake |= rig.fake.signal(RECEIVE);
            driver_awake |= rig.fake.signal(TRANSMIT);
        }
    }
    assert_eq!(rig.net.fault_counters().total(), 0);
    assert_eq!(rig.net.restarts(), 0);
    (kicks, turns)
}

#[test]
fn past_the_seam_in_every_mode() {
    for legacy in [false, true] {
        for features in [USUAL, USUAL & !EVENT_INDEX, USUAL | ANY_LAYOUT] {
            let rig = rig(legacy, features, small());
            assert_eq!(rig.net.accepted() & features, features);
            let (kicks, turns) = run(rig, 0x5eed, 70_000);
            assert!(kicks < turns, "{kicks} notifications in {turns} turns");
        }
    }
}

proptest! {
    #![proptest_config(common::seeded(24))]

    #[test]
    fn any_batches(seed: u64, legacy: bool, event_index: bool, any_layout: bool,
                   receive in 2_u16..40, transmit in 2_u16..40) {
        let mut features = USUAL & !EVENT_INDEX;
        if event_index { features |= EVENT_INDEX }
        if any_layout { features |= ANY_LAYOUT }
        let config = virtio_net::Config {
            receive_buffers: receive,
            transmit_buffers: transmit,
            ..small()
        };
        run(rig(legacy, features, config), seed, 3_000);
    }

    /// Whatever comes, the frame handed over is exactly what the device wrote behind the header.
    #[test]
    fn frames_come_through_unchanged(bytes in proptest::collection::vec(any::<u8>(), 0..1518),
                                     legacy: bool) {
        let mut rig = rig(legacy, USUAL, small());
        prop_assert!(rig.put(&bytes));
        prop_assert_eq!(rig.receive(), vec![bytes.clone()]);
        prop_assert_eq!(rig.send(&bytes), !bytes.is_empty());
        rig.net.flush();
        prop_assert_eq!(rig.take_sent().map(|(_, frame)| frame), (!bytes.is_empty()).then_some(bytes));
    }
}

#[test]
fn a_drained_receive_ring_fills_up_again() {
    for event_index in [0, EVENT_INDEX] {
        let mut rig = rig(false, event_index, small());
        assert_eq!(
            rig.fake.notifications(RECEIVE),
            1,
            "told of the first buffers"
        );
        for round in 0..5 {
            let mut number = 0;
            while rig.put(&frame(number)) {
                number += 1;
            }
            assert_eq!(number, 32, "all buffers, round {round}");
            // Out of buffers, the device asks to be told of the next.
            assert!(!rig.fake.queue(RECEIVE, |queue| queue.rest()));
            rig.fake.state().notified[RECEIVE] = 0;
            assert_eq!(rig.net.reap_receive(3, &mut |_| ()), 3);
            assert_eq!(rig.fake.notifications(RECEIVE), 1, "told of three");
            assert_eq!(rig.fake.queue(RECEIVE, |queue| queue.waiting()), 3);
            assert_eq!(rig.receive().len(), 29);
            assert_eq!(rig.fake.queue(RECEIVE, |queue| queue.waiting()), 32);
        }
    }
}

#[test]
fn a_burst_is_one_notification() {
    let mut rig = rig(true, USUAL, small());
    for number in 0..20 {
        assert!(rig.send(&frame(number)));
    }
    assert_eq!(rig.fake.notifications(TRANSMIT), 0, "not before the flush");
    rig.net.flush();
    rig.net.flush();
    assert_eq!(rig.fake.notifications(TRANSMIT), 1);
    // While the device is at it, it does not want to hear more.
    rig.fake.queue(TRANSMIT, |queue| queue.quiet());
    assert!(rig.send(&frame(0)));
    rig.net.flush();
    assert_eq!(rig.fake.notifications(TRANSMIT), 0);
}

#[test]
fn a_full_transmit_ring_says_so_and_wakes_when_half_is_sent() {
    let mut rig = rig(false, USUAL, small());
    assert_eq!(rig.net.transmit_room(), 32);
    for number in 0..32 {
        assert!(rig.send(&frame(number)));
    }
    rig.net.flush();
    assert_eq!(rig.net.transmit_room(), 0);
    assert!(!rig.net.arm(), "nobody was refused: nothing to wait for");
    rig.fake.signal(TRANSMIT);
    assert!(!rig.send(&frame(0)));
    assert!(!rig.net.arm());
    for sent in 1..=32 {
        assert!(rig.take_sent().is_some());
        assert_eq!(rig.fake.signal(TRANSMIT), sent == 16, "{sent}");
    }
    assert!(rig.net.arm(), "room has come meanwhile");
    rig.net.disarm();
    assert_eq!(rig.net.reap_transmit(), 32);
    assert_eq!(rig.net.transmit_room(), 32);
    assert!(!rig.net.arm());
}

#[test]
fn what_cannot_be_sent_gives_its_buffer_back() {
    let mut rig = rig(false, USUAL, small());
    let checksum = Checksum::Complete;
    let partial = Checksum::Partial {
        start: 34,
        offset: 16,
    };
    let attempts = [
        None,
        Some((0, TransmitMeta::whole(checksum))),
        Some((1519, TransmitMeta::whole(checksum))),
        Some((60, TransmitMeta::whole(partial))),
    ];
    for attempt in attempts {
        assert!(!rig.net.provide_transmit(&mut |buffer| {
            assert_eq!(buffer.len(), 1518);
            attempt
        }));
        assert_eq!(rig.net.transmit_room(), 32);
    }
    rig.net.flush();
    assert_eq!(rig.fake.notifications(TRANSMIT), 0);
}

#[test]
fn checksums_are_offloaded_when_agreed() {
    let offered = USUAL | common::CHECKSUM | common::GUEST_CHECKSUM;
    let mut rig = rig(false, offered, small());
    let offloads = rig.net.facts().offloads;
    assert!(offloads.has(Offload::ChecksumIn) && offloads.has(Offload::ChecksumOut));
    let checksum = Checksum::Partial {
        start: 34,
        offset: 16,
    };
    assert!(
        rig.net
            .provide_transmit(&mut |_| Some((60, TransmitMeta::whole(checksum))))
    );
    let (header, _) = rig.take_sent_after_flush();
    assert_eq!(header, [1, 0, 0, 0, 0, 0, 34, 0, 16, 0, 0, 0]);
    // The next frame in the same buffer carries nothing over.
    assert!(rig.send(&frame(0)));
    let (header, _) = rig.take_sent_after_flush();
    assert_eq!(header, [0; 12]);

    let mut verdicts = Vec::new();
    rig.put_with(&[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0], &frame(0));
    rig.put_with(&[0; 12], &frame(0));
    rig.put_with(&[1, 0, 0, 0, 0, 0, 34, 0, 16, 0, 1, 0], &frame(0));
    rig.net
        .reap_receive(8, &mut |received| verdicts.push(received.meta.checksum));
    assert_eq!(verdicts, [Verified::Yes, Verified::No, Verified::Yes]);
}

impl Rig {
    fn take_sent_after_flush(&mut self) -> (Vec<u8>, Vec<u8>) {
        self.net.flush();
        self.take_sent().unwrap()
    }
}
