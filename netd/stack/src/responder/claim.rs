//! A name that must be ours alone, and how it becomes that.
//!
//! *Owns* the steps: asked for three times, told twice, ours; and the next name when somebody else has
//! it. *Never* writes a message.
//!
//! Spec: RFC 6762 sections 8.1, 8.3 and 9; RFC 6763 appendix D (names of services).

use core::time::Duration;
use tcp::Instant;
use wire::List;
use wire::dns::Name;

/// How often the link is asked, and how long it has each time (RFC 6762 section 8.1).
const PROBES: u8 = 3;
const PROBE_INTERVAL: Duration = Duration::from_millis(250);
/// All of that is over by then, a little later than it must be.
pub(super) const PROBING: Duration = Duration::from_secs(1);
/// How often it is told, and the time between (section 8.3).
const ANNOUNCEMENTS: u8 = 2;
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(1);
/// So many conflicts in such a time, and each further try waits (section 8.1).
const MOST_CONFLICTS: u8 = 15;
const CONFLICTS_TIME: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_secs(5);

/// The longest label.
const LABEL: usize = 63;

/// How far a claim is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// There is nothing to tell yet.
    Resting,
    /// The link is still to be asked so often, or has its last answer to give.
    Probing { left: u8, next: Instant },
    /// It is ours, which is still to be told so often.
    Announcing { left: u8, next: Instant },
    /// It is ours, and all have been told.
    Standing,
}

/// What a claim does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Probe,
    Announce,
}

/// A name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    pub(super) name: Name,
    /// What it should be called, and below what.
    label: List<u8, LABEL>,
    domain: Name,
    /// How many names were tried.
    attempt: u16,
    phase: Phase,
    /// Others may believe that it is ours.
    pub(super) was_told: bool,
}

impl Claim {
    /// A claim to a name, as far as that is one.
    pub(super) fn new(label: &[u8], domain: Name) -> Self {
        let label = List::from_slice(label).unwrap_or(List::NONE);
        Self {
            name: Name::below(label.as_slice(), &domain).unwrap_or(domain),
            label,
            domain,
            attempt: 1,
            phase: Phase::Resting,
            was_told: false,
        }
    }

    /// Asks for the name from this time on.
    pub(super) fn begin(&mut self, at: Instant) {
        self.phase = Phase::Probing {
            left: PROBES,
            next: at,
        };
    }

    /// There is nothing to tell any more.
    pub(super) fn rest(&mut self) {
        self.phase = Phase::Resting;
        self.was_told = false;
    }

    /// If it is ours: tells it anew from this time on.
    pub(super) fn announce_again(&mut self, at: Instant) {
        if self.is_ours() {
            self.phase = Phase::Announcing {
                left: ANNOUNCEMENTS,
                next: at,
            };
        }
    }

    /// Takes the next name: `box-2`, or `A Box (2)` if it is a service's.
    pub(super) fn rename(&mut self) {
        self.attempt = self.attempt.saturating_add(1);
        self.was_told = false;
        let is_service = self.domain.labels().count() > 1;
        let (before, behind): (&[u8], &[u8]) = if is_service {
            (b" (", b")")
        } else {
            (b"-", b"")
        };
        let mut digits = [0; 5];
        let digits = decimal(self.attempt, &mut digits);
        let added = before.len() + digits.len() + behind.len();
        let mut room = LABEL.saturating_sub(added).min(self.label.len());
        let label = self.label.as_slice();
        // A character is not cut.
        while label.get(room).is_some_and(|byte| byte & 0xc0 == 0x80) {
            room = room.saturating_sub(1);
        }
        let mut named = self.label.truncated(room);
        for byte in before.iter().chain(digits).chain(behind) {
            named.push(*byte);
        }
        if let Ok(name) = Name::below(named.as_slice(), &self.domain) {
            self.name = name;
        }
    }

    /// It is ours: questions are answered.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self.phase, Phase::Announcing { .. } | Phase::Standing)
    }

    /// The link is being asked.
    pub(super) fn is_probing(&self) -> bool {
        matches!(self.phase, Phase::Probing { .. })
    }

    /// When it goes on.
    pub(super) fn next(&self) -> Option<Instant> {
        match self.phase {
            Phase::Probing { next, .. } | Phase::Announcing { next, .. } => Some(next),
            Phase::Resting | Phase::Standing => None,
        }
    }

    /// What is due.
    pub(super) fn step(&mut self, now: Instant) -> Option<Step> {
        if self.next()? > now {
            return None;
        }
        let (phase, step) = match self.phase {
            Phase::Resting | Phase::Standing => return None,
            Phase::Probing { left: 0, .. } => {
                self.was_told = true;
                let next = now + ANNOUNCE_INTERVAL;
                let left = ANNOUNCEMENTS.saturating_sub(1);
                (Phase::Announcing { left, next }, Step::Announce)
            }
            Phase::Probing { left, .. } => {
                let next = now + PROBE_INTERVAL;
                let left = left.saturating_sub(1);
                (Phase::Probing { left, next }, Step::Probe)
            }
            Phase::Announcing { left: 0 | 1, .. } => (Phase::Standing, Step::Announce),
            Phase::Announcing { left, .. } => {
                let next = now + ANNOUNCE_INTERVAL;
                let left = left.saturating_sub(1);
                (Phase::Announcing { left, next }, Step::Announce)
            }
        };
        self.phase = phase;
        Some(step)
    }
}

/// A number in decimal.
fn decimal(number: u16, digits: &mut [u8; 5]) -> &[u8] {
    let mut rest = number;
    let mut count = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' | u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        count += 1;
        if rest == 0 {
            break;
        }
    }
    digits.get(5 - count..).unwrap_or_default()
}

/// Conflicts of late.
#[derive(Debug, Default)]
pub(super) struct Conflicts {
    since: Option<Instant>,
    count: u8,
}

impl Conflicts {
    /// One more. Gives how much longer than usual the next try must wait.
    pub(super) fn note(&mut self, now: Instant) -> Duration {
        let since = *self.since.get_or_insert(now);
        if now.since(since) > CONFLICTS_TIME {
            *self = Self {
                since: Some(now),
                count: 1,
            };
            return Duration::ZERO;
        }
        self.count = self.count.saturating_add(1);
        if self.count < MOST_CONFLICTS {
            return Duration::ZERO;
        }
        // As long as it goes on it stays slow.
        self.since = Some(now);
        PAUSE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString as _;

    fn name(text: &str) -> Name {
        text.parse().expect("a name")
    }

    #[test]
    fn the_next_name_fits_and_cuts_no_character() {
        let mut host = Claim::new(b"box", name("local"));
        assert_eq!(host.name.to_string(), "box.local");
        host.rename();
        assert_eq!(host.name.to_string(), "box-2.local");
        for _ in 0..9 {
            host.rename();
        }
        assert_eq!(host.name.to_string(), "box-11.local");
        let label = [b"a".as_slice(), "\u{e9}".repeat(31).as_bytes()].concat();
        let mut service = Claim::new(&label, name("_http._tcp.local"));
        service.rename();
        let first = service.name.labels().next().expect("a label");
        let text = core::str::from_utf8(first).expect("characters");
        assert!(first.len() <= 63 && text.ends_with("\u{e9} (2)"), "{text}");
    }

    // RFC 6762 section 8.1: fifteen conflicts in ten seconds, and five seconds before each try.
    #[test]
    fn many_conflicts_make_slow() {
        let mut conflicts = Conflicts::default();
        let at = |ms| Instant::ZERO + Duration::from_millis(ms);
        let pauses: std::vec::Vec<_> = (0..16).map(|n| conflicts.note(at(n * 100))).collect();
        assert_eq!(pauses.iter().filter(|it| **it == PAUSE).count(), 2);
        assert_eq!(conflicts.note(at(8_000)), PAUSE);
        assert_eq!(conflicts.note(at(30_000)), Duration::ZERO);
    }
}
