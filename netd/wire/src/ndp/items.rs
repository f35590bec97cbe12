//! The options of neighbour discovery.
//!
//! *Owns*: their layout. What is not known, or has not the form of its type, is skipped; an option of
//! no length, or beyond the message, refuses all of it (RFC 4861 sections 4.6 and 6.1).
//!
//! *Spec*: RFC 4861 section 4.6; RFC 8106 section 5; RFC 3971 section 5.3.2 (nonce).

use core::net::Ipv6Addr;

use zerocopy::byteorder::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dns::Name;
use crate::{Cidr6, Drop, Headroom, MacAddress, NoRoom, Sum, checksum};

const SOURCE_LINK: u8 = 1;
const TARGET_LINK: u8 = 2;
const PREFIX: u8 = 3;
const REDIRECTED: u8 = 4;
const MTU: u8 = 5;
const NONCE: u8 = 14;
const RDNSS: u8 = 25;
const DNSSL: u8 = 31;

/// Of a link that carries IPv6 (RFC 8200 section 5).
const LEAST_MTU: u32 = 1280;

const ON_LINK: u8 = 0x80;
const AUTONOMOUS: u8 = 0x40;

/// By what a node knows that a solicitation is its own come back (RFC 7527 section 4): a number of
/// the shortest length.
pub type Nonce = [u8; 6];

/// An option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// The link-layer address of the sender.
    SourceLink(MacAddress),
    /// The link-layer address of the target.
    TargetLink(MacAddress),
    /// Addresses of the link.
    Prefix(Prefix),
    /// The start of the packet that was sent in the wrong direction. What is written is filled up
    /// with zeros to a multiple of eight bytes.
    Redirected(&'a [u8]),
    /// What all hosts of the link are to take as its MTU, in bytes; at least IPv6's least.
    Mtu(u32),
    /// Tells one's own solicitation.
    Nonce(Nonce),
    /// Name servers.
    Servers {
        /// For how many seconds they may be asked; all ones for ever, zero for not any more.
        lifetime: u32,
        /// Their addresses, the preferred one first.
        addresses: Addresses<'a>,
    },
    /// Domains in which short names are looked for.
    Search {
        /// For how many seconds; as above.
        lifetime: u32,
        /// The domains, the preferred one first.
        names: Names<'a>,
    },
}

/// What a router says about the addresses that begin so (RFC 4861 section 4.6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// How they begin; the host bits are zero.
    pub prefix: Cidr6,
    /// They are all on the link.
    pub on_link: bool,
    /// Hosts may make their addresses of it.
    pub autonomous: bool,
    /// For how many seconds; all ones for ever.
    pub valid: u32,
    /// For how many seconds addresses made of it are preferred to others.
    pub preferred: u32,
}

/// Some addresses, as they stand in an option.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Addresses<'a>(&'a [[u8; 16]]);

impl<'a> Addresses<'a> {
    /// These, of which an option has room for 127.
    #[must_use]
    pub const fn from_octets(octets: &'a [[u8; 16]]) -> Self {
        Self(octets)
    }

    /// One after the other.
    pub fn iter(self) -> impl Iterator<Item = Ipv6Addr> + use<'a> {
        self.0.iter().copied().map(Ipv6Addr::from_octets)
    }
}

/// Some domain names, as they stand in an option.
#[derive(Clone, Copy, Debug, Default)]
pub struct Names<'a>(&'a [u8]);

impl<'a> Names<'a> {
    /// Names as they stand in messages that do not compress them, one behind the other.
    #[must_use]
    pub const fn from_bytes(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// One after the other; ends at the padding, or where something is no name.
    pub fn iter(self) -> impl Iterator<Item = Name> + use<'a> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let (name, behind) = Name::split_first(rest)?;
            rest = behind;
            (!name.is_root()).then_some(name)
        })
    }
}

impl PartialEq for Names<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Names<'_> {}

/// The options of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Items<'a>(&'a [u8]);

impl<'a> Items<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Drop> {
        let mut rest = bytes;
        while !rest.is_empty() {
            (_, rest) = split(rest).ok_or(Drop::NdpOption)?;
        }
        Ok(Self(bytes))
    }

    /// Those that are understood, in their order.
    pub fn iter(self) -> impl Iterator<Item = Item<'a>> + use<'a> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let (option, behind) = split(rest)?;
            rest = behind;
            Some(option)
        })
        .filter_map(Item::read)
    }

    /// The link-layer address of the sender, if it can belong to one.
    #[must_use]
    pub fn source_link(self) -> Option<MacAddress> {
        self.iter().find_map(|item| match item {
            Item::SourceLink(address) => Some(address),
            _ => None,
        })
    }

    /// The link-layer address of the target, if it can belong to one.
    #[must_use]
    pub fn target_link(self) -> Option<MacAddress> {
        self.iter().find_map(|item| match item {
            Item::TargetLink(address) => Some(address),
            _ => None,
        })
    }

    /// The number by which the sender knows its solicitation.
    #[must_use]
    pub fn nonce(self) -> Option<Nonce> {
        self.iter().find_map(|item| match item {
            Item::Nonce(nonce) => Some(nonce),
            _ => None,
        })
    }
}

/// The first option and what is behind it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let [_, eights @ 1..=u8::MAX, ..] = bytes else {
        return None;
    };
    bytes.split_at_checked(usize::from(*eights) << 3)
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawPrefix {
    length: u8,
    flags: u8,
    valid: U32,
    preferred: U32,
    reserved: [u8; 4],
    prefix: [u8; 16],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawNumber {
    reserved: U16,
    number: U32,
}

const _: () = assert!(size_of::<RawPrefix>() == 30 && size_of::<RawNumber>() == 6);

impl<'a> Item<'a> {
    fn read(option: &'a [u8]) -> Option<Self> {
        let [kind, _, value @ ..] = option else {
            return None;
        };
        match *kind {
            SOURCE_LINK => station(value).map(Self::SourceLink),
            TARGET_LINK => station(value).map(Self::TargetLink),
            PREFIX => Prefix::read(value).map(Self::Prefix),
            REDIRECTED => value.get(6..).map(Self::Redirected),
            MTU => {
                let RawNumber { number, .. } = RawNumber::read_from_bytes(value).ok()?;
                // RFC 4861 section 6.3.4: what no link may have says nothing.
                let mtu = number.get();
                (mtu >= LEAST_MTU).then_some(Self::Mtu(mtu))
            }
            NONCE => value.try_into().map(Self::Nonce).ok(),
            RDNSS => {
                let (lifetime, behind) = lifetime(value)?;
                // RFC 8106 section 5.3.1: whole addresses, one at least.
                let (addresses, []) = behind.as_chunks() else {
                    return None;
                };
                let addresses = Addresses(addresses);
                (!behind.is_empty()).then_some(Self::Servers {
                    lifetime,
                    addresses,
                })
            }
            DNSSL => {
                let (lifetime, behind) = lifetime(value)?;
                let names = Names(behind);
                (names.iter().next().is_some()).then_some(Self::Search { lifetime, names })
            }
            // RFC 4861 section 6.1: what is not known is ignored.
            _ => None,
        }
    }

    /// Puts the option in front of those behind it.
    pub(super) fn emit(&self, room: &mut Headroom<'_>, behind: &mut Behind) -> Result<(), NoRoom> {
        let start = behind.len;
        let kind = match *self {
            Self::SourceLink(address) => {
                behind.put(room, &address.0)?;
                SOURCE_LINK
            }
            Self::TargetLink(address) => {
                behind.put(room, &address.0)?;
                TARGET_LINK
            }
            Self::Prefix(prefix) => {
                behind.put(room, prefix.raw().as_bytes())?;
                PREFIX
            }
            Self::Redirected(packet) => {
                behind.put_padded(room, packet)?;
                behind.put(room, &[0; 6])?;
                REDIRECTED
            }
            Self::Mtu(mtu) => {
                behind.put(room, number(mtu).as_bytes())?;
                MTU
            }
            Self::Nonce(nonce) => {
                behind.put(room, &nonce)?;
                NONCE
            }
            Self::Servers {
                lifetime,
                addresses,
            } => {
                behind.put(room, addresses.0.as_flattened())?;
                behind.put(room, number(lifetime).as_bytes())?;
                RDNSS
            }
            Self::Search { lifetime, names } => {
                behind.put_padded(room, names.0)?;
                behind.put(room, number(lifetime).as_bytes())?;
                DNSSL
            }
        };
        let len = behind.len.saturating_sub(start).saturating_add(2);
        let eights = u8::try_from(len >> 3).map_err(|_| NoRoom)?;
        behind.put(room, &[kind, eights])
    }
}

/// RFC 2464 section 6: an Ethernet address. No cache may hold one that is a group's.
fn station(value: &[u8]) -> Option<MacAddress> {
    let address = MacAddress(value.try_into().ok()?);
    address.is_station().then_some(address)
}

/// A lifetime behind two bytes that mean nothing, and what follows.
fn lifetime(value: &[u8]) -> Option<(u32, &[u8])> {
    let (raw, behind) = RawNumber::ref_from_prefix(value).ok()?;
    Some((raw.number.get(), behind))
}

fn number(number: u32) -> RawNumber {
    RawNumber {
        reserved: U16::ZERO,
        number: U32::new(number),
    }
}

impl Prefix {
    fn read(value: &[u8]) -> Option<Self> {
        let raw = RawPrefix::ref_from_bytes(value).ok()?;
        let prefix = Cidr6::new(raw.prefix.into(), raw.length).ok()?;
        Some(Self {
            // RFC 4861 section 4.6.2: what is behind the prefix is to be ignored.
            prefix: prefix.network(),
            on_link: raw.flags & ON_LINK != 0,
            autonomous: raw.flags & AUTONOMOUS != 0,
            valid: raw.valid.get(),
            preferred: raw.preferred.get(),
        })
    }

    fn raw(&self) -> RawPrefix {
        let on_link = if self.on_link { ON_LINK } else { 0 };
        let autonomous = if self.autonomous { AUTONOMOUS } else { 0 };
        RawPrefix {
            length: self.prefix.prefix(),
            flags: on_link | autonomous,
            valid: U32::new(self.valid),
            preferred: U32::new(self.preferred),
            reserved: [0; 4],
            prefix: self.prefix.network().address().octets(),
        }
    }
}

/// What has been written of a message, from its end: how much, and its sum.
pub(super) struct Behind {
    pub(super) len: usize,
    pub(super) sum: Sum,
}

impl Behind {
    pub(super) const NOTHING: Self = Self {
        len: 0,
        sum: Sum::ZERO,
    };

    /// Puts bytes, of even number, in front of it.
    pub(super) fn put(&mut self, room: &mut Headroom<'_>, bytes: &[u8]) -> Result<(), NoRoom> {
        room.prepend(bytes)?;
        self.len = self.len.saturating_add(bytes.len());
        self.sum = self.sum.plus(checksum::sum(bytes));
        Ok(())
    }

    /// Puts bytes, filled up with zeros to a multiple of eight, in front of it.
    fn put_padded(&mut self, room: &mut Headroom<'_>, bytes: &[u8]) -> Result<(), NoRoom> {
        let padded = bytes.len().checked_next_multiple_of(8).ok_or(NoRoom)?;
        let padding = padded.saturating_sub(bytes.len());
        room.prepend([0; 8].get(..padding).unwrap_or_default())?;
        self.len = self.len.saturating_add(padding);
        self.put(room, bytes)
    }
}
