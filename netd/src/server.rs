//! One turn of the loop: the order of everything that netd does.
//!
//! *Owns* stack, device and sessions. *Invariants*: each step of a turn is bounded, so that no
//! client, peer or timer waits for more than one turn; completions are published before the
//! segments that acknowledge their bytes leave; a session that ends takes its sockets with it.
//! *Called by* `main`, which sleeps when a turn found nothing to do, and by tests.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use abi::Signals;
use device::{Device, Offloads};
use protocol::{Code, dispatch};
use ring::Look;
use rt::link::Broken;
use stack::{AddressPlan, Config, Fallback, Instant, LinkConfiguration, Stack};

use crate::arenas::Arenas;
use crate::clients::Clients;
use crate::crossing::Crossing;
use crate::links::Links;
use crate::nic::Nic;
use crate::service::{Arrival, Service};
use crate::session::{Peer, Privileges, Session};
use crate::settings::Settings;

/// Requests of one client in a turn.
const REQUESTS_PER_TURN: usize = 32;

/// Frames and requests of a turn after which the next one probably finds some too: looking is then
/// cheaper than asking everybody for a sign.
const MANY: usize = 16;

/// What a turn found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Turn {
    /// Nothing to do.
    Idle,
    /// Something, and all of it is done as far as is known.
    Done,
    /// There may be more to do at once.
    More,
}

/// What netd counts and knows besides the stack.
#[derive(Debug)]
pub struct Facts {
    pub hostname: String,
    /// The address that is taken where no DHCP server answers.
    pub fallback: Option<Ipv4Addr>,
    pub started: Instant,
    pub expelled: u64,
    pub requests: u64,
    pub malformed: u64,
    pub sleeps: u64,
    pub device_faults: u64,
    /// What the device does for us.
    pub offloads: Offloads,
    /// Loops that serve the network.
    pub cores: u32,
    /// Frames given to other loops, and those that were lost on the way.
    pub crossed: (u64, u64),
}

impl Facts {
    /// Whether an address is there because no DHCP server answered.
    pub fn is_fallback(&self, address: &stack::AddressInfo) -> bool {
        address.origin == stack::Origin::Static
            && self.fallback.map(IpAddr::V4) == Some(address.address)
    }
}

/// The network server.
pub struct Server<P, D> {
    stack: Stack,
    links: Links<D>,
    clients: Clients<P>,
    arenas: Arenas,
    facts: Facts,
    /// Of the stack's configuration, as last seen.
    generation: u64,
    /// The address of each link that clients and the log were last told of.
    known_addresses: Vec<Option<protocol::Address>>,
    /// When the stack wants to be called, as of the last look before a sleep.
    deadline: Option<Instant>,
    /// It wants to be called at once, as of the last turn's end.
    is_due: bool,
    /// Of the last turn.
    now: Instant,
    /// A sleep has just told who has something for us: the others need not be looked at.
    rested: bool,
    /// A client that is still to be rung.
    to_ring: Option<usize>,
    /// Sessions that are for other loops.
    arrivals: Vec<Arrival>,
    /// The request that is being served.
    request: ring::Message,
}

impl<P: Peer, D: Device> Server<P, D> {
    /// A server with these network devices, or with loopback only.
    pub fn new(
        mut config: Config,
        settings: &Settings,
        seed: [u8; 32],
        devices: impl IntoIterator<Item = D>,
        now: Instant,
    ) -> Self {
        let (clients, loans) = (config.clients, config.loans);
        // Once for each start of netd.
        config.host_name = settings.hostname.clone().leak();
        let mut stack = Stack::new(config, seed, now);
        let links = Links::attach(&mut stack, devices, settings, now);
        let offloads = links.offloads();
        let known_addresses = vec![None; stack.interfaces().count().saturating_sub(1)];
        Self {
            stack,
            links,
            clients: Clients::new(clients),
            arenas: Arenas::new(clients, loans),
            facts: Facts {
                hostname: settings.hostname.clone(),
                fallback: match settings.link(1).plan {
                    AddressPlan::Dhcp {
                        fallback: Fallback::Static(plan),
                    } => Some(plan.address),
                    _ => None,
                },
                started: now,
                expelled: 0,
                requests: 0,
                malformed: 0,
                sleeps: 0,
                device_faults: 0,
                offloads,
                cores: 1,
                crossed: (0, 0),
            },
            generation: 0,
            known_addresses,
            deadline: Some(now),
            is_due: true,
            now,
            rested: false,
            to_ring: None,
            arrivals: Vec::new(),
            request: ring::Message::ZERO,
        }
    }

    /// Takes in a client. `false` when there is no place for it: it finds its link closed.
    pub fn connect(&mut self, peer: P, privileges: Privileges, now: Instant) -> bool {
        let Ok(client) = self.stack.client_open() else {
            return false;
        };
        let session = Session::new(client, peer, privileges);
        let taken_in = self.clients.insert(session).is_ok();
        if !taken_in {
            self.stack.client_close(client, now);
        }
        taken_in
    }

    /// One turn. What it leaves undone for being bounded, and what comes meanwhile, the next turn
    /// or [`Self::prepare_sleep`] finds.
    pub fn turn(&mut self, now: Instant) -> Turn {
        self.now = now;
        self.ring();
        let rested = core::mem::take(&mut self.rested);
        if !rested {
            self.clients.wake_all();
        }
        let (stack, arenas) = (&mut self.stack, &mut self.arenas);
        let mut found = self.links.receive(rested, stack, arenas, now);
        found += self.serve(now);
        if self.is_due || self.stack.is_timer_due(now) {
            self.stack.fire(&mut self.arenas, now);
            found += 1;
        }
        self.links.collect(&mut self.stack, &mut self.arenas);
        found += self.publish(now);
        let (stack, arenas) = (&mut self.stack, &mut self.arenas);
        found += self.links.transmit(stack, arenas, now);
        let mut is_more = found >= MANY;
        if self.stack.has_news() {
            // That a datagram has left is told at once, not in a turn of its own.
            found += self.publish(now);
            is_more |= self.links.has_output(&self.stack);
        }
        self.to_ring = self.clients.ring_all_but_one(|session| {
            session.tell_events();
            session.needs_ring()
        });
        self.is_due = self.stack.is_due(now);
        match found {
            _ if is_more || self.is_due || self.stack.has_news() => Turn::More,
            0 => Turn::Idle,
            _ => Turn::Done,
        }
    }

    /// When [`Self::turn`] must be called at the latest, after [`Self::prepare_sleep`].
    pub const fn next_deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Before sleeping: asks device and clients for a sign, and looks once more. True when there
    /// is something to do instead.
    pub fn prepare_sleep(&mut self) -> bool {
        // Whom we ring probably asks for something soon, which moves timers again.
        let is_long = self.to_ring.is_none();
        self.deadline = self.stack.deadline_of_sleep(self.now, is_long);
        let mut more = self.notice_changes();
        more |= self.clients.announce_sleep() == Look::MoreWork;
        more |= self.links.arm(self.stack.misses_loans());
        self.facts.sleeps += u64::from(!more);
        more
    }

    /// There are `cores` loops, and this is the way to the others.
    pub fn join(&mut self, cores: u32, crossing: Crossing) {
        self.facts.cores = cores;
        self.links.join(crossing);
    }

    /// Whether other loops have given frames.
    pub fn has_frames(&mut self) -> bool {
        self.links.has_frames()
    }

    /// Whether the first link is up, as far as was noticed.
    pub fn is_link_up(&self) -> bool {
        self.links.first().is_some_and(Nic::is_up)
    }

    /// Whether the first device was given up for good.
    pub fn is_lost(&self) -> bool {
        self.links.first().is_some_and(Nic::is_lost)
    }

    /// Sessions that are for other loops.
    pub fn take_arrivals(&mut self) -> impl Iterator<Item = Arrival> {
        core::mem::take(&mut self.arrivals).into_iter()
    }

    /// What the other loops have to know of the first link, and since which generation, if something has
    /// changed since `generation`.
    pub fn link_since(&self, generation: u64) -> Option<(u64, LinkConfiguration)> {
        let now = self.stack.generation();
        let nic = self.links.first().filter(|_| now != generation)?;
        Some((
            now,
            self.stack.link_configuration(nic.interface(), self.now)?,
        ))
    }

    /// Does as the first loop, which has found out.
    pub fn follow(&mut self, link: &LinkConfiguration, now: Instant) {
        self.stack.follow(link, now);
        // The first one tells of it.
        self.generation = self.stack.generation();
    }

    /// After the interrupt of a device, by its place.
    pub fn interrupt(&mut self, place: usize, now: Instant) {
        self.links.interrupt(place);
        self.look_at_links(now);
    }

    /// Notices that links went up or down.
    pub fn look_at_links(&mut self, now: Instant) {
        let Some(up) = self.links.look(&mut self.stack, now) else {
            return;
        };
        for session in &mut self.clients.sessions {
            if let Some(subscription) = &mut session.subscription {
                subscription.link = Some(up);
            }
        }
        self.clients.wake_all();
    }

    /// The clients' ends, for a sleep. They are the same, in the same order, as long as
    /// [`Self::peers_generation`] is.
    pub fn peers(&self) -> impl Iterator<Item = &P> {
        self.clients.sessions.iter().map(|session| &session.peer)
    }

    /// Counts changes of [`Self::peers`].
    pub const fn peers_generation(&self) -> u64 {
        self.clients.generation()
    }

    /// The client that the last turn has left to be rung, on the way to sleep: else the next turn
    /// rings it.
    pub fn take_ring(&mut self) -> Option<&P> {
        let session = self.clients.sessions.get(self.to_ring.take()?)?;
        Some(&session.peer)
    }

    /// After a sleep: what was seen at one of [`Self::peers`].
    pub fn woken(&mut self, index: usize, seen: Signals) {
        self.clients.woken(index, seen);
    }

    /// After a sleep that looked at all that [`Self::prepare_sleep`] asked for signs: whoever has
    /// given one is told of by [`Self::woken`] and [`Self::interrupt`].
    pub fn rested(&mut self) {
        self.rested = true;
    }

    /// The machine goes down: leases are given back, and what that takes is sent.
    pub fn shut_down(&mut self, now: Instant) {
        /// Far more than the frames of all leases need.
        const TURNS: usize = 64;
        self.stack.shut_down(now);
        for _ in 0..TURNS {
            if self.turn(now) == Turn::Idle {
                return;
            }
        }
    }

    /// Whether a device still has frames to send.
    pub fn is_transmitting(&mut self) -> bool {
        let (stack, arenas) = (&mut self.stack, &mut self.arenas);
        self.links.are_transmitting(stack, arenas)
    }

    /// The stack, to look at.
    pub const fn stack(&self) -> &Stack {
        &self.stack
    }

    /// Clients thrown out for breaking the rules.
    pub const fn expelled(&self) -> u64 {
        self.facts.expelled
    }

    /// Rings whom the last turn has left to be rung, if no sleep has.
    pub fn ring(&mut self) {
        if let Some(index) = self.to_ring.take()
            && let Some(session) = self.clients.sessions.get_mut(index)
        {
            session.peer.link().ring();
        }
    }

    /// Serves a bounded number of requests of each client; after a sleep, of each that has rung.
    /// Returns how many there were.
    fn serve(&mut self, now: Instant) -> usize {
        let mut served = 0;
        let mut number = 0;
        while let Some((index, session)) = self.clients.awake(number) {
            session.starved = false;
            self.facts.device_faults = self.links.faults();
            if let Some(nic) = self.links.first() {
                self.facts.crossed = nic.crossed();
            }
            let mut over = None;
            for _ in 0..REQUESTS_PER_TURN {
                match session.next(&mut self.request) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(broken) => {
                        over = Some(broken);
                        break;
                    }
                };
                served += 1;
                let request = protocol::Message::view(self.request.words());
                let (stack, arenas) = (&mut self.stack, &mut self.arenas);
                let arrivals = &mut self.arrivals;
                answer(
                    session,
                    request,
                    (stack, arenas, arrivals),
                    &mut self.facts,
                    now,
                );
            }
            if let Some(broken) = over {
                self.end(index, broken, now);
                // The others have other places now: the next turn, which comes at once, serves them.
                return served + MANY;
            }
            number += 1;
        }
        served
    }

    /// A session is over: its sockets go, its memory is unmapped, its channel is closed.
    fn end(&mut self, index: usize, broken: Broken, now: Instant) {
        let Some(session) = self.clients.remove(index) else {
            return;
        };
        self.stack.client_close(session.client, now);
        self.arenas.detach(session.client);
        if broken == Broken::Violation {
            self.facts.expelled += 1;
            log::warn!(
                "client {} broke the rules and is disconnected",
                session.client.raw()
            );
        }
    }

    /// Tells clients what has happened, as far as their rings have room. Returns how much.
    fn publish(&mut self, now: Instant) -> usize {
        let clients = &mut self.clients;
        self.stack.publish(now, &mut |client, event| {
            // An event of a session that has ended has nobody to tell.
            clients
                .wake(client)
                .map_or(stack::Offer::Published, |session| session.offer(event))
        })
    }

    /// Tells the log when the address of a link has changed. True when subscribers are to be told, too.
    fn notice_changes(&mut self) -> bool {
        let generation = self.stack.generation();
        if core::mem::replace(&mut self.generation, generation) == generation {
            return false;
        }
        let mut is_changed = false;
        for place in 0..self.known_addresses.len() {
            is_changed |= self.notice_address(place);
        }
        let mut any = false;
        for session in self.clients.sessions.iter_mut().filter(|_| is_changed) {
            if let Some(subscription) = &mut session.subscription {
                subscription.address = true;
                any = true;
            }
        }
        any
    }

    /// The same of the link at this place among those that are not loopback.
    fn notice_address(&mut self, place: usize) -> bool {
        let mut links = self.stack.interfaces().filter(|link| !link.loopback);
        let (Some(link), Some(known)) = (links.nth(place), self.known_addresses.get_mut(place))
        else {
            return false;
        };
        let usable = |address: &stack::AddressInfo| {
            address.interface == link.id && address.state == stack::AddressState::Preferred
        };
        let first = self.stack.addresses().find(usable);
        let address =
            first.map(|first| protocol::Address::from_network(first.address, first.prefix));
        if address == core::mem::replace(known, address) {
            return false;
        }
        let number = link.id.raw();
        match first {
            Some(first) => {
                let how = match first.origin {
                    stack::Origin::Dhcp => "leased",
                    stack::Origin::Static if self.facts.is_fallback(&first) => {
                        "no server answers, fall-back"
                    }
                    stack::Origin::Static => "static",
                    stack::Origin::LinkLocal => "of the link alone",
                    stack::Origin::Advertised | stack::Origin::Redirected => "by a router",
                    stack::Origin::Temporary => "for a while",
                };
                let (address, prefix) = (first.address, first.prefix);
                log::info!("link {number}: address {address}/{prefix} ({how})");
            }
            None => log::info!("link {number}: no address"),
        }
        true
    }
}

/// Does what a client asks for, and replies. On its own, because what its many branches prepare in
/// common would else be prepared for every client, with or without a request.
#[inline(never)]
fn answer<P: Peer>(
    session: &mut Session<P>,
    request: &protocol::Message,
    (stack, arenas, arrivals): (&mut Stack, &mut Arenas, &mut Vec<Arrival>),
    facts: &mut Facts,
    now: Instant,
) {
    facts.requests += 1;
    let mut service = Service {
        stack,
        arenas,
        facts,
        client: session.client,
        peer: &mut session.peer,
        privileges: session.privileges,
        subscription: &mut session.subscription,
        arrivals,
        now,
    };
    let Some(reply) = dispatch(request, &mut service) else {
        return;
    };
    let status = reply.header.status.get();
    let rubbish = [Code::Malformed, Code::UnknownOperation];
    let is_rubbish = rubbish.iter().any(|code| *code as u32 == status);
    facts.malformed += u64::from(is_rubbish);
    session.send(&reply);
}
