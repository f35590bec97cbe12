//! The family of addresses in which the far end of the cable speaks with the guest.
//!
//! *Owns* packets that exist in both: tests and counts that take a family say the same in either.

use std::net::Ipv6Addr;

use etherparse::{
    Icmpv6Type, IpHeaders, NetSlice, PacketBuilder, PacketBuilderStep, SlicedPacket, TransportSlice,
};

use crate::frames::{
    GUEST, GUEST_MAC, OUR_MAC, US, as_echo_reply, as_udp, ipv4, ones_complement, pad,
};

/// Our link-local address.
pub const US6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
/// The guest's: what it makes of its hardware address with `ipv6=hardware`.
pub const GUEST6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x5054, 0xff, 0xfe12, 0x3456);

/// Kernel command line of a guest with these addresses, and with those of [`crate::frames`].
pub fn both() -> String {
    crate::frames::ADDRESS.replace("ipv6=none", "ipv6=hardware")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Four,
    Six,
}

impl Family {
    /// A packet from us to the guest.
    pub fn packet(self) -> PacketBuilderStep<IpHeaders> {
        match self {
            Self::Four => ipv4(US, GUEST),
            Self::Six => six(64),
        }
    }

    /// Payload of a full segment: 1,500 bytes without the headers of IP and TCP and the timestamps.
    pub const fn segment(self) -> usize {
        match self {
            Self::Four => 1_448,
            Self::Six => 1_428,
        }
    }

    /// A UDP datagram from us to the guest.
    pub fn udp(self, source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let packet = self.packet().udp(source, destination);
        packet.write(&mut out, payload).ok();
        pad(out)
    }

    /// The payload of the UDP datagram in the frame, if its checksums are right.
    pub fn as_udp(self, frame: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Four => as_udp(frame)
                .filter(|datagram| datagram.checksum_good)
                .map(|datagram| datagram.payload),
            Self::Six => as_udp6(frame),
        }
    }

    /// An echo request from us to the guest.
    pub fn echo_request(self, id: u16, sequence: u16, payload: &[u8]) -> Vec<u8> {
        match self {
            Self::Four => crate::frames::echo_request(id, sequence, payload),
            Self::Six => {
                let mut out = Vec::new();
                let packet = six(64).icmpv6_echo_request(id, sequence);
                packet.write(&mut out, payload).ok();
                pad(out)
            }
        }
    }

    /// Identifier, sequence number and payload, if the frame is an echo reply to us whose checksums are
    /// right.
    pub fn as_echo_reply(self, frame: &[u8]) -> Option<(u16, u16, Vec<u8>)> {
        match self {
            Self::Four => as_echo_reply(frame),
            Self::Six => as_echo_reply6(frame),
        }
    }
}

fn six(hops: u8) -> PacketBuilderStep<IpHeaders> {
    PacketBuilder::ethernet2(OUR_MAC, GUEST_MAC).ipv6(US6.octets(), GUEST6.octets(), hops)
}

/// RFC 8200 section 8.1: the sum over a message and its pseudo-header, `0xffff` if it is right.
fn sum6(ip: &etherparse::Ipv6Slice<'_>, protocol: u8) -> u16 {
    let (header, payload) = (ip.header(), ip.payload().payload);
    let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    let mut summed = [header.source(), header.destination()].concat();
    summed.extend(length);
    summed.extend([0, 0, 0, protocol]);
    summed.extend(payload);
    ones_complement(&summed)
}

fn as_udp6(frame: &[u8]) -> Option<Vec<u8>> {
    let sliced = SlicedPacket::from_ethernet(frame).ok()?;
    let (NetSlice::Ipv6(ip), TransportSlice::Udp(udp)) = (sliced.net?, sliced.transport?) else {
        return None;
    };
    (sum6(&ip, 17) == 0xffff).then(|| udp.payload().to_vec())
}

fn as_echo_reply6(frame: &[u8]) -> Option<(u16, u16, Vec<u8>)> {
    let sliced = SlicedPacket::from_ethernet(frame).ok()?;
    let (NetSlice::Ipv6(ip), TransportSlice::Icmpv6(icmp)) = (sliced.net?, sliced.transport?)
    else {
        return None;
    };
    let Icmpv6Type::EchoReply(echo) = icmp.icmp_type() else {
        return None;
    };
    (ip.header().source_addr() == GUEST6 && sum6(&ip, 58) == 0xffff)
        .then(|| (echo.id, echo.seq, icmp.payload().to_vec()))
}

/// Our answer to the guest's question for our hardware address; `None`: this is none.
pub fn answer_solicitation(frame: &[u8]) -> Option<Vec<u8>> {
    let is_question = frame.len() >= 78 && frame[12..14] == [0x86, 0xdd] && frame[54] == 135;
    if !is_question || frame[62..78] != US6.octets() || frame[22..38] != GUEST6.octets() {
        return None;
    }
    let mut body = US6.octets().to_vec();
    body.extend([2, 1]);
    body.extend(OUR_MAC);
    let mut out = Vec::new();
    // RFC 4861 section 7.1.2: from a neighbour, asked for, and it counts more than what was heard before.
    let packet = six(255).icmpv6_raw(136, 0, [0x60, 0, 0, 0]);
    packet.write(&mut out, &body).ok()?;
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::{Family, GUEST6, OUR_MAC, US6, answer_solicitation, as_udp6};

    #[test]
    fn datagrams_of_both_families_can_be_read_back() {
        for family in [Family::Four, Family::Six] {
            let mut frame = family.udp(1, 2, b"hello there");
            assert_eq!(family.as_udp(&frame).unwrap(), b"hello there");
            let last = frame.len() - 1;
            frame[last.min(50)] ^= 1;
            assert_eq!(family.as_udp(&frame), None, "a wrong sum");
        }
        assert_eq!(as_udp6(&Family::Four.udp(1, 2, b"hello")), None);
    }

    #[test]
    fn questions_for_us_are_answered_and_no_others() {
        let mut question = vec![0; 78];
        question[12..14].copy_from_slice(&[0x86, 0xdd]);
        question[54] = 135;
        question[22..38].copy_from_slice(&GUEST6.octets());
        assert_eq!(answer_solicitation(&question), None);
        question[62..78].copy_from_slice(&US6.octets());
        let answer = answer_solicitation(&question).unwrap();
        assert_eq!(answer[78..86], [&[2, 1], &OUR_MAC[..]].concat());
    }
}
