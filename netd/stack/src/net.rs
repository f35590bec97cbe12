//! The tables of the network layer, a set for each family.
//!
//! *Owns* them and the choice between the two, which is made when the program is compiled: whoever
//! names a family gets its tables. *Never* looks at a packet.

use crate::config::Config;
use crate::family::Family;
use crate::ip::narrow::Narrow;
use crate::ip::out::Path;
use crate::multicast::sockets::Members;
use crate::neigh::cache::Cache;
use crate::packets::Packets;
use crate::reassembly::Reassembler;
use crate::redirects::Redirected;
use crate::rng::Rng;
use crate::route::Routes;
use crate::stack::Stack;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

/// The tables of one family.
#[derive(Debug)]
pub(crate) struct Net<A> {
    pub(crate) routes: Routes<A>,
    /// The way that was looked up last from an address of ours, and where it leads.
    pub(crate) last_path: Option<(A, Path<A>)>,
    pub(crate) neighbours: Cache<A>,
    pub(crate) packets: Packets<A>,
    pub(crate) reassembler: Reassembler<A>,
    pub(crate) members: Members<A>,
    pub(crate) narrow: Narrow<A>,
    pub(crate) redirected: Vec<Redirected<A>>,
}

impl<A: Family> Net<A> {
    fn new(config: &Config, rng: &mut Rng) -> Self {
        let neighbours = config.neighbours as usize;
        Self {
            routes: Routes::new(config.routes as usize),
            last_path: None,
            neighbours: Cache::new(neighbours, config.neighbour_reachable, rng),
            packets: Packets::new(
                (config.packets as usize, config.largest_mtu.into()),
                (
                    config.long_packets.into(),
                    A::HEADER_LEN + A::LONGEST_PAYLOAD,
                ),
                usize::from(config.interfaces).saturating_add(neighbours),
                config.interfaces.into(),
                A::UNSPECIFIED,
            ),
            reassembler: Reassembler::new(
                config.reassemblies,
                config.reassembly_pages,
                A::REASSEMBLY.1,
                rng,
            ),
            members: Members::new(config.memberships, config.memberships_per_client),
            narrow: Narrow::new(config.path_mtus as usize, rng),
            redirected: Vec::new(),
        }
    }
}

/// Those of both.
#[derive(Debug)]
pub(crate) struct Nets {
    pub(crate) v4: Net<Ipv4Addr>,
    pub(crate) v6: Net<Ipv6Addr>,
}

impl Nets {
    /// `rng` and `other` are their secrets' sources: none takes numbers from the other's.
    pub(crate) fn new(config: &Config, rng: &mut Rng, other: &mut Rng) -> Self {
        Self {
            v4: Net::new(config, rng),
            v6: Net::new(config, other),
        }
    }

    /// The tables of the family named.
    #[inline(always)]
    pub(crate) fn of<A: Family>(&self) -> &Net<A> {
        A::net(self)
    }

    /// The tables of the family named.
    #[inline(always)]
    pub(crate) fn of_mut<A: Family>(&mut self) -> &mut Net<A> {
        A::net_mut(self)
    }
}

impl Stack {
    /// The tables of the family named.
    #[inline(always)]
    pub(crate) fn net<A: Family>(&self) -> &Net<A> {
        self.nets.of()
    }

    /// The tables of the family named.
    #[inline(always)]
    pub(crate) fn net_mut<A: Family>(&mut self) -> &mut Net<A> {
        self.nets.of_mut()
    }
}
