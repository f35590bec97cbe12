//! Names that the link itself knows: those below `local`, which all hosts of the link are asked for.
//!
//! *Owns* who is asked, and that it is asked once: a question from a port of its own, which whoever has
//! the name answers directly. *Never* answers: that is `responder`'s.
//!
//! Spec: RFC 6762 sections 3 and 5.1, and 11 (who is believed).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use wire::dns::Name;

/// The port of all who answer.
pub(super) const PORT: u16 = 5_353;
/// Who is asked (RFC 6762 section 3).
pub(crate) const ALL: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(224, 0, 0, 251)), PORT),
    SocketAddr::new(
        IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb)),
        PORT,
    ),
];

/// Whether the name, as a person writes it, is one that the link knows.
pub(crate) fn is_of_link(name: &str) -> bool {
    let Ok(name) = name.parse::<Name>() else {
        return false;
    };
    let mut labels = name.labels();
    let last = labels.by_ref().last();
    name.labels().count() > 1 && last.is_some_and(|last| last.eq_ignore_ascii_case(b"local"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_link() {
        for (name, is_one) in [
            ("a.local", true),
            ("a.LOCAL.", true),
            ("a.b.local", true),
            ("local", false),
            ("a.local.example", false),
            ("alocal", false),
            ("", false),
        ] {
            assert_eq!(is_of_link(name), is_one, "{name}");
        }
    }
}
