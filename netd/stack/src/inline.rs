//! Small payloads that came inside a request: copied once, kept until they are acknowledged.
//!
//! *Owns* the buffers, allocated once. *Never* grows: who finds none free tries again later.

use crate::config::INLINE_PAYLOAD;
use alloc::vec::Vec;

/// All inline payloads.
#[derive(Debug)]
pub(crate) struct Inline {
    buffers: Vec<[u8; INLINE_PAYLOAD]>,
    owners: Vec<u32>,
    free: Vec<u32>,
    /// How many buffers each owner has, and may have.
    held: Vec<u32>,
    quota: u32,
}

impl Inline {
    /// `limit` buffers, of which each of the `owners` may have `quota`.
    pub(crate) fn new(limit: u32, owners: usize, quota: u32) -> Self {
        Self {
            buffers: alloc::vec![[0; INLINE_PAYLOAD]; limit as usize],
            owners: alloc::vec![0; limit as usize],
            free: (0..limit).rev().collect(),
            held: alloc::vec![0; owners],
            quota,
        }
    }

    /// How many buffers all owners have.
    pub(crate) fn in_use(&self) -> u32 {
        self.held.iter().sum()
    }

    /// Keeps a copy of `bytes`; `None` when none is free for this owner or they are too many.
    pub(crate) fn keep(&mut self, owner: u32, bytes: &[u8]) -> Option<u32> {
        let held = self
            .held
            .get_mut(owner as usize)
            .filter(|held| **held < self.quota)?;
        let index = *self.free.last()?;
        let buffer = self.buffers.get_mut(index as usize)?;
        buffer.get_mut(..bytes.len())?.copy_from_slice(bytes);
        *self.owners.get_mut(index as usize)? = owner;
        *held += 1;
        self.free.pop()
    }

    /// Bytes of a payload; `None` when it does not have them.
    pub(crate) fn bytes(&self, index: u32, offset: usize, len: usize) -> Option<&[u8]> {
        self.buffers
            .get(index as usize)?
            .get(offset..offset.checked_add(len)?)
    }

    /// The payload is done with.
    pub(crate) fn release(&mut self, index: u32) {
        let Some(owner) = self.owners.get(index as usize) else {
            return;
        };
        if let Some(held) = self.held.get_mut(*owner as usize) {
            *held = held.saturating_sub(1);
        }
        debug_assert!(!self.free.contains(&index), "released twice");
        self.free.push(index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_kept_and_bounded() {
        let mut inline = Inline::new(1, 2, 1);
        let index = inline.keep(0, b"hello").unwrap();
        assert_eq!(inline.keep(0, b"more"), None);
        assert_eq!(inline.bytes(index, 1, 3), Some(&b"ell"[..]));
        assert_eq!(inline.bytes(index, 199, 2), None);
        inline.release(index);
        assert_eq!(inline.keep(0, &[0; INLINE_PAYLOAD + 1]), None);
        assert!(inline.keep(0, &[0; INLINE_PAYLOAD]).is_some());
    }

    #[test]
    fn nobody_has_more_than_its_share() {
        let mut inline = Inline::new(4, 2, 1);
        let index = inline.keep(0, b"a").unwrap();
        assert_eq!(inline.keep(0, b"b"), None);
        assert!(inline.keep(1, b"b").is_some());
        inline.release(index);
        assert!(inline.keep(0, b"c").is_some());
    }
}
