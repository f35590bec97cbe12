//! TCP segments.
//!
//! *Owns*: the header, its flags, its options and its checksum.
//! *Never*: interprets them; that is the connection's business.
//!
//! *Spec*: RFC 9293 section 3.1 and 3.2.

mod flags;
pub(crate) mod kind;
mod options;

pub use flags::Flags;
pub use options::{FastOpenCookie, Options, SackBlock, SackBlocks, Timestamps, UserTimeout};

use zerocopy::byteorder::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::{Check, Drop, Headroom, NoRoom, Protocol, Seal, checksum};

/// Length in bytes of a header without options.
pub const HEADER_LEN: usize = 20;

/// Length in bytes of a header with all the options that fit.
pub const MAX_HEADER_LEN: usize = 60;

#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct Raw {
    pub(crate) source_port: U16,
    pub(crate) destination_port: U16,
    pub(crate) sequence: U32,
    pub(crate) acknowledgment: U32,
    pub(crate) offset_and_flags: U16,
    pub(crate) window: U16,
    pub(crate) checksum: [u8; 2],
    pub(crate) urgent: U16,
}

const _: () = assert!(size_of::<Raw>() == HEADER_LEN);

/// Room for a header where its sum needs no unaligned loads.
#[repr(align(8))]
struct Aligned<const N: usize>([u8; N]);

/// Length in bytes of a header with timestamps and nothing else (RFC 7323 appendix A).
const STAMPED_LEN: usize = 32;

/// A TCP header. The data offset and the checksum follow from the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// From which port, never zero in a received segment.
    pub src_port: u16,
    /// To which port, never zero in a received segment.
    pub dst_port: u16,
    /// SEG.SEQ: the number of the first byte, or of the SYN.
    pub seq: u32,
    /// SEG.ACK: the next number expected; of meaning only with [`Flags::ACK`].
    pub ack: u32,
    /// Control bits.
    pub flags: Flags,
    /// SEG.WND as it stands in the header, not scaled.
    pub window: u16,
    /// SEG.UP: of meaning only with [`Flags::URG`].
    pub urgent: u16,
    /// Options.
    pub options: Options,
}

/// A received segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Its header.
    pub header: Header,
    /// Its data.
    pub payload: &'a [u8],
}

impl<'a> Segment<'a> {
    /// Reads a segment from an IP payload.
    ///
    /// # Errors
    /// [`Drop::TcpShort`], [`Drop::TcpDataOffset`], [`Drop::TcpChecksum`], [`Drop::TcpPort`],
    /// [`Drop::TcpOption`].
    #[inline]
    pub fn parse(bytes: &'a [u8], check: Check) -> Result<Self, Drop> {
        let (raw, rest) = Raw::ref_from_prefix(bytes).map_err(|_| Drop::TcpShort)?;
        let offset_and_flags = raw.offset_and_flags.get();
        // RFC 9293 section 3.1: the data offset counts 32-bit words, the fixed header included.
        let options_len = usize::from(offset_and_flags >> 12 << 2)
            .checked_sub(HEADER_LEN)
            .ok_or(Drop::TcpDataOffset)?;
        let (options, payload) = rest
            .split_at_checked(options_len)
            .ok_or(Drop::TcpDataOffset)?;
        if let Check::Verify(pseudo) = check {
            // An IP payload never exceeds 16 bits, but this function does not know that.
            let length = u32::try_from(bytes.len()).map_err(|_| Drop::TcpChecksum)?;
            let pseudo = pseudo.with(Protocol::TCP, length);
            if !pseudo.plus(checksum::sum(bytes)).is_valid() {
                return Err(Drop::TcpChecksum);
            }
        }
        let header = Header {
            src_port: raw.source_port.get(),
            dst_port: raw.destination_port.get(),
            seq: raw.sequence.get(),
            ack: raw.acknowledgment.get(),
            flags: Flags::from_bits(offset_and_flags),
            window: raw.window.get(),
            urgent: raw.urgent.get(),
            options: Options::parse(options)?,
        };
        // Port zero is reserved (RFC 6335 section 6) and cannot be told from "any".
        if header.src_port == 0 || header.dst_port == 0 {
            return Err(Drop::TcpPort);
        }
        Ok(Self { header, payload })
    }

    /// SEG.LEN: how many sequence numbers the segment occupies, SYN and FIN included (RFC 9293
    /// section 3.4).
    #[inline]
    #[must_use]
    pub fn sequence_len(&self) -> u32 {
        // Payloads are bounded by IP's 16 bits.
        let payload = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        let control = u32::from(self.header.flags.contains(Flags::SYN))
            .wrapping_add(u32::from(self.header.flags.contains(Flags::FIN)));
        payload.saturating_add(control)
    }
}

impl Header {
    /// Length in bytes that [`emit`](Self::emit) will write: 20 to 60, a multiple of four.
    #[inline]
    #[must_use]
    pub fn header_len(&self) -> usize {
        HEADER_LEN.saturating_add(self.options.emitted_len())
    }

    /// Puts the header in front of a payload of `payload_len` bytes.
    ///
    /// # Errors
    /// [`NoRoom`].
    #[inline]
    pub fn emit(
        &self,
        room: &mut Headroom<'_>,
        payload_len: usize,
        seal: Seal,
    ) -> Result<(), NoRoom> {
        // Nearly all headers have one of two lengths: what is known of the length is not computed.
        match self.header_len() {
            HEADER_LEN => {
                let mut header = Aligned([0; HEADER_LEN]);
                self.write(&mut header.0, room, payload_len, seal)
            }
            STAMPED_LEN => {
                let mut header = Aligned([0; STAMPED_LEN]);
                self.write(&mut header.0, room, payload_len, seal)
            }
            len => {
                let mut bytes = Aligned([0; MAX_HEADER_LEN]);
                let header = bytes.0.get_mut(..len).ok_or(NoRoom)?;
                self.write(header, room, payload_len, seal)
            }
        }
    }

    /// Writes the header into `header`, which is zero and of its length, and puts it in place.
    #[inline(always)]
    fn write(
        &self,
        header: &mut [u8],
        room: &mut Headroom<'_>,
        payload_len: usize,
        seal: Seal,
    ) -> Result<(), NoRoom> {
        let (raw, options) = Raw::mut_from_prefix(header).map_err(|_| NoRoom)?;
        let words = options.len().saturating_add(HEADER_LEN) >> 2;
        self.options.emit(options)?;
        // At most 60 / 4, which fits the four bits of the data offset.
        let words = u16::try_from(words).map_err(|_| NoRoom)?;
        *raw = Raw {
            source_port: U16::new(self.src_port),
            destination_port: U16::new(self.dst_port),
            sequence: U32::new(self.seq),
            acknowledgment: U32::new(self.ack),
            offset_and_flags: U16::new(words << 12 | self.flags.bits()),
            window: U16::new(self.window),
            checksum: [0; 2],
            urgent: U16::new(self.urgent),
        };
        let checksum = seal.field(Protocol::TCP, header, payload_len);
        let (raw, _) = Raw::mut_from_prefix(header).map_err(|_| NoRoom)?;
        raw.checksum = checksum;
        room.prepend(header)
    }
}

#[cfg(test)]
mod tests;
