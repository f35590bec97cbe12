//! The table of sessions.
//!
//! *Owns* the sessions, densely, so that a turn walks only over those that exist, and the way from
//! a stack's client to its session in one step.

use alloc::vec::Vec;

use abi::Signals;
use ring::Look;
use stack::ClientId;

use crate::session::{Peer, Session};

/// Finds the place of a client in a table: the stack's names carry their index in the low bits.
#[derive(Clone, Copy)]
pub struct Places {
    mask: u32,
}

impl Places {
    /// For at most `clients` clients.
    pub fn new(clients: u32) -> Self {
        Self {
            mask: clients.max(1).next_power_of_two().wrapping_sub(1),
        }
    }

    /// How many places there are.
    pub fn count(self) -> usize {
        self.mask as usize + 1
    }

    /// The place of a client.
    pub fn of(self, client: ClientId) -> usize {
        (client.raw() & self.mask) as usize
    }
}

/// All sessions.
pub struct Clients<P> {
    places: Places,
    /// Where in `sessions` the session of a place is.
    index: Vec<Option<usize>>,
    pub sessions: Vec<Session<P>>,
    /// Counts comings and goings.
    generation: u64,
    /// Which sessions there may be something to do for, by their place in `sessions`, each once.
    awake: Vec<usize>,
}

impl<P: Peer> Clients<P> {
    /// None yet, for at most `clients`.
    pub fn new(clients: u32) -> Self {
        let places = Places::new(clients);
        Self {
            places,
            index: (0..places.count()).map(|_| None).collect(),
            sessions: Vec::with_capacity(clients as usize),
            generation: 0,
            awake: Vec::with_capacity(clients as usize),
        }
    }

    /// Counts comings and goings: equal numbers, the same sessions in the same order.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Takes in a session; gives it back when its place is taken.
    pub fn insert(&mut self, session: Session<P>) -> Result<(), Session<P>> {
        match self.index.get_mut(self.places.of(session.client)) {
            Some(place @ None) => {
                *place = Some(self.sessions.len());
                self.sessions.push(session);
                self.generation += 1;
                self.wake_all();
                Ok(())
            }
            Some(Some(_)) | None => Err(session),
        }
    }

    /// The session of a client, which there is now something to do for.
    pub fn wake(&mut self, client: ClientId) -> Option<&mut Session<P>> {
        let index = (*self.index.get(self.places.of(client))?)?;
        let session = self.sessions.get_mut(index)?;
        if session.client != client {
            return None;
        }
        if !core::mem::replace(&mut session.is_awake, true) {
            self.awake.push(index);
        }
        Some(session)
    }

    /// There may be something to do for anybody.
    pub fn wake_all(&mut self) {
        self.awake.clear();
        self.awake.extend(0..self.sessions.len());
        for session in &mut self.sessions {
            session.is_awake = true;
        }
    }

    /// After a sleep: something was seen at the end of the session at `index`.
    pub fn woken(&mut self, index: usize, seen: Signals) {
        if let Some(session) = self.sessions.get_mut(index) {
            session.woken(seen);
            if !core::mem::replace(&mut session.is_awake, true) {
                self.awake.push(index);
            }
        }
    }

    /// Calls `visit` for each session there may be something to do for; of those for which it
    /// returns true, all but one are rung. The place of that one.
    pub fn ring_all_but_one(
        &mut self,
        mut visit: impl FnMut(&mut Session<P>) -> bool,
    ) -> Option<usize> {
        let mut last: Option<usize> = None;
        for &index in &self.awake {
            let Some(session) = self.sessions.get_mut(index) else {
                continue;
            };
            if !visit(session) {
                continue;
            }
            if let Some(other) = last.replace(index)
                && let Some(session) = self.sessions.get_mut(other)
            {
                session.peer.link().ring();
            }
        }
        last
    }

    /// The `number`th of those there may be something to do for, and its place.
    pub fn awake(&mut self, number: usize) -> Option<(usize, &mut Session<P>)> {
        let index = *self.awake.get(number)?;
        Some((index, self.sessions.get_mut(index)?))
    }

    /// Calls `visit` for each session there may be something to do for.
    pub fn for_awake(&mut self, mut visit: impl FnMut(&mut Session<P>)) {
        for index in &self.awake {
            if let Some(session) = self.sessions.get_mut(*index) {
                visit(session);
            }
        }
    }

    /// Asks everybody for a sign who was not asked yet. Where there is something to do instead,
    /// nobody falls asleep.
    pub fn announce_sleep(&mut self) -> Look {
        let mut more = false;
        self.for_awake(|session| more |= session.announce_sleep() == Look::MoreWork);
        if more {
            return Look::MoreWork;
        }
        self.for_awake(|session| session.is_awake = false);
        self.awake.clear();
        Look::Sleep
    }

    /// Takes out the session at `index`; the last one moves there.
    pub fn remove(&mut self, index: usize) -> Option<Session<P>> {
        if index >= self.sessions.len() {
            return None;
        }
        let session = self.sessions.swap_remove(index);
        self.generation += 1;
        if let Some(place) = self.index.get_mut(self.places.of(session.client)) {
            *place = None;
        }
        if let Some(moved) = self.sessions.get(index)
            && let Some(place) = self.index.get_mut(self.places.of(moved.client))
        {
            *place = Some(index);
        }
        self.wake_all();
        Some(session)
    }
}
