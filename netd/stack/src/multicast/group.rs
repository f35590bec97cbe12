//! One group that an interface listens to, and what is still to be said about it.
//!
//! *Owns* the state machine of a group: a change is told robustly, a question is answered once.
//! *Never* writes a message, and never decides when a random time is over.
//!
//! Spec: RFC 3376 sections 5.1 and 5.2; RFC 3810 sections 6.1 to 6.3.

use crate::multicast::filter::{Filter, FilterMode, SOURCES};
use ::tcp::Instant;
use alloc::vec::Vec;
use wire::NoRoom;
use wire::membership::{Member, RecordKind, Report};

/// A group.
#[derive(Debug)]
pub(crate) struct Group<A> {
    pub(crate) address: A,
    /// The interface itself listens, whatever sockets want.
    pub(crate) is_own: bool,
    /// Whom it wants to hear.
    pub(crate) filter: Filter<A>,
    /// When its last change is told next.
    pub(crate) tell_at: Option<Instant>,
    /// That its mode changed is still to be told so often.
    mode_left: u8,
    /// Sources that are heard or refused anew, and how often each is still to be told of.
    changed: Vec<(A, u8)>,
    /// When a question about it is answered.
    pub(crate) answer_at: Option<Instant>,
    /// The sources that the question was about; none: all.
    asked: Vec<A>,
    /// In the words of the older versions: nobody else has said since that he listens.
    pub(crate) was_last_to_tell: bool,
}

impl<A: Member> Group<A> {
    /// A group that nobody listens to.
    pub(crate) fn new(address: A) -> Self {
        Self {
            address,
            is_own: false,
            filter: Filter::NONE,
            tell_at: None,
            mode_left: 0,
            changed: Vec::with_capacity(SOURCES),
            answer_at: None,
            asked: Vec::with_capacity(SOURCES),
            was_last_to_tell: false,
        }
    }

    /// It wants to hear others from now on, which is to be told so often; `false` if it does already.
    pub(crate) fn want(&mut self, filter: Filter<A>, robustness: u8) -> bool {
        let before = core::mem::replace(&mut self.filter, filter);
        if before.mode != self.filter.mode {
            self.mode_left = robustness;
            return true;
        }
        let mut is_another = false;
        for source in before.difference(&self.filter) {
            is_another = true;
            self.changed.retain(|(known, _)| *known != source);
            if self.changed.len() >= SOURCES {
                // Too many to name: that it is in its mode says all.
                self.mode_left = robustness;
                continue;
            }
            self.changed.push((source, robustness));
        }
        is_another
    }

    /// All of it is to be told anew: whoever listens may be another, or did not believe it.
    pub(crate) fn tell_again(&mut self, robustness: u8, now: Instant) {
        if !self.filter.is_none() {
            self.mode_left = robustness;
            self.tell_at = Some(now);
        }
    }

    /// Nobody listens, and everybody has been told so.
    pub(crate) fn is_over(&self) -> bool {
        self.filter.is_none() && !self.has_changes()
    }

    /// Something is still to be told.
    pub(crate) fn has_changes(&self) -> bool {
        self.mode_left > 0 || !self.changed.is_empty()
    }

    /// Whatever waits is forgotten (RFC 3376 section 7.2.1: another version is spoken).
    pub(crate) fn forget_waiting(&mut self) {
        self.mode_left = 0;
        self.changed.clear();
        self.tell_at = None;
        self.answered();
    }

    /// A question about it, or about some of its sources, is to be answered at that time or before
    /// (RFC 3376 section 5.2, rules 3 to 5).
    pub(crate) fn ask(&mut self, sources: impl Iterator<Item = A>, at: Instant) {
        let had_all = self.answer_at.is_some() && self.asked.is_empty();
        self.answer_at = Some(self.answer_at.map_or(at, |pending| pending.min(at)));
        let mut sources = sources.peekable();
        if had_all || sources.peek().is_none() {
            self.asked.clear();
            return;
        }
        for source in sources {
            if self.asked.contains(&source) {
                continue;
            }
            if self.asked.len() >= SOURCES {
                // More than is remembered: all are answered about.
                self.asked.clear();
                return;
            }
            self.asked.push(source);
        }
    }

    /// The question is answered, or need not be.
    pub(crate) fn answered(&mut self) {
        self.answer_at = None;
        self.asked.clear();
    }

    /// The change has been told once more. Gives whether that is to be done again.
    pub(crate) fn told(&mut self) -> bool {
        self.mode_left = self.mode_left.saturating_sub(1);
        for (_, left) in &mut self.changed {
            *left = left.saturating_sub(1);
        }
        self.changed.retain(|(_, left)| *left > 0);
        self.tell_at = None;
        self.has_changes()
    }

    /// The group is left in the words of an older version, that are said once.
    pub(crate) fn told_all(&mut self) {
        self.mode_left = 0;
        self.changed.clear();
        self.tell_at = None;
    }

    /// Adds what is true of it (RFC 3376 section 4.2.12, Current-State Record).
    pub(crate) fn write_state(&self, report: &mut Report<'_, A>) -> Result<(), NoRoom> {
        if self.filter.is_none() {
            return Ok(());
        }
        let kind = match self.filter.mode {
            FilterMode::Include => RecordKind::IsInclude,
            FilterMode::Exclude => RecordKind::IsExclude,
        };
        report.record(kind, self.address, self.filter.sources().iter().copied())
    }

    /// Adds the answer to the question that waits (RFC 3376 section 5.2).
    pub(crate) fn write_answer(&self, report: &mut Report<'_, A>) -> Result<(), NoRoom> {
        if self.asked.is_empty() {
            return self.write_state(report);
        }
        let heard = self.asked.iter().copied();
        let heard = heard.filter(|source| self.filter.accepts(*source));
        if heard.clone().next().is_none() {
            return Ok(());
        }
        report.record(RecordKind::IsInclude, self.address, heard)
    }

    /// Adds what has changed (RFC 3376 section 5.1, RFC 3810 section 6.1): both records or none.
    pub(crate) fn write_change(&self, report: &mut Report<'_, A>) -> Result<(), NoRoom> {
        if self.mode_left > 0 {
            let kind = match self.filter.mode {
                FilterMode::Include => RecordKind::ToInclude,
                FilterMode::Exclude => RecordKind::ToExclude,
            };
            return report.record(kind, self.address, self.filter.sources().iter().copied());
        }
        // Two records take no more than one does with two sources more.
        if report.count() > 0 && report.room() < self.changed.len() + 2 {
            return Err(NoRoom);
        }
        for (kind, is_heard) in [(RecordKind::Allow, true), (RecordKind::Block, false)] {
            let sources = self.changed.iter().map(|(source, _)| *source);
            let sources = sources.filter(|source| self.filter.accepts(*source) == is_heard);
            if sources.clone().next().is_some() {
                report.record(kind, self.address, sources)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::Ipv4Addr;
    use std::vec::Vec;
    use wire::igmp::{self, Message};

    const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);

    fn source(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, last)
    }

    fn excluding(sources: &[u8]) -> Filter<Ipv4Addr> {
        let mut filter = Filter::ALL;
        for last in sources {
            filter.name(source(*last));
        }
        filter
    }

    type Records = Vec<(RecordKind, Vec<u8>)>;

    fn records(write: impl FnOnce(&mut Report<'_, Ipv4Addr>) -> Result<(), NoRoom>) -> Records {
        let mut bytes = [0; 600];
        let mut report = Report::new(&mut bytes).unwrap();
        write(&mut report).unwrap();
        let len = igmp::finish(report);
        let Ok(Message::Sources(records)) = Message::parse(&bytes[..len]) else {
            panic!("no report");
        };
        let last = |source: Ipv4Addr| source.octets()[3];
        records
            .iter()
            .map(|record| (record.kind, record.sources.iter().map(last).collect()))
            .collect()
    }

    fn change(group: &Group<Ipv4Addr>) -> Records {
        records(|report| group.write_change(report))
    }

    // RFC 3376 section 5.1: the table of changes.
    #[test]
    fn changes_are_what_the_table_says() {
        let mut group = Group::new(GROUP);
        assert!(group.want(Filter::only(source(1)), 2));
        assert_eq!(change(&group), [(RecordKind::Allow, [1].into())]);
        group.told();
        group.told();
        assert!(group.want(Filter::only(source(2)), 2));
        let both = [
            (RecordKind::Allow, [2].into()),
            (RecordKind::Block, [1].into()),
        ];
        assert_eq!(change(&group), both);
        group.told();
        assert!(group.want(excluding(&[7]), 2));
        assert_eq!(change(&group), [(RecordKind::ToExclude, [7].into())]);
        group.told();
        group.told();
        assert!(!group.has_changes());
        assert!(group.want(excluding(&[8]), 2));
        let both = [
            (RecordKind::Allow, [7].into()),
            (RecordKind::Block, [8].into()),
        ];
        assert_eq!(change(&group), both);
        assert!(!group.want(excluding(&[8]), 2), "nothing new");
        assert!(group.want(Filter::NONE, 2));
        assert_eq!(change(&group), [(RecordKind::ToInclude, [].into())]);
        assert!(group.told() && !group.is_over());
        assert!(!group.told() && group.is_over());
    }

    // RFC 3376 section 5.1: what has changed meanwhile goes with what is told again.
    #[test]
    fn changes_that_are_still_told_become_one() {
        let mut group = Group::new(GROUP);
        group.want(excluding(&[]), 2);
        group.told();
        group.want(excluding(&[5]), 2);
        assert_eq!(change(&group), [(RecordKind::ToExclude, [5].into())]);
        assert!(group.told(), "the source is told of twice as well");
        assert_eq!(change(&group), [(RecordKind::Block, [5].into())]);
        group.want(excluding(&[]), 2);
        assert_eq!(change(&group), [(RecordKind::Allow, [5].into())]);
    }

    #[test]
    fn more_changes_than_are_named_are_told_by_the_mode() {
        let mut group = Group::new(GROUP);
        group.want(excluding(&[]), 1);
        group.told();
        let many: Vec<u8> = (0..64).collect();
        group.want(excluding(&many), 1);
        let others: Vec<u8> = (100..164).collect();
        group.want(excluding(&others), 1);
        assert_eq!(change(&group), [(RecordKind::ToExclude, others)]);
    }

    // RFC 3376 section 5.2, rules 3 to 5, and what is sent.
    #[test]
    fn questions_about_sources_are_joined() {
        let at = |milliseconds| Instant::ZERO + core::time::Duration::from_millis(milliseconds);
        let answer = |group: &Group<_>| records(|report| group.write_answer(report));
        let mut group = Group::new(GROUP);
        group.want(excluding(&[2]), 1);
        group.told();
        group.ask([source(1), source(2)].into_iter(), at(900));
        assert_eq!(answer(&group), [(RecordKind::IsInclude, [1].into())]);
        group.ask([source(3), source(1)].into_iter(), at(1_500));
        assert_eq!(group.answer_at, Some(at(900)));
        assert_eq!(answer(&group), [(RecordKind::IsInclude, [1, 3].into())]);
        group.ask([].into_iter(), at(300));
        assert_eq!(group.answer_at, Some(at(300)));
        assert_eq!(answer(&group), [(RecordKind::IsExclude, [2].into())]);
        group.ask([source(3)].into_iter(), at(100));
        assert_eq!(answer(&group), [(RecordKind::IsExclude, [2].into())]);
        group.answered();
        group.ask([source(2)].into_iter(), at(100));
        assert_eq!(answer(&group), [], "nobody listens to that one");
        group.ask(
            (0..=200).map(source).collect::<Vec<_>>().into_iter(),
            at(100),
        );
        assert_eq!(answer(&group), [(RecordKind::IsExclude, [2].into())]);
    }
}
