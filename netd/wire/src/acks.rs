//! Acknowledgements that follow each other: frames of one flow that say nothing but how far its bytes have come.
//!
//! *Owns*: what a frame must be to stand for the one before it. Acknowledgements are cumulative (RFC 9293 section
//! 3.4): one that is overtaken by a later one is as good as lost on its way, which every sender must bear.
//! *Never*: knows whether anybody has sent the bytes.
//!
//! One says the same as the last and more if it acknowledges later bytes, its timestamps are no older (RFC 7323
//! section 5.3), and all else is the same to the bit but window, lengths, checksums and the packet's
//! identification. One that acknowledges the same bytes again never is: how often that is said means something
//! (RFC 5681 section 3.2). Nor is one that says anything else: selective acknowledgements, congestion.

use core::net::{Ipv4Addr, Ipv6Addr};

use zerocopy::IntoBytes;

use crate::ethernet::{self, EtherType};
use crate::tcp::Flags;
use crate::view::{STAMPS_LEN, Stamps, View};
use crate::{Network, Protocol, checksum, ipv6, tcp};

/// Bytes of the longest frame that may be one, and of the longest headers that a train may have.
const LONGEST: usize = ethernet::HEADER_LEN + ipv6::HEADER_LEN + tcp::HEADER_LEN + STAMPS_LEN;

/// A place for the head of a frame: for all of it, if it acknowledges and does nothing else.
#[derive(Clone, Debug)]
pub struct Acknowledgement {
    bytes: [u8; LONGEST],
    /// Bytes of the frame.
    len: usize,
}

impl Acknowledgement {
    /// An empty place.
    pub const NONE: Self = Self {
        bytes: [0; LONGEST],
        len: 0,
    };

    /// Keeps the head of this frame instead of what is here.
    #[inline]
    pub fn keep(&mut self, frame: &[u8]) {
        match frame.first_chunk() {
            Some(head) => (self.bytes, self.len) = (*head, frame.len()),
            None => self.replace(frame),
        }
    }

    /// Whether what is here acknowledges and does nothing else.
    #[must_use]
    pub fn is_one(&self) -> bool {
        let frame = self.frame();
        match ethertype(frame) {
            Some(EtherType::IPV4) => acknowledges::<Ipv4Addr>(frame),
            Some(EtherType::IPV6) => acknowledges::<Ipv6Addr>(frame),
            _ => false,
        }
    }

    /// The frame, if it is no longer than one may be.
    #[must_use]
    pub fn frame(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// The first bytes of the frame, in which are all headers that a train may have.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&self.bytes)
    }

    /// Whether this frame says all that the last one said, and more: then it is kept instead. `is_verified`: its
    /// transport checksum is known to be right. Gives how long the last one was.
    pub fn overtake(&mut self, frame: &[u8], is_verified: bool) -> Option<usize> {
        let last = self.frame();
        match ethertype(frame)? {
            EtherType::IPV4 => overtakes::<Ipv4Addr>(frame, last, is_verified)?,
            EtherType::IPV6 => overtakes::<Ipv6Addr>(frame, last, is_verified)?,
            _ => return None,
        }
        let len = last.len();
        self.replace(frame);
        Some(len)
    }

    fn replace(&mut self, frame: &[u8]) {
        if let Some(place) = self.bytes.get_mut(..frame.len()) {
            place.copy_from_slice(frame);
            self.len = frame.len();
        }
    }
}

/// The type of a frame that is not too long.
fn ethertype(frame: &[u8]) -> Option<EtherType> {
    if frame.len() > LONGEST {
        return None;
    }
    let (_, kind) = frame.get(..ethernet::HEADER_LEN)?.split_last_chunk()?;
    Some(EtherType(u16::from_be_bytes(*kind)))
}

/// Whether a frame acknowledges and does nothing else.
fn acknowledges<A: Network>(frame: &[u8]) -> bool {
    View::<A>::of(frame).is_some_and(|(view, behind)| {
        A::is_plain(view.network)
            && view.flags() == Flags::ACK
            && view.payload_len() == Some(0)
            && view.usual_options(behind).is_some()
    })
}

/// Something, if a frame says what the last one says, and more. What the last one is must be this one, too, but
/// for its length: so much is alike.
fn overtakes<A: Network>(frame: &[u8], last: &[u8], is_verified: bool) -> Option<()> {
    let ((view, behind), (before, old)) = (View::<A>::of(frame)?, View::<A>::of(last)?);
    let (one, other) = (view.transport, before.transport);
    let is_same = one.source_port == other.source_port
        && one.destination_port == other.destination_port
        && one.sequence == other.sequence
        && one.offset_and_flags == other.offset_and_flags
        && one.urgent == other.urgent
        && A::agree(view.network, before.network)
        && view.link == before.link;
    if !is_same || !is_after(one.acknowledgment.get(), other.acknowledgment.get()) {
        return None;
    }
    let (stamps, old) = (view.usual_options(behind)?, before.usual_options(old)?);
    let is_right = || A::is_valid(view.network, A::common_sum(view.network));
    (view.payload_len() == Some(0)
        && !is_after(stamp(old), stamp(stamps))
        && is_right()
        && (is_verified || is_valid(&view, stamps)))
    .then_some(())
}

/// TSval (RFC 7323 section 3.2): zero without timestamps.
fn stamp(stamps: Option<&Stamps>) -> u32 {
    let value = stamps.and_then(|stamps| stamps.get(4..)?.first_chunk());
    value.map_or(0, |value| u32::from_be_bytes(*value))
}

/// Whether a number lies behind another in a sequence that goes round (RFC 9293 section 3.4).
fn is_after(number: u32, other: u32) -> bool {
    matches!(number.wrapping_sub(other), 1..0x8000_0000)
}

/// Whether the checksum of a segment without data is right.
fn is_valid<A: Network>(view: &View<'_, A>, stamps: Option<&Stamps>) -> bool {
    let len = u32::try_from(view.header_len()).unwrap_or(u32::MAX);
    A::pseudo_of(view.network)
        .with(Protocol::TCP, len)
        .plus(checksum::sum(view.transport.as_bytes()))
        .plus(checksum::sum(stamps.map_or(&[], |stamps| stamps)))
        .is_valid()
}

#[cfg(test)]
mod tests;
