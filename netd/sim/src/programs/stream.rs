//! Streams: bytes both ways over one connection, each checked against its pattern.

use std::net::SocketAddr;
use std::time::Duration;

use stack::Event;

use super::client::{Client, Visits};
use super::end::{Manner, Speaks};
use super::server::{Server, Serves};
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
    /// Which stream it sends, and which it expects: names for [`pattern`](super::pattern).
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

/// So many sends and rooms fit into the arena.
const SLOTS: u64 = 8;

/// A program at one end of a connection.
pub struct Stream {
    role: Role,
    manner: Manner,
    program: Option<Box<dyn Program>>,
}

impl Stream {
    /// A program with these habits.
    #[must_use]
    pub fn new(role: Role, habits: Habits) -> Self {
        let manner = Manner {
            flows: habits.flows,
            bytes: habits.bytes,
            chunk: habits.chunk,
            sends: habits.sends.min(SLOTS),
            room: habits.room,
            rooms: habits.rooms.min(SLOTS),
            speaks: Speaks::AtOnce,
            closes_second: habits.closes_second,
            pauses: (Duration::ZERO, Duration::ZERO),
            aborts_after: None,
            options: [None; 6],
        };
        Self {
            role,
            manner,
            program: None,
        }
    }
}

impl Program for Stream {
    fn begin(&mut self, desk: &mut Desk<'_>) {
        let manner = self.manner;
        let program: Box<dyn Program> = match self.role {
            Role::Connects(to) => Box::new(Client::new(Visits {
                to,
                count: 1,
                at_a_time: 1,
                after: Duration::ZERO,
                wants_refusal: false,
                manner,
            })),
            Role::Listens(port) => Box::new(Server::new(Serves {
                port,
                backlog: 4,
                count: 1,
                // Half of all servers have a room ready.
                is_prepared: desk.random.chance(500_000),
                pause: Duration::ZERO,
                manner,
            })),
        };
        self.program.insert(program).begin(desk);
    }

    fn event(&mut self, event: &Event, desk: &mut Desk<'_>) {
        if let Some(program) = &mut self.program {
            program.event(event, desk);
        }
    }

    fn wake(&mut self, desk: &mut Desk<'_>) {
        if let Some(program) = &mut self.program {
            program.wake(desk);
        }
    }

    fn verdict(&self) -> Verdict {
        self.program
            .as_ref()
            .map_or(Verdict::Running, |program| program.verdict())
    }
}
