//! Where the words of a channel lie in its region.
//!
//! Two control blocks, then the slots of the first ring, then those of the second. Each of the
//! four control words has a cache line of its own: two ends that run on two cores do not take the
//! line of a word away from each other while they write another.

use crate::{
    message::{MESSAGE_BYTES, MESSAGE_WORDS},
    region::{Region, Word},
};

/// Words of a cache line. Under loom, where every word is an object of the model, there is no
/// padding.
const LINE: usize = if cfg!(loom) { 1 } else { 8 };
/// Words of a slot. Under loom one word stands for the message: its words are all treated alike.
pub const SLOT: usize = if cfg!(loom) { 1 } else { MESSAGE_WORDS };
/// Words of the control block of a ring.
const CONTROL: usize = 4 * LINE;
/// Most slots of a ring; a larger region leaves the rest unused.
const MAX_SLOTS: usize = 1 << 16;

/// Place of one ring: word offsets into the region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring {
    produced: usize,
    consumed: usize,
    consumer_sleeps: usize,
    producer_sleeps: usize,
    /// First slot.
    first: usize,
    /// How many slots; a power of two.
    pub slots: u64,
}

/// The words of a ring by which its two ends tell each other of their doings.
pub struct Control {
    /// Index of the producer.
    pub produced: Word,
    /// Index of the consumer.
    pub consumed: Word,
    /// Not zero: the consumer wants a doorbell when there is a message.
    pub consumer_sleeps: Word,
    /// Not zero: the producer wants a doorbell when there is room.
    pub producer_sleeps: Word,
}

impl Ring {
    /// The ring's words in a region.
    pub fn control(&self, region: &Region) -> Control {
        Control {
            produced: region.word(self.produced),
            consumed: region.word(self.consumed),
            consumer_sleeps: region.word(self.consumer_sleeps),
            producer_sleeps: region.word(self.producer_sleeps),
        }
    }

    /// The two rings of a region of `words` words; `None` if not even one slot each fits.
    pub fn pair(words: usize) -> Option<(Self, Self)> {
        let fit = (words.checked_sub(2 * CONTROL)? / (2 * SLOT)).min(MAX_SLOTS);
        let slots = 1 << fit.checked_ilog2()?;
        let ring = |control, first| Self {
            produced: control,
            consumed: control + LINE,
            consumer_sleeps: control + 2 * LINE,
            producer_sleeps: control + 3 * LINE,
            first,
            slots: slots as u64,
        };
        Some((
            ring(0, 2 * CONTROL),
            ring(CONTROL, 2 * CONTROL + slots * SLOT),
        ))
    }

    /// First word of the slot for message number `index`.
    pub const fn slot(&self, index: u64) -> usize {
        // The number of slots is a power of two of at most `MAX_SLOTS`, so the masked index fits.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "masked to less than MAX_SLOTS"
        )]
        let number = (index & (self.slots - 1)) as usize;
        self.first + number * SLOT
    }
}

/// Bytes of a region whose rings have `slots` slots each, rounded up to a power of two.
#[must_use]
pub const fn region_bytes(slots: usize) -> usize {
    2 * CONTROL * 8 + 2 * slots.next_power_of_two() * MESSAGE_BYTES
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{MAX_SLOTS, Ring, region_bytes};

    #[test]
    fn the_number_of_slots_is_the_largest_power_of_two_that_fits() {
        for (bytes, slots) in [
            (512 + 2 * 256, 1),
            (512 + 4 * 256, 2),
            (512 + 7 * 256, 2),
            (64 * 1024, 64),
            (region_bytes(128), 128),
            (1 << 30, MAX_SLOTS as u64),
        ] {
            let (a, b) = Ring::pair(bytes / 8).unwrap();
            assert_eq!((a.slots, b.slots), (slots, slots), "{bytes} bytes");
        }
        assert_eq!(Ring::pair(0), None);
        assert_eq!(Ring::pair((512 + 2 * 256) / 8 - 1), None);
    }

    #[test]
    fn nothing_overlaps_and_everything_lies_inside() {
        for slots in [1, 2, 64] {
            let words = region_bytes(slots) / 8;
            let (a, b) = Ring::pair(words).unwrap();
            let mut taken = [false; 64 + 2 * 64 * 32];
            let mut take = |at: usize, count: usize| {
                for word in &mut taken[at..at + count] {
                    assert!(!core::mem::replace(word, true));
                }
            };
            for ring in [a, b] {
                for word in [
                    ring.produced,
                    ring.consumed,
                    ring.consumer_sleeps,
                    ring.producer_sleeps,
                ] {
                    take(word, 8);
                }
                for index in 0..ring.slots {
                    assert!(ring.slot(index) + 32 <= words);
                    take(ring.slot(index), 32);
                }
                assert_eq!(ring.slot(ring.slots), ring.slot(0));
                assert_eq!(ring.slot(u64::MAX), ring.slot(ring.slots - 1));
            }
        }
    }
}
