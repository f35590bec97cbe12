//! Memory: frames that can be mapped, shared and moved by handle.

use super::Kernel;
use super::process::Process;
use super::slab::Key;
use crate::mm::frame::Run;
use crate::mm::{PAGE, Physical, pages, physical};
use abi::Error;
use alloc::vec::Vec;

/// Kernel heap that a Memory costs its owner, in round numbers.
pub const OVERHEAD: u64 = 256;

/// The object.
pub struct Memory {
    runs: Vec<Run>,
    bytes: usize,
    /// Handles, mappings, and channels that share it.
    references: u32,
    /// Part of the kernel image or of a boot archive: never given back.
    permanent: bool,
    payer: Option<Key<Process>>,
}

impl Memory {
    /// Its size, whole pages.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Where a byte lies, and how many lie behind it without a gap.
    pub fn physical(&self, offset: usize) -> Option<(Physical, usize)> {
        let mut before = 0;
        for run in &self.runs {
            let length = run.frames * PAGE;
            if offset - before < length {
                let inside = offset - before;
                return Some((run.start + inside as u64, length - inside));
            }
            before += length;
        }
        None
    }

    /// The pieces of `offset..offset + bytes`, which must lie inside.
    pub fn pieces(&self, offset: usize, bytes: usize) -> impl Iterator<Item = (Physical, usize)> {
        let mut at = offset;
        let end = offset + bytes;
        core::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let (start, length) = self.physical(at)?;
            let length = length.min(end - at);
            at += length;
            Some((start, length))
        })
    }

    /// Copies bytes out; the range must lie inside.
    pub fn read(&self, offset: usize, into: &mut [u8]) {
        let mut done = 0;
        for (start, length) in self.pieces(offset, into.len()) {
            physical::read(start, &mut into[done..done + length]);
            done += length;
        }
    }

    /// Copies bytes in; the range must lie inside.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        let mut done = 0;
        for (start, length) in self.pieces(offset, bytes.len()) {
            physical::write(start, &bytes[done..done + length]);
            done += length;
        }
    }

    /// Copies from one Memory to another; both ranges must lie inside.
    pub fn copy_to(&self, offset: usize, target: &Self, target_offset: usize, bytes: usize) {
        let mut done = 0;
        for (start, length) in self.pieces(offset, bytes) {
            let mut inside = 0;
            for (to, piece) in target.pieces(target_offset + done, length) {
                physical::copy(start + inside, to, piece);
                inside += piece as u64;
            }
            done += length;
        }
    }
}

impl Kernel {
    /// Cleared memory of `bytes`, rounded up to pages, charged to `payer`. Counts one reference.
    pub fn create_memory(
        &mut self,
        payer: Key<Process>,
        bytes: usize,
        contiguous: bool,
    ) -> Result<Key<Memory>, Error> {
        let frames = pages(bytes).filter(|&frames| frames > 0);
        let frames = frames.ok_or(Error::BadArgument)?;
        self.admit(1024)?;
        // More than there is at all must not overflow the sum either.
        if frames > self.frames.free() {
            return Err(Error::NoMemory);
        }
        let cost = (frames * PAGE) as u64 + OVERHEAD;
        self.charge(payer, cost)?;
        let created = self
            .frames
            .allocate_runs(frames, contiguous)
            .and_then(|runs| {
                self.memories.insert(Memory {
                    runs,
                    bytes: frames * PAGE,
                    references: 1,
                    permanent: false,
                    payer: Some(payer),
                })
            });
        created.ok_or_else(|| {
            self.refund(payer, cost);
            Error::NoMemory
        })
    }

    /// Memory over RAM that the kernel does not manage. Counts one reference.
    pub fn adopt_memory(&mut self, start: Physical, bytes: usize) -> Option<Key<Memory>> {
        let frames = pages(bytes)?;
        self.memories.insert(Memory {
            runs: alloc::vec![Run { start, frames }],
            bytes: frames * PAGE,
            references: 1,
            permanent: true,
            payer: None,
        })
    }

    /// One more reference.
    pub fn retain_memory(&mut self, memory: Key<Memory>) {
        self.memories[memory].references += 1;
    }

    /// One reference less; with the last the frames go back.
    pub fn release_memory(&mut self, memory: Key<Memory>) {
        let object = &mut self.memories[memory];
        object.references -= 1;
        if object.references > 0 {
            return;
        }
        if let Some(object) = self.memories.remove(memory) {
            if !object.permanent {
                self.frames.release_runs(&object.runs);
            }
            if let Some(payer) = object.payer {
                self.refund(payer, object.bytes as u64 + OVERHEAD);
            }
        }
    }
}
