//! Socket options: the protocol's numbers as the stack's values, and back.
//!
//! *Owns* the correspondence, in both directions side by side. *Never* checks more than that a value
//! can be expressed: what is possible is the stack's.

use protocol::SocketOption as Number;
use stack::{Algorithm, RawPackets, SocketOption, SocketOptions};

/// The congestion controls by their numbers; 0 is netd's own choice.
const ALGORITHMS: [Option<Algorithm>; 4] = [
    None,
    Some(Algorithm::NewReno),
    Some(Algorithm::Cubic),
    Some(Algorithm::Bbr),
];

/// The option that a client chooses; `None` for a value that it cannot have.
pub fn chosen(number: Number, value: u64) -> Option<SocketOption> {
    let switch = || match value {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    };
    let byte = || u8::try_from(value).ok();
    let short = || u16::try_from(value).ok();
    let word = || u32::try_from(value).ok();
    match number {
        Number::Ttl => byte().map(SocketOption::TimeToLive),
        Number::DifferentiatedServices => byte().map(SocketOption::DifferentiatedServices),
        Number::Broadcast => switch().map(SocketOption::Broadcast),
        Number::NoDelay => switch().map(SocketOption::NoDelay),
        Number::ReuseAddress => switch().map(SocketOption::ReuseAddress),
        Number::KeepAlive => switch().map(SocketOption::KeepAlive),
        Number::KeepAliveIdle => short().map(SocketOption::KeepAliveIdle),
        Number::KeepAliveInterval => short().map(SocketOption::KeepAliveInterval),
        Number::KeepAliveCount => byte().map(SocketOption::KeepAliveCount),
        Number::UserTimeout => short().map(SocketOption::UserTimeout),
        Number::TellUserTimeout => switch().map(SocketOption::TellUserTimeout),
        Number::ResetOnClose => switch().map(SocketOption::ResetOnClose),
        Number::Cork => switch().map(SocketOption::Cork),
        Number::QuickAck => switch().map(SocketOption::QuickAck),
        Number::ReceiveBuffer => word().map(SocketOption::ReceiveBuffer),
        Number::SendBuffer => word().map(SocketOption::SendBuffer),
        Number::MaxSegment => short().map(SocketOption::MaxSegment),
        Number::CongestionNotification => switch().map(SocketOption::CongestionNotification),
        Number::FastOpen => switch().map(SocketOption::FastOpen),
        Number::DualStack => switch().map(SocketOption::DualStack),
        Number::Details => switch().map(SocketOption::Details),
        Number::DontFragment => switch().map(SocketOption::DontFragment),
        Number::PathMtu => None,
        Number::Icmp6Blocked0 => Some(SocketOption::Icmp6Blocked(0, value)),
        Number::Icmp6Blocked1 => Some(SocketOption::Icmp6Blocked(1, value)),
        Number::Icmp6Blocked2 => Some(SocketOption::Icmp6Blocked(2, value)),
        Number::Icmp6Blocked3 => Some(SocketOption::Icmp6Blocked(3, value)),
        Number::ChecksumAt if value == NOWHERE => Some(SocketOption::ChecksumAt(None)),
        Number::ChecksumAt => byte().map(|at| SocketOption::ChecksumAt(Some(at))),
        Number::MulticastTtl => byte().map(SocketOption::MulticastTimeToLive),
        Number::MulticastLoop => switch().map(SocketOption::MulticastLoop),
        Number::MulticastInterface => byte().map(SocketOption::MulticastInterface),
        Number::CongestionControl => {
            let chosen = ALGORITHMS.get(usize::try_from(value).ok()?)?;
            Some(SocketOption::CongestionControl(*chosen))
        }
    }
}

/// The place of a checksum that is nobody's but the client's.
const NOWHERE: u64 = 0xffff;

/// What is read like an option and is none of all sockets.
pub struct More {
    /// What the path to the fixed peer is known to take.
    pub path_mtu: Option<u16>,
    /// What a raw socket has chosen.
    pub raw: Option<RawPackets>,
}

/// What a client reads.
pub fn value(number: Number, options: &SocketOptions, more: &More) -> u64 {
    let blocked = |group: usize| {
        let groups = more.raw.map_or([0; 4], |raw| raw.blocked);
        groups.get(group).copied().unwrap_or(0)
    };
    match number {
        Number::Ttl => options.ttl.into(),
        Number::DifferentiatedServices => options.dscp.into(),
        Number::Broadcast => options.broadcast.into(),
        Number::NoDelay => options.no_delay.into(),
        Number::ReuseAddress => options.reuse_address.into(),
        Number::KeepAlive => options.keep_alive.into(),
        Number::KeepAliveIdle => options.keep_alive_idle.get().into(),
        Number::KeepAliveInterval => options.keep_alive_interval.get().into(),
        Number::KeepAliveCount => options.keep_alive_count.get().into(),
        Number::UserTimeout => options.user_timeout.into(),
        Number::TellUserTimeout => options.tell_user_timeout.into(),
        Number::ResetOnClose => options.reset_on_close.into(),
        Number::Cork => options.cork.into(),
        Number::QuickAck => options.quick_ack.into(),
        Number::ReceiveBuffer => options.receive_buffer.into(),
        Number::SendBuffer => options.send_buffer.into(),
        Number::MaxSegment => options.max_segment.into(),
        Number::CongestionNotification => options.congestion_notification.into(),
        Number::FastOpen => options.fast_open.into(),
        Number::DualStack => options.dual_stack.into(),
        Number::Details => options.details.into(),
        Number::DontFragment => options.dont_fragment.into(),
        Number::PathMtu => more.path_mtu.unwrap_or(0).into(),
        Number::Icmp6Blocked0 => blocked(0),
        Number::Icmp6Blocked1 => blocked(1),
        Number::Icmp6Blocked2 => blocked(2),
        Number::Icmp6Blocked3 => blocked(3),
        Number::ChecksumAt => {
            let at = more.raw.and_then(|raw| raw.checksum_at);
            at.map_or(NOWHERE, u64::from)
        }
        Number::MulticastTtl => options.multicast_ttl.into(),
        Number::MulticastLoop => options.multicast_loop.into(),
        Number::MulticastInterface => options.multicast_interface.map_or(0, |it| it.raw().into()),
        Number::CongestionControl => {
            let chosen = |algorithm: &_| *algorithm == options.congestion_control;
            (0..)
                .zip(&ALGORITHMS)
                .find_map(|(number, algorithm)| chosen(algorithm).then_some(number))
                .unwrap_or(0)
        }
    }
}
