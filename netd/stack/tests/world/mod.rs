//! Stacks joined by a wire that is a vector: what multi-layer tests stand on.
#![allow(dead_code, reason = "every test file uses another part")]

pub mod craft;

use stack::{
    AddressPlan, ClientId, ClientMemory, Config, Data, Event, EventKind, Gone, Instant,
    InterfaceId, Kind, LinkFacts, MacAddress, Offer, Range, ReceiveMeta, SocketId, Stack,
    StaticPlan, Token, TransmitChecksum,
};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

/// Arenas of one megabyte.
pub const ARENA: usize = 1 << 20;

/// The arenas of a host's clients.
#[derive(Default)]
pub struct Arenas(HashMap<ClientId, Vec<u8>>);

impl Arenas {
    pub fn open(&mut self, client: ClientId) {
        self.0.insert(client, vec![0; ARENA]);
    }

    pub fn close(&mut self, client: ClientId) {
        self.0.remove(&client);
    }

    pub fn bytes(&self, client: ClientId, offset: u64, length: u32) -> &[u8] {
        &self.0[&client][offset as usize..offset as usize + length as usize]
    }

    pub fn put(&mut self, client: ClientId, offset: u64, bytes: &[u8]) {
        let arena = self.0.get_mut(&client).expect("open");
        arena[offset as usize..offset as usize + bytes.len()].copy_from_slice(bytes);
    }
}

impl ClientMemory for Arenas {
    fn write(&mut self, client: ClientId, offset: u64, bytes: &[u8]) -> Result<(), Gone> {
        let arena = self.0.get_mut(&client).ok_or(Gone)?;
        let start = usize::try_from(offset).map_err(|_| Gone)?;
        let end = start.checked_add(bytes.len()).ok_or(Gone)?;
        arena
            .get_mut(start..end)
            .ok_or(Gone)?
            .copy_from_slice(bytes);
        Ok(())
    }

    fn read(&self, client: ClientId, offset: u64, into: &mut [u8]) -> Result<(), Gone> {
        let arena = self.0.get(&client).ok_or(Gone)?;
        let start = usize::try_from(offset).map_err(|_| Gone)?;
        let end = start.checked_add(into.len()).ok_or(Gone)?;
        into.copy_from_slice(arena.get(start..end).ok_or(Gone)?);
        Ok(())
    }
}

/// A host: a stack with one link.
pub struct Host {
    pub stack: Stack,
    pub memory: Arenas,
    pub link: InterfaceId,
    pub events: Vec<Event>,
    /// Rings are full: nothing is taken.
    pub deaf: bool,
}

pub fn mac(last: u8) -> MacAddress {
    MacAddress([2, 0, 0, 0, 0, last])
}

pub fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, last)
}

pub fn at(last: u8, port: u16) -> SocketAddr {
    SocketAddrV4::new(ip(last), port).into()
}

pub fn facts(last: u8) -> LinkFacts {
    LinkFacts {
        mac: mac(last),
        mtu: 1_500,
        up: true,
        checksum_transmit: false,
    }
}

pub fn plan(last: u8) -> StaticPlan {
    let nobody = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
    StaticPlan {
        address: ip(last),
        prefix: 24,
        gateway: Some(ip(254)),
        name_servers: [nobody; stack::NAME_SERVERS],
    }
}

/// Small tables: limits are met in tests.
pub fn config() -> Config {
    Config {
        clients: 16,
        sockets: 256,
        sockets_per_client: 200,
        connections: 128,
        time_waits: 64,
        half_open: 32,
        listeners: 8,
        datagram_sockets: 64,
        requests: 1_024,
        requests_per_socket: 64,
        inline_payloads: 64,
        packets: 64,
        packets_per_neighbour: 4,
        neighbours: 64,
        pings: 32,
        resolutions: 8,
        dns_cache: 16,
        ..Config::default()
    }
}

impl Host {
    pub fn new(last: u8, config: Config, plan: AddressPlan) -> Self {
        let mut stack = Stack::new(config, [last; 32], Instant::ZERO);
        let link = stack
            .add_interface(facts(last), plan, Instant::ZERO)
            .expect("interface");
        Self {
            stack,
            memory: Arenas::default(),
            link,
            events: Vec::new(),
            deaf: false,
        }
    }

    pub fn client(&mut self) -> ClientId {
        let client = self.stack.client_open().expect("client");
        self.memory.open(client);
        client
    }

    pub fn frames(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let mut frame = [0xaa; 1_600];
        while let Some((len, meta)) =
            self.stack
                .output(self.link, &mut frame, &mut self.memory, now)
        {
            assert_eq!(meta.checksum, TransmitChecksum::Complete);
            assert!(len >= 60, "a short frame was not padded");
            frames.push(frame[..len].to_vec());
            assert!(frames.len() < 100_000, "output never ends");
        }
        frames
    }

    pub fn input(&mut self, frame: &[u8], now: Instant) {
        self.stack.input(
            self.link,
            frame,
            ReceiveMeta::default(),
            &mut self.memory,
            now,
        );
    }

    pub fn publish(&mut self, now: Instant) {
        let (deaf, events) = (self.deaf, &mut self.events);
        self.stack.publish(now, &mut |_, event| {
            if deaf {
                return Offer::Full;
            }
            events.push(*event);
            Offer::Published
        });
    }

    /// Takes the next event out, whatever it is.
    pub fn event(&mut self) -> Option<Event> {
        (!self.events.is_empty()).then(|| self.events.remove(0))
    }

    /// Takes out the events with a token.
    pub fn take(&mut self, token: u64) -> Vec<EventKind> {
        let wanted = |event: &Event| event.token == Token(token);
        let taken = self
            .events
            .iter()
            .filter(|event| wanted(event))
            .map(|event| event.kind)
            .collect();
        self.events.retain(|event| !wanted(event));
        taken
    }

    pub fn stream(&mut self, client: ClientId) -> SocketId {
        self.stack
            .socket_create(client, Kind::Stream)
            .expect("socket")
    }

    pub fn datagram(&mut self, client: ClientId) -> SocketId {
        self.stack
            .socket_create(client, Kind::Datagram)
            .expect("socket")
    }

    pub fn listen(&mut self, client: ClientId, port: u16, backlog: u16) -> SocketId {
        let socket = self.stream(client);
        let any = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port);
        self.stack.bind(client, socket, any.into()).expect("bind");
        self.stack.listen(client, socket, backlog).expect("listen");
        socket
    }

    pub fn send(
        &mut self,
        client: ClientId,
        socket: SocketId,
        bytes: &[u8],
        at: u64,
        token: u64,
        now: Instant,
    ) {
        self.memory.put(client, at, bytes);
        let data = Data::Arena(Range::new(at, bytes.len() as u32));
        self.stack
            .send(client, socket, data, None, Token(token), now)
            .expect("send");
    }

    pub fn counter(&self, name: &str) -> u64 {
        self.stack
            .counters()
            .find(|(other, _)| *other == name)
            .expect("counter")
            .1
    }

    /// Received = delivered + dropped, always.
    pub fn assert_balance(&self) {
        let totals = self.stack.totals();
        assert_eq!(
            totals.received.packets,
            totals.delivered + totals.dropped,
            "{totals:?}"
        );
    }
}

/// Decides whether a frame of sender 0 or 1 is lost.
pub type Lose = dyn FnMut(usize, &[u8]) -> bool;

/// Two hosts and the wire between them.
pub struct World {
    pub a: Host,
    pub b: Host,
    pub now: Instant,
    /// All frames that passed, and who sent them (0 or 1).
    pub log: Vec<(usize, Vec<u8>)>,
    /// Loses the frames that it picks.
    pub lose: Box<Lose>,
}

impl World {
    pub fn new() -> Self {
        Self::with(config(), config())
    }

    pub fn with(a: Config, b: Config) -> Self {
        let mut world = Self {
            a: Host::new(1, a, AddressPlan::Static(plan(1))),
            b: Host::new(2, b, AddressPlan::Static(plan(2))),
            now: Instant::ZERO,
            log: Vec::new(),
            lose: Box::new(|_, _| false),
        };
        // The announcements of both.
        world.run(Duration::from_secs(3));
        world.log.clear();
        world
    }

    /// Carries frames until both are quiet, without time passing.
    pub fn settle(&mut self) {
        for round in 0.. {
            if round == 5_000 {
                let last = &self.log[self.log.len().saturating_sub(6)..];
                let due = [self.a.stack.next_deadline(), self.b.stack.next_deadline()];
                panic!(
                    "the hosts never come to rest at {:?}: {due:?} {last:x?}",
                    self.now
                );
            }
            self.a.stack.fire(&mut self.a.memory, self.now);
            self.b.stack.fire(&mut self.b.memory, self.now);
            let from_a = self.a.frames(self.now);
            let from_b = self.b.frames(self.now);
            let quiet = from_a.is_empty() && from_b.is_empty();
            for (sender, frames) in [(0, from_a), (1, from_b)] {
                for frame in frames {
                    let lost = (self.lose)(sender, &frame);
                    if !lost {
                        let to = if sender == 0 {
                            &mut self.b
                        } else {
                            &mut self.a
                        };
                        to.input(&frame, self.now);
                    }
                    self.log.push((sender, frame));
                }
            }
            self.a.publish(self.now);
            self.b.publish(self.now);
            let due = |host: &Host| host.stack.next_deadline().is_some_and(|at| at <= self.now);
            if quiet && !due(&self.a) && !due(&self.b) {
                return;
            }
        }
    }

    /// Lets time pass, from deadline to deadline.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        loop {
            let next = [self.a.stack.next_deadline(), self.b.stack.next_deadline()];
            let Some(next) = next.into_iter().flatten().min().filter(|next| *next <= end) else {
                break;
            };
            self.now = next.max(self.now);
            self.settle();
        }
        self.now = end;
        self.settle();
    }
}
