//! A machine whose clock counts instructions.
//!
//! With `-icount shift=0` QEMU's clock advances one nanosecond for each guest instruction, so the
//! guest's processor time is the number of them. That alone is not enough for the same count each time:
//! it matters how many frames the guest finds when it looks, and that depends on how quick the host is.
//! So QEMU holds back what we send (`filter-buffer`) and lets all of it go at once, with the beat of
//! a clock: what we send together arrives together, and the guest has slept before.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use regex::Regex;
use serde_json::{Value, json};

use crate::guest::Guest;
use crate::machine::{Card, Link, Machine};
use crate::monitor::{self, Monitor};
use crate::paths;

/// Plenty for what the guest measures by itself.
const LIMIT: Duration = Duration::from_secs(120);

pub struct Rig {
    guest: Guest,
    monitor: Monitor,
    /// Where QEMU writes down exceptions while it is asked to.
    log: PathBuf,
    /// If set, what would be counted is traced instead: every block that is executed, into this file.
    pub trace: Option<PathBuf>,
}

impl Rig {
    /// Boots it with its card on that link; `name` is unique within a run.
    /// `words` are the kernel's command line.
    pub fn boot(name: &str, link: Link, words: &str) -> Result<Self> {
        let control = monitor::path(name);
        let log = std::env::temp_dir().join(format!("skerry-{}-{name}.log", std::process::id()));
        let filter = "filter-buffer,id=beat,netdev=net0,queue=tx,interval=1000,status=off";
        let mut extra = vec![
            "-initrd".into(),
            paths::build().join("test.cpio").display().to_string(),
            "-icount".into(),
            "shift=0".into(),
            "-object".into(),
            filter.into(),
        ];
        extra.extend(monitor::words(&control));
        let guest = Guest::boot(Machine {
            kernel: paths::build().join("skerry.img"),
            cards: vec![Card::new(link)],
            append: words.into(),
            extra,
            ..Machine::default()
        })?;
        let monitor = Monitor::connect(&control)?;
        Ok(Self {
            guest,
            monitor,
            log,
            trace: None,
        })
    }

    /// Holds back what we send until the next beat; so many microseconds between two. Lets everything
    /// through at once without.
    pub fn set_beat(&mut self, microseconds: Option<u32>) -> Result<()> {
        if let Some(microseconds) = microseconds {
            self.set("interval", &json!(microseconds))?;
        }
        let status = if microseconds.is_some() { "on" } else { "off" };
        self.set("status", &json!(status))
    }

    fn set(&mut self, property: &str, value: &Value) -> Result<()> {
        let arguments = json!({"path": "/objects/beat", "property": property, "value": value});
        self.monitor.execute("qom-set", &arguments)?;
        Ok(())
    }

    /// The number that a command of the guest prints after a colon.
    pub fn figure(&mut self, command: &str) -> Result<f64> {
        let text = self.guest.command_within(command, LIMIT)?.success()?;
        let found = Regex::new(r"(?m)^\w+: ([0-9.]+)")?
            .captures(&text)
            .with_context(|| format!("no figure in {text:?}"))?;
        Ok(found[1].parse()?)
    }

    /// Instructions that the guest has executed, idling not counted.
    fn busy(&mut self) -> Result<f64> {
        self.figure("bench busy")
    }

    /// Instructions for each of the operations whose number `run` returns, without what asking costs.
    pub fn count(&mut self, run: impl FnOnce() -> Result<f64>) -> Result<f64> {
        if let Some(file) = self.trace.clone() {
            // Unchained, or the blocks that QEMU goes to directly would be missing.
            return self.logged("exec,nochain", &file, run);
        }
        let first = self.busy()?;
        let second = self.busy()?;
        let operations = run()?;
        let third = self.busy()?;
        Ok(((third - second) - (second - first)) / operations)
    }

    /// Entries of the kernel (system calls, interrupts, faults) for each operation.
    pub fn entries(&mut self, run: impl FnOnce() -> Result<f64>) -> Result<f64> {
        let file = self.log.clone();
        let operations = self.logged("int", &file, run)?;
        let log = std::fs::read_to_string(&file).context("QEMU's log")?;
        let entries = log.matches("Taking exception").count();
        Ok(f64::from(u32::try_from(entries)?) / operations)
    }

    /// Runs something while QEMU writes down what happens.
    fn logged(
        &mut self,
        items: &str,
        file: &Path,
        run: impl FnOnce() -> Result<f64>,
    ) -> Result<f64> {
        std::fs::remove_file(file).ok();
        self.monitor.human(&format!("logfile {}", file.display()))?;
        self.monitor.human(&format!("log {items}"))?;
        let result = run();
        self.monitor.human("log none")?;
        result
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        std::fs::remove_file(&self.log).ok();
    }
}
