//! IGMP: which groups a host of IPv4 listens to.
//!
//! *Owns*: the messages of versions 1, 2 and 3 that hosts send and understand.
//! *Never*: decides when to send one; that is the state machine's.
//!
//! *Spec*: RFC 1112 appendix I; RFC 2236; RFC 3376 section 4.

use core::net::Ipv4Addr;
use core::time::Duration;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::membership::{Details, Records, Report, decode8};
use crate::{Drop, Headroom, NoRoom, checksum};

/// Length in bytes of all messages but those of version 3.
pub const LEN: usize = 8;

/// Who listens to questions: all systems of the link (RFC 3376 section 4.1.12).
pub const ALL_SYSTEMS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);
/// Who hears that nobody listens any more (RFC 2236 section 9).
pub const ALL_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 2);
/// Who hears reports of version 3 (RFC 3376 section 4.2.14).
pub const REPORTS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 22);

/// The IP option that asks all routers to look at a packet (RFC 2113): each message has it.
pub const ROUTER_ALERT: [u8; 4] = [0x94, 4, 0, 0];

const QUERY: u8 = 0x11;
const REPORT_1: u8 = 0x12;
const REPORT_2: u8 = 0x16;
const LEAVE: u8 = 0x17;
const REPORT_3: u8 = 0x22;

/// The longest answer time of version 1, which does not say one (RFC 2236 section 4).
const TIME_OF_VERSION_1: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Raw {
    kind: u8,
    time: u8,
    checksum: [u8; 2],
    group: [u8; 4],
}

const _: () = assert!(size_of::<Raw>() == LEN);

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// "Who listens?"
    Query(Query<'a>),
    /// "I listen to this", in the words of a version that knows no sources.
    Report {
        /// Version 2, else version 1.
        is_version_2: bool,
        /// The group.
        group: Ipv4Addr,
    },
    /// "I do not listen to this any more."
    Leave {
        /// The group.
        group: Ipv4Addr,
    },
    /// "This is what I listen to", of version 3.
    Sources(Records<'a, Ipv4Addr>),
}

/// A question of a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query<'a> {
    /// About which group; all of them when it is none.
    pub group: Option<Ipv4Addr>,
    /// Answers are to come within this time.
    pub time: Duration,
    /// The querier's version, and what version 3 adds.
    pub version: Version<'a>,
}

/// The version of a querier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version<'a> {
    /// RFC 1112.
    V1,
    /// RFC 2236.
    V2,
    /// RFC 3376.
    V3(Details<'a, Ipv4Addr>),
}

impl<'a> Message<'a> {
    /// Reads a message from an IP payload.
    ///
    /// # Errors
    /// [`Drop::IgmpShort`], [`Drop::IgmpChecksum`], [`Drop::IgmpUnknownType`], [`Drop::IgmpGroup`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Drop> {
        let (raw, behind) = Raw::ref_from_prefix(bytes).map_err(|_| Drop::IgmpShort)?;
        if !checksum::sum(bytes).is_valid() {
            return Err(Drop::IgmpChecksum);
        }
        let group = Ipv4Addr::from(raw.group);
        let listened = || match group.is_multicast() {
            true => Ok(group),
            false => Err(Drop::IgmpGroup),
        };
        Ok(match raw.kind {
            QUERY => Self::Query(Query::read(raw, behind)?),
            REPORT_1 | REPORT_2 => Self::Report {
                is_version_2: raw.kind == REPORT_2,
                group: listened()?,
            },
            LEAVE => Self::Leave { group: listened()? },
            REPORT_3 => {
                let [.., a, b] = raw.group;
                let count = u16::from_be_bytes([a, b]);
                Self::Sources(Records::parse(behind, count).ok_or(Drop::IgmpShort)?)
            }
            // RFC 2236 section 2.1: to be silently ignored.
            _ => return Err(Drop::IgmpUnknownType),
        })
    }
}

impl<'a> Query<'a> {
    /// RFC 3376 section 7.1: the version is told by length and time.
    fn read(raw: &Raw, behind: &'a [u8]) -> Result<Self, Drop> {
        let group = Ipv4Addr::from(raw.group);
        let group = (!group.is_unspecified()).then_some(group);
        if group.is_some_and(|group| !group.is_multicast()) {
            return Err(Drop::IgmpGroup);
        }
        let tenths = |tenths: u32| Duration::from_millis(u64::from(tenths).saturating_mul(100));
        let (time, version) = match (behind, raw.time) {
            ([], 0) => (TIME_OF_VERSION_1, Version::V1),
            ([], time) => (tenths(time.into()), Version::V2),
            _ => {
                let details = Details::parse(behind).ok_or(Drop::IgmpShort)?;
                // RFC 3376 section 4.1.10: sources of no group mean nothing.
                if group.is_none() && !details.sources.is_empty() {
                    return Err(Drop::IgmpGroup);
                }
                (tenths(decode8(raw.time)), Version::V3(details))
            }
        };
        Ok(Self {
            group,
            time,
            version,
        })
    }
}

/// Puts "I listen to this", of version 1 or 2, in front of nothing.
///
/// # Errors
/// [`NoRoom`].
pub fn emit_report(
    room: &mut Headroom<'_>,
    group: Ipv4Addr,
    is_version_2: bool,
) -> Result<(), NoRoom> {
    emit(room, if is_version_2 { REPORT_2 } else { REPORT_1 }, group)
}

/// Puts "I do not listen to this any more" in front of nothing.
///
/// # Errors
/// [`NoRoom`].
pub fn emit_leave(room: &mut Headroom<'_>, group: Ipv4Addr) -> Result<(), NoRoom> {
    emit(room, LEAVE, group)
}

fn emit(room: &mut Headroom<'_>, kind: u8, group: Ipv4Addr) -> Result<(), NoRoom> {
    let mut raw = Raw {
        kind,
        time: 0,
        checksum: [0; 2],
        group: group.octets(),
    };
    raw.checksum = checksum::sum(raw.as_bytes()).finish();
    room.prepend(raw.as_bytes())
}

/// Completes a report of version 3. Gives its length.
#[must_use]
pub fn finish(report: Report<'_, Ipv4Addr>) -> usize {
    let bytes = report.close(REPORT_3);
    let field = checksum::sum(bytes).finish();
    if let Some(place) = bytes.get_mut(2..4) {
        place.copy_from_slice(&field);
    }
    bytes.len()
}

#[cfg(test)]
mod tests;
