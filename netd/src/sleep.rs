//! What a sleep waits for: the first process, the device's interrupt, and each client.
//!
//! *Owns* the list of items, which is made anew only when clients have come or gone: the kernel
//! writes into it what it has seen.

use alloc::vec::Vec;

use abi::{Signals, WaitItem};
use rt::handle::Interrupt;
use rt::system;
use stack::Instant;

use crate::Netd;

/// The items of the loop's sleep.
#[derive(Default)]
pub struct Items {
    items: Vec<WaitItem>,
    /// Of the clients that are listed.
    generation: Option<u64>,
    has_interrupt: bool,
}

/// What a sleep has seen.
pub struct Seen<'a> {
    /// Of the first process.
    pub system: Signals,
    /// Whether the device has interrupted.
    pub interrupt: bool,
    /// Of the clients.
    pub peers: &'a [WaitItem],
}

impl Items {
    /// Sleeps until somebody gives a sign or the server's deadline has come.
    pub fn sleep(&mut self, server: &Netd, interrupt: Option<&Interrupt>) -> Seen<'_> {
        let generation = Some(server.peers_generation());
        if self.generation != generation {
            self.generation = generation;
            self.list(server, interrupt);
        }
        let deadline = server.next_deadline().map(Instant::as_nanos);
        if rt::wait(&mut self.items, deadline).is_err() {
            // A deadline that passes is a reason to look like any other.
            self.items.iter_mut().for_each(|item| item.observed = 0);
        }
        let (system, rest) = self
            .items
            .split_first()
            .map_or((None, &[][..]), |(a, b)| (Some(a), b));
        let (line, peers) = match rest.split_first() {
            Some((line, peers)) if self.has_interrupt => (Some(line), peers),
            _ => (None, rest),
        };
        Seen {
            system: system.map_or(Signals::empty(), WaitItem::signals),
            interrupt: line.is_some_and(|line| !line.signals().is_empty()),
            peers,
        }
    }

    fn list(&mut self, server: &Netd, interrupt: Option<&Interrupt>) {
        self.items.clear();
        self.items.push(system::wait_item());
        self.has_interrupt = interrupt.is_some();
        let line = interrupt.map(|line| WaitItem::new(line.raw(), Signals::INTERRUPT));
        self.items.extend(line);
        self.items
            .extend(server.peers().map(|peer| peer.link.wait_item()));
    }
}
