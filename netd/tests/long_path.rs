//! Programs at the two ends of a long fat path: how much room they give, and what gets through.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};
use std::time::Duration;

use crate::common::{TestPeer, client_and_peer, small};
use device::{Checksum, Cuts, Device, Facts, Filled, Offloads, ReceiveMeta, Received, Verified};
use net::protocol::SocketOption;
use net::{Net, TcpListener, TcpStream};
use netd::{Server, Settings, Turn};
use stack::Instant;

/// Bytes of an arena: enough that no fair share is the limit.
const ARENA: usize = 32 << 20;
const ONE_WAY: Duration = Duration::from_millis(20);
/// Bits per second.
const RATE: u64 = 160_000_000;
/// What is on its way when the path is full, both ways together.
const PRODUCT: usize = 800_000;
const MTU: u16 = 1_500;

/// One direction: frames and when they arrive, and until when the line is taken.
#[derive(Default)]
struct Line {
    frames: VecDeque<(u64, Vec<u8>)>,
    busy_until: u64,
}

/// Both directions, and what time it is in nanoseconds.
#[derive(Default)]
struct Path {
    now: Cell<u64>,
    /// When a program wants to go on.
    wake_at: Cell<Option<u64>>,
    lines: [RefCell<Line>; 2],
}

impl Path {
    fn now(&self) -> Instant {
        Instant::from_nanos(self.now.get())
    }

    fn next_event(&self) -> Option<u64> {
        let first = |line: &RefCell<Line>| line.borrow().frames.front().map(|(at, _)| *at);
        let arrivals = self.lines.iter().filter_map(first);
        arrivals.chain(self.wake_at.get()).min()
    }
}

/// The device at one end; it sends into the line of its number.
struct End {
    path: Rc<Path>,
    number: usize,
}

impl Device for End {
    fn facts(&self) -> Facts {
        Facts {
            mac: [2, 0, 0, 0, 0, if self.number == 0 { 1 } else { 2 }],
            mtu: MTU,
            offloads: Offloads::NONE,
            cuts: Cuts::NONE,
            places: 0,
        }
    }

    fn link_up(&self) -> bool {
        true
    }

    fn reap_receive(&mut self, budget: usize, visit: &mut dyn FnMut(Received<'_>)) -> usize {
        let mut line = self.path.lines[1 - self.number].borrow_mut();
        let now = self.path.now.get();
        let due = line.frames.iter().take_while(|(at, _)| *at <= now).count();
        let count = due.min(budget);
        for (_, frame) in line.frames.drain(..count) {
            let checksum = Verified::No;
            let meta = ReceiveMeta {
                checksum,
                segment: 0,
            };
            visit(Received {
                frame: &frame,
                rest: &[],
                meta,
            });
        }
        count
    }

    fn reap_transmit(&mut self) -> usize {
        0
    }

    fn transmit_room(&self) -> usize {
        usize::MAX
    }

    fn provide_transmit(&mut self, fill: &mut dyn FnMut(&mut [u8]) -> Filled) -> bool {
        let mut frame = vec![0; usize::from(MTU) + 18];
        let Some((length, meta)) = fill(&mut frame) else {
            return false;
        };
        assert_eq!(meta.checksum, Checksum::Complete);
        frame.truncate(length);
        let mut line = self.path.lines[self.number].borrow_mut();
        let takes = length as u64 * 8_000_000_000 / RATE;
        line.busy_until = line.busy_until.max(self.path.now.get()) + takes;
        let at = line.busy_until + ONE_WAY.as_nanos() as u64;
        line.frames.push_back((at, frame));
        true
    }

    fn flush(&mut self) {}
    fn arm(&mut self) -> bool {
        false
    }
    fn disarm(&mut self) {}
    fn interrupt(&mut self) {}
    fn faults(&self) -> u64 {
        0
    }
}

/// Two machines and the path between them.
struct World {
    path: Rc<Path>,
    servers: [RefCell<Server<TestPeer, End>>; 2],
}

impl World {
    fn new() -> Rc<Self> {
        let path = Rc::new(Path::default());
        path.now.set(1);
        let servers = [0, 1].map(|number| {
            let own = ["ip=10.0.0.1/24", "ip=10.0.0.2/24"][number];
            let settings = Settings::parse(|key| own.strip_prefix(key)?.strip_prefix('='));
            let path = Rc::clone(&path);
            let device = Some(End { path, number });
            let seed = [7 + number as u8; 32];
            RefCell::new(Server::new(
                small(),
                &settings,
                seed,
                device,
                Instant::from_nanos(1),
            ))
        });
        Rc::new(Self { path, servers })
    }

    async fn client(&self, number: usize) -> (Net, Rc<()>) {
        let (peer, client) = client_and_peer(32, ARENA);
        let now = self.path.now();
        let is_there =
            self.servers[number]
                .borrow_mut()
                .connect(peer, netd::Privileges::default(), now);
        assert!(is_there, "there is a place");
        client.open().await
    }

    /// Both take a turn; whether there was anything to do.
    fn turn(&self) -> bool {
        let now = self.path.now();
        let mut is_busy = false;
        for server in &self.servers {
            let mut server = server.borrow_mut();
            is_busy |= server.turn(now) != Turn::Idle;
            is_busy |= server.prepare_sleep();
            server.ring();
        }
        is_busy
    }

    /// Nothing is left to be done now: it becomes later.
    fn jump(&self) {
        let deadlines = self
            .servers
            .iter()
            .filter_map(|server| server.borrow().next_deadline());
        let next = deadlines
            .map(Instant::as_nanos)
            .chain(self.path.next_event())
            .min();
        if let Some(next) = next {
            self.path.now.set(self.path.now.get().max(next));
            rt::clock::stand_at(self.path.now.get());
        }
    }
}

/// Turns without work after which nobody has anything to do.
const PATIENCE: u32 = 64;

async fn serve(world: Weak<World>) {
    let mut idle = 0;
    while let Some(world) = world.upgrade() {
        idle = if world.turn() { 0 } else { idle + 1 };
        if idle > PATIENCE {
            world.jump();
            idle = 0;
        }
        drop(world);
        rt::executor::yield_now().await;
    }
}

/// Sends without end from machine 0 to machine 1. Returns the receiving program's session, its
/// connection, and what keeps the other end alive.
async fn flow(world: &World) -> (Net, TcpStream, impl Sized) {
    let to: SocketAddr = "10.0.0.2:9".parse().unwrap();
    let (server, server_life) = world.client(1).await;
    let (client, client_life) = world.client(0).await;
    let listener = TcpListener::bind(&server, to, 1).await.unwrap();
    let sender = rt::spawn(async move {
        let options = [(SocketOption::SendBuffer, 4 << 20)];
        let stream = TcpStream::connect_with(&client, to, &options).await;
        let mut stream = stream.unwrap();
        let bytes = vec![7; 1 << 16];
        while stream.write_all(&bytes).await.is_ok() {}
    });
    let stream = listener.accept().await.unwrap();
    (server, stream, (sender, server_life, client_life))
}

/// Reads as fast as can be for so long. Returns bytes.
async fn read_for(world: &World, stream: &mut TcpStream, time: Duration) -> usize {
    let end = world.path.now() + time;
    let (mut sum, mut buffer) = (0, vec![0; 1 << 16]);
    while world.path.now() < end {
        sum += stream.read(&mut buffer).await.unwrap();
    }
    sum
}

/// Reads so many bytes every 10 ms for so long.
async fn read_slowly(world: &World, stream: &mut TcpStream, bytes: usize, time: Duration) {
    let end = world.path.now() + time;
    let mut buffer = vec![0; bytes];
    while world.path.now() < end {
        let later = world.path.now() + Duration::from_millis(10);
        stream.read(&mut buffer).await.unwrap();
        world.path.wake_at.set(Some(later.as_nanos()));
        while world.path.now() < later {
            rt::executor::yield_now().await;
        }
        world.path.wake_at.set(None);
    }
}

fn run<T>(test: impl AsyncFnOnce(Rc<World>) -> T) -> T {
    rt::clock::stand_at(1);
    let world = World::new();
    let task = rt::spawn(serve(Rc::downgrade(&world)));
    let outcome = rt::block_on(test(world));
    drop(task);
    outcome
}

/// Bytes of room that the program has given, and what is not read yet.
fn held(net: &Net) -> usize {
    ARENA - net.arena_free()
}

#[test]
fn a_long_fat_path_reaches_its_rate_with_twice_its_product_of_room() {
    run(async |world| {
        let (net, mut stream, _ends) = flow(&world).await;
        let _start = read_for(&world, &mut stream, Duration::from_secs(1)).await;
        let got = read_for(&world, &mut stream, Duration::from_secs(1)).await;
        let possible = RATE as usize / 8;
        assert!(got > possible * 92 / 100, "{got} of {possible} bytes");
        assert!(held(&net) < PRODUCT * 3, "{} bytes of room", held(&net));
    });
}

#[test]
fn a_slow_reader_is_given_no_more_room_and_memory_comes_back() {
    run(async |world| {
        let (net, mut stream, _ends) = flow(&world).await;
        // 4,000 bytes in a round trip.
        read_slowly(&world, &mut stream, 1_000, Duration::from_secs(2)).await;
        assert!(held(&net) <= 20_000, "{} bytes", held(&net));
        let _much = read_for(&world, &mut stream, Duration::from_secs(1)).await;
        let grown = held(&net);
        assert!(grown > PRODUCT, "{grown} bytes");
        // What it holds then is not taken back, but used up, and less is given.
        read_slowly(&world, &mut stream, 3_000, Duration::from_secs(10)).await;
        assert!(held(&net) < grown / 8, "{} of {grown} bytes", held(&net));
        drop(stream);
        for _ in 0..10_000 {
            rt::executor::yield_now().await;
        }
        assert_eq!(held(&net), 0);
    });
}
