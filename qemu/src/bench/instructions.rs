//! What things cost in guest instructions.

use std::time::Duration;

use anyhow::{Context, Result};
use regex::Regex;

use super::Figure;
use super::segments::Client;
use crate::frames::{ADDRESS, Cable, as_echo_reply, echo_request};
use crate::guest::Guest;
use crate::machine::{Card, Machine};
use crate::paths;

const LIMIT: Duration = Duration::from_secs(120);
const ECHOES: u16 = 1000;
/// Long enough for the guest to fall asleep.
const PAUSE: Duration = Duration::from_millis(1);

pub fn measure() -> Result<Vec<Figure>> {
    let cable = Cable::new("bench-instructions")?;
    let mut guest = Guest::boot(counting(&cable))?;
    let mut figures = Vec::new();
    for (what, name, aim) in [
        ("null", "null system call", Some(90.0)),
        ("doorbell", "doorbell to a waiting process", None),
        ("message", "message and answer, two processes", Some(1500.0)),
    ] {
        let value = figure(&mut guest, &format!("bench {what}"))?;
        figures.push(Figure {
            aim,
            ..Figure::new(name, value, "instructions")
        });
    }
    figures
        .push(Figure::new("ICMP echo", icmp(&mut guest, &cable)?, "instructions").at_most(5000.0));
    let mut client = Client::connect(&cable, 20_000, 7)?;
    client.echo(b"warm")?;
    for (name, pause) in [
        ("TCP echo of 64 bytes", Duration::ZERO),
        ("TCP echo of 64 bytes, asleep between", PAUSE),
    ] {
        let value = tcp(&mut guest, &mut client, pause)?;
        figures.push(Figure::new(name, value, "instructions").at_most(12_000.0));
    }
    Ok(figures)
}

/// A machine whose clock counts instructions, with the measuring program in its archive.
fn counting(cable: &Cable) -> Machine {
    Machine {
        kernel: paths::build().join("skerry.img"),
        cards: vec![Card::new(cable.link())],
        append: ADDRESS.into(),
        extra: vec![
            "-initrd".into(),
            paths::build().join("test.cpio").display().to_string(),
            "-icount".into(),
            "shift=0".into(),
        ],
        ..Machine::default()
    }
}

/// The number that a command prints after a colon.
fn figure(guest: &mut Guest, command: &str) -> Result<f64> {
    let text = guest.command_within(command, LIMIT)?.success()?;
    let found = Regex::new(r"(?m)^\w+: ([0-9.]+)")?
        .captures(&text)
        .with_context(|| format!("no figure in {text:?}"))?;
    Ok(found[1].parse()?)
}

/// Instructions that the guest has executed, idling not counted.
fn busy(guest: &mut Guest) -> Result<f64> {
    figure(guest, "bench busy")
}

/// Instructions for each of `ECHOES` runs, without what asking costs.
fn count(guest: &mut Guest, mut run: impl FnMut(u16) -> Result<()>) -> Result<f64> {
    let first = busy(guest)?;
    let second = busy(guest)?;
    for number in 0..ECHOES {
        run(number)?;
    }
    let third = busy(guest)?;
    Ok(((third - second) - (second - first)) / f64::from(ECHOES))
}

fn icmp(guest: &mut Guest, cable: &Cable) -> Result<f64> {
    cable.introduce()?;
    count(guest, |sequence| {
        cable.send(&echo_request(0xbe, sequence, &[0x5a; 56]))?;
        cable.expect("echo reply", LIMIT, |frame| {
            as_echo_reply(frame).filter(|(_, found, _)| *found == sequence)
        })?;
        Ok(())
    })
}

/// Echoes with a pause before each.
fn tcp(guest: &mut Guest, client: &mut Client<'_>, pause: Duration) -> Result<f64> {
    count(guest, |_| {
        std::thread::sleep(pause);
        client.echo(&[0x5a; 64])
    })
}
