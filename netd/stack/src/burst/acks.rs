//! Acknowledgements that come together.
//!
//! *Owns* which of them go the full way: the first, behind which others follow that each say more than the one
//! before ([`wire::Acknowledgement`]), and the last. Those between are as good as lost on the way, and counted.
//! A peer that acknowledges every second segment of a window so costs little more than one that does it once.
//! Where they came together the last time, the first waits for those behind it like the others. *Never* keeps one
//! for longer than the burst lasts, or before which another frame has come.

use super::{Burst, Running};
use crate::config::ReceiveMeta;
use crate::memory::ClientMemory;
use crate::stats::Counter;
use wire::Rest;

impl<M: ClientMemory> Burst<'_, M> {
    /// Whether the last acknowledgement made way for this frame, which waits for what comes behind it. If it
    /// waited itself, nobody looks at it any more.
    pub(super) fn overtake(&mut self, frame: &[u8], meta: ReceiveMeta) -> bool {
        let Some(overtaken) = self.last.overtake(frame, meta.checksum_verified) else {
            return false;
        };
        if let Running::Acks(Some(_)) = core::mem::replace(&mut self.run, Running::Acks(Some(meta)))
        {
            self.stack.stats.count(Counter::TcpReceived);
            self.stack.stats.count(Counter::TcpAcksOvertaken);
            self.has_overtaken = true;
            self.took_in(overtaken, Ok(()));
        }
        true
    }

    /// Whether this frame, behind which others are expected to come, is an acknowledgement that waits for them.
    #[inline(never)]
    pub(super) fn await_others(&mut self, frame: &[u8], meta: ReceiveMeta) -> bool {
        self.last.keep(frame);
        let is_one = self.last.is_one();
        if is_one {
            self.run = Running::Acks(Some(meta));
        }
        is_one
    }

    /// The last acknowledgement goes its way.
    pub(super) fn end_acks(&mut self, meta: ReceiveMeta) {
        let frame = (self.last.frame(), Rest::NONE);
        self.stack
            .take_in(self.interface, frame, meta, self.memory, self.now);
    }
}
