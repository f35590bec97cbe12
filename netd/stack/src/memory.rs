//! The door to clients' memory: the only way payload enters or leaves the stack.
//!
//! *Owns* nothing; the owner of the arenas (netd, the simulator) implements [`ClientMemory`].
//! *Never* keeps bytes: what is written here is with the client, what is read goes into a frame.

use crate::id::ClientId;
use wire::Sum;

/// The client's memory is not there (any more), or the place is outside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// A place in a client's arena.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// Bytes from the start of the arena.
    pub offset: u64,
    /// Bytes.
    pub length: u32,
}

impl Range {
    /// The `length` bytes at `offset`.
    #[must_use]
    pub fn new(offset: u64, length: u32) -> Self {
        Self { offset, length }
    }
}

/// The arenas of all clients.
pub trait ClientMemory {
    /// Copies `bytes` into the arena of `client` at `offset`.
    ///
    /// # Errors
    /// [`Gone`] when the client has no arena or the place is outside of it; nothing is written.
    fn write(&mut self, client: ClientId, offset: u64, bytes: &[u8]) -> Result<(), Gone>;

    /// Like [`ClientMemory::write`], and the Internet checksum's sum of what was copied, in one pass
    /// where the implementation can.
    ///
    /// # Errors
    /// As [`ClientMemory::write`].
    fn write_summed(&mut self, client: ClientId, offset: u64, bytes: &[u8]) -> Result<Sum, Gone> {
        self.write(client, offset, bytes)?;
        Ok(wire::sum(bytes))
    }

    /// Copies from the arena of `client` at `offset` until `into` is full.
    ///
    /// # Errors
    /// [`Gone`] when the client has no arena or the place is outside of it.
    fn read(&self, client: ClientId, offset: u64, into: &mut [u8]) -> Result<(), Gone>;

    /// Like [`ClientMemory::read`], and the Internet checksum's sum of what was copied, in one
    /// pass where the implementation can.
    ///
    /// # Errors
    /// As [`ClientMemory::read`].
    fn read_summed(&self, client: ClientId, offset: u64, into: &mut [u8]) -> Result<Sum, Gone> {
        self.read(client, offset, into)?;
        Ok(wire::sum(into))
    }

    /// The sum of bytes where they are.
    ///
    /// # Errors
    /// As [`ClientMemory::read`].
    fn sum(&self, client: ClientId, range: Range) -> Result<Sum, Gone> {
        /// Even, so that the sums of the pieces add up.
        const PIECE: usize = 512;
        let (mut bytes, mut sum) = ([0; PIECE], Sum::ZERO);
        let (mut offset, mut left) = (range.offset, range.length as usize);
        while left > 0 {
            let piece = bytes.get_mut(..left.min(PIECE)).ok_or(Gone)?;
            sum = sum.plus(self.read_summed(client, offset, piece)?);
            left -= piece.len();
            offset = offset.checked_add(piece.len() as u64).ok_or(Gone)?;
        }
        Ok(sum)
    }

    /// Whether a frame may refer to these bytes instead of having a copy of them. If so, they are
    /// left as they are until the frame's device has given it back: the client is told only then
    /// that they are its own again. That is the implementation's to see to, for which it may refuse.
    ///
    /// # Errors
    /// As [`ClientMemory::read`].
    fn lend(&self, client: ClientId, range: Range) -> Result<bool, Gone> {
        let _ = (client, range);
        Ok(false)
    }
}
