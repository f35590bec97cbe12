//! Requests with more than a few arguments.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

/// One echo request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping {
    /// Who is asked.
    pub address: IpAddr,
    /// The link that a link-local address is on; zero for the default one.
    pub link: u8,
    /// Bytes of data.
    pub size: u16,
    /// Sequence number, as the peer sees it.
    pub sequence: u16,
    /// Time to live; `None` for the default.
    pub ttl: Option<u8>,
    /// How long to wait for the answer.
    pub timeout: Duration,
}

/// Which addresses are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressKind {
    /// A records.
    V4,
    /// AAAA records.
    V6,
}

/// One look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookup<'a> {
    /// The name; an address in text is answered at once.
    pub name: &'a str,
    /// Which addresses are wanted.
    pub kind: AddressKind,
    /// Who is asked; `None` for the configured servers.
    pub server: Option<SocketAddr>,
}

/// A service that a host offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offered<'a> {
    /// What people see; empty: as the host is called.
    pub name: &'a str,
    /// `_http._tcp`
    pub kind: &'a str,
    /// Where it is.
    pub port: u16,
    /// Strings, each behind its length (RFC 6763 section 6); may be empty.
    pub text: &'a [u8],
}
