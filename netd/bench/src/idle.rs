//! One received segment among any number of established connections, and what an idle one weighs.

use stack::{EventKind, Range, Token};

use crate::Effort;
use crate::clock::{median, wall};
use crate::crowd::{Crowd, ROOM};
use crate::cycle::Theirs;
use crate::figure::{Aim, Figure};
use crate::theirs;

/// Segments that one reading of the clock is for.
const BATCH: u32 = 8;
const MESSAGE: [u8; 64] = [7; 64];

/// Resident bytes of this process.
fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    f64::from(pages.unwrap_or(0_u32)) * 4_096.0
}

/// Which connections segments come for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Busy {
    /// Always the last: the others are only there.
    One,
    /// Any, by chance: what belongs to it is in no cache.
    Any,
}

/// Nanoseconds from a frame to its bytes.
fn segment(crowd: &mut Crowd, rounds: usize, busy: Busy) -> f64 {
    let (count, batch) = (crowd.len(), usize::try_from(BATCH).unwrap_or(1));
    let mut state = 1_u64;
    let mut values = Vec::with_capacity(rounds);
    let mut sink = [0; MESSAGE.len()];
    let mut spent = Vec::new();
    for _ in 0..rounds {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        let start = usize::try_from(state >> 33).unwrap_or(0);
        let peer = |place| match busy {
            Busy::One => count - 1,
            // No connection twice: its room might be used up.
            Busy::Any => (start + place * (count / batch)) % count,
        };
        let frames: Vec<Vec<u8>> = (0..batch)
            .map(|place| crowd.segment(peer(place), &MESSAGE))
            .collect();
        let server = &mut crowd.server;
        values.push(wall(BATCH, || {
            for frame in &frames {
                server.input(frame);
                server.publish();
                let Some(event) = server.events.first() else {
                    panic!("a segment without bytes");
                };
                if let EventKind::Received { offset, more, .. } = event.kind {
                    let bytes = server.memory.part(offset, sink.len());
                    sink.copy_from_slice(bytes.expect("in the arena"));
                    if !more {
                        spent.push(event.socket);
                    }
                }
            }
        }));
        std::hint::black_box(&sink);
        for socket in spent.drain(..).flatten() {
            let room = Range::new(0, ROOM);
            server
                .stack
                .receive(server.client, socket, room, Token(1), server.now)
                .expect("a place for one more room");
        }
        crowd.settle();
    }
    median(&mut values)
}

/// The same for smoltcp: the active socket is the last of its set.
fn their_segment(count: usize, rounds: usize) -> f64 {
    let mut ends = Theirs::new(count);
    let [from, to] = ends.connect();
    let (a, b) = (&mut ends.a, &mut ends.b);
    let mut sink = [0; 2_048];
    let mut values = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        for _ in 0..BATCH {
            a.tcp(from).send_slice(&MESSAGE).expect("room to send");
            a.send();
        }
        theirs::pass(a, b);
        values.push(wall(BATCH, || {
            for _ in 0..BATCH {
                b.receive_one();
                let received = b.tcp(to).recv_slice(&mut sink);
                assert_eq!(received, Ok(MESSAGE.len()));
            }
        }));
        b.device.received.clear();
        b.send();
        theirs::pass(b, a);
        a.receive();
        theirs::tick(a, b);
    }
    std::hint::black_box(&sink);
    median(&mut values)
}

/// What was measured with so many connections.
struct Measured {
    count: usize,
    /// Nanoseconds for a segment of one of them, of any of them, and of smoltcp's.
    one: f64,
    any: f64,
    theirs: Option<f64>,
    /// Bytes that each of them takes.
    each: f64,
}

fn crowd(count: usize) -> Measured {
    let limit = u32::try_from(count).expect("fewer than that");
    // What the far end keeps of its connections is not the server's.
    let before = resident();
    let mut crowd = Crowd::new(limit);
    crowd.grow(count);
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let each = (resident() - before) / count as f64 - Crowd::KEPT;
    let rounds = (200_000 / (count + 100)).clamp(10, 2_000);
    Measured {
        count,
        one: segment(&mut crowd, 2_000, Busy::One),
        any: segment(&mut crowd, 2_000, Busy::Any),
        theirs: (count <= 10_000).then(|| their_segment(count, rounds)),
        each,
    }
}

/// All rows of this group.
pub fn measure(effort: Effort) -> Vec<Figure> {
    let counts: &[usize] = match effort {
        Effort::Quick => &[10, 1_000, 100_000],
        Effort::Full => &[10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000],
    };
    let largest = counts.iter().copied().max();
    // The largest first, while nothing that was given back can be taken again: only so does the
    // process grow by what they weigh.
    let measured: Vec<_> = counts.iter().rev().map(|count| crowd(*count)).collect();
    let ten = measured.last().map_or(f64::NAN, |crowd| crowd.one);
    let mut figures = Vec::new();
    for crowd in measured.into_iter().rev() {
        let count = crowd.count;
        let name = format!("segment received, {count} connections");
        let mut figure = Figure::alone(name, crowd.one, "ns").point("the same one again", count);
        figure.theirs = crowd.theirs;
        figures.push(match count {
            10 => figure.aim(Aim::AtMost(200.0)),
            10_000_000 => figure.aim(Aim::AtMost((ten * 1.5).round())),
            _ => figure,
        });
        let name = format!("the same, any of {count} connections");
        figures.push(Figure::alone(name, crowd.any, "ns").point("any one", count));
        if largest == Some(count) {
            let name = format!("memory of an idle connection, {count} of them");
            figures.push(Figure::alone(name, crowd.each, "bytes").aim(Aim::AtMost(256.0)));
        }
    }
    figures
}
