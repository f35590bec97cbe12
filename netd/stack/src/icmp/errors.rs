//! ICMP errors that we send, and how many.
//!
//! *Owns* the rules of RFC 1122 3.2.2 on what must never be answered by an error, and the limit of
//! RFC 1812 4.3.2.8. *Never* decides that something is wrong: layers above and below say so.

use crate::interface::Scope;
use crate::ip::incoming::Incoming;
use crate::ip::out::USUAL_HOPS;
use crate::packets::Owner;
use crate::stack::Stack;
use crate::stats::Counter;
use ::tcp::Instant;
use core::net::Ipv4Addr;
use core::time::Duration;
use wire::icmp4::{self, Header, MAX_ERROR_PACKET, TimeExceeded, Unreachable};
use wire::{Headroom, Protocol, ipv4};

/// What is wrong with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// Nobody here speaks its protocol.
    ProtocolUnreachable,
    /// Nobody here has its port.
    PortUnreachable,
    /// Not all of its parts came in time.
    ReassemblyTime,
}

/// A token bucket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limiter {
    /// Time that one token takes to come.
    interval: Duration,
    /// Tokens at most.
    burst: u32,
    /// The bucket is full again at this time.
    full_at: Instant,
}

impl Limiter {
    /// So many in a second, and at once.
    pub(crate) fn per_second(limit: u16) -> Self {
        Self {
            interval: Duration::from_secs(1) / u32::from(limit.max(1)),
            burst: limit.into(),
            full_at: Instant::ZERO,
        }
    }

    /// Takes a token, if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let missing = self.full_at.since(now);
        if missing + self.interval > self.interval * self.burst {
            return false;
        }
        self.full_at = self.full_at.max(now) + self.interval;
        true
    }
}

/// Whether the address can be that of one host.
fn is_host(address: Ipv4Addr) -> bool {
    let [first, ..] = address.octets();
    first != 0 && first < 224
}

impl Stack {
    /// Tells the sender of a packet what is wrong with it, where that is allowed.
    pub(crate) fn icmp_error(&mut self, incoming: &Incoming<'_>, problem: Problem, now: Instant) {
        // RFC 1122 3.2.2: never about a broadcast or group, never to what is not one host, and
        // never about a part of a packet but the first: no other comes here.
        if incoming.scope != Scope::Own || !is_host(incoming.source()) {
            return;
        }
        if !self.icmp_limit.take(now) {
            self.stats.count(Counter::IcmpErrorsLimited);
            return;
        }
        let Some(path) = self.path(incoming.source(), Some(incoming.destination())) else {
            return;
        };
        let icmp = match problem {
            Problem::ProtocolUnreachable => Header::Unreachable(Unreachable::Protocol),
            Problem::PortUnreachable => Header::Unreachable(Unreachable::Port),
            Problem::ReassemblyTime => Header::TimeExceeded(TimeExceeded::Reassembly),
        };
        // RFC 1812 4.3.2.3: as much of the packet as fits into 576 bytes.
        let most = MAX_ERROR_PACKET - ipv4::HEADER_LEN - icmp4::HEADER_LEN;
        let bytes = incoming.bytes;
        let quote = bytes.get(..most).unwrap_or(bytes);
        let header = self.header(&path, incoming.source(), Protocol::ICMP, USUAL_HOPS);
        let len = icmp4::HEADER_LEN + quote.len();
        if self.queue_packet(&path, &header, len, Owner::None, |payload| {
            write_message(&icmp, quote, payload)
        }) {
            self.stats.count(Counter::IcmpErrorsSent);
        }
    }
}

/// Writes a message whose body is known.
pub(crate) fn write_message(icmp: &Header, body: &[u8], into: &mut [u8]) -> Option<()> {
    let (front, place) = into.split_at_mut_checked(icmp4::HEADER_LEN)?;
    let sum = wire::copy_and_sum(place, body);
    icmp.emit(&mut Headroom::new(front), sum).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_holds_in_every_second() {
        let mut limiter = Limiter::per_second(100);
        let start = Instant::from_secs(5);
        assert_eq!((0..1_000).filter(|_| limiter.take(start)).count(), 100);
        let later = start + Duration::from_millis(500);
        assert_eq!((0..1_000).filter(|_| limiter.take(later)).count(), 50);
        let much_later = start + Duration::from_secs(100);
        assert_eq!((0..1_000).filter(|_| limiter.take(much_later)).count(), 100);
    }

    #[test]
    fn a_limit_of_zero_sends_nothing() {
        let mut limiter = Limiter::per_second(0);
        assert!(!limiter.take(Instant::from_secs(9)));
    }

    #[test]
    fn hosts() {
        for (address, host) in [
            ([10, 0, 0, 1], true),
            ([0, 0, 0, 0], false),
            ([224, 0, 0, 1], false),
            ([255; 4], false),
        ] {
            assert_eq!(is_host(address.into()), host);
        }
    }
}
