//! What is counted on a cable whose other end is ours, one function for each row of the record.

use anyhow::{Context, Result, ensure};

use super::bench::{Bench, ECHO, HTTP};
use super::peer::{ANSWER, ATTEMPTS, Connection, QUIET, Segment};
use super::{Row, per_segment};
use crate::answer::is_whole;
use crate::family::Family;
use crate::frames::Cable;
use Family::{Four, Six};

/// Echoes of which each waits for the one before.
const ECHOES: u16 = 500;
/// Datagrams and connections under way at a time.
const PARALLEL: u16 = 32;
/// Rounds of so many in parallel.
const ROUNDS: u16 = 20;
/// Segments that the guest is to offer room for before anything is counted.
const WINDOW: usize = 352;
/// Bursts that are counted, and those before, in which windows grow.
const BURSTS: usize = 80;
const WARM: usize = 30;

/// Between two beats, in microseconds: longer than the guest needs for what it gets, and than we need to
/// send it, be it one frame or many.
const BEAT: u32 = 1_000;
const BURST_BEAT: u32 = 5_000;

const DISCARD: u16 = 9;
const SOURCE: u16 = 19;

/// The rows in the order of the record: name and how it is counted.
pub const ROWS: &[Row] = &[
    ("null system call", |bench| bench.rig.figure("bench null")),
    ("doorbell to a waiting process", |bench| {
        bench.rig.figure("bench doorbell")
    }),
    ("message and answer, two processes", |bench| {
        bench.rig.figure("bench message")
    }),
    ("socket made, bound and closed", |bench| {
        bench.rig.figure("bench socket")
    }),
    ("ICMP echo", |bench| icmp(bench, Four)),
    ("UDP echo, one at a time", |bench| udp_alone(bench, Four)),
    ("UDP echo, 32 in flight", |bench| udp_together(bench, Four)),
    ("TCP echo, 64 bytes", |bench| tcp_asleep(bench, Four)),
    ("TCP echo, 64 bytes, as soon as possible", tcp_awake),
    ("TCP receive, 1,448 bytes, no offload", |bench| {
        receive(bench, Four)
    }),
    ("TCP send, 1,448 bytes, no offload", |bench| {
        send(bench, Four)
    }),
    ("connection opened and closed, 32 at a time", |bench| {
        connections(bench, Four)
    }),
    ("HTTP request, connection kept", requests),
    ("HTTP request, own connection, 32 at a time", visits),
    ("kernel entries, 1,448 bytes received", entries_receiving),
    ("kernel entries, 1,448 bytes sent", entries_sending),
    ("IPv6: ICMP echo", |bench| icmp(bench, Six)),
    ("IPv6: UDP echo, one at a time", |bench| {
        udp_alone(bench, Six)
    }),
    ("IPv6: UDP echo, 32 in flight", |bench| {
        udp_together(bench, Six)
    }),
    ("IPv6: TCP echo, 64 bytes", |bench| tcp_asleep(bench, Six)),
    ("IPv6: TCP receive, 1,448 bytes, no offload", |bench| {
        receive(bench, Six)
    }),
    ("IPv6: TCP send, 1,448 bytes, no offload", |bench| {
        send(bench, Six)
    }),
    (
        "IPv6: connection opened and closed, 32 at a time",
        |bench| connections(bench, Six),
    ),
];

/// The rows in which the card takes work off the guest.
pub const OFFLOADED_ROWS: &[Row] = &[
    ("TCP receive, 1,448 bytes, all offloads", |bench| {
        receive(bench, Four)
    }),
    ("TCP send, 1,448 bytes, all offloads", |bench| {
        send(bench, Four)
    }),
    ("IPv6: TCP receive, 1,448 bytes, all offloads", |bench| {
        receive(bench, Six)
    }),
    ("IPv6: TCP send, 1,448 bytes, all offloads", |bench| {
        send(bench, Six)
    }),
    (
        "kernel entries, 1,448 bytes received, all offloads",
        entries_receiving,
    ),
    (
        "kernel entries, 1,448 bytes sent, all offloads",
        entries_sending,
    ),
];

/// The rows of a web server that brings its own network.
pub const LINKED_ROWS: &[Row] = &[
    ("HTTP request, connection kept, linked", requests),
    ("HTTP request, own connection, linked", visits),
];

fn icmp(bench: &mut Bench, family: Family) -> Result<f64> {
    bench.rig.set_beat(Some(BEAT))?;
    bench.rig.count(|| {
        for sequence in 0..ECHOES {
            bench
                .cable
                .send(&family.echo_request(0xbe, sequence, &[0x5a; 56]))?;
            bench.cable.expect("echo reply", ANSWER, |frame| {
                let reply = family.as_echo_reply(frame);
                reply.filter(|(_, found, _)| *found == sequence)
            })?;
        }
        Ok(f64::from(ECHOES))
    })
}

/// Rounds of datagrams that go together and come back.
fn datagrams(cable: &Cable, family: Family, port: u16, rounds: u16, together: u16) -> Result<f64> {
    for _ in 0..rounds {
        let frames: Vec<_> = (0..together)
            .map(|number| family.udp(port + number, ECHO, &[0x5a; 64]))
            .collect();
        cable.send_all(&frames)?;
        for _ in 0..together {
            let back = cable.expect("datagram", ANSWER, |frame| family.as_udp(frame))?;
            ensure!(back == [0x5a; 64], "the echo was changed");
        }
    }
    Ok(f64::from(rounds) * f64::from(together))
}

fn udp_alone(bench: &mut Bench, family: Family) -> Result<f64> {
    bench.rig.set_beat(Some(BEAT))?;
    let port = bench.ports(1);
    datagrams(&bench.cable, family, port, 1, 1)?;
    bench
        .rig
        .count(|| datagrams(&bench.cable, family, port, ECHOES, 1))
}

fn udp_together(bench: &mut Bench, family: Family) -> Result<f64> {
    bench.rig.set_beat(Some(BURST_BEAT))?;
    let port = bench.ports(PARALLEL);
    datagrams(&bench.cable, family, port, 2, PARALLEL)?;
    bench
        .rig
        .count(|| datagrams(&bench.cable, family, port, ROUNDS, PARALLEL))
}

/// Echoes of 64 bytes on one connection, each after the one before.
fn tcp(bench: &mut Bench, family: Family) -> Result<f64> {
    let port = bench.ports(ATTEMPTS);
    let mut connection = Connection::open(&bench.cable, family, port, ECHO)?;
    let echo = |cable: &Cable, connection: &mut Connection| -> Result<()> {
        cable.send(&connection.say(&[0x5a; 64])?)?;
        let until = connection.expected.wrapping_add(64);
        while connection.expected != until {
            connection.hear(cable)?;
        }
        Ok(())
    };
    for _ in 0..WARM {
        echo(&bench.cable, &mut connection)?;
    }
    let count = bench.rig.count(|| {
        for _ in 0..ECHOES {
            echo(&bench.cable, &mut connection)?;
        }
        Ok(f64::from(ECHOES))
    })?;
    connection.close(&bench.cable)?;
    Ok(count)
}

fn tcp_asleep(bench: &mut Bench, family: Family) -> Result<f64> {
    bench.rig.set_beat(Some(BEAT))?;
    tcp(bench, family)
}

fn tcp_awake(bench: &mut Bench) -> Result<f64> {
    bench.rig.set_beat(None)?;
    tcp(bench, Four)
}

/// Bursts to a service that swallows them.
fn bursts(
    cable: &Cable,
    connection: &mut Connection,
    together: usize,
    count: usize,
) -> Result<f64> {
    let mut bytes = 0;
    for _ in 0..count {
        let segments = connection.await_room(cable, together)?;
        cable.send_all(&connection.burst(segments)?)?;
        connection.await_acknowledgment(cable)?;
        bytes += segments * connection.segment_size();
    }
    per_segment(bytes)
}

/// Opens a connection to that service, and gives it the time to offer more room than a burst takes.
fn discarding(bench: &mut Bench, family: Family) -> Result<Connection> {
    bench.rig.set_beat(Some(BURST_BEAT))?;
    let port = bench.ports(ATTEMPTS);
    let mut connection = Connection::open(&bench.cable, family, port, DISCARD)?;
    connection.in_frame = bench.load.in_frame;
    let together = bench.load.together;
    let mut count = 0;
    while connection.window < WINDOW * connection.segment_size() {
        bursts(&bench.cable, &mut connection, together, 1)?;
        count += 1;
        ensure!(count < 500, "a window of {} bytes", connection.window);
    }
    Ok(connection)
}

fn receive(bench: &mut Bench, family: Family) -> Result<f64> {
    let mut connection = discarding(bench, family)?;
    let together = bench.load.together;
    let count = bench
        .rig
        .count(|| bursts(&bench.cable, &mut connection, together, BURSTS))?;
    connection.close(&bench.cable)?;
    Ok(count)
}

fn entries_receiving(bench: &mut Bench) -> Result<f64> {
    let mut connection = discarding(bench, Four)?;
    let together = bench.load.together;
    let count = bench
        .rig
        .entries(|| bursts(&bench.cable, &mut connection, together, BURSTS))?;
    connection.close(&bench.cable)?;
    Ok(count)
}

/// Takes windows full of bytes from a service that sends without end. What it has sent is
/// acknowledged when the window is full, two segments at a time: so the guest always finds the same.
fn windows(cable: &Cable, connection: &mut Connection, count: usize) -> Result<f64> {
    let mut bytes = 0;
    for _ in 0..count {
        let (mut came, mut marks) = (0, Vec::new());
        let mut owed = 0;
        while came < connection.room {
            let Some(segment) = next(cable, connection)? else {
                break;
            };
            came += segment;
            owed += segment;
            if owed > connection.segment_size() {
                marks.push(came);
                owed = 0;
            }
        }
        marks.push(came);
        marks.dedup();
        let acknowledgments: Result<Vec<_>> = marks
            .iter()
            .map(|mark| connection.acknowledgment_without(came - mark))
            .collect();
        cable.send_all(&acknowledgments?)?;
        bytes += came;
    }
    per_segment(bytes)
}

/// Payload of the next segment, if the guest does not fall silent before.
fn next(cable: &Cable, connection: &mut Connection) -> Result<Option<usize>> {
    let Some(frame) = cable.receive(QUIET)? else {
        return Ok(None);
    };
    cable.tell_where_we_are(&frame)?;
    let Some(segment) = Segment::parse(&frame).filter(|segment| connection.owns(segment)) else {
        return Ok(Some(0));
    };
    Ok(Some(connection.take(&segment)?.unwrap_or(0)))
}

/// Opens a connection to that service, until it fills the window.
fn sourcing(bench: &mut Bench, family: Family) -> Result<Connection> {
    bench.rig.set_beat(Some(BEAT))?;
    let port = bench.ports(ATTEMPTS);
    let mut connection = Connection::open(&bench.cable, family, port, SOURCE)?;
    let room = bench.load.room * connection.segment_size();
    connection.room = 8 * room;
    windows(&bench.cable, &mut connection, WARM)?;
    connection.room = room;
    windows(&bench.cable, &mut connection, WARM)?;
    Ok(connection)
}

fn send(bench: &mut Bench, family: Family) -> Result<f64> {
    let mut connection = sourcing(bench, family)?;
    let count = bench
        .rig
        .count(|| windows(&bench.cable, &mut connection, BURSTS))?;
    bench.cable.send(&connection.reset()?)?;
    Ok(count)
}

fn entries_sending(bench: &mut Bench) -> Result<f64> {
    let mut connection = sourcing(bench, Four)?;
    let count = bench
        .rig
        .entries(|| windows(&bench.cable, &mut connection, BURSTS))?;
    bench.cable.send(&connection.reset()?)?;
    Ok(count)
}

/// Rounds of connections that live at the same time: opened together, asked for what `request` says,
/// and ended by both sides.
fn lives(
    cable: &Cable,
    family: Family,
    first: u16,
    rounds: u16,
    (service, request): (u16, &[u8]),
) -> Result<f64> {
    for round in 0..rounds {
        let first = first + round * PARALLEL;
        let mut all: Vec<Connection> = (0..PARALLEL)
            .map(|number| Connection::new(family, first + number, service))
            .collect();
        let requests: Result<Vec<_>> = all.iter_mut().map(Connection::syn).collect();
        cable.send_all(&requests?)?;
        let mut ended = 0;
        while ended < PARALLEL {
            let segment = cable
                .expect("segment", ANSWER, Segment::parse)
                .context("connections")?;
            let Some(connection) = all.iter_mut().find(|one| one.owns(&segment)) else {
                continue;
            };
            ensure!(!segment.rst, "a connection was refused");
            if connection.take(&segment)?.is_none() {
                continue;
            }
            ended += u16::from(segment.fin);
            cable.send_all(&answer(connection, &segment, request)?)?;
        }
    }
    Ok(f64::from(rounds) * f64::from(PARALLEL))
}

/// What a client says to a segment: to the first, that it has come; its request, when there is room; an
/// acknowledgement now and then; and its end, after the other's if it has asked for something.
fn answer(connection: &mut Connection, segment: &Segment, request: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut out = Vec::new();
    if segment.syn {
        out.push(connection.acknowledgment()?);
        if request.is_empty() {
            out.push(connection.fin()?);
        }
    }
    if !request.is_empty() && connection.has_said_nothing() && connection.window >= request.len() {
        out.push(connection.say(request)?);
    }
    out.extend(connection.delayed_acknowledgment()?);
    if segment.fin && request.is_empty() {
        out.push(connection.acknowledgment()?);
    } else if segment.fin {
        out.push(connection.fin()?);
    }
    Ok(out)
}

fn connections(bench: &mut Bench, family: Family) -> Result<f64> {
    bench.rig.set_beat(Some(BURST_BEAT))?;
    let port = bench.ports(PARALLEL * (ROUNDS + 1));
    lives(&bench.cable, family, port, 1, (ECHO, &[]))?;
    let first = port + PARALLEL;
    bench
        .rig
        .count(|| lives(&bench.cable, family, first, ROUNDS, (ECHO, &[])))
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: 192.0.2.2\r\n\r\n";
const LAST_REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: 192.0.2.2\r\nConnection: close\r\n\r\n";

fn visits(bench: &mut Bench) -> Result<f64> {
    bench.rig.set_beat(Some(BURST_BEAT))?;
    let port = bench.ports(PARALLEL * (ROUNDS + 1));
    lives(&bench.cable, Four, port, 1, (HTTP, LAST_REQUEST))?;
    let first = port + PARALLEL;
    bench
        .rig
        .count(|| lives(&bench.cable, Four, first, ROUNDS, (HTTP, LAST_REQUEST)))
}

/// One request and the whole answer. Its last bytes are acknowledged with the next request.
fn request(cable: &Cable, connection: &mut Connection) -> Result<()> {
    cable.send(&connection.say(REQUEST)?)?;
    let mut answer = Vec::new();
    loop {
        answer.extend(connection.hear(cable)?.payload);
        if let Some(acknowledgment) = connection.delayed_acknowledgment()? {
            cable.send(&acknowledgment)?;
        }
        if is_whole(&answer)? {
            return Ok(());
        }
    }
}

fn requests(bench: &mut Bench) -> Result<f64> {
    bench.rig.set_beat(Some(BEAT))?;
    let port = bench.ports(ATTEMPTS);
    let mut connection = Connection::open(&bench.cable, Four, port, HTTP)?;
    for _ in 0..WARM {
        request(&bench.cable, &mut connection)?;
    }
    let count = bench.rig.count(|| {
        for _ in 0..ECHOES {
            request(&bench.cable, &mut connection)?;
        }
        Ok(f64::from(ECHOES))
    })?;
    connection.close(&bench.cable)?;
    Ok(count)
}
