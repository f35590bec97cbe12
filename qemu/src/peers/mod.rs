//! Programs of the host that the guest is tested against: independent implementations, started on
//! the host's loopback address, which the guest reaches as 10.0.2.2, and ended with the test.

pub mod avahi;
pub mod canned;
pub mod dhcp;
pub mod dnsmasq;
pub mod nginx;
pub mod traffic;

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal};

use crate::machine::free_port;
use crate::paths;
use crate::tests::Skip;

/// Plenty for a server to start, on a host that is busy.
const START: Duration = Duration::from_secs(30);

/// A program of the host; its absence skips the test that needs it.
pub fn find(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        // What is not to be installed is unpacked there.
        .chain([paths::build().join("peers/usr/sbin")])
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
        .ok_or_else(|| Skip(format!("{name} is not installed")).into())
}

/// A child process that ends with its owner.
pub struct Running(Child);

impl Running {
    pub fn start(command: &mut Command) -> Result<Self> {
        let what = command.get_program().to_string_lossy().into_owned();
        Ok(Self(
            command
                .spawn()
                .with_context(|| format!("{what} does not start"))?,
        ))
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    /// Asks the process to end in its own way, as Ctrl-C does, and waits until it has.
    pub fn finish(mut self) -> Result<()> {
        rustix::process::kill_process(Pid::from_child(&self.0), Signal::INT)?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Starts a server at a port that was free a moment ago. Another program may have taken it meanwhile; then at another
/// one, and once more.
fn at_free_port<T>(start: impl Fn(u16) -> Result<T>) -> Result<T> {
    let start = || start(free_port());
    start().or_else(|_| start()).or_else(|_| start())
}

/// A directory of a peer's own under `build/`, gone with its owner.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Result<Self> {
        let number = free_port();
        let path = paths::build().join(format!("peers/{name}-{number}"));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.0.join(name);
        std::fs::write(&path, contents)?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// Bytes that look random and are the same every time.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// SHA-256 in hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{digest, noise};

    #[test]
    fn noise_repeats_itself() {
        assert_eq!(noise(1, 100), noise(1, 100));
        assert_ne!(noise(1, 100), noise(2, 100));
        assert_eq!(noise(3, 13).len(), 13);
    }

    #[test]
    fn digests_are_those_of_the_standard() {
        assert!(digest(b"abc").starts_with("ba7816bf8f01cfea"));
    }
}
