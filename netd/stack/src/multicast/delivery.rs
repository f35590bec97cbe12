//! Datagrams for many: each socket that listens gets a copy, ours too.
//!
//! *Owns* the choice of the sockets, and what of what we send comes back to us. *Never* answers: nobody
//! is told that nobody listens (RFC 1122 3.2.2).
//!
//! Spec: RFC 1112 sections 6.1 and 7.2; RFC 1122 4.1.3.5; RFC 3376 section 3.1.

use crate::family::Family;
use crate::id::InterfaceId;
use crate::interface::{Interface, Scope};
use crate::ip::incoming::Incoming;
use crate::ip::out::Path;
use crate::memory::ClientMemory;
use crate::multicast::group::Group;
use crate::packets::Owner;
use crate::stack::Stack;
use crate::udp::socket::Holder;
use ::tcp::Instant;
use wire::udp::Datagram;
use wire::{Drop, MacAddress};

impl Interface {
    /// Whether frames to this group's hardware address are for us, as far as one family knows.
    pub(crate) fn hears_frames<A: Family>(&self, to: MacAddress) -> bool {
        let is_it = |group: A| group.group_mac() == Some(to);
        let mut groups = A::groups(self).iter();
        let heard = |group: &Group<A>| !group.filter.is_none() && is_it(group.address);
        A::takes_part(self) && (is_it(A::EVERYBODY) || groups.any(heard))
    }

    /// Whether somebody here listens to the group. Whom he wants to hear is asked later: routers may
    /// speak to all listeners, whatever these want (RFC 3376 section 4.1.12).
    pub(crate) fn hears<A: Family>(&self, group: A) -> Result<Scope, Drop> {
        let known = A::groups(self).find(group);
        let listens = known.is_some_and(|group| !group.filter.is_none());
        if listens || group == A::EVERYBODY {
            Ok(Scope::Multicast)
        } else {
            Err(A::NOT_FOR_US)
        }
    }

    /// Whether all who listen to the group refuse the source.
    fn refuses<A: Family>(&self, source: A, group: A) -> bool {
        let known = A::groups(self).find(group);
        known.is_some_and(|group| !group.filter.accepts(source))
    }
}

impl Stack {
    /// Takes in a datagram that is for all who listen on the link: delivered if anybody here does.
    #[cold]
    pub(crate) fn udp_input_for_many<A: Family, M: ClientMemory>(
        &mut self,
        incoming: &Incoming<'_, A>,
        datagram: &Datagram<'_>,
        memory: &mut M,
        now: Instant,
    ) -> Result<(), Drop> {
        let (source, to) = (incoming.source(), incoming.destination());
        let port = datagram.header.dst_port;
        let interface = self.interfaces.get(incoming.interface.index());
        if to != A::EVERYBODY && interface.is_some_and(|it| it.refuses(source, to)) {
            return Err(Drop::GroupSource);
        }
        let mut result = Err(Drop::UdpNoSocket);
        for place in 0.. {
            let Some(holder) = self.udp.ports.of::<A>().holder(to, port, place) else {
                break;
            };
            let Holder::Socket(index) = holder else {
                continue;
            };
            let is_for_group = incoming.scope == Scope::Multicast && to != A::EVERYBODY;
            let members = &self.net::<A>().members;
            if is_for_group && !members.hears(index, incoming.interface, (source, to)) {
                continue;
            }
            let delivered = self.udp_deliver(index, incoming, datagram, memory);
            result = match (result, delivered) {
                (Ok(()), _) | (_, Ok(())) => Ok(()),
                (_, Err(reason)) => Err(reason),
            };
        }
        if self.is_for_responder(incoming, datagram) {
            result = result.or(self.responder_input(incoming, datagram, now));
        }
        result
    }

    /// Whether a copy of a datagram that leaves by this path is for ourselves (RFC 1112 section 6.1).
    pub(crate) fn is_for_own_members<A: Family>(&self, path: &Path<A>, group: A) -> bool {
        let interface = self.interfaces.get(path.interface.index());
        interface.is_some_and(|interface| interface.hears(group).is_ok())
    }

    /// The interface that the next packet through loopback left by, if it is a copy for a group.
    pub(crate) fn looped_by<A: Family>(&self) -> Option<InterfaceId> {
        let queue = Self::ready_queue(InterfaceId::LOOPBACK);
        match self.net::<A>().packets.first(queue)?.1.owner {
            Owner::Looped(id) => Some(id),
            _ => None,
        }
    }
}
