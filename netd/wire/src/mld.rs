//! Multicast listener discovery: which groups a host of IPv6 listens to.
//!
//! *Owns*: the messages of versions 1 and 2 that hosts send and understand, which are ICMPv6's, and
//! the checks that take nothing but the packet. *Never*: decides when to send one.
//!
//! *Spec*: RFC 2710 section 3; RFC 3810 sections 5 and 6.2.

use core::net::Ipv6Addr;
use core::time::Duration;

use zerocopy::byteorder::big_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::icmp6::{Envelope, close};
use crate::membership::{Details, Records, Report, decode16};
use crate::{Drop, Headroom, NoRoom, Protocol, Pseudo, Seal, checksum, ipv6};

/// Length in bytes of the messages of version 1, with ICMPv6's header.
pub const LEN: usize = 24;

/// No router passes on a message.
pub const HOP_LIMIT: u8 = 1;
/// The value of the router alert that each message has (RFC 2711 section 2.1).
pub const ROUTER_ALERT: u16 = 0;

/// Who listens to general questions: all nodes of the link.
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// Who hears that nobody listens any more (RFC 2710 section 3).
pub const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// Who hears reports of version 2 (RFC 3810 section 5.2.14).
pub const REPORTS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);

const QUERY: u8 = 130;
const REPORT_1: u8 = 131;
const DONE: u8 = 132;
const REPORT_2: u8 = 143;

/// What follows the checksum, but for reports of version 2.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Raw {
    time: U16,
    reserved: U16,
    group: [u8; 16],
}

const _: () = assert!(size_of::<Raw>() == 20);

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// "Who listens?"
    Query(Query<'a>),
    /// "I listen to this", in the words of version 1, which knows no sources.
    Report {
        /// The group.
        group: Ipv6Addr,
    },
    /// "I do not listen to this any more."
    Done {
        /// The group.
        group: Ipv6Addr,
    },
    /// "This is what I listen to", of version 2.
    Sources(Records<'a, Ipv6Addr>),
}

/// A question of a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query<'a> {
    /// About which group; all of them when it is none.
    pub group: Option<Ipv6Addr>,
    /// Answers are to come within this time.
    pub time: Duration,
    /// What version 2 adds; nothing in version 1.
    pub details: Option<Details<'a, Ipv6Addr>>,
}

/// Whether these are messages about listeners.
#[must_use]
pub const fn is_kind(kind: u8) -> bool {
    matches!(kind, QUERY..=DONE | REPORT_2)
}

impl<'a> Message<'a> {
    /// Reads the message in an envelope, which came in a packet with this header and router alert, and
    /// checks that it was sent on this link (RFC 3810 section 6.2).
    ///
    /// # Errors
    /// [`Drop::MldHopLimit`], [`Drop::MldSource`], [`Drop::MldRouterAlert`], [`Drop::MldShort`],
    /// [`Drop::MldGroup`]; [`Drop::Icmp6UnknownType`] for another kind of message.
    pub fn parse(
        envelope: &Envelope<'a>,
        packet: &ipv6::Header,
        router_alert: Option<u16>,
    ) -> Result<Self, Drop> {
        if !is_kind(envelope.kind) {
            return Err(Drop::Icmp6UnknownType);
        }
        if packet.hop_limit != HOP_LIMIT {
            return Err(Drop::MldHopLimit);
        }
        // Who has no address yet may report (RFC 3810 section 5.2.13), but not ask.
        let may_be_nobody = envelope.kind != QUERY && packet.source.is_unspecified();
        if !packet.source.is_unicast_link_local() && !may_be_nobody {
            return Err(Drop::MldSource);
        }
        if router_alert != Some(ROUTER_ALERT) {
            return Err(Drop::MldRouterAlert);
        }
        if envelope.kind == REPORT_2 {
            let (&[_, _, a, b], records) =
                envelope.body.split_first_chunk().ok_or(Drop::MldShort)?;
            let records = Records::parse(records, u16::from_be_bytes([a, b]));
            return records.map(Self::Sources).ok_or(Drop::MldShort);
        }
        let (raw, behind) = Raw::ref_from_prefix(envelope.body).map_err(|_| Drop::MldShort)?;
        let group = Ipv6Addr::from(raw.group);
        if envelope.kind == QUERY {
            return Query::read(raw, behind).map(Self::Query);
        }
        if !group.is_multicast() {
            return Err(Drop::MldGroup);
        }
        Ok(match envelope.kind {
            REPORT_1 => Self::Report { group },
            _ => Self::Done { group },
        })
    }
}

impl<'a> Query<'a> {
    /// RFC 3810 section 8.1: the version is told by the length.
    fn read(raw: &Raw, behind: &'a [u8]) -> Result<Self, Drop> {
        let group = Ipv6Addr::from(raw.group);
        let group = (!group.is_unspecified()).then_some(group);
        if group.is_some_and(|group| !group.is_multicast()) {
            return Err(Drop::MldGroup);
        }
        let milliseconds = |time: u32| Duration::from_millis(time.into());
        if behind.is_empty() {
            return Ok(Self {
                group,
                time: milliseconds(raw.time.get().into()),
                details: None,
            });
        }
        let details = Details::parse(behind).ok_or(Drop::MldShort)?;
        if group.is_none() && !details.sources.is_empty() {
            return Err(Drop::MldGroup);
        }
        Ok(Self {
            group,
            time: milliseconds(decode16(raw.time.get())),
            details: Some(details),
        })
    }
}

/// Puts "I listen to this", of version 1, in front of nothing.
///
/// # Errors
/// [`NoRoom`].
pub fn emit_report(room: &mut Headroom<'_>, group: Ipv6Addr, pseudo: Pseudo) -> Result<(), NoRoom> {
    emit(room, REPORT_1, group, pseudo)
}

/// Puts "I do not listen to this any more" in front of nothing.
///
/// # Errors
/// [`NoRoom`].
pub fn emit_done(room: &mut Headroom<'_>, group: Ipv6Addr, pseudo: Pseudo) -> Result<(), NoRoom> {
    emit(room, DONE, group, pseudo)
}

fn emit(room: &mut Headroom<'_>, kind: u8, group: Ipv6Addr, pseudo: Pseudo) -> Result<(), NoRoom> {
    let raw = Raw {
        time: U16::ZERO,
        reserved: U16::ZERO,
        group: group.octets(),
    };
    room.prepend(raw.as_bytes())?;
    let payload = checksum::sum(raw.as_bytes());
    close(
        room,
        (kind, 0),
        size_of::<Raw>(),
        Seal::Full { pseudo, payload },
    )
}

/// Completes a report of version 2. Gives its length.
#[must_use]
pub fn finish(report: Report<'_, Ipv6Addr>, pseudo: Pseudo) -> usize {
    let bytes = report.close(REPORT_2);
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let sum = pseudo.with(Protocol::ICMPV6, len);
    let field = sum.plus(checksum::sum(bytes)).finish();
    if let Some(place) = bytes.get_mut(2..4) {
        place.copy_from_slice(&field);
    }
    bytes.len()
}

#[cfg(test)]
mod tests;
