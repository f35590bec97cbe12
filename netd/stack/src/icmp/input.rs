//! ICMP messages that come in.
//!
//! *Owns* what is answered and who is told. An error is believed only when it quotes something that
//! we have sent: a port, a sequence number in flight, a ping that waits (RFC 5927 4.1).
//!
//! Spec: RFC 792; RFC 1122 3.2.2.

use crate::error::SocketError;
use crate::icmp::errors::write_message;
use crate::interface::Scope;
use crate::ip::incoming::Incoming;
use crate::ip::out::USUAL_HOPS;
use crate::memory::ClientMemory;
use crate::packets::Owner;
use crate::stack::Stack;
use crate::stats::Counter;
use crate::udp::details::Report;
use ::tcp::Instant;
use wire::icmp4::{Header, Message, TimeExceeded, Unreachable};
use wire::{Drop, Protocol};

/// What an error means for whoever sent the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// What to tell the socket.
    pub(crate) error: SocketError,
    /// It will not go away by itself (RFC 1122 4.2.3.9): protocol or port unreachable, too big.
    pub(crate) hard: bool,
    /// The MTU of the link that was too narrow, where the router says so.
    pub(crate) mtu: Option<u16>,
}

/// The meaning of an error message; `None` for what is no error, or none for us.
fn verdict(header: &Header) -> Option<Verdict> {
    let soft = |error| {
        Some(Verdict {
            error,
            hard: false,
            mtu: None,
        })
    };
    match *header {
        Header::Unreachable(what) => match what {
            Unreachable::Port => Some(Verdict {
                error: SocketError::Refused,
                hard: true,
                mtu: None,
            }),
            Unreachable::Protocol => Some(Verdict {
                error: SocketError::ProtocolUnreachable,
                hard: true,
                mtu: None,
            }),
            Unreachable::FragmentationNeeded { mtu } => Some(Verdict {
                error: SocketError::TooBig,
                hard: false,
                mtu: Some(mtu),
            }),
            Unreachable::Network => soft(SocketError::NetworkUnreachable),
            Unreachable::Prohibited { .. } => soft(SocketError::Prohibited),
            Unreachable::Host | Unreachable::SourceRoute | Unreachable::Other { .. } => {
                soft(SocketError::HostUnreachable)
            }
        },
        Header::TimeExceeded(TimeExceeded::Transit | TimeExceeded::Reassembly) => {
            soft(SocketError::TimeExceeded)
        }
        Header::ParameterProblem(_) => soft(SocketError::ProtocolUnreachable),
        Header::EchoRequest { .. } | Header::EchoReply { .. } | Header::Redirect { .. } => None,
    }
}

impl Stack {
    /// Takes in a message.
    pub(crate) fn icmp_input<M: ClientMemory>(
        &mut self,
        incoming: &Incoming<'_>,
        memory: &mut M,
        now: Instant,
    ) -> Result<(), Drop> {
        let message = Message::parse(incoming.payload)?;
        match message.header {
            Header::EchoRequest {
                identifier,
                sequence,
            } => self.echo(incoming, identifier, sequence, message.body),
            Header::EchoReply {
                identifier,
                sequence,
            } => {
                let from = (incoming.source().into(), incoming.hops());
                let asked = (identifier, sequence);
                let size = message.body.len();
                self.ping_answered(from, asked, size, now)
                    .ok_or(Drop::Icmp4Unrelated)
            }
            Header::Unreachable(_) | Header::TimeExceeded(_) | Header::ParameterProblem(_) => {
                self.icmp_error_input(incoming, &message, memory, now)
            }
            Header::Redirect { to, .. } => self.icmp_redirect(incoming, to, &message.quote()?),
        }
    }

    /// RFC 1122 3.2.2.6: sends back what came.
    fn echo(
        &mut self,
        incoming: &Incoming<'_>,
        identifier: u16,
        sequence: u16,
        body: &[u8],
    ) -> Result<(), Drop> {
        if !self.config.answer_echo {
            return Err(Drop::Icmp4EchoDisabled);
        }
        // RFC 1122 3.2.2.6 permits to discard these: they are how floods are amplified.
        if incoming.scope != Scope::Own {
            return Err(Drop::Icmp4EchoToGroup);
        }
        let to = incoming.source();
        let path = self
            .path_again(to, incoming.destination())
            .ok_or(Drop::NoRoute)?;
        let header = self.header(&path, to, Protocol::ICMP, USUAL_HOPS);
        let reply = Header::EchoReply {
            identifier,
            sequence,
        };
        let len = incoming.payload.len();
        if self.queue_packet(&path, &header, len, Owner::None, |payload| {
            write_message(&reply, body, payload)
        }) {
            self.stats.count(Counter::EchoReplies);
        }
        Ok(())
    }

    /// Tells the one concerned what became of its packet.
    fn icmp_error_input<M: ClientMemory>(
        &mut self,
        incoming: &Incoming<'_>,
        message: &Message<'_>,
        memory: &mut M,
        now: Instant,
    ) -> Result<(), Drop> {
        let quote = message.quote()?;
        let verdict = verdict(&message.header).ok_or(Drop::Icmp4UnknownType)?;
        // Only what we have sent can have gone wrong.
        if incoming.scope != Scope::Own || !self.is_own(quote.header.source) {
            return Err(Drop::Icmp4Unrelated);
        }
        let ends = (quote.header.source, quote.header.destination);
        let carried = (quote.header.protocol, quote.start().unwrap_or_default());
        let report = Report::new(incoming, ends, carried);
        let is_heeded = match verdict.mtu {
            Some(mtu) if carried.0 != Protocol::TCP => self.packet_too_big(&report, mtu, now),
            _ => false,
        };
        let told = match quote.header.protocol {
            Protocol::TCP => {
                let (ports, sequence) = (quote.ports(), quote.tcp_sequence());
                self.tcp_error(ends, ports, sequence, verdict, now)
            }
            Protocol::UDP => self.udp_error(&report, quote.ports(), verdict, memory, now),
            Protocol::ICMP => {
                let (to, from) = (quote.header.destination, incoming.source());
                self.ping_error(to.into(), quote.echo(), verdict, from.into())
            }
            _ => false,
        };
        if !(self.raw_error(&report, memory) || told || is_heeded) {
            return Err(Drop::Icmp4Unrelated);
        }
        self.stats.count(Counter::IcmpErrorsDelivered);
        Ok(())
    }
}
