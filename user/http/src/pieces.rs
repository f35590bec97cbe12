//! A stream for tests: bytes that arrive in given pieces.

use embedded_io_async::{ErrorType, Read};

use crate::buffered::Buffered;

/// Yields one piece per read, then the end.
pub struct Pieces(Vec<Vec<u8>>);

impl ErrorType for Pieces {
    type Error = net::Error;
}

impl Read for Pieces {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        let Some(piece) = self.0.first_mut() else {
            return Ok(0);
        };
        let count = piece.len().min(buffer.len());
        buffer[..count].copy_from_slice(&piece[..count]);
        piece.drain(..count);
        if piece.is_empty() {
            self.0.remove(0);
        }
        Ok(count)
    }
}

/// `text` in pieces of `size` bytes.
pub fn in_pieces(text: &[u8], size: usize) -> Buffered<Pieces> {
    Buffered::new(Pieces(text.chunks(size).map(<[u8]>::to_vec).collect()))
}
