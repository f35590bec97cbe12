//! What a server has leased.
//!
//! *Owns* the reading of an offer's or acknowledgment's parameters, and the times derived from
//! them. *Never* trusts them: an address that no host can have, or times that make no sense, are
//! refused or replaced by RFC 2131's defaults.

use crate::Instant;
use core::net::Ipv4Addr;
use core::time::Duration;
use wire::dhcp4::{Addresses, Message, Route, Text};
use wire::{Cidr4, List};

/// A lease that lasts for ever (RFC 2131 section 3.3).
const FOREVER: u32 = u32::MAX;

/// A lease, and what came with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    /// The address and its network.
    pub(crate) address: Cidr4,
    /// Who leased it.
    pub(crate) server: Ipv4Addr,
    /// Routers on the link, the preferred one first.
    pub(crate) routers: Addresses,
    /// Routes; when there are any they replace `routers` (RFC 3442).
    pub(crate) classless_routes: List<Route, 16>,
    /// Name servers.
    pub(crate) dns_servers: Addresses,
    /// Domain for short names.
    pub(crate) domain: Text,
    /// The link's MTU, if the server knows better.
    pub(crate) mtu: Option<u16>,
    /// From when the times below count: when it was asked for (RFC 2131 section 4.4.1).
    pub(crate) since: Instant,
    /// How long the address may be used; `None` for ever.
    pub(crate) duration: Option<Duration>,
    /// T1: after this time the server is asked for more.
    pub(crate) renewal: Duration,
    /// T2: after this time any server is asked for more.
    pub(crate) rebinding: Duration,
}

impl Lease {
    /// Reads the parameters of an acknowledgment from `server`; the request was sent at `since`.
    /// `None` when it grants nothing that can be used.
    pub(crate) fn granted(message: &Message, server: Ipv4Addr, since: Instant) -> Option<Self> {
        let options = &message.options;
        let address = usable(message.yiaddr)?;
        let seconds = options.lease_time.filter(|seconds| *seconds != 0)?;
        let (renewal, rebinding) = times(seconds, options.renewal_time, options.rebinding_time);
        let mask = options
            .subnet_mask
            .and_then(|mask| Cidr4::with_mask(address, mask).ok());
        Some(Self {
            address: mask
                .filter(|cidr| cidr.prefix() != 0)
                .unwrap_or_else(|| by_class(address)),
            server,
            routers: options
                .routers
                .as_slice()
                .iter()
                .copied()
                .filter_map(usable)
                .collect(),
            classless_routes: options.classless_routes,
            dns_servers: options
                .dns_servers
                .as_slice()
                .iter()
                .copied()
                .filter_map(usable)
                .collect(),
            domain: options.domain_name,
            mtu: options.mtu,
            since,
            duration: (seconds != FOREVER).then(|| Duration::from_secs(seconds.into())),
            renewal,
            rebinding,
        })
    }

    /// Where everything without a better route goes.
    pub(crate) fn default_router(&self) -> Option<Ipv4Addr> {
        let routes = self.classless_routes.as_slice();
        if routes.is_empty() {
            return self.routers.as_slice().first().copied();
        }
        let default = routes
            .iter()
            .find(|route| route.destination.prefix() == 0)?;
        usable(default.router)
    }

    /// When the address must not be used any more.
    pub(crate) fn expiry(&self) -> Instant {
        self.duration
            .map_or(Instant::FAR_FUTURE, |duration| self.since + duration)
    }

    /// When the server is to be asked for more.
    pub(crate) fn renewal_at(&self) -> Instant {
        self.duration
            .map_or(Instant::FAR_FUTURE, |_| self.since + self.renewal)
    }

    /// When any server is to be asked for more.
    pub(crate) fn rebinding_at(&self) -> Instant {
        self.duration
            .map_or(Instant::FAR_FUTURE, |_| self.since + self.rebinding)
    }
}

/// An address that one host can have on a link.
pub(super) fn usable(address: Ipv4Addr) -> Option<Ipv4Addr> {
    let is_unusable = address.is_unspecified()
        || address.is_loopback()
        || address.is_multicast()
        || address.is_broadcast()
        || address.octets() >= [240, 0, 0, 0];
    (!is_unusable).then_some(address)
}

/// T1 and T2 of a lease of so many seconds. RFC 2131 section 4.4.5: T1 before T2 before the end;
/// else, and when the server does not say, half and seven eighths of the lease.
fn times(lease: u32, t1: Option<u32>, t2: Option<u32>) -> (Duration, Duration) {
    let millis = |seconds: u32| u64::from(seconds).saturating_mul(1000);
    let whole = millis(lease);
    let rebinding = t2
        .filter(|t2| *t2 != 0 && *t2 < lease)
        .map_or(whole.saturating_mul(7) / 8, millis);
    let renewal = t1
        .map(millis)
        .filter(|t1| *t1 != 0 && *t1 < rebinding)
        .unwrap_or((whole / 2).min(rebinding));
    (
        Duration::from_millis(renewal),
        Duration::from_millis(rebinding),
    )
}

/// The network that an address had before there were masks (RFC 791 section 3.2), for servers
/// that send none.
fn by_class(address: Ipv4Addr) -> Cidr4 {
    let prefix = match address.octets() {
        [0..=127, ..] => 8,
        [128..=191, ..] => 16,
        _ => 24,
    };
    Cidr4::new(address, prefix).unwrap_or(Cidr4::host(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_make_sense_are_taken_and_others_replaced() {
        for (lease, t1, t2, expected) in [
            (80, None, None, (40_000, 70_000)),
            (80, Some(10), Some(20), (10_000, 20_000)),
            (80, Some(10), None, (10_000, 70_000)),
            (80, None, Some(20), (20_000, 20_000)),
            (80, Some(30), Some(20), (20_000, 20_000)),
            (80, Some(10), Some(80), (10_000, 70_000)),
            (80, Some(0), Some(0), (40_000, 70_000)),
            (1, None, None, (500, 875)),
        ] {
            let (renewal, rebinding) = times(lease, t1, t2);
            let got = (renewal.as_millis(), rebinding.as_millis());
            assert_eq!(got, expected, "{lease} {t1:?} {t2:?}");
        }
    }

    #[test]
    fn networks_by_class() {
        for (address, prefix) in [
            ([10, 1, 2, 3], 8),
            ([172, 16, 0, 1], 16),
            ([192, 0, 2, 1], 24),
        ] {
            assert_eq!(by_class(address.into()).prefix(), prefix);
        }
    }

    #[test]
    fn addresses_of_no_host() {
        for address in [
            [0; 4],
            [127, 0, 0, 1],
            [224, 0, 0, 1],
            [240, 0, 0, 1],
            [255; 4],
        ] {
            assert_eq!(usable(address.into()), None);
        }
        assert!(usable(Ipv4Addr::new(10, 0, 2, 15)).is_some());
    }
}
