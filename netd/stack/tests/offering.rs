//! Services that programs offer on a link (RFC 6763).

use crate::world::ip;
use crate::world::neighbours::{
    ASK, Link, Said, direct, message, milliseconds, name, question, record,
};
use stack::{ClientId, OfferError, Offered};
use std::net::SocketAddr;
use wire::dns::{Class, Data, Header, Section, Strings, Type};

const KIND: &str = "_http._tcp.local";
const KINDS: &str = "_services._dns-sd._udp.local";
const HOST: &str = "skerry.local";

fn offered(label: &str) -> Offered<'_> {
    Offered {
        name: label,
        kind: "_http._tcp",
        port: 80,
        text: b"\x06path=/",
    }
}

/// A host that offers a service by the name of the host, and has for long.
fn host() -> (Link, ClientId) {
    let mut link = Link::quiet();
    let client = link.host.client();
    let outcome = link.host.stack.offer_service(client, offered(""), link.now);
    outcome.expect("offered");
    link.pass(10_000);
    (link, client)
}

fn instance() -> String {
    format!("skerry.{KIND}")
}

fn all_records(said: &Said) -> Vec<(String, Type)> {
    let sections = [Section::Answer, Section::Additional];
    let mut all: Vec<_> = sections.into_iter().flat_map(|it| said.kinds(it)).collect();
    all.sort_by_key(|(name, kind)| (name.clone(), kind.0));
    all
}

#[test]
fn a_service_is_asked_for_told_and_taken_back() {
    let mut link = Link::quiet();
    let client = link.host.client();
    let outcome = link.host.stack.offer_service(client, offered(""), link.now);
    outcome.expect("offered");
    let all = link.pass(10_000);
    let asked = all.iter().filter_map(|it| it.message().question());
    assert_eq!(
        asked.collect::<Vec<_>>(),
        [direct(&instance(), Type::ANY); 3]
    );
    let proposed = [(instance(), Type::SRV), (instance(), Type::TXT)];
    assert_eq!(all[0].kinds(Section::Authority), proposed);
    assert_eq!(all.len(), 5);
    for told in &all[3..] {
        let expected = [
            (KIND.into(), Type::PTR),
            (KINDS.into(), Type::PTR),
            (instance(), Type::TXT),
            (instance(), Type::SRV),
            (HOST.into(), Type::A),
        ];
        assert_eq!(all_records(told), expected);
        for (_, record) in told.records() {
            // Others offer services of the kind, too.
            let is_alone = record.kind() != Type::PTR;
            assert_eq!(record.class.split_top(), (Class::IN, is_alone));
            let is_of_host = [Type::A, Type::SRV].contains(&record.kind());
            assert_eq!(record.ttl, if is_of_host { 120 } else { 4_500 });
        }
    }
    let withdrawn = link.host.stack.withdraw_service(client, "", "_http._tcp");
    withdrawn.expect("offered");
    let all = link.pass(10_000);
    assert_eq!(all.len(), 1);
    let records = all[0].records();
    assert!(records.iter().all(|(_, record)| record.ttl == 0));
    let gone = record(KIND, 0, Data::Ptr(name(&instance())));
    assert!(records.contains(&(Section::Answer, gone)));
    link.asks(question(KIND, Type::PTR));
    assert!(link.pass(3_000).is_empty());
    link.host.assert_balance();
}

#[test]
fn who_asks_for_a_kind_is_told_all_that_it_needs() {
    let (mut link, _) = host();
    let asked = link.since_start();
    link.asks(question(KIND, Type::PTR));
    let all = link.pass(3_000);
    assert_eq!(all.len(), 1);
    // RFC 6762 section 6: others may answer too.
    assert!((20..=121).contains(&milliseconds(asked, all[0].at)));
    let records = all[0].records();
    let srv = Data::Srv {
        priority: 0,
        weight: 0,
        port: 80,
        target: name(HOST),
    };
    let text = Data::Txt(Strings::new(b"\x06path=/").expect("strings"));
    let told: Vec<_> = records.iter().map(|(_, it)| it.data).collect();
    let first = Data::Ptr(name(&instance()));
    assert_eq!(told, [first, Data::A(ip(1)), srv, text]);
    // The list of kinds (RFC 6763 section 9).
    link.pass(3_000);
    link.asks(question(KINDS, Type::PTR));
    let all = link.pass(3_000);
    let kind = record(KINDS, 4_500, Data::Ptr(name(KIND)));
    assert_eq!(all[0].records(), [(Section::Answer, kind)]);
    // Who knows it asks in vain; what the service has not is said.
    let known = record(KIND, 4_500, Data::Ptr(name(&instance())));
    let known = [(Section::Answer, known)];
    link.hear(&message(ASK, &[question(KIND, Type::PTR)], &known));
    assert!(link.pass(3_000).is_empty());
    link.asks(question(&instance(), Type::A));
    let all = link.pass(3_000);
    assert_eq!(all[0].kinds(Section::Answer), [(instance(), Type::NSEC)]);
    // A plain resolver.
    let port = SocketAddr::new(ip(9).into(), 40_000);
    let plain = message(Header::query(3), &[question(&instance(), Type::SRV)], &[]);
    link.hear_from(port, &plain);
    let all = link.pass(3_000);
    let records = all[0].records();
    assert_eq!(records[0], (Section::Answer, record(&instance(), 10, srv)));
    assert_eq!(
        records[1],
        (Section::Additional, record(HOST, 10, Data::A(ip(1))))
    );
}

#[test]
fn a_service_ends_with_its_client() {
    let (mut link, client) = host();
    link.host.stack.client_close(client, link.now);
    let all = link.pass(3_000);
    assert_eq!(all.len(), 1);
    assert!(all[0].records().iter().all(|(_, it)| it.ttl == 0));
}

#[test]
fn a_service_that_somebody_else_has_takes_another_name() {
    let (mut link, _) = host();
    let lie = Data::Srv {
        priority: 0,
        weight: 0,
        port: 81,
        target: name("other.local"),
    };
    link.tells(record(&instance(), 120, lie));
    link.pass(300);
    link.tells(record(&instance(), 120, lie));
    let all = link.pass(5_000);
    let last = all.last().expect("told");
    let second = format!("skerry\\032\\(2\\).{KIND}");
    let second = name(&second);
    let told = last.records();
    assert!(
        told.iter().any(|(_, it)| it.data == Data::Ptr(second)),
        "{told:?}"
    );
    let old = all
        .iter()
        .flat_map(Said::records)
        .filter(|(_, it)| it.ttl == 0);
    assert!(old.count() >= 3, "taken back");
}

#[test]
fn services_follow_the_host_to_its_next_name() {
    let (mut link, _) = host();
    for _ in 0..2 {
        link.tells(record(HOST, 120, Data::A(ip(9))));
        link.pass(300);
    }
    let all = link.pass(5_000);
    let first = |is_it: &dyn Fn(&wire::dns::Record<'_>) -> bool| {
        let has = |it: &&Said| it.is_answer() && it.records().iter().any(|(_, it)| is_it(it));
        all.iter().find(has).expect("told").at
    };
    let second = name("skerry-2.local");
    let host = first(&|it| it.name == second && it.data == Data::A(ip(1)));
    let service = first(&|it| match it.data {
        Data::Srv { target, .. } => it.ttl > 0 && target == second,
        _ => false,
    });
    assert!(host <= service, "{host:?} {service:?}");
}

#[test]
fn services_are_bounded_and_their_owners() {
    let (mut link, client) = host();
    let now = link.now;
    let other = link.host.client();
    let long = "a".repeat(64);
    let stack = &mut link.host.stack;
    let mut offer = |client, it| stack.offer_service(client, it, now);
    assert_eq!(offer(other, offered("SKERRY")), Err(OfferError::Exists));
    for (wrong, error) in [
        (
            Offered {
                kind: "http",
                ..offered("a")
            },
            OfferError::BadKind,
        ),
        (
            Offered {
                port: 0,
                ..offered("a")
            },
            OfferError::BadName,
        ),
        (
            Offered {
                text: b"\x05ab",
                ..offered("a")
            },
            OfferError::BadText,
        ),
        (
            Offered {
                text: &[0; 101],
                ..offered("a")
            },
            OfferError::BadText,
        ),
        (offered(&long), OfferError::BadName),
    ] {
        assert_eq!(offer(other, wrong), Err(error));
    }
    let labels: Vec<_> = (0..16).map(|number| format!("A Box {number}")).collect();
    let outcomes: Vec<_> = labels.iter().map(|it| offer(other, offered(it))).collect();
    assert_eq!(outcomes.iter().filter(|it| it.is_ok()).count(), 15);
    assert_eq!(outcomes[15], Err(OfferError::TooMany));
    let kind = "_http._tcp";
    assert_eq!(
        stack.withdraw_service(other, "", kind),
        Err(OfferError::NotFound)
    );
    assert_eq!(stack.withdraw_service(client, "Skerry", kind), Ok(()));
    // All of them are told, in as many messages as it takes.
    link.pass(10_000);
    link.asks(question(KIND, Type::PTR));
    let all = link.pass(3_000);
    let told = all.iter().flat_map(|it| it.kinds(Section::Answer));
    let count = told.filter(|(_, kind)| *kind == Type::PTR).count();
    assert_eq!(count, 15);
}

// RFC 6763 section 7.1.
#[test]
fn a_service_is_found_by_its_subtypes_each_for_itself() {
    let (mut link, client) = host();
    let of = |label: &str| format!("{label}._sub.{KIND}");
    let add = |link: &mut Link, subtype| {
        let now = link.now;
        let stack = &mut link.host.stack;
        stack.offer_subtype(client, ("", "_http._tcp", subtype), now)
    };
    assert_eq!(add(&mut link, "_printer"), Ok(()));
    assert_eq!(add(&mut link, "_a b"), Ok(()));
    // What is new is told as at the start: twice.
    let all = link.pass(10_000);
    assert_eq!(all.len(), 2);
    let pointer = |label: &str| record(&of(label), 4_500, Data::Ptr(name(&instance())));
    for told in &all {
        for label in ["_printer", "_a\\032b"] {
            let it = (Section::Answer, pointer(label));
            assert!(told.records().contains(&it), "{:?}", told.records());
        }
    }
    // Who asks for one is told of that one, and what else is needed.
    link.asks(question(&of("_PRINTER"), Type::PTR));
    let all = link.pass(3_000);
    assert_eq!(all[0].kinds(Section::Answer), [(of("_printer"), Type::PTR)]);
    let kinds = all[0].kinds(Section::Additional);
    assert!(kinds.contains(&(instance(), Type::SRV)) && kinds.contains(&(instance(), Type::TXT)));
    // Who knows it is not told, and the other subtype is another question.
    link.pass(3_000);
    let known = [(Section::Answer, pointer("_printer"))];
    link.hear(&message(
        ASK,
        &[question(&of("_printer"), Type::PTR)],
        &known,
    ));
    assert!(link.pass(3_000).is_empty());
    link.hear(&message(
        ASK,
        &[question(&of("_a\\032b"), Type::PTR)],
        &known,
    ));
    assert_eq!(link.pass(3_000).len(), 1);
    for other in [of("_scanner"), format!("_sub.{KIND}"), of("_printer._x")] {
        link.asks(question(&other, Type::PTR));
        assert!(link.pass(3_000).is_empty(), "{other}");
    }
    // All of it is taken back with the service.
    let withdrawn = link.host.stack.withdraw_service(client, "", "_http._tcp");
    withdrawn.expect("offered");
    let all = link.pass(10_000);
    let gone = record(&of("_printer"), 0, Data::Ptr(name(&instance())));
    assert!(all[0].records().contains(&(Section::Answer, gone)));
    link.asks(question(&of("_printer"), Type::PTR));
    assert!(link.pass(3_000).is_empty());
    link.host.assert_balance();
}

#[test]
fn subtypes_are_bounded_and_ones_own() {
    let (mut link, client) = host();
    let other = link.host.client();
    let now = link.now;
    let stack = &mut link.host.stack;
    let mut add =
        |client, kind, subtype: &str| stack.offer_subtype(client, ("", kind, subtype), now);
    let long = "x".repeat(64);
    for (who, kind, subtype, error) in [
        (other, "_http._tcp", "_a", OfferError::NotFound),
        (client, "_ipp._tcp", "_a", OfferError::NotFound),
        (client, "http", "_a", OfferError::BadKind),
        (client, "_http._tcp", "", OfferError::BadKind),
        (client, "_http._tcp", &long, OfferError::BadKind),
    ] {
        assert_eq!(add(who, kind, subtype), Err(error), "{kind} {subtype}");
    }
    for subtype in ["_a", "_b", "_c", "_d"] {
        assert_eq!(add(client, "_http._tcp", subtype), Ok(()));
    }
    assert_eq!(add(client, "_http._tcp", "_A"), Err(OfferError::Exists));
    assert_eq!(add(client, "_http._tcp", "_e"), Err(OfferError::TooMany));
    link.pass(3_000);
    link.host.assert_balance();
}
