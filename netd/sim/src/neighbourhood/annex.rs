//! A second wire, with one host on it, and the link of a host of ours to that.
//!
//! *Owns* who is there and what they say to each other: datagrams in parts both ways, over either family.
//! [`border`](super::border) sees what leaves by the wrong link.

use std::cell::RefCell;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use stack::Instant;

use super::address::{ANNEXED, annex4, annex6, mac};
use super::border::{Border, of_annex};
use super::play::{given, setup};
use crate::programs::{DatagramClient, DatagramEcho};
use crate::weather::Weather;
use crate::world::{StationId, World};
use crate::{WireId, host};

/// The number of the hardware address of the second link.
const PLUG: u8 = 13;
const ECHO: u16 = 9;

pub(super) struct Annex {
    host: StationId,
    /// What no host may do.
    pub(super) faults: Rc<RefCell<Vec<String>>>,
}

impl Annex {
    /// Gives the host, which is on a wire, a second link.
    pub(super) fn new(world: &mut World, (wire, of): (WireId, StationId), ends: Instant) -> Self {
        let annex = world.wire(Weather::FAIR);
        let there = world.host(annex, setup("annexed", ANNEXED, annex4(ANNEXED)));
        let link = world.plug((of, annex), ("second", PLUG), given(annex4(0)));
        let faults = Rc::new(RefCell::new(Vec::new()));
        let now = world.now();
        for (id, place, link) in [(of, 0, Some(link)), (there, ANNEXED, None)] {
            let host = world.host_mut(id);
            let link = link.unwrap_or(host.link);
            let six = annex6(place).into();
            host.stack
                .add_address(link, six, 64, now)
                .expect("a place for an address");
        }
        for (wire, is_annex) in [(wire, false), (annex, true)] {
            let random = world.random().fork();
            let border = Border {
                is_annex,
                host: if is_annex { host::mac(PLUG) } else { mac(0) },
                random,
                next: now + Duration::from_secs(9),
                ends,
                faults: Rc::clone(&faults),
            };
            world.device(wire, "border", border);
        }
        Self {
            host: there,
            faults,
        }
    }

    /// Both ask each other.
    pub(super) fn talk(&self, world: &mut World, host: StationId) {
        let ends = [(self.host, 0), (host, ANNEXED)];
        for (from, to) in ends {
            world.install(from, DatagramEcho::new(ECHO, Duration::from_secs(20)));
            for address in of_annex(to) {
                let to = match address {
                    IpAddr::V4(four) => four.to_ipv6_mapped(),
                    IpAddr::V6(six) => six,
                };
                let to = SocketAddr::from((to, ECHO));
                let client = DatagramClient::new(to, 40, false);
                world.install(from, client.at_pace(Duration::from_secs(2), 4_000));
            }
        }
    }
}
