//! Raw frames on the cable: the guest answers what is addressed to it, says nothing to what is
//! not, and survives everything else.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::{Group, Stage, tests};
use crate::frames::{
    ADDRESS, Arp, BROADCAST, Cable, GUEST, GUEST_MAC, Mac, OUR_MAC, US, arp_reply, arp_request,
    as_echo_reply, echo_request, pad,
};
use crate::guest::Guest;
use crate::machine::{Card, Machine};

/// Plenty for an answer, on a host that stands still for a while.
pub const ANSWER: Duration = Duration::from_secs(30);

pub fn group() -> Group {
    Group {
        name: "ethernet",
        stage,
        tests: tests![Shared:
            arp_questions_are_answered,
            arp_questions_for_others_are_not,
            short_frames_are_padded,
            frames_to_foreign_cards_are_ignored,
            unknown_ethertypes_are_ignored,
            two_hundred_neighbours,
            a_neighbour_that_moves_is_followed,
            claims_of_strangers_are_not_believed,
            ten_thousand_arp_questions,
        ],
    }
}

/// A guest with a fixed address on a cable whose other end is ours.
pub fn stage() -> Result<Stage> {
    on_cable("ethernet", "")
}

pub fn on_cable(name: &str, words: &str) -> Result<Stage> {
    let cable = Cable::new(name)?;
    let machine = Machine {
        cards: vec![Card::new(cable.link())],
        append: format!("{ADDRESS} {words}"),
        ..Machine::default()
    };
    let guest = Guest::boot(machine)?;
    cable.drain()?;
    cable
        .introduce()
        .context("the guest does not answer on the cable")?;
    Ok(Stage::with_cable(guest, cable))
}

/// The guest answers an echo request. While nobody listened here it may have asked whether we are still there, and
/// have given us up.
pub fn is_alive(cable: &Cable) -> Result<()> {
    cable.drain()?;
    cable.introduce()?;
    cable.send(&echo_request(0xa11e, 1, b"still there?"))?;
    cable.expect("echo reply: the guest is silent", ANSWER, |frame| {
        as_echo_reply(frame).filter(|(id, _, _)| *id == 0xa11e)
    })?;
    Ok(())
}

fn arp_questions_are_answered(stage: &mut Stage) -> Result<()> {
    let (_, cable) = stage.both()?;
    cable.drain()?;
    cable.send(&arp_request(OUR_MAC, US, GUEST))?;
    let reply = cable.expect("ARP reply", ANSWER, |frame| {
        Arp::parse(frame).filter(|arp| !arp.is_request)
    })?;
    ensure!(reply.destination == OUR_MAC, "{reply:?}");
    ensure!(
        (reply.sender_mac, reply.sender) == (GUEST_MAC, GUEST),
        "{reply:?}"
    );
    ensure!(
        (reply.target_mac, reply.target) == (OUR_MAC, US),
        "{reply:?}"
    );
    Ok(())
}

fn arp_questions_for_others_are_not(stage: &mut Stage) -> Result<()> {
    let (_, cable) = stage.both()?;
    cable.drain()?;
    cable.send(&arp_request(OUR_MAC, US, Ipv4Addr::new(192, 0, 2, 77)))?;
    let frames = cable.answers()?;
    ensure!(frames.is_empty(), "{} frames came", frames.len());
    Ok(())
}

fn short_frames_are_padded(stage: &mut Stage) -> Result<()> {
    let (_, cable) = stage.both()?;
    cable.drain()?;
    cable.send(&arp_request(OUR_MAC, US, GUEST))?;
    cable.send(&echo_request(7, 7, b""))?;
    let frames = cable.answers()?;
    ensure!(frames.len() == 2, "{} frames came", frames.len());
    ensure!(
        frames.iter().all(|frame| frame.len() >= 60),
        "a short frame"
    );
    ensure!(
        frames
            .iter()
            .all(|frame| frame[42..].iter().all(|byte| *byte == 0)),
        "padding that is not zero"
    );
    Ok(())
}

fn frames_to_foreign_cards_are_ignored(stage: &mut Stage) -> Result<()> {
    let (_, cable) = stage.both()?;
    cable.drain()?;
    let mut frame = echo_request(1, 1, b"not for you");
    frame[..6].copy_from_slice(&[0x02, 0, 0, 0, 0, 0x99]);
    cable.send(&frame)?;
    // A group that nobody joined.
    frame[..6].copy_from_slice(&[0x01, 0, 0x5e, 1, 2, 3]);
    cable.send(&frame)?;
    ensure!(cable.answers()?.is_empty(), "it was answered");
    Ok(())
}

fn unknown_ethertypes_are_ignored(stage: &mut Stage) -> Result<()> {
    let (_, cable) = stage.both()?;
    cable.drain()?;
    for kind in [0x88b5u16, 0x8137, 0x0600, 0x05dc, 0x0001] {
        let mut frame = [BROADCAST, OUR_MAC].concat();
        frame.extend(kind.to_be_bytes());
        cable.send(&pad(frame))?;
    }
    ensure!(cable.answers()?.is_empty(), "something was answered");
    Ok(())
}

/// Each of them is talked to, more than the table of neighbours need hold.
fn two_hundred_neighbours(stage: &mut Stage) -> Result<()> {
    let (_, cable) = stage.both()?;
    cable.drain()?;
    for last in 10..210 {
        let address = Ipv4Addr::new(192, 0, 2, last);
        let mac = [0x02, 0, 0, 0, 1, last];
        let mut frame = echo_request(u16::from(last), 1, b"one of many");
        frame[6..12].copy_from_slice(&mac);
        frame[26..30].copy_from_slice(&address.octets());
        crate::frames::fix_ipv4_checksum(&mut frame);
        cable.send(&frame)?;
        let deadline = Instant::now() + ANSWER;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let frame = cable.receive(left)?;
            let frame = frame.with_context(|| format!("{address} was not answered"))?;
            cable.answer_arp(&frame, address, mac)?;
            if as_echo_reply(&frame).is_some_and(|(id, _, _)| id == u16::from(last)) {
                ensure!(frame[..6] == mac, "the answer went to another card");
                break;
            }
        }
    }
    is_alive(cable)
}

/// A neighbour that speaks from another card (as after a failover) is not believed at once, but
/// asked; when it answers from there, its frames go there.
fn a_neighbour_that_moves_is_followed(stage: &mut Stage) -> Result<()> {
    let (_, cable) = stage.both()?;
    is_alive(cable)?;
    let moved = [0x02, 0, 0, 0, 0, 0x02];
    let follow = |cable: &Cable, mac: Mac| -> Result<()> {
        cable.drain()?;
        let started = Instant::now();
        let mut number = 0;
        while started.elapsed() < ANSWER {
            number += 1;
            // As ever: at most one question a second comes of it.
            cable.send(&arp_request(mac, US, GUEST))?;
            let mut frame = echo_request(2, number, b"where am I?");
            frame[6..12].copy_from_slice(&mac);
            cable.send(&frame)?;
            // Only the new card answers questions.
            while let Some(frame) = cable.receive(Duration::from_millis(100))? {
                cable.answer_arp(&frame, US, mac)?;
                if as_echo_reply(&frame).is_some() && frame[..6] == mac {
                    return Ok(());
                }
            }
        }
        bail!("the answers go to the old card")
    };
    follow(cable, moved)?;
    follow(cable, OUR_MAC)
}

/// Replies that nobody asked for make no entry, and change none that is in use.
fn claims_of_strangers_are_not_believed(stage: &mut Stage) -> Result<()> {
    let (_, cable) = stage.both()?;
    is_alive(cable)?;
    let thief = [0x02, 0, 0, 0, 0, 0x66];
    let stranger = Ipv4Addr::new(192, 0, 2, 222);
    for _ in 0..50 {
        cable.send(&arp_reply(thief, stranger, GUEST_MAC, GUEST))?;
    }
    // Had the guest believed it, this answer would go straight to the thief.
    let mut frame = echo_request(3, 1, b"who am I?");
    frame[26..30].copy_from_slice(&stranger.octets());
    crate::frames::fix_ipv4_checksum(&mut frame);
    cable.send(&frame)?;
    cable.expect("question for the stranger", ANSWER, |frame| {
        let question = Arp::parse(frame).filter(|_| ensure_not_to(frame, thief))?;
        (question.is_request && question.target == stranger).then_some(())
    })?;
    is_alive(cable)
}

fn ensure_not_to(frame: &[u8], mac: [u8; 6]) -> bool {
    frame.get(..6) != Some(&mac)
}

fn ten_thousand_arp_questions(stage: &mut Stage) -> Result<()> {
    let (_, cable) = stage.both()?;
    for number in 0..40u8 {
        for last in 0..250 {
            let sender = Ipv4Addr::new(192, 0, 2, last);
            let target = if last % 2 == 0 {
                GUEST
            } else {
                Ipv4Addr::new(192, 0, 2, 251)
            };
            cable.send(&arp_request([0x02, 1, 0, 0, number, last], sender, target))?;
            if last % 64 == 0 {
                cable.drain()?;
            }
        }
    }
    is_alive(cable)
}
