//! Headers of segments that follow one another in one stream: of a super-segment that is cut.
//!
//! *Owns*: network and transport header, written and summed up once. In each segment only its place
//! differs ([`Place`]), its length, and the sums that follow from these.
//! *Never*: decides where to cut.

use zerocopy::byteorder::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::tcp::Flags;
use crate::{Headroom, NoRoom, Protocol, Seal, Sum, checksum, ipv4, tcp};

/// Length in bytes of the longest headers.
const MAX_LEN: usize = ipv4::HEADER_LEN.saturating_add(tcp::MAX_HEADER_LEN);

/// What is in front of the options.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Raw {
    network: ipv4::Raw,
    transport: tcp::Raw,
}

/// What differs from one segment to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The number of the segment's first byte.
    pub seq: u32,
    /// Flags of this segment alone.
    pub flags: Flags,
    /// Of its packet.
    pub identification: u16,
}

/// The headers of many segments over IPv4.
#[derive(Clone, Debug)]
pub struct Series {
    bytes: [u8; MAX_LEN],
    len: usize,
    /// The sums of both headers without what differs.
    network: Sum,
    transport: Sum,
}

impl Series {
    /// Headers like these: of `tcp` all but the sequence number, of `ipv4` all but the
    /// identification.
    ///
    /// # Errors
    /// [`NoRoom`], never for headers that can be sent alone.
    pub fn new(ipv4: &ipv4::Header, tcp: &tcp::Header) -> Result<Self, NoRoom> {
        let len = ipv4::HEADER_LEN.saturating_add(tcp.header_len());
        let mut bytes = [0; MAX_LEN];
        let headers = bytes.get_mut(..len).ok_or(NoRoom)?;
        let mut room = Headroom::new(headers);
        tcp.emit(&mut room, 0, Seal::Omitted)?;
        ipv4.emit(&mut room, 0)?;
        let (raw, _) = Raw::mut_from_prefix(headers).map_err(|_| NoRoom)?;
        raw.network.total_length = U16::ZERO;
        raw.network.identification = U16::ZERO;
        raw.network.checksum = [0; 2];
        raw.transport.sequence = U32::ZERO;
        let (network, transport) = headers.split_at_checked(ipv4::HEADER_LEN).ok_or(NoRoom)?;
        let (network, transport) = (checksum::sum(network), checksum::sum(transport));
        Ok(Self {
            bytes,
            len,
            network,
            transport,
        })
    }

    /// Length in bytes of the headers of each segment.
    #[inline]
    #[must_use]
    pub const fn header_len(&self) -> usize {
        self.len
    }

    /// Puts the headers of one segment in front of its payload of `payload_len` bytes.
    ///
    /// # Errors
    /// [`NoRoom`], also when the packet would exceed 65,535 bytes.
    #[inline]
    pub fn emit(
        &self,
        room: &mut Headroom<'_>,
        place: Place,
        payload_len: usize,
        seal: Seal,
    ) -> Result<(), NoRoom> {
        let total = self.len.saturating_add(payload_len);
        let total_length = u16::try_from(total).map_err(|_| NoRoom)?;
        let headers = room.reserve(self.len)?;
        headers.copy_from_slice(self.bytes.get(..self.len).ok_or(NoRoom)?);
        let (Raw { network, transport }, _) = Raw::mut_from_prefix(headers).map_err(|_| NoRoom)?;
        network.total_length = U16::new(total_length);
        network.identification = U16::new(place.identification);
        network.checksum = self
            .network
            .plus(Sum::word(total_length))
            .plus(Sum::word(place.identification))
            .finish();
        let flags = place.flags.bits();
        // What a flag adds to the header it adds to the sum, once.
        let added = flags & !transport.offset_and_flags.get();
        transport.offset_and_flags |= U16::new(flags);
        transport.sequence = U32::new(place.seq);
        let length = total.saturating_sub(ipv4::HEADER_LEN);
        transport.checksum = seal.field(Protocol::TCP, length, || {
            self.transport
                .plus(Sum::double(place.seq))
                .plus(Sum::word(added))
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
