//! The three headers of a frame that carries a segment, where they lie.
//!
//! *Owns*: where each begins, and which options of TCP nearly all segments have. *Never*: judges what they say.

use zerocopy::FromBytes;

use crate::tcp::Flags;
use crate::{Network, ethernet, tcp};

/// The header of a frame.
pub(crate) type Link = [u8; ethernet::HEADER_LEN];

/// The headers, network and transport header without options.
#[derive(Clone, Copy)]
pub(crate) struct View<'a, A: Network> {
    pub link: &'a Link,
    pub network: &'a A::Raw,
    pub transport: &'a tcp::Raw,
}

/// Timestamps as nearly all segments of a connection have them (RFC 7323 appendix A).
pub(crate) type Stamps = [u8; STAMPS_LEN];
/// Bytes of them.
pub(crate) const STAMPS_LEN: usize = 12;
const STAMPS_START: [u8; 4] = [1, 1, 8, 10];

/// Bytes of the TCP header.
#[inline(always)]
pub(crate) fn header_len(transport: &tcp::Raw) -> usize {
    let words = transport.offset_and_flags.get() >> 12;
    usize::from(words << 2)
}

impl<'a, A: Network> View<'a, A> {
    /// The headers of a frame, and what is behind them.
    #[inline(always)]
    pub fn of(frame: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (link, packet) = frame.split_first_chunk()?;
        let (network, segment) = A::Raw::ref_from_prefix(packet).ok()?;
        let (transport, behind) = tcp::Raw::ref_from_prefix(segment).ok()?;
        let view = Self {
            link,
            network,
            transport,
        };
        Some((view, behind))
    }

    /// The flags.
    #[inline(always)]
    pub fn flags(&self) -> Flags {
        Flags::from_bits(self.transport.offset_and_flags.get())
    }

    /// Bytes of the TCP header.
    #[inline(always)]
    pub fn header_len(&self) -> usize {
        header_len(self.transport)
    }

    /// Bytes of payload, by what the network header says.
    #[inline(always)]
    pub fn payload_len(&self) -> Option<u32> {
        let len = A::payload_len(self.network)?.checked_sub(self.header_len())?;
        u32::try_from(len).ok()
    }

    /// The timestamps, if there are none or nothing but them; what is `behind` the headers begins with them.
    #[inline(always)]
    pub fn usual_options(&self, behind: &'a [u8]) -> Option<Option<&'a Stamps>> {
        let options = behind.get(..self.header_len().checked_sub(tcp::HEADER_LEN)?)?;
        if options.is_empty() {
            return Some(None);
        }
        let stamps = options.as_array()?;
        stamps.starts_with(&STAMPS_START).then_some(Some(stamps))
    }
}
