//! Redirects over IPv4, where a packet script does not reach.

use crate::world::craft::{Peer, plain, segments};
use crate::world::{Host, any, config, ip, mac, plan};
use stack::{AddressPlan, ClientId, Data, Drop, Instant, InterfaceId, Range, SocketId, Token};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;
use wire::icmp4;
use wire::tcp::Flags;

const BETTER: u8 = 253;

/// A host that knows its router, and a better one.
fn host() -> (Host, Instant) {
    let mut now = Instant::ZERO;
    let mut host = Host::new(1, config(), AddressPlan::Static(plan(1)));
    for last in [254, BETTER] {
        host.know(last, now);
    }
    for _ in 0..5 {
        now = now + Duration::from_secs(1);
        host.stack.fire(&mut host.memory, now);
        host.frames(now);
    }
    (host, now)
}

fn far(last: u8) -> SocketAddr {
    SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, last), 80).into()
}

/// The router says of the packet in a frame that another is better for it.
fn redirect(host: &mut Host, about: &[u8], now: Instant) {
    let better = icmp4::Header::Redirect {
        code: 1,
        to: ip(BETTER),
    };
    let router = Peer::neighbour(254, 0, 1, 0);
    host.input(&router.error(better, about), now);
}

/// A socket for datagrams to anybody.
fn speaker(host: &mut Host) -> (ClientId, SocketId) {
    let client = host.client();
    let socket = host.datagram(client);
    host.stack.bind(client, socket, any(7)).expect("free");
    (client, socket)
}

fn redirected(host: &Host) -> Vec<IpAddr> {
    let routes = host.stack.routes().filter(|it| it.prefix == 32);
    routes.map(|it| it.destination).collect()
}

#[test]
fn a_connection_goes_on_by_the_better_way() {
    let (mut host, now) = host();
    let client = host.client();
    let socket = host.stream(client);
    host.connect(client, socket, far(9), 1, now);
    let sent = host.frames(now);
    assert_eq!(sent[0][..6], mac(254).0);
    // Of another connection, and of what is not in flight, nobody is heard.
    for place in [34, 41] {
        let mut other = sent[0].clone();
        other[place] ^= 1;
        redirect(&mut host, &other, now);
    }
    assert_eq!(host.stack.drops(Drop::Icmp4Redirect), 2);
    assert!(redirected(&host).is_empty());
    redirect(&mut host, &sent[0], now);
    assert_eq!(redirected(&host), [far(9).ip()]);
    let again = now + Duration::from_secs(2);
    host.stack.fire(&mut host.memory, again);
    let sent = host.frames(again);
    assert_eq!(sent[0][..6], mac(BETTER).0, "the SYN once more");
    let own = host.stack.status(client, socket).expect("ours").local;
    let Some(SocketAddr::V4(own)) = own else {
        panic!("{own:?}")
    };
    assert_eq!(*own.ip(), ip(1));
    let seen = segments(&sent);
    let syn = seen.first().expect("a segment");
    let SocketAddr::V4(peer) = far(9) else {
        panic!("of IPv4")
    };
    let answer = plain(
        Flags::SYN | Flags::ACK,
        7_000,
        syn.header.seq.wrapping_add(1),
    );
    host.input(&Peer::far(peer, 1, own.port()).frame(answer, b""), again);
    let sent = host.frames(again);
    assert_eq!(sent[0][..6], mac(BETTER).0);
    host.assert_balance();
}

#[test]
fn a_socket_with_one_peer_has_sent_to_nobody_else() {
    let (mut host, now) = host();
    let (client, socket) = speaker(&mut host);
    let send = |host: &mut Host, to, token| {
        let data = Data::Arena(Range::new(0, 10));
        let sent = host.stack.send(client, socket, data, to, Token(token), now);
        sent.expect("a place");
        host.frames(now).remove(0)
    };
    let before = send(&mut host, Some(far(9)), 1);
    host.connect(client, socket, far(10), 2, now);
    let after = send(&mut host, None, 3);
    redirect(&mut host, &before, now);
    assert_eq!(host.stack.drops(Drop::Icmp4Redirect), 1);
    redirect(&mut host, &after, now);
    assert_eq!(redirected(&host), [far(10).ip()]);
}

#[test]
fn the_oldest_of_many_makes_way() {
    let (mut host, now) = host();
    let (client, socket) = speaker(&mut host);
    for last in 1..=40 {
        let data = Data::Arena(Range::new(0, 10));
        let to = Some(far(last));
        let sent = host.stack.send(client, socket, data, to, Token(1), now);
        sent.expect("a place");
        let frame = host.frames(now).remove(0);
        redirect(&mut host, &frame, now);
    }
    let known: Vec<_> = (9..=40).map(|last| far(last).ip()).collect();
    let mut found = redirected(&host);
    found.sort();
    assert_eq!(found, known);
    // With the address go all ways that hang on it.
    let own = ip(1).into();
    host.stack
        .remove_address(InterfaceId::from_raw(1), own, now)
        .expect("there");
    assert!(redirected(&host).is_empty());
}
