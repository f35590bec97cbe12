//! The way back from addresses to names: of servers, of the link, and of the host itself.

use crate::link_names::{answer_with, asked};
use crate::world::neighbours::Link;
use crate::world::six::{local, own_local, wait};
use crate::world::{Host, config, ip, plan};
use stack::{AddressPlan, ClientId, EventKind, Instant, Naming, ResolutionOutcome, Token};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use wire::dns::{Data, Name, Type};

fn ask(
    host: &mut Host,
    client: ClientId,
    address: IpAddr,
    server: Option<SocketAddr>,
    now: Instant,
) {
    let asked = host.stack.name_of(client, (address, server), Token(1), now);
    asked.expect("asked");
}

fn told(host: &mut Host, now: Instant) -> Naming {
    host.publish(now);
    let told = host.take(1);
    let [EventKind::Named(naming)] = &told[..] else {
        panic!("{told:?}");
    };
    *naming
}

fn text(naming: &Naming) -> &str {
    let end = naming.name.iter().position(|byte| *byte == 0);
    std::str::from_utf8(&naming.name[..end.expect("an end")]).expect("text")
}

/// A host without a name server.
fn host() -> (Host, ClientId, Instant) {
    let mut host = Host::new(1, config(), AddressPlan::Static(plan(1)));
    let mut now = Instant::ZERO;
    wait(&mut host, &mut now, 5_000);
    let client = host.client();
    (host, client, now)
}

// RFC 6762 section 4: addresses that mean something on the link alone are asked for there. So are
// neighbours, when nobody else is there to be asked.
#[test]
fn the_link_is_asked_for_its_addresses_and_its_neighbours() {
    let (mut host, client, now) = host();
    let of_link = Ipv4Addr::new(169, 254, 7, 7);
    for address in [of_link.into(), local(7).into(), ip(7).into()] {
        ask(&mut host, client, address, None, now);
        let all = asked(&host.frames(now));
        assert_eq!(all.len(), 1, "{address}");
        let question = &all[0].question;
        assert_eq!(question.name, Name::of_address(address));
        assert_eq!(question.kind, Type::PTR);
        let name = "a\\032peer.local".parse().expect("a name");
        let answer = answer_with(&all[0], ip(9), 5_353, Data::Ptr(name));
        host.input(&answer, now);
        let naming = told(&mut host, now);
        assert_eq!(naming.outcome, ResolutionOutcome::Found);
        // What is not printable is written in digits, whoever has made it up.
        assert_eq!(text(&naming), "a\\032peer.local");
        assert!(naming.server.is_some_and(|it| it.ip().is_multicast()));
    }
    host.assert_balance();
}

#[test]
fn who_is_far_is_asked_for_at_servers_alone() {
    let (mut host, client, mut now) = host();
    let far = IpAddr::from([192, 0, 2, 7]);
    let refused = host.stack.name_of(client, (far, None), Token(1), now);
    assert_eq!(refused, Err(stack::ResolveError::NoServer));
    // Who names a server is answered by that one, even for addresses of the link.
    let server = Some(SocketAddr::from((ip(9), 53)));
    ask(&mut host, client, local(7).into(), server, now);
    assert!(asked(&wait(&mut host, &mut now, 100)).is_empty());
    assert_eq!(host.stack.cancel(client, None, Token(1)), Ok(()));
    assert_eq!(told(&mut host, now).outcome, ResolutionOutcome::Cancelled);
    host.assert_balance();
}

#[test]
fn a_name_that_nobody_has_and_one_that_is_too_long() {
    let (mut host, client, mut now) = host();
    ask(&mut host, client, local(7).into(), None, now);
    assert!(asked(&wait(&mut host, &mut now, 20_000)).len() >= 2);
    assert_eq!(told(&mut host, now).outcome, ResolutionOutcome::NoSuchName);
    // What a stranger says is told whole or not at all.
    for (labels, outcome) in [
        (2, ResolutionOutcome::Found),
        (3, ResolutionOutcome::TooLong),
    ] {
        ask(&mut host, client, local(7).into(), None, now);
        let all = asked(&host.frames(now));
        let long = vec!["x".repeat(63); labels].join(".");
        let name = Data::Ptr(long.parse().expect("a name"));
        host.input(&answer_with(&all[0], ip(9), 5_353, name), now);
        let naming = told(&mut host, now);
        assert_eq!(naming.outcome, outcome);
        let expected = if labels == 2 { long.as_str() } else { "" };
        assert_eq!(text(&naming), expected);
    }
    host.assert_balance();
}

#[test]
fn the_host_knows_the_names_of_its_own_addresses() {
    let mut link = Link::begins_in_both();
    link.pass(10_000);
    let client = link.host.client();
    for (address, name) in [
        (ip(1).into(), "skerry.local"),
        (own_local(1).into(), "skerry.local"),
        ([127, 0, 0, 1].into(), "localhost"),
        (IpAddr::V6(std::net::Ipv6Addr::LOCALHOST), "localhost"),
    ] {
        ask(&mut link.host, client, address, None, link.now);
        let naming = told(&mut link.host, link.now);
        assert_eq!((text(&naming), naming.server), (name, None), "{address}");
    }
    assert!(link.say().is_empty());
    link.host.assert_balance();
}
