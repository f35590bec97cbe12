//! A peer that writes what it likes into the shared memory, and never harms more than itself.
#![cfg(not(loom))]

use std::{
    ptr::NonNull,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use ring::{
    Arena, BadRegion, Endpoint, Full, Keeper, Look, Message, OutOfArena, Region, Side, Violation,
    region_bytes,
};

/// Words of the control block of a ring, as the layout promises.
const PRODUCED: usize = 0;
const CONSUMED: usize = 8;
const CONSUMER_SLEEPS: usize = 16;
/// Words from the first control block to the second.
const SECOND: usize = 32;

const SLOTS: usize = 4;

/// The honest end, and the memory as the liar sees it.
struct Liar {
    words: Arc<Vec<AtomicU64>>,
    honest: Endpoint,
}

impl Liar {
    fn new() -> Self {
        let words: Vec<AtomicU64> = (0..region_bytes(SLOTS) / 8)
            .map(|_| AtomicU64::new(0))
            .collect();
        let words = Arc::new(words);
        let keeper: Keeper = Arc::clone(&words) as Keeper;
        let base = NonNull::from(&words[..]).cast();
        // SAFETY: the words live as long as the keeper and are only used as atomics.
        let region = unsafe { Region::new(base, words.len() * 8, keeper) }.unwrap();
        Self {
            words,
            honest: Endpoint::attach(region, Side::Creator).unwrap(),
        }
    }

    fn write(&self, word: usize, value: u64) {
        self.words[word].store(value, Ordering::Release);
    }

    fn read(&self, word: usize) -> u64 {
        self.words[word].load(Ordering::Acquire)
    }
}

fn message(number: u64) -> Message {
    let mut message = Message::ZERO;
    message.words_mut().fill(number);
    message
}

#[test]
fn an_index_that_runs_away_is_a_violation() {
    for lie in [SLOTS as u64 + 1, 1 << 32, u64::MAX] {
        let mut liar = Liar::new();
        liar.write(SECOND + PRODUCED, lie);
        assert_eq!(liar.honest.rx.pop(), Err(Violation), "produced = {lie}");
        assert!(liar.honest.rx.violated());
        // Final, also when the liar repents.
        liar.write(SECOND + PRODUCED, 1);
        assert_eq!(liar.honest.rx.pop(), Err(Violation));
        assert_eq!(liar.honest.rx.announce_sleep(), Look::MoreWork);
    }
}

#[test]
fn an_index_that_goes_back_is_a_violation() {
    let mut liar = Liar::new();
    liar.write(SECOND + PRODUCED, 2);
    assert!(liar.honest.rx.pop().unwrap().is_some());
    assert!(liar.honest.rx.pop().unwrap().is_some());
    liar.write(SECOND + PRODUCED, 1);
    assert_eq!(liar.honest.rx.pop(), Err(Violation));
}

#[test]
fn a_message_taken_back_after_it_was_seen_does_no_harm() {
    let mut liar = Liar::new();
    liar.write(SECOND + PRODUCED, 2);
    assert!(liar.honest.rx.pop().unwrap().is_some());
    liar.write(SECOND + PRODUCED, 1);
    // It was published once; what it holds now is the liar's business.
    assert!(liar.honest.rx.pop().unwrap().is_some());
    assert_eq!(liar.honest.rx.pop(), Err(Violation));
}

#[test]
fn claims_to_have_taken_more_than_was_sent_are_a_violation() {
    for lie in [3, SLOTS as u64 + 2, u64::MAX] {
        let mut liar = Liar::new();
        liar.honest.tx.push(&message(1)).unwrap();
        liar.honest.tx.push(&message(2)).unwrap();
        liar.write(CONSUMED, lie);
        assert_eq!(liar.honest.tx.room(), 0, "consumed = {lie}");
        assert!(liar.honest.tx.violated());
        assert_eq!(liar.honest.tx.push(&message(3)), Err(Full));
        assert_eq!(liar.honest.tx.announce_sleep(), Look::MoreWork);
        liar.write(CONSUMED, 2);
        assert_eq!(liar.honest.tx.push(&message(3)), Err(Full));
    }
}

#[test]
fn a_consumer_that_gives_back_is_a_violation() {
    let mut liar = Liar::new();
    for number in 0..SLOTS as u64 {
        liar.honest.tx.push(&message(number)).unwrap();
    }
    liar.write(CONSUMED, 3);
    assert_eq!(liar.honest.tx.room(), 3);
    liar.write(CONSUMED, 1);
    assert_eq!(liar.honest.tx.room(), 0);
    assert!(liar.honest.tx.violated());
}

#[test]
fn our_own_words_are_not_believed_either() {
    let mut liar = Liar::new();
    liar.honest.tx.push(&message(1)).unwrap();
    liar.write(PRODUCED, 1 << 40);
    liar.honest.tx.push(&message(2)).unwrap();
    assert_eq!(liar.read(PRODUCED), 2, "the private shadow is the truth");
    liar.write(SECOND + CONSUMED, 99);
    liar.write(SECOND + PRODUCED, 1);
    assert!(liar.honest.rx.pop().unwrap().is_some());
    assert_eq!(liar.read(SECOND + CONSUMED), 1);
}

#[test]
fn both_rings_full_and_nobody_reads() {
    let mut liar = Liar::new();
    for number in 0..SLOTS as u64 {
        liar.honest.tx.push(&message(number)).unwrap();
    }
    assert_eq!(liar.honest.tx.push(&message(9)), Err(Full));
    liar.write(SECOND + PRODUCED, SLOTS as u64);
    // Full the other way too: the honest end goes on reading.
    for _ in 0..SLOTS {
        assert!(liar.honest.rx.pop().unwrap().is_some());
    }
    assert_eq!(liar.honest.rx.pop(), Ok(None));
    assert_eq!(liar.honest.tx.announce_sleep(), Look::Sleep);
    assert_eq!(liar.honest.rx.announce_sleep(), Look::Sleep);
}

#[test]
fn a_flag_that_is_always_up_costs_one_doorbell_for_each_batch() {
    let mut liar = Liar::new();
    for number in 0..3 {
        liar.write(CONSUMER_SLEEPS, u64::MAX);
        liar.honest.tx.push(&message(number)).unwrap();
        assert!(liar.honest.tx.needs_doorbell());
        liar.write(CONSUMER_SLEEPS, u64::MAX);
        assert!(!liar.honest.tx.needs_doorbell(), "nothing new");
    }
}

#[test]
fn memory_too_small_or_crooked_is_refused() {
    let (small, _) = Region::shared(region_bytes(1) - 8);
    assert!(matches!(
        Endpoint::attach(small, Side::Peer),
        Err(BadRegion)
    ));
    let (empty, _) = Region::shared(0);
    assert!(matches!(
        Endpoint::attach(empty, Side::Peer),
        Err(BadRegion)
    ));
    let words = Arc::new([0_u64; 4]);
    let base = NonNull::from(&*words).cast::<u8>();
    // SAFETY: within the array; the constructor refuses before anything is read.
    let crooked = unsafe { base.add(1) };
    // SAFETY: never used: misaligned.
    let region = unsafe { Region::new(crooked, 16, words) };
    assert!(matches!(region, Err(BadRegion)));
}

#[test]
fn ranges_beyond_the_arena_are_refused() {
    let (client, server) = Arena::shared(100);
    let mut eight = [7; 8];
    for (offset, length) in [
        (93, 8),
        (100, 1),
        (101, 0),
        (u64::MAX, 1),
        (u64::MAX - 3, 8),
        (u64::MAX / 2, 8),
        (0, 101),
    ] {
        assert!(!server.contains(offset, length), "{offset} + {length}");
    }
    assert_eq!(server.read(93, &mut eight), Err(OutOfArena));
    assert_eq!(server.write(u64::MAX - 3, &eight), Err(OutOfArena));
    assert_eq!(eight, [7; 8], "nothing was copied");
    server.write(92, &eight).unwrap();
    let mut back = [0; 8];
    client.read(92, &mut back).unwrap();
    assert_eq!(back, eight);
    assert_eq!(server.read(100, &mut []), Ok(()));
}

#[test]
fn an_arena_unmapped_under_way_is_out_of_reach() {
    let (client, mut server) = Arena::shared(64);
    server.write(0, b"before").unwrap();
    server.unmap();
    assert_eq!((server.len(), server.is_empty()), (0, true));
    assert_eq!(server.write(0, b"after"), Err(OutOfArena));
    assert_eq!(server.read(0, &mut []), Err(OutOfArena));
    drop(server);
    let mut text = [0; 6];
    client.read(0, &mut text).unwrap();
    assert_eq!(&text, b"before");
}
