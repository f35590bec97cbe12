//! A doorbell between two ends within one process: what a channel's is between two.
//!
//! *Owns* whether it has rung and who sleeps by it. A ring that nobody waits for is kept for the next
//! who does.

use alloc::rc::Rc;
use core::{
    cell::{Cell, RefCell},
    task::{Context, Poll, Waker},
};

use abi::Signals;

/// What one end hears.
#[derive(Default)]
struct Bell {
    rung: Cell<bool>,
    /// The other end is gone.
    left: Cell<bool>,
    sleeper: RefCell<Option<Waker>>,
}

impl Bell {
    fn wake(&self) {
        if let Some(waker) = self.sleeper.borrow_mut().take() {
            waker.wake();
        }
    }
}

/// The bells as one end has them. Dropped, the other end hears that it is gone.
pub struct Bells {
    ours: Rc<Bell>,
    theirs: Rc<Bell>,
}

impl Bells {
    /// Both ends.
    pub fn pair() -> (Self, Self) {
        let (one, other) = (Rc::<Bell>::default(), Rc::<Bell>::default());
        let first = Self {
            ours: Rc::clone(&one),
            theirs: Rc::clone(&other),
        };
        let second = Self {
            ours: other,
            theirs: one,
        };
        (first, second)
    }

    /// Rings at the other end.
    pub fn ring(&self) {
        self.theirs.rung.set(true);
        self.theirs.wake();
    }

    /// What has been heard since the last time.
    pub fn heard(&self) -> Signals {
        let mut heard = Signals::empty();
        heard.set(Signals::DOORBELL, self.ours.rung.take());
        heard.set(Signals::PEER_CLOSED, self.ours.left.get());
        heard
    }

    /// The same; wakes the task when there is something.
    pub fn poll(&self, context: &Context<'_>) -> Poll<Signals> {
        let heard = self.heard();
        if !heard.is_empty() {
            return Poll::Ready(heard);
        }
        let mut sleeper = self.ours.sleeper.borrow_mut();
        match &mut *sleeper {
            Some(known) => known.clone_from(context.waker()),
            None => *sleeper = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    /// Another hold on our bell, to wait by.
    pub fn listener(&self) -> Listener {
        Listener(Self {
            ours: Rc::clone(&self.ours),
            // Nobody is told when a listener goes.
            theirs: Rc::default(),
        })
    }
}

/// Hears what one end hears.
pub struct Listener(Bells);

impl Listener {
    /// As [`Bells::poll`].
    pub fn poll(&self, context: &Context<'_>) -> Poll<Signals> {
        self.0.poll(context)
    }
}

impl Drop for Bells {
    fn drop(&mut self) {
        self.theirs.left.set(true);
        self.theirs.wake();
    }
}
