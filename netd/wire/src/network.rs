//! The network header in front of TCP, as far as long sequences of segments need to know it.
//!
//! *Owns*: for each family, which of its bits every packet has for itself, and what follows from them.
//! *Never*: knows options or extension headers; who has them is not part of a sequence.

use core::fmt::Debug;
use core::net::{Ipv4Addr, Ipv6Addr};

use zerocopy::byteorder::big_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::{Headroom, NoRoom, Protocol, Pseudo, Sum, checksum, ipv4, ipv6};

mod sealed {
    pub trait Sealed {}
    impl Sealed for core::net::Ipv4Addr {}
    impl Sealed for core::net::Ipv6Addr {}
}

/// A family of addresses whose packets carry sequences of segments.
pub trait Network: sealed::Sealed + Copy + Debug {
    /// The header as a value.
    type Header: Copy;
    /// The header as it lies in a packet.
    type Raw: FromBytes + IntoBytes + Immutable + KnownLayout + Unaligned + Copy + Debug + 'static;

    /// Puts a header in front of a payload.
    ///
    /// # Errors
    /// [`NoRoom`], also when the packet would be too long.
    fn emit(
        header: &Self::Header,
        room: &mut Headroom<'_>,
        payload_len: usize,
    ) -> Result<(), NoRoom>;
    /// The same header, with zeros for all that each packet has for itself.
    fn common(raw: &Self::Raw) -> Self::Raw;
    /// The sum of that, where the header has a checksum.
    fn common_sum(raw: &Self::Raw) -> Sum;
    /// Writes what one packet has for itself: the length of its payload, and its identification.
    ///
    /// # Errors
    /// [`NoRoom`] when the packet would be too long.
    fn place(
        raw: &mut Self::Raw,
        common: Sum,
        payload_len: usize,
        identification: u16,
    ) -> Result<(), NoRoom>;
    /// Whether the header has TCP right behind it, all of a segment, and nothing that most have not.
    fn is_plain(raw: &Self::Raw) -> bool;
    /// Whether two are the same but for what each packet has for itself.
    fn agree(one: &Self::Raw, other: &Self::Raw) -> bool;
    /// Whether the header's checksum is right, if it has one.
    fn is_valid(raw: &Self::Raw, common: Sum) -> bool;
    /// Bytes behind the header, by what it says.
    fn payload_len(raw: &Self::Raw) -> Option<usize>;
    /// What congestion has marked it with, in the lowest bits.
    fn traffic_class(raw: &Self::Raw) -> u8;
    /// What transport checksums cover of it.
    fn pseudo_of(raw: &Self::Raw) -> Pseudo;
}

/// IPv4, without options.
const VERSION_AND_WORDS: u8 = 0x45;

impl Network for Ipv4Addr {
    type Header = ipv4::Header;
    type Raw = ipv4::Raw;

    #[inline(always)]
    fn emit(
        header: &ipv4::Header,
        room: &mut Headroom<'_>,
        payload_len: usize,
    ) -> Result<(), NoRoom> {
        header.emit(room, payload_len)
    }

    fn common(raw: &ipv4::Raw) -> ipv4::Raw {
        ipv4::Raw {
            total_length: U16::ZERO,
            identification: U16::ZERO,
            checksum: [0; 2],
            ..*raw
        }
    }

    fn common_sum(raw: &ipv4::Raw) -> Sum {
        checksum::sum(Self::common(raw).as_bytes())
    }

    #[inline(always)]
    fn place(
        raw: &mut ipv4::Raw,
        common: Sum,
        payload_len: usize,
        identification: u16,
    ) -> Result<(), NoRoom> {
        let total = ipv4::HEADER_LEN.saturating_add(payload_len);
        let total_length = u16::try_from(total).map_err(|_| NoRoom)?;
        raw.total_length = U16::new(total_length);
        raw.identification = U16::new(identification);
        raw.checksum = common
            .plus(Sum::word(total_length))
            .plus(Sum::word(identification))
            .finish();
        Ok(())
    }

    #[inline(always)]
    fn is_plain(raw: &ipv4::Raw) -> bool {
        raw.version_and_words == VERSION_AND_WORDS
            && Protocol(raw.protocol) == Protocol::TCP
            && raw.fragment.get() & ipv4::PART == 0
    }

    #[inline(always)]
    fn agree(one: &ipv4::Raw, other: &ipv4::Raw) -> bool {
        one.source == other.source
            && one.destination == other.destination
            && one.version_and_words == other.version_and_words
            && one.traffic_class == other.traffic_class
            && one.fragment == other.fragment
            && one.time_to_live == other.time_to_live
            && one.protocol == other.protocol
    }

    #[inline(always)]
    fn is_valid(raw: &ipv4::Raw, common: Sum) -> bool {
        common
            .plus(Sum::word(raw.total_length.get()))
            .plus(Sum::word(raw.identification.get()))
            .plus(Sum::word(u16::from_be_bytes(raw.checksum)))
            .is_valid()
    }

    #[inline(always)]
    fn payload_len(raw: &ipv4::Raw) -> Option<usize> {
        usize::from(raw.total_length.get()).checked_sub(ipv4::HEADER_LEN)
    }

    #[inline(always)]
    fn traffic_class(raw: &ipv4::Raw) -> u8 {
        raw.traffic_class
    }

    fn pseudo_of(raw: &ipv4::Raw) -> Pseudo {
        Pseudo::v4(Self::from(raw.source), Self::from(raw.destination))
    }
}

impl Network for Ipv6Addr {
    type Header = ipv6::Header;
    type Raw = ipv6::Raw;

    #[inline(always)]
    fn emit(
        header: &ipv6::Header,
        room: &mut Headroom<'_>,
        payload_len: usize,
    ) -> Result<(), NoRoom> {
        header.emit(room, payload_len)
    }

    fn common(raw: &ipv6::Raw) -> ipv6::Raw {
        ipv6::Raw {
            payload_length: U16::ZERO,
            ..*raw
        }
    }

    fn common_sum(_: &ipv6::Raw) -> Sum {
        Sum::ZERO
    }

    #[inline(always)]
    fn place(raw: &mut ipv6::Raw, _: Sum, payload_len: usize, _: u16) -> Result<(), NoRoom> {
        raw.payload_length = U16::new(u16::try_from(payload_len).map_err(|_| NoRoom)?);
        Ok(())
    }

    #[inline(always)]
    fn is_plain(raw: &ipv6::Raw) -> bool {
        raw.version_class_flow.get() >> 28 == 6 && Protocol(raw.next_header) == Protocol::TCP
    }

    /// The flow label with the rest of the first word: one conversation has one (RFC 6437 section 2).
    #[inline(always)]
    fn agree(one: &ipv6::Raw, other: &ipv6::Raw) -> bool {
        one.source == other.source
            && one.destination == other.destination
            && one.version_class_flow == other.version_class_flow
            && one.next_header == other.next_header
            && one.hop_limit == other.hop_limit
    }

    #[inline(always)]
    fn is_valid(_: &ipv6::Raw, _: Sum) -> bool {
        true
    }

    #[inline(always)]
    fn payload_len(raw: &ipv6::Raw) -> Option<usize> {
        Some(raw.payload_length.get().into())
    }

    #[inline(always)]
    fn traffic_class(raw: &ipv6::Raw) -> u8 {
        let [class, ..] = (raw.version_class_flow.get() << 4).to_be_bytes();
        class
    }

    fn pseudo_of(raw: &ipv6::Raw) -> Pseudo {
        Pseudo::v6(Self::from(raw.source), Self::from(raw.destination))
    }
}
