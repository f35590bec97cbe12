//! What must hold of parts of packets, whatever comes: for the tests, and for `fuzz`.
//!
//! Any bytes are a story: each six are a part of either family, of one of a few packets from one of a
//! few senders, perhaps some seconds after the one before.

use stack::{AddressPlan, ClientId, ClientMemory, Config, Gone, Identifiers, Instant, InterfaceId};
use stack::{Ipv6Plan, LinkFacts, MacAddress, ReceiveMeta, Stack, StaticPlan};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

const OURS: MacAddress = MacAddress([2, 0, 0, 0, 0, 15]);
const THEIRS: MacAddress = MacAddress([2, 0, 0, 0, 0, 16]);
const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
/// It follows from the hardware address.
const OWN6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 0xf);
/// Who sends the last packet, which is honest.
const HONEST: u8 = 200;

/// Nobody has memory.
struct Nobody;

impl ClientMemory for Nobody {
    fn write(&mut self, _: ClientId, _: u64, _: &[u8]) -> Result<(), Gone> {
        Err(Gone)
    }

    fn read(&self, _: ClientId, _: u64, _: &mut [u8]) -> Result<(), Gone> {
        Err(Gone)
    }
}

/// Where a part lies, and what it says.
struct Part {
    is_six: bool,
    from: u8,
    id: u8,
    offset: u16,
    more: bool,
}

struct World {
    stack: Stack,
    link: InterfaceId,
    now: Instant,
}

impl World {
    fn new() -> Self {
        let now = Instant::from_secs(1);
        let config = Config {
            reassemblies: 4,
            reassembly_pages: 20,
            connections: 4,
            connections6: 4,
            ..Config::default()
        };
        let mut stack = Stack::new(config, [7; 32], now);
        let facts = LinkFacts {
            mac: OURS,
            mtu: 1_500,
            up: true,
            checksum_transmit: false,
        };
        let plan = StaticPlan {
            address: OWN,
            gateway: None,
            ..StaticPlan::qemu_user()
        };
        let link = stack.add_interface(facts, AddressPlan::Static(plan), now);
        let link = link.expect("an interface");
        let plan = Ipv6Plan {
            identifiers: Identifiers::Hardware,
            is_optimistic: false,
            follows_routers: false,
            has_temporary: false,
        };
        stack.start_ipv6(link, plan, now).expect("IPv6");
        for address in [IpAddr::V4(four(HONEST)), IpAddr::V6(six(HONEST))] {
            let known = stack.add_neighbour(link, address, THEIRS, now);
            known.expect("a neighbour");
        }
        let mut world = Self { stack, link, now };
        world.pass(Duration::from_secs(5));
        world
    }

    /// Time passes. Gives what was sent.
    fn pass(&mut self, time: Duration) -> Vec<Vec<u8>> {
        let end = self.now + time;
        let mut sent = self.settle();
        while let Some(at) = self.stack.next_deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            sent.extend(self.settle());
        }
        self.now = end;
        sent
    }

    fn settle(&mut self) -> Vec<Vec<u8>> {
        self.stack.fire(&mut Nobody, self.now);
        let mut sent = Vec::new();
        let mut frame = [0; 1_514];
        while let Some((len, _)) = self
            .stack
            .output(self.link, &mut frame, &mut Nobody, self.now)
        {
            sent.push(frame[..len].to_vec());
        }
        let totals = self.stack.totals();
        let accounted = totals.delivered + totals.dropped;
        assert_eq!(
            totals.received.packets, accounted,
            "the books do not balance"
        );
        sent
    }

    fn take(&mut self, part: &Part, bytes: &[u8]) -> Vec<Vec<u8>> {
        let frame = if part.is_six {
            frame6(part, bytes)
        } else {
            frame4(part, bytes)
        };
        let meta = ReceiveMeta::default();
        self.stack
            .input(self.link, &frame, meta, &mut Nobody, self.now);
        self.settle()
    }

    /// An honest packet in two parts is put together, and answered as it came.
    fn is_whole(&mut self, is_six: bool) {
        let mut echo = vec![if is_six { 128 } else { 8 }, 0, 0, 0, 0, 1, 0, 1];
        echo.extend([5; 92]);
        let sum = match is_six {
            false => wire::sum(&echo),
            true => wire::Pseudo::v6(six(HONEST), OWN6)
                .with(wire::Protocol::ICMPV6, 100)
                .plus(wire::sum(&echo)),
        };
        echo[2..4].copy_from_slice(&sum.finish());
        let mut sent = Vec::new();
        for (offset, bytes) in [(0, &echo[..48]), (48, &echo[48..])] {
            let part = Part {
                is_six,
                from: HONEST,
                id: 255,
                offset,
                more: offset == 0,
            };
            sent.extend(self.take(&part, bytes));
        }
        let is_answer = |frame: &Vec<u8>| frame.ends_with(&[5; 92]);
        assert!(sent.iter().any(is_answer), "an honest packet is lost");
    }
}

fn four(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 2, last)
}

fn six(last: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 1, last.into())
}

fn frame4(part: &Part, bytes: &[u8]) -> Vec<u8> {
    let total = u16::try_from(20 + bytes.len()).expect("short");
    let field = part.offset >> 3 | u16::from(part.more) << 13;
    let protocol = if part.from == HONEST { 1 } else { 17 };
    let mut packet = vec![0x45, 0];
    packet.extend(total.to_be_bytes());
    packet.extend([0, part.id]);
    packet.extend(field.to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(four(part.from).octets());
    packet.extend(OWN.octets());
    let sum = wire::sum(&packet).finish();
    packet[10..12].copy_from_slice(&sum);
    [&OURS.0[..], &THEIRS.0, &[8, 0], &packet, bytes].concat()
}

fn frame6(part: &Part, bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + bytes.len()).expect("short");
    let field = part.offset & !7 | u16::from(part.more);
    let next = if part.from == HONEST { 58 } else { 17 };
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([44, 64]);
    packet.extend(six(part.from).octets());
    packet.extend(OWN6.octets());
    packet.extend([next, 0]);
    packet.extend(field.to_be_bytes());
    packet.extend([0, 0, 0, part.id]);
    [&OURS.0[..], &THEIRS.0, &[0x86, 0xdd], &packet, bytes].concat()
}

/// Tells the story, and holds it to the laws: every frame is accounted for at any time, and in the end
/// nothing is left of it, so that honest packets are put together. Gives how many became whole.
pub fn parts(story: &[u8]) -> u64 {
    let mut world = World::new();
    for piece in story.chunks_exact(6) {
        let [who, place, len, flags, byte, seconds] = *piece else {
            continue;
        };
        let part = Part {
            is_six: flags & 1 != 0,
            from: 20 + (who & 3),
            id: who >> 2 & 3,
            offset: u16::from(place % 24) * 8 * if flags & 16 != 0 { 340 } else { 1 },
            more: flags & 2 != 0,
        };
        let odd = usize::from(flags & 12 == 12);
        let bytes = vec![if flags & 32 == 0 { 0 } else { byte }; usize::from(len % 24) * 8 + odd];
        world.take(&part, &bytes);
        if flags & 64 != 0 {
            world.pass(Duration::from_secs(seconds.into()));
        }
    }
    world.pass(Duration::from_secs(61));
    let whole = world.stack.counters();
    let whole = whole.filter(|(name, _)| *name == "fragment.reassembled");
    let whole = whole.map(|(_, count)| count).sum();
    world.is_whole(false);
    world.is_whole(true);
    whole
}
