//! What the stack does with parts of packets: counts them, and lets their time pass.

use super::{Expired, Piece, Whole};
use crate::family::Family;
use crate::id::InterfaceId;
use crate::stack::Stack;
use crate::stats::Counter;
use ::tcp::Instant;
use wire::Drop;

impl Stack {
    /// Takes in a part. The packet, if it is whole by that, must be given back to the reassembler.
    pub(crate) fn take_part<A: Family>(
        &mut self,
        piece: &Piece<'_, A>,
        now: Instant,
    ) -> Result<Option<Whole>, Drop> {
        let outcome = self.net_mut::<A>().reassembler.take_in(piece, now);
        self.stats
            .drop_kept(Drop::FragmentNoRoom, outcome.displaced);
        match &outcome.result {
            Ok(Some(_)) => self.stats.count(Counter::Reassembled),
            Ok(None) => {}
            Err(reason) => self.stats.drop_kept(*reason, outcome.lost),
        }
        self.arm_reassembly::<A>();
        outcome.result
    }

    fn arm_reassembly<A: Family>(&mut self) {
        let deadline = self.net::<A>().reassembler.deadline();
        self.timers.set(A::REASSEMBLY.0, deadline);
    }

    /// Gives up the packets whose time is over, and tells their senders.
    pub(crate) fn fire_reassembly<A: Family>(&mut self, now: Instant) {
        while let Some(expired) = self.net_mut::<A>().reassembler.expire(now) {
            let Expired {
                interface,
                lost,
                first,
            } = expired;
            if lost > 0 {
                self.stats.count(Counter::ReassemblyTimeouts);
            }
            self.stats.drop_kept(Drop::FragmentTimeout, lost);
            if let Some(first) = first {
                A::reassembly_failed(self, InterfaceId(interface), first.packet(0), now);
                self.net_mut::<A>().reassembler.give_back(first);
            }
        }
        self.arm_reassembly::<A>();
    }
}
