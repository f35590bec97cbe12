use super::*;
use crate::membership::RecordKind;
use crate::testing::{ALICE6, BOB6, packet};
use crate::{Check, icmp6, ipv6};
use proptest::prelude::{any, prop_assert_eq, proptest};
use std::vec::Vec;

const GROUP: Ipv6Addr = Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 1, 3);

fn header(source: Ipv6Addr) -> ipv6::Header {
    ipv6::Header::new(source, ALL_NODES, Protocol::ICMPV6, HOP_LIMIT)
}

fn pseudo() -> Pseudo {
    Pseudo::v6(ALICE6, ALL_NODES)
}

fn parse(bytes: &[u8]) -> Result<Message<'_>, Drop> {
    let envelope = Envelope::parse(bytes, Check::Trusted)?;
    Message::parse(&envelope, &header(ALICE6), Some(0))
}

/// A message with these bytes behind its checksum.
fn message(kind: u8, time: u16, group: Ipv6Addr, rest: &[u8]) -> Vec<u8> {
    let [a, b] = time.to_be_bytes();
    [&[kind, 0, 0, 0, a, b, 0, 0][..], &group.octets(), rest].concat()
}

#[test]
fn messages_of_version_1() {
    for (kind, message) in [
        (131, Message::Report { group: GROUP }),
        (132, Message::Done { group: GROUP }),
    ] {
        let bytes = packet(&[], |room| match message {
            Message::Report { .. } => emit_report(room, GROUP, pseudo()),
            _ => emit_done(room, GROUP, pseudo()),
        });
        assert_eq!(bytes[..2], [kind, 0]);
        assert_eq!(bytes[4..], message_body());
        // The checksum is over the addresses too.
        let envelope = Envelope::parse(&bytes, Check::Verify(pseudo())).expect("sound");
        let it = Message::parse(&envelope, &header(ALICE6), Some(0));
        assert_eq!(it, Ok(message));
    }
    let bytes = message(130, 2500, Ipv6Addr::UNSPECIFIED, &[]);
    let expected = Query {
        group: None,
        time: Duration::from_millis(2500),
        details: None,
    };
    assert_eq!(parse(&bytes), Ok(Message::Query(expected)));
}

fn message_body() -> Vec<u8> {
    [&[0; 4][..], &GROUP.octets()].concat()
}

#[test]
fn queries_of_version_2() {
    let rest = [&[0x0b, 0x80 | 1, 0, 1][..], &BOB6.octets()].concat();
    let bytes = message(130, 0x8001, GROUP, &rest);
    let Ok(Message::Query(it)) = parse(&bytes) else {
        panic!("{bytes:?}");
    };
    assert_eq!((it.group, it.time.as_millis()), (Some(GROUP), 0x1001 << 3));
    let details = it.details.expect("of version 2");
    assert!(details.suppress && details.sources.iter().eq([BOB6]));
    assert_eq!(
        (details.robustness, details.interval.as_secs()),
        (3, 0x11 << 3)
    );
    for len in 25..bytes.len() {
        assert_eq!(parse(&bytes[..len]), Err(Drop::MldShort));
    }
    let bytes = message(130, 1, Ipv6Addr::UNSPECIFIED, &rest);
    assert_eq!(parse(&bytes), Err(Drop::MldGroup));
}

// RFC 3810 section 6.2
#[test]
fn only_what_was_sent_on_this_link_is_believed() {
    let bytes = message(130, 1, GROUP, &[]);
    let envelope = Envelope::parse(&bytes, Check::Trusted).expect("sound");
    let parse = |header: &ipv6::Header, alert| Message::parse(&envelope, header, alert);
    assert!(parse(&header(ALICE6), Some(0)).is_ok());
    for hop_limit in [0, 2, 64, 255] {
        let header = ipv6::Header {
            hop_limit,
            ..header(ALICE6)
        };
        assert_eq!(parse(&header, Some(0)), Err(Drop::MldHopLimit));
    }
    for source in [BOB6, Ipv6Addr::UNSPECIFIED] {
        assert_eq!(parse(&header(source), Some(0)), Err(Drop::MldSource));
    }
    for alert in [None, Some(1)] {
        assert_eq!(parse(&header(ALICE6), alert), Err(Drop::MldRouterAlert));
    }
    // Who has no address yet may report.
    let bytes = message(131, 0, GROUP, &[]);
    let envelope = Envelope::parse(&bytes, Check::Trusted).expect("sound");
    let report = Message::parse(&envelope, &header(Ipv6Addr::UNSPECIFIED), Some(0));
    assert_eq!(report, Ok(Message::Report { group: GROUP }));
}

#[test]
fn refusals() {
    for kind in [130, 131, 132] {
        let bytes = message(kind, 1, BOB6, &[]);
        assert_eq!(parse(&bytes), Err(Drop::MldGroup));
        let bytes = message(kind, 1, GROUP, &[]);
        for len in 4..bytes.len() {
            assert_eq!(parse(&bytes[..len]), Err(Drop::MldShort));
        }
    }
    assert_eq!(parse(&[143, 0, 0, 0, 0, 0, 0]), Err(Drop::MldShort));
    assert_eq!(parse(&[143, 0, 0, 0, 0, 0, 0, 1]), Err(Drop::MldShort));
    assert_eq!(
        parse(&[128, 0, 0, 0, 0, 0, 0, 0]),
        Err(Drop::Icmp6UnknownType)
    );
    assert!(
        icmp6::Message::parse(&Envelope {
            kind: 130,
            code: 0,
            body: &[0; 20]
        })
        .is_err()
    );
}

proptest! {
    #[test]
    fn round_trip(
        groups in proptest::collection::vec(
            (any::<[u8; 15]>(), proptest::collection::vec(any::<[u8; 16]>(), 0..4)), 0..5),
    ) {
        let group = |rest: &[u8; 15]| {
            let mut octets = [0xff; 16];
            octets[1..].copy_from_slice(rest);
            Ipv6Addr::from(octets)
        };
        let mut bytes = [0; 600];
        let mut report = Report::new(&mut bytes).expect("room");
        for (rest, sources) in &groups {
            let sources = sources.iter().copied().map(Ipv6Addr::from);
            report.record(RecordKind::IsInclude, group(rest), sources).expect("room");
        }
        let len = finish(report, pseudo());
        let envelope = Envelope::parse(&bytes[..len], Check::Verify(pseudo())).expect("sound");
        let it = Message::parse(&envelope, &header(ALICE6), Some(0));
        let Ok(Message::Sources(records)) = it else {
            panic!("{it:?}");
        };
        let found: Vec<(_, Vec<_>)> =
            records.iter().map(|it| (it.group, it.sources.iter().map(|it| it.octets()).collect())).collect();
        let wanted: Vec<_> = groups.iter().map(|(rest, sources)| (group(rest), sources.clone())).collect();
        prop_assert_eq!(found, wanted);
    }
}
