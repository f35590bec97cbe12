//! The words about IPv6's packets.

use core::fmt::{self, Formatter};

use super::{datagram, refused, segment};
use crate::icmp6::{Cause, Envelope, Header, Message, ParameterProblem, TimeExceeded, Unreachable};
use crate::ipv6::{Content, Packet};
use crate::{Check, Protocol, ndp};

pub(super) fn packet(f: &mut Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    let packet = match Packet::parse(bytes) {
        Ok(packet) => packet,
        Err(reason) => return refused(f, "IP6", reason),
    };
    let (from, to) = (packet.header.source, packet.header.destination);
    let whole = match packet.content() {
        Ok(Content::Whole(whole)) => whole,
        Ok(Content::Part(part)) => {
            let first = u32::from(part.fragment.offset) << 3;
            let (id, len, next) = (part.fragment.identification, part.payload.len(), part.next);
            return write!(
                f,
                "IP6 {from} > {to}: frag ({id:#010x}:{first}|{len}) {next}"
            );
        }
        Err(refusal) => return refused(f, "IP6", refusal.reason),
    };
    let len = whole.payload.len();
    match whole.protocol {
        Protocol::TCP => segment(f, "IP6", (&from, &to), whole.payload),
        Protocol::UDP => datagram(f, "IP6", (&from, &to), whole.payload),
        Protocol::ICMPV6 => {
            write!(f, "IP6 {from} > {to}: ICMP6, ")?;
            let envelope = match Envelope::parse(whole.payload, Check::Trusted) {
                Ok(envelope) => envelope,
                Err(reason) => return refused(f, "message", reason),
            };
            if ndp::is_kind(envelope.kind) {
                discovery(f, &packet, &envelope, whole.has_fragment_header)?;
            } else {
                message(f, &envelope)?;
            }
            write!(f, ", length {len}")
        }
        other => write!(f, "IP6 {from} > {to}: {other}, length {len}"),
    }
}

fn discovery(
    f: &mut Formatter<'_>,
    packet: &Packet<'_>,
    envelope: &Envelope<'_>,
    has_fragment_header: bool,
) -> fmt::Result {
    let message = match ndp::Message::parse(envelope, &packet.header, has_fragment_header) {
        Ok(message) => message,
        Err(reason) => return refused(f, "neighbor discovery", reason),
    };
    match message.header {
        ndp::Header::RouterSolicitation => f.write_str("router solicitation"),
        ndp::Header::RouterAdvertisement(_) => f.write_str("router advertisement"),
        ndp::Header::NeighborSolicitation { target } => {
            write!(f, "neighbor solicitation, who has {target}")
        }
        ndp::Header::NeighborAdvertisement { target, .. } => {
            write!(f, "neighbor advertisement, tgt is {target}")
        }
        ndp::Header::Redirect {
            target,
            destination,
        } => write!(f, "redirect, {destination} to {target}"),
    }
}

fn message(f: &mut Formatter<'_>, envelope: &Envelope<'_>) -> fmt::Result {
    let message = match Message::parse(envelope) {
        Ok(message) => message,
        Err(reason) => return refused(f, "message", reason),
    };
    match message.header {
        Header::EchoRequest {
            identifier,
            sequence,
        } => write!(f, "echo request, id {identifier}, seq {sequence}"),
        Header::EchoReply {
            identifier,
            sequence,
        } => write!(f, "echo reply, id {identifier}, seq {sequence}"),
        Header::Unreachable(what) => unreachable(f, what, &message),
        Header::PacketTooBig { mtu } => write!(f, "packet too big, mtu {mtu}"),
        Header::TimeExceeded(TimeExceeded::Transit) => f.write_str("time exceeded in-transit"),
        Header::TimeExceeded(TimeExceeded::Reassembly) => {
            f.write_str("ip reassembly time exceeded")
        }
        Header::ParameterProblem(ParameterProblem { cause, pointer }) => {
            f.write_str("parameter problem, ")?;
            match cause {
                Cause::Field => write!(f, "erroneous - octet {pointer}"),
                Cause::NextHeader => write!(f, "next header - octet {pointer}"),
                Cause::Option => write!(f, "option - octet {pointer}"),
                Cause::FirstFragment => write!(f, "incomplete header chain - octet {pointer}"),
                other => write!(f, "{other:?} - octet {pointer}"),
            }
        }
        Header::Unknown { kind, code } => write!(f, "unknown error, type {kind}, code {code}"),
    }
}

fn unreachable(f: &mut Formatter<'_>, what: Unreachable, message: &Message<'_>) -> fmt::Result {
    f.write_str("destination unreachable, ")?;
    let quote = match message.quote() {
        Ok(quote) => quote,
        Err(reason) => return refused(f, "what it quotes", reason),
    };
    let (to, protocol) = (quote.header.destination, quote.protocol);
    match what {
        Unreachable::NoRoute => write!(f, "unreachable route {to}"),
        Unreachable::Prohibited => write!(f, "unreachable prohibited {to}"),
        Unreachable::BeyondScope => write!(f, "beyond scope {to}"),
        Unreachable::Address => write!(f, "unreachable address {to}"),
        Unreachable::Port => match quote.ports() {
            Some((_, port)) => write!(f, "unreachable port, {to} {protocol} port {port}"),
            None => write!(f, "unreachable port, {to} {protocol}"),
        },
        Unreachable::SourcePolicy => write!(f, "failed policy {to}"),
        Unreachable::RejectRoute => write!(f, "reject route {to}"),
        Unreachable::Other { code } => write!(f, "unreachable {to} - code {code}"),
    }
}
