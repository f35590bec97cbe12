//! Buffers of several pieces: chained in the ring, or in a table of their own.

use super::tests::seeded;
use super::{Direction, Piece, Plan, SplitQueue};
use crate::fake::{Chain, Fake, FakeTransport, memory};
use crate::{Fault, Faults, INDIRECT, go, negotiate};
use hardware::Dma;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use std::vec;
use std::vec::Vec;
use virtio_drivers::transport::DeviceType;

const BUFFER: usize = 64;
const MOST: u16 = 5;
const SIZE: usize = 16;

struct Bench {
    fake: Fake,
    _transport: FakeTransport,
    queue: SplitQueue,
    buffers: Vec<Dma>,
    /// Memory that pieces are of: each byte says where it is.
    payload: u64,
    faults: Faults,
}

fn bench(indirect: bool) -> Bench {
    let (mut dma, guest) = memory(0x4000_0000, 16 * 4096);
    let kind = DeviceType::EntropySource;
    let fake = Fake::new(kind, false, 1, 256, guest);
    if indirect {
        fake.state().offered |= INDIRECT;
    }
    let mut transport = fake.transport();
    let (_, reset) = negotiate(&mut transport, kind, |_, all| all).unwrap();
    let plan = Plan {
        index: 0,
        buffers: 16,
        direction: Direction::ToDevice,
        event_index: false,
        header: 0,
        pieces: MOST,
        indirect,
        quiet: true,
    };
    let queue = SplitQueue::new(&mut transport, plan, &mut dma, &reset).unwrap();
    let mut payload = dma.split_to(4096).unwrap();
    for (place, byte) in payload.bytes_mut().iter_mut().enumerate() {
        *byte = mark(place);
    }
    let one = |number| {
        let mut buffer = dma.split_to(BUFFER).unwrap();
        buffer.bytes_mut().fill(number);
        buffer
    };
    let buffers = (0..16).map(one).collect();
    go(&mut transport, reset);
    Bench {
        fake,
        _transport: transport,
        queue,
        buffers,
        payload: payload.physical(),
        faults: Faults::default(),
    }
}

fn mark(place: usize) -> u8 {
    ((place / 7) ^ place).to_le_bytes()[0]
}

impl Bench {
    fn pieces(&self, runs: &[(usize, usize)]) -> Vec<Piece> {
        let piece = |(start, length): &(usize, usize)| Piece {
            physical: self.payload + *start as u64,
            length: u32::try_from(*length).unwrap(),
        };
        runs.iter().map(piece).collect()
    }

    /// Gives a buffer with pieces; whether there was room, and the bytes that the device is to find.
    fn give(&mut self, length: usize, runs: &[(usize, usize)]) -> (bool, Vec<u8>) {
        let pieces = self.pieces(runs);
        let buffer = self.buffers.pop().unwrap();
        let mut bytes = buffer.bytes()[..length].to_vec();
        for (start, length) in runs {
            bytes.extend((*start..start + length).map(mark));
        }
        match self.queue.provide_gathered(buffer, length, &pieces) {
            Ok(_) => (true, bytes),
            Err(buffer) => {
                self.buffers.push(buffer);
                (false, bytes)
            }
        }
    }

    fn take(&self) -> Option<(Chain, Vec<u8>)> {
        self.fake.queue(0, |device| {
            let chain = device.take()?;
            let bytes = device.read(&chain);
            Some((chain, bytes))
        })
    }

    /// The device is done with a chain, and its buffer is not taken out.
    fn finish(&mut self, chain: &Chain) {
        self.fake
            .queue(0, |device| device.give_back(chain.id.into(), 0));
        let returned = self.queue.look_next(&mut self.faults).unwrap();
        assert_eq!((returned.number, returned.written), (chain.id, Some(0)));
    }

    fn give_back(&mut self, chain: &Chain) {
        self.fake
            .queue(0, |device| device.give_back(chain.id.into(), 0));
        let used = self.queue.reap(&mut self.faults).unwrap();
        assert_eq!(used.written, Some(0));
        self.buffers.push(used.buffer);
    }
}

#[test]
fn a_device_reads_all_pieces_in_order() {
    for indirect in [false, true] {
        let mut bench = bench(indirect);
        let runs = [(0, 100), (1000, 1), (500, 333)];
        let (fits, bytes) = bench.give(40, &runs);
        assert!(fits && bench.queue.publish());
        let (chain, read) = bench.take().unwrap();
        assert_eq!(read, bytes);
        assert_eq!(chain.segments.len(), 4);
        assert_eq!(
            bench.fake.queue(0, |device| device.tables),
            u64::from(indirect)
        );
        bench.give_back(&chain);
        // One piece needs no table.
        let (fits, bytes) = bench.give(40, &[]);
        assert!(fits && bench.queue.publish());
        let (chain, read) = bench.take().unwrap();
        assert_eq!(read, bytes);
        assert_eq!(
            bench.fake.queue(0, |device| device.tables),
            u64::from(indirect)
        );
        bench.give_back(&chain);
        assert_eq!(bench.queue.room(), SIZE);
    }
}

#[test]
fn chains_fill_the_ring_and_tables_do_not() {
    // Six descriptors each: two and a rest of four.
    for (indirect, expected) in [(false, 2), (true, SIZE)] {
        let mut bench = bench(indirect);
        let runs = [(0, 9); MOST as usize];
        let mut given = 0;
        while !bench.buffers.is_empty() && bench.give(10, &runs).0 {
            given += 1;
        }
        assert_eq!(given, expected);
        assert_eq!(bench.queue.in_flight(), expected);
        let room = if indirect { 0 } else { 4 };
        assert_eq!(bench.queue.room(), room);
        for _ in 0..room {
            assert!(bench.give(10, &[]).0);
        }
        assert_eq!(bench.queue.room(), 0);
    }
}

#[test]
fn what_cannot_be_gathered_is_given_back() {
    let mut bench = bench(true);
    let many = [(0, 9); MOST as usize + 1];
    for (length, runs) in [
        (0, &[(0, 9)][..]),
        (BUFFER + 1, &[(0, 9)]),
        (10, &[(0, 0)]),
        (10, &many),
    ] {
        let pieces = bench.pieces(runs);
        let buffer = bench.buffers.pop().unwrap();
        let physical = buffer.physical();
        let back = bench.queue.provide_gathered(buffer, length, &pieces);
        let back = back.unwrap_err();
        assert_eq!(back.physical(), physical);
        bench.buffers.push(back);
    }
    let endless = [Piece {
        physical: 0,
        length: u32::MAX,
    }; 2];
    let buffer = bench.buffers.pop().unwrap();
    assert!(bench.queue.provide_gathered(buffer, 10, &endless).is_err());
    assert_eq!(bench.queue.room(), SIZE);
    assert!(!bench.queue.publish());
}

#[test]
fn inside_of_a_chain_is_no_id() {
    for indirect in [false, true] {
        let mut bench = bench(indirect);
        assert!(bench.give(10, &[(0, 9), (9, 9)]).0 && bench.queue.publish());
        let (chain, _) = bench.take().unwrap();
        let inside = u32::from(chain.id) + 1;
        bench.fake.queue(0, |device| device.give_back(inside, 0));
        assert!(bench.queue.reap(&mut bench.faults).is_none());
        assert_eq!(bench.faults.of(Fault::NotInFlight), 1);
        assert_eq!(bench.queue.in_flight(), 1, "it stays where it is");
    }
}

#[test]
fn a_side_that_cannot_ask_for_quiet_is_told_everything() {
    for event_index in [false, true] {
        let (mut dma, guest) = memory(0x4000_0000, 8 * 4096);
        let kind = DeviceType::EntropySource;
        let fake = Fake::new(kind, false, 1, 256, guest);
        if event_index {
            fake.state().offered |= crate::EVENT_INDEX;
        }
        let mut transport = fake.transport();
        let (_, reset) = negotiate(&mut transport, kind, |_, all| all).unwrap();
        let plan = Plan {
            index: 0,
            buffers: 8,
            direction: Direction::FromDevice,
            event_index,
            header: 0,
            pieces: 0,
            indirect: false,
            quiet: false,
        };
        let mut queue = SplitQueue::new(&mut transport, plan, &mut dma, &reset).unwrap();
        let mut buffer = dma.split_to(BUFFER);
        go(&mut transport, reset);
        for _ in 0..70_000 {
            fake.queue(0, crate::fake::DeviceQueue::quiet);
            queue.provide(buffer.take().unwrap(), BUFFER).unwrap();
            assert!(
                queue.publish(),
                "the device is told whether it wants or not"
            );
            queue.disarm();
            fake.queue(0, |device| {
                let chain = device.take().unwrap();
                device.give_back(chain.id.into(), 1);
            });
            assert!(fake.signal(0), "and so is the driver");
            buffer = queue.reap(&mut Faults::default()).map(|used| used.buffer);
        }
    }
}

proptest! {
    #![proptest_config(seeded(64))]

    /// Buffers of any number of pieces, returned in any order: every byte arrives, none is lost.
    #[test]
    fn any_pieces_in_any_order(
        steps in proptest::collection::vec((any::<bool>(), 1..BUFFER, 0..=usize::from(MOST), any::<u16>()), 1..200),
        indirect: bool,
    ) {
        let mut bench = bench(indirect);
        let mut expected = vec![];
        let mut held: Vec<Chain> = vec![];
        for (give, length, count, random) in steps {
            if give && !bench.buffers.is_empty() {
                let run = |piece: usize| (usize::from(random) % 2000 + 300 * piece, 1 + piece * 50);
                let runs: Vec<_> = (0..count).map(run).collect();
                let (fits, bytes) = bench.give(length, &runs);
                prop_assert!(fits || bench.queue.room() <= count);
                expected.extend(fits.then_some(bytes));
                let _told = bench.queue.publish();
            } else if let Some((chain, read)) = bench.take() {
                prop_assert_eq!(read, expected.remove(0));
                held.push(chain);
            }
            if !give && !held.is_empty() {
                let chain = held.remove(usize::from(random) % held.len());
                bench.give_back(&chain);
            }
            prop_assert_eq!(bench.buffers.len() + bench.queue.in_flight(), SIZE);
        }
        while let Some((chain, _)) = bench.take() {
            held.push(chain);
        }
        for chain in held {
            bench.give_back(&chain);
        }
        prop_assert_eq!(bench.queue.room(), SIZE);
        prop_assert_eq!(bench.faults.total(), 0);
    }
}

#[test]
fn a_buffer_is_looked_at_only_while_it_is_not_the_devices() {
    let mut bench = bench(true);
    assert!(bench.give(10, &[]).0 && bench.queue.publish());
    for _ in 0..3 {
        let (chain, _) = bench.take().unwrap();
        assert!(bench.queue.bytes(chain.id).is_empty(), "the device has it");
        bench.queue.provide_again(chain.id);
        assert!(!bench.queue.publish(), "nor is it given twice");
        bench.finish(&chain);
        assert_eq!(bench.queue.bytes(chain.id).len(), BUFFER);
        // It is not the device's, whatever that says.
        bench.queue.provide_again(chain.id);
        bench.queue.provide_again(chain.id);
        assert!(bench.queue.publish());
        assert_eq!(bench.fake.queue(0, |device| device.waiting()), 1);
        assert_eq!(bench.queue.in_flight(), 1);
    }
    for nobody in [99, u16::MAX] {
        bench.queue.provide_again(nobody);
        assert!(bench.queue.bytes(nobody).is_empty());
    }
    assert!(!bench.queue.publish());
}

#[test]
fn a_buffer_is_given_again_with_other_bytes_where_it_lies() {
    let mut bench = bench(true);
    let (_, mut expected) = bench.give(10, &[]);
    assert!(bench.queue.publish());
    for length in [BUFFER, 1, 17] {
        let (chain, read) = bench.take().unwrap();
        assert_eq!(read, expected);
        assert!(
            bench.queue.bytes_mut(chain.id).is_empty(),
            "the device has it"
        );
        assert!(!bench.queue.provide_part(chain.id, 5));
        bench.finish(&chain);
        expected = vec![mark(length); length];
        bench.queue.bytes_mut(chain.id)[..length].copy_from_slice(&expected);
        for wrong in [0, BUFFER + 1, usize::MAX] {
            assert!(!bench.queue.provide_part(chain.id, wrong));
        }
        assert!(bench.queue.provide_part(chain.id, length));
        assert!(!bench.queue.provide_part(chain.id, length), "given twice");
        assert!(bench.queue.publish());
        assert_eq!(bench.queue.in_flight(), 1);
    }
    assert!(!bench.queue.provide_part(u16::MAX, 1));
}

#[test]
fn what_was_described_by_a_table_is_given_again_without() {
    let mut bench = bench(true);
    assert!(bench.give(10, &[(0, 5)]).0 && bench.queue.publish());
    let (chain, _) = bench.take().unwrap();
    bench.finish(&chain);
    let expected = bench.queue.bytes(chain.id)[..7].to_vec();
    assert!(bench.queue.provide_part(chain.id, 7) && bench.queue.publish());
    let (chain, read) = bench.take().unwrap();
    assert_eq!((read, chain.segments.len()), (expected, 1));
}

#[test]
fn a_chain_of_several_descriptors_is_not_given_again_in_part() {
    let mut bench = bench(false);
    assert!(bench.give(10, &[(0, 5)]).0 && bench.queue.publish());
    let (chain, _) = bench.take().unwrap();
    bench.finish(&chain);
    assert!(!bench.queue.provide_part(chain.id, 10));
    assert_eq!(bench.queue.in_flight(), 0);
}
