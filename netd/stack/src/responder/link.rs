//! A responder on its link: when it is called, what it hears, and how what it says leaves.
//!
//! *Owns* the calls between the two. *Never* reads a message.
//!
//! Spec: RFC 6762 sections 3 and 11.

use super::input::Heard;
use super::output::To;
use super::{PORT, Responder};
use crate::dns::{Answer, Kind, Outcome, multicast};
use crate::error::InterfaceError;
use crate::family::Family;
use crate::id::InterfaceId;
use crate::info::AddressState;
use crate::interface::{Interface, Medium};
use crate::ip::incoming::Incoming;
use crate::ip::out::Path;
use crate::packets::Owner;
use crate::stack::Stack;
use crate::timers::Timer;
use ::tcp::Instant;
use alloc::boxed::Box;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use wire::Drop;
use wire::dns::Name;
use wire::udp::{self, Datagram};

/// The longest message that is sent, where the link allows: it fits into a frame over both families.
pub(super) const LONGEST: usize = 1_500 - HEADERS;
/// What names of the link end with.
const LOCAL: &str = ".local";
const HEADERS: usize = wire::ipv6::HEADER_LEN + udp::HEADER_LEN;

/// The addresses of a link that others are told: not those that change every day, nor those that may
/// be somebody else's.
fn told(interface: &Interface) -> impl Iterator<Item = IpAddr> + Clone {
    let v4 = interface.usable().map(|own| IpAddr::V4(own.cidr.address()));
    let is_lasting = |own: &&crate::interface6::Address6| {
        own.state == AddressState::Preferred && own.temporary.is_none()
    };
    let v6 = interface.six.addresses.iter().filter(is_lasting);
    v4.chain(v6.map(|own| IpAddr::V6(own.address())))
}

impl Stack {
    /// Answers on a link for the host's name (that of [`crate::Config::host_name`] below `local`, or one
    /// like it if somebody else has that), from when the link has an address.
    ///
    /// # Errors
    /// See [`InterfaceError`]: no such interface on a wire.
    pub fn answer_names(&mut self, id: InterfaceId, now: Instant) -> Result<(), InterfaceError> {
        let interface = self.interfaces.get(id.index());
        let is_wire = interface.is_some_and(|it| it.medium == Medium::Ethernet);
        let place = self.responders.get_mut(id.index()).filter(|_| is_wire);
        let place = place.ok_or(InterfaceError::NoInterface)?;
        *place = Some(Box::new(Responder::new(self.config.host_name.as_bytes())));
        for group in multicast::ALL {
            match group.ip() {
                IpAddr::V4(group) => self.listen_by_itself(id, group, true, now),
                IpAddr::V6(group) => self.listen_by_itself(id, group, true, now),
            }
        }
        self.offer_all(id, now);
        self.fire_responder(id.raw().into(), now);
        Ok(())
    }

    /// The name that a link knows the host by, once it is the host's.
    #[must_use]
    pub fn link_name(&self, id: InterfaceId) -> Option<Name> {
        self.responders.get(id.index())?.as_ref()?.host().copied()
    }

    /// Addresses have changed: those who tell them are to look.
    pub(crate) fn wake_responders(&mut self) {
        for (index, responder) in (0..).zip(&self.responders) {
            if responder.is_some() {
                self.timers
                    .set(Timer::Responder(index), Some(Instant::ZERO));
            }
        }
    }

    /// The link came up: it may be another.
    pub(crate) fn restart_responder(&mut self, id: InterfaceId, now: Instant) {
        let responder = self.responders.get_mut(id.index());
        if let Some(responder) = responder.and_then(Option::as_mut) {
            responder.restart(&mut self.rng, now);
        }
    }

    /// Something is due to be said, or addresses have changed.
    pub(crate) fn fire_responder(&mut self, index: u32, now: Instant) {
        let id = InterfaceId(u8::try_from(index).unwrap_or(u8::MAX));
        let responder = self.responders.get_mut(id.index());
        if let Some(responder) = responder.and_then(Option::as_mut)
            && let Some(interface) = self.interfaces.get(id.index())
        {
            responder.set_addresses(told(interface), &mut self.rng, now);
        }
        self.run_responder(id, now);
    }

    /// Sends what is due.
    fn run_responder(&mut self, id: InterfaceId, now: Instant) {
        let interface = self.interfaces.get(id.index());
        let Some(interface) = interface.filter(|it| it.up) else {
            return self.timers.disarm(Timer::Responder(id.raw().into()));
        };
        let mut message = [0; LONGEST];
        let room = usize::from(interface.mtu).saturating_sub(HEADERS);
        let message = message.split_at_mut(room.min(LONGEST)).0;
        while let Some(responder) = self.responders.get_mut(id.index())
            && let Some(responder) = responder
        {
            let Some((to, len)) = responder.output(message, now) else {
                let next = responder.next_deadline();
                return self.timers.set(Timer::Responder(id.raw().into()), next);
            };
            let bytes = message.get(..len).unwrap_or_default();
            match to {
                To::One(to) => self.say(id, to, bytes),
                To::All | To::All4 | To::All6 => {
                    for all in multicast::ALL {
                        if to == To::All || (to == To::All4) == all.is_ipv4() {
                            self.say(id, all, bytes);
                        }
                    }
                }
            }
        }
    }

    /// Sends a message to all, over both families.
    pub(super) fn say_to_all(&mut self, id: InterfaceId, bytes: &[u8]) {
        for all in multicast::ALL {
            self.say(id, all, bytes);
        }
    }

    fn say(&mut self, id: InterfaceId, to: SocketAddr, bytes: &[u8]) {
        match to.ip() {
            IpAddr::V4(ip) => self.say_over::<Ipv4Addr>(id, (ip, to.port()), bytes),
            IpAddr::V6(ip) => self.say_over::<Ipv6Addr>(id, (ip, to.port()), bytes),
        }
    }

    /// Sends a message, if there is an address to speak from.
    fn say_over<A: Family>(&mut self, id: InterfaceId, (to, port): (A, u16), bytes: &[u8]) {
        // Whoever is answered alone is a neighbour.
        let Some(path) = self.group_path(to, None, id) else {
            return;
        };
        let path = Path {
            shared: to.is_group(),
            ..path
        };
        let ports = udp::Header {
            src_port: PORT,
            dst_port: port,
        };
        self.queue_datagram(&path, (to, u8::MAX), ports, Owner::None, bytes);
    }

    /// Whether a datagram is for who answers on its link, which hears nobody of this host.
    pub(crate) fn is_for_responder<A: Family>(
        &self,
        incoming: &Incoming<'_, A>,
        datagram: &Datagram<'_>,
    ) -> bool {
        let to = incoming.destination();
        let group = |all: &SocketAddr| all.ip() == to.into();
        let responder = self.responders.get(incoming.interface.index());
        datagram.header.dst_port == PORT
            && responder.is_some_and(Option::is_some)
            && (!to.is_group() || multicast::ALL.iter().any(group))
            && !self.is_own(incoming.source())
    }

    /// Takes in a message for who answers.
    pub(crate) fn responder_input<A: Family>(
        &mut self,
        incoming: &Incoming<'_, A>,
        datagram: &Datagram<'_>,
        now: Instant,
    ) -> Result<(), Drop> {
        let id = incoming.interface;
        let source = incoming.source();
        let interface = self.interfaces.get(id.index());
        let heard = Heard {
            from: source.end(datagram.header.src_port),
            is_beside: interface.is_some_and(|it| source.is_beside(it)),
            is_for_all: incoming.destination().is_group(),
        };
        let responder = self.responders.get_mut(id.index());
        let responder = responder.and_then(Option::as_mut);
        let Some(responder) = responder else {
            return Err(Drop::UdpNoSocket);
        };
        let message = responder.input(datagram.payload, heard, &mut self.rng, now)?;
        if message.header.is_response {
            self.browses_hear(&message);
        }
        self.run_responder(id, now);
        Ok(())
    }

    /// What the host itself is asked about its own name, or the one that it asks the link for: nobody
    /// else would answer.
    pub(crate) fn own_name(&self, name: &str, kind: Kind) -> Option<Answer> {
        if kind == Kind::Ptr {
            return self.own_back(&name.parse().ok()?);
        }
        // Most names are not of the link.
        let bare = name.strip_suffix('.').unwrap_or(name);
        let end = bare.get(bare.len().checked_sub(LOCAL.len())?..)?;
        let name: Name = Some(name)
            .filter(|_| end.eq_ignore_ascii_case(LOCAL))?
            .parse()
            .ok()?;
        let is_it = |(index, _): &(usize, _)| {
            let responder = self.responders.get(*index).and_then(Option::as_ref);
            responder.and_then(|it| it.name()) == Some(&name)
        };
        let (_, interface) = self.interfaces.iter().enumerate().find(is_it)?;
        let addresses = told(interface).filter(|it| it.is_ipv4() == (kind == Kind::A));
        let mut addresses = addresses.peekable();
        let outcome = match addresses.peek() {
            Some(_) => Outcome::Addresses(addresses.collect()),
            None => Outcome::NoData,
        };
        Some(known(outcome))
    }

    /// The same of the names of its own addresses.
    fn own_back(&self, name: &Name) -> Option<Answer> {
        let is_it = |address: IpAddr| Name::of_address(address) == *name;
        if is_it(Ipv4Addr::LOCALHOST.into()) || is_it(Ipv6Addr::LOCALHOST.into()) {
            return Some(known(Outcome::Name("localhost".parse().ok()?)));
        }
        let mut interfaces = self.interfaces.iter().zip(&self.responders);
        let (_, responder) = interfaces.find(|(interface, _)| told(interface).any(is_it))?;
        let own = responder.as_ref()?.host()?;
        Some(known(Outcome::Name(*own)))
    }
}

/// An answer that nobody was asked for.
const fn known(outcome: Outcome) -> Answer {
    Answer {
        outcome,
        ttl: 0,
        server: None,
        aliases: 0,
    }
}
