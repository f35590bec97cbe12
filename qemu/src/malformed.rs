//! Frames that are wrong, in every way that the formats allow, from a seed.
#![expect(
    clippy::cast_possible_truncation,
    reason = "any bits of the seed do where noise is wanted"
)]

use std::net::Ipv4Addr;

use etherparse::PacketBuilder;

use crate::frames::{
    BROADCAST, GUEST, GUEST_MAC, OUR_MAC, US, arp_request, echo_request, fix_ipv4_checksum, ipv4,
    pad, udp,
};
use crate::peers::noise;

/// A kind of wrong frame: its name, and a frame from a number.
pub type Kind = (&'static str, fn(u64) -> Vec<u8>);

/// Every kind.
pub const KINDS: &[Kind] = &[
    ("truncated", truncated),
    ("one bit wrong", one_bit_wrong),
    ("noise", |seed| noise(seed, 1 + at_most(seed, 1513))),
    ("noise to us", |seed| {
        frame(0x0800, &noise(seed, at_most(seed, 1500)))
    }),
    ("unknown ethertype", |seed| frame(0x88b5, &noise(seed, 46))),
    ("foreign destination", foreign_destination),
    ("IP version", |seed| {
        change_ip(
            seed,
            |ip, n| ip[0] = ip[0] & 15 | (n as u8) << 4,
            |n| n & 15 != 4,
        )
    }),
    ("IP header length", |seed| {
        change_ip(seed, |ip, n| ip[0] = 0x40 | n as u8 & 15, |n| n & 15 != 5)
    }),
    ("IP total length", |seed| {
        change_ip(
            seed,
            |ip, n| ip[2..4].copy_from_slice(&(n as u16).to_be_bytes()),
            |_| true,
        )
    }),
    ("IP checksum", |seed| {
        let mut frame = echo_request(1, 1, b"sum");
        frame[24] ^= 1 | seed as u8;
        frame
    }),
    ("IP time to live", |seed| {
        change_ip(seed, |ip, _| ip[8] = 0, |_| true)
    }),
    ("IP source", |seed| {
        change_ip(
            seed,
            |ip, n| ip[12..16].copy_from_slice(&bad_source(n)),
            |_| true,
        )
    }),
    ("IP destination", |seed| {
        change_ip(seed, |ip, n| ip[16] = n as u8, |n| n as u8 != 192)
    }),
    ("IP fragment", |seed| {
        change_ip(
            seed,
            |ip, n| ip[6..8].copy_from_slice(&(n as u16 & 0x3fff | 0x2000).to_be_bytes()),
            |_| true,
        )
    }),
    ("IP options", bad_ip_options),
    ("IP protocol", |seed| {
        change_ip(
            seed,
            |ip, n| ip[9] = n as u8,
            |n| !matches!(n as u8, 1 | 6 | 17),
        )
    }),
    ("ARP", bad_arp),
    ("ICMP noise", |seed| {
        packet(1, &noise(seed, at_most(seed, 64)))
    }),
    ("ICMP error about nothing", icmp_error_about_nothing),
    ("UDP noise", |seed| {
        packet(17, &noise(seed, at_most(seed, 64)))
    }),
    ("UDP length", |seed| {
        let mut frame = udp(9, 7, b"length");
        frame[38..40].copy_from_slice(&(seed as u16).to_be_bytes());
        frame
    }),
    ("UDP checksum", |seed| {
        let mut frame = udp(9, 7, b"checksum");
        frame[41] ^= 1 | seed as u8;
        frame
    }),
    ("DHCP noise", |seed| {
        datagram(67, 68, &noise(seed, 240 + at_most(seed, 300)))
    }),
    ("DHCP options", |seed| datagram(67, 68, &dhcp_options(seed))),
    ("DNS noise", |seed| {
        datagram(
            53,
            1024 + (seed % 60_000) as u16,
            &noise(seed, 12 + at_most(seed, 200)),
        )
    }),
    ("TCP noise", |seed| {
        packet(6, &noise(seed, at_most(seed, 80)))
    }),
    ("TCP offset", |seed| {
        tcp(seed, |tcp, n| tcp[12] = (n as u8) << 4)
    }),
    ("TCP checksum", |seed| {
        let mut frame = tcp(seed, |_, _| {});
        frame[50] ^= 1 | seed as u8;
        frame
    }),
    ("TCP flags", |seed| tcp(seed, |tcp, n| tcp[13] = n as u8)),
    ("TCP options", bad_tcp_options),
];

fn at_most(seed: u64, limit: u64) -> usize {
    usize::try_from(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32).unwrap_or(0)
        % usize::try_from(limit).unwrap_or(1).max(1)
}

/// A frame to the guest with that ethertype.
fn frame(kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = [GUEST_MAC, OUR_MAC].concat();
    frame.extend(kind.to_be_bytes());
    frame.extend(payload);
    pad(frame)
}

/// A right IPv4 packet to the guest around any payload.
fn packet(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    ipv4(US, GUEST)
        .write(&mut out, protocol.into(), payload)
        .ok();
    pad(out)
}

fn datagram(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    udp(source, destination, payload)
}

/// An echo request whose IPv4 header is changed; the checksum is right for what it says then.
/// Numbers that would leave the packet right are passed over.
fn change_ip(seed: u64, change: fn(&mut [u8], u64), is_wrong: fn(u64) -> bool) -> Vec<u8> {
    let number = (0..)
        .map(|step| seed.wrapping_add(step))
        .find(|number| is_wrong(*number));
    let mut frame = echo_request(1, 1, b"header");
    change(&mut frame[14..34], number.unwrap_or_default());
    fix_ipv4_checksum(&mut frame);
    frame
}

fn bad_source(number: u64) -> [u8; 4] {
    match number % 6 {
        0 => [255; 4],
        1 => [127, 0, 0, 1],
        2 => [224, 0, 0, 1],
        3 => GUEST.octets(),
        4 => [192, 0, 2, 255],
        _ => [240, 1, 2, 3],
    }
}

fn right(seed: u64) -> Vec<u8> {
    match seed % 4 {
        0 => arp_request(OUR_MAC, US, GUEST),
        1 => echo_request(1, 1, &noise(seed, 40)),
        2 => udp(9, 7, &noise(seed, 40)),
        _ => tcp(seed, |_, _| {}),
    }
}

fn truncated(seed: u64) -> Vec<u8> {
    let mut frame = right(seed);
    let length = at_most(seed, frame.len() as u64);
    frame.truncate(length);
    frame
}

fn one_bit_wrong(seed: u64) -> Vec<u8> {
    let mut frame = right(seed);
    let bit = at_most(seed, frame.len() as u64 * 8);
    frame[bit / 8] ^= 1 << (bit % 8);
    frame
}

fn foreign_destination(seed: u64) -> Vec<u8> {
    let mut frame = right(seed);
    frame[..6].copy_from_slice(&[0x02, 0xff, 0, 0, 0, seed as u8]);
    frame
}

fn bad_ip_options(seed: u64) -> Vec<u8> {
    let mut frame = echo_request(1, 1, &noise(seed, 60));
    let words = 1 + at_most(seed, 10);
    let mut options = noise(seed, words * 4);
    options[0] = 7 | options[0] & 0x80;
    frame.splice(34..34, options);
    frame[14] = 0x45 + u8::try_from(words).unwrap_or(0);
    let total = u16::try_from(frame.len() - 14).unwrap_or(0);
    frame[16..18].copy_from_slice(&total.to_be_bytes());
    fix_ipv4_checksum(&mut frame);
    // An unknown destination keeps the guest from answering those that happen to be right.
    frame
}

fn bad_arp(seed: u64) -> Vec<u8> {
    let mut frame = arp_request(OUR_MAC, US, GUEST);
    match seed % 6 {
        0 => frame[14] = seed as u8 | 2,
        1 => frame[16] = seed as u8 | 1,
        2 => frame[18] = seed as u8 | 8,
        3 => frame[20..22].copy_from_slice(&(3 + seed as u16 % 1000).to_be_bytes()),
        4 => frame[22..28].copy_from_slice(&BROADCAST),
        _ => frame[28..32].copy_from_slice(&Ipv4Addr::new(224, 0, 0, 9).octets()),
    }
    frame
}

fn icmp_error_about_nothing(seed: u64) -> Vec<u8> {
    let mut body = vec![
        if seed.is_multiple_of(2) { 3 } else { 11 },
        seed as u8 % 16,
        0,
        0,
        0,
        0,
        0,
        0,
    ];
    body.extend(noise(seed, at_most(seed, 100)));
    let sum = !crate::frames::ones_complement(&body);
    body[2..4].copy_from_slice(&sum.to_be_bytes());
    packet(1, &body)
}

fn dhcp_options(seed: u64) -> Vec<u8> {
    let mut message = vec![0; 236];
    message[..4].copy_from_slice(&[2, 1, 6, 0]);
    message[28..34].copy_from_slice(&GUEST_MAC);
    message.extend([99, 130, 83, 99]);
    message.extend(noise(seed, at_most(seed, 200)));
    message
}

/// A segment for the web server's port, changed, with the right checksum for what it says then.
fn tcp(seed: u64, change: fn(&mut [u8], u64)) -> Vec<u8> {
    tcp_with(seed, &noise(seed, at_most(seed, 40)), |segment| {
        change(segment, seed);
    })
}

fn tcp_with(seed: u64, payload: &[u8], change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut out = Vec::new();
    let port = 40_000 + u16::try_from(seed % 20_000).unwrap_or(0);
    PacketBuilder::ethernet2(OUR_MAC, GUEST_MAC)
        .ipv4(US.octets(), GUEST.octets(), 64)
        .tcp(port, 80, seed as u32, 1000)
        .ack(seed as u32 ^ 0x5555)
        .write(&mut out, payload)
        .ok();
    let segment = &mut out[34..];
    change(segment);
    segment[16..18].fill(0);
    let mut summed = [US.octets(), GUEST.octets()].concat();
    summed.extend([0, 6]);
    summed.extend(u16::try_from(segment.len()).unwrap_or(0).to_be_bytes());
    summed.extend(&*segment);
    let sum = !crate::frames::ones_complement(&summed);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    pad(out)
}

fn bad_tcp_options(seed: u64) -> Vec<u8> {
    // What was payload becomes options.
    let options = noise(seed, 40);
    tcp_with(seed, &options, |segment| {
        segment[12] = 0xf0;
        segment[13] = if seed.is_multiple_of(3) { 2 } else { 16 };
        segment[20] = [2, 3, 4, 5, 8, 30][at_most(seed, 6)];
        segment[21] = at_most(seed, 4) as u8;
    })
}

#[cfg(test)]
mod tests {
    use super::KINDS;
    use etherparse::SlicedPacket;

    #[test]
    fn every_kind_makes_frames_and_never_the_same_twice_in_a_row() {
        for (name, kind) in KINDS {
            let frames: Vec<_> = (0..200).map(kind).collect();
            assert!(frames.iter().all(|frame| frame.len() <= 1600), "{name}");
            let mut distinct = frames.clone();
            distinct.sort();
            distinct.dedup();
            assert!(!distinct.is_empty(), "{name}");
        }
    }

    #[test]
    fn wrong_headers_are_wrong_to_others_too() {
        for wanted in ["IP version", "IP header length"] {
            let (_, kind) = KINDS.iter().find(|(name, _)| *name == wanted).unwrap();
            for seed in 0..100 {
                let frame = kind(seed);
                let parsed = SlicedPacket::from_ethernet(&frame);
                let is_echo = parsed.is_ok_and(|packet| packet.transport.is_some());
                // A longer header may swallow the ICMP header and still parse.
                assert!(!is_echo || frame[14] > 0x45, "{wanted} {seed}");
            }
        }
    }
}
