//! What a raw socket of IPv6 can choose: types of ICMPv6 that it does not hear, and where its protocol has
//! its checksum.
//!
//! Spec: RFC 3542 sections 3.1 and 3.2.

use crate::error::OptionError;
use crate::udp::parcel::LEAD;
use wire::Protocol;

/// Where ICMPv6 has its checksum.
const ICMP6_CHECKSUM: u8 = 2;

/// A raw socket for packets of a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawPackets {
    pub(crate) protocol: Protocol,
    is_six: bool,
    /// Where in the payload the checksum is that is filled in and verified here.
    pub checksum_at: Option<u8>,
    /// The types of ICMPv6 that are not heard, a bit each.
    pub blocked: [u64; 4],
}

impl RawPackets {
    pub(crate) fn new(protocol: Protocol, is_six: bool) -> Self {
        let has_checksum = is_six && protocol == Protocol::ICMPV6;
        Self {
            protocol,
            is_six,
            checksum_at: has_checksum.then_some(ICMP6_CHECKSUM),
            blocked: [0; 4],
        }
    }

    /// RFC 3542 section 3.1: at an even place, and ICMPv6's stays where it is.
    pub(crate) fn set_checksum(&mut self, at: Option<u8>) -> Result<(), OptionError> {
        let is_even = at.is_none_or(|at| at % 2 == 0 && usize::from(at) + 2 <= LEAD);
        if !self.is_six || self.protocol == Protocol::ICMPV6 {
            return Err(OptionError::WrongKind);
        }
        if !is_even {
            return Err(OptionError::BadValue);
        }
        self.checksum_at = at;
        Ok(())
    }

    /// Which of the types from 64 times `group` on are not heard.
    pub(crate) fn block(&mut self, group: u8, types: u64) -> Result<(), OptionError> {
        if !self.is_six || self.protocol != Protocol::ICMPV6 {
            return Err(OptionError::WrongKind);
        }
        let place = self.blocked.get_mut(usize::from(group));
        *place.ok_or(OptionError::BadValue)? = types;
        Ok(())
    }

    /// Whether so many bytes have a place for the checksum.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.checksum_at
            .is_none_or(|at| bytes >= usize::from(at) + 2)
    }

    /// Whether it hears what begins so.
    pub(crate) fn lets_in(&self, payload: &[u8]) -> bool {
        let kind = payload.first().copied().unwrap_or(0);
        let group = self.blocked.get(usize::from(kind >> 6));
        group.is_none_or(|types| types >> (kind & 63) & 1 == 0)
    }
}
