//! Requests of clients that wait, all in one bounded store.
//!
//! *Owns* the shapes; how small they are kept is [`crate::packed`]'s. A request that ends otherwise
//! than it should (cancelled, failed) becomes a [`Notice`] in the place it held, so that telling
//! about it can never fail for want of room.

use crate::error::SocketError;
use crate::id::{SocketId, Token};
use crate::memory::Range;
use core::net::SocketAddrV4;

/// Where the bytes of a send are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// In the client's arena.
    Arena(u64),
    /// In a buffer of ours, at this index.
    Inline(u32),
    /// Nowhere: they are sent, and the client only waits to be told.
    Spent,
}

/// Where bytes to send go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    /// Into the stream; its offset behind the last byte, modulo 2^32.
    Stream(u32),
    /// To this peer, as a datagram.
    Peer(Peer),
}

/// The other end of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Over IPv4.
    V4(SocketAddrV4),
    /// Over IPv6: this port. The address is too long for a request: addresses of a chain's datagrams
    /// are in a chain of their own, in the same order.
    V6(u16),
}

/// Bytes to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Send {
    pub(crate) token: Token,
    pub(crate) source: Source,
    pub(crate) length: u32,
    pub(crate) to: To,
}

/// The part of a stream's offset that a send keeps.
#[expect(clippy::cast_possible_truncation, reason = "kept modulo 2^32")]
pub(crate) const fn low(offset: u64) -> u32 {
    offset as u32
}

impl Send {
    /// Streams: the offset behind the last byte. Less than 2^32 bytes are behind it, of `queued` in
    /// all.
    #[inline]
    pub(crate) fn end(&self, queued: u64) -> u64 {
        match self.to {
            To::Stream(end) => queued.saturating_sub(low(queued).wrapping_sub(end).into()),
            To::Peer(_) => queued,
        }
    }

    /// Streams: the offset of the first byte.
    #[inline]
    pub(crate) fn begin(&self, queued: u64) -> u64 {
        self.end(queued).saturating_sub(self.length.into())
    }
}

/// Room to receive into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) token: Token,
    pub(crate) range: Range,
    /// Bytes that the client knows of (streams), or that are used (datagrams).
    pub(crate) used: u32,
}

/// A connection wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accept {
    pub(crate) token: Token,
    pub(crate) room: Option<Range>,
    /// Not zero: the room is one for each of several connections, of so many bytes each.
    pub(crate) each: u32,
}

impl Accept {
    /// How many connections it still takes.
    pub(crate) fn count(&self) -> u32 {
        let area = self.room.unwrap_or_default().length;
        area.checked_div(self.each).unwrap_or(1)
    }

    /// The first room of the next connection, if there is one for it, and what is left of the accept
    /// for those behind.
    pub(crate) fn split(self) -> (Option<Range>, Option<Self>) {
        let Some(area) = self.room.filter(|_| self.each > 0) else {
            return (self.room, None);
        };
        let first = Range::new(area.offset, self.each);
        let length = area.length.saturating_sub(self.each);
        let rest = Range::new(area.offset.saturating_add(self.each.into()), length);
        let rest = (length >= self.each).then_some(Self {
            room: Some(rest),
            ..self
        });
        (Some(first), rest)
    }
}

/// A connection that answers an accept, and that the client has not been told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) token: Token,
    /// The name of the listener.
    pub(crate) listener: Option<SocketId>,
    /// The connection's first room; of no length: there is none.
    pub(crate) range: Range,
}

/// A datagram in a client's room that the client does not know of yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) token: Token,
    pub(crate) offset: u64,
    pub(crate) length: u32,
    /// `None` when this only says that the room is done with.
    pub(crate) from: Option<Peer>,
    pub(crate) more: bool,
}

/// A request that ended with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) token: Token,
    pub(crate) error: SocketError,
    /// Of an accept of several connections: rooms that none was given.
    pub(crate) left: u32,
}

/// Something that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Send(Send),
    Room(Room),
    Accept(Accept),
    /// A connect that the client has not been told the end of.
    Connect(Token),
    Accepted(Accepted),
    Arrival(Arrival),
    Notice(Notice),
}

impl Request {
    pub(crate) fn token(&self) -> Token {
        match self {
            Self::Send(send) => send.token,
            Self::Room(room) => room.token,
            Self::Accept(accept) => accept.token,
            Self::Connect(token) => *token,
            Self::Accepted(accepted) => accepted.token,
            Self::Arrival(arrival) => arrival.token,
            Self::Notice(notice) => notice.token,
        }
    }

    /// What becomes of a request that ends with an error.
    pub(crate) fn failed(self, error: SocketError) -> Self {
        let left = match &self {
            Self::Accept(accept) if accept.each > 0 => accept.count(),
            _ => 0,
        };
        Self::Notice(Notice {
            token: self.token(),
            error,
            left,
        })
    }
}
