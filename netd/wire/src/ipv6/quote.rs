//! What an ICMPv6 error sends back of a packet.

use core::net::Ipv6Addr;

use super::chain::{Skimmed, skim};
use super::{Header, split};
use crate::{Drop, Protocol, icmp6, ip};

/// The start of a packet of ours that an ICMP error sent back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote<'a> {
    /// The fixed header as the router saw it.
    pub header: Header,
    /// What the packet carried behind all headers of IPv6's own.
    pub protocol: Protocol,
    /// What was left of that.
    pub payload: &'a [u8],
    /// Whether it is the start of that; behind a later part's headers there is none.
    pub is_start: bool,
    /// Whether it is only a part of a packet.
    pub is_part: bool,
    /// The address of the same host that a routing header leads on to (RFC 6275 section 6.4).
    pub home: Option<Ipv6Addr>,
}

impl<'a> Quote<'a> {
    /// Reads the packet that an error quotes. It may be cut short anywhere behind its headers.
    ///
    /// # Errors
    /// [`Drop::Icmp6Quote`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Drop> {
        let (raw, behind) = split(bytes).map_err(|_| Drop::Icmp6Quote)?;
        let Skimmed {
            protocol,
            payload,
            is_later_part,
            is_part,
            home,
        } = skim(Protocol(raw.next_header), behind).ok_or(Drop::Icmp6Quote)?;
        Ok(Self {
            header: Header::from_raw(raw),
            protocol,
            payload,
            is_start: !is_later_part,
            is_part,
            home,
        })
    }

    /// Source and destination port, when the quoted packet was TCP or UDP.
    #[must_use]
    pub fn ports(&self) -> Option<(u16, u16)> {
        ip::quoted_ports(self.protocol, self.start()?)
    }

    /// The sequence number of the quoted segment, by which a connection tells errors about its
    /// own data from forged ones (RFC 5927 section 4.1).
    #[must_use]
    pub fn tcp_sequence(&self) -> Option<u32> {
        ip::quoted_sequence(self.protocol, self.start()?)
    }

    /// Identifier and sequence number of the quoted echo request.
    #[must_use]
    pub fn echo(&self) -> Option<(u16, u16)> {
        match self.protocol {
            Protocol::ICMPV6 => ip::quoted_echo(icmp6::ECHO_REQUEST, self.start()?),
            _ => None,
        }
    }

    /// The start of what the packet carried; later fragments have none.
    #[must_use]
    pub fn start(&self) -> Option<&'a [u8]> {
        self.is_start.then_some(self.payload)
    }
}
