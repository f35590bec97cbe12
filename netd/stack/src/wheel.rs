//! The timing wheel: any number of timers, each armed, disarmed and fired in constant time.
//!
//! *Owns* where each timer waits. Timers are indices below a limit; who they belong to, and when
//! they are due, is the owner's business ([`crate::timers`]): the wheel asks when it must know.
//! *Never* fires early; fires at most one tick (16 µs) late.
//!
//! Seven levels of 64 slots: a slot of level 0 is one tick long, one of the next level 64 times as
//! long (1 ms, 67 ms, 4.3 s, 4.6 min, 4.9 h, 13 days), the last reaches 2.3 years; what is later
//! waits in its farthest slot and is looked at again there. A timer sits in the level where its
//! deadline first differs from the present, and moves down when its slot comes.

use crate::queues::Queues;
use ::tcp::Instant;
/// A tick is 2^14 ns.
const TICK_BITS: u32 = 14;
const SLOT_BITS: u32 = 6;
const SLOTS: u32 = 1 << SLOT_BITS;
const LEVELS: u32 = 7;
/// How near a slot must be, in ticks (4 ms), for its timers to be worth a look before a sleep, and how many
/// looks are taken.
const NEAR: u64 = 256;
const LOOKS: u32 = 4;
/// One list more than slots: what is due.
const DUE: u32 = LEVELS * SLOTS;

/// All timers.
#[derive(Debug)]
pub(crate) struct Wheel {
    queues: Queues,
    occupied: [u64; LEVELS as usize],
    /// The tick up to which everything has been fired.
    present: u64,
    /// No occupied slot begins before this tick.
    quiet_until: u64,
    limit: usize,
}

/// The first tick that does not begin before the deadline.
fn tick_of(deadline: Instant) -> u64 {
    deadline.as_nanos().div_ceil(1 << TICK_BITS)
}

impl Wheel {
    /// Timers `0..limit`, none armed.
    pub(crate) fn new(limit: usize, now: Instant) -> Self {
        Self {
            queues: Queues::new(DUE as usize + 1, limit),
            occupied: [0; LEVELS as usize],
            present: now.as_nanos() >> TICK_BITS,
            quiet_until: u64::MAX,
            limit,
        }
    }

    /// The timer fires at `deadline`, and at no other time it may have been armed for.
    #[inline]
    pub(crate) fn arm(&mut self, timer: u32, deadline: Instant) {
        let tick = tick_of(deadline);
        match self.queues.list_of(timer) {
            // Connections arm their timer again with every segment, mostly for later than before:
            // it stays where it is, and is looked at again when its slot comes.
            Some(list) if list != DUE && tick >= self.start_of(list) => {}
            list => self.move_to(timer, list, tick),
        }
    }

    /// Arms or disarms.
    #[inline(always)]
    pub(crate) fn set(&mut self, timer: u32, deadline: Option<Instant>) {
        match deadline {
            Some(deadline) => self.arm(timer, deadline),
            None => self.disarm(timer),
        }
    }

    /// The timer does not fire.
    #[inline]
    pub(crate) fn disarm(&mut self, timer: u32) {
        if let Some(list) = self.queues.list_of(timer) {
            self.remove(timer, list);
        }
    }

    /// Puts a timer where it belongs, out of the list that it is in. (By itself, so that all who
    /// need nothing of it save no registers for it.)
    #[inline(never)]
    fn move_to(&mut self, timer: u32, list: Option<u32>, tick: u64) {
        if timer as usize >= self.limit {
            return;
        }
        if let Some(list) = list {
            self.remove(timer, list);
        }
        self.place(timer, tick);
    }

    #[inline(never)]
    fn remove(&mut self, timer: u32, list: u32) {
        self.queues.remove(timer);
        self.note_emptied(list);
    }

    fn note_emptied(&mut self, list: u32) {
        if list != DUE
            && self.queues.is_empty(list)
            && let Some(occupied) = self.occupied.get_mut((list / SLOTS) as usize)
        {
            *occupied &= !(1 << (list % SLOTS));
        }
    }

    fn place(&mut self, timer: u32, tick: u64) {
        if tick <= self.present {
            self.quiet_until = 0;
            self.queues.push(DUE, timer);
            return;
        }
        let (list, start) = self.slot_of(tick);
        self.queues.push(list, timer);
        self.quiet_until = self.quiet_until.min(start);
        if let Some(occupied) = self.occupied.get_mut((list / SLOTS) as usize) {
            *occupied |= 1 << (list % SLOTS);
        }
    }

    /// Where a tick that is ahead of the present belongs: a list, and the tick at which its slot begins.
    #[inline]
    fn slot_of(&self, tick: u64) -> (u32, u64) {
        // The level of the highest digit (in base 64) in which deadline and present differ.
        let highest = u64::BITS - 1 - (tick ^ self.present).leading_zeros();
        let level = (highest / SLOT_BITS).min(LEVELS - 1);
        let shift = level * SLOT_BITS;
        // The last level goes round: what is farther than its 63 slots ahead waits in the last of
        // them, to be looked at again.
        let ahead = ((tick >> shift) - (self.present >> shift)).min(u64::from(SLOTS) - 1);
        let slot = ((self.present >> shift) + ahead) % u64::from(SLOTS);
        let slot = u32::try_from(slot).unwrap_or(0);
        let start = ((self.present >> shift) + ahead) << shift;
        (level * SLOTS + slot, start)
    }

    /// The tick at which an occupied slot begins. All of them are ahead of the present.
    #[inline]
    fn start_of(&self, list: u32) -> u64 {
        let shift = (list / SLOTS) * SLOT_BITS;
        let (slot, digit) = (u64::from(list % SLOTS), self.present >> shift);
        (digit + (slot.wrapping_sub(digit) % u64::from(SLOTS))) << shift
    }

    /// The tick at which the next occupied slot begins, and its list.
    fn next_slot(&self) -> Option<(u64, u32)> {
        (0..LEVELS)
            .zip(self.occupied)
            .find_map(|(level, occupied)| {
                if occupied == 0 {
                    return None;
                }
                let shift = level * SLOT_BITS;
                let digit = (self.present >> shift) % u64::from(SLOTS);
                // Slots ahead of the present one, nearest first; the present one itself is empty.
                let ahead = occupied
                    .rotate_right(u32::try_from(digit).unwrap_or(0))
                    .trailing_zeros();
                let slot = (u32::try_from(digit).unwrap_or(0) + ahead) % SLOTS;
                let start = ((self.present >> shift) + u64::from(ahead)) << shift;
                Some((start, level * SLOTS + slot))
            })
    }

    /// When [`Wheel::fire`] must be called next. At most the true deadline: a timer far away may
    /// need up to six calls on its way down.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        if !self.queues.is_empty(DUE) {
            return Some(Instant::from_nanos(self.present << TICK_BITS));
        }
        let (tick, _) = self.next_slot()?;
        Some(Instant::from_nanos(tick.saturating_mul(1 << TICK_BITS)))
    }

    /// Before a sleep: when [`Wheel::fire`] must be called next, or somewhat earlier. With a look that
    /// `is_close`, whoever was armed for later since it came to the next slot is moved on now, if that slot is
    /// near: that is cheaper than to be woken for it. `deadline` as for [`Wheel::fire`].
    pub(crate) fn settle(
        &mut self,
        now: Instant,
        is_close: bool,
        deadline: impl Fn(u32) -> Option<Instant>,
    ) -> Option<Instant> {
        let now = now.as_nanos() >> TICK_BITS;
        let at = |tick: u64| Instant::from_nanos(tick << TICK_BITS);
        if self.quiet_until > now + NEAR {
            return (self.quiet_until < u64::MAX).then(|| at(self.quiet_until));
        }
        if now < self.quiet_until {
            self.present = self.present.max(now);
        }
        let looks = if is_close { LOOKS } else { 0 };
        for _ in 0..looks {
            if !self.queues.is_empty(DUE) {
                break;
            }
            let Some((start, list)) = self.next_slot() else {
                break;
            };
            self.quiet_until = start;
            let timer = self.queues.first(list);
            let Some(timer) = timer.filter(|_| start > now && start <= now + NEAR) else {
                return Some(at(start));
            };
            let Some(tick) = deadline(timer).map(tick_of) else {
                self.remove(timer, list);
                continue;
            };
            if tick > self.present && self.slot_of(tick).0 == list {
                // All other slots begin after this one has ended.
                let is_alone = self.queues.last(list) == Some(timer);
                let exactly = if is_alone { tick } else { start };
                return Some(at(exactly));
            }
            self.move_to(timer, Some(list), tick);
        }
        self.next_deadline()
    }

    /// Whether [`Wheel::fire`] has something to do, or to find out.
    #[inline]
    pub(crate) const fn is_due(&self, now: Instant) -> bool {
        self.quiet_until <= now.as_nanos() >> TICK_BITS
    }

    /// One timer that is due at `now`, disarmed; call until `None`. `deadline` says when a timer is
    /// due; `None` if it need not fire any more.
    pub(crate) fn fire(
        &mut self,
        now: Instant,
        deadline: impl Fn(u32) -> Option<Instant>,
    ) -> Option<u32> {
        let now = now.as_nanos() >> TICK_BITS;
        if now < self.quiet_until {
            self.present = self.present.max(now);
            return None;
        }
        loop {
            if let Some(timer) = self.queues.pop(DUE) {
                return Some(timer);
            }
            match self.next_slot() {
                Some((tick, list)) if tick <= now => {
                    self.present = tick;
                    // All in the slot are due now or move to a lower level.
                    while let Some(timer) = self.queues.pop(list) {
                        self.note_emptied(list);
                        let Some(deadline) = deadline(timer) else {
                            continue;
                        };
                        self.place(timer, tick_of(deadline));
                        if self.queues.list_of(timer) == Some(list) {
                            break;
                        }
                    }
                }
                next => {
                    self.present = self.present.max(now);
                    self.quiet_until = next.map_or(u64::MAX, |(tick, _)| tick);
                    return None;
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "wheel_tests.rs"]
mod tests;
