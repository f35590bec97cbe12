//! [`Scoreboard`] against one condition a byte, at random; and its limits.
#![allow(clippy::cast_possible_truncation, reason = "small numbers")]

use super::*;
use crate::rate::Delivered;
use crate::time::{Instant, Span};
use proptest::prelude::*;

fn left(milliseconds: u64) -> Departure {
    let mut delivered = Delivered::new(Instant::ZERO);
    delivered.depart(false, Instant::from_millis(milliseconds))
}

fn board(lens: &[u32]) -> Scoreboard {
    let mut board = Scoreboard::new();
    board.reset(0);
    for (time, len) in lens.iter().enumerate() {
        board.depart(*len, left(time as u64), || Span::ZERO);
    }
    board
}

/// The same, done slowly and obviously.
struct Bytes {
    una: usize,
    conditions: Vec<Condition>,
}

impl Bytes {
    fn count(&self, condition: Condition) -> u32 {
        let beyond = self.conditions.iter().skip(self.una);
        beyond.filter(|here| **here == condition).count() as u32
    }

    fn set(&mut self, start: usize, end: usize, condition: Condition) -> u32 {
        let mut changed = 0;
        for here in &mut self.conditions[start.max(self.una)..end.max(self.una)] {
            changed += u32::from(*here != condition && *here != Condition::Arrived);
            if *here != Condition::Arrived {
                *here = condition;
            }
        }
        changed
    }
}

fn check(board: &Scoreboard, bytes: &Bytes) {
    let mut position = bytes.una;
    for record in board.records() {
        let end = record.end as usize;
        assert!(end > position, "an empty record");
        for place in position..end {
            assert_eq!(bytes.conditions[place], record.condition, "byte {place}");
        }
        position = end;
    }
    assert_eq!(position, bytes.conditions.len().max(bytes.una));
    assert_eq!(board.arrived(), bytes.count(Condition::Arrived));
    assert_eq!(board.lost(), bytes.count(Condition::Lost));
}

proptest! {
    #[test]
    fn every_byte_is_where_it_should_be(
        steps in prop::collection::vec((0..7_u8, 0..300_usize, 1..60_usize), 1..200),
    ) {
        let mut board = board(&[]);
        let mut bytes = Bytes { una: 0, conditions: Vec::new() };
        for (time, (action, place, len)) in steps.into_iter().enumerate() {
            let mut delivery = Delivery::NONE;
            let nxt = bytes.conditions.len();
            let flight = nxt - bytes.una;
            let start = bytes.una + place % flight.max(1);
            let end = (start + len).min(nxt);
            match action {
                0 | 1 => {
                    board.depart(len as u32, left(time as u64 / 3), || Span::ZERO);
                    bytes.conditions.resize(nxt + len, Condition::InFlight);
                }
                2 if start < end => {
                    board.report(start as u64, end as u64, &mut delivery);
                    let changed = bytes.set(start, end, Condition::Arrived);
                    prop_assert_eq!((delivery.bytes, delivery.selected), (changed, changed));
                }
                3 => {
                    board.acknowledge(start as u64, &mut delivery);
                    let changed = bytes.set(bytes.una, start, Condition::Arrived);
                    prop_assert_eq!(delivery.bytes, changed);
                    bytes.una = start;
                }
                4 => {
                    let before = board.lost();
                    let cut = Instant::from_millis((time as u64 / 3).saturating_sub(3));
                    let mut position = bytes.una;
                    for record in board.records().to_vec() {
                        let end = record.end as usize;
                        if record.condition == Condition::InFlight && record.departure.at < cut {
                            bytes.set(position, end, Condition::Lost);
                        }
                        position = end;
                    }
                    let lost = board.lose_where(|record| record.departure.at < cut);
                    prop_assert_eq!(board.lost(), before + lost);
                }
                5 => {
                    if let Some(Range { start, end }) = board.first_lost() {
                        let len = (len as u64).min(end - start);
                        prop_assert!(board.resend(len as u32, left(time as u64 / 3)).is_some());
                        bytes.set(start as usize, (start + len) as usize, Condition::InFlight);
                    }
                }
                6 => {
                    let lost = board.lose_first(len as u32);
                    prop_assert!(lost as usize <= len);
                    if lost > 0 {
                        bytes.set(bytes.una, bytes.una + lost as usize, Condition::Lost);
                    }
                }
                _ => {}
            }
            check(&board, &bytes);
        }
    }
}

#[test]
fn what_leaves_together_is_one_record() {
    let mut board = board(&[]);
    for _ in 0..10 {
        board.depart(1_000, left(5), || Span::ZERO);
    }
    assert_eq!(board.records().len(), 1);
    board.depart(1_000, left(6), || Span::ZERO);
    assert_eq!(board.records().len(), 2);
}

#[test]
fn a_long_flight_fits_and_keeps_its_times() {
    // 1 Gbit/s, 20 ms, 1,448 bytes every 11.6 µs: 1,724 segments; within a record no more than
    // 1/32 of a round trip.
    let mut board = Scoreboard::new();
    let while_short = Span::from_micros(625);
    let mut delivered = Delivered::new(Instant::ZERO);
    for place in 0..1_724 {
        let departure = delivered.depart(false, Instant::from_nanos(place * 11_600));
        board.depart(1_448, departure, || while_short);
    }
    assert!(board.has_room());
    assert!(board.records().len() <= 128, "{}", board.records().len());
    let times: Vec<_> = board
        .records()
        .iter()
        .map(|record| record.departure.at)
        .collect();
    assert!(
        times
            .windows(2)
            .all(|pair| pair[1].span_since(pair[0]) <= while_short.saturating_mul(2))
    );
}

#[test]
fn whatever_is_reported_the_board_stays_bounded_and_right() {
    let mut board = board(&[100_000]);
    let mut delivery = Delivery::NONE;
    for place in 0..10_000 {
        board.report(place * 10 + 1, place * 10 + 2, &mut delivery);
        assert!(board.records().len() <= Scoreboard::CAPACITY);
    }
    let noted = delivery.selected;
    assert!((100..10_000).contains(&noted), "{noted}");
    assert_eq!(board.arrived(), noted);
    // All of it at once is noted again.
    board.report(0, 100_000, &mut delivery);
    assert_eq!((board.records().len(), board.arrived()), (1, 100_000));
}

#[test]
fn a_crowded_board_believes_nobody_after_a_timeout() {
    let mut board = board(&[100_000]);
    let mut delivery = Delivery::NONE;
    for place in 0..1_000 {
        board.report(place * 10 + 1, place * 10 + 2, &mut delivery);
    }
    board.lose_all(true);
    assert_eq!((board.arrived(), board.lost()), (0, 100_000));
    assert!(board.resend(1_000, left(9)).is_some());
    assert_eq!(
        (board.first_lost(), board.lost()),
        (
            Some(Range {
                start: 1_000,
                end: 100_000
            }),
            99_000
        )
    );
}

#[test]
fn a_peer_that_takes_back_is_found_out() {
    let mut board = board(&[1_000, 1_000, 1_000]);
    let mut delivery = Delivery::NONE;
    board.report(1_000, 2_000, &mut delivery);
    assert!(!board.is_reneged());
    board.acknowledge(1_000, &mut delivery);
    assert!(board.is_reneged());
    board.lose_all(false);
    assert_eq!((board.arrived(), board.lost()), (0, 2_000));
}

#[test]
fn the_last_segment_leaves_again() {
    let mut board = board(&[3_000]);
    assert_eq!(
        board.resend_last(1_000, left(7)),
        Some(Range {
            start: 2_000,
            end: 3_000
        })
    );
    let ends: Vec<_> = board
        .records()
        .iter()
        .map(|record| (record.end, record.was_resent))
        .collect();
    assert_eq!(ends, [(2_000, false), (3_000, true)]);
    assert!(board.may_find_losses());
}

#[test]
fn forgiveness_puts_everything_back_on_its_way() {
    let mut board = board(&[1_000, 1_000]);
    board.lose_all(true);
    board.forgive();
    assert_eq!((board.lost(), board.first_lost()), (0, None));
    assert!(
        board
            .records()
            .iter()
            .all(|record| record.condition == Condition::InFlight)
    );
}

#[test]
fn what_left_last_of_a_shared_record_does_not_date_the_rest() {
    // So many records that the last one is shared by what left in the next second.
    let lens = vec![1_000; Scoreboard::CAPACITY];
    let mut board = board(&lens);
    let last = *board.records().last().unwrap();
    assert!(last.first_at < last.departure.at);
    let start = board.start_of(board.records().len() - 1);
    let nxt = lens.len() as u64 * 1_000;
    let now = left(1_000).at;
    // Its front left no later than its end: the round trip is not known, a loss is not proven by it.
    let mut delivery = Delivery::NONE;
    board.report(start, start + 1_000, &mut delivery);
    assert_eq!(delivery.round_trip(now), None);
    let newest = delivery.newest_original.unwrap();
    assert_eq!(newest.at, last.first_at);
    // Its end left when it says.
    let mut delivery = Delivery::NONE;
    board.report(nxt - 1_000, nxt, &mut delivery);
    let known = now.span_since(last.departure.at);
    assert_eq!(delivery.round_trip(now), Some(known));
    // And what leaves again is dated anew.
    board.lose_where(|_| true);
    let lost = board.first_lost().unwrap().start;
    assert!(board.resend(1_000, left(900)).is_some());
    let mut delivery = Delivery::NONE;
    board.report(lost, lost + 1_000, &mut delivery);
    assert_eq!(delivery.newest_resent.unwrap().at, left(900).at);
}
