//! What routers are told of the groups that are listened to.
//!
//! *Owns* the messages that leave: answers, changes, and both in the words of older versions. *Never*
//! decides whether somebody listens.
//!
//! Spec: RFC 3376 sections 5.1, 5.2 and 7.2; RFC 3810 sections 6.1, 6.3 and 8.2; RFC 2236 section 3.

use crate::family::Family;
use crate::id::InterfaceId;
use crate::interface::Medium;
use crate::multicast::group::Group;
use crate::multicast::table::Speech;
use crate::packets::Owner;
use crate::stack::Stack;
use crate::stats::Counter;
use crate::timers::Timer;
use ::tcp::Instant;
use core::time::Duration;
use wire::membership::Report;
use wire::{Drop, Headroom};

/// Changes wait so long when more come than are told in a second.
const PAUSE: Duration = Duration::from_millis(100);
const FAMILIES: u32 = 2;

/// What a report of the newest version is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    /// All that is true.
    State,
    /// Answers that are due.
    Answers,
    /// Changes that are due.
    Changes,
}

impl Stack {
    /// The timer of an interface's groups fired, in one family.
    pub(crate) fn fire_groups_timer(&mut self, number: u32, now: Instant) {
        let id = InterfaceId(u8::try_from(number / FAMILIES).unwrap_or(u8::MAX));
        if number.is_multiple_of(FAMILIES) {
            self.fire_groups::<core::net::Ipv4Addr>(id, now);
        } else {
            self.fire_groups::<core::net::Ipv6Addr>(id, now);
        }
    }

    /// Says what is due to be said.
    pub(crate) fn fire_groups<A: Family>(&mut self, id: InterfaceId, now: Instant) {
        let Some(interface) = self.interfaces.get_mut(id.index()) else {
            return;
        };
        if interface.medium == Medium::Loopback {
            // Nobody is there to be told.
            A::groups_mut(interface)
                .iter_mut()
                .for_each(Group::told_all);
            A::groups_mut(interface).forget_over();
            return;
        }
        let is_up = interface.up && A::takes_part(interface);
        let groups = A::groups_mut(interface);
        groups.forget_versions(now);
        if is_up {
            match groups.speech(now) {
                Speech::Newest => self.tell_in_records::<A>(id, now),
                speech => self.tell_in_words::<A>(id, speech, now),
            }
        }
        self.arm_groups::<A>(id);
    }

    /// Arms the timer for whatever comes first; nothing is said while the link is down.
    pub(crate) fn arm_groups<A: Family>(&mut self, id: InterfaceId) {
        let Some(interface) = self.interfaces.get(id.index()) else {
            return;
        };
        let is_up = interface.up && A::takes_part(interface);
        let next = A::groups(interface).next_deadline().filter(|_| is_up);
        let number = u32::from(id.raw()) * FAMILIES + A::NUMBER;
        self.timers.set(Timer::Groups(number), next);
    }

    /// All is told anew: the link came up, or there is an address to speak from that is believed.
    pub(crate) fn tell_groups_again<A: Family>(&mut self, id: InterfaceId, now: Instant) {
        let Some(interface) = self.interfaces.get_mut(id.index()) else {
            return;
        };
        let groups = A::groups_mut(interface);
        let robustness = groups.robustness;
        for group in groups.iter_mut() {
            if group.address.is_reported() {
                group.tell_again(robustness, now);
            }
        }
        self.fire_groups::<A>(id, now);
    }

    /// Tells what is due by records of the newest version.
    fn tell_in_records<A: Family>(&mut self, id: InterfaceId, now: Instant) {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let groups = self.interfaces.get_mut(id.index()).map(A::groups_mut);
        let Some(groups) = groups else { return };
        if is_due(groups.answer_at) {
            groups.answer_at = None;
            self.send_records::<A>(id, Subject::State, now);
        }
        self.send_records::<A>(id, Subject::Answers, now);
        self.send_records::<A>(id, Subject::Changes, now);
        let Some(interface) = self.interfaces.get_mut(id.index()) else {
            return;
        };
        let groups = A::groups_mut(interface);
        let repeat = groups.repeat(now);
        for group in groups.iter_mut() {
            if is_due(group.answer_at) {
                group.answered();
            }
            if is_due(group.tell_at) && group.told() {
                group.tell_at = Some(now + random(&mut self.rng, repeat));
            }
        }
        groups.forget_over();
    }

    /// Sends as many reports as the records need.
    fn send_records<A: Family>(&mut self, id: InterfaceId, subject: Subject, now: Instant) {
        let Some(interface) = self.interfaces.get(id.index()) else {
            return;
        };
        let source = A::speaker(interface);
        let room = usize::from(A::mtu(interface)).saturating_sub(A::HEADER_LEN + A::ALERT_LEN);
        let mut bytes = core::mem::take(&mut self.group_report);
        let mut place = 0;
        while let Some((count, len)) = self.write_records::<A>(
            (id, subject),
            bytes.get_mut(..room).unwrap_or_default(),
            &mut place,
            source,
            now,
        ) {
            if count == 0 {
                break;
            }
            let message = bytes.get(..len).unwrap_or_default();
            let write = |into: &mut [u8]| {
                into.copy_from_slice(message);
                Some(())
            };
            if self.queue_message::<A>(id, (source, A::REPORTS), len, write) {
                self.stats.count(Counter::GroupReportsSent);
            }
        }
        self.group_report = bytes;
    }

    /// Writes a report with the records of groups from a place on, as many as fit. Gives how many
    /// there are, and its length.
    fn write_records<A: Family>(
        &self,
        (id, subject): (InterfaceId, Subject),
        bytes: &mut [u8],
        place: &mut usize,
        source: A,
        now: Instant,
    ) -> Option<(u16, usize)> {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let groups = A::groups(self.interfaces.get(id.index())?);
        let mut report = Report::new(bytes).ok()?;
        while let Some(group) = groups.at(*place) {
            let written = match subject {
                Subject::State if group.address.is_reported() => group.write_state(&mut report),
                Subject::Answers if is_due(group.answer_at) => group.write_answer(&mut report),
                Subject::Changes if is_due(group.tell_at) => group.write_change(&mut report),
                _ => Ok(()),
            };
            // What does not fit into an empty report never will.
            if written.is_err() && report.count() > 0 {
                break;
            }
            *place += 1;
        }
        Some((report.count(), A::finish(report, source)))
    }

    /// Tells what is due in the words of an older version, a message for each group.
    fn tell_in_words<A: Family>(&mut self, id: InterfaceId, speech: Speech, now: Instant) {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        let mut place = 0;
        loop {
            let Some(interface) = self.interfaces.get_mut(id.index()) else {
                return;
            };
            let source = A::speaker(interface);
            let groups = A::groups_mut(interface);
            let repeat = groups.repeat(now);
            let Some(group) = groups.at_mut(place) else {
                groups.forget_over();
                return;
            };
            place += 1;
            let address = group.address;
            if group.filter.is_none() {
                if group.tell_at.is_some_and(|at| at > now) {
                    continue;
                }
                // RFC 2236 section 3: who was not the last to tell need not say that he leaves.
                let says = is_due(group.tell_at) && group.was_last_to_tell;
                group.told_all();
                group.answered();
                if says && speech != Speech::Oldest {
                    self.send_leave(id, source, address);
                }
                continue;
            }
            let tells = is_due(group.tell_at);
            if !tells && !is_due(group.answer_at) {
                continue;
            }
            if tells && group.told() {
                group.tell_at = Some(now + random(&mut self.rng, repeat));
            }
            group.answered();
            group.was_last_to_tell = true;
            let write = |into: &mut [u8]| {
                A::emit_report(&mut Headroom::new(into), source, address, speech).ok()
            };
            if self.queue_message::<A>(id, (source, address), A::MESSAGE_LEN, write) {
                self.stats.count(Counter::GroupReportsSent);
            }
        }
    }

    fn send_leave<A: Family>(&mut self, id: InterfaceId, source: A, group: A) {
        let write = |into: &mut [u8]| A::emit_leave(&mut Headroom::new(into), source, group).ok();
        if self.queue_message::<A>(id, (source, A::ROUTERS), A::MESSAGE_LEN, write) {
            self.stats.count(Counter::GroupLeavesSent);
        }
    }

    /// Queues a message about groups, with the header that all of them have.
    fn queue_message<A: Family>(
        &mut self,
        id: InterfaceId,
        (source, to): (A, A),
        len: usize,
        write: impl FnOnce(&mut [u8]) -> Option<()>,
    ) -> bool {
        let headers = A::HEADER_LEN + A::ALERT_LEN;
        let packets = &mut self.nets.of_mut::<A>().packets;
        let queue = Self::ready_queue(id);
        let emit = |bytes: &mut [u8]| {
            let (front, message) = bytes.split_at_mut_checked(headers)?;
            write(message)?;
            A::emit_header(&mut Headroom::new(front), (source, to), len).ok()
        };
        let queued = packets.push(queue, headers + len, to, Owner::None, emit);
        if queued.is_some() {
            self.stats.count(Counter::PacketsBuffered);
        } else {
            self.stats.drop_sent(Drop::NoBuffer);
        }
        queued.is_some()
    }

    /// When a change that was just made is told: at once (RFC 3376 section 5.1), but not more often
    /// than anybody needs.
    pub(crate) fn tell_group<A: Family>(&mut self, id: InterfaceId, address: A, now: Instant) {
        let Some(interface) = self.interfaces.get_mut(id.index()) else {
            return;
        };
        let groups = A::groups_mut(interface);
        let at = if groups.changes.take(now) {
            now
        } else {
            now + PAUSE
        };
        if let Some(group) = groups.find_mut(address) {
            group.tell_at = Some(at);
        }
        self.fire_groups::<A>(id, now);
    }
}

/// A random time between none and so much.
pub(crate) fn random(rng: &mut crate::rng::Rng, most: Duration) -> Duration {
    let milliseconds = u32::try_from(most.as_millis()).unwrap_or(u32::MAX);
    Duration::from_millis(rng.below(milliseconds.saturating_add(1)).into())
}
