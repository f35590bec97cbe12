//! Headers of segments that follow one another in one stream: of a super-segment that is cut.
//!
//! *Owns*: network and transport header, written and summed up once. In each segment only its place
//! differs ([`Place`]), its length, and the sums that follow from these.
//! *Never*: decides where to cut.

use core::marker::PhantomData;
use core::net::Ipv4Addr;

use zerocopy::FromBytes;
use zerocopy::byteorder::big_endian::{U16, U32};

use crate::tcp::Flags;
use crate::{Headroom, Network, NoRoom, Protocol, Seal, Sum, checksum, ipv6, tcp};

/// Length in bytes of the longest headers.
const MAX_LEN: usize = ipv6::HEADER_LEN.saturating_add(tcp::MAX_HEADER_LEN);

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

/// The headers of many segments over one family.
#[derive(Clone, Debug)]
pub struct Series<A = Ipv4Addr> {
    bytes: [u8; MAX_LEN],
    len: usize,
    /// The sums of both headers without what differs.
    network: Sum,
    transport: Sum,
    family: PhantomData<A>,
}

impl<A: Network> Series<A> {
    /// Length in bytes of the network header.
    const NETWORK_LEN: usize = size_of::<A::Raw>();

    /// Headers like these: of `tcp` all but the sequence number, of the network's all but the
    /// identification.
    ///
    /// # Errors
    /// [`NoRoom`], never for headers that can be sent alone.
    pub fn new(network: &A::Header, tcp: &tcp::Header) -> Result<Self, NoRoom> {
        let len = Self::NETWORK_LEN.saturating_add(tcp.header_len());
        let mut bytes = [0; MAX_LEN];
        let headers = bytes.get_mut(..len).ok_or(NoRoom)?;
        let mut room = Headroom::new(headers);
        tcp.emit(&mut room, 0, Seal::Omitted)?;
        A::emit(network, &mut room, 0)?;
        let (network, behind) = A::Raw::mut_from_prefix(headers).map_err(|_| NoRoom)?;
        *network = A::common(network);
        let network = A::common_sum(network);
        let (transport, _) = tcp::Raw::mut_from_prefix(behind).map_err(|_| NoRoom)?;
        transport.sequence = U32::ZERO;
        let transport = checksum::sum(behind);
        Ok(Self {
            bytes,
            len,
            network,
            transport,
            family: PhantomData,
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
    /// [`NoRoom`], also when the packet would be too long.
    #[inline]
    pub fn emit(
        &self,
        room: &mut Headroom<'_>,
        place: Place,
        payload_len: usize,
        seal: Seal,
    ) -> Result<(), NoRoom> {
        let length = self.len.saturating_sub(Self::NETWORK_LEN);
        let length = length.saturating_add(payload_len);
        let headers = room.reserve(self.len)?;
        headers.copy_from_slice(self.bytes.get(..self.len).ok_or(NoRoom)?);
        let (network, behind) = A::Raw::mut_from_prefix(headers).map_err(|_| NoRoom)?;
        A::place(network, self.network, length, place.identification)?;
        let (transport, _) = tcp::Raw::mut_from_prefix(behind).map_err(|_| NoRoom)?;
        let flags = place.flags.bits();
        // What a flag adds to the header it adds to the sum, once.
        let added = flags & !transport.offset_and_flags.get();
        transport.offset_and_flags |= U16::new(flags);
        transport.sequence = U32::new(place.seq);
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
