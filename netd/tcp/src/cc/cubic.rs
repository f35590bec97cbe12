//! CUBIC: the window as a cubic function of the time since the last reduction (RFC 9438).
//!
//! *Owns* the curve. Slow start is HyStart++'s until a threshold is known. All arithmetic is in
//! integers: bytes, milliseconds for the curve, and remainders carried along where a segment's share
//! would vanish. *Never* grows while the application does not use the window.
//!
//! ```text
//!  window                                   W_cubic(t) = C (t - K)³ + W_max
//!    |  W_max  . . . . . . . . . .___---'''/
//!    |   |            ___---'''          convex: looks for more
//!    |   | x 0.7  .-'     concave: back to where it was
//!    +---+--------+----------+------------> t
//!                 0          K
//! ```

use super::hystart::{Growth, HyStart};
use super::root::cube_root;
use super::{AckSample, MAX_WINDOW, Remembered, initial_window, minimum_window};
use crate::recovery::Phase;
use crate::time::{Instant, Span};
use crate::window::Mss;

/// beta_cubic = 0.7 (RFC 9438 section 4.6), as a fraction.
const BETA: (u64, u64) = (7, 10);
/// Fast convergence: (1 + beta_cubic) / 2 (section 4.7).
const CONVERGENCE: (u64, u64) = (17, 20);
/// alpha_cubic = 3 (1 - beta_cubic) / (1 + beta_cubic) (section 4.3).
const ALPHA: (u64, u64) = (9, 17);
/// The farthest from K that the curve is computed for, in milliseconds: the cube must fit.
const FARTHEST: u64 = 1 << 20;

/// The state of CUBIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cubic {
    curve: Curve,
    /// As it was before the last reduction, should that turn out to be a mistake.
    before: Option<Curve>,
    hystart: HyStart,
    /// The last acknowledgement, for time that must not count.
    last_ack: Instant,
    /// The last round trip.
    rtt: Span,
}

/// What a spurious reduction takes back (section 4.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Curve {
    window: u32,
    threshold: u32,
    /// W_max: where the curve has its plateau. Zero: it is where the next stage begins.
    plateau: u32,
    /// cwnd_prior: the window before the last reduction.
    prior: u32,
    stage: Option<Stage>,
}

/// A stage of congestion avoidance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stage {
    /// t is counted from here.
    start: Instant,
    /// K, in milliseconds.
    k: u64,
    /// W_est: the window that Reno would have.
    reno: u32,
    /// What acknowledgements have earned, but is not a byte yet, in bytes times window.
    reno_credit: u64,
    credit: u64,
}

impl Cubic {
    pub(super) fn new(remembered: Remembered, now: Instant) -> Self {
        Self {
            curve: Curve {
                window: remembered.window,
                threshold: remembered.threshold,
                plateau: 0,
                prior: 0,
                stage: None,
            },
            before: None,
            hystart: HyStart::new(),
            last_ack: now,
            rtt: Span::ZERO,
        }
    }

    pub(super) const fn window(&self) -> u32 {
        self.curve.window
    }

    pub(super) const fn threshold(&self) -> u32 {
        self.curve.threshold
    }

    pub(super) fn on_ack(&mut self, sample: &AckSample, mss: Mss) {
        let passed = sample.now.span_since(self.last_ack);
        self.last_ack = sample.now;
        self.rtt = sample.rtt.unwrap_or(self.rtt);
        if sample.phase == Phase::Fast {
            return;
        }
        if !sample.lets_grow(self.curve.window) {
            // Section 5.8: time in which the application is the limit is not the curve's.
            if let Some(stage) = &mut self.curve.stage {
                stage.start = stage.start + passed;
            }
            return;
        }
        let mut acked = sample.counted();
        if self.curve.window < self.curve.threshold {
            acked = self.slow_start(sample, acked);
        }
        if acked > 0 && self.curve.window >= self.curve.threshold {
            self.curve.avoid(acked, self.rtt, sample.now, mss);
        }
    }

    /// Grows up to the threshold. Returns how many of the bytes are left for congestion avoidance.
    fn slow_start(&mut self, sample: &AckSample, acked: u32) -> u32 {
        let curve = &mut self.curve;
        // RFC 9406 section 4.3: HyStart++ only for the first slow start.
        let growth = if curve.threshold == u32::MAX {
            match self.hystart.on_ack(sample, acked) {
                Growth::By(growth) => growth,
                Growth::Over => {
                    curve.threshold = curve.window;
                    return acked;
                }
            }
        } else {
            acked
        };
        let room = curve.threshold.saturating_sub(curve.window);
        curve.grow(growth.min(room));
        if growth > room {
            acked.saturating_sub(room)
        } else {
            0
        }
    }

    /// Sections 4.6 and 4.7. The window, not the flight: it only grows while it is used up.
    pub(super) fn on_congestion(&mut self, mss: Mss) {
        self.before = Some(self.curve);
        self.curve.reduce(mss);
    }

    /// Section 4.8.
    pub(super) fn on_timeout(&mut self, is_first: bool, mss: Mss) {
        if is_first {
            self.before = Some(self.curve);
            self.curve.reduce(mss);
            // The next stage begins on its own plateau.
            self.curve.plateau = 0;
        }
        self.curve.window = u32::from(mss.get());
    }

    /// Section 4.9.
    pub(super) fn on_spurious(&mut self) {
        if let Some(before) = self.before.take() {
            let window = self.curve.window.max(before.window);
            self.curve = Curve { window, ..before };
        }
    }

    /// RFC 5681 section 4.1. The pause is not the curve's (section 5.8).
    pub(super) fn on_idle(&mut self, mss: Mss, now: Instant) {
        let pause = now.span_since(self.last_ack);
        self.last_ack = now;
        let curve = &mut self.curve;
        if curve.threshold != u32::MAX {
            // RFC 7661 section 4.4.3: most of what was known may be slow-started to.
            curve.threshold = curve.threshold.max(curve.window - curve.window / 4);
        }
        curve.window = curve.window.min(initial_window(mss));
        if let Some(stage) = &mut self.curve.stage {
            stage.start = stage.start + pause;
        }
    }
}

impl Curve {
    fn reduce(&mut self, mss: Mss) {
        self.prior = self.window;
        // Section 4.7: less than the last time means that others have come.
        self.plateau = if self.window < self.plateau {
            part(self.window, CONVERGENCE)
        } else {
            self.window
        };
        self.threshold = part(self.window, BETA).max(minimum_window(mss));
        self.window = self.window.min(self.threshold);
        self.stage = None;
    }

    fn grow(&mut self, bytes: u32) {
        self.window = self.window.saturating_add(bytes).min(MAX_WINDOW);
    }

    /// Congestion avoidance: sections 4.2 to 4.5.
    fn avoid(&mut self, acked: u32, rtt: Span, now: Instant, mss: Mss) {
        let size = u64::from(mss.get());
        let mut stage = self.stage.unwrap_or_else(|| self.begin(size, now));
        let elapsed = now.span_since(stage.start);
        // Section 4.3: what Reno would do.
        let alpha = if stage.reno >= self.prior {
            (1, 1)
        } else {
            ALPHA
        };
        let earned = u64::from(acked)
            .saturating_mul(size)
            .saturating_mul(alpha.0);
        let bytes = take_whole(
            &mut stage.reno_credit,
            earned,
            u64::from(self.window) * alpha.1,
        );
        stage.reno = stage.reno.saturating_add(bytes).min(MAX_WINDOW);
        // Section 4.2: the target, one round trip ahead, within limits.
        let target = self
            .at(elapsed.saturating_add(rtt), stage.k, size)
            .clamp(self.window, self.window.saturating_add(self.window / 2));
        // Sections 4.4 and 4.5: (target - cwnd) / cwnd for each segment.
        let earned = u64::from(target.saturating_sub(self.window)).saturating_mul(acked.into());
        let bytes = take_whole(&mut stage.credit, earned, self.window.into());
        self.grow(bytes);
        if self.at(elapsed, stage.k, size) < stage.reno {
            // Section 4.3: the Reno-friendly region.
            self.window = self.window.max(stage.reno);
        }
        self.stage = Some(stage);
    }

    /// A stage of congestion avoidance begins.
    fn begin(&mut self, size: u64, now: Instant) -> Stage {
        // Sections 4.8 and 4.10: after a timeout, or a slow start without loss, the plateau is here.
        let missing = u64::from(self.plateau.saturating_sub(self.window));
        self.plateau = self.plateau.max(self.window);
        // K = cbrt((W_max - cwnd_epoch) / C), C = 0.4 segments per cubic second.
        let k = cube_root(missing.saturating_mul(2_500_000_000) / size);
        Stage {
            start: now,
            k: k.into(),
            reno: self.window,
            reno_credit: 0,
            credit: 0,
        }
    }

    /// Equation 1: W_cubic at a time of the stage, in bytes.
    fn at(&self, time: Span, k: u64, size: u64) -> u32 {
        let time = time.as_millis();
        let distance = time.abs_diff(k).min(FARTHEST);
        // 0.4 * size * (distance / 1000)³, in an order in which nothing overflows.
        let cube = distance * distance * distance;
        let height = cube / 1_000_000 * 4 * size / 10_000;
        let height = u32::try_from(height).unwrap_or(u32::MAX);
        if time < k {
            self.plateau.saturating_sub(height)
        } else {
            self.plateau.saturating_add(height).min(MAX_WINDOW)
        }
    }
}

fn part(bytes: u32, (numerator, denominator): (u64, u64)) -> u32 {
    u32::try_from(u64::from(bytes) * numerator / denominator).unwrap_or(u32::MAX)
}

/// Adds what was earned to the credit and takes the whole bytes out, at `price` each.
fn take_whole(credit: &mut u64, earned: u64, price: u64) -> u32 {
    let price = price.max(1);
    let total = credit.saturating_add(earned);
    *credit = total % price;
    u32::try_from(total / price).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
