//! What a world looks like in text, against what tcpdump makes of the same capture.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::common::{address, at, finish, host};
use sim::programs::{DatagramClient, DatagramEcho, Pinger};
use sim::scenario::{Keep, Plan};
use sim::{Weather, World, trace_lines};

/// What tcpdump prints, without times; `None` where it is not installed.
fn tcpdump(capture: &[u8]) -> Option<String> {
    let mut child = Command::new("tcpdump")
        .args(["-n", "-S", "-t", "-K", "-r", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut input = child.stdin.take().expect("piped");
    let bytes = capture.to_vec();
    let writer = std::thread::spawn(move || input.write_all(&bytes));
    let output = child.wait_with_output().expect("it ends");
    writer.join().expect("no panic").expect("all was read");
    assert!(output.status.success());
    Some(String::from_utf8(output.stdout).expect("text"))
}

/// The line without the seconds of a user timeout: tcpdump takes the last bit of the field for the
/// unit, where RFC 5482 section 3 has the first.
fn comparable(line: &str) -> String {
    let Some((front, option)) = line.split_once("uto 0x") else {
        return line.to_owned();
    };
    let seconds = option.find(' ').expect("they follow the field");
    let end = option.find([',', ']']).expect("the end of the options");
    [front, &option[..seconds], &option[end..]].concat()
}

/// Pings, datagrams, and one to a port where nobody is.
fn small_talk() -> Vec<u8> {
    let mut world = World::new(1);
    let wire = world.wire(Weather::FAIR);
    let a = world.host(wire, host("a", 15));
    let b = world.host(wire, host("b", 16));
    world.run(Duration::from_secs(3));
    world.install(a, Pinger::new(address(16), 3, false));
    world.install(a, Pinger::new(address(99), 1, true));
    world.install(b, DatagramEcho::new(20_000, Duration::from_secs(20)));
    world.install(a, DatagramClient::new(at(16, 20_000), 3, false));
    world.install(b, DatagramClient::new(at(15, 20_001), 1, true));
    finish(&mut world, Duration::from_secs(60));
    world.capture().to_vec()
}

/// Connections in weather of every kind, except that no frame is damaged.
fn connections(seed: u64) -> Vec<u8> {
    let mut plan = Plan::of(seed);
    for host in &mut plan.hosts {
        host.weather.corruption = 0;
    }
    for change in &mut plan.changes {
        change.weather.corruption = 0;
    }
    plan.play(Keep::Capture, None).capture
}

#[test]
fn our_lines_are_those_of_tcpdump() {
    let mut captures = vec![small_talk()];
    captures.extend((1..=4).map(connections));
    let mut seen = [
        ("ARP, Request", 0),
        ("ARP, Reply", 0),
        ("echo reply", 0),
        ("udp port 20001 unreachable", 0),
        ("UDP, length", 0),
        ("sack 1", 0),
        ("wscale", 0),
        ("Flags [F.]", 0),
    ];
    for capture in captures {
        let ours = trace_lines(&capture).expect("a capture of ours");
        for (words, count) in &mut seen {
            *count += ours.matches(*words).count();
        }
        let Some(theirs) = tcpdump(&capture) else {
            println!("skipped: tcpdump is not installed");
            return;
        };
        assert_eq!(ours.lines().count(), theirs.lines().count());
        for (ours, theirs) in ours.lines().zip(theirs.lines()) {
            // Ours begins with time, station and direction.
            let is_same = comparable(ours).ends_with(&format!(" {}", comparable(theirs)));
            assert!(is_same, "{ours}\n{theirs}");
        }
    }
    assert!(seen.iter().all(|(_, count)| *count > 0), "{seen:?}");
}

#[test]
fn what_is_no_capture_has_no_lines() {
    assert!(trace_lines(b"not a capture").is_err());
}
