//! A network namespace of our own, where interfaces may be made without being root.
//!
//! *Owns* the way in: this tool runs itself again inside, with other words. *Never* changes anything
//! of the host's network.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::tests::Skip;

/// The TAP interface, and its address as the host's kernel has it.
pub const TAP: &str = "tap0";

fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net"]);
    command
}

/// Runs this tool again with these words, in a namespace. Gives what it prints.
///
/// # Errors
/// [`Skip`] where none can be made; what it has printed if it fails there.
pub fn run_inside(words: &[&str]) -> Result<String> {
    let probe = unshare()
        .args(["ip", "tuntap", "add", "dev", "probe", "mode", "tap"])
        .output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        return Err(Skip("no namespace with TAP interfaces can be made here".into()).into());
    }
    let own = std::env::current_exe().context("this program")?;
    let run = unshare().arg(own).args(words).output()?;
    ensure!(
        run.status.success(),
        "failed in its namespace:\n{}{}",
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr)
    );
    Ok(String::from_utf8_lossy(&run.stdout).into_owned())
}

/// Makes a TAP interface with this address whose frames carry what a card has to know of them.
pub fn make_tap(address: &str) -> Result<()> {
    make_tap_with(address, false)
}

/// The same, with several queues if need be.
pub fn make_tap_with(address: &str, has_queues: bool) -> Result<()> {
    let queues = if has_queues { " multi_queue" } else { "" };
    ip(&format!("tuntap add dev {TAP} mode tap vnet_hdr{queues}"))?;
    ip("link set lo up")?;
    ip(&format!("addr add {address} dev {TAP}"))?;
    ip(&format!("link set {TAP} up"))
}

/// Makes one at which the host's kernel has no address and says nothing.
pub fn make_silent_tap() -> Result<()> {
    ip(&format!("tuntap add dev {TAP} mode tap vnet_hdr"))?;
    ip(&format!("link set {TAP} addrgenmode none"))?;
    ip(&format!("link set {TAP} up"))
}

/// The number of an interface, which is the zone of its link-local addresses.
pub fn index(interface: &str) -> Result<u32> {
    let shown = Command::new("ip")
        .args(["-o", "link", "show", interface])
        .output()?;
    let text = String::from_utf8_lossy(&shown.stdout);
    let number = text.split(':').next().unwrap_or_default();
    number
        .parse()
        .with_context(|| format!("no number in {text:?}"))
}

/// Runs `ip` with these words.
pub fn ip(words: &str) -> Result<()> {
    let status = Command::new("ip").args(words.split(' ')).status()?;
    ensure!(status.success(), "ip {words} failed");
    Ok(())
}
