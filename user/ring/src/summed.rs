//! One pass over memory that copies bytes and adds them up.
//!
//! *Owns* how: sixteen bytes at a time where vectors of numbers are added pair by pair. *Never* knows what the
//! sum is for: it is the sum of 64-bit words as they stand in memory, what goes beyond 64 bits added at the low
//! end again, which is what Internet checksums are folded from (RFC 1071 section 2 B and C).

/// Copies `length` bytes, and gives the sum of what was copied; bytes that make no whole word are followed by
/// zeros.
///
/// # Safety
///
/// `from` must be readable and `to` writable for `length` bytes, and the two must not overlap. Another process
/// may write to either meanwhile: each byte is read once, and the sum is of what was written.
pub(crate) unsafe fn copy(from: *const u8, to: *mut u8, length: usize) -> u64 {
    // SAFETY: as the caller promises.
    let (sum, done) = unsafe { copy_blocks(from, to, length) };
    let (from, to) = (from.wrapping_add(done), to.wrapping_add(done));
    // SAFETY: `done` bytes of `length` are behind both, and the rest is left.
    plus(sum, unsafe { copy_words(from, to, length - done) })
}

/// Word by word, each stored while it is in a register to be added.
///
/// # Safety
///
/// As [`copy`].
unsafe fn copy_words(from: *const u8, to: *mut u8, length: usize) -> u64 {
    const WORD: usize = size_of::<u64>();
    let (mut sum, mut done) = (0, 0);
    while length - done >= WORD {
        // SAFETY: a whole word is left at both, and neither has to be aligned.
        let word = unsafe { from.wrapping_add(done).cast::<u64>().read_unaligned() };
        // SAFETY: as above.
        unsafe { to.wrapping_add(done).cast::<u64>().write_unaligned(word) };
        sum = plus(sum, word);
        done += WORD;
    }
    let mut last = [0; WORD];
    for (place, byte) in last.iter_mut().enumerate().take(length - done) {
        // SAFETY: so many bytes are left at both.
        *byte = unsafe { from.wrapping_add(done + place).read() };
        // SAFETY: as above.
        unsafe { to.wrapping_add(done + place).write(*byte) };
    }
    plus(sum, u64::from_ne_bytes(last))
}

/// The sum of both, a carry added at the low end.
const fn plus(one: u64, other: u64) -> u64 {
    let (sum, carry) = one.overflowing_add(other);
    // After a carry the sum is below the maximum, so the carry always fits.
    sum.wrapping_add(carry as u64)
}

/// Copies whole blocks; their sum, and how many bytes they were.
///
/// # Safety
///
/// As [`copy`].
#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
#[target_feature(enable = "neon")]
unsafe fn copy_blocks(from: *const u8, to: *mut u8, length: usize) -> (u64, usize) {
    use core::arch::aarch64::{uint8x16_t, vaddq_u64, vaddvq_u64, vdupq_n_u64};
    const BLOCK: usize = 4 * size_of::<uint8x16_t>();
    let mut sums = [vdupq_n_u64(0); 4];
    let (mut from, mut to) = (from, to);
    // Two at a time: what a round costs beside them is halved.
    for _ in 0..length / (2 * BLOCK) {
        // SAFETY: two whole blocks are left at both.
        unsafe { copy_block(from, to, &mut sums) };
        let second = (from.wrapping_add(BLOCK), to.wrapping_add(BLOCK));
        // SAFETY: the second of them.
        unsafe { copy_block(second.0, second.1, &mut sums) };
        (from, to) = (from.wrapping_add(2 * BLOCK), to.wrapping_add(2 * BLOCK));
    }
    if length % (2 * BLOCK) >= BLOCK {
        // SAFETY: one whole block is left at both.
        unsafe { copy_block(from, to, &mut sums) };
    }
    let sum = vaddq_u64(vaddq_u64(sums[0], sums[1]), vaddq_u64(sums[2], sums[3]));
    (vaddvq_u64(sum), length - length % BLOCK)
}

/// Copies a block, and adds it to the sums, of which each takes a quarter.
///
/// # Safety
///
/// A whole block must be readable at `from` and writable at `to`; neither has to be aligned.
#[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
#[target_feature(enable = "neon")]
#[inline]
unsafe fn copy_block(
    from: *const u8,
    to: *mut u8,
    sums: &mut [core::arch::aarch64::uint64x2_t; 4],
) {
    use core::arch::aarch64::{vld1q_u8_x4, vpadalq_u32, vreinterpretq_u32_u8, vst1q_u8_x4};
    // SAFETY: as the caller promises.
    let block = unsafe { vld1q_u8_x4(from) };
    // SAFETY: as above.
    unsafe { vst1q_u8_x4(to, block) };
    // Each of 64 bits takes two of 32 for a block: no length overflows it.
    sums[0] = vpadalq_u32(sums[0], vreinterpretq_u32_u8(block.0));
    sums[1] = vpadalq_u32(sums[1], vreinterpretq_u32_u8(block.1));
    sums[2] = vpadalq_u32(sums[2], vreinterpretq_u32_u8(block.2));
    sums[3] = vpadalq_u32(sums[3], vreinterpretq_u32_u8(block.3));
}

/// Copies whole blocks; their sum, and how many bytes they were: none where there is nothing to do it with.
///
/// # Safety
///
/// As [`copy`].
#[cfg(not(all(target_arch = "aarch64", target_feature = "neon")))]
const unsafe fn copy_blocks(_from: *const u8, _to: *mut u8, _length: usize) -> (u64, usize) {
    (0, 0)
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::copy;

    /// RFC 1071 section 4.1, as it stands there: words of 16 bits, one by one.
    fn folded(bytes: &[u8]) -> u16 {
        let mut sum = 0_u64;
        for pair in bytes.chunks(2) {
            let second = pair.get(1).copied().unwrap_or(0);
            sum += u64::from(u16::from_ne_bytes([pair[0], second]));
        }
        fold(sum)
    }

    fn fold(mut sum: u64) -> u16 {
        while sum >> 16 != 0 {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        u16::try_from(sum).expect("folded")
    }

    #[test]
    fn every_length_at_every_place_is_copied_and_summed_up() {
        let mut state = 1_u32;
        let bytes: Vec<u8> = core::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_le_bytes()[3]
        })
        .take(400)
        .collect();
        for (start, length) in (0..9).flat_map(|start| (0..300).map(move |length| (start, length)))
        {
            let from = &bytes[start..start + length];
            let mut to = vec![0xaa; length + start + 1];
            // SAFETY: both are slices, of which so many bytes are there.
            let sum = unsafe { copy(from.as_ptr(), to[start..].as_mut_ptr(), length) };
            assert_eq!(&to[start..start + length], from);
            assert_eq!(to[start + length], 0xaa, "nothing is written behind");
            assert_eq!(fold(sum), folded(from), "{length} bytes at {start}");
        }
    }

    #[test]
    fn carries_go_round() {
        let mut to = [0; 515];
        // SAFETY: both are arrays of so many bytes.
        let sum = unsafe { copy([0xff; 515].as_ptr(), to.as_mut_ptr(), 515) };
        assert_eq!((fold(sum), to), (folded(&[0xff; 515]), [0xff; 515]));
    }
}
