//! What time it is.
//!
//! The time since the start is the system counter's. That of the wall is the counter's and one number, which the
//! first process keeps in a page of memory that every process has mapped and it alone may write: who sets the
//! clock sets it for all at once.

use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use abi::{Error, PAGE_SIZE, Protection};

use crate::handle::Memory;

/// Nanoseconds of a second.
const NANOSECONDS: u64 = 1_000_000_000;

/// What is read as long as there is no page: nobody knows.
static UNKNOWN: AtomicU64 = AtomicU64::new(0);

/// Where it stands what the wall clock, in nanoseconds since 1970, showed when the counter was zero; zero: not
/// known.
static WALL_AT_ZERO: AtomicPtr<AtomicU64> = AtomicPtr::new((&raw const UNKNOWN).cast_mut());

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
    match wall_at_zero().load(Ordering::Relaxed) {
        0 => None,
        base => Some(base.saturating_add(now())),
    }
}

fn wall_at_zero() -> &'static AtomicU64 {
    // SAFETY: it is never anything but the static above or the start of a page that stays mapped for ever,
    // readable at least; whoever may write there writes whole words.
    unsafe { &*WALL_AT_ZERO.load(Ordering::Acquire) }
}

/// The page of the wall clock as its owner has it: the first process.
#[derive(Debug)]
pub struct WallClock {
    page: Memory,
}

impl WallClock {
    /// A clock that nobody has set.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`], [`Error::TooManyHandles`].
    pub fn create() -> Result<Self, Error> {
        let page = Memory::create(PAGE_SIZE)?;
        look_at(&page, Protection::READ | Protection::WRITE)?;
        Ok(Self { page })
    }

    /// Sets it for every process: so many nanoseconds since 1970 it showed when the counter was zero.
    pub fn set_at_zero(&self, nanoseconds: u64) {
        wall_at_zero().store(nanoseconds, Ordering::Relaxed);
    }

    /// The page, to be shared with others who may read it.
    #[must_use]
    pub const fn page(&self) -> &Memory {
        &self.page
    }
}

/// From now on the clock is the one whose page this is, which is mapped for ever.
///
/// # Errors
///
/// [`Error::Denied`], [`Error::NoMemory`].
pub(crate) fn look_at(page: &Memory, how: Protection) -> Result<(), Error> {
    let base = page.map(0, PAGE_SIZE, how)?.leak();
    WALL_AT_ZERO.store(base.cast().as_ptr(), Ordering::Release);
    Ok(())
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
