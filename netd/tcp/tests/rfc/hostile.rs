//! A peer that sends anything at all, by the hundred thousand, from a seed: nothing panics, nothing
//! is delivered twice, out of order or beyond the room, and no limit is exceeded.

#[path = "../world/random.rs"]
mod random;
#[path = "../laws/streams.rs"]
mod streams;

use tcp::{Connection, Fate, Limits, Record, Shared, SynEntry, SynOutcome};
use wire::tcp::{Flags, Options, Timestamps};

use self::random::Random;
use self::streams::Streams;
use crate::lab::{ACK, Lab, SYN, Seg, limits, seg, setup};

/// Numbers that are sometimes right and often nearly.
fn number(random: &mut Random, right: i64) -> i64 {
    match random.below(8) {
        0..=3 => right,
        4 => right + random.below(3) as i64 - 1,
        5 => right + random.below(20_000) as i64 - 10_000,
        6 => random.pick(&[
            0,
            -1,
            1,
            i64::from(i32::MAX),
            i64::from(i32::MIN),
            right + 65_536,
        ]),
        _ => (random.next() as i64) >> 32,
    }
}

fn segment(random: &mut Random, connection: &Connection, shared: &Shared) -> Seg {
    let flags = match random.below(20) {
        0..=11 => ACK,
        12..=13 => ACK | Flags::PSH,
        14 => ACK | Flags::FIN,
        15 => Flags::from_bits(random.next() as u16),
        16 => SYN | ACK,
        17 => SYN,
        _ => ACK | Flags::URG,
    };
    let info = connection.info(shared);
    let sent =
        connection.acknowledged() as i64 + random.below(u64::from(info.in_flight) + 1) as i64;
    Seg {
        flags,
        seq: number(random, connection.received() as i64),
        ack: number(random, sent),
        len: random.pick(&[0, 0, 1, 100, 1_000, 5_000, 65_535]),
        window: random.pick(&[0, 1, 500, 1_000, 60_000, 65_535]),
    }
}

/// One conversation with a peer from hell.
fn converse(seed: u64, segments: u32) -> u32 {
    let mut random = Random::new(seed);
    let has_stamps = random.chance(300);
    let setup = tcp::Setup {
        timestamps: has_stamps.then_some(9),
        ..setup()
    };
    let max_window = random.pick(&[10_000, 65_535, 1 << 30]);
    let limits = Limits {
        max_window,
        hole_lists: random.pick(&[0, 1]),
        ..limits()
    };
    let mut lab = Lab::with(setup, limits);
    lab.max_payload = random.pick(&[1_000, 65_535]);
    lab.connection.give_room(10_000, lab.now);
    let _ = lab.sent();
    if random.chance(900) {
        lab.timestamps = has_stamps.then_some(Timestamps { value: 1, echo: 0 });
        let mut header = lab.header(seg(SYN | ACK, -1, 0));
        header.options.window_scale = random.pick(&[None, Some(0), Some(14), Some(255)]);
        header.options.mss = random.pick(&[None, Some(0), Some(1_000), Some(65_535)]);
        let _ = lab.connection.input(&mut lab.shared, &header, 0, lab.now);
    }
    let mut streams = Streams {
        given: 10_000,
        ..Streams::default()
    };
    for count in 0..segments {
        act(&mut random, &mut lab, &mut streams);
        lab.timestamps = random
            .chance(if has_stamps { 950 } else { 100 })
            .then(|| Timestamps {
                value: if random.chance(900) {
                    count
                } else {
                    random.next() as u32
                },
                echo: random.next() as u32,
            });
        let segment = segment(&mut random, &lab.connection, &lab.shared);
        let mut header = lab.header(segment);
        if random.chance(50) {
            header.options = Options {
                mss: Some(random.next() as u16),
                ..header.options
            };
        }
        let outcome = lab
            .connection
            .input(&mut lab.shared, &header, segment.len, lab.now);
        streams.outcome(&outcome, segment.len);
        let _ = lab.sent();
        if lab.connection.fate() != Fate::Continues {
            assert_eq!(lab.shared.hole_lists_in_use(), 0);
            return count;
        }
    }
    let _ = lab.connection.abort(&mut lab.shared);
    assert_eq!(lab.shared.hole_lists_in_use(), 0);
    segments
}

/// The user does something, time passes, sometimes everything is forgotten but the record.
fn act(random: &mut Random, lab: &mut Lab, streams: &mut Streams) {
    match random.below(40) {
        0..=5 => {
            let bytes = random.pick(&[1, 100, 5_000]);
            lab.connection.give_room(bytes, lab.now);
            streams.given += u64::from(bytes);
        }
        6..=10 => {
            let bytes = random.pick(&[1, 100, 5_000]);
            if !matches!(
                lab.state().name(),
                "FIN-WAIT-1" | "FIN-WAIT-2" | "CLOSING" | "LAST-ACK"
            ) {
                streams.queued += u64::from(bytes);
            }
            lab.connection.queue(bytes);
        }
        11..=20 => lab.connection.publish(random.next(), lab.now),
        21 => {
            let _ = lab.connection.publish_fin(&mut lab.shared, lab.now);
        }
        22 if random.chance(50) => {
            let _ = lab.connection.close();
        }
        23..=28 => {
            lab.now = lab.now + core::time::Duration::from_millis(random.below(500));
            let outcome = lab.connection.fire(&mut lab.shared, lab.now);
            streams.outcome(&outcome, 0);
        }
        29 => {
            if let Some(record) = lab.connection.record(lab.connection.published()) {
                let restored = Record::from_bytes(*record.as_bytes()).restore(lab.now);
                assert!(restored.is_ok(), "our own record is refused: {restored:?}");
            }
        }
        _ => {}
    }
}

#[test]
fn conversations_with_a_peer_from_hell() {
    let mut segments = 0;
    for seed in 0..3_000 {
        segments += converse(seed, 300);
    }
    assert!(segments > 200_000, "only {segments} segments were taken");
}

#[test]
fn half_open_connections_and_a_peer_from_hell() {
    let mut completed = 0;
    for seed in 0..20_000 {
        let mut random = Random::new(seed);
        let mut lab = Lab::connecting();
        let syn = lab.header(seg(SYN, -1, 0));
        let room = random.pick(&[0, 1, 70_000]);
        let mut entry = SynEntry::from_syn(&syn, &setup(), &lab.shared, room, lab.now).unwrap();
        for _ in 0..20 {
            let flags = match random.below(3) {
                0 => ACK,
                1 => ACK | Flags::PSH,
                _ => Flags::from_bits(random.next() as u16),
            };
            let segment = Seg {
                seq: number(&mut random, 0),
                ack: number(&mut random, 0),
                ..seg(flags, 0, 0)
            };
            let header = lab.header(segment);
            match entry.input(&mut lab.shared, &header, lab.now) {
                SynOutcome::Complete => {
                    let mut connection = Connection::from(entry.open(lab.now));
                    connection.give_room(10, lab.now);
                    let len = random.pick(&[0, 100, 65_535]);
                    let outcome = connection.input(&mut lab.shared, &header, len, lab.now);
                    assert!(
                        outcome
                            .place
                            .is_none_or(|place| place.stream_offset + u64::from(place.len) <= 10)
                    );
                    let _ = connection.abort(&mut lab.shared);
                    completed += 1;
                    break;
                }
                SynOutcome::Remove => break,
                SynOutcome::Drop(_) | SynOutcome::Reply(..) => {}
            }
            let _ = entry.output(lab.now);
        }
    }
    assert!(completed > 5_000, "only {completed}");
}
