//! A router in front of a narrow link: what it says of packets that are too big.
//!
//! *Owns* the message (RFC 792, RFC 1191 section 4). *Never* takes packets apart: what may be
//! fragmented comes to nothing, because no host here puts fragments together.

use std::net::Ipv4Addr;

use wire::icmp4::{self, Unreachable};
use wire::{EtherType, Headroom, Protocol, ethernet, ipv4};

/// The router's address; no host has it.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 1);
/// Its hardware address.
const MAC: wire::MacAddress = wire::MacAddress([2, 0, 0, 0, 0, 1]);
/// What is quoted of the packet at most: its header and the beginning of its payload.
const QUOTE: usize = 28;

/// The message to the sender of `frame`: no more than `mtu` bytes pass. `None` if it must not be
/// told: its packet may be fragmented, or is none.
pub(crate) fn too_big(frame: &[u8], mtu: u16) -> Option<Vec<u8>> {
    let frame = ethernet::Frame::parse(frame).ok()?;
    if frame.header.ethertype != EtherType::IPV4 {
        return None;
    }
    let packet = ipv4::Packet::parse(frame.payload).ok()?;
    if !packet.header.dont_fragment {
        return None;
    }
    let quote = frame.payload.get(..QUOTE)?;
    let mut message = vec![0; ethernet::HEADER_LEN + ipv4::HEADER_LEN + icmp4::HEADER_LEN];
    let mut room = Headroom::new(&mut message);
    let narrow = icmp4::Header::Unreachable(Unreachable::FragmentationNeeded { mtu });
    narrow.emit(&mut room, wire::sum(quote)).ok()?;
    ipv4::Header::atomic(ADDRESS, packet.header.source, Protocol::ICMP, 64)
        .emit(&mut room, icmp4::HEADER_LEN + QUOTE)
        .ok()?;
    ethernet::Header {
        destination: frame.header.source,
        source: MAC,
        ethertype: EtherType::IPV4,
    }
    .emit(&mut room)
    .ok()?;
    message.extend_from_slice(quote);
    Some(message)
}
