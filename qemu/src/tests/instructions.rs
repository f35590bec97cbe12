//! What operations cost in guest instructions: no more than is written down.

use super::{Group, no_stage, tests};
use crate::instructions;

pub fn group() -> Group {
    Group {
        name: "instructions",
        stage: no_stage,
        tests: tests![Alone: nothing_costs_more_than_is_written_down],
    }
}

fn nothing_costs_more_than_is_written_down() -> anyhow::Result<()> {
    instructions::compare()
}
