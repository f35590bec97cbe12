//! What things take: by the clock for short ones, by processor time for long ones.

use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds on the wall for each of `count` runs of what `act` does together.
pub fn wall(count: u32, act: impl FnOnce()) -> f64 {
    let start = Instant::now();
    act();
    start.elapsed().as_secs_f64() * 1e9 / f64::from(count)
}

/// Processor time of this thread: other work on the machine does not count.
#[derive(Clone, Copy)]
pub struct Processor(f64);

impl Processor {
    /// From now on.
    pub fn start() -> Self {
        Self(Self::seconds())
    }

    /// Seconds since the start.
    pub fn elapsed(self) -> f64 {
        Self::seconds() - self.0
    }

    fn seconds() -> f64 {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let seconds = now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9;
        seconds
    }
}

/// The middle one.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Measures both in turn, so that what disturbs the machine disturbs both; the medians.
pub fn interleaved(
    rounds: usize,
    mut ours: impl FnMut() -> f64,
    mut theirs: impl FnMut() -> f64,
) -> (f64, f64) {
    let mut values = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        values.0.push(ours());
        values.1.push(theirs());
    }
    (median(&mut values.0), median(&mut values.1))
}
