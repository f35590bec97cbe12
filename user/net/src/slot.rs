//! A request under way, and what has come of it.
//!
//! *Owns* nothing of the arena but knows what belongs to the request: the room that netd fills, the
//! bytes that netd sends. *Never* trusts a completion: a piece outside of its room makes no sense.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::net::SocketAddr;
use core::task::{Context, Waker};

use protocol::{
    Accept, Accepted, Close, Code, Flush, Message, Operation, Range, Receive, Received, Send,
    SocketCreate, SocketId, outcome,
};

use crate::area::Area;
use crate::error::Error;
use crate::session::Owed;

/// A datagram in a room.
#[derive(Clone, Copy, Debug)]
pub struct Datagram {
    pub piece: Range,
    pub from: Option<SocketAddr>,
}

/// A receive room and what has come into it.
#[derive(Debug)]
pub struct Room {
    pub block: Range,
    /// Streams: bytes filled from the start.
    pub filled: u32,
    /// Streams: bytes of them that the program has taken.
    pub taken: u32,
    /// Streams: the round-trip time that was told with the latest of them, in microseconds.
    pub round_trip: u32,
    /// Datagrams that the program has not taken.
    pub datagrams: VecDeque<Datagram>,
    /// How it ended, once it has.
    pub end: Option<End>,
}

/// Why a room gets nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It is used up.
    Full,
    /// The peer has finished.
    Finished,
    /// The socket has failed.
    Failed(Error),
}

/// A request under way.
pub struct Slot {
    pub generation: u32,
    pub used: bool,
    pub operation: u16,
    pub socket: SocketId,
    /// The completion of requests that have one, the first of accepts.
    pub reply: Option<Message>,
    /// Completions of event streams.
    pub events: VecDeque<Message>,
    /// Receives, and connections that were accepted.
    pub room: Option<Room>,
    /// Accepts.
    pub area: Option<Box<Area>>,
    /// Sends: where the bytes lie.
    pub source: Option<Source>,
    /// Sends of streams: what is booked off when they end.
    pub owed: Option<Owed>,
    pub finished: bool,
    pub abandoned: bool,
    pub waker: Option<Waker>,
    /// Pieces of the room that the program still looks at: the room is theirs as well.
    pub lent: u32,
    /// Nobody but them has to do with the request any more.
    pub is_left_to_pieces: bool,
    /// Requests that are answered only if they fail share it: what comes ends nothing.
    pub is_tally: bool,
}

/// Where bytes that are being sent lie.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// In a block of their own.
    Block(Range),
    /// In the room of this receive, which has lent them.
    Room(u32),
}

impl Room {
    pub const fn new(block: Range) -> Self {
        Self {
            block,
            filled: 0,
            taken: 0,
            round_trip: 0,
            datagrams: VecDeque::new(),
            end: None,
        }
    }

    /// Streams: bytes that netd may still fill, or that the program has not taken.
    pub fn untaken(&self) -> u32 {
        let most = self.end.map_or(self.block.length, |_| self.filled);
        most - self.taken
    }

    /// The bytes that come next, at most `most`.
    pub fn next(&self, most: u32) -> Range {
        Range {
            offset: self.block.offset + u64::from(self.taken),
            length: (self.filled - self.taken).min(most),
        }
    }

    /// Bytes that came, and the round-trip time in microseconds that was told with the latest.
    pub const fn measured(&self) -> (u32, u32) {
        (self.filled, self.round_trip)
    }

    /// Takes one completion; `false` when it does not fit the room.
    fn take(&mut self, received: &Received) -> bool {
        let piece = received.piece;
        if received.from.is_some() {
            let end = self.block.offset + u64::from(self.block.length);
            if piece.offset < self.block.offset || !piece.fits(end) {
                return false;
            }
            self.datagrams.push_back(Datagram {
                piece,
                from: received.from,
            });
        } else if piece.length > 0 {
            let next = self.block.offset + u64::from(self.filled);
            if piece.offset != next || piece.length > self.block.length - self.filled {
                return false;
            }
            self.filled += piece.length;
            self.round_trip = received.round_trip;
        }
        if received.end {
            self.end = Some(End::Finished);
        } else if !received.more {
            self.end = Some(End::Full);
        }
        true
    }
}

impl Slot {
    pub const fn unused() -> Self {
        Self {
            generation: 0,
            used: false,
            operation: 0,
            socket: SocketId(0),
            reply: None,
            events: VecDeque::new(),
            room: None,
            area: None,
            source: None,
            owed: None,
            finished: false,
            abandoned: false,
            waker: None,
            lent: 0,
            is_left_to_pieces: false,
            is_tally: false,
        }
    }

    /// Whether sockets may have been made for it that nobody has taken.
    pub const fn has_orphans(&self) -> bool {
        let makes = matches!(self.operation, Accept::NUMBER | SocketCreate::NUMBER);
        self.area.is_some() || makes && self.reply.is_some()
    }

    /// Whether the last completion has come.
    pub const fn is_finished(&self) -> bool {
        self.finished
    }

    /// Wakes the task at the next completion. True when none waited before.
    pub fn wait(&mut self, context: &Context<'_>) -> bool {
        let waker = context.waker();
        match &mut self.waker {
            Some(known) => {
                known.clone_from(waker);
                false
            }
            None => {
                self.waker = Some(waker.clone());
                true
            }
        }
    }

    /// Whether netd tells of its end without waking a program that wishes to be woken for urgent
    /// messages only.
    pub const fn is_quiet(&self) -> bool {
        matches!(self.operation, Send::NUMBER | Close::NUMBER | Flush::NUMBER)
    }

    /// Takes one completion; `false` when it makes no sense.
    pub fn take(&mut self, message: &Message) -> bool {
        let number = message.header.operation.get();
        let is_receive = number == Receive::NUMBER | protocol::REPLY;
        if let Some(room) = self.room.as_mut().filter(|_| is_receive) {
            return match outcome::<Receive>(message) {
                Ok(received) => room.take(&received),
                Err(error) => {
                    room.end = Some(End::Failed(error.into()));
                    true
                }
            };
        }
        if number != self.operation | protocol::REPLY {
            return false;
        }
        if [protocol::Subscribe::NUMBER, protocol::Browse::NUMBER].contains(&self.operation) {
            self.events.push_back(*message);
        } else {
            // Of a tally the first.
            self.reply.get_or_insert(*message);
        }
        true
    }

    /// The request ends without a completion.
    pub fn fail(&mut self, code: Code) {
        if self.finished {
            return;
        }
        self.finished = true;
        if self.reply.is_none() {
            self.reply = Some(protocol::refusal(self.operation, 0, code));
        }
        if let Some(room) = self.room.as_mut()
            && room.end.is_none()
        {
            room.end = Some(End::Failed(Error::from_code(code)));
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Whether an accept has got a connection that nobody has taken, or why there will be none.
    pub fn first_accepted(&mut self) -> Option<Result<(), Error>> {
        let area = self.area.as_ref()?;
        if !area.accepted.is_empty() {
            return Some(Ok(()));
        }
        let refused = || Some(outcome::<Accept>(self.reply.as_ref()?).err()?.into());
        area.error.or_else(refused).map(Err)
    }

    /// The connection that an accept has got.
    pub fn accepted(&self) -> Option<Result<Accepted, Error>> {
        let reply = self.reply.as_ref()?;
        Some(outcome::<Accept>(reply).map_err(Error::from))
    }
}
