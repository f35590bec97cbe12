//! In which families of addresses a socket takes part.

use protocol::{SocketId, SocketOption};

use crate::error::Error;
use crate::net::Net;

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
