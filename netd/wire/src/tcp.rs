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

use core::iter;

use options::Layout;
use zerocopy::byteorder::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::headroom::word;
use crate::{Check, Drop, Headroom, NoRoom, Protocol, Rest, Seal, Sum, checksum};

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
    /// The data behind that, if the segment came in several slices.
    pub rest: Rest<'a>,
}

impl<'a> Segment<'a> {
    /// Reads a segment from an IP payload.
    ///
    /// # Errors
    /// [`Drop::TcpShort`], [`Drop::TcpDataOffset`], [`Drop::TcpChecksum`], [`Drop::TcpPort`],
    /// [`Drop::TcpOption`].
    #[inline]
    pub fn parse(bytes: &'a [u8], check: Check) -> Result<Self, Drop> {
        let mut segment = Self::EMPTY;
        segment.read(bytes, Rest::NONE, check)?;
        Ok(segment)
    }

    /// Nothing, to [`read`](Self::read) a segment into.
    pub const EMPTY: Self = Self {
        header: Header {
            src_port: 0,
            dst_port: 0,
            seq: 0,
            ack: 0,
            flags: Flags::NONE,
            window: 0,
            urgent: 0,
            options: Options::NONE,
        },
        payload: &[],
        rest: Rest::NONE,
    };

    /// Reads a segment as [`parse`](Self::parse) does, in place: it is too long to be moved at once
    /// when it has just been written. The header lies in `bytes`; `rest` is what lies behind them, of
    /// a segment that came in several slices. With an error, what stands here means nothing.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    #[inline]
    pub fn read(&mut self, bytes: &'a [u8], rest: Rest<'a>, check: Check) -> Result<(), Drop> {
        let (raw, behind) = Raw::ref_from_prefix(bytes).map_err(|_| Drop::TcpShort)?;
        let offset_and_flags = raw.offset_and_flags.get();
        // RFC 9293 section 3.1: the data offset counts 32-bit words, the fixed header included.
        let options_len = usize::from(offset_and_flags >> 12 << 2)
            .checked_sub(HEADER_LEN)
            .ok_or(Drop::TcpDataOffset)?;
        let (options, payload) = behind
            .split_at_checked(options_len)
            .ok_or(Drop::TcpDataOffset)?;
        if let Check::Verify(pseudo) = check {
            // An IP payload never exceeds 16 bits, but this function does not know that.
            let length = bytes.len().saturating_add(rest.len());
            let length = u32::try_from(length).map_err(|_| Drop::TcpChecksum)?;
            let mut sum = pseudo
                .with(Protocol::TCP, length)
                .plus(checksum::sum(bytes));
            if !rest.is_empty() {
                sum = sum.plus(rest.sum(bytes.len()));
            }
            if !sum.is_valid() {
                return Err(Drop::TcpChecksum);
            }
        }
        let header = &mut self.header;
        header.src_port = raw.source_port.get();
        header.dst_port = raw.destination_port.get();
        header.seq = raw.sequence.get();
        header.ack = raw.acknowledgment.get();
        header.flags = Flags::from_bits(offset_and_flags);
        header.window = raw.window.get();
        header.urgent = raw.urgent.get();
        header.options.read(options)?;
        (self.payload, self.rest) = (payload, rest);
        // Port zero is reserved (RFC 6335 section 6) and cannot be told from "any".
        if self.header.src_port == 0 || self.header.dst_port == 0 {
            return Err(Drop::TcpPort);
        }
        Ok(())
    }

    /// Bytes of data.
    #[inline]
    #[must_use]
    pub fn payload_len(&self) -> u32 {
        // Payloads are bounded by IP's 16 bits.
        let len = self.payload.len().saturating_add(self.rest.len());
        u32::try_from(len).unwrap_or(u32::MAX)
    }

    /// `len` bytes of the data from `skip` on, if they lie in the first slice: as all do, nearly
    /// always. Otherwise, [`Segment::excerpt`].
    #[inline]
    #[must_use]
    pub fn piece(&self, skip: usize, len: usize) -> Option<&'a [u8]> {
        self.payload.get(skip..skip.checked_add(len)?)
    }

    /// Hands out `len` bytes of the data from `skip` on, slice by slice.
    ///
    /// # Errors
    /// What `take` says; `short` when the segment has fewer bytes.
    #[inline]
    pub fn excerpt<E>(
        &self,
        mut skip: usize,
        mut len: usize,
        short: E,
        mut take: impl FnMut(&'a [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Some(bytes) = self.piece(skip, len) {
            return take(bytes);
        }
        for slice in iter::once(self.payload).chain(self.rest.iter()) {
            let behind = slice.get(skip..).unwrap_or_default();
            skip = skip.saturating_sub(slice.len());
            let bytes = behind.get(..len).unwrap_or(behind);
            len = len.saturating_sub(bytes.len());
            if !bytes.is_empty() {
                take(bytes)?;
            }
        }
        if len > 0 { Err(short) } else { Ok(()) }
    }

    /// SEG.LEN: how many sequence numbers the segment occupies, SYN and FIN included (RFC 9293
    /// section 3.4).
    #[inline]
    #[must_use]
    pub fn sequence_len(&self) -> u32 {
        let control = u32::from(self.header.flags.contains(Flags::SYN))
            .wrapping_add(u32::from(self.header.flags.contains(Flags::FIN)));
        self.payload_len().saturating_add(control)
    }
}

impl Header {
    /// Length in bytes that [`emit`](Self::emit) will write: 20 to 60, a multiple of four.
    #[inline]
    #[must_use]
    pub fn header_len(&self) -> usize {
        match self.options.layout() {
            Layout::None => HEADER_LEN,
            Layout::Timestamps(_) => STAMPED_LEN,
            Layout::Other => HEADER_LEN.saturating_add(self.options.emitted_len()),
        }
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
        match self.options.layout() {
            Layout::None => {
                let words = |checksum| self.fixed(HEADER_LEN, checksum);
                let sum = || Sum::words(&words([0; 2]));
                let length = HEADER_LEN.saturating_add(payload_len);
                room.prepend_words(words(seal.field(Protocol::TCP, length, sum)))
            }
            Layout::Timestamps(stamps) => {
                let words = |checksum| {
                    let [a, b, c, d, e] = self.fixed(STAMPED_LEN, checksum);
                    let [f, g, h] = stamps.words();
                    [a, b, c, d, e, f, g, h]
                };
                let sum = || Sum::words(&words([0; 2]));
                let length = STAMPED_LEN.saturating_add(payload_len);
                room.prepend_words(words(seal.field(Protocol::TCP, length, sum)))
            }
            Layout::Other => self.emit_long(room, payload_len, seal),
        }
    }

    /// The fixed part of a header that is `len` bytes long, in words as they stand in memory.
    #[inline(always)]
    fn fixed(&self, len: usize, checksum: [u8; 2]) -> [u32; 5] {
        [
            word(self.src_port.to_be_bytes(), self.dst_port.to_be_bytes()),
            self.seq.to_be(),
            self.ack.to_be(),
            word(
                self.offset_and_flags(len).to_be_bytes(),
                self.window.to_be_bytes(),
            ),
            word(checksum, self.urgent.to_be_bytes()),
        ]
    }

    #[inline(always)]
    fn offset_and_flags(&self, len: usize) -> u16 {
        // At most 60 / 4, which fits the four bits of the data offset.
        let words = u16::try_from(len >> 2).unwrap_or(0);
        words << 12 | self.flags.bits()
    }

    /// A header with other options than nearly all have.
    #[inline(never)]
    fn emit_long(
        &self,
        room: &mut Headroom<'_>,
        payload_len: usize,
        seal: Seal,
    ) -> Result<(), NoRoom> {
        let len = self.header_len();
        let mut bytes = [0; MAX_HEADER_LEN];
        let header = bytes.get_mut(..len).ok_or(NoRoom)?;
        let (fixed, options) = header.split_first_chunk_mut::<HEADER_LEN>().ok_or(NoRoom)?;
        self.options.emit(options)?;
        *fixed = zerocopy::transmute!(self.fixed(len, [0; 2]));
        let length = len.saturating_add(payload_len);
        let checksum = seal.field(Protocol::TCP, length, || checksum::sum(header));
        let (raw, _) = Raw::mut_from_prefix(header).map_err(|_| NoRoom)?;
        raw.checksum = checksum;
        room.prepend(header)
    }
}

#[cfg(test)]
mod tests;
