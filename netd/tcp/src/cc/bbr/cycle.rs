//! BBR's search for bandwidth: slower, steady, full, faster, and again (section 5.3.3 of the draft).
//!
//! *Owns* when a probe begins and what ends it. *Never* probes more often than a NewReno flow on the
//! same path would grow by what a probe takes, nor less often than every three seconds.

use super::super::AckSample;
use super::bounds::UNBOUNDED;
use super::gain::Gain;
use super::{Bbr, Mode, least};
use crate::time::{Instant, Span};
use crate::window::Mss;

/// Rounds after which a probe is due at the latest, on a path with that many segments in flight.
const MOST_ROUNDS: u32 = 63;

/// Which part of a probe acknowledgements tell of (`BBR.ack_phase`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Feedback {
    None,
    /// What left before it ended.
    Ending,
}

/// The state of the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cycle {
    feedback: Feedback,
    /// What is lost now was sent to look for more.
    is_probed: bool,
    /// When the last probe ended, how long to wait for the next, and rounds since.
    since: Instant,
    wait: Span,
    rounds: u32,
    /// While the upper bound is raised: rounds of it, bytes acknowledged, and how many of them raise it
    /// by a segment.
    raises: u8,
    acknowledged: u32,
    step: u32,
}

impl Cycle {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            feedback: Feedback::None,
            is_probed: false,
            since: now,
            wait: Span::ZERO,
            rounds: 0,
            raises: 0,
            acknowledged: 0,
            step: UNBOUNDED,
        }
    }

    pub(super) const fn note_round(&mut self) {
        self.rounds = self.rounds.saturating_add(1);
    }

    /// What was in flight for a probe is no measure from the next round on.
    pub(super) const fn end_probe(&mut self) {
        self.feedback = Feedback::Ending;
    }
}

impl Bbr {
    /// Takes an acknowledgement after startup.
    pub(super) fn search(&mut self, sample: &AckSample, rate: u64, is_round: bool, mss: Mss) {
        self.judge_probe(sample, is_round, mss);
        self.advance(sample, rate, is_round, mss);
    }

    /// `BBRAdaptLongTermModel`: does the path hold what is in flight?
    fn judge_probe(&mut self, sample: &AckSample, is_round: bool, mss: Mss) {
        let cycle = &mut self.cycle;
        if is_round && cycle.feedback == Feedback::Ending {
            cycle.feedback = Feedback::None;
            cycle.is_probed = false;
            if self.mode.is_search() && !self.is_limited {
                self.model.end_cycle();
            }
        }
        if self.bounds.is_too_high() {
            if core::mem::take(&mut self.cycle.is_probed) {
                if !self.is_limited {
                    self.bounds.bound(self.target_flight());
                }
                if self.mode == Mode::Up {
                    self.slow_down(sample);
                }
            }
            return;
        }
        if is_round {
            self.bounds.confirm();
        }
        if self.mode == Mode::Up && self.uses_bound(sample) {
            self.raise_bound(sample, is_round, mss);
        }
    }

    /// Whether only the upper bound keeps more from being sent.
    fn uses_bound(&self, sample: &AckSample) -> bool {
        sample.is_window_limited && self.window >= self.bounds.high
    }

    /// By one segment in the first round, and twice as many in each further one.
    fn raise_bound(&mut self, sample: &AckSample, is_round: bool, mss: Mss) {
        let cycle = &mut self.cycle;
        cycle.acknowledged = cycle.acknowledged.saturating_add(sample.delivered);
        let segments = cycle.acknowledged / cycle.step.max(1);
        cycle.acknowledged %= cycle.step.max(1);
        self.bounds.raise(segments.saturating_mul(mss.get().into()));
        if is_round {
            self.steepen();
        }
    }

    fn steepen(&mut self) {
        let cycle = &mut self.cycle;
        cycle.step = self.window >> cycle.raises;
        cycle.raises = (cycle.raises + 1).min(31);
    }

    /// From phase to phase.
    fn advance(&mut self, sample: &AckSample, rate: u64, is_round: bool, mss: Mss) {
        match self.mode {
            Mode::Down | Mode::Cruise if self.is_probe_due(sample, mss) => self.refill(),
            Mode::Down => {
                let most = self.bounds.high_with_headroom(mss.get().into());
                let most = most.max(least(mss)).min(self.target(Gain::ONE, mss));
                if sample.in_flight <= most {
                    self.mode = Mode::Cruise;
                }
            }
            Mode::Refill if is_round => {
                self.cycle.is_probed = true;
                self.model.begin_round();
                self.full.restart(rate);
                self.mode = Mode::Up;
                self.steepen();
            }
            // Where the bound is what keeps the rate from growing, the pipe may not be full.
            Mode::Up if self.uses_bound(sample) => self.full.restart(rate),
            Mode::Up if self.full.is_now => self.slow_down(sample),
            _ => {}
        }
    }

    /// Section 5.3.3.5: as often as a NewReno flow would need, or after two to three seconds, which
    /// ever is first.
    fn is_probe_due(&self, sample: &AckSample, mss: Mss) -> bool {
        let rounds = (self.target_flight() / u32::from(mss.get())).min(MOST_ROUNDS);
        let cycle = &self.cycle;
        cycle.rounds >= rounds || sample.now.span_since(cycle.since) > cycle.wait
    }

    /// What is in flight when all is well.
    fn target_flight(&self) -> u32 {
        self.product(Gain::ONE).min(self.window)
    }

    /// The pipe is filled without a queue, so that what is lost then is due to the probe.
    fn refill(&mut self) {
        self.bounds.forget_low();
        (self.cycle.raises, self.cycle.acknowledged) = (0, 0);
        self.model.begin_round();
        self.mode = Mode::Refill;
    }

    /// A probe is over: its queue is emptied. The next is due at a time of its own, so that flows
    /// that began together do not probe together.
    pub(super) fn slow_down(&mut self, sample: &AckSample) {
        self.bounds.forget_round();
        let noise = sample.now.as_nanos().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let cycle = &mut self.cycle;
        cycle.rounds = u32::from(noise & 1 == 1);
        cycle.wait = Span::from_millis(2_000 + (noise >> 1) % 1_000);
        cycle.since = sample.now;
        cycle.step = UNBOUNDED;
        cycle.end_probe();
        self.model.begin_round();
        self.mode = Mode::Down;
    }
}
