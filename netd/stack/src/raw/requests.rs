//! Opening a raw socket.

use crate::client::Role;
use crate::error::{BadSocket, OptionError, RawError};
use crate::family::is_mapped;
use crate::id::{ClientId, SocketId};
use crate::option_sets::OptionSet;
use crate::options::{SocketOption, SocketOptions};
use crate::raw::options::RawPackets;
use crate::stack::Stack;
use crate::udp::socket::{Datagram, Raw};
use core::net::IpAddr;
use wire::Protocol;

/// Headers of IPv6's own: nothing that a packet carries.
const HEADERS6: [Protocol; 5] = [
    Protocol::HOP_BY_HOP,
    Protocol::ROUTING,
    Protocol::FRAGMENT,
    Protocol::NOTHING,
    Protocol::DESTINATION,
];

impl Stack {
    /// Changes what raw sockets alone can choose; `None` for any other option.
    pub(crate) fn raw_option(
        &mut self,
        role: Role,
        option: SocketOption,
    ) -> Option<Result<(), OptionError>> {
        let socket = match role {
            Role::Datagram(index) => self.udp.sockets.at_mut(index),
            _ => None,
        };
        let raw = socket.and_then(|socket| match &mut socket.raw {
            Some(Raw::Packets(packets)) => Some(packets),
            _ => None,
        });
        let raw = raw.ok_or(OptionError::WrongKind);
        match option {
            SocketOption::Icmp6Blocked(group, types) => {
                Some(raw.and_then(|raw| raw.block(group, types)))
            }
            SocketOption::ChecksumAt(at) => Some(raw.and_then(|raw| raw.set_checksum(at))),
            _ => None,
        }
    }

    /// What a raw socket has chosen; `None` of any other.
    ///
    /// # Errors
    /// Not a socket of this client.
    pub fn raw_options(
        &self,
        client: ClientId,
        socket: SocketId,
    ) -> Result<Option<RawPackets>, BadSocket> {
        Ok(match self.clients.socket(client, socket)?.role {
            Role::Datagram(index) => self.udp.sockets.at(index).and_then(Datagram::packets),
            _ => None,
        })
    }

    /// A new socket for a protocol in the family of `local`, which is an address of ours or the
    /// unspecified one: all. It gets a copy of each packet of the protocol that is for us, and sends
    /// such packets. Who may have one is the caller's to decide.
    ///
    /// # Errors
    /// See [`RawError`].
    pub fn socket_raw(
        &mut self,
        client: ClientId,
        protocol: u8,
        local: IpAddr,
    ) -> Result<SocketId, RawError> {
        let protocol = Protocol(protocol);
        let is_header = local.is_ipv6() && HEADERS6.contains(&protocol);
        if protocol == Protocol::TCP || is_header {
            return Err(RawError::BadProtocol);
        }
        let is_good = match local {
            IpAddr::V4(v4) => v4.is_unspecified() || self.is_own(v4),
            IpAddr::V6(v6) => !is_mapped(v6) && (v6.is_unspecified() || self.is_own(v6)),
        };
        if !is_good {
            return Err(RawError::AddressNotLocal);
        }
        let packets = RawPackets::new(protocol, local.is_ipv6());
        self.raw_create(client, Raw::Packets(packets), Some(local))
    }

    /// A new raw socket, which has a local address if it is of IP.
    pub(crate) fn raw_create(
        &mut self,
        client: ClientId,
        raw: Raw,
        local: Option<IpAddr>,
    ) -> Result<SocketId, RawError> {
        let role = Role::Stream { bound: None };
        let socket = self.clients.create(client, role, OptionSet::INITIAL)?;
        let made = self.raw_insert(client, socket, raw, local);
        if made.is_err() {
            self.clients.forget(socket);
        }
        made.map(|()| socket)
    }

    fn raw_insert(
        &mut self,
        client: ClientId,
        socket: SocketId,
        raw: Raw,
        local: Option<IpAddr>,
    ) -> Result<(), RawError> {
        let trace = self.traces.open(client).ok_or(RawError::ClientLimit)?;
        let options = SocketOptions {
            details: true,
            ..SocketOptions::new()
        };
        let mut datagram = Datagram::new(client, socket, options);
        (datagram.raw, datagram.trace) = (Some(raw), Some(trace));
        match local {
            Some(IpAddr::V4(v4)) => datagram.v4.local = Some(v4),
            Some(IpAddr::V6(v6)) => datagram.v6.local = Some(v6),
            None => {}
        }
        let Some(index) = self.udp.sockets.insert(datagram) else {
            self.traces.close(trace);
            return Err(RawError::NoFreeSocket);
        };
        match raw {
            Raw::Packets(_) => self.udp.raws.push(index),
            Raw::Frames(_) => self.udp.frames.push(index),
        }
        if let Ok(entry) = self.clients.socket_mut(client, socket) {
            entry.role = Role::Datagram(index);
        }
        Ok(())
    }
}
