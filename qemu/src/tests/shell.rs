//! The shell as a person uses it, and the end of the machine.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::ethernet::ANSWER;
use super::{Group, Stage, no_stage, tests};
use crate::guest::{Answer, BOOT, Guest};
use crate::image::TOOL_NAMES;
use crate::machine::{Card, Link, Machine};

pub fn groups() -> [Group; 2] {
    [
        Group {
            name: "shell",
            stage: || boot("").map(Stage::new),
            tests: tests![Shared:
                help_lists_every_program,
                lines_are_edited,
                history_comes_back,
                ctrl_c_ends_a_program,
                exit_codes_are_told,
                unknown_commands_are_refused,
                processes_are_listed_and_ended,
                services_are_named_once,
                background_and_sequences,
                long_and_strange_lines,
            ],
        },
        Group {
            name: "shell",
            stage: no_stage,
            tests: tests![Alone:
                commands_of_the_kernel_command_line,
                power_off_ends_the_machine,
                the_exit_status_is_passed_on,
                reboot_starts_again,
            ],
        },
    ]
}

fn boot(words: &str) -> Result<Guest> {
    Guest::boot_online(Machine {
        cards: vec![Card::new(Link::user(&[]))],
        append: words.into(),
        ..Machine::default()
    })
}

fn help_lists_every_program(stage: &mut Stage) -> Result<()> {
    let text = stage.guest.must("help")?;
    for program in TOOL_NAMES {
        let listed = text.lines().any(|line| line.starts_with(program));
        ensure!(listed, "{program} is not in\n{text}");
    }
    Ok(())
}

/// Types keys and looks at what the command line was in the end.
fn edited(guest: &mut Guest, keys: &str) -> Result<String> {
    guest.type_line(keys)?;
    // The echo is full of corrections; what the command printed is the second line.
    Ok(guest.answer(keys, ANSWER)?.success()?.trim_end().to_owned())
}

fn lines_are_edited(stage: &mut Stage) -> Result<()> {
    let guest = &mut stage.guest;
    let back = "\x7f";
    let left = "\x1b[D";
    for (keys, line) in [
        (format!("echo onne{back}{back}e"), "one"),
        (format!("echo ac{left}b"), "abc"),
        ("cho two\x01e".to_owned(), "two"),
        ("echo threX\x08e\x05e".to_owned(), "threee"),
        ("rubbish\x15echo four".to_owned(), "four"),
        ("echo five rubbish\x17".to_owned(), "five"),
    ] {
        let found = edited(guest, &keys)?;
        ensure!(found == line, "{keys:?} gave {found:?}");
    }
    Ok(())
}

fn history_comes_back(stage: &mut Stage) -> Result<()> {
    let guest = &mut stage.guest;
    guest.must("echo first")?;
    guest.must("echo second")?;
    ensure!(edited(guest, "\x1b[A\x1b[A")? == "first");
    ensure!(edited(guest, "\x1b[A\x1b[A\x1b[A\x1b[B")? == "second");
    Ok(())
}

/// Types a command that never ends by itself, then Ctrl-C. What comes before the command runs ends nothing, so a
/// machine that is slow gets more time.
fn interrupted(guest: &mut Guest, line: &str) -> Result<Answer> {
    for seconds in [0.3, 2.0, 10.0] {
        guest.type_line(line)?;
        std::thread::sleep(Duration::from_secs_f64(seconds));
        guest.console.send("\x03")?;
        let answer = guest.answer(line, ANSWER)?;
        if answer.code == 130 {
            return Ok(answer);
        }
    }
    bail!("{line:?} is not ended by Ctrl-C")
}

fn ctrl_c_ends_a_program(stage: &mut Stage) -> Result<()> {
    let guest = &mut stage.guest;
    // Nobody ever accepts.
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let port = silent.local_addr()?.port();
    interrupted(guest, &format!("http -t 600 http://10.0.2.2:{port}/"))?;
    // A command of the shell's own ends in the same way, and takes what stands behind it along.
    let answer = interrupted(guest, "sleep 600; echo behind")?;
    ensure!(answer.text == "^C\n", "{}", answer.text);
    // On a line that is being typed it only starts a new one; of a longer line the shell has read
    // a part by then that it has not looked at.
    for words in 1..=20 {
        guest.console.skip();
        let line = "half a command ".repeat(words);
        guest.console.send(&format!("{line}\x03"))?;
        guest.answer("half a command, then Ctrl-C", ANSWER)?;
        ensure!(edited(guest, "echo afresh")? == "afresh");
    }
    Ok(())
}

fn exit_codes_are_told(stage: &mut Stage) -> Result<()> {
    let guest = &mut stage.guest;
    let answer = guest.command("ping")?;
    ensure!(answer.code == 2, "exit code {}", answer.code);
    ensure!(guest.command("status")?.text.trim() == "2");
    guest.must("ps")?;
    ensure!(guest.must("echo $?")?.trim() == "0");
    Ok(())
}

fn unknown_commands_are_refused(stage: &mut Stage) -> Result<()> {
    let answer = stage.guest.command("no-such-program --at-all")?;
    ensure!(
        answer.code == 127 && answer.text.contains("no-such-program"),
        "{answer:?}"
    );
    Ok(())
}

/// The number of the first process of that program in the list.
pub fn process(guest: &mut Guest, program: &str) -> Result<u32> {
    let text = guest.must("ps")?;
    let line = text
        .lines()
        .find(|line| line.ends_with(&format!(" {program}")));
    let line = line.with_context(|| format!("no {program} in\n{text}"))?;
    Ok(line.split_whitespace().next().unwrap_or_default().parse()?)
}

fn processes_are_listed_and_ended(stage: &mut Stage) -> Result<()> {
    let guest = &mut stage.guest;
    for program in ["init", "console", "netd", "sh", "httpd", "echo", "ps"] {
        // The last of them may still be on their way.
        guest.await_that(|guest| process(guest, program).map(|_| ()))?;
    }
    guest.must("ping -c 0 -i 1 127.0.0.1 &")?;
    let number = process(guest, "ping")?;
    guest.must(&format!("kill {number}"))?;
    guest.await_that(|guest| {
        ensure!(process(guest, "ping").is_err(), "it still runs");
        Ok(())
    })?;
    guest.command("kill 99999")?.failure()?;
    guest.command("kill init")?.failure()?;
    Ok(())
}

/// A second web server finds its port taken: names and ports have one owner.
fn services_are_named_once(stage: &mut Stage) -> Result<()> {
    let text = stage.guest.command("httpd 80")?.failure()?;
    ensure!(text.contains("address in use"), "{text}");
    let text = stage.guest.command("netd")?.failure()?;
    ensure!(!text.is_empty(), "a second network server says nothing");
    stage.guest.must("ping -c 1 127.0.0.1")?;
    Ok(())
}

fn background_and_sequences(stage: &mut Stage) -> Result<()> {
    let text = stage.guest.must("echo one; echo two")?;
    ensure!(text == "one\ntwo\n", "{text}");
    let text = stage.guest.must("ping -c 3 -i 0.5 127.0.0.1 &")?;
    ensure!(!text.contains("3 received"), "the prompt waited");
    // It goes on while the shell has other things to do, and is gone before the next test.
    stage.guest.await_that(|guest| {
        guest.must("echo busy")?;
        ensure!(
            guest.console.log().contains("3 received"),
            "it did not go on"
        );
        Ok(())
    })
}

fn long_and_strange_lines(stage: &mut Stage) -> Result<()> {
    let guest = &mut stage.guest;
    let long = "x".repeat(900);
    ensure!(guest.must(&format!("echo {long}"))?.replace('\n', "") == long);
    // Longer than the shell takes, at the speed of somebody who leans on a key.
    guest.console.skip();
    for _ in 0..20 {
        guest.console.send(&"y".repeat(100))?;
        std::thread::sleep(Duration::from_millis(20));
    }
    guest.console.send("\r")?;
    guest.answer("a line of 2000 characters", ANSWER)?;
    guest.type_line("\x1b[\x1b[\x1b]\x1bO\x00\x01\x02\x7f\x7f\x1b[9999999~echo \u{20ac}\u{fe}")?;
    guest.answer("control characters", ANSWER)?;
    ensure!(edited(guest, "\x15echo fine")? == "fine");
    Ok(())
}

fn commands_of_the_kernel_command_line() -> Result<()> {
    let guest = boot("run=\"echo begins; ps\"")?;
    let log = guest.console.log();
    let (before, after) = log.split_once("\nbegins\n").context("nothing was run")?;
    let lists_netd = |text: &str| text.lines().any(|line| line.ends_with(" netd"));
    ensure!(lists_netd(after) && !lists_netd(before), "{log}");
    Ok(())
}

fn power_off_ends_the_machine() -> Result<()> {
    let mut guest = boot("")?;
    guest.type_line("poweroff")?;
    let code = guest.wait_exit(Duration::from_secs(20))?;
    ensure!(code == 0, "QEMU ended with {code}");
    Ok(())
}

/// With semihosting, QEMU's exit status is the code that was given.
fn the_exit_status_is_passed_on() -> Result<()> {
    let mut guest = Guest::boot(Machine {
        append: "semihosting".into(),
        extra: vec![
            "-semihosting-config".into(),
            "enable=on,target=native".into(),
        ],
        ..Machine::default()
    })?;
    guest.type_line("poweroff 7")?;
    let code = guest.wait_exit(Duration::from_secs(20))?;
    ensure!(code == 7, "QEMU ended with {code}");
    Ok(())
}

fn reboot_starts_again() -> Result<()> {
    let mut guest = Guest::boot_online(Machine {
        cards: vec![Card::new(Link::user(&[]))],
        ends_on_reset: false,
        ..Machine::default()
    })?;
    guest.type_line("reboot")?;
    guest
        .console
        .expect(r"(?m)^skerry> ", BOOT)
        .context("the second start")?;
    guest.wait_address()?;
    guest.must("ping -c 1 10.0.2.2")?;
    Ok(())
}
