//! What the scenarios share: addresses, and the end of every one of them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use sim::{HostSetup, Verdict, World};
use stack::{AddressPlan, StaticPlan};

pub fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 2, last)
}

pub fn address(last: u8) -> IpAddr {
    ip(last).into()
}

pub fn at(last: u8, port: u16) -> SocketAddr {
    SocketAddr::from((ip(last), port))
}

/// A host with a fixed address, whose name server is number 3.
pub fn host(name: &'static str, number: u8) -> HostSetup {
    let none = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
    let plan = StaticPlan {
        address: ip(number),
        prefix: 24,
        gateway: Some(ip(2)),
        name_servers: [SocketAddrV4::new(ip(3), 53), none, none, none],
    };
    HostSetup::new(name, number, AddressPlan::Static(plan))
}

/// Lets the world run until all programs are done, then until every timer has run out; checks that
/// nobody was wronged and nothing is left. Returns the programs that gave up.
pub fn finish(world: &mut World, limit: Duration) -> Vec<(&'static str, String)> {
    let is_over = world.run_programs(limit);
    assert_eq!(world.complaint(), None);
    let (mut gave_up, mut running) = (Vec::new(), Vec::new());
    for (name, verdict) in world.verdicts() {
        match verdict {
            Verdict::Content => {}
            Verdict::GaveUp(reason) => gave_up.push((name, reason)),
            Verdict::Broken(complaint) => panic!("{name}: {complaint}"),
            Verdict::Running => running.push(name),
        }
    }
    // Who talks to somebody who gave up may wait for ever: without keep-alive nobody tells it.
    assert!(
        running.is_empty() || !gave_up.is_empty(),
        "still running: {running:?}, {is_over}"
    );
    world.dismiss();
    world.run(Duration::from_secs(600));
    world.assert_empty();
    gave_up
}

/// Runs `scenario` for each seed of the range, or for the one in `SEED`; on failure names the seed.
pub fn for_seeds(from: u64, to: u64, scenario: impl Fn(u64) -> World + std::panic::RefUnwindSafe) {
    let only = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seeds = only.map_or(from..to, |seed| seed..seed + 1);
    for seed in seeds {
        if std::panic::catch_unwind(|| scenario(seed)).is_err() {
            panic!("seed {seed} fails; SEED={seed} PCAP=file runs it alone and keeps the frames");
        }
    }
}
