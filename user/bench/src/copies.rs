//! Copies of all lengths, apart and overlapping: that they are right, and what one of a segment costs.

use alloc::vec;
use alloc::vec::Vec;
use core::hint::black_box;

use rt::clock;

/// Lengths around all that the copying code treats differently.
const LENGTHS: usize = 700;
/// Distances of overlapping copies, both ways.
const SHIFTS: [usize; 9] = [1, 7, 8, 16, 31, 64, 65, 127, 200];
const MARGIN: usize = 256;
/// Payload of a usual segment.
const SEGMENT: usize = 1448;
const ROUNDS: u32 = 1000;

fn byte(place: usize) -> u8 {
    let [low, high, ..] = (place.wrapping_mul(0x9e37)).to_le_bytes();
    low ^ high
}

/// Whether all are right.
pub fn are_right() -> bool {
    (0..LENGTHS).all(is_right_apart) && (0..LENGTHS).all(is_right_overlapping)
}

fn is_right_apart(length: usize) -> bool {
    let from: Vec<u8> = (0..length).map(byte).collect();
    let mut to = vec![0xee; length + 2 * MARGIN];
    let Some(place) = to.get_mut(MARGIN..MARGIN + length) else {
        return false;
    };
    place.copy_from_slice(black_box(&from));
    to.iter().enumerate().all(|(place, found)| {
        let inside = place.checked_sub(MARGIN).filter(|at| *at < length);
        *found == inside.map_or(0xee, byte)
    })
}

fn is_right_overlapping(length: usize) -> bool {
    SHIFTS.iter().all(|shift| {
        [(MARGIN, MARGIN + shift), (MARGIN + shift, MARGIN)]
            .into_iter()
            .all(|(from, to)| {
                let mut memory: Vec<u8> = (0..length + 3 * MARGIN).map(byte).collect();
                black_box(&mut memory).copy_within(from..from + length, to);
                memory.iter().enumerate().all(|(place, found)| {
                    let inside = place.checked_sub(to).filter(|at| *at < length);
                    *found == byte(inside.map_or(place, |at| from + at))
                })
            })
    })
}

/// Copies a segment's payload many times. When that began, and how often.
pub fn of_a_segment() -> (u64, u32) {
    let from = [0x5a_u8; SEGMENT];
    let mut to = [0; SEGMENT];
    let start = clock::now();
    for _ in 0..ROUNDS {
        black_box(&mut to).copy_from_slice(black_box(&from));
    }
    (start, ROUNDS)
}
