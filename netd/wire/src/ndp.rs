//! Neighbour discovery.
//!
//! *Owns*: the five messages, their options ([`Item`]), and the checks that take nothing but the
//! packet. *Never*: the caches and their rules, which are the stack's.
//!
//! *Spec*: RFC 4861 sections 4, 6.1, 7.1 and 8.1; RFC 6980 (no fragments); RFC 4191 section 2.2 (the
//! preference of a router; its routes are skipped); RFC 8106 (name servers); RFC 7527 (nonce).

mod items;

use core::net::Ipv6Addr;

use zerocopy::byteorder::big_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::icmp6::{Envelope, close};
use crate::ipv6::{self, solicited_node};
use crate::{Drop, Headroom, NoRoom, Pseudo, Seal};

pub use items::{Addresses, Item, Items, Names, Nonce, Prefix};

/// No router passes on a packet with this hop limit, so it was sent on this link (RFC 4861 section 2).
pub const HOP_LIMIT: u8 = 255;

const ROUTER_SOLICITATION: u8 = 133;
const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOR_SOLICITATION: u8 = 135;
const NEIGHBOR_ADVERTISEMENT: u8 = 136;
const REDIRECT: u8 = 137;

/// Flags of a router advertisement.
const MANAGED: u8 = 0x80;
const OTHER: u8 = 0x40;
const PREFERENCE_SHIFT: u8 = 3;

/// Flags of a neighbour advertisement.
const ROUTER: u8 = 0x80;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawRouter {
    hop_limit: u8,
    flags: u8,
    lifetime: U16,
    reachable: U32,
    retransmit: U32,
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawNeighbour {
    flags: u8,
    reserved: [u8; 3],
    target: [u8; 16],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawRedirect {
    reserved: [u8; 4],
    target: [u8; 16],
    destination: [u8; 16],
}

const _: () = assert!(size_of::<RawRouter>() == 12 && size_of::<RawNeighbour>() == 20);
const _: () = assert!(size_of::<RawRedirect>() == 36);

/// What a message says beside its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// "Which routers are there?"
    RouterSolicitation,
    /// "I am one, and this is how it is here."
    RouterAdvertisement(RouterAdvertisement),
    /// "Who has this address?"
    NeighborSolicitation {
        /// The address.
        target: Ipv6Addr,
    },
    /// "I have it."
    NeighborAdvertisement {
        /// The address.
        target: Ipv6Addr,
        /// The sender passes on packets.
        router: bool,
        /// It was asked.
        solicited: bool,
        /// A link-layer address that was known before is to be replaced.
        replace: bool,
    },
    /// "Ask somebody nearer."
    Redirect {
        /// Whom to ask.
        target: Ipv6Addr,
        /// For packets to this address.
        destination: Ipv6Addr,
    },
}

/// What a router tells all hosts of its link (RFC 4861 section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouterAdvertisement {
    /// What hosts are to put in their packets; zero when the router does not say.
    pub hop_limit: u8,
    /// Addresses are to be had by DHCPv6.
    pub managed: bool,
    /// Other things are to be had by DHCPv6.
    pub other: bool,
    /// Which of several routers is to be asked (RFC 4191).
    pub preference: Preference,
    /// For how many seconds the router may be used by default; zero for not at all.
    pub lifetime: u16,
    /// For how many milliseconds a neighbour that has answered is reachable; zero for unsaid.
    pub reachable: u32,
    /// How many milliseconds lie between solicitations; zero for unsaid.
    pub retransmit: u32,
}

/// How much a router wants to be asked (RFC 4191 section 2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Preference {
    /// Only if there is no other.
    Low,
    /// Like any other.
    #[default]
    Medium,
    /// Before others.
    High,
}

impl Preference {
    /// The two bits of the field; the value that must not be sent is as good as none.
    const fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0b01 => Self::High,
            0b11 => Self::Low,
            _ => Self::Medium,
        }
    }

    const fn bits(self) -> u8 {
        match self {
            Self::Low => 0b11,
            Self::Medium => 0b00,
            Self::High => 0b01,
        }
    }
}

/// A received message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// What it says.
    pub header: Header,
    /// And more of it.
    pub items: Items<'a>,
}

/// Whether these are messages of neighbour discovery.
#[must_use]
pub const fn is_kind(kind: u8) -> bool {
    matches!(kind, ROUTER_SOLICITATION..=REDIRECT)
}

impl<'a> Message<'a> {
    /// Reads the message in an envelope, which came in a packet with this header, and checks all that
    /// RFC 4861 asks of a host, except what takes our addresses and caches.
    ///
    /// # Errors
    /// [`Drop::NdpHopLimit`], [`Drop::NdpFragment`], [`Drop::NdpCode`], [`Drop::NdpShort`],
    /// [`Drop::NdpOption`], [`Drop::NdpSource`], [`Drop::NdpDestination`], [`Drop::NdpTarget`];
    /// [`Drop::Icmp6UnknownType`] for another kind of message.
    pub fn parse(
        envelope: &Envelope<'a>,
        packet: &ipv6::Header,
        has_fragment_header: bool,
    ) -> Result<Self, Drop> {
        if !is_kind(envelope.kind) {
            return Err(Drop::Icmp6UnknownType);
        }
        if packet.hop_limit != HOP_LIMIT {
            return Err(Drop::NdpHopLimit);
        }
        if has_fragment_header {
            return Err(Drop::NdpFragment);
        }
        if envelope.code != 0 {
            return Err(Drop::NdpCode);
        }
        let (header, options) = split(envelope)?;
        let items = Items::parse(options)?;
        let message = Self { header, items };
        message.check(packet)?;
        Ok(message)
    }

    fn check(&self, packet: &ipv6::Header) -> Result<(), Drop> {
        let (source, destination) = (packet.source, packet.destination);
        match self.header {
            // RFC 4861 section 6.1.1.
            Header::RouterSolicitation => self.check_nameless(source),
            // Section 6.1.2.
            Header::RouterAdvertisement(_) if !source.is_unicast_link_local() => {
                Err(Drop::NdpSource)
            }
            Header::RouterAdvertisement(_) => Ok(()),
            // Section 7.1.1.
            Header::NeighborSolicitation { target } => {
                if target.is_multicast() || target.is_unspecified() {
                    return Err(Drop::NdpTarget);
                }
                if source.is_unspecified() && destination != solicited_node(target) {
                    return Err(Drop::NdpDestination);
                }
                self.check_nameless(source)
            }
            // Section 7.1.2.
            Header::NeighborAdvertisement {
                target, solicited, ..
            } => {
                if target.is_multicast() || target.is_unspecified() {
                    return Err(Drop::NdpTarget);
                }
                if solicited && destination.is_multicast() {
                    return Err(Drop::NdpDestination);
                }
                // Section 4.4: an address of the interface that it was sent from.
                if source.is_unspecified() {
                    return Err(Drop::NdpSource);
                }
                Ok(())
            }
            // Section 8.1.
            Header::Redirect {
                target,
                destination: about,
            } => {
                if !source.is_unicast_link_local() {
                    return Err(Drop::NdpSource);
                }
                if about.is_multicast() || target != about && !target.is_unicast_link_local() {
                    return Err(Drop::NdpTarget);
                }
                Ok(())
            }
        }
    }

    /// Who has no address yet must not be written down in a cache.
    fn check_nameless(&self, source: Ipv6Addr) -> Result<(), Drop> {
        if source.is_unspecified() && self.items.source_link().is_some() {
            return Err(Drop::NdpSource);
        }
        Ok(())
    }
}

/// A message's fixed part, and its options.
fn split<'a>(envelope: &Envelope<'a>) -> Result<(Header, &'a [u8]), Drop> {
    let body = envelope.body;
    let short = Drop::NdpShort;
    let neighbour = || RawNeighbour::ref_from_prefix(body).map_err(|_| short);
    Ok(match envelope.kind {
        ROUTER_SOLICITATION => {
            let (_reserved, options) = body.split_first_chunk::<4>().ok_or(short)?;
            (Header::RouterSolicitation, options)
        }
        ROUTER_ADVERTISEMENT => {
            let (raw, options) = RawRouter::ref_from_prefix(body).map_err(|_| short)?;
            let router = RouterAdvertisement {
                hop_limit: raw.hop_limit,
                managed: raw.flags & MANAGED != 0,
                other: raw.flags & OTHER != 0,
                preference: Preference::from_bits(raw.flags >> PREFERENCE_SHIFT),
                lifetime: raw.lifetime.get(),
                reachable: raw.reachable.get(),
                retransmit: raw.retransmit.get(),
            };
            (Header::RouterAdvertisement(router), options)
        }
        NEIGHBOR_SOLICITATION => {
            let (raw, options) = neighbour()?;
            let target = raw.target.into();
            (Header::NeighborSolicitation { target }, options)
        }
        NEIGHBOR_ADVERTISEMENT => {
            let (raw, options) = neighbour()?;
            let advertisement = Header::NeighborAdvertisement {
                target: raw.target.into(),
                router: raw.flags & ROUTER != 0,
                solicited: raw.flags & SOLICITED != 0,
                replace: raw.flags & OVERRIDE != 0,
            };
            (advertisement, options)
        }
        _ => {
            let (raw, options) = RawRedirect::ref_from_prefix(body).map_err(|_| short)?;
            let redirect = Header::Redirect {
                target: raw.target.into(),
                destination: raw.destination.into(),
            };
            (redirect, options)
        }
    })
}

impl Header {
    /// Puts the message with these options in front of what has been written so far, nothing.
    ///
    /// # Errors
    /// [`NoRoom`], also when an option is longer than 2,040 bytes.
    pub fn emit(
        &self,
        room: &mut Headroom<'_>,
        items: &[Item<'_>],
        pseudo: Pseudo,
    ) -> Result<(), NoRoom> {
        let mut behind = items::Behind::NOTHING;
        for item in items.iter().rev() {
            item.emit(room, &mut behind)?;
        }
        let kind = match *self {
            Self::RouterSolicitation => {
                behind.put(room, &[0; 4])?;
                ROUTER_SOLICITATION
            }
            Self::RouterAdvertisement(router) => {
                behind.put(room, router.raw().as_bytes())?;
                ROUTER_ADVERTISEMENT
            }
            Self::NeighborSolicitation { target } => {
                behind.put(room, RawNeighbour::new(0, target).as_bytes())?;
                NEIGHBOR_SOLICITATION
            }
            Self::NeighborAdvertisement {
                target,
                router,
                solicited,
                replace,
            } => {
                let flag = |is_set, flag| if is_set { flag } else { 0 };
                let flags =
                    flag(router, ROUTER) | flag(solicited, SOLICITED) | flag(replace, OVERRIDE);
                behind.put(room, RawNeighbour::new(flags, target).as_bytes())?;
                NEIGHBOR_ADVERTISEMENT
            }
            Self::Redirect {
                target,
                destination,
            } => {
                let raw = RawRedirect {
                    reserved: [0; 4],
                    target: target.octets(),
                    destination: destination.octets(),
                };
                behind.put(room, raw.as_bytes())?;
                REDIRECT
            }
        };
        let seal = Seal::Full {
            pseudo,
            payload: behind.sum,
        };
        close(room, (kind, 0), behind.len, seal)
    }
}

impl RouterAdvertisement {
    fn raw(&self) -> RawRouter {
        let managed = if self.managed { MANAGED } else { 0 };
        let other = if self.other { OTHER } else { 0 };
        RawRouter {
            hop_limit: self.hop_limit,
            flags: managed | other | self.preference.bits() << PREFERENCE_SHIFT,
            lifetime: U16::new(self.lifetime),
            reachable: U32::new(self.reachable),
            retransmit: U32::new(self.retransmit),
        }
    }
}

impl RawNeighbour {
    fn new(flags: u8, target: Ipv6Addr) -> Self {
        Self {
            flags,
            reserved: [0; 3],
            target: target.octets(),
        }
    }
}

#[cfg(test)]
mod tests;
