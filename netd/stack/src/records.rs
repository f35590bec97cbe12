//! Durable records: when they are written, and where.
//!
//! *Owns* the one place through which everything goes that depends on a record: a connection that
//! is about to send ([`Stack::output`]) or to tell its client something ([`Stack::publish`]) passes
//! [`Stack::commit`] first, so no call of the owner can come too late or be forgotten. *Never*
//! writes more often than a turn needs: what a record says holds for everything that arrived
//! together, and for all that may leave because of it (see [`::tcp::Record`]).
//!
//! | slots | what |
//! | --- | --- |
//! | below [`Config::connections`] | connections over IPv4, by their place in the table, as long as they have one |
//! | behind them, [`Config::time_waits`] | those in TIME-WAIT |
//! | behind them, [`Config::half_open`] | half-open ones, as the connections that they may become |
//! | behind them | the same over IPv6, where [`Config::connections6`] are the connections |
//!
//! A connection has a record if its client has a number that outlives the stack
//! ([`Stack::client_open_as`]). Where nobody keeps records this costs two bits of each connection,
//! and a look at them.

use crate::config::Config;
use crate::family::Family;
use crate::record::{Owner, Record};
use crate::requests::Request;
use crate::stack::Stack;
use crate::stats::Counter;
use crate::tcp::connection::{Conn, Fact, Holder};
use ::tcp::Instant;
use alloc::boxed::Box;
use core::num::NonZeroU32;

/// Where records are kept: memory that outlives the stack.
pub trait Records: core::fmt::Debug + Send {
    /// The record of `slot`, which is below [`Config::record_slots`], is this from now on. When the
    /// call returns, whoever comes after a crash finds it; when it does not, the one before or this.
    fn commit(&mut self, slot: u32, record: &[u8; Record::LEN]);

    /// `slot` has no record any more.
    fn forget(&mut self, slot: u32);
}

/// What a record is of, by its place in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Connection(u32),
    TimeWait(u32),
    HalfOpen(u32),
}

/// What a slot is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    V4(Entry),
    V6(Entry),
}

impl Config {
    /// How many slots records need.
    #[must_use]
    pub const fn record_slots(&self) -> u32 {
        let first = self.family_slots(self.connections);
        first.saturating_add(self.family_slots(self.connections6))
    }

    /// How many a family needs that may have so many connections.
    const fn family_slots(&self, connections: u32) -> u32 {
        let before = connections.saturating_add(self.time_waits);
        before.saturating_add(self.half_open)
    }

    /// What a slot is of.
    pub(crate) const fn place_of(&self, slot: u32) -> Place {
        match slot.checked_sub(self.family_slots(self.connections)) {
            None => Place::V4(self.entry_of(slot, self.connections)),
            Some(behind) => Place::V6(self.entry_of(behind, self.connections6)),
        }
    }

    const fn entry_of(&self, slot: u32, connections: u32) -> Entry {
        let Some(behind) = slot.checked_sub(connections) else {
            return Entry::Connection(slot);
        };
        match behind.checked_sub(self.time_waits) {
            None => Entry::TimeWait(behind),
            Some(index) => Entry::HalfOpen(index),
        }
    }

    /// The slot of what is there.
    pub(crate) const fn slot_of(&self, place: Place) -> u32 {
        let (first, connections, entry) = match place {
            Place::V4(entry) => (0, self.connections, entry),
            Place::V6(entry) => {
                let first = self.family_slots(self.connections);
                (first, self.connections6, entry)
            }
        };
        let slot = match entry {
            Entry::Connection(index) => index,
            Entry::TimeWait(index) => connections.saturating_add(index),
            Entry::HalfOpen(index) => {
                let before = connections.saturating_add(self.time_waits);
                before.saturating_add(index)
            }
        };
        first.saturating_add(slot)
    }
}

impl<A: Family> Conn<A> {
    /// The record, if there is one, may not be what it should any more.
    #[inline]
    pub(crate) fn note_change(&mut self) {
        self.note(Fact::Changed);
    }

    /// Whether it must have a record before anything leaves.
    #[inline]
    fn is_uncommitted(&self) -> bool {
        self.is(Fact::Recorded) && self.is(Fact::Changed)
    }
}

impl Stack {
    /// From now on the connections of clients with numbers are recorded there.
    pub fn keep_records(&mut self, records: Box<dyn Records>) {
        self.records = Some(records);
    }

    /// Called before anything leaves that a connection has decided.
    #[inline]
    pub(crate) fn commit<A: Family>(&mut self, index: u32) {
        let conn = self.tcp.tables.of::<A>().connections.at(index);
        if conn.is_some_and(Conn::is_uncommitted) {
            self.write_record::<A>(index);
        }
    }

    #[cold]
    fn write_record<A: Family>(&mut self, index: u32) {
        let Some(conn) = self.tcp.tables.of::<A>().connections.at(index) else {
            return;
        };
        let record = self.record::<A>(conn);
        if let Some(conn) = self.tcp.tables.of_mut::<A>().connections.at_mut(index) {
            conn.set(Fact::Changed, false);
        }
        self.put_record::<A>(Entry::Connection(index), record.as_ref());
    }

    /// Whether the connections of `holder` are recorded.
    pub(crate) fn is_recorded(&self, holder: Holder) -> bool {
        if self.records.is_none() {
            return false;
        }
        let client = match holder {
            Holder::Listener(listener) => self.tcp.listeners.at(listener).map(|it| it.client),
            Holder::Socket(client, _) | Holder::Closing(client) => Some(client),
            Holder::Query(_) | Holder::Absent | Holder::Nobody => None,
        };
        client.is_some_and(|client| self.clients.number(client).is_some())
    }

    /// What a stack that starts anew needs of a connection; `None` if nothing was promised yet, or
    /// it has ended so that there is nothing to go on with.
    fn record<A: Family>(&self, conn: &Conn<A>) -> Option<Record> {
        // The peer of one that was opened at once may not have heard of it yet.
        if self.tcp.tables.of::<A>().early(conn).is_some() || conn.error().is_some() {
            return None;
        }
        let is_untold = conn.is(Fact::Untold);
        let (client, owner) = self.owner::<A>(conn, is_untold)?;
        // Whose client knows nothing of it gets its bytes again.
        let kept = if is_untold {
            conn.told()
        } else {
            conn.arrived()
        };
        Some(Record {
            tcp: conn.tcp.record(kept)?,
            client,
            owner,
            ..ends(conn)
        })
    }

    /// The number of a connection's client, and what it calls the connection.
    fn owner<A: Family>(&self, conn: &Conn<A>, is_untold: bool) -> Option<(u32, Owner)> {
        let (client, owner) = match conn.holder() {
            Holder::Listener(listener) => (self.tcp.listeners.at(listener)?.client, Owner::Waiting),
            Holder::Socket(client, socket) => {
                let first = self.requests.first(&conn.rooms).filter(|_| is_untold);
                match first {
                    Some(Request::Accepted(_)) => (client, Owner::Offered(socket)),
                    _ => (client, Owner::Socket(socket)),
                }
            }
            // Its client hears that it is closed, and needs it no more.
            Holder::Closing(..) if conn.is(Fact::OurFinAcked) => return Some((0, Owner::Nobody)),
            Holder::Closing(client) => {
                let token = self.tcp.tables.of::<A>().asides.get(&conn.aside).closing?;
                (client, Owner::Closing(token))
            }
            Holder::Nobody => return Some((0, Owner::Nobody)),
            Holder::Query(_) | Holder::Absent => return None,
        };
        Some((self.clients.number(client)?.get(), owner))
    }

    /// A connection is about to leave the table.
    pub(crate) fn forget_record<A: Family>(&mut self, index: u32) {
        let conn = self.tcp.tables.of::<A>().connections.at(index);
        if conn.is_some_and(|conn| conn.is(Fact::Recorded)) {
            self.put_record::<A>(Entry::Connection(index), None);
        }
    }

    /// What a connection leaves in TIME-WAIT.
    pub(crate) fn time_wait_record<A: Family>(&self, index: u32) -> Option<Record> {
        let conn = self.tcp.tables.of::<A>().connections.at(index)?;
        if !conn.is(Fact::Recorded) {
            return None;
        }
        Some(Record {
            tcp: conn.tcp.record(conn.arrived())?,
            client: 0,
            owner: Owner::Nobody,
            ..ends(conn)
        })
    }

    /// The SYN-ACK of a half-open connection is about to leave.
    pub(crate) fn commit_half_open<A: Family>(&mut self, index: u32, now: Instant) {
        let Some(half_open) = self.tcp.tables.of::<A>().half_open.at(index) else {
            return;
        };
        let holder = Holder::Listener(half_open.listener);
        if !self.is_recorded(holder) {
            return;
        }
        let listener = self.tcp.listeners.at(half_open.listener);
        let client = listener.map(|it| it.client);
        let number = client.and_then(|client| self.clients.number(client));
        let record = Record {
            tcp: half_open.entry.record(now),
            local: half_open.tuple.local_end(),
            remote: half_open.tuple.remote_end(),
            ttl: 0,
            dscp: 0,
            client: number.map_or(0, NonZeroU32::get),
            owner: Owner::Waiting,
        };
        self.put_record::<A>(Entry::HalfOpen(index), Some(&record));
    }

    /// The entry has this record from now on, or none.
    pub(crate) fn put_record<A: Family>(&mut self, entry: Entry, record: Option<&Record>) {
        let Some(records) = self.records.as_mut() else {
            return;
        };
        let slot = self.config.slot_of(A::record_place(entry));
        match record {
            Some(record) => {
                records.commit(slot, &record.emit());
                self.stats.count(Counter::RecordsCommitted);
            }
            None => records.forget(slot),
        }
    }
}

/// A record that says who talks to whom.
fn ends<A: Family>(conn: &Conn<A>) -> Record {
    Record {
        tcp: ::tcp::Record::from_bytes([0; ::tcp::Record::LEN]),
        local: conn.local(),
        remote: conn.remote(),
        ttl: conn.ttl,
        dscp: conn.dscp,
        client: 0,
        owner: Owner::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_is_of_one_place_alone() {
        let config = Config {
            connections: 5,
            connections6: 3,
            time_waits: 4,
            half_open: 2,
            ..Config::default()
        };
        assert_eq!(config.record_slots(), 5 + 4 + 2 + 3 + 4 + 2);
        for slot in 0..config.record_slots() {
            assert_eq!(config.slot_of(config.place_of(slot)), slot);
        }
        assert_eq!(config.place_of(4), Place::V4(Entry::Connection(4)));
        assert_eq!(config.place_of(9), Place::V4(Entry::HalfOpen(0)));
        assert_eq!(config.place_of(11), Place::V6(Entry::Connection(0)));
        assert_eq!(config.place_of(14), Place::V6(Entry::TimeWait(0)));
    }
}
