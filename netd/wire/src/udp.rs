//! UDP.
//!
//! *Owns*: the header and its checksum. *Never*: finds the socket.
//!
//! *Spec*: RFC 768; RFC 1122 section 4.1; RFC 8200 section 8.1 (checksum over IPv6).

use zerocopy::byteorder::big_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::headroom::word;
use crate::{Check, Drop, Headroom, NoRoom, Protocol, Seal, Sum, checksum};

/// Length of the header in bytes.
pub const HEADER_LEN: usize = 8;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Raw {
    source_port: U16,
    destination_port: U16,
    length: U16,
    checksum: [u8; 2],
}

const _: () = assert!(size_of::<Raw>() == HEADER_LEN);

/// Whether a datagram may come without a checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoChecksum {
    /// Over IPv4 (RFC 768).
    Accept,
    /// Over IPv6 (RFC 8200 section 8.1).
    Refuse,
}

/// A UDP header. Its length and checksum follow from what is behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// From which port; zero when the sender wants no answer (RFC 768).
    pub src_port: u16,
    /// To which port; never zero in a received datagram.
    pub dst_port: u16,
}

/// A received datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Its header.
    pub header: Header,
    /// What the datagram carries.
    pub payload: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// Reads a datagram from an IP payload; bytes behind its length are ignored.
    ///
    /// # Errors
    /// [`Drop::UdpShort`], [`Drop::UdpLength`], [`Drop::UdpNoChecksum`], [`Drop::UdpChecksum`],
    /// [`Drop::UdpPort`].
    #[inline]
    pub fn parse(bytes: &'a [u8], check: Check, absent: NoChecksum) -> Result<Self, Drop> {
        let (raw, _) = Raw::ref_from_prefix(bytes).map_err(|_| Drop::UdpShort)?;
        let datagram = bytes
            .get(..usize::from(raw.length.get()))
            .ok_or(Drop::UdpLength)?;
        let payload = datagram.get(HEADER_LEN..).ok_or(Drop::UdpLength)?;
        match (raw.checksum, absent, check) {
            // RFC 768: an all-zero field means that the sender has computed none.
            ([0, 0], NoChecksum::Accept, _) | (_, _, Check::Trusted) => {}
            ([0, 0], NoChecksum::Refuse, Check::Verify(_)) => return Err(Drop::UdpNoChecksum),
            (_, _, Check::Verify(pseudo)) => {
                let pseudo = pseudo.with(Protocol::UDP, u32::from(raw.length.get()));
                if !pseudo.plus(checksum::sum(datagram)).is_valid() {
                    return Err(Drop::UdpChecksum);
                }
            }
        }
        let header = Header {
            src_port: raw.source_port.get(),
            dst_port: raw.destination_port.get(),
        };
        if header.dst_port == 0 {
            return Err(Drop::UdpPort);
        }
        Ok(Self { header, payload })
    }
}

impl Header {
    /// Puts the header in front of a payload of `payload_len` bytes.
    ///
    /// # Errors
    /// [`NoRoom`], also when the datagram would exceed 65,535 bytes.
    #[inline]
    pub fn emit(
        &self,
        room: &mut Headroom<'_>,
        payload_len: usize,
        seal: Seal,
    ) -> Result<(), NoRoom> {
        let length = payload_len.checked_add(HEADER_LEN).ok_or(NoRoom)?;
        let length = u16::try_from(length).map_err(|_| NoRoom)?;
        let ports = word(self.src_port.to_be_bytes(), self.dst_port.to_be_bytes());
        let words = |checksum| [ports, word(length.to_be_bytes(), checksum)];
        let sum = || Sum::words(&words([0; 2]));
        let checksum = match (seal.field(Protocol::UDP, length.into(), sum), seal) {
            // RFC 768: a computed checksum of zero is sent as all ones.
            ([0, 0], Seal::Full { .. }) => [0xff; 2],
            (field, _) => field,
        };
        room.prepend_words(words(checksum))
    }
}

#[cfg(test)]
mod tests;
