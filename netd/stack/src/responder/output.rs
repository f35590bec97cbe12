//! What leaves: questions whether names are free, answers, and what is taken back.
//!
//! *Owns* the form of the messages. *Never* knows a socket.
//!
//! Spec: RFC 6762 sections 6, 6.2, 8.1, 8.3, 10.1 and 18.

use super::claim::{Claim, Step};
use super::items::{CLAIMS, Items, Part};
use super::zone::{Form, address_record, put, service_record};
use super::{Direct, Farewell, PORT, Responder};
use core::net::{Ipv4Addr, SocketAddr};
use tcp::Instant;
use wire::NoRoom;
use wire::dns::{Builder, Class, Header, Name, Question, Section, Type};

/// For whom a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    /// All, over both families.
    All,
    /// All, over IPv4.
    All4,
    /// All, over IPv6.
    All6,
    /// One.
    One(SocketAddr),
}

/// RFC 6762 section 18: nothing but that it is an answer.
const ANSWER: Header = Header {
    is_response: true,
    authoritative: true,
    ..QUESTION
};

const QUESTION: Header = Header {
    recursion_desired: false,
    ..Header::query(0)
};

impl Responder {
    /// The next message that is due, and its length; call until `None`.
    pub(crate) fn output(&mut self, into: &mut [u8], now: Instant) -> Option<(To, usize)> {
        if !self.farewells.is_empty() {
            return self.say_farewell(into).map(|len| (To::All, len));
        }
        while let Some((number, step)) = self.step(now) {
            match step {
                Step::Probe => {
                    if let Ok(len) = self.probe(number, into) {
                        return Some((To::All, len));
                    }
                }
                Step::Announce => {
                    for item in self.zone.all_of(number).iter() {
                        self.v4.announce(item, now);
                        self.v6.announce(item, now);
                    }
                }
            }
        }
        while let Some(mut direct) = self.next_direct(now) {
            // A name may have been lost meanwhile.
            for item in direct.items.iter() {
                if !self.zone.claim(item.claim).is_some_and(Claim::is_ours) {
                    direct.items.remove(item);
                }
            }
            if !direct.items.is_empty()
                && let Ok(len) = self.answer_one(&direct, into)
            {
                return Some((To::One(direct.to), len));
            }
        }
        let v4 = self.answer_all(To::All4, into, now);
        v4.or_else(|| self.answer_all(To::All6, into, now))
    }

    fn step(&mut self, now: Instant) -> Option<(usize, Step)> {
        (0..CLAIMS).find_map(|number| Some((number, self.zone.claim_mut(number)?.step(now)?)))
    }

    /// Whether anybody has the name; what we would say if not (section 8.1).
    fn probe(&self, number: usize, into: &mut [u8]) -> Result<usize, NoRoom> {
        let mut builder = Builder::new(into, QUESTION)?;
        let name = self.zone.claim(number).map(|it| it.name).ok_or(NoRoom)?;
        builder.question(&Question {
            name,
            kind: Type::ANY,
            // Whoever has it tells us at once, and us alone.
            class: Class::IN.with_top(),
        })?;
        for item in self.zone.proposed(number).iter() {
            put(
                &self.zone,
                &mut builder,
                Section::Authority,
                item,
                Form::Proposed,
            )?;
        }
        Ok(builder.finish())
    }

    /// What it would tell all who ask for a kind of service; `None` if that is nothing.
    pub(super) fn answer_for(&self, kind: &Name, into: &mut [u8]) -> Option<usize> {
        let items = self.zone.find(kind, Type::PTR);
        if items.is_empty() {
            return None;
        }
        let now = Instant::ZERO;
        let (to, legacy) = (SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), PORT), None);
        let direct = Direct {
            to,
            due: now,
            items,
            legacy,
        };
        self.answer_one(&direct, into).ok()
    }

    fn next_direct(&mut self, now: Instant) -> Option<Direct> {
        let is_due = |place: &&mut Option<Direct>| place.is_some_and(|it| it.due <= now);
        self.direct.iter_mut().find(is_due)?.take()
    }

    fn answer_one(&self, direct: &Direct, into: &mut [u8]) -> Result<usize, NoRoom> {
        let (header, form) = match &direct.legacy {
            Some((id, _)) => (Header { id: *id, ..ANSWER }, Form::Legacy),
            None => (ANSWER, Form::Usual),
        };
        let mut builder = Builder::new(into, header)?;
        if let Some((_, question)) = &direct.legacy {
            builder.question(question)?;
        }
        for item in direct.items.iter() {
            // What has no room is asked for again.
            if put(&self.zone, &mut builder, Section::Answer, item, form).is_err() {
                return Ok(builder.finish());
            }
        }
        for item in self.zone.beside(direct.items).iter() {
            let ours = self.zone.claim(item.claim).is_some_and(Claim::is_ours);
            if ours && put(&self.zone, &mut builder, Section::Additional, item, form).is_err() {
                break;
            }
        }
        Ok(builder.finish())
    }

    /// All that is due in one family, as much as has room.
    fn answer_all(&mut self, to: To, into: &mut [u8], now: Instant) -> Option<(To, usize)> {
        let Self { zone, v4, v6, .. } = self;
        let schedule = if to == To::All4 { v4 } else { v6 };
        let mut builder = Builder::new(into, ANSWER).ok()?;
        let mut answered = Items::NONE;
        while let Some(item) = schedule.due(now) {
            // The name may have been lost meanwhile.
            if !zone.claim(item.claim).is_some_and(Claim::is_ours) {
                schedule.skip(item);
                continue;
            }
            if put(zone, &mut builder, Section::Answer, item, Form::Usual).is_err() {
                if answered.is_empty() {
                    schedule.skip(item);
                    continue;
                }
                return Some((to, builder.finish()));
            }
            schedule.said(item, now);
            answered.insert(item);
        }
        if answered.is_empty() {
            return None;
        }
        for item in zone.beside(answered).iter() {
            let is_ours = zone.claim(item.claim).is_some_and(Claim::is_ours);
            if !is_ours || !schedule.may_be_added(item, now) {
                continue;
            }
            if put(zone, &mut builder, Section::Additional, item, Form::Usual).is_err() {
                break;
            }
            schedule.said(item, now);
        }
        Some((to, builder.finish()))
    }

    /// As much as has room of what is no longer true (section 10.1).
    fn say_farewell(&mut self, into: &mut [u8]) -> Option<usize> {
        let mut builder = Builder::new(into, ANSWER).ok()?;
        let mut said = 0;
        for farewell in &self.farewells {
            if put_farewell(&mut builder, farewell).is_err() {
                break;
            }
            said += 1;
        }
        // One that has no room in an empty message never has.
        self.farewells
            .drain(..said.max(1).min(self.farewells.len()));
        Some(builder.finish())
    }
}

fn put_farewell(builder: &mut Builder<'_>, farewell: &Farewell) -> Result<(), NoRoom> {
    let mut add = |record| builder.record(Section::Answer, &record);
    match farewell {
        Farewell::Address(name, address) => add(address_record(Form::Farewell, *name, *address)),
        Farewell::Service(service, name, host) => [Part::Ptr, Part::Srv, Part::Txt]
            .into_iter()
            .chain(Part::SUBTYPES.into_iter().take(service.subtypes.len()))
            .map(|part| service_record(Form::Farewell, part, *name, *host, service))
            .try_for_each(add),
    }
}
