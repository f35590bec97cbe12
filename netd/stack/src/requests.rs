//! Requests of clients that wait, all in one bounded store.
//!
//! *Owns* the shapes. A request that ends otherwise than it should (cancelled, failed) becomes a
//! [`Notice`] in the place it held, so that telling about it can never fail for want of room.

use crate::error::SocketError;
use crate::id::{SocketId, Token};
use crate::memory::Range;
use core::net::SocketAddrV4;

/// A place in a client's arena, at half the alignment of a number of its size: requests are many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offset([u32; 2]);

impl Offset {
    #[inline]
    pub(crate) fn new(bytes: u64) -> Self {
        let [a, b, c, d, e, f, g, h] = bytes.to_ne_bytes();
        Self([
            u32::from_ne_bytes([a, b, c, d]),
            u32::from_ne_bytes([e, f, g, h]),
        ])
    }

    /// In bytes from the arena's beginning.
    #[inline]
    pub(crate) fn get(self) -> u64 {
        let [[a, b, c, d], [e, f, g, h]] = self.0.map(u32::to_ne_bytes);
        u64::from_ne_bytes([a, b, c, d, e, f, g, h])
    }
}

/// Where the bytes of a send are. (The small tag leaves [`Request`] to keep its own in
/// [`Send::to`], behind everything that the other kinds have.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Source {
    /// In the client's arena.
    Arena(Offset),
    /// In a buffer of ours, at this index.
    Inline(u32),
    /// Nowhere: they are sent, and the client only waits to be told.
    Spent,
}

/// Bytes to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Send {
    pub(crate) token: Token,
    pub(crate) source: Source,
    pub(crate) length: u32,
    /// Streams: the offset in the stream behind the last byte.
    pub(crate) end: u64,
    /// Datagrams: where to.
    pub(crate) to: Option<SocketAddrV4>,
}

impl Send {
    /// Streams: the offset in the stream of the first byte.
    pub(crate) fn begin(&self) -> u64 {
        self.end.saturating_sub(self.length.into())
    }
}

/// Room to receive into.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) token: Token,
    pub(crate) range: Range,
    /// Streams: bytes told to the client. Datagrams: bytes used.
    pub(crate) used: u32,
}

/// A connection wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accept {
    pub(crate) token: Token,
    pub(crate) room: Option<Range>,
}

/// A connection that answers an accept, and that the client has not been told of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accepted {
    pub(crate) token: Token,
    /// The name of the listener.
    pub(crate) listener: Option<SocketId>,
    /// The connection's first room; of no length: there is none.
    pub(crate) range: Range,
}

/// A datagram in a client's room that the client does not know of yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) token: Token,
    pub(crate) offset: u64,
    pub(crate) length: u32,
    /// `None` when this only says that the room is done with.
    pub(crate) from: Option<SocketAddrV4>,
    pub(crate) more: bool,
}

/// A request that ended with an error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Notice {
    pub(crate) token: Token,
    pub(crate) error: SocketError,
}

/// Something that waits.
#[derive(Clone, Copy, Debug)]
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

// One waits at every idle connection.
const _: () = assert!(size_of::<Request>() <= 40);

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

    /// What becomes of a send whose bytes are done with.
    pub(crate) fn spent(self) -> Self {
        match self {
            Self::Send(send) => Self::Send(Send {
                source: Source::Spent,
                ..send
            }),
            other => other,
        }
    }

    /// What becomes of a request that ends with an error.
    pub(crate) fn failed(self, error: SocketError) -> Self {
        Self::Notice(Notice {
            token: self.token(),
            error,
        })
    }

    pub(crate) fn send(&self) -> Option<&Send> {
        match self {
            Self::Send(send) => Some(send),
            _ => None,
        }
    }

    /// Of what a connection has to receive into: the room in it, and how much of it the client
    /// knows to be used. (What says how the connection began may have none.)
    pub(crate) fn room(&self) -> Option<(Range, u32)> {
        match self {
            Self::Room(room) => Some((room.range, room.used)),
            Self::Accepted(accepted) => Some((accepted.range, 0)),
            Self::Connect(_) => Some((Range::default(), 0)),
            _ => None,
        }
    }
}
