//! What a server has leased.
//!
//! *Owns* the reading of its addresses, and the times derived from them. *Never* trusts them:
//! addresses that no host can have, or times that make no sense, are refused.

use crate::Instant;
use core::net::Ipv6Addr;
use core::time::Duration;
use wire::dhcp6::{Duid, Identity, Leased, Status};

/// For ever (RFC 8415 section 7.7).
const FOREVER: u32 = u32::MAX;

/// When something ends that lives for so many seconds; `None`: never.
fn end(since: Instant, seconds: u32) -> Option<Instant> {
    (seconds != FOREVER).then(|| since + Duration::from_secs(seconds.into()))
}

/// Addresses, and who leased them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) server: Duid,
    /// At least one address.
    pub(crate) identity: Identity,
    /// From when its times count: when it came.
    since: Instant,
}

impl Lease {
    /// What an answer leases that came at `since`; `None` if it is nothing.
    pub(crate) fn granted(server: Duid, identity: &Identity, since: Instant) -> Option<Self> {
        let usable = identity.addresses.as_slice().iter().copied();
        let usable = usable.filter(|it| it.valid > 0 && is_usable(it.address));
        let identity = Identity {
            addresses: usable.collect(),
            ..*identity
        };
        // RFC 8415 section 21.4: who says that T1 is behind T2 is not believed.
        let (t1, t2) = (identity.renew_after, identity.rebind_after);
        let is_in_order = t1 <= t2 || t2 == 0;
        let is_good = identity.status == Status::SUCCESS && !identity.addresses.is_empty();
        (is_in_order && is_good).then_some(Self {
            server,
            identity,
            since,
        })
    }

    /// Its addresses, with when others are preferred to them, and when they end.
    pub(crate) fn addresses(
        &self,
    ) -> impl Iterator<Item = (Ipv6Addr, Option<Instant>, Option<Instant>)> {
        let since = self.since;
        let addresses = self.identity.addresses.as_slice().iter();
        addresses.map(move |it| (it.address, end(since, it.preferred), end(since, it.valid)))
    }

    pub(crate) fn has(&self, address: Ipv6Addr) -> bool {
        self.addresses().any(|(own, ..)| own == address)
    }

    /// T1: when the server is asked for more (section 14.2: by default half of the shortest time for
    /// which an address is preferred).
    pub(crate) fn renewal_at(&self) -> Instant {
        let by_default = self.shortest_preferred(5);
        self.time(self.identity.renew_after, by_default)
    }

    /// T2: when any server is asked for more (by default eight tenths).
    pub(crate) fn rebinding_at(&self) -> Instant {
        let by_default = self.shortest_preferred(8);
        self.time(self.identity.rebind_after, by_default)
            .max(self.renewal_at())
    }

    /// When the last of its addresses ends.
    pub(crate) fn expiry(&self) -> Instant {
        let ends = self
            .addresses()
            .map(|(.., end)| end.unwrap_or(Instant::FAR_FUTURE));
        ends.max().unwrap_or(self.since)
    }

    /// So many tenths of the shortest preferred lifetime, in seconds; at least one, so that nobody can
    /// make us ask without end.
    fn shortest_preferred(&self, tenths: u64) -> u32 {
        let preferred = |it: &Leased| {
            if it.preferred == 0 {
                it.valid
            } else {
                it.preferred
            }
        };
        let shortest = self
            .identity
            .addresses
            .as_slice()
            .iter()
            .map(preferred)
            .min();
        match shortest.unwrap_or(FOREVER) {
            FOREVER => FOREVER,
            seconds => u32::try_from(u64::from(seconds) * tenths / 10)
                .unwrap_or(FOREVER)
                .max(1),
        }
    }

    fn time(&self, said: u32, by_default: u32) -> Instant {
        let seconds = if said == 0 { by_default } else { said };
        end(self.since, seconds).unwrap_or(Instant::FAR_FUTURE)
    }
}

/// Whether one host can have the address, beyond its link.
fn is_usable(address: Ipv6Addr) -> bool {
    !(address.is_unspecified()
        || address.is_loopback()
        || address.is_multicast()
        || address.is_unicast_link_local()
        || address.to_ipv4_mapped().is_some())
}
