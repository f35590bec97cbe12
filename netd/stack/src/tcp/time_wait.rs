//! TIME-WAIT: small records of connections that are over, so that their last segments meet a friend.
//!
//! *Owns* the records; the oldest makes way when there are too many, which is safe enough: its
//! remaining time only guards against segments older than itself.

use crate::demux::Target;
use crate::hash::Tuple;
use crate::stack::Stack;
use crate::stats::Counter;
use crate::timers::Timer;
use ::tcp::{Instant, Seq, TimeWait, TimeWaitOutcome};
use core::net::Ipv4Addr;
use wire::Drop;
use wire::tcp::Segment;

/// A record.
#[derive(Debug)]
pub(crate) struct TimeWaiting {
    pub(crate) record: TimeWait,
    pub(crate) tuple: Tuple<Ipv4Addr>,
}

impl Stack {
    /// A connection is over but for late segments.
    pub(crate) fn time_wait_start(&mut self, record: TimeWait, tuple: Tuple<Ipv4Addr>) {
        if self.tcp.time_waits.len() >= self.tcp.time_waits.limit()
            && let Some(oldest) = self.tcp.time_wait_order.first(0)
        {
            self.stats.count(Counter::TimeWaitOverflows);
            self.forget_time_wait(oldest);
        }
        let deadline = record.deadline();
        let Some(index) = self.tcp.time_waits.insert(TimeWaiting { record, tuple }) else {
            return;
        };
        self.tcp.time_wait_order.push(0, index);
        self.tcp.demux.insert(&tuple, Target::TimeWait(index));
        self.timers.set(Timer::TimeWait(index), Some(deadline));
    }

    /// The time is over.
    pub(crate) fn forget_time_wait(&mut self, index: u32) {
        let Some(record) = self.tcp.time_waits.remove_at(index) else {
            return;
        };
        self.tcp.time_wait_order.remove(index);
        self.tcp
            .demux
            .remove(&record.tuple, Target::TimeWait(index));
        self.timers.disarm(Timer::TimeWait(index));
    }

    /// A segment for a connection that is over. `Ok` with a sequence number: it opens a new one
    /// (RFC 6191), beyond that number.
    pub(crate) fn time_wait_input(
        &mut self,
        index: u32,
        segment: &Segment<'_>,
        now: Instant,
    ) -> Result<Seq, Drop> {
        let Some(waiting) = self.tcp.time_waits.at_mut(index) else {
            return Err(Drop::TcpTimeWait);
        };
        let len = u32::try_from(segment.payload.len()).unwrap_or(u32::MAX);
        let tuple = waiting.tuple;
        let outcome = waiting
            .record
            .input(&mut self.tcp.shared, &segment.header, len, now);
        let (deadline, next) = (waiting.record.deadline(), waiting.record.snd_nxt());
        self.timers.set(Timer::TimeWait(index), Some(deadline));
        match outcome {
            TimeWaitOutcome::Drop(reason) => Err(reason),
            TimeWaitOutcome::Reply(header, reason) => {
                self.send_bare(&tuple, header);
                Err(reason)
            }
            TimeWaitOutcome::Reuse => {
                self.stats.count(Counter::TimeWaitReuses);
                self.forget_time_wait(index);
                Ok(next)
            }
        }
    }
}
