//! The peer's frames: built from what a script says, and read when the stack sends.
//!
//! *Owns* addresses, headers below TCP, and the bytes of payloads.

use std::net::Ipv4Addr;

use wire::tcp::{Header, Segment as Parsed};
use wire::{
    Check, Ecn, EtherType, Headroom, MacAddress, Protocol, Pseudo, Seal, ethernet, icmp4, ipv4,
};

use super::icmp::Error;
use super::segment::{Numbers, Segment};
use crate::programs::pattern;

pub(super) const STACK_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 15]);
pub(super) const PEER_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 16]);
pub(super) const STACK: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
pub(super) const PEER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 16);

/// Names of the streams for [`pattern`]: what the stack's client sends, and what the peer sends.
pub(super) const OURS: u64 = 1;
pub(super) const THEIRS: u64 = 2;

/// Ports of a segment from the peer to the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    pub(super) peer: u16,
    pub(super) stack: u16,
}

/// Room for all headers that a frame can have.
const HEADERS: usize = ethernet::HEADER_LEN + ipv4::HEADER_LEN + wire::tcp::MAX_HEADER_LEN;

/// Bytes of a stream; positions before its start have no meaning and any bytes will do.
pub(super) fn stream(flow: u64, start: i64, len: usize) -> Vec<u8> {
    (0..len as u64)
        .map(|place| pattern(flow, start.cast_unsigned().wrapping_add(place)))
        .collect()
}

/// The frame for a segment from the peer.
pub(super) fn frame(segment: &Segment, numbers: Numbers, ports: Ports) -> Vec<u8> {
    let (start, len) = segment.payload();
    let payload = stream(THEIRS, start, len);
    let mut header = segment.header(numbers);
    (header.src_port, header.dst_port) = (ports.peer, ports.stack);
    let mut segment_bytes = transport(&header, &payload, segment.raw_options.as_deref());
    if segment.has_bad_checksum {
        segment_bytes[16] ^= 0x55;
    }
    let mut ip = ipv4::Header::atomic(PEER, STACK, Protocol::TCP, segment.ttl.unwrap_or(64));
    ip.ecn = segment.ecn.unwrap_or_default();
    wrap(&ip, &segment_bytes)
}

/// Header and payload. Options given as bytes replace the others.
fn transport(header: &Header, payload: &[u8], raw_options: Option<&[u8]>) -> Vec<u8> {
    let pseudo = Pseudo::v4(PEER, STACK);
    let seal = Seal::Full {
        pseudo,
        payload: wire::sum(payload),
    };
    let mut space = [0; wire::tcp::MAX_HEADER_LEN];
    let len = header.header_len();
    header
        .emit(&mut Headroom::new(&mut space[..len]), payload.len(), seal)
        .expect("room for the longest header");
    let mut bytes = space[..len].to_vec();
    if let Some(options) = raw_options {
        bytes.truncate(wire::tcp::HEADER_LEN);
        bytes.extend(options);
        let words = u8::try_from(bytes.len() / 4).unwrap_or(15);
        bytes[12] = words << 4 | bytes[12] & 0x0f;
        bytes[16..18].fill(0);
    }
    bytes.extend(payload);
    if raw_options.is_some() {
        let total = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let sum = pseudo.with(Protocol::TCP, total).plus(wire::sum(&bytes));
        bytes[16..18].copy_from_slice(&sum.finish());
    }
    bytes
}

/// The frame for an error about a segment of the stack's.
pub(super) fn error_frame(error: &Error, seq: u32, ports: Ports) -> Vec<u8> {
    let foreign = u16::from(error.is_foreign);
    let mut quoted = Vec::new();
    quoted.extend((ports.stack ^ foreign).to_be_bytes());
    quoted.extend(ports.peer.to_be_bytes());
    quoted.extend(seq.to_be_bytes());
    let about = ipv4::Header::atomic(STACK, PEER, Protocol::TCP, 63);
    let mut body = vec![0; ipv4::HEADER_LEN];
    about
        .emit(&mut Headroom::new(&mut body), quoted.len())
        .expect("room for a header");
    body.extend(quoted);
    let mut message = vec![0; icmp4::HEADER_LEN];
    error
        .header
        .emit(&mut Headroom::new(&mut message), wire::sum(&body))
        .expect("room for a header");
    message.extend(body);
    wrap(
        &ipv4::Header::atomic(PEER, STACK, Protocol::ICMP, 64),
        &message,
    )
}

/// Link and network header in front of `payload`.
fn wrap(ip: &ipv4::Header, payload: &[u8]) -> Vec<u8> {
    let mut space = [0; HEADERS];
    let len = ethernet::HEADER_LEN + ipv4::HEADER_LEN;
    let mut room = Headroom::new(&mut space[..len]);
    let link = ethernet::Header {
        destination: STACK_MAC,
        source: PEER_MAC,
        ethertype: EtherType::IPV4,
    };
    ip.emit(&mut room, payload.len())
        .and_then(|()| link.emit(&mut room))
        .expect("room for both headers");
    let mut frame = space[..len].to_vec();
    frame.extend(payload);
    frame
}

/// A segment that the stack has sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) header: Header,
    pub(super) payload: Vec<u8>,
    pub(super) ecn: Ecn,
    pub(super) ttl: u8,
}

impl Sent {
    pub(super) fn ports(&self) -> Ports {
        Ports {
            peer: self.header.dst_port,
            stack: self.header.src_port,
        }
    }
}

/// Reads a frame of the stack's; `None` if it is no segment to the peer.
pub(super) fn read(frame: &[u8]) -> Option<Sent> {
    let frame = ethernet::Frame::parse(frame).ok()?;
    if frame.header.ethertype != EtherType::IPV4 {
        return None;
    }
    let packet = ipv4::Packet::parse(frame.payload).ok()?;
    if packet.header.protocol != Protocol::TCP || packet.header.destination != PEER {
        return None;
    }
    let check = Check::Verify(Pseudo::v4(STACK, PEER));
    let segment = Parsed::parse(packet.payload, check).ok()?;
    Some(Sent {
        header: segment.header,
        payload: segment.payload.to_vec(),
        ecn: packet.header.ecn,
        ttl: packet.header.ttl,
    })
}
