//! Both ends in this process, and time that jumps: every run of a seed is the same.

use std::time::Duration;

use sim::Weather;
use stack::Instant;

use crate::path::{Frame, Path};
use crate::plan::{Plan, Side, is_done, judge, our_host};
use crate::smoltcp_end::Smoltcp;

/// Our hardware address, and smoltcp's.
const OUR_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
const THEIR_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// When a conversation is given up, in its own time.
const LIMIT: Duration = Duration::from_secs(600);

/// Carries out all plans at the same time between our stack and smoltcp. Returns the time that it
/// took them, and how many frames were sent and lost.
///
/// # Panics
/// If a byte is wrong, an end unhappy, a frame unaccounted for, or time runs out.
pub fn converse(plans: &[Plan], weather: Weather, seed: u64) -> (Duration, u64, u64) {
    let start = Instant::from_secs(1);
    let mut now = start;
    let mut path = Path::new(weather, seed);
    let mut ours = our_host(plans, OUR_MAC, seed, now);
    let mut theirs = Smoltcp::new(plans, THEIR_MAC, seed);
    while !(is_done(&ours) && theirs.is_done()) {
        while let Some((side, frame)) = path.arrival(now) {
            match side {
                Side::Ours => ours.input(&frame.bytes, now),
                Side::Theirs => theirs.input(frame.bytes),
            }
        }
        for (_, bytes) in ours.settle(now) {
            path.send(Side::Ours, &Frame::unverified(bytes), now);
        }
        for bytes in theirs.settle(now) {
            path.send(Side::Theirs, &Frame::unverified(bytes), now);
        }
        let next = [
            path.next_arrival(),
            ours.next_deadline(),
            theirs.next_deadline(now),
        ];
        let next = next.into_iter().flatten().min();
        now = next.expect("somebody waits for something").max(now);
        assert!(now.since(start) < LIMIT, "they never come to an end");
    }
    judge(&ours, plans, &theirs.digests());
    let (sent, lost) = path.frames();
    (now.since(start), sent, lost)
}
