//! The queue against a device in software: in order, around the seam, and lied to.

use super::{Direction, Plan, SplitQueue};
use crate::fake::{DeviceQueue, Fake, FakeTransport, memory};
use crate::{EVENT_INDEX, Fault, Faults, InitError, Reset, go, negotiate};
use hardware::Dma;
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};
use proptest::test_runner::RngSeed;
use std::vec::Vec;
use virtio_drivers::transport::DeviceType;

const BUFFER: usize = 64;

/// The same cases in every run.
pub(super) fn seeded(cases: u32) -> ProptestConfig {
    ProptestConfig {
        // An interpreter is some hundred times slower.
        cases: if cfg!(miri) {
            cases.div_ceil(64)
        } else {
            cases
        },
        rng_seed: RngSeed::Fixed(0x5eed),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

struct Bench {
    fake: Fake,
    transport: FakeTransport,
    queue: SplitQueue,
    buffers: Vec<Dma>,
    faults: Faults,
}

fn prepare(legacy: bool, features: u64) -> (Fake, FakeTransport, Reset, Dma) {
    let (dma, guest) = memory(0x4000_0000, 16 * 4096);
    let fake = Fake::new(DeviceType::EntropySource, legacy, 1, 256, guest);
    fake.state().offered |= features;
    let mut transport = fake.transport();
    let (_, reset) = negotiate(&mut transport, DeviceType::EntropySource, |_, all| all).unwrap();
    (fake, transport, reset, dma)
}

fn plan(buffers: u16, event_index: bool) -> Plan {
    Plan {
        index: 0,
        buffers,
        direction: Direction::FromDevice,
        event_index,
        header: 0,
        pieces: 0,
        indirect: false,
        quiet: true,
    }
}

fn bench(legacy: bool, event_index: bool, plan: Plan) -> Bench {
    let features = if event_index { EVENT_INDEX } else { 0 };
    let (fake, mut transport, reset, mut memory) = prepare(legacy, features);
    let queue = SplitQueue::new(&mut transport, plan, &mut memory, &reset).unwrap();
    let one = |_| memory.split_to(BUFFER).unwrap();
    let buffers = (0..queue.capacity()).map(one).collect();
    go(&mut transport, reset);
    Bench {
        fake,
        transport,
        queue,
        buffers,
        faults: Faults::default(),
    }
}

impl Bench {
    /// Provides up to `count` buffers and publishes; whether the device wants to know.
    fn provide(&mut self, count: usize) -> bool {
        for _ in 0..count {
            let Some(buffer) = self.buffers.pop() else {
                break;
            };
            self.queue.provide(buffer, BUFFER).unwrap();
        }
        self.queue.publish()
    }

    fn device<R>(&self, work: impl FnOnce(&mut DeviceQueue) -> R) -> R {
        self.fake.queue(0, work)
    }

    fn reap(&mut self) -> Option<Option<usize>> {
        let used = self.queue.reap(&mut self.faults)?;
        self.buffers.push(used.buffer);
        Some(used.written)
    }

    /// Takes the buffers back as after a reset, registers the queue again.
    fn restart(&mut self) {
        let kind = DeviceType::EntropySource;
        let (_, reset) = negotiate(&mut self.transport, kind, |_, all| all).unwrap();
        while let Some(buffer) = self.queue.recall(&reset) {
            self.buffers.push(buffer);
        }
        self.queue.register(&mut self.transport, &reset).unwrap();
        go(&mut self.transport, reset);
    }
}

#[test]
fn sizes_are_what_both_sides_can_do() {
    let sizes = [(1, 1), (3, 3), (200, 200), (256, 256), (1000, 256)];
    for (wanted, capacity) in sizes {
        let bench = bench(false, false, plan(wanted, false));
        assert_eq!(bench.queue.capacity(), capacity);
        assert_eq!(bench.queue.room(), capacity);
    }
    let (fake, mut transport, reset, mut memory) = prepare(false, 0);
    fake.state().largest[0] = 100;
    let queue = SplitQueue::new(&mut transport, plan(256, false), &mut memory, &reset).unwrap();
    assert_eq!(queue.capacity(), 64);
}

#[test]
fn impossible_queues() {
    let (fake, mut transport, reset, mut memory) = prepare(false, 0);
    fake.state().largest[0] = 0;
    let none = SplitQueue::new(&mut transport, plan(8, false), &mut memory, &reset);
    assert_eq!(none.err(), Some(InitError::NoQueue { index: 0 }));
    fake.state().largest[0] = u32::MAX;
    let huge = SplitQueue::new(&mut transport, plan(u16::MAX, false), &mut memory, &reset);
    assert_eq!(huge.err(), Some(InitError::TooLittleMemory));
}

#[test]
fn a_header_gets_a_descriptor_of_its_own() {
    let split = Plan {
        header: 10,
        ..plan(8, false)
    };
    let mut bench = bench(true, false, split);
    assert_eq!(bench.queue.capacity(), 8);
    assert!(bench.provide(3));
    let chain = bench.device(|device| (device.take(), device.take()).1.unwrap());
    assert_eq!(chain.id, 2);
    assert_eq!(chain.segments.len(), 2);
    assert_eq!(chain.segments[0].length, 10);
    assert_eq!(chain.segments[1].length, BUFFER - 10);
    let first = chain.segments[0].address;
    assert_eq!(chain.segments[1].address, first + 10);
    bench.device(|device| {
        device.give_back(2, 64);
        // The middle of a chain is no id.
        device.give_back(1, 64);
    });
    assert_eq!(bench.reap(), Some(Some(64)));
    assert_eq!(bench.reap(), None);
    assert_eq!(bench.faults.of(Fault::NotInFlight), 1);
}

#[test]
fn buffers_out_of_measure_are_given_back() {
    let mut bench = bench(false, false, plan(1, false));
    for length in [0, BUFFER + 1, usize::MAX] {
        let buffer = bench.buffers.pop().unwrap();
        let physical = buffer.physical();
        let buffer = bench.queue.provide(buffer, length).unwrap_err();
        assert_eq!(buffer.physical(), physical);
        bench.buffers.push(buffer);
    }
    assert!(bench.provide(1));
    let (extra, _) = memory(0x5000_0000, BUFFER);
    assert!(bench.queue.provide(extra, BUFFER).is_err(), "no room");
}

#[test]
fn every_lie_is_counted_and_nothing_else() {
    let mut bench = bench(false, true, plan(8, true));
    assert!(bench.provide(8));
    let ids: Vec<u16> = bench.device(|device| {
        core::iter::from_fn(|| device.take())
            .map(|chain| chain.id)
            .collect()
    });
    let give_back = |bench: &Bench, id, length| bench.device(|device| device.give_back(id, length));
    // Out of range, far out of range.
    give_back(&bench, 8, 0);
    assert_eq!(bench.reap(), None);
    give_back(&bench, u32::MAX, 0);
    assert_eq!(bench.reap(), None);
    assert_eq!(bench.faults.of(Fault::Id), 2);
    // Twice the same.
    give_back(&bench, ids[1].into(), 5);
    give_back(&bench, ids[1].into(), 5);
    assert_eq!(bench.reap(), Some(Some(5)));
    assert_eq!(bench.reap(), None);
    assert_eq!(bench.faults.of(Fault::NotInFlight), 1);
    assert_eq!(bench.queue.in_flight(), 7);
    // Longer than the buffer: the buffer is back, its content is not believed.
    bench.provide(1);
    give_back(&bench, ids[2].into(), 65);
    assert_eq!(bench.reap(), Some(None));
    assert_eq!(bench.faults.of(Fault::Length), 1);
    assert!(!bench.queue.is_broken());
    assert_eq!(bench.faults.total(), 4);
}

#[test]
fn a_queue_that_lost_half_of_its_buffers_is_broken() {
    let mut bench = bench(false, true, plan(8, true));
    bench.provide(8);
    for lies in 1..=5 {
        bench.device(|device| device.give_back(999, 0));
        assert_eq!(bench.reap(), None);
        assert_eq!(bench.queue.in_flight(), 8);
        assert_eq!(bench.queue.outstanding(), 8 - lies);
        assert_eq!(bench.queue.is_broken(), lies == 5);
    }
    bench.restart();
    assert_eq!(bench.buffers.len(), 8);
}

#[test]
fn a_used_index_that_runs_away_breaks_the_queue_until_reset() {
    let mut bench = bench(true, true, plan(8, true));
    bench.provide(3);
    for index in [4, 100, 40_000, u16::MAX] {
        bench.device(|device| device.set_used_index(index));
        assert!(bench.reap().is_none());
        assert!(bench.queue.is_broken());
        assert!(!bench.queue.arm(1), "nothing to look for in a broken ring");
        bench.restart();
        assert!(!bench.queue.is_broken());
        assert_eq!(bench.buffers.len(), 8);
        bench.provide(3);
    }
    assert_eq!(bench.faults.of(Fault::Index), 4);
    bench.device(|device| {
        let chain = device.take().unwrap();
        device.give_back(chain.id.into(), 1);
    });
    assert_eq!(bench.reap(), Some(Some(1)));
}

#[test]
fn armed_once_told_once() {
    for event_index in [false, true] {
        let mut bench = bench(false, event_index, plan(8, event_index));
        bench.provide(8);
        let use_one = |bench: &Bench| {
            bench.device(|device| {
                let chain = device.take().unwrap();
                device.give_back(chain.id.into(), 1);
            });
            bench.fake.signal(0)
        };
        if event_index {
            assert!(use_one(&bench), "the first time the device cannot know");
        } else {
            assert!(!use_one(&bench));
        }
        assert!(!use_one(&bench), "quiet from the start");
        assert!(bench.queue.arm(1), "two came before");
        assert_eq!((bench.reap(), bench.reap()), (Some(Some(1)), Some(Some(1))));
        assert!(!bench.queue.arm(1));
        assert!(use_one(&bench));
        bench.reap();
        bench.queue.disarm();
        assert!(!use_one(&bench));
        bench.reap();
        assert!(!bench.queue.arm(3), "none of three");
        let told: Vec<bool> = (0..3).map(|_| use_one(&bench)).collect();
        let expected = if event_index {
            [false, false, true]
        } else {
            [true; 3]
        };
        assert_eq!(told, expected);
    }
}

#[test]
fn quiet_stays_quiet_past_the_seam() {
    let mut bench = bench(false, true, plan(8, true));
    let mut told = 0;
    let rounds = if cfg!(miri) { 100 } else { 20_000 };
    for _ in 0..rounds {
        bench.provide(8);
        bench.device(|device| {
            while let Some(chain) = device.take() {
                device.give_back(chain.id.into(), 1);
            }
        });
        told += u32::from(bench.fake.signal(0));
        while bench.reap().is_some() {}
    }
    assert_eq!(told, 1, "only the first time, when the device cannot know");
}

proptest! {
    #![proptest_config(seeded(24))]

    /// Random batches on both sides; each side sleeps only after it asked to be woken and looked
    /// again. Whoever sleeps without having been told of work has found a stall.
    #[test]
    fn no_stall_past_the_seam(seed in any::<u64>(), event_index: bool, legacy: bool) {
        let mut random = seed | 1;
        let mut next = |most: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            usize::try_from(random % most as u64).unwrap() + 1
        };
        let mut bench = bench(legacy, event_index, plan(32, event_index));
        let (mut driver_awake, mut device_awake) = (true, true);
        let (mut reaped, mut notified) = (0_u32, 0_u32);
        let mut turns = 0_u32;
        // Twice round the sixteen bits of an index; an interpreter only looks at the memory.
        let enough = if cfg!(miri) { 1_000 } else { 140_000 };
        while reaped < enough {
            turns += 1;
            prop_assert!(driver_awake || device_awake, "stall after {} buffers", reaped);
            if driver_awake {
                let mut batch = next(16);
                while batch > 0 && bench.reap().is_some() {
                    batch -= 1;
                    reaped += 1;
                }
                if bench.provide(next(16)) {
                    notified += 1;
                    device_awake = true;
                }
                if batch > 0 && bench.buffers.is_empty() {
                    driver_awake = bench.queue.arm(1);
                } else {
                    bench.queue.disarm();
                }
            }
            if device_awake {
                let batch = next(16);
                let taken = bench.device(|device| {
                    device.quiet();
                    let work = |_| {
                        let chain = device.take()?;
                        device.give_back(chain.id.into(), 7);
                        Some(())
                    };
                    (0..batch).map_while(work).count()
                });
                driver_awake |= taken > 0 && bench.fake.signal(0);
                if taken < batch {
                    device_awake = bench.device(DeviceQueue::rest);
                }
            }
        }
        prop_assert_eq!(bench.faults.total(), 0);
        prop_assert!(notified < turns, "no notification was saved");
    }

}

proptest! {
    #![proptest_config(seeded(256))]

    /// A device that writes anything anywhere in its ring: no panic, no buffer twice.
    #[test]
    fn rubbish_in_the_used_ring(
        elements in proptest::collection::vec((any::<u32>(), any::<u32>(), any::<u16>(), any::<u8>()), 1..64),
        event_index: bool,
    ) {
        let mut bench = bench(false, event_index, plan(16, event_index));
        bench.provide(16);
        for (id, length, index, kind) in elements {
            bench.device(|device| match kind {
                0..32 => device.set_used_index(device.returned.wrapping_add(index)),
                32..64 => device.set_event(index),
                64..160 => device.give_back(id % 20, length % 80),
                _ => device.give_back(id, length),
            });
            while bench.reap().is_some() {}
            let _told = bench.queue.publish();
            prop_assert_eq!(bench.buffers.len(), bench.queue.room());
            let mut addresses: Vec<u64> = bench.buffers.iter().map(Dma::physical).collect();
            addresses.sort_unstable();
            addresses.dedup();
            prop_assert_eq!(addresses.len(), bench.buffers.len());
            bench.provide(4);
            if bench.queue.is_broken() {
                bench.restart();
                bench.provide(16);
            }
        }
    }
}
