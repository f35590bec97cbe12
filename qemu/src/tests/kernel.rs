//! What was built, looked at from outside: what is in the kernel, how large everything is, and that
//! others can use the crates.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use regex::Regex;

use super::{Group, no_stage, tests};
use crate::guest::Guest;
use crate::machine::Machine;
use crate::{checks, executable, image, paths};

/// Four emulated cores on a host with two busy ones take their time.
const LIMIT: Duration = Duration::from_secs(400);

pub fn group() -> Group {
    Group {
        name: "kernel",
        stage: no_stage,
        tests: tests![Alone:
            no_protocol_in_the_kernel,
            no_writable_code,
            small_enough,
            checks_itself_on_one_core,
            checks_itself_on_four_cores,
            checks_itself_on_the_largest_cpu,
        ],
    }
}

/// What compiles. It keeps the cores of the host busy, so it is done before guests need them.
pub fn builds() -> Vec<Group> {
    [
        tests![Alone: crates_serve_others],
        tests![Alone: the_log_can_be_left_out],
    ]
    .map(|tests| Group {
        name: "kernel",
        stage: no_stage,
        tests,
    })
    .into()
}

/// Words that stand for what the kernel leaves to others.
const FOREIGN: &[&str] = &[
    "tcp", "udp", "icmp", "ethernet", "ipv4", "ipv6", "dhcp", "dns", "http", "socket", "arp_",
    "checksum", "netd", "virtio", "smoltcp",
];

fn no_protocol_in_the_kernel() -> Result<()> {
    let file = std::fs::read(image::kernel_with_symbols()).context("reading the kernel")?;
    let symbols = executable::symbols(&file)?;
    ensure!(
        symbols.len() > 100,
        "only {} symbols: is it stripped?",
        symbols.len()
    );
    let found: Vec<&String> = symbols
        .iter()
        .filter(|symbol| {
            let lower = symbol.to_lowercase();
            // The standard library formats addresses; that is no protocol.
            !lower.contains("core::net") && FOREIGN.iter().any(|word| lower.contains(word))
        })
        .collect();
    ensure!(found.is_empty(), "{found:?}");
    Ok(())
}

fn no_writable_code() -> Result<()> {
    for path in [
        image::kernel_with_symbols(),
        image::program_with_symbols("netd"),
    ] {
        let file = std::fs::read(&path)?;
        ensure!(!executable::has_writable_code(&file)?, "{}", path.display());
    }
    Ok(())
}

fn small_enough() -> Result<()> {
    let size = std::fs::metadata(paths::build().join("skerry.img"))?.len();
    ensure!(size <= 2 << 20, "{size} bytes");
    Ok(())
}

/// A package that is no part of this workspace builds against the formats and runs.
fn crates_serve_others() -> Result<()> {
    let output = std::process::Command::new("cargo")
        .args(["run", "--quiet", "--manifest-path"])
        .arg(paths::root().join("qemu/outside/Cargo.toml"))
        .arg("--target-dir")
        .arg(paths::build().join("outside"))
        .output()
        .context("cargo does not start")?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(printed.trim() == "read back", "{printed}{errors}");
    Ok(())
}

/// Of the words that the first process and its run-time log, a build without the log has none, and the usual
/// one has them.
fn the_log_can_be_left_out() -> Result<()> {
    let logged = Regex::new(r#"log::(?:error|warn|info|debug|trace)!\(\s*"([^"]+)""#)?;
    let mut words = Vec::new();
    for path in checks::sources::files()? {
        let is_it = ["user/init/src", "user/rt/src"]
            .iter()
            .any(|folder| path.starts_with(folder));
        if is_it {
            let text = std::fs::read_to_string(paths::root().join(&path))?;
            let said = logged.captures_iter(&text).map(|found| found[1].to_owned());
            // What stands between values, as long as it can be nothing else by chance.
            words.extend(said.flat_map(|text| {
                let pieces = text.split(['{', '}', '\\']).map(str::to_owned);
                pieces.filter(|it| it.len() > 12).collect::<Vec<_>>()
            }));
        }
    }
    let has = |file: &[u8], word: &str| {
        let word = word.as_bytes();
        file.windows(word.len()).any(|bytes| bytes == word)
    };
    let usual = executable::strip(&std::fs::read(image::program_with_symbols("init"))?)?;
    let silent = executable::strip(&image::build_silently("init")?)?;
    let there: Vec<_> = words.iter().filter(|word| has(&usual, word)).collect();
    ensure!(there.len() > 10, "only {there:?} of {words:?}");
    let left: Vec<_> = words.iter().filter(|word| has(&silent, word)).collect();
    ensure!(left.is_empty(), "{left:?}");
    ensure!(silent.len() < usual.len(), "it is no smaller");
    Ok(())
}

/// Boots with a first process that tries every system call, right and wrong, and tells.
fn checks_itself(machine: Machine) -> Result<()> {
    let mut guest = Guest::start(Machine {
        kernel: paths::build().join("skerry.img"),
        extra: vec![
            "-initrd".into(),
            paths::build().join("check.cpio").display().to_string(),
        ],
        ..machine
    })?;
    let (_, totals) = guest
        .console
        .expect(r"kernel-check: \d+ passed, \d+ failed", LIMIT)?;
    ensure!(totals.ends_with(" 0 failed"), "{totals}");
    ensure!(!totals.contains(" 0 passed"), "{totals}");
    Ok(())
}

fn checks_itself_on_one_core() -> Result<()> {
    checks_itself(Machine::default())
}

fn checks_itself_on_four_cores() -> Result<()> {
    checks_itself(Machine {
        cores: 4,
        ..Machine::default()
    })
}

fn checks_itself_on_the_largest_cpu() -> Result<()> {
    checks_itself(Machine {
        cpu: "max".into(),
        memory: "128M".into(),
        ..Machine::default()
    })
}
