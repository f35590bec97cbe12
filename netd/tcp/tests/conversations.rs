//! Hostile conversations: those that fuzzing has found worth keeping, and changed ones by the
//! hundred thousand. Whatever is said, the laws hold.
//!
//! The inputs depend on nothing but the corpus and the constants here. `fuzz/README.md` says how
//! the corpus came to be.
#![allow(
    clippy::cast_possible_truncation,
    reason = "numbers in tests are small, and noise is noise"
)]

mod laws;
#[path = "world/random.rs"]
#[allow(dead_code, reason = "every user needs another part")]
mod random;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use random::Random;

const ROUNDS: u32 = 100_000;

/// Noise: the seeds of the corpus. Any bytes are a conversation.
fn seeds() -> impl Iterator<Item = (String, Vec<u8>)> {
    (0..64).map(|seed| {
        let mut random = Random::new(seed);
        let len = 20 + random.below(400);
        let bytes = (0..len).map(|_| random.next() as u8).collect();
        (format!("seed {seed}"), bytes)
    })
}

/// The seeds and the files of the corpus, in the order of their names.
fn corpus() -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/conversation");
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .expect("a corpus")
        .map(|entry| {
            let path = entry.expect("a file").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            (name.into_owned(), std::fs::read(&path).expect("readable"))
        })
        .collect();
    files.sort();
    files.extend(seeds());
    files
}

/// Another conversation, made from two.
fn mutate(random: &mut Random, one: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = one.to_vec();
    for _ in 0..=random.below(6) {
        let at = random.below(bytes.len() as u64 + 1) as usize;
        match random.below(7) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, random.next() as u8),
            2 => bytes.extend_from_slice(&other[at.min(other.len())..]),
            3 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            4 if at < bytes.len() => {
                bytes.remove(at);
            }
            5 => {
                let piece = &other[at.min(other.len())..];
                let piece = &piece[..piece.len().min(20)];
                bytes.splice(at..at, piece.iter().copied());
            }
            _ if at < bytes.len() => bytes[at] = random.next() as u8,
            _ => {}
        }
    }
    bytes.truncate(1_500);
    bytes
}

fn hold(name: &str, bytes: &[u8]) -> u32 {
    catch_unwind(AssertUnwindSafe(|| laws::conversation(bytes)))
        .unwrap_or_else(|_| panic!("{name}: {bytes:?}"))
}

#[test]
fn all_that_was_worth_keeping() {
    let corpus = corpus();
    assert!(corpus.len() > 64, "{}", corpus.len());
    for (name, bytes) in corpus {
        hold(&name, &bytes);
    }
}

#[test]
fn changed_by_the_hundred_thousand() {
    let corpus = corpus();
    let mut random = Random::new(0x5eed);
    let mut steps = 0;
    for round in 0..ROUNDS {
        let mut pick = || &corpus[random.below(corpus.len() as u64) as usize].1;
        let (one, other) = (pick(), pick());
        let bytes = mutate(&mut random, one, other);
        steps += u64::from(hold(&format!("round {round}"), &bytes));
    }
    assert!(steps > 500_000, "only {steps}");
}
