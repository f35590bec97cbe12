//! The host's own name on a link (RFC 6762): how it gets it, keeps it, and answers for it.

use crate::world::neighbours::{
    ALL4, ALL6, ASK, Link, Said, TELL, direct, message, milliseconds, name, question, record,
};
use crate::world::six::local;
use crate::world::{any, ip};
use stack::{AddressKind, Drop, EventKind, Lookup};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use wire::dns::{Class, Data, Header, Section, Type};

const HOST: &str = "skerry.local";

fn own(ttl: u32) -> wire::dns::Record<'static> {
    record(HOST, ttl, Data::A(ip(1)))
}

/// Of a neighbour who has the same name.
fn others(address: Ipv4Addr) -> wire::dns::Record<'static> {
    record(HOST, 120, Data::A(address))
}

fn times(said: &[Said]) -> Vec<u128> {
    let first = said.first().map_or(Duration::ZERO, |it| it.at);
    said.iter().map(|it| milliseconds(first, it.at)).collect()
}

/// What is asked and told in order, each by its name.
fn steps(said: &[Said]) -> Vec<(bool, String)> {
    let step = |it: &Said| {
        let message = it.message();
        let asked = message.question().map(|it| it.name.to_string());
        let told = || it.records()[0].1.name.to_string();
        (it.is_answer(), asked.unwrap_or_else(told))
    };
    said.iter().map(step).collect()
}

// RFC 6762 sections 8.1 and 8.3.
#[test]
fn a_name_is_asked_for_thrice_and_told_twice() {
    let mut link = Link::begins();
    let start = link.since_start();
    let all = link.pass(20_000);
    assert!(milliseconds(start, all[0].at) <= 250);
    assert_eq!(times(&all), [0, 250, 500, 750, 1_750]);
    for probe in &all[..3] {
        assert_eq!(probe.to, SocketAddr::new(ALL4.into(), 5_353));
        let asked = probe.message().question();
        assert_eq!(asked, Some(direct(HOST, Type::ANY)));
        // What we would say, and not as if it were true.
        assert_eq!(probe.records(), [(Section::Authority, own(120))]);
    }
    for told in &all[3..] {
        let header = told.message().header;
        assert_eq!((header.id, header.authoritative), (0, true));
        let truth = wire::dns::Record {
            class: Class::IN.with_top(),
            ..own(120)
        };
        assert_eq!(told.records(), [(Section::Answer, truth)]);
    }
    assert_eq!(link.host.stack.link_name(link.host.link), Some(name(HOST)));
    link.host.assert_balance();
}

// RFC 6762 sections 8.1 and 9.
#[test]
fn whoever_has_the_name_keeps_it() {
    let mut link = Link::begins();
    link.pass(300);
    link.tells(others(ip(9)));
    let all = link.pass(5_000);
    let second = "skerry-2.local".to_string();
    let mut expected = vec![(false, second.clone()); 3];
    expected.extend([(true, second.clone()), (true, second.clone())]);
    assert_eq!(steps(&all), expected);
    // Somebody else turns up with it: it is asked for again, and taken from us if he says so.
    link.tells(record(&second, 120, Data::A(ip(9))));
    let again = link.pass(400);
    assert_eq!(steps(&again)[0], (false, second.clone()));
    link.tells(record(&second, 120, Data::A(ip(9))));
    let all = link.say();
    assert_eq!(steps(&all), [(true, second)]);
    let farewell = record("skerry-2.local", 0, Data::A(ip(1)));
    assert_eq!(all[0].records(), [(Section::Answer, farewell)]);
    let all = steps(&link.pass(5_000));
    let third = "skerry-3.local".to_string();
    assert_eq!(all.last(), Some(&(true, third)));
    // What is the same, or taken back, is no conflict.
    link.tells(record("skerry-3.local", 120, Data::A(ip(1))));
    link.tells(record("skerry-3.local", 0, Data::A(ip(9))));
    assert!(link.pass(5_000).is_empty());
}

// RFC 6762 section 8.2.
#[test]
fn of_two_at_once_the_later_in_order_has_the_name() {
    for (rivals, waits) in [
        (vec![others(ip(0))], false),
        (vec![others(ip(1))], false),
        (vec![others(ip(2))], true),
        // More records of which the first are the same.
        (vec![others(ip(1)), others(ip(2))], true),
        (vec![others(ip(2)), others(ip(0))], false),
        // Another type: A comes before all others.
        (vec![record(HOST, 120, Data::Txt(Default::default()))], true),
        (vec![], false),
    ] {
        let mut link = Link::begins();
        let first = link.pass(250).last().expect("a probe").at;
        let rivals: Vec<_> = rivals
            .into_iter()
            .map(|it| (Section::Authority, it))
            .collect();
        link.hear(&message(ASK, &[direct(HOST, Type::ANY)], &rivals));
        let heard = link.since_start();
        let all = link.pass(5_000);
        let probes = all.iter().filter(|it| !it.is_answer()).count();
        if waits {
            assert_eq!(milliseconds(heard, all[0].at), 1_000, "{rivals:?}");
            assert_eq!(times(&all), [0, 250, 500, 750, 1_750]);
        } else {
            assert_eq!(milliseconds(first, all[0].at), 250, "{rivals:?}");
            assert_eq!(probes, 2);
        }
        assert_eq!(steps(&all).last(), Some(&(true, HOST.to_string())));
    }
}

#[test]
fn what_there_is_is_said_and_what_there_is_not() {
    let mut link = Link::quiet();
    for (kind, expected) in [
        (Type::A, Type::A),
        (Type::ANY, Type::A),
        (Type::AAAA, Type::NSEC),
        (Type::TXT, Type::NSEC),
    ] {
        link.pass(5_000);
        let asked = link.since_start();
        link.asks(question("Skerry.LOCAL", kind));
        let all = link.pass(3_000);
        assert_eq!(all.len(), 1, "{kind}");
        assert_eq!(milliseconds(asked, all[0].at), 0);
        assert_eq!(all[0].kinds(Section::Answer), [(HOST.into(), expected)]);
        if expected == Type::NSEC {
            // RFC 6762 section 6.1: its own name, and A alone.
            let data = [b"\x06skerry\x05local\0".as_slice(), &[0, 1, 0x40]].concat();
            let kind = Type::NSEC;
            assert_eq!(
                all[0].records()[0].1.data,
                Data::Other { kind, data: &data }
            );
        }
    }
    for asked in [
        question("other.local", Type::A),
        question("local", Type::ANY),
    ] {
        link.asks(asked);
    }
    let other_class = wire::dns::Question {
        class: Class(3),
        ..question(HOST, Type::A)
    };
    link.asks(other_class);
    assert!(
        link.pass(3_000).is_empty(),
        "a stranger's name is not ours to answer for"
    );
}

// RFC 6762 section 5.4.
#[test]
fn who_wants_an_answer_alone_gets_it_if_all_have_heard_it() {
    let mut link = Link::quiet();
    link.asks(direct(HOST, Type::A));
    let all = link.pass(3_000);
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].to, SocketAddr::new(ip(9).into(), 5_353));
    assert_eq!(all[0].records()[0].1.class, Class::IN.with_top());
    // After a quarter of its time all hear it again.
    link.pass(30_000);
    link.asks(direct(HOST, Type::A));
    let all = link.pass(3_000);
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].to, SocketAddr::new(ALL4.into(), 5_353));
    // Who is no neighbour is not answered alone (section 11).
    let far = SocketAddr::new(Ipv4Addr::new(192, 0, 2, 9).into(), 5_353);
    link.hear_from(far, &message(ASK, &[direct(HOST, Type::A)], &[]));
    let all = link.pass(3_000);
    assert_eq!(
        all.iter().map(|it| it.to.ip()).collect::<Vec<_>>(),
        [IpAddr::V4(ALL4)]
    );
}

// RFC 6762 section 6.7.
#[test]
fn who_knows_nothing_of_it_is_answered_as_by_a_server() {
    let mut link = Link::quiet();
    let port = SocketAddr::new(ip(9).into(), 40_000);
    let header = Header::query(0xbeef);
    link.hear_from(port, &message(header, &[question(HOST, Type::A)], &[]));
    let all = link.pass(3_000);
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].to, port);
    let answer = all[0].message();
    assert_eq!(answer.header.id, 0xbeef);
    assert_eq!(answer.question(), Some(question(HOST, Type::A)));
    assert_eq!(all[0].records(), [(Section::Answer, own(10))]);
    let far = SocketAddr::new(Ipv4Addr::new(192, 0, 2, 9).into(), 40_000);
    link.hear_from(far, &message(header, &[question(HOST, Type::A)], &[]));
    assert!(link.pass(3_000).is_empty());
    assert_eq!(link.host.stack.drops(Drop::MdnsStranger), 1);
}

// RFC 6762 section 6.
#[test]
fn nothing_is_told_to_all_twice_in_a_second() {
    let mut link = Link::quiet();
    let start = link.since_start();
    let mut all = Vec::new();
    for _ in 0..30 {
        link.asks(question(HOST, Type::A));
        all.extend(link.pass(100));
    }
    let at: Vec<_> = all.iter().map(|it| milliseconds(start, it.at)).collect();
    assert_eq!(at, [0, 1_000, 2_000]);
    // A name is defended four times as often.
    link.pass(5_000);
    let start = link.since_start();
    let rival = [(Section::Authority, others(ip(9)))];
    let mut all = Vec::new();
    for _ in 0..10 {
        link.hear(&message(ASK, &[question(HOST, Type::ANY)], &rival));
        all.extend(link.pass(100));
    }
    let at: Vec<_> = all.iter().map(|it| milliseconds(start, it.at)).collect();
    assert_eq!(at, [0, 250, 500, 750]);
}

// RFC 6762 sections 7.1 and 7.2.
#[test]
fn who_knows_the_answer_is_not_told() {
    let mut link = Link::quiet();
    for (known, answers) in [
        (own(120), 0),
        (own(60), 0),
        (own(59), 1),
        (others(ip(9)), 1),
    ] {
        let known = [(Section::Answer, known)];
        link.hear(&message(ASK, &[question(HOST, Type::A)], &known));
        assert_eq!(link.pass(5_000).len(), answers, "{known:?}");
    }
    // One who has more to say of what it knows is waited for.
    let more = Header {
        truncated: true,
        ..ASK
    };
    let asked = link.since_start();
    link.hear(&message(more, &[question(HOST, Type::A)], &[]));
    let all = link.pass(5_000);
    assert_eq!(all.len(), 1);
    assert!((400..=501).contains(&milliseconds(asked, all[0].at)));
    for (knows, answers) in [(9, 0), (8, 1)] {
        link.hear(&message(more, &[question(HOST, Type::A)], &[]));
        link.pass(200);
        let from = SocketAddr::new(ip(knows).into(), 5_353);
        link.hear_from(from, &message(ASK, &[], &[(Section::Answer, own(120))]));
        assert_eq!(link.pass(5_000).len(), answers, "neighbour {knows}");
    }
}

// RFC 6762 sections 8.4 and 10.1.
#[test]
fn addresses_that_come_and_go_are_told() {
    let mut link = Link::quiet();
    let (id, now) = (link.host.link, link.now);
    let other = IpAddr::V4(ip(77));
    link.host
        .stack
        .add_address(id, other, 24, now)
        .expect("added");
    let all = link.pass(8_000);
    let told = |it: &Said| it.is_answer() && it.kinds(Section::Answer).len() == 2;
    assert_eq!(all.iter().filter(|it| told(it)).count(), 2, "{all:?}");
    link.host
        .stack
        .remove_address(id, other, link.now)
        .expect("removed");
    let all = link.pass(3_000);
    let farewell = record(HOST, 0, Data::A(ip(77)));
    assert_eq!(all[0].records(), [(Section::Answer, farewell)]);
    assert_eq!(all.len(), 1);
    // Another link, perhaps: everything is asked for anew.
    link.host.stack.link_changed(id, false, link.now);
    assert!(link.pass(3_000).is_empty());
    link.host.stack.link_changed(id, true, link.now);
    assert_eq!(
        link.pass(8_000).iter().filter(|it| !it.is_answer()).count(),
        3
    );
}

#[test]
fn both_families_are_asked_told_and_answered_each_in_its_own() {
    let mut link = Link::begins_in_both();
    let all = link.pass(20_000);
    let probes = all.iter().filter(|it| !it.is_answer());
    let to: Vec<_> = probes.map(|it| it.to.ip()).collect();
    assert_eq!(to, [IpAddr::V4(ALL4), ALL6.into()].repeat(3));
    let told = [(HOST.to_string(), Type::A), (HOST.to_string(), Type::AAAA)];
    let last = all.last().expect("told");
    assert_eq!(last.kinds(Section::Answer), told);
    for (from, to) in [
        (IpAddr::V4(ip(9)), IpAddr::V4(ALL4)),
        (local(9).into(), ALL6.into()),
    ] {
        let from = SocketAddr::new(from, 5_353);
        link.pass(5_000);
        link.hear_from(from, &message(ASK, &[question(HOST, Type::AAAA)], &[]));
        let all = link.pass(3_000);
        assert_eq!(all.iter().map(|it| it.to.ip()).collect::<Vec<_>>(), [to]);
        // Who asks for one will ask for the other (section 6.2).
        assert_eq!(all[0].kinds(Section::Answer), told[1..]);
        assert_eq!(all[0].kinds(Section::Additional), told[..1]);
        link.hear_from(from, &message(ASK, &[direct(HOST, Type::A)], &[]));
        let all = link.pass(3_000);
        assert_eq!(all.iter().map(|it| it.to).collect::<Vec<_>>(), [from]);
    }
}

#[test]
fn the_host_knows_its_own_name() {
    let mut link = Link::quiet();
    let client = link.host.client();
    let lookup = |name, kind| Lookup {
        name,
        kind,
        server: None,
    };
    link.host.resolve(
        client,
        lookup("SKERRY.local.", AddressKind::V4),
        1,
        link.now,
    );
    link.host.publish(link.now);
    let told = link.host.take(1);
    let [EventKind::Resolved(found)] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(found.addresses[0], Some(ip(1).into()));
    assert!(link.say().is_empty(), "nobody is asked");
}

/// Nobody else would tell, while it still asks whether somebody has the name.
#[test]
fn the_host_knows_the_name_that_it_asks_for() {
    let mut link = Link::begins();
    let client = link.host.client();
    let wanted = Lookup {
        name: HOST,
        kind: AddressKind::V4,
        server: None,
    };
    link.host.resolve(client, wanted, 1, link.now);
    link.host.publish(link.now);
    let told = link.host.take(1);
    let [EventKind::Resolved(found)] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(found.addresses[0], Some(ip(1).into()));
}

/// A program of ours that has the port hears the link, too; what it asks itself is not answered.
#[test]
fn programs_hear_the_group_beside_it() {
    let mut link = Link::quiet();
    let client = link.host.client();
    let socket = link.host.datagram(client);
    link.host
        .stack
        .bind(client, socket, any(5_353))
        .expect("bound");
    link.asks(question(HOST, Type::A));
    assert_eq!(link.pass(1_000).len(), 1);
    link.host.assert_balance();
}

#[test]
fn nonsense_is_dropped_and_counted() {
    let mut link = Link::quiet();
    let before = |link: &Link, reason| link.host.stack.drops(reason);
    let asked = [question(HOST, Type::A)];
    let other = |header: Header| message(header, &asked, &[]);
    let port = SocketAddr::new(ip(9).into(), 999);
    for (from, bytes, reason) in [
        (None, other(Header { opcode: 4, ..ASK }), Drop::MdnsUnknown),
        (None, vec![0; 11], Drop::DnsShort),
        (
            Some(port),
            message(TELL, &[], &[(Section::Answer, others(ip(9)))]),
            Drop::MdnsStranger,
        ),
        // A name that points at itself, and one that has no end.
        (
            None,
            [&[0; 5], &[1, 0, 0, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1][..]].concat(),
            Drop::DnsName,
        ),
        (
            None,
            [&[0; 5], &[1, 0, 0, 0, 0, 0, 0, 63, 1, 2][..]].concat(),
            Drop::DnsShort,
        ),
        // An address of three bytes.
        (
            None,
            [
                &[0; 7],
                &[1, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 9, 0, 3, 1, 2, 3][..],
            ]
            .concat(),
            Drop::DnsRecord,
        ),
    ] {
        let counted = before(&link, reason);
        match from {
            None => link.hear(&bytes),
            Some(from) => link.hear_from(from, &bytes),
        }
        assert_eq!(before(&link, reason), counted + 1, "{reason}");
    }
    assert!(link.pass(5_000).is_empty());
    link.host.assert_balance();
}

#[test]
fn a_flood_of_questions_is_not_answered_in_kind() {
    let mut link = Link::quiet();
    let header = Header::query(7);
    let ask = message(header, &[question(HOST, Type::A)], &[]);
    let mut answered = 0;
    for number in 0..2_000_u16 {
        let port = SocketAddr::new(ip(9).into(), 10_000 + number);
        link.hear_from(port, &ask);
        answered += link.say().len();
    }
    assert!((40..=60).contains(&answered), "{answered}");
    let dropped = link.host.stack.drops(Drop::MdnsFlood);
    assert_eq!(dropped as usize + answered, 2_000);
    link.host.assert_balance();
}

// RFC 6762 section 8.1: after fifteen conflicts five seconds pass before each try.
#[test]
fn a_liar_who_has_every_name_makes_the_host_slow() {
    let mut link = Link::begins();
    let mut probes = 0;
    for _ in 0..600 {
        for asked in link.pass(100) {
            if let Some(question) = asked.message().question() {
                probes += 1;
                let lie = record(&question.name.to_string(), 120, Data::A(ip(9)));
                link.tells(lie);
            }
        }
    }
    // Fifteen at once, and then at most one in five seconds.
    assert!((15..=28).contains(&probes), "{probes}");
}

/// A small generator of its own: each run is the same.
fn roll(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn messages_with_any_mistake_do_no_harm() {
    let service = "skerry._http._tcp.local";
    let offered = stack::Offered {
        name: "",
        kind: "_http._tcp",
        port: 80,
        text: b"",
    };
    let srv = Data::Srv {
        priority: 0,
        weight: 0,
        port: 81,
        target: name("peer.local"),
    };
    let ptr = record("_http._tcp.local", 4_500, Data::Ptr(name(service)));
    let seeds = [
        message(
            ASK,
            &[direct(HOST, Type::ANY)],
            &[(Section::Authority, others(ip(9)))],
        ),
        message(
            ASK,
            &[question("_http._tcp.local", Type::PTR)],
            &[(Section::Answer, ptr)],
        ),
        message(
            TELL,
            &[],
            &[
                (Section::Answer, record(service, 120, srv)),
                (Section::Additional, others(ip(9))),
            ],
        ),
    ];
    let mut state = 0x5eed;
    let mut link = Link::quiet();
    let client = link.host.client();
    let outcome = link.host.stack.offer_service(client, offered, link.now);
    outcome.expect("offered");
    let mut said = 0;
    for round in 0..20_000_usize {
        let mut bytes = seeds[round % seeds.len()].clone();
        for _ in 0..1 + roll(&mut state) % 4 {
            let place = roll(&mut state) as usize % bytes.len();
            match roll(&mut state) % 3 {
                0 => bytes[place] = roll(&mut state) as u8,
                1 => bytes[place] ^= 1 << (roll(&mut state) % 8),
                _ => bytes.truncate(place.max(1)),
            }
        }
        let port = [5_353, 40_000][usize::from(roll(&mut state).is_multiple_of(8))];
        link.hear_from(SocketAddr::new(ip(9).into(), port), &bytes);
        if round % 7_000 == 0 {
            let begun = link
                .host
                .stack
                .browse(client, "_http._tcp", stack::Token(9), link.now);
            begun.expect("begun");
        }
        if round % 20 == 0 {
            said += link.pass(100).len();
        }
    }
    // A hundred seconds: fifty answers to single askers in each at most, and few to all.
    assert!(said < 100 * 60, "{said}");
    link.pass(60_000);
    assert!(link.host.stack.link_name(link.host.link).is_some());
    link.host.assert_balance();
}

#[test]
fn answering_allocates_nothing() {
    let mut link = Link::quiet();
    let asked = message(
        ASK,
        &[direct(HOST, Type::ANY), question(HOST, Type::AAAA)],
        &[],
    );
    let rival = [(Section::Authority, others(ip(9)))];
    let probe = message(ASK, &[question(HOST, Type::ANY)], &rival);
    let lie = message(TELL, &[], &[(Section::Answer, others(ip(9)))]);
    let mut frame = [0; 1_600];
    for payload in [asked, probe, lie.clone(), lie] {
        let from = SocketAddr::new(ip(9).into(), 5_353);
        let to = SocketAddr::new(ALL4.into(), 5_353);
        let bytes = crate::world::neighbours::datagram(from, to, &payload);
        let measured = allocation_counter::measure(|| {
            link.host.input(&bytes, link.now);
            for _ in 0..20 {
                link.now = link.now + Duration::from_millis(100);
                link.host.stack.fire(&mut link.host.memory, link.now);
                while link.host.output(&mut frame, link.now).is_some() {}
            }
        });
        assert_eq!(measured.count_total, 0);
    }
}
