//! The Internet checksum.
//!
//! *Owns*: one's complement sums (RFC 1071), their incremental update (RFC 1624), the pseudo
//! headers of both address families, and who has checked or will fill in a checksum field.
//! *Never*: knows where in a header a checksum lies.
//!
//! Sums are kept in the byte order of memory, not of the network: the one's complement sum does
//! not depend on it (RFC 1071 section 2 B), so eight bytes are added by one load and one
//! addition, with the carries collected in the upper half of a `u128` (an `adds`/`adc` pair).

use core::net::{Ipv4Addr, Ipv6Addr};

use crate::ip::Protocol;

/// A one's complement sum under construction.
///
/// Sums of pieces add up as long as every piece begins at an even offset of the whole; a piece
/// that begins at an odd one joins in as [`swapped`](Self::swapped).
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum(u64);

impl Sum {
    /// The sum of nothing.
    pub const ZERO: Self = Self(0);

    /// The sum of one 16-bit number, as it stands in network order.
    #[inline]
    #[must_use]
    pub const fn word(value: u16) -> Self {
        Self(value.to_be() as u64)
    }

    /// The sum of one 32-bit number, as it stands in network order.
    #[inline]
    #[must_use]
    pub const fn double(value: u32) -> Self {
        Self(value.to_be() as u64)
    }

    /// The sum of some 32-bit numbers as they stand in memory: of a header that is in registers still.
    #[inline(always)]
    #[must_use]
    pub(crate) fn words<const N: usize>(words: &[u32; N]) -> Self {
        // 2^32 of them would have to be added before the sum overflows.
        let add = |sum: u64, word: &u32| sum.wrapping_add(u64::from(*word));
        Self(words.iter().fold(0, add))
    }

    /// The sum of bytes, from that of the 64-bit words which they make as they stand in memory, carries added
    /// round (RFC 1071 section 2 B and C). Of what makes no whole word, the bytes come first, and zeros follow.
    #[inline]
    #[must_use]
    pub const fn of_words(words: u64) -> Self {
        Self(words)
    }

    /// This piece, moved to an odd offset (RFC 1071 section 2 B: swap the bytes).
    #[inline]
    #[must_use]
    pub const fn swapped(self) -> Self {
        Self(self.fold().swap_bytes() as u64)
    }

    /// This piece, moved behind so many bytes.
    #[inline]
    #[must_use]
    pub const fn behind(self, bytes: usize) -> Self {
        if bytes.is_multiple_of(2) {
            self
        } else {
            self.swapped()
        }
    }

    /// The sum of both pieces.
    #[inline]
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        let (sum, carry) = self.0.overflowing_add(other.0);
        // After a carry the sum is below the maximum, so the carry always fits.
        Self(sum.wrapping_add(carry as u64))
    }

    /// The two bytes of the checksum field: the complement of the sum.
    #[inline]
    #[must_use]
    pub const fn finish(self) -> [u8; 2] {
        (!self.fold()).to_ne_bytes()
    }

    /// The two bytes that a device wants in the field when it is to complete the checksum: the
    /// sum of the pseudo header, *not* complemented (VirtIO 1.2 section 5.1.6.2).
    #[inline]
    #[must_use]
    pub const fn partial(self) -> [u8; 2] {
        self.fold().to_ne_bytes()
    }

    /// Whether bytes that include their own checksum sum up as they should (RFC 1071 section 1).
    #[inline]
    #[must_use]
    pub const fn is_valid(self) -> bool {
        self.fold() == 0xffff
    }

    /// The sum as 16 bits in memory order: zero only for a sum of zeros.
    #[inline]
    const fn fold(self) -> u16 {
        let [a, b, c, d] = quarters(self.0);
        // Four 16-bit values need at most 18 bits, and what is folded from them at most 17.
        let sum = a.wrapping_add(b).wrapping_add(c).wrapping_add(d);
        let sum = (sum >> 16).wrapping_add(sum & 0xffff);
        let sum = (sum >> 16).wrapping_add(sum & 0xffff);
        let [low, high, ..] = sum.to_le_bytes();
        u16::from_le_bytes([low, high])
    }
}

/// The four 16-bit quarters of a word, each widened so that they can be added.
#[inline]
const fn quarters(word: u64) -> [u32; 4] {
    let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
    [
        u32::from_le_bytes([a, b, 0, 0]),
        u32::from_le_bytes([c, d, 0, 0]),
        u32::from_le_bytes([e, f, 0, 0]),
        u32::from_le_bytes([g, h, 0, 0]),
    ]
}

/// Two sums are equal when they lead to the same checksum.
impl PartialEq for Sum {
    fn eq(&self, other: &Self) -> bool {
        self.fold() == other.fold()
    }
}

impl Eq for Sum {}

/// Additions of 64-bit words; the upper half counts the carries, which go round at the end.
#[derive(Clone, Copy, Default)]
struct Words(u128);

impl Words {
    #[inline(always)]
    fn add(&mut self, word: u64) {
        // 2^64 words would have to be added before the count of carries overflows.
        self.0 = self.0.wrapping_add(u128::from(word));
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "halves")]
    fn finish(self) -> Sum {
        let (words, carries) = (self.0 as u64, (self.0 >> 64) as u64);
        Sum(words).plus(Sum(carries))
    }
}

/// Whether vectors of words are added at full speed.
const HAS_VECTORS: bool = cfg!(target_arch = "x86_64");

/// The sum of `bytes`; when their number is odd, a zero follows.
#[inline(always)]
#[must_use]
pub fn sum(bytes: &[u8]) -> Sum {
    if HAS_VECTORS && bytes.len() >= LEAST {
        sum_by_lanes(bytes)
    } else {
        sum_by_words(bytes)
    }
}

/// How many words are added side by side: as many as vector registers hold.
const LANES: usize = 8;
const BLOCK: usize = LANES * 8;
/// Fewer bytes are not worth it.
const LEAST: usize = 4 * BLOCK;

/// Sums that are made side by side, by vector instructions. Those know no carry: beside the words,
/// their upper halves are added up, and no packet is long enough to overflow a sum of halves. What
/// the lower ones sum up to follows from both. 2^16 is one modulo 2^16 - 1, so it does not matter
/// which half is added where (RFC 1071 section 2 A).
#[derive(Clone, Copy, Default)]
struct Lanes {
    words: [u64; LANES],
    upper: [u64; LANES],
}

impl Lanes {
    // Both loops are functions of their own because compilers find the vectors in them where lanes
    // are read and written whole, in memory.

    #[inline(never)]
    fn of(blocks: &[[u8; BLOCK]]) -> Self {
        let mut lanes = Self::default();
        for block in blocks {
            lanes.add(block);
        }
        lanes
    }

    /// Each word is stored while it is in a register to be added.
    #[inline(never)]
    fn of_copied(blocks: &[[u8; BLOCK]], to: &mut [[u8; BLOCK]]) -> Self {
        let mut lanes = Self::default();
        for (block, to) in blocks.iter().zip(to) {
            *to = zerocopy::transmute!(lanes.add(block));
        }
        lanes
    }

    /// Adds the words of a block, and gives them.
    #[inline(always)]
    fn add(&mut self, block: &[u8; BLOCK]) -> [u64; LANES] {
        let words: [u64; LANES] = zerocopy::transmute!(*block);
        for (lane, word) in self.words.iter_mut().zip(words) {
            *lane = lane.wrapping_add(word);
        }
        for (lane, word) in self.upper.iter_mut().zip(words) {
            *lane = lane.wrapping_add(word >> 32);
        }
        words
    }

    #[inline]
    fn finish(&self) -> Sum {
        let total = |lanes: &[u64; LANES]| lanes.iter().copied().fold(0, u64::wrapping_add);
        let (words, upper) = (total(&self.words), total(&self.upper));
        let lower = words.wrapping_sub(upper << 32);
        Sum(lower).plus(Sum(upper))
    }
}

#[inline]
fn sum_by_lanes(bytes: &[u8]) -> Sum {
    let (blocks, rest) = bytes.as_chunks();
    Lanes::of(blocks).finish().plus(sum_by_words(rest))
}

/// Words are added whole, their carries counted. What is left is taken by the largest pieces that
/// there are: most sums are of headers.
#[inline(always)]
fn sum_by_words(bytes: &[u8]) -> Sum {
    let mut words = Words::default();
    let (blocks, rest) = bytes.as_chunks::<32>();
    for block in blocks {
        let (eights, _) = block.as_chunks();
        for eight in eights {
            words.add(u64::from_ne_bytes(*eight));
        }
    }
    let (eights, rest) = rest.as_chunks();
    for eight in eights {
        words.add(u64::from_ne_bytes(*eight));
    }
    let (four, rest) = rest.as_chunks();
    if let [four] = four {
        words.add(u32::from_ne_bytes(*four).into());
    }
    let (two, last) = rest.as_chunks();
    if let [two] = two {
        words.add(u16::from_ne_bytes(*two).into());
    }
    // RFC 1071 section 1: as if a zero followed.
    if let [last] = last {
        words.add(u16::from_ne_bytes([*last, 0]).into());
    }
    words.finish()
}

/// Copies `from` to `to` and gives the sum of the bytes copied, in one pass over memory.
///
/// Copies as much as both have room for: callers give slices of equal length.
#[must_use]
pub fn copy_and_sum(to: &mut [u8], from: &[u8]) -> Sum {
    let len = to.len().min(from.len());
    let (Some(to), Some(from)) = (to.get_mut(..len), from.get(..len)) else {
        return Sum::ZERO;
    };
    if len < LEAST {
        copy_and_sum_by_words(to, from)
    } else if HAS_VECTORS {
        copy_and_sum_by_lanes(to, from)
    } else {
        copy_and_sum_by_pieces(to, from)
    }
}

#[inline]
fn copy_and_sum_by_lanes(to: &mut [u8], from: &[u8]) -> Sum {
    let (to_blocks, to_rest) = to.as_chunks_mut();
    let (blocks, rest) = from.as_chunks();
    to_rest.copy_from_slice(rest);
    let rest = sum_by_words(rest);
    Lanes::of_copied(blocks, to_blocks).finish().plus(rest)
}

/// What is short is stored word by word while it is in a register to be added: what was just stored
/// by larger pieces would be waited for.
#[inline]
fn copy_and_sum_by_words(to: &mut [u8], from: &[u8]) -> Sum {
    let mut words = Words::default();
    let (to_eights, to_rest) = to.as_chunks_mut();
    let (eights, rest) = from.as_chunks();
    for (to, eight) in to_eights.iter_mut().zip(eights) {
        words.add(u64::from_ne_bytes(*eight));
        *to = *eight;
    }
    // Fewer than eight: a call to copy them would cost more than they do.
    for (to, byte) in to_rest.iter_mut().zip(rest) {
        *to = *byte;
    }
    words.finish().plus(sum_by_words(rest))
}

/// The copying is the platform's `memcpy`; it goes by pieces that are still in the first-level cache
/// when they are summed.
fn copy_and_sum_by_pieces(to: &mut [u8], from: &[u8]) -> Sum {
    /// Even, so that the sums of the pieces add up.
    const PIECE: usize = 4096;
    let mut total = Sum::ZERO;
    for (to, from) in to.chunks_mut(PIECE).zip(from.chunks(PIECE)) {
        to.copy_from_slice(from);
        total = total.plus(sum_by_words(to));
    }
    total
}

/// The checksum after one 16-bit word under it has changed (RFC 1624 section 3, equation 3).
#[must_use]
pub const fn update(checksum: [u8; 2], old: u16, new: u16) -> [u8; 2] {
    let sum = (!u16::from_be_bytes(checksum)) as u32;
    let sum = sum.wrapping_add((!old) as u32).wrapping_add(new as u32);
    let sum = (sum >> 16).wrapping_add(sum & 0xffff);
    let sum = (sum >> 16).wrapping_add(sum & 0xffff);
    let [_, _, high, low] = (!sum).to_be_bytes();
    [high, low]
}

/// The addresses of a packet as a transport checksum sees them. Protocol and length, the rest of
/// the pseudo header, are added by the transport that knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pseudo(Sum);

impl Pseudo {
    /// RFC 9293 section 3.1, RFC 768.
    #[inline]
    #[must_use]
    pub fn v4(source: Ipv4Addr, destination: Ipv4Addr) -> Self {
        // Each by itself: mostly they were stored so a moment ago, and would be waited for as one.
        let ends = [source, destination].map(|end| u32::from_ne_bytes(end.octets()));
        Self(Sum::words(&ends))
    }

    /// RFC 8200 section 8.1.
    #[inline]
    #[must_use]
    pub fn v6(source: Ipv6Addr, destination: Ipv6Addr) -> Self {
        Self(sum(&source.octets()).plus(sum(&destination.octets())))
    }

    /// The whole pseudo header. `length` counts transport header and payload in bytes; the IPv6
    /// form has 32 bits for it and the IPv4 form 16, which sum up alike.
    #[inline]
    #[must_use]
    pub fn with(self, protocol: Protocol, length: u32) -> Sum {
        let Self(addresses) = self;
        addresses
            .plus(Sum::word(u16::from(protocol.0)))
            .plus(Sum::double(length))
    }
}

/// How a received transport checksum is to be treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Verify it, with the packet's addresses.
    Verify(Pseudo),
    /// The device has verified it, or the packet never left this machine.
    Trusted,
}

/// What goes into the checksum field of a transport header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// The whole checksum.
    Full {
        /// The packet's addresses.
        pseudo: Pseudo,
        /// The sum of the payload.
        payload: Sum,
    },
    /// The pseudo header's sum only; the device completes it.
    Partial {
        /// The packet's addresses.
        pseudo: Pseudo,
    },
    /// Zero: the packet stays on this machine, or is UDP over IPv4 that wants none.
    Omitted,
}

impl Seal {
    /// The same for a payload that these bytes, of even number, have been put in front of.
    #[must_use]
    pub(crate) fn behind(self, header: &[u8]) -> Self {
        match self {
            Self::Full { pseudo, payload } => Self::Full {
                pseudo,
                payload: payload.plus(sum(header)),
            },
            other => other,
        }
    }

    /// The field's two bytes for a transport header with this sum, its own checksum field zero;
    /// `length` counts header and payload.
    #[inline(always)]
    pub(crate) fn field(
        self,
        protocol: Protocol,
        length: usize,
        header: impl FnOnce() -> Sum,
    ) -> [u8; 2] {
        // A length beyond 32 bits cannot be sent; the network header refuses it.
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        match self {
            Self::Full { pseudo, payload } => pseudo
                .with(protocol, length)
                .plus(header())
                .plus(payload)
                .finish(),
            Self::Partial { pseudo } => pseudo.with(protocol, length).partial(),
            Self::Omitted => [0; 2],
        }
    }
}

#[cfg(test)]
mod tests;
