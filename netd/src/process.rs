//! What a process is given, and the end of it: the same for netd and for a program that brings its
//! own network.
//!
//! *Owns* nothing: makes a server of handles, settings and memory, and lets its last frames leave.

use core::time::Duration;

use device::Device;
use rt::handle::{Interrupt, Reach};
use rt::system;
use stack::Instant;

use crate::hardware::{Hardware, NetworkDevice};
use crate::server::Server;
use crate::session::Peer;
use crate::settings::Settings;
use crate::tables::tables;

/// What the machine is taken to have if nobody says: as little as it runs with.
const LEAST_MEMORY: u64 = 64 << 20;
/// How long the start waits for a console at most: lines of the log are no reason not to serve.
const CONSOLE_PATIENCE: Duration = Duration::from_millis(200);
/// How often, and after how many nanoseconds each, the device is looked at before the machine goes
/// down: well within the moment that servers have.
const DRAIN_LOOKS: usize = 100;
const DRAIN_PAUSE: u64 = 1_000_000;

/// A server, and the interrupt of its device if it has one.
pub struct Started<P> {
    /// The server.
    pub server: Server<P, NetworkDevice>,
    /// Masked: the first acknowledgement opens it.
    pub interrupt: Option<Interrupt>,
    /// What tells where the device finds clients' memory.
    pub reach: Option<Reach>,
}

/// Makes a server for `clients` clients of what the process was given.
pub fn start<P: Peer>(env: &mut rt::Env, clients: u32) -> Started<P> {
    rt::console::join(CONSOLE_PATIENCE);
    let settings = Settings::parse(|key| env.option(key));
    if let Some(complaint) = settings.complaint {
        log::warn!("command line: bad {complaint} in ip=, using DHCP");
    }
    if settings.is_nic_unclear {
        log::warn!("command line: nic= has a word that means nothing");
    }
    if !env.seeded {
        log::warn!("no entropy: sequence numbers and ports can be guessed");
    }
    let (device, interrupt, reach) = match Hardware::find(env, settings.offloads) {
        Some(Hardware {
            device,
            interrupt,
            reach,
        }) => (Some(device), Some(interrupt), Some(reach)),
        None => {
            log::warn!("no network device: loopback only");
            (None, None, None)
        }
    };
    let memory = system::figures().map_or(LEAST_MEMORY, |figures| figures.memory_total);
    let config = tables(memory, clients, settings.connections);
    Started {
        server: Server::new(config, &settings, env.seed, device, now()),
        interrupt,
        reach,
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
