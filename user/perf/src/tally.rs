//! What has happened, and what that is a second.

use core::fmt;

use crate::options::{Mode, Options};

const NANOSECONDS: u64 = 1_000_000_000;

/// Sums over all that work at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Round trips, connections or datagrams sent.
    pub done: u64,
    /// Bytes of a stream that have arrived at their end.
    pub bytes: u64,
    /// Datagrams that have come back.
    pub returned: u64,
    /// Connections that could not be made, or have ended badly.
    pub failed: u64,
    /// Round trips that took time which is known, in nanoseconds.
    timed: u64,
    sum: u64,
    least: u64,
    most: u64,
}

impl Tally {
    /// Something was done that took so many nanoseconds.
    pub fn count(&mut self, nanoseconds: u64) {
        self.done += 1;
        self.least = match self.timed {
            0 => nanoseconds,
            _ => self.least.min(nanoseconds),
        };
        self.most = self.most.max(nanoseconds);
        self.timed += 1;
        self.sum = self.sum.saturating_add(nanoseconds);
    }

    /// Whether something came of it.
    pub const fn is_good(&self, options: &Options) -> bool {
        let something = match (options.mode, options.is_datagram) {
            (Mode::Send, true) => self.returned > 0,
            (Mode::Send | Mode::Receive, _) => self.bytes > 0,
            _ => self.done > 0,
        };
        something && self.failed == 0
    }
}

/// What is told at the end: sums of so many nanoseconds.
pub struct Report<'a> {
    /// What was asked for.
    pub options: &'a Options,
    /// What has happened.
    pub tally: Tally,
    /// Datagrams that have left to be echoed.
    pub asked: u64,
    /// In so many nanoseconds.
    pub elapsed: u64,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tally, elapsed, .. } = self;
        let length = u64::from(self.options.length);
        let time = Seconds(*elapsed);
        match (self.options.mode, self.options.is_datagram) {
            (Mode::Send, true) => {
                let rate = Megabits::of(tally.done * length, *elapsed);
                let sent = tally.done;
                writeln!(f, "{sent} datagrams sent in {time} s: {rate} Mbit/s")?;
                Returned(tally.returned, sent).fmt(f)?;
            }
            (Mode::Send | Mode::Receive, _) => {
                let rate = Megabits::of(tally.bytes, *elapsed);
                write!(f, "{} bytes in {time} s: {rate} Mbit/s", tally.bytes)?;
            }
            (Mode::Echo, _) => {
                let rate = Megabits::of(tally.done * length, *elapsed);
                let each = per_second(tally.done, *elapsed);
                let done = tally.done;
                write!(
                    f,
                    "{done} round trips in {time} s: {each} a second, {rate} Mbit/s each way"
                )?;
                if self.options.is_datagram {
                    writeln!(f)?;
                    Returned(done, self.asked).fmt(f)?;
                }
                self.times(f)?;
            }
            (Mode::Connect, _) => {
                let each = per_second(tally.done, *elapsed);
                write!(f, "{} connections in {time} s: {each} a second", tally.done)?;
                self.times(f)?;
            }
        }
        if tally.failed > 0 {
            write!(f, "\n{} failed", tally.failed)?;
        }
        Ok(())
    }
}

impl Report<'_> {
    fn times(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally {
            timed,
            sum,
            least,
            most,
            ..
        } = self.tally;
        if timed == 0 {
            return Ok(());
        }
        let [least, mean, most] = [least, sum / timed, most].map(|it| it / 1_000);
        write!(f, "\nmin/avg/max = {least}/{mean}/{most} us")
    }
}

/// So many came back of so many datagrams.
struct Returned(u64, u64);

impl fmt::Display for Returned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(returned, sent) = self;
        let lost = sent.saturating_sub(*returned);
        let thousandths = lost * 1_000 / (*sent).max(1);
        let (whole, tenth) = (thousandths / 10, thousandths % 10);
        write!(
            f,
            "{returned} of {sent} datagrams came back, {whole}.{tenth}% lost"
        )
    }
}

fn per_second(count: u64, nanoseconds: u64) -> u64 {
    let rate = u128::from(count) * u128::from(NANOSECONDS) / u128::from(nanoseconds.max(1));
    u64::try_from(rate).unwrap_or(u64::MAX)
}

/// Nanoseconds, shown as seconds.
struct Seconds(u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0 / 1_000_000;
        write!(f, "{}.{:03}", milliseconds / 1_000, milliseconds % 1_000)
    }
}

/// Hundredths of a million bits a second.
struct Megabits(u64);

impl Megabits {
    fn of(bytes: u64, nanoseconds: u64) -> Self {
        Self(per_second(bytes, nanoseconds) / 1_250)
    }
}

impl fmt::Display for Megabits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::{Report, Tally};
    use crate::options::Options;

    fn report(line: &str, tally: Tally, asked: u64, elapsed: u64) -> String {
        let options = Options::parse(line.split_whitespace()).unwrap();
        let options = &options;
        Report {
            options,
            tally,
            asked,
            elapsed,
        }
        .to_string()
    }

    #[test]
    fn rates_are_right() {
        let mut echoes = Tally::default();
        for microseconds in [100, 200, 600] {
            echoes.count(microseconds * 1_000);
        }
        assert_eq!(
            report("-u -l 1000 a", echoes, 4, 1_500_000),
            "3 round trips in 0.001 s: 2000 a second, 16.00 Mbit/s each way\n\
             3 of 4 datagrams came back, 25.0% lost\n\
             min/avg/max = 100/300/600 us"
        );
        let stream = Tally {
            bytes: 12_500_000,
            ..Tally::default()
        };
        assert_eq!(
            report("-m send a", stream, 0, 2_000_000_000),
            "12500000 bytes in 2.000 s: 50.00 Mbit/s"
        );
        let datagrams = Tally {
            done: 1_000,
            returned: 999,
            ..Tally::default()
        };
        assert_eq!(
            report("-u -m send -l 1250 a", datagrams, 0, 1_000_000_000),
            "1000 datagrams sent in 1.000 s: 10.00 Mbit/s\n\
             999 of 1000 datagrams came back, 0.1% lost"
        );
    }

    #[test]
    fn what_failed_is_told_and_nothing_done_is_not_divided_by() {
        let failed = Tally {
            failed: 3,
            ..Tally::default()
        };
        assert_eq!(
            report("-m connect a", failed, 0, 0),
            "0 connections in 0.000 s: 0 a second\n3 failed"
        );
        let options = Options::parse(["a"].into_iter()).unwrap();
        assert!(!failed.is_good(&options) && !Tally::default().is_good(&options));
    }
}
