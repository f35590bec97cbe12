//! ICMPv6 messages that come in.
//!
//! *Owns* what is answered and who is told. An error is believed only when it quotes something that
//! we have sent: a port, a ping that waits (RFC 5927 4.1).
//!
//! Spec: RFC 4443.

use crate::error::SocketError;
use crate::icmp::input::Verdict;
use crate::interface::Scope;
use crate::ip::incoming::Incoming;
use crate::memory::ClientMemory;
use crate::packets::Owner;
use crate::stack::Stack;
use crate::stats::Counter;
use crate::udp::details::Report;
use ::tcp::Instant;
use core::net::{IpAddr, Ipv6Addr};
use wire::icmp6::{Cause, Envelope, Header, Message, Unreachable};
use wire::ipv6::{MIN_MTU, Whole};
use wire::{Check, Drop, Protocol, Pseudo, mld, ndp};

/// The meaning of an error message; `None` for what is no error, or none for us.
fn verdict(header: &Header) -> Option<Verdict> {
    let (error, hard) = match *header {
        Header::Unreachable(Unreachable::Port) => (SocketError::Refused, true),
        Header::Unreachable(
            Unreachable::Prohibited | Unreachable::SourcePolicy | Unreachable::RejectRoute,
        ) => (SocketError::Prohibited, false),
        Header::Unreachable(Unreachable::NoRoute | Unreachable::BeyondScope) => {
            (SocketError::NetworkUnreachable, false)
        }
        Header::Unreachable(_) => (SocketError::HostUnreachable, false),
        Header::PacketTooBig { mtu } => {
            // RFC 8201 section 4: less than every link takes is nothing to heed.
            let mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
            return (usize::from(mtu) >= MIN_MTU).then_some(Verdict {
                error: SocketError::TooBig,
                hard: false,
                mtu: Some(mtu),
            });
        }
        Header::TimeExceeded(_) => (SocketError::TimeExceeded, false),
        // Nobody there speaks the protocol (RFC 4443 section 3.4, code 1).
        Header::ParameterProblem(problem) if problem.cause == Cause::NextHeader => {
            (SocketError::ProtocolUnreachable, true)
        }
        Header::ParameterProblem(_) | Header::Unknown { .. } => {
            (SocketError::ProtocolUnreachable, false)
        }
        Header::EchoRequest { .. } | Header::EchoReply { .. } => return None,
    };
    Some(Verdict {
        error,
        hard,
        mtu: None,
    })
}

impl Stack {
    /// Takes in a message. The checksum is always verified: devices do not check it.
    pub(crate) fn icmp6_input<M: ClientMemory>(
        &mut self,
        incoming: &Incoming<'_, Ipv6Addr>,
        whole: &Whole<'_>,
        memory: &mut M,
        now: Instant,
    ) -> Result<(), Drop> {
        let pseudo = Pseudo::v6(incoming.source(), incoming.destination());
        let envelope = Envelope::parse(whole.payload, Check::Verify(pseudo))?;
        if ndp::is_kind(envelope.kind) {
            let has_fragment_header = whole.has_fragment_header;
            let message = ndp::Message::parse(&envelope, incoming.header, has_fragment_header)?;
            return self.ndp_input(incoming.interface, incoming, &message, now);
        }
        if mld::is_kind(envelope.kind) {
            return self.mld_input(incoming, &envelope, whole, now);
        }
        // Who has no address can be told nothing, and says nothing else.
        if incoming.source().is_unspecified() {
            return Err(Drop::Ipv6Source);
        }
        let message = Message::parse(&envelope)?;
        match message.header {
            Header::EchoRequest {
                identifier,
                sequence,
            } => self.echo6(incoming, (identifier, sequence), message.body, now),
            Header::EchoReply {
                identifier,
                sequence,
            } => {
                let from = IpAddr::V6(incoming.source());
                let asked = (identifier, sequence);
                let size = message.body.len();
                self.ping_answered((from, incoming.hops()), asked, size, now)
                    .ok_or(Drop::Icmp6Unrelated)
            }
            _ => self.icmp6_error_input(incoming, &message, memory, now),
        }
    }

    /// RFC 4443 section 4.2: sends back what came; to groups, so often as errors are sent.
    fn echo6(
        &mut self,
        incoming: &Incoming<'_, Ipv6Addr>,
        (identifier, sequence): (u16, u16),
        body: &[u8],
        now: Instant,
    ) -> Result<(), Drop> {
        if !self.config.answer_echo {
            return Err(Drop::Icmp6EchoDisabled);
        }
        if incoming.scope != Scope::Own && !self.icmp6_limit.take(now) {
            self.stats.count(Counter::IcmpErrorsLimited);
            return Err(Drop::Icmp6EchoToGroup);
        }
        let path = self.answer_path(incoming).ok_or(Drop::NoRoute)?;
        let reply = Header::EchoReply {
            identifier,
            sequence,
        };
        if self.queue_icmp6(&path, incoming.source(), &reply, body, Owner::None) {
            self.stats.count(Counter::EchoReplies);
        }
        Ok(())
    }

    /// Tells the one concerned what became of its packet.
    fn icmp6_error_input<M: ClientMemory>(
        &mut self,
        incoming: &Incoming<'_, Ipv6Addr>,
        message: &Message<'_>,
        memory: &mut M,
        now: Instant,
    ) -> Result<(), Drop> {
        let quote = message.quote()?;
        let verdict = verdict(&message.header).ok_or(Drop::Icmp6Unrelated)?;
        // Only what we have sent can have gone wrong.
        if incoming.scope != Scope::Own || !self.is_own(quote.header.source) {
            return Err(Drop::Icmp6Unrelated);
        }
        let ends = (quote.header.source, quote.header.destination);
        let carried = (quote.protocol, quote.start().unwrap_or_default());
        let report = Report::new(incoming, ends, carried);
        let is_heeded = match verdict.mtu {
            Some(mtu) if carried.0 != Protocol::TCP => self.packet_too_big(&report, mtu, now),
            _ => false,
        };
        let told = match quote.protocol {
            Protocol::TCP => {
                let (ports, sequence) = (quote.ports(), quote.tcp_sequence());
                self.tcp_error(ends, ports, sequence, verdict, now)
            }
            Protocol::UDP => self.udp_error(&report, quote.ports(), verdict, memory, now),
            Protocol::ICMPV6 => {
                let from = incoming.source().into();
                self.ping_error(ends.1.into(), quote.echo(), verdict, from)
            }
            _ => false,
        };
        if !(self.raw_error(&report, memory) || told || is_heeded) {
            return Err(Drop::Icmp6Unrelated);
        }
        self.stats.count(Counter::IcmpErrorsDelivered);
        Ok(())
    }
}
