//! TIME-WAIT: small records of connections that are over, so that their last segments meet a friend.
//!
//! *Owns* the records; the oldest makes way when there are too many, which is safe enough: its
//! remaining time only guards against segments older than itself. All wait equally long, so they are
//! over in the order in which their time began, and one timer is enough for all.

use crate::demux::Target;
use crate::family::Family;
use crate::hash::Tuple;
use crate::records::Entry;
use crate::stack::Stack;
use crate::stats::Counter;
use ::tcp::{Instant, Seq, TimeWait, TimeWaitOutcome};
use core::net::Ipv4Addr;
use wire::Drop;
use wire::tcp::Segment;

/// A record.
#[derive(Debug)]
pub(crate) struct TimeWaiting<A = Ipv4Addr> {
    pub(crate) record: TimeWait,
    pub(crate) tuple: Tuple<A>,
}

impl Stack {
    /// A connection is over but for late segments.
    pub(crate) fn time_wait_start<A: Family>(
        &mut self,
        record: TimeWait,
        tuple: &Tuple<A>,
        connection: u32,
    ) {
        if self.tcp.tables.of::<A>().time_waits.len()
            >= self.tcp.tables.of::<A>().time_waits.limit()
            && let Some(oldest) = self.tcp.tables.of::<A>().time_wait_order.first(0)
        {
            self.stats.count(Counter::TimeWaitOverflows);
            self.forget_time_wait::<A>(oldest);
        }
        let was = Target::Connection(connection);
        let (durable, tuple) = (self.time_wait_record::<A>(connection), *tuple);
        let Some(index) = self
            .tcp
            .tables
            .of_mut::<A>()
            .time_waits
            .insert(TimeWaiting { record, tuple })
        else {
            return self.tcp.tables.of_mut::<A>().part(&tuple, was);
        };
        self.tcp
            .tables
            .of_mut::<A>()
            .demux
            .turn(&tuple, was, Target::TimeWait(index));
        self.time_wait_begins::<A>(index);
        if durable.is_some() {
            // First what its client is still to hear of: a record of an earlier state would find its
            // ends taken.
            self.commit::<A>(connection);
            self.put_record::<A>(Entry::TimeWait(index), durable.as_ref());
        }
    }

    /// Its time runs.
    pub(crate) fn time_wait_begins<A: Family>(&mut self, index: u32) {
        let waiting = self.tcp.tables.of::<A>().time_waits.at(index);
        let deadline = waiting.map(|waiting| waiting.record.deadline());
        if self.tcp.tables.of::<A>().time_wait_order.is_empty(0) {
            self.timers.set(A::TIME_WAIT_TIMER, deadline);
        }
        self.tcp.tables.of_mut::<A>().time_wait_order.push(0, index);
    }

    /// The time of the oldest may be over.
    pub(crate) fn fire_time_wait<A: Family>(&mut self, now: Instant) {
        while let Some(oldest) = self.tcp.tables.of::<A>().time_wait_order.first(0) {
            let deadline = self
                .tcp
                .tables
                .of::<A>()
                .time_waits
                .at(oldest)
                .map(|it| it.record.deadline());
            if let Some(deadline) = deadline.filter(|deadline| *deadline > now) {
                return self.timers.set(A::TIME_WAIT_TIMER, Some(deadline));
            }
            self.forget_time_wait::<A>(oldest);
        }
    }

    /// The time is over.
    fn forget_time_wait<A: Family>(&mut self, index: u32) {
        self.tcp.tables.of_mut::<A>().time_wait_order.remove(index);
        if let Some(waiting) = self.tcp.tables.of_mut::<A>().time_waits.remove_at(index) {
            let target = Target::TimeWait(index);
            self.tcp.tables.of_mut::<A>().part(&waiting.tuple, target);
            self.put_record::<A>(Entry::TimeWait(index), None);
        }
        if self.tcp.tables.of::<A>().time_wait_order.is_empty(0) {
            self.timers.disarm(A::TIME_WAIT_TIMER);
        }
    }

    /// A segment for a connection that is over. `Ok` with a sequence number: it opens a new one
    /// (RFC 6191), beyond that number.
    pub(crate) fn time_wait_input<A: Family>(
        &mut self,
        index: u32,
        segment: &Segment<'_>,
        now: Instant,
    ) -> Result<Seq, Drop> {
        let Some(waiting) = self.tcp.tables.of_mut::<A>().time_waits.at_mut(index) else {
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
            self.tcp.tables.of_mut::<A>().time_wait_order.push(0, index);
        }
        match outcome {
            TimeWaitOutcome::Drop(reason) => Err(reason),
            TimeWaitOutcome::Reply(header, reason) => {
                self.send_bare::<A>(&tuple, header);
                Err(reason)
            }
            TimeWaitOutcome::Reuse => {
                self.stats.count(Counter::TimeWaitReuses);
                self.forget_time_wait::<A>(index);
                Ok(next)
            }
        }
    }
}
