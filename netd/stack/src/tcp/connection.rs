//! A connection as the stack keeps it: the protocol's counters, both ends, and what its client has
//! queued and given.
//!
//! *Owns* no bytes. Where the streams stand is the protocol's to know: it is asked, not copied.
//! *Invariants*, all in bytes of the respective stream:
//! `told <= arrived <= told + what is left of its rooms`,
//! `begin of the first send <= acked <= queued = end of the last send`.

use crate::bindings::Bindings;
use crate::config::Config;
use crate::demux::{Demux, Target};
use crate::error::SocketError;
use crate::family::Family;
use crate::hash::{Hasher, Tuple};
use crate::id::{ClientId, SocketId};
use crate::ip::out::Path;
use crate::nodes::Chain;
use crate::queues::Queues;
use crate::rng::Rng;
use crate::slab::Table;
use crate::tcp::aside::{Aside, AsidePlace, Asides};
use crate::tcp::cookie_cache::CookieCache;
use crate::tcp::cookies::{Cookies, HANDSHAKE};
use crate::tcp::fast_open::{Early, FastOpens};
use crate::tcp::half_open::HalfOpen;
use crate::tcp::listener::Listener;
use crate::tcp::time_wait::TimeWaiting;
use crate::tcp::ways::{UsedUp, Way, WayNumber, Ways};
use ::tcp::{Instant, Limits, MOST_QUEUED, Shared};
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// Where a connection is in its life with its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// In the accept queue of this listener.
    Listener(u32),
    /// A socket of this client.
    Socket(ClientId, SocketId),
    /// Its client has closed it and wants to hear when all is sent, as its [`Aside`] says.
    ///
    /// [`Aside`]: crate::tcp::aside::Aside
    Closing(ClientId),
    /// A question to a name server, by this number.
    Query(u16),
    /// A client that has not come back for it.
    Absent,
    /// Nobody.
    Nobody,
}

/// A [`Holder`] as a connection keeps it, in twelve bytes less what other fields fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Listener,
    Socket,
    Closing,
    Query,
    Absent,
    Nobody,
}

/// What has become true of a connection, beside what the protocol knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Fact {
    /// The first of [`Conn::rooms`] says what its client is still to be told of its beginning.
    Untold,
    Established,
    PeerFin,
    /// The end of the peer's stream may be acknowledged.
    EndPublished,
    /// Its client will send no more.
    SendClosed,
    /// Its client wants to receive no more.
    ReceiveClosed,
    OurFinAcked,
    /// No segment will be sent or taken any more.
    Over,
    /// The client knows that the connection is in doubt.
    DoubtTold,
    /// The client knows of the error.
    ErrorTold,
    /// Where the urgent bytes end has moved, and the client has not been told.
    UrgentIsNews,
    /// It has a durable record, or will have.
    Recorded,
    /// What a record would say may have changed since it was written.
    Changed,
    /// It has ended with an error.
    Failed,
    /// What was sent has been acknowledged, since the neighbour on the way was last in doubt.
    Progress,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Conn<A = Ipv4Addr> {
    pub(crate) tcp: ::tcp::Connection,
    pub(crate) tuple: Tuple<A>,
    /// Bytes to send, and since when.
    pub(crate) sends: Chain,
    /// Room to receive into; before it, as long as that is untold, its beginning.
    pub(crate) rooms: Chain,
    /// What only few have.
    pub(crate) aside: AsidePlace,
    /// Of the holder.
    client: Option<ClientId>,
    /// The holder's name, by its kind.
    name: u32,
    pub(crate) way: WayNumber,
    facts: u16,
    kind: Kind,
    pub(crate) ttl: u8,
    pub(crate) dscp: u8,
    /// If it has [`Fact::Failed`]: why. Else what a router has last said of it, which ends nothing
    /// (RFC 9293 3.9.2.2, soft errors).
    trouble: Option<SocketError>,
}

// There are ten million of them.
const _: () = assert!(size_of::<Conn>() <= 192);

impl Fact {
    const fn bit(self) -> u16 {
        1 << self as u8
    }
}

impl<A: Family> Conn<A> {
    pub(crate) fn new(tcp: ::tcp::Connection, tuple: Tuple<A>, way: WayNumber) -> Self {
        Self {
            tcp,
            tuple,
            sends: Chain::EMPTY,
            rooms: Chain::EMPTY,
            aside: AsidePlace::default(),
            client: None,
            name: 0,
            way,
            facts: 0,
            kind: Kind::Nobody,
            ttl: 0,
            dscp: 0,
            trouble: None,
        }
    }

    /// Whether this is true of it.
    #[inline]
    pub(crate) fn is(&self, fact: Fact) -> bool {
        self.facts & fact.bit() != 0
    }

    /// This is true from now on.
    #[inline]
    pub(crate) fn note(&mut self, fact: Fact) {
        self.facts |= fact.bit();
    }

    /// This is true from now on, or not.
    #[inline]
    pub(crate) fn set(&mut self, fact: Fact, is_true: bool) {
        self.facts = self.facts & !fact.bit() | if is_true { fact.bit() } else { 0 };
    }

    /// Why the connection may not go on for long (RFC 9293 3.8.3, 3.9.1.8).
    pub(crate) fn doubt(&self) -> Option<SocketError> {
        let silence = self.tcp.is_in_doubt().then_some(SocketError::TimedOut);
        let doubt = self.soft_error().or(silence);
        doubt.filter(|_| !self.is(Fact::Over))
    }

    /// Whether nothing is to be told but bytes that came and bytes that were sent: it has begun, and
    /// nothing else has happened to it.
    #[inline]
    pub(crate) fn has_bytes_alone_to_tell(&self) -> bool {
        const MORE: u16 = Fact::Untold.bit()
            | Fact::PeerFin.bit()
            | Fact::ReceiveClosed.bit()
            | Fact::Over.bit()
            | Fact::UrgentIsNews.bit();
        self.facts & MORE == 0
            && self.trouble.is_none()
            && self.kind == Kind::Socket
            && !self.tcp.is_in_doubt()
    }

    /// Why it has ended, if that was an error.
    pub(crate) fn error(&self) -> Option<SocketError> {
        self.trouble.filter(|_| self.is(Fact::Failed))
    }

    /// What a router has last said of it.
    pub(crate) fn soft_error(&self) -> Option<SocketError> {
        self.trouble.filter(|_| !self.is(Fact::Failed))
    }

    /// It ends with an error.
    pub(crate) fn fail(&mut self, error: SocketError) {
        self.trouble = Some(error);
        self.note(Fact::Failed);
    }

    /// A router says something of it, or what one has said counts no more.
    pub(crate) fn heed_router(&mut self, word: Option<SocketError>) {
        if !self.is(Fact::Failed) {
            self.trouble = word;
        }
    }

    /// Where it is in its life with its client.
    pub(crate) fn holder(&self) -> Holder {
        let name = SocketId::from_raw(self.name);
        match (self.kind, self.client, name) {
            (Kind::Listener, ..) => Holder::Listener(self.name),
            (Kind::Socket, Some(client), Some(socket)) => Holder::Socket(client, socket),
            (Kind::Closing, Some(client), _) => Holder::Closing(client),
            (Kind::Query, ..) => Holder::Query(u16::try_from(self.name).unwrap_or(u16::MAX)),
            (Kind::Absent, ..) => Holder::Absent,
            (Kind::Socket | Kind::Closing | Kind::Nobody, ..) => Holder::Nobody,
        }
    }

    /// It is this one's from now on.
    pub(crate) fn set_holder(&mut self, holder: Holder) {
        (self.kind, self.client, self.name) = match holder {
            Holder::Listener(listener) => (Kind::Listener, None, listener),
            Holder::Socket(client, socket) => (Kind::Socket, Some(client), socket.raw()),
            Holder::Closing(client) => (Kind::Closing, Some(client), 0),
            Holder::Query(query) => (Kind::Query, None, query.into()),
            Holder::Absent => (Kind::Absent, None, 0),
            Holder::Nobody => (Kind::Nobody, None, 0),
        };
    }

    /// Whether segments find it: it is not over, nor does it wait for its client to come back.
    #[inline]
    fn is_found(&self) -> bool {
        !self.is(Fact::Over) && self.kind != Kind::Absent
    }

    /// Its client has closed it.
    pub(crate) fn is_closing(&self) -> bool {
        self.kind == Kind::Closing
    }

    /// Whose memory its requests are in.
    #[inline]
    pub(crate) fn client(&self) -> Option<ClientId> {
        self.client
    }

    #[inline]
    pub(crate) fn socket(&self) -> Option<SocketId> {
        let socket = SocketId::from_raw(self.name);
        socket.filter(|_| self.kind == Kind::Socket)
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.tuple.local_end()
    }

    pub(crate) fn remote(&self) -> SocketAddr {
        self.tuple.remote_end()
    }

    /// Offset behind the last byte that is to be sent.
    pub(crate) fn queued(&self) -> u64 {
        self.tcp.queued()
    }

    /// Before this offset the peer has acknowledged everything.
    pub(crate) fn acked(&self) -> u64 {
        self.tcp.acknowledged()
    }

    /// Before this offset all bytes are in the client's memory.
    #[inline]
    pub(crate) fn arrived(&self) -> u64 {
        self.tcp.received()
    }

    /// Before this offset the client knows of all bytes, so that they may be acknowledged.
    #[inline]
    pub(crate) fn told(&self) -> u64 {
        self.tcp.published()
    }

    /// The client knows of all bytes before `offset`.
    pub(crate) fn publish(&mut self, offset: u64, now: Instant) {
        self.tcp.publish(offset, now);
    }

    /// Whether `bytes` more may be queued when at most `buffer` may wait to be acknowledged; zero: as
    /// many as can. When nothing waits, as many may.
    pub(crate) fn has_send_room(&self, bytes: u32, buffer: u32) -> bool {
        let waiting = self.queued().saturating_sub(self.acked());
        let limit = match buffer {
            0 => MOST_QUEUED,
            _ if waiting == 0 => MOST_QUEUED,
            buffer => buffer.min(MOST_QUEUED),
        };
        waiting.saturating_add(bytes.into()) <= limit.into()
    }

    /// All that the peer has sent is with the client, and it will send no more.
    pub(crate) fn at_eof(&self) -> bool {
        self.is(Fact::PeerFin) && self.told() == self.arrived()
    }
}

/// All of TCP's tables.
#[derive(Debug)]
pub(crate) struct Tcp {
    pub(crate) shared: Shared,
    pub(crate) tables: Both,
    /// Listening sockets, whichever family they hear.
    pub(crate) listeners: Table<Listener>,
}

/// A set for each family.
#[derive(Debug)]
pub(crate) struct Both {
    pub(crate) v4: Tables<Ipv4Addr>,
    pub(crate) v6: Tables<Ipv6Addr>,
}

impl Both {
    /// Those of the family named.
    #[inline(always)]
    pub(crate) fn of<A: Family>(&self) -> &Tables<A> {
        A::tables(self)
    }

    /// Those of the family named.
    #[inline(always)]
    pub(crate) fn of_mut<A: Family>(&mut self) -> &mut Tables<A> {
        A::tables_mut(self)
    }
}

/// The tables of one family.
#[derive(Debug)]
pub(crate) struct Tables<A> {
    pub(crate) connections: Table<Conn<A>>,
    /// The connection that the last segment was for.
    last: u32,
    pub(crate) asides: Asides,
    pub(crate) ways: Ways<A>,
    pub(crate) half_open: Table<HalfOpen<A>>,
    pub(crate) half_open_order: Queues,
    pub(crate) time_waits: Table<TimeWaiting<A>>,
    pub(crate) time_wait_order: Queues,
    pub(crate) demux: Demux,
    /// Local ports of sockets that are bound, listening or not; by socket name.
    pub(crate) bindings: Bindings<A, SocketId>,
    /// Listening sockets by port.
    pub(crate) listening: Bindings<A, u32>,
    /// The secret of what a connection begins with: its initial sequence number (RFC 6528), and what
    /// its timestamps count from (RFC 7323 5.4).
    pub(crate) secret: Hasher,
    pub(crate) cookies: Cookies,
    pub(crate) fast_opens: FastOpens,
    pub(crate) cookie_cache: CookieCache<A>,
}

impl Tcp {
    /// `rng` and `other` are the families' secrets' sources.
    pub(crate) fn new(config: &Config, rng: &mut Rng, other: &mut Rng) -> Self {
        let limits = Limits {
            orphan_timeout: config.fin_wait_2,
            hole_lists: config.disordered,
            busy_parts: config.sending,
            watches: config.watched,
            time_wait: config.time_wait,
            min_rto: config.min_rto,
            congestion_control: config.congestion_control,
            max_window: config.largest_window,
            ..Limits::default()
        };
        let mut shared = Shared::new(limits);
        shared.seed(rng.u64());
        Self {
            shared,
            tables: Both {
                v4: Tables::new(config, config.connections, rng),
                v6: Tables::new(config, config.connections6, other),
            },
            listeners: Table::new(config.listeners as usize),
        }
    }

    /// When the timer of a connection over this family is due.
    pub(crate) fn deadline<A: Family>(&self, connection: u32) -> Option<Instant> {
        let conn = self.tables.of::<A>().connections.at(connection)?;
        conn.tcp.next_deadline(&self.shared)
    }
}

impl<A: Family> Tables<A> {
    fn new(config: &Config, connections: u32, rng: &mut Rng) -> Self {
        let counts = [connections, config.half_open, config.time_waits];
        let [connections, half_open, time_waits] = counts.map(|count| count as usize);
        let listeners = config.listeners as usize;
        Self {
            connections: Table::new(connections),
            last: 0,
            asides: Asides::new(connections),
            ways: Ways::new(config.neighbours as usize, rng),
            half_open: Table::new(half_open),
            half_open_order: Queues::new(1, half_open),
            time_waits: Table::new(time_waits),
            time_wait_order: Queues::new(1, time_waits),
            demux: Demux::new([connections, half_open, time_waits], rng),
            bindings: Bindings::new(config.sockets as usize, rng),
            listening: Bindings::new(listeners, rng),
            secret: Hasher::new(rng),
            cookies: Cookies::new(rng, HANDSHAKE),
            fast_opens: FastOpens::new(rng, config.fast_opens),
            cookie_cache: CookieCache::new(config.fast_open_peers as usize, rng),
        }
    }

    /// The number of the way that a path is, found just now.
    pub(crate) fn way_number(&mut self, path: &Path<A>) -> WayNumber {
        self.ways.heed_version(path.version);
        let way = Way::from(path);
        let number = self.ways.number(way).or_else(|UsedUp| {
            // Once in 65,535 ways.
            let connections = self.connections.iter_mut();
            connections.for_each(|conn| conn.way = WayNumber::NONE);
            self.ways.forget();
            self.ways.number(way)
        });
        number.unwrap_or(WayNumber::NONE)
    }

    /// All bytes before this position of the peer's stream are urgent, as far as its client does not know
    /// of them: so many.
    pub(crate) fn urgent(&self, conn: &Conn<A>) -> u64 {
        let aside = self.asides.get(&conn.aside);
        aside.urgent_to.saturating_sub(conn.told())
    }

    /// The half-open record of a connection whose peer has not acknowledged our SYN.
    #[inline]
    pub(crate) fn early(&self, conn: &Conn<A>) -> Option<u32> {
        self.asides.get(&conn.aside).early.map(Early::index)
    }

    /// What `change` makes of what few connections have.
    pub(crate) fn set_aside(&mut self, connection: u32, change: impl FnOnce(&mut Aside)) {
        if let Some(conn) = self.connections.at_mut(connection) {
            self.asides.change(&mut conn.aside, change);
        }
    }

    /// [`Tables::find`], which is not asked again of the ends that the last segment was between, as long as a
    /// connection between them goes on.
    #[inline]
    pub(crate) fn find_again(&mut self, tuple: &Tuple<A>) -> Option<Target> {
        let last = self.connections.at(self.last);
        if last.is_some_and(|it| it.tuple == *tuple && it.is_found()) {
            let found = Some(Target::Connection(self.last));
            debug_assert_eq!(self.find(tuple), found, "it is found there");
            return found;
        }
        let found = self.find(tuple);
        if let Some(Target::Connection(index)) = found {
            self.last = index;
        }
        found
    }

    /// Whose segments between these ends are.
    #[inline]
    pub(crate) fn find(&self, tuple: &Tuple<A>) -> Option<Target> {
        self.demux.find(tuple, |target| {
            let ends = match target {
                Target::Connection(index) => self.connections.at(index).map(|it| it.tuple),
                Target::HalfOpen(index) => self.half_open.at(index).map(|it| it.tuple),
                Target::TimeWait(index) => self.time_waits.at(index).map(|it| it.tuple),
            };
            ends == Some(*tuple)
        })
    }

    /// Segments between these ends are nobody's any more, if they were this one's.
    pub(crate) fn part(&mut self, tuple: &Tuple<A>, target: Target) {
        let (connections, half_open) = (&self.connections, &self.half_open);
        let time_waits = &self.time_waits;
        self.demux.remove(tuple, target, |other| match other {
            Target::Connection(index) => connections.at(index).map(|it| it.tuple),
            Target::HalfOpen(index) => half_open.at(index).map(|it| it.tuple),
            Target::TimeWait(index) => time_waits.at(index).map(|it| it.tuple),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::InterfaceId;
    use ::tcp::{Connection, Mss, Seq, Setup, Tuning};

    fn connection(tcp: &mut Tcp, version: u32) -> u32 {
        let setup = Setup {
            isn: Seq::new(1),
            mss: Mss::DEFAULT_V4,
            peer_mss: Mss::DEFAULT_V4,
            timestamps: None,
            sack: true,
            ecn: false,
            tuning: Tuning::default(),
        };
        let ip = Ipv4Addr::LOCALHOST;
        let tuple = Tuple {
            local: ip,
            local_port: 1,
            remote: ip,
            remote_port: 2,
        };
        let path = Path {
            interface: InterfaceId::LOOPBACK,
            next_hop: ip,
            source: ip,
            mtu: 1_500,
            shared: false,
            version,
        };
        let way = tcp.tables.v4.way_number(&path);
        let connection = Connection::connect(setup, &tcp.shared, Instant::ZERO);
        let conn = Conn::new(connection, tuple, way);
        tcp.tables.v4.connections.insert(conn).unwrap()
    }

    #[test]
    fn a_way_is_known_until_routes_change_however_often() {
        let config = Config {
            connections: 3,
            ..Config::default()
        };
        let mut tcp = Tcp::new(&config, &mut Rng::new([9; 32]), &mut Rng::new([8; 32]));
        let is_known = |tcp: &Tcp, index| {
            let conn = tcp.tables.v4.connections.at(index);
            conn.is_some_and(|conn| tcp.tables.v4.ways.get(conn.way).is_some())
        };
        let (first, second) = (connection(&mut tcp, 0), connection(&mut tcp, 0));
        let way = |tcp: &Tcp, index| tcp.tables.v4.connections.at(index).map(|conn| conn.way);
        assert!(is_known(&tcp, first) && way(&tcp, first) == way(&tcp, second));
        // The numbers are used up, and begin again: nobody takes another's way for its own.
        let path = |version| Path {
            interface: InterfaceId::LOOPBACK,
            next_hop: Ipv4Addr::BROADCAST,
            source: Ipv4Addr::LOCALHOST,
            mtu: 576,
            shared: true,
            version,
        };
        for version in 1..200_000 {
            tcp.tables.v4.way_number(&path(version));
            assert!(!is_known(&tcp, first) && !is_known(&tcp, second));
        }
        let third = connection(&mut tcp, 7);
        assert!(is_known(&tcp, third));
    }

    #[test]
    fn a_holder_is_kept_as_it_was() {
        let mut tcp = Tcp::new(
            &Config::default(),
            &mut Rng::new([9; 32]),
            &mut Rng::new([8; 32]),
        );
        let index = connection(&mut tcp, 0);
        let conn = tcp.tables.v4.connections.at_mut(index).unwrap();
        let mut slab = crate::slab::Slab::new(9);
        let client = ClientId(slab.insert(()).unwrap());
        let socket = SocketId(slab.insert(()).unwrap());
        for holder in [
            Holder::Listener(u32::MAX),
            Holder::Socket(client, socket),
            Holder::Closing(client),
            Holder::Query(u16::MAX),
            Holder::Absent,
            Holder::Nobody,
        ] {
            conn.set_holder(holder);
            assert_eq!(conn.holder(), holder);
            let socket_held = (holder == Holder::Socket(client, socket)).then_some(socket);
            assert_eq!(conn.socket(), socket_held);
            let has_client = matches!(holder, Holder::Socket(..) | Holder::Closing(_));
            assert_eq!(conn.client().is_some(), has_client);
        }
    }
}
