//! A connection that outlived its stack, as its client sees it.
//!
//! *Owns* the two shapes in which a stack and a client compare what they know of it. *Never* decides who
//! is right: that is [`crate::Stack::resume`]'s.

use crate::config::Data;
use crate::id::Token;
use crate::memory::Range;
use crate::record::Owner;
use core::net::SocketAddr;

/// A connection whose client has not come back for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survivor {
    /// The client's number.
    pub(crate) client: u32,
    /// The place of the connection, among those of its family.
    pub(crate) index: u32,
    /// What the client has of it.
    pub owner: Owner,
    /// Our end.
    pub local: SocketAddr,
    /// The peer's end.
    pub remote: SocketAddr,
    /// Before this offset every received byte is in the client's memory.
    pub received: u64,
    /// Before this offset every sent byte is acknowledged.
    pub acknowledged: u64,
}

/// What a client still holds of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Resumption<'a> {
    /// Bytes that it was told to have been received, since the connection began.
    pub received: u64,
    /// The rooms that it has given and not got back, oldest first; of the first only what is behind
    /// the bytes it knows of.
    pub rooms: &'a [(Range, Token)],
    /// Bytes that it was told to have been sent.
    pub sent: u64,
    /// The sends that have not completed, oldest first.
    pub sends: &'a [(Data<'a>, Token)],
}

impl Survivor {
    /// What they are sorted by.
    pub(crate) fn key(&self) -> (u32, bool, u32) {
        (self.client, self.remote.is_ipv6(), self.index)
    }
}
