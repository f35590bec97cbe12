//! VLANs: interfaces that share a card with another, and tell their frames apart by a tag.
//!
//! *Owns* which tag is whose. Everything else of such an interface is as of any other: addresses, routes,
//! neighbours and groups are its own. Its frames come in by the interface that carries it, and are asked
//! for by its own name; their owner sends them by the carrier's device. A frame is written as if it had no
//! tag, behind the room for one, and the tag is put in at the end: checksums begin four bytes later then,
//! and nothing else changes.
//!
//! Spec: IEEE 802.1Q clauses 6.9 and 9.6.

use crate::config::{AddressPlan, LinkFacts, TransmitChecksum, TransmitMeta};
use crate::error::InterfaceError;
use crate::id::InterfaceId;
use crate::interface::{Interface, Medium};
use crate::memory::ClientMemory;
use crate::pieces::{Draft, Extent};
use crate::stack::Stack;
use ::tcp::Instant;
use wire::ethernet::{Frame, Header};
use wire::vlan::{self, TAG_LEN, Tagged, VlanId};
use wire::{Drop, Rest};

/// How much later everything begins in a tagged frame.
#[expect(clippy::cast_possible_truncation, reason = "it is 4")]
const LATER: u16 = TAG_LEN as u16;

/// Of an interface whose frames are tagged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tag {
    /// The interface whose device they leave by.
    pub(crate) carrier: InterfaceId,
    /// What the tag says.
    pub(crate) vlan: VlanId,
}

impl Stack {
    /// Adds the interface of a VLAN on a link. What its device does for the link it does for the VLAN.
    /// [`Stack::link_changed`] is to be told of both.
    ///
    /// # Errors
    /// See [`InterfaceError`].
    pub fn add_vlan(
        &mut self,
        carrier: InterfaceId,
        number: u16,
        plan: AddressPlan,
        now: Instant,
    ) -> Result<InterfaceId, InterfaceError> {
        let vlan = VlanId::new(number).ok_or(InterfaceError::BadVlan)?;
        if self.tagged_interface(carrier, number).is_some() {
            return Err(InterfaceError::BadVlan);
        }
        let of = self.interfaces.get(carrier.index());
        let of = of.filter(|it| it.medium == Medium::Ethernet && it.tag.is_none());
        let of = of.ok_or(InterfaceError::NoInterface)?;
        let facts = LinkFacts {
            mac: of.mac,
            mtu: of.link_mtu,
            up: of.up,
            checksum_transmit: of.checksum_transmit,
        };
        let longest_payload = of.longest_payload;
        let id = self.insert_interface(&facts, plan)?;
        if let Some(interface) = self.interfaces.get_mut(id.index()) {
            interface.tag = Some(Tag { carrier, vlan });
            interface.longest_payload = longest_payload;
        }
        self.start_autoconf(id, now);
        Ok(id)
    }

    /// Whose frames have such a tag on a link.
    fn tagged_interface(&mut self, carrier: InterfaceId, number: u16) -> Option<&mut Interface> {
        let vlan = VlanId::new(number)?;
        let tag = Some(Tag { carrier, vlan });
        self.interfaces.iter_mut().find(|it| it.tag == tag)
    }

    /// By which link a frame came that has a tag, and the frame without.
    #[cold]
    pub(crate) fn untag<'a>(
        &mut self,
        carrier: InterfaceId,
        frame: &Frame<'a>,
        rest: Rest<'_>,
    ) -> Result<(InterfaceId, Frame<'a>), Drop> {
        let tagged = Tagged::parse(frame.payload)?;
        let inner = Frame {
            header: Header {
                ethertype: tagged.ethertype,
                ..frame.header
            },
            payload: tagged.payload,
        };
        // IEEE 802.1Q clause 6.9.1: what is tagged for its priority alone is of no VLAN but the link's own.
        if tagged.number == 0 {
            return Ok((carrier, inner));
        }
        let found = self.tagged_interface(carrier, tagged.number);
        let interface = found.ok_or(Drop::VlanForeign)?;
        let bytes = tagged.payload.len().saturating_add(rest.len());
        interface
            .received
            .note(bytes.saturating_add(wire::ethernet::HEADER_LEN));
        match interface.up {
            true => Ok((interface.id, inner)),
            false => Err(Drop::InterfaceDown),
        }
    }

    /// Writes the next frame for a link whose frames have a tag.
    #[cold]
    pub(crate) fn output_tagged<M: ClientMemory>(
        &mut self,
        (id, tag): (InterfaceId, Tag),
        draft: &mut Draft<'_>,
        memory: &mut M,
        now: Instant,
    ) -> Option<(Extent, TransmitMeta)> {
        let mut plain = Draft {
            buffer: draft.buffer.get_mut(TAG_LEN..)?,
            pieces: draft.pieces.as_deref_mut(),
        };
        // It has the least length even if a switch takes the tag away.
        let (extent, mut meta) = self.output_frame(id, &mut plain, memory, now)?;
        vlan::insert(draft.buffer, tag.vlan).ok()?;
        if let TransmitChecksum::Partial { start, .. } = &mut meta.checksum {
            *start = start.saturating_add(LATER);
        }
        let extent = extent.behind(TAG_LEN);
        if let Some(carrier) = self.interfaces.get_mut(tag.carrier.index()) {
            carrier.sent.note(extent.len());
        }
        Some((extent, meta))
    }
}
