//! One turn of the loop: the order of everything that netd does.
//!
//! *Owns* stack, device and sessions. *Invariants*: each step of a turn is bounded, so that no
//! client, peer or timer waits for more than one turn; completions are published before the
//! segments that acknowledge their bytes leave; a session that ends takes its sockets with it.
//! *Called by* `main`, which sleeps when a turn found nothing to do, and by tests.

use alloc::string::String;

use device::Device;
use protocol::{Code, dispatch};
use ring::Look;
use rt::link::Broken;
use stack::{AddressPlan, Config, Instant, LinkFacts, MacAddress, Stack};

use crate::arenas::Arenas;
use crate::clients::Clients;
use crate::nic::Nic;
use crate::service::Service;
use crate::session::{Peer, Session};
use crate::settings::Settings;

/// Requests of one client in a turn.
const REQUESTS_PER_TURN: usize = 32;

/// What netd counts and knows besides the stack.
#[derive(Debug)]
pub struct Facts {
    pub hostname: String,
    /// The plan was DHCP: a static address is then the fall-back.
    pub dhcp: bool,
    pub started: Instant,
    pub expelled: u64,
    pub requests: u64,
    pub malformed: u64,
    pub sleeps: u64,
    pub device_faults: u64,
}

/// The network server.
pub struct Server<P, D> {
    stack: Stack,
    nic: Option<Nic<D>>,
    clients: Clients<P>,
    arenas: Arenas,
    facts: Facts,
    /// Of the stack's configuration, as last seen.
    generation: u64,
    /// The address that clients and the log were last told of.
    known_address: Option<protocol::Address>,
}

impl<P: Peer, D: Device> Server<P, D> {
    /// A server with a network device, or with loopback only.
    pub fn new(
        mut config: Config,
        settings: &Settings,
        seed: [u8; 32],
        device: Option<D>,
        now: Instant,
    ) -> Self {
        let clients = config.clients;
        // Once for each start of netd.
        config.host_name = settings.hostname.clone().leak();
        let mut stack = Stack::new(config, seed, now);
        let nic = device.and_then(|device| attach(&mut stack, device, settings.plan, now));
        Self {
            stack,
            nic,
            clients: Clients::new(clients),
            arenas: Arenas::new(clients),
            facts: Facts {
                hostname: settings.hostname.clone(),
                dhcp: matches!(settings.plan, AddressPlan::Dhcp { .. }),
                started: now,
                expelled: 0,
                requests: 0,
                malformed: 0,
                sleeps: 0,
                device_faults: 0,
            },
            generation: 0,
            known_address: None,
        }
    }

    /// Takes in a client. `false` when there is no place for it: it finds its link closed.
    pub fn connect(&mut self, peer: P, admin: bool, now: Instant) -> bool {
        let Ok(client) = self.stack.client_open() else {
            return false;
        };
        let session = Session::new(client, peer, admin);
        let taken_in = self.clients.insert(session).is_ok();
        if !taken_in {
            self.stack.client_close(client, now);
        }
        taken_in
    }

    /// One turn. True when there may be more to do at once.
    pub fn turn(&mut self, now: Instant) -> bool {
        let mut busy = false;
        if let Some(nic) = &mut self.nic {
            busy |= nic.receive(&mut self.stack, &mut self.arenas, now) > 0;
        }
        busy |= self.serve(now);
        if self
            .stack
            .next_deadline()
            .is_some_and(|deadline| deadline <= now)
        {
            self.stack.fire(&mut self.arenas, now);
            busy = true;
        }
        busy |= self.publish(now);
        if let Some(nic) = &mut self.nic {
            busy |= nic.transmit(&mut self.stack, &mut self.arenas, now) > 0;
        }
        for session in &mut self.clients.sessions {
            session.flush();
        }
        busy
    }

    /// When [`Self::turn`] must be called at the latest.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.stack.next_deadline()
    }

    /// Before sleeping: asks device and clients for a sign, and looks once more. True when there
    /// is something to do instead.
    pub fn prepare_sleep(&mut self) -> bool {
        self.notice_changes();
        let mut more = false;
        for session in &mut self.clients.sessions {
            more |= session.announce_sleep() == Look::MoreWork;
        }
        if let Some(nic) = &mut self.nic {
            more |= nic.arm();
            self.facts.device_faults = nic.faults();
        }
        self.facts.sleeps += u64::from(!more);
        more
    }

    /// After the device's interrupt.
    pub fn interrupt(&mut self, now: Instant) {
        let Some(nic) = &mut self.nic else { return };
        nic.interrupt();
        let Some(up) = nic.link_change() else { return };
        log::info!("link is {}", if up { "up" } else { "down" });
        self.stack.link_changed(nic.interface(), up, now);
        for session in &mut self.clients.sessions {
            if let Some(subscription) = &mut session.subscription {
                subscription.link = Some(up);
            }
        }
    }

    /// The clients' ends, for a sleep.
    pub fn peers(&mut self) -> impl Iterator<Item = &mut P> {
        self.clients
            .sessions
            .iter_mut()
            .map(|session| &mut session.peer)
    }

    /// The machine goes down: leases are given back, and what that takes is sent.
    pub fn shut_down(&mut self, now: Instant) {
        /// Far more than the frames of all leases need.
        const TURNS: usize = 64;
        self.stack.shut_down(now);
        for _ in 0..TURNS {
            if !self.turn(now) {
                return;
            }
        }
    }

    /// Whether the device still has frames to send.
    pub fn is_transmitting(&mut self) -> bool {
        self.nic.as_mut().is_some_and(Nic::is_transmitting)
    }

    /// The stack, to look at.
    pub const fn stack(&self) -> &Stack {
        &self.stack
    }

    /// Clients thrown out for breaking the rules.
    pub const fn expelled(&self) -> u64 {
        self.facts.expelled
    }

    /// Serves a bounded number of requests of each client. True when there were some.
    fn serve(&mut self, now: Instant) -> bool {
        let mut busy = false;
        let mut index = 0;
        while let Some(session) = self.clients.sessions.get_mut(index) {
            session.starved = false;
            let mut over = None;
            for _ in 0..REQUESTS_PER_TURN {
                let request = match session.next() {
                    Ok(Some(request)) => request,
                    Ok(None) => break,
                    Err(broken) => {
                        over = Some(broken);
                        break;
                    }
                };
                busy = true;
                self.facts.requests += 1;
                let mut service = Service {
                    stack: &mut self.stack,
                    arenas: &mut self.arenas,
                    facts: &self.facts,
                    client: session.client,
                    peer: &mut session.peer,
                    admin: session.admin,
                    subscription: &mut session.subscription,
                    now,
                };
                if let Some(reply) = dispatch(&request, &mut service) {
                    let status = reply.header.status.get();
                    let rubbish = [Code::Malformed, Code::UnknownOperation];
                    let is_rubbish = rubbish.iter().any(|code| *code as u32 == status);
                    self.facts.malformed += u64::from(is_rubbish);
                    session.send(&reply);
                }
            }
            match over {
                Some(broken) => {
                    busy = true;
                    self.end(index, broken, now);
                }
                None => index += 1,
            }
        }
        busy
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

    /// Tells clients what has happened, as far as their rings have room.
    fn publish(&mut self, now: Instant) -> bool {
        let clients = &mut self.clients;
        let published = self.stack.publish(now, &mut |client, event| {
            // An event of a session that has ended has nobody to tell.
            clients
                .get_mut(client)
                .map_or(stack::Offer::Published, |session| session.offer(event))
        });
        for session in &mut self.clients.sessions {
            session.tell_events();
        }
        published > 0
    }

    /// Tells log and subscribers when the address has changed.
    fn notice_changes(&mut self) {
        let generation = self.stack.generation();
        if core::mem::replace(&mut self.generation, generation) == generation {
            return;
        }
        let Some(nic) = &self.nic else { return };
        let interface = nic.interface();
        let usable = |address: &stack::AddressInfo| {
            address.interface == interface && address.state == stack::AddressState::Preferred
        };
        let first = self.stack.addresses().find(usable);
        let address =
            first.map(|first| protocol::Address::from_network(first.address, first.prefix));
        if address == self.known_address {
            return;
        }
        self.known_address = address;
        match first {
            Some(first) => {
                let how = match first.origin {
                    stack::Origin::Dhcp => "leased",
                    stack::Origin::Static if self.facts.dhcp => "no server answers, fall-back",
                    stack::Origin::Static => "static",
                };
                log::info!("address {}/{} ({how})", first.address, first.prefix);
            }
            None => log::info!("no address"),
        }
        for session in &mut self.clients.sessions {
            if let Some(subscription) = &mut session.subscription {
                subscription.address = true;
            }
        }
    }
}

/// Makes the device an interface of the stack.
fn attach<D: Device>(
    stack: &mut Stack,
    device: D,
    plan: AddressPlan,
    now: Instant,
) -> Option<Nic<D>> {
    let facts = device.facts();
    let link = LinkFacts {
        mac: MacAddress(facts.mac),
        mtu: facts.mtu,
        up: device.link_up(),
        checksum_transmit: facts.checksum_transmit,
    };
    match stack.add_interface(link, plan, now) {
        Ok(interface) => Some(Nic::new(device, interface)),
        Err(error) => {
            log::error!("network device not usable: {error:?}");
            None
        }
    }
}
