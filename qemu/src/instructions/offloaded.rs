//! What is counted behind a TAP interface, where the card takes work off the guest: it joins and cuts
//! segments and leaves checksums out.
//!
//! The other end is the host's kernel, in a network namespace; a frame of 64 KiB is more than a cable of
//! datagrams carries. What it sends is held back and let go with a beat, as on the cable.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, Shutdown, SocketAddr, SocketAddrV6, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::rig::Rig;
use super::{Row, per_segment};
use crate::family::{self, Family, GUEST6};
use crate::frames::GUEST;
use crate::machine::Link;
use crate::namespace::{TAP, make_tap};
use crate::peers::traffic;
use Family::{Four, Six};

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
        rig.count(|| receive(Four))
    }),
    ("TCP send, 1,448 bytes, all offloads", |rig| {
        rig.count(|| send(Four))
    }),
    ("IPv6: TCP receive, 1,448 bytes, all offloads", |rig| {
        rig.count(|| receive(Six))
    }),
    ("IPv6: TCP send, 1,448 bytes, all offloads", |rig| {
        rig.count(|| send(Six))
    }),
    (
        "kernel entries, 1,448 bytes received, all offloads",
        |rig| rig.entries(|| receive(Four)),
    ),
    ("kernel entries, 1,448 bytes sent, all offloads", |rig| {
        rig.entries(|| send(Four))
    }),
];

/// Boots the guest, in a namespace of its own.
pub fn boot() -> Result<Rig> {
    make_tap("192.0.2.1/24")?;
    let link = Link::Tap {
        interface: TAP.into(),
        queues: 1,
    };
    let mut rig = Rig::boot("offloaded", link, &family::both())?;
    let deadline = Instant::now() + LIMIT;
    for family in [Four, Six] {
        while connect(family, DISCARD).is_err() {
            ensure!(
                Instant::now() < deadline,
                "the guest's services do not start"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    rig.set_beat(Some(BEAT))?;
    Ok(rig)
}

/// Where a service of the guest is.
fn service(family: Family, port: u16) -> Result<SocketAddr> {
    Ok(match family {
        Four => (GUEST, port).into(),
        Six => {
            let any = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?;
            let scope = rustix::net::netdevice::name_to_index(&any, TAP)?;
            SocketAddrV6::new(GUEST6, port, 0, scope).into()
        }
    })
}

/// A connection without pacing, which is another clock.
fn connect(family: Family, port: u16) -> Result<TcpStream> {
    let stream = traffic::connect(service(family, port)?, LIMIT)?;
    rustix::net::sockopt::set_tcp_congestion(&stream, "cubic")?;
    Ok(stream)
}

fn receive(family: Family) -> Result<f64> {
    let mut stream = connect(family, DISCARD)?;
    let chunk = vec![0x5a; CHUNK];
    for _ in 0..BYTES / CHUNK {
        stream.write_all(&chunk)?;
    }
    stream.shutdown(Shutdown::Write)?;
    stream.read_to_end(&mut Vec::new())?;
    per_segment(BYTES)
}

fn send(family: Family) -> Result<f64> {
    let mut stream = connect(family, SOURCE)?;
    rustix::net::sockopt::set_socket_recv_buffer_size(&stream, ROOM)?;
    let mut chunk = vec![0; CHUNK];
    let mut came = 0;
    while came < BYTES {
        let count = stream.read(&mut chunk)?;
        ensure!(count > 0, "the source ended");
        came += count;
    }
    per_segment(came)
}
