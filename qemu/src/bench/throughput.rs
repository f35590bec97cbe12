//! Bulk traffic and requests over QEMU's user network, in wall-clock time.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::Figure;
use crate::answer::is_whole;
use crate::guest::{BOOT, Guest};
use crate::machine::{Card, Link, Machine};
use crate::peers::traffic;

const LIMIT: Duration = Duration::from_secs(60);
const SPELL: Duration = Duration::from_secs(4);
const CHUNK: usize = 64 << 10;

pub fn measure() -> Result<Vec<Figure>> {
    let guest = Guest::boot(Machine {
        cards: vec![Card::new(Link::user(&[80, 9, 19]))],
        ..Machine::default()
    })?;
    let (page, discard, source) = (guest.port(80)?, guest.port(9)?, guest.port(19)?);
    let started = Instant::now();
    // A forward accepts before the guest does, so the first ones may wait in vain.
    while super::start::first_byte(page).is_err() {
        ensure!(started.elapsed() < BOOT, "no page");
    }
    let (mean, slowest) = visits(page).context("a connection each")?;
    Ok(vec![
        Figure::new("TCP into the guest, user network", into(discard)?, "Mbit/s"),
        Figure::new(
            "TCP out of the guest, user network",
            out_of(source).context("source")?,
            "Mbit/s",
        ),
        Figure::new(
            "HTTP, one connection",
            requests(page, 1).context("one connection")?,
            "requests/s",
        ),
        Figure::new(
            "HTTP, 32 connections",
            requests(page, 32).context("32 connections")?,
            "requests/s",
        ),
        Figure::new("HTTP, a connection each, for a minute", mean, "requests/s"),
        Figure::new("its slowest second", slowest, "requests"),
    ])
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn megabits(bytes: usize, since: Instant) -> f64 {
    bytes as f64 * 8.0 / 1e6 / since.elapsed().as_secs_f64()
}

fn into(port: u16) -> Result<f64> {
    let mut stream = traffic::connect(traffic::forward(port), LIMIT)?;
    let chunk = vec![0x5a; CHUNK];
    let started = Instant::now();
    let mut sent = 0;
    while started.elapsed() < SPELL {
        stream.write_all(&chunk)?;
        sent += chunk.len();
    }
    stream.shutdown(Shutdown::Write)?;
    stream.read_to_end(&mut Vec::new())?;
    Ok(megabits(sent, started))
}

fn out_of(port: u16) -> Result<f64> {
    let mut stream = traffic::connect(traffic::forward(port), LIMIT)?;
    let mut chunk = vec![0; CHUNK];
    let started = Instant::now();
    let mut received = 0;
    while started.elapsed() < SPELL {
        let count = stream.read(&mut chunk)?;
        ensure!(count > 0, "the source ended");
        received += count;
    }
    Ok(megabits(received, started))
}

/// Requests a second over so many connections. They are opened one after the other, each with a
/// first request: QEMU's forwards take only a few new ones at a time.
fn requests(port: u16, connections: usize) -> Result<f64> {
    let mut streams = Vec::new();
    for _ in 0..connections {
        let mut stream = traffic::connect(traffic::forward(port), LIMIT)?;
        request(&mut stream)?;
        streams.push(stream);
    }
    std::thread::scope(|scope| {
        let clients: Vec<_> = streams
            .iter_mut()
            .map(|stream| scope.spawn(|| repeat(stream)))
            .collect();
        clients
            .into_iter()
            .map(|client| {
                client
                    .join()
                    .map_err(|_| anyhow::anyhow!("a client fell over"))?
            })
            .sum()
    })
}

/// Visitors that come back as soon as they have been served.
const VISITORS: usize = 8;
/// Long enough for what is kept of closed connections to fill whatever it may fill.
const SECONDS: usize = 60;

/// Requests of which each opens and closes a connection of its own, for a minute: in a second on
/// average, and in the slowest.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn visits(port: u16) -> Result<(f64, f64)> {
    let started = Instant::now();
    let visit_on = || {
        let mut served = vec![0_usize; SECONDS];
        let now = || usize::try_from(started.elapsed().as_secs()).unwrap_or(SECONDS);
        while let Some(second) = served.get_mut(now()) {
            let mut stream = traffic::connect(traffic::forward(port), LIMIT)?;
            request(&mut stream)?;
            *second += 1;
        }
        Ok(served)
    };
    let visitors: Vec<Vec<usize>> = std::thread::scope(|scope| {
        let visitors: Vec<_> = (0..VISITORS).map(|_| scope.spawn(visit_on)).collect();
        let fallen = || anyhow::anyhow!("a visitor fell over");
        let done = visitors
            .into_iter()
            .map(|visitor| visitor.join().map_err(|_| fallen())?);
        done.collect::<Result<_>>()
    })?;
    let seconds: Vec<usize> = (0..SECONDS)
        .map(|second| {
            visitors
                .iter()
                .filter_map(|served| served.get(second))
                .sum()
        })
        .collect();
    let mean = seconds.iter().sum::<usize>() as f64 / SECONDS as f64;
    let slowest = seconds.iter().min().copied().unwrap_or(0);
    Ok((mean, slowest as f64))
}

/// One request after the other for a while; how many a second.
fn repeat(stream: &mut TcpStream) -> Result<f64> {
    let started = Instant::now();
    let mut count = 0u32;
    while started.elapsed() < SPELL {
        request(stream)?;
        count += 1;
    }
    Ok(f64::from(count) / started.elapsed().as_secs_f64())
}

/// One request and the whole of its answer.
fn request(stream: &mut TcpStream) -> Result<()> {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: guest\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut chunk = [0; 16 << 10];
    loop {
        let count = stream.read(&mut chunk)?;
        ensure!(count > 0, "the server closed");
        answer.extend(chunk.iter().take(count));
        if is_whole(&answer)? {
            return Ok(());
        }
    }
}
