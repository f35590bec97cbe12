//! The small programs of the network against the host, over both families: `nc`, `ntp`, `traceroute`.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};

use super::routers::await_line;
use super::{Group, Skip, Stage, tests};
use crate::guest::Guest;
use crate::machine::{Card, Forward, Link, Machine, free_port, mortal};
use crate::peers::{Running, find};

/// Where the guest finds the host: its loopback addresses, seen from inside.
const HOSTS: [&str; 2] = ["10.0.2.2", "fec0::2"];
/// The port at which the guest waits for a peer.
const WAITS: u16 = 7_000;
/// How long anything of the host's may wait.
const LIMIT: Duration = Duration::from_secs(30);
/// What `ntp` is told, that it waits for as long as a host may stand still.
const WAIT: &str = "-w 15";

pub fn groups() -> [Group; 1] {
    [Group {
        name: "programs",
        stage: || {
            let mut link = Link::user(&[WAITS]);
            if let Link::User { forwards } = &mut link {
                forwards.push(Forward {
                    protocol: "udp",
                    host: free_port(),
                    guest: WAITS,
                });
            }
            let mut guest = Guest::boot_online(Machine {
                cards: vec![Card::new(link)],
                ..Machine::default()
            })?;
            // An address of IPv6 comes a little later than that of IPv4.
            await_line(&mut guest, "net addr", r"^1: fec0:.* router\s*$", true)?;
            Ok(Stage::new(guest))
        },
        tests: tests![Shared:
            nc_calls_over_both_families,
            nc_waits_for_a_peer,
            nc_speaks_by_datagrams,
            ntp_sets_the_clock,
            all_programs_know_the_time_at_once,
            the_machine_keeps_the_time_when_it_starts_anew,
            socat_speaks_with_nc,
            ntp_believes_no_stranger,
            the_way_to_the_gateway_is_one_hop,
        ],
    }]
}

/// The host's loopback address of the same family.
fn loopback(host: &str) -> &'static str {
    if host.contains(':') {
        "[::1]:0"
    } else {
        "127.0.0.1:0"
    }
}

fn datagram_socket(host: &str) -> Result<UdpSocket> {
    let Ok(socket) = UdpSocket::bind(loopback(host)) else {
        return Err(Skip("the host has no IPv6 loopback".into()).into());
    };
    socket.set_read_timeout(Some(LIMIT))?;
    Ok(socket)
}

fn join<T>(thread: JoinHandle<Result<T>>) -> Result<T> {
    thread
        .join()
        .map_err(|_| anyhow::anyhow!("a peer has failed"))?
}

fn nc_calls_over_both_families(stage: &mut Stage) -> Result<()> {
    for host in HOSTS {
        let Ok(listener) = TcpListener::bind(loopback(host)) else {
            return Err(Skip("the host has no IPv6 loopback".into()).into());
        };
        let port = listener.local_addr()?.port();
        let peer = std::thread::spawn(move || -> Result<String> {
            let (mut stream, _) = listener.accept()?;
            stream.set_read_timeout(Some(LIMIT))?;
            let mut said = String::new();
            // To its end: who has said everything says so.
            stream.read_to_string(&mut said)?;
            stream.write_all(b"well met\n")?;
            Ok(said)
        });
        let text = stage.guest.must(&format!("nc -m hello {host} {port}"))?;
        ensure!(text.contains("well met"), "{text}");
        let said = join(peer)?;
        ensure!(said == "hello\n", "{said:?} over {host}");
    }
    let answer = stage.guest.command("nc -m hello 127.0.0.1 6")?;
    ensure!(
        answer.code == 1 && answer.text.contains("refused"),
        "{}",
        answer.text
    );
    Ok(())
}

fn nc_waits_for_a_peer(stage: &mut Stage) -> Result<()> {
    let port = stage.guest.port(WAITS)?;
    let line = format!("nc -l -m welcome {WAITS}");
    stage.guest.type_line(&line)?;
    let start = Instant::now();
    // QEMU takes connections before the guest does, and resets them.
    let (mut stream, mut said) = loop {
        ensure!(start.elapsed() < LIMIT, "nobody waits");
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(LIMIT))?;
        let mut first = [0];
        match stream.read(&mut first) {
            Ok(1) => break (stream, vec![first[0]]),
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    stream.write_all(b"thank you\n")?;
    stream.shutdown(std::net::Shutdown::Write)?;
    stream.read_to_end(&mut said)?;
    ensure!(said == b"welcome\n", "{}", String::from_utf8_lossy(&said));
    let text = stage.guest.answer(&line, LIMIT)?.success()?;
    ensure!(text.contains("thank you"), "{text}");
    Ok(())
}

fn nc_speaks_by_datagrams(stage: &mut Stage) -> Result<()> {
    for host in HOSTS {
        let socket = datagram_socket(host)?;
        socket.set_nonblocking(true)?;
        let port = socket.local_addr()?.port();
        let line = format!("nc -u -w 1 -m question {host} {port}");
        let deadline = Instant::now() + LIMIT;
        loop {
            stage.guest.type_line(&line)?;
            let answers = || answer_questions(&socket);
            let text = stage.guest.answer_while(&line, LIMIT, answers)?.success()?;
            if text.contains("an answer") {
                break;
            }
            // If the host stands still for a second it is gone before the answer comes.
            ensure!(Instant::now() < deadline, "{text}");
        }
    }
    Ok(())
}

/// Answers all that has come.
fn answer_questions(socket: &UdpSocket) -> Result<()> {
    let mut said = [0; 100];
    while let Ok((count, from)) = socket.recv_from(&mut said) {
        let said = String::from_utf8_lossy(&said[..count]);
        ensure!(said == "question\n", "{said}");
        socket.send_to(b"an answer\n", from)?;
    }
    Ok(())
}

/// 2031-05-06 07:08:09 UTC, in seconds since 1900.
const MOMENT: u64 = 4_144_806_489;

/// What makes something else of an answer.
type Change = fn(&mut [u8; 48]);

/// Answers so many questions for the time; `change` makes something else of an answer.
fn time_server(socket: UdpSocket, count: usize, change: Change) -> JoinHandle<Result<()>> {
    std::thread::spawn(move || {
        for _ in 0..count {
            let mut question = [0; 100];
            let (length, from) = socket.recv_from(&mut question)?;
            ensure!(
                length == 48 && question[0] == 0x23,
                "{:x?}",
                &question[..length]
            );
            ensure!(
                question[1..40].iter().all(|byte| *byte == 0),
                "it tells of itself"
            );
            let mut answer = [0; 48];
            (answer[0], answer[1]) = (0x24, 2);
            answer[24..32].copy_from_slice(&question[40..48]);
            for at in [32, 40] {
                answer[at..at + 8].copy_from_slice(&(MOMENT << 32).to_be_bytes());
            }
            change(&mut answer);
            socket.send_to(&answer, from)?;
        }
        Ok(())
    })
}

fn ntp_sets_the_clock(stage: &mut Stage) -> Result<()> {
    for host in HOSTS {
        let socket = datagram_socket(host)?;
        let port = socket.local_addr()?.port();
        let server = time_server(socket, 2, |_| {});
        let text = stage
            .guest
            .must(&format!("ntp {WAIT} -c 2 -p {port} {host}"))?;
        join(server)?;
        ensure!(text.matches("stratum 2").count() == 2, "{text}");
        ensure!(text.contains("it is 2031-05-06 07:08:"), "{text}");
        ensure!(text.contains("the clock is set"), "{text}");
    }
    // The clock is off by no more than what has passed since.
    let socket = datagram_socket(HOSTS[0])?;
    let port = socket.local_addr()?.port();
    let server = time_server(socket, 1, |_| {});
    let text = stage
        .guest
        .must(&format!("ntp {WAIT} -n -c 1 -p {port} {}", HOSTS[0]))?;
    join(server)?;
    let (_, off) = text.split_once("was off by ").context("the difference")?;
    let seconds = off.trim_start_matches(['-', '+']).split('.').next();
    let seconds: u64 = seconds.context("seconds")?.parse()?;
    ensure!(seconds < 60 && !text.contains("is set"), "{text}");
    Ok(())
}

/// The shell has been running all the time.
fn all_programs_know_the_time_at_once(stage: &mut Stage) -> Result<()> {
    let before = stage.guest.must("date")?;
    // One of the days around that moment, unless a test has set the clock before.
    let socket = datagram_socket(HOSTS[0])?;
    let port = socket.local_addr()?.port();
    // A year and a day later than the moment.
    let later = |answer: &mut [u8; 48]| {
        let moment = (MOMENT + 366 * 86_400) << 32;
        for at in [32, 40] {
            answer[at..at + 8].copy_from_slice(&moment.to_be_bytes());
        }
    };
    let server = time_server(socket, 1, later);
    stage
        .guest
        .must(&format!("ntp {WAIT} -c 1 -p {port} {}", HOSTS[0]))?;
    join(server)?;
    let after = stage.guest.must("date")?;
    ensure!(!before.contains("2032-05-06"), "{before}");
    ensure!(after.contains("2032-05-06 07:0"), "{after}");
    Ok(())
}

/// The time that was set is the machine's: it is right after a reset, before anybody was asked.
fn the_machine_keeps_the_time_when_it_starts_anew(_: &mut Stage) -> Result<()> {
    let mut guest = Guest::boot_online(Machine {
        cards: vec![Card::new(Link::user(&[]))],
        ends_on_reset: false,
        ..Machine::default()
    })?;
    // QEMU's clock is the host's.
    let date = guest.must("date")?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let years = now / 31_556_952 + 1970;
    ensure!(
        [years - 1, years, years + 1]
            .iter()
            .any(|year| date.starts_with(&year.to_string())),
        "{date}"
    );
    let socket = datagram_socket(HOSTS[0])?;
    let port = socket.local_addr()?.port();
    let server = time_server(socket, 1, |_| {});
    guest.must(&format!("ntp {WAIT} -c 1 -p {port} {}", HOSTS[0]))?;
    join(server)?;
    guest.type_line("reboot")?;
    guest.first_prompt()?;
    let date = guest.must("date")?;
    ensure!(date.starts_with("2031-05-06 07:0"), "{date}");
    Ok(())
}

/// Another peer than those of this tree, with each part of the conversation in each role.
fn socat_speaks_with_nc(stage: &mut Stage) -> Result<()> {
    let socat = find("socat")?;
    for host in HOSTS {
        let is_six = host.contains(':');
        let address = if is_six { "[::1]" } else { "127.0.0.1" };
        if TcpListener::bind(loopback(host)).is_err() {
            return Err(Skip("the host has no IPv6 loopback".into()).into());
        }
        // What it hears it says again; over a connection, when it has heard all, in capitals.
        for (protocol, flag, what, said) in [
            ("TCP", "", "SYSTEM:tr a-z A-Z", "HELLO"),
            ("UDP", "-u ", "PIPE", "hello"),
        ] {
            let family = if is_six { 6 } else { 4 };
            let port = free_port();
            let _server = Running::start(
                mortal(&socat.to_string_lossy())
                    .arg(format!("{protocol}{family}-LISTEN:{port},bind={address}"))
                    .arg(what)
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null()),
            )?;
            await_listener(protocol, is_six, port)?;
            let line = format!("nc {flag}-m hello {host} {port}");
            stage.guest.type_line(&line)?;
            stage.guest.console.expect(&format!("\n{said}"), LIMIT)?;
            end_conversation(&mut stage.guest, &line, flag)?;
        }
    }
    socat_calls(stage, &socat)
}

/// Waits until somebody has the port of the host.
fn await_listener(protocol: &str, is_six: bool, port: u16) -> Result<()> {
    let six = if is_six { "6" } else { "" };
    let table = format!("/proc/net/{}{six}", protocol.to_lowercase());
    let end = format!(":{port:04X}");
    let deadline = Instant::now() + LIMIT;
    // The second word of a line is the socket's own end.
    let is_own = |line: &str| {
        line.split_whitespace()
            .nth(1)
            .is_some_and(|own| own.ends_with(&end))
    };
    while !std::fs::read_to_string(&table)?.lines().any(is_own) {
        ensure!(Instant::now() < deadline, "nobody has port {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// A connection has an end; by datagrams more could come, until Ctrl-C.
fn end_conversation(guest: &mut Guest, line: &str, flag: &str) -> Result<()> {
    if !flag.is_empty() {
        guest.console.send("\x03")?;
    }
    guest.answer(line, LIMIT)?;
    Ok(())
}

/// It calls, and the guest waits.
fn socat_calls(stage: &mut Stage, socat: &Path) -> Result<()> {
    let port = stage.guest.port(WAITS)?;
    let datagrams = stage.guest.machine.forwarded_for("udp", WAITS);
    let datagrams = datagrams.context("no forward")?;
    for (flag, target) in [
        ("", format!("TCP4:127.0.0.1:{port}")),
        ("-u ", format!("UDP4:127.0.0.1:{datagrams}")),
    ] {
        let line = format!("nc -l {flag}-m welcome {WAITS}");
        stage.guest.type_line(&line)?;
        let deadline = Instant::now() + LIMIT;
        let mut heard = call(socat, &target)?;
        // A connection that nobody takes ends at once.
        while heard.is_empty() {
            ensure!(Instant::now() < deadline, "{target}: nobody answers");
            std::thread::sleep(Duration::from_millis(100));
            heard = call(socat, &target)?;
        }
        ensure!(heard == ["welcome"], "{heard:?}");
        stage.guest.console.expect("\nthank you", LIMIT)?;
        end_conversation(&mut stage.guest, &line, flag)?;
    }
    Ok(())
}

/// Calls, and says the same until something is heard or the connection ends; all lines that were heard. A datagram
/// that comes before anybody waits is lost, and who waits answers once, to the port that has spoken first.
fn call(socat: &Path, target: &str) -> Result<Vec<String>> {
    let mut child = mortal(&socat.to_string_lossy())
        .args(["-", target])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut said = child.stdin.take().context("no input")?;
    let output = BufReader::new(child.stdout.take().context("no output")?);
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        let mut lines = output.lines().map_while(Result::ok);
        lines.try_for_each(|line| sender.send(line))
    });
    let mut heard = Vec::new();
    let deadline = Instant::now() + LIMIT;
    while heard.is_empty() && Instant::now() < deadline {
        // Who has ended already hears nothing; that is found below.
        said.write_all(b"thank you\n").ok();
        match lines.recv_timeout(Duration::from_millis(200)) {
            Ok(line) => heard.push(line),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    // That was all: it ends by itself.
    drop(said);
    child.wait()?;
    heard.extend(lines);
    Ok(heard)
}

fn ntp_believes_no_stranger(stage: &mut Stage) -> Result<()> {
    // Answers to nothing that was asked are waited out.
    let lies: [(Change, &str, &str); 3] = [
        (|answer| answer[0] = 0xe4, WAIT, "does not know the time"),
        (|answer| answer[1] = 0, WAIT, "does not want to be asked"),
        (|answer| answer[24] ^= 1, "-w 2", "timed out"),
    ];
    for (lie, wait, word) in lies {
        let socket = datagram_socket(HOSTS[0])?;
        let port = socket.local_addr()?.port();
        let server = time_server(socket, 1, lie);
        let answer = stage
            .guest
            .command(&format!("ntp {wait} -c 1 -p {port} {}", HOSTS[0]))?;
        join(server)?;
        ensure!(
            answer.code == 1 && answer.text.contains(word),
            "{}",
            answer.text
        );
        ensure!(!answer.text.contains("is set"), "{}", answer.text);
    }
    Ok(())
}

fn the_way_to_the_gateway_is_one_hop(stage: &mut Stage) -> Result<()> {
    let own = Ipv6Addr::LOCALHOST.to_string();
    // QEMU's network answers echoes, but says nothing of datagrams that nobody has taken.
    let far = HOSTS.map(|host| ("-I ", host));
    for (how, host) in far
        .into_iter()
        .chain([("", "127.0.0.1"), ("", own.as_str())])
    {
        let text = stage
            .guest
            .must(&format!("traceroute {how}-w 20 -q 2 {host}"))?;
        let line = format!("  1  {host}  ");
        ensure!(text.lines().any(|it| it.starts_with(&line)), "{text}");
        ensure!(!text.lines().any(|it| it.starts_with("  2 ")), "{text}");
    }
    let answer = stage.guest.command("traceroute -4 ::1")?;
    ensure!(answer.code == 2, "{}", answer.text);
    Ok(())
}
