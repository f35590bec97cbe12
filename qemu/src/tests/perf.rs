//! `perf`: what it counts is what has happened, beside the services of the guest itself and peers of the
//! host that count too, and lose what they like. How fast anything is nobody asks here.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use regex::Regex;

use super::routers::await_line;
use super::{Group, Skip, Stage, tests};
use crate::guest::Guest;
use crate::machine::{Card, Link, Machine};

/// Where the guest finds itself, and the host: by its loopback addresses, seen from inside.
const SELVES: [&str; 2] = ["127.0.0.1", "::1"];
const HOSTS: [&str; 2] = ["10.0.2.2", "fec0::2"];
/// How long anything of the host's may wait.
const LIMIT: Duration = Duration::from_secs(30);
/// Exit code of who is ended by Ctrl-C.
const INTERRUPTED: i32 = 130;
/// No datagram is given up early where none is lost, and soon where some are: longer than a host stands still.
const ALL: &str = "-w 20";
const SOME: &str = "-w 3";

pub fn group() -> Group {
    Group {
        name: "perf",
        stage: || {
            let mut guest = Guest::boot_online(Machine {
                cards: vec![Card::new(Link::user(&[]))],
                ..Machine::default()
            })?;
            // An address of IPv6 comes a little later than that of IPv4.
            await_line(&mut guest, "net addr", r"^1: fec0:.* router\s*$", true)?;
            Ok(Stage::new(guest))
        },
        tests: tests![Shared:
            echoes_are_counted,
            bytes_are_counted_at_both_ends,
            datagrams_that_are_lost_are_counted,
            connections_are_counted_and_so_are_failures,
            time_ends_it_as_well,
        ],
    }
}

/// What is printed of so many things in a time, and of their rate: that they belong together.
fn is_plausible(text: &str, what: &str, count: u64) -> Result<()> {
    let form = format!(r"(?m)^{count} {what} in (\d+)\.(\d{{3}}) s: (\d+) a second");
    let found = Regex::new(&form)?.captures(text);
    let found = found.with_context(|| format!("{count} {what}: {text}"))?;
    let number = |at: usize| found[at].parse::<u64>();
    let (milliseconds, rate) = (number(1)? * 1_000 + number(2)?, number(3)?);
    // The time is rounded down.
    let bounds = count * 1_000 / (milliseconds + 1)..=count * 1_000 / milliseconds.max(1);
    ensure!(bounds.contains(&rate), "{text}");
    Ok(())
}

fn echoes_are_counted(stage: &mut Stage) -> Result<()> {
    for host in SELVES {
        for (how, count, workers) in [
            ("", 300, 1),
            // More than half of what a window is at first, in segments of which it holds one.
            ("-l 9000", 40, 4),
            ("-u", 300, 1),
            ("-u -l 2000", 40, 4),
        ] {
            let line = format!("perf {how} {ALL} -n {count} -C {workers} {host}");
            let text = stage.guest.must(&line)?;
            is_plausible(&text, "round trips", count)?;
            if how.starts_with("-u") {
                let all = format!("{count} of {count} datagrams came back, 0.0% lost");
                ensure!(text.contains(&all), "{line}: {text}");
            }
        }
    }
    Ok(())
}

fn join<T>(thread: JoinHandle<Result<T>>) -> Result<T> {
    thread
        .join()
        .map_err(|_| anyhow::anyhow!("a peer has failed"))?
}

/// The host's loopback address of the same family.
fn loopback(host: &str) -> &'static str {
    if host.contains(':') {
        "[::1]:0"
    } else {
        "127.0.0.1:0"
    }
}

fn listener(host: &str) -> Result<(TcpListener, u16)> {
    let Ok(listener) = TcpListener::bind(loopback(host)) else {
        return Err(Skip("the host has no IPv6 loopback".into()).into());
    };
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}

fn bytes_are_counted_at_both_ends(stage: &mut Stage) -> Result<()> {
    for host in HOSTS {
        let (server, port) = listener(host)?;
        let peer = std::thread::spawn(move || -> Result<u64> {
            let mut sum = 0;
            for _ in 0..3 {
                let (mut stream, _) = server.accept()?;
                stream.set_read_timeout(Some(LIMIT))?;
                sum += std::io::copy(&mut stream, &mut std::io::sink())?;
            }
            Ok(sum)
        });
        let line = format!("perf -m send -l 10007 -n 100 -C 3 -p {port} {host}");
        let text = stage.guest.must(&line)?;
        ensure!(text.contains("1000700 bytes in "), "{text}");
        let came = join(peer)?;
        ensure!(came == 1_000_700, "{came} bytes came to the host");

        let (server, port) = listener(host)?;
        let peer = std::thread::spawn(move || -> Result<()> {
            let (mut stream, _) = server.accept()?;
            // Until it is told that it was enough.
            while stream.write_all(&[7; 16_384]).is_ok() {}
            Ok(())
        });
        let line = format!("perf -m receive -l 10007 -n 100 -p {port} {host}");
        let text = stage.guest.must(&line)?;
        ensure!(text.contains("1000700 bytes in "), "{text}");
        join(peer)?;
    }
    let text = stage.guest.must("perf -m receive -n 64 -C 2 ::1")?;
    ensure!(text.contains("1048576 bytes in "), "{text}");
    Ok(())
}

/// Sends so many datagrams back that come; of each ten one not, and one twice.
fn careless_echo(host: &str, count: u64) -> Result<(u16, JoinHandle<Result<()>>)> {
    let Ok(socket) = UdpSocket::bind(loopback(host)) else {
        return Err(Skip("the host has no IPv6 loopback".into()).into());
    };
    socket.set_read_timeout(Some(LIMIT))?;
    let port = socket.local_addr()?.port();
    let peer = std::thread::spawn(move || -> Result<()> {
        let mut bytes = [0; 2_000];
        for number in 0..count {
            let (length, from) = socket.recv_from(&mut bytes)?;
            let times = [1, 1, 1, 0, 1, 1, 2, 1, 1, 1][usize::try_from(number % 10)?];
            for _ in 0..times {
                socket.send_to(&bytes[..length], from)?;
            }
        }
        Ok(())
    });
    Ok((port, peer))
}

fn datagrams_that_are_lost_are_counted(stage: &mut Stage) -> Result<()> {
    for host in HOSTS {
        // Slowly enough for every host.
        let (port, peer) = careless_echo(host, 100)?;
        let line = format!("perf -u -m send {SOME} -n 100 -l 500 -b 800 -p {port} {host}");
        let text = stage.guest.must(&line)?;
        join(peer)?;
        ensure!(text.contains("100 datagrams sent in "), "{text}");
        let told = "90 of 100 datagrams came back, 10.0% lost";
        ensure!(text.contains(told), "{text}");

        // Four at a time: who waits for one that is lost stops nobody else.
        let (port, peer) = careless_echo(host, 20)?;
        let line = format!("perf -u {SOME} -n 20 -C 4 -p {port} {host}");
        let text = stage.guest.must(&line)?;
        join(peer)?;
        is_plausible(&text, "round trips", 18)?;
        let told = "18 of 20 datagrams came back, 10.0% lost";
        ensure!(text.contains(told), "{text}");
    }
    // Nobody is there, and says so.
    for how in ["", "-m send"] {
        let answer = stage
            .guest
            .command(&format!("perf -u {how} -t 2 -p 6 ::1"))?;
        ensure!(
            answer.code == 1 && answer.text.contains("refused"),
            "{}",
            answer.text
        );
    }
    Ok(())
}

fn connections_are_counted_and_so_are_failures(stage: &mut Stage) -> Result<()> {
    for host in SELVES {
        for how in ["", "-l 64"] {
            let line = format!("perf -m connect {how} -C 8 -n 100 {host}");
            is_plausible(&stage.guest.must(&line)?, "connections", 100)?;
        }
        let line = format!("perf -m connect -C 4 -n 20 -p 6 {host}");
        let answer = stage.guest.command(&line)?;
        ensure!(answer.code == 1, "{}", answer.text);
        is_plausible(&answer.text, "connections", 0)?;
        ensure!(answer.text.contains("20 failed"), "{}", answer.text);
        ensure!(answer.text.contains("refused"), "{}", answer.text);
    }
    for host in HOSTS {
        let (server, port) = listener(host)?;
        let address = server.local_addr()?;
        let is_over = Arc::new(AtomicBool::new(false));
        let peer = std::thread::spawn({
            let is_over = Arc::clone(&is_over);
            move || echo_but_every_fourth(&server, &is_over)
        });
        let line = format!("perf -m connect -l 100 -n 40 -p {port} {host}");
        let answer = stage.guest.command(&line);
        // The emulator's network may refuse one by itself, so their number tells nobody that it was the last.
        is_over.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(address)?);
        let (answer, echoed) = (answer?, join(peer)?);
        ensure!(answer.code == 1, "{}", answer.text);
        ensure!((25..=30).contains(&echoed), "{echoed}: {}", answer.text);
        is_plausible(&answer.text, "connections", echoed)?;
        let failed = format!("{} failed", 40 - echoed);
        ensure!(answer.text.contains(&failed), "{}", answer.text);
    }
    Ok(())
}

/// Takes connections until it is told that there are no more, and sends back 100 bytes of each; but every fourth
/// ends without. Returns how many had theirs.
fn echo_but_every_fourth(server: &TcpListener, is_over: &AtomicBool) -> Result<u64> {
    let mut echoed = 0;
    for number in 0.. {
        let (mut stream, _) = server.accept()?;
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        stream.set_read_timeout(Some(LIMIT))?;
        let mut bytes = [0; 100];
        stream.read_exact(&mut bytes)?;
        if number % 4 < 3 {
            stream.write_all(&bytes)?;
            ensure!(stream.read(&mut bytes)? == 0, "more than was asked for");
            echoed += 1;
        }
    }
    Ok(echoed)
}

fn time_ends_it_as_well(stage: &mut Stage) -> Result<()> {
    let form = Regex::new(r"(?m)^(\d+) \S+.* in (\d+)\.\d{3} s: ")?;
    for how in [
        "",
        "-u",
        "-m send",
        "-u -m send -b 1000",
        "-m receive",
        "-m connect",
    ] {
        let text = stage
            .guest
            .must(&format!("perf {how} -t 1 -C 2 127.0.0.1"))?;
        let found = form.captures(&text).with_context(|| text.clone())?;
        // Seconds of the guest: it stops when one is over, and not before.
        ensure!(found[1].parse::<u64>()? > 0, "{text}");
        ensure!(found[2].parse::<u64>()? >= 1, "perf {how}: {text}");
    }
    ctrl_c_ends_it(&mut stage.guest)
}

/// And so does Ctrl-C, if there is a moment to hear of it, and to end in its own way: else it is just ended.
fn ctrl_c_ends_it(guest: &mut Guest) -> Result<()> {
    let line = "perf -u -m send -b 100 -t 600 ::1";
    let mut moments = [500, 3_000, 10_000].map(Duration::from_millis).into_iter();
    loop {
        guest.type_line(line)?;
        guest.console.expect("at a time", LIMIT)?;
        let moment = moments.next().context("it does not hear of Ctrl-C")?;
        std::thread::sleep(moment);
        guest.console.send("\x03")?;
        let answer = guest.answer(line, LIMIT)?;
        if answer.code != INTERRUPTED {
            let text = answer.success()?;
            ensure!(text.contains(" datagrams sent in "), "{text}");
            return Ok(());
        }
    }
}
