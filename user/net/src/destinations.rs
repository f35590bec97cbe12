//! In which order the addresses of a name are tried.
//!
//! *Owns* the rules by which two destinations are compared, given the addresses that this machine has.
//! The source that a destination would be spoken to from is estimated: what netd chooses in the end
//! may be another, which costs time and no correctness.
//! Spec: RFC 6724 section 6; the table of section 2.1 is netd's. Rules 3, 4 and 7 concern deprecated and
//! home addresses and tunnels, of which programs are told nothing.

use alloc::vec::Vec;
use core::cmp::{Ordering, Reverse};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use protocol::PolicyRow;

/// What the machine's table says of addresses with a prefix.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    network: u128,
    prefix: u32,
    precedence: u8,
    label: u8,
}

/// The machine's own addresses and its table of policies, the longest prefixes first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine {
    pub own: Vec<IpAddr>,
    pub policies: Vec<Policy>,
}

impl Policy {
    /// A row of netd's table; `None` for one without a prefix.
    pub fn of(row: &PolicyRow) -> Option<Self> {
        Some(Self {
            network: wide(row.network.ip()?).to_bits(),
            prefix: row.network.prefix.into(),
            precedence: row.precedence,
            label: row.label,
        })
    }
}

/// Scopes, as groups have them (RFC 4291 section 2.7).
const LINK_LOCAL: u8 = 2;
const SITE_LOCAL: u8 = 5;
const GLOBAL: u8 = 14;

/// An address of either family as one of IPv6: so the rules are written (RFC 6724 section 3.2).
fn wide(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

impl Machine {
    /// Precedence and label of an address.
    fn policy(&self, address: IpAddr) -> (u8, u8) {
        let bits = wide(address).to_bits();
        let is_in = |it: &&Policy| (bits ^ it.network).leading_zeros() >= it.prefix;
        let found = self.policies.iter().find(is_in);
        found.map_or((0, 0), |it| (it.precedence, it.label))
    }

    fn precedence(&self, address: IpAddr) -> u8 {
        self.policy(address).0
    }

    fn label(&self, address: IpAddr) -> u8 {
        self.policy(address).1
    }
}

/// RFC 6724 section 3.1 and 3.2.
fn scope(address: IpAddr) -> u8 {
    let is_narrow4 = |v4: Ipv4Addr| v4.is_loopback() || v4.is_link_local();
    match address {
        IpAddr::V4(v4) if is_narrow4(v4) => LINK_LOCAL,
        IpAddr::V6(v6) if v6.is_multicast() => {
            let [_, scope, ..] = v6.octets();
            scope & 0xf
        }
        IpAddr::V6(v6) if v6.is_loopback() || v6.is_unicast_link_local() => LINK_LOCAL,
        IpAddr::V6(v6)
            if v6
                .segments()
                .first()
                .is_some_and(|it| it & 0xffc0 == 0xfec0) =>
        {
            SITE_LOCAL
        }
        _ => GLOBAL,
    }
}

/// How many bits two addresses begin with alike.
fn common(one: IpAddr, other: IpAddr) -> u32 {
    (wide(one).to_bits() ^ wide(other).to_bits()).leading_zeros()
}

/// The address of ours that a destination would be spoken to from: of its family, of a scope that
/// reaches, and as much like it as there is (section 5).
fn source(destination: IpAddr, machine: &Machine) -> Option<IpAddr> {
    let is_usable = |address: &&IpAddr| {
        let loops = |it: IpAddr| it.is_loopback();
        address.is_ipv4() == destination.is_ipv4()
            && (loops(**address) == loops(destination) || machine.own.contains(&destination))
    };
    let reach = |address: IpAddr| {
        let (its, wanted) = (scope(address), scope(destination));
        // The narrowest that is wide enough; of those that are not, the widest (rule 2).
        let distance = if its >= wanted {
            its - wanted
        } else {
            64 - its
        };
        let is_other_label = machine.label(address) != machine.label(destination);
        (
            distance,
            is_other_label,
            Reverse(common(address, destination)),
        )
    };
    let usable = machine.own.iter().filter(is_usable);
    usable.copied().min_by_key(|address| reach(*address))
}

/// A destination with what the rules ask of it.
struct Candidate {
    address: IpAddr,
    source: Option<IpAddr>,
}

/// Which is to be tried first.
fn compare(one: &Candidate, other: &Candidate, machine: &Machine) -> Ordering {
    // What is false comes first.
    let by = |quality: &dyn Fn(&Candidate) -> bool| quality(one).cmp(&quality(other));
    let has_other_scope = |it: &Candidate| {
        let is_other = |source| scope(source) != scope(it.address);
        it.source.is_none_or(is_other)
    };
    let has_other_label = |it: &Candidate| {
        let is_other = |source| machine.label(source) != machine.label(it.address);
        it.source.is_none_or(is_other)
    };
    let precedence = |it: &Candidate| machine.precedence(it.address);
    let likeness = |it: &Candidate| it.source.map_or(0, |source| common(source, it.address));
    // Rule 1: what cannot be reached comes last.
    by(&|it| it.source.is_none())
        // Rules 2 and 5: what is spoken to from its own scope, and its own kind of address.
        .then_with(|| by(&has_other_scope))
        .then_with(|| by(&has_other_label))
        // Rule 6.
        .then_with(|| precedence(other).cmp(&precedence(one)))
        // Rule 8: what is nearer.
        .then_with(|| scope(one.address).cmp(&scope(other.address)))
        // Rule 9. Prefixes of IPv4 say nothing of where an address is.
        .then_with(|| match one.address.is_ipv6() && other.address.is_ipv6() {
            true => likeness(other).cmp(&likeness(one)),
            false => Ordering::Equal,
        })
}

/// Puts addresses into the order in which they are to be tried; what is equal stays as it was (rule 10).
pub(crate) fn sort(addresses: &mut Vec<IpAddr>, machine: &Machine) {
    let candidate = |address: IpAddr| Candidate {
        address,
        source: source(address, machine),
    };
    let mut all: Vec<Candidate> = addresses.drain(..).map(candidate).collect();
    all.sort_by(|one, other| compare(one, other, machine));
    addresses.extend(all.into_iter().map(|it| it.address));
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Machine, Policy, scope, sort, wide};
    use core::net::IpAddr;

    /// The table with which netd begins (RFC 6724 section 2.1).
    const TABLE: [(&str, u32, u8, u8); 9] = [
        ("::1", 128, 50, 0),
        ("::ffff:0:0", 96, 35, 4),
        ("::", 96, 1, 3),
        ("2001::", 32, 5, 5),
        ("2002::", 16, 30, 2),
        ("3ffe::", 16, 1, 12),
        ("fec0::", 10, 1, 11),
        ("fc00::", 7, 3, 13),
        ("::", 0, 40, 1),
    ];

    /// A machine with these addresses.
    pub(crate) fn machine(own: &str) -> Machine {
        let policy = |(network, prefix, precedence, label): (&str, u32, u8, u8)| Policy {
            network: wide(network.parse().expect(network)).to_bits(),
            prefix,
            precedence,
            label,
        };
        Machine {
            own: all(own),
            policies: TABLE.map(policy).to_vec(),
        }
    }

    fn all(words: &str) -> Vec<IpAddr> {
        let address = |word: &str| word.parse().expect(word);
        words.split_whitespace().map(address).collect()
    }

    /// The examples of RFC 6724 section 10.2 that need no deprecated or home address.
    #[test]
    fn destinations_are_tried_as_the_examples_say() {
        for (own, given, expected) in [
            (
                "2001:db8:1::2 fe80::1 169.254.13.78",
                "198.51.100.121 2001:db8:1::1",
                "2001:db8:1::1 198.51.100.121",
            ),
            (
                "fe80::1 198.51.100.117",
                "2001:db8:1::1 198.51.100.121",
                "198.51.100.121 2001:db8:1::1",
            ),
            (
                "2001:db8:1::2 fe80::1 10.1.2.4",
                "10.1.2.3 2001:db8:1::1",
                "2001:db8:1::1 10.1.2.3",
            ),
            (
                "2001:db8:1::2 fe80::2",
                "2001:db8:1::1 fe80::1",
                "fe80::1 2001:db8:1::1",
            ),
            (
                "2001:db8:1::2 2001:db8:3f44::2 fe80::2",
                "2001:db8:1::1 2001:db8:3ffe::1",
                "2001:db8:1::1 2001:db8:3ffe::1",
            ),
            (
                "2002:c633:6401::2 fe80::2",
                "2001:db8:1::1 2002:c633:6401::1",
                "2002:c633:6401::1 2001:db8:1::1",
            ),
            (
                "2002:c633:6401::2 2001:db8:1::2 fe80::2",
                "2002:c633:6401::1 2001:db8:1::1",
                "2001:db8:1::1 2002:c633:6401::1",
            ),
        ] {
            let mut addresses = all(given);
            sort(&mut addresses, &machine(own));
            assert_eq!(addresses, all(expected), "{given} on {own}");
        }
    }

    #[test]
    fn what_cannot_be_reached_comes_last_and_equals_stay() {
        let mut addresses = all("2001:db8::1 192.0.2.7 192.0.2.3 192.0.2.5");
        sort(&mut addresses, &machine("127.0.0.1 ::1 10.0.2.15"));
        assert_eq!(addresses, all("192.0.2.7 192.0.2.3 192.0.2.5 2001:db8::1"));
        sort(&mut addresses, &Machine::default());
        assert_eq!(addresses.len(), 4);
    }

    #[test]
    fn the_machine_reaches_itself() {
        let mut addresses = all("127.0.0.1 ::1");
        sort(&mut addresses, &machine("127.0.0.1 ::1"));
        assert_eq!(addresses, all("::1 127.0.0.1"));
    }

    #[test]
    fn the_longest_prefix_counts() {
        let machine = machine("");
        let of = |text: &str| machine.policy(text.parse().expect(text));
        assert_eq!(of("::1"), (50, 0));
        assert_eq!(of("::2"), (1, 3));
        assert_eq!(of("10.0.0.1"), (35, 4));
        assert_eq!(of("2001:0:1::"), (5, 5));
        assert_eq!(of("2001:db8::"), (40, 1));
        assert_eq!(of("2002::1"), (30, 2));
        assert_eq!(of("fd00::1"), (3, 13));
        assert_eq!(of("fec0::1"), (1, 11));
        let of = |text: &str| scope(text.parse().expect(text));
        assert_eq!(
            (
                of("fe80::1"),
                of("ff05::1"),
                of("fec0::1"),
                of("169.254.1.1"),
                of("10.0.0.1")
            ),
            (2, 5, 5, 2, 14)
        );
    }
}
