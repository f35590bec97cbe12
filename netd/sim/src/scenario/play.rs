//! Plays a plan to its end.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use stack::{AddressPlan, Config, Instant, NAME_SERVERS, StaticPlan};

use super::Meddling;
use super::plan::{Plan, address, number};
use crate::fault::Faults;
use crate::host::{HostSetup, small_tables};
use crate::program::Verdict;
use crate::programs::{Client, Server};
use crate::trace::Moment;
use crate::world::{Complaint, StationId, World};

/// What is kept of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Its end.
    Nothing,
    /// All frames.
    Capture,
    /// What happened at this host.
    Trace(usize),
}

/// How a world ended.
#[derive(Debug)]
pub struct Outcome {
    /// What must never have happened.
    pub complaint: Option<Complaint>,
    /// What befell the frames of each host.
    pub faults: Vec<Faults>,
    /// All frames as a pcapng file, if they were kept.
    pub capture: Vec<u8>,
    /// Frames that were sent, and how many of them were lost.
    pub frames: (u64, u64),
    /// Programs that were content, that gave up with a reason, and that had to be sent home.
    pub programs: (u64, u64, u64),
    /// How many stacks died, and were followed by others.
    pub restarts: u64,
    /// How much time passed in it.
    pub time: Duration,
    /// What happened at one host, if that was kept.
    pub(crate) trace: Vec<(Instant, Moment)>,
}

/// Until then addresses are claimed; nothing else happens.
const SETTLING: Duration = Duration::from_secs(9);
/// Longer than any client may take.
const PATIENCE: Duration = Duration::from_secs(4 * 3_600);
/// Longer than a server may take behind its last client.
const GRACE: Duration = Duration::from_secs(400);
/// Longer than the last timer of what nobody holds any more.
const CLEARANCE: Duration = Duration::from_secs(600);

const NAMES: [&str; 3] = ["a", "b", "c"];

impl Plan {
    /// Plays it.
    #[must_use]
    pub fn play(&self, keep: Keep, meddling: Meddling<'_>) -> Outcome {
        let mut world = if keep == Keep::Capture {
            World::new(self.seed)
        } else {
            World::without_capture(self.seed)
        };
        let hosts = self.settle(&mut world);
        let start = world.now();
        for (host, id) in hosts.iter().enumerate() {
            if let Some(faults) = &self.faults {
                world.follow(*id, faults[host].clone());
            }
            if keep == Keep::Trace(host) {
                world.host_mut(*id).trace.begin();
            }
            if let Some(meddling) = meddling {
                world.meddle(*id, meddling());
            }
        }
        for talk in &self.talks {
            if let Some(serves) = talk.serves {
                world.install(hosts[talk.hosts.1], Server::new(serves));
            }
        }
        for talk in &self.talks {
            world.install(hosts[talk.hosts.0], Client::new(talk.visits));
        }
        self.befall(&mut world, &hosts);
        let has_ended = world.run_clients(PATIENCE) && world.run_programs(GRACE);
        let may_fail = self.may_fail || hosts.iter().any(|id| world.look(*id).has_sent_cookies());
        judge(&mut world, has_ended, may_fail);
        let programs = world.verdicts().fold((0, 0, 0), |sum, (_, verdict)| {
            let (content, gave_up, running) = sum;
            match verdict {
                Verdict::Content => (content + 1, gave_up, running),
                Verdict::GaveUp(_) | Verdict::Broken(_) => (content, gave_up + 1, running),
                Verdict::Running => (content, gave_up, running + 1),
            }
        });
        world.dismiss();
        world.run(CLEARANCE);
        world.check_empty();
        Outcome {
            complaint: world.complaint().cloned(),
            faults: hosts.iter().map(|id| world.faults(*id).clone()).collect(),
            capture: world.capture().to_vec(),
            frames: world.frames(),
            programs,
            restarts: hosts.iter().map(|id| world.look(*id).restarts()).sum(),
            time: world.now().since(start),
            trace: match keep {
                Keep::Trace(host) => world.look(hosts[host]).trace.moments().to_vec(),
                Keep::Nothing | Keep::Capture => Vec::new(),
            },
        }
    }

    /// Changes of the weather, and crashes, each at its time.
    fn befall(&self, world: &mut World, hosts: &[StationId]) {
        let start = world.now();
        let mut crashes = self.crashes.iter().peekable();
        for at in self.times() {
            world.run((start + at).since(world.now()));
            for change in self.changes.iter().filter(|change| change.at == at) {
                world.change_weather(hosts[change.host], change.weather);
            }
            while let Some(crash) = crashes.next_if(|crash| crash.at <= at) {
                world.crash(hosts[crash.host], crash.steps, crash.outage);
            }
        }
    }

    /// When something happens to hosts or wires.
    fn times(&self) -> BTreeSet<Duration> {
        let changes = self.changes.iter().map(|change| change.at);
        changes
            .chain(self.crashes.iter().map(|crash| crash.at))
            .collect()
    }

    /// The hosts, who know each other, with their addresses claimed.
    fn settle(&self, world: &mut World) -> Vec<StationId> {
        let wire = world.wire(crate::Weather::FAIR);
        let hosts: Vec<_> = self
            .hosts
            .iter()
            .zip(NAMES)
            .enumerate()
            .map(|(place, (host, name))| {
                let plan = StaticPlan {
                    address: address(place),
                    prefix: 24,
                    gateway: None,
                    name_servers: [SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0); NAME_SERVERS],
                };
                let setup = HostSetup {
                    mtu: host.mtu,
                    config: Config {
                        time_waits: host.time_waits,
                        half_open: host.half_open,
                        // Who has room for all needs none, and is judged more strictly.
                        syn_cookies: host.half_open < small_tables().half_open,
                        ..small_tables()
                    },
                    deafness: host.deafness,
                    lateness: host.lateness,
                    ..HostSetup::new(name, number(place), AddressPlan::Static(plan))
                };
                world.host(wire, setup)
            })
            .collect();
        world.run(SETTLING);
        for (place, id) in hosts.iter().enumerate() {
            for other in (0..hosts.len()).filter(|other| *other != place) {
                world.introduce(*id, address(other), number(other));
            }
            world.change_weather(*id, self.hosts[place].weather);
        }
        hosts
    }
}

/// Nobody may have given up, or never come to an end, without a reason.
fn judge(world: &mut World, has_ended: bool, may_fail: bool) {
    let mut what = None;
    for (name, verdict) in world.verdicts() {
        match verdict {
            Verdict::GaveUp(why) if !may_fail => {
                what.get_or_insert(format!("gave up without a reason: {name}: {why}"));
            }
            Verdict::Running if !has_ended && !may_fail => {
                what.get_or_insert(format!("never ended: {name}"));
            }
            _ => {}
        }
    }
    if let Some(what) = what {
        world.complain(0, what);
    }
}
