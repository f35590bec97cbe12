//! Two hosts and a wire: neighbours, pings, datagrams, names, addresses.

use std::time::Duration;

use crate::common::{address, at, finish, for_seeds, host, ip};
use sim::devices::DhcpServer;
use sim::programs::{DatagramClient, DatagramEcho, NameServer, Pinger, Resolver};
use sim::{HostSetup, Loss, Weather, World};
use stack::{AddressPlan, Fallback, MacAddress};

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn ping_both_ways() {
    let mut world = World::new(1);
    let wire = world.wire(Weather::FAIR);
    let a = world.host(wire, host("a", 15));
    let b = world.host(wire, host("b", 16));
    world.run(Duration::from_secs(3));
    world.install(a, Pinger::new(address(16), 20, false));
    world.install(b, Pinger::new(address(15), 20, false));
    assert_eq!(finish(&mut world, Duration::from_secs(60)), []);
    // Each knew the other's address after one question.
    let requests = |id| {
        world
            .look(id)
            .stack
            .counters()
            .find(|(name, _)| *name == "arp.requests_sent")
    };
    for host in [a, b] {
        let (_, count) = requests(host).unwrap();
        assert!(count <= 12, "{count} requests");
    }
}

#[test]
fn a_host_that_is_not_there_is_reported() {
    let mut world = World::new(2);
    let wire = world.wire(Weather::FAIR);
    let a = world.host(wire, host("a", 15));
    world.run(Duration::from_secs(3));
    world.install(a, Pinger::new(address(99), 1, true));
    assert_eq!(finish(&mut world, Duration::from_secs(60)).len(), 1);
}

#[test]
fn datagrams_come_back_unchanged() {
    let mut world = World::new(3);
    let wire = world.wire(Weather::FAIR);
    let a = world.host(wire, host("a", 15));
    let b = world.host(wire, host("b", 16));
    world.run(Duration::from_secs(3));
    world.install(b, DatagramEcho::new(7, PATIENCE));
    world.install(a, DatagramClient::new(at(16, 7), 200, false));
    assert_eq!(finish(&mut world, Duration::from_secs(60)), []);
}

#[test]
fn datagrams_in_any_weather_come_back_unchanged_or_not_at_all() {
    for_seeds(0, 100, |seed| {
        let mut world = World::new(seed);
        let weather = Weather::any(world.random());
        let wire = world.wire(weather);
        let a = world.host(
            wire,
            HostSetup {
                deafness: 200_000,
                ..host("a", 15)
            },
        );
        let b = world.host(wire, host("b", 16));
        world.run(Duration::from_secs(3));
        world.install(b, DatagramEcho::new(7, PATIENCE));
        world.install(a, DatagramClient::new(at(16, 7), 50, true));
        world.install(b, Pinger::new(address(15), 5, true));
        finish(&mut world, Duration::from_secs(120));
        world
    });
}

#[test]
fn names_are_found_or_known_not_to_be() {
    let mut world = World::new(4);
    let wire = world.wire(Weather::FAIR);
    let a = world.host(wire, host("a", 15));
    let server = world.host(wire, host("server", 3));
    world.run(Duration::from_secs(3));
    world.install(server, NameServer::new(ip(77), PATIENCE));
    world.install(
        a,
        Resolver::new("www.example.org", Some(address(77)), false),
    );
    world.install(a, Resolver::new("no-such.example.org", None, false));
    assert_eq!(finish(&mut world, Duration::from_secs(60)), []);
}

#[test]
fn names_in_any_weather() {
    for_seeds(0, 50, |seed| {
        let mut world = World::new(seed);
        let weather = Weather::any(world.random());
        let wire = world.wire(weather);
        let a = world.host(wire, host("a", 15));
        let server = world.host(wire, host("server", 3));
        world.run(Duration::from_secs(3));
        world.install(server, NameServer::new(ip(77), Duration::from_secs(60)));
        for name in ["one.example.org", "two.example.org", "no-three.example.org"] {
            let expected = (!name.starts_with("no-")).then_some(address(77));
            world.install(a, Resolver::new(name, expected, true));
        }
        finish(&mut world, Duration::from_secs(200));
        world
    });
}

fn dhcp_world(seed: u64, weather: Weather, lease_time: u32) -> World {
    let mut world = World::new(seed);
    let wire = world.wire(weather);
    let mac = MacAddress([2, 0, 0, 0, 0, 0xfe]);
    world.device(
        wire,
        "dhcp",
        DhcpServer {
            mac,
            address: ip(2),
            lease: ip(15),
            lease_time,
        },
    );
    world.host(
        wire,
        HostSetup::new(
            "a",
            1,
            AddressPlan::Dhcp {
                fallback: Fallback::None,
            },
        ),
    );
    let b = world.host(wire, host("b", 16));
    // Discovery, conflict detection, and, in bad weather, some of it again.
    world.run(Duration::from_secs(200));
    world.install(b, Pinger::new(address(15), 3, weather != Weather::FAIR));
    world
}

#[test]
fn an_address_is_leased_and_used() {
    let mut world = dhcp_world(5, Weather::FAIR, 3_600);
    assert_eq!(finish(&mut world, Duration::from_secs(60)), []);
}

#[test]
fn a_lease_is_renewed_again_and_again() {
    let mut world = dhcp_world(6, Weather::FAIR, 120);
    world.run(Duration::from_secs(3_600));
    assert_eq!(finish(&mut world, Duration::from_secs(60)), []);
}

#[test]
fn an_address_is_leased_in_bad_weather_too() {
    let mut answered = 0;
    for seed in 0..40 {
        let loss = Loss::Random(200_000);
        let mut world = dhcp_world(
            seed,
            Weather {
                loss,
                duplication: 100_000,
                ..Weather::FAIR
            },
            3_600,
        );
        answered += usize::from(finish(&mut world, Duration::from_secs(60)).is_empty());
    }
    assert!(answered > 5, "only {answered} of 40 got all their answers");
}
