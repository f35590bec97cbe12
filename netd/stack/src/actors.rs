//! Those who have something to send or to tell: connections, datagram sockets, listeners, pings,
//! look-ups and look-outs, numbered in one range so that one set of queues serves all.
//!
//! *Owns* the numbering only.

use crate::config::Config;
use crate::responder::BROWSES;

/// Somebody in a queue: the index of a thing in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Actor {
    /// A TCP connection.
    Connection(u32),
    /// A TCP connection over IPv6.
    Connection6(u32),
    /// A datagram socket.
    Datagram(u32),
    /// A listening socket.
    Listener(u32),
    /// A ping.
    Ping(u32),
    /// A name look-up.
    Lookup(u32),
    /// A look-out for services.
    Browse(u32),
    /// A client itself, about sockets that are gone.
    Client(u32),
}

/// Where each kind's numbers end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbering {
    connections: u32,
    connections6: u32,
    datagrams: u32,
    listeners: u32,
    pings: u32,
    lookups: u32,
    browses: u32,
    clients: u32,
}

impl Numbering {
    pub(crate) fn new(config: &Config) -> Self {
        let connections = config.connections;
        let connections6 = connections.saturating_add(config.connections6);
        let datagrams = connections6.saturating_add(config.datagram_sockets);
        let listeners = datagrams.saturating_add(config.listeners);
        let pings = listeners.saturating_add(config.pings);
        let lookups = pings.saturating_add(config.resolutions.into());
        let browses = lookups.saturating_add(BROWSES);
        let clients = browses.saturating_add(config.clients);
        Self {
            connections,
            connections6,
            datagrams,
            listeners,
            pings,
            lookups,
            browses,
            clients,
        }
    }

    /// How many numbers senders need: connections and datagram sockets come first.
    pub(crate) fn senders(&self) -> usize {
        self.datagrams as usize
    }

    /// How many numbers there are.
    pub(crate) fn all(&self) -> usize {
        self.clients as usize
    }

    #[inline]
    pub(crate) fn number(&self, actor: Actor) -> u32 {
        match actor {
            Actor::Connection(index) => index,
            Actor::Connection6(index) => self.connections.saturating_add(index),
            Actor::Datagram(index) => self.connections6.saturating_add(index),
            Actor::Listener(index) => self.datagrams.saturating_add(index),
            Actor::Ping(index) => self.listeners.saturating_add(index),
            Actor::Lookup(index) => self.pings.saturating_add(index),
            Actor::Browse(index) => self.lookups.saturating_add(index),
            Actor::Client(index) => self.browses.saturating_add(index),
        }
    }

    #[inline]
    pub(crate) fn actor(&self, number: u32) -> Actor {
        match number {
            _ if number < self.connections => Actor::Connection(number),
            _ if number < self.connections6 => Actor::Connection6(number - self.connections),
            _ if number < self.datagrams => Actor::Datagram(number - self.connections6),
            _ if number < self.listeners => Actor::Listener(number - self.datagrams),
            _ if number < self.pings => Actor::Ping(number - self.listeners),
            _ if number < self.lookups => Actor::Lookup(number - self.pings),
            _ if number < self.browses => Actor::Browse(number - self.lookups),
            _ => Actor::Client(number - self.browses),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_actor_has_a_number_of_its_own() {
        let config = Config {
            connections: 3,
            connections6: 7,
            datagram_sockets: 4,
            listeners: 2,
            pings: 5,
            resolutions: 6,
            clients: 3,
            ..Config::default()
        };
        let numbering = Numbering::new(&config);
        let all = (0..3)
            .map(Actor::Connection)
            .chain((0..7).map(Actor::Connection6))
            .chain((0..4).map(Actor::Datagram))
            .chain((0..2).map(Actor::Listener))
            .chain((0..5).map(Actor::Ping))
            .chain((0..6).map(Actor::Lookup))
            .chain((0..BROWSES).map(Actor::Browse))
            .chain((0..3).map(Actor::Client));
        let mut count = 0;
        for (number, actor) in all.enumerate() {
            assert_eq!(numbering.number(actor) as usize, number);
            assert_eq!(numbering.actor(number as u32), actor);
            count += 1;
        }
        assert_eq!((numbering.senders(), numbering.all()), (14, count));
    }
}
