//! The driver and a device that lies: counted, nothing lost, nothing believed.

use crate::common;
use crate::common::{RECEIVE, Rig, TRANSMIT, USUAL, rig, small};
use device::Device;
use proptest::prelude::{any, prop_assert, proptest};
use virtio::DeviceStatus;
use virtio_net::Fault;

/// After whatever happened: frames go both ways.
fn is_alive(rig: &mut Rig) {
    rig.receive();
    assert!(rig.put(&[7; 60]));
    assert_eq!(rig.receive(), [[7; 60]]);
    rig.net.reap_transmit();
    assert!(rig.send(&[8; 60]));
    rig.net.flush();
    while let Some((_, frame)) = rig.take_sent() {
        if frame == [8; 60] {
            return;
        }
    }
    panic!("the frame did not leave");
}

fn used(rig: &Rig, queue: usize, id: u32, length: u32) {
    rig.fake.queue(queue, |queue| queue.give_back(id, length));
}

#[test]
fn ids_that_name_nothing() {
    for queue in [RECEIVE, TRANSMIT] {
        let mut rig = rig(false, USUAL, small());
        assert!(rig.send(&[1; 60]));
        rig.net.flush();
        for id in [32, 1 << 15, 1 << 16, u32::MAX] {
            rig.fake.queue(queue, |queue| queue.take());
            used(&rig, queue, id, 72);
            assert!(rig.receive().is_empty());
            rig.net.reap_transmit();
            if queue == TRANSMIT {
                assert!(rig.send(&[1; 60]));
                rig.net.flush();
            }
        }
        assert_eq!(rig.net.fault_counters().of(Fault::Id), 4);
        assert_eq!(rig.net.faults(), 4);
        is_alive(&mut rig);
    }
}

#[test]
fn ids_that_are_not_in_flight() {
    let mut rig = rig(true, USUAL, small());
    // Nothing sent yet, so any used element is one too many: that breaks the ring.
    used(&rig, TRANSMIT, 0, 0);
    rig.net.reap_transmit();
    assert_eq!(rig.net.fault_counters().of(Fault::Index), 1);
    assert_eq!(rig.net.restarts(), 1);
    is_alive(&mut rig);
    // Twice the same, within what was sent. (Legacy: two descriptors each, so ids are even.)
    rig.net.reap_transmit();
    for _ in 0..2 {
        assert!(rig.send(&[1; 60]));
    }
    rig.net.flush();
    let chain = rig.fake.queue(TRANSMIT, |queue| queue.take().unwrap());
    used(&rig, TRANSMIT, chain.id.into(), 0);
    used(&rig, TRANSMIT, chain.id.into(), 0);
    assert_eq!(rig.net.reap_transmit(), 1);
    assert_eq!(rig.net.fault_counters().of(Fault::NotInFlight), 1);
    assert_eq!(rig.net.transmit_room(), 31);
    // The second descriptor of a chain is not an id.
    assert!(rig.send(&[1; 60]));
    rig.net.flush();
    used(&rig, TRANSMIT, 1, 0);
    assert_eq!(rig.net.reap_transmit(), 0);
    assert_eq!(rig.net.fault_counters().of(Fault::NotInFlight), 2);
    is_alive(&mut rig);
}

#[test]
fn lengths_beyond_the_buffer_and_short_of_the_header() {
    for legacy in [false, true] {
        let mut rig = rig(legacy, USUAL, small());
        let whole = u32::try_from(rig.header).unwrap() + 1518;
        let lengths = [0, 1, 9, whole + 1, 1 << 16, u32::MAX];
        for round in 0..200 {
            let chain = rig.fake.queue(RECEIVE, |queue| queue.take().unwrap());
            used(
                &rig,
                RECEIVE,
                chain.id.into(),
                lengths[round % lengths.len()],
            );
            assert!(rig.receive().is_empty());
        }
        assert_eq!(rig.net.fault_counters().of(Fault::Length), 200);
        assert_eq!(
            rig.fake.queue(RECEIVE, |queue| queue.waiting()),
            32,
            "no buffer was lost"
        );
        is_alive(&mut rig);
    }
}

#[test]
fn a_device_that_never_returns_what_it_took_is_reset() {
    for queue in [RECEIVE, TRANSMIT] {
        let mut rig = rig(false, USUAL, small());
        while rig.send(&[1; 60]) {}
        rig.net.flush();
        assert_eq!(rig.net.transmit_room(), 0);
        for _ in 0..32 {
            used(&rig, queue, 77, 0);
        }
        // Found while room is looked for, mended before anybody sleeps.
        rig.send(&[1; 60]);
        rig.receive();
        assert!(rig.net.restarts() == 1 || rig.net.arm());
        assert_eq!(rig.net.restarts(), 1);
        assert_eq!(rig.net.fault_counters().of(Fault::Id), 32);
        assert_eq!(rig.net.transmit_room(), 32);
        is_alive(&mut rig);
    }
}

#[test]
fn headers_that_cannot_be() {
    let mut rig = rig(false, USUAL | common::GUEST_CHECKSUM, small());
    let segmented = [0, 1, 0, 0, 0, 5, 0, 0, 0, 0, 1, 0];
    let outside = [1, 0, 0, 0, 0, 0, 59, 0, 16, 0, 1, 0];
    assert!(rig.put_with(&segmented, &[0; 60]));
    assert!(rig.put_with(&outside, &[0; 60]));
    assert!(rig.receive().is_empty());
    assert_eq!(rig.net.fault_counters().of(Fault::Header), 2);
    is_alive(&mut rig);
}

#[test]
fn a_used_index_that_runs_away_costs_a_reset() {
    for queue in [RECEIVE, TRANSMIT] {
        let mut rig = rig(false, USUAL, small());
        for round in 1..=4 {
            assert!(rig.send(&[1; 60]));
            rig.net.flush();
            let resets = rig.fake.state().resets;
            rig.fake.queue(queue, |queue| {
                queue.set_used_index(queue.returned.wrapping_add(1000));
            });
            rig.receive();
            rig.net.reap_transmit();
            assert_eq!(rig.fake.state().resets, resets + 1);
            assert_eq!(rig.net.restarts(), round);
            assert_eq!(rig.net.fault_counters().of(Fault::Index), round);
            assert_eq!(rig.net.transmit_room(), 32, "all buffers are back");
            assert_eq!(rig.fake.queue(RECEIVE, |queue| queue.waiting()), 32);
            is_alive(&mut rig);
        }
    }
}

#[test]
fn a_device_that_only_breaks_is_given_up() {
    let mut rig = rig(false, USUAL, small());
    for _ in 0..10 {
        if rig.fake.state().queues[RECEIVE].is_none() {
            break;
        }
        rig.fake.queue(RECEIVE, |queue| queue.set_used_index(999));
        assert!(rig.receive().is_empty());
    }
    assert_eq!(rig.net.restarts(), 1);
    assert!(!rig.net.link_up());
    assert!(rig.fake.state().status.contains(DeviceStatus::FAILED));
    // Nothing works, nothing panics, the device hears nothing.
    assert!(!rig.send(&[1; 60]));
    assert_eq!(rig.net.transmit_room(), 0);
    rig.net.flush();
    assert!(!rig.net.arm());
    rig.net.disarm();
    rig.fake.configure(|_| ());
    rig.net.interrupt();
    assert!(rig.receive().is_empty());
    assert_eq!(rig.net.reap_transmit(), 0);
    assert!(!rig.net.link_up());
}

#[test]
fn a_device_that_does_not_come_back_from_its_reset_is_given_up() {
    let mut rig = rig(false, USUAL, small());
    rig.fake.state().reset_stuck = true;
    rig.fake.queue(RECEIVE, |queue| queue.set_used_index(999));
    rig.receive();
    assert!(!rig.net.link_up());
    assert!(!rig.send(&[1; 60]));
}

#[test]
fn a_device_that_asks_for_a_reset_gets_it() {
    let mut rig = rig(true, USUAL, small());
    for round in 1..=3 {
        is_alive(&mut rig);
        rig.fake.state().status |= DeviceStatus::DEVICE_NEEDS_RESET;
        rig.fake.configure(|_| ());
        rig.net.interrupt();
        assert_eq!(rig.net.restarts(), round);
        assert_eq!(rig.net.fault_counters().of(Fault::NeedsReset), round);
    }
    is_alive(&mut rig);
    assert!(rig.net.link_up());
}

#[test]
fn a_device_that_forgets_a_feature_after_its_reset_is_given_up() {
    let mut rig = rig(false, USUAL, small());
    rig.fake.state().offered &= !common::MAC;
    rig.fake.queue(RECEIVE, |queue| queue.set_used_index(999));
    rig.receive();
    assert!(!rig.net.link_up());
}

proptest! {
    #![proptest_config(common::seeded(256))]

    /// Anything anywhere in both used rings, in any order with the driver's motions.
    #[test]
    fn rubbish(steps in proptest::collection::vec((0_u8..12, any::<u32>(), any::<u32>(), any::<u16>()), 1..200),
               legacy: bool) {
        let mut rig = rig(legacy, USUAL, small());
        for (step, first, second, low) in steps {
            if rig.fake.state().queues[RECEIVE].is_none() {
                prop_assert!(!rig.net.link_up());
                break;
            }
            let index = usize::from(step & 1);
            rig.fake.queue(index, |queue| match step {
                0..2 => queue.give_back(first, second),
                2..6 => queue.give_back(first % 70, second % 1600),
                6..8 => queue.set_event(low),
                8..10 if first % 8 == 0 => queue.set_used_index(low),
                _ => queue.quiet(),
            });
            let _frames = rig.receive();
            rig.net.reap_transmit();
            prop_assert!(rig.net.transmit_room() <= 32);
            rig.send(&[1; 60]);
            rig.net.flush();
            if rig.net.arm() {
                rig.net.disarm();
            }
            rig.net.interrupt();
        }
    }
}
