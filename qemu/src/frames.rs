//! The far end of the guest's network cable: sends and receives raw Ethernet frames, built and
//! read by code that has nothing in common with the guest's.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use etherparse::{
    ArpHardwareId, ArpOperation, ArpPacket, EtherType, PacketBuilder, SlicedPacket, TransportSlice,
};

use crate::cable_end::{Datagrams, End, LONGEST};
use crate::family::answer_solicitation;
use crate::guest::SOON;
use crate::machine::Link;

/// A hardware address.
pub type Mac = [u8; 6];
/// The guest's card, unless a test says otherwise.
pub const GUEST_MAC: Mac = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
/// Us.
pub const OUR_MAC: Mac = [0x02, 0, 0, 0, 0, 0x01];
/// Everybody.
pub const BROADCAST: Mac = [0xff; 6];
/// The guest's address on this cable.
pub const GUEST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// Ours.
pub const US: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The identifier of our echo requests that only ask whether all before them was dealt with.
const MARKER: u16 = 0xd0e5;

/// Kernel command line of a guest on this cable.
pub const ADDRESS: &str = "ip=192.0.2.2/24,gw=192.0.2.1,dns=192.0.2.1 ipv6=none mdns=none";

/// One end of the cable.
pub struct Cable {
    end: End,
}

impl Cable {
    /// A cable of that name; names are unique within a run.
    pub fn new(name: &str) -> Result<Self> {
        let end = End::Datagrams(Datagrams::bind(name)?);
        Ok(Self { end })
    }

    /// A cable to the TAP interface of that name: it carries segments that are still to be cut.
    pub fn to_tap(interface: &str) -> Result<Self> {
        let end = End::tap(interface)?;
        Ok(Self { end })
    }

    /// What the machine's card is plugged into.
    pub fn link(&self) -> Link {
        self.end.link()
    }

    /// Sends one frame as it is. Waits while QEMU's queue is full.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        self.end.send(frame)
    }

    /// Sends frames right after each other.
    pub fn send_all(&self, frames: &[Vec<u8>]) -> Result<()> {
        frames.iter().try_for_each(|frame| self.send(frame))
    }

    /// The next frame from the guest, if one comes within the limit.
    pub fn receive(&self, limit: Duration) -> Result<Option<Vec<u8>>> {
        let mut buffer = vec![0; LONGEST];
        let length = self.receive_into(&mut buffer, limit)?;
        Ok(length.map(|length| {
            buffer.truncate(length);
            buffer
        }))
    }

    /// As [`Self::receive`], into a buffer that is there already; the frame's length.
    pub fn receive_into(&self, buffer: &mut [u8], limit: Duration) -> Result<Option<usize>> {
        self.end.receive(buffer, limit)
    }

    /// The first frame that `wanted` makes something of. Answers the guest's questions for our
    /// hardware address meanwhile.
    pub fn expect<T>(
        &self,
        what: &str,
        limit: Duration,
        mut wanted: impl FnMut(&[u8]) -> Option<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("no {what} within {limit:?}");
            }
            let Some(frame) = self.receive(left)? else {
                continue;
            };
            self.tell_where_we_are(&frame)?;
            if let Some(found) = wanted(&frame) {
                return Ok(found);
            }
        }
    }

    /// All frames that come while that much time passes, questions for us answered.
    pub fn collect(&self, time: Duration) -> Result<Vec<Vec<u8>>> {
        let deadline = Instant::now() + time;
        let mut frames = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(frames);
            }
            if let Some(frame) = self.receive(left)? {
                self.tell_where_we_are(&frame)?;
                frames.push(frame);
            }
        }
    }

    /// What the guest says until it has dealt with all that was sent to it before, but for what it says unasked:
    /// announcements of its addresses, which come when it is time for them, and questions for those it talked to
    /// before. What its stack answers by itself is all there then, however slow it is; what its programs answer need
    /// not be.
    pub fn answers(&self) -> Result<Vec<Vec<u8>>> {
        let mut seen = Vec::new();
        // Twice: what goes out behind the first answer had its cause before the second question.
        for sequence in 1..=2 {
            self.send(&echo_request(MARKER, sequence, b"all done?"))?;
            self.expect("answer to the last question", SOON, |frame| {
                let is_answer = as_echo_reply(frame)
                    .is_some_and(|(id, number, _)| (id, number) == (MARKER, sequence));
                if !is_answer && !Arp::parse(frame).is_some_and(|arp| arp.is_request) {
                    seen.push(frame.to_vec());
                }
                is_answer.then_some(())
            })?;
        }
        Ok(seen)
    }

    /// Forgets what has arrived so far, but answers the guest's questions for our hardware address.
    pub fn drain(&self) -> Result<()> {
        while let Some(frame) = self.receive(Duration::from_millis(1))? {
            self.tell_where_we_are(&frame)?;
        }
        Ok(())
    }

    /// The same of what is there at this moment, for who has no time to wait.
    pub fn discard(&self) -> Result<()> {
        self.end.discard()
    }

    /// If the frame asks for the hardware address of `address`, says that it is `mac`.
    pub fn answer_arp(&self, frame: &[u8], address: Ipv4Addr, mac: Mac) -> Result<bool> {
        let Some(question) = Arp::parse(frame) else {
            return Ok(false);
        };
        if !question.is_request || question.target != address {
            return Ok(false);
        }
        self.send(&arp_reply(
            mac,
            address,
            question.sender_mac,
            question.sender,
        ))?;
        Ok(true)
    }

    /// If the frame asks for our hardware address, in either family, answers.
    pub fn tell_where_we_are(&self, frame: &[u8]) -> Result<()> {
        self.answer_arp(frame, US, OUR_MAC)?;
        answer_solicitation(frame).map_or(Ok(()), |answer| self.send(&answer))
    }

    /// Lets the guest learn who we are, so that its first frame to us needs no question.
    pub fn introduce(&self) -> Result<()> {
        self.send(&arp_request(OUR_MAC, US, GUEST))?;
        self.expect("ARP reply", SOON, |frame| {
            Arp::parse(frame).filter(|arp| !arp.is_request && arp.destination == OUR_MAC)
        })?;
        Ok(())
    }
}

/// What an ARP frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    pub is_request: bool,
    pub sender_mac: Mac,
    pub sender: Ipv4Addr,
    pub target_mac: Mac,
    pub target: Ipv4Addr,
    pub source: Mac,
    pub destination: Mac,
}

impl Arp {
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let sliced = SlicedPacket::from_ethernet(frame).ok()?;
        let etherparse::NetSlice::Arp(arp) = sliced.net? else {
            return None;
        };
        let four = |bytes: &[u8]| <[u8; 4]>::try_from(bytes).ok().map(Ipv4Addr::from);
        Some(Self {
            is_request: arp.operation() == ArpOperation::REQUEST,
            sender_mac: arp.sender_hw_addr().try_into().ok()?,
            sender: four(arp.sender_protocol_addr())?,
            target_mac: arp.target_hw_addr().try_into().ok()?,
            target: four(arp.target_protocol_addr())?,
            destination: frame.get(..6)?.try_into().ok()?,
            source: frame.get(6..12)?.try_into().ok()?,
        })
    }
}

fn arp(
    operation: ArpOperation,
    from: (Mac, Ipv4Addr),
    to: (Mac, Ipv4Addr),
    frame_to: Mac,
) -> Vec<u8> {
    let mut out = Vec::new();
    let packet = ArpPacket::new(
        ArpHardwareId::ETHERNET,
        EtherType::IPV4,
        operation,
        &from.0,
        &from.1.octets(),
        &to.0,
        &to.1.octets(),
    );
    if let Ok(packet) = packet {
        // Writing to a vector does not fail.
        PacketBuilder::ethernet2(from.0, frame_to)
            .arp(packet)
            .write(&mut out)
            .ok();
    }
    pad(out)
}

/// "Who has `target`? Tell `sender`", to everybody.
pub fn arp_request(mac: Mac, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    arp(
        ArpOperation::REQUEST,
        (mac, sender),
        ([0; 6], target),
        BROADCAST,
    )
}

/// "`sender` is at `mac`", to one.
pub fn arp_reply(mac: Mac, sender: Ipv4Addr, to_mac: Mac, to: Ipv4Addr) -> Vec<u8> {
    arp(ArpOperation::REPLY, (mac, sender), (to_mac, to), to_mac)
}

/// A frame as long as Ethernet wants it.
pub fn pad(mut frame: Vec<u8>) -> Vec<u8> {
    if frame.len() < 60 {
        frame.resize(60, 0);
    }
    frame
}

/// An IPv4 packet from us to the guest, to be changed by tests that want it wrong.
pub fn ipv4(
    source: Ipv4Addr,
    destination: Ipv4Addr,
) -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
    PacketBuilder::ethernet2(OUR_MAC, GUEST_MAC).ipv4(source.octets(), destination.octets(), 64)
}

/// An echo request from us to the guest.
pub fn echo_request(id: u16, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    ipv4(US, GUEST)
        .icmpv4_echo_request(id, sequence)
        .write(&mut out, payload)
        .ok();
    pad(out)
}

/// A UDP datagram from us to the guest.
pub fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    ipv4(US, GUEST)
        .udp(source, destination)
        .write(&mut out, payload)
        .ok();
    pad(out)
}

/// Identifier, sequence number and payload, if the frame is an echo reply to us whose checksums
/// are right.
pub fn as_echo_reply(frame: &[u8]) -> Option<(u16, u16, Vec<u8>)> {
    let sliced = SlicedPacket::from_ethernet(frame).ok()?;
    let Some(TransportSlice::Icmpv4(icmp)) = &sliced.transport else {
        return None;
    };
    let etherparse::Icmpv4Type::EchoReply(echo) = icmp.icmp_type() else {
        return None;
    };
    let whole = icmp.slice();
    (ones_complement(whole) == 0xffff && has_good_ipv4_checksum(frame))
        .then(|| (echo.id, echo.seq, icmp.payload().to_vec()))
}

/// Type, code and quoted packet, if the frame is an ICMP error.
pub fn as_icmp_error(frame: &[u8]) -> Option<(u8, u8, Vec<u8>)> {
    let sliced = SlicedPacket::from_ethernet(frame).ok()?;
    let Some(TransportSlice::Icmpv4(icmp)) = &sliced.transport else {
        return None;
    };
    let kind = icmp.type_u8();
    matches!(kind, 3 | 4 | 5 | 11 | 12).then(|| (kind, icmp.code_u8(), icmp.payload().to_vec()))
}

/// A UDP datagram as it was found in a frame.
#[derive(Clone, Debug)]
pub struct Datagram {
    pub source: (Ipv4Addr, u16),
    pub destination: (Ipv4Addr, u16),
    pub payload: Vec<u8>,
    pub time_to_live: u8,
    pub checksum_good: bool,
}

/// The datagram in the frame, if there is one.
pub fn as_udp(frame: &[u8]) -> Option<Datagram> {
    let sliced = SlicedPacket::from_ethernet(frame).ok()?;
    let etherparse::NetSlice::Ipv4(ip) = sliced.net.as_ref()? else {
        return None;
    };
    let Some(TransportSlice::Udp(udp)) = &sliced.transport else {
        return None;
    };
    let header = ip.header();
    let expected = udp
        .to_header()
        .calc_checksum_ipv4_raw(header.source(), header.destination(), udp.payload())
        .ok()?;
    Some(Datagram {
        source: (header.source_addr(), udp.source_port()),
        destination: (header.destination_addr(), udp.destination_port()),
        payload: udp.payload().to_vec(),
        time_to_live: header.ttl(),
        checksum_good: udp.checksum() == expected && has_good_ipv4_checksum(frame),
    })
}

/// A TCP segment that opens a connection to the guest.
pub fn tcp_syn(source: u16, destination: u16, sequence: u32) -> Vec<u8> {
    let mut out = Vec::new();
    ipv4(US, GUEST)
        .tcp(source, destination, sequence, 64_000)
        .syn()
        .write(&mut out, &[])
        .ok();
    pad(out)
}

/// The TCP header in the frame, if there is one and its checksum is right.
pub fn as_tcp(frame: &[u8]) -> Option<etherparse::TcpHeader> {
    let sliced = SlicedPacket::from_ethernet(frame).ok()?;
    let etherparse::NetSlice::Ipv4(ip) = sliced.net.as_ref()? else {
        return None;
    };
    let Some(TransportSlice::Tcp(tcp)) = &sliced.transport else {
        return None;
    };
    let header = ip.header();
    let sum = tcp
        .calc_checksum_ipv4(header.source(), header.destination())
        .ok()?;
    (sum == tcp.checksum() && has_good_ipv4_checksum(frame)).then(|| tcp.to_header())
}

/// Sum of RFC 1071 over some bytes, `0xffff` if they contain their own right checksum.
pub fn ones_complement(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).copied().map_or(0, u32::from))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap_or(u16::MAX)
}

/// Puts the right header checksum into the IPv4 packet of a frame.
pub fn fix_ipv4_checksum(frame: &mut [u8]) {
    let header = usize::from(frame[14] & 15) * 4;
    let Some(header) = frame
        .get_mut(14..14 + header)
        .filter(|header| header.len() >= 20)
    else {
        return;
    };
    header[10..12].fill(0);
    let sum = !ones_complement(header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
}

fn has_good_ipv4_checksum(frame: &[u8]) -> bool {
    let Some(first) = frame.get(14) else {
        return false;
    };
    let header = frame.get(14..14 + usize::from(first & 15) * 4);
    header.is_some_and(|header| ones_complement(header) == 0xffff)
}

#[cfg(test)]
mod tests {
    use super::{
        Arp, GUEST, OUR_MAC, US, arp_request, as_udp, echo_request, fix_ipv4_checksum, udp,
    };

    #[test]
    fn questions_can_be_read_back() {
        let frame = arp_request(OUR_MAC, US, GUEST);
        assert_eq!(frame.len(), 60);
        let arp = Arp::parse(&frame).unwrap();
        assert!(arp.is_request);
        assert_eq!((arp.sender, arp.target), (US, GUEST));
        assert_eq!(Arp::parse(&echo_request(1, 1, b"x")), None);
    }

    #[test]
    fn datagrams_can_be_read_back() {
        let datagram = as_udp(&udp(1, 2, b"hello")).unwrap();
        assert_eq!(datagram.payload, b"hello");
        assert_eq!(datagram.destination, (GUEST, 2));
        assert!(datagram.checksum_good);
        let mut frame = udp(1, 2, b"hello");
        frame[45] ^= 1;
        assert!(!as_udp(&frame).unwrap().checksum_good);
    }

    #[test]
    fn header_checksums_are_mended() {
        let right = udp(1, 2, b"hello");
        let mut frame = right.clone();
        frame[24] ^= 0x55;
        fix_ipv4_checksum(&mut frame);
        assert_eq!(frame, right);
    }
}
