//! A host: a stack with one link, its clients' arenas, and what it has told them.

use stack::{
    AddressPlan, ClientId, ClientMemory, Config, Event, EventKind, Gathered, Gone, Instant,
    InterfaceId, Kind, LinkFacts, MacAddress, Offer, Pieces, Range, ReceiveMeta, SocketId, Stack,
    StaticPlan, Token, TransmitChecksum, TransmitMeta,
};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

/// Arenas of one megabyte.
pub const ARENA: usize = 1 << 20;

/// The arenas of a host's clients.
#[derive(Default)]
pub struct Arenas {
    arenas: HashMap<ClientId, Vec<u8>>,
    /// Frames may refer to them.
    pub lends: bool,
}

impl Arenas {
    pub fn open(&mut self, client: ClientId) {
        self.arenas.insert(client, vec![0; ARENA]);
    }

    pub fn close(&mut self, client: ClientId) {
        self.arenas.remove(&client);
    }

    pub fn bytes(&self, client: ClientId, offset: u64, length: u32) -> &[u8] {
        &self.arenas[&client][offset as usize..offset as usize + length as usize]
    }

    /// Puts a frame together as a device does; its length.
    pub fn assemble(
        &self,
        written: &Gathered,
        buffer: &[u8],
        pieces: &Pieces,
        frame: &mut [u8],
    ) -> usize {
        let end = written.head + written.tail;
        let places = pieces.ranges().iter().map(|range| {
            let client = pieces.client().expect("whose memory it is");
            assert!(range.length > 0);
            self.bytes(client, range.offset, range.length)
        });
        let head = std::iter::once(&buffer[..written.head]);
        let tail = std::iter::once(&buffer[written.head..end]);
        let mut len = 0;
        for part in head.chain(places).chain(tail) {
            frame[len..len + part.len()].copy_from_slice(part);
            len += part.len();
        }
        len
    }

    pub fn put(&mut self, client: ClientId, offset: u64, bytes: &[u8]) {
        let arena = self.arenas.get_mut(&client).expect("open");
        arena[offset as usize..offset as usize + bytes.len()].copy_from_slice(bytes);
    }
}

impl ClientMemory for Arenas {
    fn write(&mut self, client: ClientId, offset: u64, bytes: &[u8]) -> Result<(), Gone> {
        let arena = self.arenas.get_mut(&client).ok_or(Gone)?;
        let start = usize::try_from(offset).map_err(|_| Gone)?;
        let end = start.checked_add(bytes.len()).ok_or(Gone)?;
        arena
            .get_mut(start..end)
            .ok_or(Gone)?
            .copy_from_slice(bytes);
        Ok(())
    }

    fn read(&self, client: ClientId, offset: u64, into: &mut [u8]) -> Result<(), Gone> {
        let arena = self.arenas.get(&client).ok_or(Gone)?;
        let start = usize::try_from(offset).map_err(|_| Gone)?;
        let end = start.checked_add(into.len()).ok_or(Gone)?;
        into.copy_from_slice(arena.get(start..end).ok_or(Gone)?);
        Ok(())
    }

    fn lend(&self, client: ClientId, range: Range) -> Result<bool, Gone> {
        let arena = self.arenas.get(&client).ok_or(Gone)?;
        let end = range.offset.checked_add(range.length.into()).ok_or(Gone)?;
        if end > arena.len() as u64 {
            return Err(Gone);
        }
        Ok(self.lends)
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

/// A port of every address.
pub fn any(port: u16) -> SocketAddr {
    SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port).into()
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
        loans: 32,
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
        Self::with_link(last, facts(last), config, plan)
    }

    pub fn with_link(last: u8, link: LinkFacts, config: Config, plan: AddressPlan) -> Self {
        let mut stack = Stack::new(config, [last; 32], Instant::ZERO);
        let link = stack
            .add_interface(link, plan, Instant::ZERO)
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

    pub fn output(&mut self, frame: &mut [u8], now: Instant) -> Option<(usize, TransmitMeta)> {
        self.stack.output(self.link, frame, &mut self.memory, now)
    }

    pub fn frames(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        let mut frame = [0xaa; 9_300];
        while let Some((len, meta)) = self.output(&mut frame, now) {
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
