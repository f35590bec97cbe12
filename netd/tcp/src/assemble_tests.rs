//! [`Ranges`] against a plain bitmap: exhaustively on a small stream, and at random on a larger.

use super::*;
use crate::pool::Pool;

/// The same, done slowly and obviously.
#[derive(Clone)]
struct Bitmap<const N: usize>([bool; N]);

impl<const N: usize> Bitmap<N> {
    fn insert(&mut self, start: usize, end: usize) {
        self.0[start..end].fill(true);
    }

    fn ranges(&self) -> Vec<Range> {
        let mut ranges: Vec<Range> = Vec::new();
        for (position, _) in self.0.iter().enumerate().filter(|(_, held)| **held) {
            let position = position as u64;
            match ranges.last_mut() {
                Some(last) if last.end == position => last.end += 1,
                _ => ranges.push(Range {
                    start: position,
                    end: position + 1,
                }),
            }
        }
        ranges
    }

    fn advance(&mut self, position: usize) -> usize {
        let mut reached = position;
        while reached < N && self.0[reached] {
            reached += 1;
        }
        self.0[..reached].fill(false);
        reached
    }
}

#[test]
fn every_three_insertions_into_nine_bytes_and_every_advance() {
    const N: usize = 9;
    let spans: Vec<(usize, usize)> = (0..N)
        .flat_map(|start| (start..=N).map(move |end| (start, end)))
        .collect();
    for first in &spans {
        for second in &spans {
            for third in &spans {
                let (mut ranges, mut bitmap) = (Ranges::EMPTY, Bitmap([false; N]));
                for (start, end) in [first, second, third] {
                    ranges.insert(*start as u64, *end as u64).unwrap();
                    bitmap.insert(*start, *end);
                    assert_eq!(ranges.as_slice(), bitmap.ranges());
                }
                for position in 0..N {
                    let (mut ranges, mut bitmap) = (ranges.clone(), bitmap.clone());
                    let reached = ranges.advance(position as u64);
                    assert_eq!(reached, bitmap.advance(position) as u64);
                    assert_eq!(ranges.as_slice(), bitmap.ranges());
                }
            }
        }
    }
}

#[test]
fn a_full_list_refuses_and_keeps_what_it_has() {
    let mut ranges = Ranges::EMPTY;
    for place in 0..Ranges::CAPACITY as u64 {
        ranges.insert(place * 10, place * 10 + 5).unwrap();
    }
    let before = ranges.clone();
    assert_eq!(ranges.insert(7, 8), Err(TooManyRanges));
    assert_eq!(ranges.as_slice(), before.as_slice());
    // What touches or joins is still welcome, and makes place.
    assert_eq!(ranges.insert(5, 10), Ok(()));
    assert_eq!(ranges.as_slice().len(), Ranges::CAPACITY - 1);
    assert_eq!(ranges.insert(7_000, 7_001), Ok(()));
    assert_eq!(ranges.insert(0, u64::MAX), Ok(()));
    assert_eq!(
        ranges.as_slice(),
        [Range {
            start: 0,
            end: u64::MAX
        }]
    );
    assert_eq!(ranges.advance(3), u64::MAX);
    assert!(ranges.is_empty());
}

#[test]
fn the_front_of_a_full_list_makes_place() {
    let mut ranges = Ranges::EMPTY;
    for place in 0..Ranges::CAPACITY as u64 {
        ranges.insert(place * 10, place * 10 + 5).unwrap();
    }
    let behind = ranges.as_slice()[1..].to_vec();
    assert_eq!(ranges.advance(0), 5);
    assert_eq!(ranges.as_slice(), behind);
    assert_eq!(ranges.insert(7, 8), Ok(()));
    assert_eq!(ranges.insert(8_000, 8_001), Err(TooManyRanges));
}

proptest::proptest! {
    #[test]
    fn follows_the_bitmap(steps in proptest::collection::vec((0..200_usize, 0..12_usize, 0..8), 1..200)) {
        let (mut ranges, mut bitmap) = (Ranges::EMPTY, Bitmap([false; 512]));
        let mut base = 0;
        for (start, len, action) in steps {
            if action == 0 {
                let reached = bitmap.advance(base);
                proptest::prop_assert_eq!(ranges.advance(base as u64), reached as u64);
                base = reached;
            } else {
                let start = start.max(base);
                let kept = ranges.clone();
                match ranges.insert(start as u64, (start + len) as u64) {
                    Ok(()) => bitmap.insert(start, start + len),
                    Err(TooManyRanges) => proptest::prop_assert_eq!(ranges.as_slice(), kept.as_slice()),
                }
            }
            proptest::prop_assert_eq!(ranges.as_slice(), &bitmap.ranges()[..]);
        }
    }
}

#[test]
fn a_list_that_comes_back_is_lent_clean() {
    let mut pool = Pool::<Ranges>::new(1);
    let list = pool.take().unwrap();
    pool.get_mut(&list).unwrap().insert(1, 2).unwrap();
    pool.get_mut(&list).unwrap().note_fin(9);
    pool.give_back(list);
    let again = pool.take().unwrap();
    assert!(pool.get(&again).unwrap().is_empty());
    assert_eq!(pool.get(&again).unwrap().fin(), None);
}

#[test]
fn the_ranges_that_grew_last_come_first() {
    let mut ranges = Ranges::EMPTY;
    let starts = |ranges: &Ranges| ranges.recent().map(|range| range.start).collect::<Vec<_>>();
    for start in [10, 30, 50, 70, 90] {
        ranges.insert(start, start + 5).unwrap();
    }
    assert_eq!(starts(&ranges), [90, 70, 50, 30]);
    // One grows to the front, two become one, one is in order now.
    ranges.insert(55, 60).unwrap();
    assert_eq!(starts(&ranges), [50, 90, 70, 30]);
    ranges.insert(75, 90).unwrap();
    assert_eq!(starts(&ranges), [70, 50, 30]);
    assert_eq!(ranges.advance(31), 35);
    assert_eq!(starts(&ranges), [70, 50]);
}

#[test]
fn what_is_held_already_is_found() {
    let mut ranges = Ranges::EMPTY;
    ranges.insert(10, 20).unwrap();
    ranges.insert(30, 40).unwrap();
    let overlap = |start, end| {
        ranges
            .overlap(start, end)
            .map(|part| (part.start, part.end))
    };
    assert_eq!(overlap(0, 10), None);
    assert_eq!(overlap(20, 30), None);
    assert_eq!(overlap(5, 12), Some((10, 12)));
    assert_eq!(overlap(15, 35), Some((15, 20)));
    assert_eq!(overlap(25, 99), Some((30, 40)));
}

#[test]
fn the_timestamp_before_the_holes_is_good_for_a_gibibyte() {
    const FAR: u64 = Ranges::STAMP_SPAN;
    let mut ranges = Ranges::EMPTY;
    ranges.note_stamp(7, 100);
    ranges.insert(200, 300).unwrap();
    // A hole that is there all the time, with ever newer timestamps before it.
    ranges.note_stamp(8, 150);
    assert_eq!(ranges.stamp_before(100 + FAR), Some(7));
    assert_eq!(ranges.stamp_before(101 + FAR), None);
    ranges.note_stamp(9, 101 + FAR);
    assert_eq!(ranges.stamp_before(101 + FAR), Some(9));
    // New holes.
    ranges.clear();
    ranges.note_stamp(10, 102 + FAR);
    assert_eq!(ranges.stamp_before(102 + FAR), Some(10));
}
