//! What a sleep waits for: the first process, the devices' interrupts, and each client.
//!
//! *Owns* the set of items, which is made anew only when clients have come or gone.

use abi::{Handle, Signals, WaitItem};
use netd::process::now;
use rt::WaitSet;
use rt::handle::Interrupt;
use stack::Instant;

use crate::Netd;

/// The items of the loop's sleep.
pub struct Items {
    set: WaitSet,
    /// Of the clients that are in it.
    generation: Option<u64>,
    /// Who calls the loop, and a bell beside that.
    caller: WaitItem,
    bell: Option<WaitItem>,
}

/// What a sleep has seen of the system.
#[derive(Default)]
pub struct Seen {
    /// The first process has something to say.
    pub is_called: bool,
    /// The first process is gone.
    pub is_left: bool,
    /// Devices that have interrupted: a bit for each place.
    pub interrupts: u32,
}

impl Items {
    /// With no client yet. `caller` is the first process, or whoever calls the loop; by the `bell` others
    /// wake it.
    pub fn new(caller: WaitItem, bell: Option<WaitItem>) -> Self {
        Self {
            set: WaitSet::new(),
            generation: None,
            caller,
            bell,
        }
    }

    /// Sleeps until somebody gives a sign or the server's deadline has come, and wakes the server
    /// for the clients that have.
    pub fn sleep(&mut self, server: &mut Netd, lines: &[Interrupt]) -> Seen {
        let generation = Some(server.peers_generation());
        if self.generation != generation {
            self.generation = generation;
            self.list(server, lines);
        }
        let deadline = server.next_deadline().map(Instant::as_nanos);
        let ring = server
            .take_ring()
            .map_or(Handle::NONE, |peer| peer.link.handle());
        let lines = lines.len();
        let heads = lines + usize::from(self.bell.is_some());
        let mut told = Seen::default();
        // A deadline that passes is a reason to look like any other.
        let _passed = self.set.wait_and_ring(deadline, ring, |place, signals| {
            match place.checked_sub(1) {
                None => {
                    told.is_called = true;
                    told.is_left = signals.contains(Signals::PEER_CLOSED);
                }
                Some(line) if line < lines => told.interrupts |= 1 << line,
                Some(other) => {
                    if let Some(client) = other.checked_sub(heads) {
                        server.woken(client, signals);
                    }
                }
            }
        });
        server.rested();
        told
    }

    /// Serves the interrupts that a sleep has told of, and opens their lines again: the only one's with
    /// the next sleep.
    pub fn serve(&mut self, server: &mut Netd, seen: &Seen, lines: &[Interrupt]) {
        for (place, line) in lines.iter().enumerate() {
            if seen.interrupts & 1 << place == 0 {
                continue;
            }
            server.interrupt(place, now());
            if lines.len() == 1 {
                self.set.served();
            } else if line.acknowledge().is_err() {
                log::error!("interrupt cannot be opened again");
            }
        }
    }

    fn list(&mut self, server: &Netd, lines: &[Interrupt]) {
        let caller = core::iter::once(self.caller);
        let lines = lines.iter();
        let lines = lines.map(|line| WaitItem::new(line.raw(), Signals::INTERRUPT));
        let peers = server.peers().map(|peer| peer.link.wait_item());
        self.set
            .set(caller.chain(lines).chain(self.bell).chain(peers));
    }
}
