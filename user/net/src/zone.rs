//! Which link a link-local address is on, as people write it: `fe80::1%2` (RFC 4007 section 11).

use core::net::{IpAddr, SocketAddr, SocketAddrV6};

/// A host, and the number of the link that is named behind it; zero for none. `None` for what is no number.
#[must_use]
pub fn host_and_link(text: &str) -> Option<(&str, u8)> {
    match text.split_once('%') {
        None => Some((text, 0)),
        Some((host, link)) => Some((host, link.parse().ok()?)),
    }
}

/// An address and a port on a link; zero for the default one.
#[must_use]
pub fn end_on(address: IpAddr, port: u16, link: u8) -> SocketAddr {
    match address {
        IpAddr::V6(v6) => SocketAddrV6::new(v6, port, 0, link.into()).into(),
        IpAddr::V4(_) => SocketAddr::new(address, port),
    }
}

#[cfg(test)]
mod tests {
    use super::{end_on, host_and_link};

    #[test]
    fn a_link_stands_behind_the_host() {
        assert_eq!(host_and_link("fe80::1%2"), Some(("fe80::1", 2)));
        assert_eq!(host_and_link("far.test"), Some(("far.test", 0)));
        for text in ["fe80::1%", "fe80::1%eth0", "fe80::1%256", "fe80::1%1%2"] {
            assert_eq!(host_and_link(text), None, "{text}");
        }
        let end = end_on("fe80::1".parse().unwrap(), 7, 2);
        assert_eq!(end, "[fe80::1%2]:7".parse().unwrap());
    }
}
