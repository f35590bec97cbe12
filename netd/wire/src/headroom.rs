//! Room for headers in front of a payload.
//!
//! *Owns*: the only way headers are written: from the payload towards the front of the buffer.
//! *Never*: moves a payload.
//! *Invariant*: bytes once given out are never given out again; the room only shrinks.

use core::error::Error;
use core::fmt;
use core::mem;

/// The bytes in front of a packet, still free for headers.
///
/// ```
/// # use wire::Headroom;
/// let mut buffer = *b"......payload";
/// let (front, _payload) = buffer.split_at_mut(6);
/// let mut room = Headroom::new(front);
/// room.prepend(b"udp").unwrap();
/// room.prepend(b"ip").unwrap();
/// assert_eq!(room.left(), 1);
/// assert_eq!(&buffer, b".ipudppayload");
/// ```
#[derive(Debug)]
pub struct Headroom<'a> {
    front: &'a mut [u8],
}

/// A header or message does not fit in the room that was kept for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the packet does not fit in the room kept for it")
    }
}

impl Error for NoRoom {}

/// Two fields of two bytes each as one word, as it stands in memory.
#[inline(always)]
pub(crate) const fn word([a, b]: [u8; 2], [c, d]: [u8; 2]) -> u32 {
    u32::from_ne_bytes([a, b, c, d])
}

impl<'a> Headroom<'a> {
    /// All of `front` is free; the packet so far begins where `front` ends.
    pub fn new(front: &'a mut [u8]) -> Self {
        Self { front }
    }

    /// Puts `header` directly in front of what has been written so far.
    ///
    /// # Errors
    /// [`NoRoom`] when fewer than `header.len()` bytes are left; nothing is written then.
    #[inline]
    pub fn prepend(&mut self, header: &[u8]) -> Result<(), NoRoom> {
        self.reserve(header.len())?.copy_from_slice(header);
        Ok(())
    }

    /// Puts a header of 32-bit words, as they stand in memory, in front of what has been written so
    /// far. Headers that are made of words and summed up as words pass from registers to their place;
    /// made of fields and summed up in memory, they would be waited for where they were just stored.
    ///
    /// # Errors
    /// As [`Headroom::prepend`].
    #[inline(always)]
    pub(crate) fn prepend_words<const N: usize>(&mut self, words: [u32; N]) -> Result<(), NoRoom> {
        let slot = self.reserve(size_of::<[u32; N]>())?;
        let (places, _) = slot.as_chunks_mut();
        for (place, word) in places.iter_mut().zip(words) {
            *place = word.to_ne_bytes();
        }
        Ok(())
    }

    /// The place of a header of `len` bytes, directly in front of what has been written so far.
    ///
    /// # Errors
    /// As [`Headroom::prepend`].
    #[inline]
    pub(crate) fn reserve(&mut self, len: usize) -> Result<&'a mut [u8], NoRoom> {
        let start = self.left().checked_sub(len).ok_or(NoRoom)?;
        let (front, slot) = mem::take(&mut self.front).split_at_mut(start);
        self.front = front;
        Ok(slot)
    }

    /// Bytes still free. When all headers are written, this is where the packet starts in the
    /// buffer that the room was cut from.
    #[must_use]
    pub fn left(&self) -> usize {
        self.front.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_towards_the_front() {
        let mut bytes = [0; 5];
        let mut room = Headroom::new(&mut bytes);
        assert_eq!(room.prepend(&[4, 5]), Ok(()));
        assert_eq!(room.prepend(&[1, 2, 3]), Ok(()));
        assert_eq!(room.left(), 0);
        assert_eq!(room.prepend(&[]), Ok(()));
        assert_eq!(bytes, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn refuses_what_does_not_fit_and_stays_usable() {
        let mut bytes = [0; 3];
        let mut room = Headroom::new(&mut bytes);
        assert_eq!(room.prepend(&[9; 4]), Err(NoRoom));
        assert_eq!(room.left(), 3);
        assert_eq!(room.prepend(&[7; 3]), Ok(()));
        assert_eq!(bytes, [7; 3]);
    }
}
