//! Hostile wires and hostile clients, by the hundred thousand, reproducible by seed.

use crate::world::six::{
    advertisement, any6, at6, local, own_local, prefix, solicitation, two_hosts,
};
use crate::world::{ARENA, Arenas, Host, World, any, at, ip, mac, ping};
use stack::{
    AddressKind, ClientId, Data, Ending, EventKind, Half, Instant, Kind, Lookup, Ping, Range,
    SocketId, SocketOption, Token,
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// A small generator of its own, so that a failure's seed is the whole story.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.roll() % limit
    }
}

/// A world in which everything goes on at once, over both families: streams, datagrams, pings that
/// leave in parts, a name, neighbours and a router. All frames of it are the seeds of mutation.
fn busy_world() -> (World, Vec<Vec<u8>>) {
    let mut world = two_hosts();
    let server = world.b.client();
    let listener = world.b.listen(server, 80, 8);
    let room = Some(Range::new(0, 60_000));
    world.b.accept(server, listener, room, 1, world.now);
    let echo = world.b.bound(server, 7);
    world
        .b
        .receive(server, echo, Range::new(100_000, 60_000), 2, world.now);
    let client = world.a.client();
    let socket = world.a.stream(client);
    world.a.connect(client, socket, at(2, 80), 3, world.now);
    world.a.send(client, socket, &[7; 20_000], 0, 4, world.now);
    let datagram = world.a.datagram(client);
    let to = Some(at(2, 7));
    world.a.say(client, datagram, b"datagram", to, 5, world.now);
    world.a.ping(client, ping(2), 6, world.now);
    let lookup = Lookup {
        name: "a.example",
        kind: AddressKind::V4,
        server: Some(at(2, 53)),
    };
    world.a.resolve(client, lookup, 7, world.now);
    world.a.ping(
        client,
        Ping {
            size: 4_000,
            ..ping(2)
        },
        8,
        world.now,
    );
    busy_over_six(&mut world);
    world.run(Duration::from_millis(300));
    let frames = world.log.iter().map(|(_, frame)| frame.clone());
    let said = [
        advertisement(&[prefix(3_600, 1_800)]),
        solicitation(local(9), own_local(1)),
    ];
    let frames = frames.chain(said).collect();
    (world, frames)
}

/// The same over IPv6.
fn busy_over_six(world: &mut World) {
    let server = world.b.client();
    let listener = world.b.stream(server);
    world
        .b
        .stack
        .bind(server, listener, any6(80))
        .expect("bind");
    world.b.stack.listen(server, listener, 8).expect("listen");
    let room = Some(Range::new(0, 60_000));
    world.b.accept(server, listener, room, 1, world.now);
    let echo = world.b.datagram(server);
    world.b.stack.bind(server, echo, any6(7)).expect("bind");
    let room = Range::new(100_000, 60_000);
    world.b.receive(server, echo, room, 2, world.now);
    let client = world.a.client();
    let socket = world.a.stream(client);
    world.a.connect(client, socket, at6(2, 80), 3, world.now);
    world.a.send(client, socket, &[7; 20_000], 0, 4, world.now);
    let datagram = world.a.datagram(client);
    let to = Some(at6(2, 7));
    world.a.say(client, datagram, b"datagram", to, 5, world.now);
    for (size, token) in [(56, 6), (4_000, 7)] {
        let ping = Ping {
            address: IpAddr::V6(own_local(2)),
            size,
            ..ping(2)
        };
        world.a.ping(client, ping, token, world.now);
    }
}

/// Changes a frame: bits, bytes, lengths, addresses; mends the checksums half of the time, so that
/// the damage gets past them.
fn mutate(dice: &mut Dice, seed: &[u8]) -> Vec<u8> {
    let mut frame = seed.to_vec();
    for _ in 0..1 + dice.below(4) {
        if frame.is_empty() {
            break;
        }
        let place = dice.below(frame.len() as u64) as usize;
        // Headers are where the decisions are.
        let place = if dice.below(3) > 0 { place % 74 } else { place };
        let place = place.min(frame.len() - 1);
        match dice.below(7) {
            0 => frame[place] ^= 1 << dice.below(8),
            1 => frame[place] = dice.roll() as u8,
            2 => frame[place] = [0, 1, 0x7f, 0x80, 0xff][dice.below(5) as usize],
            3 => frame.truncate(place),
            4 => frame.extend((0..dice.below(64)).map(|byte| byte as u8)),
            5 => {
                let from = dice.below(frame.len() as u64) as usize;
                frame[place] = frame[from];
            }
            _ => {
                let piece: Vec<u8> = frame.drain(place..).collect();
                frame.extend(piece.iter().rev());
            }
        }
    }
    if dice.below(2) == 0 {
        mend(&mut frame);
    }
    frame
}

fn checksum(bytes: &[u8], start: u32) -> u16 {
    let mut sum = start;
    for pair in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([
            pair[0],
            pair.get(1).copied().unwrap_or(0),
        ]));
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}

/// Makes the checksum of a packet of IPv6 right again, if no header stands before what it carries.
fn mend6(frame: &mut [u8]) {
    let Some(protocol @ (6 | 17 | 58)) = frame.get(20).copied() else {
        return;
    };
    let field = 54 + [6, 16, 2][usize::from(protocol == 6) + usize::from(protocol == 58) * 2];
    let total = 54 + usize::from(u16::from_be_bytes([frame[18], frame[19]]));
    if total > frame.len() || field + 2 > total {
        return;
    }
    let words = frame[22..54].chunks(2);
    let addresses: u32 = words
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    frame[field..field + 2].fill(0);
    let pseudo = addresses + u32::from(protocol) + (total - 54) as u32;
    let sum = checksum(&frame[54..total], pseudo);
    frame[field..field + 2].copy_from_slice(&sum.to_be_bytes());
}

/// Makes the checksums of a frame right again.
fn mend(frame: &mut [u8]) {
    if frame.len() > 54 && frame[12..14] == [0x86, 0xdd] {
        return mend6(frame);
    }
    if frame.len() < 34 || frame[12..14] != [8, 0] {
        return;
    }
    let header = 14 + usize::from(frame[14] & 15) * 4;
    let total = 14 + usize::from(u16::from_be_bytes([frame[16], frame[17]]));
    if header < 34 || total > frame.len() || header + 8 > total {
        return;
    }
    frame[24..26].fill(0);
    let sum = checksum(&frame[14..header], 0);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    let protocol = frame[23];
    let field = header
        + match protocol {
            6 => 16,
            17 => 6,
            _ => 2,
        };
    if field + 2 > total {
        return;
    }
    let pseudo: u32 = match protocol {
        6 | 17 => {
            let words = frame[26..34]
                .chunks(2)
                .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
            words.sum::<u32>() + u32::from(protocol) + (total - header) as u32
        }
        _ => 0,
    };
    frame[field..field + 2].fill(0);
    let sum = checksum(&frame[header..total], pseudo);
    frame[field..field + 2].copy_from_slice(&sum.to_be_bytes());
}

#[test]
fn two_hundred_thousand_malformed_frames() {
    let (mut world, seeds) = busy_world();
    let mut dice = Dice(0x5eed_0001);
    for round in 0..200_000 {
        let seed = &seeds[dice.below(seeds.len() as u64) as usize];
        let frame = mutate(&mut dice, seed);
        let host = if round % 2 == 0 {
            &mut world.a
        } else {
            &mut world.b
        };
        host.input(&frame, world.now);
        if round % 16 == 0 {
            world.now = world.now + Duration::from_micros(dice.below(2_000));
            for host in [&mut world.a, &mut world.b] {
                host.stack.fire(&mut host.memory, world.now);
                host.frames(world.now);
                host.publish(world.now);
                host.events.clear();
            }
        }
        if round % 1_000 == 0 {
            world.a.assert_balance();
            world.b.assert_balance();
        }
    }
    world.a.assert_balance();
    world.b.assert_balance();
    alive_over_both(&mut world);
}

/// After all that, a new client is served like the first.
fn alive(world: &mut World) {
    world.lose = Box::new(|_, _| false);
    world.run(Duration::from_secs(150));
    let (server, client) = (world.b.client(), world.a.client());
    let listener = world.b.listen(server, 4_242, 4);
    let room = Some(Range::new(0, 1_000));
    world.b.accept(server, listener, room, 901, world.now);
    let socket = world.a.stream(client);
    world
        .a
        .connect(client, socket, at(2, 4_242), 902, world.now);
    world.a.send(client, socket, b"alive", 0, 903, world.now);
    world.run(Duration::from_secs(5));
    assert!(matches!(
        world.a.take(902)[..],
        [EventKind::Connected { .. }]
    ));
    assert_eq!(world.b.memory.bytes(server, 0, 5), b"alive");
    assert_eq!(world.a.take(903), [EventKind::Sent { bytes: 5 }]);
}

/// Nobody has talked it out of its addresses and neighbours.
fn alive_over_both(world: &mut World) {
    alive(world);
    let client = world.a.client();
    for (address, token) in [(IpAddr::V6(own_local(2)), 904), (IpAddr::V4(ip(2)), 905)] {
        let ping = Ping { address, ..ping(2) };
        world.a.ping(client, ping, token, world.now);
        world.run(Duration::from_secs(5));
        let told = world.a.take(token);
        assert!(
            matches!(told[..], [EventKind::PingReply { .. }]),
            "{told:?}"
        );
    }
}

#[test]
fn noise_of_all_lengths() {
    let (mut world, _) = busy_world();
    let mut dice = Dice(0x5eed_0002);
    for _ in 0..50_000 {
        let mut frame: Vec<u8> = (0..dice.below(1_600)).map(|_| dice.roll() as u8).collect();
        // Mostly for us, and mostly of a protocol that we speak.
        if frame.len() > 40 && dice.below(8) > 0 {
            frame[..6].copy_from_slice(&mac(1).0);
            let kind = [[8, 0], [8, 6], [0x86, 0xdd]][dice.below(3) as usize];
            frame[12..14].copy_from_slice(&kind);
            frame[14] = if kind[0] == 8 { 0x45 } else { 0x60 };
            frame[30..34].copy_from_slice(&ip(1).octets());
            mend(&mut frame);
        }
        world.a.input(&frame, world.now);
    }
    world.a.frames(world.now);
    world.a.assert_balance();
    alive_over_both(&mut world);
}

#[test]
fn a_flood_of_syns_leaves_room_for_the_honest() {
    let mut world = World::new();
    let server = world.b.client();
    let listener = world.b.listen(server, 80, 16);
    for token in 0..4 {
        world.b.accept(server, listener, None, token, world.now);
    }
    let mut dice = Dice(0x5eed_0003);
    let mut flood = |host: &mut Host, now: Instant| {
        for _ in 0..1_000 {
            let mut frame = syn(&mut dice);
            mend(&mut frame);
            host.input(&frame, now);
        }
        host.frames(now);
    };
    for _ in 0..20 {
        flood(&mut world.b, world.now);
        world.now = world.now + Duration::from_millis(100);
    }
    assert!(world.b.stack.totals().half_open <= 32);
    let client = world.a.client();
    let socket = world.a.stream(client);
    world.a.connect(client, socket, at(2, 80), 9, world.now);
    // The flood goes on meanwhile.
    for _ in 0..100 {
        flood(&mut world.b, world.now);
        world.run(Duration::from_millis(100));
    }
    assert!(matches!(world.a.take(9)[..], [EventKind::Connected { .. }]));
    world.b.assert_balance();
}

fn syn(dice: &mut Dice) -> Vec<u8> {
    let mut frame = vec![0; 60];
    frame[..6].copy_from_slice(&mac(2).0);
    frame[6..12].copy_from_slice(&mac(99).0);
    frame[12..14].copy_from_slice(&[8, 0]);
    frame[14..24].copy_from_slice(&[0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6]);
    let from = Ipv4Addr::new(10, 0, 0, 100 + dice.below(100) as u8);
    frame[26..30].copy_from_slice(&from.octets());
    frame[30..34].copy_from_slice(&ip(2).octets());
    let port = 1_024 + dice.below(60_000) as u16;
    frame[34..36].copy_from_slice(&port.to_be_bytes());
    frame[36..38].copy_from_slice(&80u16.to_be_bytes());
    frame[38..42].copy_from_slice(&(dice.roll() as u32).to_be_bytes());
    frame[46..50].copy_from_slice(&[0x50, 2, 0xff, 0xff]);
    frame
}

/// A client that asks for anything, with anything.
#[expect(clippy::too_many_lines, reason = "one arm for each call")]
fn misuse(
    dice: &mut Dice,
    host: &mut Host,
    clients: &[ClientId],
    sockets: &mut Vec<SocketId>,
    now: Instant,
) {
    let client = clients[dice.below(clients.len() as u64) as usize];
    let socket = match dice.below(8) {
        0 => SocketId::from_raw(dice.roll() as u32 | 1).expect("not zero"),
        _ if sockets.is_empty() => SocketId::from_raw(1).expect("not zero"),
        _ => sockets[dice.below(sockets.len() as u64) as usize],
    };
    let token = Token(dice.below(50));
    let range = match dice.below(6) {
        0 => Range::new(dice.roll(), dice.roll() as u32),
        1 => Range::new(u64::MAX - 3, 100),
        2 => Range::new(ARENA as u64 - 10, 4_000),
        _ => Range::new(dice.below(ARENA as u64 / 2), dice.below(30_000) as u32),
    };
    let address = match dice.below(6) {
        0 => SocketAddr::from(([127, 0, 0, 1], 80)),
        1 => at(dice.roll() as u8, 80),
        2 => SocketAddr::from((Ipv4Addr::from(dice.roll() as u32), dice.roll() as u16)),
        3 => SocketAddr::from(([0, 0, 0, 0], dice.below(100) as u16)),
        4 => "[::1]:80".parse().expect("address"),
        _ => at(2, 80),
    };
    let stack = &mut host.stack;
    match dice.below(16) {
        0 => {
            let kind = if dice.below(2) == 0 {
                Kind::Stream
            } else {
                Kind::Datagram
            };
            sockets.extend(stack.socket_create(client, kind));
        }
        1 => drop(stack.bind(client, socket, address)),
        2 => drop(stack.connect(client, socket, address, token, now)),
        3 => drop(stack.listen(client, socket, dice.roll() as u16)),
        4 => drop(stack.accept(
            client,
            socket,
            (dice.below(2) == 0).then_some(range),
            token,
            now,
        )),
        5 | 6 => drop(stack.send(
            client,
            socket,
            Data::Arena(range),
            (dice.below(2) == 0).then_some(address),
            token,
            now,
        )),
        7 => {
            let bytes = [3; 300];
            let data = Data::Inline(&bytes[..dice.below(300) as usize]);
            drop(stack.send(client, socket, data, None, token, now));
        }
        8 | 9 => drop(stack.receive(client, socket, range, token, now)),
        10 => drop(stack.shutdown(
            client,
            socket,
            [Half::Send, Half::Receive, Half::Both][dice.below(3) as usize],
            now,
        )),
        11 => {
            let ending = if dice.below(2) == 0 {
                Ending::Abort
            } else {
                Ending::Graceful
            };
            drop(stack.close(client, socket, ending, token, now));
        }
        12 => drop(stack.cancel(client, (dice.below(2) == 0).then_some(socket), token)),
        13 => {
            let ping = Ping {
                link: 0,
                address: address.ip(),
                size: dice.roll() as u16,
                sequence: 1,
                ttl: Some(dice.roll() as u8),
                timeout: Duration::from_millis(dice.below(3_000)),
            };
            drop(stack.ping(client, ping, token, now));
        }
        14 => {
            let names = ["", "a.example", "..", "10.0.0.1", "x.y.z.example.org"];
            let lookup = Lookup {
                name: names[dice.below(5) as usize],
                kind: AddressKind::V4,
                server: (dice.below(2) == 0).then_some(address),
            };
            drop(stack.resolve(client, lookup, token, now));
        }
        _ => {
            drop(stack.set_option(
                client,
                socket,
                SocketOption::TimeToLive(dice.roll() as u8),
                now,
            ));
            drop(stack.status(client, socket));
            drop(stack.options(client, socket));
        }
    }
}

fn drop<T>(_: T) {}

#[test]
fn clients_that_ask_for_anything() {
    for seed in 1..=8 {
        let mut world = World::new();
        let mut dice = Dice(seed);
        let mut state = seed;
        world.lose = Box::new(move |_, _| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % 20 == 0
        });
        let mut clients: Vec<[ClientId; 3]> = Vec::new();
        for host in [&mut world.a, &mut world.b] {
            clients.push([host.client(), host.client(), host.client()]);
        }
        let mut sockets = [Vec::new(), Vec::new()];
        for round in 0..12_000 {
            let now = world.now;
            for (place, host) in [&mut world.a, &mut world.b].into_iter().enumerate() {
                misuse(&mut dice, host, &clients[place], &mut sockets[place], now);
                host.deaf = dice.below(4) == 0;
            }
            if round % 8 == 0 {
                world.run(Duration::from_micros(dice.below(20_000)));
            }
            if round % 1_000 == 999 {
                // One dies, another comes.
                for (place, host) in [&mut world.a, &mut world.b].into_iter().enumerate() {
                    let victim = dice.below(3) as usize;
                    let client = clients[place][victim];
                    if dice.below(2) == 0 {
                        host.memory.close(client);
                    }
                    host.stack.client_close(client, now);
                    clients[place][victim] = host.client();
                    host.assert_balance();
                    host.events.clear();
                }
            }
        }
        world.a.deaf = false;
        world.b.deaf = false;
        for (place, host) in [&mut world.a, &mut world.b].into_iter().enumerate() {
            for client in clients[place] {
                host.stack.client_close(client, world.now);
            }
        }
        world.a.memory = Arenas::default();
        world.b.memory = Arenas::default();
        alive(&mut world);
        everything_is_returned(&mut world);
    }
}

/// Nothing of clients that are gone remains: the limits are reached again from nothing.
fn everything_is_returned(world: &mut World) {
    world.run(Duration::from_secs(400));
    for host in [&mut world.a, &mut world.b] {
        host.assert_balance();
        let client = host.client();
        let sockets =
            (0..1_000).take_while(|_| host.stack.socket_create(client, Kind::Stream).is_ok());
        assert_eq!(sockets.count(), 200, "sockets were lost");
        host.stack.client_close(client, world.now);
        let client = host.client();
        let datagrams: Vec<_> = (0..1_000)
            .map_while(|_| host.stack.socket_create(client, Kind::Datagram).ok())
            .collect();
        assert_eq!(datagrams.len(), 64, "datagram sockets were lost");
        let mut rooms = 0;
        for socket in datagrams {
            host.stack.bind(client, socket, any(0)).expect("bind");
            while host
                .stack
                .receive(client, socket, Range::new(0, 8), Token(1), world.now)
                .is_ok()
            {
                rooms += 1;
            }
        }
        // All of the store but what the connection of `alive` holds.
        assert!(rooms > 1_000, "requests were lost: {rooms}");
        host.stack.client_close(client, world.now);
    }
}
