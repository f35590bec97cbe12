//! Packets longer than the link's frames, in parts, with Linux at the other end of a TAP interface in
//! a namespace.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::capture::nothing_is_wrong;
use super::offload::{await_echo, figure, to};
use super::{Group, Skip, no_stage, routers, tests};
use crate::family;
use crate::frames::{GUEST, US};
use crate::guest::Guest;
use crate::machine::{Card, Link, Machine};
use crate::namespace::{self, TAP};
use crate::peers::{Scratch, find, noise, traffic};

/// Bytes of data: none, in one frame, in two and no more, in many, and as many as a packet can have.
const SIZES: [u16; 7] = [0, 1472, 1473, 2952, 2953, 9000, 65_507];
/// The same over IPv6, whose headers are longer: as many as over IPv4 at most.
const SIZES6: [u16; 5] = [1452, 1453, 2888, 2889, 65_507];
/// Addresses over IPv6: ours, the guest's.
const US6: &str = "fd00:77::1";
const GUEST6: &str = "fd00:77::2";

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
    for program in ["tshark", "dumpcap"] {
        find(program)?;
    }
    namespace::run_inside(&["inside", "fragments"]).map(drop)
}

/// The test, inside of a namespace.
pub(super) fn inside() -> Result<()> {
    routers::make_tap(&[&format!("{US6}/64")])?;
    let mut guest = Guest::boot(Machine {
        cards: vec![Card::new(Link::Tap {
            interface: TAP.into(),
            queues: 1,
        })],
        append: family::both(),
        ..Machine::default()
    })?;
    await_echo()?;
    guest.must(&format!("net addr add {GUEST6}/64"))?;
    routers::await_line(
        &mut guest,
        "net addr",
        &format!(r"^1: {GUEST6}/64 static\s*$"),
        true,
    )?;
    // Only now: to TCP and to datagrams the card adds the checksums, behind where is recorded.
    let scratch = Scratch::new("fragments")?;
    let seen = scratch.path().join("parts.pcap");
    let recording = routers::capture(&seen)?;
    let (guest4, us4) = (GUEST.to_string(), US.to_string());
    let families = [
        (&SIZES[..], guest4.as_str(), us4.as_str()),
        (&SIZES6[..], GUEST6, US6),
    ];
    for (sizes, to_guest, to_us) in families {
        for size in sizes.iter().copied() {
            ping_from_linux(size, to_guest)
                .with_context(|| format!("{size} bytes from Linux to {to_guest}"))?;
            ping_from_guest(&mut guest, size, to_us)
                .with_context(|| format!("{size} bytes from the guest to {to_us}"))?;
        }
    }
    let parts = [
        "ip.flags.mf == 1 && ip.proto == 1",
        "ipv6.fraghdr.more == 1",
    ];
    routers::end_capture(recording)?;
    nothing_is_wrong(&seen, &parts)?;
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

/// Twice, so that the second does not wait for the neighbour. (Whoever is answered once does not wait as long as it was
/// told to, so each is a program of its own.)
fn ping_from_linux(size: u16, to: &str) -> Result<()> {
    let size = size.to_string();
    for _ in 0..2 {
        let words = ["-n", "-c", "1", "-W", "30", "-s", &size, to];
        let run = Command::new("ping").args(words).output()?;
        let text = String::from_utf8_lossy(&run.stdout);
        ensure!(text.contains("1 received"), "{text}");
    }
    Ok(())
}

fn ping_from_guest(guest: &mut Guest, size: u16, to: &str) -> Result<()> {
    let text = guest.must(&format!("ping -c 1 -W 20 -s {size} {to}"))?;
    ensure!(text.contains(&format!("{size} bytes from {to}")), "{text}");
    Ok(())
}
