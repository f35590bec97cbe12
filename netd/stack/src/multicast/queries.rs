//! What routers ask about groups, and what other listeners say.
//!
//! *Owns* the checks that take our state, and when an answer is due. *Never* believes a question that
//! may have come from beyond the link, and answers only so many.
//!
//! Spec: RFC 3376 sections 5.2, 7.2 and 9; RFC 3810 sections 6.2, 8.2 and 10; RFC 2236 section 3.

use crate::family::Family;
use crate::id::InterfaceId;
use crate::ip::incoming::Incoming;
use crate::multicast::reports::random;
use crate::multicast::table::Speech;
use crate::stack::Stack;
use crate::stats::Counter;
use ::tcp::Instant;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::time::Duration;
use wire::icmp6::Envelope;
use wire::igmp::{self, Version};
use wire::ipv6::Whole;
use wire::membership::Details;
use wire::{Drop, ipv4, mld};

/// A question, whatever its family calls it.
#[derive(Clone, Copy, Debug)]
struct Question<'a, A> {
    group: Option<A>,
    time: Duration,
    speech: Speech,
    details: Option<Details<'a, A>>,
}

impl Stack {
    /// Takes in a message of IGMP.
    pub(crate) fn igmp_input(
        &mut self,
        id: InterfaceId,
        packet: &ipv4::Packet<'_>,
        now: Instant,
    ) -> Result<(), Drop> {
        if id == InterfaceId::LOOPBACK {
            return Err(Drop::IgmpNotForUs);
        }
        // RFC 3376 section 4: none comes from beyond the link.
        if packet.header.ttl != 1 {
            return Err(Drop::IgmpTimeToLive);
        }
        if !packet.rest.is_empty() {
            return Err(Drop::IgmpShort);
        }
        match igmp::Message::parse(packet.payload)? {
            igmp::Message::Query(query) => {
                let (speech, details) = match query.version {
                    Version::V1 => (Speech::Oldest, None),
                    Version::V2 => (Speech::Older, None),
                    Version::V3(details) => (Speech::Newest, Some(details)),
                };
                // RFC 3376 section 9.1.
                if speech != Speech::Oldest && !packet.has_router_alert() {
                    return Err(Drop::IgmpRouterAlert);
                }
                if query.group.is_none() && packet.header.destination != igmp::ALL_SYSTEMS {
                    return Err(Drop::IgmpDestination);
                }
                let question = Question {
                    group: query.group,
                    time: query.time,
                    speech,
                    details,
                };
                self.group_question::<Ipv4Addr>(id, &question, now, Drop::IgmpFlood)
            }
            igmp::Message::Report { group, .. } => {
                self.group_report_heard(id, group, now, Drop::IgmpNotForUs)
            }
            // Those are for routers.
            igmp::Message::Leave { .. } | igmp::Message::Sources(_) => Err(Drop::IgmpNotForUs),
        }
    }

    /// Takes in a message of MLD.
    pub(crate) fn mld_input(
        &mut self,
        incoming: &Incoming<'_, Ipv6Addr>,
        envelope: &Envelope<'_>,
        whole: &Whole<'_>,
        now: Instant,
    ) -> Result<(), Drop> {
        let id = incoming.interface;
        if id == InterfaceId::LOOPBACK {
            return Err(Drop::MldNotForUs);
        }
        match mld::Message::parse(envelope, incoming.header, whole.router_alert)? {
            mld::Message::Query(query) => {
                let speech = match query.details {
                    Some(_) => Speech::Newest,
                    None => Speech::Older,
                };
                let question = Question {
                    group: query.group,
                    time: query.time,
                    speech,
                    details: query.details,
                };
                self.group_question(id, &question, now, Drop::MldFlood)
            }
            mld::Message::Report { group } => {
                self.group_report_heard(id, group, now, Drop::MldNotForUs)
            }
            mld::Message::Done { .. } | mld::Message::Sources(_) => Err(Drop::MldNotForUs),
        }
    }

    /// A router asks: the answer is due within a random part of the time it gives, together with what
    /// waits already (RFC 3376 section 5.2, RFC 3810 section 6.2).
    fn group_question<A: Family>(
        &mut self,
        id: InterfaceId,
        question: &Question<'_, A>,
        now: Instant,
        flood: Drop,
    ) -> Result<(), Drop> {
        let Some(interface) = self.interfaces.get_mut(id.index()) else {
            return Err(Drop::InterfaceDown);
        };
        let groups = A::groups_mut(interface);
        if !groups.may_ask(now) {
            return Err(flood);
        }
        self.stats.count(Counter::GroupQueriesHeard);
        groups.heard(question.speech, question.time, now);
        if let Some(details) = question.details {
            groups.learn(details.robustness, details.interval);
        }
        let speech = groups.speech(now);
        let at = now + random(&mut self.rng, question.time);
        match question.group {
            // Rule 1: an answer about all that comes sooner says it all.
            _ if groups.answer_at.is_some_and(|pending| pending <= at) => {}
            None if speech == Speech::Newest => groups.answer_at = Some(at),
            None => {
                // RFC 2236 section 3: each group has a time of its own.
                for group in groups
                    .iter_mut()
                    .filter(|group| group.address.is_reported())
                {
                    let at = now + random(&mut self.rng, question.time);
                    group.ask(core::iter::empty(), at);
                }
            }
            Some(address) => {
                let group = groups.find_mut(address);
                // Who does not listen says nothing.
                if let Some(group) = group.filter(|group| group.address.is_reported()) {
                    let asked = question.details.filter(|_| speech == Speech::Newest);
                    match asked {
                        Some(details) => group.ask(details.sources.iter(), at),
                        None => group.ask(core::iter::empty(), at),
                    }
                }
            }
        }
        self.arm_groups::<A>(id);
        Ok(())
    }

    /// Somebody else says that he listens to a group: in the words of the older versions, that is
    /// enough (RFC 2236 section 3, RFC 2710 section 4).
    fn group_report_heard<A: Family>(
        &mut self,
        id: InterfaceId,
        address: A,
        now: Instant,
        not_for_us: Drop,
    ) -> Result<(), Drop> {
        let interface = self.interfaces.get_mut(id.index());
        let groups = A::groups_mut(interface.ok_or(not_for_us)?);
        let speech = groups.speech(now);
        let group = groups.find_mut(address).ok_or(not_for_us)?;
        if speech == Speech::Newest {
            return Err(not_for_us);
        }
        if !group.filter.is_none() {
            group.told_all();
        }
        group.answered();
        group.was_last_to_tell = false;
        self.arm_groups::<A>(id);
        Ok(())
    }
}
