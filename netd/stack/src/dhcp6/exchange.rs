//! One question, asked until it is answered (RFC 8415 section 15).

use crate::Instant;
use crate::rng::Rng;
use core::time::Duration;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// How a question is asked again (RFC 8415 section 7.6).
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    /// IRT: the first wait.
    first: Duration,
    /// MRT: the longest.
    most: Duration,
    /// MRC: it is asked so often at most; zero for no limit.
    count: u8,
    /// MRD: and for so long at most.
    duration: Option<Duration>,
}

impl Schedule {
    pub(super) const SOLICIT: Self = Self::endless(seconds(1), seconds(3_600));
    pub(super) const REQUEST: Self = Self::counted(10, seconds(30));
    pub(super) const CONFIRM: Self = Self {
        duration: Some(seconds(10)),
        ..Self::endless(seconds(1), seconds(4))
    };
    pub(super) const RENEW: Self = Self::endless(seconds(10), seconds(600));
    pub(super) const DECLINE: Self = Self::counted(4, seconds(3_600));
    pub(super) const INFORMATION: Self = Self::endless(seconds(1), seconds(3_600));

    const fn endless(first: Duration, most: Duration) -> Self {
        Self {
            first,
            most,
            count: 0,
            duration: None,
        }
    }

    const fn counted(count: u8, most: Duration) -> Self {
        Self {
            count,
            ..Self::endless(seconds(1), most)
        }
    }

    /// The same with another longest wait, which servers may choose (sections 21.24 and 21.25).
    pub(super) const fn at_most(self, most: Duration) -> Self {
        Self { most, ..self }
    }
}

/// A question under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange {
    /// By which its answer is known: 24 bits.
    pub(super) transaction: u32,
    schedule: Schedule,
    began: Instant,
    wait: Duration,
    /// How often it was asked.
    pub(super) sent: u8,
}

impl Exchange {
    /// A question that has not been asked yet.
    pub(super) fn new(schedule: Schedule, rng: &mut Rng, now: Instant) -> Self {
        Self {
            transaction: rng.u32() >> 8,
            schedule,
            began: now,
            wait: Duration::ZERO,
            sent: 0,
        }
    }

    /// It is asked now. Gives when it is to be asked again; `None`: it has been asked enough.
    pub(super) fn ask(&mut self, rng: &mut Rng, now: Instant) -> Option<Instant> {
        let schedule = &self.schedule;
        let is_enough = schedule.count > 0 && self.sent >= schedule.count;
        let is_late = |limit| self.sent > 0 && now.since(self.began) >= limit;
        if is_enough || schedule.duration.is_some_and(is_late) {
            return None;
        }
        if self.sent == 0 {
            self.began = now;
        }
        let doubled = self.wait.saturating_mul(2);
        // RAND counts what the wait is made of: the last one, or the limit that it comes to.
        let (base, counted) = if self.wait.is_zero() {
            (schedule.first, schedule.first)
        } else if doubled <= schedule.most {
            (doubled, self.wait)
        } else {
            (schedule.most, schedule.most)
        };
        // It lies between -0.1 and +0.1, and is not negative the first time, so that all servers can
        // answer (section 18.2.1).
        let tenth = u32::try_from(counted.as_millis() / 10).unwrap_or(u32::MAX >> 1);
        let (least, span) = if self.sent == 0 {
            (base, tenth)
        } else {
            let less = Duration::from_millis(tenth.into());
            (base.saturating_sub(less), tenth.saturating_mul(2))
        };
        let drawn = Duration::from_millis(rng.below(span.max(1)).into());
        self.wait = least.saturating_add(drawn);
        self.sent = self.sent.saturating_add(1);
        Some(now + self.wait)
    }

    /// Hundredths of a second since it was first asked (section 21.9).
    pub(super) fn elapsed(&self, now: Instant) -> u16 {
        let hundredths = now.since(self.began).as_millis() / 10;
        u16::try_from(hundredths).unwrap_or(u16::MAX)
    }
}
