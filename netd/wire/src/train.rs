//! Segments that follow each other: frames of one flow, each with the bytes behind the last one's.
//!
//! *Owns*: which bits of their headers may differ, so that one frame's headers, once understood,
//! stand for those of all others. *Never*: knows whether anybody waits for the bytes.
//!
//! A frame continues a train when it could be the rest of the frames before it, cut off by a sender
//! that had one long segment to send: the sequence number counts on; lengths, checksums and the
//! packet's identification are its own; PSH may come at any place. Everything else is the same, to
//! the bit: acknowledgement, window, timestamps, congestion marks, hardware addresses.

use core::net::Ipv4Addr;

use zerocopy::byteorder::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::tcp::{Flags, Segment};
use crate::{Check, Ecn, Protocol, Pseudo, Rest, Sum, checksum, ethernet, ipv4, tcp};

/// The three headers of a frame, without options.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Headers {
    link: [u8; ethernet::HEADER_LEN],
    network: ipv4::Raw,
    transport: tcp::Raw,
}

/// Where the IPv4 header begins, and the TCP header, in every frame of a train.
const PACKET: usize = ethernet::HEADER_LEN;
const SEGMENT: usize = PACKET + ipv4::HEADER_LEN;
const OPTIONS: usize = SEGMENT + tcp::HEADER_LEN;
const _: () = assert!(size_of::<Headers>() == OPTIONS);

/// IPv4, without options.
const VERSION_AND_WORDS: u8 = 0x45;
/// Timestamps as nearly all segments of a connection have them (RFC 7323 appendix A).
const STAMPS_LEN: usize = 12;
const STAMPS_START: [u8; 4] = [1, 1, 8, 10];

impl Headers {
    fn flags(&self) -> Flags {
        Flags::from_bits(self.transport.offset_and_flags.get())
    }

    /// Data offset and flags, but for PSH.
    fn shape(&self) -> u16 {
        self.transport.offset_and_flags.get() & !Flags::PSH.bits()
    }

    /// Bytes from the frame's start to its payload.
    fn len(&self) -> usize {
        let words = self.transport.offset_and_flags.get() >> 12;
        SEGMENT.saturating_add(usize::from(words << 2))
    }

    fn pseudo(&self) -> Pseudo {
        Pseudo::v4(
            Ipv4Addr::from(self.network.source),
            Ipv4Addr::from(self.network.destination),
        )
    }

    /// These, with zeros for all that each frame has for itself.
    fn common(&self) -> Self {
        Self {
            network: ipv4::Raw {
                total_length: U16::ZERO,
                identification: U16::ZERO,
                checksum: [0; 2],
                ..self.network
            },
            transport: tcp::Raw {
                sequence: U32::ZERO,
                offset_and_flags: U16::ZERO,
                checksum: [0; 2],
                ..self.transport
            },
            ..*self
        }
    }

    /// What of the IPv4 checksum is not common.
    fn packet_sum(&self) -> Sum {
        Sum::word(self.network.total_length.get())
            .plus(Sum::word(self.network.identification.get()))
            .plus(Sum::word(u16::from_be_bytes(self.network.checksum)))
    }

    /// What of the TCP checksum, but for length and data, is not common.
    fn segment_sum(&self) -> Sum {
        Sum::double(self.transport.sequence.get())
            .plus(Sum::word(self.transport.offset_and_flags.get()))
            .plus(Sum::word(u16::from_be_bytes(self.transport.checksum)))
    }

    /// Whether these are another segment's of the same train, but for its options.
    fn agree(&self, other: &Self) -> bool {
        let (network, transport) = (&self.network, &self.transport);
        transport.source_port == other.transport.source_port
            && transport.destination_port == other.transport.destination_port
            && transport.acknowledgment == other.transport.acknowledgment
            && self.shape() == other.shape()
            && transport.window == other.transport.window
            && transport.urgent == other.transport.urgent
            && network.source == other.network.source
            && network.destination == other.network.destination
            && network.version_and_words == other.network.version_and_words
            && network.traffic_class == other.network.traffic_class
            && network.fragment == other.network.fragment
            && network.time_to_live == other.network.time_to_live
            && network.protocol == other.network.protocol
            && self.link == other.link
    }
}

/// What all frames of a train have in common.
#[derive(Clone, Debug)]
pub struct Train {
    /// The headers of the first, and the only options that a train may have.
    first: Headers,
    stamps: Option<[u8; STAMPS_LEN]>,
    /// Made when a first frame follows: most have none behind them.
    sums: Option<Sums>,
    /// SEG.SEQ of the next.
    next: u32,
}

/// What the checksums of all frames add up alike: of the IPv4 header, and of the segment.
#[derive(Clone, Copy, Debug)]
struct Sums {
    packet: Sum,
    segment: Sum,
}

impl Sums {
    fn of(headers: &Headers, options: &[u8]) -> Self {
        let common = headers.common();
        let (packet, segment) = common.as_bytes().split_at(SEGMENT);
        let packet = packet.get(PACKET..).unwrap_or_default();
        let pseudo = headers.pseudo().with(Protocol::TCP, 0);
        Self {
            packet: checksum::sum(packet),
            segment: pseudo
                .plus(checksum::sum(segment))
                .plus(checksum::sum(options)),
        }
    }
}

/// A frame that continues a train.
#[derive(Clone, Copy, Debug)]
pub struct Follower<'a> {
    /// Its data, not verified.
    pub payload: &'a [u8],
    /// The data behind that, if the frame came in several slices.
    pub more: Rest<'a>,
    /// The sum of everything else that its transport checksum covers.
    others: Sum,
}

impl Follower<'_> {
    /// Whether the transport checksum is right, when this is the sum of the payload.
    #[inline]
    #[must_use]
    pub fn is_valid(&self, payload: Sum) -> bool {
        self.others.plus(payload).is_valid()
    }
}

impl Train {
    /// The train that begins behind this frame, which was taken in. `None` when nothing may follow:
    /// it is no segment with data, or says more than nearly all do.
    #[must_use]
    pub fn behind(frame: &[u8]) -> Option<Self> {
        let (headers, _) = Headers::ref_from_prefix(frame).ok()?;
        let is_plain = headers.network.version_and_words == VERSION_AND_WORDS
            && Protocol(headers.network.protocol) == Protocol::TCP
            && Ecn::from_bits(headers.network.traffic_class) != Ecn::Congested
            && headers.flags().union(Flags::PSH) == Flags::ACK.union(Flags::PSH);
        let options = frame.get(OPTIONS..headers.len())?;
        let stamps = options.as_array::<STAMPS_LEN>().copied();
        let is_usual = |stamps: &[u8]| stamps.starts_with(&STAMPS_START);
        let has_usual_options = options.is_empty() || stamps.is_some_and(|it| is_usual(&it));
        if !is_plain || !has_usual_options {
            return None;
        }
        let payload = payload_len(headers).filter(|len| *len > 0)?;
        Some(Self {
            first: *headers,
            stamps,
            sums: None,
            next: headers.transport.sequence.get().wrapping_add(payload),
        })
    }

    /// The frame's payload, if it continues the train and its IPv4 checksum is right.
    #[inline]
    #[must_use]
    pub fn follow<'a>(&mut self, frame: &'a [u8]) -> Option<Follower<'a>> {
        self.follow_scattered(frame, Rest::NONE)
    }

    /// The same of a frame that came in several slices, the headers in the first.
    #[inline]
    #[must_use]
    pub fn follow_scattered<'a>(
        &mut self,
        frame: &'a [u8],
        more: Rest<'a>,
    ) -> Option<Follower<'a>> {
        let (headers, mut behind) = Headers::ref_from_prefix(frame).ok()?;
        if headers.transport.sequence.get() != self.next || !headers.agree(&self.first) {
            return None;
        }
        if let Some(stamps) = &self.stamps {
            let (own, rest) = behind.split_first_chunk()?;
            behind = (own == stamps).then_some(rest)?;
        }
        let len = usize::try_from(payload_len(headers)?).ok()?;
        let (payload, more) = match behind.get(..len) {
            Some(payload) => (payload, Rest::NONE),
            None => (behind, more.first(len.checked_sub(behind.len())?)?),
        };
        if len == 0 {
            return None;
        }
        let (first, stamps) = (&self.first, self.stamps.as_ref());
        let of = || Sums::of(first, stamps.map_or(&[], |stamps| stamps));
        let sums = self.sums.get_or_insert_with(of);
        if !sums.packet.plus(headers.packet_sum()).is_valid() {
            return None;
        }
        let length = headers.len().checked_sub(SEGMENT)?.checked_add(len)?;
        let length = Sum::word(u16::try_from(length).ok()?);
        let others = sums.segment.plus(headers.segment_sum()).plus(length);
        Some(Follower {
            payload,
            more,
            others,
        })
    }

    /// A follower with so many bytes of payload was taken in.
    #[inline]
    pub fn append(&mut self, bytes: u32) {
        self.next = self.next.wrapping_add(bytes);
    }

    /// The header of the one segment that the last followers stand for, who have `bytes` of payload
    /// together, and what their packets say about congestion.
    #[must_use]
    pub fn header(&self, bytes: u32) -> Option<(tcp::Header, Ecn)> {
        let (mut whole, len) = ([0; OPTIONS + STAMPS_LEN], self.first.len());
        let (headers, options) = whole.split_at_mut(OPTIONS);
        headers.copy_from_slice(self.first.as_bytes());
        options.copy_from_slice(&self.stamps.unwrap_or_default());
        let segment = whole.get(SEGMENT..len)?;
        let mut header = Segment::parse(segment, Check::Trusted).ok()?.header;
        header.seq = self.next.wrapping_sub(bytes);
        Some((header, Ecn::from_bits(self.first.network.traffic_class)))
    }
}

/// Bytes of payload, by what the IPv4 header says.
#[inline]
fn payload_len(headers: &Headers) -> Option<u32> {
    let before = headers.len().checked_sub(PACKET)?;
    let len = usize::from(headers.network.total_length.get()).checked_sub(before)?;
    u32::try_from(len).ok()
}

#[cfg(test)]
mod tests;
