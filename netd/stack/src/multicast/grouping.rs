//! What IGMP and MLD call by different names.
//!
//! *Owns* [`Grouping`], by which the state machine is written once: addresses, messages and the headers
//! in front of them.
//!
//! Spec: RFC 3376 section 4; RFC 3810 section 5.

use crate::interface::Interface;
use crate::multicast::table::{Groups, Speech};
use core::net::{Ipv4Addr, Ipv6Addr};
use wire::membership::{Member, Report};
use wire::{Drop, Headroom, NoRoom, Protocol, Pseudo, igmp, ipv4, ipv6, mld};

/// Messages are for the next router (RFC 3376 section 4, RFC 3810 section 5): nobody passes them on.
const HOPS: u8 = 1;
/// They control the network (RFC 3376 section 4, RFC 2474 section 4.2.2.2).
const CONTROL: u8 = 48;

/// A family, as far as its groups go.
pub(crate) trait Grouping: Member + 'static {
    /// Whom reports of the newest version are for.
    const REPORTS: Self;
    /// Who hears that nobody listens any more.
    const ROUTERS: Self;
    /// The group that everybody is in.
    const EVERYBODY: Self;
    /// Bytes that ask routers to look at a packet.
    const ALERT_LEN: usize;
    /// Bytes of a message of the older versions.
    const MESSAGE_LEN: usize;
    /// What is dropped that is for somebody else.
    const NOT_FOR_US: Drop;
    /// Its place among the families.
    const NUMBER: u32;

    /// The groups of an interface.
    fn groups(interface: &Interface) -> &Groups<Self>;
    /// The groups of an interface.
    fn groups_mut(interface: &mut Interface) -> &mut Groups<Self>;
    /// Whether routers are told who listens to the group.
    fn is_reported(self) -> bool;
    /// From whom messages are.
    fn speaker(interface: &Interface) -> Self;
    /// The number of the version.
    fn version(speech: Speech) -> u8;
    /// Whether the interface takes part in the family.
    fn takes_part(interface: &Interface) -> bool;
    /// Puts the network header, with its request that routers look at it, in front of a message.
    fn emit_header(
        room: &mut Headroom<'_>,
        ends: (Self, Self),
        message_len: usize,
    ) -> Result<(), NoRoom>;
    /// Completes a report of the newest version. Gives its length.
    fn finish(report: Report<'_, Self>, source: Self) -> usize;
    /// Puts "I listen to this", in the words of an older version, in front of nothing.
    fn emit_report(
        room: &mut Headroom<'_>,
        source: Self,
        group: Self,
        speech: Speech,
    ) -> Result<(), NoRoom>;
    /// Puts "I do not listen to this any more" in front of nothing.
    fn emit_leave(room: &mut Headroom<'_>, source: Self, group: Self) -> Result<(), NoRoom>;
}

impl Grouping for Ipv4Addr {
    const REPORTS: Self = igmp::REPORTS;
    const ROUTERS: Self = igmp::ALL_ROUTERS;
    const EVERYBODY: Self = igmp::ALL_SYSTEMS;
    const ALERT_LEN: usize = igmp::ROUTER_ALERT.len();
    const MESSAGE_LEN: usize = igmp::LEN;
    const NOT_FOR_US: Drop = Drop::Ipv4NotForUs;
    const NUMBER: u32 = 0;

    fn groups(interface: &Interface) -> &Groups<Self> {
        &interface.groups
    }

    fn groups_mut(interface: &mut Interface) -> &mut Groups<Self> {
        &mut interface.groups
    }

    /// RFC 3376 section 5: all but that of everybody.
    fn is_reported(self) -> bool {
        self != Self::EVERYBODY
    }

    /// RFC 3376 section 4.2.13: nobody, as long as there is no address.
    fn speaker(interface: &Interface) -> Self {
        let own = interface.usable().next();
        own.map_or(Self::UNSPECIFIED, |own| own.cidr.address())
    }

    fn version(speech: Speech) -> u8 {
        match speech {
            Speech::Oldest => 1,
            Speech::Older => 2,
            Speech::Newest => 3,
        }
    }

    fn takes_part(_: &Interface) -> bool {
        true
    }

    fn emit_header(
        room: &mut Headroom<'_>,
        (source, to): (Self, Self),
        message_len: usize,
    ) -> Result<(), NoRoom> {
        let header = ipv4::Header {
            dscp: CONTROL,
            ..ipv4::Header::atomic(source, to, Protocol::IGMP, HOPS)
        };
        header.emit_with(room, igmp::ROUTER_ALERT, message_len)
    }

    fn finish(report: Report<'_, Self>, _source: Self) -> usize {
        igmp::finish(report)
    }

    fn emit_report(
        room: &mut Headroom<'_>,
        _source: Self,
        group: Self,
        speech: Speech,
    ) -> Result<(), NoRoom> {
        igmp::emit_report(room, group, speech != Speech::Oldest)
    }

    fn emit_leave(room: &mut Headroom<'_>, _source: Self, group: Self) -> Result<(), NoRoom> {
        igmp::emit_leave(room, group)
    }
}

impl Grouping for Ipv6Addr {
    const REPORTS: Self = mld::REPORTS;
    const ROUTERS: Self = mld::ALL_ROUTERS;
    const EVERYBODY: Self = mld::ALL_NODES;
    const ALERT_LEN: usize = ipv6::ROUTER_ALERT_LEN;
    const MESSAGE_LEN: usize = mld::LEN;
    const NOT_FOR_US: Drop = Drop::Ipv6NotForUs;
    const NUMBER: u32 = 1;

    fn groups(interface: &Interface) -> &Groups<Self> {
        &interface.six.groups
    }

    fn groups_mut(interface: &mut Interface) -> &mut Groups<Self> {
        &mut interface.six.groups
    }

    /// RFC 3810 section 6: all but that of everybody and those that are nothing to the link.
    fn is_reported(self) -> bool {
        let [first, ..] = self.segments();
        self != Self::EVERYBODY && first & 0xf > 1
    }

    /// RFC 3810 section 5.2.13, RFC 3590 section 4: nobody, as long as there is no address of the link.
    fn speaker(interface: &Interface) -> Self {
        let own = interface.six.link_local();
        own.map_or(Self::UNSPECIFIED, |own| own.address())
    }

    fn version(speech: Speech) -> u8 {
        match speech {
            Speech::Oldest | Speech::Older => 1,
            Speech::Newest => 2,
        }
    }

    fn takes_part(interface: &Interface) -> bool {
        interface.six.enabled
    }

    fn emit_header(
        room: &mut Headroom<'_>,
        (source, to): (Self, Self),
        message_len: usize,
    ) -> Result<(), NoRoom> {
        ipv6::emit_router_alert(room, mld::ROUTER_ALERT, Protocol::ICMPV6)?;
        let header = ipv6::Header::new(source, to, Protocol::HOP_BY_HOP, HOPS);
        header.emit(room, message_len.saturating_add(Self::ALERT_LEN))
    }

    fn finish(report: Report<'_, Self>, source: Self) -> usize {
        mld::finish(report, Pseudo::v6(source, Self::REPORTS))
    }

    fn emit_report(
        room: &mut Headroom<'_>,
        source: Self,
        group: Self,
        _speech: Speech,
    ) -> Result<(), NoRoom> {
        mld::emit_report(room, group, Pseudo::v6(source, group))
    }

    fn emit_leave(room: &mut Headroom<'_>, source: Self, group: Self) -> Result<(), NoRoom> {
        mld::emit_done(room, group, Pseudo::v6(source, Self::ROUTERS))
    }
}
