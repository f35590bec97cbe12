//! This guest and Linux, one after the other on the same virtual card, the same TAP interface and the
//! same host, measured by the same tools from outside.
//!
//! The tools are no part of this tree. Their folder has `measure`, `net`, `guest-qemu` and `linux-guest`;
//! `PEERS` says where it is, or it lies beside this tree. They need to be root, make a network namespace of
//! their own, and are asked to take it down again.

use std::io::BufRead;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::comparison::{Comparison, ROWS};
use crate::monitor::{self, Monitor};
use crate::{image, paths};

/// What the folder must have.
const TOOLS: [&str; 4] = ["measure", "net", "guest-qemu", "linux-guest"];
/// Rounds, of which the medians are shown; and seconds for each test.
const ROUNDS: (u32, &str) = (5, "2");
const QUICK: (u32, &str) = (1, "1");
/// What each guest is measured with, by the tools' names: the plain run, the one that counts
/// instructions, and that with nothing offloaded and nothing coalesced. Linux is told to be fast.
const OURS: [&str; 3] = ["tap-smp1", "insn-tap", "insn-nooffload"];
const LINUX: [&str; 3] = ["tap-tuned", "insn-tuned", "insn-nooffload-nogro"];
/// A guest's driver has agreed with its card by then.
const START: Duration = Duration::from_secs(30);

/// `make peers`. Says what is missing, if something is.
pub fn run(is_quick: bool) -> Result<()> {
    let Some(folder) = folder() else {
        println!(
            "skipped: no folder with {}; PEERS=folder says where",
            TOOLS.join(", ")
        );
        return Ok(());
    };
    if rustix::process::geteuid().as_raw() != 0 {
        println!("skipped: only root may make the namespace");
        return Ok(());
    }
    image::build()?;
    let (rounds, seconds) = if is_quick { QUICK } else { ROUNDS };
    let tools = Tools::new(folder)?;
    let pairs: Vec<_> = OURS.into_iter().zip(LINUX).collect();
    let (mut lines, mut features) = (Vec::new(), json!({}));
    for round in 0..rounds {
        for (ours, theirs) in &pairs {
            let mut turns = [("skerry", ours), ("linux", theirs)];
            // Whoever comes first may find the machine quieter.
            if round % 2 == 1 {
                turns.reverse();
            }
            for (guest, configuration) in turns {
                println!("round {} of {rounds}: {guest}, {configuration}", round + 1);
                let (line, agreed) = tools.measure(guest, configuration, seconds)?;
                features[format!("{guest} {configuration}")] = agreed;
                lines.push(line);
            }
        }
    }
    let found: Vec<Comparison> = ROWS
        .iter()
        .filter_map(|row| row.compare(&lines, &pairs))
        .collect();
    report(&found, &features, rounds)
}

/// The end of `make bench`, if the environment says where the tools are.
pub fn run_if_asked() -> Result<()> {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if is_set("PEERS") {
        return run(is_set("QUICK"));
    }
    println!("`make peers` measures beside Linux");
    Ok(())
}

fn report(found: &[Comparison], features: &Value, rounds: u32) -> Result<()> {
    let version = Command::new("qemu-system-aarch64")
        .arg("--version")
        .output()?;
    let version = version
        .stdout
        .lines()
        .next()
        .transpose()?
        .unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg")?;
    println!(
        "\n{version}; TAP; load {}; medians of {rounds}",
        load.trim()
    );
    if let Some(features) = features.as_object() {
        for (who, agreed) in features {
            println!("{who}: {agreed}");
        }
    }
    println!(
        "\n{:<52} {:>10} {:>10} {:>7}",
        "", "Skerry", "Linux", "ratio"
    );
    for comparison in found {
        println!("{comparison}");
    }
    let rows: Vec<Value> = found.iter().map(Comparison::json).collect();
    let path = paths::build().join("peers.json");
    let all = json!({
        "qemu": version, "backend": "tap", "load": load.trim(), "rounds": rounds,
        "features": features, "rows": rows,
    });
    std::fs::write(&path, serde_json::to_string_pretty(&all)? + "\n")?;
    println!("\n{}", path.display());
    Ok(())
}

/// Where the tools are: what the environment says, or a folder `peers` in one beside this tree.
fn folder() -> Option<PathBuf> {
    let is_it = |path: &PathBuf| TOOLS.iter().all(|tool| path.join(tool).is_file());
    if let Some(named) = std::env::var_os("PEERS").filter(|named| !named.is_empty()) {
        return Some(PathBuf::from(named)).filter(is_it);
    }
    let beside = std::fs::read_dir(paths::root().parent()?).ok()?;
    beside
        .filter_map(|entry| Some(entry.ok()?.path().join("peers")))
        .find(is_it)
}

/// The tools, their network while they run, and the script that starts our guest.
struct Tools {
    folder: PathBuf,
    namespace: String,
    guest: PathBuf,
}

impl Tools {
    fn new(folder: PathBuf) -> Result<Self> {
        let folder = folder.canonicalize()?;
        let guest = paths::build().join("peer-guest");
        // On the user network the address comes by DHCP.
        let script = format!(
            "#!/bin/sh\n\
             [ \"$NET\" = user ] || export APPEND=ip=198.18.0.2/24,gw=198.18.0.1\n\
             KERNEL={} exec {}/guest-qemu \"$@\"\n",
            paths::build().join("skerry.elf").display(),
            folder.display()
        );
        std::fs::write(&guest, script)?;
        std::fs::set_permissions(&guest, std::fs::Permissions::from_mode(0o755))?;
        Ok(Self {
            folder,
            namespace: format!("pb{}", std::process::id()),
            guest,
        })
    }

    fn command(&self, tool: &str) -> Command {
        let mut command = Command::new(self.folder.join(tool));
        command.env("PEER_NS", &self.namespace);
        command
    }

    /// One run: the line that the tool writes, and what the guest's driver has agreed to.
    fn measure(&self, guest: &str, configuration: &str, seconds: &str) -> Result<(Value, Value)> {
        let out = paths::build().join("peers.jsonl");
        std::fs::remove_file(&out).ok();
        let control = monitor::path("peers");
        std::fs::remove_file(&control).ok();
        let starts = if guest == "linux" {
            self.folder.join("linux-guest")
        } else {
            self.guest.clone()
        };
        let mut command = self.command("measure");
        command
            .args(["--name", guest, "--reps", "1", "--quiet-wait", "0"])
            .args(["--quiet", "0", "--tries", "1", "--idle", "1000"])
            .args(["--secs", seconds, "--only", &format!("^{configuration}$")])
            .arg("--guest")
            .arg(starts)
            .arg("--out")
            .arg(&out)
            .env("EXTRA", monitor::words(&control).join(" "));
        let mut child = command.spawn().context("the tool does not start")?;
        let agreed = agreed(&control).unwrap_or_else(|error| json!(format!("{error:#}")));
        let status = child.wait()?;
        ensure!(status.success(), "{configuration} failed: {status}");
        let text = std::fs::read_to_string(&out).context("the tool wrote nothing")?;
        let mut line: Value = serde_json::from_str(text.lines().last().context("no line")?)?;
        line["seconds"] = json!(seconds.parse::<f64>()?);
        Ok((line, agreed))
    }
}

impl Drop for Tools {
    fn drop(&mut self) {
        // It may never have been made.
        self.command("net").arg("down").output().ok();
    }
}

/// Features of the card that a guest's driver has accepted, once it has.
fn agreed(control: &Path) -> Result<Value> {
    let mut monitor = Monitor::connect(control)?;
    let deadline = Instant::now() + START;
    loop {
        let devices = monitor.execute("x-query-virtio", &json!({}))?;
        let card = devices.as_array().and_then(|all| {
            let is_card = |device: &&Value| device["name"] == "virtio-net";
            all.iter().find(is_card).cloned()
        });
        let card = card.context("no card")?;
        let arguments = json!({"path": card["path"]});
        let mut status = monitor.execute("x-query-virtio-status", &arguments)?;
        let state = status["status"].to_string();
        if state.contains("DRIVER_OK") {
            let features = status["guest-features"].take();
            let words = |group: &str| features[group].as_array().cloned().unwrap_or_default();
            let names = [words("dev-features"), words("transports")].concat();
            let names = names.iter().filter_map(Value::as_str);
            // Each is a name, a colon, and a sentence about it.
            let names: Vec<&str> = names
                .map(|name| name.split(':').next().unwrap_or(name))
                .collect();
            return Ok(json!(names.join(" ").replace("VIRTIO_NET_F_", "")));
        }
        if Instant::now() > deadline {
            bail!("the driver has not started after {START:?}");
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
