use super::*;
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};
use std::vec;
use std::vec::Vec;

/// RFC 1071 section 1, word by word as it is written there.
fn by_the_book(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u32::from(u16::from_be_bytes([pair[0], low]));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded")
}

#[test]
fn example_of_rfc_1071() {
    // Section 3: the sum is ddf2.
    let sum = sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
    assert_eq!(sum.finish(), (!0xddf2_u16).to_be_bytes());
    assert_eq!(sum.partial(), [0xdd, 0xf2]);
}

#[test]
fn sums_of_nothing_and_of_ones() {
    assert_eq!(sum(&[]).finish(), [0xff, 0xff]);
    assert_eq!(Sum::ZERO, sum(&[0; 100]));
    for len in 1..200 {
        let ones = vec![0xff; len * 2];
        assert!(sum(&ones).is_valid(), "{len} words");
        assert_eq!(sum(&ones).finish(), [0, 0]);
    }
}

#[test]
fn carries_go_round() {
    let word = Sum::word(0xffff);
    assert!(word.plus(word).is_valid());
    let top = Sum(u64::MAX);
    assert!(top.plus(top).is_valid() && top.plus(Sum::word(1)) == Sum::word(1));
}

#[test]
fn long_inputs_lose_no_carry() {
    let bytes = vec![0xff; 1 << 20];
    assert!(sum(&bytes).is_valid());
    assert_eq!(
        sum(&bytes[1..]).finish(),
        by_the_book(&bytes[1..]).to_be_bytes()
    );
}

#[test]
fn every_alignment_and_short_length() {
    let bytes: Vec<u8> = (0_u8..=255)
        .map(|byte| byte.wrapping_mul(151) ^ 0x5a)
        .collect();
    for start in 0..16 {
        for end in start..=150 {
            let piece = &bytes[start..end];
            // Both ways of summing, whichever is this machine's.
            let mut copy = vec![0; piece.len()];
            let copied = copy_and_sum_by_lanes(&mut copy, piece);
            assert_eq!(copy, piece);
            let pieces = copy_and_sum_by_pieces(&mut copy, piece);
            copy.fill(0);
            let words = copy_and_sum_by_words(&mut copy, piece);
            assert_eq!(copy, piece);
            let sums = [sum_by_lanes(piece), sum_by_words(piece)];
            for sum in sums.into_iter().chain([copied, pieces, words]) {
                assert_eq!(
                    sum.finish(),
                    by_the_book(piece).to_be_bytes(),
                    "{start}..{end}"
                );
            }
        }
    }
}

#[test]
fn example_of_rfc_1624() {
    // Section 4: 5555 becomes 3285, and the checksum dd2f becomes 0000.
    assert_eq!(update([0xdd, 0x2f], 0x5555, 0x3285), [0, 0]);
}

#[test]
fn pseudo_header_of_ipv4() {
    let (source, destination) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(198, 51, 100, 2));
    let bytes = [192, 0, 2, 1, 198, 51, 100, 2, 0, 17, 0x12, 0x34];
    assert_eq!(
        Pseudo::v4(source, destination).with(Protocol::UDP, 0x1234),
        sum(&bytes)
    );
}

#[test]
fn pseudo_header_of_ipv6() {
    let source = Ipv6Addr::new(0x2001, 0xdb8, 1, 2, 3, 4, 5, 0xffff);
    let destination = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
    let mut bytes = Vec::new();
    bytes.extend(source.octets());
    bytes.extend(destination.octets());
    bytes.extend([0x00, 0x01, 0x23, 0x45, 0, 0, 0, 6]);
    assert_eq!(
        Pseudo::v6(source, destination).with(Protocol::TCP, 0x1_2345),
        sum(&bytes)
    );
}

#[test]
fn copies_as_much_as_both_hold() {
    let mut to = [9; 4];
    assert_eq!(copy_and_sum(&mut to, &[1, 2]), sum(&[1, 2]));
    assert_eq!(to, [1, 2, 9, 9]);
    assert_eq!(copy_and_sum(&mut to[..1], &[7, 8]), sum(&[7]));
    assert_eq!(to, [7, 2, 9, 9]);
    let long: Vec<u8> = (0..200).collect();
    let mut to = [0; 100];
    assert_eq!(copy_and_sum(&mut to, &long), sum(&long[..100]));
    assert_eq!(to, long[..100]);
}

proptest! {
    #[test]
    fn agrees_with_the_book(bytes: Vec<u8>, start in 0_usize..9) {
        let bytes = bytes.get(start..).unwrap_or_default();
        prop_assert_eq!(sum(bytes).finish(), by_the_book(bytes).to_be_bytes());
    }

    #[test]
    fn copying_copies_and_sums(from in proptest::collection::vec(any::<u8>(), 0..9000)) {
        let mut to = vec![0; from.len()];
        prop_assert_eq!(copy_and_sum(&mut to, &from), sum(&from));
        prop_assert_eq!(to, from);
    }

    #[test]
    fn pieces_add_up(bytes: Vec<u8>, at: prop::sample::Index) {
        let (front, back) = bytes.split_at(at.index(bytes.len() + 1));
        let back = if front.len() % 2 == 0 { sum(back) } else { sum(back).swapped() };
        prop_assert_eq!(sum(front).plus(back), sum(&bytes));
    }

    #[test]
    fn whole_with_its_checksum_is_valid(mut bytes: Vec<u8>) {
        if bytes.len() % 2 == 1 {
            bytes.push(0);
        }
        bytes.extend(sum(&bytes).finish());
        prop_assert!(sum(&bytes).is_valid());
    }

    #[test]
    fn update_is_a_new_sum(mut words in proptest::collection::vec(any::<u16>(), 2..40), new: u16) {
        let bytes = |words: &[u16]| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_be_bytes()).collect()
        };
        // A word that is never zero keeps the sum from being that of zeros, which alone has two
        // representations (RFC 1624 section 3).
        words[1] |= 1;
        let before = sum(&bytes(&words)).finish();
        let updated = update(before, words[0], new);
        words[0] = new;
        prop_assert_eq!(updated, sum(&bytes(&words)).finish());
    }
}
