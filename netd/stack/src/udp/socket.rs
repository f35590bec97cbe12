//! A datagram socket: its ends, and the requests that wait.
//!
//! *Owns* no bytes: what is to be sent lies in the client's arena until it is written into a frame;
//! what arrives goes straight into the room that the client gave.

use crate::bindings::Bindings;
use crate::config::Config;
use crate::error::SocketError;
use crate::family::{Family, mapped};
use crate::id::{ClientId, InterfaceId, SocketId, Token};
use crate::ip::out::Path;
use crate::nodes::{Chain, Nodes};
use crate::options::SocketOptions;
use crate::raw::options::RawPackets;
use crate::rng::Rng;
use crate::slab::Table;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use core::num::NonZeroU16;
use wire::{EtherType, MacAddress};

/// Who has a UDP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// A client's socket, at this index.
    Socket(u32),
    /// A question to a name server, by this number.
    Query(u16),
}

/// A way, as it was found for these two ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownWay<A> {
    pub(crate) to: A,
    pub(crate) bound: Option<A>,
    pub(crate) path: Path<A>,
}

/// What a socket is in one family.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Side<A> {
    /// The address that it has; unspecified for all, none for no part in the family.
    pub(crate) local: Option<A>,
    /// The only peer that it hears.
    pub(crate) remote: Option<(A, u16)>,
    /// The way that the last datagram took.
    pub(crate) way: Option<KnownWay<A>>,
}

impl<A: Family> Side<A> {
    const NONE: Self = Self {
        local: None,
        remote: None,
        way: None,
    };

    /// The one address of ours that it speaks from, if it has chosen. A group speaks to nobody.
    #[inline]
    pub(crate) fn bound(&self) -> Option<A> {
        let is_host = |local: &A| *local != A::UNSPECIFIED && !local.is_group();
        self.local.filter(is_host)
    }
}

/// What a raw socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Raw {
    /// Packets of a protocol.
    Packets(RawPackets),
    /// Frames.
    Frames(Frames),
}

/// Frames of one type on one link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frames {
    pub(crate) ethertype: EtherType,
    pub(crate) link: InterfaceId,
    /// Those for this group are heard, too.
    pub(crate) group: Option<MacAddress>,
}

/// How much of a datagram that leaves in parts has left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cutting {
    /// Bytes, the header's included.
    pub(crate) from: usize,
    pub(crate) identification: u32,
}

/// A datagram socket.
#[derive(Debug)]
pub(crate) struct Datagram {
    pub(crate) client: ClientId,
    pub(crate) socket: SocketId,
    /// The port, if it is bound.
    pub(crate) port: Option<NonZeroU16>,
    /// It is a raw socket for this, bound from the start, and never has a port.
    pub(crate) raw: Option<Raw>,
    /// What it has sent lately, if it wants details of what comes.
    pub(crate) trace: Option<u32>,
    pub(crate) v4: Side<Ipv4Addr>,
    pub(crate) v6: Side<Ipv6Addr>,
    pub(crate) options: SocketOptions,
    /// Datagrams to send, where those over IPv6 go, and how much of the first has left, if that is in
    /// parts.
    pub(crate) sends: Chain,
    pub(crate) destinations: Chain,
    pub(crate) cutting: Option<Cutting>,
    /// Datagrams sent, not told of yet.
    pub(crate) done: Chain,
    /// Rooms with space left.
    pub(crate) rooms: Chain,
    /// What has arrived and is not told of yet, and from where that over IPv6 came.
    pub(crate) arrivals: Chain,
    pub(crate) sources: Chain,
    /// Requests that ended with an error.
    pub(crate) notices: Chain,
    /// A connect that is not told of yet.
    pub(crate) connected: Option<Token>,
    /// What the network says about the peer.
    pub(crate) error: Option<SocketError>,
    /// A close that waits for the last send.
    pub(crate) closing: Option<Token>,
}

impl Datagram {
    pub(crate) fn new(client: ClientId, socket: SocketId, options: SocketOptions) -> Self {
        Self {
            client,
            socket,
            port: None,
            raw: None,
            trace: None,
            v4: Side::NONE,
            v6: Side::NONE,
            options,
            sends: Chain::EMPTY,
            destinations: Chain::EMPTY,
            cutting: None,
            done: Chain::EMPTY,
            rooms: Chain::EMPTY,
            arrivals: Chain::EMPTY,
            sources: Chain::EMPTY,
            notices: Chain::EMPTY,
            connected: None,
            error: None,
            closing: None,
        }
    }

    /// What it is for and has chosen, if it is a raw socket for packets.
    pub(crate) const fn packets(&self) -> Option<RawPackets> {
        match self.raw {
            Some(Raw::Packets(packets)) => Some(packets),
            _ => None,
        }
    }

    /// Whether it has a local address.
    #[inline]
    pub(crate) const fn is_bound(&self) -> bool {
        self.port.is_some() || self.raw.is_some()
    }

    /// A port that was named with a peer. What is raw has none.
    #[inline]
    pub(crate) const fn peers_port(&self, port: u16) -> u16 {
        if self.raw.is_some() { 0 } else { port }
    }

    /// Our end, as its client sees it: an address of IPv6 if it takes part in that.
    pub(crate) fn local(&self) -> Option<SocketAddr> {
        let port = match self.raw {
            Some(_) => 0,
            None => self.port?.get(),
        };
        match (self.v6.local, self.v4.local) {
            // Bound to all addresses of both, and connected over IPv4 since.
            (Some(Ipv6Addr::UNSPECIFIED), Some(v4)) if self.v4.remote.is_some() => {
                Some(self.shown(v4.end(port)))
            }
            (Some(v6), _) => Some(v6.end(port)),
            (None, Some(v4)) => Some(v4.end(port)),
            (None, None) => None,
        }
    }

    /// The only peer that it hears, as its client sees it.
    pub(crate) fn remote(&self) -> Option<SocketAddr> {
        let v4 = self.v4.remote.map(|(ip, port)| ip.end(port));
        let v6 = self.v6.remote.map(|(ip, port)| ip.end(port));
        v4.or(v6).map(|end| self.shown(end))
    }

    /// An end as its client sees it.
    pub(crate) fn shown(&self, end: SocketAddr) -> SocketAddr {
        match self.v6.local {
            Some(_) => mapped(end),
            None => end,
        }
    }
}

/// All datagram sockets.
#[derive(Debug)]
pub(crate) struct Udp {
    pub(crate) sockets: Table<Datagram>,
    pub(crate) ports: Ports,
    /// Those of them that are for a protocol of IP, and those that are for frames.
    pub(crate) raws: Vec<u32>,
    pub(crate) frames: Vec<u32>,
    /// The addresses that datagrams over IPv6 wait with.
    pub(crate) peers: Nodes<Ipv6Addr>,
}

/// Who has which port, in each family.
#[derive(Debug)]
pub(crate) struct Ports {
    pub(crate) v4: Bindings<Ipv4Addr, Holder>,
    pub(crate) v6: Bindings<Ipv6Addr, Holder>,
}

impl Ports {
    /// The port is not the holder's any more.
    pub(crate) fn free(&mut self, port: NonZeroU16, holder: Holder) {
        self.v4.remove(port.get(), holder);
        self.v6.remove(port.get(), holder);
    }

    /// Those of the family named.
    #[inline(always)]
    pub(crate) fn of<A: Family>(&self) -> &Bindings<A, Holder> {
        A::ports(self)
    }

    /// Those of the family named.
    #[inline(always)]
    pub(crate) fn of_mut<A: Family>(&mut self) -> &mut Bindings<A, Holder> {
        A::ports_mut(self)
    }
}

impl Udp {
    /// `rng` and `other` are the families' secrets' sources.
    pub(crate) fn new(config: &Config, rng: &mut Rng, other: &mut Rng) -> Self {
        let sockets = config.datagram_sockets as usize;
        let ports = sockets.saturating_add(config.resolutions.into());
        Self {
            sockets: Table::new(sockets),
            ports: Ports {
                v4: Bindings::new(ports, rng),
                v6: Bindings::new(ports, other),
            },
            raws: Vec::with_capacity(config.detailed_sockets.into()),
            frames: Vec::with_capacity(config.detailed_sockets.into()),
            peers: Nodes::new(
                config.datagram_peers as usize,
                config.clients as usize,
                config.datagram_peers / 2,
            ),
        }
    }
}
