//! netd in a test: the real server and stack over rings in memory, with a clock that jumps.

mod random;
mod sockets;
mod turns;

pub use random::Random;
pub use sockets::{alone, between, connect, connected, listen, loopback, read_all};
pub use turns::{polled, settle, within_turns};

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::{Rc, Weak};

use device::{Device, Facts, Filled, Received};
use net::Net;
use netd::{Ground, Peer, Privileges, Server, Settings, Turn};
use ring::Arena;
use rt::handle::Run;
use rt::link::Link;
use stack::{Config, Instant};

/// Bytes of a test client's arena.
pub const ARENA: usize = 1 << 20;
/// Nanoseconds that a turn takes.
const TURN: u64 = 10_000;
/// Turns without work after which the clock jumps to the next deadline.
const PATIENCE: u32 = 64;

/// The server's end of a client in the same process.
pub struct TestPeer {
    link: Link,
    arena: Option<Arena>,
    /// Where a device finds it.
    runs: Vec<Run>,
    client: Weak<()>,
}

impl TestPeer {
    /// A device finds the client's memory in these runs. Gives a view of it.
    pub fn lie_at(&mut self, runs: Vec<Run>) -> Arena {
        self.runs = runs;
        self.arena.as_ref().expect("not attached yet").view()
    }
}

/// A client without any library: its link, its view of the arena, its life.
pub struct RawClient {
    pub link: Link,
    pub arena: Arena,
    life: Rc<()>,
}

/// A client with an arena of so many bytes, and its server's end.
pub fn client_and_peer(slots: usize, bytes: usize) -> (TestPeer, RawClient) {
    let (link, theirs) = Link::pair(slots);
    let (arena, seen) = Arena::shared(bytes);
    let life = Rc::new(());
    let peer = TestPeer {
        link: theirs,
        arena: Some(seen),
        runs: Vec::new(),
        client: Rc::downgrade(&life),
    };
    (peer, RawClient { link, arena, life })
}

impl RawClient {
    /// The same as programs see it, and its life.
    pub async fn open(self) -> (Net, Rc<()>) {
        let net = Net::join(self.link, self.arena).await.expect("an arena");
        (net, self.life)
    }
}

impl Peer for TestPeer {
    fn link(&mut self) -> &mut Link {
        if self.client.strong_count() == 0 {
            // In the guest the kernel tells.
            self.link.observe(abi::Signals::PEER_CLOSED);
        }
        &mut self.link
    }

    fn take_arena(&mut self, bytes: usize) -> Option<Ground> {
        let arena = self.arena.take().filter(|arena| arena.len() >= bytes)?;
        let runs = core::mem::take(&mut self.runs);
        Some(Ground { arena, runs })
    }
}

/// There is no device in these tests.
pub struct NoDevice;

impl Device for NoDevice {
    fn facts(&self) -> Facts {
        unreachable!("never attached")
    }
    fn link_up(&self) -> bool {
        false
    }
    fn reap_receive(&mut self, _: usize, _: &mut dyn FnMut(Received<'_>)) -> usize {
        0
    }
    fn reap_transmit(&mut self) -> usize {
        0
    }
    fn transmit_room(&self) -> usize {
        0
    }
    fn provide_transmit(&mut self, _: &mut dyn FnMut(&mut [u8]) -> Filled) -> bool {
        false
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

pub type TestServer = Server<TestPeer, NoDevice>;

/// A server and its clock.
pub struct World {
    pub server: RefCell<TestServer>,
    now: Cell<u64>,
}

impl World {
    /// A server with loopback only.
    pub fn new() -> Rc<Self> {
        Self::with_config(small())
    }

    pub fn with_config(config: Config) -> Rc<Self> {
        let settings = Settings::parse(|_| None);
        let server = TestServer::new(config, &settings, [7; 32], None, Instant::from_nanos(0));
        Rc::new(Self {
            server: RefCell::new(server),
            now: Cell::new(1),
        })
    }

    pub fn now(&self) -> Instant {
        Instant::from_nanos(self.now.get())
    }

    /// One turn; time passes.
    pub fn turn(&self) -> bool {
        self.now.set(self.now.get() + TURN);
        let busy = self.server.borrow_mut().turn(self.now()) != Turn::Idle;
        let more = self.server.borrow_mut().prepare_sleep();
        busy | more
    }

    /// A new client. Dropped, it is a process that has ended.
    pub fn raw_client(&self, admin: bool, slots: usize) -> RawClient {
        let raw = false;
        self.client_with(Privileges { admin, raw }, slots)
    }

    /// A new client that may do this.
    pub fn client_with(&self, privileges: Privileges, slots: usize) -> RawClient {
        let (peer, client) = client_and_peer(slots, ARENA);
        assert!(
            self.server
                .borrow_mut()
                .connect(peer, privileges, self.now()),
            "there is a place"
        );
        client
    }

    /// A client as programs see it, and its life.
    pub async fn client(&self, admin: bool) -> (Net, Rc<()>) {
        self.raw_client(admin, 32).open().await
    }

    /// Runs a test with the server beside it.
    pub fn run<T>(self: &Rc<Self>, test: impl Future<Output = T>) -> T {
        let task = rt::spawn(serve(Rc::downgrade(self)));
        let outcome = rt::block_on(test);
        drop(task);
        outcome
    }
}

/// Small tables, so that limits are met.
pub fn small() -> Config {
    Config {
        clients: 16,
        sockets: 512,
        sockets_per_client: 256,
        connections: 256,
        time_waits: 256,
        half_open: 64,
        listeners: 16,
        datagram_sockets: 64,
        requests: 4_096,
        requests_per_socket: 64,
        inline_payloads: 64,
        packets: 64,
        ..Config::default()
    }
}

async fn serve(world: Weak<World>) {
    let mut idle = 0;
    while let Some(world) = world.upgrade() {
        idle = if world.turn() { 0 } else { idle + 1 };
        if idle > PATIENCE
            && let Some(deadline) = world.server.borrow().next_deadline()
        {
            world.now.set(world.now.get().max(deadline.as_nanos()));
            idle = 0;
        }
        drop(world);
        rt::executor::yield_now().await;
    }
}
