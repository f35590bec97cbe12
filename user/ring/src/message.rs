//! The unit that travels through a ring.

/// Bytes of a message.
pub const MESSAGE_BYTES: usize = 256;
/// 64-bit words of a message.
pub const MESSAGE_WORDS: usize = MESSAGE_BYTES / 8;

/// 256 bytes whose meaning is up to the protocol of the channel. Always a private copy: what has
/// been checked once cannot change afterwards.
#[derive(Clone, PartialEq, Eq)]
#[repr(transparent)]
pub struct Message([u64; MESSAGE_WORDS]);

impl Message {
    /// A message of zeros.
    pub const ZERO: Self = Self([0; MESSAGE_WORDS]);

    /// A message with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; MESSAGE_BYTES]) -> Self {
        let mut message = Self::ZERO;
        message.as_bytes_mut().copy_from_slice(bytes);
        message
    }

    /// Words as a message, where they lie.
    #[must_use]
    pub const fn view(words: &[u64; MESSAGE_WORDS]) -> &Self {
        let words: *const [u64; MESSAGE_WORDS] = words;
        // SAFETY: a message is these words and nothing else (`repr(transparent)`); the borrow lasts
        // as long as the result.
        unsafe { &*words.cast::<Self>() }
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; MESSAGE_BYTES] {
        let words: *const [u64; MESSAGE_WORDS] = &raw const self.0;
        // SAFETY: the array has exactly this many bytes, each of them initialised, bytes need no
        // alignment, and the borrow of `self` lasts as long as the result.
        unsafe { &*words.cast::<[u8; MESSAGE_BYTES]>() }
    }

    /// The bytes, to be filled in.
    #[must_use]
    pub const fn as_bytes_mut(&mut self) -> &mut [u8; MESSAGE_BYTES] {
        let words: *mut [u64; MESSAGE_WORDS] = &raw mut self.0;
        // SAFETY: as in `as_bytes`; the exclusive borrow of `self` lasts as long as the result,
        // and every byte pattern is a valid word.
        unsafe { &mut *words.cast::<[u8; MESSAGE_BYTES]>() }
    }

    /// The words, in the order in which they lie in memory.
    #[must_use]
    pub const fn words(&self) -> &[u64; MESSAGE_WORDS] {
        &self.0
    }

    /// The words, to be filled in.
    #[must_use]
    pub const fn words_mut(&mut self) -> &mut [u64; MESSAGE_WORDS] {
        &mut self.0
    }
}

impl Default for Message {
    fn default() -> Self {
        Self::ZERO
    }
}

impl core::fmt::Debug for Message {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Message").field(self.as_bytes()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{MESSAGE_BYTES, Message};

    #[test]
    fn bytes_round_trip() {
        let mut bytes = [0; MESSAGE_BYTES];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::try_from(index).unwrap();
        }
        let message = Message::from_bytes(&bytes);
        assert_eq!(message.as_bytes(), &bytes);
        assert_eq!(Message::view(message.words()), &message);
        assert_eq!(
            message.words()[1],
            u64::from_ne_bytes([8, 9, 10, 11, 12, 13, 14, 15])
        );
    }
}
