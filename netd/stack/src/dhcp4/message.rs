//! What the client says.
//!
//! *Owns* the table of RFC 2131 section 4.4.1 (which field and option goes into which message)
//! and to whom each message goes. *Never* decides when.

use super::lease::Lease;
use core::net::Ipv4Addr;
use wire::dhcp4::{Code, Message, MessageType, Text};
use wire::{List, MacAddress, NoRoom};

/// What we would like to be told. RFC 3442 wants the routes in front of the routers.
const WANTED: [Code; 11] = [
    Code::SUBNET_MASK,
    Code::CLASSLESS_ROUTES,
    Code::ROUTERS,
    Code::DNS_SERVERS,
    Code::DOMAIN_NAME,
    Code::MTU,
    Code::BROADCAST,
    Code::NTP_SERVERS,
    Code::LEASE_TIME,
    Code::RENEWAL_TIME,
    Code::REBINDING_TIME,
];

/// Hardware type in a client identifier (RFC 2132 section 9.14): Ethernet.
const ETHERNET: u8 = 1;

/// A message to send from port 68 to port 67.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outgoing {
    /// Length in bytes.
    pub(crate) len: usize,
    /// Unspecified while there is no address.
    pub(crate) source: Ipv4Addr,
    /// A server's address or the limited broadcast.
    pub(crate) destination: Ipv4Addr,
}

/// Whose messages they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity {
    pub(super) mac: MacAddress,
    pub(super) host_name: Text,
}

/// What is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speech {
    /// Are there servers?
    Discover,
    /// SELECTING: I take your offer; the others see that they are not meant.
    Select { server: Ipv4Addr, address: Ipv4Addr },
    /// INIT-REBOOT: is what I had still right?
    Reboot { address: Ipv4Addr },
    /// RENEWING: may I keep it?
    Renew { server: Ipv4Addr, address: Ipv4Addr },
    /// REBINDING: may I keep it, whoever you are?
    Rebind { address: Ipv4Addr },
    /// Somebody else uses it.
    Decline { server: Ipv4Addr, address: Ipv4Addr },
    /// I do not need it any more.
    Release { server: Ipv4Addr, address: Ipv4Addr },
}

impl Speech {
    pub(super) fn decline(lease: &Lease) -> Self {
        Self::Decline {
            server: lease.server,
            address: lease.address.address(),
        }
    }

    pub(super) fn release(lease: &Lease) -> Self {
        Self::Release {
            server: lease.server,
            address: lease.address.address(),
        }
    }

    /// Writes the message.
    pub(super) fn emit(
        self,
        identity: &Identity,
        xid: u32,
        secs: u16,
        into: &mut [u8],
    ) -> Result<Outgoing, NoRoom> {
        let kind = match self {
            Self::Discover => MessageType::Discover,
            Self::Decline { .. } => MessageType::Decline,
            Self::Release { .. } => MessageType::Release,
            _ => MessageType::Request,
        };
        let mut message = Message::from_client(kind, xid, identity.mac);
        message.options.client_id = client_id(identity.mac);
        // RFC 2131 table 5: neither times nor wishes in the two messages that end a lease.
        if !matches!(self, Self::Decline { .. } | Self::Release { .. }) {
            message.secs = secs;
            message.options.host_name = identity.host_name;
            message.options.parameter_request = WANTED.into_iter().collect();
            message.options.max_message_size = u16::try_from(wire::dhcp4::MAX_MESSAGE).ok();
        }
        let (source, destination) = self.fill(&mut message);
        Ok(Outgoing {
            len: message.emit(into)?,
            source,
            destination,
        })
    }

    /// Fills in what differs (RFC 2131 tables 4 and 5) and gives source and destination.
    fn fill(self, message: &mut Message) -> (Ipv4Addr, Ipv4Addr) {
        let nobody = Ipv4Addr::UNSPECIFIED;
        let everybody = Ipv4Addr::BROADCAST;
        match self {
            Self::Discover => {
                // RFC 2131 section 4.1: answers cannot be delivered to an address not yet ours.
                message.broadcast = true;
                (nobody, everybody)
            }
            Self::Select { server, address } => {
                message.broadcast = true;
                message.options.server_id = Some(server);
                message.options.requested_address = Some(address);
                (nobody, everybody)
            }
            Self::Reboot { address } => {
                message.broadcast = true;
                message.options.requested_address = Some(address);
                (nobody, everybody)
            }
            Self::Renew { server, address } => {
                message.ciaddr = address;
                (address, server)
            }
            Self::Rebind { address } => {
                message.ciaddr = address;
                (address, everybody)
            }
            Self::Decline { server, address } => {
                message.options.server_id = Some(server);
                message.options.requested_address = Some(address);
                (nobody, everybody)
            }
            Self::Release { server, address } => {
                message.options.server_id = Some(server);
                message.ciaddr = address;
                (address, server)
            }
        }
    }
}

fn client_id(MacAddress([a, b, c, d, e, f]): MacAddress) -> List<u8, 64> {
    [ETHERNET, a, b, c, d, e, f].into_iter().collect()
}
