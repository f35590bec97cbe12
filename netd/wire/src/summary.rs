//! A frame in one line: what a person watches passing by.
//!
//! *Owns* the words, which are those that `tcpdump -n -S` has made familiar, so that both can be
//! read, and compared, side by side. *Never* decides anything: what a format refuses is shown with
//! the reason, what is not known with its number.

mod options;
mod six;

use core::fmt::{self, Display, Formatter};
use core::net::Ipv4Addr;

use crate::icmp4::{ParameterProblem, TimeExceeded, Unreachable};
use crate::tcp::{self, Flags};
use crate::{Check, Drop, EtherType, MacAddress, Protocol, arp, ethernet, icmp4, ipv4, udp};
use options::OptionList;

/// A frame, to be displayed. Checksums of TCP and UDP are not looked at: frames are often watched
/// before the device has filled them in.
#[derive(Clone, Copy, Debug)]
pub struct Summary<'a>(pub &'a [u8]);

impl Display for Summary<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let frame = match ethernet::Frame::parse(self.0) {
            Ok(frame) => frame,
            Err(reason) => return refused(f, "Ethernet", reason),
        };
        match frame.header.ethertype {
            EtherType::ARP => question(f, frame.payload),
            EtherType::IPV4 => packet(f, frame.payload),
            EtherType::IPV6 => six::packet(f, frame.payload),
            other => {
                let ethernet::Header {
                    source,
                    destination,
                    ..
                } = frame.header;
                let len = self.0.len();
                write!(f, "{source} > {destination}, {other:?}, length {len}")
            }
        }
    }
}

fn refused(f: &mut Formatter<'_>, format: &str, reason: Drop) -> fmt::Result {
    write!(f, "{format}, refused: {reason}")
}

fn question(f: &mut Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    let packet = match arp::Packet::parse(bytes) {
        Ok(packet) => packet,
        Err(reason) => return refused(f, "ARP", reason),
    };
    match packet.operation {
        arp::Operation::Request => {
            write!(f, "ARP, Request who-has {}", packet.target_ip)?;
            if packet.target_mac != MacAddress::ZERO {
                write!(f, " ({})", packet.target_mac)?;
            }
            write!(f, " tell {}", packet.sender_ip)?;
        }
        arp::Operation::Reply => {
            let (ip, mac) = (packet.sender_ip, packet.sender_mac);
            write!(f, "ARP, Reply {ip} is-at {mac}")?;
        }
    }
    write!(f, ", length {}", bytes.len())
}

fn packet(f: &mut Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    let packet = match ipv4::Packet::parse(bytes) {
        Ok(packet) => packet,
        Err(reason) => return refused(f, "IP", reason),
    };
    let (from, to) = (packet.header.source, packet.header.destination);
    let len = packet.payload.len();
    match packet.header.protocol {
        other if packet.header.is_fragment() => {
            let first = u32::from(packet.header.fragment_offset) << 3;
            write!(
                f,
                "IP {from} > {to}: {other}, from byte {first} on, length {len}"
            )
        }
        Protocol::TCP => segment(f, "IP", (&from, &to), packet.payload),
        Protocol::UDP => datagram(f, "IP", (&from, &to), packet.payload),
        Protocol::ICMP => {
            write!(f, "IP {from} > {to}: ICMP ")?;
            message(f, packet.payload)?;
            write!(f, ", length {len}")
        }
        other => write!(f, "IP {from} > {to}: {other}, length {len}"),
    }
}

/// Both ends' addresses, of either family.
type Ends<'a> = (&'a dyn Display, &'a dyn Display);

fn segment(f: &mut Formatter<'_>, ip: &str, (from, to): Ends<'_>, bytes: &[u8]) -> fmt::Result {
    let segment = match tcp::Segment::parse(bytes, Check::Trusted) {
        Ok(segment) => segment,
        Err(reason) => return refused(f, "TCP", reason),
    };
    let header = &segment.header;
    let flags = Letters(header.flags);
    write!(
        f,
        "{ip} {from}.{} > {to}.{}: ",
        header.src_port, header.dst_port
    )?;
    write!(f, "Flags [{flags}]")?;
    let len = segment.payload.len();
    let marks = Flags::SYN.union(Flags::FIN).union(Flags::RST);
    if len > 0 {
        let end = u32::try_from(len).map_or(header.seq, |len| header.seq.wrapping_add(len));
        write!(f, ", seq {}:{end}", header.seq)?;
    } else if header.flags.intersects(marks) {
        write!(f, ", seq {}", header.seq)?;
    }
    if header.flags.contains(Flags::ACK) {
        write!(f, ", ack {}", header.ack)?;
    }
    write!(f, ", win {}", header.window)?;
    if header.flags.contains(Flags::URG) {
        write!(f, ", urg {}", header.urgent)?;
    }
    let options = bytes.get(tcp::HEADER_LEN..bytes.len().saturating_sub(len));
    if let Some(options) = options.filter(|options| !options.is_empty()) {
        write!(f, ", options [{}]", OptionList(options))?;
    }
    write!(f, ", length {len}")
}

/// Control bits in one letter each.
struct Letters(Flags);

impl Display for Letters {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        const LETTERS: [(Flags, &str); 9] = [
            (Flags::FIN, "F"),
            (Flags::SYN, "S"),
            (Flags::RST, "R"),
            (Flags::PSH, "P"),
            (Flags::ACK, "."),
            (Flags::URG, "U"),
            (Flags::ECE, "E"),
            (Flags::CWR, "W"),
            (Flags::AE, "e"),
        ];
        if self.0 == Flags::NONE {
            return f.write_str("none");
        }
        LETTERS
            .iter()
            .filter(|(flag, _)| self.0.contains(*flag))
            .try_for_each(|(_, letter)| f.write_str(letter))
    }
}

fn datagram(f: &mut Formatter<'_>, ip: &str, (from, to): Ends<'_>, bytes: &[u8]) -> fmt::Result {
    match udp::Datagram::parse(bytes, Check::Trusted, udp::NoChecksum::Accept) {
        Ok(datagram) => {
            let udp::Header { src_port, dst_port } = datagram.header;
            let len = datagram.payload.len();
            write!(
                f,
                "{ip} {from}.{src_port} > {to}.{dst_port}: UDP, length {len}"
            )
        }
        Err(reason) => refused(f, "UDP", reason),
    }
}

fn message(f: &mut Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    let message = match icmp4::Message::parse(bytes) {
        Ok(message) => message,
        Err(reason) => return refused(f, "message", reason),
    };
    match message.header {
        icmp4::Header::EchoRequest {
            identifier,
            sequence,
        } => write!(f, "echo request, id {identifier}, seq {sequence}"),
        icmp4::Header::EchoReply {
            identifier,
            sequence,
        } => write!(f, "echo reply, id {identifier}, seq {sequence}"),
        icmp4::Header::Unreachable(what) => unreachable(f, what, &message),
        icmp4::Header::Redirect { code, to } => redirect(f, (code, to), &message),
        icmp4::Header::TimeExceeded(TimeExceeded::Transit) => {
            f.write_str("time exceeded in-transit")
        }
        icmp4::Header::TimeExceeded(TimeExceeded::Reassembly) => {
            f.write_str("ip reassembly time exceeded")
        }
        icmp4::Header::ParameterProblem(ParameterProblem::Pointer(at)) => {
            write!(f, "parameter problem - octet {at}")
        }
        icmp4::Header::ParameterProblem(ParameterProblem::Other { code }) => {
            write!(f, "parameter problem - code {code}")
        }
    }
}

fn redirect(
    f: &mut Formatter<'_>,
    (code, to): (u8, Ipv4Addr),
    message: &icmp4::Message<'_>,
) -> fmt::Result {
    let quote = match message.quote() {
        Ok(quote) => quote,
        Err(reason) => return refused(f, "redirect, what it quotes", reason),
    };
    let what = if matches!(code, 0 | 2) { "net" } else { "host" };
    write!(f, "redirect {} to {what} {to}", quote.header.destination)
}

fn unreachable(
    f: &mut Formatter<'_>,
    what: Unreachable,
    message: &icmp4::Message<'_>,
) -> fmt::Result {
    let quote = match message.quote() {
        Ok(quote) => quote,
        Err(reason) => return refused(f, "unreachable, what it quotes", reason),
    };
    let (to, protocol) = (quote.header.destination, quote.header.protocol);
    match what {
        Unreachable::Network => write!(f, "net {to} unreachable"),
        Unreachable::Host => write!(f, "host {to} unreachable"),
        Unreachable::Protocol => write!(f, "{to} protocol {} unreachable", protocol.0),
        Unreachable::Port => match quote.ports() {
            Some((_, port)) => write!(f, "{to} {protocol} port {port} unreachable"),
            None => write!(f, "{to} {protocol} port unreachable"),
        },
        Unreachable::FragmentationNeeded { mtu } => {
            write!(f, "{to} unreachable - need to frag (mtu {mtu})")
        }
        Unreachable::SourceRoute => write!(f, "{to} unreachable - source route failed"),
        Unreachable::Prohibited { code } => {
            write!(f, "{to} unreachable - prohibited, code {code}")
        }
        Unreachable::Other { code } => write!(f, "{to} unreachable - code {code}"),
    }
}

#[cfg(test)]
mod tests;
