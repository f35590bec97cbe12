//! Streams: bytes both ways over one connection, each checked against its pattern.

use std::net::{Ipv4Addr, SocketAddr};

use stack::{Data, Ending, Event, EventKind, Half, Kind, Range, SocketError, SocketId, Token};

use super::pattern;
use crate::program::{Desk, Program, Verdict};

/// Which end of the connection a program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It connects to this address.
    Connects(SocketAddr),
    /// It listens on this port and takes one connection.
    Listens(u16),
}

/// How a program uses its connection.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// Which stream it sends, and which it expects: names for [`pattern`].
    pub flows: (u64, u64),
    /// Bytes to send, and bytes that it expects.
    pub bytes: (u64, u64),
    /// Bytes of one send, up to 64 KiB, and how many sends may wait.
    pub chunk: u32,
    /// See `chunk`.
    pub sends: u64,
    /// Bytes of one room, up to 64 KiB, and how many rooms are given.
    pub room: u32,
    /// See `room`.
    pub rooms: u64,
    /// Whether it sends its end only after the peer's.
    pub closes_second: bool,
}

const CONNECT: u64 = 1 << 32;
const ACCEPT: u64 = 2 << 32;
const SEND: u64 = 3 << 32;
const RECEIVE: u64 = 4 << 32;
const CLOSE: u64 = 5 << 32;
const KIND: u64 = u64::MAX << 32;

/// Where in the arena sends and rooms have their slots.
const SENDS: u64 = 0;
const ROOMS: u64 = 512 * 1_024;
const SLOT: u64 = 64 * 1_024;
/// So many slots of each.
const SLOTS: u64 = 8;

/// A program at one end of a connection.
pub struct Stream {
    role: Role,
    habits: Habits,
    listener: Option<SocketId>,
    socket: Option<SocketId>,
    /// Bytes queued, and told to be sent.
    queued: u64,
    sent: u64,
    /// Sends and rooms handed over, and handed back.
    sends: (u64, u64),
    rooms: (u64, u64),
    received: u64,
    has_end: bool,
    has_shut: bool,
    is_closing: bool,
    is_closed: bool,
    failure: Option<SocketError>,
    broken: Option<String>,
}

impl Stream {
    /// A program with these habits.
    #[must_use]
    pub fn new(role: Role, habits: Habits) -> Self {
        Self {
            role,
            habits,
            listener: None,
            socket: None,
            queued: 0,
            sent: 0,
            sends: (0, 0),
            rooms: (0, 0),
            received: 0,
            has_end: false,
            has_shut: false,
            is_closing: false,
            is_closed: false,
            failure: None,
            broken: None,
        }
    }

    fn complain(&mut self, what: impl Into<String>) {
        self.broken.get_or_insert(what.into());
    }

    fn give_rooms(&mut self, desk: &mut Desk<'_>) {
        let Some(socket) = self.socket else { return };
        while self.rooms.0 - self.rooms.1 < self.habits.rooms.min(SLOTS) && !self.has_end {
            let (room, token) = self.next_room(RECEIVE);
            if let Err(error) = desk
                .stack
                .receive(desk.client, socket, room, token, desk.now)
            {
                // The end may have come in the same moment.
                self.rooms.0 -= 1;
                if self.failure.is_none() {
                    self.complain(format!("receive: {error:?}"));
                }
                return;
            }
        }
    }

    fn next_room(&mut self, kind: u64) -> (Range, Token) {
        let slot = self.rooms.0 % SLOTS;
        let token = Token(kind | self.rooms.0 & u64::from(u32::MAX));
        self.rooms.0 += 1;
        (Range::new(ROOMS + slot * SLOT, self.habits.room), token)
    }

    fn send_more(&mut self, desk: &mut Desk<'_>) {
        let Some(socket) = self
            .socket
            .filter(|_| !self.has_shut && self.failure.is_none())
        else {
            return;
        };
        let (total, _) = self.habits.bytes;
        while self.queued < total && self.sends.0 - self.sends.1 < self.habits.sends.min(SLOTS) {
            let len = (total - self.queued).min(u64::from(self.habits.chunk));
            let bytes: Vec<u8> = (0..len)
                .map(|place| pattern(self.habits.flows.0, self.queued + place))
                .collect();
            let place = SENDS + self.sends.0 % SLOTS * SLOT;
            desk.write(place, &bytes);
            let data = Data::Arena(Range::new(place, u32::try_from(len).unwrap_or(u32::MAX)));
            let token = Token(SEND | self.sends.0 & u64::from(u32::MAX));
            if let Err(error) = desk
                .stack
                .send(desk.client, socket, data, None, token, desk.now)
            {
                self.complain(format!("send: {error:?}"));
                return;
            }
            self.sends.0 += 1;
            self.queued += len;
        }
        if self.queued == total && (!self.habits.closes_second || self.has_end) {
            self.has_shut = true;
            // It may just have been reset: then an event says so.
            desk.stack
                .shutdown(desk.client, socket, Half::Send, desk.now)
                .ok();
        }
    }

    fn close_if_done(&mut self, desk: &mut Desk<'_>) {
        let is_done = self.has_end && self.has_shut && self.sent == self.habits.bytes.0;
        let Some(socket) = self.socket.filter(|_| !self.is_closing) else {
            return;
        };
        if is_done || self.failure.is_some() {
            self.is_closing = true;
            let closed = desk.stack.close(
                desk.client,
                socket,
                Ending::Graceful,
                Token(CLOSE),
                desk.now,
            );
            if closed.is_err() {
                self.complain("the socket is not ours any more");
            }
        }
    }

    fn take_received(&mut self, desk: &Desk<'_>, offset: u64, length: u32, more: bool) {
        let bytes = desk.read(offset, length);
        let flow = self.habits.flows.1;
        let is_right = (self.received..)
            .zip(&bytes)
            .all(|(place, byte)| pattern(flow, place) == *byte);
        if !is_right {
            self.complain(format!("wrong bytes after {}", self.received));
        }
        self.received += u64::from(length);
        if self.received > self.habits.bytes.1 {
            self.complain("more bytes than were sent");
        }
        if !more {
            self.rooms.1 += 1;
        }
    }

    fn take_end(&mut self) {
        self.has_end = true;
        if self.received != self.habits.bytes.1 {
            self.complain(format!("the end came after {} bytes", self.received));
        }
    }
}

impl Program for Stream {
    fn begin(&mut self, desk: &mut Desk<'_>) {
        let socket = desk
            .stack
            .socket_create(desk.client, Kind::Stream)
            .expect("a socket");
        match self.role {
            Role::Connects(to) => {
                self.socket = Some(socket);
                let token = Token(CONNECT);
                if let Err(error) = desk.stack.connect(desk.client, socket, to, token, desk.now) {
                    self.complain(format!("connect: {error:?}"));
                }
            }
            Role::Listens(port) => {
                let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
                desk.stack
                    .bind(desk.client, socket, any)
                    .expect("a free port");
                desk.stack
                    .listen(desk.client, socket, 4)
                    .expect("a listener");
                self.listener = Some(socket);
                // Half of all servers have a room ready.
                let room = desk
                    .random
                    .chance(500_000)
                    .then(|| self.next_room(ACCEPT).0);
                let token = Token(ACCEPT);
                desk.stack
                    .accept(desk.client, socket, room, token, desk.now)
                    .expect("an accept");
            }
        }
    }

    fn event(&mut self, event: &Event, desk: &mut Desk<'_>) {
        let kind = event.token.0 & KIND;
        match event.kind {
            EventKind::Connected { .. } => {}
            EventKind::Accepted { socket, .. } => self.socket = Some(socket),
            EventKind::Received {
                offset,
                length,
                more,
                ..
            } => {
                self.take_received(desk, offset, length, more);
            }
            EventKind::Sent { bytes } => {
                self.sends.1 += 1;
                self.sent += u64::from(bytes);
            }
            EventKind::Eof => self.take_end(),
            EventKind::Closed => self.is_closed = true,
            EventKind::Error(SocketError::Closed | SocketError::Cancelled)
                if self.is_closing && kind != CLOSE => {}
            EventKind::Error(error) | EventKind::Lost(error) => self.failure = Some(error),
            _ => self.complain(format!("unexpected: {event:?}")),
        }
        let is_connected = !matches!(self.role, Role::Connects(_)) || kind != CONNECT;
        if is_connected || matches!(event.kind, EventKind::Connected { .. }) {
            self.give_rooms(desk);
            self.send_more(desk);
        }
        self.close_if_done(desk);
    }

    fn verdict(&self) -> Verdict {
        if let Some(complaint) = &self.broken {
            return Verdict::Broken(complaint.clone());
        }
        if let Some(error) = self.failure {
            return Verdict::GaveUp(format!("{error:?}"));
        }
        if self.is_closed {
            Verdict::Content
        } else {
            Verdict::Running
        }
    }
}
