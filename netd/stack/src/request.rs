//! Requests with more than a few arguments.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

/// One echo request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping {
    /// Who is asked.
    pub address: IpAddr,
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
