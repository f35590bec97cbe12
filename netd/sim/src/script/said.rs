//! What the stack has sent that is no segment of a connection, in a script's words.
//!
//! *Owns* the reading of a frame into words with values, and the comparison with the words of a
//! script, of which each must be among them. *Never* knows what should have been sent.

use std::fmt;
use std::net::IpAddr;

use wire::ipv6::Content;
use wire::ndp::{self, Item};
use wire::udp::NoChecksum;
use wire::{Check, EtherType, Protocol, Pseudo, arp, ethernet, icmp6, ipv4, ipv6};

use super::message::{KINDS4, KINDS6};
use super::names;
use super::packet::pattern;
use super::words::Words;

/// Words that stand alone; all others have a value.
const FLAGS: [&str; 8] = [
    "ip4",
    "ip6",
    "df",
    "more",
    "router",
    "solicited",
    "override",
    "router-alert",
];

/// A frame in words.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    words: Vec<(String, String)>,
    /// The packet, for errors about it.
    pub(super) packet: Vec<u8>,
}

/// What a frame must say: values that are `*` may be any; what stands behind `without` must not be there.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    words: Vec<(String, String)>,
    without: Vec<String>,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ">")?;
        for (word, value) in &self.words {
            match value.as_str() {
                "" => write!(f, " {word}")?,
                value => write!(f, " {word} {value}")?,
            }
        }
        Ok(())
    }
}

impl Wanted {
    pub(super) fn parse(words: &mut Words<'_>) -> Result<Self, String> {
        let mut wanted = Self::default();
        while let Some(word) = words.next() {
            if word == "without" {
                wanted.without.push(words.word("a word")?.to_owned());
                continue;
            }
            let is_flag = FLAGS.contains(&word);
            let value = match is_flag {
                true => "",
                false => words.next().unwrap_or(""),
            };
            wanted
                .words
                .push((word.to_owned(), canonical(word, value)?));
        }
        Ok(wanted)
    }

    /// The words that are not as they must be.
    pub(super) fn differences(&self, said: &Said) -> Vec<String> {
        let value = |word: &str| said.words.iter().find(|(known, _)| known == word);
        let mut wrong = Vec::new();
        for (word, wanted) in &self.words {
            match value(word) {
                Some((_, found)) if wanted == "*" || found == wanted => {}
                _ => wrong.push(format!("{word} {wanted}")),
            }
        }
        let unwanted = self.without.iter().filter(|word| value(word).is_some());
        wrong.extend(unwanted.map(|word| format!("without {word}")));
        wrong
    }
}

/// The value as [`read`] gives it: names are replaced by addresses.
fn canonical(word: &str, value: &str) -> Result<String, String> {
    if value == "*" {
        return Ok(value.to_owned());
    }
    Ok(match word {
        "from" | "to" | "sender" | "target" | "ns" | "na" => names::address(value)?.to_string(),
        "mac" | "to-mac" | "sender-mac" | "target-mac" | "source-link" | "target-link" => {
            names::mac(value)?.to_string()
        }
        _ => value.to_owned(),
    })
}

/// Reads a frame; `last` is the packet that the stack has received last.
pub(super) fn read(frame: &[u8], last: &[u8]) -> Said {
    let mut said = Said::default();
    let Ok(frame) = ethernet::Frame::parse(frame) else {
        said.put("unreadable", "frame");
        return said;
    };
    said.put("mac", frame.header.source);
    said.put("to-mac", frame.header.destination);
    let read = match frame.header.ethertype {
        EtherType::ARP => said.arp(frame.payload),
        EtherType::IPV4 => said.four(frame.payload, last),
        EtherType::IPV6 => said.six(frame.payload, last),
        EtherType(other) => {
            said.put("frame", format!("{other:04x}"));
            Ok(())
        }
    };
    if let Err(reason) = read {
        said.put("unreadable", reason);
    }
    said
}

impl Said {
    /// Whether it tells routers or switches which groups are listened to.
    pub(super) fn is_report(&self) -> bool {
        self.words.iter().any(|(word, _)| word == "membership")
    }

    fn put(&mut self, word: &str, value: impl fmt::Display) {
        self.words.push((word.to_owned(), value.to_string()));
    }

    fn flag(&mut self, word: &str, is_set: bool) {
        if is_set {
            self.put(word, "");
        }
    }

    fn arp(&mut self, bytes: &[u8]) -> Result<(), wire::Drop> {
        let packet = arp::Packet::parse(bytes)?;
        self.put(
            "arp",
            match packet.operation {
                arp::Operation::Request => "request",
                arp::Operation::Reply => "reply",
            },
        );
        self.put("sender", packet.sender_ip);
        self.put("sender-mac", packet.sender_mac);
        self.put("target", packet.target_ip);
        self.put("target-mac", packet.target_mac);
        Ok(())
    }

    fn four(&mut self, bytes: &[u8], last: &[u8]) -> Result<(), wire::Drop> {
        let packet = ipv4::Packet::parse(bytes)?;
        let header = packet.header;
        self.packet = packet.bytes.to_vec();
        self.put("ip4", "");
        self.put("from", header.source);
        self.put("to", header.destination);
        self.put("ttl", header.ttl);
        self.put("packet", header.identification);
        self.flag("df", header.dont_fragment);
        let len = packet.payload.len();
        if header.is_fragment() {
            let fragment = (header.fragment_offset, header.more_fragments);
            self.part(fragment, header.protocol, len);
            return Ok(());
        }
        let ends = (header.source.into(), header.destination.into());
        match header.protocol {
            Protocol::ICMP if !wire::sum(packet.payload).is_valid() => {
                Err(wire::Drop::Icmp4Checksum)
            }
            Protocol::ICMP => {
                self.icmp(&KINDS4, packet.payload, last);
                Ok(())
            }
            protocol => self.transport(protocol, packet.payload, ends),
        }
    }

    fn six(&mut self, bytes: &[u8], last: &[u8]) -> Result<(), wire::Drop> {
        let packet = ipv6::Packet::parse(bytes)?;
        let header = packet.header;
        self.packet = packet.bytes.to_vec();
        self.put("ip6", "");
        self.put("from", header.source);
        self.put("to", header.destination);
        self.put("hops", header.hop_limit);
        let whole = match packet.content().map_err(|refusal| refusal.reason)? {
            Content::Whole(whole) => whole,
            Content::Part(part) => {
                self.put("packet", part.fragment.identification);
                let fragment = (part.fragment.offset, part.fragment.more);
                self.part(fragment, part.next, part.payload.len());
                return Ok(());
            }
        };
        self.flag("router-alert", whole.router_alert.is_some());
        let ends = (header.source.into(), header.destination.into());
        if whole.protocol != Protocol::ICMPV6 {
            return self.transport(whole.protocol, whole.payload, ends);
        }
        let check = Check::Verify(Pseudo::v6(header.source, header.destination));
        let envelope = icmp6::Envelope::parse(whole.payload, check)?;
        if ndp::is_kind(envelope.kind) {
            let message = ndp::Message::parse(&envelope, &header, false)?;
            self.neighbourly(&message);
        } else {
            self.icmp(&KINDS6, whole.payload, last);
        }
        Ok(())
    }

    fn part(&mut self, (offset, more): (u16, bool), protocol: Protocol, len: usize) {
        let start = usize::from(offset) * 8;
        self.put("part", format!("{start}..{}", start + len));
        self.flag("more", more);
        self.put("protocol", protocol.0);
    }

    fn transport(
        &mut self,
        protocol: Protocol,
        payload: &[u8],
        ends: (IpAddr, IpAddr),
    ) -> Result<(), wire::Drop> {
        if protocol != Protocol::UDP {
            self.put("protocol", protocol.0);
            return Ok(());
        }
        let pseudo = match ends {
            (IpAddr::V4(from), IpAddr::V4(to)) => Pseudo::v4(from, to),
            (IpAddr::V6(from), IpAddr::V6(to)) => Pseudo::v6(from, to),
            _ => return Err(wire::Drop::UdpChecksum),
        };
        let datagram =
            wire::udp::Datagram::parse(payload, Check::Verify(pseudo), NoChecksum::Refuse)?;
        let header = datagram.header;
        self.put("udp", format!("{}:{}", header.src_port, header.dst_port));
        self.data(datagram.payload);
        Ok(())
    }

    /// An error or echo: kind, fields, and what it carries.
    fn icmp(&mut self, kinds: &[(&str, u8, u8)], bytes: &[u8], last: &[u8]) {
        let [kind, code, _, _, word @ ..] = bytes else {
            return self.put("unreadable", "icmp");
        };
        let (word, body) = word.split_at(word.len().min(4));
        let number = word
            .iter()
            .fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
        let name = kinds
            .iter()
            .find(|known| (known.1, known.2) == (*kind, *code));
        let name = name.map_or_else(|| format!("icmp-{kind}-{code}"), |it| it.0.to_owned());
        match name.as_str() {
            "echo-request" | "echo-reply" => {
                self.put(&name, body.len());
                self.put("id", number >> 16);
                self.put("seq", number & 0xffff);
                self.data(body);
            }
            "membership" => self.put(&name, number & 0xffff),
            _ => {
                self.put(&name, number);
                let is_about_last = !body.is_empty() && last.starts_with(body);
                self.put("about", if is_about_last { "last" } else { "other" });
                self.put("quoted", body.len());
            }
        }
    }

    fn data(&mut self, bytes: &[u8]) {
        match bytes == pattern(bytes.len()) {
            true => self.put("data", bytes.len()),
            false => self.put("data", "other"),
        }
    }

    fn neighbourly(&mut self, message: &ndp::Message<'_>) {
        match message.header {
            ndp::Header::RouterSolicitation => self.put("rs", "routers"),
            ndp::Header::NeighborSolicitation { target } => self.put("ns", target),
            ndp::Header::NeighborAdvertisement {
                target,
                router,
                solicited,
                replace,
            } => {
                self.put("na", target);
                self.flag("router", router);
                self.flag("solicited", solicited);
                self.flag("override", replace);
            }
            ndp::Header::RouterAdvertisement(_) => self.put("ra", "*"),
            ndp::Header::Redirect { .. } => self.put("redirect", "*"),
        }
        for item in message.items.iter() {
            match item {
                Item::SourceLink(mac) => self.put("source-link", mac),
                Item::TargetLink(mac) => self.put("target-link", mac),
                Item::Nonce(_) => self.put("nonce", "*"),
                _ => self.put("option", "other"),
            }
        }
    }
}
