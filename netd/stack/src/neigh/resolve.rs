//! What the neighbour cache wants done, for either family.
//!
//! *Owns* the carrying out: questions, timers, and those who wait. *Never* speaks a neighbour protocol:
//! that is `arp.rs`'s and `ndp.rs`'s.

use crate::error::SocketError;
use crate::family::Family;
use crate::id::InterfaceId;
use crate::neigh::cache::{Change, Found, Waiters};
use crate::stack::Stack;
use ::tcp::Instant;
use wire::Drop;

impl Stack {
    /// Where a packet for a neighbour goes; starts to ask when that is not known.
    pub(crate) fn neighbour<A: Family>(
        &mut self,
        interface: InterfaceId,
        to: A,
        now: Instant,
    ) -> Found {
        let neighbours = &mut self.net_mut::<A>().neighbours;
        if let Some(mac) = neighbours.known(interface, to) {
            return Found::Known(mac);
        }
        let (found, change) = neighbours.resolve(interface, to, now);
        if let Some(change) = change {
            self.apply::<A>(change, now);
        }
        found
    }

    /// Does what the cache wants done about a neighbour.
    pub(crate) fn apply<A: Family>(&mut self, change: Change, now: Instant) {
        if change.displaced {
            self.fail_waiters::<A>(change.index, now);
        }
        self.timers
            .set(A::neighbour_timer(change.index), change.deadline);
        let neighbour = self.net::<A>().neighbours.get(change.index);
        let neighbour = neighbour.map(|entry| (entry.interface, entry.address));
        if let (Some(ask), Some((interface, address))) = (change.ask, neighbour) {
            A::ask(self, interface, address, ask);
        }
        match change.waiters {
            Waiters::Stay => {}
            Waiters::Go => {
                if let Some((interface, address)) = neighbour {
                    A::neighbour_answers(self, interface, address, true);
                    let ready = Self::ready_queue(interface);
                    let waiting = self.waiting_queue(change.index);
                    self.net_mut::<A>().packets.move_all(waiting, ready);
                    let waiting = self.waiting_senders::<A>(change.index);
                    self.senders.append(waiting, ready);
                }
            }
            Waiters::Fail => {
                if let Some((interface, address)) = neighbour {
                    A::neighbour_answers(self, interface, address, false);
                }
                self.fail_waiters::<A>(change.index, now);
            }
        }
    }

    /// The neighbour's timer fired.
    pub(crate) fn fire_neighbour<A: Family>(&mut self, index: u32, now: Instant) {
        if let Some(change) = self.net_mut::<A>().neighbours.fire(index, now) {
            self.apply::<A>(change, now);
        }
    }

    /// Nobody who waits for this neighbour can be sent.
    pub(crate) fn fail_waiters<A: Family>(&mut self, neighbour: u32, now: Instant) {
        let waiting = self.waiting_queue(neighbour);
        while let Some(owner) = self.net_mut::<A>().packets.discard_first(waiting) {
            self.stats.drop_sent(Drop::NeighbourUnreachable);
            self.packet_failed(owner, SocketError::HostUnreachable, now);
        }
        // Connections find out for themselves when it is their turn.
        let neighbours = &self.net::<A>().neighbours;
        let interface = neighbours.get(neighbour).map(|entry| entry.interface);
        let ready = Self::ready_queue(interface.unwrap_or(InterfaceId::LOOPBACK));
        let waiting = self.waiting_senders::<A>(neighbour);
        self.senders.append(waiting, ready);
    }
}
