//! Ten thousand scenarios, each from a seed: random networks, random programs, and oracles that
//! watch everything. A block of seeds is a test. `make sim SEED=n` plays one and keeps its frames.

use libtest_mimic::{Arguments, Failed, Trial};
use sim::scenario;

/// Seeds in all, and of one test.
const SEEDS: u64 = 10_000;
const BLOCK: u64 = 500;

fn main() {
    let arguments = Arguments::from_args();
    let blocks = (0..SEEDS / BLOCK).map(|block| {
        let (first, end) = (block * BLOCK, (block + 1) * BLOCK);
        let name = format!("seeds_{first:04}_to_{:04}", end - 1);
        Trial::test(name, move || {
            (first..end).try_for_each(|seed| scenario::check(seed).map_err(Failed::from))
        })
    });
    libtest_mimic::run(&arguments, blocks.collect()).exit();
}
