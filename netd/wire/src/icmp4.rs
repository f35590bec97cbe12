//! ICMP for IPv4.
//!
//! *Owns*: the messages a host sends and understands, and their codes.
//! *Never*: decides when to send one or how often.
//!
//! *Spec*: RFC 792; RFC 1122 section 3.2.2; RFC 1191 section 4 (MTU); RFC 1812 section 5.2.7.1.
//! Source quench (RFC 6633) and the obsolete types of RFC 6918 are not understood.

use core::net::Ipv4Addr;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::ipv4::Quote;
use crate::{Drop, Headroom, NoRoom, Sum, checksum};

/// Length of the header in bytes.
pub const HEADER_LEN: usize = 8;

/// An error quotes so much of the packet that it fits in this many bytes, IP header included
/// (RFC 1812 section 4.3.2.3).
pub const MAX_ERROR_PACKET: usize = 576;

const ECHO_REPLY: u8 = 0;
const UNREACHABLE: u8 = 3;
const REDIRECT: u8 = 5;
pub(crate) const ECHO_REQUEST: u8 = 8;
const TIME_EXCEEDED: u8 = 11;
const PARAMETER_PROBLEM: u8 = 12;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Raw {
    kind: u8,
    code: u8,
    checksum: [u8; 2],
    rest: [u8; 4],
}

const _: () = assert!(size_of::<Raw>() == HEADER_LEN);

/// What an ICMP message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// "Send this back."
    EchoRequest {
        /// Tells one asker from another.
        identifier: u16,
        /// Tells one question from another.
        sequence: u16,
    },
    /// "Here it is."
    EchoReply {
        /// The request's.
        identifier: u16,
        /// The request's.
        sequence: u16,
    },
    /// The quoted packet could not be delivered.
    Unreachable(Unreachable),
    /// The quoted packet has a better first hop.
    Redirect {
        /// The code, 0 to 3: for a network or a host, for one type of service or all.
        code: u8,
        /// The better one.
        to: Ipv4Addr,
    },
    /// The quoted packet took too long.
    TimeExceeded(TimeExceeded),
    /// The quoted packet's header makes no sense.
    ParameterProblem(ParameterProblem),
}

/// What could not be reached (RFC 792; codes 6 to 13 RFC 1122 section 3.2.2.1 and RFC 1812).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// The network.
    Network,
    /// The host.
    Host,
    /// The protocol on the host.
    Protocol,
    /// The port on the host.
    Port,
    /// The packet is too long for a link on its way and must not be fragmented.
    FragmentationNeeded {
        /// The link's MTU in bytes; zero from routers older than RFC 1191.
        mtu: u16,
    },
    /// The source route did not work.
    SourceRoute,
    /// A policy forbids it: codes 9, 10 and 13.
    Prohibited {
        /// The code.
        code: u8,
    },
    /// Any other code: network or host are unknown, isolated, or refuse the type of service.
    Other {
        /// The code.
        code: u8,
    },
}

/// What took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeExceeded {
    /// The packet passed as many routers as its time to live allowed.
    Transit,
    /// Not all fragments arrived in time.
    Reassembly,
}

/// What is wrong with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterProblem {
    /// The byte at this place.
    Pointer(u8),
    /// An option is missing, or a length is wrong: code 1 or 2.
    Other {
        /// The code.
        code: u8,
    },
}

/// A received message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// What it says.
    pub header: Header,
    /// The data of an echo; the start of the packet that an error is about.
    pub body: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a message from an IP payload. The checksum is always verified: ICMP is rare, and
    /// devices do not check it.
    ///
    /// # Errors
    /// [`Drop::Icmp4Short`], [`Drop::Icmp4Checksum`], [`Drop::Icmp4UnknownType`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Drop> {
        let (raw, body) = Raw::ref_from_prefix(bytes).map_err(|_| Drop::Icmp4Short)?;
        if !checksum::sum(bytes).is_valid() {
            return Err(Drop::Icmp4Checksum);
        }
        let [a, b, c, d] = raw.rest;
        let (identifier, sequence) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let header = match (raw.kind, raw.code) {
            (ECHO_REQUEST, 0) => Header::EchoRequest {
                identifier,
                sequence,
            },
            (ECHO_REPLY, 0) => Header::EchoReply {
                identifier,
                sequence,
            },
            (UNREACHABLE, code) => Header::Unreachable(Unreachable::from_code(code, sequence)?),
            (REDIRECT, 0..=3) => Header::Redirect {
                code: raw.code,
                to: raw.rest.into(),
            },
            (TIME_EXCEEDED, 0) => Header::TimeExceeded(TimeExceeded::Transit),
            (TIME_EXCEEDED, 1) => Header::TimeExceeded(TimeExceeded::Reassembly),
            (PARAMETER_PROBLEM, 0) => Header::ParameterProblem(ParameterProblem::Pointer(a)),
            (PARAMETER_PROBLEM, code @ (1 | 2)) => {
                Header::ParameterProblem(ParameterProblem::Other { code })
            }
            // RFC 1122 section 3.2.2: a message of unknown type must be silently discarded.
            _ => return Err(Drop::Icmp4UnknownType),
        };
        Ok(Self { header, body })
    }

    /// The packet of ours that this error is about.
    ///
    /// # Errors
    /// [`Drop::Icmp4Quote`] when it cannot be made out, also for a message that is no error.
    pub fn quote(&self) -> Result<Quote<'a>, Drop> {
        if self.header.is_error() {
            Quote::parse(self.body)
        } else {
            Err(Drop::Icmp4Quote)
        }
    }
}

impl Unreachable {
    fn from_code(code: u8, mtu: u16) -> Result<Self, Drop> {
        Ok(match code {
            0 => Self::Network,
            1 => Self::Host,
            2 => Self::Protocol,
            3 => Self::Port,
            4 => Self::FragmentationNeeded { mtu },
            5 => Self::SourceRoute,
            9 | 10 | 13 => Self::Prohibited { code },
            6..=15 => Self::Other { code },
            _ => return Err(Drop::Icmp4UnknownType),
        })
    }

    const fn code(self) -> u8 {
        match self {
            Self::Network => 0,
            Self::Host => 1,
            Self::Protocol => 2,
            Self::Port => 3,
            Self::FragmentationNeeded { .. } => 4,
            Self::SourceRoute => 5,
            Self::Prohibited { code } | Self::Other { code } => code,
        }
    }
}

impl Header {
    /// Whether this is an error about a packet, and so must never be answered by another one
    /// (RFC 1122 section 3.2.2).
    #[must_use]
    pub const fn is_error(&self) -> bool {
        match self {
            Self::EchoRequest { .. } | Self::EchoReply { .. } => false,
            Self::Unreachable(_)
            | Self::Redirect { .. }
            | Self::TimeExceeded(_)
            | Self::ParameterProblem(_) => true,
        }
    }

    /// Puts the header in front of its body, of which `body` is the sum: the data of an echo, or
    /// the start of the packet in question.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub fn emit(&self, room: &mut Headroom<'_>, body: Sum) -> Result<(), NoRoom> {
        let two = |a: u16, b: u16| {
            let ([a, b], [c, d]) = (a.to_be_bytes(), b.to_be_bytes());
            [a, b, c, d]
        };
        let (kind, code, rest) = match *self {
            Self::EchoRequest {
                identifier,
                sequence,
            } => (ECHO_REQUEST, 0, two(identifier, sequence)),
            Self::EchoReply {
                identifier,
                sequence,
            } => (ECHO_REPLY, 0, two(identifier, sequence)),
            Self::Unreachable(Unreachable::FragmentationNeeded { mtu }) => {
                (UNREACHABLE, 4, two(0, mtu))
            }
            Self::Unreachable(what) => (UNREACHABLE, what.code(), [0; 4]),
            Self::Redirect { code, to } => (REDIRECT, code, to.octets()),
            Self::TimeExceeded(TimeExceeded::Transit) => (TIME_EXCEEDED, 0, [0; 4]),
            Self::TimeExceeded(TimeExceeded::Reassembly) => (TIME_EXCEEDED, 1, [0; 4]),
            Self::ParameterProblem(ParameterProblem::Pointer(at)) => {
                (PARAMETER_PROBLEM, 0, [at, 0, 0, 0])
            }
            Self::ParameterProblem(ParameterProblem::Other { code }) => {
                (PARAMETER_PROBLEM, code, [0; 4])
            }
        };
        let mut raw = Raw {
            kind,
            code,
            checksum: [0; 2],
            rest,
        };
        raw.checksum = checksum::sum(raw.as_bytes()).plus(body).finish();
        room.prepend(raw.as_bytes())
    }
}

#[cfg(test)]
mod tests;
