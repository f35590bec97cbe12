//! Work of one stack alone, as much each time: for tools that count instructions.
//!
//! `valgrind --tool=callgrind stackbench work=tcp`; the functions that are counted are called here
//! and in `packets.rs`, and are never part of others. `their-tcp` and `their-udp` are smoltcp's.

use crate::bulk::{self, Applications};
use crate::cycle;
use crate::neighbours;
use crate::ours::Family;
use crate::packets;
use crate::parts;
use crate::wire_setup::WireSetup;

/// Rounds of small packets, of 128 each.
const ROUNDS: usize = 100;
/// Turns of a stream.
const TURNS: usize = 2_000;
/// Lives of connections.
const LIVES: usize = 5_000;

/// Datagrams in parts.
const DATAGRAMS: usize = 1_000;

fn small(mut round: impl FnMut() -> [f64; 2]) {
    for _ in 0..ROUNDS {
        round();
    }
}

fn ours(mut ends: packets::Ours) {
    small(|| ends.round());
}

fn theirs(mut ends: packets::Theirs) {
    small(|| ends.round());
}

fn stream(setup: WireSetup, applications: Applications) {
    let mut ends = bulk::Ours::new(setup, applications, bulk::BUFFERS[1]);
    let bytes = ends.turns(TURNS);
    println!("{TURNS} turns, {bytes} bytes");
}

fn lives(idle: usize) {
    let mut ends = cycle::Ours::new(idle);
    (0..LIVES).for_each(|_| ends.live());
    println!("{LIVES} lives");
}

fn in_parts(family: Family) {
    let mut ends = parts::Ours::new(family);
    for _ in 0..DATAGRAMS {
        ends.round();
    }
    println!("{DATAGRAMS} datagrams of {} parts", ends.parts());
}

/// Does the work of this name.
pub fn run(name: &str) -> Result<(), String> {
    let unsummed = WireSetup {
        has_checksums: false,
        ..WireSetup::PLAIN
    };
    let cut = WireSetup {
        cuts: true,
        ..unsummed
    };
    match name {
        "tcp" => ours(packets::Ours::tcp(Family::Four)),
        "udp" => ours(packets::Ours::udp(Family::Four)),
        "tcp6" => ours(packets::Ours::tcp(Family::Six)),
        "udp6" => ours(packets::Ours::udp(Family::Six)),
        "their-tcp" => theirs(packets::Theirs::tcp()),
        "their-udp" => theirs(packets::Theirs::udp()),
        "neighbours" => neighbours::work(Family::Four),
        "neighbours6" => neighbours::work(Family::Six),
        "parts" => in_parts(Family::Four),
        "parts6" => in_parts(Family::Six),
        "bulk" => stream(WireSetup::PLAIN, Applications::Copy),
        "unsummed" => stream(unsummed, Applications::Copy),
        "large" => stream(cut, Applications::InPlace),
        "life" => lives(0),
        "crowded" => lives(10_000),
        _ => return Err(format!("work={name}: there is none of that name")),
    }
    Ok(())
}
