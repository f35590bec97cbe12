//! What is counted behind a TAP interface, where the card takes work off the guest: it joins and cuts
//! segments and leaves checksums out.
//!
//! The other end is the host's kernel, in a network namespace; a frame of 64 KiB is more than a cable of
//! datagrams carries. What it sends is held back and let go with a beat, as on the cable.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::Row;
use super::peer::SEGMENT;
use super::rig::Rig;
use crate::frames::GUEST;
use crate::machine::Link;
use crate::namespace::{TAP, make_tap};
use crate::peers::traffic;

const DISCARD: u16 = 9;
const SOURCE: u16 = 19;
const LIMIT: Duration = Duration::from_secs(30);
/// Between two beats, in microseconds.
const BEAT: u32 = 1_000;
/// Bytes that are counted: so many that opening and closing do not show.
const BYTES: usize = 32 << 20;
/// Bytes that the host has room for, half of which it offers: what the guest sends until the next beat.
const ROOM: usize = 512 << 10;
const CHUNK: usize = 256 << 10;

pub const ROWS: &[Row<Rig>] = &[
    ("TCP receive, 1,448 bytes, all offloads", |rig| {
        rig.count(receive)
    }),
    ("TCP send, 1,448 bytes, all offloads", |rig| rig.count(send)),
    (
        "kernel entries, 1,448 bytes received, all offloads",
        |rig| rig.entries(receive),
    ),
    ("kernel entries, 1,448 bytes sent, all offloads", |rig| {
        rig.entries(send)
    }),
];

/// Boots the guest, in a namespace of its own.
pub fn boot() -> Result<Rig> {
    make_tap("192.0.2.1/24")?;
    let link = Link::Tap {
        interface: TAP.into(),
        queues: 1,
    };
    let mut rig = Rig::boot("offloaded", link, "")?;
    let deadline = Instant::now() + LIMIT;
    while connect(DISCARD).is_err() {
        ensure!(
            Instant::now() < deadline,
            "the guest's services do not start"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    rig.set_beat(Some(BEAT))?;
    Ok(rig)
}

/// A connection without pacing, which is another clock.
fn connect(port: u16) -> Result<TcpStream> {
    let stream = traffic::connect((GUEST, port).into(), LIMIT)?;
    rustix::net::sockopt::set_tcp_congestion(&stream, "cubic")?;
    Ok(stream)
}

fn segments(bytes: usize) -> Result<f64> {
    Ok(f64::from(u32::try_from(bytes)?) / f64::from(u32::try_from(SEGMENT)?))
}

fn receive() -> Result<f64> {
    let mut stream = connect(DISCARD)?;
    let chunk = vec![0x5a; CHUNK];
    for _ in 0..BYTES / CHUNK {
        stream.write_all(&chunk)?;
    }
    stream.shutdown(Shutdown::Write)?;
    stream.read_to_end(&mut Vec::new())?;
    segments(BYTES)
}

fn send() -> Result<f64> {
    let mut stream = connect(SOURCE)?;
    rustix::net::sockopt::set_socket_recv_buffer_size(&stream, ROOM)?;
    let mut chunk = vec![0; CHUNK];
    let mut came = 0;
    while came < BYTES {
        let count = stream.read(&mut chunk)?;
        ensure!(count > 0, "the source ended");
        came += count;
    }
    segments(came)
}
