//! Groups as the protocol lays them out.

use core::net::IpAddr;

use protocol::{Address, Group, GroupRow, GroupWish, Rows};
use stack::{FilterMode, Instant, Membership, Stack};

/// The group, and what is wanted of it; `None` where an address is missing.
pub fn wanted(request: &Group) -> Option<(IpAddr, Membership)> {
    let source = request.body.source.ip();
    let membership = match request.wish {
        GroupWish::Join => Membership::Join,
        GroupWish::Leave => Membership::Leave,
        GroupWish::Include => Membership::Include(source?),
        GroupWish::Remove => Membership::Remove(source?),
        GroupWish::Block => Membership::Block(source?),
        GroupWish::Unblock => Membership::Unblock(source?),
    };
    Some((request.body.group.ip()?, membership))
}

/// All groups from the cursor on.
pub fn rows(stack: &Stack, cursor: u32, now: Instant) -> Rows<GroupRow> {
    let skipped = usize::try_from(cursor).unwrap_or(usize::MAX);
    let mut rest = stack.groups(now).skip(skipped);
    Rows::collect(cursor, |at| {
        let info = rest.next()?;
        let row = GroupRow {
            interface: u32::from(info.interface.raw()).into(),
            sources: info.sources.into(),
            sockets: info.sockets.into(),
            excludes: (info.mode == FilterMode::Exclude).into(),
            own: info.is_own.into(),
            version: info.version,
            reserved: [0; 5],
            group: Address::from_ip(info.group),
        };
        Some((row, at.saturating_add(1)))
    })
}
