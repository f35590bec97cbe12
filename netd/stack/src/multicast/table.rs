//! The groups of an interface, and the versions that its routers speak.
//!
//! *Owns* the table, which is bounded, and how long an older version is spoken after it was heard.
//! *Never* sends, and never knows a socket.
//!
//! Spec: RFC 3376 sections 7.2.1 and 8; RFC 3810 sections 8.2.1 and 9.

use crate::icmp::errors::Limiter;
use crate::multicast::group::Group;
use crate::multicast::grouping::Grouping;
use ::tcp::Instant;
use alloc::vec::Vec;
use core::time::Duration;

/// How often things are said, so that one loss is survived (RFC 3376 section 8.1).
const ROBUSTNESS: u8 = 2;
/// How often routers ask, as long as they do not say (RFC 3376 section 8.2).
const INTERVAL: Duration = Duration::from_secs(125);
/// Questions of routers that are heeded in a second, and changes that are told.
const PER_SECOND: u16 = 50;

/// The version that an interface speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speech {
    /// IGMPv1: nobody says that he leaves.
    Oldest,
    /// IGMPv2, MLDv1: nobody names sources.
    Older,
    /// IGMPv3, MLDv2.
    Newest,
}

/// The groups of an interface in one family.
#[derive(Debug)]
pub(crate) struct Groups<A> {
    groups: Vec<Group<A>>,
    limit: usize,
    /// Until when the oldest and the older version are spoken.
    oldest_until: Option<Instant>,
    older_until: Option<Instant>,
    pub(crate) robustness: u8,
    interval: Duration,
    /// When a question about all groups is answered.
    pub(crate) answer_at: Option<Instant>,
    questions: Limiter,
    pub(crate) changes: Limiter,
}

impl<A: Grouping> Groups<A> {
    /// Room for `limit` groups.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            groups: Vec::with_capacity(limit),
            limit,
            oldest_until: None,
            older_until: None,
            robustness: ROBUSTNESS,
            interval: INTERVAL,
            answer_at: None,
            questions: Limiter::per_second(PER_SECOND),
            changes: Limiter::per_second(PER_SECOND),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Group<A>> + '_ {
        self.groups.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Group<A>> + '_ {
        self.groups.iter_mut()
    }

    pub(crate) fn at(&self, place: usize) -> Option<&Group<A>> {
        self.groups.get(place)
    }

    pub(crate) fn at_mut(&mut self, place: usize) -> Option<&mut Group<A>> {
        self.groups.get_mut(place)
    }

    #[inline]
    pub(crate) fn find(&self, address: A) -> Option<&Group<A>> {
        self.groups.iter().find(|group| group.address == address)
    }

    pub(crate) fn find_mut(&mut self, address: A) -> Option<&mut Group<A>> {
        let mut groups = self.groups.iter_mut();
        groups.find(|group| group.address == address)
    }

    /// Whether one more group would have a place.
    pub(crate) fn has_place(&self) -> bool {
        self.groups.len() < self.limit
    }

    /// The group, listened to or not; `None` when there are too many.
    pub(crate) fn entry(&mut self, address: A) -> Option<&mut Group<A>> {
        if self.find(address).is_none() {
            if !self.has_place() {
                return None;
            }
            self.groups.push(Group::new(address));
        }
        self.find_mut(address)
    }

    /// Forgets the groups that nobody listens to, and everybody knows it.
    pub(crate) fn forget_over(&mut self) {
        self.groups.retain(|group| !group.is_over());
    }

    /// The version to speak now (RFC 3376 section 7.2.1): the oldest that was heard.
    pub(crate) fn speech(&self, now: Instant) -> Speech {
        let is_heard = |until: Option<Instant>| until.is_some_and(|until| until > now);
        if is_heard(self.oldest_until) {
            Speech::Oldest
        } else if is_heard(self.older_until) {
            Speech::Older
        } else {
            Speech::Newest
        }
    }

    /// How long after a change it is told again, at most (RFC 3376 section 8.11, RFC 2236 section 8.10).
    pub(crate) fn repeat(&self, now: Instant) -> Duration {
        match self.speech(now) {
            Speech::Newest => Duration::from_secs(1),
            Speech::Older | Speech::Oldest => Duration::from_secs(10),
        }
    }

    /// Whether one more question is heeded in this second.
    pub(crate) fn may_ask(&mut self, now: Instant) -> bool {
        self.questions.take(now)
    }

    /// A router asks in this version, and answers are to come in `time`.
    pub(crate) fn heard(&mut self, speech: Speech, time: Duration, now: Instant) {
        let before = self.speech(now);
        // RFC 3376 section 8.12, Older Version Querier Present Timeout.
        let until = now + self.interval * u32::from(self.robustness) + time;
        match speech {
            Speech::Oldest => self.oldest_until = Some(until),
            Speech::Older => self.older_until = Some(until),
            Speech::Newest => {}
        }
        if self.speech(now) != before {
            self.forget_waiting();
        }
    }

    /// What a router of the newest version wants (RFC 3376 sections 4.1.6 and 4.1.7); zero: unsaid.
    pub(crate) fn learn(&mut self, robustness: u8, interval: Duration) {
        self.robustness = if robustness == 0 {
            ROBUSTNESS
        } else {
            robustness
        };
        self.interval = if interval.is_zero() {
            INTERVAL
        } else {
            interval
        };
    }

    /// Another version is spoken (RFC 3376 section 7.2.1).
    fn forget_waiting(&mut self) {
        self.answer_at = None;
        for group in &mut self.groups {
            group.forget_waiting();
        }
        self.forget_over();
    }

    /// The versions that nobody has spoken for long are forgotten.
    pub(crate) fn forget_versions(&mut self, now: Instant) {
        let is_over = [&mut self.oldest_until, &mut self.older_until]
            .into_iter()
            .filter_map(|until| until.take_if(|until| *until <= now));
        if is_over.count() > 0 {
            self.forget_waiting();
        }
    }

    /// When something is due.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let of_groups = |group: &Group<A>| [group.tell_at, group.answer_at];
        let own = [self.answer_at, self.oldest_until, self.older_until];
        let all = self.groups.iter().flat_map(of_groups).chain(own);
        all.flatten().min()
    }
}
