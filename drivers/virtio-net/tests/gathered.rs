//! Frames that lie in several places: what an honest device finds, and when their owner has them back.

use crate::common::{
    ANY_LAYOUT, CHECKSUM, Net, Random, Rig, TRANSMIT, USUAL, device, seeded, small, start,
};
use device::{Checksum, Cuts, Device, Gathered, Offload, Offloads, PLACES, Place, TransmitMeta};
use hardware::Dma;
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
use virtio::fake::{Fake, memory};
use virtio::{DeviceStatus, DeviceType, Fault, INDIRECT, InterruptStatus};
use virtio_net::Config;

const HOST_SEGMENTS: u64 = 1 << 11 | 1 << 12;
const HOST_ECN: u64 = 1 << 13;
const HOST_DATAGRAMS: u64 = 1 << 56;
const ALL: u64 = USUAL | CHECKSUM | HOST_SEGMENTS | HOST_ECN | HOST_DATAGRAMS | INDIRECT;
const ARENA: usize = 1 << 17;

/// A rig and memory that is no buffer of the driver's.
struct Bench {
    rig: Rig,
    arena: Dma,
}

fn bench(legacy: bool, features: u64, config: Config) -> Bench {
    let (mut dma, guest) = memory(0x4000_0000, config.memory() + ARENA);
    let fake = Fake::new(DeviceType::Network, legacy, 2, 256, guest);
    fake.state().offered |= features;
    let usual = device(legacy, features, &config).0.state().config.clone();
    fake.state().config = usual;
    let mut arena = dma.split_to(ARENA).unwrap();
    for (place, byte) in arena.bytes_mut().iter_mut().enumerate() {
        *byte = (place * 7 + place / 251).to_le_bytes()[0];
    }
    let net = start(&fake, dma, config).unwrap();
    let header = if legacy { 10 } else { 12 };
    let rig = Rig { fake, net, header };
    Bench { rig, arena }
}

impl Bench {
    fn net(&mut self) -> &mut Net {
        &mut self.rig.net
    }

    fn place(&self, (start, length): (usize, usize)) -> Place {
        Place {
            physical: self.arena.physical() + start as u64,
            length: u32::try_from(length).unwrap(),
        }
    }

    /// Gives a frame of this head and tail with runs of the arena between; whether it was taken, and
    /// what the device is to find.
    fn give(
        &mut self,
        (head, tail): (&[u8], &[u8]),
        runs: &[(usize, usize)],
        meta: TransmitMeta,
        token: Option<u16>,
    ) -> (bool, Vec<u8>) {
        let mut bytes = head.to_vec();
        let places: Vec<_> = runs.iter().map(|run| self.place(*run)).collect();
        for (start, length) in runs {
            bytes.extend(&self.arena.bytes()[*start..start + length]);
        }
        bytes.extend(tail);
        let taken = self.net().provide_gathered(&mut |buffer, list| {
            buffer[..head.len()].copy_from_slice(head);
            buffer[head.len()..][..tail.len()].copy_from_slice(tail);
            assert!(list.as_slice().is_empty(), "of another frame");
            assert!(places.iter().all(|place| list.push(*place)));
            let (head, tail) = (head.len(), tail.len());
            Some(Gathered {
                head,
                tail,
                meta,
                token,
            })
        });
        (taken, bytes)
    }

    /// The device sends a first frame, and says so if it was ever asked to.
    fn begin(&mut self) {
        assert!(self.give((&[1; 60], &[]), &[], plain(), None).0);
        self.net().flush();
        self.rig.take_sent().unwrap();
        self.rig.fake.signal(TRANSMIT);
        assert!(self.tokens().is_empty());
    }

    fn tokens(&mut self) -> Vec<u16> {
        self.net().reap_transmit();
        let mut tokens: Vec<_> = core::iter::from_fn(|| self.net().take_back()).collect();
        tokens.sort_unstable();
        tokens
    }
}

fn plain() -> TransmitMeta {
    TransmitMeta::whole(Checksum::Complete)
}

/// The front of a frame with a large TCP segment, and what is asked for it.
fn large(segment: u16) -> (Vec<u8>, TransmitMeta) {
    let mut front = vec![0; 66];
    front[12..14].copy_from_slice(&[8, 0]);
    front[34 + 12] = 0x80;
    let checksum = Checksum::Partial {
        start: 34,
        offset: 16,
    };
    (front, TransmitMeta { checksum, segment })
}

#[test]
fn the_device_finds_all_of_it_in_order() {
    for (legacy, features) in [
        (false, ALL),
        (false, ALL & !INDIRECT),
        (true, ALL | ANY_LAYOUT),
        (true, (ALL | ANY_LAYOUT) & !INDIRECT),
    ] {
        let mut bench = bench(legacy, features, small());
        assert_eq!(bench.net().facts().places, PLACES);
        let mut random = Random(0x5eed);
        for round in 0..2_000_u32 {
            let token = u16::try_from(round % 5).unwrap();
            let token = (token > 0).then_some(token);
            let head: Vec<u8> = (0..random.up_to(99))
                .map(|at| at.to_le_bytes()[0])
                .collect();
            let run = |_| (random.up_to(ARENA - 100), random.up_to(80));
            let runs: Vec<_> = (0..round as usize % (PLACES + 1)).map(run).collect();
            let tail = if runs.is_empty() {
                &[][..]
            } else {
                &[9, 8, 7][..]
            };
            let (taken, bytes) = bench.give((&head, tail), &runs, plain(), token);
            assert!(taken, "{round}");
            bench.net().flush();
            let (header, frame) = bench.rig.take_sent().unwrap();
            assert!(header.iter().all(|byte| *byte == 0));
            assert_eq!(frame, bytes);
            assert_eq!(bench.tokens(), token.into_iter().collect::<Vec<_>>());
        }
        let tables = bench.rig.fake.queue(TRANSMIT, |queue| queue.tables);
        assert_eq!(tables > 1_000, features & INDIRECT != 0, "{tables}");
        assert_eq!(bench.net().fault_counters().total(), 0);
    }
}

#[test]
fn a_frame_that_the_device_cuts_is_as_long_as_a_packet_can_be() {
    let mut bench = bench(false, ALL, small());
    let facts = bench.net().facts();
    assert!(facts.cuts.tcp4 && facts.cuts.tcp6 && facts.cuts.congestion && facts.cuts.datagrams);
    let (front, meta) = large(1_448);
    let longest = device::LONGEST_FRAME - front.len();
    for (length, fits) in [(longest, true), (longest + 1, false), (1_449, true)] {
        let (taken, bytes) = bench.give((&front, &[]), &[(3, length)], meta, Some(7));
        assert_eq!(taken, fits);
        bench.net().flush();
        if fits {
            let (header, frame) = bench.rig.take_sent().unwrap();
            assert_eq!(header, [1, 1, 66, 0, 168, 5, 34, 0, 16, 0, 0, 0]);
            assert!(frame == bytes);
        }
        assert_eq!(bench.tokens(), [7], "also of what was not taken");
    }
    // Without segments it is as long as the link allows.
    let whole = TransmitMeta { segment: 0, ..meta };
    let room = 1518 - front.len();
    for (length, fits) in [(room, true), (room + 1, false)] {
        let (taken, _) = bench.give((&front, &[]), &[(0, length)], whole, Some(1));
        assert_eq!(taken, fits);
    }
    bench.net().flush();
    let (header, _) = bench.rig.take_sent().unwrap();
    assert_eq!(header, [1, 0, 0, 0, 0, 0, 34, 0, 16, 0, 0, 0]);
    assert_eq!(bench.tokens(), [1, 1]);
}

#[test]
fn who_does_not_cut_is_not_asked_to() {
    let (front, meta) = large(1_448);
    for (features, offloads, gathers) in [
        (ALL & !HOST_SEGMENTS, Offloads::ALL, true),
        (ALL & !CHECKSUM, Offloads::ALL, true),
        (ALL, Offloads::ALL.without(Offload::Segmentation), true),
        (ALL, Offloads::ALL.without(Offload::ChecksumOut), true),
        (ALL, Offloads::ALL.without(Offload::Gather), false),
    ] {
        let config = Config {
            offloads,
            ..small()
        };
        let mut bench = bench(false, features, config);
        let facts = bench.net().facts();
        assert_eq!((facts.cuts.tcp4, facts.cuts.tcp6), (false, false));
        assert_eq!(facts.places > 0, gathers);
        let (taken, _) = bench.give((&front, &[]), &[(0, 5_000)], meta, Some(2));
        assert!(!taken);
        let back: &[u16] = if gathers { &[2] } else { &[] };
        assert_eq!(bench.tokens(), back, "the device never had it");
        let (taken, _) = bench.give((&front, &[]), &[(0, 500)], plain(), Some(2));
        assert_eq!(taken, gathers);
    }
    // A legacy device that wants headers in a descriptor of their own.
    let mut bench = bench(true, ALL, small());
    assert_eq!(
        (bench.net().facts().places, bench.net().facts().cuts),
        (0, Cuts::NONE)
    );
    assert!(!bench.give((&front, &[]), &[(0, 500)], plain(), None).0);
}

#[test]
fn what_makes_no_sense_is_not_taken() {
    let mut bench = bench(false, ALL, small());
    let front = [1; 60];
    for (head, tail, runs) in [
        (&front[..0], &[][..], &[(0, 100)][..]),
        (&front, &[1], &[]),
        (&front, &[], &[(0, 100), (200, 0)]),
    ] {
        let (taken, _) = bench.give((head, tail), runs, plain(), Some(3));
        assert!(!taken);
        assert_eq!(bench.tokens(), [3]);
    }
    for (head, tail) in [(2_000, 0), (60, 2_000), (60, usize::MAX)] {
        let place = bench.place((0, 10));
        let taken = bench.net().provide_gathered(&mut |_, list| {
            assert!(list.push(place));
            let (meta, token) = (plain(), Some(4));
            Some(Gathered {
                head,
                tail,
                meta,
                token,
            })
        });
        assert!(!taken);
        assert_eq!(bench.tokens(), [4]);
    }
    assert!(!bench.net().provide_gathered(&mut |_, _| None));
    assert_eq!(bench.net().transmit_room(), 32);
    assert!(bench.rig.take_sent().is_none());
}

#[test]
fn without_tables_the_ring_is_full_sooner_and_says_when_it_is_not() {
    let mut bench = bench(false, ALL & !INDIRECT, small());
    bench.begin();
    let runs: Vec<_> = (0..PLACES).map(|at| (at * 100, 50)).collect();
    let mut given = 0;
    while bench.give((&[1; 60], &[]), &runs, plain(), Some(given)).0 {
        given += 1;
    }
    assert_eq!(given, 1);
    assert!(bench.tokens().is_empty());
    bench.net().flush();
    assert!(!bench.net().arm());
    assert!(!bench.rig.fake.signal(TRANSMIT));
    bench.rig.take_sent().unwrap();
    assert!(bench.rig.fake.signal(TRANSMIT), "a frame was refused");
    assert_eq!(bench.tokens(), [0]);
    assert!(bench.give((&[1; 60], &[]), &runs, plain(), None).0);
}

#[test]
fn who_misses_a_frame_is_told() {
    let mut bench = bench(false, ALL, small());
    bench.begin();
    for token in 0..3 {
        assert!(
            bench
                .give((&[1; 60], &[]), &[(0, 100)], plain(), Some(token))
                .0
        );
    }
    bench.net().flush();
    assert!(!bench.net().arm());
    bench.rig.take_sent().unwrap();
    assert!(!bench.rig.fake.signal(TRANSMIT), "nobody has asked");
    assert_eq!(bench.tokens(), [0]);
    bench.net().want_back();
    assert!(!bench.net().arm());
    bench.rig.take_sent().unwrap();
    assert!(bench.rig.fake.signal(TRANSMIT));
    bench.net().disarm();
    // It came in between.
    bench.net().want_back();
    assert!(bench.net().arm());
    assert_eq!(bench.tokens(), [1]);
}

#[test]
fn frames_that_come_back_in_any_order_are_told_by_their_names() {
    let mut bench = bench(false, ALL, small());
    let mut chains = Vec::new();
    for token in 0..20 {
        assert!(
            bench
                .give((&[1; 60], &[]), &[(0, 100)], plain(), Some(token))
                .0
        );
    }
    bench.net().flush();
    bench.rig.fake.queue(TRANSMIT, |queue| {
        chains.extend(core::iter::from_fn(|| queue.take()));
    });
    for token in [7, 0, 19, 8] {
        let chain = &chains[usize::from(token)];
        bench
            .rig
            .fake
            .queue(TRANSMIT, |queue| queue.give_back(chain.id.into(), 0));
        assert_eq!(bench.tokens(), [token]);
    }
}

/// A device that gives a frame back twice has another that it will never give back.
#[test]
fn a_device_that_lies_is_reset_and_has_nothing_any_more() {
    for lie in [0, 1] {
        let mut bench = bench(false, ALL, small());
        for token in 0..10 {
            assert!(
                bench
                    .give((&[1; 60], &[]), &[(0, 100)], plain(), Some(token))
                    .0
            );
        }
        bench.net().flush();
        bench.rig.fake.queue(TRANSMIT, |queue| {
            let (first, _second) = (queue.take().unwrap(), queue.take().unwrap());
            queue.give_back(first.id.into(), 0);
            let id = if lie == 0 { first.id.into() } else { 70_000 };
            queue.give_back(id, 0);
        });
        assert_eq!(bench.net().restarts(), 0);
        assert_eq!(bench.tokens(), (0..10).collect::<Vec<_>>());
        assert_eq!(bench.net().restarts(), 1);
        let faults = [Fault::NotInFlight, Fault::Id];
        assert_eq!(bench.net().fault_counters().of(faults[lie]), 1);
        // It works again.
        assert!(bench.give((&[1; 60], &[]), &[(0, 100)], plain(), Some(3)).0);
        bench.net().flush();
        assert!(bench.rig.take_sent().is_some());
        assert_eq!(bench.tokens(), [3]);
    }
}

proptest! {
    #![proptest_config(seeded(32))]

    /// Whatever a device writes into its ring: a token comes at most once, and all of them at the latest
    /// when the device has been reset.
    #[test]
    fn no_token_is_told_twice(seed: u64, indirect: bool) {
        let features = if indirect { ALL } else { ALL & !INDIRECT };
        let mut bench = bench(false, features, small());
        let mut random = Random(seed | 1);
        let mut out = [false; 64];
        for _ in 0..500 {
            let free = out.iter().position(|out| !out);
            if let Some(token) = free.filter(|_| random.up_to(3) > 1) {
                let name = Some(u16::try_from(token).unwrap());
                let (taken, _) = bench.give((&[1; 60], &[]), &[(0, 100)], plain(), name);
                out[token] = taken;
                // One that was refused for want of room was never named.
                for token in bench.tokens() {
                    prop_assert!(core::mem::take(&mut out[usize::from(token)]));
                }
            }
            bench.net().flush();
            if !bench.net().link_up() {
                // It lied twice without a frame in between, and was given up.
                break;
            }
            bench.rig.fake.queue(TRANSMIT, |queue| {
                if let Some(chain) = queue.take().filter(|_| random.up_to(4) > 1) {
                    let id = match random.up_to(12) {
                        1 => u32::try_from(random.up_to(40)).unwrap(),
                        _ => chain.id.into(),
                    };
                    queue.give_back(id, 0);
                }
            });
            for token in bench.tokens() {
                prop_assert!(core::mem::take(&mut out[usize::from(token)]));
            }
        }
        let mut state = bench.rig.fake.state();
        state.status |= DeviceStatus::DEVICE_NEEDS_RESET;
        state.interrupt |= InterruptStatus::DEVICE_CONFIGURATION_INTERRUPT;
        drop(state);
        bench.net().interrupt();
        for token in bench.tokens() {
            prop_assert!(core::mem::take(&mut out[usize::from(token)]));
        }
        prop_assert_eq!(out, [false; 64]);
    }
}

#[test]
fn the_first_gathered_frame_has_all_descriptors_and_buffers() {
    for features in [ALL, ALL & !INDIRECT] {
        let mut bench = bench(false, features, small());
        let all = bench.net().transmit_room();
        // Sent in one piece, buffers wait in the queue to be filled again.
        for round in 0..2 {
            for number in 0..all {
                let length = 60 + number;
                assert!(bench.net().provide_transmit(&mut |buffer| {
                    buffer[..length].fill(round);
                    Some((length, plain()))
                }));
            }
            bench.net().flush();
            for number in 0..all {
                let (_, frame) = bench.rig.take_sent().unwrap();
                assert_eq!(frame, vec![round; 60 + number]);
            }
            assert_eq!(bench.net().reap_transmit(), all);
            assert_eq!(bench.net().transmit_room(), all);
        }
        let runs = [(0, 100), (500, 300)];
        for round in 0..3 * all {
            let (taken, bytes) = bench.give((&[3; 60], &[]), &runs, plain(), Some(1));
            assert!(taken, "{round}");
            bench.net().flush();
            assert_eq!(bench.rig.take_sent().unwrap().1, bytes);
            assert_eq!(bench.tokens(), [1]);
        }
        assert_eq!(bench.net().transmit_room(), all);
    }
}
