//! What IGMPv3 and MLDv2 have in common: reports about groups, and their sources.
//!
//! *Owns*: the records of a report and the codes of times. The messages around them differ, see
//! [`igmp`](crate::igmp) and [`mld`](crate::mld). *Never*: decides what to report.
//!
//! *Spec*: RFC 3376 section 4.2; RFC 3810 section 5.2. Both lay out records alike but for the length
//! of an address.

use core::marker::PhantomData;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use crate::NoRoom;

/// Bytes of a report in front of its records: type, a byte that means nothing, checksum, two more of
/// those, and how many records follow.
pub const REPORT_LEN: usize = 8;

/// An address of a group or source.
pub trait Member: Copy + Eq {
    /// Its bytes.
    type Octets: AsRef<[u8]>;
    /// How many there are.
    const LEN: usize;
    /// The address of which these are the bytes.
    fn read(octets: &[u8]) -> Option<Self>;
    /// The bytes of the address.
    fn octets(self) -> Self::Octets;
    /// Whether it is a group's.
    fn is_group(self) -> bool;
}

impl Member for Ipv4Addr {
    type Octets = [u8; 4];
    const LEN: usize = 4;

    fn read(octets: &[u8]) -> Option<Self> {
        <[u8; 4]>::try_from(octets).map(Self::from).ok()
    }

    fn octets(self) -> [u8; 4] {
        Self::octets(&self)
    }

    fn is_group(self) -> bool {
        self.is_multicast()
    }
}

impl Member for Ipv6Addr {
    type Octets = [u8; 16];
    const LEN: usize = 16;

    fn read(octets: &[u8]) -> Option<Self> {
        <[u8; 16]>::try_from(octets).map(Self::from).ok()
    }

    fn octets(self) -> [u8; 16] {
        Self::octets(&self)
    }

    fn is_group(self) -> bool {
        self.is_multicast()
    }
}

/// Addresses of sources, as they stand in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sources<'a, A> {
    bytes: &'a [u8],
    kind: PhantomData<A>,
}

impl<'a, A: Member> Sources<'a, A> {
    /// None.
    pub const NONE: Self = Self {
        bytes: &[],
        kind: PhantomData,
    };

    /// The first `count` addresses of `bytes`, and what is behind them.
    pub(crate) fn split(bytes: &'a [u8], count: u16) -> Option<(Self, &'a [u8])> {
        let len = usize::from(count).checked_mul(A::LEN)?;
        let (bytes, behind) = bytes.split_at_checked(len)?;
        let kind = PhantomData;
        Some((Self { bytes, kind }, behind))
    }

    /// How many there are.
    #[must_use]
    pub fn len(self) -> usize {
        self.bytes.len().checked_div(A::LEN).unwrap_or(0)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    /// One after the other.
    pub fn iter(self) -> impl Iterator<Item = A> + use<'a, A> {
        self.bytes.chunks_exact(A::LEN).filter_map(A::read)
    }
}

/// What a record says about its group (RFC 3376 section 4.2.12, RFC 3810 section 5.2.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// These sources are heard.
    IsInclude,
    /// All but these are.
    IsExclude,
    /// From now on these are.
    ToInclude,
    /// From now on all but these are.
    ToExclude,
    /// These are as well.
    Allow,
    /// These are not any more.
    Block,
}

impl RecordKind {
    const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::IsInclude,
            2 => Self::IsExclude,
            3 => Self::ToInclude,
            4 => Self::ToExclude,
            5 => Self::Allow,
            6 => Self::Block,
            _ => return None,
        })
    }

    const fn code(self) -> u8 {
        match self {
            Self::IsInclude => 1,
            Self::IsExclude => 2,
            Self::ToInclude => 3,
            Self::ToExclude => 4,
            Self::Allow => 5,
            Self::Block => 6,
        }
    }
}

/// A record of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a, A> {
    /// What it says.
    pub kind: RecordKind,
    /// About which group.
    pub group: A,
    /// And which sources.
    pub sources: Sources<'a, A>,
}

/// The records of a report, as they stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Records<'a, A> {
    bytes: &'a [u8],
    kind: PhantomData<A>,
}

impl<'a, A: Member> Records<'a, A> {
    /// So many records; `None` when they are not there, or one is about no group.
    pub(crate) fn parse(bytes: &'a [u8], count: u16) -> Option<Self> {
        let mut rest = bytes;
        for _ in 0..count {
            (_, rest) = Self::split(rest)?;
        }
        let len = bytes.len().checked_sub(rest.len())?;
        let kind = PhantomData;
        Some(Self {
            bytes: bytes.get(..len)?,
            kind,
        })
    }

    /// The first record, if its kind is known, and what is behind it.
    fn split(bytes: &'a [u8]) -> Option<(Option<Record<'a, A>>, &'a [u8])> {
        let (&[kind, words, a, b], behind) = bytes.split_first_chunk()?;
        let (group, behind) = behind.split_at_checked(A::LEN)?;
        let group = A::read(group).filter(|group| group.is_group())?;
        let (sources, behind) = Sources::split(behind, u16::from_be_bytes([a, b]))?;
        let behind = behind.get(usize::from(words) << 2..)?;
        let record = RecordKind::from_code(kind).map(|kind| Record {
            kind,
            group,
            sources,
        });
        Some((record, behind))
    }

    /// One after the other; those of a kind that is not known are skipped (RFC 3376 section 4.2.4).
    pub fn iter(self) -> impl Iterator<Item = Record<'a, A>> + use<'a, A> {
        let mut rest = self.bytes;
        core::iter::from_fn(move || {
            loop {
                let (record, behind) = Self::split(rest)?;
                rest = behind;
                if record.is_some() {
                    return record;
                }
            }
        })
    }
}

/// A report under construction, from front to back. Its first eight bytes are written last.
#[derive(Debug)]
pub struct Report<'a, A> {
    bytes: &'a mut [u8],
    len: usize,
    count: u16,
    kind: PhantomData<A>,
}

impl<'a, A: Member> Report<'a, A> {
    /// A report without records in so much room.
    ///
    /// # Errors
    /// [`NoRoom`] for less than eight bytes.
    pub fn new(bytes: &'a mut [u8]) -> Result<Self, NoRoom> {
        if bytes.len() < REPORT_LEN {
            return Err(NoRoom);
        }
        Ok(Self {
            bytes,
            len: REPORT_LEN,
            count: 0,
            kind: PhantomData,
        })
    }

    /// How many records there are.
    #[must_use]
    pub fn count(&self) -> u16 {
        self.count
    }

    /// How many sources a record could have now.
    #[must_use]
    pub fn room(&self) -> usize {
        let head = A::LEN.saturating_add(4);
        let left = self.bytes.len().saturating_sub(self.len);
        let sources = left.saturating_sub(head).checked_div(A::LEN);
        sources.unwrap_or(0).min(usize::from(u16::MAX))
    }

    /// Adds a record.
    ///
    /// # Errors
    /// [`NoRoom`]; the report is as before.
    pub fn record(
        &mut self,
        kind: RecordKind,
        group: A,
        sources: impl Iterator<Item = A>,
    ) -> Result<(), NoRoom> {
        let count = self.count.checked_add(1).ok_or(NoRoom)?;
        let start = self.len;
        let mut at = start.checked_add(4).ok_or(NoRoom)?;
        let mut put = |address: A| {
            let octets = address.octets();
            let octets = octets.as_ref();
            let end = at.checked_add(octets.len()).ok_or(NoRoom)?;
            let place = self.bytes.get_mut(at..end).ok_or(NoRoom)?;
            place.copy_from_slice(octets);
            at = end;
            Ok(())
        };
        put(group)?;
        let mut number = 0_u16;
        for source in sources {
            put(source)?;
            number = number.checked_add(1).ok_or(NoRoom)?;
        }
        let [a, b] = number.to_be_bytes();
        let (place, _) = self
            .bytes
            .get_mut(start..)
            .and_then(|bytes| bytes.split_first_chunk_mut())
            .ok_or(NoRoom)?;
        *place = [kind.code(), 0, a, b];
        (self.len, self.count) = (at, count);
        Ok(())
    }

    /// The bytes so far, with a first byte that says what they are; the checksum is missing.
    pub(crate) fn close(self, kind: u8) -> &'a mut [u8] {
        let [a, b] = self.count.to_be_bytes();
        let bytes = self.bytes.get_mut(..self.len).unwrap_or_default();
        if let Some((head, _)) = bytes.split_first_chunk_mut() {
            *head = [kind, 0, 0, 0, 0, 0, a, b];
        }
        bytes
    }
}

/// What an 8-bit code of a time or interval means, in its unit (RFC 3376 section 4.1.1).
#[must_use]
pub(crate) const fn decode8(code: u8) -> u32 {
    if code < 0x80 {
        return code as u32;
    }
    let mantissa = (code & 0x0f | 0x10) as u32;
    mantissa << ((code >> 4 & 0x07) as u32).saturating_add(3)
}

/// What a 16-bit code means, in its unit (RFC 3810 section 5.1.3).
#[must_use]
pub(crate) const fn decode16(code: u16) -> u32 {
    if code < 0x8000 {
        return code as u32;
    }
    let mantissa = (code & 0x0fff | 0x1000) as u32;
    mantissa << ((code >> 12 & 0x07) as u32).saturating_add(3)
}

/// What queriers of the newer versions add to their questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Details<'a, A> {
    /// Routers are not to change their timers by it.
    pub suppress: bool,
    /// How many times the querier wants things said, so that one loss is survived; zero: unsaid.
    pub robustness: u8,
    /// How often it asks.
    pub interval: Duration,
    /// Only these sources are asked about, if any are named.
    pub sources: Sources<'a, A>,
}

impl<'a, A: Member> Details<'a, A> {
    /// Reads them from the last part of a query.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (&[flags, interval, a, b], behind) = bytes.split_first_chunk()?;
        let (sources, _) = Sources::split(behind, u16::from_be_bytes([a, b]))?;
        Some(Self {
            suppress: flags & 0x08 != 0,
            robustness: flags & 0x07,
            interval: Duration::from_secs(decode8(interval).into()),
            sources,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 3376 section 4.1.1, RFC 3810 section 5.1.3
    #[test]
    fn codes_of_times() {
        for (code, value) in [
            (0, 0),
            (1, 1),
            (127, 127),
            (0x80, 128),
            (0x8f, 248),
            (0xff, 31_744),
        ] {
            assert_eq!(decode8(code), value);
        }
        for (code, value) in [(0, 0), (10_000, 10_000), (0x7fff, 0x7fff), (0x8000, 32_768)] {
            assert_eq!(decode16(code), value);
        }
        assert_eq!(decode16(0xffff), 0x1fff << 10);
    }

    #[test]
    fn a_record_that_does_not_fit_leaves_the_report_as_it_was() {
        let mut bytes = [0; 8 + 8 + 4 + 7];
        let group = Ipv4Addr::new(239, 1, 2, 3);
        let mut report = Report::new(&mut bytes).expect("room");
        assert_eq!(report.room(), 2);
        let one = [Ipv4Addr::LOCALHOST].into_iter();
        assert_eq!(report.record(RecordKind::Allow, group, one), Ok(()));
        let none = core::iter::empty();
        let refused = report.record(RecordKind::IsExclude, group, none);
        assert_eq!(refused, Err(NoRoom));
        assert_eq!((report.count(), report.room()), (1, 0));
        assert_eq!(report.close(7).len(), 20);
        assert!(Report::<Ipv4Addr>::new(&mut bytes[..7]).is_err());
    }
}
