//! The system boots: on each CPU model, from each image form, with few and many cores, little and
//! much memory.

use anyhow::Result;

use super::{Group, no_stage, tests};
use crate::guest::Guest;
use crate::machine::Machine;
use crate::paths;

pub fn group() -> Group {
    Group {
        name: "boot",
        stage: no_stage,
        tests: tests![Alone:
            on_cortex_a53,
            on_cortex_a72,
        ],
    }
}

fn boots(machine: Machine) -> Result<Guest> {
    let mut guest = Guest::boot(machine)?;
    guest.must("ps")?;
    Ok(guest)
}

fn on_cortex_a53() -> Result<()> {
    boots(Machine {
        cpu: "cortex-a53".into(),
        ..Machine::default()
    })?;
    Ok(())
}

fn on_cortex_a72() -> Result<()> {
    boots(Machine {
        kernel: paths::build().join("skerry.img"),
        ..Machine::default()
    })?;
    Ok(())
}
