use super::*;
use core::net::{Ipv4Addr, Ipv6Addr};
use proptest::prelude::{any, prop_assert_eq, proptest};
use std::collections::{BTreeMap, HashSet};
use std::vec::Vec;

const TIME: Duration = Duration::from_secs(30);
const START: Instant = Instant::from_secs(1);
const LATER: Instant = Instant::from_secs(31);
const HERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

fn reassembler(packets: u16, pages: u16) -> Reassembler<Ipv4Addr> {
    Reassembler::new(packets, pages, TIME, &mut Rng::new([7; 32]))
}

fn source(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, last)
}

fn key(source: Ipv4Addr, identification: u32) -> Key<Ipv4Addr> {
    Key {
        interface: 1,
        source,
        destination: HERE,
        identification,
        protocol: 17,
    }
}

fn piece<A>(key: Key<A>, offset: usize, more: bool, bytes: &[u8]) -> Piece<'_, A> {
    Piece {
        key,
        head: b"the head",
        offset,
        more,
        bytes,
        ecn: Ecn::NotCapable,
        is_own: true,
    }
}

/// What became of a part, the bytes of a whole packet copied.
fn take(
    it: &mut Reassembler<Ipv4Addr>,
    piece: &Piece<'_, Ipv4Addr>,
    now: Instant,
) -> Result<Option<Vec<u8>>, Drop> {
    let whole = it.take_in(piece, now).result?;
    Ok(whole.map(|mut whole| {
        assert_eq!(whole.head_mut(), b"the head");
        let bytes = whole.packet(8).to_vec();
        assert_eq!(bytes.len(), whole.len());
        it.give_back(whole);
        bytes
    }))
}

/// Nothing is held by anybody.
fn assert_empty(it: &Reassembler<Ipv4Addr>, pages: usize) {
    assert_eq!(it.pages.free(), pages);
    assert!(it.shares.iter().all(|share| *share == 0));
    assert_eq!(it.lists.iter(FREE).count(), it.packets.len());
    assert_eq!((it.deadline(), it.space.len()), (None, MAX_PAGES * PAGE));
}

fn expire_all(it: &mut Reassembler<Ipv4Addr>, now: Instant) -> u32 {
    let mut lost = 0;
    while let Some(expired) = it.expire(now) {
        lost += expired.lost;
        if let Some(first) = expired.first {
            it.give_back(first);
        }
    }
    lost
}

/// A packet as a set of claims: what each byte is, and which places are, or are not, behind its end.
#[derive(Default)]
struct Model {
    bytes: BTreeMap<usize, u8>,
    total: Option<usize>,
    is_refused: bool,
}

impl Model {
    fn take(&mut self, offset: usize, more: bool, bytes: &[u8]) -> Result<Option<Vec<u8>>, Drop> {
        if self.is_refused {
            return Err(Drop::FragmentOverlap);
        }
        let claims: Vec<_> = (offset..).zip(bytes.iter().copied()).collect();
        let end = offset + bytes.len();
        let known = claims
            .iter()
            .filter(|(at, _)| self.bytes.contains_key(at))
            .count();
        let agrees = claims
            .iter()
            .all(|(at, byte)| self.bytes.get(at) == Some(byte));
        let ends_alike = self.total.is_none_or(|total| more == (end < total));
        if known == claims.len() && agrees && ends_alike {
            return Err(Drop::FragmentDuplicate);
        }
        let last = self.bytes.last_key_value().map_or(0, |(at, _)| at + 1);
        let fits = match (self.total, more) {
            (Some(total), true) => end < total,
            (Some(_), false) => false,
            (None, true) => true,
            (None, false) => last <= end,
        };
        if known > 0 || !fits {
            self.is_refused = true;
            return Err(Drop::FragmentOverlap);
        }
        self.bytes.extend(claims);
        if !more {
            self.total = Some(end);
        }
        if self.total == Some(self.bytes.len()) {
            let model = core::mem::take(self);
            return Ok(Some(model.bytes.into_values().collect()));
        }
        Ok(None)
    }
}

/// Every sequence of up to four parts of a packet of up to three blocks, of two contents.
#[test]
fn every_short_sequence_of_parts_does_what_the_model_does() {
    let contents = [[1; 24], [2; 24]];
    let mut parts = Vec::new();
    for start in 0..3 {
        for end in start + 1..=3 {
            for more in [false, true] {
                for content in &contents {
                    parts.push((start * 8, more, &content[start * 8..end * 8]));
                    if !more {
                        // A last part that ends within a block.
                        parts.push((start * 8, more, &content[start * 8..end * 8 - 3]));
                    }
                }
            }
        }
    }
    let mut it = reassembler(4, 4);
    let (mut identification, mut wholes) = (0, 0);
    let mut play = |sequence: &[usize]| {
        identification += 1;
        let mut model = Model::default();
        let mut is_over = false;
        for part in sequence {
            let (offset, more, bytes) = parts[*part];
            let expected = model.take(offset, more, bytes);
            let piece = piece(key(HERE, identification), offset, more, bytes);
            let found = take(&mut it, &piece, START);
            assert_eq!(found, expected, "{sequence:?}");
            wholes += u32::from(matches!(found, Ok(Some(_))));
            is_over |= !matches!(found, Ok(None));
        }
        expire_all(&mut it, LATER);
        is_over
    };
    let count = parts.len();
    for a in 0..count {
        for b in 0..count {
            for c in 0..count {
                play(&[a, b, c]);
            }
        }
    }
    // Of the sequences of four, those that begin with a block each.
    let single = |part: &usize| parts[*part].2.len() <= 8;
    for a in (0..count).filter(single) {
        for b in (0..count).filter(single) {
            for c in (0..count).filter(single) {
                for d in 0..count {
                    play(&[a, b, c, d]);
                }
            }
        }
    }
    assert!(wholes > 1_000);
    assert_empty(&it, 4);
}

#[test]
fn the_longest_packet_is_put_together_in_any_order() {
    let whole: Vec<u8> = (0..65_507u32 + 8).map(|at| ((at * 7) >> 3) as u8).collect();
    let cuts: Vec<_> = (0..whole.len()).step_by(1480).collect();
    let orders: [Vec<usize>; 3] = [
        (0..cuts.len()).collect(),
        (0..cuts.len()).rev().collect(),
        (0..cuts.len()).map(|n| n * 7 % cuts.len()).collect(),
    ];
    for order in orders {
        assert_eq!(order.iter().collect::<HashSet<_>>().len(), cuts.len());
        let mut it = reassembler(2, 33);
        let mut done = None;
        for (turn, n) in order.iter().enumerate() {
            let end = whole.len().min(cuts[*n] + 1480);
            let part = piece(
                key(HERE, 1),
                cuts[*n],
                end < whole.len(),
                &whole[cuts[*n]..end],
            );
            done = take(&mut it, &part, START).expect("sound");
            assert_eq!(done.is_some(), turn + 1 == cuts.len());
        }
        assert_eq!(done, Some(whole.clone()));
        assert_empty(&it, 33);
    }
}

#[test]
fn parts_that_no_packet_has_are_refused() {
    let mut it = reassembler(2, 33);
    let mut refused = |offset, more, len: usize| {
        let bytes = vec![0; len];
        take(&mut it, &piece(key(HERE, 1), offset, more, &bytes), START)
    };
    assert_eq!(refused(0, true, 0), Err(Drop::FragmentLength));
    assert_eq!(refused(8, false, 0), Err(Drop::FragmentLength));
    assert_eq!(refused(0, true, 9), Err(Drop::FragmentLength));
    assert_eq!(refused(65_528, false, 8), Err(Drop::FragmentTooLong));
    assert_eq!(refused(65_528, false, 7), Ok(None));
    assert_eq!(expire_all(&mut it, LATER), 1);
    assert_empty(&it, 33);
}

#[test]
fn what_tells_packets_apart() {
    let mut it = reassembler(16, 16);
    let one = key(HERE, 1);
    let others = [
        Key {
            interface: 2,
            ..one
        },
        Key {
            source: source(9),
            ..one
        },
        Key {
            destination: source(9),
            ..one
        },
        Key {
            identification: 2,
            ..one
        },
        Key {
            identification: 0x1_0001,
            ..one
        },
        Key { protocol: 6, ..one },
    ];
    assert_eq!(
        take(&mut it, &piece(one, 0, true, &[1; 8]), START),
        Ok(None)
    );
    for other in others {
        assert_eq!(
            take(&mut it, &piece(other, 8, false, b"end"), START),
            Ok(None)
        );
    }
    let whole = take(&mut it, &piece(one, 8, false, b"end"), START);
    assert_eq!(whole, Ok(Some([&[1; 8][..], b"end"].concat())));
}

// RFC 5722 section 3
#[test]
fn an_overlap_ends_the_packet_and_whatever_comes_of_it() {
    let mut it = reassembler(2, 8);
    let part = |offset, more, bytes| piece(key(HERE, 1), offset, more, bytes);
    assert_eq!(take(&mut it, &part(0, true, &[1; 16]), START), Ok(None));
    assert_eq!(take(&mut it, &part(24, true, &[1; 8]), START), Ok(None));
    let outcome = it.take_in(&part(8, true, &[1; 16]), START);
    assert_eq!(outcome.lost, 2);
    assert!(matches!(outcome.result, Err(Drop::FragmentOverlap)));
    assert_eq!(it.pages.free(), 8);
    for (offset, more) in [(0, true), (16, false)] {
        let late = take(&mut it, &part(offset, more, &[1; 16]), START);
        assert_eq!(late, Err(Drop::FragmentOverlap));
    }
    let expired = it.expire(LATER).expect("remembered until then");
    assert!(expired.lost == 0 && expired.first.is_none());
    assert_eq!(take(&mut it, &part(0, true, &[1; 16]), LATER), Ok(None));
}

#[test]
fn many_small_parts_end_the_packet() {
    let mut it = reassembler(2, 8);
    for n in 0..usize::from(MAX_PARTS) {
        let part = piece(key(HERE, 1), n * 16, true, &[1; 8]);
        assert_eq!(take(&mut it, &part, START), Ok(None));
    }
    let outcome = it.take_in(&piece(key(HERE, 1), 8, true, &[1; 8]), START);
    assert!(matches!(outcome.result, Err(Drop::FragmentTooMany)));
    assert_eq!(outcome.lost, MAX_PARTS.into());
    assert_eq!(it.pages.free(), 8);
}

#[test]
fn time_is_over_for_the_oldest_first_and_its_first_part_is_given() {
    let mut it = reassembler(4, 8);
    let second = START + Duration::from_secs(1);
    let part = |id, offset, bytes| piece(key(HERE, id), offset, true, bytes);
    assert_eq!(
        take(&mut it, &part(1, 0, b"the very first.."), START),
        Ok(None)
    );
    assert_eq!(take(&mut it, &part(1, 32, &[1; 8]), second), Ok(None));
    assert_eq!(take(&mut it, &part(2, 8, &[1; 8]), second), Ok(None));
    assert_eq!(it.deadline(), Some(START + TIME));
    assert!(it.expire(START + Duration::from_millis(29_999)).is_none());
    let expired = it.expire(START + TIME).expect("due");
    assert_eq!(expired.lost, 2);
    let first = expired.first.expect("it had come");
    assert_eq!(first.packet(0), b"the headthe very first..");
    // While it is lent nothing can become whole: that is counted, not lost in silence.
    let one = take(&mut it, &piece(key(HERE, 3), 8, false, b"b"), second);
    assert_eq!(one, Ok(None));
    let outcome = it.take_in(&part(3, 0, b"aaaaaaaa"), second);
    assert!(matches!(outcome.result, Err(Drop::NoBuffer)));
    assert_eq!(outcome.lost, 1);
    it.give_back(first);
    let expired = it.expire(second + TIME).expect("due");
    assert!(expired.lost == 1 && expired.first.is_none());
    assert_empty(&it, 8);
}

#[test]
fn who_sends_to_a_group_is_not_told() {
    let mut it = reassembler(4, 8);
    let part = Piece {
        is_own: false,
        ..piece(key(HERE, 1), 0, true, &[1; 8])
    };
    assert_eq!(take(&mut it, &part, START), Ok(None));
    assert!(it.expire(LATER).expect("due").first.is_none());
}

#[test]
fn who_floods_displaces_only_itself() {
    let mut it = reassembler(16, 16);
    // A patient sender, whose packet needs three parts.
    let bytes = [[1; 8], [2; 8], [3; 8]];
    let part = |n: usize| piece(key(source(1), 1), n * 8, n < 2, &bytes[n]);
    assert_eq!(take(&mut it, &part(0), START), Ok(None));
    for round in 0..1_000 {
        let flood = piece(key(source(2), round), 0, true, &[9; 1480]);
        assert_eq!(take(&mut it, &flood, START), Ok(None));
        if round == 500 {
            assert_eq!(take(&mut it, &part(2), START), Ok(None));
        }
    }
    assert_eq!(take(&mut it, &part(1), START), Ok(Some(bytes.concat())));
    // Fifteen that were there, of which one made way for each of the others.
    assert_eq!(expire_all(&mut it, LATER), 15);
    assert_empty(&it, 16);
}

#[test]
fn one_packet_too_long_for_all_memory_gives_it_back() {
    let mut it = reassembler(4, 3);
    for n in 0..3 {
        let part = piece(key(source(1), 1), n * 2048, true, &[1; 1024]);
        assert_eq!(take(&mut it, &part, START), Ok(None));
    }
    let outcome = it.take_in(&piece(key(source(1), 1), 3 * 2048, true, &[1; 1024]), START);
    assert!(matches!(outcome.result, Err(Drop::FragmentNoRoom)));
    assert_eq!(outcome.lost, 3);
    assert_empty(&it, 3);
    let mut none = reassembler(0, 0);
    let refused = take(
        &mut none,
        &piece(key(source(1), 1), 0, true, &[1; 8]),
        START,
    );
    assert_eq!(refused, Err(Drop::FragmentNoRoom));
}

// RFC 3168 section 5.3
#[test]
fn marks() {
    use Ecn::{Capable0, Capable1, Congested, NotCapable};
    for (marks, expected) in [
        ([NotCapable, NotCapable], Some(NotCapable)),
        ([Capable0, Capable0], Some(Capable0)),
        ([Capable1, Capable1], Some(Capable1)),
        ([Capable0, Congested], Some(Congested)),
        ([Congested, Congested], Some(Congested)),
        ([Capable1, NotCapable], Some(NotCapable)),
        ([Congested, NotCapable], None),
    ] {
        let mut it = reassembler(4, 8);
        let [one, other] = marks;
        let first = Piece {
            ecn: one,
            ..piece(key(HERE, 1), 0, true, &[1; 8])
        };
        let last = Piece {
            ecn: other,
            ..piece(key(HERE, 1), 8, false, &[1; 8])
        };
        assert_eq!(take(&mut it, &first, START), Ok(None));
        let outcome = it.take_in(&last, START);
        match (outcome.result, expected) {
            (Ok(Some(whole)), Some(expected)) => {
                assert_eq!(whole.ecn, expected);
                it.give_back(whole);
            }
            (Err(Drop::FragmentMark), None) => assert_eq!(outcome.lost, 1),
            other => panic!("{marks:?}: {other:?}"),
        }
        assert_empty(&it, 8);
    }
}

#[test]
fn ipv6_is_no_different() {
    let mut it = Reassembler::<Ipv6Addr>::new(2, 2, TIME, &mut Rng::new([1; 32]));
    let key = Key {
        interface: 1,
        source: Ipv6Addr::LOCALHOST,
        destination: Ipv6Addr::LOCALHOST,
        identification: 0xdead_beef,
        protocol: 0,
    };
    let head = [6; HEAD];
    let last = Piece {
        head: &head,
        ..piece(key, 8, false, b"end")
    };
    assert!(matches!(it.take_in(&last, START).result, Ok(None)));
    let first = Piece {
        head: &head,
        ..piece(key, 0, true, b"beginnin")
    };
    let Ok(Some(mut whole)) = it.take_in(&first, START).result else {
        panic!("not whole");
    };
    assert_eq!(whole.head_mut(), head);
    assert_eq!(whole.packet(HEAD), b"beginninend");
    let longer = [6; HEAD + 1];
    let too_long = Piece {
        head: &longer,
        ..piece(key, 0, true, b"beginnin")
    };
    let refused = it.take_in(&too_long, START).result;
    assert!(matches!(refused, Err(Drop::FragmentTooLong)));
}

proptest! {
    /// Whatever comes in whatever order, no memory is lost, and each part is accounted for once.
    #[test]
    fn nothing_is_lost_or_counted_twice(
        parts in proptest::collection::vec(
            (0_u8..4, 0_u32..3, 0_usize..9, 1_usize..1200, any::<bool>()), 1..200),
    ) {
        let mut it = reassembler(6, 9);
        let content = [5; 1200];
        let (mut kept, mut now) = (0_u32, START);
        for (from, id, at, len, more) in parts {
            let len = if more { len.next_multiple_of(8) } else { len };
            let part = piece(key(source(from), id), at * 608, more, &content[..len]);
            now = now + Duration::from_millis(200);
            kept -= expire_all(&mut it, now);
            let before = it.packets.iter().map(|packet| u32::from(packet.parts)).sum::<u32>();
            prop_assert_eq!(before, kept);
            let outcome = it.take_in(&part, now);
            kept -= outcome.lost + outcome.displaced;
            match outcome.result {
                Ok(None) => kept += 1,
                Ok(Some(whole)) => {
                    it.give_back(whole);
                    kept = it.packets.iter().map(|packet| u32::from(packet.parts)).sum();
                }
                Err(_) => {}
            }
        }
        prop_assert_eq!(expire_all(&mut it, now + TIME), kept);
        assert_empty(&it, 9);
    }

    #[test]
    fn any_cutting_in_any_order_gives_the_packet(
        bytes in proptest::collection::vec(any::<u8>(), 1..6000),
        cuts in proptest::collection::btree_set(1_usize..700, 0..40),
        seed: u64,
    ) {
        let cuts = cuts.into_iter().map(|cut| cut * 8).filter(|cut| *cut < bytes.len());
        let starts: Vec<_> = [0].into_iter().chain(cuts).collect();
        let ends = starts.iter().copied().skip(1).chain([bytes.len()]);
        let mut parts: Vec<_> = starts.iter().copied().zip(ends).collect();
        let mut noise = Rng::new([(seed & 0xff) as u8; 32]);
        for at in (1..parts.len()).rev() {
            parts.swap(at, (noise.u64() % (at as u64 + 1)) as usize);
        }
        let mut it = reassembler(2, 8);
        let count = parts.len();
        for (turn, (start, end)) in parts.into_iter().enumerate() {
            let part = piece(key(HERE, 1), start, end < bytes.len(), &bytes[start..end]);
            let expected = (turn + 1 == count).then(|| bytes.clone());
            prop_assert_eq!(take(&mut it, &part, START), Ok(expected));
            if turn + 1 < count {
                // Once more: it does no harm.
                prop_assert_eq!(take(&mut it, &part, START), Err(Drop::FragmentDuplicate));
            }
        }
    }
}
