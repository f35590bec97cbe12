//! What a datagram that came in parts costs its receiver: from the frames to readable bytes.

use stack::{Data, EventKind, Range, SocketId, Token};
use std::net::SocketAddr;

use crate::Effort;
use crate::burst::Burst;
use crate::clock::{median, wall};
use crate::figure::Figure;
use crate::ours::{self, Family};
use crate::wire_setup::WireSetup;

/// The longest that UDP over IPv4 takes, so that both families have as many bytes.
const SIZE: u32 = 65_507;
const SLOTS: usize = 64;
const PORT: u16 = 6_000;

/// Our two ends, with a datagram socket each.
pub struct Ours {
    hosts: [ours::Host; 2],
    burst: Burst,
    sockets: [SocketId; 2],
    to: SocketAddr,
    parts: usize,
}

impl Ours {
    pub fn new(family: Family) -> Self {
        let setup = WireSetup::PLAIN;
        let mut hosts = [1, 2].map(|number| {
            let host = ours::Host::new(number, setup, stack::Config::default(), 1 << 17);
            host.over_both(number, setup)
        });
        let sockets = [(0, 5_000), (1, PORT)]
            .map(|(place, port): (usize, u16)| hosts[place].datagrams_at(family.any(port)));
        hosts[0].memory.0.fill(0x5a);
        Self {
            hosts,
            burst: Burst::new(SLOTS, setup.stride()),
            sockets,
            to: family.at(2, PORT),
            parts: 0,
        }
    }

    /// Parts of each datagram.
    pub fn parts(&self) -> usize {
        self.parts
    }

    /// Nanoseconds for each part of a datagram to become readable with all others.
    pub fn round(&mut self) -> f64 {
        let [from, to] = &mut self.hosts;
        let [sender, receiver] = self.sockets;
        let room = Range::new(0, SIZE);
        to.stack
            .receive(to.client, receiver, room, Token(1), to.now)
            .expect("a place for a room");
        from.stack
            .send(
                from.client,
                sender,
                Data::Arena(room),
                Some(self.to),
                Token(2),
                from.now,
            )
            .expect("a place for a send");
        from.send(&mut self.burst);
        from.publish();
        self.parts = self.burst.count();
        let count = u32::try_from(self.parts).expect("a few dozen");
        let burst = &mut self.burst;
        let each = wall(count, || read(to, burst));
        let is_whole = to
            .events
            .iter()
            .any(|event| matches!(event.kind, EventKind::Received { length: SIZE, .. }));
        assert!(is_whole, "a datagram for each round");
        each
    }
}

#[inline(never)]
fn read(host: &mut ours::Host, burst: &mut Burst) {
    host.receive(burst);
    host.publish();
}

/// A row for each family.
pub fn measure(effort: Effort) -> Vec<Figure> {
    let rounds = if effort == Effort::Quick { 100 } else { 2_000 };
    let rows = [(Family::Four, "IPv4"), (Family::Six, "IPv6")];
    let mut figures: Vec<Figure> = Vec::new();
    for (family, name) in rows {
        let mut ours = Ours::new(family);
        let mut values: Vec<f64> = (0..rounds).map(|_| ours.round()).collect();
        let name = format!("64 KiB in {} parts over {name}: each", ours.parts());
        figures.push(Figure::alone(name, median(&mut values), "ns"));
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::{Family, Ours, SIZE};

    #[test]
    fn datagrams_come_in_parts_and_are_read_whole() {
        for family in [Family::Four, Family::Six] {
            let mut ours = Ours::new(family);
            for _ in 0..3 {
                assert!(ours.round() > 0.0);
                assert!(ours.parts() > 44, "{}", ours.parts());
                let read = &ours.hosts[1].memory.0[..SIZE as usize];
                assert!(read.iter().all(|byte| *byte == 0x5a));
                ours.hosts[1].memory.0.fill(0);
            }
        }
    }
}
