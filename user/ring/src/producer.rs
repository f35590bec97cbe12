//! The sending half of an end.

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

/// What was written that the doorbell has not been considered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum News {
    Nothing,
    /// Quiet messages only.
    Quiet,
    Urgent,
}

/// The peer has not taken enough out; nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl core::fmt::Display for Full {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ring is full")
    }
}

impl core::error::Error for Full {}

/// Writes messages for the peer.
pub struct Producer {
    region: Region,
    ring: Ring,
    control: Control,
    /// Messages written: the truth, of which the shared word is a copy for the peer.
    produced: u64,
    /// Messages that the peer was last seen to have taken.
    consumed: u64,
    unannounced: News,
    violated: bool,
}

impl Producer {
    pub(crate) fn new(region: Region, ring: Ring) -> Self {
        Self {
            control: ring.control(&region),
            region,
            ring,
            produced: 0,
            consumed: 0,
            unannounced: News::Nothing,
            violated: false,
        }
    }

    /// Writes a message. The peer sees it at once, but is not woken: ask
    /// [`Self::needs_doorbell`] after a batch.
    ///
    /// # Errors
    ///
    /// [`Full`] if there is no room, and always once the peer has lied about its index.
    #[inline]
    pub fn push(&mut self, message: &Message) -> Result<(), Full> {
        self.write(message, News::Urgent)
    }

    /// As [`Self::push`], for what need not wake a peer that wants to be woken for
    /// [urgent](Wish::Urgent) messages only.
    ///
    /// # Errors
    ///
    /// As there.
    #[inline]
    pub fn push_quiet(&mut self, message: &Message) -> Result<(), Full> {
        self.write(message, News::Quiet)
    }

    #[inline]
    fn write(&mut self, message: &Message, news: News) -> Result<(), Full> {
        if self.free() == 0 && self.room() == 0 {
            return Err(Full);
        }
        let slot = self.ring.slot(self.produced);
        let (words, _) = message.words().split_at(SLOT);
        self.region.write(slot, words);
        self.produced = self.produced.wrapping_add(1);
        self.unannounced = self.unannounced.max(news);
        self.control
            .produced
            .store(self.produced, Ordering::Release);
        Ok(())
    }

    /// How many messages can be written now, by a fresh look at the peer's index.
    pub fn room(&mut self) -> usize {
        let consumed = self.control.consumed.load(Ordering::Acquire);
        let advance = consumed.wrapping_sub(self.consumed);
        let outstanding = self.produced.wrapping_sub(self.consumed);
        if advance > outstanding {
            // The peer claims messages that were never written, or gives back what it took.
            self.violated = true;
        } else {
            self.consumed = consumed;
        }
        usize::try_from(self.free()).unwrap_or(usize::MAX)
    }

    /// After pushes: true if the doorbell has to be rung. True at most once for each time the peer
    /// announces sleep, and never when nothing was pushed since the last question: two idle ends
    /// that ask each other out of habit must not keep each other awake.
    pub fn needs_doorbell(&mut self) -> bool {
        let news = core::mem::replace(&mut self.unannounced, News::Nothing);
        let flag = &self.control.consumer_sleeps;
        news != News::Nothing && wake::must_ring(flag, news == News::Urgent)
    }

    /// Before sleeping for room: asks the peer for a doorbell when it has taken something out.
    pub fn announce_sleep(&mut self) -> Look {
        wake::announce(self, Wish::Anything)
    }

    /// After sleeping for room: no doorbell is needed any more.
    pub fn awake(&mut self) {
        wake::lower(self);
    }

    /// The peer's index was impossible once. Final.
    #[must_use]
    pub const fn violated(&self) -> bool {
        self.violated
    }

    /// Slots of the ring.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "at most MAX_SLOTS")]
        let slots = self.ring.slots as usize;
        slots
    }

    /// Free slots as far as is known without a look.
    const fn free(&self) -> u64 {
        if self.violated {
            return 0;
        }
        self.ring.slots - self.produced.wrapping_sub(self.consumed)
    }
}

impl Sleeper for Producer {
    fn flag(&self) -> &Word {
        &self.control.producer_sleeps
    }

    fn has_work(&mut self) -> bool {
        self.room() > 0 || self.violated
    }
}
