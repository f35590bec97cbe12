//! What packets of neighbours carry: ICMP of both families, neighbour discovery, datagrams.
//!
//! *Owns* the words of messages and their bytes. *Never* makes checksums: those are the packet's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::names::{self, hex};
use super::packet::{Body, Family, pattern};
use super::words::{Words, number};

const ICMP4: u8 = 1;
const UDP: u8 = 17;
pub(super) const ICMP6: u8 = 58;

/// Errors and echoes of ICMP for IPv4: word, type, code.
pub(super) const KINDS4: [(&str, u8, u8); 12] = [
    ("echo-reply", 0, 0),
    ("network-unreachable", 3, 0),
    ("host-unreachable", 3, 1),
    ("protocol-unreachable", 3, 2),
    ("port-unreachable", 3, 3),
    ("too-big", 3, 4),
    ("prohibited", 3, 13),
    ("redirect", 5, 1),
    ("echo-request", 8, 0),
    ("time-exceeded", 11, 0),
    ("reassembly-time", 11, 1),
    ("header-problem", 12, 0),
];

/// Of ICMPv6, neighbour discovery with it.
pub(super) const KINDS6: [(&str, u8, u8); 22] = [
    ("no-route", 1, 0),
    ("prohibited", 1, 1),
    ("address-unreachable", 1, 3),
    ("port-unreachable", 1, 4),
    ("too-big", 2, 0),
    ("time-exceeded", 3, 0),
    ("reassembly-time", 3, 1),
    ("header-problem", 4, 0),
    ("next-header-problem", 4, 1),
    ("option-problem", 4, 2),
    ("first-part-problem", 4, 3),
    ("too-many-headers", 4, 8),
    ("too-many-options", 4, 9),
    ("chain-too-long", 4, 7),
    ("echo-request", 128, 0),
    ("echo-reply", 129, 0),
    ("router-solicitation", 133, 0),
    ("router-advertisement", 134, 0),
    ("neighbour-solicitation", 135, 0),
    ("neighbour-advertisement", 136, 0),
    ("redirect", 137, 0),
    ("membership", 143, 0),
];

/// The short words for the messages of neighbour discovery.
const SHORT: [(&str, &str); 4] = [
    ("rs", "router-solicitation"),
    ("ra", "router-advertisement"),
    ("ns", "neighbour-solicitation"),
    ("na", "neighbour-advertisement"),
];

/// Whether the message may not be passed on by routers.
pub(super) fn is_of_the_link(family: Family, body: &Body) -> bool {
    let kind = body.bytes.first().copied().unwrap_or(0);
    family == Family::Six && body.protocol == ICMP6 && (133..=137).contains(&kind)
}

/// The message that begins with `word`, up to the first word that is none of its own.
pub(super) fn parse(
    family: Family,
    word: &str,
    words: &mut Words<'_>,
    last: &[u8],
) -> Result<Body, String> {
    match word {
        "udp" => udp(words),
        "protocol" => {
            let protocol = words.number("a protocol")?;
            let bytes = trailer(words, last)?;
            Ok(Body {
                protocol,
                bytes,
                checksum_at: None,
            })
        }
        _ => icmp(family, word, words, last),
    }
}

/// `udp FROM:TO [data N] [udp-length N]`.
fn udp(words: &mut Words<'_>) -> Result<Body, String> {
    let ports = words.word("FROM:TO")?;
    let (from, to) = ports.split_once(':').ok_or("udp FROM:TO")?;
    let (from, to): (u16, u16) = (number(from)?, number(to)?);
    let length: Option<u16> = match words.take("udp-length") {
        true => Some(words.number("a length")?),
        false => None,
    };
    let data = trailer(words, &[])?;
    let total = u16::try_from(data.len() + 8).unwrap_or(u16::MAX);
    let mut bytes = [from, to, length.unwrap_or(total), 0]
        .map(u16::to_be_bytes)
        .concat();
    bytes.extend(data);
    Ok(Body {
        protocol: UDP,
        bytes,
        checksum_at: Some(6),
    })
}

/// `icmp TYPE CODE`, or a message by its name, and its fields.
fn icmp(family: Family, word: &str, words: &mut Words<'_>, last: &[u8]) -> Result<Body, String> {
    let (protocol, kinds) = match family {
        Family::Four => (ICMP4, &KINDS4[..]),
        Family::Six => (ICMP6, &KINDS6[..]),
    };
    let name = SHORT.iter().find(|(short, _)| *short == word);
    let name = name.map_or(word, |(_, name)| *name);
    let (kind, mut code) = match kinds.iter().find(|(known, ..)| *known == name) {
        Some((_, kind, code)) => (*kind, *code),
        None if word == "icmp" => (words.number("a type")?, words.number("a code")?),
        None => return Err(format!("unexpected in a packet: {word}")),
    };
    if words.take("code") {
        code = words.number("a code")?;
    }
    let mut bytes = vec![kind, code, 0, 0];
    match name {
        "router-solicitation" => bytes.extend([0; 4]),
        "router-advertisement" => bytes.extend(router(words)?),
        "neighbour-solicitation" | "neighbour-advertisement" => bytes.extend(neighbour(words)?),
        "redirect" if family == Family::Four => bytes.extend(four(words)?.octets()),
        "redirect" => {
            bytes.extend([0; 4]);
            bytes.extend(six(words)?.octets());
            if !words.take("for") {
                return Err("redirect TARGET for DESTINATION".into());
            }
            bytes.extend(six(words)?.octets());
        }
        "echo-request" | "echo-reply" => {
            for field in ["id", "seq"] {
                let value: u16 = match words.take(field) {
                    true => words.number(field)?,
                    false => 1,
                };
                bytes.extend(value.to_be_bytes());
            }
        }
        "too-big" | "option-problem" | "next-header-problem" => {
            let value: u32 = words.number("a number")?;
            bytes.extend(value.to_be_bytes());
        }
        _ => bytes.extend([0; 4]),
    }
    while let Some(option) = option(words)? {
        bytes.extend(option);
    }
    bytes.extend(trailer(words, last)?);
    Ok(Body {
        protocol,
        bytes,
        checksum_at: Some(2),
    })
}

fn four(words: &mut Words<'_>) -> Result<Ipv4Addr, String> {
    match names::address(words.word("an address")?)? {
        IpAddr::V4(address) => Ok(address),
        IpAddr::V6(address) => Err(format!("{address} is not of IPv4")),
    }
}

fn six(words: &mut Words<'_>) -> Result<Ipv6Addr, String> {
    match names::address(words.word("an address")?)? {
        IpAddr::V6(address) => Ok(address),
        IpAddr::V4(address) => Err(format!("{address} is not of IPv6")),
    }
}

/// Hop limit to use, flags, lifetime, reachable time, time between solicitations.
fn router(words: &mut Words<'_>) -> Result<Vec<u8>, String> {
    let (mut hops, mut flags) = (64_u8, 0_u8);
    let (mut lifetime, mut reachable, mut again) = (1_800_u16, 0_u32, 0_u32);
    loop {
        if words.take("lifetime") {
            lifetime = words.number("seconds")?;
        } else if words.take("use-hops") {
            hops = words.number("hops")?;
        } else if words.take("reachable") {
            reachable = words.number("milliseconds")?;
        } else if words.take("retransmit") {
            again = words.number("milliseconds")?;
        } else if words.take("flags") {
            flags = words.number("flags")?;
        } else {
            break;
        }
    }
    let mut bytes = vec![hops, flags];
    bytes.extend(lifetime.to_be_bytes());
    bytes.extend(reachable.to_be_bytes());
    bytes.extend(again.to_be_bytes());
    Ok(bytes)
}

/// The target, and what an advertisement says of it.
fn neighbour(words: &mut Words<'_>) -> Result<Vec<u8>, String> {
    let target = six(words)?;
    let mut flags = 0_u8;
    for (word, flag) in [("router", 0x80), ("solicited", 0x40), ("override", 0x20)] {
        flags |= if words.take(word) { flag } else { 0 };
    }
    let mut bytes = vec![flags, 0, 0, 0];
    bytes.extend(target.octets());
    Ok(bytes)
}

/// An option of neighbour discovery, if one is next.
fn option(words: &mut Words<'_>) -> Result<Option<Vec<u8>>, String> {
    let value = match words.peek() {
        Some("source-link") => (1, 1),
        Some("target-link") => (2, 1),
        Some("prefix") => {
            words.next();
            return prefix(words).map(Some);
        }
        Some("mtu") => {
            words.next();
            let mtu: u32 = words.number("an MTU")?;
            return Ok(Some([&[5, 1, 0, 0][..], &mtu.to_be_bytes()].concat()));
        }
        Some("option") => {
            words.next();
            return hex(words.word("an option")?).map(Some);
        }
        _ => return Ok(None),
    };
    words.next();
    let mac = names::mac(words.word("a hardware address")?)?;
    Ok(Some([&[value.0, value.1][..], &mac.0].concat()))
}

/// `prefix ADDRESS/LENGTH [valid N] [preferred N] [off-link] [manual]`.
fn prefix(words: &mut Words<'_>) -> Result<Vec<u8>, String> {
    let word = words.word("a prefix")?;
    let (address, length) = word.split_once('/').ok_or("prefix ADDRESS/LENGTH")?;
    let IpAddr::V6(address) = names::address(address)? else {
        return Err(format!("{word} is not of IPv6"));
    };
    let (mut valid, mut preferred, mut flags) = (3_600_u32, 1_800_u32, 0xc0_u8);
    loop {
        if words.take("valid") {
            valid = words.number("seconds")?;
        } else if words.take("preferred") {
            preferred = words.number("seconds")?;
        } else if words.take("off-link") {
            flags &= !0x80;
        } else if words.take("manual") {
            flags &= !0x40;
        } else {
            break;
        }
    }
    let mut bytes = vec![3, 4, number(length)?, flags];
    bytes.extend(valid.to_be_bytes());
    bytes.extend(preferred.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(address.octets());
    Ok(bytes)
}

/// `data N`, `bytes HEX` and `about last`: what follows the fields.
fn trailer(words: &mut Words<'_>, last: &[u8]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    loop {
        if words.take("data") {
            bytes.extend(pattern(words.number("a number of bytes")?));
        } else if words.take("bytes") {
            bytes.extend(hex(words.word("bytes")?)?);
        } else if words.take("about") {
            bytes.extend(quote(words, last)?);
        } else {
            return Ok(bytes);
        }
    }
}

/// What an error is about: `last`, what the stack has sent last, `PLACE=HEX` in it changed; or any
/// packet, as bytes.
fn quote(words: &mut Words<'_>, last: &[u8]) -> Result<Vec<u8>, String> {
    let word = words.word("what it is about")?;
    if word != "last" {
        return hex(word);
    }
    let mut bytes = last.to_vec();
    while words.take("but") {
        let (place, value) = words
            .word("PLACE=BYTES")?
            .split_once('=')
            .ok_or("but PLACE=BYTES")?;
        for (byte, place) in hex(value)?.into_iter().zip(number::<usize>(place)?..) {
            if let Some(old) = bytes.get_mut(place) {
                *old = byte;
            }
        }
    }
    if words.take("first") {
        bytes.truncate(words.number("a number of bytes")?);
    }
    Ok(bytes)
}
