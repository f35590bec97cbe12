//! Programs that misbehave harm nobody but themselves, and what they held comes back.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use regex::Regex;

use super::ethernet::{ANSWER, is_alive};
use super::{Group, Stage, tests};
use crate::frames::{ADDRESS, Cable, as_echo_reply, as_udp, echo_request, udp};
use crate::guest::Guest;
use crate::machine::{Card, Machine};
use crate::paths;

const LIMIT: Duration = Duration::from_secs(120);
/// How long to wait before the same is asked again.
const AGAIN: Duration = Duration::from_millis(500);

pub fn group() -> Group {
    Group {
        name: "isolation",
        stage,
        tests: tests![Shared:
            memory_is_copied_as_it_is,
            faults_end_only_the_program,
            threads_of_a_program_work_side_by_side,
            a_task_stays_with_its_thread,
            all_memory_taken_comes_back,
            all_handles_taken_come_back,
            a_busy_loop_stops_nobody,
            what_was_not_granted_is_refused,
            noise_to_netd,
            every_operation_is_answered,
            foreign_sockets_are_out_of_reach,
            a_runaway_ring_is_cut_off,
            ranges_outside_the_arena_are_refused,
            a_hundred_programs_leave_nothing,
            netd_can_be_ended,
        ],
    }
}

/// The released kernel with an archive that has the misbehaving program as well.
fn stage() -> Result<Stage> {
    let cable = Cable::new("isolation")?;
    let guest = Guest::boot(Machine {
        kernel: paths::build().join("skerry.img"),
        cards: vec![Card::new(cable.link())],
        append: ADDRESS.into(),
        extra: vec![
            "-initrd".into(),
            paths::build().join("test.cpio").display().to_string(),
        ],
        ..Machine::default()
    })?;
    cable.introduce()?;
    // What is set up on first use is not lost memory.
    let mut stage = Stage::with_cable(guest, cable);
    stage.guest.command("rogue")?;
    stage.guest.must("net")?;
    Ok(stage)
}

/// Copies of all lengths, apart and overlapping: the program compares each byte.
fn memory_is_copied_as_it_is(stage: &mut Stage) -> Result<()> {
    let text = stage.guest.command_within("bench copy", LIMIT)?.success()?;
    ensure!(text.contains("copy: "), "{text}");
    Ok(())
}

/// Free memory of the guest in KiB.
pub fn free_memory(guest: &mut Guest) -> Result<u64> {
    let text = guest.must("ps")?;
    let pattern = Regex::new(r"memory: (\d+) KiB free of \d+ KiB")?;
    let found = pattern.captures(&text).context("ps tells no free memory")?;
    Ok(found[1].parse()?)
}

/// Waits until as much memory is free as before. Programs that have ended are cleared away a
/// moment later.
pub fn memory_is_back(guest: &mut Guest, before: u64) -> Result<()> {
    guest.await_that(|guest| {
        let now = free_memory(guest)?;
        ensure!(now >= before, "{} KiB are lost", before - now);
        Ok(())
    })
}

/// How many packets the guest says it has dropped, over all reasons.
pub fn dropped(guest: &mut Guest) -> Result<u64> {
    Ok(guest
        .must("net drops")?
        .lines()
        .filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok())
        .sum())
}

/// Runs the misbehaving program, then looks whether the system is as before. Gives its output.
fn survives(stage: &mut Stage, line: &str, works: bool) -> Result<String> {
    let (guest, cable) = stage.both()?;
    let before = free_memory(guest)?;
    let answer = guest.command_within(line, LIMIT)?;
    ensure!(
        (answer.code == 0) == works,
        "{line}: exit code {}: {}",
        answer.code,
        answer.text
    );
    is_alive(cable).with_context(|| format!("after {line}"))?;
    memory_is_back(guest, before).with_context(|| format!("after {line}"))?;
    Ok(answer.text)
}

fn faults_end_only_the_program(stage: &mut Stage) -> Result<()> {
    for kind in ["null", "stack", "text", "udf", "kernel", "thread"] {
        let text = survives(stage, &format!("rogue fault {kind}"), false)?;
        ensure!(!text.contains("still here"), "{kind}: it went on");
    }
    // The first process is told registers and address.
    let log = stage.guest.console.log();
    ensure!(
        log.contains("rogue") && log.to_lowercase().contains("fault"),
        "no report"
    );
    Ok(())
}

fn threads_of_a_program_work_side_by_side(stage: &mut Stage) -> Result<()> {
    let text = survives(stage, "rogue threads", true)?;
    ensure!(text.contains("200 rounds, 8 threads"), "{text}");
    Ok(())
}

fn a_task_stays_with_its_thread(stage: &mut Stage) -> Result<()> {
    survives(stage, "rogue wake", false)?;
    ensure!(
        stage
            .guest
            .console
            .log()
            .contains("a task of another thread"),
        "no reason"
    );
    Ok(())
}

fn all_memory_taken_comes_back(stage: &mut Stage) -> Result<()> {
    survives(stage, "rogue leak", true)?;
    Ok(())
}

fn all_handles_taken_come_back(stage: &mut Stage) -> Result<()> {
    survives(stage, "rogue handles", true)?;
    Ok(())
}

fn a_busy_loop_stops_nobody(stage: &mut Stage) -> Result<()> {
    let (guest, cable) = stage.both()?;
    let before = free_memory(guest)?;
    guest.type_line("rogue loop")?;
    std::thread::sleep(Duration::from_millis(500));
    for sequence in 0..20 {
        cable.send(&echo_request(0x100, sequence, b"while it loops"))?;
        cable.expect("echo reply while a program loops", ANSWER, as_echo_reply)?;
    }
    guest.console.send("\x03")?;
    let answer = guest.answer("rogue loop, then Ctrl-C", ANSWER)?;
    ensure!(answer.code == 130, "exit code {}", answer.code);
    memory_is_back(guest, before)
}

fn what_was_not_granted_is_refused(stage: &mut Stage) -> Result<()> {
    let text = survives(stage, "rogue rights", true)?;
    ensure!(text.matches(": refused").count() >= 8, "{text}");
    Ok(())
}

fn noise_to_netd(stage: &mut Stage) -> Result<()> {
    survives(stage, "rogue garbage 10000", true)?;
    Ok(())
}

fn every_operation_is_answered(stage: &mut Stage) -> Result<()> {
    let text = survives(stage, "rogue numbers", true)?;
    ensure!(text.contains("297 replies"), "{text}");
    Ok(())
}

fn foreign_sockets_are_out_of_reach(stage: &mut Stage) -> Result<()> {
    let text = survives(stage, "rogue sockets", true)?;
    for refused in ["raw socket: refused", "ethernet socket: refused"] {
        ensure!(text.contains(refused), "{text}");
    }
    Ok(())
}

fn a_runaway_ring_is_cut_off(stage: &mut Stage) -> Result<()> {
    let expelled = |guest: &mut Guest| guest.stats()?.figure("clients expelled");
    let before = expelled(&mut stage.guest)?;
    let text = survives(stage, "rogue ring", true)?;
    ensure!(text.matches(": disconnected").count() == 3, "{text}");
    let after = expelled(&mut stage.guest)?;
    ensure!(after == before + 3, "{before} expelled, then {after}");
    Ok(())
}

fn ranges_outside_the_arena_are_refused(stage: &mut Stage) -> Result<()> {
    survives(stage, "rogue arena", true)?;
    Ok(())
}

fn a_hundred_programs_leave_nothing(stage: &mut Stage) -> Result<()> {
    let before = free_memory(&mut stage.guest)?;
    for _ in 0..100 {
        stage.guest.must("net addr")?;
    }
    memory_is_back(&mut stage.guest, before)
}

/// The network server is a process like others: without it kernel and shell live on, and the first
/// process starts a new one that serves again.
fn netd_can_be_ended(stage: &mut Stage) -> Result<()> {
    let (guest, cable) = stage.both()?;
    let old = super::shell::process(guest, "netd")?;
    guest.must(&format!("kill {old}"))?;
    let deadline = Instant::now() + LIMIT;
    let new = loop {
        match super::shell::process(guest, "netd") {
            Ok(new) if new != old => break new,
            _ => ensure!(Instant::now() < deadline, "there is no new network server"),
        }
        std::thread::sleep(Duration::from_millis(200));
    };
    ensure!(new > old, "the number {new} after {old}");
    is_alive(cable)?;
    guest.must("ping -c 1 127.0.0.1")?;
    // The services have lost their sockets, end, and are started anew.
    loop {
        cable.send(&udp(5000, 7, b"again"))?;
        let heard = |frame: &[u8]| as_udp(frame).filter(|it| it.payload == b"again");
        if cable.expect("UDP echo", AGAIN, heard).is_ok() {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "the echo service does not return"
        );
    }
}
