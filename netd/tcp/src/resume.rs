//! A restored connection goes on with a user who was there before.
//!
//! *Owns* what is asked of the user again, and its checks against what the record says. *Never*
//! believes the user in what the peer was told: the record knows that.
//!
//! ```text
//!   record:  SND.UNA ------ may have been sent          RCV.NXT: in the user's memory
//!   user:     `- sent (or before) ------- queued        told (or before) -- RCV.NXT -- room
//! ```

use crate::open::Open;
use crate::state::{Facts, OurFin, TheirFin};
use crate::time::Instant;

/// Where the streams stand as their user remembers it: positions, from the start of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recollection {
    /// Before this position the user was told of every received byte.
    pub told: u64,
    /// Behind the last byte of the room that the user has given.
    pub room: u64,
    /// Before this position the user was told of every sent byte.
    pub sent: u64,
    /// Behind the last byte that the user wants to be sent.
    pub queued: u64,
}

/// User and record contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contradiction;

impl Open {
    /// See [`crate::Connection::resume`].
    pub(crate) fn resume(
        &mut self,
        user: &Recollection,
        now: Instant,
    ) -> Result<(), Contradiction> {
        let Recollection {
            told,
            room,
            sent,
            queued,
        } = *user;
        let (snd, rcv) = (&mut self.snd, &mut self.rcv);
        let ours = self.facts.ours();
        // Nobody is told of what is not in the record; all that may have left can leave again.
        let is_received_sound = told <= rcv.nxt && rcv.nxt <= room;
        let is_sent_sound = sent <= queued && sent <= snd.una.min(snd.end()) && snd.end() <= queued;
        let is_end_sound = ours == OurFin::NotQueued || queued == snd.end();
        let (Ok(unpublished), true) = (
            u32::try_from(rcv.nxt.saturating_sub(told)),
            is_received_sound && is_sent_sound && is_end_sound,
        ) else {
            return Err(Contradiction);
        };
        snd.set_end(queued);
        rcv.unpublished = unpublished;
        rcv.drop_room();
        rcv.give_room(u32::try_from(room.saturating_sub(rcv.nxt)).unwrap_or(u32::MAX));
        if unpublished > 0 {
            // The end of the stream is not known yet either.
            let facts = Facts::restore(ours, TheirFin::NotSeen);
            self.facts = facts.ok_or(Contradiction)?;
        }
        self.rcv.want_ack();
        self.timers.note_answer(now);
        Ok(())
    }
}
