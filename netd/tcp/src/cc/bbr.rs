//! BBR: a model of the path instead of a reaction to loss (draft-cardwell-iccrg-bbr-congestion-
//! control-00, the first version).
//!
//! *Owns* the model (the greatest delivery rate of ten rounds, the least round trip of ten seconds)
//! and the modes that keep it true. The rate paces what is sent; the window, twice the product of
//! the two, only bounds what may go wrong. *Never* takes a loss for a sign of anything but that loss.
//! Marks of routers would have to count (RFC 3168 section 6.1), so its segments ask for none.
//!
//! | mode | pacing gain | until |
//! | --- | --- | --- |
//! | startup | 2.89 | the rate has not grown by a quarter in three rounds |
//! | drain | 0.35 | the queue that startup made is gone |
//! | probe bandwidth | 1.25, 0.75, then 1 six times | for ever, a round trip each |
//! | probe round trip | 1 | the window was small for 200 ms |
//!
//! Differences from the draft: probing for the round trip keeps half of the product in flight, as
//! later versions do, not four segments. The first round of recovery does not send less: on a path
//! that always loses some, every round is the first of a recovery, and pacing bounds the harm. The
//! detector of policers is left out.

mod gain;
mod model;

use core::time::Duration;

use self::gain::Gain;
use self::model::Model;
use super::{AckSample, MAX_WINDOW, Remembered, bytes_per_second, initial_window};
use crate::pace::quantum;
use crate::time::Instant;
use crate::window::Mss;

/// Rounds without growth that mean a full pipe.
const FULL_ROUNDS: u8 = 3;
/// How long the window stays small to see the round trip of an empty path.
const PROBE_RTT_TIME: Duration = Duration::from_millis(200);
/// The smallest window, in segments: enough for an acknowledgement of every second one.
const LEAST_SEGMENTS: u32 = 4;

/// What is being done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Startup,
    Drain,
    /// Probing for bandwidth: the phase of the cycle, and when it began.
    ProbeBandwidth {
        phase: u8,
        since: Instant,
    },
    /// Probing for the round trip: when to end it, known once little enough is in flight, and
    /// whether a whole round has passed since.
    ProbeRoundTrip {
        until: Option<Instant>,
        was_round: bool,
    },
}

/// The state of BBR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bbr {
    mode: Mode,
    model: Model,
    window: u32,
    /// The window to come back to, after recovery or probing for the round trip.
    prior_window: u32,
    /// Bytes per second; zero before anything is known.
    pacing_rate: u64,
    /// The rate at which the pipe last seemed to grow, and for how many rounds it has not.
    full_rate: u64,
    full_rounds: u8,
    is_pipe_full: bool,
    /// Nothing was in flight for a while.
    is_restarting: bool,
}

impl Bbr {
    pub(super) fn new(remembered: Remembered, now: Instant) -> Self {
        Self {
            mode: Mode::Startup,
            model: Model::new(now),
            window: remembered.window,
            prior_window: 0,
            pacing_rate: 0,
            full_rate: 0,
            full_rounds: 0,
            is_pipe_full: false,
            is_restarting: false,
        }
    }

    pub(super) const fn window(&self) -> u32 {
        self.window
    }

    /// The model is forgotten: what is left of it is its product, which is no queue.
    pub(super) fn remember(&self) -> Remembered {
        let product = self.model.product(Gain::ONE);
        if product == 0 {
            return Remembered {
                window: self.window,
                threshold: u32::MAX,
            };
        }
        let window = self.window.min(product);
        Remembered {
            window,
            threshold: window,
        }
    }

    /// Bytes per second. Before the first measurement: the initial window in a round trip, or in a
    /// millisecond if that is not known either, with the gain of startup.
    pub(super) fn pacing_rate(&self, srtt: Option<Duration>) -> u64 {
        if self.pacing_rate > 0 {
            return self.pacing_rate;
        }
        let rtt = srtt.unwrap_or(Duration::from_millis(1));
        Gain::HIGH.of(bytes_per_second(self.window.into(), rtt))
    }

    pub(super) fn on_ack(&mut self, sample: &AckSample, mss: Mss) {
        let is_probing = matches!(self.mode, Mode::ProbeRoundTrip { .. });
        let is_round_start = self.model.take_rate(sample, is_probing);
        self.advance_cycle(sample);
        self.look_for_full_pipe(sample, is_round_start);
        self.drain(sample, mss);
        self.watch_round_trip(sample, is_round_start, mss);
        if sample.delivered > 0 {
            self.is_restarting = false;
        }
        self.set_pacing_rate();
        self.set_window(sample, mss);
    }

    /// Recovery begins.
    pub(super) fn on_loss(&mut self) {
        self.save_window();
    }

    pub(super) fn on_recovered(&mut self) {
        self.window = self.window.max(self.prior_window);
    }

    /// All in flight is taken for lost: begin again with one segment, and look anew whether the pipe
    /// is full. The model stays.
    pub(super) fn on_timeout(&mut self, is_first: bool, mss: Mss) {
        if is_first {
            self.save_window();
        }
        self.full_rate = 0;
        self.full_rounds = 0;
        self.window = u32::from(mss.get());
    }

    pub(super) fn on_spurious(&mut self) {
        self.full_rate = 0;
        self.full_rounds = 0;
        self.on_recovered();
    }

    /// After a pause: at the known rate, not faster, so that the pause does not end in a burst.
    pub(super) fn on_idle(&mut self) {
        self.is_restarting = true;
        if matches!(self.mode, Mode::ProbeBandwidth { .. }) {
            self.pacing_rate = paced(self.model.rate());
        }
    }

    fn pacing_gain(&self) -> Gain {
        match self.mode {
            Mode::Startup => Gain::HIGH,
            Mode::Drain => Gain::DRAIN,
            Mode::ProbeBandwidth { phase: 0, .. } => Gain::UP,
            Mode::ProbeBandwidth { phase: 1, .. } => Gain::DOWN,
            Mode::ProbeBandwidth { .. } | Mode::ProbeRoundTrip { .. } => Gain::ONE,
        }
    }

    fn window_gain(&self) -> Gain {
        match self.mode {
            Mode::Startup | Mode::Drain => Gain::HIGH,
            Mode::ProbeBandwidth { .. } => Gain::TWO,
            Mode::ProbeRoundTrip { .. } => Gain::HALF,
        }
    }

    /// Section 4.3.4.3: on to the next phase of the cycle?
    fn advance_cycle(&mut self, sample: &AckSample) {
        let Mode::ProbeBandwidth { phase, since } = self.mode else {
            return;
        };
        let is_long = sample.now.since(since) > self.model.min_rtt();
        let is_over = match phase {
            // Up: a round trip, and until the rate was really put to the test.
            0 => {
                let target = self.model.product(Gain::UP);
                is_long && (sample.lost > 0 || sample.prior_in_flight >= target)
            }
            // Down: no longer than the queue lasts.
            1 => is_long || sample.prior_in_flight <= self.model.product(Gain::ONE),
            _ => is_long,
        };
        if is_over {
            self.mode = Mode::ProbeBandwidth {
                phase: (phase + 1) % 8,
                since: sample.now,
            };
        }
    }

    /// Section 4.3.2.2: three rounds without a quarter more.
    fn look_for_full_pipe(&mut self, sample: &AckSample, is_round_start: bool) {
        let is_app_limited = sample.rate.is_none_or(|rate| rate.is_app_limited);
        if self.is_pipe_full || !is_round_start || is_app_limited {
            return;
        }
        if self.model.rate() >= self.full_rate.saturating_add(self.full_rate / 4) {
            self.full_rate = self.model.rate();
            self.full_rounds = 0;
            return;
        }
        self.full_rounds = self.full_rounds.saturating_add(1);
        self.is_pipe_full = self.full_rounds >= FULL_ROUNDS;
    }

    /// Section 4.3.3: after startup the queue is emptied.
    fn drain(&mut self, sample: &AckSample, mss: Mss) {
        if self.mode == Mode::Startup && self.is_pipe_full {
            self.mode = Mode::Drain;
        }
        if self.mode == Mode::Drain && sample.in_flight <= self.target(Gain::ONE, mss) {
            self.probe_bandwidth(sample);
        }
    }

    /// The cycle begins anywhere but with the phase that drains, so that flows that began together
    /// do not probe together.
    fn probe_bandwidth(&mut self, sample: &AckSample) {
        let noise = sample.now.as_nanos().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let phase = match noise % 7 {
            0 => 0,
            other => u8::try_from(other).unwrap_or(0) + 1,
        };
        self.mode = Mode::ProbeBandwidth {
            phase,
            since: sample.now,
        };
    }

    /// Section 4.3.5: once the least round trip is ten seconds old, the path is emptied to see it.
    fn watch_round_trip(&mut self, sample: &AckSample, is_round_start: bool, mss: Mss) {
        let is_old = self.model.take_round_trip(sample);
        if is_old && !self.is_restarting && !matches!(self.mode, Mode::ProbeRoundTrip { .. }) {
            self.save_window();
            self.mode = Mode::ProbeRoundTrip {
                until: None,
                was_round: false,
            };
        }
        let Mode::ProbeRoundTrip { until, was_round } = self.mode else {
            return;
        };
        let was_round = was_round || (is_round_start && until.is_some());
        let (until, was_round) = match until {
            Some(until) if was_round && sample.now > until => {
                self.end_probe(sample);
                return;
            }
            Some(until) => (Some(until), was_round),
            None if sample.in_flight <= self.probe_window(mss) => {
                self.model.begin_round();
                (Some(sample.now + PROBE_RTT_TIME), false)
            }
            None => (None, false),
        };
        self.mode = Mode::ProbeRoundTrip { until, was_round };
    }

    fn end_probe(&mut self, sample: &AckSample) {
        self.model.renew_round_trip(sample.now);
        self.model.distrust(sample);
        self.window = self.window.max(self.prior_window);
        if self.is_pipe_full {
            self.probe_bandwidth(sample);
        } else {
            self.mode = Mode::Startup;
        }
    }

    /// Section 4.2.1: one percent below the estimate, so that queues do not grow by inaccuracy. In
    /// startup the rate never falls.
    fn set_pacing_rate(&mut self) {
        let rate = paced(self.pacing_gain().of(self.model.rate()));
        if rate > 0 && (self.is_pipe_full || rate > self.pacing_rate) {
            self.pacing_rate = rate;
        }
    }

    /// Section 4.2.3.
    fn set_window(&mut self, sample: &AckSample, mss: Mss) {
        self.window = self.window.saturating_sub(sample.lost);
        let target = self.target(self.window_gain(), mss);
        let grown = self.window.saturating_add(sample.delivered);
        if self.is_pipe_full {
            self.window = grown.min(target);
        } else if self.window < target || self.model.delivered() < initial_window(mss).into() {
            self.window = grown;
        }
        self.window = self.window.clamp(least(mss), MAX_WINDOW);
        if matches!(self.mode, Mode::ProbeRoundTrip { .. }) {
            self.window = self.window.min(self.probe_window(mss));
        }
    }

    /// The product of the model times `gain`, and what pacing and delayed acknowledgements hold.
    fn target(&self, gain: Gain, mss: Mss) -> u32 {
        if !self.model.is_known() {
            return gain.of_window(initial_window(mss));
        }
        let quanta = quantum(self.pacing_rate, mss).saturating_mul(3);
        self.model.product(gain).saturating_add(quanta)
    }

    fn probe_window(&self, mss: Mss) -> u32 {
        self.model.product(Gain::HALF).max(least(mss))
    }

    /// Remembers the window, unless it is a small one for a while anyway.
    fn save_window(&mut self) {
        self.prior_window = if matches!(self.mode, Mode::ProbeRoundTrip { .. }) {
            self.prior_window.max(self.window)
        } else {
            self.window
        };
    }
}

/// 99 % of a rate.
fn paced(rate: u64) -> u64 {
    rate - rate / 100
}

fn least(mss: Mss) -> u32 {
    u32::from(mss.get()) * LEAST_SEGMENTS
}

#[cfg(test)]
mod tests;
