//! Counts of instructions that grew: the commit that writes one down says why, or a later one makes
//! up for it.

use std::process::Command;

use anyhow::{Context, Result};

use crate::instructions::record::Record;
use crate::paths;

/// Commits that are looked at, the newest.
const COMMITS: &str = "-30";

pub fn growth_is_explained() -> Result<Vec<String>> {
    // A copy without its history has nothing to look at, nor has one that was cut off.
    if git(&["rev-parse", "--is-shallow-repository"]).is_none_or(|answer| answer != "false") {
        println!("  growth_is_explained: there is no history here to look at");
        return Ok(Vec::new());
    }
    let record = paths::record();
    let file = record
        .strip_prefix(paths::root())?
        .to_str()
        .context("a path that is no text")?;
    let log = git(&["log", COMMITS, "--no-merges", "--format=%H", "--", file]);
    let mut broken = Vec::new();
    let mut said = String::new();
    for commit in log.unwrap_or_default().lines() {
        said += &git(&["log", "-1", "--format=%B", commit]).unwrap_or_default();
        said.push('\n');
        let at = |place: &str| Some(Record::new(git(&["show", &format!("{place}:{file}")])?));
        let (Some(before), Some(after)) = (at(&format!("{commit}^")), at(commit)) else {
            continue;
        };
        for name in unexplained(&before.grown_in(&after), &said) {
            broken.push(format!(
                "{commit:.10} lets {name:?} grow and does not say why"
            ));
        }
    }
    Ok(broken)
}

/// Names that do not stand in what was said, however its lines are broken.
fn unexplained<'a>(names: &'a [String], said: &str) -> Vec<&'a String> {
    let words: Vec<&str> = said.split_whitespace().collect();
    let said = words.join(" ");
    names
        .iter()
        .filter(|name| !said.contains(name.as_str()))
        .collect()
}

/// What git says, if it can say it.
fn git(words: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    command.arg("-C").arg(paths::root()).args(words);
    let output = command.output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::unexplained;

    #[test]
    fn rows_have_to_be_named() {
        let names = [
            "TCP echo, 64 bytes".to_owned(),
            "null system call".to_owned(),
        ];
        let message = "tcp: more\n\nTCP echo, 64\nbytes grows, because.\n";
        assert_eq!(unexplained(&names, message), [&names[1]]);
    }
}
