//! What is known without asking anybody.
//!
//! *Owns* addresses written as names, and the names of RFC 6761 that must never be asked for.

use super::answer::{Addresses, Answer, Kind, Outcome};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::dns::{BadName, Name};

/// What is to be done with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing needs to be asked.
    Answer(Answer),
    /// This name must be asked for.
    Ask(Name),
}

/// Looks at a name as a person writes it.
pub(super) fn look(text: &str, kind: Kind) -> Result<Known, BadName> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Ok(match (kind, address) {
            (Kind::A, IpAddr::V4(_)) | (Kind::Aaaa, IpAddr::V6(_)) => known(address),
            _ => without(Outcome::NoData),
        });
    }
    let name: Name = text.parse()?;
    let top = name.labels().last().unwrap_or_default();
    if top.eq_ignore_ascii_case(b"localhost") {
        // RFC 6761 section 6.3.
        return Ok(match kind {
            Kind::A => known(Ipv4Addr::LOCALHOST.into()),
            Kind::Aaaa => known(Ipv6Addr::LOCALHOST.into()),
            Kind::Ptr => without(Outcome::NoData),
        });
    }
    if top.eq_ignore_ascii_case(b"invalid") {
        // RFC 6761 section 6.4.
        return Ok(without(Outcome::NoSuchName));
    }
    Ok(Known::Ask(name))
}

fn known(address: IpAddr) -> Known {
    without(Outcome::Addresses(
        [address].into_iter().collect::<Addresses>(),
    ))
}

/// An answer without a server; it is as good tomorrow as today.
fn without(outcome: Outcome) -> Known {
    Known::Answer(Answer {
        outcome,
        ttl: u32::MAX,
        server: None,
        aliases: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_special_names() {
        let v4 = known(Ipv4Addr::new(10, 0, 2, 2).into());
        for (text, kind, expected) in [
            ("10.0.2.2", Kind::A, v4),
            ("10.0.2.2", Kind::Aaaa, without(Outcome::NoData)),
            ("::1", Kind::Aaaa, known(Ipv6Addr::LOCALHOST.into())),
            ("::1", Kind::A, without(Outcome::NoData)),
            ("localhost", Kind::A, known(Ipv4Addr::LOCALHOST.into())),
            ("LocalHost.", Kind::Aaaa, known(Ipv6Addr::LOCALHOST.into())),
            ("db.localhost", Kind::A, known(Ipv4Addr::LOCALHOST.into())),
            ("no.invalid", Kind::A, without(Outcome::NoSuchName)),
        ] {
            assert_eq!(look(text, kind), Ok(expected), "{text} {kind:?}");
        }
    }

    #[test]
    fn names_to_ask_for() {
        for text in ["example.com", "localhost.example", "1.2.3"] {
            let name = text.parse().expect("a name");
            assert_eq!(look(text, Kind::A), Ok(Known::Ask(name)), "{text}");
        }
        for text in ["", "a..b", "a b"] {
            assert_eq!(look(text, Kind::A), Err(BadName), "{text}");
        }
    }
}
