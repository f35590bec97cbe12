//! What neighbours send that is no segment of a connection: packets, and ARP.
//!
//! *Owns* the words from the link up to the message, and the bytes that they stand for, right or
//! wrong. A packet is made of its words each time that it is sent, since it may quote the last one.
//! *Never* asks the stack.

use std::net::IpAddr;
use std::ops::Range;

use wire::{MacAddress, Protocol, Pseudo};

use super::message;
use super::names::{self, PEER6, hex};
use super::peer::{self, PEER, PEER_MAC, STACK, STACK_MAC};
use super::words::{Words, number};

/// IPv6's fragment header.
const FRAGMENT: u8 = 44;

/// The family of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Four,
    Six,
}

/// What the header of a transport or message is, and where its checksum stands.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub(super) protocol: u8,
    pub(super) bytes: Vec<u8>,
    pub(super) checksum_at: Option<usize>,
}

/// Everything of a packet that its words can say.
struct Draft {
    family: Family,
    from: IpAddr,
    to: IpAddr,
    hops: Option<u8>,
    identification: u32,
    dont_fragment: bool,
    options: Vec<u8>,
    /// IPv6's own headers: in front of a fragment header, and behind it.
    before: Vec<(u8, Vec<u8>)>,
    behind: Vec<(u8, Vec<u8>)>,
    part: Option<Part>,
    body: Body,
    length: Option<u16>,
    patches: Vec<(usize, Vec<u8>)>,
    has_bad_checksum: bool,
    has_bad_header: bool,
    has_no_checksum: bool,
    link: Link,
}

/// Which part of a packet is sent, and whether it says that more follows.
struct Part {
    range: Range<usize>,
    more: Option<bool>,
}

/// How the frame around it is not as usual.
#[derive(Default)]
struct Link {
    from: Option<MacAddress>,
    to: Option<MacAddress>,
    cut: Option<usize>,
    padding: usize,
}

/// Whether a statement with this word behind its arrow is about a packet.
pub(super) fn is_kind(word: Option<&str>) -> bool {
    matches!(word, Some("arp" | "ip4" | "ip6" | "frame"))
}

/// The frame that the words stand for; `last` is the packet that the stack has sent last.
pub(super) fn frame(text: &str, last: &[u8]) -> Result<Vec<u8>, String> {
    let mut words = Words::new(text);
    match words.word("a kind of packet")? {
        "arp" => arp(&mut words),
        "frame" => {
            let ethertype = hex(words.word("a type")?)?;
            let payload = hex(words.next().unwrap_or_default())?;
            let mut frame = [STACK_MAC.0, PEER_MAC.0].concat();
            frame.extend(ethertype.iter().chain(&payload));
            words.end().map(|()| frame)
        }
        family => {
            let family = if family == "ip4" {
                Family::Four
            } else {
                Family::Six
            };
            let mut draft = Draft::new(family);
            draft.parse(&mut words, last)?;
            Ok(draft.frame())
        }
    }
}

/// `arp request|reply|NUMBER` and its fields.
fn arp(words: &mut Words<'_>) -> Result<Vec<u8>, String> {
    let operation: u16 = match words.word("an operation")? {
        "request" => 1,
        "reply" => 2,
        word => number(word)?,
    };
    let (mut from, mut to, mut cut) = (None, None, None);
    let (mut sender_mac, mut target_mac) = (PEER_MAC, MacAddress::ZERO);
    let (mut sender, mut target) = (PEER, STACK);
    let mut kinds = hex("0001080006040000")?;
    while let Some(word) = words.next() {
        let value = words.word("a value")?;
        let address = || match names::address(value)? {
            IpAddr::V4(address) => Ok(address),
            IpAddr::V6(_) => Err("ARP is about IPv4".to_owned()),
        };
        match word {
            "sender" => sender = address()?,
            "target" => target = address()?,
            "sender-mac" => sender_mac = names::mac(value)?,
            "target-mac" => target_mac = names::mac(value)?,
            "kinds" => kinds = hex(value)?,
            "mac" => from = Some(names::mac(value)?),
            "to-mac" => to = Some(names::mac(value)?),
            "cut" => cut = Some(number(value)?),
            _ => return Err(format!("unexpected in ARP: {word}")),
        }
    }
    let (to, from) = (
        to.unwrap_or(MacAddress::BROADCAST),
        from.unwrap_or(sender_mac),
    );
    let mut packet = kinds;
    packet.truncate(6);
    packet.extend(operation.to_be_bytes());
    packet.extend(sender_mac.0);
    packet.extend(sender.octets());
    packet.extend(target_mac.0);
    packet.extend(target.octets());
    packet.truncate(cut.unwrap_or(usize::MAX));
    Ok([&to.0[..], &from.0[..], &[8, 6], &packet[..]].concat())
}

impl Draft {
    fn new(family: Family) -> Self {
        let (from, to) = match family {
            Family::Four => (PEER.into(), STACK.into()),
            Family::Six => (PEER6.into(), names::OWN6.into()),
        };
        Self {
            family,
            from,
            to,
            hops: None,
            identification: 1,
            dont_fragment: false,
            options: Vec::new(),
            before: Vec::new(),
            behind: Vec::new(),
            part: None,
            body: Body::default(),
            length: None,
            patches: Vec::new(),
            has_bad_checksum: false,
            has_bad_header: false,
            has_no_checksum: false,
            link: Link::default(),
        }
    }

    fn parse(&mut self, words: &mut Words<'_>, last: &[u8]) -> Result<(), String> {
        while let Some(word) = words.next() {
            if self.header(word, words)? || self.oddity(word, words)? {
                continue;
            }
            self.body = message::parse(self.family, word, words, last)?;
            // Who speaks to all of the link's routers and neighbours says so by its kind.
            if message::is_of_the_link(self.family, &self.body) {
                self.hops = self.hops.or(Some(255));
            }
            // Words that are none of the message's may follow it.
        }
        Ok(())
    }

    /// Fields of the header, and IPv6's further headers.
    fn header(&mut self, word: &str, words: &mut Words<'_>) -> Result<bool, String> {
        let further = match word {
            "hop-by-hop" => Some(0),
            "destination" => Some(60),
            "routing" => Some(43),
            _ => None,
        };
        if let Some(kind) = further {
            let mut bytes = hex(words.word("what it says")?)?;
            // Next header and length come first; what is missing of a whole eight is zero.
            let len = (bytes.len() + 2).next_multiple_of(8);
            bytes.resize(len - 2, 0);
            let header = (kind, bytes);
            match self.part {
                None => self.before.push(header),
                Some(_) => self.behind.push(header),
            }
            return Ok(true);
        }
        match word {
            "from" => self.from = names::address(words.word("an address")?)?,
            "to" => self.to = names::address(words.word("an address")?)?,
            "hops" | "ttl" => self.hops = Some(words.number("a number of hops")?),
            "packet" => self.identification = words.number("an identification")?,
            "df" => self.dont_fragment = true,
            "options" => self.options = hex(words.word("options")?)?,
            "part" => {
                let (first, end) = words
                    .word("FIRST..END")?
                    .split_once("..")
                    .ok_or("part FIRST..END")?;
                self.part = Some(Part {
                    range: number(first)?..number(end)?,
                    more: None,
                });
            }
            "more" | "last" => {
                let part = self.part.as_mut().ok_or("more of what?")?;
                part.more = Some(word == "more");
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What is not as it should be.
    fn oddity(&mut self, word: &str, words: &mut Words<'_>) -> Result<bool, String> {
        match word {
            "mac" => self.link.from = Some(names::mac(words.word("an address")?)?),
            "to-mac" => self.link.to = Some(names::mac(words.word("an address")?)?),
            "cut" => self.link.cut = Some(words.number("a length")?),
            "pad" => self.link.padding = words.number("a number of bytes")?,
            "length" => self.length = Some(words.number("a length")?),
            "set" => {
                let place = words.number("a place")?;
                self.patches.push((place, hex(words.word("bytes")?)?));
            }
            "bad-checksum" => self.has_bad_checksum = true,
            "bad-header-checksum" => self.has_bad_header = true,
            "no-checksum" => self.has_no_checksum = true,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn frame(mut self) -> Vec<u8> {
        if self.part.is_some() {
            // What is sent in parts was sealed as a whole.
            let (mut bytes, place) = (std::mem::take(&mut self.body.bytes), 0);
            self.seal_body(&mut bytes, place);
            self.body.bytes = bytes;
        }
        let mut packet = match self.family {
            Family::Four => self.packet4(),
            Family::Six => self.packet6(),
        };
        let body_at = packet.len().saturating_sub(self.body.bytes.len());
        for (place, bytes) in &self.patches {
            for (byte, place) in bytes.iter().zip(*place..) {
                if let Some(old) = packet.get_mut(place) {
                    *old = *byte;
                }
            }
        }
        if self.part.is_none() {
            self.seal_body(&mut packet, body_at);
        }
        if self.family == Family::Four {
            let end = (20 + self.options.len()).min(packet.len());
            packet[10..12].fill(0);
            let sum = wire::sum(&packet[..end]).finish();
            packet[10..12].copy_from_slice(&sum);
            packet[10] ^= if self.has_bad_header { 0x55 } else { 0 };
        }
        packet.truncate(self.link.cut.unwrap_or(usize::MAX));
        packet.resize(packet.len() + self.link.padding, 0);
        let to = self.link.to.unwrap_or_else(|| names::mac_for(self.to));
        let from = self.link.from.unwrap_or_else(|| names::mac_of(self.from));
        let kind = match self.family {
            Family::Four => [8, 0],
            Family::Six => [0x86, 0xdd],
        };
        [&to.0[..], &from.0[..], &kind[..], &packet[..]].concat()
    }

    /// Makes the checksum of the message right, or wrong, as was said.
    fn seal_body(&self, packet: &mut [u8], start: usize) {
        let Some(place) = self.body.checksum_at.map(|at| start + at) else {
            return;
        };
        if packet.len() < place + 2 || self.has_no_checksum {
            return;
        }
        let len = u32::try_from(packet.len() - start).unwrap_or(0);
        let sum = match (self.from, self.to) {
            (IpAddr::V4(_), _) if self.body.protocol == Protocol::ICMP.0 => wire::Sum::ZERO,
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                Pseudo::v4(from, to).with(Protocol(self.body.protocol), len)
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                Pseudo::v6(from, to).with(Protocol(self.body.protocol), len)
            }
            _ => wire::Sum::ZERO,
        };
        let sum = sum.plus(wire::sum(&packet[start..])).finish();
        packet[place..place + 2].copy_from_slice(&sum);
        packet[place] ^= if self.has_bad_checksum { 0x55 } else { 0 };
    }

    fn packet4(&mut self) -> Vec<u8> {
        let (mut field, mut body) = (u16::from(self.dont_fragment) << 14, &self.body.bytes[..]);
        if let Some(part) = &self.part {
            let (offset, more);
            (body, offset, more) = part.of(body);
            field |= offset >> 3 | u16::from(more) << 13;
        }
        let header = 20 + self.options.len();
        let total = u16::try_from(header + body.len()).unwrap_or(u16::MAX);
        let words = u8::try_from(header / 4).unwrap_or(15);
        let identification = self.identification.to_be_bytes();
        let mut packet = vec![0x40 | words, 0];
        packet.extend(self.length.unwrap_or(total).to_be_bytes());
        packet.extend(&identification[2..]);
        packet.extend(field.to_be_bytes());
        packet.extend([self.hops.unwrap_or(64), self.body.protocol, 0, 0]);
        for address in [self.from, self.to] {
            match address {
                IpAddr::V4(address) => packet.extend(address.octets()),
                IpAddr::V6(address) => packet.extend(&address.octets()[..4]),
            }
        }
        packet.extend(&self.options);
        packet.extend(body);
        self.body.bytes = body.to_vec();
        packet
    }

    fn packet6(&mut self) -> Vec<u8> {
        let body = chain(&self.behind, self.body.protocol, self.body.bytes.clone());
        let first = |headers: &[(u8, Vec<u8>)], last| headers.first().map_or(last, |it| it.0);
        let (rest, last) = match &self.part {
            None => (body, self.body.protocol),
            Some(part) => {
                let (bytes, offset, more) = part.of(&body);
                let field = offset & !7 | u16::from(more);
                let next = first(&self.behind, self.body.protocol);
                let mut header = vec![next, 0];
                header.extend(field.to_be_bytes());
                header.extend(self.identification.to_be_bytes());
                header.extend(bytes);
                (header, FRAGMENT)
            }
        };
        let next = first(&self.before, last);
        let behind = chain(&self.before, last, rest);
        let len = u16::try_from(behind.len()).unwrap_or(u16::MAX);
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend(self.length.unwrap_or(len).to_be_bytes());
        packet.extend([next, self.hops.unwrap_or(64)]);
        for address in [self.from, self.to] {
            match address {
                IpAddr::V6(address) => packet.extend(address.octets()),
                IpAddr::V4(address) => packet.extend(address.to_ipv6_mapped().octets()),
            }
        }
        packet.extend(behind);
        packet
    }
}

impl Part {
    /// The bytes of this part, where they lie, and whether it says that more follows.
    fn of<'a>(&self, whole: &'a [u8]) -> (&'a [u8], u16, bool) {
        let bytes = whole
            .get(self.range.start..self.range.end.min(whole.len()))
            .unwrap_or_default();
        let offset = u16::try_from(self.range.start).unwrap_or(u16::MAX);
        (
            bytes,
            offset,
            self.more.unwrap_or(self.range.end < whole.len()),
        )
    }
}

/// Headers of IPv6's own in front of `rest`, which is a `last`.
fn chain(headers: &[(u8, Vec<u8>)], last: u8, rest: Vec<u8>) -> Vec<u8> {
    let nexts = headers.iter().skip(1).map(|it| it.0).chain([last]);
    let mut bytes = Vec::new();
    for ((_, header), next) in headers.iter().zip(nexts) {
        let eights = u8::try_from((header.len() + 2) / 8 - 1).unwrap_or(u8::MAX);
        bytes.extend([next, eights]);
        bytes.extend(header);
    }
    bytes.extend(rest);
    bytes
}

/// Data that can be told from others'.
pub(super) fn pattern(len: usize) -> Vec<u8> {
    peer::stream(peer::THEIRS, 0, len)
}
