//! The death of a host's stack, and the one that comes after it.
//!
//! *Owns* when: after so many steps, each of which is something that leaves (an event, a frame) or the
//! beginning of a turn; so that a test can let a stack die between any two. Everything in the stack is
//! lost. Programs with their memory and the durable records stay; while there is no stack, frames for
//! the host are lost and programs wait.

use std::num::NonZeroU32;
use std::time::Duration;

use stack::{AddressPlan, Instant, InterfaceId, LinkFacts, Stack};

use crate::host::{Host, HostSetup, mac};
use crate::oracle;
use crate::shelf::Shelf;

/// The number of the client in a seat, which outlives the stack.
pub(crate) fn number_of(seat: usize) -> NonZeroU32 {
    u32::try_from(seat).map_or(NonZeroU32::MAX, |seat| NonZeroU32::MIN.saturating_add(seat))
}

/// How a stack's life goes.
#[derive(Debug, Default)]
pub(crate) struct Life {
    pub(crate) shelf: Shelf,
    /// Steps until it ends, and how long there is none then.
    fuse: Option<(u64, Duration)>,
    rises_at: Option<Instant>,
    pub(crate) restarts: u64,
    /// Whether a stack before this one has answered SYNs by cookies.
    pub(crate) has_sent_cookies: bool,
    /// Frames are not compared with the records.
    is_unwatched: bool,
    /// What went wrong with records.
    pub(crate) complaint: Option<String>,
}

impl Life {
    /// A stack, whose records go to the shelf.
    pub(crate) fn stack(
        &self,
        setup: &HostSetup,
        plan: AddressPlan,
        seed: [u8; 32],
        now: Instant,
    ) -> (Stack, InterfaceId) {
        let mut stack = Stack::new(setup.config, seed, now);
        stack.keep_records(Box::new(self.shelf.clone()));
        let facts = LinkFacts {
            mac: setup.mac,
            mtu: setup.mtu,
            up: true,
            checksum_transmit: false,
        };
        let link = stack.add_interface(facts, plan, now);
        let link = link.expect("the first interface");
        if let Some(six) = setup.six {
            stack.start_ipv6(link, six, now).expect("an interface");
        }
        (stack, link)
    }

    /// It ends after so many steps.
    pub(crate) fn end_after(&mut self, steps: u64, outage: Duration) {
        self.fuse = Some((steps, outage));
    }

    /// Whether it is still to end.
    pub(crate) fn is_to_end(&self) -> bool {
        self.fuse.is_some()
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.rises_at.is_some()
    }

    /// When another stack comes after the one that is dead.
    pub(crate) fn rises_at(&self) -> Option<Instant> {
        self.rises_at
    }

    /// One more step. Whether it has ended.
    pub(crate) fn burn(&mut self, now: Instant) -> bool {
        if self.is_dead() {
            return true;
        }
        match self.fuse {
            Some((0, outage)) => {
                self.fuse = None;
                self.rises_at = Some(now + outage);
                self.shelf.seal();
            }
            Some((steps, outage)) => self.fuse = Some((steps - 1, outage)),
            None => {}
        }
        self.is_dead()
    }

    /// From now on records come too late: the mistake that the oracles must find; and nobody looks
    /// whether frames are in them, if only a crash is to show it.
    pub(crate) fn commit_late(&mut self, is_watched: bool) {
        self.shelf.be_late();
        self.is_unwatched = !is_watched;
    }

    /// A frame leaves: what it says must be in the records.
    pub(crate) fn watch(&mut self, frame: &[u8]) {
        if !self.is_unwatched
            && self.complaint.is_none()
            && let Err(complaint) = oracle::frame_is_recorded(frame, &self.shelf.records())
        {
            self.complaint = Some(complaint);
        }
    }

    /// Nothing more leaves in this turn.
    pub(crate) fn turn_ends(&self) {
        self.shelf.catch_up();
    }
}

impl Host {
    /// Whether it has answered a SYN and kept nothing of it: if the peer's first segment is lost or
    /// overtaken, whatever comes next means nothing to the host and is refused (RFC 4987 section 3.6).
    pub(crate) fn has_sent_cookies(&self) -> bool {
        let mut counters = self.stack.counters();
        self.life.has_sent_cookies
            || counters.any(|(name, count)| name == "tcp.cookies_sent" && count > 0)
    }

    /// How often a stack has come after a dead one.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.life.restarts
    }

    /// A stack comes after the dead one, when it is time.
    pub(crate) fn rise_if_due(&mut self, now: Instant) {
        if self.life.rises_at.is_some_and(|at| at <= now) {
            self.rise(now);
        }
    }

    fn rise(&mut self, now: Instant) {
        self.life.rises_at = None;
        self.life.restarts += 1;
        self.life.has_sent_cookies |= self.has_sent_cookies();
        self.life.shelf = self.life.shelf.handed_on();
        let seed = self.random.seed();
        (self.stack, self.link) = self.life.stack(&self.setup, AddressPlan::None, seed, now);
        self.retry_at = None;
        // What was ours a moment ago need not be claimed.
        if let AddressPlan::Static(plan) = self.setup.plan {
            self.stack
                .add_address(self.link, plan.address.into(), plan.prefix, now)
                .expect("the address that it had");
        }
        for (address, number) in &self.introduced {
            self.stack
                .add_neighbour(self.link, (*address).into(), mac(*number), now)
                .expect("a neighbour that it knew");
        }
        let records = self.life.shelf.records();
        let records = records.iter().map(|(slot, bytes)| (*slot, bytes));
        let refused = self.stack.adopt(records, now);
        if !refused.is_empty() {
            self.life.complaint = Some(format!("records are refused: {refused:?}"));
        }
        let mut arenas = self.memory.take();
        for (place, seat) in self.seats.iter_mut().enumerate() {
            let Some(before) = seat.client.take() else {
                continue;
            };
            let client = self.stack.client_open_as(number_of(place));
            let client = client.expect("the place that it had");
            let arena = arenas.remove(&before.raw()).expect("it had an arena");
            self.memory.put_back(client, arena);
            seat.client = Some(client);
        }
        for place in 0..self.seats.len() {
            self.with_seat(place, now, |program, desk| program.come_back(desk));
        }
        self.stack.end_adoption(now);
    }
}
