//! The store of requests: what waits, in 24 bytes each.
//!
//! *Owns* the packing. Everybody else sees a [`Request`]; one waits at every idle connection, so a
//! byte less here is one less for each of them.
//!
//! *Invariant*: what was packed comes out as it was, but for places in an arena beyond 2^48 bytes,
//! where no arena reaches: they come out as other places there.

use crate::error::SocketError;
use crate::id::{SocketId, Token};
use crate::memory::Range;
use crate::nodes::{Chain, Cursor, Full, Nodes};
use crate::requests::{Accept, Accepted, Arrival, Notice, Peer, Request, Room, Send, Source, To};
use core::net::{Ipv4Addr, SocketAddrV4};

/// What a request is, with what takes a byte at most.
#[derive(Clone, Copy, Debug)]
enum Kind {
    StreamSend(Place),
    DatagramSend(Place),
    DatagramSend6(Place),
    Room,
    Accept { has_room: bool },
    Connect,
    Accepted,
    Arrival { more: bool },
    Arrival6 { more: bool },
    RoomDone,
    Notice(SocketError),
}

/// What [`Source`] says, without saying where.
#[derive(Clone, Copy, Debug)]
enum Place {
    Arena,
    Inline,
    Spent,
}

/// A request. What the words hold is nobody's to know but this file's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packed {
    kind: Kind,
    /// The upper bits of an offset in an arena.
    high: u16,
    offset: u32,
    token: [u32; 2],
    length: u32,
    more: u32,
}

const _: () = assert!(Nodes::<Packed>::PLACE <= 32);

/// Offsets have so many bits.
const OFFSET_BITS: u32 = 48;

/// Both halves of a number, the lower first.
#[expect(clippy::cast_possible_truncation, reason = "halves")]
const fn halves(number: u64) -> [u32; 2] {
    [number as u32, (number >> 32) as u32]
}

const fn whole([low, high]: [u32; 2]) -> u64 {
    (high as u64) << 32 | low as u64
}

impl From<Send> for Packed {
    #[inline]
    fn from(send: Send) -> Self {
        let (place, offset) = match send.source {
            Source::Arena(offset) => (Place::Arena, offset),
            Source::Inline(index) => (Place::Inline, index.into()),
            Source::Spent => (Place::Spent, 0),
        };
        let range = |length| Range { offset, length };
        match send.to {
            To::Stream(end) => Self {
                more: end,
                ..Self::ranged(Kind::StreamSend(place), send.token, range(send.length))
            },
            To::Peer(Peer::V6(port)) => Self::ranged(
                Kind::DatagramSend6(place),
                send.token,
                range(pair(send.length, port)),
            ),
            To::Peer(Peer::V4(to)) => Self {
                more: to.ip().to_bits(),
                // A datagram's length takes half of the place.
                ..Self::ranged(
                    Kind::DatagramSend(place),
                    send.token,
                    range(pair(send.length, to.port())),
                )
            },
        }
    }
}

impl From<Room> for Packed {
    #[inline]
    fn from(Room { token, range, used }: Room) -> Self {
        Self {
            more: used,
            ..Self::ranged(Kind::Room, token, range)
        }
    }
}

impl From<Arrival> for Packed {
    #[inline]
    fn from(arrival: Arrival) -> Self {
        let range = |length| Range::new(arrival.offset, length);
        match arrival.from {
            Some(Peer::V6(port)) => Self::ranged(
                Kind::Arrival6 { more: arrival.more },
                arrival.token,
                range(pair(arrival.length, port)),
            ),
            Some(Peer::V4(from)) => Self {
                more: from.ip().to_bits(),
                ..Self::ranged(
                    Kind::Arrival { more: arrival.more },
                    arrival.token,
                    range(pair(arrival.length, from.port())),
                )
            },
            None => Self::ranged(Kind::RoomDone, arrival.token, range(0)),
        }
    }
}

impl From<Request> for Packed {
    fn from(request: Request) -> Self {
        match request {
            Request::Send(send) => send.into(),
            Request::Room(room) => room.into(),
            Request::Accept(Accept { token, room, each }) => Self {
                more: each,
                ..Self::ranged(
                    Kind::Accept {
                        has_room: room.is_some(),
                    },
                    token,
                    room.unwrap_or_default(),
                )
            },
            Request::Connect(token) => Self::ranged(Kind::Connect, token, Range::default()),
            Request::Accepted(Accepted {
                token,
                listener,
                range,
            }) => Self {
                more: listener.map_or(0, SocketId::raw),
                ..Self::ranged(Kind::Accepted, token, range)
            },
            Request::Arrival(arrival) => arrival.into(),
            Request::Notice(Notice { token, error, left }) => Self {
                more: left,
                ..Self::ranged(Kind::Notice(error), token, Range::default())
            },
        }
    }
}

impl Packed {
    #[inline]
    fn ranged(kind: Kind, token: Token, range: Range) -> Self {
        let offset = range.offset.min((1 << OFFSET_BITS) - 1);
        let [low, high] = halves(offset);
        Self {
            kind,
            high: u16::try_from(high).unwrap_or(u16::MAX),
            offset: low,
            token: halves(token.0),
            length: range.length,
            more: 0,
        }
    }

    #[inline]
    fn range(&self) -> Range {
        let offset = whole([self.offset, self.high.into()]);
        Range::new(offset, self.length)
    }

    fn source(&self, place: Place) -> Source {
        match place {
            Place::Arena => Source::Arena(self.range().offset),
            Place::Inline => Source::Inline(self.offset),
            Place::Spent => Source::Spent,
        }
    }

    /// Length and peer of a datagram over IPv4.
    fn datagram(&self) -> (u32, Peer) {
        let [length, port] = unpair(self.length);
        let peer = SocketAddrV4::new(Ipv4Addr::from_bits(self.more), port);
        (length.into(), Peer::V4(peer))
    }

    /// The same of one over IPv6.
    fn datagram6(&self) -> (u32, Peer) {
        let [length, port] = unpair(self.length);
        (length.into(), Peer::V6(port))
    }

    #[inline]
    fn token(&self) -> Token {
        Token(whole(self.token))
    }

    #[inline]
    fn stream_send(&self, place: Place) -> Send {
        Send {
            token: self.token(),
            source: self.source(place),
            length: self.length,
            to: To::Stream(self.more),
        }
    }

    #[inline]
    fn datagram_send(&self, place: Place, (length, peer): (u32, Peer)) -> Send {
        Send {
            token: self.token(),
            source: self.source(place),
            length,
            to: To::Peer(peer),
        }
    }

    #[inline]
    fn whole_room(&self) -> Room {
        Room {
            token: self.token(),
            range: self.range(),
            used: self.more,
        }
    }

    #[inline]
    fn datagram_arrival(&self, more: bool, (length, from): (u32, Peer)) -> Arrival {
        Arrival {
            token: self.token(),
            offset: self.range().offset,
            length,
            from: Some(from),
            more,
        }
    }

    fn room_done(&self) -> Arrival {
        Arrival {
            token: self.token(),
            offset: self.range().offset,
            length: 0,
            from: None,
            more: false,
        }
    }

    /// The request, if it is a datagram that came.
    #[inline]
    fn arrival(&self) -> Option<Arrival> {
        match self.kind {
            Kind::Arrival { more } => Some(self.datagram_arrival(more, self.datagram())),
            Kind::Arrival6 { more } => Some(self.datagram_arrival(more, self.datagram6())),
            Kind::RoomDone => Some(self.room_done()),
            _ => None,
        }
    }

    /// The request, if it has ended with an error.
    #[inline]
    fn notice(&self) -> Option<Notice> {
        match self.kind {
            Kind::Notice(error) => Some(Notice {
                token: self.token(),
                error,
                left: self.more,
            }),
            _ => None,
        }
    }

    /// The request, if it is a send.
    #[inline]
    fn send(&self) -> Option<Send> {
        match self.kind {
            Kind::StreamSend(place) => Some(self.stream_send(place)),
            Kind::DatagramSend(place) => Some(self.datagram_send(place, self.datagram())),
            Kind::DatagramSend6(place) => Some(self.datagram_send(place, self.datagram6())),
            _ => None,
        }
    }

    /// The request, if it is a room.
    /// A send's bytes are done with.
    #[inline]
    fn spend(&mut self) {
        if let Kind::StreamSend(place) | Kind::DatagramSend(place) | Kind::DatagramSend6(place) =
            &mut self.kind
        {
            *place = Place::Spent;
        }
    }

    #[inline]
    fn room(&self) -> Option<Room> {
        matches!(self.kind, Kind::Room).then(|| self.whole_room())
    }

    /// Of what a connection has to receive into: the room in it, and how much of it the client
    /// knows to be used. (What says how the connection began may have none.)
    #[inline]
    fn space(&self) -> Option<(Range, u32)> {
        match self.kind {
            Kind::Room => Some((self.range(), self.more)),
            Kind::Accepted => Some((self.range(), 0)),
            Kind::Connect => Some((Range::default(), 0)),
            _ => None,
        }
    }

    fn open(&self) -> Request {
        let token = self.token();
        match self.kind {
            Kind::StreamSend(place) => Request::Send(self.stream_send(place)),
            Kind::DatagramSend(place) => Request::Send(self.datagram_send(place, self.datagram())),
            Kind::DatagramSend6(place) => {
                Request::Send(self.datagram_send(place, self.datagram6()))
            }
            Kind::Room => Request::Room(self.whole_room()),
            Kind::Accept { has_room } => Request::Accept(Accept {
                token,
                room: has_room.then(|| self.range()),
                each: self.more,
            }),
            Kind::Connect => Request::Connect(token),
            Kind::Accepted => Request::Accepted(Accepted {
                token,
                listener: SocketId::from_raw(self.more),
                range: self.range(),
            }),
            Kind::Arrival { more } => {
                Request::Arrival(self.datagram_arrival(more, self.datagram()))
            }
            Kind::Arrival6 { more } => {
                Request::Arrival(self.datagram_arrival(more, self.datagram6()))
            }
            Kind::RoomDone => Request::Arrival(self.room_done()),
            Kind::Notice(error) => Request::Notice(Notice {
                token,
                error,
                left: self.more,
            }),
        }
    }
}

/// The length of a datagram, which is less than 2^16, and a port.
fn pair(length: u32, port: u16) -> u32 {
    u32::from(u16::try_from(length).unwrap_or(u16::MAX)) << 16 | u32::from(port)
}

fn unpair(pair: u32) -> [u16; 2] {
    let [a, b, c, d] = pair.to_be_bytes();
    [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]
}

/// All requests that wait.
#[derive(Debug)]
pub(crate) struct Requests(Nodes<Packed>);

impl Requests {
    /// See [`Nodes::new`].
    pub(crate) fn new(limit: usize, owners: usize, quota: u32) -> Self {
        Self(Nodes::new(limit, owners, quota))
    }

    /// See [`Nodes::in_use`].
    pub(crate) fn in_use(&self) -> u32 {
        self.0.in_use()
    }

    /// See [`Nodes::len`].
    pub(crate) fn len(&self, chain: &Chain) -> u32 {
        self.0.len(chain)
    }

    /// See [`Nodes::push`].
    #[inline]
    pub(crate) fn push(
        &mut self,
        chain: &mut Chain,
        owner: u32,
        request: impl Into<Packed>,
    ) -> Result<(), Full> {
        self.0.push(chain, owner, request.into())
    }

    /// Takes the first request out.
    pub(crate) fn pop(&mut self, chain: &mut Chain) -> Option<Request> {
        self.0.pop(chain).map(|request| request.open())
    }

    /// Takes the first request out, whatever it is.
    #[inline]
    pub(crate) fn discard(&mut self, chain: &mut Chain) {
        self.0.pop(chain);
    }

    /// The first request, if it is a send.
    #[inline]
    pub(crate) fn first_send(&self, chain: &Chain) -> Option<Send> {
        self.0.first(chain)?.send()
    }

    /// The first request, if it is a room.
    #[inline]
    pub(crate) fn first_room(&self, chain: &Chain) -> Option<Room> {
        self.0.first(chain)?.room()
    }

    /// The first request, if it is a datagram that came.
    #[inline]
    pub(crate) fn first_arrival(&self, chain: &Chain) -> Option<Arrival> {
        self.0.first(chain)?.arrival()
    }

    /// The first request, if it has ended with an error.
    #[inline]
    pub(crate) fn first_notice(&self, chain: &Chain) -> Option<Notice> {
        self.0.first(chain)?.notice()
    }

    /// So many bytes of the first request, which is a room, are used.
    #[inline]
    pub(crate) fn use_first_room(&mut self, chain: &Chain, used: u32) {
        if let Some(first) = self.0.first_mut(chain)
            && matches!(first.kind, Kind::Room)
        {
            first.more = used;
        }
    }

    /// The first request.
    pub(crate) fn first(&self, chain: &Chain) -> Option<Request> {
        self.0.first(chain).map(Packed::open)
    }

    /// Puts another request in the place of the first.
    pub(crate) fn replace_first(&mut self, chain: &Chain, request: Request) {
        if let Some(first) = self.0.first_mut(chain) {
            *first = request.into();
        }
    }

    /// See [`Nodes::start`].
    pub(crate) fn start(&self, chain: &Chain) -> Cursor {
        self.0.start(chain)
    }

    /// The send a walk has come to.
    #[inline]
    pub(crate) fn send_at(&self, at: Cursor) -> Option<Send> {
        self.0.get(at)?.send()
    }

    /// What a connection has to receive into, oldest first: each room, and how much of it the client
    /// knows to be used.
    pub(crate) fn spaces(&self, chain: &Chain) -> impl Iterator<Item = (Range, u32)> + '_ {
        self.0.iter(chain).filter_map(Packed::space)
    }

    /// The room a walk has come to, and how much of it the client knows to be used; of what says how
    /// a connection began, there may be none.
    #[inline]
    pub(crate) fn space_at(&self, at: Cursor) -> Option<(Range, u32)> {
        self.0.get(at)?.space()
    }

    /// See [`Nodes::next`].
    pub(crate) fn next(&self, chain: &Chain, at: Cursor) -> Cursor {
        self.0.next(chain, at)
    }

    /// All requests of a chain, oldest first.
    pub(crate) fn iter(&self, chain: &Chain) -> impl Iterator<Item = Request> + '_ {
        self.0.iter(chain).map(Packed::open)
    }

    /// See [`Nodes::move_first`].
    pub(crate) fn move_first(
        &mut self,
        from: &mut Chain,
        to: &mut Chain,
        change: impl FnOnce(Request) -> Request,
    ) -> bool {
        let change = |request: &mut Packed| *request = change(request.open()).into();
        self.0.move_first(from, to, change)
    }

    /// Moves the first send to the end of another chain, as one whose bytes are done with.
    #[inline]
    pub(crate) fn spend_first(&mut self, from: &mut Chain, to: &mut Chain) {
        self.0.move_first(from, to, Packed::spend);
    }

    /// See [`Nodes::move_where`].
    pub(crate) fn move_where(
        &mut self,
        from: &mut Chain,
        to: &mut Chain,
        wanted: impl Fn(Request) -> bool,
        change: impl FnOnce(Request) -> Request,
    ) -> bool {
        let change = |request: &mut Packed| *request = change(request.open()).into();
        self.0
            .move_where(from, to, |request| wanted(request.open()), change)
    }
}

#[cfg(test)]
#[path = "packed_tests.rs"]
mod tests;
