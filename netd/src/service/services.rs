//! Services of this host's programs and of others, as the protocol lays them out.

use core::net::IpAddr;

use protocol::{
    Answer, Browse, BrowseError, Browsed, Done, ObserveError, Offer, OfferError, OfferSubtype,
    Progress, Prompt, SERVICE_ADDRESSES, ServiceBody, ServiceFound, ServiceName, ServiceSubtype,
    ServiceText, ServiceTextReply, TEXT_BYTES, TextBody, Withdraw,
};
use stack::{Instance, Offered};

use super::Service;
use super::completion::Ticket;
use super::errors::Told;

impl<P> Service<'_, P> {
    pub(super) fn offer_service(&mut self, request: &Offer) -> Prompt<Offer> {
        let offered = offered(&request.service).ok_or(OfferError::BadAddress)?;
        let outcome = self.stack.offer_service(self.client, offered, self.now);
        outcome.map(|()| Done {}).map_err(Told::told)
    }

    pub(super) fn withdraw_service(&mut self, request: &Withdraw) -> Prompt<Withdraw> {
        let (name, kind) = named(&request.service).ok_or(OfferError::BadAddress)?;
        let outcome = self.stack.withdraw_service(self.client, name, kind);
        outcome.map(|()| Done {}).map_err(Told::told)
    }

    pub(super) fn narrow_service(&mut self, request: &OfferSubtype) -> Prompt<OfferSubtype> {
        let named = narrowed(&request.service).ok_or(OfferError::BadAddress)?;
        let outcome = self.stack.offer_subtype(self.client, named, self.now);
        outcome.map(|()| Done {}).map_err(Told::told)
    }

    pub(super) fn look_for_services(&mut self, id: u32, request: &Browse) -> Answer<Browse> {
        let kind = text(&request.kind.kind).ok_or(BrowseError::BadAddress)?;
        let token = Ticket::new::<Browse>(id).token();
        let outcome = self.stack.browse(self.client, kind, token, self.now);
        outcome.map_err(Told::told)?;
        Ok(Progress::Pending)
    }

    pub(super) fn text_of_service(&mut self, request: &ServiceText) -> Prompt<ServiceText> {
        let (name, kind) = named(&request.service).ok_or(ObserveError::NotFound)?;
        let text = self.stack.service_text(self.client, name, kind);
        Ok(text_reply(text.ok_or(ObserveError::NotFound)?))
    }
}

/// The text in front of the first zero; `None` if it is none, or never ends.
fn text(padded: &[u8]) -> Option<&str> {
    let end = padded.iter().position(|byte| *byte == 0)?;
    core::str::from_utf8(padded.get(..end)?).ok()
}

/// What is offered.
fn offered(body: &ServiceBody) -> Option<Offered<'_>> {
    Some(Offered {
        name: text(&body.name)?,
        kind: text(&body.kind)?,
        port: body.port.get(),
        text: body.text.get(..body.length.into())?,
    })
}

/// Name and kind.
fn named(body: &ServiceName) -> Option<(&str, &str)> {
    Some((text(&body.name)?, text(&body.kind)?))
}

/// Name, kind and subtype.
fn narrowed(body: &ServiceSubtype) -> Option<(&str, &str, &str)> {
    Some((text(&body.name)?, text(&body.kind)?, text(&body.subtype)?))
}

/// What a service says of itself.
fn text_reply(strings: &[u8]) -> ServiceTextReply {
    let mut text = [0; TEXT_BYTES];
    let mut count = 0_u32;
    for (place, byte) in text.iter_mut().zip(strings) {
        *place = *byte;
        count += 1;
    }
    ServiceTextReply {
        text: TextBody {
            text,
            length: count.into(),
        },
    }
}

/// A service that was found; none when that was all.
pub fn found(instance: Option<&Instance>) -> Browsed {
    let Some(instance) = instance else {
        return Browsed {
            service: ServiceFound::END,
            more: false,
        };
    };
    let mut addresses = [IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED); SERVICE_ADDRESSES];
    let known = instance.addresses.iter().flatten();
    let count = addresses
        .iter_mut()
        .zip(known)
        .map(|(slot, it)| *slot = *it);
    let count = count.count();
    let service = ServiceFound {
        name: instance.name,
        host: instance.host,
        port: instance.port.into(),
        ..ServiceFound::END
    };
    Browsed {
        service: service.with_addresses(addresses.get(..count).unwrap_or_default()),
        more: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_with_an_end_is_text() {
        assert_eq!(text(b"a b\0\0"), Some("a b"));
        assert_eq!(text(b"\0a"), Some(""));
        assert_eq!(text(b"abc"), None);
        assert_eq!(text(b"\xff\0"), None);
    }

    #[test]
    fn a_length_beyond_the_text_is_refused() {
        let mut body = ServiceBody {
            name: [0; 64],
            kind: [0; 24],
            port: 80.into(),
            length: 100,
            reserved: 0,
            text: [0; 100],
        };
        assert_eq!(offered(&body).map(|it| it.text.len()), Some(100));
        body.length = 101;
        assert!(offered(&body).is_none());
    }
}
