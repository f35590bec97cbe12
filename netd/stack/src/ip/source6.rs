//! Which of our addresses a packet over IPv6 is sent from.
//!
//! *Owns* the rules of RFC 6724 section 5; labels are those of [`Policies`]. The candidates are
//! those of the interface that the packet leaves by, so that rule 5 is always kept; there is no
//! mobility (rule 4), and the preference of one's next hop's prefix (rule 5.5) is not followed.

use crate::info::{AddressState, Origin};
use crate::interface6::Address6;
use crate::ip::policies::Policies;
use core::cmp::Ordering;
use core::net::Ipv6Addr;

/// How far an address reaches (RFC 6724 section 3.1, RFC 4291 section 2.7).
fn scope(address: Ipv6Addr) -> u8 {
    const LINK_LOCAL: u8 = 2;
    const SITE_LOCAL: u8 = 5;
    const GLOBAL: u8 = 14;
    let [first, ..] = address.segments();
    if address.is_multicast() {
        u8::try_from(first & 0xf).unwrap_or(GLOBAL)
    } else if address.is_loopback() || address.is_unicast_link_local() {
        LINK_LOCAL
    } else if first & 0xffc0 == 0xfec0 {
        SITE_LOCAL
    } else {
        GLOBAL
    }
}

/// So many leading bits of both are the same, as far as the source's prefix goes (section 2.2).
fn common_prefix(source: &Address6, to: Ipv6Addr) -> u32 {
    let common = (source.address().to_bits() ^ to.to_bits()).leading_zeros();
    common.min(source.cidr.prefix().into())
}

/// Whether the first of two is better to speak from to `to`.
fn compare(one: &Address6, other: &Address6, to: Ipv6Addr, policies: &Policies) -> Ordering {
    // Rule 1: the same address.
    let is_same = |it: &Address6| it.address() == to;
    let rule_1 = is_same(one).cmp(&is_same(other));
    // Rule 2: what reaches as far as the destination, and else no farther than it must.
    let (a, b, wanted) = (scope(one.address()), scope(other.address()), scope(to));
    let rule_2 = match a.cmp(&b) {
        Ordering::Less if a < wanted => Ordering::Less,
        Ordering::Less => Ordering::Greater,
        Ordering::Greater if b < wanted => Ordering::Greater,
        Ordering::Greater => Ordering::Less,
        Ordering::Equal => Ordering::Equal,
    };
    // Rule 3: none that is on its way out; RFC 4429 section 3.1: none that may be another's.
    let is_in_order = |it: &Address6| match it.state {
        AddressState::Preferred => 2,
        AddressState::Optimistic => 1,
        _ => 0,
    };
    let rule_3 = is_in_order(one).cmp(&is_in_order(other));
    // Rule 6: the label of the destination.
    let fits = |it: &Address6| policies.label(it.address()) == policies.label(to);
    let rule_6 = fits(one).cmp(&fits(other));
    // Rule 7: one that nobody can follow.
    let is_temporary = |it: &Address6| it.origin == Origin::Temporary;
    let rule_7 = is_temporary(one).cmp(&is_temporary(other));
    // Rule 8: the longest common prefix.
    let rule_8 = common_prefix(one, to).cmp(&common_prefix(other, to));
    let first = rule_1.then(rule_2).then(rule_3);
    first.then(rule_6).then(rule_7).then(rule_8)
}

/// The address to speak from to `to`: of equally good ones the first.
pub(crate) fn choose(
    addresses: &[Address6],
    to: Ipv6Addr,
    policies: &Policies,
) -> Option<Ipv6Addr> {
    let usable = addresses.iter().filter(|own| own.is_usable());
    let best = usable.reduce(|best, own| match compare(own, best, to, policies) {
        Ordering::Greater => own,
        Ordering::Less | Ordering::Equal => best,
    });
    best.map(Address6::address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(text: &str, state: AddressState) -> Address6 {
        Address6::fixed(text.parse().unwrap(), state, Origin::Static)
    }

    fn chosen(own: &[(&str, AddressState)], to: &str) -> Option<Ipv6Addr> {
        let own: std::vec::Vec<Address6> = own
            .iter()
            .map(|(text, state)| self::own(text, *state))
            .collect();
        choose(&own, to.parse().unwrap(), &Policies::new())
    }

    // The examples of RFC 6724 section 10.1, as far as they have one interface.
    #[test]
    fn examples_of_the_rfc() {
        use AddressState::{Deprecated, Preferred};
        for (own, to, expected) in [
            (
                &[("2001:db8:3::1/64", Preferred), ("fe80::1/64", Preferred)][..],
                "2001:db8:1::1",
                "2001:db8:3::1",
            ),
            (
                &[("2001:db8:3::1/64", Preferred), ("fe80::1/64", Preferred)],
                "ff05::1",
                "2001:db8:3::1",
            ),
            (
                &[
                    ("2001:db8:1::1/64", Deprecated),
                    ("2001:db8:3::1/64", Preferred),
                ],
                "2001:db8:1::1",
                "2001:db8:1::1",
            ),
            (
                &[("fe80::1/64", Deprecated), ("2001:db8:1::1/64", Preferred)],
                "fe80::2",
                "fe80::1",
            ),
            (
                &[
                    ("2001:db8:1::2/64", Preferred),
                    ("2001:db8:3::2/64", Preferred),
                ],
                "2001:db8:1::1",
                "2001:db8:1::2",
            ),
            (
                &[
                    ("2002:c633:6401::d5e3:7953:13eb:22e8/64", Preferred),
                    ("2001:db8:1::2/64", Preferred),
                ],
                "2002:c633:6401::1",
                "2002:c633:6401::d5e3:7953:13eb:22e8",
            ),
            (
                &[("fd00::1/64", Preferred), ("2001:db8::1/64", Preferred)],
                "fd00:1::9",
                "fd00::1",
            ),
            (
                &[("fec0::1/64", Preferred), ("fe80::1/64", Preferred)],
                "2001:db8::9",
                "fec0::1",
            ),
        ] {
            assert_eq!(chosen(own, to), Some(expected.parse().unwrap()), "{to}");
        }
    }

    #[test]
    fn what_is_not_sure_comes_last_and_what_is_anothers_never() {
        use AddressState::{Duplicate, Optimistic, Preferred, Tentative};
        let own = [
            ("2001:db8:1::1/64", Optimistic),
            ("2001:db8:2::1/64", Preferred),
        ];
        assert_eq!(
            chosen(&own, "2001:db8:1::9"),
            Some("2001:db8:2::1".parse().unwrap())
        );
        let none = [
            ("2001:db8:1::1/64", Tentative),
            ("2001:db8:2::1/64", Duplicate),
        ];
        assert_eq!(chosen(&none, "2001:db8:1::9"), None);
    }
}
