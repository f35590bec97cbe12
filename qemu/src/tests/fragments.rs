//! Packets longer than the link's frames, in parts, with Linux at the other end of a TAP interface in
//! a namespace.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::offload::{await_echo, boot, figure, to};
use super::{Group, Skip, no_stage, tests};
use crate::frames::{GUEST, US};
use crate::guest::Guest;
use crate::namespace;
use crate::peers::{noise, traffic};

/// Bytes of data: in one frame, in two and no more, in many, and as many as a packet can have.
const SIZES: [u16; 6] = [1472, 1473, 2952, 2953, 9000, 65_507];

/// Datagrams that fit the room which programs give for them.
const DATAGRAMS: [usize; 4] = [1472, 1473, 4000, 16_000];

pub fn group() -> Group {
    Group {
        name: "fragments",
        stage: no_stage,
        tests: tests![Alone: linux_and_the_guest_ping_each_other_at_all_sizes],
    }
}

fn linux_and_the_guest_ping_each_other_at_all_sizes() -> Result<()> {
    if Command::new("ping").arg("-V").output().is_err() {
        return Err(Skip("there is no ping here".into()).into());
    }
    namespace::run_inside(&["inside", "fragments"]).map(drop)
}

/// The test, inside of a namespace.
pub(super) fn inside() -> Result<()> {
    namespace::make_tap("192.0.2.1/24")?;
    let mut guest = boot("", "", false)?;
    await_echo()?;
    for size in SIZES {
        ping_from_linux(size).with_context(|| format!("{size} bytes from Linux"))?;
        ping_from_guest(&mut guest, size)
            .with_context(|| format!("{size} bytes from the guest"))?;
    }
    for size in DATAGRAMS {
        let sent = noise(13, size);
        let back = traffic::datagram(to(7), &sent).with_context(|| format!("{size} bytes"))?;
        ensure!(back == sent, "a datagram of {size} bytes was changed");
    }
    ensure!(
        figure(&mut guest, "device faults")? == 0,
        "faults of the card"
    );
    Ok(())
}

/// Twice, so that the second does not wait for the neighbour.
fn ping_from_linux(size: u16) -> Result<()> {
    let size = size.to_string();
    let words = ["-n", "-c", "2", "-i", "0.2", "-W", "10", "-s", &size];
    let run = Command::new("ping")
        .args(words)
        .arg(GUEST.to_string())
        .output()?;
    let text = String::from_utf8_lossy(&run.stdout);
    ensure!(text.contains("2 received"), "{text}");
    Ok(())
}

fn ping_from_guest(guest: &mut Guest, size: u16) -> Result<()> {
    let text = guest.must(&format!("ping -c 1 -s {size} {US}"))?;
    ensure!(text.contains(&format!("{size} bytes from {US}")), "{text}");
    Ok(())
}
