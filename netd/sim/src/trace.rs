//! Traces: everything that happened to one host, in order.
//!
//! *Owns* the notes of which a packet script is made. Nothing is noted unless it was asked for.

use std::net::SocketAddr;

use stack::{Instant, SocketId};

/// One thing that happened.
#[derive(Clone, Debug)]
pub(crate) enum Moment {
    /// A frame came.
    In(Vec<u8>),
    /// A frame was sent.
    Out(Vec<u8>),
    /// A program called, about this socket: the words of a script.
    Call(SocketId, String),
    /// A socket listens on this port.
    Listens(SocketId, u16),
    /// A socket is the end of a connection to this address.
    Speaks(SocketId, SocketAddr),
    /// Clients' rings take nothing, or take everything again.
    Deaf(bool),
}

/// All that happened so far; `None` when nobody wants to know.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace(Option<Vec<(Instant, Moment)>>);

impl Trace {
    /// Begins to take notes.
    pub(crate) fn begin(&mut self) {
        self.0.get_or_insert_default();
    }

    pub(crate) fn note(&mut self, now: Instant, moment: impl FnOnce() -> Moment) {
        if let Some(notes) = &mut self.0 {
            notes.push((now, moment()));
        }
    }

    pub(crate) fn moments(&self) -> &[(Instant, Moment)] {
        self.0.as_deref().unwrap_or_default()
    }
}
