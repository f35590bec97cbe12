//! Datagrams: a server that returns them, and a client that counts and checks what comes back.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use stack::{Event, EventKind, Range, SocketId, Token};

use super::pattern;
use crate::program::{Desk, Program, Verdict};

/// A room's token is its place.
const ROOMS: [u64; 2] = [0, 64 * 1_024];
const ROOM_LEN: u32 = 64 * 1_024;
const SEND: Token = Token(1);
/// Where outgoing datagrams are put, one behind the other, round and round.
const OUT: u64 = 128 * 1_024;
const OUT_LEN: u64 = 512 * 1_024;
const SLOT: u64 = 8_192;
/// For answers to the last.
const PATIENCE: Duration = Duration::from_secs(3);

fn open(desk: &mut Desk<'_>, port: u16) -> SocketId {
    let socket = desk.datagrams(port);
    // Two rooms: a datagram that does not fit into the rest of one goes into the other.
    for place in ROOMS {
        give_room(desk, socket, Token(place));
    }
    socket
}

fn give_room(desk: &mut Desk<'_>, socket: SocketId, token: Token) {
    let room = Range::new(token.0, ROOM_LEN);
    desk.stack
        .receive(desk.client, socket, room, token, desk.now)
        .expect("a place for a room");
}

/// Returns every datagram to its sender, until nothing has come for a while.
pub struct DatagramEcho {
    port: u16,
    socket: Option<SocketId>,
    next: u64,
    last_heard: Option<stack::Instant>,
    patience: Duration,
    is_done: bool,
}

impl DatagramEcho {
    /// A server on `port` that leaves after so long a silence.
    #[must_use]
    pub fn new(port: u16, patience: Duration) -> Self {
        Self {
            port,
            socket: None,
            next: 0,
            last_heard: None,
            patience,
            is_done: false,
        }
    }
}

impl Program for DatagramEcho {
    fn begin(&mut self, desk: &mut Desk<'_>) {
        self.socket = Some(open(desk, self.port));
        self.last_heard = Some(desk.now);
        *desk.wake_at = Some(desk.now + self.patience);
    }

    fn event(&mut self, event: &Event, desk: &mut Desk<'_>) {
        let Some(socket) = self.socket else { return };
        if let EventKind::Received {
            offset,
            length,
            from,
            more,
            ..
        } = event.kind
        {
            if let Some(from) = from {
                let bytes = desk.read(offset, length);
                let place = OUT + self.next % OUT_LEN;
                self.next += SLOT;
                // A full table is as good as a lost datagram.
                desk.send_datagram(socket, place, &bytes, from, SEND).ok();
            }
            if !more {
                give_room(desk, socket, event.token);
            }
            self.last_heard = Some(desk.now);
            *desk.wake_at = Some(desk.now + self.patience);
        }
    }

    fn wake(&mut self, _: &mut Desk<'_>) {
        self.is_done = true;
    }

    fn verdict(&self) -> Verdict {
        if self.is_done {
            Verdict::Content
        } else {
            Verdict::Running
        }
    }
}

/// Sends numbered datagrams and checks what comes back: each at most as often as the weather makes
/// copies, and never changed.
pub struct DatagramClient {
    to: SocketAddr,
    count: u64,
    sent: u64,
    socket: Option<SocketId>,
    came: BTreeSet<u64>,
    may_lose: bool,
    /// How long it waits after each.
    pace: Duration,
    /// Bytes of the longest.
    longest: u64,
    is_over: bool,
    broken: Option<String>,
}

impl DatagramClient {
    /// Sends `count` datagrams to `to`; if `may_lose`, some may not come back.
    #[must_use]
    pub fn new(to: SocketAddr, count: u64, may_lose: bool) -> Self {
        Self {
            to,
            count,
            sent: 0,
            socket: None,
            came: BTreeSet::new(),
            may_lose,
            pace: Duration::from_millis(5),
            longest: 1_408,
            is_over: false,
            broken: None,
        }
    }

    /// The same with longer pauses and longer datagrams, which leave in parts.
    #[must_use]
    pub fn at_pace(self, pace: Duration, longest: u64) -> Self {
        Self {
            pace,
            longest,
            ..self
        }
    }

    fn bytes(&self, number: u64) -> Vec<u8> {
        let len = 8 + number * 37 * (self.longest / 1_408) % (self.longest - 8);
        let mut bytes = number.to_le_bytes().to_vec();
        bytes.extend((8..len).map(|offset| pattern(number, offset)));
        bytes
    }

    fn send(&mut self, desk: &mut Desk<'_>) {
        let Some(socket) = self.socket else { return };
        let bytes = self.bytes(self.sent);
        let place = OUT + self.sent * SLOT % OUT_LEN;
        if let Err(error) = desk.send_datagram(socket, place, &bytes, self.to, SEND) {
            self.broken = Some(format!("{error:?}"));
        }
        self.sent += 1;
        let is_last = self.sent == self.count;
        let wait = if is_last { PATIENCE } else { self.pace };
        *desk.wake_at = Some(desk.now + wait);
    }
}

impl Program for DatagramClient {
    fn begin(&mut self, desk: &mut Desk<'_>) {
        self.socket = Some(open(desk, 0));
        self.send(desk);
    }

    fn wake(&mut self, desk: &mut Desk<'_>) {
        if self.sent < self.count {
            self.send(desk);
        } else {
            self.is_over = true;
        }
    }

    fn event(&mut self, event: &Event, desk: &mut Desk<'_>) {
        match event.kind {
            EventKind::Received {
                offset,
                length,
                from,
                more,
                ..
            } => {
                if from.is_some() {
                    let bytes = desk.read(offset, length);
                    let number = bytes
                        .first_chunk::<8>()
                        .map_or(u64::MAX, |it| u64::from_le_bytes(*it));
                    if number >= self.sent || bytes != self.bytes(number) || from != Some(self.to) {
                        self.broken = Some(format!("a datagram that was never sent: {event:?}"));
                    }
                    self.came.insert(number);
                }
                if let Some(socket) = self.socket.filter(|_| !more) {
                    give_room(desk, socket, event.token);
                }
            }
            EventKind::Sent { .. } | EventKind::Error(_) => {}
            _ => self.broken = Some(format!("unexpected: {event:?}")),
        }
    }

    fn verdict(&self) -> Verdict {
        let came = u64::try_from(self.came.len()).unwrap_or(u64::MAX);
        if let Some(complaint) = &self.broken {
            Verdict::Broken(complaint.clone())
        } else if came == self.count {
            Verdict::Content
        } else if !self.is_over {
            Verdict::Running
        } else if self.may_lose {
            Verdict::GaveUp(format!("{came} of {} came back", self.count))
        } else {
            Verdict::Broken(format!("{came} of {} came back", self.count))
        }
    }
}
