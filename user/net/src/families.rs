//! Families of addresses: which a socket takes part in, and which a name is asked for.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use protocol::{SocketId, SocketOption};

use crate::error::Error;
use crate::net::Net;

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// That of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The address that stands for all of a machine's.
    #[must_use]
    pub const fn unspecified(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Self::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        }
    }
}

/// Those of a socket that is about to be bound.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Families {
    /// That of the address that it is bound to.
    Own,
    /// Both; the address is the unspecified one of IPv6.
    Both,
}

impl Families {
    /// Tells the socket, before it is bound.
    pub(crate) async fn choose(self, net: &Net, socket: SocketId) -> Result<(), Error> {
        match self {
            Self::Own => Ok(()),
            Self::Both => net.set_option(socket, SocketOption::DualStack, 1).await,
        }
    }
}
