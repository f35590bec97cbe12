//! The machinery of scenarios: histories repeat to the last byte, dissectors find nothing wrong in
//! them, and what goes wrong is shrunk to a short packet script.

use std::cell::Cell;
use std::collections::HashSet;
use std::process::Command;
use std::rc::Rc;

use sim::scenario::{Keep, Plan, shrink};
use sim::{Meddler, script};
use wire::tcp::{Flags, Segment};
use wire::{Check, Pseudo, ethernet, ipv4};

/// The segment in a frame, if it is one.
fn with_segment<T>(frame: &[u8], act: impl FnOnce(&Segment<'_>) -> T) -> Option<T> {
    let frame = ethernet::Frame::parse(frame).ok()?;
    let packet = ipv4::Packet::parse(frame.payload).ok()?;
    let pseudo = Pseudo::v4(packet.header.source, packet.header.destination);
    let segment = Segment::parse(packet.payload, Check::Verify(pseudo)).ok()?;
    Some(act(&segment))
}

#[test]
fn the_same_seed_gives_the_same_frames() {
    for seed in [1, 77, 4_242] {
        let play = || Plan::of(seed).play(Keep::Capture, None);
        let (first, second) = (play(), play());
        assert!(first.capture.len() > 1_000, "seed {seed}");
        assert!(first.capture == second.capture, "seed {seed}");
        assert_eq!(first.frames, second.frames, "seed {seed}");
    }
}

#[test]
fn chance_written_down_gives_the_same_frames() {
    for seed in [2, 78, 4_243] {
        let mut plan = Plan::of(seed);
        let first = plan.play(Keep::Capture, None);
        plan.faults = Some(first.faults.clone());
        let second = plan.play(Keep::Capture, None);
        assert!(first.capture == second.capture, "seed {seed}");
    }
}

#[test]
fn stacks_die_in_some_worlds_and_others_go_on() {
    let plans = (0..100).map(Plan::of);
    let with_crash = plans.filter(|plan| !plan.crashes.is_empty());
    let outcomes: Vec<_> = with_crash
        .map(|plan| plan.play(Keep::Nothing, None))
        .collect();
    assert!(
        outcomes.iter().all(|it| it.complaint.is_none()),
        "{outcomes:?}"
    );
    let restarts: u64 = outcomes.iter().map(|it| it.restarts).sum();
    assert!(restarts > 10, "{restarts} of {} worlds", outcomes.len());
}

#[test]
fn a_dissector_finds_nothing_wrong() {
    if Command::new("tshark").arg("--version").output().is_err() {
        println!("skipped: tshark is not installed");
        return;
    }
    let mut plan = Plan::of(5);
    for host in &mut plan.hosts {
        host.weather.corruption = 0;
    }
    plan.changes.clear();
    let outcome = plan.play(Keep::Capture, None);
    assert_eq!(outcome.complaint, None);
    let file = std::env::temp_dir().join(format!("sim-{}.pcapng", std::process::id()));
    std::fs::write(&file, &outcome.capture).unwrap();
    let wrong = "_ws.malformed || ip.checksum.status == \"Bad\" || tcp.checksum.status == \"Bad\"";
    let look = |filter: &str| {
        let output = Command::new("tshark")
            .args([
                "-o",
                "tcp.check_checksum:TRUE",
                "-o",
                "ip.check_checksum:TRUE",
                "-r",
            ])
            .arg(&file)
            // What the streams carry is nobody's protocol.
            .args(["-o", "tcp.desegment_tcp_streams:FALSE"])
            .args(["-Y", filter])
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let (all, found) = (look("tcp"), look(wrong));
    std::fs::remove_file(&file).unwrap();
    assert!(all.lines().count() > 10, "{all}");
    assert_eq!(found, "");
}

/// Forbids what is legal and rare: that data are sent twice.
fn no_data_twice() -> Meddler {
    let mut seen = HashSet::new();
    Box::new(move |frame| {
        let is_again = with_segment(frame, |segment| {
            let header = &segment.header;
            !segment.payload.is_empty()
                && !seen.insert((header.src_port, header.dst_port, header.seq))
        });
        match is_again {
            Some(true) => Err("data are sent twice".into()),
            _ => Ok(()),
        }
    })
}

/// Breaks one acknowledgement: the first that follows another with the same number acknowledges a
/// byte too much.
fn one_wrong_acknowledgement() -> Meddler {
    let mut last = None;
    let is_done = Rc::new(Cell::new(false));
    Box::new(move |frame| {
        let plain = with_segment(frame, |segment| {
            let header = segment.header;
            (header.flags == Flags::ACK && segment.payload.is_empty()).then_some(header.ack)
        });
        let Some(Some(ack)) = plain else {
            return Ok(());
        };
        if last == Some(ack) && !is_done.replace(true) {
            let place = ethernet::HEADER_LEN + ipv4::HEADER_LEN;
            frame[place + 8..place + 12].copy_from_slice(&ack.wrapping_add(1).to_be_bytes());
            // RFC 1624: the sum changes by what the field changes by.
            frame[place + 16..place + 18].fill(0);
            let parsed = ethernet::Frame::parse(frame).unwrap();
            let packet = ipv4::Packet::parse(parsed.payload).unwrap();
            let pseudo = Pseudo::v4(packet.header.source, packet.header.destination);
            let len = u32::try_from(packet.payload.len()).unwrap();
            let sum = pseudo
                .with(wire::Protocol::TCP, len)
                .plus(wire::sum(packet.payload));
            let bytes = sum.finish();
            frame[place + 16..place + 18].copy_from_slice(&bytes);
        }
        last = Some(ack);
        Ok(())
    })
}

/// A seed whose world goes wrong when somebody meddles is shrunk to a script of at most `most`
/// lines, and that script goes wrong in the same way against one stack.
fn shrinks_to(meddling: fn() -> Meddler, kind: &str, most: usize) {
    let plan = (0..500)
        .map(Plan::of)
        .find(|plan| {
            let found = plan.play(Keep::Nothing, Some(&meddling)).complaint;
            found.is_some_and(|found| found.kind() == kind)
        })
        .expect("a seed in which it matters");
    let complaint = plan.play(Keep::Nothing, Some(&meddling)).complaint.unwrap();
    let shrunk = shrink(&plan, &complaint, Some(&meddling));
    assert_eq!(shrunk.complaint.kind(), kind);
    let text = &shrunk.script;
    println!("{} runs\n{text}", shrunk.runs);
    let lines = text.lines().filter(|line| !line.starts_with('#')).count();
    assert!(lines <= most, "{lines} lines:\n{text}");
    let cases = script::parse(text).unwrap_or_else(|failure| panic!("{failure}\n{text}"));
    let failure = cases[0].run_with(meddling()).expect_err("it goes wrong");
    assert!(failure.what.starts_with(kind), "{failure}\n{text}");
    // And without the meddling nothing is wrong with it up to there.
    let unspoilt = cases[0].run();
    let is_later = unspoilt
        .as_ref()
        .err()
        .is_none_or(|it| it.line >= failure.line);
    assert!(is_later, "{unspoilt:?}\n{text}");
}

#[test]
fn a_rule_that_is_broken_is_shown_by_a_short_script() {
    shrinks_to(no_data_twice, "data are sent twice", 24);
}

#[test]
fn a_broken_acknowledgement_is_shown_by_a_short_script() {
    let kind = "an acknowledgement of what never came";
    shrinks_to(one_wrong_acknowledgement, kind, 24);
}
