//! HyStart++: leaving slow start before the queue overflows (RFC 9406).
//!
//! *Owns* the two phases of slow start and when they end. *Never* changes a window: it says how much
//! one may grow. Rounds are counted by what was delivered, not by sequence numbers: a round is over
//! when a segment is delivered that was sent after the round began.

use super::AckSample;
use crate::time::Span;

/// RFC 9406 section 4.3: what the increase of the round trip must be at least, and at most.
const MIN_RTT_THRESH: Span = Span::from_millis(4);
const MAX_RTT_THRESH: Span = Span::from_millis(16);
/// The increase that counts, as a part of the last round's round trip.
const MIN_RTT_DIVISOR: u32 = 8;
/// Round trips to be seen before a round is judged.
const N_RTT_SAMPLE: u8 = 8;
/// In Conservative Slow Start the window grows by so much less.
const CSS_GROWTH_DIVISOR: u32 = 4;
/// After so many rounds of it slow start is over.
const CSS_ROUNDS: u8 = 5;

/// The phase of slow start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Standard,
    /// Conservative Slow Start: the delay has grown; is that the queue, or chance? `baseline` is
    /// what the round trip had become.
    Conservative {
        baseline: Span,
        rounds: u8,
    },
}

/// What slow start does with an acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Growth {
    /// The window grows by so many bytes.
    By(u32),
    /// Slow start is over: the threshold is where the window is now.
    Over,
}

/// The state of HyStart++, for the first slow start of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HyStart {
    phase: Phase,
    /// The least round trip of the last round and of this one; [`Span::MAX`] when unknown.
    last_round: Span,
    this_round: Span,
    samples: u8,
    /// The round ends when a segment arrives before whose departure so much was delivered.
    round_end: u64,
}

impl HyStart {
    pub(super) const fn new() -> Self {
        Self {
            phase: Phase::Standard,
            last_round: Span::MAX,
            this_round: Span::MAX,
            samples: 0,
            round_end: 0,
        }
    }

    /// Takes an acknowledgement of slow start; it would let the window grow by `growth` bytes.
    pub(super) fn on_ack(&mut self, sample: &AckSample, growth: u32) -> Growth {
        // RFC 9406 section 4.2: at the start of each round.
        if let Some(rate) = sample.rate
            && rate.prior_delivered >= self.round_end
        {
            if self.is_last_round() {
                return Growth::Over;
            }
            self.round_end = rate.total_delivered();
            self.last_round = self.this_round;
            self.this_round = Span::MAX;
            self.samples = 0;
        }
        if let Some(rtt) = sample.rtt {
            self.this_round = self.this_round.min(rtt);
            self.samples = self.samples.saturating_add(1);
            self.judge();
        }
        match self.phase {
            Phase::Standard => Growth::By(growth),
            Phase::Conservative { .. } => Growth::By(growth / CSS_GROWTH_DIVISOR),
        }
    }

    /// A round of Conservative Slow Start is over: was it the last?
    fn is_last_round(&mut self) -> bool {
        match &mut self.phase {
            Phase::Standard => false,
            Phase::Conservative { rounds, .. } => {
                *rounds = rounds.saturating_add(1);
                *rounds >= CSS_ROUNDS
            }
        }
    }

    fn judge(&mut self) {
        if self.samples < N_RTT_SAMPLE {
            return;
        }
        match self.phase {
            Phase::Standard if self.last_round != Span::MAX => {
                let threshold =
                    (self.last_round / MIN_RTT_DIVISOR).clamp(MIN_RTT_THRESH, MAX_RTT_THRESH);
                if self.this_round >= self.last_round.saturating_add(threshold) {
                    self.phase = Phase::Conservative {
                        baseline: self.this_round,
                        rounds: 0,
                    };
                }
            }
            // The delay has gone: it was not our queue.
            Phase::Conservative { baseline, .. } if self.this_round < baseline => {
                self.phase = Phase::Standard;
            }
            Phase::Standard | Phase::Conservative { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Path;
    use super::*;

    /// Runs rounds of ten acknowledgements, each round with one round trip in milliseconds. Returns
    /// what the last acknowledgement of each round did.
    fn rounds(round_trips: &[u64]) -> Vec<Growth> {
        let mut path = Path::new(1_000);
        let mut hystart = HyStart::new();
        let mut last = Vec::new();
        for rtt in round_trips {
            path.rtt = Span::from_millis(*rtt);
            let mut growth = Growth::Over;
            for sample in path.round(10_000) {
                growth = hystart.on_ack(&sample, 1_000);
                if growth == Growth::Over {
                    break;
                }
            }
            last.push(growth);
        }
        last
    }

    #[test]
    fn a_steady_round_trip_keeps_slow_start_going() {
        assert!(
            rounds(&[20; 30])
                .iter()
                .all(|growth| *growth == Growth::By(1_000))
        );
    }

    #[test]
    fn a_growing_round_trip_ends_it_after_five_conservative_rounds() {
        let growths = rounds(&[20, 20, 24, 24, 24, 24, 24, 24]);
        let (slow, fast) = (Growth::By(250), Growth::By(1_000));
        assert_eq!(
            growths,
            [fast, fast, slow, slow, slow, slow, slow, Growth::Over]
        );
    }

    #[test]
    fn less_than_the_threshold_is_no_sign() {
        // 4 ms at least, an eighth of the round trip between, 16 ms at most.
        for (before, after, is_sign) in [
            (1, 4, false),
            (1, 5, true),
            (80, 89, false),
            (80, 90, true),
            (400, 415, false),
            (400, 416, true),
        ] {
            let last = rounds(&[before, after]).pop();
            assert_eq!(
                last == Some(Growth::By(250)),
                is_sign,
                "{before} to {after} ms"
            );
        }
    }

    #[test]
    fn a_delay_that_goes_away_resumes_it() {
        let growths = rounds(&[20, 20, 30, 30, 22, 22]);
        assert_eq!(
            growths[3..],
            [Growth::By(250), Growth::By(1_000), Growth::By(1_000)]
        );
    }

    #[test]
    fn few_samples_do_not_decide() {
        let mut path = Path::new(1_000);
        let mut hystart = HyStart::new();
        for rtt in [20, 20, 60, 60, 60, 60, 60, 60, 60, 60, 60] {
            path.rtt = Span::from_millis(rtt);
            for sample in path.round(7_000) {
                assert_eq!(hystart.on_ack(&sample, 1_000), Growth::By(1_000));
            }
        }
    }
}
