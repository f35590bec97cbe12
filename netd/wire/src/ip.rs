//! What IPv4 and IPv6 headers have in common.
//!
//! *Owns*: protocol numbers, the ECN field, and what an error's quote tells of a transport.
//! *Never*: addresses (they are `core::net`'s) or headers (they differ, see [`ipv4`](crate::ipv4)).

use core::fmt;

/// A transport protocol: IPv4's protocol field, IPv6's next header (IANA protocol numbers).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u8);

impl Protocol {
    /// IPv6's hop-by-hop options, RFC 8200 section 4.3.
    pub const HOP_BY_HOP: Self = Self(0);
    /// ICMP for IPv4, RFC 792.
    pub const ICMP: Self = Self(1);
    /// IGMP, RFC 3376.
    pub const IGMP: Self = Self(2);
    /// TCP, RFC 9293.
    pub const TCP: Self = Self(6);
    /// UDP, RFC 768.
    pub const UDP: Self = Self(17);
    /// IPv6's routing header, RFC 8200 section 4.4.
    pub const ROUTING: Self = Self(43);
    /// IPv6's fragment header, RFC 8200 section 4.5.
    pub const FRAGMENT: Self = Self(44);
    /// ICMP for IPv6, RFC 4443.
    pub const ICMPV6: Self = Self(58);
    /// Nothing follows, RFC 8200 section 4.7.
    pub const NOTHING: Self = Self(59);
    /// IPv6's destination options, RFC 8200 section 4.6.
    pub const DESTINATION: Self = Self(60);
}

impl fmt::Debug for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::ICMP => f.write_str("icmp"),
            Self::IGMP => f.write_str("igmp"),
            Self::TCP => f.write_str("tcp"),
            Self::UDP => f.write_str("udp"),
            Self::ICMPV6 => f.write_str("icmp6"),
            Self(number) => write!(f, "protocol {number}"),
        }
    }
}

/// Explicit congestion notification, the low two bits of the traffic class (RFC 3168 section 5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Ecn {
    /// The sender does not take part.
    #[default]
    NotCapable,
    /// The sender takes part, codepoint ECT(0).
    Capable0,
    /// The sender takes part, codepoint ECT(1).
    Capable1,
    /// A router on the way is congested.
    Congested,
}

impl Ecn {
    /// The field's two bits; higher bits of `bits` are ignored.
    #[inline]
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0b00 => Self::NotCapable,
            0b10 => Self::Capable0,
            0b01 => Self::Capable1,
            _ => Self::Congested,
        }
    }

    /// The two bits of the field.
    #[inline]
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::NotCapable => 0b00,
            Self::Capable0 => 0b10,
            Self::Capable1 => 0b01,
            Self::Congested => 0b11,
        }
    }
}

/// How much of a packet's payload, of which `left` bytes are still to be sent, goes into a part that
/// has room for so many bytes: all that is left, or as many eights as fit. `None` when none do.
#[must_use]
pub const fn stretch(left: usize, room: usize) -> Option<usize> {
    if left <= room {
        return Some(left);
    }
    match room & !7 {
        0 => None,
        eights => Some(eights),
    }
}

/// A part of a packet that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Its bytes, headers included.
    pub len: usize,
    /// Where in the payload the next part begins, unless this was the last.
    pub next: Option<usize>,
}

/// Source and destination port of a quoted packet that begins so: TCP and UDP have them in front.
pub(crate) fn quoted_ports(protocol: Protocol, payload: &[u8]) -> Option<(u16, u16)> {
    match (protocol, payload) {
        (Protocol::TCP | Protocol::UDP, [a, b, c, d, ..]) => {
            Some((u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])))
        }
        _ => None,
    }
}

/// The sequence number of a quoted segment.
pub(crate) fn quoted_sequence(protocol: Protocol, payload: &[u8]) -> Option<u32> {
    match (protocol, payload) {
        (Protocol::TCP, [_, _, _, _, a, b, c, d, ..]) => Some(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => None,
    }
}

/// Identifier and sequence number of a quoted ICMP message, if it is an echo request: its type is
/// `request`, which differs between the families.
pub(crate) fn quoted_echo(request: u8, message: &[u8]) -> Option<(u16, u16)> {
    match *message {
        [kind, 0, _, _, a, b, c, d, ..] if kind == request => {
            Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ecn_bits_are_those_of_rfc_3168() {
        for (bits, ecn) in [
            (0, Ecn::NotCapable),
            (1, Ecn::Capable1),
            (2, Ecn::Capable0),
            (3, Ecn::Congested),
        ] {
            assert_eq!(Ecn::from_bits(bits), ecn);
            assert_eq!(Ecn::from_bits(bits | 0xfc), ecn);
            assert_eq!(ecn.bits(), bits);
        }
    }

    #[test]
    fn only_the_last_stretch_is_no_multiple_of_eight() {
        assert_eq!(stretch(10, 10), Some(10));
        assert_eq!(stretch(11, 10), Some(8));
        assert_eq!(stretch(8, 7), None);
        assert_eq!(stretch(0, 0), Some(0));
    }

    #[test]
    fn protocols_have_names() {
        assert_eq!(std::format!("{}", Protocol::TCP), "tcp");
        assert_eq!(std::format!("{:?}", Protocol(89)), "protocol 89");
    }
}
