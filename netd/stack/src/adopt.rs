//! A stack takes over the connections of one that is gone.
//!
//! *Owns* the order of it. [`Stack::adopt`] takes the records; the connections that they are of wait
//! for their clients, and nobody is refused meanwhile. Each client comes back under its number
//! ([`Stack::client_open_as`]), listens again, sees what is left of its connections
//! ([`Stack::survivors`]) and says what it still holds of each ([`Stack::resume`]): what it waits to be
//! sent, and room to receive into. [`Stack::end_adoption`] resets what nobody has come back for.
//!
//! *Never* believes a record or a client: what contradicts itself or the other is refused, and only
//! the connection concerned ends.

use crate::client::Role;
use crate::config::Data;
use crate::demux::Target;
use crate::error::{AdoptError, ResumeError, SocketError};
use crate::family::Family;
use crate::hash::Tuple;
use crate::id::{ClientId, SocketId};
use crate::nodes::Chain;
use crate::record::{Owner, Record};
use crate::records::{Entry, Place};
use crate::requests::{Room, Send, Source, To, low};
use crate::stack::Stack;
use crate::stats::Counter;
use crate::survivor::{Resumption, Survivor};
use crate::tcp::connection::{Conn, Fact, Holder};
use crate::tcp::fast_open::NO_LISTENER;
use crate::tcp::half_open::HalfOpen;
use crate::tcp::time_wait::TimeWaiting;
use crate::tcp::ways::WayNumber;
use ::tcp::{BadRecord, Connection, Instant, Recollection, State, SynEntry};
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use core::num::NonZeroU32;

/// Connections that wait for their clients.
#[derive(Debug, Default)]
pub(crate) struct Adoption {
    /// Nobody is refused: who it is for may come back.
    pub(crate) is_under_way: bool,
    /// Sorted.
    absent: Vec<Survivor>,
}

impl Stack {
    /// Takes over what these records say, each with its slot, on a stack that has no connections yet.
    /// The slots keep their records. Returns what is refused; those records are forgotten. Until
    /// [`Stack::end_adoption`], segments for nobody are dropped without an answer.
    pub fn adopt<'a>(
        &mut self,
        records: impl IntoIterator<Item = (u32, &'a [u8; Record::LEN])>,
        now: Instant,
    ) -> Vec<(u32, AdoptError)> {
        self.adoption.is_under_way = true;
        let mut refused = Vec::new();
        let mut nobodys = Vec::new();
        for (slot, bytes) in records {
            let adopted = Record::parse(bytes).map_err(AdoptError::from);
            let adopted = adopted.and_then(|record| match self.config.place_of(slot) {
                _ if slot >= self.config.record_slots() => Err(AdoptError::Slot),
                Place::V4(entry) => self.adopt_entry::<Ipv4Addr>(entry, &record, now),
                Place::V6(entry) => self.adopt_entry::<Ipv6Addr>(entry, &record, now),
            });
            match adopted {
                Ok(survivor) => {
                    self.stats.count(Counter::RecordsAdopted);
                    match survivor {
                        Some(it) if it.owner == Owner::Nobody => nobodys.push(it),
                        Some(it) => self.adoption.absent.push(it),
                        None => {}
                    }
                }
                Err(error) => refused.push((slot, error)),
            }
        }
        self.relink::<Ipv4Addr>();
        self.relink::<Ipv6Addr>();
        self.clients.relink();
        self.adoption.absent.sort_unstable_by_key(Survivor::key);
        // A slot that is refused itself may have another's record.
        let has_slot = |it: &&(u32, AdoptError)| it.1 != AdoptError::Slot;
        for (slot, _) in refused.iter().filter(has_slot) {
            match self.config.place_of(*slot) {
                Place::V4(entry) => self.put_record::<Ipv4Addr>(entry, None),
                Place::V6(entry) => self.put_record::<Ipv6Addr>(entry, None),
            }
        }
        self.stats
            .add(Counter::RecordsRefused, refused.len() as u64);
        for survivor in nobodys {
            match survivor.remote {
                SocketAddr::V4(_) => self.go_on_alone::<Ipv4Addr>(survivor.index, now),
                SocketAddr::V6(_) => self.go_on_alone::<Ipv6Addr>(survivor.index, now),
            }
        }
        refused
    }

    /// What was put is in its place: others may follow.
    fn relink<A: Family>(&mut self) {
        let tables = self.tcp.tables.of_mut::<A>();
        tables.connections.relink();
        tables.time_waits.relink();
        tables.half_open.relink();
    }

    /// Takes over what one record says; a connection is not somebody's again yet.
    fn adopt_entry<A: Family>(
        &mut self,
        entry: Entry,
        record: &Record,
        now: Instant,
    ) -> Result<Option<Survivor>, AdoptError> {
        match entry {
            Entry::Connection(index) => self.adopt_connection::<A>(index, record, now).map(Some),
            Entry::TimeWait(index) => self.adopt_time_wait::<A>(index, record, now).map(|()| None),
            Entry::HalfOpen(index) => self.adopt_half_open::<A>(index, record, now).map(|()| None),
        }
    }

    fn adopt_connection<A: Family>(
        &mut self,
        slot: u32,
        record: &Record,
        now: Instant,
    ) -> Result<Survivor, AdoptError> {
        let tuple = tuple::<A>(record)?;
        let open = record.tcp.restore(now)?;
        let mut conn = Conn::new(Connection::from(open), tuple, WayNumber::NONE);
        (conn.ttl, conn.dscp) = (record.ttl, record.dscp);
        let state = conn.tcp.state();
        let is_peer_done = conn.tcp.has_peer_finished();
        let is_acknowledged = matches!(state, State::FinWait2 | State::TimeWait | State::Closed);
        let is_closed = !matches!(state, State::Established | State::CloseWait);
        for (fact, is_true) in [
            (Fact::Established, true),
            (Fact::Recorded, self.records.is_some()),
            (Fact::PeerFin, is_peer_done),
            (Fact::SendClosed, is_closed),
            (Fact::OurFinAcked, is_acknowledged),
        ] {
            conn.set(fact, is_true);
        }
        let survivor = Survivor {
            client: record.client,
            index: slot,
            owner: record.owner,
            local: record.local,
            remote: record.remote,
            received: conn.arrived(),
            acknowledged: conn.acked(),
        };
        if record.owner != Owner::Nobody {
            conn.set_holder(Holder::Absent);
        }
        if self.tcp.tables.of::<A>().connections.at(slot).is_some() {
            return Err(AdoptError::Slot);
        }
        if let Owner::Socket(socket) | Owner::Offered(socket) = record.owner
            && !self.clients.put(socket, A::connection_role(slot, None))
        {
            return Err(AdoptError::Name);
        }
        if !self.tcp.tables.of_mut::<A>().connections.put(slot, conn) {
            return Err(AdoptError::Slot);
        }
        Ok(survivor)
    }

    fn adopt_time_wait<A: Family>(
        &mut self,
        index: u32,
        record: &Record,
        now: Instant,
    ) -> Result<(), AdoptError> {
        let tuple = self.free_tuple(record)?;
        let connection = Connection::from(record.tcp.restore(now)?);
        let record = connection.time_wait(&self.tcp.shared, now);
        let record = record.ok_or(AdoptError::Record(BadRecord::Contradiction))?;
        let waiting = TimeWaiting { record, tuple };
        if !self.tcp.tables.of_mut::<A>().time_waits.put(index, waiting) {
            return Err(AdoptError::Slot);
        }
        self.tcp
            .tables
            .of_mut::<A>()
            .demux
            .insert(&tuple, Target::TimeWait(index));
        self.time_wait_begins::<A>(index);
        Ok(())
    }

    fn adopt_half_open<A: Family>(
        &mut self,
        index: u32,
        record: &Record,
        now: Instant,
    ) -> Result<(), AdoptError> {
        let half_open = HalfOpen {
            entry: SynEntry::restore(&record.tcp, now)?,
            tuple: self.free_tuple(record)?,
            listener: NO_LISTENER,
        };
        if !self
            .tcp
            .tables
            .of_mut::<A>()
            .half_open
            .put(index, half_open)
        {
            return Err(AdoptError::Slot);
        }
        self.half_open_begins::<A>(index);
        self.half_open_output::<A>(index, None, now);
        Ok(())
    }

    /// Both ends of what nobody but this is to be found by.
    fn free_tuple<A: Family>(&self, record: &Record) -> Result<Tuple<A>, AdoptError> {
        let tuple = tuple::<A>(record)?;
        let is_free = self.tcp.tables.of::<A>().find(&tuple).is_none();
        is_free.then_some(tuple).ok_or(AdoptError::Ends)
    }

    /// Segments find the connection again. `false` if others have taken its ends; it may be one that
    /// is over, but for what its client has not been told.
    fn put_back<A: Family>(&mut self, index: u32) -> bool {
        let Some(conn) = self.tcp.tables.of_mut::<A>().connections.at_mut(index) else {
            return false;
        };
        let is_done = matches!(conn.tcp.state(), State::TimeWait | State::Closed);
        let tuple = conn.tuple;
        // It has been more than half open since that was recorded.
        if let Some(Target::HalfOpen(before)) = self.tcp.tables.of::<A>().find(&tuple) {
            self.forget_half_open::<A>(before);
        }
        match self.tcp.tables.of::<A>().find(&tuple) {
            Some(Target::TimeWait(_)) if is_done => {
                if let Some(conn) = self.tcp.tables.of_mut::<A>().connections.at_mut(index) {
                    conn.note(Fact::Over);
                }
                true
            }
            Some(_) => false,
            None => {
                self.tcp
                    .tables
                    .of_mut::<A>()
                    .demux
                    .insert(&tuple, Target::Connection(index));
                let _way = self.tcp_path::<A>(index);
                true
            }
        }
    }

    /// A connection whose client had left ends as it would have.
    fn go_on_alone<A: Family>(&mut self, index: u32, now: Instant) {
        let is_back = self.put_back::<A>(index);
        let Some(conn) = self.tcp.tables.of_mut::<A>().connections.at_mut(index) else {
            return;
        };
        if !is_back || conn.is(Fact::Over) {
            self.tcp_forget::<A>(index);
            return;
        }
        let outcome = conn.tcp.orphan(&mut self.tcp.shared, now);
        self.apply_outcome::<A>(index, &outcome, now);
    }

    /// The connections of a client that it has not come back for.
    pub fn survivors(&self, client: ClientId) -> impl Iterator<Item = Survivor> + '_ {
        let number = self.clients.number(client).map_or(0, NonZeroU32::get);
        let absent = &self.adoption.absent;
        let first = absent.partition_point(|it| it.client < number);
        let own = absent.iter().skip(first);
        own.take_while(move |it| it.client == number)
            .filter(|it| self.is_absent(it))
            .copied()
    }

    fn is_absent(&self, survivor: &Survivor) -> bool {
        let index = survivor.index;
        let holder = match survivor.remote {
            SocketAddr::V4(_) => self.holder::<Ipv4Addr>(index),
            SocketAddr::V6(_) => self.holder::<Ipv6Addr>(index),
        };
        holder == Some(Holder::Absent)
    }

    fn holder<A: Family>(&self, index: u32) -> Option<Holder> {
        let conn = self.tcp.tables.of::<A>().connections.at(index);
        conn.map(Conn::holder)
    }

    /// What is known of this one of the client's, if nobody has come back for it.
    fn survivor(&self, client: ClientId, named: &Survivor) -> Result<Survivor, ResumeError> {
        let client = self.clients.number(client).map_or(0, NonZeroU32::get);
        let key = Survivor { client, ..*named }.key();
        let absent = &self.adoption.absent;
        let place = absent.binary_search_by_key(&key, Survivor::key);
        let found = place.ok().and_then(|place| absent.get(place));
        found
            .filter(|it| self.is_absent(it))
            .copied()
            .ok_or(ResumeError::BadSurvivor)
    }

    /// The client comes back for a connection, under the name that it had. What is to be sent leaves
    /// again from where the peer has acknowledged it, what was received is acknowledged again; then it
    /// is a connection like any other. (Its options are as in the beginning, and to be chosen again.)
    ///
    /// # Errors
    /// See [`ResumeError`]; what is said there of the connection holds.
    pub fn resume(
        &mut self,
        client: ClientId,
        survivor: &Survivor,
        held: &Resumption<'_>,
        now: Instant,
    ) -> Result<(), ResumeError> {
        match survivor.remote {
            SocketAddr::V4(_) => self.resume_in::<Ipv4Addr>(client, survivor, held, now),
            SocketAddr::V6(_) => self.resume_in::<Ipv6Addr>(client, survivor, held, now),
        }
    }

    fn resume_in<A: Family>(
        &mut self,
        client: ClientId,
        survivor: &Survivor,
        held: &Resumption<'_>,
        now: Instant,
    ) -> Result<(), ResumeError> {
        let survivor = &self.survivor(client, survivor)?;
        let mut closing = None;
        let holder = match survivor.owner {
            Owner::Socket(socket) | Owner::Offered(socket) => Holder::Socket(client, socket),
            Owner::Closing(token) => {
                closing = Some(token);
                Holder::Closing(client)
            }
            Owner::Waiting | Owner::Nobody => return Err(ResumeError::BadSurvivor),
        };
        let (mut rooms, mut sends) = (Chain::EMPTY, Chain::EMPTY);
        let resumed = self
            .queue_again(client, held, &mut rooms, &mut sends)
            .and_then(|user| self.give_back(client, holder).map(|()| user))
            .and_then(|user| self.go_on::<A>(survivor, &user, now));
        if let Err(error) = resumed {
            self.forget_requests(&mut rooms);
            self.forget_requests(&mut sends);
            return Err(error);
        }
        let tables = self.tcp.tables.of_mut::<A>();
        if let Some(conn) = tables.connections.at_mut(survivor.index) {
            (conn.rooms, conn.sends) = (rooms, sends);
            conn.set_holder(holder);
            conn.note_change();
            tables
                .asides
                .change(&mut conn.aside, |aside| aside.closing = closing);
        }
        self.tell(client, A::connection(survivor.index));
        self.settle::<A>(survivor.index, now);
        Ok(())
    }

    /// The client's sends and rooms wait again. Returns where the streams stand then.
    fn queue_again(
        &mut self,
        client: ClientId,
        held: &Resumption<'_>,
        rooms: &mut Chain,
        sends: &mut Chain,
    ) -> Result<Recollection, ResumeError> {
        let limit = usize::from(self.config.requests_per_socket);
        if held.rooms.len() > limit || held.sends.len() > limit {
            return Err(ResumeError::TooMany);
        }
        let owner = self.clients.index(client);
        let mut user = Recollection {
            told: held.received,
            room: held.received,
            sent: held.sent,
            queued: held.sent,
        };
        for (range, token) in held.rooms {
            let end = range.offset.checked_add(range.length.into());
            if range.length == 0 || end.is_none() {
                return Err(ResumeError::BadRange);
            }
            let room = Room {
                token: *token,
                range: *range,
                used: 0,
            };
            let pushed = self.requests.push(rooms, owner, room);
            pushed.map_err(|_| ResumeError::TooMany)?;
            user.room = user.room.saturating_add(range.length.into());
        }
        for (data, token) in held.sends {
            let (source, length) = self.source(owner, *data)?;
            user.queued = user.queued.saturating_add(length.into());
            let send = Send {
                token: *token,
                source,
                length,
                to: To::Stream(low(user.queued)),
            };
            if self.requests.push(sends, owner, send).is_err() {
                self.release(source);
                return Err(ResumeError::TooMany);
            }
        }
        // Sends know their places modulo 2^32.
        if user.queued.saturating_sub(user.sent) > u32::MAX.into() {
            return Err(ResumeError::BadRange);
        }
        Ok(user)
    }

    fn source(&mut self, owner: u32, data: Data<'_>) -> Result<(Source, u32), ResumeError> {
        match data {
            Data::Arena(range) => {
                let end = range.offset.checked_add(range.length.into());
                end.ok_or(ResumeError::BadRange)?;
                Ok((Source::Arena(range.offset), range.length))
            }
            Data::Inline(bytes) => {
                let length = u32::try_from(bytes.len()).map_err(|_| ResumeError::BadRange)?;
                let buffer = self.inline.keep(owner, bytes);
                Ok((Source::Inline(buffer.ok_or(ResumeError::TooMany)?), length))
            }
        }
    }

    /// The socket is the client's again.
    fn give_back(&mut self, client: ClientId, holder: Holder) -> Result<(), ResumeError> {
        match holder {
            Holder::Socket(_, socket) => {
                let given = self.clients.give(client, socket);
                given.map_err(|_| ResumeError::TooMany)
            }
            _ => Ok(()),
        }
    }

    fn go_on<A: Family>(
        &mut self,
        survivor: &Survivor,
        user: &Recollection,
        now: Instant,
    ) -> Result<(), ResumeError> {
        let conn = self
            .tcp
            .tables
            .of_mut::<A>()
            .connections
            .at_mut(survivor.index);
        let conn = conn.ok_or(ResumeError::BadSurvivor)?;
        if conn.tcp.resume(user, now).is_err() {
            self.reset_survivor::<A>(survivor, now);
            return Err(ResumeError::Contradiction);
        }
        if !self.put_back::<A>(survivor.index) {
            self.forget_survivor::<A>(survivor);
            return Err(ResumeError::Taken);
        }
        Ok(())
    }

    /// Nobody gets it back, and its peer is told.
    fn reset_survivor<A: Family>(&mut self, survivor: &Survivor, now: Instant) {
        self.tcp_abort::<A>(survivor.index, Some(SocketError::Closed), now);
        self.forget_survivor::<A>(survivor);
    }

    /// Nobody gets it back.
    fn forget_survivor<A: Family>(&mut self, survivor: &Survivor) {
        if let Owner::Socket(socket) | Owner::Offered(socket) = survivor.owner {
            self.clients.forget(socket);
        }
        self.tcp_forget::<A>(survivor.index);
    }

    /// A connection that waited to be accepted waits again, at this listener of its client.
    ///
    /// # Errors
    /// See [`ResumeError`]; what is said there of the connection holds.
    pub fn requeue(
        &mut self,
        client: ClientId,
        survivor: &Survivor,
        listener: SocketId,
        now: Instant,
    ) -> Result<(), ResumeError> {
        let role = self.clients.socket(client, listener).map(|it| it.role);
        let Ok(Role::Listener(listener)) = role else {
            return Err(ResumeError::NotListening);
        };
        match survivor.remote {
            SocketAddr::V4(_) => self.requeue_in::<Ipv4Addr>(client, survivor, listener, now),
            SocketAddr::V6(_) => self.requeue_in::<Ipv6Addr>(client, survivor, listener, now),
        }
    }

    fn requeue_in<A: Family>(
        &mut self,
        client: ClientId,
        survivor: &Survivor,
        listener: u32,
        now: Instant,
    ) -> Result<(), ResumeError> {
        let survivor = &self.survivor(client, survivor)?;
        if !matches!(survivor.owner, Owner::Waiting | Owner::Offered(_)) {
            return Err(ResumeError::BadSurvivor);
        }
        let at = self.tcp.listeners.at(listener);
        if at.is_none_or(|at| at.is_full()) {
            return Err(ResumeError::TooMany);
        }
        let (index, received) = (survivor.index, survivor.received);
        let unread = Recollection {
            told: received,
            room: received,
            sent: survivor.acknowledged,
            queued: survivor.acknowledged,
        };
        self.go_on::<A>(survivor, &unread, now)?;
        if let Owner::Offered(socket) = survivor.owner {
            self.clients.forget(socket);
        }
        if let Some(conn) = self.tcp.tables.of_mut::<A>().connections.at_mut(index) {
            conn.set_holder(Holder::Listener(listener));
            conn.note_change();
        }
        if let Some(at) = self.tcp.listeners.at_mut(listener) {
            at.queue.complete(A::waiting(index));
        }
        self.settle::<A>(index, now);
        self.pair(listener, now);
        Ok(())
    }

    /// All clients that will come back have done so: what is left of the others' is reset, and who
    /// sends to nobody is refused again.
    pub fn end_adoption(&mut self, now: Instant) {
        self.adoption.is_under_way = false;
        for survivor in core::mem::take(&mut self.adoption.absent) {
            if self.is_absent(&survivor) {
                match survivor.remote {
                    SocketAddr::V4(_) => self.reset_survivor::<Ipv4Addr>(&survivor, now),
                    SocketAddr::V6(_) => self.reset_survivor::<Ipv6Addr>(&survivor, now),
                }
            }
        }
    }
}

/// Both ends, if anybody can be connected so, over this family.
fn tuple<A: Family>(record: &Record) -> Result<Tuple<A>, AdoptError> {
    let host = |end: SocketAddr| {
        let ip = A::of(end.ip()).filter(|ip| ip.is_host());
        ip.ok_or(AdoptError::Ends)
    };
    Ok(Tuple {
        local: host(record.local)?,
        local_port: record.local.port(),
        remote: host(record.remote)?,
        remote_port: record.remote.port(),
    })
}
