//! Plays a neighbourhood to its end.

use std::cell::{Cell, RefCell};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::rc::Rc;
use std::time::Duration;

use stack::{
    AddressPlan, AddressState, Config, Identifiers, Instant, Ipv6Plan, NAME_SERVERS, StaticPlan,
};

use super::Neighbourhood;
use super::address::{FAR, NEW, OLD, WANDERER, four, local, number, six};
use super::annex::Annex;
use super::claimant::{Claimant, Claims};
use super::flood::Flooder;
use super::liar::Liar;
use super::router::{LIFETIME, Phase, Router, VALID};
use super::squatter::Squatter;
use super::truth::{Truth, oracle};
use crate::host::{HostSetup, small_tables};
use crate::program::Verdict;
use crate::programs::{
    Client, DatagramClient, DatagramEcho, Manner, Pinger, Server, Serves, Speaks, Visits,
};
use crate::weather::Weather;
use crate::world::{Complaint, StationId, World};

/// How a neighbourhood ended.
#[derive(Debug)]
pub struct Outcome {
    /// What must never have happened.
    pub complaint: Option<Complaint>,
    /// All frames as a pcapng file, if they were kept.
    pub capture: Vec<u8>,
    /// Frames that were sent, and how many of them were lost.
    pub frames: (u64, u64),
    /// Frames that all hosts have dropped, by reason.
    pub drops: Vec<(&'static str, u64)>,
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
/// Until addresses are claimed.
const SETTLING: Duration = Duration::from_secs(9);
/// Until what a router has told is done: an address proven, a router's silence noticed.
const SOON: Duration = Duration::from_secs(8);
/// Longer than programs may take.
const PATIENCE: Duration = Duration::from_secs(400);
/// Longer than the last timer of what nobody holds any more.
const CLEARANCE: Duration = Duration::from_secs(300);
/// Neighbours lie and flood until so long before the old prefix ends: then its addresses are nobody's,
/// and who claims one is believed.
const CALM: Duration = Duration::from_secs(5);

const ECHO: u16 = 7;
const STREAM: u16 = 80;
/// Another for connections that begin after the prefix has changed.
const LATER: u16 = 81;

impl Neighbourhood {
    /// Plays it; keeps all frames if they are wanted.
    #[must_use]
    pub fn play(&self, has_capture: bool) -> Outcome {
        let mut world = if has_capture {
            World::new(self.seed)
        } else {
            World::without_capture(self.seed)
        };
        let wire = world.wire(Weather::FAIR);
        let phases: Vec<_> = (0..self.routers)
            .map(|place| {
                let phase = Rc::new(Cell::new(Phase::Old));
                let next = world.now() + Duration::from_secs(u64::from(place) + 1);
                let router = Router {
                    number: place + 1,
                    phase: Rc::clone(&phase),
                    next,
                };
                world.device(wire, "router", router);
                phase
            })
            .collect();
        let truth = Rc::new(RefCell::new(Truth::default()));
        let hosts: Vec<_> = (0..self.hosts)
            .map(|host| {
                let id = world.host(wire, setup(NAMES[host], host, four(host)));
                world.meddle(id, oracle(&truth, number(host)));
                id
            })
            .collect();
        let claims = self.add_claimant(&mut world, wire);
        let annex = self.add_annex(&mut world, wire, &hosts);
        if let Some(host) = self.squatted {
            let address = six(NEW, host);
            world.device(wire, "squatter", Squatter { address });
            truth.borrow_mut().taken = Some(address);
            truth.borrow_mut().without = Some(number(host));
        }
        world.run(SETTLING);
        acquaint(&mut world, &hosts);
        self.add_trouble(&mut world, wire);
        talk(&mut world, &hosts);
        if let Some(annex) = &annex {
            annex.talk(&mut world, hosts[0]);
        }
        self.pass(&mut world, &hosts, &phases, &truth);
        let has_ended = world.run_programs(PATIENCE);
        judge(&mut world, has_ended);
        self.judge_claims(&mut world, &hosts, &claims);
        if let Some(fault) = annex.and_then(|annex| annex.faults.borrow().first().cloned()) {
            world.complain(0, fault);
        }
        world.dismiss();
        world.run(CLEARANCE);
        world.check_empty();
        Outcome {
            complaint: world.complaint().cloned(),
            capture: world.capture().to_vec(),
            frames: world.frames(),
            drops: drops(&world, &hosts),
        }
    }

    /// When neighbours have done all that they do.
    fn end(&self, world: &World) -> Instant {
        world.now() + (self.renumbers + VALID).saturating_sub(CALM)
    }

    /// Who has others' addresses over IPv4, and the host that makes its own.
    fn add_claimant(&self, world: &mut World, wire: crate::WireId) -> Rc<RefCell<Claims>> {
        let claims = Rc::new(RefCell::new(Claims::default()));
        if self.rival.is_none() && self.squats.is_none() {
            return claims;
        }
        let (now, random) = (world.now(), world.random().fork());
        let claimant = Claimant {
            rival: self.rival,
            squats: self.squats.unwrap_or(0),
            robs: self.squats.map(|_| now + SETTLING * 3),
            random,
            next: now + SETTLING * 2,
            ends: self.end(world),
            told: now + SETTLING / 2,
            claims: Rc::clone(&claims),
        };
        world.device(wire, "claimant", claimant);
        if self.squats.is_some() {
            let wanderer = HostSetup {
                mac: WANDERER,
                ..HostSetup::new("wanderer", 0, AddressPlan::LinkLocal)
            };
            world.host(wire, wanderer);
        }
        claims
    }

    /// The addresses that were claimed are whose they must be.
    fn judge_claims(&self, world: &mut World, hosts: &[StationId], claims: &RefCell<Claims>) {
        let claims = claims.borrow();
        if let Some(fault) = claims.faults.first() {
            world.complain(0, fault.clone());
        }
        let has = |world: &World, id, address| {
            let mut own = world.look(id).stack.addresses();
            let state = AddressState::Preferred;
            own.any(|it| it.address == IpAddr::V4(address) && it.state == state)
        };
        let kept = |rival: usize| has(world, hosts[rival], four(rival));
        if !self.rival.is_none_or(kept) {
            world.complain(0, "an address that a person has given is given up".into());
        }
        let now = world.now();
        let free = claims.wanderers.filter(|own| !claims.is_taken(*own, now));
        if self.squats.is_some() && free.is_none() {
            world.complain(0, "who makes its own address has none".into());
        }
    }

    /// The second link of the first host.
    fn add_annex(
        &self,
        world: &mut World,
        wire: crate::WireId,
        hosts: &[StationId],
    ) -> Option<Annex> {
        let ends = self.end(world);
        self.has_annex
            .then(|| Annex::new(world, (wire, hosts[0]), ends))
    }

    fn add_trouble(&self, world: &mut World, wire: crate::WireId) {
        let now = world.now();
        let ends = self.end(world);
        if self.has_liar {
            let random = world.random().fork();
            let liar = Liar {
                hosts: self.hosts,
                router: self.routers,
                random,
                next: now + Duration::from_millis(1),
                ends,
                asked: Instant::ZERO,
            };
            world.device(wire, "liar", liar);
        }
        if self.has_flooder {
            let random = world.random().fork();
            let flooder = Flooder {
                hosts: self.hosts,
                random,
                next: now + Duration::from_millis(1),
                ends,
            };
            world.device(wire, "flooder", flooder);
        }
    }

    /// Lets the time pass in which prefixes change and routers fall silent.
    fn pass(
        &self,
        world: &mut World,
        hosts: &[StationId],
        phases: &[Rc<Cell<Phase>>],
        truth: &RefCell<Truth>,
    ) {
        let start = world.now();
        let renumbered = self.renumbers + SOON + Duration::from_secs(10);
        let unlamented = self
            .vanishes
            .map(|at| at + Duration::from_secs(LIFETIME.into()) + SOON);
        let gone = self.renumbers + VALID + Duration::from_secs(2);
        let mut steps: Vec<(Duration, Step)> = vec![
            (self.renumbers, Step::Renumber),
            (renumbered, Step::Begin),
            (gone, Step::Gone),
            (gone + SOON, Step::AskFar),
        ];
        steps.extend(self.vanishes.map(|at| (at, Step::Vanish)));
        steps.extend(unlamented.map(|at| (at, Step::AskFar)));
        steps.sort_by_key(|(at, _)| *at);
        for (at, step) in steps {
            world.run((start + at).since(world.now()));
            match step {
                Step::Renumber => {
                    let there = phases.iter().filter(|phase| phase.get() != Phase::Silent);
                    let ends = world.now() + VALID;
                    there.for_each(|phase| phase.set(Phase::New(ends)));
                }
                Step::Vanish => phases[0].set(Phase::Silent),
                Step::Begin => {
                    truth.borrow_mut().is_deprecated = true;
                    self.begin_anew(world, hosts);
                }
                Step::Gone => truth.borrow_mut().is_gone = true,
                Step::AskFar => ask_far(world, hosts),
            }
        }
    }

    /// A connection to an address of the new prefix, if the host has one.
    fn begin_anew(&self, world: &mut World, hosts: &[StationId]) {
        if self.squatted != Some(1) {
            let manner = manner(2_000, Duration::from_millis(300));
            stream(world, hosts, (six(NEW, 1), LATER).into(), manner);
        }
    }
}

/// What happens at a time.
#[derive(Clone, Copy)]
enum Step {
    Renumber,
    Vanish,
    Begin,
    Gone,
    AskFar,
}

/// An address of IPv4 by hand.
pub(super) fn given(address: Ipv4Addr) -> AddressPlan {
    AddressPlan::Static(StaticPlan {
        address,
        prefix: 24,
        gateway: None,
        name_servers: [SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0); NAME_SERVERS],
    })
}

/// A host of this place, with an address.
pub(super) fn setup(name: &'static str, host: usize, address: Ipv4Addr) -> HostSetup {
    let six = Ipv6Plan {
        identifiers: Identifiers::Hardware,
        is_optimistic: false,
        follows_routers: true,
        has_temporary: false,
    };
    HostSetup {
        six: Some(six),
        config: Config {
            clients: 32,
            neighbours: 64,
            interfaces: 3,
            ..small_tables()
        },
        ..HostSetup::new(name, number(host), given(address))
    }
}

/// Everybody has heard of everybody before somebody lies.
fn acquaint(world: &mut World, hosts: &[StationId]) {
    for (place, id) in hosts.iter().enumerate() {
        for other in (0..hosts.len()).filter(|other| *other != place) {
            let all: [IpAddr; 3] = [
                four(other).into(),
                local(other).into(),
                six(OLD, other).into(),
            ];
            for address in all {
                world.install(*id, Pinger::new(address, 1, false));
            }
        }
    }
    ask_far(world, hosts);
    world.run(Duration::from_secs(2));
}

fn ask_far(world: &mut World, hosts: &[StationId]) {
    for id in hosts {
        world.install(*id, Pinger::new(FAR.into(), 3, false));
    }
}

/// Datagrams in parts over both families, and a connection over the old prefix.
fn talk(world: &mut World, hosts: &[StationId]) {
    let pace = Duration::from_secs(2);
    for id in &hosts[..2] {
        world.install(*id, DatagramEcho::new(ECHO, Duration::from_secs(20)));
    }
    let ends: [(usize, IpAddr); 2] = [(0, four(1).to_ipv6_mapped().into()), (1, local(0).into())];
    for (from, to) in ends {
        let to = SocketAddr::from((to, ECHO));
        let client = DatagramClient::new(to, 70, false).at_pace(pace, 5_632);
        world.install(hosts[from], client);
    }
    let manner = manner(30_000, Duration::from_millis(1_500));
    stream(world, hosts, (six(OLD, 1), STREAM).into(), manner);
}

fn manner(bytes: u64, pause: Duration) -> Manner {
    Manner {
        flows: (1, 2),
        bytes: (bytes, bytes),
        chunk: 500,
        sends: 1,
        room: 2_048,
        rooms: 2,
        speaks: Speaks::AtOnce,
        closes_second: false,
        pauses: (pause, Duration::ZERO),
        aborts_after: None,
        options: [None; 6],
    }
}

/// A connection of the first host to the second.
fn stream(world: &mut World, hosts: &[StationId], to: SocketAddr, manner: Manner) {
    let serves = Serves {
        port: to.port(),
        backlog: 1,
        count: 1,
        is_prepared: true,
        pause: Duration::ZERO,
        manner: Manner {
            flows: (manner.flows.1, manner.flows.0),
            ..manner
        },
    };
    let visits = Visits {
        to,
        count: 1,
        at_a_time: 1,
        after: Duration::ZERO,
        wants_refusal: false,
        manner,
    };
    world.install(hosts[1], Server::new(serves));
    world.install(hosts[0], Client::new(visits));
}

/// Nobody gives up, or never comes to an end: there is a reason for nothing of that.
fn judge(world: &mut World, has_ended: bool) {
    let what = world.verdicts().find_map(|(name, verdict)| match verdict {
        Verdict::GaveUp(why) => Some(format!("gave up without a reason: {name}: {why}")),
        Verdict::Running if !has_ended => Some(format!("never ended: {name}")),
        _ => None,
    });
    if let Some(what) = what {
        world.complain(0, what);
    }
}

/// The drops of all hosts, by reason.
fn drops(world: &World, hosts: &[StationId]) -> Vec<(&'static str, u64)> {
    let all = wire::Drop::ALL.iter().map(|reason| {
        let counts = hosts.iter().map(|id| world.look(*id).stack.drops(*reason));
        (reason.name(), counts.sum())
    });
    all.filter(|(_, count)| *count > 0).collect()
}
