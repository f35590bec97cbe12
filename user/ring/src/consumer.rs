//! The receiving half of an end.

#[cfg(not(loom))]
use core::sync::atomic::Ordering;
#[cfg(loom)]
use loom::sync::atomic::Ordering;

use crate::{
    layout::{Control, Ring, SLOT},
    message::Message,
    region::{Region, Word},
    wake::{self, Look, Sleeper, Wish},
};

/// The peer has written an impossible index. It is broken or hostile: disconnect it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation;

impl core::fmt::Display for Violation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("peer broke the rules of the ring")
    }
}

impl core::error::Error for Violation {}

/// Reads messages of the peer.
pub struct Consumer {
    region: Region,
    ring: Ring,
    control: Control,
    /// Messages taken: the truth, of which the shared word is a copy for the peer.
    consumed: u64,
    /// Messages that the peer was last seen to have written.
    produced: u64,
    /// Something was taken that the doorbell has not been considered for.
    unannounced: bool,
    violated: bool,
}

impl Consumer {
    pub(crate) fn new(region: Region, ring: Ring) -> Self {
        Self {
            control: ring.control(&region),
            region,
            ring,
            consumed: 0,
            produced: 0,
            unannounced: false,
            violated: false,
        }
    }

    /// Takes the oldest message; `None` if there is none now.
    ///
    /// # Errors
    ///
    /// [`Violation`] if the peer's index ran away or went back, then and ever after.
    pub fn pop(&mut self) -> Result<Option<Message>, Violation> {
        let mut message = Message::ZERO;
        Ok(self.pop_into(&mut message)?.then_some(message))
    }

    /// As [`Self::pop`], into a message that the caller has; `false` if there is none now.
    ///
    /// # Errors
    ///
    /// As [`Self::pop`].
    #[inline]
    pub fn pop_into(&mut self, message: &mut Message) -> Result<bool, Violation> {
        if self.produced == self.consumed && self.available()? == 0 {
            return Ok(false);
        }
        if self.violated {
            return Err(Violation);
        }
        let (words, _) = message.words_mut().split_at_mut(SLOT);
        self.region.read(self.ring.slot(self.consumed), words);
        self.consumed = self.consumed.wrapping_add(1);
        self.unannounced = true;
        // Release: the slot has been read before the producer may see that it is free.
        self.control
            .consumed
            .store(self.consumed, Ordering::Release);
        Ok(true)
    }

    /// How many messages can be taken now, by a fresh look at the peer's index.
    ///
    /// # Errors
    ///
    /// As [`Self::pop`].
    #[inline]
    pub fn available(&mut self) -> Result<u64, Violation> {
        let produced = self.control.produced.load(Ordering::Acquire);
        let advance = produced.wrapping_sub(self.produced);
        let free = self.ring.slots - self.produced.wrapping_sub(self.consumed);
        if self.violated || advance > free {
            // More messages than there are slots, or written messages taken back.
            self.violated = true;
            return Err(Violation);
        }
        self.produced = produced;
        Ok(produced.wrapping_sub(self.consumed))
    }

    /// Before sleeping: raises the flag that asks the peer for a doorbell, and looks once more. A
    /// violation counts as work, so that [`Self::pop`] reports it.
    #[inline]
    pub fn announce_sleep(&mut self) -> Look {
        self.announce_sleep_for(Wish::Anything)
    }

    /// As [`Self::announce_sleep`], with a choice of what the doorbell is wanted for. The look finds
    /// quiet messages as well.
    #[inline]
    pub fn announce_sleep_for(&mut self, wish: Wish) -> Look {
        wake::announce(self, wish)
    }

    /// After sleeping: no doorbell is needed while we look by ourselves.
    pub fn awake(&mut self) {
        wake::lower(self);
    }

    /// After pops: true if the peer sleeps until there is room, and the doorbell has to be rung.
    /// Never true when nothing was taken since the last question.
    pub fn needs_doorbell(&mut self) -> bool {
        core::mem::take(&mut self.unannounced)
            && wake::must_ring(&self.control.producer_sleeps, true)
    }

    /// The peer's index was impossible once. Final.
    #[must_use]
    pub const fn violated(&self) -> bool {
        self.violated
    }
}

impl Sleeper for Consumer {
    fn flag(&self) -> &Word {
        &self.control.consumer_sleeps
    }

    fn has_work(&mut self) -> bool {
        self.available() != Ok(0)
    }
}
