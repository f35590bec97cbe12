//! Small segments and small buffers: no pair of them creeps.

use std::time::Duration;

use crate::common::{at, finish, host};
use sim::programs::{Client, Manner, Server, Serves, Speaks, Visits};
use sim::{Weather, World};
use stack::SocketOption;

const ONE_WAY: Duration = Duration::from_millis(10);

/// A sender and a receiver.
#[derive(Debug)]
struct Pair {
    bytes: u64,
    /// The segment sizes that they choose.
    mss: (Option<u16>, Option<u16>),
    /// The receiver's receive buffer.
    buffer: Option<u32>,
    /// How many rooms the receiver gives, and of how many bytes.
    rooms: (u64, u32),
}

impl Pair {
    fn manner(&self, is_sender: bool) -> Manner {
        let (rooms, room) = self.rooms;
        let (bytes, flows) = if is_sender {
            ((self.bytes, 0), (1, 2))
        } else {
            ((0, self.bytes), (2, 1))
        };
        let mss = if is_sender { self.mss.0 } else { self.mss.1 };
        Manner {
            flows,
            bytes,
            chunk: 16_384,
            sends: 8,
            room,
            rooms,
            speaks: Speaks::AtOnce,
            closes_second: !is_sender,
            pauses: (Duration::ZERO, Duration::ZERO),
            aborts_after: None,
            options: [
                mss.map(SocketOption::MaxSegment),
                self.buffer
                    .filter(|_| !is_sender)
                    .map(SocketOption::ReceiveBuffer),
                None,
                None,
                None,
                None,
            ],
        }
    }

    /// How many round trips it takes at least: windows full, after a start.
    fn least(&self) -> u64 {
        let (rooms, room) = self.rooms;
        let buffer = self
            .buffer
            .map_or(u32::MAX, |buffer| buffer.next_multiple_of(1_024));
        self.bytes / (rooms * u64::from(room)).min(buffer.into()) + 6
    }

    /// How many round trips it takes.
    fn round_trips(&self) -> u64 {
        let mut world = World::without_capture(1);
        let wire = world.wire(Weather {
            delay: ONE_WAY,
            ..Weather::FAIR
        });
        let [a, b] = [host("a", 15), host("b", 16)].map(|setup| world.host(wire, setup));
        world.run(Duration::from_secs(3));
        world.install(
            b,
            Server::new(Serves {
                port: 80,
                backlog: 4,
                count: 1,
                is_prepared: true,
                pause: Duration::ZERO,
                manner: self.manner(false),
            }),
        );
        let start = world.now();
        world.install(
            a,
            Client::new(Visits {
                to: at(16, 80),
                count: 1,
                at_a_time: 1,
                after: Duration::ZERO,
                wants_refusal: false,
                manner: self.manner(true),
            }),
        );
        assert!(world.run_programs(Duration::from_secs(3_000)));
        let took = world.now().since(start);
        assert_eq!(finish(&mut world, Duration::from_secs(1)), []);
        u64::try_from(took.as_nanos() / (ONE_WAY * 2).as_nanos()).unwrap()
    }
}

const SEGMENTS: [u16; 6] = [88, 100, 200, 536, 1_000, 1_460];
const BUFFERS: [u32; 7] = [1_024, 2_000, 3_000, 4_096, 8_192, 16_384, 65_536];

/// All pairs of small and large, with a small segment size of one end or of both.
fn pairs(rooms: (u64, u32)) -> impl Iterator<Item = Pair> {
    let both = [false, true];
    let sizes = SEGMENTS
        .into_iter()
        .flat_map(move |mss| both.map(|both| (Some(mss), both.then_some(mss))));
    sizes.flat_map(move |mss| {
        BUFFERS.map(|buffer| Pair {
            bytes: 30_000,
            mss,
            buffer: Some(buffer),
            rooms,
        })
    })
}

// RFC 9293: MUST-38, MUST-39
#[test]
fn no_pair_of_segment_and_buffer_creeps() {
    for rooms in [(1, 65_536), (8, 65_536), (2, 2_000), (8, 2_000), (2, 8_192)] {
        for pair in pairs(rooms) {
            let (got, least) = (pair.round_trips(), pair.least());
            assert!(got <= least * 3, "{pair:?}: {got} round trips, not {least}");
        }
    }
}

/// A program that gives its only room again when it is full makes the peer wait, once for each room:
/// for what is smaller than a segment and still on offer, until the peer sends it after all (RFC 9293
/// section 3.8.6.2.1 (4)).
#[test]
fn a_single_room_costs_no_more_than_a_wait() {
    const WAIT: u64 = 10;
    for rooms in [(1, 700), (1, 2_000), (1, 8_192)] {
        for pair in pairs(rooms) {
            let (got, least) = (pair.round_trips(), pair.least());
            let waits = (pair.bytes / u64::from(rooms.1) + 2) * WAIT;
            let most = least * 3 + waits;
            assert!(got <= most, "{pair:?}: {got} round trips, not {most}");
        }
    }
}

/// The first that was found: it took 33 seconds, most of them for single bytes.
#[test]
fn the_end_of_a_room_that_is_less_than_a_unit_of_the_window_is_given_back() {
    let pair = Pair {
        bytes: 30_000,
        mss: (Some(200), None),
        buffer: Some(3_000),
        rooms: (1, 2_000),
    };
    let got = pair.round_trips();
    assert!(got < 250, "{got} round trips");
}
