//! Bytes in the arena that the program owns for a while: to be sent, or received.
//!
//! *Owns* the hold on them: a buffer that is dropped unsent gives its block back, a chunk its part of
//! the room. Handing either to a socket hands the bytes over without copying them; they are free when
//! the socket is done with them. *Never* gives a reference to plain bytes: netd can write there, too.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicU8, Ordering};

use protocol::Range;

use crate::error::Error;
use crate::net::Net;
use crate::slot::Source;

/// A part of the arena; dropped, it is free.
struct Hold {
    net: Net,
    source: Option<Source>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(source) = self.source.take() {
            self.net.session().free(source);
        }
    }
}

/// Bytes of the arena that a socket is to send: a [`Buffer`], or a [`Chunk`] that came in.
pub struct Outgoing {
    hold: Hold,
    piece: Range,
}

impl Outgoing {
    /// How many bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.piece.length as usize
    }

    /// None.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.piece.length == 0
    }

    /// Where they lie and what becomes free with them, for a socket of the session `net`.
    pub(crate) fn give_to(mut self, net: &Net) -> Result<(Range, Source), Error> {
        if !self.hold.net.is(net) {
            return Err(Error::Other(protocol::Code::BadArena));
        }
        let source = self.hold.source.take();
        Ok((self.piece, source.ok_or(Error::Closed)?))
    }
}

impl From<Buffer> for Outgoing {
    fn from(buffer: Buffer) -> Self {
        Self {
            piece: Range {
                offset: buffer.offset,
                length: buffer.length,
            },
            hold: buffer.hold,
        }
    }
}

impl From<Chunk> for Outgoing {
    fn from(chunk: Chunk) -> Self {
        Self {
            piece: chunk.piece,
            hold: chunk.hold,
        }
    }
}

/// A place in the arena for bytes to be sent, filled from its start. Where the arena is nearly used
/// up it is smaller than was asked for.
pub struct Buffer {
    hold: Hold,
    offset: u64,
    capacity: u32,
    length: u32,
}

impl Buffer {
    /// The first `capacity` bytes of a block.
    pub(crate) const fn new(net: Net, block: Range, capacity: u32) -> Self {
        let source = Some(Source::Block(block));
        Self {
            hold: Hold { net, source },
            offset: block.offset,
            capacity,
            length: 0,
        }
    }

    /// Bytes that have been written.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.length as usize
    }

    /// Nothing has been written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Bytes that can still be written.
    #[must_use]
    pub const fn remaining(&self) -> usize {
        (self.capacity - self.length) as usize
    }

    /// Appends as many bytes as there is room for, and returns how many that were.
    pub fn append(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.remaining());
        let at = self.offset + u64::from(self.length);
        if self.hold.net.arena().write(at, &bytes[..count]).is_err() {
            // Cannot be: a block lies within the arena.
            return 0;
        }
        self.length += u32::try_from(count).unwrap_or(0);
        count
    }

    /// Forgets what has been written.
    pub const fn clear(&mut self) {
        self.length = 0;
    }

    /// What has been written, to be sent as often as is wanted, by any of the session's sockets, each time
    /// without a copy: the bytes stay where they are until the last clone of the chunk is dropped and
    /// the last socket is done with them.
    #[must_use]
    pub fn freeze(mut self) -> Chunk {
        let net = self.hold.net.clone();
        let piece = Range {
            offset: self.offset,
            length: self.length,
        };
        let source = self.hold.source.take().map(|source| match source {
            Source::Block(block) => Source::Room(net.session().keep(block)),
            room @ Source::Room(_) => room,
        });
        Chunk {
            hold: Hold { net, source },
            piece,
        }
    }
}

impl fmt::Write for Buffer {
    /// # Errors
    /// When not all of it fits.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.append(text.as_bytes()) == text.len() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}

/// Bytes that have come in, or were [frozen](Buffer::freeze), where they lie. They keep their room: who
/// holds chunks for long has less of the arena for what is to come.
pub struct Chunk {
    hold: Hold,
    piece: Range,
}

impl Chunk {
    /// A piece that the room of the receive `id` has lent.
    pub(crate) const fn new(net: Net, id: u32, piece: Range) -> Self {
        let source = Some(Source::Room(id));
        Self {
            hold: Hold { net, source },
            piece,
        }
    }

    /// How many bytes there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.piece.length as usize
    }

    /// There are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.piece.length == 0
    }

    /// The bytes where they lie.
    #[must_use]
    pub fn bytes(&self) -> &[AtomicU8] {
        let bytes = self.hold.net.arena().bytes(self.piece.offset, self.len());
        // A piece was checked against its room when it came.
        bytes.unwrap_or_default()
    }

    /// The bytes, one by one.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = u8> {
        self.bytes().iter().map(|byte| byte.load(Ordering::Relaxed))
    }

    /// Copies the first of them, as many as fit, and returns how many that were.
    pub fn copy_to(&self, into: &mut [u8]) -> usize {
        let count = into.len().min(self.len());
        let copied = self
            .hold
            .net
            .arena()
            .read(self.piece.offset, &mut into[..count]);
        copied.map_or(0, |()| count)
    }

    /// A copy.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len()];
        let count = self.copy_to(&mut bytes);
        bytes.truncate(count);
        bytes
    }

    /// Forgets the first `count` bytes, or all.
    pub fn advance(&mut self, count: usize) {
        let count =
            u32::try_from(count).map_or(self.piece.length, |count| count.min(self.piece.length));
        self.piece.offset += u64::from(count);
        self.piece.length -= count;
    }

    /// Takes the first `count` bytes, or all, off into a chunk of their own.
    #[must_use]
    pub fn split_to(&mut self, count: usize) -> Self {
        let mut first = self.clone();
        self.advance(count);
        first.piece.length -= self.piece.length;
        first
    }
}

impl Clone for Chunk {
    /// The same bytes once more, not copied.
    fn clone(&self) -> Self {
        let net = self.hold.net.clone();
        let source = self.hold.source;
        if let Some(Source::Room(id)) = source {
            net.session().lend(id);
        }
        Self {
            hold: Hold { net, source },
            piece: self.piece,
        }
    }
}
