//! One stream as fast as it goes, both ends on one thread.
//!
//! Our frames refer to the sender's memory, as devices that gather want them ([`crate::gathered`]);
//! smoltcp's have one form only.

use smoltcp::socket::tcp;
use stack::{Data, EventKind, Range, SocketId, Token};

use crate::clock::Processor;
use crate::gathered::Wire;
use crate::ours::{self, address};
use crate::theirs::{self, tcp_socket};
use crate::wire_setup::WireSetup;

/// What the applications do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applications {
    /// They have their data elsewhere: one copies it from there, the other to there.
    Copy,
    /// They make and use it where the stack has it: ours in the arena, smoltcp's in its buffers.
    InPlace,
}

/// Bytes of one write, and of what the reader reads at once.
const CHUNK: usize = 64 * 1_024;
/// Bytes on their way between the applications, at most: what each stack is better with counts.
pub const BUFFERS: [usize; 3] = [1 << 17, 1 << 18, 1 << 20];
/// Frames that the wire holds; the middle of what smoltcp is best with.
const SLOTS: usize = 64;
/// How long one round lasts, in seconds of processor time.
const ROUND: f64 = 0.05;
const PORT: u16 = 80;

/// Our two ends with a connection.
pub struct Ours {
    hosts: [ours::Host; 2],
    wires: [Wire; 2],
    sockets: [SocketId; 2],
    applications: Applications,
    source: Vec<u8>,
    sink: Vec<u8>,
    slots: u64,
    /// Chunks handed over.
    chunks: u64,
    received: u64,
}

fn slot(number: u64, slots: u64) -> Range {
    Range::new(number % slots * CHUNK as u64, 64 * 1_024)
}

impl Ours {
    /// Connects, and gives sender and receiver all they may have.
    pub fn new(setup: WireSetup, applications: Applications, buffer: usize) -> Self {
        let slots = (buffer / CHUNK) as u64;
        let host = |number| ours::Host::new(number, setup, stack::Config::default(), buffer);
        let wire = || Wire::new(SLOTS, usize::from(setup.mtu) + 64);
        let mut hosts = [host(1), host(2)];
        let mut wires = [wire(), wire()];
        let listener = hosts[1].listen(PORT, 1);
        hosts[1].accept(listener, Some(slot(0, slots)));
        let client = hosts[0].connect((address(2), PORT).into());
        let mut server = None;
        for _ in 0..4 {
            let ([a, b], [there, back]) = (&mut hosts, &mut wires);
            a.send_gathered(there);
            b.receive_gathered(there, &a.memory);
            b.send_gathered(back);
            a.receive_gathered(back, &b.memory);
            a.publish();
            b.publish();
            server = server.or(hosts[1].accepted());
        }
        let server = server.expect("a connection");
        let mut this = Self {
            hosts,
            wires,
            sockets: [client, server],
            applications,
            source: vec![0x5a; CHUNK],
            sink: vec![0; CHUNK],
            slots,
            chunks: 0,
            received: 0,
        };
        for number in 1..slots {
            this.give_room(number);
        }
        for _ in 0..slots {
            this.write();
        }
        this
    }

    fn give_room(&mut self, number: u64) {
        let host = &mut self.hosts[1];
        host.stack
            .receive(
                host.client,
                self.sockets[1],
                slot(number, self.slots),
                Token(number),
                host.now,
            )
            .expect("a place for one more room");
    }

    /// The sending application writes a chunk.
    fn write(&mut self) {
        let host = &mut self.hosts[0];
        let range = slot(self.chunks, self.slots);
        let start = usize::try_from(range.offset).expect("in memory");
        if self.applications == Applications::Copy {
            host.memory.0[start..start + CHUNK].copy_from_slice(&self.source);
        }
        host.stack
            .send(
                host.client,
                self.sockets[0],
                Data::Arena(range),
                None,
                Token(self.chunks),
                host.now,
            )
            .expect("a place for one more send");
        self.chunks += 1;
    }

    /// So many turns; the bytes that have passed.
    pub fn turns(&mut self, count: usize) -> u64 {
        let before = self.received;
        (0..count).for_each(|_| self.turn());
        self.received - before
    }

    /// One turn of both loops: what has come is told of and read before answers leave.
    #[inline(never)]
    fn turn(&mut self) {
        let [a, b] = &mut self.hosts;
        let there = &mut self.wires[0];
        a.fire();
        a.send_gathered(there);
        b.receive_gathered(there, &a.memory);
        self.read();
        let [a, b] = &mut self.hosts;
        let back = &mut self.wires[1];
        b.fire();
        b.send_gathered(back);
        a.receive_gathered(back, &b.memory);
        a.now = a.now + std::time::Duration::from_micros(20);
        b.now = a.now;
        a.publish();
        for place in 0..self.hosts[0].events.len() {
            if matches!(self.hosts[0].events[place].kind, EventKind::Sent { .. }) {
                self.write();
            }
        }
    }

    /// The receiving application reads what it is told of.
    fn read(&mut self) {
        self.hosts[1].publish();
        for place in 0..self.hosts[1].events.len() {
            let event = self.hosts[1].events[place];
            let EventKind::Received {
                offset,
                length,
                more,
                ..
            } = event.kind
            else {
                continue;
            };
            if self.applications == Applications::Copy {
                let len = usize::try_from(length).expect("in memory");
                let bytes = self.hosts[1].memory.part(offset, len);
                self.sink[..len].copy_from_slice(bytes.expect("in the arena"));
            }
            self.received += u64::from(length);
            if !more {
                self.give_room(event.token.0);
            }
        }
    }

    /// GB in a second of processor time.
    pub fn round(&mut self) -> f64 {
        let (before, start) = (self.received, Processor::start());
        let mut turns = 0;
        while turns % 16 != 0 || start.elapsed() < ROUND {
            self.turn();
            turns += 1;
        }
        std::hint::black_box(&self.sink);
        gigabytes(self.received - before) / start.elapsed()
    }
}

fn gigabytes(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let gigabytes = bytes as f64 * 1e-9;
    gigabytes
}

/// smoltcp's two ends with a connection.
pub struct Theirs {
    a: theirs::Host,
    b: theirs::Host,
    sockets: [smoltcp::iface::SocketHandle; 2],
    applications: Applications,
    source: Vec<u8>,
    sink: Vec<u8>,
}

impl Theirs {
    /// Connects.
    pub fn new(setup: WireSetup, applications: Applications, buffer: usize) -> Self {
        let mut a = theirs::Host::new(1, setup, SLOTS);
        let mut b = theirs::Host::new(2, setup, SLOTS);
        let from = a.sockets.add(tcp_socket(4_096, buffer));
        let to = b.sockets.add(tcp_socket(buffer, 4_096));
        theirs::connect(&mut a, &mut b, [from, to], [40_000, PORT]);
        Self {
            a,
            b,
            sockets: [from, to],
            applications,
            source: vec![0x5a; CHUNK],
            sink: vec![0; CHUNK],
        }
    }

    /// GB in a second of processor time.
    pub fn round(&mut self) -> f64 {
        let (mut received, start) = (0, Processor::start());
        let mut turns = 0;
        while turns % 16 != 0 || start.elapsed() < ROUND {
            received += self.turn();
            turns += 1;
        }
        std::hint::black_box(&self.sink);
        gigabytes(received) / start.elapsed()
    }

    fn turn(&mut self) -> u64 {
        let (a, b) = (&mut self.a, &mut self.b);
        let [from, to] = self.sockets;
        let writer = a.tcp(from);
        let source = &self.source;
        let write = |writer: &mut tcp::Socket<'_>| match self.applications {
            Applications::Copy => writer.send_slice(source),
            Applications::InPlace => writer.send(|room| (room.len(), room.len())),
        };
        while writer.can_send() && write(writer).is_ok_and(|len| len > 0) {}
        a.send();
        theirs::pass(a, b);
        b.receive();
        let reader = b.tcp(to);
        let mut received = 0;
        while reader.can_recv() {
            let read = match self.applications {
                Applications::Copy => reader.recv_slice(&mut self.sink),
                Applications::InPlace => reader.recv(|bytes| (bytes.len(), bytes.len())),
            };
            received += read.expect("it can") as u64;
        }
        b.send();
        theirs::pass(b, a);
        a.receive();
        theirs::tick(a, b);
        received
    }
}
