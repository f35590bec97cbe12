//! Shards: several stacks behind one address, each in a thread of its own, without locks.

use crate::world::six::{any6, at6, plan6};
use crate::world::{Host, any, at, config, plan};
use stack::{
    AddressPlan, ClientId, Data, Drop, EventKind, Half, Instant, InterfaceId, Ipv6Plan, Range,
    Shard, SocketId, Steered, Steering, Token,
};
use std::collections::HashMap;
use std::num::NonZeroU16;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

const SHARDS: u16 = 2;
const CONNECTIONS: u16 = 40;
/// How long a thread waits for frames before it looks at its timers.
const GLANCE: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(20);

fn steering() -> Steering {
    let shards = NonZeroU16::new(SHARDS).expect("not zero");
    Steering::new(shards, 0x0123_4567_89ab_cdef)
}

fn shard(number: u16) -> Host {
    let shard = Shard {
        steering: steering(),
        number,
        link: InterfaceId::from_raw(1),
    };
    let config = stack::Config {
        shard: Some(shard),
        ..config()
    };
    Host::new(1, config, AddressPlan::Static(plan(1)))
}

/// An echo server on one shard: returns how many connections it has served.
fn serve(number: u16, six: bool, frames: &Receiver<Vec<u8>>, wire: &Sender<Vec<u8>>) -> usize {
    let clock = std::time::Instant::now();
    let mut host = shard(number);
    let client = host.client();
    begin(&mut host, six);
    let all = if six { any6(80) } else { any(80) };
    let listener = host.listen_at(client, all, 16);
    let mut places: HashMap<SocketId, u64> = HashMap::new();
    for token in 0..16 {
        host.accept(client, listener, None, token, Instant::ZERO);
    }
    loop {
        // The far end hangs up when it is done.
        match frames.recv_timeout(GLANCE) {
            Ok(frame) => host.input(&frame, now(clock)),
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return places.len(),
        }
        let now = now(clock);
        host.stack.fire(&mut host.memory, now);
        host.publish(now);
        while let Some(event) = host.event() {
            echo(&mut host, client, listener, &mut places, &event, now);
        }
        for frame in host.frames(now) {
            // Nobody listens any more once the far end is done.
            wire.send(frame).ok();
        }
    }
}

fn echo(
    host: &mut Host,
    client: ClientId,
    listener: SocketId,
    places: &mut HashMap<SocketId, u64>,
    event: &stack::Event,
    now: Instant,
) {
    match event.kind {
        EventKind::Accepted { socket, .. } => {
            let place = places.len() as u64 * 128;
            places.insert(socket, place);
            let room = Range::new(place, 64);
            host.receive(client, socket, room, 100, now);
            host.accept(client, listener, None, event.token.0, now);
        }
        EventKind::Received { offset, length, .. } => {
            let socket = event.socket.expect("a connection's");
            let data = Data::Arena(Range::new(offset, length));
            let sent = host.stack.send(client, socket, data, None, Token(101), now);
            sent.expect("a place for a send");
        }
        EventKind::Eof => {
            let socket = event.socket.expect("a connection's");
            host.close(client, socket, 102, now);
        }
        _ => {}
    }
}

/// IPv6, if it is wanted: addresses may be used at once.
fn begin(host: &mut Host, six: bool) {
    if six {
        let plan = Ipv6Plan {
            is_optimistic: true,
            ..plan6()
        };
        let started = host.stack.start_ipv6(host.link, plan, Instant::ZERO);
        started.expect("an interface");
    }
}

fn now(clock: std::time::Instant) -> Instant {
    Instant::ZERO + clock.elapsed()
}

#[test]
fn connections_are_served_by_two_threads_without_a_lock() {
    for six in [false, true] {
        served_by_two(six);
    }
}

fn served_by_two(six: bool) {
    let (to_far, from_shards) = channel();
    let mut shards = Vec::new();
    let threads: Vec<_> = (0..SHARDS)
        .map(|number| {
            let (to_shard, frames) = channel();
            shards.push(to_shard);
            let wire = to_far.clone();
            thread::spawn(move || serve(number, six, &frames, &wire))
        })
        .collect();
    let clock = std::time::Instant::now();
    let mut far = Host::new(2, config(), AddressPlan::Static(plan(2)));
    let client = far.client();
    begin(&mut far, six);
    let to = if six { at6(1, 80) } else { at(1, 80) };
    for number in 0..u64::from(CONNECTIONS) {
        let socket = far.stream(client);
        far.connect(client, socket, to, number, Instant::ZERO);
    }
    let mut echoed = Vec::new();
    while echoed.len() < usize::from(CONNECTIONS) {
        assert!(clock.elapsed() < PATIENCE, "{} echoes", echoed.len());
        while let Ok(frame) = from_shards.recv_timeout(GLANCE) {
            far.input(&frame, now(clock));
        }
        let now = now(clock);
        far.stack.fire(&mut far.memory, now);
        far.publish(now);
        while let Some(event) = far.event() {
            let Some(socket) = event.socket else { continue };
            match event.kind {
                EventKind::Connected { .. } => {
                    let number = event.token.0;
                    let room = Range::new(number * 128 + 64, 64);
                    far.send(
                        client,
                        socket,
                        &number.to_le_bytes(),
                        number * 128,
                        1_000,
                        now,
                    );
                    far.receive(client, socket, room, event.token.0, now);
                }
                EventKind::Received {
                    offset, length: 8, ..
                } => {
                    let bytes = far.memory.bytes(client, offset, 8);
                    assert_eq!(bytes, event.token.0.to_le_bytes());
                    echoed.push(event.token.0);
                    let shut = far.stack.shutdown(client, socket, Half::Send, now);
                    shut.expect("ours");
                }
                EventKind::Sent { .. } | EventKind::Eof => {}
                other => panic!("unexpected: {other:?}"),
            }
        }
        for frame in far.frames(now) {
            match steering().frame(&frame) {
                Steered::Shard(number) => shards[usize::from(number)].send(frame).expect("there"),
                Steered::Every => {
                    for shard in &shards {
                        shard.send(frame.clone()).expect("there");
                    }
                }
            }
        }
    }
    drop(shards);
    let served: Vec<usize> = threads
        .into_iter()
        .map(|thread| thread.join().expect("no panic"))
        .collect();
    assert_eq!(served.iter().sum::<usize>(), usize::from(CONNECTIONS));
    assert!(served.iter().all(|served| *served > 5), "{served:?}");
    far.assert_balance();
}

#[test]
fn a_shard_connects_with_ports_whose_connections_are_its_own() {
    for (number, to) in [
        (0, at(2, 80)),
        (1, at(2, 80)),
        (0, at6(2, 80)),
        (1, at6(2, 80)),
    ] {
        let mut host = shard(number);
        begin(&mut host, true);
        let client = host.client();
        for _ in 0..50 {
            let socket = host.stream(client);
            host.connect(client, socket, to, 1, Instant::ZERO);
            let status = host.stack.status(client, socket).expect("ours");
            let local = status.local.expect("a port");
            assert_eq!(steering().flow(to, local), number);
        }
    }
}

#[test]
fn a_shard_binds_datagram_sockets_to_ports_that_are_its_own() {
    for number in 0..SHARDS {
        let mut host = shard(number);
        let client = host.client();
        for _ in 0..50 {
            let socket = host.datagram(client);
            let bound = host.stack.bind(client, socket, any(0));
            let bound = bound.expect("a free port");
            assert_eq!(steering().datagrams(bound.port()), number);
        }
    }
}

#[test]
fn parts_of_packets_meet_in_the_first_shard() {
    for six in [false, true] {
        let mut far = Host::new(2, config(), AddressPlan::Static(plan(2)));
        let mut first = shard(0);
        let client = far.client();
        begin(&mut far, six);
        begin(&mut first, six);
        let socket = far.datagram(client);
        let data = Data::Arena(Range::new(0, 5_000));
        let mut now = Instant::ZERO;
        // Ports of both shards.
        for port in 1..=20 {
            let to = if six { at6(1, port) } else { at(1, port) };
            let sent = far
                .stack
                .send(client, socket, data, Some(to), Token(port.into()), now);
            sent.expect("it fits");
        }
        let mut parts = 0;
        // Over IPv6 both have to be sure of their addresses before they find each other.
        for _ in 0..40 {
            now = now + Duration::from_millis(100);
            for host in [&mut far, &mut first] {
                host.stack.fire(&mut host.memory, now);
            }
            for frame in far.frames(now) {
                assert_ne!(steering().frame(&frame), Steered::Shard(1));
                parts += u32::from(frame.len() > 1_000);
                first.input(&frame, now);
            }
            for frame in first.frames(now) {
                far.input(&frame, now);
            }
        }
        assert_eq!(parts, 20 * 3);
        let own = (1..=20)
            .filter(|port| steering().datagrams(*port) == 0)
            .count() as u64;
        assert!((1..20).contains(&own));
        // Where a packet is not the first shard's, that does not speak for the other's sockets.
        assert_eq!(first.stack.drops(Drop::UdpNoSocket), own);
        assert_eq!(first.stack.drops(Drop::FragmentElsewhere), 20 - own);
        first.assert_balance();
    }
}
