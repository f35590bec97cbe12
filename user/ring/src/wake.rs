//! Falling asleep without missing anything: the one place where this is decided.
//!
//! An end that is about to sleep raises its flag, puts a full fence, and looks once more. The
//! other end publishes, puts a full fence, and reads the flag. Of two accesses on each side, each
//! a store followed by a load of what the other stores, at least one load sees the other's store
//! when full fences stand between them; Release and Acquire alone would allow both to miss, and
//! the message would wait for a doorbell that nobody rings.

#[cfg(not(loom))]
use core::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering, fence};

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
    raise(sleeper.flag(), wish);
    if sleeper.has_work() {
        lower(sleeper);
        Look::MoreWork
    } else {
        Look::Sleep
    }
}

/// Raises a flag; what is looked at from here on was published before, or whoever publishes it sees the
/// flag.
#[inline]
fn raise(flag: &AtomicU64, wish: Wish) {
    flag.store(wish.flag(), Ordering::Relaxed);
    fence(Ordering::SeqCst);
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
pub fn must_ring(flag: &AtomicU64, urgent: bool) -> bool {
    fence(Ordering::SeqCst);
    let wish = flag.load(Ordering::Relaxed);
    let asked = wish == Wish::Anything.flag() || urgent && wish != 0;
    if asked {
        flag.store(0, Ordering::Relaxed);
    }
    asked
}

/// The same for a thread that others of its program give to by [`crate::handover`]: it sleeps, or is about
/// to, and any of them may ring.
pub struct Flag(AtomicU64);

impl Flag {
    /// Of a thread that is awake.
    #[must_use]
    pub fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Before sleeping: `has_work` is the last look, at everything that the others may have given.
    pub fn announce(&self, has_work: impl FnOnce() -> bool) -> Look {
        raise(&self.0, Wish::Anything);
        if has_work() {
            self.lower();
            Look::MoreWork
        } else {
            Look::Sleep
        }
    }

    /// After sleeping.
    pub fn lower(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// After something was given, or was found to be there for it: whether the thread must be rung.
    #[must_use]
    pub fn must_ring(&self) -> bool {
        must_ring(&self.0, true)
    }
}

impl Default for Flag {
    fn default() -> Self {
        Self::new()
    }
}
