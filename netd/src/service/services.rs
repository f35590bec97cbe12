//! Services as the protocol lays them out.

use core::net::IpAddr;

use protocol::{Browsed, SERVICE_ADDRESSES, ServiceBody, ServiceFound, ServiceName};
use stack::{Instance, Offered};

/// The text in front of the first zero; `None` if it is none, or never ends.
pub fn text(padded: &[u8]) -> Option<&str> {
    let end = padded.iter().position(|byte| *byte == 0)?;
    core::str::from_utf8(padded.get(..end)?).ok()
}

/// What is offered.
pub fn offered(body: &ServiceBody) -> Option<Offered<'_>> {
    Some(Offered {
        name: text(&body.name)?,
        kind: text(&body.kind)?,
        port: body.port.get(),
        text: body.text.get(..body.length.into())?,
    })
}

/// Name and kind.
pub fn named(body: &ServiceName) -> Option<(&str, &str)> {
    Some((text(&body.name)?, text(&body.kind)?))
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
