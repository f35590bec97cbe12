//! Small payloads that came inside a request: copied once, kept until they are acknowledged.
//!
//! *Owns* the buffers, allocated once. *Never* grows: who finds none free tries again later.

use crate::config::INLINE_PAYLOAD;
use alloc::vec::Vec;

/// All inline payloads.
#[derive(Debug)]
pub(crate) struct Inline {
    buffers: Vec<[u8; INLINE_PAYLOAD]>,
    free: Vec<u32>,
}

impl Inline {
    pub(crate) fn new(limit: u32) -> Self {
        Self {
            buffers: alloc::vec![[0; INLINE_PAYLOAD]; limit as usize],
            free: (0..limit).rev().collect(),
        }
    }

    /// Keeps a copy of `bytes`; `None` when none is free or they are too many.
    pub(crate) fn keep(&mut self, bytes: &[u8]) -> Option<u32> {
        let index = *self.free.last()?;
        let buffer = self.buffers.get_mut(index as usize)?;
        buffer.get_mut(..bytes.len())?.copy_from_slice(bytes);
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
        if (index as usize) < self.buffers.len() && self.free.len() < self.buffers.len() {
            self.free.push(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_kept_and_bounded() {
        let mut inline = Inline::new(1);
        let index = inline.keep(b"hello").unwrap();
        assert_eq!(inline.keep(b"more"), None);
        assert_eq!(inline.bytes(index, 1, 3), Some(&b"ell"[..]));
        assert_eq!(inline.bytes(index, 199, 2), None);
        inline.release(index);
        assert_eq!(inline.keep(&[0; INLINE_PAYLOAD + 1]), None);
        assert!(inline.keep(&[0; INLINE_PAYLOAD]).is_some());
    }
}
