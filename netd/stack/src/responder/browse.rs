//! Looking for services of a kind on all links.
//!
//! *Owns* what a look-out has found, and when it asks again. *Never* believes more than has room.
//!
//! Spec: RFC 6762 sections 5.2 (how often) and 7.1 (what is known); RFC 6763 sections 4 to 6.

use crate::event::{Instance, LABEL_BYTES};
use crate::id::{ClientId, Token};
use core::net::IpAddr;
use core::time::Duration;
use tcp::Instant;
use wire::dns::{
    Builder, Class, Data, Header, Message, Name, Question, Record, Section, Strings, Type,
};
use wire::{List, NoRoom};

/// Look-outs at a time.
pub(crate) const BROWSES: u32 = 4;
/// Services that one finds.
const FOUND: usize = 16;
/// Bytes that are kept of what one says of itself.
const TEXT: usize = 196;
/// It asks at once, and so long after each question; after the last it is over.
const PAUSES: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(1),
];

/// A service.
#[derive(Clone, Copy, Debug)]
struct Found {
    name: Name,
    /// For how many seconds it is good.
    ttl: u32,
    /// At which host, and by which port.
    at: Option<(Name, u16)>,
    addresses: [Option<IpAddr>; Instance::ADDRESSES],
    /// What it says of itself: whole strings, as many as have room.
    text: Option<List<u8, TEXT>>,
    is_told: bool,
}

impl Found {
    fn is_reachable(&self) -> bool {
        self.at.is_some() && self.addresses.iter().any(Option::is_some)
    }

    /// Nothing is missing of it.
    fn is_complete(&self) -> bool {
        self.is_reachable() && self.text.is_some()
    }

    fn is_called(&self, label: &[u8]) -> bool {
        self.name.labels().next() == Some(label)
    }

    fn put(&mut self, address: IpAddr) {
        let is_known = self.addresses.contains(&Some(address));
        let place = self.addresses.iter_mut().find(|place| place.is_none());
        if let Some(place) = place.filter(|_| !is_known) {
            *place = Some(address);
        }
    }

    /// As a client is told; `None` for a host whose name is too long to tell.
    fn instance(&self) -> Option<Instance> {
        let (host, port) = self.at?;
        let mut text = Text::default();
        for label in host.labels() {
            text.put(b".", label)?;
        }
        let mut name = [0; LABEL_BYTES];
        let label = self.name.labels().next()?;
        name.get_mut(..label.len())?.copy_from_slice(label);
        Some(Instance {
            name,
            host: text.bytes,
            port,
            addresses: self.addresses,
        })
    }
}

/// The labels of a host, with dots between them.
struct Text {
    bytes: [u8; Instance::HOST_BYTES],
    len: usize,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            bytes: [0; Instance::HOST_BYTES],
            len: 0,
        }
    }
}

impl Text {
    fn put(&mut self, between: &[u8], label: &[u8]) -> Option<()> {
        let between = if self.len == 0 { &[] } else { between };
        for byte in between.iter().chain(label) {
            // One zero at least stays behind it.
            self.bytes
                .split_last_mut()?
                .1
                .get_mut(self.len)
                .map(|place| *place = *byte)?;
            self.len += 1;
        }
        Some(())
    }
}

/// A look-out of a client's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Browse {
    pub(crate) client: ClientId,
    pub(crate) token: Token,
    /// What is asked for: the kind, or a subtype of it.
    asked_for: Name,
    kind: Name,
    found: [Option<Found>; FOUND],
    asked: usize,
    /// When it asks again, or is over.
    next: Instant,
    pub(crate) is_over: bool,
    pub(crate) is_cancelled: bool,
}

impl Browse {
    pub(crate) fn new(
        client: ClientId,
        token: Token,
        (asked_for, kind): (Name, Name),
        now: Instant,
    ) -> Self {
        Self {
            client,
            token,
            asked_for,
            kind,
            found: [None; FOUND],
            asked: 0,
            next: now,
            is_over: false,
            is_cancelled: false,
        }
    }

    pub(crate) fn asked_for(&self) -> &Name {
        &self.asked_for
    }

    /// What a service of this kind that was found says of itself: strings, each behind its length.
    pub(crate) fn text_of(&self, label: &[u8], kind: &Name) -> Option<&[u8]> {
        let mut all = self.found.iter().flatten();
        let found = all.find(|it| self.kind == *kind && it.is_called(label))?;
        Some(found.text.as_ref().map_or(&[], List::as_slice))
    }

    /// When it goes on.
    pub(crate) fn next(&self) -> Option<Instant> {
        (!self.is_over).then_some(self.next)
    }

    /// What is due: a question that is to be asked.
    pub(crate) fn fire(&mut self, into: &mut [u8], now: Instant) -> Option<usize> {
        if self.is_over || self.next > now {
            return None;
        }
        let Some(pause) = PAUSES.get(self.asked) else {
            self.is_over = true;
            return None;
        };
        self.asked += 1;
        self.next = now + *pause;
        self.question(into).ok()
    }

    /// Who offers the kind; what is known, and what is missing of it.
    fn question(&self, into: &mut [u8]) -> Result<usize, NoRoom> {
        let header = Header {
            recursion_desired: false,
            ..Header::query(0)
        };
        let mut builder = Builder::new(into, header)?;
        let ask = |name, kind| Question {
            name,
            kind,
            class: Class::IN,
        };
        builder.question(&ask(self.asked_for, Type::PTR))?;
        for found in self.found.iter().flatten().filter(|it| !it.is_complete()) {
            let text = found.text.is_none().then_some((found.name, Type::TXT));
            let (first, second) = match found.at {
                None => (Some((found.name, Type::SRV)), None),
                Some(_) if found.is_reachable() => (None, None),
                Some((host, _)) => (Some((host, Type::A)), Some((host, Type::AAAA))),
            };
            let mut missing = [first, second, text].into_iter().flatten();
            if missing.any(|(name, kind)| builder.question(&ask(name, kind)).is_err()) {
                break;
            }
        }
        for found in self.found.iter().flatten() {
            let known = Record {
                name: self.asked_for,
                class: Class::IN,
                ttl: found.ttl,
                data: Data::Ptr(found.name),
            };
            if builder.record(Section::Answer, &known).is_err() {
                break;
            }
        }
        Ok(builder.finish())
    }

    /// Somebody tells something. Gives whether there is something new to tell.
    pub(crate) fn hear(&mut self, message: &Message<'_>) -> bool {
        let records = || message.records().flatten().map(|(_, record)| record);
        // What each is needs what was said before it, in whatever order they come.
        for record in records() {
            if let Data::Ptr(name) = record.data
                && record.name == self.asked_for
            {
                self.heard_of(name, record.ttl);
            }
        }
        for record in records().filter(|it| it.ttl > 0) {
            let Some(found) = self.find(&record.name) else {
                continue;
            };
            match record.data {
                Data::Srv { port, target, .. } => found.at = Some((target, port)),
                Data::Txt(strings) => found.text = Some(kept(strings)),
                _ => {}
            }
        }
        for record in records().filter(|it| it.ttl > 0) {
            let address = match record.data {
                Data::A(address) => IpAddr::V4(address),
                Data::Aaaa(address) => IpAddr::V6(address),
                _ => continue,
            };
            for found in self.found.iter_mut().flatten() {
                if found.at.is_some_and(|(host, _)| host == record.name) {
                    found.put(address);
                }
            }
        }
        self.next_told().is_some()
    }

    fn find(&mut self, name: &Name) -> Option<&mut Found> {
        let mut all = self.found.iter_mut().flatten();
        all.find(|found| found.name == *name)
    }

    /// A service, or that it is one no longer.
    fn heard_of(&mut self, name: Name, ttl: u32) {
        if ttl == 0 {
            let is_it = |it: &Found| it.name == name && !it.is_told;
            for place in &mut self.found {
                place.take_if(|it| is_it(it));
            }
            return;
        }
        let is_below = name.is_within(&self.kind) && name != self.kind;
        if !is_below || self.find(&name).is_some() {
            return;
        }
        if let Some(place) = self.found.iter_mut().find(|place| place.is_none()) {
            *place = Some(Found {
                name,
                ttl,
                at: None,
                addresses: [None; Instance::ADDRESSES],
                text: None,
                is_told: false,
            });
        }
    }

    /// What the client is to be told next.
    pub(crate) fn next_told(&self) -> Option<Instance> {
        let mut all = self.found.iter().flatten();
        all.find_map(|found| {
            let is_due = self.is_due(found);
            is_due.then(|| found.instance()).flatten()
        })
    }

    /// It has been told that.
    pub(crate) fn told(&mut self) {
        let is_it = |it: &Option<Found>| {
            let found = it.as_ref().filter(|it| self.is_due(it));
            found.and_then(Found::instance).is_some()
        };
        let place = self.found.iter().position(is_it);
        let found = place.and_then(|place| self.found.get_mut(place)?.as_mut());
        if let Some(found) = found {
            found.is_told = true;
        }
    }

    /// Whether it is to be told of: one that says nothing of itself at the end only.
    fn is_due(&self, found: &Found) -> bool {
        !found.is_told && (found.is_complete() || self.is_over && found.is_reachable())
    }
}

/// As many whole strings as have room.
fn kept(strings: Strings<'_>) -> List<u8, TEXT> {
    let mut text = List::NONE;
    for string in strings.iter() {
        let length = u8::try_from(string.len()).unwrap_or(u8::MAX);
        if text.len() + 1 + string.len() > TEXT {
            break;
        }
        text.push(length);
        for byte in string {
            text.push(*byte);
        }
    }
    text
}
