//! A million idle connections in a guest of one gibibyte, kept alive, all answering.

use anyhow::{Result, ensure};

use super::Figure;
use crate::crowd::gather;

const COUNT: usize = 1_000_000;
/// Mebibytes of the machine.
const MEMORY: u32 = 1_024;
/// Seconds of silence after which a peer is asked.
const KEEP_ALIVE: u32 = 120;
/// One connection of so many is spoken to.
const STEP: usize = 100;

/// Opens them, waits until every peer was asked whether it is there, and speaks to some of all.
pub fn measure() -> Result<Vec<Figure>> {
    let outcome = gather(COUNT, MEMORY, KEEP_ALIVE, STEP)?;
    ensure!(outcome.asked == COUNT, "{} were asked", outcome.asked);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let (count, answered) = (outcome.asked as f64, outcome.answered as f64);
    let seconds = outcome.opening.as_secs_f64();
    Ok(vec![
        Figure::new("idle connections, kept alive, 1 GiB", count, "").at_least(1e6),
        Figure::new("of these, spoken to and answered", answered, ""),
        Figure::new("connections accepted in a second", count / seconds, ""),
        Figure::new("memory in use with all of them", outcome.used / 1e6, "MB"),
    ])
}
