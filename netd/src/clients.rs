//! The table of sessions.
//!
//! *Owns* the sessions, densely, so that a turn walks only over those that exist, and the way from
//! a stack's client to its session in one step.

use alloc::vec::Vec;

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
}

impl<P: Peer> Clients<P> {
    /// None yet, for at most `clients`.
    pub fn new(clients: u32) -> Self {
        let places = Places::new(clients);
        Self {
            places,
            index: (0..places.count()).map(|_| None).collect(),
            sessions: Vec::with_capacity(clients as usize),
        }
    }

    /// Takes in a session; gives it back when its place is taken.
    pub fn insert(&mut self, session: Session<P>) -> Result<(), Session<P>> {
        match self.index.get_mut(self.places.of(session.client)) {
            Some(place @ None) => {
                *place = Some(self.sessions.len());
                self.sessions.push(session);
                Ok(())
            }
            Some(Some(_)) | None => Err(session),
        }
    }

    /// The session of a client.
    pub fn get_mut(&mut self, client: ClientId) -> Option<&mut Session<P>> {
        let index = (*self.index.get(self.places.of(client))?)?;
        self.sessions
            .get_mut(index)
            .filter(|session| session.client == client)
    }

    /// Takes out the session at `index`; the last one moves there.
    pub fn remove(&mut self, index: usize) -> Option<Session<P>> {
        if index >= self.sessions.len() {
            return None;
        }
        let session = self.sessions.swap_remove(index);
        if let Some(place) = self.index.get_mut(self.places.of(session.client)) {
            *place = None;
        }
        if let Some(moved) = self.sessions.get(index)
            && let Some(place) = self.index.get_mut(self.places.of(moved.client))
        {
            *place = Some(index);
        }
        Some(session)
    }
}
