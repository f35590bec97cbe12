//! Reads a stream in lines and blocks, whatever pieces it arrives in.
//!
//! *Owns* the bytes that have arrived and are not used yet. *Never* holds more than its limit: a
//! server that sends an endless head gets an error.

use alloc::{vec, vec::Vec};

use embedded_io_async::Read;

/// Bytes held at most; also the longest head of a response.
pub const LIMIT: usize = 32 * 1024;

/// Why nothing more can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The stream failed.
    Stream(net::Error),
    /// The stream ended.
    End,
    /// The limit is reached and the unit asked for is still not complete.
    Full,
}

/// A stream with a look ahead.
pub struct Buffered<S> {
    stream: S,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl<S: Read<Error = net::Error>> Buffered<S> {
    /// Nothing has been read yet.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            bytes: vec![0; LIMIT],
            start: 0,
            end: 0,
        }
    }

    /// What has arrived and is not used yet.
    pub fn held(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The first `count` of [`Self::held`] are used.
    pub fn consume(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
    }

    /// Waits for more bytes behind those that are held.
    ///
    /// # Errors
    ///
    /// If the stream failed or ended, or nothing more can be held.
    pub async fn fill(&mut self) -> Result<(), ReadError> {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.bytes.len() {
            return Err(ReadError::Full);
        }
        let room = &mut self.bytes[self.end..];
        match self.stream.read(room).await.map_err(ReadError::Stream)? {
            0 => Err(ReadError::End),
            count => {
                self.end += count;
                Ok(())
            }
        }
    }
}
