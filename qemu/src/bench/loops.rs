//! netd's loops beside each other: echoes of many connections with one loop and with two, on the same two
//! CPUs of the guest, behind a TAP interface with two queues.
//!
//! The guest's two CPUs, QEMU's own thread and the peers want a core of the host each: where there are fewer, two
//! loops can only take turns, and nothing is measured.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::{Figure, median};
use crate::namespace;
use crate::tests::cores::{boot, connections};
use crate::tests::offload::await_echo;

/// The word for the part of this that runs in a namespace.
pub const INSIDE: &str = "loops";

const CORES: usize = 4;
const CONNECTIONS: usize = 64;
const PEERS: usize = 2;
const ROUNDS: usize = 5;
const SPELL: Duration = Duration::from_secs(3);

pub fn measure() -> Result<Vec<Figure>> {
    let cores = available_parallelism()?.get();
    ensure!(
        cores >= CORES,
        "{CORES} cores are needed, the host has {cores}"
    );
    let said = namespace::run_inside(&["inside", INSIDE])?;
    let rates: Vec<f64> = said
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let [one, two] = rates[..] else {
        bail!("two rates were expected: {said}");
    };
    Ok(vec![
        Figure::new("TCP echoes, 64 connections, one loop", one, "echoes/s"),
        Figure::new("the same with two loops", two, "echoes/s"),
        Figure::new("two loops against one", two / one, "times").at_least(1.6),
    ])
}

/// The part that runs in a namespace: prints the medians of both, measured in turn.
pub fn inside() -> Result<()> {
    namespace::make_tap_with("192.0.2.1/24", true)?;
    let mut rates = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (rates, loops) in rates.iter_mut().zip(1..) {
            let _guest = boot(2, ",mq=on", &format!("netd=cores:{loops}"))?;
            await_echo()?;
            rates.push(echoes(connections(CONNECTIONS)?)?);
        }
    }
    let [one, two] = rates.map(median);
    println!("{one} {two}");
    Ok(())
}

/// Echoes in a second, of peers that each wait for all of their connections.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn echoes(mut streams: Vec<TcpStream>) -> Result<f64> {
    let started = Instant::now();
    let counts: Result<Vec<usize>> = std::thread::scope(|scope| {
        let parts = streams.chunks_mut(CONNECTIONS / PEERS);
        let peers: Vec<_> = parts
            .map(|part| scope.spawn(|| peer(part, started)))
            .collect();
        let all = peers.into_iter().map(|peer| peer.join());
        all.map(|count| count.ok().context("a peer fell over")?)
            .collect()
    });
    let count: usize = counts?.iter().sum();
    Ok(count as f64 / started.elapsed().as_secs_f64())
}

fn peer(streams: &mut [TcpStream], started: Instant) -> Result<usize> {
    let mut count = 0;
    while started.elapsed() < SPELL {
        for stream in streams.iter_mut() {
            stream.write_all(&[0x5a; 64])?;
        }
        for stream in streams.iter_mut() {
            stream.read_exact(&mut [0; 64])?;
            count += 1;
        }
    }
    Ok(count)
}
