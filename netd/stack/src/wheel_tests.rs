//! The wheel against a model that looks at every timer every time.

use super::*;
use std::vec::Vec;

const TICK: u64 = 1 << TICK_BITS;

fn at(nanoseconds: u64) -> Instant {
    Instant::from_nanos(nanoseconds)
}

/// A wheel whose owner knows when its timers are due.
struct Owner {
    wheel: Wheel,
    deadlines: Vec<Instant>,
}

impl Owner {
    fn new(limit: usize, now: u64) -> Self {
        Self {
            wheel: Wheel::new(limit, at(now)),
            deadlines: std::vec![Instant::ZERO; limit],
        }
    }

    fn arm(&mut self, timer: u32, deadline: u64) {
        if let Some(place) = self.deadlines.get_mut(timer as usize) {
            *place = at(deadline);
        }
        self.wheel.arm(timer, at(deadline));
    }

    fn fire(&mut self, now: u64) -> Option<u32> {
        let due = |timer: u32| self.deadlines.get(timer as usize).copied();
        self.wheel.fire(at(now), due)
    }

    fn settled(&mut self, now: u64) -> Option<Instant> {
        let due = |timer: u32| self.deadlines.get(timer as usize).copied();
        self.wheel.settle(at(now), true, due)
    }

    fn fired(&mut self, now: u64) -> Vec<u32> {
        let mut fired: Vec<u32> = core::iter::from_fn(|| self.fire(now)).collect();
        fired.sort_unstable();
        fired
    }
}

#[test]
fn never_early_and_at_most_a_tick_late() {
    for delay in [
        0,
        1,
        TICK - 1,
        TICK,
        63 * TICK,
        64 * TICK,
        4_097 * TICK,
        1_000_000_000,
        1 << 45,
        1 << 60,
    ] {
        let start = 12_345_678_901;
        let mut owner = Owner::new(1, start);
        owner.arm(0, start + delay);
        let mut calls = 0;
        let mut now = start;
        loop {
            let next = owner.wheel.next_deadline().unwrap().as_nanos();
            assert!(next < start + delay + TICK, "asked to be called too late");
            now = now.max(next);
            if owner.fire(now).is_some() {
                break;
            }
            calls += 1;
            assert!(calls < 400, "no progress");
        }
        assert!(now >= start + delay, "{delay}: early");
        assert!(now < start + delay + TICK, "{delay}: late");
        assert_eq!(owner.wheel.next_deadline(), None);
    }
}

#[test]
fn disarmed_and_rearmed() {
    let mut owner = Owner::new(3, 0);
    owner.arm(0, 10 * TICK);
    owner.arm(1, 20 * TICK);
    owner.arm(2, 30 * TICK);
    owner.wheel.disarm(1);
    owner.arm(0, 40 * TICK);
    assert_eq!(owner.fired(35 * TICK), [2]);
    assert_eq!(owner.fired(40 * TICK), [0]);
    assert_eq!(owner.wheel.next_deadline(), None);
}

#[test]
fn agrees_with_a_naive_model() {
    const TIMERS: usize = 40;
    let mut state = 99u64;
    let mut random = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state >> 20
    };
    let mut now = 7 * TICK + 3;
    let mut owner = Owner::new(TIMERS, now);
    let mut model: [Option<u64>; TIMERS] = [None; TIMERS];
    for _ in 0..200_000 {
        let timer = random() as usize % TIMERS;
        match random() % 8 {
            0..=3 => {
                // Delays of all magnitudes, from nanoseconds to weeks.
                let deadline = now + (random() % 1024) * (1 << (random() % 42));
                model[timer] = Some(deadline);
                owner.arm(timer as u32, deadline);
            }
            4 => {
                model[timer] = None;
                owner.wheel.disarm(timer as u32);
            }
            _ => {
                now += (random() % 1024) * (1 << (random() % 36));
                let due: Vec<u32> = (0..TIMERS as u32)
                    .filter(|timer| {
                        model[*timer as usize]
                            .is_some_and(|deadline| deadline.div_ceil(TICK) <= now / TICK)
                    })
                    .collect();
                due.iter().for_each(|timer| model[*timer as usize] = None);
                assert_eq!(owner.fired(now), due);
                let earliest = model.iter().flatten().min();
                if random() % 2 == 0 {
                    let settled = owner.settled(now);
                    if let Some(earliest) = earliest {
                        let settled = settled.expect("not to be slept through");
                        assert!(settled.as_nanos() < earliest + TICK);
                    }
                }
                match (earliest, owner.wheel.next_deadline()) {
                    (None, next) => assert_eq!(next, None),
                    (Some(earliest), Some(next)) => {
                        assert!(next.as_nanos() < earliest + TICK);
                    }
                    (Some(_), None) => panic!("a timer was lost"),
                }
            }
        }
    }
}

#[test]
fn timers_beyond_the_limit_are_ignored() {
    let mut owner = Owner::new(1, 0);
    owner.arm(1, 5);
    assert_eq!(owner.wheel.next_deadline(), None);
    owner.wheel.disarm(7);
}

#[test]
fn what_need_not_fire_any_more_does_not() {
    let mut wheel = Wheel::new(2, at(0));
    wheel.arm(0, at(5 * TICK));
    wheel.arm(1, at(5 * TICK));
    let due = |timer| (timer == 1).then(|| at(5 * TICK));
    assert_eq!(wheel.fire(at(9 * TICK), due), Some(1));
    assert_eq!(wheel.fire(at(9 * TICK), due), None);
    assert_eq!(wheel.next_deadline(), None);
}

#[test]
fn nobody_is_woken_for_what_was_armed_for_later() {
    let mut owner = Owner::new(3, 0);
    owner.arm(0, 200 * TICK);
    // It stays in its slot, which begins at 192.
    owner.arm(0, 300 * TICK);
    assert_eq!(owner.wheel.next_deadline(), Some(at(192 * TICK)));
    assert_eq!(
        owner.settled(100 * TICK),
        Some(at(300 * TICK)),
        "more exactly"
    );
    // With company nobody is looked for beyond the beginning of the slot.
    owner.arm(1, 301 * TICK);
    assert_eq!(owner.settled(100 * TICK), Some(at(256 * TICK)));
    owner.wheel.disarm(0);
    owner.wheel.disarm(1);
    assert_eq!(owner.settled(100 * TICK), None);
    // Who is far away is left alone.
    owner.arm(2, 5_000 * TICK);
    owner.arm(2, 6_000 * TICK);
    assert_eq!(owner.settled(100 * TICK), Some(at(4_096 * TICK)));
    assert_eq!(owner.settled(4_000 * TICK), Some(at(6_000 * TICK)));
    owner.arm(2, 5_000 * TICK);
    assert_eq!(owner.fired(4_999 * TICK), []);
    assert_eq!(owner.fired(5_000 * TICK), [2]);
}
