//! Round-trip times, summed up as `ping` has always done.

use core::fmt;

/// Sums over the replies so far. Times are in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Requests sent.
    pub sent: u32,
    /// Replies received.
    pub received: u32,
    minimum: u64,
    maximum: u64,
    sum: u64,
    sum_of_squares: u128,
}

impl Statistics {
    /// A request has been sent.
    pub fn count_sent(&mut self) {
        self.sent = self.sent.saturating_add(1);
    }

    /// A reply came after `nanoseconds`.
    pub fn count_reply(&mut self, nanoseconds: u64) {
        self.minimum = if self.received == 0 {
            nanoseconds
        } else {
            self.minimum.min(nanoseconds)
        };
        self.maximum = self.maximum.max(nanoseconds);
        self.received = self.received.saturating_add(1);
        self.sum = self.sum.saturating_add(nanoseconds);
        self.sum_of_squares = self
            .sum_of_squares
            .saturating_add(u128::from(nanoseconds) * u128::from(nanoseconds));
    }

    /// Requests without a reply, in per cent, rounded down.
    pub fn loss(&self) -> u32 {
        let lost = u64::from(self.sent - self.received.min(self.sent));
        u32::try_from(lost * 100 / u64::from(self.sent.max(1))).unwrap_or(100)
    }

    fn average(&self) -> u64 {
        self.sum / u64::from(self.received.max(1))
    }

    /// Standard deviation: the root of the mean square less the square of the mean.
    fn deviation(&self) -> u64 {
        let count = u128::from(self.received.max(1));
        let mean = u128::from(self.sum) / count;
        let variance = (self.sum_of_squares / count).saturating_sub(mean * mean);
        u64::try_from(variance.isqrt()).unwrap_or(u64::MAX)
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, received, .. } = self;
        write!(
            f,
            "{sent} packets transmitted, {received} received, {}% packet loss",
            self.loss()
        )?;
        if self.received == 0 {
            return Ok(());
        }
        write!(
            f,
            "\nrtt min/avg/max/mdev = {}/{}/{}/{} ms",
            Milliseconds(self.minimum),
            Milliseconds(self.average()),
            Milliseconds(self.maximum),
            Milliseconds(self.deviation()),
        )
    }
}

/// Nanoseconds, shown as milliseconds with three decimals.
pub struct Milliseconds(pub u64);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let microseconds = self.0 / 1000;
        write!(f, "{}.{:03}", microseconds / 1000, microseconds % 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::{Milliseconds, Statistics};

    #[test]
    fn sums_are_right() {
        let mut statistics = Statistics::default();
        for microseconds in [1000, 2000, 3000, 6000] {
            statistics.count_sent();
            statistics.count_reply(microseconds * 1000);
        }
        statistics.count_sent();
        assert_eq!(
            statistics.to_string(),
            "5 packets transmitted, 4 received, 20% packet loss\n\
             rtt min/avg/max/mdev = 1.000/3.000/6.000/1.870 ms"
        );
    }

    #[test]
    fn without_replies_there_are_no_times() {
        let mut statistics = Statistics::default();
        assert_eq!(
            statistics.to_string(),
            "0 packets transmitted, 0 received, 0% packet loss"
        );
        statistics.count_sent();
        assert_eq!(
            statistics.to_string(),
            "1 packets transmitted, 0 received, 100% packet loss"
        );
    }

    #[test]
    fn times_have_three_decimals() {
        assert_eq!(Milliseconds(1_002_003).to_string(), "1.002");
        assert_eq!(Milliseconds(999).to_string(), "0.000");
    }
}
