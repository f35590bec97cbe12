//! What a call on a connection tells its owner: values, never side effects.
//!
//! *Owns* [`Outcome`] (what one segment or one timer did), [`Emit`] (one segment to send) and
//! [`Fate`]. *Never* acts: copying bytes, sending replies and counting are the owner's.

use wire::tcp::Header;
use wire::{Drop, Ecn};

use crate::segment::Reset;
use crate::state::{Step, Steps};

/// Where the owner must copy a part of the segment's payload to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Offset in the receive stream of the first byte to copy; 0 is the peer's first byte. It lies
    /// within the room that was given.
    pub stream_offset: u64,
    /// Bytes at the front of the payload to leave out.
    pub skip: u32,
    /// Bytes to copy; never zero.
    pub len: u32,
}

/// Things that happened and that the user may want to know. Several can come with one segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Events(u8);

impl Events {
    /// The handshake is complete: bytes may flow.
    pub const ESTABLISHED: Self = Self(1);
    /// The peer has finished: after the bytes in order so far comes the end of the stream.
    pub const PEER_FIN: Self = Self(1 << 1);
    /// Our end of the stream, and so everything before it, is acknowledged.
    pub const FIN_ACKNOWLEDGED: Self = Self(1 << 2);
    /// The peer reset the connection, or refused it.
    pub const RESET: Self = Self(1 << 3);
    /// Nobody answered for too long.
    pub const TIMED_OUT: Self = Self(1 << 4);
    /// [`Fate`] is no longer [`Fate::Continues`]: the owner must take the connection out.
    pub const OVER: Self = Self(1 << 5);

    /// Data came that a router had marked (RFC 3168 section 6.1.3).
    pub const MARKED: Self = Self(1 << 6);
    /// The congestion window was reduced because the peer has seen a mark (RFC 3168 section 6.1.2).
    pub const SLOWED: Self = Self(1 << 7);

    /// No event.
    #[must_use]
    pub const fn none() -> Self {
        Self(0)
    }

    /// Whether all of `events` are among these.
    #[must_use]
    pub const fn contains(self, events: Self) -> bool {
        self.0 & events.0 == events.0
    }

    /// Whether nothing happened.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds `events`.
    pub const fn insert(&mut self, events: Self) {
        self.0 |= events.0;
    }
}

/// What one call did.
///
/// The owner, in this order: copies `place`; tells the user of `advanced` bytes and of `events`
/// (and then calls `publish`); frees `acked` bytes of what the user sent; sends `reply`; counts
/// `drop`; and sends what `output` now has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Outcome {
    /// Payload to copy into the user's room.
    pub place: Option<Place>,
    /// Bytes that are now in order and were not before, holes filled by this segment included.
    pub advanced: u64,
    /// Bytes of the user's that the peer acknowledged just now.
    pub acked: u64,
    /// The peer's urgent bytes end so many bytes behind those that were in order before; 0 if the
    /// segment says nothing of the kind (RFC 9293 section 3.8.5, MUST-62: the byte behind them).
    pub urgent: u16,
    /// What the user may want to know.
    pub events: Events,
    /// To be sent at once.
    pub reply: Option<Reset>,
    /// The segment, or all of its payload, was discarded for this reason.
    pub drop: Option<Drop>,
    /// The changes of state.
    pub steps: Steps,
}

impl Outcome {
    /// Whether it tells of bytes that came in order and of bytes that were acknowledged, and of
    /// nothing else that the user may want to know or that is to be sent.
    #[inline]
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        self.urgent == 0 && self.events.is_empty() && self.reply.is_none()
    }

    /// This, and then what a second part of the same segment did.
    pub(crate) fn followed_by(mut self, rest: Self) -> Self {
        let Self {
            place,
            advanced,
            acked,
            urgent,
            events,
            reply,
            drop,
            steps,
        } = rest;
        self.place = self.place.or(place);
        self.advanced = self.advanced.saturating_add(advanced);
        self.acked = self.acked.saturating_add(acked);
        self.urgent = self.urgent.max(urgent);
        self.events.insert(events);
        self.reply = self.reply.or(reply);
        self.drop = self.drop.or(drop);
        for step in steps.iter() {
            self.steps.push(step);
        }
        self
    }

    /// Notes a change of state, if there was one.
    pub(crate) fn step(&mut self, step: Option<Step>) {
        if let Some(step) = step {
            self.steps.push(step);
        }
    }
}

/// One segment, or one super-segment, to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Emit {
    /// The header; its ports are to be filled in.
    pub header: Header,
    /// Offset in the send stream of the first payload byte; 0 is the user's first byte.
    pub stream_offset: u64,
    /// Payload bytes; they lie within what was queued and is not yet acknowledged.
    pub len: u32,
    /// Payload bytes of each segment on the wire, to which a longer `len` must be cut: with the
    /// same header, sequence numbers counted on, FIN and PSH on the last only.
    pub segment_len: u16,
    /// What the packet says to routers (RFC 3168 section 5).
    pub ecn: Ecn,
    /// Nothing follows for now: asking again at once would give nothing.
    pub is_last: bool,
}

/// Whether a connection is still one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on.
    Continues,
    /// All is done and acknowledged: replace it by the small record that `time_wait` gives.
    TimeWait,
    /// It is over: remove it.
    Closed,
}
