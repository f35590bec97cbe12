//! Draws a plan from a seed: the network, what happens to it, and who does what over it.

use std::time::Duration;

use stack::{Algorithm, SocketOption};

use super::plan::{Change, Crash, HostPlan, Plan, Talk, at};
use crate::host::small_tables;
use crate::programs::{Manner, Options, Serves, Speaks, Visits};
use crate::random::Random;
use crate::weather::{Loss, Weather};

/// What the two ends of a connection do.
#[derive(Clone, Copy, Debug)]
enum Style {
    /// As much as possible, both ways.
    Bulk,
    /// Questions and answers.
    Requests,
    /// Many short connections.
    Visits,
    /// The client ends its half, then the server speaks.
    HalfClose,
    /// One side reads slowly.
    SlowReader,
    /// One side writes single bytes.
    Trickle,
    /// Long pauses.
    Idle,
    /// One side gives up.
    Abort,
    /// Many at once, and only few may wait.
    Crowd,
    /// Nobody listens.
    Closed,
}

const STYLES: [Style; 12] = [
    Style::Bulk,
    Style::Bulk,
    Style::Bulk,
    Style::Requests,
    Style::Visits,
    Style::HalfClose,
    Style::SlowReader,
    Style::Trickle,
    Style::Idle,
    Style::Abort,
    Style::Crowd,
    Style::Closed,
];

/// Ports of the servers: no dissector knows a protocol by them.
const FIRST_PORT: u16 = 20_001;

impl Plan {
    /// What this seed means.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        // Neighbouring seeds must not have neighbouring chances.
        let mut random = Random::new(seed).fork();
        let hosts: Vec<_> = (0..random.pick(&[2, 2, 2, 3]))
            .map(|_| host(&mut random))
            .collect();
        let (changes, is_long) = changes(&hosts, &mut random);
        let mut plan = Self {
            seed,
            may_fail: is_long || hosts.iter().any(is_harsh),
            talks: Vec::new(),
            changes,
            crashes: Vec::new(),
            faults: None,
            hosts,
        };
        for port in (FIRST_PORT..).take(random.pick(&[1, 1, 1, 2, 3])) {
            let client = random.index(plan.hosts.len());
            let others = plan.hosts.len() - 1;
            let server = (client + 1 + random.index(others)) % plan.hosts.len();
            let style = random.pick(&STYLES);
            let talk = talk(style, (client, server), port, &mut random);
            // What goes with a SYN may come as two connections (RFC 7413 section 2.1).
            let opens_fast = talk.visits.manner.options[FAST_OPEN].is_some();
            plan.may_fail |= matches!(style, Style::Abort) || opens_fast;
            plan.talks.push(talk);
        }
        for host in &mut plan.hosts {
            host.half_open = random.pick(&[1, 2, host.half_open, host.half_open]);
        }
        plan.crashes = crashes(plan.hosts.len(), &mut random);
        if !plan.crashes.is_empty() {
            plan.talks.iter_mut().for_each(open_by_handshake);
        }
        plan
    }
}

/// What Fast Open has begun does not survive, and its bytes may come twice then.
fn open_by_handshake(talk: &mut Talk) {
    talk.visits.manner.options[FAST_OPEN] = None;
    if let Some(serves) = &mut talk.serves {
        serves.manner.options[FAST_OPEN] = None;
    }
}

/// In a quarter of all worlds stacks die; that is no reason for a connection to fail.
fn crashes(hosts: usize, random: &mut Random) -> Vec<Crash> {
    let count = random.pick(&[0, 0, 0, 0, 0, 0, 1, 3]);
    let crash = |_| Crash {
        at: random.up_to(Duration::from_secs(3)),
        steps: random.below(100),
        host: random.index(hosts),
        outage: Duration::from_millis(random.pick(&[0, 1, 40, 400, 4_000])),
    };
    let mut crashes: Vec<_> = (0..count).map(crash).collect();
    crashes.sort_by_key(|crash| crash.at);
    crashes
}

fn host(random: &mut Random) -> HostPlan {
    HostPlan {
        weather: Weather::any(random),
        deafness: random.pick(&[0, 0, 0, 100_000, 500_000]),
        lateness: Duration::from_micros(random.pick(&[0, 0, 0, 100, 5_000])),
        mtu: random.pick(&[1_500, 1_500, 576, 1_006]),
        time_waits: random.pick(&[1, 32, 32, 32]),
        half_open: small_tables().half_open,
    }
}

/// Whether so much is lost that the same may be lost again and again until patience ends, or a
/// connection is forgotten before its peer knows that it is over.
fn is_harsh(host: &HostPlan) -> bool {
    host.time_waits == 1 || !matches!(host.weather.loss, Loss::Never | Loss::Random(..=20_000))
}

/// The shortest frames that a passage must take to be of use for ever: TCP goes down to segments of
/// 516 bytes and no further.
const LEAST_PASSAGE: usize = 600;

/// Partitions, narrow passages, other weather; and whether something lasts longer than patience.
fn changes(hosts: &[HostPlan], random: &mut Random) -> (Vec<Change>, bool) {
    let mut changes = Vec::new();
    let mut is_long = false;
    for _ in 0..random.pick(&[0, 0, 0, 1, 2]) {
        let host = random.index(hosts.len());
        let usual = hosts[host].weather;
        let kind = random.below(4);
        let weather = match kind {
            0 => Weather {
                is_up: false,
                ..usual
            },
            1 => Weather {
                longest_frame: random.pick(&[400, 700, 1_200]),
                refusals: random.pick(&[0, 500_000, 1_000_000]),
                ..usual
            },
            2 => Weather {
                rate: random.pick(&[None, Some(500_000), Some(20_000_000)]),
                delay: usual.delay + Duration::from_millis(random.below(60)),
                ..usual
            },
            _ => Weather::any(random),
        };
        let begin = random.up_to(Duration::from_secs(3));
        let lasts = random.pick(&[50, 500, 500, 3_000, 3_000, 10_000, 150_000]);
        is_long |= lasts > 10_000
            || is_harsh(&HostPlan {
                weather,
                ..hosts[host]
            });
        // Narrow for ever, perhaps without a word from anybody (RFC 8899): it must be found out.
        let stays = kind == 1 && weather.longest_frame >= LEAST_PASSAGE && random.chance(400_000);
        // Both ways, or only one.
        for host in [
            Some(host),
            random.chance(500_000).then(|| random.index(hosts.len())),
        ]
        .into_iter()
        .flatten()
        {
            changes.push(Change {
                at: begin,
                host,
                weather,
            });
            if stays {
                continue;
            }
            changes.push(Change {
                at: begin + Duration::from_millis(lasts),
                host,
                weather: hosts[host].weather,
            });
        }
    }
    changes.sort_by_key(|change| change.at);
    (changes, is_long)
}

/// What the ends of a talk have in common.
struct Shape {
    /// Bytes of client and server, in each connection.
    bytes: (u64, u64),
    count: u64,
    at_a_time: u64,
    backlog: u16,
}

/// Both ends of a talk in the given style.
fn talk(style: Style, hosts: (usize, usize), port: u16, random: &mut Random) -> Talk {
    let most = random.pick(&[100, 5_000, 60_000, 200_000, 1_000_000]);
    let mut shape = Shape {
        bytes: (random.below(most), random.below(most)),
        count: 1,
        at_a_time: 1,
        backlog: 8,
    };
    let mut client = manner(port, random);
    let mut server = manner(port, random);
    let second = random.pick(&[None, Some(0), Some(1)]);
    client.closes_second = second == Some(0);
    server.closes_second = second == Some(1);
    bend(style, &mut shape, &mut client, &mut server, random);
    let opens_fast = random.pick(&[None, None, Some(SocketOption::FastOpen(true))]);
    (client.options[FAST_OPEN], server.options[FAST_OPEN]) = (opens_fast, opens_fast);
    let bytes = shape.bytes;
    (client.bytes, server.bytes) = (bytes, (bytes.1, bytes.0));
    server.flows = (client.flows.1, client.flows.0);
    let is_closed = matches!(style, Style::Closed);
    Talk {
        hosts,
        visits: Visits {
            to: at(hosts.1, port),
            count: shape.count,
            at_a_time: shape.at_a_time,
            after: random.up_to(Duration::from_millis(100)),
            wants_refusal: is_closed,
            manner: client,
        },
        serves: (!is_closed).then(|| Serves {
            port,
            backlog: shape.backlog,
            count: shape.count,
            is_prepared: random.chance(500_000),
            pause: Duration::from_millis(random.pick(&[0, 0, 5])),
            manner: server,
        }),
    }
}

/// What the style changes.
fn bend(
    style: Style,
    shape: &mut Shape,
    client: &mut Manner,
    server: &mut Manner,
    random: &mut Random,
) {
    let bytes = &mut shape.bytes;
    match style {
        Style::Bulk | Style::Closed => {}
        Style::Requests => {
            let turns = 1 + random.below(30);
            let (ask, answer) = (1 + random.below(600), 1 + random.below(4_000));
            *bytes = (ask * turns, answer * turns);
            client.speaks = turn(ask, answer, true);
            server.speaks = turn(answer, ask, false);
            client.options[0] = hasty(random);
            server.options[0] = hasty(random);
            (client.closes_second, server.closes_second) = (false, true);
        }
        Style::Visits | Style::Crowd => {
            let is_crowd = matches!(style, Style::Crowd);
            shape.count = 3 + random.below(10);
            shape.at_a_time = if is_crowd {
                shape.count
            } else {
                random.pick(&[1, 2])
            };
            shape.backlog = if is_crowd { random.pick(&[1, 2]) } else { 8 };
            *bytes = (random.below(2_000), random.below(2_000));
            for end in [client, server] {
                (end.chunk, end.room) = (random.pick(&[100, 1_460]), random.pick(&[500, 3_000]));
            }
        }
        Style::HalfClose => {
            server.speaks = Speaks::AfterEnd;
            (client.closes_second, server.closes_second) = (false, true);
        }
        Style::SlowReader => {
            *bytes = (bytes.0.min(40_000), bytes.1.min(40_000));
            let slow = one_of(client, server, random);
            slow.pauses.1 = Duration::from_millis(random.pick(&[20, 300, 2_000]));
            slow.room = random.pick(&[300, 3_000, 20_000]);
            slow.rooms = 1;
        }
        Style::Trickle => {
            bytes.0 = random.below(400);
            (client.chunk, client.sends) = (1, random.pick(&[1, 4, 8]));
            client.options[0] = hasty(random);
            client.pauses.0 = Duration::from_millis(random.pick(&[0, 1, 30]));
        }
        Style::Idle => {
            *bytes = (bytes.0.min(20_000), bytes.1.min(20_000));
            (client.chunk, client.sends) = (4_096, 1);
            client.pauses.0 = Duration::from_secs(random.pick(&[1, 10, 200]));
        }
        Style::Abort => {
            let sum = bytes.0 + bytes.1 + 1;
            one_of(client, server, random).aborts_after = Some(random.below(sum));
        }
    }
}

fn one_of<'a>(a: &'a mut Manner, b: &'a mut Manner, random: &mut Random) -> &'a mut Manner {
    if random.chance(500_000) { a } else { b }
}

fn hasty(random: &mut Random) -> Option<SocketOption> {
    random.pick(&[None, Some(SocketOption::NoDelay(true))])
}

/// Which place of the options is kept for Fast Open, which both ends must want.
const FAST_OPEN: usize = 5;

/// Options of all kinds; the first place is kept for the style's own, the last for the talk's.
fn options(random: &mut Random) -> Options {
    let congestion = random.pick(&[
        None,
        Some(Algorithm::NewReno),
        Some(Algorithm::Cubic),
        Some(Algorithm::Bbr),
    ]);
    [
        None,
        congestion.map(|it| SocketOption::CongestionControl(Some(it))),
        random.pick(&[None, Some(SocketOption::CongestionNotification(true))]),
        random.pick(&[
            None,
            None,
            None,
            Some(SocketOption::MaxSegment(200)),
            Some(SocketOption::ReceiveBuffer(3_000)),
            Some(SocketOption::SendBuffer(5_000)),
        ]),
        random.pick(&[
            None,
            None,
            None,
            Some(SocketOption::KeepAlive(true)),
            Some(SocketOption::QuickAck(true)),
            Some(SocketOption::TellUserTimeout(true)),
        ]),
        None,
    ]
}

fn turn(mine: u64, theirs: u64, is_first: bool) -> Speaks {
    Speaks::InTurn {
        mine,
        theirs,
        is_first,
    }
}

/// An end that speaks at once.
fn manner(port: u16, random: &mut Random) -> Manner {
    let flow = u64::from(port) * 2;
    Manner {
        flows: (flow, flow + 1),
        bytes: (0, 0),
        chunk: random.pick(&[100, 1_460, 4_096, 65_536]),
        sends: random.pick(&[1, 2, 8]),
        room: random.pick(&[2_000, 8_192, 65_536]),
        rooms: random.pick(&[1, 2, 8]),
        speaks: Speaks::AtOnce,
        closes_second: false,
        pauses: (Duration::ZERO, Duration::ZERO),
        aborts_after: None,
        options: options(random),
    }
}
