//! How addresses go together, and which of them are preferred.
//!
//! *Owns* the table of policies of RFC 6724 section 2.1, with which a stack begins, and its changes by
//! hand. Addresses of IPv4 are in it as ones of IPv6 that stand for them (section 3.2).

use crate::error::AdminError;
use crate::stack::Stack;
use alloc::vec::Vec;
use core::net::Ipv6Addr;
use wire::Prefixed as _;

/// Rows at most.
const MOST: usize = 32;

/// What holds for addresses with a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The prefix.
    pub network: Ipv6Addr,
    /// Bits of it that count.
    pub prefix: u8,
    /// Destinations with more of it are preferred.
    pub precedence: u8,
    /// Sources and destinations with the same go well together.
    pub label: u8,
}

/// The table of section 2.1: network, prefix, precedence, label.
const FIRST: [(u128, u8, u8, u8); 9] = [
    (1, 128, 50, 0),
    (0xffff << 32, 96, 35, 4),
    (0, 96, 1, 3),
    (0x2001 << 112, 32, 5, 5),
    (0x2002 << 112, 16, 30, 2),
    (0x3ffe << 112, 16, 1, 12),
    (0xfec0 << 112, 10, 1, 11),
    (0xfc00 << 112, 7, 3, 13),
    (0, 0, 40, 1),
];

/// All policies, those of the longest prefixes first.
#[derive(Clone, Debug)]
pub(crate) struct Policies {
    rows: Vec<Policy>,
}

impl Policies {
    pub(crate) fn new() -> Self {
        let mut rows = Vec::with_capacity(MOST);
        rows.extend(FIRST.map(|(network, prefix, precedence, label)| Policy {
            network: network.into(),
            prefix,
            precedence,
            label,
        }));
        Self { rows }
    }

    /// The label of an address; `None` where no row has its prefix.
    pub(crate) fn label(&self, address: Ipv6Addr) -> Option<u8> {
        let is_in = |it: &&Policy| address.network(it.prefix) == it.network;
        Some(self.rows.iter().find(is_in)?.label)
    }

    fn place(&self, network: Ipv6Addr, prefix: u8) -> Option<usize> {
        let is_it = |it: &Policy| (it.network, it.prefix) == (network, prefix);
        self.rows.iter().position(is_it)
    }

    fn add(&mut self, policy: Policy) -> Result<(), AdminError> {
        let Policy {
            network, prefix, ..
        } = policy;
        if prefix > 128 || network.network(prefix) != network {
            return Err(AdminError::BadAddress);
        }
        if self.place(network, prefix).is_some() {
            return Err(AdminError::Exists);
        }
        if self.rows.len() >= MOST {
            return Err(AdminError::TableFull);
        }
        let behind = self.rows.partition_point(|it| it.prefix >= prefix);
        self.rows.insert(behind, policy);
        Ok(())
    }

    fn remove(&mut self, network: Ipv6Addr, prefix: u8) -> Result<(), AdminError> {
        let place = self.place(network, prefix).ok_or(AdminError::NotFound)?;
        self.rows.remove(place);
        Ok(())
    }
}

impl Stack {
    /// All policies, those of the longest prefixes first: of several, the first that has an address
    /// counts.
    pub fn policies(&self) -> impl Iterator<Item = Policy> + '_ {
        self.policies.rows.iter().copied()
    }

    /// Adds a policy; sources are chosen by it from now on.
    ///
    /// # Errors
    /// [`AdminError::BadAddress`] for what is no network, [`AdminError::Exists`],
    /// [`AdminError::TableFull`].
    pub fn add_policy(&mut self, policy: Policy) -> Result<(), AdminError> {
        self.policies.add(policy)?;
        self.configuration_changed();
        Ok(())
    }

    /// Removes one.
    ///
    /// # Errors
    /// [`AdminError::NotFound`].
    pub fn remove_policy(&mut self, network: Ipv6Addr, prefix: u8) -> Result<(), AdminError> {
        self.policies.remove(network, prefix)?;
        self.configuration_changed();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(network: &str, prefix: u8, label: u8) -> Policy {
        Policy {
            network: network.parse().unwrap(),
            prefix,
            precedence: 40,
            label,
        }
    }

    #[test]
    fn the_longest_prefix_counts_whenever_it_was_added() {
        let mut policies = Policies::new();
        let label = |policies: &Policies, text: &str| policies.label(text.parse().unwrap());
        for (address, expected) in [
            ("::1", 0),
            ("::2", 3),
            ("::ffff:10.0.0.1", 4),
            ("2001:0:1::", 5),
            ("2001:db8::", 1),
            ("2002::1", 2),
            ("fd00::1", 13),
            ("fec0::1", 11),
            ("3ffe::1", 12),
        ] {
            assert_eq!(label(&policies, address), Some(expected), "{address}");
        }
        policies.add(policy("2001:db8:1::", 48, 21)).unwrap();
        policies.add(policy("2001:db8::", 32, 20)).unwrap();
        assert_eq!(label(&policies, "2001:db8:1::9"), Some(21));
        assert_eq!(label(&policies, "2001:db8:2::9"), Some(20));
        policies
            .remove("2001:db8:1::".parse().unwrap(), 48)
            .unwrap();
        assert_eq!(label(&policies, "2001:db8:1::9"), Some(20));
        policies.remove(Ipv6Addr::UNSPECIFIED, 0).unwrap();
        assert_eq!(label(&policies, "2600::1"), None);
    }

    #[test]
    fn what_is_no_row_is_refused_and_rows_are_bounded() {
        let mut policies = Policies::new();
        let refused = |policies: &mut Policies, row| policies.add(row).unwrap_err();
        let bad = policy("2001:db8::1", 32, 1);
        assert_eq!(refused(&mut policies, bad), AdminError::BadAddress);
        let bad = policy("::", 129, 1);
        assert_eq!(refused(&mut policies, bad), AdminError::BadAddress);
        let known = policy("fc00::", 7, 1);
        assert_eq!(refused(&mut policies, known), AdminError::Exists);
        let gone = policies.remove("fc00::".parse().unwrap(), 8);
        assert_eq!(gone, Err(AdminError::NotFound));
        let mut added = 0;
        while policies.add(policy("8000::", 1 + added, 1)).is_ok() {
            added += 1;
        }
        assert_eq!(usize::from(added) + FIRST.len(), MOST);
        let full = policy("9000::", 64, 1);
        assert_eq!(refused(&mut policies, full), AdminError::TableFull);
    }
}
