//! What time it is.

use core::sync::atomic::{AtomicU64, Ordering};

/// Nanoseconds of a second.
const NANOSECONDS: u64 = 1_000_000_000;

/// Seconds since 1970 at the start of the system counter, in nanoseconds; zero: not known.
static WALL_AT_ZERO: AtomicU64 = AtomicU64::new(0);

/// Nanoseconds since the machine started.
#[must_use]
pub fn now() -> u64 {
    counter::nanoseconds(counter::read())
}

/// On a host: from now on it is so late for this thread, and time stands still, for simulations.
#[cfg(not(target_os = "none"))]
pub fn stand_at(nanoseconds: u64) {
    counter::TOLD.set(Some(nanoseconds));
}

/// Seconds since 1970, if there is a real-time clock.
#[must_use]
pub fn wall() -> Option<u64> {
    wall_nanoseconds().map(|now| now / NANOSECONDS)
}

/// Nanoseconds since 1970, if there is a real-time clock. Its own resolution is one second.
#[must_use]
pub fn wall_nanoseconds() -> Option<u64> {
    match WALL_AT_ZERO.load(Ordering::Relaxed) {
        0 => None,
        base => Some(base.saturating_add(now())),
    }
}

/// Tells what the wall clock, in nanoseconds since 1970, showed when the counter was zero; zero
/// if nobody knows. The run-time does this; the first process, which knows it first, as well.
pub fn set_wall_at_zero(nanoseconds: u64) {
    WALL_AT_ZERO.store(nanoseconds, Ordering::Relaxed);
}

/// The counter's value at a moment in nanoseconds since start, rounded up so that a wait does not
/// end before its deadline. [`abi::DEADLINE_NEVER`] for moments beyond its range.
#[must_use]
pub fn ticks_at(nanoseconds: u64) -> u64 {
    let (seconds, rest) = (nanoseconds / NANOSECONDS, nanoseconds % NANOSECONDS);
    let frequency = counter::frequency();
    // The rest is below a second: its product fits for every frequency below 18 GHz.
    let part = rest.saturating_mul(frequency).div_ceil(NANOSECONDS);
    let whole = seconds.checked_mul(frequency);
    whole
        .and_then(|whole| whole.checked_add(part))
        .unwrap_or(abi::DEADLINE_NEVER)
}

/// The duration of some ticks of the system counter, in nanoseconds.
#[must_use]
pub fn nanoseconds_of(ticks: u64) -> u64 {
    counter::nanoseconds(ticks)
}

/// The system counter, which programs may read without a system call.
#[cfg(target_os = "none")]
mod counter {
    use core::sync::atomic::{AtomicU64, Ordering};

    /// Nanoseconds for each tick, times 2^32; zero until first asked.
    static SCALE: AtomicU64 = AtomicU64::new(0);

    pub fn read() -> u64 {
        let ticks: u64;
        // SAFETY: reads a counter. The barrier keeps the read from being made early.
        unsafe {
            core::arch::asm!("isb", "mrs {}, cntvct_el0", out(reg) ticks, options(nostack, nomem));
        }
        ticks
    }

    pub fn frequency() -> u64 {
        let hertz: u64;
        // SAFETY: reads a constant.
        unsafe {
            core::arch::asm!("mrs {}, cntfrq_el0", out(reg) hertz, options(nostack, nomem, pure));
        }
        hertz.max(1)
    }

    pub fn nanoseconds(ticks: u64) -> u64 {
        let mut scale = SCALE.load(Ordering::Relaxed);
        if scale == 0 {
            // A multiplication for each reading instead of a division.
            scale = (1_000_000_000_u64 << 32) / frequency();
            SCALE.store(scale, Ordering::Relaxed);
        }
        let product = u128::from(ticks) * u128::from(scale);
        u64::try_from(product >> 32).unwrap_or(u64::MAX)
    }
}

#[cfg(not(target_os = "none"))]
mod counter {
    use std::{cell::Cell, sync::OnceLock, time::Instant};

    std::thread_local! {
        /// What this thread was told, in nanoseconds.
        pub static TOLD: Cell<Option<u64>> = const { Cell::new(None) };
    }

    pub fn read() -> u64 {
        if let Some(told) = TOLD.get() {
            return told;
        }
        static START: OnceLock<Instant> = OnceLock::new();
        let elapsed = START.get_or_init(Instant::now).elapsed();
        u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
    }

    pub const fn frequency() -> u64 {
        1_000_000_000
    }

    pub const fn nanoseconds(ticks: u64) -> u64 {
        ticks
    }
}

#[cfg(test)]
mod tests {
    use super::ticks_at;

    #[test]
    fn deadlines_are_kept_over_the_whole_range() {
        // The host's counter counts nanoseconds.
        assert_eq!(ticks_at(0), 0);
        assert_eq!(ticks_at(1_999_999_999), 1_999_999_999);
        assert_eq!(ticks_at(u64::MAX), abi::DEADLINE_NEVER);
    }
}
