//! Goodput over paths that lose, reorder and overflow, in virtual time, with the simulator's lines.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use sim::{Line, Loss, Random, Weather};
use stack::{Algorithm, Data, EventKind, Instant, Range, SocketId, Token};

use smoltcp::socket::tcp::CongestionControl;

use crate::Effort;
use crate::burst::Burst;
use crate::clock::median;
use crate::figure::{Aim, Figure};
use crate::ours::{self, address};
use crate::theirs::{self, tcp_socket};
use crate::wire_setup::WireSetup;

const PORT: u16 = 80;
/// Bytes of one write and of one room.
const CHUNK: u32 = 64 * 1_024;
/// Writes and rooms that wait, at most: more than any of the paths holds.
const CHUNKS: u64 = 128;
const BUFFER: usize = 8 << 20;
/// How much later a frame comes that is overtaken.
const OVERTAKEN_BY: Duration = Duration::from_micros(300);
const WIRE: WireSetup = WireSetup {
    mtu: 1_500,
    has_checksums: false,
    cuts: false,
};

/// A path.
#[derive(Clone, Copy)]
struct Path {
    /// What data meets.
    there: Weather,
    /// What acknowledgements meet.
    back: Weather,
    /// Frames of data in a million that are overtaken by those of the next 300 us.
    overtaken: u32,
}

impl Path {
    fn new(rate: u64, one_way: Duration, queue: Duration) -> Self {
        let bytes = u128::from(rate) * queue.as_nanos() / 8_000_000_000;
        let weather = Weather {
            delay: one_way,
            rate: Some(rate),
            queue: u64::try_from(bytes).unwrap_or(u64::MAX),
            ..Weather::FAIR
        };
        Self {
            there: weather,
            back: weather,
            overtaken: 0,
        }
    }

    fn losing(mut self, per_million: u32) -> Self {
        self.there.loss = Loss::Random(per_million);
        self
    }
}

/// A frame on its way: when it arrives, which one it is, and at which side.
type Travelling = (Instant, u64, usize, Vec<u8>);

/// What is on its way.
struct Wire {
    lines: [Line; 2],
    frames: BinaryHeap<Reverse<Travelling>>,
    count: u64,
    overtaken: u32,
    random: Random,
}

impl Wire {
    fn new(path: Path, seed: u64) -> Self {
        let mut random = Random::new(seed);
        Self {
            lines: [path.there, path.back].map(|weather| Line::new(weather, random.fork())),
            frames: BinaryHeap::new(),
            count: 0,
            overtaken: path.overtaken,
            random,
        }
    }

    fn send(&mut self, from: usize, burst: &mut Burst, now: Instant) {
        while let Some(frame) = burst.take() {
            for (at, frame) in self.lines[from].carry(frame, now) {
                let late = from == 0 && self.random.chance(self.overtaken);
                let at = if late { at + OVERTAKEN_BY } else { at };
                self.count += 1;
                self.frames.push(Reverse((at, self.count, 1 - from, frame)));
            }
        }
    }

    fn arrival(&mut self, now: Instant) -> Option<(usize, Vec<u8>)> {
        if self.next()? > now {
            return None;
        }
        let Reverse((_, _, to, frame)) = self.frames.pop()?;
        Some((to, frame))
    }

    fn next(&self) -> Option<Instant> {
        self.frames.peek().map(|Reverse((at, ..))| *at)
    }
}

fn chunk(number: u64) -> Range {
    Range::new(number % CHUNKS * u64::from(CHUNK), CHUNK)
}

/// Two hosts of ours, the first of which sends.
struct Ours {
    hosts: [ours::Host; 2],
    sockets: [Option<SocketId>; 2],
    written: u64,
    given: u64,
    received: u64,
}

impl Ours {
    fn new(control: Algorithm) -> Self {
        let config = stack::Config {
            congestion_control: control,
            largest_window: 16 << 20,
            ..stack::Config::default()
        };
        let mut hosts = [1, 2].map(|number| ours::Host::new(number, WIRE, config, BUFFER));
        let listener = hosts[1].listen(PORT, 1);
        hosts[1].accept(listener, Some(chunk(0)));
        let sender = hosts[0].connect((address(2), PORT).into());
        Self {
            hosts,
            sockets: [Some(sender), None],
            written: 0,
            given: 1,
            received: 0,
        }
    }

    fn write(&mut self) {
        let host = &mut self.hosts[0];
        let data = Data::Arena(chunk(self.written));
        let socket = self.sockets[0].expect("connected");
        host.stack
            .send(host.client, socket, data, None, Token(0), host.now)
            .expect("a place for a send");
        self.written += 1;
    }

    fn give_room(&mut self) {
        let host = &mut self.hosts[1];
        let socket = self.sockets[1].expect("accepted");
        host.stack
            .receive(host.client, socket, chunk(self.given), Token(0), host.now)
            .expect("a place for a room");
        self.given += 1;
    }

    /// Everything that both can do now.
    fn settle(&mut self, now: Instant) {
        for side in [0, 1] {
            self.hosts[side].now = now;
            self.hosts[side].fire();
            self.hosts[side].publish();
            for place in 0..self.hosts[side].events.len() {
                match self.hosts[side].events[place].kind {
                    EventKind::Connected { .. } => (0..CHUNKS).for_each(|_| self.write()),
                    EventKind::Sent { .. } => self.write(),
                    EventKind::Accepted { socket, .. } => {
                        self.sockets[1] = Some(socket);
                        (1..CHUNKS).for_each(|_| self.give_room());
                    }
                    EventKind::Received { length, more, .. } => {
                        self.received += u64::from(length);
                        if !more {
                            self.give_room();
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    /// Bytes that the receiver has been told of after this time.
    fn run(mut self, path: Path, seed: u64, time: Duration) -> u64 {
        let mut wire = Wire::new(path, seed);
        let mut burst = Burst::new(256, WIRE.stride());
        let mut now = self.hosts[0].now;
        let end = now + time;
        while now < end {
            while let Some((to, frame)) = wire.arrival(now) {
                self.hosts[to].now = now;
                self.hosts[to].input(&frame);
            }
            self.settle(now);
            for side in [0, 1] {
                loop {
                    self.hosts[side].send(&mut burst);
                    if burst.count() == 0 {
                        break;
                    }
                    wire.send(side, &mut burst, now);
                    burst.clear();
                }
            }
            let due = self
                .hosts
                .iter()
                .filter_map(|host| host.stack.next_deadline());
            let next = due.chain(wire.next()).min().unwrap_or(end);
            now = next.max(now + Duration::from_nanos(1));
        }
        self.received
    }
}

/// The same for smoltcp, with whichever of its controls and of three buffers does best.
fn theirs(path: Path, seed: u64, time: Duration) -> u64 {
    let controls = [
        CongestionControl::None,
        CongestionControl::Reno,
        CongestionControl::Cubic,
    ];
    let buffers = [1 << 16, 1 << 20, 1 << 22];
    let choices = controls
        .into_iter()
        .flat_map(|control| buffers.map(|buffer| (control, buffer)));
    choices
        .map(|(control, buffer)| theirs_with(control, buffer, path, seed, time))
        .max()
        .unwrap_or(0)
}

fn theirs_with(
    control: CongestionControl,
    buffer: usize,
    path: Path,
    seed: u64,
    time: Duration,
) -> u64 {
    let slots = 8_192;
    let mut hosts = [1, 2].map(|number| theirs::Host::new(number, WIRE, slots));
    let handles = [(4_096, buffer), (buffer, 4_096)];
    let mut place = 0;
    let sockets = handles.map(|(receive, send)| {
        let mut socket = tcp_socket(receive, send);
        socket.set_congestion_control(control);
        let handle = hosts[place].sockets.add(socket);
        place += 1;
        handle
    });
    let [a, b] = &mut hosts;
    theirs::connect(a, b, sockets, [40_000, PORT]);
    let mut wire = Wire::new(path, seed);
    let start = Instant::from_micros(u64::try_from(hosts[0].now.total_micros()).unwrap_or(0));
    let (mut now, end) = (start, start + time);
    let mut received = 0;
    while now < end {
        let theirs_now =
            smoltcp::time::Instant::from_micros(i64::try_from(now.as_micros()).unwrap_or(i64::MAX));
        for host in &mut hosts {
            host.now = theirs_now;
        }
        while let Some((to, frame)) = wire.arrival(now) {
            let burst = &mut hosts[to].device.received;
            let room = burst.room().expect("room for all that arrives");
            room[..frame.len()].copy_from_slice(&frame);
            burst.filled(frame.len());
            hosts[to].receive();
        }
        let writer = hosts[0].tcp(sockets[0]);
        while writer.can_send()
            && writer
                .send(|room| (room.len(), room.len()))
                .is_ok_and(|len| len > 0)
        {}
        let reader = hosts[1].tcp(sockets[1]);
        while reader.can_recv() {
            let taken = reader.recv(|bytes| (bytes.len(), bytes.len()));
            received += taken.unwrap_or(0) as u64;
        }
        for (side, host) in hosts.iter_mut().enumerate() {
            host.poll();
            wire.send(side, &mut host.device.sent, now);
            host.device.sent.clear();
        }
        let due = hosts.iter_mut().filter_map(|host| {
            let at = host.interface.poll_at(host.now, &host.sockets)?;
            Some(Instant::from_micros(
                u64::try_from(at.total_micros()).unwrap_or(0),
            ))
        });
        let next = due.chain(wire.next()).min().unwrap_or(end);
        // Its clock counts microseconds.
        now = next.max(now + Duration::from_micros(1));
        now = Instant::from_micros(now.as_nanos().div_ceil(1_000));
    }
    received
}

fn megabits(bytes: u64, time: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let megabits = bytes as f64 * 8e-6;
    megabits / time.as_secs_f64()
}

/// All rows of this group.
pub fn measure(effort: Effort) -> Vec<Figure> {
    let (seeds, time) = match effort {
        Effort::Quick => (1, Duration::from_secs(3)),
        Effort::Full => (3, Duration::from_secs(10)),
    };
    let (ten, far) = (Duration::from_millis(10), Duration::from_millis(20));
    let long = Path::new(1_000_000_000, ten, far);
    let near = Path::new(1_000_000_000, Duration::from_micros(100), far);
    let shallow = Path::new(100_000_000, ten, Duration::from_millis(2));
    let reordering = Path {
        overtaken: 10_000,
        ..long
    };
    let cases = [
        (
            "1 Gbit/s, 20 ms, 1 % lost, BBR",
            long.losing(10_000),
            Algorithm::Bbr,
            900.0,
        ),
        (
            "1 Gbit/s, 20 ms, 1 % reordered, CUBIC",
            reordering,
            Algorithm::Cubic,
            900.0,
        ),
        (
            "1 Gbit/s, 0.2 ms, 1 % lost, CUBIC",
            near.losing(10_000),
            Algorithm::Cubic,
            300.0,
        ),
        (
            "100 Mbit/s, 20 ms, shallow queue, CUBIC",
            shallow,
            Algorithm::Cubic,
            70.0,
        ),
        (
            "100 Mbit/s, 20 ms, shallow queue, BBR",
            shallow,
            Algorithm::Bbr,
            92.0,
        ),
    ];
    let row = |(name, path, control, aim)| {
        let mut values = (Vec::new(), Vec::new());
        for seed in 1..=seeds {
            let ours = Ours::new(control).run(path, seed, time);
            values.0.push(megabits(ours, time));
            values.1.push(megabits(theirs(path, seed, time), time));
        }
        let both = (median(&mut values.0), median(&mut values.1));
        Figure::pair(name, both, "Mbit/s").aim(Aim::AtLeast(aim))
    };
    cases.into_iter().map(row).collect()
}
