//! TIME-WAIT: small records of connections that are over, so that their last segments meet a friend.
//!
//! *Owns* the records; the oldest makes way when there are too many, which is safe enough: its
//! remaining time only guards against segments older than itself. All wait equally long, so they are
//! over in the order in which their time began, and one timer is enough for all.

use crate::demux::Target;
use crate::hash::Tuple;
use crate::records::Entry;
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
    pub(crate) fn time_wait_start(
        &mut self,
        record: TimeWait,
        tuple: &Tuple<Ipv4Addr>,
        connection: u32,
    ) {
        if self.tcp.time_waits.len() >= self.tcp.time_waits.limit()
            && let Some(oldest) = self.tcp.time_wait_order.first(0)
        {
            self.stats.count(Counter::TimeWaitOverflows);
            self.forget_time_wait(oldest);
        }
        let was = Target::Connection(connection);
        let (durable, tuple) = (self.time_wait_record(connection), *tuple);
        let Some(index) = self.tcp.time_waits.insert(TimeWaiting { record, tuple }) else {
            return self.tcp.part(&tuple, was);
        };
        self.tcp.demux.turn(&tuple, was, Target::TimeWait(index));
        self.time_wait_begins(index);
        if durable.is_some() {
            // First what its client is still to hear of: a record of an earlier state would find its
            // ends taken.
            self.commit(connection);
            self.put_record(Entry::TimeWait(index), durable.as_ref());
        }
    }

    /// Its time runs.
    pub(crate) fn time_wait_begins(&mut self, index: u32) {
        let waiting = self.tcp.time_waits.at(index);
        let deadline = waiting.map(|waiting| waiting.record.deadline());
        if self.tcp.time_wait_order.is_empty(0) {
            self.timers.set(Timer::TimeWait, deadline);
        }
        self.tcp.time_wait_order.push(0, index);
    }

    /// The time of the oldest may be over.
    pub(crate) fn fire_time_wait(&mut self, now: Instant) {
        while let Some(oldest) = self.tcp.time_wait_order.first(0) {
            let deadline = self
                .tcp
                .time_waits
                .at(oldest)
                .map(|it| it.record.deadline());
            if let Some(deadline) = deadline.filter(|deadline| *deadline > now) {
                return self.timers.set(Timer::TimeWait, Some(deadline));
            }
            self.forget_time_wait(oldest);
        }
    }

    /// The time is over.
    fn forget_time_wait(&mut self, index: u32) {
        self.tcp.time_wait_order.remove(index);
        if let Some(waiting) = self.tcp.time_waits.remove_at(index) {
            let target = Target::TimeWait(index);
            self.tcp.part(&waiting.tuple, target);
            self.put_record(Entry::TimeWait(index), None);
        }
        if self.tcp.time_wait_order.is_empty(0) {
            self.timers.disarm(Timer::TimeWait);
        }
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
        let len = segment.payload_len();
        let tuple = waiting.tuple;
        let before = waiting.record.deadline();
        let outcome = waiting
            .record
            .input(&mut self.tcp.shared, &segment.header, len, now);
        let next = waiting.record.snd_nxt();
        if waiting.record.deadline() != before {
            // Its time has begun anew: it is the youngest.
            self.tcp.time_wait_order.push(0, index);
        }
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
