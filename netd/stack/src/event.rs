//! What clients are told: completions of requests.
//!
//! *Owns* the shape of an event. Events are not stored: each is read off the socket's state at
//! the moment a client's ring has room for it (see `publish.rs`), so that nothing queues without
//! bound and a slow client holds back only its own acknowledgements.

use crate::error::SocketError;
use crate::id::{ClientId, SocketId, Token};
use crate::memory::Range;
use alloc::string::ToString as _;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use wire::dns::Name;

/// One completion.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    /// Whose it is.
    pub client: ClientId,
    /// The request's token.
    pub token: Token,
    /// The socket concerned, if any.
    pub socket: Option<SocketId>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened. Unless said otherwise the request is done with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EventKind {
    /// A connect succeeded.
    Connected {
        /// Our end.
        local: SocketAddr,
        /// The other end.
        remote: SocketAddr,
    },
    /// An accept has its connection.
    Accepted {
        /// The new socket. The room of the accept is its first receive, with the accept's token.
        socket: SocketId,
        /// Our end.
        local: SocketAddr,
        /// The other end.
        remote: SocketAddr,
        /// The room.
        room: Option<Range>,
    },
    /// A stream's peer has acknowledged, or the link has taken, all bytes of a send: the memory
    /// is the client's again.
    Sent {
        /// Bytes.
        bytes: u32,
    },
    /// Bytes are in the room of a receive.
    Received {
        /// Where in the arena.
        offset: u64,
        /// Bytes.
        length: u32,
        /// Who sent the datagram; `None` for streams.
        from: Option<SocketAddr>,
        /// The receive goes on: more completions will carry its token. If not, its room is the
        /// client's again: full, or with a rest that is too small to be offered to the peer.
        more: bool,
        /// Streams: the smoothed round-trip time in microseconds; zero: not known. What the client
        /// takes within one is what it should give room for, twice.
        round_trip: u32,
        /// Streams: the send of this token, which allows it, is done as well, as by [`EventKind::Sent`].
        sent: Option<Token>,
    },
    /// The peer will send no more; answers one waiting receive, every later one too.
    Eof,
    /// A close is done: all bytes and our FIN are acknowledged, or the connection is gone.
    Closed,
    /// The request failed.
    Error(SocketError),
    /// An accept of several connections takes no more.
    Stopped {
        /// Why.
        error: SocketError,
        /// So many of its rooms, the last, were given to no connection. The others' connections have
        /// been told or will be.
        left: u32,
    },
    /// The connection failed while no request waited that could say so; carries no token (zero).
    Lost(SocketError),
    /// Up to here the peer's bytes are urgent, and that was not known before; carries no token.
    Urgent {
        /// How many of them the client has not been told of yet.
        bytes: u64,
    },
    /// The connection goes on, but perhaps not for long: what a router has said of it, or, after
    /// three retransmissions, [`SocketError::TimedOut`]; carries no token.
    Doubtful(SocketError),
    /// A name was looked up.
    Resolved(Resolution),
    /// The name of an address was looked up.
    Named(Naming),
    /// A service was found; others may follow.
    Service(Instance),
    /// No more services are looked for.
    Browsed,
    /// A ping came back.
    PingReply {
        /// Who answered.
        from: IpAddr,
        /// Time from emission to arrival.
        round_trip: Duration,
        /// Time to live of the answer.
        ttl: u8,
        /// Bytes of data in the answer.
        size: u16,
        /// The sequence number that was asked with.
        sequence: u16,
    },
    /// A router answered a ping instead (time exceeded, unreachable).
    PingFailed {
        /// Who says so; `None` when we know it ourselves.
        from: Option<IpAddr>,
        /// What is wrong.
        error: SocketError,
        /// The sequence number that was asked with.
        sequence: u16,
    },
}

/// Addresses at most in a [`Resolution`].
pub const RESOLUTION_ADDRESSES: usize = 8;

/// The answer to a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// How it ended.
    pub outcome: ResolutionOutcome,
    /// The addresses found; the first `count` count.
    pub addresses: [Option<IpAddr>; RESOLUTION_ADDRESSES],
    /// Seconds the answer stays good.
    pub ttl: u32,
    /// The server that answered; `None` when it came from the cache or the name was an address.
    pub server: Option<SocketAddr>,
    /// Aliases (CNAME) that were followed.
    pub aliases: u8,
    /// Time from the question to the answer.
    pub took: Duration,
}

/// The name of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Naming {
    /// How it ended; [`ResolutionOutcome::TooLong`] for a name that has no room here.
    pub outcome: ResolutionOutcome,
    /// The name as text, with what is not printable written in digits, padded with zeros.
    pub name: [u8; Self::BYTES],
    /// Seconds the answer stays good.
    pub ttl: u32,
    /// Who answered; `None` when it was known.
    pub server: Option<SocketAddr>,
    /// Aliases (CNAME) that were followed.
    pub aliases: u8,
    /// Time from the question to the answer.
    pub took: Duration,
}

impl Naming {
    /// Room for a name, and a zero behind it.
    pub const BYTES: usize = 136;

    /// One without a name.
    pub(crate) const fn ended(outcome: ResolutionOutcome) -> Self {
        Self {
            outcome,
            name: [0; Self::BYTES],
            ttl: 0,
            server: None,
            aliases: 0,
            took: Duration::ZERO,
        }
    }

    /// This is the name.
    pub(crate) fn put(&mut self, name: &Name) {
        let text = name.to_string();
        let place = self.name.get_mut(..text.len());
        // One zero at least stays behind it.
        match place.filter(|place| place.len() < Self::BYTES) {
            Some(place) => {
                place.copy_from_slice(text.as_bytes());
                self.outcome = ResolutionOutcome::Found;
            }
            None => self.outcome = ResolutionOutcome::TooLong,
        }
    }
}

/// Room for a label, and a zero behind it.
pub const LABEL_BYTES: usize = 64;

/// A service of somebody on the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instance {
    /// What it is called, padded with zeros.
    pub name: [u8; LABEL_BYTES],
    /// The host that it is at, as text, padded with zeros.
    pub host: [u8; Self::HOST_BYTES],
    /// Its port there.
    pub port: u16,
    /// Some of the host's addresses.
    pub addresses: [Option<IpAddr>; Self::ADDRESSES],
}

impl Instance {
    /// Addresses at most.
    pub const ADDRESSES: usize = 3;
    /// Room for the name of a host below `local`.
    pub const HOST_BYTES: usize = 72;
}

/// How a look-up ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResolutionOutcome {
    /// There are addresses, or a name.
    Found,
    /// There is a name that is too long to tell.
    TooLong,
    /// The name does not exist (NXDOMAIN).
    NoSuchName,
    /// The name exists but has no address of this kind.
    NoData,
    /// No server answered in time.
    TimedOut,
    /// The servers answered, but failed or refused.
    ServerFailed,
    /// The request was cancelled.
    Cancelled,
}

/// What became of an event offered to a client's ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// It is in the ring: the client will see it.
    Published,
    /// The ring is full: keep it.
    Full,
}
