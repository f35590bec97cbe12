//! A hundred thousand frames that were right once, of both families: afterwards everything answers as
//! before, and every frame is accounted for.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::ethernet::{ANSWER, is_alive};
use super::linked::is_serving;
use super::names::answers_a_name;
use super::{Group, Stage, tests};
use crate::family::{Family, both};
use crate::frames::Cable;
use crate::guest::Guest;
use crate::machine::{Card, Machine};
use crate::mutated::Dice;

/// How many frames are sent.
const FRAMES: usize = 100_000;

pub fn group() -> Group {
    Group {
        name: "mutated",
        stage,
        tests: tests![Shared: everything_answers_after_a_hundred_thousand],
    }
}

/// A guest with addresses of both families, on a cable whose other end is ours.
fn stage() -> Result<Stage> {
    let cable = Cable::new("mutated")?;
    let guest = Guest::boot(Machine {
        cards: vec![Card::new(cable.link())],
        append: both(),
        ..Machine::default()
    })?;
    cable.introduce()?;
    Ok(Stage::with_cable(guest, cable))
}

/// The guest answers an echo request over IPv6, perhaps after it has asked who we are, and not before its address
/// is proven.
fn is_alive6(cable: &Cable) -> Result<()> {
    let deadline = Instant::now() + ANSWER;
    loop {
        cable.drain()?;
        cable.send(&Family::Six.echo_request(0xa11f, 1, b"still there?"))?;
        let answered = cable.expect("echo reply over IPv6", Duration::from_secs(1), |frame| {
            let reply = Family::Six.as_echo_reply(frame);
            reply.filter(|(id, ..)| *id == 0xa11f)
        });
        match answered {
            Ok(_) => return Ok(()),
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => {}
        }
    }
}

/// Ping, names and pages, over both families.
fn everything_answers(guest: &mut Guest, cable: &Cable, round: u16) -> Result<()> {
    is_alive(cable)?;
    is_alive6(cable)?;
    is_serving(cable, 40_000 + round * 1_000)?;
    for address in ["127.0.0.1", "[::1]"] {
        let page = guest.must(&format!("http http://{address}/hello.html"))?;
        ensure!(page.contains("200 OK"), "{address}: {page}");
    }
    guest.must("ping -c 1 ::1")?;
    answers_a_name(guest, cable, &format!("round-{round}.test"))
}

fn everything_answers_after_a_hundred_thousand(stage: &mut Stage) -> Result<()> {
    let (guest, cable) = stage.both()?;
    everything_answers(guest, cable, 1)?;
    let mut dice = Dice(0x5eed_0006);
    for number in 1..=FRAMES {
        cable.send(&dice.frame())?;
        if number.is_multiple_of(32) {
            cable.discard()?;
        }
        if number.is_multiple_of(10_000) {
            is_alive(cable)?;
        }
    }
    everything_answers(guest, cable, 2).context("after that")?;
    // What has come was for somebody or was dropped for a reason. All at a time: more may come at any.
    let stats = guest.stats()?;
    let received = stats.figure("frames received")?;
    let delivered = stats.figure("frames delivered")?;
    let dropped = stats.figure("frames dropped")?;
    ensure!(
        received == delivered + dropped,
        "{received} received, {delivered} delivered and {dropped} dropped"
    );
    ensure!(dropped > FRAMES as u64 / 4, "only {dropped} were dropped");
    Ok(())
}
