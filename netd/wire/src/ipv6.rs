//! IPv6 packets.
//!
//! *Owns*: the fixed header, the walk over the headers behind it ([`Content`]), what an error
//! quotes of a packet ([`Quote`]), and the addresses that follow from others.
//! *Never*: decides whether a packet is for us, reassembles, or looks at the hop limit.
//!
//! *Spec*: RFC 8200; RFC 4291 section 2.7.1 (solicited-node addresses); RFC 6437 (flow label).

mod chain;
mod fragment;
mod quote;

use core::net::Ipv6Addr;

use zerocopy::byteorder::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::headroom::word;
use crate::ip::{self, Cut};
use crate::{Drop, Ecn, Headroom, NoRoom, Protocol, Rest};

pub use chain::{
    Answer, Content, MAX_CHAIN, MAX_HEADERS, MAX_OPTIONS, Part, ROUTER_ALERT_LEN, Refusal, Whole,
    emit_router_alert,
};
pub use fragment::{FRAGMENT_LEN, Fragment};
pub use quote::Quote;

/// Length of the fixed header in bytes.
pub const HEADER_LEN: usize = 40;

/// Every link that carries IPv6 takes packets of this many bytes (RFC 8200 section 5).
pub const MIN_MTU: usize = 1280;

/// Every host puts packets of this many bytes together again (RFC 8200 section 5).
pub const MIN_REASSEMBLY: usize = 1500;

/// Where the fixed header says what follows it.
const NEXT_HEADER_AT: usize = 6;

/// The bits of a flow label (RFC 6437 section 2).
pub const FLOW_LABEL: u32 = 0x000f_ffff;

/// The fixed header as it lies in a packet.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Raw {
    pub(crate) version_class_flow: U32,
    pub(crate) payload_length: U16,
    pub(crate) next_header: u8,
    pub(crate) hop_limit: u8,
    pub(crate) source: [u8; 16],
    pub(crate) destination: [u8; 16],
}

const _: () = assert!(size_of::<Raw>() == HEADER_LEN);

/// An IPv6 header. Its payload's length is found beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Differentiated services codepoint, 6 bits (RFC 2474).
    pub dscp: u8,
    /// Congestion notification.
    pub ecn: Ecn,
    /// What packets of one conversation have in common, 20 bits; zero for none (RFC 6437).
    pub flow_label: u32,
    /// How many routers the packet may still pass.
    pub hop_limit: u8,
    /// What follows: a transport's header, or one of IPv6's own.
    pub next: Protocol,
    /// From whom.
    pub source: Ipv6Addr,
    /// To whom.
    pub destination: Ipv6Addr,
}

/// A received packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Its fixed header.
    pub header: Header,
    /// What follows that, without the frame's padding.
    pub payload: &'a [u8],
    /// What follows behind that, if it came in several slices.
    pub rest: Rest<'a>,
    /// The packet from its header to the end of its first slice: what an ICMP error about it quotes.
    pub bytes: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a packet from a frame's payload and checks its fixed header.
    ///
    /// # Errors
    /// [`Drop::Ipv6Short`], [`Drop::Ipv6Version`], [`Drop::Ipv6PayloadLength`],
    /// [`Drop::Ipv6Source`], [`Drop::Ipv6Jumbo`].
    #[inline]
    pub fn parse(frame_payload: &'a [u8]) -> Result<Self, Drop> {
        Self::parse_scattered(frame_payload, Rest::NONE)
    }

    /// Reads a packet that came in several slices, the fixed header in the first.
    ///
    /// # Errors
    /// As [`Packet::parse`].
    #[inline]
    pub fn parse_scattered(frame_payload: &'a [u8], rest: Rest<'a>) -> Result<Self, Drop> {
        let (raw, behind) = split(frame_payload)?;
        let len = usize::from(raw.payload_length.get());
        let (payload, rest) = match behind.get(..len) {
            Some(payload) => (payload, Rest::NONE),
            None => {
                let more = len.checked_sub(behind.len());
                let rest = more.and_then(|more| rest.first(more));
                (behind, rest.ok_or(Drop::Ipv6PayloadLength)?)
            }
        };
        let header = Header::from_raw(raw);
        // RFC 8200 section 3, RFC 4291 section 2.7: a source is never a group.
        if header.source.is_multicast() {
            return Err(Drop::Ipv6Source);
        }
        // RFC 2675 section 2: so says a packet whose length is in an option.
        if len == 0 && header.next == Protocol::HOP_BY_HOP {
            return Err(Drop::Ipv6Jumbo);
        }
        let bytes = frame_payload
            .get(..HEADER_LEN.saturating_add(payload.len()))
            .ok_or(Drop::Ipv6PayloadLength)?;
        Ok(Self {
            header,
            payload,
            rest,
            bytes,
        })
    }

    /// What the packet carries, found behind whatever headers of IPv6's own it has. They must lie in
    /// its first slice; a part of a packet must be in one piece.
    ///
    /// # Errors
    /// [`Refusal`], which says what the sender is to be told.
    #[inline]
    pub fn content(&self) -> Result<Content<'a>, Refusal> {
        match self.header.next {
            // Nearly all of them.
            Protocol::TCP | Protocol::UDP | Protocol::ICMPV6 => Ok(Content::Whole(Whole {
                protocol: self.header.next,
                named_at: NEXT_HEADER_AT,
                payload: self.payload,
                router_alert: None,
                has_fragment_header: false,
                home_at: 0,
            })),
            _ => chain::walk(self),
        }
    }
}

/// Writes a part of a packet of ours into `into`, which is as long as the part may be: that which
/// begins `from` bytes behind the fixed header. The packet has no other header of IPv6's own.
/// `None` when this is no packet, or there is no room.
#[must_use]
pub fn cut(packet: &[u8], from: usize, identification: u32, into: &mut [u8]) -> Option<Cut> {
    let (raw, payload) = Raw::ref_from_prefix(packet).ok()?;
    let rest = payload.get(from..)?;
    let (head, room) = into.split_at_mut_checked(HEADER_LEN + FRAGMENT_LEN)?;
    let len = ip::stretch(rest.len(), room.len())?;
    room.get_mut(..len)?.copy_from_slice(rest.get(..len)?);
    let header = Header::from_raw(raw);
    let fragment = Fragment {
        offset: u16::try_from(from >> 3).ok()?,
        more: len < rest.len(),
        identification,
    };
    let room = &mut Headroom::new(head);
    fragment.emit(room, header.next).ok()?;
    let whole = Header {
        next: Protocol::FRAGMENT,
        ..header
    };
    whole.emit(room, len.checked_add(FRAGMENT_LEN)?).ok()?;
    let next = from.checked_add(len)?;
    Some(Cut {
        len: len.checked_add(HEADER_LEN + FRAGMENT_LEN)?,
        next: fragment.more.then_some(next),
    })
}

/// Makes the headers of a packet's first part, up to its fragment header and with it, those of the
/// whole, which carries `payload_len` bytes behind them and which congestion has marked so. Gives how
/// many bytes in front are not needed any more. `None` when the packet would be too long, or these
/// are no such headers.
#[must_use]
pub fn reassembled(headers: &mut [u8], payload_len: usize, ecn: Ecn) -> Option<usize> {
    let before = headers.len().checked_sub(FRAGMENT_LEN)?;
    let behind = before.checked_sub(HEADER_LEN)?;
    let payload_length = u16::try_from(behind.checked_add(payload_len)?).ok()?;
    // RFC 8200 section 4.5: what the fragment header names takes its place.
    let next = *headers.get(before)?;
    let named_at = chain::named_at(headers.get(..before)?)?;
    *headers.get_mut(named_at)? = next;
    let (raw, _) = Raw::mut_from_prefix(headers).ok()?;
    raw.payload_length = U16::new(payload_length);
    let first = raw.version_class_flow.get();
    raw.version_class_flow = U32::new(first & !(0b11 << 20) | u32::from(ecn.bits()) << 20);
    headers.copy_within(..before, FRAGMENT_LEN);
    Some(FRAGMENT_LEN)
}

/// What follows the fixed header of a packet that begins so; `None` for what is no packet.
#[must_use]
pub fn next(bytes: &[u8]) -> Option<Protocol> {
    split(bytes).ok().map(|(raw, _)| Protocol(raw.next_header))
}

#[inline]
fn split(bytes: &[u8]) -> Result<(&Raw, &[u8]), Drop> {
    let (raw, behind) = Raw::ref_from_prefix(bytes).map_err(|_| Drop::Ipv6Short)?;
    if raw.version_class_flow.get() >> 28 != 6 {
        return Err(Drop::Ipv6Version);
    }
    Ok((raw, behind))
}

/// The group of all nodes whose addresses end like this one, on their link (RFC 4291 section 2.7.1).
#[must_use]
pub const fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    const PREFIX: u128 = 0xff02_0000_0000_0000_0000_0001_ff00_0000;
    Ipv6Addr::from_bits(PREFIX | address.to_bits() & 0x00ff_ffff)
}

impl Header {
    /// A packet without a flow label, of the default class.
    #[inline]
    #[must_use]
    pub const fn new(
        source: Ipv6Addr,
        destination: Ipv6Addr,
        next: Protocol,
        hop_limit: u8,
    ) -> Self {
        Self {
            dscp: 0,
            ecn: Ecn::NotCapable,
            flow_label: 0,
            hop_limit,
            next,
            source,
            destination,
        }
    }

    #[inline(always)]
    fn from_raw(raw: &Raw) -> Self {
        let first = raw.version_class_flow.get();
        let [class, ..] = (first << 4).to_be_bytes();
        Self {
            dscp: class >> 2,
            ecn: Ecn::from_bits(class),
            flow_label: first & FLOW_LABEL,
            hop_limit: raw.hop_limit,
            next: Protocol(raw.next_header),
            source: Ipv6Addr::from(raw.source),
            destination: Ipv6Addr::from(raw.destination),
        }
    }

    /// Puts the header in front of a payload of `payload_len` bytes, headers of IPv6's own included.
    ///
    /// # Errors
    /// [`NoRoom`], also when the payload exceeds 65,535 bytes.
    #[inline]
    pub fn emit(&self, room: &mut Headroom<'_>, payload_len: usize) -> Result<(), NoRoom> {
        let payload_length = u16::try_from(payload_len).map_err(|_| NoRoom)?;
        let class = u32::from(self.dscp << 2 | self.ecn.bits());
        let first = 6 << 28 | class << 20 | self.flow_label & FLOW_LABEL;
        let [a, b, c, d] = words(self.source);
        let [e, f, g, h] = words(self.destination);
        room.prepend_words([
            first.to_be(),
            word(payload_length.to_be_bytes(), [self.next.0, self.hop_limit]),
            a,
            b,
            c,
            d,
            e,
            f,
            g,
            h,
        ])
    }
}

/// An address in words, as they stand in memory.
#[inline(always)]
fn words(address: Ipv6Addr) -> [u32; 4] {
    zerocopy::transmute!(address.octets())
}

#[cfg(test)]
mod tests;
