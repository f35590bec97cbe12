//! QEMU's control line (QMP): what the machine at hand cannot be asked by its serial line.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// QEMU makes its socket before anything else.
const START: Duration = Duration::from_secs(10);
/// Longer than any command takes.
const ANSWER: Duration = Duration::from_secs(30);

/// A connection to QEMU's control line.
pub struct Monitor {
    stream: BufReader<UnixStream>,
}

/// Where a control line of that name is; names are unique within a run.
pub fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("skerry-{}-{name}.qmp", std::process::id()))
}

/// Words for QEMU's command line that offer the line there.
pub fn words(path: &Path) -> [String; 2] {
    let place = format!("unix:{},server=on,wait=off", path.display());
    ["-qmp".into(), place]
}

impl Monitor {
    /// Connects to a QEMU that may just be starting.
    pub fn connect(path: &Path) -> Result<Self> {
        let deadline = Instant::now() + START;
        let stream = loop {
            match UnixStream::connect(path) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() > deadline => {
                    return Err(error).with_context(|| path.display().to_string());
                }
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        // Who is connected needs no name any more.
        std::fs::remove_file(path).ok();
        stream.set_read_timeout(Some(ANSWER))?;
        let mut monitor = Self {
            stream: BufReader::new(stream),
        };
        monitor.line().context("QEMU's greeting")?;
        monitor.execute("qmp_capabilities", &json!({}))?;
        Ok(monitor)
    }

    fn line(&mut self) -> Result<Value> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }

    /// Runs a command and gives what it returns.
    pub fn execute(&mut self, command: &str, arguments: &Value) -> Result<Value> {
        let line = json!({"execute": command, "arguments": arguments}).to_string();
        self.stream.get_mut().write_all(line.as_bytes())?;
        loop {
            let mut said = self.line().with_context(|| command.to_owned())?;
            if let Some(error) = said.get("error") {
                bail!("{command}: {error}");
            }
            if let Some(value) = said.get_mut("return") {
                return Ok(value.take());
            }
            // An event, which nobody has asked for.
        }
    }

    /// Runs a command as a person types it, and gives what it prints.
    pub fn human(&mut self, line: &str) -> Result<String> {
        let value = self.execute("human-monitor-command", &json!({"command-line": line}))?;
        Ok(value.as_str().unwrap_or_default().to_owned())
    }
}
