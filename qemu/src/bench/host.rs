//! The stack on the host itself, native, side by side with smoltcp: the crate `netd/bench`.

use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::paths;

/// Runs it; its table goes to the terminal. Returns its figures as they are kept for machines.
pub fn measure() -> Result<Value> {
    let (json, svg) = (
        paths::build().join("bench-host.json"),
        paths::build().join("connections.svg"),
    );
    let status = Command::new("cargo")
        .args([
            "run",
            "--quiet",
            "--release",
            "--package",
            "stackbench",
            "--",
        ])
        .arg(format!("json={}", json.display()))
        .arg(format!("svg={}", svg.display()))
        .current_dir(paths::root())
        .status()?;
    ensure!(status.success(), "stackbench failed");
    println!("{}", svg.display());
    let text = std::fs::read_to_string(&json)?;
    let mut all: Value = serde_json::from_str(&text)?;
    Ok(all["figures"].take())
}
