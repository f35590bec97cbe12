//! A host: a stack, its clients' arenas, and the programs that are its clients.
//!
//! *Owns* the loop that netd has in the real system: what arrives, what is due, what is published,
//! what is sent. *Never* reaches into the stack: programs use the calls that netd's clients have.

use std::collections::BTreeMap;
use std::time::Duration;

use stack::{
    AddressPlan, ClientId, ClientMemory, Config, Event, Gone, Instant, InterfaceId, Ipv6Plan,
    LinkFacts, MacAddress, Offer, ReceiveMeta, Stack,
};

use crate::program::{Desk, Program, Verdict};
use crate::random::Random;
use crate::restart::{Life, number_of};
use crate::trace::{Moment, Trace};

/// What a host is made of.
#[derive(Clone, Debug)]
pub struct HostSetup {
    /// Its name in captures and complaints.
    pub name: &'static str,
    /// Its hardware address.
    pub mac: MacAddress,
    /// The MTU of its link.
    pub mtu: u16,
    /// Where its address comes from.
    pub plan: AddressPlan,
    /// What it does over IPv6; `None`: nothing.
    pub six: Option<Ipv6Plan>,
    /// Its limits.
    pub config: Config,
    /// Events in a million that a client's full ring refuses at first.
    pub deafness: u32,
    /// How much the caller lags behind the stack's deadlines, at most.
    pub lateness: Duration,
}

impl HostSetup {
    /// A host with everything as usual.
    #[must_use]
    pub fn new(name: &'static str, number: u8, plan: AddressPlan) -> Self {
        Self {
            name,
            mac: mac(number),
            mtu: 1_500,
            plan,
            six: None,
            config: small_tables(),
            deafness: 0,
            lateness: Duration::ZERO,
        }
    }
}

/// The hardware address of a host with this number.
pub(crate) fn mac(number: u8) -> MacAddress {
    MacAddress([2, 0, 0, 0, 0, number])
}

/// Tables small enough that thousands of worlds are quickly made, and large enough for all that
/// three talks open at once.
#[must_use]
pub fn small_tables() -> Config {
    Config {
        clients: 8,
        sockets: 128,
        sockets_per_client: 32,
        connections: 64,
        connections6: 64,
        time_waits: 32,
        half_open: 64,
        listeners: 8,
        datagram_sockets: 16,
        requests: 1_024,
        requests_per_socket: 32,
        inline_payloads: 16,
        packets: 16,
        long_packets: 1,
        reassemblies: 8,
        reassembly_pages: 40,
        neighbours: 16,
        routes: 16,
        interfaces: 2,
        pings: 16,
        resolutions: 8,
        dns_cache: 16,
        ..Config::default()
    }
}

/// The arenas of a host's clients, one megabyte each.
#[derive(Debug, Default)]
pub struct Arenas(BTreeMap<u32, Vec<u8>>);

impl Arenas {
    /// Bytes of an arena.
    pub const LEN: usize = 1 << 20;

    pub(crate) fn open(&mut self, client: ClientId) {
        self.0.insert(client.raw(), vec![0; Self::LEN]);
    }

    fn close(&mut self, client: ClientId) {
        self.0.remove(&client.raw());
    }

    /// All arenas, of clients whose names mean nothing any more.
    pub(crate) fn take(&mut self) -> BTreeMap<u32, Vec<u8>> {
        std::mem::take(&mut self.0)
    }

    /// The arena of a client that has got another name.
    pub(crate) fn put_back(&mut self, client: ClientId, arena: Vec<u8>) {
        self.0.insert(client.raw(), arena);
    }

    /// Bytes of an arena.
    pub(crate) fn bytes(&self, client: ClientId, offset: u64, length: u32) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(length).expect("a length in memory")];
        self.read(client, offset, &mut bytes)
            .expect("within the arena");
        bytes
    }

    /// Puts bytes into an arena.
    pub(crate) fn put(&mut self, client: ClientId, offset: u64, bytes: &[u8]) {
        self.write(client, offset, bytes).expect("within the arena");
    }

    fn part(&mut self, client: ClientId, offset: u64, len: usize) -> Result<&mut [u8], Gone> {
        let arena = self.0.get_mut(&client.raw()).ok_or(Gone)?;
        let start = usize::try_from(offset).map_err(|_| Gone)?;
        let end = start.checked_add(len).ok_or(Gone)?;
        arena.get_mut(start..end).ok_or(Gone)
    }
}

impl ClientMemory for Arenas {
    fn write(&mut self, client: ClientId, offset: u64, bytes: &[u8]) -> Result<(), Gone> {
        self.part(client, offset, bytes.len())?
            .copy_from_slice(bytes);
        Ok(())
    }

    fn read(&self, client: ClientId, offset: u64, into: &mut [u8]) -> Result<(), Gone> {
        let arena = self.0.get(&client.raw()).ok_or(Gone)?;
        let start = usize::try_from(offset).map_err(|_| Gone)?;
        let end = start.checked_add(into.len()).ok_or(Gone)?;
        into.copy_from_slice(arena.get(start..end).ok_or(Gone)?);
        Ok(())
    }
}

/// A program in its place.
pub(crate) struct Seat {
    pub(crate) client: Option<ClientId>,
    pub(crate) program: Box<dyn Program>,
    wake_at: Option<Instant>,
}

/// A host.
pub struct Host {
    /// Its name.
    pub name: &'static str,
    /// The stack, to look at.
    pub stack: Stack,
    pub(crate) setup: HostSetup,
    pub(crate) memory: Arenas,
    pub(crate) link: InterfaceId,
    /// Those that were plugged in later.
    others: Vec<InterfaceId>,
    pub(crate) seats: Vec<Seat>,
    pub(crate) random: Random,
    pub(crate) life: Life,
    /// Neighbours that it knows from the start.
    pub(crate) introduced: Vec<(std::net::Ipv4Addr, u8)>,
    /// Something was refused: publish again then.
    pub(crate) retry_at: Option<Instant>,
    frame: Vec<u8>,
    pub(crate) trace: Trace,
}

/// How long a client with a full ring takes to make room.
const RING_DELAY: Duration = Duration::from_micros(700);

impl Host {
    /// A host without programs.
    ///
    /// # Panics
    /// If the setup is not one that a stack takes.
    #[must_use]
    pub fn new(setup: HostSetup, random: &mut Random, now: Instant) -> Self {
        let life = Life::default();
        let seed = random.seed();
        let (stack, link) = life.stack(&setup, setup.plan, seed, now);
        Self {
            name: setup.name,
            stack,
            life,
            introduced: Vec::new(),
            memory: Arenas::default(),
            link,
            others: Vec::new(),
            seats: Vec::new(),
            random: random.fork(),
            retry_at: None,
            trace: Trace::default(),
            frame: vec![0; usize::from(setup.mtu) + wire::ethernet::HEADER_LEN],
            setup,
        }
    }

    /// Starts a program.
    ///
    /// # Panics
    /// If there is no place for one more client.
    pub fn install(&mut self, program: Box<dyn Program>, now: Instant) {
        let client = self
            .stack
            .client_open_as(number_of(self.seats.len()))
            .expect("a place for one more client");
        self.memory.open(client);
        self.seats.push(Seat {
            client: Some(client),
            program,
            wake_at: None,
        });
        let last = self.seats.len() - 1;
        self.with_seat(last, now, |program, desk| program.begin(desk));
    }

    pub(crate) fn with_seat(
        &mut self,
        place: usize,
        now: Instant,
        act: impl FnOnce(&mut dyn Program, &mut Desk<'_>),
    ) {
        let seat = &mut self.seats[place];
        let Some(client) = seat.client else {
            return;
        };
        let mut desk = Desk {
            stack: &mut self.stack,
            memory: &mut self.memory,
            trace: &mut self.trace,
            random: &mut self.random,
            wake_at: &mut seat.wake_at,
            client,
            is_dual: self.setup.six.is_some(),
            now,
        };
        act(seat.program.as_mut(), &mut desk);
        if seat.program.verdict() != Verdict::Running {
            // A program that is done leaves, with everything that it still has.
            self.stack.client_close(client, now);
            self.memory.close(client);
            seat.client = None;
            seat.wake_at = None;
        }
    }

    /// It knows a neighbour with this number.
    pub(crate) fn introduce(&mut self, address: std::net::Ipv4Addr, number: u8, now: Instant) {
        self.introduced.push((address, number));
        self.stack
            .add_neighbour(self.link, address.into(), mac(number), now)
            .expect("a place for one more neighbour");
    }

    /// Gives it one more link, with a hardware address of this number.
    ///
    /// # Panics
    /// If the stack has no room for it.
    pub(crate) fn plug(&mut self, number: u8, plan: AddressPlan, now: Instant) -> InterfaceId {
        let facts = LinkFacts {
            mac: mac(number),
            mtu: self.setup.mtu,
            up: true,
            checksum_transmit: false,
        };
        let link = self.stack.add_interface(facts, plan, now);
        let link = link.expect("room for a link");
        if let Some(six) = self.setup.six {
            let started = self.stack.start_ipv6(link, six, now);
            started.expect("an interface");
        }
        self.others.push(link);
        link
    }

    /// A frame has come from a wire.
    pub fn input(&mut self, frame: &[u8], now: Instant) {
        self.receive(frame, false, now);
    }

    /// The same by a link that was plugged in later, by its place among those.
    pub(crate) fn input_by(&mut self, place: usize, frame: &[u8], now: Instant) {
        let meta = ReceiveMeta::default();
        let link = self.others[place];
        self.stack.input(link, frame, meta, &mut self.memory, now);
    }

    /// A frame has come; `checksum_verified` as in [`ReceiveMeta`].
    pub fn receive(&mut self, frame: &[u8], checksum_verified: bool, now: Instant) {
        if self.life.is_dead() {
            return;
        }
        self.trace.note(now, || Moment::In(frame.to_vec()));
        let meta = ReceiveMeta {
            checksum_verified,
            is_joined: false,
        };
        self.stack
            .input(self.link, frame, meta, &mut self.memory, now);
    }

    /// Does everything that can be done now, and returns the frames that are sent, with the place of their
    /// link if it was plugged in later.
    ///
    /// # Panics
    /// If it never comes to rest.
    pub fn settle(&mut self, now: Instant) -> Vec<(Option<usize>, Vec<u8>)> {
        self.rise_if_due(now);
        let mut frames = Vec::new();
        for round in 0.. {
            assert!(round < 10_000, "{} never comes to rest", self.name);
            if self.life.burn(now) {
                return frames;
            }
            self.stack.fire(&mut self.memory, now);
            self.wake(now);
            let events = self.publish(now);
            let is_quiet = events.is_empty();
            for event in events {
                let place = self
                    .seats
                    .iter()
                    .position(|seat| seat.client == Some(event.client));
                if let Some(place) = place {
                    self.with_seat(place, now, |program, desk| program.event(&event, desk));
                }
            }
            let before = frames.len();
            self.output(None, &mut frames, now);
            for place in 0..self.others.len() {
                self.output(Some(place), &mut frames, now);
            }
            let is_due = self.stack.next_deadline().is_some_and(|at| at <= now);
            if is_quiet && frames.len() == before && !is_due || self.life.is_dead() {
                self.life.turn_ends();
                return frames;
            }
        }
        frames
    }

    fn output(
        &mut self,
        place: Option<usize>,
        frames: &mut Vec<(Option<usize>, Vec<u8>)>,
        now: Instant,
    ) {
        let link = place.map_or(self.link, |place| self.others[place]);
        while !self.life.is_dead()
            && let Some((len, _)) = self
                .stack
                .output(link, &mut self.frame, &mut self.memory, now)
        {
            let frame = self.frame[..len].to_vec();
            self.trace.note(now, || Moment::Out(frame.clone()));
            self.life.watch(&frame);
            frames.push((place, frame));
            self.life.burn(now);
        }
    }

    fn wake(&mut self, now: Instant) {
        for place in 0..self.seats.len() {
            if self.seats[place].wake_at.is_some_and(|at| at <= now) {
                self.seats[place].wake_at = None;
                self.with_seat(place, now, |program, desk| program.wake(desk));
            }
        }
    }

    fn publish(&mut self, now: Instant) -> Vec<Event> {
        if self.retry_at.is_some_and(|at| at > now) {
            return Vec::new();
        }
        let mut events = Vec::new();
        let (random, deafness) = (&mut self.random, self.setup.deafness);
        let mut is_refused = false;
        let life = &mut self.life;
        self.stack.publish(now, &mut |_, event| {
            if life.is_dead() || random.chance(deafness) {
                is_refused = true;
                return Offer::Full;
            }
            events.push(*event);
            life.burn(now);
            Offer::Published
        });
        let was_refused = self.retry_at.is_some();
        self.retry_at = is_refused.then(|| now + RING_DELAY);
        if is_refused != was_refused {
            self.trace.note(now, || Moment::Deaf(is_refused));
        }
        events
    }

    /// When the host wants to be looked at without a frame for it.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        if let Some(at) = self.life.rises_at() {
            return Some(at);
        }
        let stack = self
            .stack
            .next_deadline()
            .map(|at| at + self.lateness_for(at));
        let seats = self.seats.iter().filter_map(|seat| seat.wake_at).min();
        [stack, seats, self.retry_at].into_iter().flatten().min()
    }

    /// How late the host is for a deadline: by chance, but always the same for the same.
    fn lateness_for(&self, deadline: Instant) -> Duration {
        let most = u64::try_from(self.setup.lateness.as_nanos()).unwrap_or(u64::MAX);
        let late = Random::new(deadline.as_nanos()).below(most.saturating_add(1));
        Duration::from_nanos(late)
    }

    /// Sends all programs home.
    pub fn dismiss(&mut self, now: Instant) {
        for seat in &mut self.seats {
            if let Some(client) = seat.client.take() {
                self.stack.client_close(client, now);
                self.memory.close(client);
                seat.wake_at = None;
            }
        }
    }

    /// What those programs say that the world must wait for.
    pub(crate) fn clients(&self) -> impl Iterator<Item = Verdict> + '_ {
        self.seats
            .iter()
            .filter(|seat| !seat.program.is_server())
            .map(|seat| seat.program.verdict())
    }

    /// What the programs say.
    pub fn verdicts(&self) -> impl Iterator<Item = Verdict> + '_ {
        self.seats.iter().map(|seat| seat.program.verdict())
    }
}
