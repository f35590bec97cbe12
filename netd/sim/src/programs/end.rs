//! One end of one connection: what it sends and expects, and how it behaves.
//!
//! *Owns* a part of its program's arena, the bytes in both directions, each checked against its
//! pattern, and the verdict. *Never* opens a connection: a client or a server hands it a socket.

use std::collections::VecDeque;
use std::time::Duration;

use stack::{
    Ending, EventKind, Instant, Owner, Range, ReceiveError, SendError, SocketError, SocketId,
    SocketOption, Survivor, Token,
};

use super::pattern;
use crate::program::{Desk, Verdict};

/// When an end may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// From the start.
    AtOnce,
    /// When the peer has finished.
    AfterEnd,
    /// After so many bytes of the peer's so many of its own, again and again.
    InTurn {
        /// Bytes of its own.
        mine: u64,
        /// Bytes of the peer's.
        theirs: u64,
        /// It begins.
        is_first: bool,
    },
}

/// How an end uses its connection.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Which stream it sends, and which it expects: names for [`pattern`].
    pub flows: (u64, u64),
    /// Bytes to send, and bytes that it expects.
    pub bytes: (u64, u64),
    /// Bytes of one send, and how many sends may wait.
    pub chunk: u32,
    /// See `chunk`.
    pub sends: u64,
    /// Bytes of one room, and how many rooms are given.
    pub room: u32,
    /// See `room`.
    pub rooms: u64,
    /// When it may send.
    pub speaks: Speaks,
    /// It sends its end only after the peer's.
    pub closes_second: bool,
    /// How long it waits after a send, and after a room was filled.
    pub pauses: (Duration, Duration),
    /// After so many bytes, both ways together, it gives the connection up.
    pub aborts_after: Option<u64>,
    /// What it chooses of the stack.
    pub options: Options,
}

/// Options of a socket, as many as are chosen.
pub type Options = [Option<SocketOption>; 6];

impl Manner {
    /// The options that are chosen.
    pub(super) fn chosen(&self) -> Vec<SocketOption> {
        self.options.iter().flatten().copied().collect()
    }
}

impl Manner {
    /// Bytes of arena that an end of this kind needs.
    #[must_use]
    pub fn span(&self) -> u64 {
        self.sends * u64::from(self.chunk) + self.rooms * u64::from(self.room)
    }
}

const SEND: u64 = 1 << 32;
const RECEIVE: u64 = 2 << 32;
const CLOSE: u64 = 3 << 32;
const KIND: u64 = 7 << 32;
/// Where in a token the end's number stands.
const NUMBER: u32 = 40;

/// What waits to be sent, and to be received into, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) sends: VecDeque<(Range, Token)>,
    pub(crate) rooms: VecDeque<(Range, Token)>,
}

/// One end.
pub(super) struct End {
    manner: Manner,
    number: u64,
    /// Where its part of the arena begins.
    base: u64,
    socket: Option<SocketId>,
    /// Bytes queued, and told to be sent.
    queued: u64,
    sent: u64,
    /// Sends and rooms handed over, and handed back.
    sends: (u64, u64),
    rooms: (u64, u64),
    received: u64,
    send_from: Instant,
    room_from: Instant,
    /// What it has handed over and not got back; of the first room what is left of it.
    held: Held,
    is_connected: bool,
    has_end: bool,
    has_shut: bool,
    is_closing: bool,
    is_closed: bool,
    failure: Option<SocketError>,
    broken: Option<String>,
}

impl End {
    pub(super) fn new(manner: Manner, number: u64, base: u64) -> Self {
        Self {
            manner,
            number,
            base,
            socket: None,
            queued: 0,
            sent: 0,
            sends: (0, 0),
            rooms: (0, 0),
            received: 0,
            send_from: Instant::ZERO,
            room_from: Instant::ZERO,
            held: Held::default(),
            is_connected: false,
            has_end: false,
            has_shut: false,
            is_closing: false,
            is_closed: false,
            failure: None,
            broken: None,
        }
    }

    /// The number of the end that a token belongs to.
    pub(super) fn number_of(token: Token) -> u64 {
        token.0 >> NUMBER
    }

    /// A token of this end for what is no send, receive or close.
    pub(super) fn token(&self) -> Token {
        Token(self.number << NUMBER)
    }

    pub(super) fn is_number(&self, number: u64) -> bool {
        self.number == number
    }

    pub(super) fn is_on(&self, socket: Option<SocketId>) -> bool {
        // The name of a socket that was closed may be another's, once the stack is another.
        self.socket.is_some() && self.socket == socket && !self.is_closing
    }

    pub(super) fn base(&self) -> u64 {
        self.base
    }

    pub(super) fn complain(&mut self, what: impl Into<String>) {
        self.broken.get_or_insert(what.into());
    }

    pub(super) fn failure(&self) -> Option<SocketError> {
        self.failure
    }

    /// Its socket is one that was accepted.
    pub(super) fn take_accepted(&mut self, socket: SocketId) {
        self.socket = Some(socket);
        self.is_connected = true;
    }

    /// Its socket exists; it need not be connected yet.
    pub(super) fn take_socket(&mut self, socket: SocketId) {
        self.socket = Some(socket);
    }

    /// A room for the first bytes, given before there is a socket.
    pub(super) fn first_room(&mut self, token: Token) -> Range {
        let (room, _) = self.next_room();
        self.held.rooms.push_back((room, token));
        room
    }

    /// That room, if there is one.
    pub(super) fn prepared_room(&self) -> Option<Range> {
        self.held.rooms.front().map(|(room, _)| *room)
    }

    fn next_room(&mut self) -> (Range, Token) {
        let sends = self.manner.sends * u64::from(self.manner.chunk);
        let slot = self.rooms.0 % self.manner.rooms * u64::from(self.manner.room);
        let counter = self.rooms.0 & u64::from(u32::MAX);
        self.rooms.0 += 1;
        let range = Range::new(self.base + sends + slot, self.manner.room);
        (range, Token(self.token().0 | RECEIVE | counter))
    }

    /// Does what can be done now.
    pub(super) fn act(&mut self, desk: &mut Desk<'_>) {
        self.abort_if_tired(desk);
        self.give_rooms(desk);
        self.send_more(desk);
        self.close_if_done(desk);
    }

    fn abort_if_tired(&mut self, desk: &mut Desk<'_>) {
        let is_tired = self
            .manner
            .aborts_after
            .is_some_and(|most| self.received + self.sent >= most);
        if let Some(socket) = self.socket.filter(|_| is_tired && !self.is_closing) {
            self.is_closing = true;
            self.has_shut = true;
            desk.close(socket, Ending::Abort, Token(self.token().0 | CLOSE));
        }
    }

    fn give_rooms(&mut self, desk: &mut Desk<'_>) {
        let Some(socket) = self.socket.filter(|_| !self.is_closing) else {
            return;
        };
        while self.rooms.0 - self.rooms.1 < self.manner.rooms && !self.has_end {
            if desk.now < self.room_from {
                desk.wake_by(self.room_from);
                return;
            }
            let (room, token) = self.next_room();
            if let Err(error) = desk.receive(socket, room, token) {
                // The end may have come in the same moment, or a reset: an event will say so.
                self.rooms.0 -= 1;
                if error != ReceiveError::NotConnected {
                    self.complain(format!("receive: {error:?}"));
                }
                return;
            }
            self.held.rooms.push_back((room, token));
        }
    }

    /// How far it may have sent by now.
    fn allowed(&self) -> u64 {
        let (total, _) = self.manner.bytes;
        match self.manner.speaks {
            Speaks::AtOnce => total,
            Speaks::AfterEnd if self.has_end => total,
            Speaks::AfterEnd => 0,
            Speaks::InTurn {
                mine,
                theirs,
                is_first,
            } => {
                let turns = self.received / theirs.max(1) + u64::from(is_first);
                total.min(mine.saturating_mul(turns))
            }
        }
    }

    fn send_more(&mut self, desk: &mut Desk<'_>) {
        let Some(socket) = self
            .socket
            .filter(|_| !self.has_shut && self.failure.is_none())
        else {
            return;
        };
        let (total, _) = self.manner.bytes;
        let allowed = self.allowed();
        while self.queued < allowed && self.sends.0 - self.sends.1 < self.manner.sends {
            if desk.now < self.send_from {
                desk.wake_by(self.send_from);
                return;
            }
            let chunk = u64::from(self.manner.chunk);
            let len = (allowed - self.queued).min(chunk);
            let flow = self.manner.flows.0;
            let bytes: Vec<u8> = (self.queued..self.queued + len)
                .map(|place| pattern(flow, place))
                .collect();
            let place = self.base + self.sends.0 % self.manner.sends * chunk;
            desk.write(place, &bytes);
            let range = Range::new(place, u32::try_from(len).unwrap_or(u32::MAX));
            let counter = self.sends.0 & u64::from(u32::MAX);
            let token = Token(self.token().0 | SEND | counter);
            if let Err(error) = desk.send(socket, range, token) {
                // It may just have been reset; or its buffer is full, until more is acknowledged.
                if !matches!(error, SendError::NotConnected | SendError::TooMany) {
                    self.complain(format!("send: {error:?}"));
                }
                return;
            }
            self.held.sends.push_back((range, token));
            self.sends.0 += 1;
            self.queued += len;
            self.send_from = desk.now + self.manner.pauses.0;
        }
        if self.queued == total && (!self.manner.closes_second || self.has_end) {
            self.has_shut = true;
            desk.shutdown_send(socket);
        }
    }

    fn close_if_done(&mut self, desk: &mut Desk<'_>) {
        let is_done = self.has_end && self.has_shut && self.sent == self.manner.bytes.0;
        let Some(socket) = self.socket.filter(|_| !self.is_closing) else {
            return;
        };
        if is_done || self.failure.is_some() {
            self.is_closing = true;
            let token = Token(self.token().0 | CLOSE);
            if !desk.close(socket, Ending::Graceful, token) {
                self.complain("the socket is not ours any more");
            }
        }
    }

    /// Takes what one of its requests came to.
    pub(super) fn take(&mut self, kind: &EventKind, token: Token, desk: &Desk<'_>) {
        match *kind {
            EventKind::Connected { .. } => self.is_connected = true,
            EventKind::Received {
                offset,
                length,
                more,
                ..
            } => self.take_received(desk, offset, length, more),
            EventKind::Sent { bytes } => {
                self.held.sends.pop_front();
                self.sends.1 += 1;
                self.sent += u64::from(bytes);
            }
            EventKind::Eof => {
                self.has_end = true;
                if self.received != self.manner.bytes.1 {
                    self.complain(format!("the end came after {} bytes", self.received));
                }
            }
            EventKind::Closed => self.is_closed = true,
            EventKind::Error(SocketError::Closed | SocketError::Cancelled)
                if self.is_closing && token.0 & KIND != CLOSE => {}
            EventKind::Error(error) | EventKind::Lost(error) => self.failure = Some(error),
            EventKind::Urgent { .. } | EventKind::Doubtful(_) => {}
            ref other => self.complain(format!("unexpected: {other:?}")),
        }
    }

    fn take_received(&mut self, desk: &Desk<'_>, offset: u64, length: u32, more: bool) {
        let flow = self.manner.flows.1;
        let start = self.received;
        if !desk.holds(offset, length, (start..).map(|place| pattern(flow, place))) {
            self.complain(format!("wrong bytes after {start}"));
        }
        self.received += u64::from(length);
        if self.received > self.manner.bytes.1 {
            self.complain("more bytes than were sent");
        }
        if let Some((room, _)) = self.held.rooms.front_mut() {
            room.offset += u64::from(length);
            room.length -= length;
        }
        if !more {
            self.held.rooms.pop_front();
            self.rooms.1 += 1;
            self.room_from = desk.now + self.manner.pauses.1;
        }
    }

    /// Takes its connection back from the stack that has come after the one that had it. `false` if
    /// it is to be opened again: nobody was told that it ever was.
    pub(super) fn come_back(&mut self, desk: &mut Desk<'_>) -> bool {
        let Some(socket) = self.socket.filter(|_| !self.is_closed) else {
            return true;
        };
        let close = Token(self.token().0 | CLOSE);
        let is_mine = |survivor: &Survivor| match survivor.owner {
            Owner::Socket(name) | Owner::Offered(name) => name == socket,
            Owner::Closing(token) => self.is_closing && token == close,
            Owner::Waiting | Owner::Nobody => false,
        };
        let survivor = desk.stack.survivors(desk.client).find(is_mine);
        let Some(survivor) = survivor else {
            if self.is_closing {
                // It was closed, or about to be: there is nothing left of it.
                self.is_closed = true;
            } else if self.is_connected {
                // Its name may be another's by now.
                self.socket = None;
                self.failure = self.failure.or(Some(SocketError::Closed));
            }
            return self.is_closing || self.is_connected;
        };
        if let Err(error) = desk.resume(&survivor, self.received, self.sent, &self.held) {
            self.complain(format!("resume: {error:?}"));
            return true;
        }
        self.is_connected = true;
        if matches!(survivor.owner, Owner::Closing(_)) {
            return true;
        }
        desk.set(socket, &self.manner.chosen());
        if self.has_shut {
            desk.shutdown_send(socket);
        }
        if self.is_closing {
            let ending = if self.manner.aborts_after.is_some() {
                Ending::Abort
            } else {
                Ending::Graceful
            };
            desk.close(socket, ending, close);
        }
        true
    }

    /// Its socket is another, and knows nothing of what it has asked before.
    pub(super) fn begin_again(&mut self, socket: SocketId, desk: &mut Desk<'_>) {
        self.socket = Some(socket);
        for (room, token) in &self.held.rooms {
            let given = desk.receive(socket, *room, *token);
            given.expect("a place for a room that had one");
        }
        for (bytes, token) in &self.held.sends {
            let queued = desk.send(socket, *bytes, *token);
            queued.expect("a place for a send that had one");
        }
        if self.has_shut {
            desk.shutdown_send(socket);
        }
    }

    /// Whether nothing more will come.
    pub(super) fn is_over(&self) -> bool {
        self.is_closed || (self.failure.is_some() && self.socket.is_none())
    }

    pub(super) fn verdict(&self) -> Verdict {
        if let Some(complaint) = &self.broken {
            return Verdict::Broken(complaint.clone());
        }
        if let Some(error) = self.failure.filter(|_| !self.has_aborted()) {
            return Verdict::GaveUp(format!("{error:?}"));
        }
        if self.is_closed {
            Verdict::Content
        } else {
            Verdict::Running
        }
    }

    fn has_aborted(&self) -> bool {
        self.manner.aborts_after.is_some() && self.is_closing
    }
}
