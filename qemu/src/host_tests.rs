//! Runs the tests that need no guest, by cargo, and counts them.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::paths;
use crate::tests::Tally;

/// What property tests read their seed from.
const SEED: &str = "PROPTEST_RNG_SEED";
/// The seed that they get unless it is given, so that every run plays the same cases.
const USUAL_SEED: &str = "793";

/// All crates of the workspace, and the shared-memory rings once more under the model checker.
pub fn run() -> Result<Tally> {
    let seed = std::env::var(SEED).unwrap_or_else(|_| USUAL_SEED.into());
    println!("building and running the tests of all crates on this machine, {SEED}={seed}");
    let mut tally = cargo_test(&["--workspace", "--no-fail-fast"], &[(SEED, &seed)])?;
    let loom = paths::root().join("user/ring/tests/loom.rs");
    if loom.exists() {
        println!("building and running the rings under the model checker");
        let target = paths::target().join("loom");
        tally += cargo_test(
            &["--package", "ring", "--test", "loom", "--release"],
            &[
                ("RUSTFLAGS", "--cfg loom"),
                ("CARGO_TARGET_DIR", &target.to_string_lossy()),
                // What makes programs of the guest small makes this one late.
                ("CARGO_PROFILE_RELEASE_LTO", "off"),
                ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
                ("CARGO_PROFILE_RELEASE_DEBUG", "false"),
            ],
        )?;
    }
    Ok(tally)
}

fn cargo_test(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Tally> {
    let (reader, writer) = std::io::pipe()?;
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .arg("test")
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(paths::root())
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    let mut child = command.spawn().context("cargo does not start")?;
    // The command holds the pipe's writing ends.
    drop(command);

    let mut report = Report::default();
    for line in BufReader::new(reader).lines() {
        if let Some(line) = report.line(&line?) {
            println!("{line}");
        }
    }
    let status = child.wait()?;
    if !status.success() && report.tally.failed == 0 {
        // It did not compile, or a test ended the whole process.
        report.tally.failed += 1;
    }
    Ok(report.tally)
}

/// Reads cargo's output line by line.
#[derive(Default)]
struct Report {
    tally: Tally,
    package: String,
}

impl Report {
    /// Counts, and gives the line to show, if any.
    fn line(&mut self, line: &str) -> Option<String> {
        let trimmed = line.trim_start();
        if let Some(rest) = trimmed.strip_prefix("Running ") {
            self.package = package(rest);
            return None;
        }
        if let Some(rest) = trimmed.strip_prefix("Doc-tests ") {
            self.package = format!("{rest} (examples)");
            return None;
        }
        if line.starts_with("test result: ") {
            return None;
        }
        if let Some(test) = line.strip_prefix("test ")
            && let Some((_, result)) = test.rsplit_once(" ... ")
        {
            if result.starts_with("ok") {
                self.tally.passed += 1;
            } else if result.starts_with("ignored") {
                self.tally.skipped += 1;
            } else {
                self.tally.failed += 1;
            }
            return Some(format!("test {}::{test}", self.package));
        }
        let noise = trimmed.is_empty()
            || ["Compiling ", "Finished ", "running ", "Blocking "]
                .iter()
                .any(|start| trimmed.starts_with(start));
        (!noise).then(|| line.to_owned())
    }
}

/// `unittests src/lib.rs (target/debug/deps/wire-0123456789abcdef)` is about `wire`.
fn package(running: &str) -> String {
    running
        .rsplit_once('/')
        .and_then(|(_, file)| file.rsplit_once('-'))
        .map_or_else(|| running.to_owned(), |(name, _)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::Report;

    #[test]
    fn results_are_counted_and_named() {
        let mut report = Report::default();
        let shown: Vec<String> = [
            "   Compiling wire v0.1.0",
            "     Running unittests src/lib.rs (target/debug/deps/wire-07ab)",
            "",
            "running 3 tests",
            "test checksum::tests::sums ... ok",
            "test drops ... ignored, needs root",
            "test odd ... FAILED",
            "thread 'odd' panicked",
            "test result: FAILED. 1 passed; 1 failed; 1 ignored",
        ]
        .iter()
        .filter_map(|line| report.line(line))
        .collect();
        assert_eq!(
            shown,
            [
                "test wire::checksum::tests::sums ... ok",
                "test wire::drops ... ignored, needs root",
                "test wire::odd ... FAILED",
                "thread 'odd' panicked",
            ]
        );
        assert_eq!(report.tally.to_string(), "1 passed, 1 failed, 1 skipped");
    }
}
