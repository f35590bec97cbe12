//! What goes into the reassembler and what comes out: a part, and what became of it.

use super::HEAD;
use alloc::boxed::Box;
use wire::{Drop, Ecn};

/// Of which packet something is a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key<A> {
    /// By which interface it comes: link-local addresses mean nothing without.
    pub(crate) interface: u8,
    pub(crate) source: A,
    pub(crate) destination: A,
    pub(crate) identification: u32,
    /// What it carries; zero where that does not tell packets apart (RFC 8200 section 4.5).
    pub(crate) protocol: u8,
}

/// A part of a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Piece<'a, A> {
    pub(crate) key: Key<A>,
    /// All headers in front of the bytes; kept of the first part only.
    pub(crate) head: &'a [u8],
    /// Where in the packet it belongs, in bytes.
    pub(crate) offset: usize,
    /// It is not the last.
    pub(crate) more: bool,
    pub(crate) bytes: &'a [u8],
    pub(crate) ecn: Ecn,
    /// Its destination is this host alone, so that its sender may be told of a failure.
    pub(crate) is_own: bool,
}

/// A packet that is whole, or the first part of one that will not be. It must be given back.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(super) space: Box<[u8]>,
    /// Bytes of the head.
    pub(super) head: usize,
    pub(super) len: usize,
    /// How congestion has marked it.
    pub(crate) ecn: Ecn,
}

impl Whole {
    /// The first part's head.
    pub(crate) fn head_mut(&mut self) -> &mut [u8] {
        let head = HEAD.saturating_sub(self.head)..HEAD;
        self.space.get_mut(head).unwrap_or_default()
    }

    /// Bytes behind the head.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The packet, without the first `skipped` bytes of its head.
    pub(crate) fn packet(&self, skipped: usize) -> &[u8] {
        let start = HEAD.saturating_sub(self.head).saturating_add(skipped);
        self.space.get(start..HEAD + self.len).unwrap_or_default()
    }
}

/// What became of a part, and of others for its sake.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The packet, if this was all that it lacked.
    pub(crate) result: Result<Option<Whole>, Drop>,
    /// Parts of the same packet that were kept and are lost now, for the same reason.
    pub(crate) lost: u32,
    /// Parts of other packets that have made way.
    pub(crate) displaced: u32,
}

/// A packet that was not whole in time.
#[derive(Debug)]
pub(crate) struct Expired {
    /// By which interface its parts came.
    pub(crate) interface: u8,
    /// Parts that were kept and are lost now.
    pub(crate) lost: u32,
    /// The first, if it had come and its sender may be told.
    pub(crate) first: Option<Whole>,
}
