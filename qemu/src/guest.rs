//! A running guest, used as a person uses it: type a command at the prompt, read the answer.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::console::Console;
use crate::machine::Machine;

/// The shell's first prompt.
const FIRST_PROMPT: &str = r"(?m)^skerry> ";
/// The prompt after a command; the line feed is that of the command's echo or of its output.
const PROMPT: &str = r"\nskerry> ";
/// Plenty for a boot under emulation on a busy host.
pub const BOOT: Duration = Duration::from_secs(60);
/// For commands that answer at once.
pub const SOON: Duration = Duration::from_secs(30);

/// What a command printed, and its exit code.
#[derive(Debug)]
pub struct Answer {
    pub text: String,
    pub code: i32,
}

impl Answer {
    /// The answer of a command that must have worked.
    pub fn success(self) -> Result<String> {
        ensure!(self.code == 0, "exit code {}: {}", self.code, self.text);
        Ok(self.text)
    }

    /// The answer of a command that must have failed.
    pub fn failure(self) -> Result<String> {
        ensure!(self.code != 0, "this should have failed: {}", self.text);
        Ok(self.text)
    }
}

/// What `net stats` shows, all of one moment.
pub struct Stats(String);

impl Stats {
    /// The figure of that name.
    pub fn figure(&self, name: &str) -> Result<u64> {
        let mut lines = self.0.lines();
        lines
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
            .with_context(|| format!("no {name:?} in\n{}", self.0))
    }
}

/// QEMU with a guest in it. Dropping it ends QEMU.
pub struct Guest {
    pub machine: Machine,
    child: Child,
    pub console: Console,
    pub started: Instant,
}

impl Guest {
    /// Starts QEMU.
    pub fn start(machine: Machine) -> Result<Self> {
        let mut command = machine.command();
        command.args([
            "-chardev",
            "stdio,id=line,signal=off",
            "-serial",
            "chardev:line",
        ]);
        // QEMU's own complaints belong into the log as well.
        let (output, writer) = std::io::pipe()?;
        command
            .stdin(Stdio::piped())
            .stdout(writer.try_clone()?)
            .stderr(writer);
        let started = Instant::now();
        let mut child = command.spawn().context("QEMU does not start")?;
        let input = child.stdin.take().context("no input")?;
        Ok(Self {
            machine,
            child,
            console: Console::new(output, input),
            started,
        })
    }

    /// Starts QEMU and waits for the shell and an address.
    pub fn boot_online(machine: Machine) -> Result<Self> {
        let mut guest = Self::boot(machine)?;
        guest.wait_address()?;
        Ok(guest)
    }

    /// Starts QEMU and waits for the shell.
    pub fn boot(machine: Machine) -> Result<Self> {
        let mut guest = Self::start(machine)?;
        guest.first_prompt()?;
        Ok(guest)
    }

    /// Waits for the shell.
    pub fn first_prompt(&mut self) -> Result<()> {
        self.console.expect(FIRST_PROMPT, BOOT).context("boot")?;
        Ok(())
    }

    /// The host's port for a TCP port of the guest.
    pub fn port(&self, guest: u16) -> Result<u16> {
        self.machine
            .forwarded(guest)
            .with_context(|| format!("port {guest} is not forwarded"))
    }

    /// Types a command and waits for the next prompt.
    pub fn command_within(&mut self, line: &str, limit: Duration) -> Result<Answer> {
        self.type_line(line)?;
        self.answer(line, limit)
    }

    /// Types a command that answers soon.
    pub fn command(&mut self, line: &str) -> Result<Answer> {
        self.command_within(line, SOON)
    }

    /// Types a command that must work, and gives what it printed.
    pub fn must(&mut self, line: &str) -> Result<String> {
        self.command(line)?
            .success()
            .with_context(|| format!("command {line:?}"))
    }

    /// Asks again until the answer is right, or has not become so for long.
    pub fn await_that(&mut self, mut ask: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        let deadline = Instant::now() + SOON;
        loop {
            let answer = ask(self);
            if answer.is_ok() || Instant::now() > deadline || !self.is_running() {
                return answer;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What the network server has counted.
    pub fn stats(&mut self) -> Result<Stats> {
        self.must("net stats").map(Stats)
    }

    /// Waits until the network has an address.
    pub fn wait_address(&mut self) -> Result<()> {
        self.await_that(|guest| {
            let text = guest.must("net")?;
            let has_none = text.lines().any(|line| line.starts_with("address none"));
            ensure!(!has_none, "no address");
            Ok(())
        })
    }

    /// Types a command and does not wait.
    pub fn type_line(&mut self, line: &str) -> Result<()> {
        self.console.skip();
        self.console.send(&format!("{line}\r"))
    }

    /// Waits for the prompt after a command that was typed.
    pub fn answer(&mut self, line: &str, limit: Duration) -> Result<Answer> {
        let (before, _) = self
            .console
            .expect(PROMPT, limit)
            .with_context(|| format!("command {line:?}"))?;
        Ok(parse(&before))
    }

    /// The same, while somebody does for the command what it needs, again and again: answers its questions, say.
    pub fn answer_while(
        &mut self,
        line: &str,
        limit: Duration,
        mut serve: impl FnMut() -> Result<()>,
    ) -> Result<Answer> {
        let deadline = Instant::now() + limit;
        loop {
            match self.answer(line, Duration::from_millis(20)) {
                Ok(answer) => return Ok(answer),
                Err(error) if Instant::now() > deadline || !self.is_running() => return Err(error),
                Err(_) => serve()?,
            }
        }
    }

    /// Waits for QEMU to end by itself and gives its exit code.
    pub fn wait_exit(&mut self, limit: Duration) -> Result<i32> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return status.code().context("QEMU was killed");
            }
            ensure!(
                Instant::now() < deadline,
                "QEMU is still running after {limit:?}"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Host processor time QEMU has used, in clock ticks of the host.
    pub fn host_ticks(&self) -> Result<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let after = stat.rsplit_once(") ").context("odd stat")?.1;
        let fields: Vec<&str> = after.split(' ').collect();
        Ok(fields[11].parse::<u64>()? + fields[12].parse::<u64>()?)
    }

    /// Whether QEMU still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        self.child.kill().ok();
        self.child.wait().ok();
        crate::tests::keep_log(self.console.log());
    }
}

/// Cuts what stands between a typed command and the next prompt into text and exit code. What the
/// system logs meanwhile is nobody's answer; [`Console::log`] keeps it.
fn parse(before: &str) -> Answer {
    // The first line is the echo of what was typed.
    let body = before.split_once('\n').map_or("", |(_, rest)| rest);
    let mut code = 0;
    let mut text = String::new();
    for line in body.lines().filter(|line| !is_logged(line)) {
        let exit = line
            .strip_prefix("[exit ")
            .and_then(|rest| rest.strip_suffix(']'))
            .and_then(|number| number.parse().ok());
        match exit {
            Some(number) => code = number,
            None => {
                text += line;
                text.push('\n');
            }
        }
    }
    Answer { text, code }
}

/// Whether a line begins with the time since the start, as those of the system's log do: seconds
/// and six digits of them in brackets, `[   0.015386] `.
fn is_logged(line: &str) -> bool {
    let time = line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "))
        .and_then(|(time, _)| time.trim_start().split_once('.'));
    time.is_some_and(|(seconds, parts)| seconds.parse::<u64>().is_ok() && parts.len() == 6)
}

/// A log as part of a report.
pub fn indent(log: &str) -> String {
    log.lines().map(|line| format!("    | {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn answers_are_cut_out() {
        let answer = parse("ping 10.0.2.2\n64 bytes\n1 received\n");
        assert_eq!(answer.text, "64 bytes\n1 received\n");
        assert_eq!(answer.code, 0);
    }

    #[test]
    fn exit_codes_are_found() {
        let answer = parse("false\noh\n[exit 3]\n");
        assert_eq!((answer.text.as_str(), answer.code), ("oh\n", 3));
        assert!(answer.success().is_err());
        assert_eq!(parse("x\n[exit -1]\n").code, -1);
    }

    #[test]
    fn the_log_is_no_answer() {
        let logged = "[    1.147130] netd: link 1: address 10.0.2.15/24 (leased)\n";
        let answer = parse(&format!("date\n{logged}2031-05-06\n[exit 1]\n{logged}"));
        assert_eq!((answer.text.as_str(), answer.code), ("2031-05-06\n", 1));
        let brackets = "[1] ping\n[    1] 0.1 MB/s\n[::1] 2.000001\n";
        assert_eq!(parse(&format!("jobs\n{brackets}")).text, brackets);
    }

    #[test]
    fn an_empty_line_has_an_empty_answer() {
        assert_eq!(parse("\n").text, "");
        assert_eq!(parse("").text, "");
    }
}
