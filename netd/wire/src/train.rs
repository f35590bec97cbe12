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

use zerocopy::IntoBytes;
use zerocopy::byteorder::big_endian::{U16, U32};

use crate::tcp::{Flags, Segment};
use crate::view::{Link, STAMPS_LEN, Stamps, View, header_len};
use crate::{Check, Ecn, Network, Protocol, Rest, Sum, checksum, tcp};

/// The three headers of a frame, without options.
#[derive(Clone, Copy, Debug)]
struct Headers<A: Network> {
    link: Link,
    network: A::Raw,
    transport: tcp::Raw,
}

/// Data offset and flags, but for PSH.
#[inline(always)]
fn shape(transport: &tcp::Raw) -> u16 {
    transport.offset_and_flags.get() & !Flags::PSH.bits()
}

/// What of the TCP checksum, but for length and data, is not common.
#[inline(always)]
fn segment_sum(transport: &tcp::Raw) -> Sum {
    Sum::double(transport.sequence.get())
        .plus(Sum::word(transport.offset_and_flags.get()))
        .plus(Sum::word(u16::from_be_bytes(transport.checksum)))
}

/// Bytes of the longest TCP header that a train may have.
const LONGEST: usize = tcp::HEADER_LEN.saturating_add(STAMPS_LEN);

/// Whether these are another segment's of the same train, but for its options.
#[inline(always)]
fn agree<A: Network>(view: View<'_, A>, first: &Headers<A>) -> bool {
    let (one, other) = (view.transport, &first.transport);
    one.source_port == other.source_port
        && one.destination_port == other.destination_port
        && one.acknowledgment == other.acknowledgment
        && shape(one) == shape(other)
        && one.window == other.window
        && one.urgent == other.urgent
        && A::agree(view.network, &first.network)
        && *view.link == first.link
}

/// What all frames of a train have in common.
#[derive(Clone, Debug)]
pub struct Train<A: Network = Ipv4Addr> {
    /// The headers of the first, and the only options that a train may have.
    first: Headers<A>,
    stamps: Option<Stamps>,
    /// Made when a first frame follows: most have none behind them.
    sums: Option<Sums>,
    /// SEG.SEQ of the next.
    next: u32,
}

/// What the checksums of all frames add up alike: of the network header, and of the segment.
#[derive(Clone, Copy, Debug)]
struct Sums {
    packet: Sum,
    segment: Sum,
}

impl Sums {
    fn of<A: Network>(first: &Headers<A>, options: &[u8]) -> Self {
        let common = tcp::Raw {
            sequence: U32::ZERO,
            offset_and_flags: U16::ZERO,
            checksum: [0; 2],
            ..first.transport
        };
        let pseudo = A::pseudo_of(&first.network).with(Protocol::TCP, 0);
        Self {
            packet: A::common_sum(&first.network),
            segment: pseudo
                .plus(checksum::sum(common.as_bytes()))
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

impl<A: Network> Train<A> {
    /// The train that begins behind this frame, which was taken in. `None` when nothing may follow:
    /// it is no segment with data, or says more than nearly all do.
    #[must_use]
    pub fn behind(frame: &[u8]) -> Option<Self> {
        let (view, behind) = View::<A>::of(frame)?;
        let is_plain = A::is_plain(view.network)
            && Ecn::from_bits(A::traffic_class(view.network)) != Ecn::Congested
            && view.flags().union(Flags::PSH) == Flags::ACK.union(Flags::PSH);
        let stamps = view.usual_options(behind).filter(|_| is_plain)?;
        let payload = view.payload_len().filter(|len| *len > 0)?;
        Some(Self {
            first: Headers {
                link: *view.link,
                network: *view.network,
                transport: *view.transport,
            },
            stamps: stamps.copied(),
            sums: None,
            next: view.transport.sequence.get().wrapping_add(payload),
        })
    }

    /// The frame's payload, if it continues the train and its network header's checksum is right.
    #[inline]
    #[must_use]
    pub fn follow<'a>(&mut self, frame: &'a [u8]) -> Option<Follower<'a>> {
        self.follow_scattered(frame, Rest::NONE)
    }

    /// The same of a frame that came in several slices, the headers in the first.
    #[inline(always)]
    #[must_use]
    pub fn follow_scattered<'a>(
        &mut self,
        frame: &'a [u8],
        more: Rest<'a>,
    ) -> Option<Follower<'a>> {
        let (view, mut behind) = View::<A>::of(frame)?;
        if view.transport.sequence.get() != self.next || !agree(view, &self.first) {
            return None;
        }
        if let Some(stamps) = &self.stamps {
            let (own, rest) = behind.split_first_chunk()?;
            behind = (own == stamps).then_some(rest)?;
        }
        let len = usize::try_from(view.payload_len()?).ok()?;
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
        if !A::is_valid(view.network, sums.packet) {
            return None;
        }
        let length = view.header_len().checked_add(len)?;
        let length = Sum::word(u16::try_from(length).ok()?);
        let others = sums.segment.plus(segment_sum(view.transport)).plus(length);
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
        let (mut whole, len) = ([0; LONGEST], header_len(&self.first.transport));
        let (header, options) = whole.split_at_mut(tcp::HEADER_LEN);
        header.copy_from_slice(self.first.transport.as_bytes());
        options.copy_from_slice(&self.stamps.unwrap_or_default());
        let segment = whole.get(..len)?;
        let mut header = Segment::parse(segment, Check::Trusted).ok()?.header;
        header.seq = self.next.wrapping_sub(bytes);
        let mark = Ecn::from_bits(A::traffic_class(&self.first.network));
        Some((header, mark))
    }
}

#[cfg(test)]
mod tests;
