//! ARP for IPv4 over Ethernet.
//!
//! *Owns*: the packet. *Never*: the cache and its rules, which are the stack's.
//!
//! *Spec*: RFC 826; RFC 5227 for probes and announcements.

use core::net::Ipv4Addr;

use zerocopy::byteorder::big_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::{Drop, EtherType, Headroom, MacAddress, NoRoom};

/// Length of a packet in bytes.
pub const LEN: usize = 28;

/// Hardware type of Ethernet (RFC 826, `ares_hrd$Ethernet`).
const ETHERNET: u16 = 1;

/// What an ARP packet wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Who has the target's protocol address?
    Request,
    /// The sender has it.
    Reply,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Raw {
    hardware_type: U16,
    protocol_type: U16,
    hardware_len: u8,
    protocol_len: u8,
    operation: U16,
    sender_mac: MacAddress,
    sender_ip: [u8; 4],
    target_mac: MacAddress,
    target_ip: [u8; 4],
}

const _: () = assert!(size_of::<Raw>() == LEN);

/// An ARP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Request or reply.
    pub operation: Operation,
    /// Hardware address of the sender.
    pub sender_mac: MacAddress,
    /// Protocol address of the sender; unspecified in a probe.
    pub sender_ip: Ipv4Addr,
    /// Hardware address of the target; of no meaning in a request.
    pub target_mac: MacAddress,
    /// Protocol address of the target.
    pub target_ip: Ipv4Addr,
}

impl Packet {
    /// "Who has `target`?" (RFC 826).
    #[must_use]
    pub const fn request(mac: MacAddress, ip: Ipv4Addr, target: Ipv4Addr) -> Self {
        Self {
            operation: Operation::Request,
            sender_mac: mac,
            sender_ip: ip,
            target_mac: MacAddress::ZERO,
            target_ip: target,
        }
    }

    /// "Does anybody use `wanted`?", asked by one who has no address yet (RFC 5227 section 2.1.1).
    #[must_use]
    pub const fn probe(mac: MacAddress, wanted: Ipv4Addr) -> Self {
        Self::request(mac, Ipv4Addr::UNSPECIFIED, wanted)
    }

    /// "I use `ip` from now on" (RFC 5227 section 2.3).
    #[must_use]
    pub const fn announcement(mac: MacAddress, ip: Ipv4Addr) -> Self {
        Self::request(mac, ip, ip)
    }

    /// The answer to this request, from the owner of the address asked for.
    #[must_use]
    pub const fn reply(&self, mac: MacAddress) -> Self {
        Self {
            operation: Operation::Reply,
            sender_mac: mac,
            sender_ip: self.target_ip,
            target_mac: self.sender_mac,
            target_ip: self.sender_ip,
        }
    }

    /// Whether this is a probe (RFC 5227 section 1.1).
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.operation == Operation::Request && self.sender_ip.is_unspecified()
    }

    /// Whether the sender speaks about itself: a gratuitous request or reply.
    #[must_use]
    pub fn is_announcement(&self) -> bool {
        self.sender_ip == self.target_ip && !self.sender_ip.is_unspecified()
    }

    /// Reads a packet; what follows it (padding of the frame) is ignored.
    ///
    /// # Errors
    /// [`Drop::ArpShort`], [`Drop::ArpForeign`], [`Drop::ArpOperation`], [`Drop::ArpSender`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Drop> {
        let (raw, _) = Raw::ref_from_prefix(bytes).map_err(|_| Drop::ArpShort)?;
        // RFC 826, packet reception: both types and both lengths must be ours.
        if raw.hardware_type.get() != ETHERNET
            || raw.protocol_type.get() != EtherType::IPV4.0
            || raw.hardware_len != 6
            || raw.protocol_len != 4
        {
            return Err(Drop::ArpForeign);
        }
        let operation = match raw.operation.get() {
            1 => Operation::Request,
            2 => Operation::Reply,
            _ => return Err(Drop::ArpOperation),
        };
        let sender_ip = Ipv4Addr::from(raw.sender_ip);
        // A cache must never hold a group address on either side (RFC 1812 section 3.3.2).
        if !raw.sender_mac.is_station() || sender_ip.is_multicast() || sender_ip.is_broadcast() {
            return Err(Drop::ArpSender);
        }
        Ok(Self {
            operation,
            sender_mac: raw.sender_mac,
            sender_ip,
            target_mac: raw.target_mac,
            target_ip: Ipv4Addr::from(raw.target_ip),
        })
    }

    /// Puts the packet in front of what has been written so far, usually nothing.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub fn emit(&self, room: &mut Headroom<'_>) -> Result<(), NoRoom> {
        let raw = Raw {
            hardware_type: U16::new(ETHERNET),
            protocol_type: U16::new(EtherType::IPV4.0),
            hardware_len: 6,
            protocol_len: 4,
            operation: U16::new(match self.operation {
                Operation::Request => 1,
                Operation::Reply => 2,
            }),
            sender_mac: self.sender_mac,
            sender_ip: self.sender_ip.octets(),
            target_mac: self.target_mac,
            target_ip: self.target_ip.octets(),
        };
        room.prepend(raw.as_bytes())
    }
}

#[cfg(test)]
mod tests;
