//! The law of the two streams: what arrives is delivered once, in order and within the room, and nothing
//! is acknowledged that was never queued.

use tcp::{Events, Outcome};

/// How far both have come.
#[derive(Default)]
pub struct Streams {
    /// Bytes of room that the user has given, and bytes that it has queued.
    pub given: u64,
    pub queued: u64,
    pub acked: u64,
    pub received: u64,
    pub has_finished: bool,
}

impl Streams {
    /// What a call says must fit to all that was said before.
    pub fn outcome(&mut self, outcome: &Outcome, payload: u32) {
        if let Some(place) = outcome.place {
            assert!(outcome.drop.is_none() && place.len > 0);
            assert!(place.skip.checked_add(place.len).unwrap() <= payload);
            // Never twice, and never beyond the room.
            assert!(place.stream_offset >= self.received);
            assert!(place.stream_offset + u64::from(place.len) <= self.given);
        }
        self.received += outcome.advanced;
        assert!(self.received <= self.given);
        assert!(outcome.advanced == 0 || !self.has_finished);
        if outcome.events.contains(Events::PEER_FIN) {
            assert!(!self.has_finished);
            self.has_finished = true;
        }
        self.acked += outcome.acked;
        assert!(self.acked <= self.queued);
    }
}
