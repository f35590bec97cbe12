//! Less of the same trouble: takes parts out of a plan for as long as it goes wrong in the same way.
//!
//! *Owns* the search. First nothing is left to chance: every fault that befell a frame becomes an
//! entry of a list. Then talks, weather changes, crashes, the hosts' oddities, faults and bytes are taken
//! out, by halves and then by ones (Zeller's delta debugging), again and again until nothing more
//! can be taken out.

use std::time::Duration;

use super::plan::{Plan, Talk};
use super::play::Keep;
use super::{Meddling, transcript};
use crate::fault::{Fault, Faults};
use crate::weather::Weather;
use crate::world::Complaint;

/// So many worlds are played at most.
const MOST_RUNS: u32 = 3_000;

/// What is left of a plan.
#[derive(Debug)]
pub struct Shrunk {
    /// The plan.
    pub plan: Plan,
    /// What goes wrong in it.
    pub complaint: Complaint,
    /// How many worlds were played to find it.
    pub runs: u32,
    /// What happens at the host where it goes wrong, as a packet script.
    pub script: String,
}

/// Finds less of the same trouble.
#[must_use]
pub fn shrink(plan: &Plan, complaint: &Complaint, meddling: Meddling<'_>) -> Shrunk {
    let mut search = Search {
        best: plan.clone(),
        complaint: complaint.clone(),
        meddling,
        runs: 0,
    };
    search.leave_nothing_to_chance();
    loop {
        let before = search.size();
        search.drop_talks();
        search.drop_changes();
        search.drop_crashes();
        search.calm_hosts();
        search.drop_faults();
        search.shorten_talks();
        search.advance_faults();
        if search.size() == before || search.runs >= MOST_RUNS {
            break;
        }
    }
    if search.try_small() {
        search.shorten_talks();
        search.advance_faults();
    }
    let host = search.complaint.station;
    let outcome = search.best.play(Keep::Trace(host), meddling);
    Shrunk {
        script: transcript::write(&outcome.trace, host, &search.best, &search.complaint),
        plan: search.best,
        complaint: search.complaint,
        runs: search.runs,
    }
}

struct Search<'a> {
    best: Plan,
    complaint: Complaint,
    meddling: Meddling<'a>,
    runs: u32,
}

/// One fault: of which host, which frame, and what.
type Single = (usize, u64, Fault);

impl Search<'_> {
    /// Takes the plan if it goes wrong in the same way.
    fn accept(&mut self, plan: Plan) -> bool {
        if self.runs >= MOST_RUNS {
            return false;
        }
        self.runs += 1;
        let found = plan.play(Keep::Nothing, self.meddling).complaint;
        match found.filter(|found| found.kind() == self.complaint.kind()) {
            Some(complaint) => {
                (self.best, self.complaint) = (plan, complaint);
                true
            }
            None => false,
        }
    }

    /// A figure that falls with everything that is taken out.
    fn size(&self) -> (usize, usize, usize, u64) {
        let bytes = self.best.talks.iter().map(bytes_of).sum();
        let faults = self.faults();
        let frames: u64 = faults.iter().map(|(_, frame, _)| frame).sum();
        let oddities = self.best.hosts.iter().map(|host| {
            usize::from(host.deafness > 0)
                + usize::from(host.lateness > Duration::ZERO)
                + usize::from(host.weather != Weather::FAIR)
        });
        let best = &self.best;
        let events = best.talks.len() + best.changes.len() + best.crashes.len();
        let parts = events + oddities.sum::<usize>();
        (
            parts,
            faults.len(),
            usize::try_from(frames).unwrap_or(usize::MAX),
            bytes,
        )
    }

    /// Perhaps a very small plan goes wrong in the same way: one connection in fair weather, few
    /// segments one way, at most one fault. The smallest are tried first.
    fn try_small(&mut self) -> bool {
        let faults = [
            Fault::Lost,
            Fault::Late(Duration::from_millis(5)),
            Fault::Copied(Duration::ZERO),
        ];
        for segments in [1, 3, 8] {
            for direction in [0, 1] {
                let Some(mut plan) = small(&self.best, segments, direction) else {
                    return false;
                };
                if bytes_of(&plan.talks[0]) >= self.size().3 {
                    return false;
                }
                plan.faults = Some(vec![Faults::new(); plan.hosts.len()]);
                if self.accept(plan.clone()) {
                    return true;
                }
                for frame in 0..segments + 6 {
                    for host in 0..plan.hosts.len() {
                        for fault in faults {
                            let mut list = vec![Faults::new(); plan.hosts.len()];
                            list[host].insert(frame, vec![fault]);
                            plan.faults = Some(list);
                            if self.accept(plan.clone()) {
                                return true;
                            }
                        }
                    }
                }
            }
        }
        false
    }

    fn leave_nothing_to_chance(&mut self) {
        let faults = self.best.play(Keep::Nothing, self.meddling).faults;
        let mut plan = Plan {
            faults: Some(faults),
            ..self.best.clone()
        };
        for host in &mut plan.hosts {
            host.weather = host.weather.calm();
        }
        for change in &mut plan.changes {
            change.weather = Weather {
                // What it swallows is on the list.
                is_up: true,
                longest_frame: usize::MAX,
                ..change.weather.calm()
            };
        }
        self.accept(plan);
    }

    fn faults(&self) -> Vec<Single> {
        let all = self.best.faults.iter().flatten().enumerate();
        all.flat_map(|(host, faults)| {
            faults
                .iter()
                .flat_map(move |(frame, faults)| faults.iter().map(move |it| (host, *frame, *it)))
        })
        .collect()
    }

    fn with_faults(&self, singles: &[Single]) -> Plan {
        let mut faults = vec![Faults::new(); self.best.hosts.len()];
        for (host, frame, fault) in singles {
            faults[*host].entry(*frame).or_default().push(*fault);
        }
        Plan {
            faults: Some(faults),
            ..self.best.clone()
        }
    }

    fn drop_talks(&mut self) {
        let mut place = self.best.talks.len();
        while place > 0 && self.best.talks.len() > 1 {
            place -= 1;
            let mut plan = self.best.clone();
            plan.talks.remove(place);
            self.accept(plan);
        }
    }

    fn drop_changes(&mut self) {
        if self.best.changes.is_empty() {
            return;
        }
        let mut plan = self.best.clone();
        plan.changes.clear();
        if self.accept(plan) {
            return;
        }
        for place in (0..self.best.changes.len()).rev() {
            let mut plan = self.best.clone();
            plan.changes.remove(place);
            self.accept(plan);
        }
    }

    fn drop_crashes(&mut self) {
        for place in (0..self.best.crashes.len()).rev() {
            let mut plan = self.best.clone();
            plan.crashes.remove(place);
            self.accept(plan);
        }
    }

    fn calm_hosts(&mut self) {
        for place in 0..self.best.hosts.len() {
            let host = self.best.hosts[place];
            let mut attempts = Vec::new();
            for weather in [
                Weather::FAIR,
                Weather {
                    rate: None,
                    ..host.weather
                },
            ] {
                attempts.push(super::HostPlan { weather, ..host });
            }
            attempts.push(super::HostPlan {
                deafness: 0,
                ..host
            });
            attempts.push(super::HostPlan {
                lateness: Duration::ZERO,
                ..host
            });
            for attempt in attempts {
                let mut plan = self.best.clone();
                let kept = &mut plan.hosts[place];
                let is_new = attempt.weather != host.weather && attempt.weather != kept.weather;
                if is_new {
                    kept.weather = attempt.weather;
                } else if attempt.deafness != host.deafness {
                    kept.deafness = attempt.deafness;
                } else if attempt.lateness != host.lateness {
                    kept.lateness = attempt.lateness;
                } else {
                    continue;
                }
                self.accept(plan);
            }
        }
    }

    /// Delta debugging over the list of faults.
    fn drop_faults(&mut self) {
        let mut parts = 2;
        loop {
            let faults = self.faults();
            if faults.is_empty() || self.runs >= MOST_RUNS {
                return;
            }
            let size = faults.len().div_ceil(parts);
            let mut has_shrunk = false;
            for start in (0..faults.len()).step_by(size) {
                let end = (start + size).min(faults.len());
                let rest = [&faults[..start], &faults[end..]].concat();
                if self.accept(self.with_faults(&rest)) {
                    has_shrunk = true;
                    break;
                }
            }
            if has_shrunk {
                parts = (parts - 1).max(2);
            } else if size == 1 {
                return;
            } else {
                parts = (parts * 2).min(faults.len());
            }
        }
    }

    /// Fewer connections, fewer bytes, fewer oddities of the programs.
    fn shorten_talks(&mut self) {
        for place in 0..self.best.talks.len() {
            for simpler in [one_connection, no_pauses, usual_sizes, at_once] {
                let mut plan = self.best.clone();
                simpler(&mut plan.talks[place]);
                self.accept(plan);
            }
            for direction in [0, 1] {
                self.repeat(place, |talk| halved(talk, direction));
                self.repeat(place, |talk| zeroed(talk, direction));
            }
        }
    }

    /// Makes a talk shorter for as long as that is accepted.
    fn repeat(&mut self, place: usize, shorter: impl Fn(&Talk) -> Option<Talk>) {
        while let Some(talk) = shorter(&self.best.talks[place]) {
            let mut plan = self.best.clone();
            plan.talks[place] = talk;
            if !self.accept(plan) {
                return;
            }
        }
    }

    /// The same faults on earlier frames.
    fn advance_faults(&mut self) {
        let count = self.faults().len();
        if count > 6 {
            return;
        }
        for place in 0..count {
            let (_, frame, _) = self.faults()[place];
            for earlier in 0..frame.min(40) {
                let mut faults = self.faults();
                faults[place].1 = earlier;
                if self.accept(self.with_faults(&faults)) {
                    break;
                }
            }
        }
    }
}

/// A plan with the first talk that has a server, and of that only so many segments one way.
fn small(plan: &Plan, segments: u64, direction: u8) -> Option<Plan> {
    let mut talk = *plan.talks.iter().find(|talk| talk.serves.is_some())?;
    for simpler in [one_connection, no_pauses, usual_sizes, at_once] {
        simpler(&mut talk);
    }
    talk = resized(&talk, direction, |_| segments * 1_400).unwrap_or(talk);
    talk = resized(&talk, 1 - direction, |_| 0).unwrap_or(talk);
    let mut small = Plan {
        talks: vec![talk],
        changes: Vec::new(),
        ..plan.clone()
    };
    for host in &mut small.hosts {
        (host.weather, host.mtu) = (Weather::FAIR, 1_500);
        (host.deafness, host.lateness) = (0, Duration::ZERO);
    }
    Some(small)
}

fn bytes_of(talk: &Talk) -> u64 {
    let (there, back) = talk.visits.manner.bytes;
    (there + back) * talk.visits.count + talk.visits.count
}

fn one_connection(talk: &mut Talk) {
    (talk.visits.count, talk.visits.at_a_time) = (1, 1);
    if let Some(serves) = &mut talk.serves {
        serves.count = 1;
    }
}

fn no_pauses(talk: &mut Talk) {
    let none = (Duration::ZERO, Duration::ZERO);
    talk.visits.after = Duration::ZERO;
    talk.visits.manner.pauses = none;
    if let Some(serves) = &mut talk.serves {
        (serves.pause, serves.manner.pauses) = (Duration::ZERO, none);
    }
}

fn usual_sizes(talk: &mut Talk) {
    let server = talk.serves.as_mut().map(|serves| &mut serves.manner);
    for manner in [Some(&mut talk.visits.manner), server]
        .into_iter()
        .flatten()
    {
        (manner.chunk, manner.sends) = (32_768, 1);
        (manner.room, manner.rooms) = (32_768, 1);
    }
}

fn at_once(talk: &mut Talk) {
    let server = talk.serves.as_mut().map(|serves| &mut serves.manner);
    for manner in [Some(&mut talk.visits.manner), server]
        .into_iter()
        .flatten()
    {
        manner.speaks = crate::programs::Speaks::AtOnce;
        manner.options = [None; 6];
    }
}

fn resized(talk: &Talk, direction: u8, size: impl Fn(u64) -> u64) -> Option<Talk> {
    let mut talk = *talk;
    let (there, back) = talk.visits.manner.bytes;
    let bytes = match direction {
        0 => (size(there), back),
        _ => (there, size(back)),
    };
    talk.visits.manner.bytes = bytes;
    if let Some(serves) = &mut talk.serves {
        serves.manner.bytes = (bytes.1, bytes.0);
    }
    (bytes != (there, back)).then_some(talk)
}

fn halved(talk: &Talk, direction: u8) -> Option<Talk> {
    resized(
        talk,
        direction,
        |bytes| if bytes > 1 { bytes / 2 } else { bytes },
    )
}

fn zeroed(talk: &Talk, direction: u8) -> Option<Talk> {
    resized(talk, direction, |_| 0)
}
