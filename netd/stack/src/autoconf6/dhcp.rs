//! DHCP for IPv6 on an interface, as far as routers send there.
//!
//! *Owns* what the client's actions mean: addresses with their lives, name servers, domains. *Never*
//! speaks DHCP itself (`dhcp6`). Leased addresses stand alone: what is on the link, and by whom
//! everything else goes, routers say (RFC 8415 section 18.2.10.1).

use crate::autoconf::dhcp::is_between;
use crate::autoconf6::Autoconf6;
use crate::autoconf6::addresses::Lives;
use crate::autoconf6::names::By;
use crate::dhcp6::{Action, Client, Lease, Mode};
use crate::id::InterfaceId;
use crate::info::Origin;
use crate::ip::incoming::Incoming;
use crate::ip::out::{Path, USUAL_HOPS};
use crate::packets::Owner;
use crate::stack::Stack;
use ::tcp::Instant;
use core::net::Ipv6Addr;
use wire::dhcp6::{ALL_SERVERS, CLIENT_PORT, Message, MessageType, SERVER_PORT, Status};
use wire::ndp::RouterAdvertisement;
use wire::udp::{self, Datagram, NoChecksum};
use wire::{Cidr6, Drop};

/// Room for a message: one of a client never comes near.
const MESSAGE: usize = 576;
const TO_SERVERS: udp::Header = udp::Header {
    src_port: CLIENT_PORT,
    dst_port: SERVER_PORT,
};
/// So many actions can follow each other.
const ROUNDS: usize = 8;

impl Stack {
    fn dhcp6_client(&mut self, id: InterfaceId) -> Option<&mut Client> {
        self.autoconf6.get_mut(id.index())?.dhcp.as_mut()
    }

    /// A router says whether there is something to ask for (RFC 4861 section 4.2).
    pub(crate) fn heed_managed(
        &mut self,
        id: InterfaceId,
        said: &RouterAdvertisement,
        now: Instant,
    ) {
        let mode = match (said.managed, said.other) {
            (true, _) => Mode::Addresses,
            (false, true) => Mode::Information,
            (false, false) => return,
        };
        if let Some(auto) = self.autoconf6.get_mut(id.index())
            && let Some(client) = &mut auto.dhcp
        {
            client.heed(mode, &mut self.rng, now);
        }
    }

    /// The link came up.
    pub(crate) fn dhcp6_link_up(&mut self, id: InterfaceId, now: Instant) {
        if let Some(auto) = self.autoconf6.get_mut(id.index())
            && let Some(client) = &mut auto.dhcp
        {
            client.link_up(&mut self.rng, now);
        }
    }

    /// Does what is due, and sends what there is to say.
    pub(crate) fn fire_dhcp6(&mut self, id: InterfaceId, now: Instant) {
        for _ in 0..ROUNDS {
            let auto = self.autoconf6.get_mut(id.index());
            let Some(client) = auto.and_then(|auto| auto.dhcp.as_mut()) else {
                return;
            };
            let action = client.fire(&mut self.rng, now);
            if action == Action::None {
                break;
            }
            self.act6(id, action, now);
        }
        self.dhcp6_output(id, now);
    }

    fn act6(&mut self, id: InterfaceId, action: Action, now: Instant) {
        match action {
            Action::None => {}
            Action::Use => {
                let client = self.dhcp6_client(id);
                if let Some(lease) = client.and_then(|client| client.lease().copied()) {
                    self.use_lease6(id, &lease, now);
                }
            }
            Action::Lost => self.drop_leased6(id, now),
        }
    }

    /// Addresses live as long as the server says; new ones are asked about first (section 18.2.10.1).
    fn use_lease6(&mut self, id: InterfaceId, lease: &Lease, now: Instant) {
        for (address, preferred_until, valid_until) in lease.addresses() {
            let lives = Lives {
                valid_until,
                preferred_until,
            };
            let interface = self.interfaces.get_mut(id.index());
            let known = interface.and_then(|it| it.six.find(address));
            if let Some(own) = known {
                if own.origin == Origin::Dhcp {
                    own.valid_until = lives.valid_until;
                    own.preferred_until = lives.preferred_until;
                    self.heed_preference(id, address, now);
                }
            } else if self.put_address6(id, Cidr6::host(address), Origin::Dhcp, lives, 0) {
                self.claim6(id, address, now);
            }
        }
    }

    fn drop_leased6(&mut self, id: InterfaceId, now: Instant) {
        let leased = |stack: &Self| {
            let mut own = stack.interfaces.get(id.index())?.six.addresses.iter();
            let found = own.find(|own| own.origin == Origin::Dhcp)?;
            Some(found.address())
        };
        while let Some(address) = leased(self) {
            self.take_address6(id, address, now);
        }
        self.forget_names(id, By::Lease);
    }

    /// Somebody else has a leased address.
    pub(crate) fn leased_is_anothers(&mut self, id: InterfaceId, address: Ipv6Addr, now: Instant) {
        let Some(auto) = self.autoconf6.get_mut(id.index()) else {
            return;
        };
        let Some(client) = &mut auto.dhcp else { return };
        let action = client.conflict(address, &mut self.rng, now);
        self.act6(id, action, now);
        self.dhcp6_output(id, now);
        self.arm_interface6(id);
    }

    /// Whether a datagram is for the DHCP client of an interface.
    #[inline]
    pub(crate) fn dhcp6_wants(&self, incoming: &Incoming<'_, Ipv6Addr>) -> bool {
        is_between(incoming.payload, SERVER_PORT, CLIENT_PORT)
            && self
                .autoconf6
                .get(incoming.interface.index())
                .is_some_and(|auto| auto.dhcp.is_some())
    }

    /// Takes in a message for the DHCP client.
    #[cold]
    pub(crate) fn dhcp6_input(
        &mut self,
        incoming: &Incoming<'_, Ipv6Addr>,
        now: Instant,
    ) -> Result<(), Drop> {
        let id = incoming.interface;
        let datagram = Datagram::parse(incoming.payload, incoming.check(), NoChecksum::Refuse)?;
        let message = Message::parse(datagram.payload)?;
        // RFC 8415 section 16: a client is answered alone.
        if incoming.destination().is_multicast() {
            return Err(Drop::Dhcp6Unexpected);
        }
        let auto = self.autoconf6.get_mut(id.index());
        let client = auto.and_then(|auto| auto.dhcp.as_mut());
        let client = client.ok_or(Drop::UdpNoSocket)?;
        let action = client.input(&message, &mut self.rng, now)?;
        self.act6(id, action, now);
        if is_granted(&message) {
            self.heed_leased_names(id, &message.options);
        }
        self.dhcp6_output(id, now);
        self.fire_interface6(u32::from(id.raw()), now);
        Ok(())
    }

    /// Queues what the client has to say, to all servers of the link.
    fn dhcp6_output(&mut self, id: InterfaceId, now: Instant) {
        let mut message = [0; MESSAGE];
        loop {
            let interface = self.interfaces.get(id.index());
            let own = interface.and_then(|it| Some((it.six.link_local()?.address(), it.six.mtu)));
            let Some((source, mtu)) = own else { return };
            let client = self.dhcp6_client(id);
            let len = client.and_then(|client| client.emit(&mut message, now));
            let Some(bytes) = len.and_then(|len| message.get(..len)) else {
                return;
            };
            let path = Path {
                interface: id,
                next_hop: ALL_SERVERS,
                source,
                mtu,
                shared: true,
                version: self.nets.v6.routes.version(),
            };
            let to = (ALL_SERVERS, USUAL_HOPS);
            self.queue_datagram(&path, to, TO_SERVERS, Owner::None, bytes);
        }
    }

    /// Gives back what was leased.
    pub(crate) fn release_dhcp6(&mut self, id: InterfaceId, now: Instant) {
        let Some(client) = self.dhcp6_client(id) else {
            return;
        };
        let action = client.release();
        self.dhcp6_output(id, now);
        self.act6(id, action, now);
        self.arm_interface6(id);
    }
}

/// What a message says beside addresses counts only in an answer, not in an offer.
fn is_granted(message: &Message<'_>) -> bool {
    message.message_type == MessageType::Reply && message.options.status == Status::SUCCESS
}

impl Autoconf6 {
    /// When the client wants to be asked.
    pub(crate) fn dhcp_deadline(&self) -> Option<Instant> {
        self.dhcp.as_ref().and_then(Client::next_deadline)
    }
}
