//! A card that fetches what is sent from clients' memory, and takes its time: what it has not given
//! back stays as it was, whatever comes of the connection.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};

use crate::common::{Random, TestPeer, client_and_peer, small};
use device::{
    Checksum, Cuts, Device, Facts, Filled, Gathered, Offload, Offloads, PLACES, Places,
    ReceiveMeta, Received, TransmitMeta, Verified,
};
use net::protocol::SocketOption;
use net::{Net, TcpListener, TcpStream};
use netd::{Server, Settings, Turn};
use ring::Arena;
use rt::handle::Run;
use stack::Instant;

const ARENA: usize = 1 << 20;
/// Bytes of the runs that an arena lies in.
const RUN: usize = 1 << 15;
const MTU: u16 = 1_500;
/// Nanoseconds that a turn takes.
const TURN: u64 = 50_000;
/// Where the first arena lies for the card, and how far behind it the next.
const FIRST: u64 = 1 << 40;
const APART: u64 = 1 << 32;

/// A frame with the card: what it had to send when it was given, and where that is.
struct Held {
    until: u64,
    buffer: (Vec<u8>, Vec<u8>),
    places: Vec<device::Place>,
    then: Vec<u8>,
    meta: TransmitMeta,
    token: Option<u16>,
}

/// What both ends of the cable and the tests see.
struct Cable {
    now: Cell<u64>,
    lines: [RefCell<VecDeque<Vec<u8>>>; 2],
    /// The arenas of clients, as the card finds them.
    arenas: RefCell<Vec<Arena>>,
    /// Frames given that refer to them, and those that are still out.
    lent: Cell<usize>,
    out: Cell<usize>,
    /// The longest of them.
    longest: Cell<usize>,
    /// The card takes so many turns for a frame, at most.
    slowness: Cell<u64>,
    is_wanted: Cell<bool>,
}

impl Cable {
    /// What the card reads.
    fn read(&self, places: &[device::Place]) -> Vec<u8> {
        let arenas = self.arenas.borrow();
        let mut bytes = Vec::new();
        for place in places {
            let at = place.physical - FIRST;
            let arena = &arenas[(at / APART) as usize];
            // Runs lie in the opposite order.
            let run = ARENA as u64 / RUN as u64 - 1 - at % APART / RUN as u64;
            let mut part = vec![0; place.length as usize];
            arena
                .read(run * RUN as u64 + at % RUN as u64, &mut part)
                .unwrap();
            bytes.extend(part);
        }
        bytes
    }
}

/// The card at one end.
struct Card {
    cable: Rc<Cable>,
    number: usize,
    held: Vec<Held>,
    ended: Vec<u16>,
    random: Random,
}

impl Card {
    /// Sends what has been here long enough, in any order.
    fn work(&mut self) -> usize {
        let now = self.cable.now.get();
        let mut sent = 0;
        while let Some(place) = self.held.iter().position(|frame| frame.until <= now) {
            let frame = self.held.remove(place);
            let bytes = self.cable.read(&frame.places);
            assert!(bytes == frame.then, "the client's memory has changed");
            let (head, tail) = frame.buffer;
            let whole = [&head[..], &bytes, &tail].concat();
            let mut line = self.cable.lines[self.number].borrow_mut();
            line.extend(cut(&whole, frame.meta));
            if let Some(token) = frame.token {
                self.cable.out.set(self.cable.out.get() - 1);
                self.ended.push(token);
            }
            sent += 1;
        }
        sent
    }
}

/// The frames that the card makes of one; it leaves checksums out.
fn cut(frame: &[u8], meta: TransmitMeta) -> Vec<Vec<u8>> {
    if meta.segment == 0 {
        return vec![frame.to_vec()];
    }
    let headers = 34 + usize::from(frame[46] >> 4) * 4;
    let (front, payload) = frame.split_at(headers);
    let sequence = u32::from_be_bytes(*front[38..].first_chunk().unwrap());
    let parts: Vec<_> = payload.chunks(meta.segment.into()).collect();
    let last = parts.len() - 1;
    let mut frames = Vec::new();
    for (number, part) in parts.into_iter().enumerate() {
        let mut front = front.to_vec();
        let length = (headers - 14 + part.len()) as u16;
        front[16..18].copy_from_slice(&length.to_be_bytes());
        front[24..26].fill(0);
        let sum = checksum(&front[14..34]);
        front[24..26].copy_from_slice(&sum.to_be_bytes());
        let skipped = number as u32 * u32::from(meta.segment);
        front[38..42].copy_from_slice(&sequence.wrapping_add(skipped).to_be_bytes());
        if number < last {
            // FIN and PSH are the last one's.
            front[47] &= !9;
        }
        frames.push([&front[..], part].concat());
    }
    frames
}

/// Of an IPv4 header.
fn checksum(header: &[u8]) -> u16 {
    let (words, _) = header.as_chunks();
    let mut sum: u32 = words
        .iter()
        .map(|word| u32::from(u16::from_be_bytes(*word)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

impl Device for Card {
    fn facts(&self) -> Facts {
        let offloads = Offloads::NONE
            .with(Offload::ChecksumOut)
            .with(Offload::Segmentation)
            .with(Offload::Gather);
        Facts {
            mac: [2, 0, 0, 0, 0, self.number as u8 + 1],
            mtu: MTU,
            offloads,
            cuts: Cuts {
                tcp4: true,
                tcp6: true,
                ..Cuts::NONE
            },
            places: PLACES,
        }
    }

    fn link_up(&self) -> bool {
        true
    }

    fn reap_receive(&mut self, budget: usize, visit: &mut dyn FnMut(Received<'_>)) -> usize {
        let mut line = self.cable.lines[1 - self.number].borrow_mut();
        let count = line.len().min(budget);
        for frame in line.drain(..count) {
            let meta = ReceiveMeta {
                checksum: Verified::Yes,
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
        self.work()
    }

    fn take_back(&mut self) -> Option<u16> {
        self.ended.pop()
    }

    fn want_back(&mut self) {
        self.cable.is_wanted.set(true);
    }

    fn transmit_room(&self) -> usize {
        1_000 - self.held.len()
    }

    fn provide_transmit(&mut self, _: &mut dyn FnMut(&mut [u8]) -> Filled) -> bool {
        unreachable!("it gathers")
    }

    fn provide_gathered(
        &mut self,
        fill: &mut dyn FnMut(&mut [u8], &mut Places) -> Option<Gathered>,
    ) -> bool {
        let (mut buffer, mut places) = (vec![0; usize::from(MTU) + 18], Places::new());
        let Some(frame) = fill(&mut buffer, &mut places) else {
            return false;
        };
        let (head, rest) = buffer.split_at(frame.head);
        let places = places.as_slice().to_vec();
        assert_eq!(places.is_empty(), frame.token.is_none());
        let then = self.cable.read(&places);
        let is_partial = frame.meta.checksum != Checksum::Complete;
        assert!(is_partial || frame.meta.segment == 0);
        let slowness = self.cable.slowness.get().max(1);
        let turns = self.random.below(slowness);
        if frame.token.is_some() {
            self.cable.lent.set(self.cable.lent.get() + 1);
            self.cable.out.set(self.cable.out.get() + 1);
            let longest = self.cable.longest.get().max(then.len());
            self.cable.longest.set(longest);
        }
        self.held.push(Held {
            until: self.cable.now.get() + turns * TURN,
            buffer: (head.to_vec(), rest[..frame.tail].to_vec()),
            places,
            then,
            meta: frame.meta,
            token: frame.token,
        });
        true
    }

    fn flush(&mut self) {
        self.work();
    }
    fn arm(&mut self) -> bool {
        false
    }
    fn disarm(&mut self) {}
    fn interrupt(&mut self) {}
    fn faults(&self) -> u64 {
        0
    }
}

/// Two machines and their cable.
struct World {
    cable: Rc<Cable>,
    servers: [RefCell<Server<TestPeer, Card>>; 2],
}

impl World {
    fn new(slowness: u64) -> Rc<Self> {
        let cable = Rc::new(Cable {
            now: Cell::new(1),
            lines: Default::default(),
            arenas: RefCell::default(),
            lent: Cell::new(0),
            out: Cell::new(0),
            longest: Cell::new(0),
            slowness: Cell::new(slowness),
            is_wanted: Cell::new(false),
        });
        let servers = [0, 1].map(|number| {
            let own = ["ip=10.0.0.1/24", "ip=10.0.0.2/24"][number];
            let settings = Settings::parse(|key| own.strip_prefix(key)?.strip_prefix('='));
            let device = Card {
                cable: Rc::clone(&cable),
                number,
                held: Vec::new(),
                ended: Vec::new(),
                random: Random(number as u64 + 5),
            };
            let seed = [7 + number as u8; 32];
            let now = Instant::from_nanos(1);
            RefCell::new(Server::new(small(), &settings, seed, Some(device), now))
        });
        Rc::new(Self { cable, servers })
    }

    /// A client whose memory lies in runs, the last one first.
    async fn client(&self, number: usize) -> (Net, Rc<()>) {
        let (mut peer, client) = client_and_peer(32, ARENA);
        let base = FIRST + APART * self.cable.arenas.borrow().len() as u64;
        let run = |number: usize| Run {
            offset: (number * RUN) as u64,
            physical: base + (ARENA - RUN - number * RUN) as u64,
            length: RUN as u64,
        };
        let arena = peer.lie_at((0..ARENA / RUN).map(run).collect());
        self.cable.arenas.borrow_mut().push(arena);
        let now = Instant::from_nanos(self.cable.now.get());
        let is_there =
            self.servers[number]
                .borrow_mut()
                .connect(peer, netd::Privileges::default(), now);
        assert!(is_there, "there is a place");
        client.open().await
    }

    fn turn(&self) {
        let now = self.cable.now.get() + TURN;
        self.cable.now.set(now);
        rt::clock::stand_at(now);
        for server in &self.servers {
            let mut server = server.borrow_mut();
            let _more: Turn = server.turn(Instant::from_nanos(now));
            server.prepare_sleep();
            server.ring();
        }
    }
}

async fn serve(world: Weak<World>) {
    while let Some(world) = world.upgrade() {
        world.turn();
        drop(world);
        rt::executor::yield_now().await;
    }
}

fn run<T>(slowness: u64, test: impl AsyncFnOnce(Rc<World>) -> T) -> T {
    rt::clock::stand_at(1);
    let world = World::new(slowness);
    let task = rt::spawn(serve(Rc::downgrade(&world)));
    let outcome = rt::block_on(test(world));
    drop(task);
    outcome
}

fn bytes(round: usize, length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| (at * 7 + at / 251 + round * 13) as u8)
        .collect()
}

/// Two connected programs.
async fn pair(world: &World) -> ((Net, Rc<()>), TcpStream, (Net, Rc<()>), TcpStream) {
    let to: SocketAddr = "10.0.0.2:9".parse().unwrap();
    let (server, client) = (world.client(1).await, world.client(0).await);
    let listener = TcpListener::bind(&server.0, to, 1).await.unwrap();
    let options = [(SocketOption::SendBuffer, 512 << 10)];
    let stream = TcpStream::connect_with(&client.0, to, &options).await;
    let stream = stream.unwrap();
    let peer = listener.accept().await.unwrap();
    (client, stream, server, peer)
}

/// Sends much in pieces of many lengths and reads it at the other end.
fn sends_much(slowness: u64) -> Rc<World> {
    const ROUNDS: usize = 60;
    run(slowness, async |world: Rc<World>| {
        let (client, mut stream, server, mut peer) = pair(&world).await;
        let length = |round: usize| 1 + (round * 7_919) % 60_000;
        let sender = rt::spawn(async move {
            for round in 0..ROUNDS {
                stream
                    .write_all(&bytes(round, length(round)))
                    .await
                    .unwrap();
            }
            stream.close().await.unwrap();
        });
        for round in 0..ROUNDS {
            let expected = bytes(round, length(round));
            let (mut found, mut filled) = (vec![0; expected.len()], 0);
            while filled < found.len() {
                filled += peer.read(&mut found[filled..]).await.unwrap();
            }
            assert!(found == expected, "round {round}");
        }
        assert_eq!(peer.read(&mut [0]).await.unwrap(), 0);
        sender.await;
        assert!(world.cable.lent.get() > 0, "nothing was lent");
        drop((client, server));
        world
    })
}

#[test]
fn super_segments_leave_from_where_they_are() {
    let world = sends_much(0);
    let longest = world.cable.longest.get();
    assert!(longest > usize::from(MTU), "{longest}");
}

#[test]
fn a_card_that_takes_its_time_finds_what_it_was_given() {
    // Up to 10 ms, and up to 400: much is sent again in the meantime.
    for slowness in [200, 8_000] {
        let world = sends_much(slowness);
        assert!(world.cable.is_wanted.get(), "nobody waited for it");
    }
}

#[test]
fn a_client_that_dies_leaves_its_memory_to_the_card() {
    run(0, async |world: Rc<World>| {
        let (client, mut stream, server, peer) = pair(&world).await;
        world.cable.slowness.set(20_000);
        stream.write_all(&bytes(1, 50_000)).await.unwrap();
        while world.cable.out.get() == 0 {
            rt::executor::yield_now().await;
        }
        drop((stream, client));
        // The card looks at what it finds, and others are served.
        while world.cable.out.get() > 0 {
            rt::executor::yield_now().await;
        }
        world.cable.slowness.set(0);
        drop(peer);
        let again = pair(&world).await;
        drop((server, again));
    });
}
