//! ICMP for IPv6.
//!
//! *Owns*: what all of its messages have in common ([`Envelope`]), and the errors and echoes that a
//! host sends and understands. Those about neighbours and routers are in [`ndp`](crate::ndp).
//! *Never*: decides when to send one or how often.
//!
//! *Spec*: RFC 4443; RFC 7112 section 5, RFC 8883 section 2 (codes of parameter problems).

use zerocopy::byteorder::big_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::ipv6::Quote;
use crate::{Check, Drop, Headroom, NoRoom, Protocol, Seal, checksum};

/// Length in bytes of the header of an error or echo.
pub const HEADER_LEN: usize = 8;

/// An error quotes so much of the packet that it fits in this many bytes, IPv6 header included
/// (RFC 4443 section 2.4 c).
pub const MAX_ERROR_PACKET: usize = crate::ipv6::MIN_MTU;

/// Type, code and checksum.
const ENVELOPE_LEN: usize = 4;

const UNREACHABLE: u8 = 1;
const PACKET_TOO_BIG: u8 = 2;
const TIME_EXCEEDED: u8 = 3;
const PARAMETER_PROBLEM: u8 = 4;
const LAST_ERROR: u8 = 127;
pub(crate) const ECHO_REQUEST: u8 = 128;
const ECHO_REPLY: u8 = 129;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawEnvelope {
    kind: u8,
    code: u8,
    checksum: [u8; 2],
}

const _: () = assert!(size_of::<RawEnvelope>() == ENVELOPE_LEN);

/// A received message whose checksum was right, of whatever kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope<'a> {
    /// The type.
    pub kind: u8,
    /// What the type makes of it.
    pub code: u8,
    /// What follows the checksum.
    pub body: &'a [u8],
}

impl<'a> Envelope<'a> {
    /// Reads what a packet carries.
    ///
    /// # Errors
    /// [`Drop::Icmp6Short`], [`Drop::Icmp6Checksum`].
    pub fn parse(bytes: &'a [u8], check: Check) -> Result<Self, Drop> {
        let (raw, body) = RawEnvelope::ref_from_prefix(bytes).map_err(|_| Drop::Icmp6Short)?;
        if let Check::Verify(pseudo) = check {
            let len = u32::try_from(bytes.len()).map_err(|_| Drop::Icmp6Checksum)?;
            let sum = pseudo.with(Protocol::ICMPV6, len);
            if !sum.plus(checksum::sum(bytes)).is_valid() {
                return Err(Drop::Icmp6Checksum);
            }
        }
        Ok(Self {
            kind: raw.kind,
            code: raw.code,
            body,
        })
    }
}

/// Puts type, code and checksum in front of a message's body of `len` bytes, `seal` made of their sum.
pub(crate) fn close(
    room: &mut Headroom<'_>,
    (kind, code): (u8, u8),
    len: usize,
    seal: Seal,
) -> Result<(), NoRoom> {
    let mut raw = RawEnvelope {
        kind,
        code,
        checksum: [0; 2],
    };
    let len = len.checked_add(ENVELOPE_LEN).ok_or(NoRoom)?;
    raw.checksum = seal.field(Protocol::ICMPV6, len, || checksum::sum(raw.as_bytes()));
    room.prepend(raw.as_bytes())
}

/// What an error or an echo says.
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
    /// The quoted packet is too long for a link on its way.
    PacketTooBig {
        /// The link's MTU in bytes.
        mtu: u32,
    },
    /// The quoted packet took too long.
    TimeExceeded(TimeExceeded),
    /// Something in the quoted packet makes no sense.
    ParameterProblem(ParameterProblem),
    /// An error of a type that is not known: it is told to whoever sent the quoted packet (RFC 4443
    /// section 2.4 a).
    Unknown {
        /// The type, 0 or 5 to 127.
        kind: u8,
        /// The code.
        code: u8,
    },
}

/// What could not be reached (RFC 4443 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// No route leads there.
    NoRoute,
    /// A policy forbids it.
    Prohibited,
    /// It is beyond the scope of the source address.
    BeyondScope,
    /// The address.
    Address,
    /// The port on the host.
    Port,
    /// The source address fails a policy.
    SourcePolicy,
    /// The route there refuses everything.
    RejectRoute,
    /// Any other code.
    Other {
        /// The code, 7 or above.
        code: u8,
    },
}

/// What took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeExceeded {
    /// The packet passed as many routers as its hop limit allowed.
    Transit,
    /// Not all fragments arrived in time.
    Reassembly,
}

/// What is wrong with a packet, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterProblem {
    /// What.
    pub cause: Cause,
    /// The place in the packet.
    pub pointer: u32,
}

/// What is wrong with a packet (RFC 4443 section 3.4; the limits RFC 8883 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A field makes no sense.
    Field,
    /// Nothing speaks what a header names.
    NextHeader,
    /// An option is not known.
    Option,
    /// A first fragment has not all of the packet's headers (RFC 7112 section 5).
    FirstFragment,
    /// One header is too big.
    HeaderTooBig,
    /// All headers together are too big.
    ChainTooLong,
    /// There are too many headers.
    TooManyHeaders,
    /// There are too many options in a header.
    TooManyOptions,
    /// One option is too big.
    OptionTooBig,
    /// Any other code.
    Other {
        /// The code.
        code: u8,
    },
}

/// A received error or echo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// What it says.
    pub header: Header,
    /// The data of an echo; the start of the packet that an error is about.
    pub body: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads the message in an envelope.
    ///
    /// # Errors
    /// [`Drop::Icmp6Short`], [`Drop::Icmp6UnknownType`].
    pub fn parse(envelope: &Envelope<'a>) -> Result<Self, Drop> {
        let Envelope { kind, code, body } = *envelope;
        let (word, body) = body.split_first_chunk().ok_or(Drop::Icmp6Short)?;
        let [a, b, c, d] = *word;
        let (identifier, sequence) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let number = u32::from_be_bytes(*word);
        let header = match (kind, code) {
            (ECHO_REQUEST, 0) => Header::EchoRequest {
                identifier,
                sequence,
            },
            (ECHO_REPLY, 0) => Header::EchoReply {
                identifier,
                sequence,
            },
            (UNREACHABLE, code) => Header::Unreachable(Unreachable::from_code(code)),
            // RFC 4443 section 3.2: the receiver ignores the code.
            (PACKET_TOO_BIG, _) => Header::PacketTooBig { mtu: number },
            (TIME_EXCEEDED, 0) => Header::TimeExceeded(TimeExceeded::Transit),
            (TIME_EXCEEDED, 1) => Header::TimeExceeded(TimeExceeded::Reassembly),
            (PARAMETER_PROBLEM, code) => Header::ParameterProblem(ParameterProblem {
                cause: Cause::from_code(code),
                pointer: number,
            }),
            (0 | 5..=LAST_ERROR, _) => Header::Unknown { kind, code },
            // RFC 4443 section 2.4 b: what only informs, and is not known, is silently discarded.
            _ => return Err(Drop::Icmp6UnknownType),
        };
        Ok(Self { header, body })
    }

    /// The packet of ours that this error is about.
    ///
    /// # Errors
    /// [`Drop::Icmp6Quote`] when it cannot be made out, also for a message that is no error.
    pub fn quote(&self) -> Result<Quote<'a>, Drop> {
        if self.header.is_error() {
            Quote::parse(self.body)
        } else {
            Err(Drop::Icmp6Quote)
        }
    }
}

impl Unreachable {
    const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::NoRoute,
            1 => Self::Prohibited,
            2 => Self::BeyondScope,
            3 => Self::Address,
            4 => Self::Port,
            5 => Self::SourcePolicy,
            6 => Self::RejectRoute,
            code => Self::Other { code },
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::NoRoute => 0,
            Self::Prohibited => 1,
            Self::BeyondScope => 2,
            Self::Address => 3,
            Self::Port => 4,
            Self::SourcePolicy => 5,
            Self::RejectRoute => 6,
            Self::Other { code } => code,
        }
    }
}

impl Cause {
    const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Field,
            1 => Self::NextHeader,
            2 => Self::Option,
            3 => Self::FirstFragment,
            6 => Self::HeaderTooBig,
            7 => Self::ChainTooLong,
            8 => Self::TooManyHeaders,
            9 => Self::TooManyOptions,
            10 => Self::OptionTooBig,
            code => Self::Other { code },
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Field => 0,
            Self::NextHeader => 1,
            Self::Option => 2,
            Self::FirstFragment => 3,
            Self::HeaderTooBig => 6,
            Self::ChainTooLong => 7,
            Self::TooManyHeaders => 8,
            Self::TooManyOptions => 9,
            Self::OptionTooBig => 10,
            Self::Other { code } => code,
        }
    }
}

impl TimeExceeded {
    const fn code(self) -> u8 {
        match self {
            Self::Transit => 0,
            Self::Reassembly => 1,
        }
    }
}

impl Header {
    /// Whether this is an error about a packet, and so must never be answered by another one
    /// (RFC 4443 section 2.4 e).
    #[must_use]
    pub const fn is_error(&self) -> bool {
        !matches!(self, Self::EchoRequest { .. } | Self::EchoReply { .. })
    }

    /// Puts the header in front of its body of `body_len` bytes: the data of an echo, or the start of
    /// the packet in question.
    ///
    /// # Errors
    /// [`NoRoom`].
    pub fn emit(&self, room: &mut Headroom<'_>, body_len: usize, seal: Seal) -> Result<(), NoRoom> {
        let two = |a: u16, b: u16| u32::from(a) << 16 | u32::from(b);
        let (kind, code, word) = match *self {
            Self::EchoRequest {
                identifier,
                sequence,
            } => (ECHO_REQUEST, 0, two(identifier, sequence)),
            Self::EchoReply {
                identifier,
                sequence,
            } => (ECHO_REPLY, 0, two(identifier, sequence)),
            Self::Unreachable(what) => (UNREACHABLE, what.code(), 0),
            Self::PacketTooBig { mtu } => (PACKET_TOO_BIG, 0, mtu),
            Self::TimeExceeded(what) => (TIME_EXCEEDED, what.code(), 0),
            Self::ParameterProblem(ParameterProblem { cause, pointer }) => {
                (PARAMETER_PROBLEM, cause.code(), pointer)
            }
            Self::Unknown { kind, code } => (kind, code, 0),
        };
        let word = U32::new(word);
        room.prepend(word.as_bytes())?;
        let len = body_len.checked_add(size_of::<U32>()).ok_or(NoRoom)?;
        close(room, (kind, code), len, seal.behind(word.as_bytes()))
    }
}

#[cfg(test)]
mod tests;
