//! The echo, discard and source services carry megabytes without changing a bit.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{Group, Stage, tests};
use crate::guest::Guest;
use crate::machine::{Card, Forward, Link, Machine, free_port};
use crate::peers::{digest, noise, traffic};

const LIMIT: Duration = Duration::from_secs(120);
const TEN_MEGABYTES: usize = 10 << 20;

pub fn group() -> Group {
    Group {
        name: "bulk",
        stage,
        tests: tests![Shared:
            ten_megabytes_through_echo,
            ten_megabytes_into_discard,
            ten_megabytes_from_source,
            one_byte_at_a_time,
            four_echoes_at_once,
            udp_echo,
        ],
    }
}

fn stage() -> Result<Stage> {
    let mut link = Link::user(&[7, 9, 19]);
    if let Link::User { forwards } = &mut link {
        forwards.push(Forward {
            protocol: "udp",
            host: free_port(),
            guest: 7,
        });
    }
    let guest = Guest::boot(Machine {
        cards: vec![Card::new(link)],
        ..Machine::default()
    })?;
    let to = traffic::forward(guest.port(7)?);
    let deadline = Instant::now() + LIMIT;
    // The forward accepts before the guest listens; only a byte that comes back counts.
    while traffic::echo(to, b"?", Duration::from_secs(1))
        .ok()
        .as_deref()
        != Some(b"?")
    {
        ensure!(Instant::now() < deadline, "the echo service does not start");
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(Stage::new(guest))
}

fn ten_megabytes_through_echo(stage: &mut Stage) -> Result<()> {
    let bytes = noise(7, TEN_MEGABYTES);
    let back = traffic::echo(traffic::forward(stage.guest.port(7)?), &bytes, LIMIT)?;
    ensure!(back.len() == bytes.len(), "{} bytes came back", back.len());
    ensure!(digest(&back) == digest(&bytes), "they were changed");
    Ok(())
}

fn ten_megabytes_into_discard(stage: &mut Stage) -> Result<()> {
    traffic::discard(
        traffic::forward(stage.guest.port(9)?),
        &noise(9, TEN_MEGABYTES),
        LIMIT,
    )
}

/// The bytes are a pattern that repeats; what comes must be that pattern, unbroken.
fn ten_megabytes_from_source(stage: &mut Stage) -> Result<()> {
    let bytes = traffic::source(
        traffic::forward(stage.guest.port(19)?),
        TEN_MEGABYTES,
        LIMIT,
    )?;
    let period = (1..=65_536)
        .find(|period| bytes[*period..period + 4096] == bytes[..4096])
        .context("no pattern")?;
    let broken = bytes
        .iter()
        .enumerate()
        .position(|(index, byte)| *byte != bytes[index % period]);
    ensure!(
        broken.is_none(),
        "the pattern of {period} breaks at {broken:?}"
    );
    Ok(())
}

fn one_byte_at_a_time(stage: &mut Stage) -> Result<()> {
    use std::io::{Read, Write};
    let mut stream = traffic::connect(traffic::forward(stage.guest.port(7)?), LIMIT)?;
    for byte in noise(1, 200) {
        stream.write_all(&[byte])?;
        let mut back = [0];
        stream.read_exact(&mut back)?;
        ensure!(back == [byte]);
    }
    Ok(())
}

fn four_echoes_at_once(stage: &mut Stage) -> Result<()> {
    let to = traffic::forward(stage.guest.port(7)?);
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4)
            .map(|seed| {
                scope.spawn(move || {
                    let bytes = noise(seed, 1 << 20);
                    let back = traffic::echo(to, &bytes, LIMIT)?;
                    ensure!(back == bytes, "stream {seed} was changed");
                    Ok(())
                })
            })
            .collect();
        for run in runs {
            run.join()
                .map_err(|_| anyhow::anyhow!("a stream fell over"))??;
        }
        Ok(())
    })
}

fn udp_echo(stage: &mut Stage) -> Result<()> {
    let port = stage
        .guest
        .machine
        .forwarded_for("udp", 7)
        .context("no forward")?;
    for size in [1, 100, 200, 201, 1400] {
        let payload = noise(size as u64, size);
        ensure!(
            traffic::datagram(traffic::forward(port), &payload)? == payload,
            "{size} bytes changed"
        );
    }
    Ok(())
}
