//! Very many idle connections: all of them answer, and the guest's memory holds them.

use anyhow::{Result, ensure};

use super::{Group, no_stage, tests};
use crate::crowd::gather;

/// Connections; `make bench` opens a million.
const COUNT: usize = 20_000;
/// Mebibytes of the machine.
const MEMORY: u32 = 256;
/// Seconds of silence after which a peer is asked.
const KEEP_ALIVE: u32 = 3;

pub fn group() -> Group {
    Group {
        name: "crowd",
        stage: no_stage,
        tests: tests![Alone: twenty_thousand_idle_connections_all_answer],
    }
}

fn twenty_thousand_idle_connections_all_answer() -> Result<()> {
    let outcome = gather(COUNT, MEMORY, KEEP_ALIVE, 20)?;
    ensure!(outcome.asked == COUNT, "{} were asked", outcome.asked);
    ensure!(outcome.answered == COUNT / 20, "{}", outcome.answered);
    ensure!(outcome.used < 80e6, "{} bytes in use", outcome.used);
    Ok(())
}
