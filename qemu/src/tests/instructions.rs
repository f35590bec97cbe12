//! What operations cost in guest instructions: no more than is written down.

use anyhow::{Result, ensure};

use super::{Group, no_stage, tests};
use crate::instructions;
use crate::profile::Profile;

pub fn group() -> Group {
    Group {
        name: "instructions",
        stage: no_stage,
        tests: tests![Alone:
            nothing_costs_more_than_is_written_down,
            a_profile_accounts_for_what_is_counted,
        ],
    }
}

fn nothing_costs_more_than_is_written_down() -> Result<()> {
    instructions::compare()
}

/// Every instruction is in the profile, with the programs that an echo takes and no others. It runs with
/// another count than the record, by what the beat and QEMU's log change.
fn a_profile_accounts_for_what_is_counted() -> Result<()> {
    let profile = Profile::take("icmp")?;
    let record = instructions::record::Record::read()?.row(profile.row);
    let counted = record.map_or(0.0, |row| row.count);
    let found = profile.each(profile.frame.count);
    ensure!(
        (found / counted - 1.0).abs() < 0.2,
        "{found:.0} instructions in the profile, {counted:.0} counted"
    );
    let programs = profile.frame.programs();
    ensure!(programs[0].0 == "netd", "{programs:?}");
    ensure!(programs[1].0 == "kernel", "{programs:?}");
    ensure!(
        programs
            .iter()
            .skip(2)
            .all(|(_, count)| profile.each(*count) < 20.0),
        "{programs:?}"
    );
    let functions = profile.frame.functions();
    ensure!(
        functions
            .iter()
            .any(|(name, _)| name.contains("netd: server::turn")),
        "netd's loop is not among the functions"
    );
    Ok(())
}
