//! Round-trip time and the retransmission timeout: RFC 6298, whole.
//!
//! *Owns* the estimator ([`Rtt`]) and the witness [`Rto`]. *Never* decides when to measure: Karn's
//! rule (section 3) is kept by whoever takes the samples, who never takes one of a segment that
//! was sent twice, unless a timestamp tells which of both arrived.

use core::time::Duration;

use crate::time::Span;

/// A retransmission timeout, always within its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rto {
    microseconds: u32,
}

impl Rto {
    /// Before anything was measured (RFC 6298 section 2.1).
    pub const INITIAL: Self = Self {
        microseconds: 1_000_000,
    };
    /// After a SYN had to be sent again (RFC 6298 section 5.7).
    pub const AFTER_SYN_LOSS: Self = Self {
        microseconds: 3_000_000,
    };
    /// The least, unless a limit says otherwise. RFC 6298 section 2.4 says one second; every stack in
    /// use waits less, because delayed acknowledgements no longer take that long.
    pub const MIN: Self = Self {
        microseconds: 200_000,
    };
    /// The most (RFC 6298 section 2.5 allows any limit of at least 60 seconds).
    pub const MAX: Self = Self {
        microseconds: 60_000_000,
    };

    /// `microseconds`, brought within the limits.
    #[must_use]
    pub fn clamped(microseconds: u64) -> Self {
        let limited = u32::try_from(microseconds).unwrap_or(u32::MAX);
        Self {
            microseconds: limited.clamp(Self::MIN.microseconds, Self::MAX.microseconds),
        }
    }

    /// The least of those who choose one, which may be less than [`Self::MIN`].
    #[must_use]
    pub fn least(chosen: Duration) -> Self {
        let microseconds = u32::try_from(chosen.as_micros()).unwrap_or(u32::MAX);
        Self {
            microseconds: microseconds.clamp(1, Self::MAX.microseconds),
        }
    }

    /// Twice as long, up to the limit (RFC 6298 section 5.5).
    #[must_use]
    pub const fn doubled(self) -> Self {
        let twice = self.microseconds.saturating_mul(2);
        if twice > Self::MAX.microseconds {
            Self::MAX
        } else {
            Self {
                microseconds: twice,
            }
        }
    }

    /// Doubled `times` times.
    #[must_use]
    pub fn backed_off(self, times: u8) -> Self {
        (0..times).fold(self, |rto, _| rto.doubled())
    }

    /// As a duration.
    #[must_use]
    pub(crate) const fn duration(self) -> Span {
        Span::from_micros(self.microseconds as u64)
    }
}

/// The estimator of RFC 6298 section 2, in microseconds; 16 seconds is the longest it believes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtt {
    /// SRTT times 8; 0 while nothing was measured.
    smoothed_8: u32,
    /// RTTVAR times 4; while nothing was measured, the timeout.
    variation_4: u32,
}

// Every connection has one.
const _: () = assert!(size_of::<Rtt>() <= 8);

impl Rtt {
    /// The longest round trip that is believed.
    const LONGEST: u32 = 16_000_000;
    /// The clock's granularity G of RFC 6298 section 2.2, in microseconds.
    const GRANULARITY: u32 = 1_000;

    /// Nothing measured yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            smoothed_8: 0,
            variation_4: Rto::INITIAL.microseconds,
        }
    }

    /// Nothing measured, and the SYN had to be sent again: RFC 6298 section 5.7.
    #[must_use]
    pub const fn after_syn_loss() -> Self {
        Self {
            variation_4: Rto::AFTER_SYN_LOSS.microseconds,
            ..Self::new()
        }
    }

    /// Takes one measurement (RFC 6298 sections 2.2 and 2.3).
    pub(crate) fn sample(&mut self, measured: Span) {
        let r = u32::try_from(measured.as_micros())
            .unwrap_or(u32::MAX)
            .clamp(1, Self::LONGEST);
        if self.smoothed_8 == 0 {
            // (2.2) SRTT <- R, RTTVAR <- R/2
            self.smoothed_8 = r * 8;
            self.variation_4 = r * 2;
        } else {
            // (2.3) RTTVAR <- 3/4 RTTVAR + 1/4 |SRTT - R|, SRTT <- 7/8 SRTT + 1/8 R
            let error = (self.smoothed_8 / 8).abs_diff(r);
            self.variation_4 = self.variation_4 - self.variation_4 / 4 + error;
            self.smoothed_8 = self.smoothed_8 - self.smoothed_8 / 8 + r;
        }
    }

    /// The smoothed round-trip time, once there is one.
    #[must_use]
    pub(crate) fn smoothed(&self) -> Option<Span> {
        (self.smoothed_8 != 0).then(|| Span::from_micros(self.smoothed_us().into()))
    }

    /// The same in microseconds; zero while there is none.
    #[must_use]
    pub const fn smoothed_us(&self) -> u32 {
        self.smoothed_8 / 8
    }

    /// The mean deviation, once there is one.
    #[must_use]
    pub(crate) fn variation(&self) -> Option<Span> {
        (self.smoothed_8 != 0).then(|| Span::from_micros(u64::from(self.variation_4 / 4)))
    }

    /// The timeout, before any backing off; once something was measured, `least` at the shortest.
    #[must_use]
    pub fn rto(&self, least: Rto) -> Rto {
        if self.smoothed_8 == 0 {
            return Rto {
                microseconds: self.variation_4,
            };
        }
        // RTO <- SRTT + max(G, 4 * RTTVAR)
        let granularity = Self::GRANULARITY.min(least.microseconds);
        let microseconds = self.smoothed_8 / 8 + self.variation_4.max(granularity);
        Rto {
            microseconds: microseconds
                .max(least.microseconds)
                .min(Rto::MAX.microseconds),
        }
    }
}

impl Default for Rtt {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: Rto = Rto::MIN;

    fn milliseconds(value: u64) -> Span {
        Span::from_millis(value)
    }

    #[test]
    fn first_sample_sets_both_terms() {
        let mut rtt = Rtt::new();
        assert_eq!((rtt.smoothed(), rtt.variation()), (None, None));
        assert_eq!(rtt.rto(LEAST), Rto::INITIAL);
        assert_eq!(Rtt::after_syn_loss().rto(LEAST), Rto::AFTER_SYN_LOSS);
        rtt.sample(milliseconds(100));
        assert_eq!(rtt.smoothed(), Some(milliseconds(100)));
        assert_eq!(rtt.variation(), Some(milliseconds(50)));
        assert_eq!(rtt.rto(LEAST).duration(), milliseconds(300));
    }

    // RFC 9293: MUST-18
    #[test]
    fn later_samples_follow_the_rfc() {
        // (sample, srtt, rttvar, rto) in microseconds, computed by hand from section 2.3.
        let table = [
            (100_000, 100_000, 50_000, 300_000),
            (100_000, 100_000, 37_500, 250_000),
            (200_000, 112_500, 53_125, 325_000),
            (50_000, 104_687, 55_468, 326_562),
        ];
        let mut rtt = Rtt::new();
        for (measured, srtt, rttvar, rto) in table {
            rtt.sample(Span::from_micros(measured));
            let got = [
                rtt.smoothed(),
                rtt.variation(),
                Some(rtt.rto(LEAST).duration()),
            ];
            let got = got.map(|value| value.unwrap().as_micros());
            for (got, wanted) in got.into_iter().zip([srtt, rttvar, rto]) {
                assert!(
                    got.abs_diff(wanted) <= 4,
                    "sample {measured}: {got} is not {wanted}"
                );
            }
        }
    }

    #[test]
    fn limits_hold_for_any_sample() {
        for measured in [Span::ZERO, Span::from_nanos(1), Span::MAX] {
            let mut rtt = Rtt::new();
            for _ in 0..1_000 {
                rtt.sample(measured);
                assert!(rtt.rto(LEAST) >= Rto::MIN && rtt.rto(LEAST) <= Rto::MAX);
            }
        }
        assert_eq!(Rto::clamped(0), Rto::MIN);
        assert_eq!(Rto::clamped(u64::MAX), Rto::MAX);
    }

    #[test]
    fn backing_off_doubles_up_to_the_limit() {
        assert_eq!(Rto::INITIAL.backed_off(0), Rto::INITIAL);
        assert_eq!(Rto::INITIAL.backed_off(3).duration(), Span::from_secs(8));
        assert_eq!(Rto::INITIAL.backed_off(255), Rto::MAX);
    }
}
