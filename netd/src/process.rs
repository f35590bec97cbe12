//! What a process is given, and the end of it: the same for netd and for a program that brings its
//! own network.
//!
//! *Owns* nothing: makes a server of handles, settings and memory, and lets its last frames leave.

use alloc::vec::Vec;
use core::time::Duration;

use device::Device;
use rt::handle::{Interrupt, Reach};
use rt::system;
use stack::{Config, Instant, Shard};

use crate::cores::{self, Seat};
use crate::hardware::{Hardware, NetworkDevice};
use crate::server::Server;
use crate::session::Peer;
use crate::settings::{LARGEST_MTU, LEAST_MTU, Settings};
use crate::tables::tables;

/// What the machine is taken to have if nobody says: as little as it runs with.
const LEAST_MEMORY: u64 = 64 << 20;
/// How long the start waits for a console at most: lines of the log are no reason not to serve.
const CONSOLE_PATIENCE: Duration = Duration::from_millis(200);
/// How often, and after how many nanoseconds each, the device is looked at before the machine goes
/// down: well within the moment that servers have.
const DRAIN_LOOKS: usize = 100;
const DRAIN_PAUSE: u64 = 1_000_000;

/// Cards that are driven at most: each has an interrupt that a sleep waits for.
pub const MOST_CARDS: u8 = 4;

/// A server, and the interrupts of its devices.
pub struct Started<P> {
    /// The server.
    pub server: Server<P, NetworkDevice>,
    /// Of each card. Masked: the first acknowledgement opens it.
    pub interrupts: Vec<Interrupt>,
    /// What tells where the device finds clients' memory.
    pub reach: Option<Reach>,
}

/// What the process was given, for one server or several.
pub struct Given {
    settings: Settings,
    /// Drivers of the first card, each for a loop; none without one.
    pub devices: Vec<NetworkDevice>,
    /// Drivers of the other cards, which one loop alone has.
    pub others: Vec<NetworkDevice>,
    /// Of each card, masked: the first acknowledgement opens it.
    pub interrupts: Vec<Interrupt>,
    /// What tells where devices find clients' memory.
    pub reach: Option<Reach>,
    memory: u64,
    seed: [u8; 32],
}

/// Makes a server for `clients` clients of what the process was given.
pub fn start<P: Peer>(env: &mut rt::Env, clients: u32) -> Started<P> {
    let mut given = given(env, 1);
    Started {
        server: given.only_server(clients),
        interrupts: given.interrupts,
        reach: given.reach,
    }
}

/// Finds out what the process was given; at most so many drivers of the device.
pub fn given(env: &mut rt::Env, most_cores: u16) -> Given {
    rt::console::join(CONSOLE_PATIENCE);
    let settings = Settings::parse(|key| env.option(key));
    for (number, link) in settings.links() {
        if let Some(complaint) = link.complaint {
            log::warn!("command line: bad {complaint} in ip= of link {number}, using DHCP");
        }
        if link.is_mtu_unclear {
            log::warn!(
                "command line: mtu= of link {number} is no number of bytes from {LEAST_MTU} to {LARGEST_MTU}"
            );
        }
    }
    if settings.is_nic_unclear {
        log::warn!("command line: nic= has a word that means nothing");
    }
    if !env.seeded {
        log::warn!("no entropy: sequence numbers and ports can be guessed");
    }
    let figures = system::figures().ok();
    let cpus = figures.as_ref().map_or(1, |figures| figures.cpus);
    let cores = settings.cores.min(most_cores);
    let cores = cores.min(u16::try_from(cpus).unwrap_or(u16::MAX)).max(1);
    let mut given = Given {
        settings,
        devices: Vec::new(),
        others: Vec::new(),
        interrupts: Vec::new(),
        reach: None,
        memory: figures.map_or(LEAST_MEMORY, |figures| figures.memory_total),
        seed: env.seed,
    };
    given.take_cards(env, cores);
    given
}

impl Given {
    /// Drives the cards, the first for so many loops. They share that one alone: what comes to another
    /// would have to be dealt out among them by its driver.
    fn take_cards(&mut self, env: &mut rt::Env, cores: u16) {
        for number in 1..=MOST_CARDS {
            let pairs = if number == 1 { cores } else { 1 };
            let Some(hardware) = Hardware::find(env, &self.settings, number, pairs) else {
                break;
            };
            self.interrupts.push(hardware.interrupt);
            if number > 1 {
                self.others.extend(hardware.drivers);
                continue;
            }
            (self.devices, self.reach) = (hardware.drivers, Some(hardware.reach));
        }
        if self.devices.is_empty() {
            log::warn!("no network device: loopback only");
        }
    }

    /// The server that has all cards.
    pub fn only_server<P: Peer>(&mut self, clients: u32) -> Server<P, NetworkDevice> {
        let first = self.devices.pop();
        let others = core::mem::take(&mut self.others);
        self.server(clients, first.into_iter().chain(others).collect(), None)
    }

    /// A server for `clients` clients; one of several if it has a `shard`.
    pub fn server<P: Peer>(
        &self,
        clients: u32,
        devices: Vec<NetworkDevice>,
        shard: Option<Shard>,
    ) -> Server<P, NetworkDevice> {
        let tables = tables(self.memory, clients, self.settings.connections);
        let mtu = devices.iter().map(|device| device.facts().mtu);
        let config = Config {
            shard,
            heed_redirects: self.settings.heeds_redirects,
            largest_mtu: mtu.fold(tables.largest_mtu, u16::max),
            ..tables
        };
        Server::new(config, &self.settings, self.seed, devices, now())
    }

    /// A place for each driver.
    ///
    /// # Errors
    /// When handles or memory run out.
    pub fn seats(&self) -> Result<Vec<Seat>, abi::Error> {
        let [.., a, b, c, d, e, f, g, h] = self.seed;
        // What outsiders see of it is which connections come to the same loop.
        cores::seats(&self.devices, u64::from_le_bytes([a, b, c, d, e, f, g, h]))
    }

    /// The same for another loop than the first: its addresses it is told, its random numbers are
    /// others; names are the first one's. Its tables are as large as those of one that is alone.
    #[must_use]
    pub fn clone_for(&self, seat: &Seat) -> Self {
        let mut seed = self.seed;
        let [first, ..] = &mut seed;
        let [number, _] = seat.shard.number.to_le_bytes();
        *first ^= number;
        Self {
            settings: self.settings.of_follower(),
            devices: Vec::new(),
            others: Vec::new(),
            interrupts: Vec::new(),
            reach: None,
            memory: self.memory,
            seed,
        }
    }
}

/// The machine goes down: leases are given back, and the device is left the time to send what it was
/// given. The end of the process resets it, and what it has not sent by then it forgets.
pub fn finish<P: Peer, D: Device>(server: &mut Server<P, D>) {
    server.shut_down(now());
    for _ in 0..DRAIN_LOOKS {
        if !server.is_transmitting() {
            return;
        }
        let soon = rt::clock::now().saturating_add(DRAIN_PAUSE);
        // Nothing but the deadline can end this sleep.
        let _passed = rt::wait(&mut [], Some(soon));
    }
}

/// The time as the stack counts it.
#[must_use]
pub fn now() -> Instant {
    Instant::from_nanos(rt::clock::now())
}
