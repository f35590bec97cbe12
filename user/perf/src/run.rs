//! A measurement that is going on: what all that work at a time have in common.

use core::cell::{Cell, RefCell};

use net::{Error, Net};
use rt::{clock, time::after};

use crate::{options::Options, tally::Tally};

/// What is shared by all workers.
pub struct Run {
    /// The session.
    pub net: Net,
    /// What was asked for.
    pub options: Options,
    /// The peer's address and port.
    pub peer: core::net::SocketAddr,
    /// Bytes that are sent, again and again.
    pub pattern: alloc::vec::Vec<u8>,
    /// What has happened.
    pub tally: RefCell<Tally>,
    /// Why the first failure was one.
    pub error: Cell<Option<Error>>,
    /// When it has begun and when it was over, in nanoseconds since the machine's start.
    begun: Cell<u64>,
    ended: Cell<u64>,
    /// When nothing new is begun.
    deadline: Cell<u64>,
    /// What was begun.
    taken: Cell<u64>,
}

impl Run {
    /// Not begun yet.
    pub fn new(net: Net, options: Options, peer: core::net::SocketAddr) -> Self {
        let pattern = (0..options.length).map(pattern_byte).collect();
        Self {
            net,
            options,
            peer,
            pattern,
            tally: RefCell::default(),
            error: Cell::new(None),
            begun: Cell::new(0),
            ended: Cell::new(0),
            deadline: Cell::new(u64::MAX),
            taken: Cell::new(0),
        }
    }

    /// From now on time counts, unless it does already: who is first has begun.
    pub fn begin(&self) {
        if self.begun.get() == 0 {
            self.begun.set(clock::now());
            self.deadline.set(self.options.time.map_or(u64::MAX, after));
        }
    }

    /// Whether one more is to be begun, and its number. It is as good as begun.
    pub fn take(&self) -> Option<u64> {
        let number = self.taken.get();
        if self.options.count.is_some_and(|count| number >= count) {
            return None;
        }
        if clock::now() >= self.deadline.get() {
            // It was measured until now, although the last that was begun may have been done before.
            self.end();
            return None;
        }
        self.taken.set(number + 1);
        Some(number)
    }

    /// How many were begun.
    pub fn taken(&self) -> u64 {
        self.taken.get()
    }

    /// All that was begun until now is done.
    pub fn end(&self) {
        self.ended.set(clock::now());
    }

    /// Between the beginning and the last end; until now if there was none.
    pub fn elapsed(&self) -> u64 {
        let ended = match self.ended.get() {
            0 => clock::now(),
            ended => ended,
        };
        match self.begun.get() {
            0 => 0,
            begun => ended.saturating_sub(begun),
        }
    }

    /// Something has failed.
    pub fn fail(&self, error: Error) {
        self.tally.borrow_mut().failed += 1;
        if self.error.get().is_none() {
            self.error.set(Some(error));
        }
    }
}

/// Bytes that no shift and no repetition of a power of two looks like.
fn pattern_byte(at: u32) -> u8 {
    (at % 251) as u8
}
