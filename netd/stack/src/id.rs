//! Names of things: what clients and netd hold instead of references.
//!
//! *Owns* the four kinds of name. *Never* looks anything up: a name is only a number until the
//! table that issued it has checked index, generation and owner.

use core::num::NonZeroU32;

/// One connected client of the stack (a session in netd). Never valid again once closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientId(pub(crate) NonZeroU32);

/// One socket: index and generation in one number, so that the name of a closed socket does not
/// name its successor. Only its owner may use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SocketId(pub(crate) NonZeroU32);

/// One interface. Zero is loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InterfaceId(pub(crate) u8);

/// What a client calls one of its requests; every completion carries it back, unchanged but for
/// [`Token::room`]: bits 49 to 63 are left alone by requests. For bits 47 and 48 of a
/// send's see [`Token::along`] and [`Token::unanswered`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Token(pub u64);

impl Token {
    /// Rooms that an accept of several connections may have.
    pub(crate) const MOST_ROOMS: u32 = (1 << 15) - 1;
    const ROOM_SHIFT: u32 = 49;
    const UNANSWERED: u64 = 1 << 48;
    const ALONG: u64 = 1 << 47;

    /// As that of a datagram of which only a failure is told.
    #[must_use]
    pub const fn unanswered(self) -> Self {
        Self(self.0 | Self::UNANSWERED)
    }

    /// As that of a stream's send that may be told of along with bytes that have come.
    #[must_use]
    pub const fn along(self) -> Self {
        Self(self.0 | Self::ALONG)
    }

    /// Whether a stream's send is such a one.
    pub(crate) const fn is_along(self) -> bool {
        self.0 & Self::ALONG != 0
    }

    /// Whether a datagram is one of which only a failure is told.
    pub(crate) const fn is_unanswered(self) -> bool {
        self.0 & Self::UNANSWERED != 0
    }

    /// As the room of one of the connections that the request has accepted; see [`Self::room`].
    pub(crate) const fn of_room(self, left: u32) -> Self {
        let left = left & Self::MOST_ROOMS;
        Self(self.0 | (left as u64) << Self::ROOM_SHIFT)
    }

    /// Of an accept of several connections: which of their rooms a completion concerns, and not the
    /// accept itself. How many the accept had when this one was given, which was one of them.
    #[must_use]
    pub fn room(self) -> Option<u32> {
        let left = u32::try_from(self.0 >> Self::ROOM_SHIFT).unwrap_or(0);
        (left > 0).then_some(left)
    }
}

impl ClientId {
    /// The number behind the name; never zero.
    #[must_use]
    pub fn raw(self) -> u32 {
        self.0.get()
    }
}

impl SocketId {
    /// The number that travels in messages; never zero.
    #[must_use]
    pub fn raw(self) -> u32 {
        self.0.get()
    }

    /// The name for a number that came in a message, unchecked until used; `None` for zero.
    #[must_use]
    pub fn from_raw(raw: u32) -> Option<Self> {
        NonZeroU32::new(raw).map(Self)
    }
}

impl InterfaceId {
    /// The loopback interface, which always exists.
    pub const LOOPBACK: Self = Self(0);

    /// The number that info tools show.
    #[must_use]
    pub fn raw(self) -> u8 {
        self.0
    }

    /// The name for a number that came in a message, unchecked until used.
    #[must_use]
    pub const fn from_raw(raw: u8) -> Self {
        Self(raw)
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}
