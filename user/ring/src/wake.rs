//! Falling asleep without missing anything: the one place where this is decided.
//!
//! An end that is about to sleep raises its flag, puts a full fence, and looks once more. The
//! other end publishes, puts a full fence, and reads the flag. Of two accesses on each side, each
//! a store followed by a load of what the other stores, at least one load sees the other's store
//! when full fences stand between them; Release and Acquire alone would allow both to miss, and
//! the message would wait for a doorbell that nobody rings.

#[cfg(not(loom))]
use core::sync::atomic::{Ordering, fence};
#[cfg(loom)]
use loom::sync::atomic::{Ordering, fence};

use crate::region::Word;

/// What the last look before sleeping showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Look {
    /// Nothing to do; the flag is up, so the peer will ring. Wait for the doorbell now.
    Sleep,
    /// Something came in meanwhile; the flag is down again. Do not sleep.
    MoreWork,
}

/// What a sleeping consumer is to be woken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Whatever comes.
    Anything,
    /// All but quiet messages, which are found when something else has ended the sleep.
    Urgent,
}

impl Wish {
    /// As the flag says it. Zero: no wish.
    const fn flag(self) -> u64 {
        match self {
            Self::Anything => 1,
            Self::Urgent => 2,
        }
    }
}

/// A half of an end that can fall asleep.
pub trait Sleeper {
    /// The word by which this half says that it sleeps.
    fn flag(&self) -> &Word;
    /// A fresh look: is there a reason to stay awake?
    fn has_work(&mut self) -> bool;
}

/// Raises the flag, then looks. The flag stays up only for [`Look::Sleep`].
#[inline]
pub fn announce(sleeper: &mut impl Sleeper, wish: Wish) -> Look {
    sleeper.flag().store(wish.flag(), Ordering::Relaxed);
    fence(Ordering::SeqCst);
    if sleeper.has_work() {
        lower(sleeper);
        Look::MoreWork
    } else {
        Look::Sleep
    }
}

/// Lowers our own flag: no doorbell is needed while we are awake.
#[inline]
pub fn lower(sleeper: &impl Sleeper) {
    sleeper.flag().store(0, Ordering::Relaxed);
}

/// After something was published: has the peer asked for a doorbell? Lowers its flag, so that it
/// is rung once for each time it falls asleep and not for everything we do until it runs. The
/// caller rings in any case then: should the peer have raised the flag anew in between, the
/// doorbell, which comes after the flag was lowered, makes it look again.
///
/// For quiet messages alone (`urgent` false) only a peer is rung that wants to hear of anything; the
/// flag of the others stays up.
#[must_use]
#[inline]
pub fn must_ring(flag: &Word, urgent: bool) -> bool {
    fence(Ordering::SeqCst);
    let wish = flag.load(Ordering::Relaxed);
    let asked = wish == Wish::Anything.flag() || urgent && wish != 0;
    if asked {
        flag.store(0, Ordering::Relaxed);
    }
    asked
}
