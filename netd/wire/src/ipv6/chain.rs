//! The headers between the fixed one and what a packet carries.
//!
//! *Owns*: their order, the limits of their number and size, the options in them, and what a
//! sender is to be told about those that are refused. *Never*: tells it; a stack sends the error,
//! or not, by its own rules.
//!
//! *Spec*: RFC 8200 section 4; RFC 5095 and RFC 6275 section 6.4 (nobody routes through us); RFC 2711 (router alert);
//! RFC 7112 (first fragments); RFC 8504 section 5.3 and RFC 8883 (limits).

use core::net::Ipv6Addr;

use zerocopy::FromBytes;

use super::fragment::Raw as RawFragment;
use super::{FRAGMENT_LEN, Fragment, HEADER_LEN, NEXT_HEADER_AT, Packet};
use crate::icmp6::{Cause, ParameterProblem};
use crate::{Drop, Headroom, NoRoom, Protocol, icmp6, tcp, udp};

/// The most headers that stand between the fixed one and what a packet carries. A packet that uses
/// each as RFC 8200 section 4.1 recommends has five.
pub const MAX_HEADERS: usize = 8;

/// The most bytes that they take together.
pub const MAX_CHAIN: usize = 512;

/// The most options in one header, padding not counted (RFC 8504 section 5.3).
pub const MAX_OPTIONS: usize = 8;

/// Nothing wants to be aligned to more than eight bytes (RFC 8504 section 5.3).
const MAX_PADDING: usize = 7;

/// Length in bytes of a hop-by-hop header with a router alert.
pub const ROUTER_ALERT_LEN: usize = 8;

/// Where the fixed header says how long the packet is.
const PAYLOAD_LENGTH_AT: usize = 4;

/// The longest packet that can be put together again.
const MAX_PAYLOAD: usize = 65_535;

/// The routing header that leads to another address of the same host.
const HOME: u8 = 2;
const PAD_1: u8 = 0;
const PAD_N: u8 = 1;
const ROUTER_ALERT: u8 = 5;
const JUMBO_PAYLOAD: u8 = 0xc2;

/// What a packet turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// A packet.
    Whole(Whole<'a>),
    /// A part of one.
    Part(Part<'a>),
}

/// What a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole<'a> {
    /// What it is.
    pub protocol: Protocol,
    /// The place in the packet of the byte that says so, for the error that nothing here speaks it.
    pub named_at: usize,
    /// It, up to the end of the packet's first slice.
    pub payload: &'a [u8],
    /// The packet's routers are asked to look at it (RFC 2711 section 2.1).
    pub router_alert: Option<u16>,
    /// It came with a fragment header, though in one piece: some messages must not (RFC 6980).
    pub has_fragment_header: bool,
    /// Where in the packet a routing header of type 2 names the address of ours that it is for; zero
    /// without one.
    pub home_at: u16,
}

/// A part of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// Where in the packet it belongs.
    pub fragment: Fragment,
    /// What the packet carries behind its fragment header.
    pub next: Protocol,
    /// The headers in front of the fragment header, which every part repeats.
    pub before: &'a [u8],
    /// The part itself.
    pub payload: &'a [u8],
}

/// Why a packet's headers were refused, and what is to be said about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub reason: Drop,
    /// What the sender is to be told, if anything.
    pub answer: Option<Answer>,
}

/// What a sender is to be told about its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The message.
    pub problem: ParameterProblem,
    /// It is told even if the packet was for a group (RFC 4443 section 2.4 e.3).
    pub even_to_group: bool,
}

impl Refusal {
    const fn silent(reason: Drop) -> Self {
        Self {
            reason,
            answer: None,
        }
    }

    fn told(reason: Drop, cause: Cause, at: usize) -> Self {
        let pointer = u32::try_from(at).unwrap_or(0);
        Self {
            reason,
            answer: Some(Answer {
                problem: ParameterProblem { cause, pointer },
                even_to_group: false,
            }),
        }
    }
}

/// A walk from header to header.
struct Walk<'a> {
    packet: Packet<'a>,
    /// The header at hand.
    here: Protocol,
    /// Where it starts.
    at: usize,
    /// Where the header before it names it.
    named_at: usize,
    router_alert: Option<u16>,
    has_fragment_header: bool,
    home_at: u16,
}

pub(super) fn walk<'a>(packet: &Packet<'a>) -> Result<Content<'a>, Refusal> {
    let mut walk = Walk {
        packet: *packet,
        here: packet.header.next,
        at: HEADER_LEN,
        named_at: NEXT_HEADER_AT,
        router_alert: None,
        has_fragment_header: false,
        home_at: 0,
    };
    for _ in 0..=MAX_HEADERS {
        match walk.here {
            // RFC 8200 section 4.1: only directly behind the fixed header, else it is not known.
            Protocol::HOP_BY_HOP if walk.at != HEADER_LEN => {
                let reason = Drop::Ipv6ExtensionPlace;
                return Err(Refusal::told(reason, Cause::NextHeader, walk.named_at));
            }
            Protocol::HOP_BY_HOP | Protocol::DESTINATION => walk.options()?,
            Protocol::ROUTING => walk.routing()?,
            Protocol::FRAGMENT => {
                if let Some(part) = walk.fragment()? {
                    return Ok(Content::Part(part));
                }
            }
            protocol => {
                let payload = packet.bytes.get(walk.at..).unwrap_or_default();
                return Ok(Content::Whole(Whole {
                    protocol,
                    named_at: walk.named_at,
                    payload,
                    router_alert: walk.router_alert,
                    has_fragment_header: walk.has_fragment_header,
                    home_at: walk.home_at,
                }));
            }
        }
    }
    let reason = Drop::Ipv6ExtensionLimit;
    Err(Refusal::told(reason, Cause::TooManyHeaders, walk.at))
}

impl<'a> Walk<'a> {
    /// The header at hand, which says its length in its second byte.
    fn header(&self) -> Result<&'a [u8], Refusal> {
        let bytes = self.packet.bytes.get(self.at..).unwrap_or_default();
        let &[_, eights, ..] = bytes else {
            return Err(Refusal::silent(Drop::Ipv6ExtensionShort));
        };
        let len = length(eights);
        let chain = self.at.saturating_sub(HEADER_LEN).saturating_add(len);
        if chain > MAX_CHAIN {
            let reason = Drop::Ipv6ExtensionLimit;
            return Err(Refusal::told(reason, Cause::ChainTooLong, self.at));
        }
        let header = bytes.get(..len);
        header.ok_or(Refusal::silent(Drop::Ipv6ExtensionShort))
    }

    /// Goes on to what the header at hand names.
    fn step(&mut self, header: &[u8]) {
        if let [next, ..] = header {
            self.here = Protocol(*next);
        }
        self.named_at = self.at;
        self.at = self.at.saturating_add(header.len());
    }

    /// RFC 8200 section 4.4, and RFC 5095 section 3: a header of a type that is not known is skipped
    /// when it has no more to say, and else refused. The only one that is known leads to another address
    /// of the same host (RFC 6275 section 6.4), and so one is enough.
    fn routing(&mut self) -> Result<(), Refusal> {
        let header = self.header()?;
        match header {
            [_, 2, HOME, 1, ..] if self.home_at == 0 => {
                self.home_at = u16::try_from(self.at.saturating_add(8)).unwrap_or(0);
                self.step(header);
                Ok(())
            }
            [_, _, _, 0, ..] => {
                self.step(header);
                Ok(())
            }
            _ => {
                let at = self.at.saturating_add(2);
                Err(Refusal::told(Drop::Ipv6Routing, Cause::Field, at))
            }
        }
    }

    fn options(&mut self) -> Result<(), Refusal> {
        let header = self.header()?;
        let mut rest = header.get(2..).unwrap_or_default();
        let (mut options, mut padding) = (0_usize, 0_usize);
        while let [kind, behind @ ..] = rest {
            let at = self
                .at
                .saturating_add(header.len())
                .saturating_sub(rest.len());
            let len = match (*kind, behind) {
                (PAD_1, _) => 1,
                (_, [len, ..]) => usize::from(*len).saturating_add(2),
                (_, []) => return Err(Refusal::silent(Drop::Ipv6Option)),
            };
            let Some((option, behind)) = rest.split_at_checked(len) else {
                return Err(Refusal::silent(Drop::Ipv6Option));
            };
            if matches!(*kind, PAD_1 | PAD_N) {
                padding = padding.saturating_add(len);
            } else {
                padding = 0;
                options = options.saturating_add(1);
            }
            if options > MAX_OPTIONS || padding > MAX_PADDING {
                let reason = Drop::Ipv6OptionLimit;
                return Err(Refusal::told(reason, Cause::TooManyOptions, at));
            }
            self.option(option, at)?;
            rest = behind;
        }
        self.step(header);
        Ok(())
    }

    fn option(&mut self, option: &[u8], at: usize) -> Result<(), Refusal> {
        match (self.here, option) {
            (_, [PAD_1 | PAD_N, ..]) => Ok(()),
            (Protocol::HOP_BY_HOP, [ROUTER_ALERT, rest @ ..]) => match *rest {
                [2, a, b] => {
                    self.router_alert.get_or_insert(u16::from_be_bytes([a, b]));
                    Ok(())
                }
                _ => Err(Refusal::silent(Drop::Ipv6Option)),
            },
            (_, [kind, ..]) => self.unknown(*kind, at),
            (_, []) => Ok(()),
        }
    }

    /// RFC 8200 section 4.2: what becomes of the packet is in the kind's two high bits. Nothing here
    /// speaks of jumbograms (RFC 2675), so that their option is as good as unknown.
    fn unknown(&self, kind: u8, at: usize) -> Result<(), Refusal> {
        let reason = match kind {
            JUMBO_PAYLOAD => Drop::Ipv6Jumbo,
            _ => Drop::Ipv6UnknownOption,
        };
        let told = Refusal::told(reason, Cause::Option, at);
        match kind >> 6 {
            0b00 => Ok(()),
            0b01 => Err(Refusal::silent(reason)),
            0b10 => Err(Refusal {
                answer: told.answer.map(|answer| Answer {
                    even_to_group: true,
                    ..answer
                }),
                ..told
            }),
            _ if self.packet.header.destination.is_multicast() => Err(Refusal::silent(reason)),
            _ => Err(told),
        }
    }

    /// The part of a packet that starts here; nothing when it is all of it, which is read on like
    /// any other (RFC 6946 section 4).
    fn fragment(&mut self) -> Result<Option<Part<'a>>, Refusal> {
        let bytes = self.packet.bytes.get(self.at..).unwrap_or_default();
        let (raw, payload) = RawFragment::ref_from_prefix(bytes)
            .map_err(|_| Refusal::silent(Drop::Ipv6ExtensionShort))?;
        let fragment = Fragment::from_raw(raw);
        if fragment.is_atomic() {
            self.has_fragment_header = true;
            let header = bytes.get(..FRAGMENT_LEN).unwrap_or_default();
            self.step(header);
            return Ok(None);
        }
        let part = Part {
            fragment,
            next: Protocol(raw.next_header),
            before: self.packet.bytes.get(..self.at).unwrap_or_default(),
            payload,
        };
        self.check(&part)?;
        Ok(Some(part))
    }

    /// RFC 8200 section 4.5: what is wrong with a part by itself.
    fn check(&self, part: &Part<'_>) -> Result<(), Refusal> {
        let len = part.payload.len();
        // A part of nothing tells nothing; one in several slices was to be joined before.
        if len == 0 || !self.packet.rest.is_empty() {
            return Err(Refusal::silent(Drop::Ipv6FragmentLength));
        }
        if part.fragment.more && !len.is_multiple_of(8) {
            let (reason, at) = (Drop::Ipv6FragmentLength, PAYLOAD_LENGTH_AT);
            return Err(Refusal::told(reason, Cause::Field, at));
        }
        let end = (usize::from(part.fragment.offset) << 3).saturating_add(len);
        let headers = part.before.len().saturating_sub(HEADER_LEN);
        if end.saturating_add(headers) > MAX_PAYLOAD {
            let at = self.at.saturating_add(2);
            let reason = Drop::Ipv6FragmentOffset;
            return Err(Refusal::told(reason, Cause::Field, at));
        }
        if part.fragment.offset == 0 && !is_complete(part.next, part.payload) {
            let reason = Drop::Ipv6FragmentChain;
            return Err(Refusal::told(reason, Cause::FirstFragment, 0));
        }
        Ok(())
    }
}

/// Whether all headers are there, that of the transport included (RFC 7112 section 5).
fn is_complete(next: Protocol, bytes: &[u8]) -> bool {
    let least = |protocol| match protocol {
        Protocol::TCP => tcp::HEADER_LEN,
        Protocol::UDP => udp::HEADER_LEN,
        Protocol::ICMPV6 => icmp6::HEADER_LEN,
        _ => 0,
    };
    skim(next, bytes).is_some_and(|skimmed| skimmed.payload.len() >= least(skimmed.protocol))
}

/// What lies behind headers that nobody obeys.
pub(super) struct Skimmed<'a> {
    pub(super) protocol: Protocol,
    pub(super) payload: &'a [u8],
    /// Not the start of what the packet carried: another part had that.
    pub(super) is_later_part: bool,
    /// Not all of what it carried: others follow, or came before.
    pub(super) is_part: bool,
    /// Whom a routing header of type 2 leads on to.
    pub(super) home: Option<Ipv6Addr>,
}

/// Passes over headers, `next` the first of them; `None` when they are cut off or too many.
pub(super) fn skim(next: Protocol, bytes: &[u8]) -> Option<Skimmed<'_>> {
    let (mut here, mut payload, mut is_part, mut home) = (next, bytes, false, None);
    for _ in 0..=MAX_HEADERS {
        let len = match (here, payload) {
            (Protocol::HOP_BY_HOP | Protocol::DESTINATION | Protocol::ROUTING, [_, eights, ..]) => {
                length(*eights)
            }
            (Protocol::FRAGMENT, _) => {
                let (raw, behind) = RawFragment::ref_from_prefix(payload).ok()?;
                let fragment = Fragment::from_raw(raw);
                is_part |= fragment.more;
                if fragment.offset != 0 {
                    return Some(Skimmed {
                        protocol: Protocol(raw.next_header),
                        payload: behind,
                        is_later_part: true,
                        is_part: true,
                        home,
                    });
                }
                FRAGMENT_LEN
            }
            (Protocol::HOP_BY_HOP | Protocol::DESTINATION | Protocol::ROUTING, _) => return None,
            _ => {
                return Some(Skimmed {
                    protocol: here,
                    payload,
                    is_later_part: false,
                    is_part,
                    home,
                });
            }
        };
        let (header, behind) = payload.split_at_checked(len)?;
        if here == Protocol::ROUTING && home.is_none() {
            home = home_of(header);
        }
        here = Protocol(*header.first()?);
        payload = behind;
    }
    None
}

/// Whom a routing header leads on to, if it is one that does (RFC 6275 section 6.4).
fn home_of(header: &[u8]) -> Option<Ipv6Addr> {
    match header.split_first_chunk::<8>()? {
        ([_, 2, HOME, 1, ..], home) => Some(Ipv6Addr::from(*home.first_chunk::<16>()?)),
        _ => None,
    }
}

/// The place of the byte that names what follows these headers.
pub(super) fn named_at(headers: &[u8]) -> Option<usize> {
    let (mut at, mut named_at) = (HEADER_LEN, NEXT_HEADER_AT);
    while at < headers.len() {
        named_at = at;
        let eights = headers.get(at.checked_add(1)?)?;
        at = at.checked_add(length(*eights))?;
    }
    (at == headers.len()).then_some(named_at)
}

/// The length of a header that counts the eights of bytes behind its first.
const fn length(eights: u8) -> usize {
    (eights as usize).saturating_add(1).saturating_mul(8)
}

/// Puts hop-by-hop options in front of what `next` says that ask all routers to look at it
/// (RFC 2711 section 2.1; 0 means that it is about membership of a group).
///
/// # Errors
/// [`NoRoom`].
pub fn emit_router_alert(
    room: &mut Headroom<'_>,
    value: u16,
    next: Protocol,
) -> Result<(), NoRoom> {
    let [a, b] = value.to_be_bytes();
    room.prepend(&[next.0, 0, ROUTER_ALERT, 2, a, b, PAD_N, 0])
}
