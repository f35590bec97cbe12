//! Our end in this thread, the kernel's behind a link device, and time as it passes.

use std::os::fd::AsFd;
use std::time::Duration;

use device::{Checksum, Device, TransmitMeta, Verified};
use host::{Adapter, Port, wait};
use sim::Weather;
use stack::Instant;

use crate::linux::Linux;
use crate::path::{Frame, Path};
use crate::plan::{Plan, Side, is_done, judge, our_host};

/// When a conversation is given up.
const LIMIT: Duration = Duration::from_secs(25);
/// How often the other end is looked at when nothing happens.
const GLANCE: Duration = Duration::from_millis(5);
/// Frames taken at a time.
const BURST: usize = 64;

/// Carries out all plans at the same time between our stack and the host's kernel, which is behind
/// this device and has the address 198.18.0.1. Returns the time that it took, and how many frames
/// were sent and lost.
///
/// # Panics
/// If a byte is wrong, an end unhappy, a frame unaccounted for, or time runs out.
pub fn converse_with_linux<P: Port>(
    mut device: Adapter<P>,
    plans: &[Plan],
    weather: Weather,
    seed: u64,
) -> (Duration, u64, u64) {
    let clock = std::time::Instant::now();
    let origin = Instant::from_secs(1);
    let mut path = Path::new(weather, seed);
    let mut ours = our_host(plans, device.facts().mac, seed, origin);
    let theirs = Linux::start(plans);
    while !(is_done(&ours) && theirs.is_done()) {
        let now = origin + clock.elapsed();
        device.reap_receive(BURST, &mut |received| {
            let frame = Frame {
                bytes: received.frame.to_vec(),
                is_verified: received.meta.checksum == Verified::Yes,
            };
            path.send(Side::Theirs, &frame, now);
        });
        while let Some((side, frame)) = path.arrival(now) {
            match side {
                Side::Ours => ours.receive(&frame.bytes, frame.is_verified, now),
                Side::Theirs => transmit(&mut device, &frame.bytes),
            }
        }
        for (_, bytes) in ours.settle(now) {
            path.send(Side::Ours, &Frame::unverified(bytes), now);
        }
        device.flush();
        device.reap_transmit();
        assert!(clock.elapsed() < LIMIT, "they never come to an end");
        let next = [path.next_arrival(), ours.next_deadline()];
        let next = next.into_iter().flatten().min();
        let pause = next.map_or(GLANCE, |next| next.since(now).min(GLANCE));
        wait(&[device.as_fd()], Some(pause)).expect("poll");
    }
    judge(&ours, plans, &theirs.digests());
    assert_eq!(device.faults(), 0);
    let (sent, lost) = path.frames();
    (clock.elapsed(), sent, lost)
}

/// A full device is one more place where frames get lost.
fn transmit<P: Port>(device: &mut Adapter<P>, frame: &[u8]) {
    let checksum = Checksum::Complete;
    device.provide_transmit(&mut |room| {
        room.get_mut(..frame.len())?.copy_from_slice(frame);
        Some((frame.len(), TransmitMeta::whole(checksum)))
    });
}
