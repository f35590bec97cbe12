//! What tests of links need: a network namespace of their own, where they may make interfaces.

use std::process::Command;
use std::time::{Duration, Instant};

use device::Device;

use crate::adapter::{Adapter, Port};

/// Says that a test runs in a namespace already.
const MARK: &str = "SKERRY_NAMESPACE";

/// Runs the test of this name again, in a network namespace where it may make interfaces. Returns
/// whether this is there already; if not, the test has been run (or cannot be) and is to return.
///
/// # Panics
/// If the test has failed there.
#[must_use]
pub fn in_namespace(test: &str) -> bool {
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--net"]);
        command
    };
    let probe = unshare()
        .args(["ip", "tuntap", "add", "dev", "probe", "mode", "tap"])
        .output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        eprintln!("skipped: no namespace with TAP interfaces can be made here");
        return false;
    }
    let own = std::env::current_exe().expect("this program");
    // What it prints is kept back: whoever counts tests would count it twice.
    let run = unshare()
        .arg(own)
        .args(["--exact", test, "--nocapture"])
        .env(MARK, "1")
        .output()
        .expect("unshare, which has just run");
    assert!(
        run.status.success(),
        "{test} failed in its namespace:\n{}{}",
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr)
    );
    false
}

/// Runs `ip` with these words.
///
/// # Panics
/// If it is not there or fails.
pub fn ip(words: &str) {
    let status = Command::new("ip").args(words.split(' ')).status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "ip {words} failed"
    );
}

/// Waits for the kernel to notice that a link has come up.
///
/// # Panics
/// If it does not in two seconds.
#[must_use]
pub fn await_link<P: Port>(mut adapter: Adapter<P>) -> Adapter<P> {
    let end = Instant::now() + Duration::from_secs(2);
    while !adapter.link_up() {
        assert!(Instant::now() < end, "the link stays down");
        std::thread::sleep(Duration::from_millis(1));
        adapter.interrupt();
    }
    adapter
}
