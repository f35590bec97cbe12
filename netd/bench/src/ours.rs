//! A host that runs our stack, in memory.
//!
//! *Owns* the loop of netd without its rings: frames in, events out, frames out. The one client has
//! one arena, as large as it needs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use stack::{
    AddressPlan, ClientId, ClientMemory, Config, Ending, Event, EventKind, Gone, Identifiers,
    Instant, InterfaceId, Ipv6Plan, Kind, LinkFacts, MacAddress, Offer, Range, ReceiveMeta,
    SocketId, Stack, StaticPlan, Token,
};
use wire::Sum;

use crate::burst::Burst;
use crate::gathered::Wire;
use crate::wire_setup::WireSetup;

/// The only client's arena.
pub struct Arena(pub Vec<u8>);

impl ClientMemory for Arena {
    #[inline]
    fn write(&mut self, _client: ClientId, offset: u64, bytes: &[u8]) -> Result<(), Gone> {
        self.part_mut(offset, bytes.len())?.copy_from_slice(bytes);
        Ok(())
    }

    #[inline]
    fn write_summed(&mut self, _client: ClientId, offset: u64, bytes: &[u8]) -> Result<Sum, Gone> {
        Ok(wire::copy_and_sum(
            self.part_mut(offset, bytes.len())?,
            bytes,
        ))
    }

    #[inline]
    fn read(&self, _client: ClientId, offset: u64, into: &mut [u8]) -> Result<(), Gone> {
        into.copy_from_slice(self.part(offset, into.len())?);
        Ok(())
    }

    #[inline]
    fn read_summed(&self, _client: ClientId, offset: u64, into: &mut [u8]) -> Result<Sum, Gone> {
        let part = self.part(offset, into.len())?;
        Ok(wire::copy_and_sum(into, part))
    }

    #[inline]
    fn sum(&self, _client: ClientId, range: Range) -> Result<Sum, Gone> {
        let len = usize::try_from(range.length).map_err(|_| Gone)?;
        Ok(wire::sum(self.part(range.offset, len)?))
    }

    #[inline]
    fn lend(&self, _client: ClientId, range: Range) -> Result<bool, Gone> {
        let len = usize::try_from(range.length).map_err(|_| Gone)?;
        self.part(range.offset, len).map(|_| true)
    }
}

impl Arena {
    #[inline]
    fn part_mut(&mut self, offset: u64, len: usize) -> Result<&mut [u8], Gone> {
        let start = usize::try_from(offset).map_err(|_| Gone)?;
        let end = start.checked_add(len).ok_or(Gone)?;
        self.0.get_mut(start..end).ok_or(Gone)
    }

    /// Bytes of the arena.
    #[inline]
    pub fn part(&self, offset: u64, len: usize) -> Result<&[u8], Gone> {
        let start = usize::try_from(offset).map_err(|_| Gone)?;
        let end = start.checked_add(len).ok_or(Gone)?;
        self.0.get(start..end).ok_or(Gone)
    }
}

/// Over which addresses two hosts speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Four,
    Six,
}

impl Family {
    /// A port of a host by its number.
    pub fn at(self, number: u8, port: u16) -> SocketAddr {
        match self {
            Self::Four => (address(number), port).into(),
            Self::Six => (address6(number), port).into(),
        }
    }

    /// A port of all addresses.
    pub fn any(self, port: u16) -> SocketAddr {
        match self {
            Self::Four => (Ipv4Addr::UNSPECIFIED, port).into(),
            Self::Six => (Ipv6Addr::UNSPECIFIED, port).into(),
        }
    }
}

/// A host.
pub struct Host {
    pub stack: Stack,
    pub memory: Arena,
    pub client: ClientId,
    /// What it has been told and not looked at.
    pub events: Vec<Event>,
    link: InterfaceId,
    meta: ReceiveMeta,
    pub now: Instant,
}

/// The address of a host by its number, and its hardware address.
pub fn address(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(198, 18, 0, number)
}

/// Its address over IPv6, good on the link, which it makes of its hardware address.
pub fn address6(number: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, number.into())
}

/// See [`address`].
pub fn mac(number: u8) -> MacAddress {
    MacAddress([2, 0, 0, 0, 0, number])
}

impl Host {
    /// A host that knows the hardware addresses of its neighbours 1 and 2.
    pub fn new(number: u8, setup: WireSetup, config: Config, arena: usize) -> Self {
        let mut host = Self::alone(number, setup, config, arena);
        host.meet(number, |neighbour| address(neighbour).into());
        host
    }

    /// A host that knows nobody.
    pub fn alone(number: u8, setup: WireSetup, config: Config, arena: usize) -> Self {
        let now = Instant::from_secs(1);
        let config = Config {
            largest_mtu: setup.mtu,
            ..config
        };
        let mut stack = Stack::new(config, [number; 32], now);
        let facts = LinkFacts {
            mac: mac(number),
            mtu: setup.mtu,
            up: true,
            checksum_transmit: !setup.has_checksums,
        };
        let plan = StaticPlan {
            address: address(number),
            prefix: 15,
            gateway: None,
            ..StaticPlan::qemu_user()
        };
        let link = stack.add_interface(facts, AddressPlan::Static(plan), now);
        let link = link.expect("the first interface");
        if setup.cuts {
            stack.offload_segments(link, u32::MAX);
        }
        let client = stack.client_open().expect("room for one client");
        let mut host = Self {
            stack,
            memory: Arena(vec![0; arena]),
            client,
            events: Vec::with_capacity(4_096),
            link,
            meta: ReceiveMeta {
                checksum_verified: !setup.has_checksums,
                is_joined: false,
            },
            now,
        };
        host.settle(setup);
        host
    }

    /// The same host, over IPv6 as well.
    pub fn over_both(mut self, number: u8, setup: WireSetup) -> Self {
        self.start_six(setup);
        self.meet(number, |neighbour| address6(neighbour).into());
        self
    }

    /// Makes its address over IPv6.
    pub fn start_six(&mut self, setup: WireSetup) {
        let plan = Ipv6Plan {
            identifiers: Identifiers::Hardware,
            is_optimistic: false,
            follows_routers: false,
            has_temporary: false,
        };
        let started = self.stack.start_ipv6(self.link, plan, self.now);
        started.expect("the interface");
        self.settle(setup);
    }

    /// Gives the hardware addresses of its neighbours 1 and 2.
    fn meet(&mut self, number: u8, address: impl Fn(u8) -> IpAddr) {
        for neighbour in [1, 2].into_iter().filter(|other| *other != number) {
            self.stack
                .add_neighbour(self.link, address(neighbour), mac(neighbour), self.now)
                .expect("room for one neighbour");
        }
    }

    /// The claim of its own address takes some seconds.
    fn settle(&mut self, setup: WireSetup) {
        let mut burst = Burst::new(16, setup.stride());
        for _ in 0..10 {
            self.now = self.now + Duration::from_secs(1);
            self.stack.fire(&mut self.memory, self.now);
            self.send(&mut burst);
            burst.clear();
        }
    }

    /// The interface.
    pub fn link(&self) -> InterfaceId {
        self.link
    }

    /// Writes all frames that it has, as far as there is room.
    #[inline]
    pub fn send(&mut self, burst: &mut Burst) {
        let mut output = self
            .stack
            .output_burst(self.link, &mut self.memory, self.now);
        while let Some(room) = burst.room() {
            let Some((len, _)) = output.output(room) else {
                return;
            };
            burst.filled(len);
        }
    }

    /// Writes one frame. Returns whether there was one.
    #[inline]
    pub fn send_one(&mut self, burst: &mut Burst) -> bool {
        let Some(room) = burst.room() else {
            return false;
        };
        let written = self
            .stack
            .output(self.link, room, &mut self.memory, self.now);
        if let Some((len, _)) = written {
            burst.filled(len);
        }
        written.is_some()
    }

    /// Takes a frame in.
    #[inline]
    pub fn input(&mut self, frame: &[u8]) {
        self.stack
            .input(self.link, frame, self.meta, &mut self.memory, self.now);
    }

    /// Takes all frames in.
    #[inline]
    pub fn receive(&mut self, burst: &mut Burst) {
        let mut input = self.stack.burst(self.link, &mut self.memory, self.now);
        while let Some(frame) = burst.take() {
            input.input(frame, self.meta);
        }
    }

    /// Writes all frames that it has, as far as there is room, for a device that gathers.
    #[inline]
    pub fn send_gathered(&mut self, wire: &mut Wire) {
        let mut output = self
            .stack
            .output_burst(self.link, &mut self.memory, self.now);
        while let Some((room, pieces)) = wire.room() {
            let Some(frame) = output.output_gathered(room, pieces) else {
                return;
            };
            wire.filled(&frame);
            // Nothing is sent before the peer has read it.
            if let Some(loan) = frame.loan {
                output.end_loan(loan);
            }
        }
    }

    /// Takes in all frames of a sender with this memory.
    #[inline]
    pub fn receive_gathered(&mut self, wire: &mut Wire, from: &Arena) {
        let mut input = self.stack.burst(self.link, &mut self.memory, self.now);
        while let Some(frame) = wire.take(from) {
            input.input_scattered(frame.head, frame.others(), self.meta);
        }
    }

    /// Does what is due, and hears what there is to hear: it is in `events`.
    #[inline]
    pub fn publish(&mut self) {
        let events = &mut self.events;
        events.clear();
        self.stack.publish(self.now, &mut |_, event| {
            events.extend_from_slice(std::slice::from_ref(event));
            Offer::Published
        });
    }

    /// Hears what there is to hear, where it is told.
    #[inline]
    pub fn hear(&mut self, mut hear: impl FnMut(&Event)) {
        self.stack.publish(self.now, &mut |_, event| {
            hear(event);
            Offer::Published
        });
    }

    /// Fires timers.
    #[inline]
    pub fn fire(&mut self) {
        self.stack.fire(&mut self.memory, self.now);
    }

    /// A listening socket, over IPv4.
    pub fn listen(&mut self, port: u16, backlog: u16) -> SocketId {
        self.listen_at((Ipv4Addr::UNSPECIFIED, port).into(), backlog)
    }

    /// A listening socket.
    pub fn listen_at(&mut self, at: SocketAddr, backlog: u16) -> SocketId {
        let socket = self.stack.socket_create(self.client, Kind::Stream);
        let socket = socket.expect("room for a socket");
        self.stack
            .bind(self.client, socket, at)
            .expect("a free port");
        self.stack
            .listen(self.client, socket, backlog)
            .expect("room for a listener");
        socket
    }

    /// A datagram socket.
    pub fn datagrams_at(&mut self, at: SocketAddr) -> SocketId {
        let socket = self.stack.socket_create(self.client, Kind::Datagram);
        let socket = socket.expect("room for a socket");
        self.stack
            .bind(self.client, socket, at)
            .expect("a free port");
        socket
    }

    /// Wants one connection, with a first room.
    pub fn accept(&mut self, listener: SocketId, room: Option<Range>) {
        self.stack
            .accept(self.client, listener, room, Token(1), self.now)
            .expect("room for an accept");
    }

    /// A socket that connects.
    pub fn connect(&mut self, to: SocketAddr) -> SocketId {
        let socket = self.stack.socket_create(self.client, Kind::Stream);
        let socket = socket.expect("room for a socket");
        self.stack
            .connect(self.client, socket, to, Token(2), self.now)
            .expect("a way to the peer");
        socket
    }

    /// Closes a socket.
    pub fn close(&mut self, socket: SocketId) {
        self.stack
            .close(self.client, socket, Ending::Graceful, Token(3), self.now)
            .expect("a socket of ours");
    }

    /// The socket that an accept has brought, if it is among the events.
    pub fn accepted(&self) -> Option<SocketId> {
        self.events.iter().find_map(|event| match event.kind {
            EventKind::Accepted { socket, .. } => Some(socket),
            _ => None,
        })
    }
}
