//! DHCP and DNS through the whole stack, against servers made of bytes.

use crate::world::{Host, World, config, ip, mac, plan};
use stack::{
    AddressKind, AddressPlan, AddressState, ClientId, Config, EventKind, Fallback, Instant, Lookup,
    Range, ResolutionOutcome, SocketId, Token,
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use wire::arp::Packet;
use wire::dhcp4::{Message, MessageType, Options, Speaker};
use wire::ethernet::{EtherType, Header};
use wire::{Headroom, MacAddress, Protocol, Pseudo, Seal};

const SERVER: u8 = 2;

/// A frame with a datagram.
fn datagram(
    from: (Ipv4Addr, u16),
    to: (Ipv4Addr, u16),
    dst: MacAddress,
    payload: &[u8],
) -> Vec<u8> {
    let headers = 14 + 20 + 8;
    let mut frame = vec![0; headers + payload.len()];
    frame[headers..].copy_from_slice(payload);
    let mut room = Headroom::new(&mut frame[..headers]);
    let pseudo = Pseudo::v4(from.0, to.0);
    let seal = Seal::Full {
        pseudo,
        payload: wire::sum(payload),
    };
    wire::udp::Header {
        src_port: from.1,
        dst_port: to.1,
    }
    .emit(&mut room, payload.len(), seal)
    .expect("fits");
    let ip = wire::ipv4::Header::atomic(from.0, to.0, Protocol::UDP, 64);
    ip.emit(&mut room, payload.len() + 8).expect("fits");
    Header {
        destination: dst,
        source: mac(SERVER),
        ethertype: EtherType::IPV4,
    }
    .emit(&mut room)
    .expect("fits");
    frame
}

fn arp_frame(packet: Packet, from: MacAddress) -> Vec<u8> {
    let mut bytes = vec![0; 60];
    packet
        .emit(&mut Headroom::new(&mut bytes[14..42]))
        .expect("fits");
    let header = Header {
        destination: mac(1),
        source: from,
        ethertype: EtherType::ARP,
    };
    header
        .emit(&mut Headroom::new(&mut bytes[..14]))
        .expect("fits");
    bytes
}

/// What a client says, if the frame is DHCP from a client.
fn heard(frame: &[u8]) -> Option<Message> {
    if frame[12..14] != [8, 0] || frame[23] != 17 || frame[36..38] != 67u16.to_be_bytes() {
        return None;
    }
    let length = usize::from(u16::from_be_bytes([frame[38], frame[39]]));
    Some(Message::parse(&frame[42..34 + length]).expect("sound"))
}

fn answer(question: &Message, kind: MessageType, last: u8) -> Vec<u8> {
    let options = Options {
        server_id: Some(ip(SERVER)),
        subnet_mask: Some(Ipv4Addr::new(255, 255, 255, 0)),
        routers: wire::List::from_slice(&[ip(254)]).expect("fits"),
        dns_servers: wire::List::from_slice(&[ip(SERVER)]).expect("fits"),
        lease_time: Some(600),
        mtu: Some(1_400),
        ..Options::default()
    };
    let message = Message {
        speaker: Speaker::Server,
        message_type: kind,
        yiaddr: ip(last),
        options,
        ..*question
    };
    let mut bytes = [0; 576];
    let len = message.emit(&mut bytes).expect("fits");
    datagram(
        (ip(SERVER), 67),
        (ip(last), 68),
        question.chaddr,
        &bytes[..len],
    )
}

/// Runs a host against a DHCP server that gives `last` until `time` has passed; gives all that the
/// host has said.
fn serve(host: &mut Host, now: &mut Instant, time: Duration, last: u8) -> Vec<MessageType> {
    let end = *now + time;
    let mut said = Vec::new();
    loop {
        host.stack.fire(&mut host.memory, *now);
        let frames = host.frames(*now);
        let quiet = frames.is_empty();
        for frame in frames {
            if frame[12..14] == [8, 6] {
                let asked = Packet::parse(&frame[14..]).expect("sound");
                if asked.target_ip == ip(SERVER) {
                    host.input(&arp_frame(asked.reply(mac(SERVER)), mac(SERVER)), *now);
                }
            }
            let Some(message) = heard(&frame) else {
                continue;
            };
            said.push(message.message_type);
            let reply = match message.message_type {
                MessageType::Discover => answer(&message, MessageType::Offer, last),
                MessageType::Request => answer(&message, MessageType::Ack, last),
                _ => continue,
            };
            host.input(&reply, *now);
        }
        let next = host.stack.next_deadline().filter(|next| *next <= end);
        match next {
            _ if !quiet => {}
            Some(next) => *now = next.max(*now),
            None => break,
        }
    }
    *now = end;
    said
}

fn dhcp_host(fallback: bool) -> Host {
    let fallback = if fallback {
        Fallback::Static(plan(77))
    } else {
        Fallback::None
    };
    Host::new(1, config(), AddressPlan::Dhcp { fallback })
}

#[test]
fn a_lease_brings_everything() {
    let mut host = dhcp_host(false);
    let mut now = Instant::ZERO;
    let said = serve(&mut host, &mut now, Duration::from_millis(200), 30);
    assert_eq!(said, [MessageType::Discover, MessageType::Request]);
    let addresses: Vec<_> = host.stack.addresses().skip(2).collect();
    assert_eq!(addresses.len(), 1);
    assert_eq!(
        (addresses[0].address, addresses[0].prefix),
        (IpAddr::V4(ip(30)), 24)
    );
    assert_eq!(addresses[0].state, AddressState::Preferred);
    let routes: Vec<_> = host
        .stack
        .routes()
        .map(|route| (route.prefix, route.gateway))
        .collect();
    assert_eq!(routes, [(24, None), (0, Some(IpAddr::V4(ip(254))))]);
    let servers: Vec<_> = host.stack.name_servers().collect();
    assert_eq!(servers, [SocketAddr::from((ip(SERVER), 53))]);
    assert_eq!(host.stack.interfaces().nth(1).expect("link").mtu, 1_400);
    let lease = host.stack.leases(now).next().expect("lease");
    assert_eq!((lease.state, lease.address), ("BOUND", Some(ip(30))));
    assert_eq!(lease.lease, Duration::from_secs(600));
    // T1 is half of it: one unicast request, and on it goes.
    let said = serve(&mut host, &mut now, Duration::from_secs(301), 30);
    assert_eq!(said, [MessageType::Request]);
    // Given back at the end.
    host.stack.shut_down(now);
    let said: Vec<_> = host
        .frames(now)
        .iter()
        .filter_map(|frame| heard(frame))
        .map(|it| it.message_type)
        .collect();
    assert_eq!(said, [MessageType::Release]);
    assert_eq!(host.stack.addresses().count(), 2, "loopback alone");
    host.assert_balance();
}

// RFC 5227: probe, probe-conflict
#[test]
fn an_address_that_somebody_has_is_declined() {
    let mut host = dhcp_host(false);
    let now = Instant::ZERO;
    host.stack.fire(&mut host.memory, now);
    let mut declined = false;
    for _ in 0..10 {
        for frame in host.frames(now) {
            if frame[12..14] == [8, 6] {
                let probe = Packet::parse(&frame[14..]).expect("sound");
                if probe.is_probe() {
                    host.input(&arp_frame(probe.reply(mac(9)), mac(9)), now);
                }
            }
            let Some(message) = heard(&frame) else {
                continue;
            };
            match message.message_type {
                MessageType::Discover => host.input(&answer(&message, MessageType::Offer, 30), now),
                MessageType::Request => host.input(&answer(&message, MessageType::Ack, 30), now),
                MessageType::Decline => declined = true,
                _ => {}
            }
        }
    }
    assert!(declined);
    assert_eq!(host.stack.addresses().count(), 2, "loopback alone");
    host.assert_balance();
}

/// What a host has beside loopback's addresses.
fn addresses(host: &Host) -> Vec<IpAddr> {
    let all = host.stack.addresses().skip(2);
    all.map(|it| it.address).collect()
}

#[test]
fn without_a_server_the_fall_back_is_used_until_one_answers() {
    let mut host = dhcp_host(true);
    let mut now = Instant::ZERO;
    for _ in 0..20 {
        now = now + Duration::from_secs(1);
        host.stack.fire(&mut host.memory, now);
        host.frames(now);
    }
    assert_eq!(addresses(&host), [IpAddr::V4(ip(77))]);
    assert_eq!(host.stack.routes().count(), 2);
    serve(&mut host, &mut now, Duration::from_secs(120), 30);
    assert_eq!(addresses(&host), [IpAddr::V4(ip(30))]);
    assert_eq!(host.stack.routes().count(), 2);
}

/// An answer to a question: the same header and question, one A record.
fn dns_answer(question: &[u8], truncated: bool) -> Vec<u8> {
    let mut bytes = question[..12].to_vec();
    bytes[2] = 0x81 | if truncated { 2 } else { 0 };
    bytes[3] = 0x80;
    bytes[6..12].copy_from_slice(&[0, u8::from(!truncated), 0, 0, 0, 0]);
    let end = 12
        + question[12..]
            .iter()
            .position(|byte| *byte == 0)
            .expect("a name")
        + 5;
    bytes.extend_from_slice(&question[12..end]);
    if !truncated {
        bytes.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 9, 8, 7]);
    }
    bytes
}

fn lookup(world: &mut World, client: ClientId, token: u64) {
    let server = Some(SocketAddr::from((ip(SERVER), 53)));
    let lookup = Lookup {
        name: "www.example.org",
        kind: AddressKind::V4,
        server,
    };
    world.a.resolve(client, lookup, token, world.now);
}

fn found(world: &mut World, token: u64) -> stack::Resolution {
    let [EventKind::Resolved(resolution)] = world.a.take(token)[..] else {
        panic!("no answer")
    };
    resolution
}

/// A client of `a` asks a new server of `b` for a name, with token 7: that server and its socket, the
/// question, and who asks.
fn asked(world: &mut World) -> (ClientId, SocketId, Vec<u8>, SocketAddr) {
    let server = world.b.client();
    let socket = world.b.bound(server, 53);
    let room = Range::new(0, 4_096);
    world.b.receive(server, socket, room, 1, world.now);
    let client = world.a.client();
    lookup(world, client, 7);
    world.settle();
    let [
        EventKind::Received {
            offset,
            length,
            from: Some(from),
            ..
        },
    ] = world.b.take(1)[..]
    else {
        panic!("no question");
    };
    let question = world.b.memory.bytes(server, offset, length).to_vec();
    (server, socket, question, from)
}

#[test]
fn a_name_by_datagram() {
    let mut world = World::new();
    let (server, socket, question, from) = asked(&mut world);
    assert!(from.port() >= 32_768);
    let (reply, to) = (dns_answer(&question, false), Some(from));
    world.b.say(server, socket, &reply, to, 2, world.now);
    world.settle();
    let resolution = found(&mut world, 7);
    assert_eq!(resolution.outcome, ResolutionOutcome::Found);
    assert_eq!(
        resolution.addresses[0],
        Some(IpAddr::V4(Ipv4Addr::new(10, 9, 8, 7)))
    );
    assert_eq!((resolution.ttl, resolution.aliases), (60, 0));
    assert_eq!(resolution.server, Some(SocketAddr::from((ip(SERVER), 53))));
    world.a.assert_balance();
}

#[test]
fn a_truncated_answer_is_asked_for_again_by_stream() {
    let mut world = World::new();
    let (server, socket, question, from) = asked(&mut world);
    let listener = world.b.listen(server, 53, 4);
    let room = Some(Range::new(8_192, 4_096));
    world.b.accept(server, listener, room, 3, world.now);
    let (reply, to) = (dns_answer(&question, true), Some(from));
    world.b.say(server, socket, &reply, to, 2, world.now);
    world.settle();
    let [
        EventKind::Accepted { socket, .. },
        EventKind::Received { offset, length, .. },
    ] = world.b.take(3)[..]
    else {
        panic!("no connection: {:?}", world.b.events);
    };
    let question = world.b.memory.bytes(server, offset, length).to_vec();
    let reply = dns_answer(&question[2..], false);
    let mut bytes = (reply.len() as u16).to_be_bytes().to_vec();
    bytes.extend_from_slice(&reply);
    // In two pieces, to be put together.
    for piece in bytes.chunks(20) {
        world.b.say(server, socket, piece, None, 4, world.now);
        world.settle();
    }
    world.run(Duration::from_millis(100));
    assert_eq!(found(&mut world, 7).outcome, ResolutionOutcome::Found);
    world.b.close(server, socket, 5, world.now);
    world.run(Duration::from_secs(70));
    assert_eq!(
        world.a.stack.sockets().count(),
        0,
        "{:?}",
        world.a.stack.sockets().collect::<Vec<_>>()
    );
    world.a.assert_balance();
    world.b.assert_balance();
}

#[test]
fn many_names_at_once_and_a_dead_server() {
    let mut world = World::with(
        Config {
            resolutions: 8,
            ..config()
        },
        config(),
    );
    let client = world.a.client();
    for token in 0..8 {
        let name = format!("host{token}.example");
        let server = Some(SocketAddr::from((
            ip(if token < 4 { 50 } else { SERVER }),
            53,
        )));
        let lookup = Lookup {
            name: &name,
            kind: AddressKind::V6,
            server,
        };
        world.a.resolve(client, lookup, token, world.now);
    }
    world.run(Duration::from_secs(60));
    for token in 0..8 {
        let outcome = found(&mut world, token).outcome;
        assert!(
            matches!(
                outcome,
                ResolutionOutcome::TimedOut | ResolutionOutcome::ServerFailed
            ),
            "{outcome:?}"
        );
    }
    let literal = Lookup {
        name: "192.0.2.1",
        kind: AddressKind::V4,
        server: None,
    };
    world.a.resolve(client, literal, 9, world.now);
    world.settle();
    assert_eq!(found(&mut world, 9).outcome, ResolutionOutcome::Found);
    let nobody = Lookup {
        name: "a.example",
        kind: AddressKind::V4,
        server: None,
    };
    let refused = world.a.stack.resolve(client, nobody, Token(9), world.now);
    assert_eq!(refused, Err(stack::ResolveError::NoServer));
}

/// Lets so many seconds pass; `is_taken` says whose probes are answered by somebody else. Gives the
/// addresses that were probed.
fn probed(host: &mut Host, now: &mut Instant, seconds: u64, is_taken: bool) -> Vec<Ipv4Addr> {
    let mut seen = Vec::new();
    for _ in 0..seconds * 10 {
        *now = *now + Duration::from_millis(100);
        host.stack.fire(&mut host.memory, *now);
        for frame in host.frames(*now) {
            if frame[12..14] != [8, 6] {
                continue;
            }
            let probe = Packet::parse(&frame[14..]).expect("sound");
            if !probe.is_probe() {
                continue;
            }
            if seen.last() != Some(&probe.target_ip) {
                seen.push(probe.target_ip);
            }
            if is_taken {
                host.input(&arp_frame(probe.reply(mac(9)), mac(9)), *now);
            }
        }
    }
    seen
}

// RFC 3927: 2.1, 2.2, 2.6.2
#[test]
fn without_any_server_an_address_of_ones_own_is_probed_and_used() {
    let mut host = Host::new(1, config(), AddressPlan::LinkLocal);
    let mut now = Instant::ZERO;
    let seen = probed(&mut host, &mut now, 10, false);
    assert_eq!(seen.len(), 1);
    assert!(seen[0].is_link_local(), "{seen:?}");
    assert_eq!(addresses(&host), [IpAddr::V4(seen[0])]);
    let own = host.stack.addresses().nth(2).expect("it is there");
    assert_eq!((own.state, own.prefix), (AddressState::Preferred, 16));
    let routes: Vec<_> = host
        .stack
        .routes()
        .map(|it| (it.prefix, it.gateway))
        .collect();
    assert_eq!(routes, [(16, None)]);
    // It is the same one the next time.
    let mut again = Host::new(1, config(), AddressPlan::LinkLocal);
    assert_eq!(
        probed(&mut again, &mut Instant::from_secs(0), 5, false),
        seen
    );
    // Somebody insists on having it: it is defended once, and then given up.
    let intruder = Packet::announcement(mac(9), seen[0]);
    host.input(&arp_frame(intruder, mac(9)), now);
    assert_eq!(addresses(&host), [IpAddr::V4(seen[0])]);
    host.input(&arp_frame(intruder, mac(9)), now);
    let next = probed(&mut host, &mut now, 10, false);
    assert_eq!(next.len(), 1);
    assert_ne!(next, seen);
    assert_eq!(addresses(&host), [IpAddr::V4(next[0])]);
    host.assert_balance();
}

// RFC 3927: 2.2.1
#[test]
fn where_every_address_is_taken_few_are_tried_in_a_minute() {
    let mut host = Host::new(1, config(), AddressPlan::LinkLocal);
    let mut now = Instant::ZERO;
    let seen = probed(&mut host, &mut now, 50, true);
    assert_eq!(seen.len(), 11, "{seen:?}");
    let later = probed(&mut host, &mut now, 180, true);
    assert!((2..=4).contains(&later.len()), "{later:?}");
    assert!(addresses(&host).is_empty());
}

// RFC 3927: 1.9
#[test]
fn an_address_of_ones_own_stands_in_until_a_server_answers() {
    let plan = AddressPlan::Dhcp {
        fallback: Fallback::LinkLocal,
    };
    let mut host = Host::new(1, config(), plan);
    let mut now = Instant::ZERO;
    assert!(probed(&mut host, &mut now, 7, false).is_empty());
    let seen = probed(&mut host, &mut now, 10, false);
    assert_eq!(addresses(&host), [IpAddr::V4(seen[0])]);
    serve(&mut host, &mut now, Duration::from_secs(120), 30);
    assert_eq!(addresses(&host), [IpAddr::V4(ip(30))]);
    let prefixes: Vec<_> = host.stack.routes().map(|it| it.prefix).collect();
    assert_eq!(prefixes, [24, 0]);
    host.assert_balance();
}
