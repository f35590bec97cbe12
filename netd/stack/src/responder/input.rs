//! What others ask, and what they say.
//!
//! *Owns* the rules of whom an answer is for and when it is due, and what a conflict is. *Never* writes
//! a message.
//!
//! Spec: RFC 6762 sections 5.4, 6, 6.7, 7.1, 7.2, 9, 11 and 18.

use super::items::{Item, Items};
use super::schedule::Schedule;
use super::{Direct, PORT, Responder};
use crate::rng::Rng;
use core::net::SocketAddr;
use core::time::Duration;
use tcp::Instant;
use wire::Drop;
use wire::dns::{Class, Message, ResponseCode, Section};

/// Milliseconds that answers wait which others may give too, and how many more at most (RFC 6762
/// section 6).
const SHARED_DELAY: (u32, u32) = (20, 100);
/// The same while the asker still says what it knows (section 7.2).
const MORE_DELAY: (u32, u32) = (400, 100);

/// How a message came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    pub(crate) from: SocketAddr,
    /// Its sender is a neighbour, as far as addresses say.
    pub(crate) is_beside: bool,
    /// It was for all.
    pub(crate) is_for_all: bool,
}

impl Heard {
    /// It was asked by who knows nothing of multicast DNS (section 6.7).
    fn is_legacy(&self) -> bool {
        self.from.port() != PORT
    }
}

/// What is asked for.
struct Wanted {
    direct: Items,
    all: Items,
}

impl Responder {
    /// Takes in a message, and gives it back as it was read.
    pub(crate) fn input<'a>(
        &mut self,
        bytes: &'a [u8],
        heard: Heard,
        rng: &mut Rng,
        now: Instant,
    ) -> Result<Message<'a>, Drop> {
        // Section 11: what is for all cannot come from beyond the link.
        if !heard.is_beside && !heard.is_for_all {
            return Err(Drop::MdnsStranger);
        }
        let message = Message::parse(bytes)?;
        // Sections 18.3 and 18.11.
        if message.header.opcode != 0 || message.header.response_code != ResponseCode::NO_ERROR {
            return Err(Drop::MdnsUnknown);
        }
        if let Some(Err(reason)) = message.records().find(Result::is_err) {
            return Err(reason);
        }
        if message.header.is_response {
            // Section 6.
            if heard.is_legacy() {
                return Err(Drop::MdnsStranger);
            }
            self.others_say(&message, rng, now);
        } else {
            self.asked(&message, heard, rng, now)?;
        }
        Ok(message)
    }

    fn asked(
        &mut self,
        message: &Message<'_>,
        heard: Heard,
        rng: &mut Rng,
        now: Instant,
    ) -> Result<(), Drop> {
        if heard.is_legacy() && !heard.is_beside {
            return Err(Drop::MdnsStranger);
        }
        self.duel(message, now);
        let known = self.known(message);
        self.forget_known(known, heard);
        let Wanted {
            mut direct,
            mut all,
        } = self.wanted(message, heard, now);
        for item in known.iter() {
            direct.remove(item);
            all.remove(item);
        }
        let is_defence = |item: &Item| {
            let mut records = message.records().flatten();
            let name = self.zone.claim(item.claim).map(|it| it.name);
            records.any(|(section, it)| section == Section::Authority && Some(it.name) == name)
        };
        let is_defence = direct
            .iter()
            .chain(all.iter())
            .any(|item| is_defence(&item));
        let mut items = direct.iter().chain(all.iter());
        let delay = if heard.is_legacy() || is_defence {
            0
        } else if message.header.truncated {
            MORE_DELAY.0 + rng.below(MORE_DELAY.1 + 1)
        } else if items.any(|item| item.part.is_shared()) {
            SHARED_DELAY.0 + rng.below(SHARED_DELAY.1 + 1)
        } else {
            0
        };
        let due = now + Duration::from_millis(delay.into());
        let schedule = self.schedule(heard.from);
        for item in all.iter() {
            schedule.ask(item, due, heard.from.ip(), is_defence);
        }
        if direct.is_empty() {
            return Ok(());
        }
        let legacy = if heard.is_legacy() {
            let question = message.question().ok_or(Drop::MdnsUnknown)?;
            Some((message.header.id, question))
        } else {
            None
        };
        let place = self.direct.iter_mut().find(|place| place.is_none());
        let place = place.filter(|_| self.direct_limit.take(now));
        *place.ok_or(Drop::MdnsFlood)? = Some(Direct {
            to: heard.from,
            due,
            items: direct,
            legacy,
        });
        Ok(())
    }

    /// Which sets are asked for, and who is to be told.
    fn wanted(&mut self, message: &Message<'_>, heard: Heard, now: Instant) -> Wanted {
        let (mut direct, mut all) = (Items::NONE, Items::NONE);
        for question in message.questions() {
            let (class, wants_direct) = question.class.split_top();
            if ![Class::IN, Class::ANY].contains(&class) {
                continue;
            }
            let found = self.zone.find(&question.name, question.kind);
            for item in found.iter() {
                // Section 5.4: what was not said to all for long is said to all.
                let fresh = Duration::from_secs(item.part.ttl().into()) / 4;
                let is_fresh = || self.schedule_of(heard.from).was_said(item, fresh, now);
                let is_direct = heard.is_legacy() || wants_direct && heard.is_beside && is_fresh();
                if is_direct {
                    direct.insert(item);
                } else {
                    all.insert(item);
                }
            }
        }
        // Section 6.7: who knows nothing of it is told one thing.
        Wanted { direct, all }
    }

    /// The sets that the asker knows, for at least half their time (section 7.1).
    fn known(&self, message: &Message<'_>) -> Items {
        let mut counts = [(0_usize, None); Item::COUNT];
        for (section, record) in message.records().flatten() {
            if section == Section::Answer
                && record.class.split_top().0 == Class::IN
                && let Some((item, true)) = self.zone.is_one_of(&record)
                && record.ttl >= item.part.ttl() / 2
                && let Some(place) = counts.get_mut(item.place())
            {
                *place = (place.0 + 1, Some(item));
            }
        }
        let mut known = Items::NONE;
        for (count, item) in counts {
            if let Some(item) = item
                && count >= self.zone.count(item)
            {
                known.insert(item);
            }
        }
        known
    }

    /// What an asker goes on to say that it knows, it is not told (section 7.2).
    fn forget_known(&mut self, known: Items, heard: Heard) {
        let schedule = self.schedule(heard.from);
        for item in known.iter() {
            schedule.is_known_by(item, heard.from.ip());
        }
        for place in &mut self.direct {
            let Some(direct) = place.as_mut().filter(|it| it.to == heard.from) else {
                continue;
            };
            for item in known.iter() {
                direct.items.remove(item);
            }
            if direct.items.is_empty() {
                *place = None;
            }
        }
    }

    fn schedule(&mut self, of: SocketAddr) -> &mut Schedule {
        if of.is_ipv4() {
            &mut self.v4
        } else {
            &mut self.v6
        }
    }

    fn schedule_of(&self, of: SocketAddr) -> &Schedule {
        if of.is_ipv4() { &self.v4 } else { &self.v6 }
    }

    /// Others say something: perhaps that a name of ours is theirs (sections 8.1 and 9).
    fn others_say(&mut self, message: &Message<'_>, rng: &mut Rng, now: Instant) {
        for (_, record) in message.records().flatten() {
            // What is taken back is no claim.
            if record.ttl == 0 || record.class.split_top().0 != Class::IN {
                continue;
            }
            let Some(number) = self.zone.claim_named(&record.name) else {
                continue;
            };
            let own = self.zone.is_one_of(&record);
            let Some(claim) = self.zone.claim_mut(number) else {
                continue;
            };
            match own {
                Some((_, true)) => {}
                // Whatever it is, somebody has the name.
                _ if claim.is_probing() => self.rename(number, rng, now),
                // Section 9: asked for again, and whoever has it says so.
                Some((_, false)) if claim.is_ours() => {
                    claim.begin(super::first_probe(rng, now));
                }
                _ => {}
            }
        }
    }
}
