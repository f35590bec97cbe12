//! Options of sockets: what can be chosen, the values that are possible, and who is told.
//!
//! *Owns* the shapes and their checks. What is chosen before a connection is there holds for it;
//! what is chosen on a listener holds for the connections that it accepts. What an option does is
//! `tcp/`'s, `udp/`'s and, mostly, `netd/tcp`'s.

use crate::client::Role;
use crate::error::{BadSocket, OptionError};
use crate::family::Family;
use crate::id::{ClientId, InterfaceId, SocketId};
use crate::ip::out::USUAL_HOPS;
use crate::stack::Stack;
use crate::tcp::connection::Fact;
use ::tcp::{Algorithm, Instant, KeepAlive, Tuning};
use core::net::{Ipv4Addr, Ipv6Addr};
use core::num::{NonZeroU8, NonZeroU16};

/// Behaviour of one socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketOption {
    /// Time to live of what it sends; 1 to 255.
    TimeToLive(u8),
    /// The codepoint in the Differentiated Services field of what it sends; 0 to 63 (RFC 2474).
    DifferentiatedServices(u8),
    /// Whether datagrams may go to broadcast addresses.
    Broadcast(bool),
    /// Whether small segments go out at once (no Nagle, RFC 9293 3.7.4).
    NoDelay(bool),
    /// Whether address and port may be shared: with connections that are over (streams), with
    /// other sockets of the same client (datagrams).
    ReuseAddress(bool),
    /// Whether an idle peer is asked if it is still there (RFC 9293 3.8.4).
    KeepAlive(bool),
    /// After how many seconds of silence; at least 1.
    KeepAliveIdle(u16),
    /// How many seconds between questions; at least 1.
    KeepAliveInterval(u16),
    /// After how many questions without an answer the connection is given up; at least 1.
    KeepAliveCount(u8),
    /// How many seconds bytes may stay unacknowledged, and a SYN unanswered; 0: the stack's own limits.
    UserTimeout(u16),
    /// Whether the peer is told of it, and may lengthen it (RFC 5482).
    TellUserTimeout(bool),
    /// Whether closing resets the connection and discards what is queued (`SO_LINGER` of zero).
    ResetOnClose(bool),
    /// Whether small segments are held back until they are full.
    Cork(bool),
    /// Whether no acknowledgement is delayed.
    QuickAck(bool),
    /// The most bytes that are offered as a window (rounded up to KiB); 0: all the room there is.
    ReceiveBuffer(u32),
    /// The most bytes that may wait to be acknowledged; 0: no limit. One send is always taken.
    SendBuffer(u32),
    /// The largest payload of a segment, for connections that are opened from now on; 0: what the
    /// path allows.
    MaxSegment(u16),
    /// Whether explicit congestion notification is asked for and agreed to (RFC 3168), for
    /// connections that are opened from now on.
    CongestionNotification(bool),
    /// The congestion control; `None`: the stack's own choice.
    CongestionControl(Option<Algorithm>),
    /// Fast Open (RFC 7413). Of a listener: whether it takes bytes with the SYN of a peer that it has
    /// given a cookie. Of a socket that is to connect: whether what is queued before the SYN leaves
    /// goes with it, if the peer has given us a cookie, and whether it is asked for one. A SYN can
    /// come twice, long apart: for services to whom asking twice is as asking once.
    FastOpen(bool),
    /// How many routers what it sends to a group may pass, and one more; 0: it stays in this host
    /// (RFC 1112 section 6.1).
    MulticastTimeToLive(u8),
    /// Whether sockets of this host that listen hear what it sends to a group.
    MulticastLoop(bool),
    /// By which interface it sends to groups, and listens to them where none is named; 0: that which
    /// the routes say.
    MulticastInterface(u8),
    /// Whether what comes has its [`crate::Details`] in front, and errors about what was sent come as
    /// well; always, of raw sockets.
    Details(bool),
    /// Whether a datagram that is too long for its path is refused, and not sent in parts
    /// (RFC 3542 section 11.2).
    DontFragment(bool),
    /// Of a raw socket for ICMPv6: the types that it does not hear, a bit each, of the 64 from 64 times
    /// the first number on (RFC 3542 section 3.2).
    Icmp6Blocked(u8, u64),
    /// Of a raw socket of IPv6: where its protocol has its checksum, which is filled in and verified
    /// then; an even place within the first 16 bytes (RFC 3542 section 3.1).
    ChecksumAt(Option<u8>),
    /// Whether a socket that is bound to all addresses of IPv6 takes part in IPv4 as well, whose
    /// addresses it sees as ones of IPv6 that stand for them (RFC 3493 section 5.3); for what is bound
    /// from now on.
    DualStack(bool),
}

/// Options of a socket as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// See [`SocketOption::TimeToLive`]; zero: as is usual on the link.
    pub ttl: u8,
    /// See [`SocketOption::DifferentiatedServices`].
    pub dscp: u8,
    /// See [`SocketOption::Broadcast`].
    pub broadcast: bool,
    /// See [`SocketOption::NoDelay`].
    pub no_delay: bool,
    /// See [`SocketOption::ReuseAddress`].
    pub reuse_address: bool,
    /// See [`SocketOption::KeepAlive`].
    pub keep_alive: bool,
    /// See [`SocketOption::KeepAliveIdle`].
    pub keep_alive_idle: NonZeroU16,
    /// See [`SocketOption::KeepAliveInterval`].
    pub keep_alive_interval: NonZeroU16,
    /// See [`SocketOption::KeepAliveCount`].
    pub keep_alive_count: NonZeroU8,
    /// See [`SocketOption::UserTimeout`].
    pub user_timeout: u16,
    /// See [`SocketOption::TellUserTimeout`].
    pub tell_user_timeout: bool,
    /// See [`SocketOption::ResetOnClose`].
    pub reset_on_close: bool,
    /// See [`SocketOption::Cork`].
    pub cork: bool,
    /// See [`SocketOption::QuickAck`].
    pub quick_ack: bool,
    /// See [`SocketOption::ReceiveBuffer`].
    pub receive_buffer: u32,
    /// See [`SocketOption::SendBuffer`].
    pub send_buffer: u32,
    /// See [`SocketOption::MaxSegment`].
    pub max_segment: u16,
    /// See [`SocketOption::CongestionNotification`].
    pub congestion_notification: bool,
    /// See [`SocketOption::CongestionControl`].
    pub congestion_control: Option<Algorithm>,
    /// See [`SocketOption::FastOpen`].
    pub fast_open: bool,
    /// See [`SocketOption::DualStack`].
    pub dual_stack: bool,
    /// See [`SocketOption::Details`].
    pub details: bool,
    /// See [`SocketOption::DontFragment`].
    pub dont_fragment: bool,
    /// See [`SocketOption::MulticastTimeToLive`].
    pub multicast_ttl: u8,
    /// See [`SocketOption::MulticastLoop`].
    pub multicast_loop: bool,
    /// See [`SocketOption::MulticastInterface`].
    pub multicast_interface: Option<InterfaceId>,
}

/// RFC 9293 3.8.4 (MUST-28): at least two hours of silence, unless chosen otherwise.
const KEEP_ALIVE_IDLE: NonZeroU16 = NonZeroU16::new(7_200).unwrap();
const KEEP_ALIVE_INTERVAL: NonZeroU16 = NonZeroU16::new(75).unwrap();
const KEEP_ALIVE_COUNT: NonZeroU8 = NonZeroU8::new(9).unwrap();

impl SocketOptions {
    /// Options of a new socket.
    pub(crate) const fn new() -> Self {
        Self {
            ttl: USUAL_HOPS,
            dscp: 0,
            broadcast: false,
            no_delay: false,
            reuse_address: false,
            keep_alive: false,
            keep_alive_idle: KEEP_ALIVE_IDLE,
            keep_alive_interval: KEEP_ALIVE_INTERVAL,
            keep_alive_count: KEEP_ALIVE_COUNT,
            user_timeout: 0,
            tell_user_timeout: false,
            reset_on_close: false,
            cork: false,
            quick_ack: false,
            receive_buffer: 0,
            send_buffer: 0,
            max_segment: 0,
            congestion_notification: false,
            congestion_control: None,
            fast_open: false,
            dual_stack: false,
            details: false,
            dont_fragment: false,
            // RFC 1112 section 6.1: no router passes it on, if nothing else is said.
            multicast_ttl: 1,
            multicast_loop: true,
            multicast_interface: None,
        }
    }

    /// Takes one option over.
    fn set(&mut self, option: SocketOption) -> Result<(), OptionError> {
        let positive = |value| NonZeroU16::new(value).ok_or(OptionError::BadValue);
        match option {
            SocketOption::TimeToLive(0) => return Err(OptionError::BadValue),
            SocketOption::TimeToLive(ttl) => self.ttl = ttl,
            SocketOption::DifferentiatedServices(64..) => return Err(OptionError::BadValue),
            SocketOption::DifferentiatedServices(dscp) => self.dscp = dscp,
            SocketOption::Broadcast(on) => self.broadcast = on,
            SocketOption::NoDelay(on) => self.no_delay = on,
            SocketOption::ReuseAddress(on) => self.reuse_address = on,
            SocketOption::KeepAlive(on) => self.keep_alive = on,
            SocketOption::KeepAliveIdle(seconds) => self.keep_alive_idle = positive(seconds)?,
            SocketOption::KeepAliveInterval(seconds) => {
                self.keep_alive_interval = positive(seconds)?;
            }
            SocketOption::KeepAliveCount(count) => {
                self.keep_alive_count = NonZeroU8::new(count).ok_or(OptionError::BadValue)?;
            }
            SocketOption::UserTimeout(seconds) => self.user_timeout = seconds,
            SocketOption::TellUserTimeout(on) => self.tell_user_timeout = on,
            SocketOption::ResetOnClose(on) => self.reset_on_close = on,
            SocketOption::Cork(on) => self.cork = on,
            SocketOption::QuickAck(on) => self.quick_ack = on,
            SocketOption::ReceiveBuffer(bytes) => {
                let kibibytes = u16::try_from(bytes.div_ceil(1_024));
                kibibytes.map_err(|_| OptionError::BadValue)?;
                self.receive_buffer = bytes;
            }
            SocketOption::SendBuffer(bytes) => self.send_buffer = bytes,
            SocketOption::MaxSegment(1..::tcp::Mss::MIN) => return Err(OptionError::BadValue),
            SocketOption::MaxSegment(bytes) => self.max_segment = bytes,
            SocketOption::CongestionNotification(on) => self.congestion_notification = on,
            SocketOption::CongestionControl(chosen) => self.congestion_control = chosen,
            SocketOption::FastOpen(on) => self.fast_open = on,
            SocketOption::DualStack(on) => self.dual_stack = on,
            SocketOption::Details(on) => self.details = on,
            // Raw sockets have those themselves.
            SocketOption::Icmp6Blocked(..) | SocketOption::ChecksumAt(_) => {
                return Err(OptionError::WrongKind);
            }
            SocketOption::DontFragment(on) => self.dont_fragment = on,
            SocketOption::MulticastTimeToLive(ttl) => self.multicast_ttl = ttl,
            SocketOption::MulticastLoop(on) => self.multicast_loop = on,
            SocketOption::MulticastInterface(number) => {
                self.multicast_interface = (number > 0).then_some(InterfaceId(number));
            }
        }
        Ok(())
    }

    /// What of it the connection core follows.
    pub(crate) fn tuning(&self) -> Tuning {
        Tuning {
            is_nodelay: self.no_delay,
            is_corked: self.cork,
            is_quick_ack: self.quick_ack,
            tells_user_timeout: self.tell_user_timeout,
            user_timeout: self.user_timeout,
            window_limit: u16::try_from(self.receive_buffer.div_ceil(1_024)).unwrap_or(u16::MAX),
            keep_alive: self.keep_alive.then_some(KeepAlive {
                idle: self.keep_alive_idle,
                interval: self.keep_alive_interval,
                count: self.keep_alive_count,
            }),
        }
    }
}

impl SocketOption {
    /// Whether it is of streams, of datagrams, or of both.
    const fn is_for(self, datagram: bool) -> bool {
        match self {
            Self::TimeToLive(_)
            | Self::DifferentiatedServices(_)
            | Self::ReuseAddress(_)
            | Self::DualStack(_) => true,
            Self::Broadcast(_)
            | Self::Details(_)
            | Self::DontFragment(_)
            | Self::Icmp6Blocked(..)
            | Self::ChecksumAt(_)
            | Self::MulticastTimeToLive(_)
            | Self::MulticastLoop(_)
            | Self::MulticastInterface(_) => datagram,
            _ => !datagram,
        }
    }
}

impl Stack {
    /// Changes one option.
    ///
    /// # Errors
    /// See [`OptionError`].
    pub fn set_option(
        &mut self,
        client: ClientId,
        socket: SocketId,
        option: SocketOption,
        now: Instant,
    ) -> Result<(), OptionError> {
        let entry = self
            .clients
            .socket(client, socket)
            .map_err(|_| OptionError::BadSocket)?;
        let role = entry.role;
        if let Some(outcome) = self.raw_option(role, option) {
            return outcome;
        }
        let before = self
            .chosen(client, socket)
            .map_err(|_| OptionError::BadSocket)?;
        let mut options = before;
        if !option.is_for(matches!(role, Role::Datagram(_))) {
            return Err(OptionError::WrongKind);
        }
        options.set(option)?;
        // Datagram sockets are few: they have their options themselves.
        if let Role::Datagram(index) = role {
            return self.udp_options(index, options);
        }
        if !self.clients.set_options(client, socket, options) {
            return Err(OptionError::TooMany);
        }
        match role {
            Role::Connection { .. } | Role::Connection6 { .. } => {
                let followed = match role {
                    Role::Connection6 { index, .. } => {
                        self.connection_options::<Ipv6Addr>(index, options, now)
                    }
                    Role::Connection { index, .. } => {
                        self.connection_options::<Ipv4Addr>(index, options, now)
                    }
                    _ => Ok(()),
                };
                if followed.is_err() {
                    // The place that they had was not given away since.
                    self.clients.set_options(client, socket, before);
                }
                followed
            }
            Role::Listener(index) => {
                if let Some(listener) = self.tcp.listeners.at_mut(index) {
                    listener.options = options;
                }
                Ok(())
            }
            Role::Stream { .. } | Role::Stream6 { .. } | Role::Datagram(_) => Ok(()),
        }
    }

    /// Changes how a connection behaves.
    pub(crate) fn connection_options<A: Family>(
        &mut self,
        index: u32,
        options: SocketOptions,
        now: Instant,
    ) -> Result<(), OptionError> {
        let conn = self
            .tcp
            .tables
            .of_mut::<A>()
            .connections
            .at_mut(index)
            .ok_or(OptionError::BadSocket)?;
        if conn.is(Fact::Over) {
            return Ok(());
        }
        (conn.ttl, conn.dscp) = (options.ttl, options.dscp);
        conn.note_change();
        let default = self.tcp.shared.limits().congestion_control;
        let algorithm = options.congestion_control.unwrap_or(default);
        conn.tcp
            .set_congestion_control(algorithm, &mut self.tcp.shared, now);
        let is_followed = conn
            .tcp
            .set_tuning(options.tuning(), &mut self.tcp.shared, now);
        // What was held back may leave now, and timers are others.
        self.settle::<A>(index, now);
        if is_followed {
            Ok(())
        } else {
            Err(OptionError::TooMany)
        }
    }

    /// All options. Of a socket for which no time to live was chosen, the usual one.
    ///
    /// # Errors
    /// Not a socket of this client.
    pub fn options(&self, client: ClientId, socket: SocketId) -> Result<SocketOptions, BadSocket> {
        let mut options = self.chosen(client, socket)?;
        if options.ttl == USUAL_HOPS {
            options.ttl = self.config.ttl;
        }
        Ok(options)
    }

    /// All options as they were chosen.
    fn chosen(&self, client: ClientId, socket: SocketId) -> Result<SocketOptions, BadSocket> {
        match self.clients.socket(client, socket)?.role {
            Role::Datagram(index) => {
                let socket = self.udp.sockets.at(index).ok_or(BadSocket)?;
                Ok(socket.options)
            }
            _ => self.clients.options(client, socket),
        }
    }
}
