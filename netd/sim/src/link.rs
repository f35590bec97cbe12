//! What a link does to frames.
//!
//! *Owns* one direction of a link: its weather, its queue and the bursts it is in. *Never* looks
//! into a frame, except that it spares what has no checksum from corruption: nobody could tell.

use std::time::Duration;

use stack::Instant;
use wire::ethernet;

use crate::random::Random;

/// How frames get lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// None is.
    Never,
    /// Each by itself, so many in a million.
    Random(u32),
    /// In bursts: with so many frames in a million a time begins in which all are lost.
    Bursts {
        /// Frames in a million that begin one.
        begin: u32,
        /// How long it lasts at most.
        longest: Duration,
    },
}

/// The nature of one direction of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// Time that every frame takes.
    pub delay: Duration,
    /// Up to so much more, evenly at random; frames overtake each other.
    pub jitter: Duration,
    /// Bits in a second; `None` for no limit.
    pub rate: Option<u64>,
    /// Bytes that may wait for the line; more are dropped at the tail.
    pub queue: u64,
    /// Losses.
    pub loss: Loss,
    /// Frames in a million that arrive twice.
    pub duplication: u32,
    /// Frames in a million that arrive with one bit turned over.
    pub corruption: u32,
    /// Frames longer than this never arrive, whatever the hosts believe.
    pub longest_frame: usize,
    /// Whether anything passes at all.
    pub is_up: bool,
}

impl Weather {
    /// A perfect local network.
    pub const FAIR: Self = Self {
        delay: Duration::from_micros(50),
        jitter: Duration::ZERO,
        rate: None,
        queue: u64::MAX,
        loss: Loss::Never,
        duplication: 0,
        corruption: 0,
        longest_frame: usize::MAX,
        is_up: true,
    };

    /// Weather of any kind, from fair to foul, but such that patient hosts get through.
    pub fn any(random: &mut Random) -> Self {
        let rate = random.pick(&[
            None,
            None,
            Some(1_000_000),
            Some(10_000_000),
            Some(100_000_000),
        ]);
        Self {
            delay: Duration::from_micros(random.pick(&[10, 500, 5_000, 40_000])),
            jitter: Duration::from_micros(random.pick(&[0, 0, 100, 5_000, 20_000])),
            rate,
            queue: random.pick(&[8_000, 30_000, 200_000]),
            loss: random.pick(&[
                Loss::Never,
                Loss::Random(1_000),
                Loss::Random(20_000),
                Loss::Random(100_000),
                Loss::Bursts {
                    begin: 2_000,
                    longest: Duration::from_millis(300),
                },
            ]),
            duplication: random.pick(&[0, 0, 10_000, 100_000]),
            corruption: random.pick(&[0, 0, 10_000]),
            ..Self::FAIR
        }
    }
}

/// One direction of a link.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its nature, which may change at any time.
    pub weather: Weather,
    random: Random,
    busy_until: Instant,
    burst_until: Instant,
    /// Frames that went in, and that came to nothing.
    pub sent: u64,
    /// Frames that came to nothing.
    pub lost: u64,
}

impl Line {
    /// A direction with nothing on it.
    #[must_use]
    pub fn new(weather: Weather, random: Random) -> Self {
        Self {
            weather,
            random,
            busy_until: Instant::ZERO,
            burst_until: Instant::ZERO,
            sent: 0,
            lost: 0,
        }
    }

    /// A frame goes in at `now`: when, and how, it comes out.
    pub fn carry(&mut self, frame: &[u8], now: Instant) -> Vec<(Instant, Vec<u8>)> {
        self.sent += 1;
        let departure = self
            .depart(frame.len(), now)
            .filter(|_| !self.is_lost(frame.len(), now));
        let Some(departure) = departure else {
            self.lost += 1;
            return Vec::new();
        };
        let copies = 1 + usize::from(self.random.chance(self.weather.duplication));
        (0..copies)
            .map(|_| {
                let jitter = u64::try_from(self.weather.jitter.as_nanos()).unwrap_or(u64::MAX);
                let extra = Duration::from_nanos(self.random.below(jitter.saturating_add(1)));
                (
                    departure + self.weather.delay + extra,
                    self.corrupted(frame),
                )
            })
            .collect()
    }

    /// When the last bit is on the line; `None` if the queue is full.
    fn depart(&mut self, len: usize, now: Instant) -> Option<Instant> {
        let Some(rate) = self.weather.rate else {
            return Some(now);
        };
        let nanoseconds = |bytes: u64| bytes.saturating_mul(8_000_000_000) / rate.max(1);
        let waiting = self.busy_until.since(now);
        if waiting > Duration::from_nanos(nanoseconds(self.weather.queue)) {
            return None;
        }
        let bytes = u64::try_from(len).unwrap_or(u64::MAX);
        self.busy_until = self.busy_until.max(now) + Duration::from_nanos(nanoseconds(bytes));
        Some(self.busy_until)
    }

    fn is_lost(&mut self, len: usize, now: Instant) -> bool {
        let is_lost = match self.weather.loss {
            Loss::Never => false,
            Loss::Random(per_million) => self.random.chance(per_million),
            Loss::Bursts { begin, longest } => {
                if self.burst_until <= now && self.random.chance(begin) {
                    let longest = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
                    let length = self.random.below(longest.saturating_add(1));
                    self.burst_until = now + Duration::from_nanos(length);
                }
                now < self.burst_until
            }
        };
        is_lost || !self.weather.is_up || len > self.weather.longest_frame
    }

    fn corrupted(&mut self, frame: &[u8]) -> Vec<u8> {
        let mut frame = frame.to_vec();
        if self.random.chance(self.weather.corruption) && has_checksum(&frame) {
            let body = &mut frame[ethernet::HEADER_LEN..];
            let place = self.random.index(body.len());
            body[place] ^= 1 << self.random.below(8);
        }
        frame
    }
}

/// Ethernet's own check is not simulated; corruption is what slips past it. ARP has no other.
fn has_checksum(frame: &[u8]) -> bool {
    let is_ipv4 = |frame: ethernet::Frame<'_>| frame.header.ethertype == wire::EtherType::IPV4;
    ethernet::Frame::parse(frame).is_ok_and(is_ipv4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(weather: Weather) -> Line {
        Line::new(weather, Random::new(5))
    }

    const NOW: Instant = Instant::from_secs(1);

    #[test]
    fn a_line_takes_one_bit_after_the_other_and_its_queue_ends() {
        // 1000 bytes at 8 Mbit/s take 1 ms.
        let mut line = line(Weather {
            rate: Some(8_000_000),
            queue: 2_500,
            ..Weather::FAIR
        });
        let times: Vec<Option<Duration>> = (0..5)
            .map(|_| {
                line.carry(&[0; 1_000], NOW)
                    .first()
                    .map(|(at, _)| at.since(NOW))
            })
            .collect();
        let after = |milliseconds: u64| Some(Duration::from_micros(milliseconds * 1_000 + 50));
        assert_eq!(times, [after(1), after(2), after(3), None, None]);
        assert_eq!((line.sent, line.lost), (5, 2));
    }

    #[test]
    fn losses_come_as_often_as_they_should() {
        for (loss, expected) in [
            (Loss::Never, 0..=0),
            (Loss::Random(100_000), 900..=1_100),
            // A hundred bursts of ten milliseconds on average, and one frame each millisecond.
            (
                Loss::Bursts {
                    begin: 10_000,
                    longest: Duration::from_millis(20),
                },
                700..=1_200,
            ),
        ] {
            let mut line = line(Weather {
                loss,
                ..Weather::FAIR
            });
            for millisecond in 0..10_000 {
                line.carry(&[0; 60], NOW + Duration::from_millis(millisecond));
            }
            assert!(expected.contains(&line.lost), "{loss:?}: {}", line.lost);
        }
    }

    #[test]
    fn a_link_that_is_down_or_too_narrow_carries_nothing() {
        let mut down = line(Weather {
            is_up: false,
            ..Weather::FAIR
        });
        assert!(down.carry(&[0; 60], NOW).is_empty());
        let mut narrow = line(Weather {
            longest_frame: 600,
            ..Weather::FAIR
        });
        assert!(narrow.carry(&[0; 601], NOW).is_empty());
        assert_eq!(narrow.carry(&[0; 600], NOW).len(), 1);
    }

    #[test]
    fn corruption_turns_one_bit_of_what_has_a_checksum() {
        let mut frame = vec![0; 60];
        frame[0] = 2;
        frame[6] = 2;
        frame[12..14].copy_from_slice(&[8, 0]);
        let mut line = line(Weather {
            corruption: 1_000_000,
            ..Weather::FAIR
        });
        let (_, arrived) = line.carry(&frame, NOW).remove(0);
        let turned: u32 = frame
            .iter()
            .zip(&arrived)
            .map(|(a, b)| (a ^ b).count_ones())
            .sum();
        assert_eq!(turned, 1);
        frame[13] = 6;
        assert_eq!(line.carry(&frame, NOW).remove(0).1, frame);
    }
}
