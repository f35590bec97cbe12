//! Frames that lie in several slices, as devices leave them that fill more than one buffer.
//!
//! *Owns* the joining of those that carry no segment: few do, and all other protocols want a packet
//! in one piece. Segments are taken in where they lie; their headers, up to the last option, are in
//! the first slice, or the packet counts as short. *Never* joins what is longer than a link's frames.

use crate::burst::Landing;
use crate::config::ReceiveMeta;
use crate::id::InterfaceId;
use crate::memory::ClientMemory;
use crate::stack::Stack;
use ::tcp::Instant;
use wire::ethernet::{self, EtherType, Frame};
use wire::{Drop, Protocol, Rest, ipv4, ipv6};

/// Bytes of a frame beside its packet: the header and a VLAN tag.
pub(crate) const LINK_BYTES: usize = ethernet::HEADER_LEN + 4;

/// Whether the frame that begins so carries a segment.
fn carries_segment(head: &[u8]) -> bool {
    Frame::parse(head).is_ok_and(|frame| {
        let carried = match frame.header.ethertype {
            EtherType::IPV4 => ipv4::protocol(frame.payload),
            EtherType::IPV6 => ipv6::next(frame.payload),
            _ => None,
        };
        carried == Some(Protocol::TCP)
    })
}

impl Stack {
    /// Takes in one received frame that lies in several slices: `head`, in which are the headers,
    /// and the others. Ends in exactly one delivery or one counted [`Drop`].
    pub fn input_scattered<M: ClientMemory>(
        &mut self,
        id: InterfaceId,
        head: &[u8],
        others: &[&[u8]],
        meta: ReceiveMeta,
        memory: &mut M,
        now: Instant,
    ) {
        self.take_in_scattered(id, head, Rest::new(others), meta, memory, now);
    }

    /// Takes in one received frame that lies in several slices.
    pub(crate) fn take_in_scattered<M: ClientMemory>(
        &mut self,
        id: InterfaceId,
        head: &[u8],
        rest: Rest<'_>,
        meta: ReceiveMeta,
        memory: &mut M,
        now: Instant,
    ) -> Landing {
        if rest.is_empty() || carries_segment(head) {
            return self.take_in(id, (head, rest), meta, memory, now);
        }
        let mut space = core::mem::take(&mut self.spare_frame);
        let landing = match join(&mut space, head, rest) {
            Some(frame) => self.take_in(id, (frame, Rest::NONE), meta, memory, now),
            None => {
                if let Some(interface) = self.interfaces.get_mut(id.index()) {
                    interface
                        .received
                        .note(head.len().saturating_add(rest.len()));
                }
                self.account(id, Err(Drop::EthernetLong))
            }
        };
        self.spare_frame = space;
        landing
    }
}

/// Puts a frame together; `None` when it is too long.
fn join<'a>(space: &'a mut [u8], head: &[u8], rest: Rest<'_>) -> Option<&'a [u8]> {
    let whole = space.get_mut(..head.len().checked_add(rest.len())?)?;
    let (front, mut behind) = whole.split_at_mut_checked(head.len())?;
    front.copy_from_slice(head);
    for slice in rest.iter() {
        let place;
        (place, behind) = behind.split_at_mut_checked(slice.len())?;
        place.copy_from_slice(slice);
    }
    Some(whole)
}
