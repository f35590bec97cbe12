//! A whole short life: connect, accept, close on both sides; also beside many idle connections.

use stack::{EventKind, Range, SocketId};

use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::{Socket, tcp};

use crate::Effort;
use crate::burst::Burst;
use crate::clock::{Processor, interleaved};
use crate::crowd::Crowd;
use crate::figure::{Aim, Figure};
use crate::ours::{self, address};
use crate::theirs::{self, tcp_socket};
use crate::wire_setup::WireSetup;

const PORT: u16 = 81;
const SLOTS: usize = 64;
/// Ports of the short connections; those of the idle ones are below.
const PORTS: std::ops::RangeInclusive<u16> = 61_100..=65_535;

/// Connects, accepts and closes so many times in one round.
fn runs(idle: usize) -> u32 {
    if idle > 1_000 { 10 } else { 500 }
}

/// Our two ends.
pub struct Ours {
    client: ours::Host,
    crowd: Crowd,
    there: Burst,
    back: Burst,
    listener: SocketId,
}

impl Ours {
    /// With so many idle connections at the server.
    pub fn new(idle: usize) -> Self {
        let limit = u32::try_from(idle).expect("fewer than that") + 64;
        let mut crowd = Crowd::new(limit);
        crowd.grow(idle);
        let listener = crowd.server.listen(PORT, 8);
        let burst = || Burst::new(SLOTS, WireSetup::PLAIN.stride());
        Self {
            client: ours::Host::new(1, WireSetup::PLAIN, stack::Config::default(), 1 << 16),
            crowd,
            there: burst(),
            back: burst(),
            listener,
        }
    }

    /// One life. Returns nothing; it is all there was.
    #[inline(never)]
    pub fn live(&mut self) {
        let server = &mut self.crowd.server;
        server.accept(self.listener, Some(Range::new(0, 4_096)));
        let socket = self.client.connect((address(2), PORT).into());
        let (mut accepted, mut closed) = (None, 0);
        for _ in 0..10 {
            let client = &mut self.client;
            client.fire();
            client.send(&mut self.there);
            server.receive(&mut self.there);
            server.publish();
            for place in 0..server.events.len() {
                match server.events[place].kind {
                    EventKind::Accepted { socket, .. } => accepted = Some(socket),
                    EventKind::Eof => server.close(accepted.expect("accepted before")),
                    EventKind::Closed => closed += 1,
                    _ => {}
                }
            }
            server.fire();
            server.send(&mut self.back);
            client.receive(&mut self.back);
            client.publish();
            for place in 0..client.events.len() {
                match client.events[place].kind {
                    EventKind::Connected { .. } => client.close(socket),
                    EventKind::Closed => closed += 1,
                    _ => {}
                }
            }
            client.now = client.now + std::time::Duration::from_micros(20);
            server.now = server.now + std::time::Duration::from_micros(20);
            if closed == 2 {
                return;
            }
        }
        panic!("a connection does not end");
    }

    fn round(&mut self, runs: u32) -> f64 {
        let start = Processor::start();
        (0..runs).for_each(|_| self.live());
        start.elapsed() * 1e6 / f64::from(runs)
    }
}

/// smoltcp's two ends, with a listening socket that is used again and again.
pub struct Theirs {
    pub a: theirs::Host,
    pub b: theirs::Host,
    sockets: [SocketHandle; 2],
    port: u16,
}

impl Theirs {
    /// With so many idle connections at the server.
    pub fn new(idle: usize) -> Self {
        let [mut a, mut b] =
            [1, 2].map(|number| theirs::Host::new(number, WireSetup::PLAIN, SLOTS));
        add_idle(&mut a, &mut b, idle);
        let sockets = [&mut a, &mut b].map(|host| host.sockets.add(tcp_socket(1 << 16, 1 << 16)));
        Self {
            a,
            b,
            sockets,
            port: *PORTS.start(),
        }
    }

    /// Connects; the handles of both ends.
    pub fn connect(&mut self) -> [SocketHandle; 2] {
        self.port = if self.port == *PORTS.end() {
            *PORTS.start()
        } else {
            self.port + 1
        };
        theirs::connect(&mut self.a, &mut self.b, self.sockets, [self.port, PORT]);
        self.sockets
    }

    fn live(&mut self) {
        let [from, to] = self.connect();
        let (a, b) = (&mut self.a, &mut self.b);
        a.tcp(from).close();
        for _ in 0..10 {
            a.poll();
            theirs::pass(a, b);
            b.poll();
            theirs::pass(b, a);
            theirs::tick(a, b);
            if b.tcp(to).state() == tcp::State::CloseWait {
                b.tcp(to).close();
            }
            let states = (a.tcp(from).state(), b.tcp(to).state());
            if states == (tcp::State::TimeWait, tcp::State::Closed) {
                a.tcp(from).abort();
                return;
            }
        }
        panic!("a connection does not end");
    }

    fn round(&mut self, runs: u32) -> f64 {
        let start = Processor::start();
        (0..runs).for_each(|_| self.live());
        start.elapsed() * 1e6 / f64::from(runs)
    }
}

/// Puts `count` established, idle connections into b's set; nothing remains of the other side.
fn add_idle(a: &mut theirs::Host, b: &mut theirs::Host, count: usize) {
    // A long set makes each handshake slow: they are made in an empty one.
    let mut all = SocketSet::new(Vec::with_capacity(count + 8));
    std::mem::swap(&mut all, &mut b.sockets);
    let mut idle = Vec::with_capacity(count);
    let from = a.sockets.add(tcp_socket(512, 512));
    for port in (1_024..61_000).cycle().take(count) {
        let to = b.sockets.add(tcp_socket(2_048, 2_048));
        theirs::connect(a, b, [from, to], [port, PORT]);
        idle.push(b.sockets.remove(to));
        a.tcp(from).abort();
        a.poll();
        a.device.sent.clear();
    }
    a.sockets.remove(from);
    std::mem::swap(&mut all, &mut b.sockets);
    for socket in idle {
        if let Socket::Tcp(socket) = socket {
            b.sockets.add(socket);
        }
    }
}

/// All rows of this group.
pub fn measure(effort: Effort) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (idle, aim) in [(0, 1.2), (10_000, 1.3)] {
        let rounds = if effort == Effort::Quick { 3 } else { 21 };
        let (mut ours, mut theirs) = (Ours::new(idle), Theirs::new(idle));
        let (few, many) = (runs(idle), runs(0));
        let both = interleaved(rounds, || ours.round(many), || theirs.round(few));
        let beside = match idle {
            0 => String::new(),
            _ => format!(" beside {idle} idle ones"),
        };
        let name = format!("connect, accept, close at both ends{beside}");
        figures.push(Figure::pair(name, both, "us").aim(Aim::AtMost(aim)));
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::Ours;

    #[test]
    fn what_is_timed_is_a_whole_life_at_both_ends() {
        const LIVES: u64 = 50;
        let mut ours = Ours::new(0);
        (0..LIVES).for_each(|_| ours.live());
        for (stack, opens) in [
            (&ours.client.stack, "tcp.active_opens"),
            (&ours.crowd.server.stack, "tcp.passive_opens"),
        ] {
            let count = |name| stack.counters().find(|(found, _)| *found == name);
            assert_eq!(count(opens), Some((opens, LIVES)));
            let resets = "tcp.resets_sent";
            assert_eq!(count(resets), Some((resets, 0)));
        }
    }
}
