//! Programs that misbehave harm nobody but themselves, and what they held comes back.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use regex::Regex;

use super::{Group, no_stage, tests};
use crate::guest::Guest;

pub fn group() -> Group {
    Group {
        name: "isolation",
        stage: no_stage,
        tests: tests![Alone:],
    }
}

/// Free memory of the guest in KiB.
pub fn free_memory(guest: &mut Guest) -> Result<u64> {
    let text = guest.must("ps")?;
    let pattern = Regex::new(r"memory: (\d+) KiB free of \d+ KiB")?;
    let found = pattern.captures(&text).context("ps tells no free memory")?;
    Ok(found[1].parse()?)
}

/// Waits until as much memory is free as before. Programs that have ended are cleared away a
/// moment later.
pub fn memory_is_back(guest: &mut Guest, before: u64) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let now = free_memory(guest)?;
        if now >= before {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "{} KiB are lost", before - now);
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// How many packets the guest says it has dropped, over all reasons.
pub fn dropped(guest: &mut Guest) -> Result<u64> {
    Ok(guest
        .must("net drops")?
        .lines()
        .filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok())
        .sum())
}
