//! Redirects of IPv4: a router knows a better first hop for one destination.
//!
//! *Owns* who is believed: the first hop that is asked for that destination now, about a packet that this
//! host has sent, for another on the same link (RFC 1122 section 3.2.2.2). The answer is about one host,
//! whatever network or service the code names. *Never* keeps it: that is [`crate::redirects`]'.

use crate::demux::Target;
use crate::hash::Tuple;
use crate::id::InterfaceId;
use crate::interface::Scope;
use crate::ip::incoming::Incoming;
use crate::stack::Stack;
use crate::stats::Counter;
use crate::udp::socket::Holder;
use ::tcp::Seq;
use core::net::Ipv4Addr;
use wire::ipv4::Quote;
use wire::{Drop, Protocol};

impl Stack {
    /// Takes in a redirect to `to` about a packet.
    pub(crate) fn icmp_redirect(
        &mut self,
        incoming: &Incoming<'_>,
        to: Ipv4Addr,
        about: &Quote<'_>,
    ) -> Result<(), Drop> {
        let (id, by) = (incoming.interface, incoming.source());
        let is_believed = self.config.heed_redirects
            && incoming.scope == Scope::Own
            && to != by
            && self.is_first_hop(id, to)
            && self.has_sent(id, about)
            && self.redirect(id, by, (to, about.header.destination));
        if !is_believed {
            return Err(Drop::Icmp4Redirect);
        }
        self.stats.count(Counter::IcmpRedirects);
        Ok(())
    }

    /// Whether an address is one host's on the link.
    fn is_first_hop(&self, id: InterfaceId, address: Ipv4Addr) -> bool {
        let interface = self.interfaces.get(id.index());
        interface.is_some_and(|it| {
            let is_beside = it
                .usable()
                .any(|own| own.cidr.contains(address) && own.cidr.network().address() != address);
            is_beside && it.scope(address) == Scope::Other
        })
    }

    /// Whether this host is having the conversation that a packet was part of: who is not on its way
    /// cannot know (RFC 5927 section 4).
    fn has_sent(&mut self, id: InterfaceId, packet: &Quote<'_>) -> bool {
        let (local, remote) = (packet.header.source, packet.header.destination);
        if !self
            .interfaces
            .get(id.index())
            .is_some_and(|it| it.owns(local))
        {
            return false;
        }
        let ports = packet.ports();
        match packet.header.protocol {
            Protocol::TCP => ports.is_some_and(|(local_port, remote_port)| {
                let tuple = Tuple {
                    local,
                    local_port,
                    remote,
                    remote_port,
                };
                self.is_in_flight(&tuple, packet.tcp_sequence())
            }),
            Protocol::UDP => ports.is_some_and(|ports| {
                let start = packet.start().unwrap_or_default();
                self.may_be_sent((local, remote), ports, start)
            }),
            Protocol::ICMP => self.pings.is_waiting(remote.into(), packet.echo()),
            _ => false,
        }
    }

    /// Whether a socket may have sent a datagram that begins so: what it remembers of them decides, or its only peer.
    /// One that speaks to anybody and remembers nothing may have sent any.
    fn may_be_sent(
        &self,
        (local, remote): (Ipv4Addr, Ipv4Addr),
        (port, remote_port): (u16, u16),
        start: &[u8],
    ) -> bool {
        let index = match self.udp.ports.v4.find(local, port) {
            Some(Holder::Socket(index)) => index,
            Some(Holder::Query(_)) => return true,
            None => return false,
        };
        let Some(socket) = self.udp.sockets.at(index) else {
            return false;
        };
        if let Some(trace) = socket.trace {
            let sent = (Protocol::UDP, start);
            return self.traces.has(trace, remote, sent, None);
        }
        let peer = socket.v4.remote;
        peer.is_none_or(|peer| peer == (remote, remote_port))
    }

    /// Whether a connection has sent this and does not know that it has arrived.
    fn is_in_flight(&self, tuple: &Tuple<Ipv4Addr>, sequence: Option<u32>) -> bool {
        let tables = self.tcp.tables.of::<Ipv4Addr>();
        let Some(Target::Connection(index)) = tables.find(tuple) else {
            return false;
        };
        let (conn, sequence) = (tables.connections.at(index), sequence.map(Seq::new));
        let both = conn.zip(sequence);
        both.is_some_and(|(conn, sequence)| conn.tcp.is_in_flight(sequence))
    }
}
