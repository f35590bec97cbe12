//! Parts of packets, by the thousand: what lies in the corpus of `fuzz`, mixtures of it, and noise.

use crate::laws;
use std::path::Path;

/// A small generator of its own, so that a failure's seed is the whole story.
fn noise(seed: &mut u64) -> usize {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    (*seed >> 20) as usize
}

#[test]
fn whatever_parts_come_the_laws_hold() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/parts");
    let mut stories: Vec<Vec<u8>> = std::fs::read_dir(directory)
        .expect("a corpus")
        .map(|entry| std::fs::read(entry.expect("a file").path()).expect("readable"))
        .collect();
    stories.sort();
    let whole: u64 = stories.iter().map(|story| laws::parts(story)).sum();
    assert_eq!(whole, 5, "packets that became whole");
    let mut seed = 0x5eed_0007;
    let mut whole = 0;
    for _ in 0..300 {
        let mut story: Vec<u8> = (0..5)
            .flat_map(|_| stories[noise(&mut seed) % stories.len()].clone())
            .collect();
        for _ in 0..8 {
            let place = noise(&mut seed) % story.len();
            story[place] = noise(&mut seed) as u8;
        }
        whole += laws::parts(&story);
    }
    assert!(whole > 300, "{whole} of the mixtures became whole");
    for length in 0..100 {
        let story: Vec<u8> = (0..length * 6).map(|_| noise(&mut seed) as u8).collect();
        laws::parts(&story);
    }
}
