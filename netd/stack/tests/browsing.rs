//! Looking for others' services (RFC 6763).

use crate::world::ip;
use crate::world::neighbours::{Link, TELL, message, milliseconds, name, question, record};
use stack::{BrowseError, ClientId, EventKind, Instant, Offered, SocketError, Token};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;
use wire::dns::{Data, Record, Section, Type};

const KIND: &str = "_http._tcp.local";

fn browses() -> (Link, ClientId, Instant) {
    let mut link = Link::quiet();
    let client = link.host.client();
    let begun = link
        .host
        .stack
        .browse(client, "_http._tcp", Token(1), link.now);
    begun.expect("begun");
    let start = link.now;
    (link, client, start)
}

fn text(padded: &[u8]) -> &str {
    let end = padded.iter().position(|byte| *byte == 0).expect("an end");
    std::str::from_utf8(&padded[..end]).expect("text")
}

/// What a client was told since.
fn told(link: &mut Link) -> Vec<EventKind> {
    link.host.publish(link.now);
    link.host.take(1)
}

fn ptr(label: &str) -> Record<'static> {
    let instance = format!("{label}.{KIND}");
    record(KIND, 4_500, Data::Ptr(name(&instance)))
}

fn srv(label: &str, host: &str, port: u16) -> Record<'static> {
    let data = Data::Srv {
        priority: 0,
        weight: 0,
        port,
        target: name(host),
    };
    record(&format!("{label}.{KIND}"), 120, data)
}

// RFC 6762 sections 5.2 and 7.1.
#[test]
fn services_are_asked_for_thrice_and_told_once() {
    let (mut link, _, start) = browses();
    let mut all = link.say();
    // The address comes first: order means nothing.
    let address = record("peer.local", 120, Data::A(ip(9)));
    let six = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9);
    let other = record("peer.local", 120, Data::Aaaa(six));
    let answer = [
        address,
        other,
        srv("a\\032b", "peer.local", 8_080),
        ptr("a\\032b"),
    ];
    let answer = answer.map(|it| (Section::Answer, it));
    for _ in 0..3 {
        link.hear(&message(TELL, &[], &answer));
    }
    let found = told(&mut link);
    let [EventKind::Service(instance)] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(
        (text(&instance.name), text(&instance.host)),
        ("a b", "peer.local")
    );
    assert_eq!(instance.port, 8_080);
    let addresses = [Some(IpAddr::V4(ip(9))), Some(six.into()), None];
    assert_eq!(instance.addresses, addresses);
    all.extend(link.pass(10_000));
    let since = start.since(Instant::ZERO);
    let at: Vec<_> = all.iter().map(|it| milliseconds(since, it.at)).collect();
    assert_eq!(at, [0, 1_000, 3_000]);
    for (number, asked) in all.iter().enumerate() {
        assert_eq!(asked.message().question(), Some(question(KIND, Type::PTR)));
        let known = if number == 0 {
            vec![]
        } else {
            vec![(Section::Answer, ptr("a\\032b"))]
        };
        assert_eq!(asked.records(), known);
    }
    assert_eq!(told(&mut link), [EventKind::Browsed]);
    link.host.assert_balance();
}

#[test]
fn what_is_missing_is_asked_for() {
    let (mut link, ..) = browses();
    link.tells(ptr("a"));
    assert!(told(&mut link).is_empty(), "nobody knows where it is");
    let asked = |link: &mut Link, milliseconds| {
        let all = link.pass(milliseconds);
        let last = all.last().expect("asked").message();
        last.questions()
            .map(|it| (it.name.to_string(), it.kind))
            .collect::<Vec<_>>()
    };
    let kind = (KIND.to_string(), Type::PTR);
    let instance = (format!("a.{KIND}"), Type::SRV);
    assert_eq!(asked(&mut link, 1_100), [kind.clone(), instance]);
    link.tells(srv("a", "peer.local", 1));
    let host = |kind| ("peer.local".to_string(), kind);
    assert_eq!(
        asked(&mut link, 2_000),
        [kind, host(Type::A), host(Type::AAAA)]
    );
    link.tells(record("peer.local", 120, Data::A(ip(9))));
    assert!(matches!(told(&mut link)[..], [EventKind::Service(_)]));
}

#[test]
fn own_services_are_found_too_and_those_taken_back_are_not() {
    let mut link = Link::quiet();
    let client = link.host.client();
    let offered = Offered {
        name: "",
        kind: "_http._tcp",
        port: 80,
        text: b"",
    };
    let outcome = link.host.stack.offer_service(client, offered, link.now);
    outcome.expect("offered");
    link.pass(5_000);
    let begun = link
        .host
        .stack
        .browse(client, "_http._tcp", Token(1), link.now);
    begun.expect("begun");
    let found = told(&mut link);
    let [EventKind::Service(own)] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(
        (text(&own.name), text(&own.host), own.port),
        ("skerry", "skerry.local", 80)
    );
    assert_eq!(own.addresses[0], Some(ip(1).into()));
    link.tells(ptr("gone"));
    link.tells(Record {
        ttl: 0,
        ..ptr("gone")
    });
    link.tells(srv("gone", "peer.local", 1));
    link.tells(record("peer.local", 120, Data::A(ip(9))));
    // What is of another kind is not looked for.
    let other = record("_ipp._tcp.local", 120, Data::Ptr(name("p._ipp._tcp.local")));
    link.tells(other);
    link.tells(record(KIND, 120, Data::Ptr(name("p._ipp._tcp.local"))));
    link.pass(10_000);
    assert_eq!(told(&mut link), [EventKind::Browsed]);
}

#[test]
fn look_outs_are_bounded_and_can_be_taken_back() {
    let (mut link, client, _) = browses();
    let stack = &mut link.host.stack;
    let now = link.now;
    for token in 2..5 {
        assert_eq!(
            stack.browse(client, "_http._tcp", Token(token), now),
            Ok(())
        );
    }
    let mut refused = |kind| stack.browse(client, kind, Token(5), now);
    assert_eq!(refused("_http._tcp"), Err(BrowseError::TooMany));
    assert_eq!(refused("http"), Err(BrowseError::BadKind));
    assert_eq!(stack.cancel(client, None, Token(1)), Ok(()));
    let cancelled = EventKind::Error(SocketError::Cancelled);
    assert_eq!(told(&mut link), [cancelled]);
    // More is found than there is room for: what has none is not told, and nothing else happens.
    for number in 0..100 {
        let label = format!("box{number}");
        let host = format!("host{number}.local");
        let answer = [
            ptr(&label),
            srv(&label, &host, 1),
            record(&host, 120, Data::A(ip(9))),
        ];
        link.hear(&message(TELL, &[], &answer.map(|it| (Section::Answer, it))));
    }
    link.host.publish(link.now);
    assert_eq!(link.host.take(2).len(), 16);
    link.say();
    link.host.stack.client_close(client, link.now);
    assert!(link.pass(10_000).is_empty());
    link.host.assert_balance();
    let mut silent = crate::world::Host::new(
        1,
        crate::world::config(),
        stack::AddressPlan::Static(crate::world::plan(1)),
    );
    let client = silent.client();
    let later = link.now + Duration::from_secs(1);
    let refused = silent.stack.browse(client, "_http._tcp", Token(1), later);
    assert_eq!(refused, Err(BrowseError::NoLink));
}
