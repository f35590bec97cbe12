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
use crate::hash::{Hasher, Tuple};
use crate::id::{ClientId, SocketId, Token};
use crate::ip::out::{Path, Way};
use crate::nodes::{Chain, Cursor};
use crate::path_mtus::PathMtus;
use crate::queues::Queues;
use crate::rng::Rng;
use crate::slab::Table;
use crate::tcp::cookie_cache::CookieCache;
use crate::tcp::cookies::{Cookies, HANDSHAKE};
use crate::tcp::fast_open::{Early, FastOpens};
use crate::tcp::half_open::HalfOpen;
use crate::tcp::listener::Listener;
use crate::tcp::time_wait::TimeWaiting;
use ::tcp::{Instant, Limits, MOST_QUEUED, Shared};
use core::net::{Ipv4Addr, SocketAddr};

/// Where a connection is in its life with its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// In the accept queue of this listener.
    Listener(u32),
    /// A socket of this client.
    Socket(ClientId, SocketId),
    /// Its client has closed it and wants to hear when all is sent.
    Closing(ClientId, Token),
    /// A question to a name server, by this number.
    Query(u16),
    /// A client that has not come back for it.
    Absent,
    /// Nobody.
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
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) tcp: ::tcp::Connection,
    pub(crate) tuple: Tuple<Ipv4Addr>,
    pub(crate) way: Option<Way>,
    pub(crate) holder: Holder,
    /// Bytes to send, and since when.
    pub(crate) sends: Chain,
    /// The send that the last segment was read from.
    pub(crate) cursor: Cursor,
    /// Room to receive into; before it, as long as that is untold, its beginning.
    pub(crate) rooms: Chain,
    /// So many bytes behind those that the client knows of are urgent (RFC 9293 3.8.5, RCV.UP).
    pub(crate) urgent: u32,
    /// Its half-open record, as long as the peer has not acknowledged our SYN (RFC 7413).
    pub(crate) early: Option<Early>,
    facts: u16,
    pub(crate) ttl: u8,
    pub(crate) dscp: u8,
    pub(crate) error: Option<SocketError>,
    /// What a router has last said of it; it ends nothing (RFC 9293 3.9.2.2, soft errors).
    pub(crate) soft_error: Option<SocketError>,
}

// There are ten million of them.
const _: () = assert!(size_of::<Conn>() <= size_of::<::tcp::Connection>() + 64);

impl Fact {
    const fn bit(self) -> u16 {
        1 << self as u8
    }
}

impl Conn {
    pub(crate) fn new(tcp: ::tcp::Connection, tuple: Tuple<Ipv4Addr>, path: Option<Path>) -> Self {
        Self {
            tcp,
            tuple,
            way: path.map(Way::from),
            holder: Holder::Nobody,
            sends: Chain::EMPTY,
            cursor: Cursor::NOWHERE,
            rooms: Chain::EMPTY,
            urgent: 0,
            early: None,
            facts: 0,
            ttl: 0,
            dscp: 0,
            error: None,
            soft_error: None,
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
        self.soft_error.or(silence).filter(|_| !self.is(Fact::Over))
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
            && self.soft_error.is_none()
            && matches!(self.holder, Holder::Socket(..))
            && !self.tcp.is_in_doubt()
    }

    /// Whose memory its requests are in.
    pub(crate) fn client(&self) -> Option<ClientId> {
        match self.holder {
            Holder::Socket(client, _) | Holder::Closing(client, _) => Some(client),
            Holder::Listener(_) | Holder::Query(_) | Holder::Absent | Holder::Nobody => None,
        }
    }

    pub(crate) fn socket(&self) -> Option<SocketId> {
        match self.holder {
            Holder::Socket(_, socket) => Some(socket),
            Holder::Listener(_)
            | Holder::Closing(..)
            | Holder::Query(_)
            | Holder::Absent
            | Holder::Nobody => None,
        }
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.tuple.local_end()
    }

    pub(crate) fn remote(&self) -> SocketAddr {
        self.tuple.remote_end()
    }

    /// The send at this place is about to be taken out.
    pub(crate) fn forget_cursor(&mut self, place: Cursor) {
        if self.cursor == place {
            self.cursor = Cursor::NOWHERE;
        }
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
        let told = u32::try_from(offset.saturating_sub(self.told())).unwrap_or(u32::MAX);
        self.urgent = self.urgent.saturating_sub(told);
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
    pub(crate) connections: Table<Conn>,
    /// The upper half of the routes' version with which the connections' ways were found.
    ways_version: u32,
    pub(crate) half_open: Table<HalfOpen>,
    pub(crate) half_open_order: Queues,
    pub(crate) time_waits: Table<TimeWaiting>,
    pub(crate) time_wait_order: Queues,
    pub(crate) listeners: Table<Listener>,
    pub(crate) demux: Demux,
    /// Local ports of sockets that are bound, listening or not; by socket name.
    pub(crate) bindings: Bindings<Ipv4Addr, SocketId>,
    /// Listening sockets by port.
    pub(crate) listening: Bindings<Ipv4Addr, u32>,
    /// The secret of what a connection begins with: its initial sequence number (RFC 6528), and what
    /// its timestamps count from (RFC 7323 5.4).
    pub(crate) secret: Hasher,
    pub(crate) cookies: Cookies,
    pub(crate) fast_opens: FastOpens,
    pub(crate) cookie_cache: CookieCache<Ipv4Addr>,
    pub(crate) path_mtus: PathMtus<Ipv4Addr>,
}

impl Tcp {
    pub(crate) fn new(config: &Config, rng: &mut Rng) -> Self {
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
        let counts = [config.connections, config.half_open, config.time_waits];
        let [connections, half_open, time_waits] = counts.map(|count| count as usize);
        let listeners = config.listeners as usize;
        let mut shared = Shared::new(limits);
        shared.seed(rng.u64());
        Self {
            shared,
            connections: Table::new(connections),
            ways_version: 0,
            half_open: Table::new(half_open),
            half_open_order: Queues::new(1, half_open),
            time_waits: Table::new(time_waits),
            time_wait_order: Queues::new(1, time_waits),
            listeners: Table::new(listeners),
            demux: Demux::new([connections, half_open, time_waits], rng),
            bindings: Bindings::new(config.sockets as usize, rng),
            listening: Bindings::new(listeners, rng),
            secret: Hasher::new(rng),
            cookies: Cookies::new(rng, HANDSHAKE),
            fast_opens: FastOpens::new(rng, config.fast_opens),
            cookie_cache: CookieCache::new(config.fast_open_peers as usize, rng),
            path_mtus: PathMtus::new(config.path_mtus as usize, rng),
        }
    }

    /// When a connection's timer is due.
    pub(crate) fn deadline(&self, connection: u32) -> Option<Instant> {
        let conn = self.connections.at(connection)?;
        conn.tcp.next_deadline(&self.shared)
    }

    /// Ways know the lower half of the routes' version only: all are old when the upper one changes,
    /// once in 65,536 changes.
    #[inline]
    pub(crate) fn heed_version(&mut self, version: u32) {
        let upper = version >> u16::BITS;
        if upper != self.ways_version {
            self.ways_version = upper;
            let ways = self.connections.iter_mut();
            ways.filter_map(|conn| conn.way.as_mut())
                .for_each(Way::grow_old);
        }
    }

    /// Whose segments between these ends are.
    #[inline]
    pub(crate) fn find(&self, tuple: &Tuple<Ipv4Addr>) -> Option<Target> {
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
    pub(crate) fn part(&mut self, tuple: &Tuple<Ipv4Addr>, target: Target) {
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

    fn connection(shared: &Shared, version: u32) -> Conn {
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
        let tcp = Connection::connect(setup, shared, Instant::ZERO);
        Conn::new(tcp, tuple, Some(path))
    }

    #[test]
    fn a_way_is_known_until_routes_change_however_often() {
        const VERSION: u32 = 0x1_0005;
        let config = Config {
            connections: 2,
            ..Config::default()
        };
        let mut tcp = Tcp::new(&config, &mut Rng::new([9; 32]));
        tcp.heed_version(VERSION);
        let conn = connection(&tcp.shared, VERSION);
        let index = tcp.connections.insert(conn).unwrap();
        let known = |tcp: &Tcp, version| {
            let way = tcp.connections.at(index).and_then(|conn| conn.way);
            way.and_then(|way| way.starting_at(Ipv4Addr::LOCALHOST, version))
        };
        assert_eq!(known(&tcp, VERSION).map(|path| path.version), Some(VERSION));
        assert_eq!(known(&tcp, VERSION + 1), None);
        // The lower half comes again; the way does not.
        tcp.heed_version(VERSION + 0x1_0000);
        assert_eq!(known(&tcp, VERSION + 0x1_0000), None);
        // And nothing is known with a version whose lower half means "old".
        let conn = connection(&tcp.shared, 0x3_0000);
        assert!(
            conn.way
                .unwrap()
                .starting_at(Ipv4Addr::LOCALHOST, 0x3_0000)
                .is_none()
        );
    }
}
