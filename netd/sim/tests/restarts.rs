//! A host's stack dies, and another goes on from its durable records: nobody notices, but for the time
//! that it takes.

use std::net::{Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::common::{at, host};
use sim::programs::{Client, Manner, Server, Serves, Speaks, Visits};
use sim::{HostSetup, StationId, Verdict, Weather, World};
use stack::{Identifiers, Ipv6Plan};

const OUTAGE: Duration = Duration::from_millis(30);
const PORT: u16 = 20_001;

/// Who ends a talk.
#[derive(Clone, Copy, Debug)]
enum Ends {
    ClientFirst,
    ServerFirst,
    Together,
    /// The client; only then the server speaks.
    HalfClosed,
}

/// Who dies, after how many steps, and whether its records are written too late.
#[derive(Clone, Copy, Debug)]
struct Death {
    client_dies: bool,
    steps: u64,
    commits_late: bool,
    /// The talk is over IPv6.
    six: bool,
}

/// A host of both families.
fn dual(name: &'static str, number: u8) -> HostSetup {
    let plan = Ipv6Plan {
        identifiers: Identifiers::Hardware,
        is_optimistic: true,
        follows_routers: false,
        has_temporary: false,
    };
    HostSetup {
        six: Some(plan),
        ..host(name, number)
    }
}

/// The port of the server.
fn server_at(six: bool) -> SocketAddr {
    let local = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 16);
    if six {
        (local, PORT).into()
    } else {
        at(16, PORT)
    }
}

/// More than one window both ways, and an end: what client and server do.
fn manners(ends: Ends) -> (Manner, Manner) {
    let client = Manner {
        flows: (1, 2),
        bytes: (9_000, 7_000),
        chunk: 2_000,
        sends: 2,
        room: 3_000,
        rooms: 2,
        speaks: Speaks::AtOnce,
        closes_second: matches!(ends, Ends::ServerFirst),
        pauses: (Duration::ZERO, Duration::ZERO),
        aborts_after: None,
        options: [None; 6],
    };
    let server = Manner {
        flows: (2, 1),
        bytes: (7_000, 9_000),
        speaks: match ends {
            Ends::HalfClosed => Speaks::AfterEnd,
            Ends::ClientFirst | Ends::ServerFirst | Ends::Together => Speaks::AtOnce,
        },
        closes_second: matches!(ends, Ends::ClientFirst | Ends::HalfClosed),
        ..client
    };
    (client, server)
}

/// Two hosts with a talk, of whom one dies.
fn talk(ends: Ends, death: Death) -> (World, [StationId; 2]) {
    let mut world = World::new(7);
    let wire = world.wire(Weather::FAIR);
    let setup = if death.six { dual } else { host };
    let client = world.host(wire, setup("client", 15));
    let server = world.host(wire, setup("server", 16));
    world.run(Duration::from_secs(3));
    let (asks, answers) = manners(ends);
    let serves = Serves {
        port: PORT,
        backlog: 2,
        count: 1,
        is_prepared: true,
        pause: Duration::ZERO,
        manner: answers,
    };
    world.install(server, Server::new(serves));
    let (dies, lives) = if death.client_dies {
        (client, server)
    } else {
        (server, client)
    };
    if death.commits_late {
        world.commit_late(dies, false);
    }
    world.crash(dies, death.steps, OUTAGE);
    let visits = Visits {
        to: server_at(death.six),
        count: 1,
        at_a_time: 1,
        after: Duration::ZERO,
        wants_refusal: false,
        manner: asks,
    };
    world.install(client, Client::new(visits));
    (world, [dies, lives])
}

fn resets(world: &World, host: StationId) -> u64 {
    let mut counters = world.look(host).stack.counters();
    let found = counters.find(|(name, _)| *name == "tcp.resets_received");
    found.map_or(0, |(_, count)| count)
}

/// Plays a talk; whether somebody died in it.
///
/// # Errors
/// What anybody has noticed.
fn play(ends: Ends, death: Death) -> Result<bool, String> {
    let (world, hosts) = talk(ends, death);
    judge(world, hosts)
}

/// Lets a talk end; whether the first host has died as it was to.
///
/// # Errors
/// What anybody has noticed.
fn judge(mut world: World, [dies, lives]: [StationId; 2]) -> Result<bool, String> {
    let is_over = world.run_programs(Duration::from_secs(300));
    if let Some(complaint) = world.complaint() {
        return Err(complaint.what.clone());
    }
    let verdicts: Vec<_> = world.verdicts().map(|(_, verdict)| verdict).collect();
    if !is_over || verdicts.iter().any(|it| *it != Verdict::Content) {
        return Err(format!("{verdicts:?}"));
    }
    if resets(&world, lives) > 0 {
        return Err("the peer was reset".into());
    }
    let has_died = !world.is_to_crash(dies);
    world.dismiss();
    world.run(Duration::from_secs(600));
    world.check_empty();
    match world.complaint() {
        Some(complaint) => Err(complaint.what.clone()),
        None => Ok(has_died),
    }
}

/// Lets either end die after each step of a talk.
fn die_everywhere(ends: Ends, six: bool) {
    for client_dies in [true, false] {
        let dies_after = |steps| {
            let death = Death {
                client_dies,
                steps,
                commits_late: false,
                six,
            };
            play(ends, death).unwrap_or_else(|what| panic!("{ends:?}, {death:?}: {what}"))
        };
        let steps = (0..).take_while(|steps| dies_after(*steps)).count();
        assert!(steps > 50, "{steps} steps are no talk");
    }
}

#[test]
fn at_any_moment_when_the_client_ends_first() {
    die_everywhere(Ends::ClientFirst, false);
}

#[test]
fn at_any_moment_when_the_server_ends_first() {
    die_everywhere(Ends::ServerFirst, false);
}

#[test]
fn at_any_moment_when_both_end_together() {
    die_everywhere(Ends::Together, false);
}

#[test]
fn at_any_moment_of_a_half_closed_connection() {
    die_everywhere(Ends::HalfClosed, false);
}

#[test]
fn at_any_moment_over_ipv6() {
    die_everywhere(Ends::ServerFirst, true);
    die_everywhere(Ends::HalfClosed, true);
}

/// And so they are without any crash, as soon as something leaves that they do not say.
#[test]
fn a_segment_that_no_record_speaks_of_is_noticed() {
    let death = Death {
        client_dies: true,
        steps: u64::MAX,
        commits_late: false,
        six: false,
    };
    let (mut world, [client, _]) = talk(Ends::Together, death);
    world.commit_late(client, true);
    world.run_programs(Duration::from_secs(300));
    let noticed = world.complaint().map_or("", |complaint| &complaint.what);
    assert!(noticed.contains("is not in the record"), "{noticed}");
}

/// Who has just come back dies again, before its client has, or soon after.
#[test]
fn again_while_it_comes_back() {
    for (client_dies, ends) in [(true, Ends::ServerFirst), (false, Ends::ClientFirst)] {
        for (first, second) in (0..45)
            .step_by(3)
            .flat_map(|it| (0..12).map(move |at| (it, at)))
        {
            let death = Death {
                client_dies,
                steps: first,
                commits_late: false,
                six: client_dies,
            };
            let (mut world, hosts) = talk(ends, death);
            while world.is_to_crash(hosts[0]) {
                world.run(Duration::from_micros(10));
            }
            world.crash(hosts[0], second, OUTAGE);
            let judged = judge(world, hosts);
            assert_eq!(judged, Ok(true), "{ends:?}, after {first} and {second}");
        }
    }
}

/// The oracles bite: records that are written when everything has left are found to be late.
#[test]
fn a_record_that_comes_too_late_is_noticed() {
    for (client_dies, six) in [(true, false), (false, false), (true, true)] {
        let dies_after = |steps| {
            let death = Death {
                client_dies,
                steps,
                commits_late: true,
                six,
            };
            play(Ends::ClientFirst, death)
        };
        let noticed = (0..60).filter(|steps| dies_after(*steps).is_err()).count();
        assert!(noticed > 5, "noticed after {noticed} of 60 steps");
    }
}
