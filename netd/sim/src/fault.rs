//! Faults: what befalls single frames.
//!
//! *Owns* the decision for each frame, by chance or from a list. Whatever chance decided is noted,
//! so that the same can be played again from the list, or less than the same.

use std::collections::BTreeMap;
use std::time::Duration;

use stack::Instant;
use wire::ethernet;

use crate::random::Random;
use crate::weather::{Loss, Weather};

/// What befalls one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It never arrives.
    Lost,
    /// It arrives so much later.
    Late(Duration),
    /// A copy of it arrives so much later than a frame in fair weather.
    Copied(Duration),
    /// The bit with this number, counted through the frame behind its link header and beginning
    /// again at its end, is turned over.
    Flipped(u64),
    /// A router marks it instead of dropping it.
    Marked,
    /// A router drops it and says that packets of so many bytes would pass.
    Refused(u16),
}

/// The faults of one direction of a link, by the number of the frame.
pub type Faults = BTreeMap<u64, Vec<Fault>>;

/// Who decides.
#[derive(Clone, Debug)]
enum Source {
    Chance,
    List(Faults),
}

/// Decides, and remembers.
#[derive(Clone, Debug)]
pub(crate) struct Judge {
    source: Source,
    random: Random,
    outage_until: Instant,
    is_bad: bool,
    noted: Faults,
}

impl Judge {
    pub(crate) fn by_chance(random: Random) -> Self {
        Self {
            source: Source::Chance,
            random,
            outage_until: Instant::ZERO,
            is_bad: false,
            noted: Faults::new(),
        }
    }

    /// From now on only what the list says.
    pub(crate) fn follow(&mut self, list: Faults) {
        self.source = Source::List(list);
    }

    /// Whether chance has no part any more.
    pub(crate) fn follows_list(&self) -> bool {
        matches!(self.source, Source::List(_))
    }

    /// Everything that befell a frame so far.
    pub(crate) fn noted(&self) -> &Faults {
        &self.noted
    }

    /// Notes what befell a frame without chance: its queue was full, or long.
    pub(crate) fn note(&mut self, frame: u64, fault: Fault) {
        self.noted.entry(frame).or_default().push(fault);
    }

    /// What befalls frame number `frame`, which is too long.
    pub(crate) fn refuse(&mut self, frame: u64, weather: &Weather) -> Fault {
        let most = weather.longest_frame.saturating_sub(ethernet::HEADER_LEN);
        let most = u16::try_from(most).unwrap_or(u16::MAX);
        let is_told = match &self.source {
            Source::List(list) => list
                .get(&frame)
                .is_some_and(|faults| faults.contains(&Fault::Refused(most))),
            Source::Chance => self.random.chance(weather.refusals),
        };
        let fault = if is_told {
            Fault::Refused(most)
        } else {
            Fault::Lost
        };
        self.note(frame, fault);
        fault
    }

    /// What befalls frame number `frame`.
    pub(crate) fn decide(&mut self, frame: u64, weather: &Weather, now: Instant) -> Vec<Fault> {
        let faults = match &self.source {
            Source::List(list) => list.get(&frame).cloned().unwrap_or_default(),
            Source::Chance => self.draw(weather, now),
        };
        if !faults.is_empty() {
            self.noted.insert(frame, faults.clone());
        }
        faults
    }

    fn draw(&mut self, weather: &Weather, now: Instant) -> Vec<Fault> {
        if self.is_lost(weather.loss, now) {
            return vec![Fault::Lost];
        }
        let mut faults = Vec::new();
        let late = self.lateness(weather);
        if late > Duration::ZERO {
            faults.push(Fault::Late(late));
        }
        if self.random.chance(weather.duplication) {
            faults.push(Fault::Copied(self.lateness(weather)));
        }
        if self.random.chance(weather.corruption) {
            faults.push(Fault::Flipped(self.random.any()));
        }
        faults
    }

    fn lateness(&mut self, weather: &Weather) -> Duration {
        let mut late = self.random.up_to(weather.jitter);
        if self.random.chance(weather.reordering) {
            late += weather.lateness;
        }
        late
    }

    fn is_lost(&mut self, loss: Loss, now: Instant) -> bool {
        match loss {
            Loss::Never => false,
            Loss::Random(per_million) => self.random.chance(per_million),
            Loss::Bursts { begin, longest } => {
                if self.outage_until <= now && self.random.chance(begin) {
                    self.outage_until = now + self.random.up_to(longest);
                }
                now < self.outage_until
            }
            Loss::GilbertElliott {
                turn_bad,
                turn_good,
                bad,
            } => {
                let turn = if self.is_bad { turn_good } else { turn_bad };
                self.is_bad ^= self.random.chance(turn);
                self.is_bad && self.random.chance(bad)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_secs(1);

    fn foul() -> Weather {
        Weather {
            loss: Loss::Random(200_000),
            jitter: Duration::from_millis(3),
            duplication: 100_000,
            corruption: 100_000,
            reordering: 100_000,
            lateness: Duration::from_millis(20),
            ..Weather::FAIR
        }
    }

    #[test]
    fn what_chance_decided_can_be_played_again() {
        let mut first = Judge::by_chance(Random::new(3));
        let decided: Vec<_> = (0..500)
            .map(|frame| first.decide(frame, &foul(), NOW))
            .collect();
        let mut second = Judge::by_chance(Random::new(4));
        second.follow(first.noted().clone());
        for (frame, faults) in (0..).zip(&decided) {
            assert_eq!(second.decide(frame, &Weather::FAIR, NOW), *faults);
        }
        assert_eq!(first.noted(), second.noted());
        let kinds =
            |kind: fn(&Fault) -> bool| decided.iter().flatten().filter(|it| kind(it)).count();
        assert!(kinds(|fault| matches!(fault, Fault::Lost)) > 50);
        assert!(kinds(|fault| matches!(fault, Fault::Copied(_))) > 20);
        assert!(kinds(|fault| matches!(fault, Fault::Flipped(_))) > 20);
    }

    #[test]
    fn bad_states_come_in_bursts() {
        let weather = Weather {
            loss: Loss::GilbertElliott {
                turn_bad: 10_000,
                turn_good: 250_000,
                bad: 1_000_000,
            },
            ..Weather::FAIR
        };
        let mut judge = Judge::by_chance(Random::new(5));
        let lost: Vec<bool> = (0..100_000)
            .map(|frame| !judge.decide(frame, &weather, NOW).is_empty())
            .collect();
        // A share of 1/(1 + 25) is bad, and a burst is four frames long.
        let count = lost.iter().filter(|lost| **lost).count();
        assert!((3_300..4_400).contains(&count), "{count}");
        let bursts = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count();
        assert!((800..1_200).contains(&bursts), "{bursts}");
    }
}
