//! Services that clients offer, which every link is told of.
//!
//! *Owns* who offers what: a service is its client's, and ends with it at the latest. *Never* speaks.
//!
//! Spec: RFC 6763 sections 4.1 and 7; RFC 6335 section 5.1 (names of kinds).

use super::Label;
use super::items::SERVICES;
use super::zone::{Service, TEXT, subtype_name};
use crate::error::OfferError;
use crate::id::{ClientId, InterfaceId};
use crate::request::Offered;
use crate::stack::Stack;
use crate::timers::Timer;
use ::tcp::Instant;
use alloc::vec;
use alloc::vec::Vec;
use wire::List;
use wire::dns::{Name, Strings};

/// The longest name of a kind, behind its underscore (RFC 6335 section 5.1).
const KIND: usize = 15;

/// All services, each in its place.
#[derive(Debug)]
pub(crate) struct Services(Vec<Option<(ClientId, Service)>>);

impl Services {
    pub(crate) fn new() -> Self {
        Self(vec![None; SERVICES])
    }

    /// Where a service of this name and kind is.
    fn position(&self, label: &[u8], kind: &Name) -> Option<(usize, ClientId)> {
        let is_it = |(place, entry): (usize, &Option<(ClientId, Service)>)| {
            let (client, service) = entry.as_ref()?;
            let is_it =
                service.kind == *kind && service.label.as_slice().eq_ignore_ascii_case(label);
            is_it.then_some((place, *client))
        };
        self.0.iter().enumerate().find_map(is_it)
    }
}

/// The kind as a name of the link: `_http._tcp` is one.
pub(crate) fn kind_named(text: &str) -> Option<Name> {
    let (service, transport) = text.split_once('.')?;
    let name = service.strip_prefix('_')?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_kind = (1..=KIND).contains(&name.len()) && name.bytes().all(is_plain);
    let is_transport = ["_tcp", "_udp"].contains(&transport);
    let local = "local".parse().ok()?;
    let kind: Name = text.parse().ok().filter(|_| is_kind && is_transport)?;
    kind.within(&local).ok()
}

/// What is asked for to find services of a kind, and the kind: `_printer._sub._http._tcp` is a subtype of
/// one (RFC 6763 section 7.1).
pub(super) fn kind_to_browse(text: &str) -> Option<(Name, Name)> {
    let Some((label, kind)) = text.split_once("._sub.") else {
        let kind = kind_named(text)?;
        return Some((kind, kind));
    };
    let kind = kind_named(kind)?;
    Some((subtype_name(label.as_bytes(), &kind)?, kind))
}

impl Stack {
    /// Offers a service on every link where names are answered for, until it is withdrawn or the client
    /// is gone.
    ///
    /// # Errors
    /// See [`OfferError`].
    pub fn offer_service(
        &mut self,
        client: ClientId,
        offered: Offered<'_>,
        now: Instant,
    ) -> Result<(), OfferError> {
        self.clients.get(client).ok_or(OfferError::BadClient)?;
        let kind = kind_named(offered.kind).ok_or(OfferError::BadKind)?;
        let label = self.label_of(offered.name);
        let service = Service {
            label: List::from_slice(label).ok_or(OfferError::BadName)?,
            kind,
            port: offered.port,
            text: Some(offered.text)
                .filter(|text| text.is_empty() || Strings::new(text).is_some())
                .and_then(List::<u8, TEXT>::from_slice)
                .ok_or(OfferError::BadText)?,
            subtypes: List::NONE,
        };
        if label.is_empty() || offered.port == 0 {
            return Err(OfferError::BadName);
        }
        if self.services.position(label, &kind).is_some() {
            return Err(OfferError::Exists);
        }
        let place = self.services.0.iter().position(Option::is_none);
        let place = place.ok_or(OfferError::TooMany)?;
        if let Some(entry) = self.services.0.get_mut(place) {
            *entry = Some((client, service));
        }
        for responder in self.responders.iter_mut().flatten() {
            responder.offer(place, service, &mut self.rng, now);
        }
        self.wake_responders();
        Ok(())
    }

    /// Offers it no longer.
    ///
    /// # Errors
    /// See [`OfferError`].
    pub fn withdraw_service(
        &mut self,
        client: ClientId,
        name: &str,
        kind: &str,
    ) -> Result<(), OfferError> {
        let kind = kind_named(kind).ok_or(OfferError::BadKind)?;
        let found = self.services.position(self.label_of(name), &kind);
        let found = found.filter(|(_, owner)| *owner == client);
        let (place, _) = found.ok_or(OfferError::NotFound)?;
        self.withdraw_place(place);
        Ok(())
    }

    /// Tells that a service is of a subtype of its kind as well (RFC 6763 section 7.1), until it is
    /// withdrawn.
    ///
    /// # Errors
    /// See [`OfferError`].
    pub fn offer_subtype(
        &mut self,
        client: ClientId,
        (name, kind, subtype): (&str, &str, &str),
        now: Instant,
    ) -> Result<(), OfferError> {
        let kind = kind_named(kind).ok_or(OfferError::BadKind)?;
        let label = Some(subtype.as_bytes())
            .filter(|label| subtype_name(label, &kind).is_some())
            .and_then(Label::from_slice)
            .ok_or(OfferError::BadKind)?;
        let found = self.services.position(self.label_of(name), &kind);
        let found = found.filter(|(_, owner)| *owner == client);
        let (place, _) = found.ok_or(OfferError::NotFound)?;
        let entry = self.services.0.get_mut(place).and_then(Option::as_mut);
        let (_, service) = entry.ok_or(OfferError::NotFound)?;
        let is_it = |it: &Label| it.as_slice().eq_ignore_ascii_case(label.as_slice());
        if service.subtypes.as_slice().iter().any(is_it) {
            return Err(OfferError::Exists);
        }
        if !service.subtypes.push(label) {
            return Err(OfferError::TooMany);
        }
        for responder in self.responders.iter_mut().flatten() {
            responder.add_subtype(place, label, now);
        }
        self.wake_responders();
        Ok(())
    }

    /// The client is gone, and its services with it.
    pub(crate) fn services_forget(&mut self, client: ClientId) {
        for place in 0..SERVICES {
            let owner = self.services.0.get(place).and_then(Option::as_ref);
            if owner.is_some_and(|(owner, _)| *owner == client) {
                self.withdraw_place(place);
            }
        }
    }

    fn withdraw_place(&mut self, place: usize) {
        if let Some(entry) = self.services.0.get_mut(place) {
            *entry = None;
        }
        for responder in self.responders.iter_mut().flatten() {
            responder.withdraw(place);
        }
        self.wake_responders();
    }

    /// Who answers on a link from now on tells of all services.
    pub(crate) fn offer_all(&mut self, id: InterfaceId, now: Instant) {
        let responder = self.responders.get_mut(id.index());
        let Some(responder) = responder.and_then(Option::as_mut) else {
            return;
        };
        for (place, entry) in self.services.0.iter().enumerate() {
            if let Some((_, service)) = entry {
                responder.offer(place, *service, &mut self.rng, now);
            }
        }
        let number = Timer::Responder(id.raw().into());
        self.timers.set(number, Some(now));
    }

    /// What a service is called: as the host, if nothing else is said.
    fn label_of<'a>(&self, name: &'a str) -> &'a [u8] {
        match name {
            "" => self.config.host_name.as_bytes(),
            name => name.as_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_their_form() {
        for (text, is_one) in [
            ("_http._tcp", true),
            ("_a-b._udp", true),
            ("http._tcp", false),
            ("_http._sctp", false),
            ("_http", false),
            ("_._tcp", false),
            ("_sixteen-letters-._tcp", false),
            ("_a b._tcp", false),
            ("_http._tcp.local", false),
        ] {
            assert_eq!(kind_named(text).is_some(), is_one, "{text}");
        }
    }
}
