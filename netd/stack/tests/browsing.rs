//! Looking for others' services (RFC 6763).

use crate::world::ip;
use crate::world::neighbours::{Link, TELL, message, milliseconds, name, question, record};
use stack::{BrowseError, ClientId, EventKind, Instant, Offered, SocketError, Token};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;
use wire::dns::{Data, Record, Section, Strings, Type};

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

fn txt<'a>(label: &str, strings: &'a [u8]) -> Record<'a> {
    let data = Data::Txt(Strings::new(strings).expect("strings"));
    record(&format!("{label}.{KIND}"), 4_500, data)
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
        txt("a\\032b", b"\x06path=/"),
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
    let instance = |kind| (format!("a.{KIND}"), kind);
    let both = [instance(Type::SRV), instance(Type::TXT)];
    let [first, second] = both.clone();
    assert_eq!(asked(&mut link, 1_100), [kind.clone(), first, second]);
    link.tells(srv("a", "peer.local", 1));
    let host = |kind| ("peer.local".to_string(), kind);
    assert_eq!(
        asked(&mut link, 2_000),
        [kind, host(Type::A), host(Type::AAAA), instance(Type::TXT)]
    );
    link.tells(record("peer.local", 120, Data::A(ip(9))));
    assert!(
        told(&mut link).is_empty(),
        "what it says of itself is missing"
    );
    link.tells(txt("a", b"\0"));
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
            txt(&label, b"\x01a"),
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

#[test]
fn what_a_service_says_of_itself_is_told_as_it_is_and_bounded() {
    let (mut link, client, _) = browses();
    let text = |link: &Link, label: &str| {
        let text = link.host.stack.service_text(client, label, "_http._tcp");
        text.map(<[u8]>::to_vec)
    };
    // Whole strings, as many as have room: of 100 bytes one, then a short one; and any bytes.
    let mut long = vec![100];
    long.extend([b'x'; 100]);
    let mut many = [long.clone(), long.clone()].concat();
    many.extend(b"\x01a");
    for (label, strings, kept) in [
        ("odd", &b"\x03\x1b[2\x00"[..], &b"\x03\x1b[2\x00"[..]),
        ("long", &many, &long),
    ] {
        assert_eq!(text(&link, label), None);
        let all = [
            ptr(label),
            srv(label, "peer.local", 1),
            txt(label, strings),
            record("peer.local", 120, Data::A(ip(9))),
        ];
        link.hear(&message(TELL, &[], &all.map(|it| (Section::Answer, it))));
        assert!(matches!(told(&mut link)[..], [EventKind::Service(_)]));
        assert_eq!(text(&link, label).as_deref(), Some(kept), "{label}");
    }
    let stranger = link.host.client();
    let stack = &link.host.stack;
    assert_eq!(stack.service_text(stranger, "odd", "_http._tcp"), None);
    assert_eq!(stack.service_text(client, "odd", "_ipp._tcp"), None);
    // One that says nothing of itself is told of at the end all the same.
    link.tells(ptr("mute"));
    link.tells(srv("mute", "peer.local", 1));
    link.tells(record("peer.local", 120, Data::A(ip(9))));
    assert!(told(&mut link).is_empty());
    link.pass(10_000);
    let end = told(&mut link);
    assert!(
        matches!(end[..], [EventKind::Service(_), EventKind::Browsed]),
        "{end:?}"
    );
    assert_eq!(text(&link, "odd"), None, "it is over");
    link.host.assert_balance();
}

// RFC 6763 section 7.1: what is found is of the kind, not below the subtype.
#[test]
fn services_of_a_subtype_are_looked_for() {
    const SUBTYPE: &str = "_printer._sub._http._tcp.local";
    let mut link = Link::quiet();
    let client = link.host.client();
    let mut browse = |kind| {
        let now = link.now;
        link.host.stack.browse(client, kind, Token(1), now)
    };
    for kind in [
        "_printer._sub.http._tcp",
        "._sub._http._tcp",
        "_sub._http._tcp",
    ] {
        assert_eq!(browse(kind), Err(BrowseError::BadKind), "{kind}");
    }
    assert_eq!(browse("_printer._sub._http._tcp"), Ok(()));
    let all = link.say();
    let asked = all[0].message().question();
    assert_eq!(asked, Some(question(SUBTYPE, Type::PTR)));
    let of_subtype = |label: &str| {
        let instance = name(&format!("{label}.{KIND}"));
        record(SUBTYPE, 4_500, Data::Ptr(instance))
    };
    for pointer in [of_subtype("a"), ptr("b")] {
        link.tells(pointer);
    }
    for label in ["a", "b"] {
        link.tells(srv(label, "peer.local", 1));
        link.tells(txt(label, b"\0"));
    }
    link.tells(record("peer.local", 120, Data::A(ip(9))));
    let found = told(&mut link);
    let [EventKind::Service(instance)] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(text(&instance.name), "a");
    // Own services are found by theirs, too.
    link.pass(10_000);
    told(&mut link);
    let offered = Offered {
        name: "",
        kind: "_http._tcp",
        port: 80,
        text: b"",
    };
    let now = link.now;
    let stack = &mut link.host.stack;
    assert_eq!(stack.offer_service(client, offered, now), Ok(()));
    let named = ("", "_http._tcp", "_printer");
    assert_eq!(stack.offer_subtype(client, named, now), Ok(()));
    link.pass(10_000);
    let now = link.now;
    let begun = link
        .host
        .stack
        .browse(client, "_printer._sub._http._tcp", Token(1), now);
    assert_eq!(begun, Ok(()));
    let found = told(&mut link);
    assert!(matches!(found[..], [EventKind::Service(_)]), "{found:?}");
    link.pass(10_000);
    link.host.assert_balance();
}
