//! Ethernet II frames.
//!
//! *Owns*: the link header and the least length of a frame.
//! *Never*: decides whether a frame is for us; that takes the interface's addresses.
//!
//! *Spec*: RFC 894, IEEE 802.3 clause 3.

use core::fmt;

use zerocopy::byteorder::big_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::{Drop, Headroom, MacAddress, NoRoom};

/// Length of the header in bytes.
pub const HEADER_LEN: usize = 14;

/// A frame has at least this many bytes, header included and check sequence not: a transmitter
/// pads shorter ones with zeros (IEEE 802.3 clause 4.2.3.3).
pub const MIN_FRAME_LEN: usize = 60;

/// Values below are lengths of IEEE 802.3 frames, not types (IEEE 802.3 clause 3.2.6).
const LEAST_TYPE: u16 = 0x0600;

/// What a frame carries (IEEE 802 numbers).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EtherType(pub u16);

impl EtherType {
    /// IPv4, RFC 894.
    pub const IPV4: Self = Self(0x0800);
    /// ARP, RFC 826.
    pub const ARP: Self = Self(0x0806);
    /// IPv6, RFC 2464.
    pub const IPV6: Self = Self(0x86dd);
    /// A tag, and only then what the frame carries (IEEE 802.1Q clause 9.5).
    pub const VLAN: Self = Self(0x8100);

    /// Whether it is a type at all.
    #[must_use]
    pub const fn is_type(self) -> bool {
        self.0 >= LEAST_TYPE
    }
}

impl fmt::Debug for EtherType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::IPV4 => f.write_str("ipv4"),
            Self::ARP => f.write_str("arp"),
            Self::IPV6 => f.write_str("ipv6"),
            Self::VLAN => f.write_str("vlan"),
            Self(number) => write!(f, "ethertype {number:#06x}"),
        }
    }
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Raw {
    destination: MacAddress,
    source: MacAddress,
    ethertype: U16,
}

const _: () = assert!(size_of::<Raw>() == HEADER_LEN);

/// An Ethernet header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// To whom.
    pub destination: MacAddress,
    /// From whom.
    pub source: MacAddress,
    /// What follows.
    pub ethertype: EtherType,
}

/// A received frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its header.
    pub header: Header,
    /// What follows, padding included: only the layer above knows where it ends.
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Reads a frame (without preamble and check sequence, as devices deliver it).
    ///
    /// # Errors
    /// [`Drop::EthernetShort`], [`Drop::EthernetLength`], [`Drop::EthernetSource`].
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Drop> {
        let (raw, payload) = Raw::ref_from_prefix(bytes).map_err(|_| Drop::EthernetShort)?;
        let ethertype = raw.ethertype.get();
        if ethertype < LEAST_TYPE {
            return Err(Drop::EthernetLength);
        }
        // IEEE 802.3 clause 3.2.5: a source is always one station.
        if raw.source.is_group() {
            return Err(Drop::EthernetSource);
        }
        let header = Header {
            destination: raw.destination,
            source: raw.source,
            ethertype: EtherType(ethertype),
        };
        Ok(Self { header, payload })
    }
}

impl Header {
    /// Puts the header in front of its payload.
    ///
    /// # Errors
    /// [`NoRoom`].
    #[inline]
    pub fn emit(&self, room: &mut Headroom<'_>) -> Result<(), NoRoom> {
        let raw = Raw {
            destination: self.destination,
            source: self.source,
            ethertype: U16::new(self.ethertype.0),
        };
        room.prepend(raw.as_bytes())
    }
}

/// Writes to whom a frame goes, at its start. Known before anything else of a frame, it has its place
/// at once.
///
/// # Errors
/// [`NoRoom`].
#[inline]
pub fn emit_destination(frame: &mut [u8], to: MacAddress) -> Result<(), NoRoom> {
    let place = frame.first_chunk_mut().ok_or(NoRoom)?;
    *place = to.0;
    Ok(())
}

/// To whom the frame goes that begins so; to nobody, if it is too short.
#[inline]
#[must_use]
pub fn destination(frame: &[u8]) -> MacAddress {
    frame
        .first_chunk()
        .map_or(MacAddress::ZERO, |to| MacAddress(*to))
}

/// Writes the rest of the header of a frame that has its destination.
///
/// # Errors
/// [`NoRoom`].
#[inline]
pub fn emit_source(frame: &mut [u8], from: MacAddress, ethertype: EtherType) -> Result<(), NoRoom> {
    let header = frame.first_chunk_mut::<HEADER_LEN>().ok_or(NoRoom)?;
    let [_, _, _, _, _, _, rest @ ..] = header;
    let [a, b, c, d, e, f] = from.0;
    let [high, low] = ethertype.0.to_be_bytes();
    *rest = [a, b, c, d, e, f, high, low];
    Ok(())
}

#[cfg(test)]
mod tests;
