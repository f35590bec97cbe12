//! BBR: a model of the path instead of a reaction to each loss (draft-ietf-ccwg-bbr, version 3).
//!
//! *Owns* the model (the greatest delivery rate of two cycles, the least round trip of ten seconds), the
//! bounds that losses set, and the modes that keep both true. The rate paces what is sent; the window,
//! twice the product of rate and round trip, bounds what may go wrong. *Never* takes a loss of up to
//! 2 % of a flight for more than chance. Marks of routers would have to count (RFC 3168 section 6.1),
//! so its segments ask for none.
//!
//! | mode | pacing gain | until |
//! | --- | --- | --- |
//! | startup | 2.77 | the rate has not grown by a quarter in three rounds, or too much is lost |
//! | drain | 0.35 | the queue that startup made is gone |
//! | down | 0.9 | the queue of a probe is gone, and a part of what the path holds is left free |
//! | cruise | 1 | it is time to look for more |
//! | refill | 1 | the pipe is full again: one round |
//! | up | 1.25 | the rate does not grow any more, or too much is lost |
//! | probe round trip | 1 | the window was small for 200 ms; every five seconds |
//!
//! Differences from the draft: losses are judged by rounds, not by packets ([`bounds`]); a round that
//! loses by chance does not lower the bounds for the moment, so that a path that always loses a little
//! is not used less and less; the window is not cut to what is delivered in the first round of recovery;
//! the extra window for aggregated acknowledgements is a fixed one.

mod bounds;
mod cycle;
mod gain;
mod model;

use self::bounds::{Bounds, UNBOUNDED};
use self::cycle::Cycle;
use self::gain::Gain;
use self::model::Model;
use super::{AckSample, MAX_WINDOW, Remembered, bytes_per_second, initial_window};
use crate::pace::quantum;
use crate::time::{Instant, Span};
use crate::window::Mss;

/// Rounds without growth that mean a full pipe.
const FULL_ROUNDS: u8 = 3;
/// How long the window stays small to see the round trip of an empty path.
const PROBE_RTT_TIME: Span = Span::from_millis(200);
/// The smallest window, in segments: enough for an acknowledgement of every second one.
const LEAST_SEGMENTS: u32 = 4;

/// What is being done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Startup,
    Drain,
    Down,
    Cruise,
    Refill,
    Up,
    /// Probing for the round trip: when to end it, known once little enough is in flight, and
    /// whether a whole round has passed since.
    ProbeRoundTrip {
        until: Option<Instant>,
        was_round: bool,
    },
}

impl Mode {
    /// Whether it is one of the search for bandwidth.
    const fn is_search(self) -> bool {
        matches!(self, Self::Down | Self::Cruise | Self::Refill | Self::Up)
    }

    /// Whether more is sent than is known to get through, so that losses say nothing new.
    const fn is_probe(self) -> bool {
        matches!(self, Self::Startup | Self::Refill | Self::Up)
    }
}

/// Whether the pipe is full: the rate grows no more, however much is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Full {
    /// The rate at which the pipe last seemed to grow, and for how many rounds it has not.
    rate: u64,
    rounds: u8,
    is_now: bool,
    /// It was, once.
    was_ever: bool,
}

impl Full {
    fn restart(&mut self, rate: u64) {
        *self = Self {
            rate,
            was_ever: self.was_ever,
            ..Self::default()
        };
    }

    fn take(&mut self, rate: u64, is_round: bool) {
        if self.is_now {
            return;
        }
        if rate >= self.rate.saturating_add(self.rate / 4) {
            self.restart(rate);
        } else if is_round {
            self.rounds = self.rounds.saturating_add(1);
            self.is_now = self.rounds >= FULL_ROUNDS;
            self.was_ever |= self.is_now;
        }
    }
}

/// The state of BBR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bbr {
    mode: Mode,
    model: Model,
    bounds: Bounds,
    cycle: Cycle,
    full: Full,
    window: u32,
    /// The window to come back to, after recovery or probing for the round trip.
    prior_window: u32,
    /// Bytes per second; zero before anything is known.
    pacing_rate: u64,
    /// The application, not the path, is the limit.
    is_limited: bool,
    /// Nothing was in flight for a while.
    is_restarting: bool,
}

impl Bbr {
    pub(super) fn new(remembered: Remembered, now: Instant) -> Self {
        Self {
            mode: Mode::Startup,
            model: Model::new(now),
            bounds: Bounds::new(),
            cycle: Cycle::new(now),
            full: Full::default(),
            window: remembered.window,
            prior_window: 0,
            pacing_rate: 0,
            is_limited: false,
            is_restarting: false,
        }
    }

    pub(super) const fn window(&self) -> u32 {
        self.window
    }

    /// The model is forgotten: what is left of it is its product, which is no queue.
    pub(super) fn remember(&self) -> Remembered {
        let product = self.product(Gain::ONE);
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
    pub(super) fn pacing_rate(&self, srtt: Option<Span>) -> u64 {
        if self.pacing_rate > 0 {
            return self.pacing_rate;
        }
        let rtt = srtt.unwrap_or(Span::from_millis(1));
        Gain::STARTUP.of(bytes_per_second(self.window.into(), rtt))
    }

    pub(super) fn on_ack(&mut self, sample: &AckSample, mss: Mss) {
        let seen = sample.rate.map_or(0, |rate| {
            bytes_per_second(rate.delivered.into(), rate.interval)
        });
        let is_slow = matches!(self.mode, Mode::ProbeRoundTrip { .. });
        let is_round = self.model.take_rate(sample, seen, is_slow);
        self.is_limited = sample.rate.is_none_or(|rate| rate.is_app_limited);
        self.bounds.take(sample, seen);
        if is_round {
            self.cycle.note_round();
            if !self.mode.is_probe() {
                self.bounds.lower(self.window, self.model.rate());
            }
        }
        if !self.is_limited {
            self.full.take(seen, is_round);
        }
        self.leave_startup(sample, is_round, mss);
        if self.full.was_ever {
            self.search(sample, seen, is_round, mss);
        }
        self.watch_round_trip(sample, is_round, mss);
        if sample.delivered > 0 {
            self.is_restarting = false;
        }
        if is_round {
            self.bounds.end_round(sample, seen);
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
        self.full.restart(0);
        self.window = u32::from(mss.get());
    }

    pub(super) fn on_spurious(&mut self) {
        self.full.restart(0);
        self.bounds.forget_low();
        self.on_recovered();
    }

    /// After a pause: at the known rate, not faster, so that the pause does not end in a burst.
    pub(super) fn on_idle(&mut self) {
        self.is_restarting = true;
        if self.mode.is_search() {
            self.pacing_rate = paced(self.rate());
        }
    }

    /// Bytes per second that the path carries now.
    fn rate(&self) -> u64 {
        self.model.rate().min(self.bounds.rate_low())
    }

    /// The bandwidth-delay product times `gain`, in bytes.
    fn product(&self, gain: Gain) -> u32 {
        self.model.product(self.rate(), gain)
    }

    /// After startup its queue is emptied.
    fn leave_startup(&mut self, sample: &AckSample, is_round: bool, mss: Mss) {
        if self.mode == Mode::Startup && is_round && self.bounds.ends_startup() {
            self.full.was_ever = true;
            self.bounds
                .bound_startup(self.product(Gain::ONE).max(least(mss)));
        }
        if self.mode == Mode::Startup && self.full.was_ever {
            self.mode = Mode::Drain;
        }
        if self.mode == Mode::Drain && sample.in_flight <= self.target(Gain::ONE, mss) {
            self.slow_down(sample);
        }
    }

    /// Section 5.3.4: every five seconds the path is emptied to see the least round trip.
    fn watch_round_trip(&mut self, sample: &AckSample, is_round: bool, mss: Mss) {
        let is_due = self.model.take_round_trip(sample);
        if is_due && !self.is_restarting && !matches!(self.mode, Mode::ProbeRoundTrip { .. }) {
            self.save_window();
            self.cycle.end_probe();
            self.model.begin_round();
            self.mode = Mode::ProbeRoundTrip {
                until: None,
                was_round: false,
            };
        }
        let Mode::ProbeRoundTrip { until, was_round } = self.mode else {
            return;
        };
        let was_round = was_round || (is_round && until.is_some());
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
        self.bounds.forget_low();
        self.window = self.window.max(self.prior_window);
        if self.full.was_ever {
            self.slow_down(sample);
            // There is no queue to be emptied.
            self.mode = Mode::Cruise;
        } else {
            self.mode = Mode::Startup;
        }
    }

    const fn pacing_gain(&self) -> Gain {
        match self.mode {
            Mode::Startup => Gain::STARTUP,
            Mode::Drain => Gain::DRAIN,
            Mode::Down => Gain::DOWN,
            Mode::Up => Gain::UP,
            Mode::Cruise | Mode::Refill | Mode::ProbeRoundTrip { .. } => Gain::ONE,
        }
    }

    const fn window_gain(&self) -> Gain {
        match self.mode {
            Mode::Up => Gain::UP_WINDOW,
            Mode::ProbeRoundTrip { .. } => Gain::HALF,
            Mode::Startup | Mode::Drain | Mode::Down | Mode::Cruise | Mode::Refill => Gain::TWO,
        }
    }

    /// Section 5.6.2: one percent below the estimate, so that queues do not grow by inaccuracy. In
    /// startup the rate never falls.
    fn set_pacing_rate(&mut self) {
        let rate = paced(self.pacing_gain().of(self.rate()));
        if rate > 0 && (self.full.was_ever || rate > self.pacing_rate) {
            self.pacing_rate = rate;
        }
    }

    /// Section 5.6.4.
    fn set_window(&mut self, sample: &AckSample, mss: Mss) {
        self.window = self.window.saturating_sub(sample.lost);
        let target = self.target(self.window_gain(), mss);
        let grown = self.window.saturating_add(sample.delivered);
        if self.full.was_ever {
            self.window = grown.min(target);
        } else if self.window < target || self.model.delivered() < initial_window(mss).into() {
            self.window = grown;
        }
        let most = self.bound(mss).clamp(least(mss), MAX_WINDOW);
        self.window = self.window.clamp(least(mss), most);
    }

    /// What losses, or the mode, allow to be in flight.
    fn bound(&self, mss: Mss) -> u32 {
        let segment = mss.get().into();
        let high = match self.mode {
            Mode::Startup | Mode::Drain => UNBOUNDED,
            Mode::Down | Mode::Refill | Mode::Up => self.bounds.high,
            Mode::Cruise => self.bounds.high_with_headroom(segment),
            Mode::ProbeRoundTrip { .. } => {
                let most = self.bounds.high_with_headroom(segment);
                most.min(self.probe_window(mss))
            }
        };
        high.min(self.bounds.low())
    }

    /// The product of the model times `gain`, and what pacing and delayed acknowledgements hold.
    fn target(&self, gain: Gain, mss: Mss) -> u32 {
        if !self.model.is_known() {
            return gain.of_window(initial_window(mss));
        }
        let quanta = quantum(self.pacing_rate, mss).saturating_mul(3);
        self.product(gain).saturating_add(quanta)
    }

    fn probe_window(&self, mss: Mss) -> u32 {
        self.product(Gain::HALF).max(least(mss))
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
const fn paced(rate: u64) -> u64 {
    rate - rate / 100
}

fn least(mss: Mss) -> u32 {
    u32::from(mss.get()) * LEAST_SEGMENTS
}

#[cfg(test)]
mod tests;
