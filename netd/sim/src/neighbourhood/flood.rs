//! Parts of packets that never become whole: floods of first parts, parts that overlap, tiny ones, such
//! that lie beyond the longest packet.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use stack::Instant;

use super::address::{FLOODER, four, local, mac};
use super::frames::{part4, part6};
use crate::random::Random;
use crate::world::Device;

/// Between two floods, at most.
const LONGEST: Duration = Duration::from_secs(3);
/// Parts in one.
const PARTS: u64 = 120;

pub(super) struct Flooder {
    pub(super) hosts: usize,
    pub(super) random: Random,
    pub(super) next: Instant,
    /// It has sent all when this time comes.
    pub(super) ends: Instant,
}

impl Flooder {
    /// A part for a host, from one of many addresses that are nobody's.
    fn part(&mut self, host: usize, place: (u16, u16, bool), len: usize) -> Vec<u8> {
        let from = 200 + u8::try_from(self.random.below(40)).unwrap_or(0);
        let payload = vec![0x5a; len];
        let links = (FLOODER, mac(host));
        if self.random.below(2) == 0 {
            let ends = (Ipv4Addr::new(10, 0, 2, from), four(host));
            part4(links, ends, place, &payload)
        } else {
            let from = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xbad, from.into());
            part6(links, (from, local(host)), place, &payload)
        }
    }

    fn flood(&mut self) -> Vec<Vec<u8>> {
        let host = self.random.index(self.hosts);
        let kind = self.random.below(4);
        (0..1 + self.random.below(PARTS))
            .map(|number| {
                let id = u16::try_from(number).unwrap_or(0);
                match kind {
                    // First parts, each of another packet.
                    0 => self.part(host, (id, 0, true), 1_400),
                    // Parts that lie over each other.
                    1 => self.part(host, (id / 4, id % 4 * 10, true), 240),
                    // Parts of eight bytes, one packet.
                    2 => self.part(host, (7, id * 2, true), 8),
                    // The last part, beyond what a packet can be.
                    _ => self.part(host, (id, 8_191, false), 1_000),
                }
            })
            .collect()
    }
}

impl Device for Flooder {
    fn answer(&mut self, _: &[u8], _: Instant) -> Vec<Vec<u8>> {
        Vec::new()
    }

    fn due(&self) -> Option<Instant> {
        (self.next < self.ends).then_some(self.next)
    }

    fn speak(&mut self, now: Instant) -> Vec<Vec<u8>> {
        self.next = now + self.random.up_to(LONGEST).max(Duration::from_millis(1));
        self.flood()
    }
}
