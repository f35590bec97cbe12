//! IPv4 packets.
//!
//! *Owns*: the header, its checksum, the walk over its options.
//! *Never*: decides whether a packet is for us, reassembles, or looks at the time to live.
//!
//! *Spec*: RFC 791 section 3.1; RFC 1122 section 3.2.1; RFC 6864 (identification).

use core::net::Ipv4Addr;

use zerocopy::byteorder::big_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::headroom::word;
use crate::ip::{self, Cut};
use crate::{Drop, Ecn, Headroom, NoRoom, Protocol, Rest, Sum, checksum, icmp4, tcp, udp};

/// Length in bytes of a header without options, the only kind that is sent.
pub const HEADER_LEN: usize = 20;

/// Every host accepts packets of this many bytes (RFC 791 section 3.1, total length).
pub const MIN_REASSEMBLY: usize = 576;

/// The smallest MTU of a link that carries IPv4 (RFC 791 section 3.2).
pub const MIN_MTU: usize = 68;

const RESERVED: u16 = 0x8000;
const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET: u16 = 0x1fff;
/// What only parts of packets have.
pub(crate) const PART: u16 = MORE_FRAGMENTS | OFFSET;

/// The header as it lies in a packet.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct Raw {
    pub(crate) version_and_words: u8,
    pub(crate) traffic_class: u8,
    pub(crate) total_length: U16,
    pub(crate) identification: U16,
    pub(crate) fragment: U16,
    pub(crate) time_to_live: u8,
    pub(crate) protocol: u8,
    pub(crate) checksum: [u8; 2],
    pub(crate) source: [u8; 4],
    pub(crate) destination: [u8; 4],
}

const _: () = assert!(size_of::<Raw>() == HEADER_LEN);

/// An IPv4 header. Lengths, checksum and options follow from, or are found beside, the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Differentiated services codepoint, 6 bits (RFC 2474).
    pub dscp: u8,
    /// Congestion notification.
    pub ecn: Ecn,
    /// Tells the fragments of one packet from another's; of no meaning in an atomic packet.
    pub identification: u16,
    /// Routers must not fragment the packet.
    pub dont_fragment: bool,
    /// This is not the packet's last fragment.
    pub more_fragments: bool,
    /// Where in the packet this fragment belongs, in units of 8 bytes; 13 bits.
    pub fragment_offset: u16,
    /// How many routers the packet may still pass.
    pub ttl: u8,
    /// What follows.
    pub protocol: Protocol,
    /// From whom.
    pub source: Ipv4Addr,
    /// To whom.
    pub destination: Ipv4Addr,
}

/// A received packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Its header.
    pub header: Header,
    /// The options, checked for form and skipped.
    pub options: &'a [u8],
    /// What the packet carries, without the frame's padding.
    pub payload: &'a [u8],
    /// What it carries behind that, if it came in several slices.
    pub rest: Rest<'a>,
    /// The packet from its header to the end of its first slice: what an ICMP error about it quotes.
    pub bytes: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a packet from a frame's payload and checks all that RFC 1122 asks of a host, except
    /// what takes our addresses.
    ///
    /// # Errors
    /// [`Drop::Ipv4Short`], [`Drop::Ipv4Version`], [`Drop::Ipv4HeaderLength`],
    /// [`Drop::Ipv4TotalLength`], [`Drop::Ipv4Checksum`], [`Drop::Ipv4ReservedFlag`],
    /// [`Drop::Ipv4Source`], [`Drop::Ipv4Option`], [`Drop::Ipv4SourceRoute`].
    #[inline]
    pub fn parse(frame_payload: &'a [u8]) -> Result<Self, Drop> {
        Self::parse_scattered(frame_payload, Rest::NONE)
    }

    /// Reads a packet that came in several slices, the header in the first.
    ///
    /// # Errors
    /// As [`Packet::parse`].
    #[inline]
    pub fn parse_scattered(frame_payload: &'a [u8], rest: Rest<'a>) -> Result<Self, Drop> {
        let (raw, header_len) = split(frame_payload)?;
        // RFC 1122 section 3.2.1: length first, for the checksum covers what the length says.
        let total = usize::from(raw.total_length.get());
        let (bytes, rest) = match frame_payload.get(..total) {
            Some(bytes) => (bytes, Rest::NONE),
            None => {
                let more = total.checked_sub(frame_payload.len());
                let rest = more.and_then(|more| rest.first(more));
                (frame_payload, rest.ok_or(Drop::Ipv4TotalLength)?)
            }
        };
        let (header, payload) = bytes
            .split_at_checked(header_len)
            .ok_or(Drop::Ipv4TotalLength)?;
        // RFC 1122 section 3.2.1.2: verify, and silently discard when it is wrong.
        let sum = match header.as_array::<HEADER_LEN>() {
            // Nearly all of them: compilers know how long it is.
            Some(plain) => checksum::sum(plain),
            None => checksum::sum(header),
        };
        if !sum.is_valid() {
            return Err(Drop::Ipv4Checksum);
        }
        // RFC 791 section 3.1: bit 0 of the flags must be zero.
        if raw.fragment.get() & RESERVED != 0 {
            return Err(Drop::Ipv4ReservedFlag);
        }
        let options = header.get(HEADER_LEN..).ok_or(Drop::Ipv4HeaderLength)?;
        if !options.is_empty() {
            walk_options(options)?;
        }
        let header = Header::from_raw(raw);
        // RFC 1122 section 3.2.1.3: a source is never a group or the limited broadcast.
        if header.source.is_multicast() || header.source.is_broadcast() {
            return Err(Drop::Ipv4Source);
        }
        Ok(Self {
            header,
            options,
            payload,
            rest,
            bytes,
        })
    }
}

impl Packet<'_> {
    /// Whether its routers are asked to look at it (RFC 2113), as messages about groups are.
    #[must_use]
    pub fn has_router_alert(&self) -> bool {
        const END: u8 = 0;
        const NO_OPERATION: u8 = 1;
        const ROUTER_ALERT: u8 = 148;
        let mut options = self.options;
        while let [kind, rest @ ..] = options {
            options = match (*kind, rest) {
                (END, _) => return false,
                (ROUTER_ALERT, _) => return true,
                (NO_OPERATION, _) => rest,
                (_, [length, ..]) => options
                    .get(usize::from(*length).max(1)..)
                    .unwrap_or_default(),
                _ => return false,
            };
        }
        false
    }
}

/// How many bytes a packet's first fragment carries at least: its transport's header, without which
/// nobody on the way could tell what it is (RFC 1858 section 3).
#[must_use]
pub const fn least_first_fragment(protocol: Protocol) -> usize {
    match protocol {
        Protocol::TCP => tcp::HEADER_LEN,
        Protocol::UDP => udp::HEADER_LEN,
        Protocol::ICMP => icmp4::HEADER_LEN,
        _ => 1,
    }
}

/// Writes a part of a packet of ours into `into`, which is as long as the part may be: that which
/// begins `from` bytes behind the header. Of the header, which has no options, all parts repeat
/// everything but what tells where they belong; they may be fragmented further, and `identification`
/// is theirs alone (RFC 6864 section 4.2). `None` when this is no packet, or there is no room.
#[must_use]
pub fn cut(packet: &[u8], from: usize, identification: u16, into: &mut [u8]) -> Option<Cut> {
    let (raw, payload) = Raw::ref_from_prefix(packet).ok()?;
    let rest = payload.get(from..)?;
    let (head, room) = into.split_at_mut_checked(HEADER_LEN)?;
    let len = ip::stretch(rest.len(), room.len())?;
    room.get_mut(..len)?.copy_from_slice(rest.get(..len)?);
    let header = Header {
        identification,
        dont_fragment: false,
        more_fragments: len < rest.len(),
        fragment_offset: u16::try_from(from >> 3).ok()?,
        ..Header::from_raw(raw)
    };
    header.emit(&mut Headroom::new(head), len).ok()?;
    let next = from.checked_add(len)?;
    Some(Cut {
        len: len.checked_add(HEADER_LEN)?,
        next: header.more_fragments.then_some(next),
    })
}

/// Makes the header of a packet's first fragment, options included, that of the whole, which carries
/// `payload_len` bytes and which congestion has marked so. `None` when the packet would be too long,
/// or this is no header.
#[must_use]
pub fn reassembled(header: &mut [u8], payload_len: usize, ecn: Ecn) -> Option<()> {
    let total_length = u16::try_from(header.len().checked_add(payload_len)?).ok()?;
    let (raw, _) = Raw::mut_from_prefix(header).ok()?;
    raw.total_length = U16::new(total_length);
    raw.fragment = U16::new(raw.fragment.get() & DONT_FRAGMENT);
    raw.traffic_class = raw.traffic_class & !0b11 | ecn.bits();
    raw.checksum = [0; 2];
    let checksum = checksum::sum(header).finish();
    let (raw, _) = Raw::mut_from_prefix(header).ok()?;
    raw.checksum = checksum;
    Some(())
}

/// What a packet that begins so carries; `None` for what is no packet.
#[must_use]
pub fn protocol(bytes: &[u8]) -> Option<Protocol> {
    split(bytes).ok().map(|(raw, _)| Protocol(raw.protocol))
}

/// The fixed header at the start of `bytes`, and the header's length with its options in bytes,
/// at least 20.
#[inline]
fn split(bytes: &[u8]) -> Result<(&Raw, usize), Drop> {
    let (raw, _) = Raw::ref_from_prefix(bytes).map_err(|_| Drop::Ipv4Short)?;
    if raw.version_and_words >> 4 != 4 {
        return Err(Drop::Ipv4Version);
    }
    let header_len = usize::from(raw.version_and_words & 0x0f) << 2;
    if header_len < HEADER_LEN {
        return Err(Drop::Ipv4HeaderLength);
    }
    Ok((raw, header_len))
}

/// Checks the form of the options and refuses source routing; all other options are skipped
/// (RFC 1122 section 3.2.1.8: unknown options must be ignored).
#[cold]
fn walk_options(mut options: &[u8]) -> Result<(), Drop> {
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    const LOOSE_SOURCE_ROUTE: u8 = 131;
    const STRICT_SOURCE_ROUTE: u8 = 137;
    while let [kind, rest @ ..] = options {
        options = match (*kind, rest) {
            (END, _) => return Ok(()),
            (NO_OPERATION, _) => rest,
            // Lets a stranger choose the path of our answers (RFC 7126 sections 4.3 and 4.4).
            (LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE, _) => return Err(Drop::Ipv4SourceRoute),
            (_, [length @ 2..=u8::MAX, ..]) => options
                .get(usize::from(*length)..)
                .ok_or(Drop::Ipv4Option)?,
            _ => return Err(Drop::Ipv4Option),
        };
    }
    Ok(())
}

impl Header {
    /// An atomic packet (RFC 6864 section 4.1): never fragmented, so its identification is zero.
    #[inline]
    #[must_use]
    pub const fn atomic(
        source: Ipv4Addr,
        destination: Ipv4Addr,
        protocol: Protocol,
        ttl: u8,
    ) -> Self {
        Self {
            dscp: 0,
            ecn: Ecn::NotCapable,
            identification: 0,
            dont_fragment: true,
            more_fragments: false,
            fragment_offset: 0,
            ttl,
            protocol,
            source,
            destination,
        }
    }

    /// Whether this is a part of a packet only.
    #[inline]
    #[must_use]
    pub const fn is_fragment(&self) -> bool {
        self.more_fragments || self.fragment_offset != 0
    }

    #[inline(always)]
    fn from_raw(raw: &Raw) -> Self {
        let fragment = raw.fragment.get();
        Self {
            dscp: raw.traffic_class >> 2,
            ecn: Ecn::from_bits(raw.traffic_class),
            identification: raw.identification.get(),
            dont_fragment: fragment & DONT_FRAGMENT != 0,
            more_fragments: fragment & MORE_FRAGMENTS != 0,
            fragment_offset: fragment & OFFSET,
            ttl: raw.time_to_live,
            protocol: Protocol(raw.protocol),
            source: Ipv4Addr::from(raw.source),
            destination: Ipv4Addr::from(raw.destination),
        }
    }

    /// Puts the header with four bytes of options in front of a payload of `payload_len` bytes.
    ///
    /// # Errors
    /// As [`Header::emit`].
    pub fn emit_with(
        &self,
        room: &mut Headroom<'_>,
        options: [u8; 4],
        payload_len: usize,
    ) -> Result<(), NoRoom> {
        const WITH_OPTIONS: usize = HEADER_LEN + 4;
        let mut bytes = [0; WITH_OPTIONS];
        let (head, tail) = bytes.split_at_mut(HEADER_LEN);
        let behind = payload_len.checked_add(options.len()).ok_or(NoRoom)?;
        self.emit(&mut Headroom::new(head), behind)?;
        tail.copy_from_slice(&options);
        let (raw, _) = Raw::mut_from_prefix(&mut bytes).map_err(|_| NoRoom)?;
        raw.version_and_words = 0x46;
        raw.checksum = [0; 2];
        let checksum = checksum::sum(&bytes).finish();
        let (raw, _) = Raw::mut_from_prefix(&mut bytes).map_err(|_| NoRoom)?;
        raw.checksum = checksum;
        room.prepend(&bytes)
    }

    /// Puts the header in front of a payload of `payload_len` bytes.
    ///
    /// # Errors
    /// [`NoRoom`], also when the packet would exceed 65,535 bytes.
    #[inline]
    pub fn emit(&self, room: &mut Headroom<'_>, payload_len: usize) -> Result<(), NoRoom> {
        let total_length = payload_len.checked_add(HEADER_LEN).ok_or(NoRoom)?;
        let dont_fragment = if self.dont_fragment { DONT_FRAGMENT } else { 0 };
        let more_fragments = if self.more_fragments {
            MORE_FRAGMENTS
        } else {
            0
        };
        let total_length = u16::try_from(total_length).map_err(|_| NoRoom)?;
        let fragment = dont_fragment | more_fragments | self.fragment_offset & OFFSET;
        let traffic_class = self.dscp << 2 | self.ecn.bits();
        let halves = [total_length, self.identification, fragment];
        let [total_length, identification, fragment] = halves.map(u16::to_be_bytes);
        let words = |checksum| {
            [
                word([0x45, traffic_class], total_length),
                word(identification, fragment),
                word([self.ttl, self.protocol.0], checksum),
                u32::from_ne_bytes(self.source.octets()),
                u32::from_ne_bytes(self.destination.octets()),
            ]
        };
        room.prepend_words(words(Sum::words(&words([0; 2])).finish()))
    }
}

/// The start of a packet of ours that an ICMP error sent back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote<'a> {
    /// The header as the router saw it.
    pub header: Header,
    /// What was left of the payload: eight bytes at least (RFC 792), more from most hosts.
    pub payload: &'a [u8],
}

impl<'a> Quote<'a> {
    /// Reads the packet that an error quotes. It may be cut short anywhere behind its first
    /// eight bytes of payload, and routers may have changed its length and checksum.
    ///
    /// # Errors
    /// [`Drop::Icmp4Quote`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Drop> {
        let (raw, header_len) = split(bytes).map_err(|_| Drop::Icmp4Quote)?;
        let payload = bytes.get(header_len..).ok_or(Drop::Icmp4Quote)?;
        Ok(Self {
            header: Header::from_raw(raw),
            payload,
        })
    }

    /// Source and destination port, when the quoted packet was TCP or UDP and its first fragment.
    #[must_use]
    pub fn ports(&self) -> Option<(u16, u16)> {
        ip::quoted_ports(self.header.protocol, self.start()?)
    }

    /// The sequence number of the quoted segment, by which a connection tells errors about its
    /// own data from forged ones (RFC 5927 section 4.1).
    #[must_use]
    pub fn tcp_sequence(&self) -> Option<u32> {
        ip::quoted_sequence(self.header.protocol, self.start()?)
    }

    /// Identifier and sequence number of the quoted echo request.
    #[must_use]
    pub fn echo(&self) -> Option<(u16, u16)> {
        match self.header.protocol {
            Protocol::ICMP => ip::quoted_echo(icmp4::ECHO_REQUEST, self.start()?),
            _ => None,
        }
    }

    /// The start of what the packet carried; later fragments have none.
    #[must_use]
    pub fn start(&self) -> Option<&'a [u8]> {
        (self.header.fragment_offset == 0).then_some(self.payload)
    }
}

#[cfg(test)]
mod tests;
