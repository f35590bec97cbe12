//! The table by which addresses are chosen, as the protocol lays it out.

use core::net::IpAddr;

use protocol::{Address, PolicyRow, Rows};
use stack::{Policy, Stack};

/// Bits in front of an address of IPv4 that stands as one of IPv6.
const MAPPED_BITS: u8 = 96;

/// What a row says; `None` where it has no prefix.
pub fn wanted(row: &PolicyRow) -> Option<Policy> {
    let prefix = row.network.prefix;
    let (network, prefix) = match row.network.ip()? {
        IpAddr::V4(v4) => (v4.to_ipv6_mapped(), prefix.checked_add(MAPPED_BITS)?),
        IpAddr::V6(v6) => (v6, prefix),
    };
    Some(Policy {
        network,
        prefix,
        precedence: row.precedence,
        label: row.label,
    })
}

/// All rows from the cursor on.
pub fn rows(stack: &Stack, cursor: u32) -> Rows<PolicyRow> {
    let skipped = usize::try_from(cursor).unwrap_or(usize::MAX);
    let mut rest = stack.policies().skip(skipped);
    Rows::collect(cursor, |at| {
        let policy = rest.next()?;
        let row = PolicyRow {
            network: Address::from_network(policy.network.into(), policy.prefix),
            precedence: policy.precedence,
            label: policy.label,
            reserved: [0; 6],
        };
        Some((row, at.saturating_add(1)))
    })
}
