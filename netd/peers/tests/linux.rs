//! Against the host's kernel, in real time: over a TAP interface and over a packet socket.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use host::testing::{await_link, in_namespace, ip};
use host::{Adapter, PacketSocket, Tap};
use peers::{Plan, converse_with_linux};
use sim::{Loss, Weather};

/// The program that shows how little the stack asks of its host.
#[path = "../examples/echo.rs"]
mod echo;

/// Our hardware address.
const OURS: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// No delay of our own.
const STRAIGHT: Weather = Weather {
    delay: Duration::ZERO,
    ..Weather::FAIR
};

/// Losses, delay, reordering, duplicates and a rate.
const FOUL: Weather = Weather {
    delay: Duration::from_millis(5),
    jitter: Duration::from_millis(1),
    rate: Some(50_000_000),
    queue: 200_000,
    loss: Loss::Random(10_000),
    duplication: 10_000,
    ..Weather::FAIR
};

fn plans(ours: u64, theirs: u64) -> [Plan; 4] {
    Plan::of_both_ways(5_001, ours, theirs)
}

fn tap() -> Adapter<Tap> {
    let tap = Tap::open("skerry0", OURS).expect("a TAP interface");
    ip("addr add 198.18.0.1/24 dev skerry0");
    ip("link set skerry0 up");
    await_link(Adapter::new(tap))
}

fn packet_socket() -> Adapter<PacketSocket> {
    ip("link add near type veth peer name far");
    ip("addr add 198.18.0.1/24 dev near");
    // The device would cut large segments only after the packet socket has seen them.
    ip("link set near gso_max_segs 1");
    ip("link set near up");
    ip("link set far up");
    await_link(Adapter::new(
        PacketSocket::open("far", OURS).expect("a packet socket"),
    ))
}

#[test]
fn bulk_both_ways_over_tap() {
    if in_namespace("bulk_both_ways_over_tap") {
        converse_with_linux(tap(), &plans(5_000_000, 5_000_000), STRAIGHT, 1);
    }
}

#[test]
fn bulk_through_foul_weather_over_tap() {
    if in_namespace("bulk_through_foul_weather_over_tap") {
        let (_, sent, lost) = converse_with_linux(tap(), &plans(500_000, 500_000), FOUL, 2);
        assert!(lost * 1_000 > sent * 3, "{lost} of {sent} lost");
    }
}

#[test]
fn corruption_is_noticed_by_both_over_tap() {
    if in_namespace("corruption_is_noticed_by_both_over_tap") {
        let weather = Weather {
            loss: Loss::Never,
            corruption: 10_000,
            ..FOUL
        };
        converse_with_linux(tap(), &plans(300_000, 300_000), weather, 3);
    }
}

#[test]
fn empty_and_one_sided_streams_over_tap() {
    if in_namespace("empty_and_one_sided_streams_over_tap") {
        let mut plans = plans(0, 0);
        plans[1].ours = 1_000_000;
        plans[2].theirs = 1_000_000;
        plans[3].ours = 1;
        converse_with_linux(tap(), &plans, FOUL, 4);
    }
}

#[test]
fn bulk_both_ways_over_a_packet_socket() {
    if in_namespace("bulk_both_ways_over_a_packet_socket") {
        converse_with_linux(packet_socket(), &plans(3_000_000, 3_000_000), STRAIGHT, 5);
    }
}

#[test]
fn bulk_through_foul_weather_over_a_packet_socket() {
    if in_namespace("bulk_through_foul_weather_over_a_packet_socket") {
        converse_with_linux(packet_socket(), &plans(500_000, 500_000), FOUL, 6);
    }
}

#[test]
fn the_example_echoes_and_is_short() {
    let lines = include_str!("../examples/echo.rs").lines().map(str::trim);
    let code = lines.filter(|line| !line.is_empty() && !line.starts_with("//"));
    assert!(
        code.count() <= 200,
        "what it shows is that this is not much"
    );
    if !in_namespace("the_example_echoes_and_is_short") {
        return;
    }
    let mut ours = echo::Host::open("skerry0").expect("a TAP interface");
    ip("addr add 198.18.0.1/24 dev skerry0");
    ip("link set skerry0 up");
    let clients: Vec<_> = (0..80_u8)
        .map(|number| thread::spawn(move || talk(number)))
        .collect();
    while !clients.iter().all(JoinHandle::is_finished) {
        ours.turn().expect("a turn");
    }
    clients
        .into_iter()
        .for_each(|client| client.join().expect("the same back"));
}

/// Says more than the server has room for, and hears it again.
fn talk(number: u8) {
    let patience = Duration::from_secs(20);
    let to = SocketAddr::from(([198, 18, 0, 2], 7));
    let mut stream = TcpStream::connect_timeout(&to, patience).expect("a connection");
    stream.set_read_timeout(Some(patience)).expect("a socket");
    let bytes = vec![number; 50_000];
    let mut half = stream.try_clone().expect("a socket");
    let sent = bytes.clone();
    let writer = thread::spawn(move || {
        half.write_all(&sent)
            .and_then(|()| half.shutdown(Shutdown::Write))
    });
    let mut heard = Vec::new();
    stream
        .read_to_end(&mut heard)
        .expect("bytes, and their end");
    writer.join().expect("no panic").expect("all is taken");
    assert!(heard == bytes, "{number}");
}
