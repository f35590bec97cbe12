//! IPv6, packet by packet: what is for us, what is answered, what is not; datagrams.

use crate::world;
use crate::world::six::{
    ALL_NODES, advertisement, errors, frame6, icmp6_frame, local, own_global, own_local, settled,
    six,
};
use crate::world::{Host, config, mac};
use stack::{Data, Drop, EventKind, Instant, Policy, SocketError, SocketOption, Token};
use std::net::{Ipv6Addr, SocketAddr};
use wire::ipv6::{self, solicited_node};
use wire::{Headroom, Protocol, Pseudo, Seal, icmp6, udp};

fn drops(host: &Host, reason: Drop) -> u64 {
    host.stack.drops(reason)
}

/// An echo request from neighbour 9 to host 1.
fn echo(to: Ipv6Addr) -> Vec<u8> {
    let message = icmp6::Header::EchoRequest {
        identifier: 7,
        sequence: 1,
    };
    icmp6_frame((local(9), to), message, b"echo, echo, echo")
}

/// RFC 4291 2.5 to 2.8, and what RFC 8200 asks of headers.
#[test]
fn packets_that_are_not_for_us_are_counted_and_not_answered() {
    let own = own_local(1);
    let cases: [(&str, Drop, Ipv6Addr, Ipv6Addr); 9] = [
        ("from loopback", Drop::Ipv6Loopback, six("::1"), own),
        ("from a group", Drop::Ipv6Source, ALL_NODES, own),
        ("from nobody", Drop::Ipv6Source, six("::"), own),
        ("from ourselves", Drop::Ipv6Source, own_global(1), own),
        ("from IPv4", Drop::Ipv6Source, six("::ffff:10.0.0.9"), own),
        ("for another", Drop::Ipv6NotForUs, local(9), local(77)),
        ("for routers", Drop::Ipv6NotForUs, local(9), six("ff02::2")),
        (
            "for another's group",
            Drop::Ipv6NotForUs,
            local(9),
            solicited_node(local(77)),
        ),
        ("for loopback", Drop::Ipv6Loopback, local(9), six("::1")),
    ];
    for (what, reason, from, to) in cases {
        let (mut host, now) = settled();
        let header = ipv6::Header::new(from, to, Protocol(200), 64);
        let mut frame = frame6(mac(9), &header, b"anything");
        // Also what no filter of hardware addresses keeps away.
        frame[..6].copy_from_slice(&mac(1).0);
        host.input(&frame, now);
        assert_eq!(drops(&host, reason), 1, "{what}");
        assert!(host.frames(now).is_empty(), "{what} was answered");
        host.assert_balance();
    }
}

#[test]
fn an_interface_that_takes_no_part_hears_nothing() {
    let mut host = Host::new(1, config(), stack::AddressPlan::None);
    host.input(&echo(own_local(1)), Instant::ZERO);
    assert_eq!(drops(&host, Drop::Ipv6Disabled), 1);
    host.input(&advertisement(&[]), Instant::ZERO);
    assert_eq!(drops(&host, Drop::EthernetNotForUs), 1);
    assert!(host.frames(Instant::ZERO).is_empty());
}

/// RFC 4443 4.2 and RFC 4861 7.2.
#[test]
fn an_echo_is_answered_when_the_neighbour_is_known() {
    let (mut host, now) = settled();
    host.input(&echo(own_local(1)), now);
    // 9 has told its hardware address as a router.
    let frames = host.frames(now);
    let answers = errors(&frames);
    let [
        (
            header,
            icmp6::Header::EchoReply {
                identifier: 7,
                sequence: 1,
            },
            body,
        ),
    ] = &answers[..]
    else {
        panic!("{answers:?}");
    };
    assert_eq!(
        (header.source, header.destination),
        (own_local(1), local(9))
    );
    assert_eq!(body, b"echo, echo, echo");
    assert_eq!(frames[0][..6], mac(9).0);
    // To all nodes: from an address of its own.
    host.input(&echo(ALL_NODES), now);
    let answers = errors(&host.frames(now));
    assert_eq!(answers[0].0.source, own_local(1));
    host.assert_balance();
}

/// RFC 6275 section 6.4: a way that leads on to another address of ours ends there; to nobody else it leads.
// RFC 6275: home-own, home-others
#[test]
fn a_routing_header_leads_to_our_other_address_alone() {
    let (mut host, now) = settled();
    let ask = |host: &mut Host, home: Ipv6Addr, to: Ipv6Addr| {
        let request = icmp6::Header::EchoRequest {
            identifier: 7,
            sequence: 1,
        };
        // The checksum is that of the packet at its end.
        let frame = icmp6_frame((local(9), home), request, b"home?");
        let mut routing = vec![58, 2, 2, 1, 0, 0, 0, 0];
        routing.extend(home.octets());
        let payload = [&routing, &frame[54..]].concat();
        let header = ipv6::Header::new(local(9), to, Protocol::ROUTING, 64);
        host.input(&frame6(mac(9), &header, &payload), now);
        errors(&host.frames(now))
    };
    for home in [own_global(1), own_local(1)] {
        let answers = ask(&mut host, home, own_local(1));
        assert_eq!(answers.len(), 1, "{home}");
        assert_eq!(answers[0].0.source, home);
        assert_eq!(answers[0].2, b"home?");
    }
    for home in [local(77), ALL_NODES, Ipv6Addr::LOCALHOST] {
        assert_eq!(ask(&mut host, home, own_local(1)), [], "{home}");
    }
    assert_eq!(ask(&mut host, own_local(1), ALL_NODES), []);
    assert_eq!(host.stack.drops(Drop::Ipv6Routing), 4);
    host.assert_balance();
}

/// RFC 8200 section 4: headers that nobody speaks, routing headers, bad options.
// RFC 4443: parameter-field, parameter-next-header, parameter-option
#[test]
fn headers_that_cannot_be_heeded_are_told_of() {
    use icmp6::{Cause, ParameterProblem};
    type Case = (&'static str, u8, Vec<u8>, Drop, Option<(Cause, u32)>);
    let cases: [Case; 5] = [
        (
            "unknown",
            200,
            vec![0; 8],
            Drop::Ipv6UnknownProtocol,
            Some((Cause::NextHeader, 6)),
        ),
        ("nothing", 59, vec![0; 8], Drop::Ipv6NoContent, None),
        (
            "routing",
            43,
            vec![59, 0, 0, 1, 0, 0, 0, 0],
            Drop::Ipv6Routing,
            Some((Cause::Field, 42)),
        ),
        (
            "option",
            60,
            vec![59, 0, 0x81, 0, 1, 2, 0, 0],
            Drop::Ipv6UnknownOption,
            Some((Cause::Option, 42)),
        ),
        (
            "silent option",
            60,
            vec![59, 0, 0x41, 0, 1, 2, 0, 0],
            Drop::Ipv6UnknownOption,
            None,
        ),
    ];
    for (what, next, payload, reason, told) in cases {
        let (mut host, now) = settled();
        let header = ipv6::Header::new(local(9), own_local(1), Protocol(next), 64);
        let frame = frame6(mac(9), &header, &payload);
        host.input(&frame, now);
        assert_eq!(drops(&host, reason), 1, "{what}");
        let answers = errors(&host.frames(now));
        let answered = answers.first().map(|(_, header, _)| *header);
        let expected = told.map(|(cause, pointer)| {
            icmp6::Header::ParameterProblem(ParameterProblem { cause, pointer })
        });
        assert_eq!(answered, expected, "{what}");
        if let Some((_, _, quote)) = answers.first() {
            assert_eq!(quote[..], frame[14..], "{what}");
        }
    }
}

/// RFC 4443 2.4 e and f.
// RFC 4443: no-error-about-error, error-rate
#[test]
fn errors_are_never_answered_by_errors_and_are_limited() {
    let (mut host, now) = settled();
    let about = ipv6::Header::new(own_local(1), local(9), Protocol::UDP, 64);
    let mut quoted = vec![0; 40];
    about
        .emit(&mut Headroom::new(&mut quoted), 8)
        .expect("room");
    quoted.extend([0, 1, 0, 2, 0, 8, 0, 0]);
    let error = icmp6::Header::Unreachable(icmp6::Unreachable::Port);
    host.input(&icmp6_frame((local(9), own_local(1)), error, &quoted), now);
    assert_eq!(drops(&host, Drop::Icmp6Unrelated), 1);
    assert!(host.frames(now).is_empty());
    // A group's packet is answered only where its option says so.
    let header = ipv6::Header::new(local(9), ALL_NODES, Protocol(200), 64);
    host.input(&frame6(mac(9), &header, &[0; 8]), now);
    assert!(host.frames(now).is_empty());
    for _ in 0..1_000 {
        let header = ipv6::Header::new(local(9), own_local(1), Protocol(200), 64);
        host.input(&frame6(mac(9), &header, &[0; 8]), now);
        if host.counter("icmp.errors_limited") > 0 {
            break;
        }
        host.frames(now);
    }
    assert_eq!(host.counter("icmp.errors_limited"), 1);
    assert_eq!(host.counter("icmp.errors_sent"), 100);
    host.assert_balance();
}

/// A datagram from neighbour 9, whose hardware address is known.
fn datagram(to: Ipv6Addr, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 8];
    let seal = Seal::Full {
        pseudo: Pseudo::v6(local(9), to),
        payload: wire::sum(payload),
    };
    let header = udp::Header {
        src_port: ports.0,
        dst_port: ports.1,
    };
    header
        .emit(&mut Headroom::new(&mut bytes), payload.len(), seal)
        .expect("room");
    bytes.extend_from_slice(payload);
    let header = ipv6::Header::new(local(9), to, Protocol::UDP, 64);
    frame6(mac(9), &header, &bytes)
}

#[test]
fn datagrams_come_and_go() {
    let (mut host, now) = settled();
    let client = host.client();
    let socket = host.datagram(client);
    let any = "[::]:7".parse().expect("an end");
    host.stack.bind(client, socket, any).expect("free");
    let room = stack::Range::new(0, 256);
    host.stack
        .receive(client, socket, room, Token(1), now)
        .expect("room");
    host.input(&datagram(own_local(1), (4_000, 7), b"over six"), now);
    host.publish(now);
    let told = host.take(1);
    let [
        EventKind::Received {
            length: 8,
            from: Some(from),
            ..
        },
    ] = told[..]
    else {
        panic!("{told:?}");
    };
    assert_eq!(from, SocketAddr::new(local(9).into(), 4_000));
    assert_eq!(host.memory.bytes(client, 0, 8), b"over six");
    let answer = Data::Inline(b"and back");
    host.stack
        .send(client, socket, answer, Some(from), Token(2), now)
        .expect("queued");
    let frames = host.frames(now);
    let (header, protocol, payload) = world::six::content(&frames[0]).expect("a packet");
    assert_eq!(
        (header.source, header.destination, protocol),
        (own_local(1), local(9), Protocol::UDP)
    );
    let check = wire::Check::Verify(Pseudo::v6(header.source, header.destination));
    let sent = udp::Datagram::parse(payload, check, udp::NoChecksum::Refuse).expect("sound");
    assert_eq!(
        (sent.header.src_port, sent.header.dst_port, sent.payload),
        (7, 4_000, &b"and back"[..])
    );
    // RFC 8200 8.1: a checksum must be there; RFC 4443 3.1: and somebody.
    let mut bare = datagram(own_local(1), (4_000, 7), b"over six");
    bare[60..62].fill(0);
    host.input(&bare, now);
    assert_eq!(drops(&host, Drop::UdpNoChecksum), 1);
    host.input(&datagram(own_local(1), (4_000, 8), b"nobody"), now);
    let answers = errors(&host.frames(now));
    let unreachable = icmp6::Header::Unreachable(icmp6::Unreachable::Port);
    assert_eq!(answers.first().map(|it| it.1), Some(unreachable));
    // What waits is given back.
    host.publish(now);
    host.stack.client_close(client, now);
    assert_eq!(host.stack.holdings(), stack::Holdings::default());
    host.assert_balance();
}

/// RFC 3493 section 5.3: a port is a family's, unless its owner wants both.
#[test]
fn ports_are_of_one_family_or_of_both() {
    let (mut host, now) = settled();
    let client = host.client();
    let end = |text: &str| -> SocketAddr { text.parse().expect(text) };
    let one = host.datagram(client);
    host.stack.bind(client, one, end("[::]:7")).expect("free");
    let other = host.datagram(client);
    host.stack
        .bind(client, other, end("0.0.0.0:7"))
        .expect("another family's");
    let both = host.datagram(client);
    let dual = SocketOption::DualStack(true);
    host.stack
        .set_option(client, both, dual, now)
        .expect("an option");
    assert!(host.stack.bind(client, both, end("[::]:7")).is_err());
    host.stack.bind(client, both, end("[::]:9")).expect("free");
    let taken = host.datagram(client);
    for text in ["0.0.0.0:9", "[::]:9", "127.0.0.1:9", "[::1]:9"] {
        assert!(host.stack.bind(client, taken, end(text)).is_err(), "{text}");
    }
    // Through loopback, of both families; IPv4 is seen as it is written over IPv6.
    let room = stack::Range::new(0, 256);
    host.stack
        .receive(client, both, room, Token(1), now)
        .expect("room");
    for (socket, to) in [(one, "[::1]:9"), (other, "127.0.0.1:9")] {
        let data = Data::Inline(b"here");
        host.stack
            .send(client, socket, data, Some(end(to)), Token(9), now)
            .expect("queued");
        host.stack.fire(&mut host.memory, now);
    }
    host.publish(now);
    let from = |kind: &EventKind| match kind {
        EventKind::Received { from, .. } => *from,
        other => panic!("{other:?}"),
    };
    let told: Vec<_> = host.take(1).iter().map(from).collect();
    assert_eq!(
        told,
        [Some(end("[::1]:7")), Some(end("[::ffff:127.0.0.1]:7"))]
    );
    // And answered so.
    let to = Some(end("[::ffff:127.0.0.1]:7"));
    host.stack
        .receive(client, other, stack::Range::new(512, 64), Token(2), now)
        .expect("room");
    host.stack
        .send(client, both, Data::Inline(b"back"), to, Token(9), now)
        .expect("queued");
    host.stack.fire(&mut host.memory, now);
    host.publish(now);
    let told: Vec<_> = host.take(2).iter().map(from).collect();
    assert_eq!(told, [Some(end("127.0.0.1:9"))]);
    // A socket of one family does not speak the other.
    let wrong = host.stack.send(
        client,
        one,
        Data::Inline(b"x"),
        Some(end("127.0.0.1:9")),
        Token(9),
        now,
    );
    assert_eq!(wrong, Err(stack::SendError::AddressFamily));
}

/// RFC 5927: an error is for who has sent what it quotes.
#[test]
fn errors_reach_the_socket_concerned() {
    let (mut host, now) = settled();
    let client = host.client();
    let socket = host.datagram(client);
    let peer = SocketAddr::new(local(9).into(), 4_000);
    host.stack
        .connect(client, socket, peer, Token(1), now)
        .expect("a way");
    host.stack
        .send(client, socket, Data::Inline(b"hello"), None, Token(2), now)
        .expect("queued");
    let room = stack::Range::new(0, 256);
    host.stack
        .receive(client, socket, room, Token(3), now)
        .expect("room");
    let frames = host.frames(now);
    let error = icmp6::Header::Unreachable(icmp6::Unreachable::Port);
    let mut foreign = frames[0][14..].to_vec();
    foreign[42] ^= 1;
    host.input(&icmp6_frame((local(9), own_local(1)), error, &foreign), now);
    assert_eq!(drops(&host, Drop::Icmp6Unrelated), 1);
    host.input(
        &icmp6_frame((local(9), own_local(1)), error, &frames[0][14..]),
        now,
    );
    host.publish(now);
    let told = host.take(3);
    assert!(
        matches!(told[..], [EventKind::Error(SocketError::Refused)]),
        "{told:?}"
    );
}

#[test]
fn who_changes_the_table_of_policies_changes_who_is_spoken_from() {
    let (mut host, mut now) = settled();
    let other = six("2001:db8:2::1");
    let added = host.stack.add_address(host.link, other.into(), 64, now);
    added.expect("another address");
    world::six::wait(&mut host, &mut now, 3_000);
    let client = host.client();
    let far = "[2001:db8:1::9]:9".parse().expect("an address");
    // Who connects is told from where.
    let source = |host: &mut Host| {
        let socket = host.datagram(client);
        host.connect(client, socket, far, 1, now);
        host.publish(now);
        match host.take(1)[..] {
            [EventKind::Connected { local, .. }] => local.ip(),
            ref other => panic!("{other:?}"),
        }
    };
    // RFC 6724 section 5: the longest common prefix, among those with one label.
    assert_eq!(source(&mut host), own_global(1));
    for (network, prefix) in [("2001:db8:1::9", 128), ("2001:db8:2::", 48)] {
        let policy = Policy {
            network: six(network),
            prefix,
            precedence: 40,
            label: 99,
        };
        host.stack.add_policy(policy).expect("added");
    }
    assert_eq!(source(&mut host), other);
    let removed = host.stack.remove_policy(six("2001:db8:2::"), 48);
    removed.expect("was there");
    assert_eq!(source(&mut host), own_global(1));
}
