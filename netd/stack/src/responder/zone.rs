//! The records that there are: of the host's name, and of its services.
//!
//! *Owns* which set answers which question, and what a set's records are. *Never* knows when they are
//! said.
//!
//! Spec: RFC 6762 sections 6.1 (what there is not), 10 (how long), 10.2; RFC 6763 sections 4, 6, 9 and 12.

use super::ADDRESSES;
use super::claim::Claim;
use super::items::{CLAIMS, Item, Items, Part, SERVICES, SUBTYPES};
use alloc::vec::Vec;
use core::net::IpAddr;
use wire::dns::{Builder, Class, Data, Name, Record, Section, Strings, Type};
use wire::{List, NoRoom};

/// What a service says of itself, in bytes.
pub(crate) const TEXT: usize = 100;

/// Seconds for which records are kept by askers that know nothing of all this (RFC 6762
/// section 6.7).
pub(super) const LEGACY_TTL: u32 = 10;

/// A service of this host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Service {
    /// What it is called; others may have the name.
    pub(crate) label: List<u8, 63>,
    /// What it is: `_http._tcp.local`.
    pub(crate) kind: Name,
    pub(crate) port: u16,
    /// Strings, each behind its length; none: one that is empty.
    pub(crate) text: List<u8, TEXT>,
    /// What it is more narrowly: `printer` of `_printer._sub._http._tcp.local`.
    pub(crate) subtypes: List<List<u8, 63>, SUBTYPES>,
}

impl Service {
    /// The name of one of its subtypes (RFC 6763 section 7.1).
    fn subtype(&self, place: usize) -> Option<Name> {
        let label = self.subtypes.as_slice().get(place)?;
        subtype_name(label.as_slice(), &self.kind)
    }

    /// The set of the subtype of this name.
    fn subtype_named(&self, name: &Name) -> Option<Part> {
        let mut parts = Part::SUBTYPES.into_iter().enumerate();
        parts.find_map(|(place, part)| (self.subtype(place)? == *name).then_some(part))
    }

    /// What it says: never nothing (RFC 6763 section 6.1).
    fn strings(&self) -> Strings<'_> {
        Strings::new(self.text.as_slice()).unwrap_or_default()
    }
}

/// How records are said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// To all, or to one who understands: they replace others (RFC 6762 section 10.2).
    Usual,
    /// To one who knows nothing of it (section 6.7).
    Legacy,
    /// What we would say if the name were ours (section 8.2).
    Proposed,
    /// They are no more (section 10.1).
    Farewell,
}

impl Form {
    /// A record in this form.
    pub(super) fn record(self, part: Part, name: Name, data: Data<'_>) -> Record<'_> {
        let ttl = match self {
            Self::Usual | Self::Proposed => part.ttl(),
            Self::Legacy => part.ttl().min(LEGACY_TTL),
            Self::Farewell => 0,
        };
        let replaces = matches!(self, Self::Usual) && !part.is_shared();
        let class = if replaces {
            Class::IN.with_top()
        } else {
            Class::IN
        };
        Record {
            name,
            class,
            ttl,
            data,
        }
    }
}

/// All that a host has to tell on a link.
#[derive(Debug)]
pub(super) struct Zone {
    host: Claim,
    services: Vec<Option<(Claim, Service)>>,
    pub(super) addresses: Vec<IpAddr>,
    /// The name of the list of all kinds of services (RFC 6763 section 9).
    kinds: Name,
}

impl Zone {
    pub(super) fn new(label: &[u8]) -> Self {
        let name = |text: &str| text.parse().unwrap_or(Name::ROOT);
        Self {
            host: Claim::new(label, name("local")),
            services: alloc::vec![None; SERVICES],
            addresses: Vec::with_capacity(ADDRESSES),
            kinds: name("_services._dns-sd._udp.local"),
        }
    }

    pub(super) fn host_name(&self) -> Name {
        self.host.name
    }

    pub(super) fn offer(&mut self, place: usize, service: Service) {
        if let Some(entry) = self.services.get_mut(place) {
            let claim = Claim::new(service.label.as_slice(), service.kind);
            *entry = Some((claim, service));
        }
    }

    pub(super) fn withdraw(&mut self, place: usize) {
        if let Some(entry) = self.services.get_mut(place) {
            *entry = None;
        }
    }

    pub(super) fn service_mut(&mut self, place: usize) -> Option<&mut Service> {
        self.services.get_mut(place)?.as_mut().map(|(_, it)| it)
    }

    pub(super) fn service(&self, place: usize) -> Option<&Service> {
        self.services.get(place)?.as_ref().map(|(_, it)| it)
    }

    pub(super) fn claim(&self, number: usize) -> Option<&Claim> {
        match number.checked_sub(1) {
            None => Some(&self.host),
            Some(place) => self.services.get(place)?.as_ref().map(|(claim, _)| claim),
        }
    }

    pub(super) fn claim_mut(&mut self, number: usize) -> Option<&mut Claim> {
        match number.checked_sub(1) {
            None => Some(&mut self.host),
            Some(place) => self.services.get_mut(place)?.as_mut().map(|(it, _)| it),
        }
    }

    pub(super) fn claims(&self) -> impl Iterator<Item = &Claim> {
        let services = self.services.iter().flatten().map(|(claim, _)| claim);
        core::iter::once(&self.host).chain(services)
    }

    pub(super) fn claims_mut(&mut self) -> impl Iterator<Item = &mut Claim> {
        let services = self.services.iter_mut().flatten().map(|(claim, _)| claim);
        core::iter::once(&mut self.host).chain(services)
    }

    /// Whether there are records in a set.
    fn has(&self, item: Item) -> bool {
        match item.part {
            Part::A => item.claim == 0 && self.addresses.iter().any(IpAddr::is_ipv4),
            Part::Aaaa => item.claim == 0 && self.addresses.iter().any(IpAddr::is_ipv6),
            Part::Nsec => self.claim(item.claim).is_some(),
            Part::Srv | Part::Txt | Part::Ptr => item.claim > 0,
            Part::Kind => self.is_first_of_kind(item.claim),
            Part::Reverse => item.claim == 0 && !self.addresses.is_empty(),
            Part::Sub0 | Part::Sub1 | Part::Sub2 | Part::Sub3 => {
                let service = item.claim.checked_sub(1).and_then(|it| self.service(it));
                let count = service.map_or(0, |it| it.subtypes.len());
                item.part.subtype().is_some_and(|place| place < count)
            }
        }
    }

    /// Of the services of one kind it is the first, which tells of the kind.
    fn is_first_of_kind(&self, claim: usize) -> bool {
        let of = |number: usize| self.service(number.checked_sub(1)?).map(|it| it.kind);
        let kind = of(claim);
        kind.is_some() && (1..claim).all(|before| of(before) != kind)
    }

    /// The sets of a claim that are told at the start, or answer whoever asks for everything.
    pub(super) fn all_of(&self, claim: usize) -> Items {
        let mut items = Items::NONE;
        for part in Part::ALL {
            let item = Item { claim, part };
            // Who asks for an address's name is told; nobody else needs it.
            if !matches!(part, Part::Nsec | Part::Reverse) && self.has(item) {
                items.insert(item);
            }
        }
        items
    }

    /// The sets of a claim's own name, which others must not have (RFC 6762 section 8.2).
    pub(super) fn proposed(&self, claim: usize) -> Items {
        let mut items = self.all_of(claim);
        for part in Part::ALL.into_iter().filter(|it| it.is_shared()) {
            items.remove(Item { claim, part });
        }
        items
    }

    /// The sets that answer a question, as far as their names are ours by now.
    pub(super) fn find(&self, name: &Name, kind: Type) -> Items {
        let mut items = Items::NONE;
        for claim in 0..CLAIMS {
            let Some(owner) = self.claim(claim).filter(|it| it.is_ours()) else {
                continue;
            };
            let mut add = |part| {
                let item = Item { claim, part };
                if self.has(item) {
                    items.insert(item);
                }
            };
            let place = claim.checked_sub(1);
            let service = place.and_then(|place| self.service(place));
            if owner.name == *name {
                match (kind, service) {
                    (Type::A, None) => add(Part::A),
                    (Type::AAAA, None) => add(Part::Aaaa),
                    (Type::ANY, None) => [Part::A, Part::Aaaa].into_iter().for_each(&mut add),
                    (Type::SRV, Some(_)) => add(Part::Srv),
                    (Type::TXT, Some(_)) => add(Part::Txt),
                    (Type::ANY, Some(_)) => [Part::Srv, Part::Txt].into_iter().for_each(&mut add),
                    _ => {}
                }
                // Section 6.1: that there is none of this type is said, too.
                if !items.iter().any(|item| item.claim == claim) {
                    items.insert(Item {
                        claim,
                        part: Part::Nsec,
                    });
                }
            } else if claim == 0 && matches!(kind, Type::PTR | Type::ANY) && self.is_reverse(name) {
                add(Part::Reverse);
            } else if let Some(service) = service
                && matches!(kind, Type::PTR | Type::ANY)
            {
                if service.kind == *name {
                    add(Part::Ptr);
                } else if self.kinds == *name {
                    add(Part::Kind);
                } else if let Some(part) = service.subtype_named(name) {
                    add(part);
                }
            }
        }
        items
    }

    /// Whether one of the addresses has its name there.
    fn is_reverse(&self, name: &Name) -> bool {
        let is_it = |address: &IpAddr| Name::of_address(*address) == *name;
        self.addresses.iter().any(is_it)
    }

    /// What whoever gets these will ask for next (RFC 6762 section 6.2, RFC 6763 section 12).
    pub(super) fn beside(&self, items: Items) -> Items {
        let mut beside = Items::NONE;
        let mut add = |claim, part| {
            let item = Item { claim, part };
            if self.has(item) && !items.contains(item) {
                beside.insert(item);
            }
        };
        for item in items.iter() {
            match item.part {
                Part::Ptr | Part::Sub0 | Part::Sub1 | Part::Sub2 | Part::Sub3 => {
                    add(item.claim, Part::Srv);
                    add(item.claim, Part::Txt);
                    add(0, Part::A);
                    add(0, Part::Aaaa);
                }
                Part::Srv | Part::Reverse => {
                    add(0, Part::A);
                    add(0, Part::Aaaa);
                }
                Part::A => add(0, Part::Aaaa),
                Part::Aaaa => add(0, Part::A),
                Part::Nsec | Part::Txt | Part::Kind => {}
            }
        }
        beside
    }

    /// Which claim's name it is.
    pub(super) fn claim_named(&self, name: &Name) -> Option<usize> {
        (0..CLAIMS).find(|number| self.claim(*number).is_some_and(|it| it.name == *name))
    }

    /// Whether a record is one of ours, in whatever form; `None` if its name and type are not.
    pub(super) fn is_one_of(&self, record: &Record<'_>) -> Option<(Item, bool)> {
        let claim = self.claim_named(&record.name);
        let item = |part| claim.map(|claim| Item { claim, part });
        let service = claim.and_then(|it| self.service(it.checked_sub(1)?));
        Some(match (&record.data, service) {
            (Data::A(address), None) => {
                let address = IpAddr::V4(*address);
                (item(Part::A)?, self.addresses.contains(&address))
            }
            (Data::Aaaa(address), None) => {
                let address = IpAddr::V6(*address);
                (item(Part::Aaaa)?, self.addresses.contains(&address))
            }
            (data @ Data::Srv { .. }, Some(service)) => {
                (item(Part::Srv)?, *data == self.srv(service))
            }
            (Data::Txt(text), Some(service)) => (item(Part::Txt)?, *text == service.strings()),
            (Data::Ptr(to), _) if self.is_reverse(&record.name) => {
                let (claim, part) = (0, Part::Reverse);
                (Item { claim, part }, *to == self.host.name)
            }
            (Data::Ptr(to), _) => (self.pointer(&record.name, to)?, true),
            _ => return None,
        })
    }

    /// The set of a pointer from a kind of services, or from all kinds.
    fn pointer(&self, from: &Name, to: &Name) -> Option<Item> {
        (0..CLAIMS).find_map(|claim| {
            let service = self.service(claim.checked_sub(1)?)?;
            let part = if *from == self.kinds {
                Some(Part::Kind).filter(|_| service.kind == *to)
            } else if self.claim(claim)?.name != *to {
                None
            } else if service.kind == *from {
                Some(Part::Ptr)
            } else {
                service.subtype_named(from)
            };
            Some(Item { claim, part: part? })
        })
    }

    /// How many records of a set there are that can be known one by one.
    pub(super) fn count(&self, item: Item) -> usize {
        match item.part {
            Part::A => self.addresses.iter().filter(|it| it.is_ipv4()).count(),
            Part::Aaaa => self.addresses.iter().filter(|it| it.is_ipv6()).count(),
            Part::Reverse => self.addresses.len(),
            _ => 1,
        }
    }

    fn srv(&self, service: &Service) -> Data<'static> {
        srv(service, self.host.name)
    }

    /// Gives each record of a set to `put`.
    pub(super) fn records(
        &self,
        item: Item,
        form: Form,
        mut put: impl FnMut(&Record<'_>) -> Result<(), NoRoom>,
    ) -> Result<(), NoRoom> {
        let Item { claim, part } = item;
        let Some(name) = self.claim(claim).map(|claim| claim.name) else {
            return Ok(());
        };
        let service = claim.checked_sub(1).and_then(|it| self.service(it));
        match (part, service) {
            (Part::A | Part::Aaaa, _) => {
                for address in &self.addresses {
                    if address.is_ipv4() == (part == Part::A) {
                        put(&address_record(form, name, *address))?;
                    }
                }
                Ok(())
            }
            (Part::Reverse, _) => {
                for address in &self.addresses {
                    let back = Name::of_address(*address);
                    put(&form.record(part, back, Data::Ptr(name)))?;
                }
                Ok(())
            }
            (Part::Nsec, service) => {
                let (data, len) = self.nsec(&name, service.is_some());
                let kind = Type::NSEC;
                let data = data.get(..len).unwrap_or_default();
                put(&form.record(part, name, Data::Other { kind, data }))
            }
            (_, Some(service)) => put(&service_record(form, part, name, self.host.name, service)),
            (_, None) => Ok(()),
        }
    }

    /// The name itself, and the types it has (RFC 6762 section 6.1).
    fn nsec(&self, name: &Name, is_service: bool) -> ([u8; 255 + 7], usize) {
        let mut bits = [0_u8; 5];
        let mut set = |kind: Type| {
            let (octet, bit) = (usize::from(kind.0 / 8), kind.0 % 8);
            if let Some(octet) = bits.get_mut(octet) {
                *octet |= 0x80 >> bit;
            }
        };
        if is_service {
            set(Type::TXT);
            set(Type::SRV);
        } else {
            for address in &self.addresses {
                set(if address.is_ipv4() {
                    Type::A
                } else {
                    Type::AAAA
                });
            }
        }
        let used = bits
            .iter()
            .rposition(|octet| *octet != 0)
            .map_or(0, |at| at + 1);
        let mut data = [0; 255 + 7];
        let mut len = 0;
        let count = u8::try_from(used).unwrap_or(0);
        let window = [0, count];
        let bytes = name
            .as_bytes()
            .iter()
            .chain(&window)
            .chain(bits.iter().take(used));
        for (place, byte) in data.iter_mut().zip(bytes) {
            *place = *byte;
            len += 1;
        }
        (data, len)
    }
}

/// The record of an address.
pub(super) fn address_record(form: Form, name: Name, address: IpAddr) -> Record<'static> {
    match address {
        IpAddr::V4(address) => form.record(Part::A, name, Data::A(address)),
        IpAddr::V6(address) => form.record(Part::Aaaa, name, Data::Aaaa(address)),
    }
}

fn srv(service: &Service, host: Name) -> Data<'static> {
    Data::Srv {
        priority: 0,
        weight: 0,
        port: service.port,
        target: host,
    }
}

/// The record of a service that is called `name`, at `host`.
pub(super) fn service_record(
    form: Form,
    part: Part,
    name: Name,
    host: Name,
    service: &Service,
) -> Record<'_> {
    match part {
        Part::Srv => form.record(part, name, srv(service, host)),
        Part::Txt => form.record(part, name, Data::Txt(service.strings())),
        Part::Kind => {
            let all = "_services._dns-sd._udp.local".parse().unwrap_or(Name::ROOT);
            form.record(part, all, Data::Ptr(service.kind))
        }
        _ => {
            let subtype = part.subtype().and_then(|place| service.subtype(place));
            form.record(part, subtype.unwrap_or(service.kind), Data::Ptr(name))
        }
    }
}

/// `_printer._sub._http._tcp.local` (RFC 6763 section 7.1).
pub(super) fn subtype_name(label: &[u8], kind: &Name) -> Option<Name> {
    let all = Name::below(b"_sub", kind).ok()?;
    Name::below(label, &all).ok()
}

/// Puts a set into a message.
pub(super) fn put(
    zone: &Zone,
    builder: &mut Builder<'_>,
    section: Section,
    item: Item,
    form: Form,
) -> Result<(), NoRoom> {
    zone.records(item, form, |record| builder.record(section, record))
}
