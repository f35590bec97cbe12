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
}
