use super::*;
use crate::membership::{Record, RecordKind, Sources};
use crate::testing::packet;
use proptest::prelude::{Strategy, any, prop_assert_eq, proptest};
use std::vec;
use std::vec::Vec;

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);

/// A message with these bytes behind its checksum, which is right.
fn sealed(kind: u8, time: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = [&[kind, time, 0, 0], rest].concat();
    let field = checksum::sum(&bytes).finish();
    bytes[2..4].copy_from_slice(&field);
    bytes
}

fn query(bytes: &[u8]) -> Result<Query<'_>, Drop> {
    match Message::parse(bytes)? {
        Message::Query(query) => Ok(query),
        other => panic!("{other:?}"),
    }
}

#[test]
fn golden_messages() {
    // 1600 + ef01 + 0203 = 10704, so 0705; the complement is f8fa. And so on.
    for (bytes, message) in [
        (
            [0x16, 0, 0xf8, 0xfa, 239, 1, 2, 3],
            Message::Report {
                is_version_2: true,
                group: GROUP,
            },
        ),
        (
            [0x12, 0, 0xfc, 0xfa, 239, 1, 2, 3],
            Message::Report {
                is_version_2: false,
                group: GROUP,
            },
        ),
        (
            [0x17, 0, 0xf7, 0xfa, 239, 1, 2, 3],
            Message::Leave { group: GROUP },
        ),
    ] {
        assert_eq!(Message::parse(&bytes), Ok(message));
        let again = packet(&[], |room| match message {
            Message::Report { is_version_2, .. } => emit_report(room, GROUP, is_version_2),
            _ => emit_leave(room, GROUP),
        });
        assert_eq!(again, bytes);
    }
}

// RFC 3376 section 7.1
#[test]
fn a_queriers_version_is_told_by_length_and_time() {
    let nobody = [0; 4];
    let it = sealed(QUERY, 0, &nobody);
    let it = query(&it).expect("sound");
    assert_eq!(
        (it.version, it.time),
        (Version::V1, Duration::from_secs(10))
    );
    let it = sealed(QUERY, 15, &GROUP.octets());
    let it = query(&it).expect("sound");
    assert_eq!(it.version, Version::V2);
    assert_eq!((it.group, it.time.as_millis()), (Some(GROUP), 1500));

    let rest = [&nobody[..], &[0x0a, 0x7d, 0, 0]].concat();
    let it = sealed(QUERY, 100, &rest);
    let it = query(&it).expect("sound");
    let Version::V3(details) = it.version else {
        panic!("{it:?}");
    };
    assert!(details.suppress && details.sources.is_empty());
    assert_eq!((details.robustness, details.interval.as_secs()), (2, 125));
    assert_eq!((it.group, it.time.as_secs()), (None, 10));

    let rest = [
        &GROUP.octets()[..],
        &[2, 20, 0, 2, 10, 0, 0, 1, 10, 0, 0, 2],
    ]
    .concat();
    let bytes = sealed(QUERY, 0x80, &rest);
    let it = query(&bytes).expect("sound");
    let Version::V3(details) = it.version else {
        panic!("{it:?}");
    };
    assert_eq!(it.time.as_millis(), 12_800);
    let sources = [1, 2].map(|last| Ipv4Addr::new(10, 0, 0, last));
    assert!(details.sources.iter().eq(sources));
    // Cut off between eight bytes and its sources.
    for len in 9..bytes.len() {
        let bytes = sealed(QUERY, 0x80, &bytes[4..len]);
        assert_eq!(query(&bytes), Err(Drop::IgmpShort));
    }
}

#[test]
fn refusals() {
    let sound = sealed(REPORT_2, 0, &GROUP.octets());
    for len in 0..LEN {
        assert_eq!(Message::parse(&sound[..len]), Err(Drop::IgmpShort));
    }
    for bit in 0..sound.len() * 8 {
        let mut bytes = sound.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Message::parse(&bytes), Err(Drop::IgmpChecksum));
    }
    let host = [10, 0, 0, 1];
    for kind in [QUERY, REPORT_1, REPORT_2, LEAVE] {
        let bytes = sealed(kind, 0, &host);
        assert_eq!(Message::parse(&bytes), Err(Drop::IgmpGroup));
    }
    // Sources of no group.
    let bytes = sealed(QUERY, 1, &[0, 0, 0, 0, 0, 0, 0, 1, 10, 0, 0, 1]);
    assert_eq!(Message::parse(&bytes), Err(Drop::IgmpGroup));
    for kind in [0, 0x10, 0x13, 0x1e, 0x23, 255] {
        let bytes = sealed(kind, 0, &GROUP.octets());
        assert_eq!(Message::parse(&bytes), Err(Drop::IgmpUnknownType));
    }
}

#[test]
fn a_report_of_sources() {
    let mut bytes = [0xaa; 100];
    let mut report = Report::new(&mut bytes).expect("room");
    let sources = [1, 2].map(|last| Ipv4Addr::new(10, 0, 0, last));
    let other = Ipv4Addr::new(232, 0, 0, 1);
    let nobody = core::iter::empty();
    report
        .record(RecordKind::ToExclude, GROUP, nobody)
        .expect("room");
    report
        .record(RecordKind::Allow, other, sources.into_iter())
        .expect("room");
    let len = finish(report);
    let bytes = &bytes[..len];
    assert_eq!(bytes[..2], [0x22, 0]);
    assert_eq!(
        bytes[4..],
        [
            0, 0, 0, 2, 4, 0, 0, 0, 239, 1, 2, 3, 5, 0, 0, 2, 232, 0, 0, 1, 10, 0, 0, 1, 10, 0, 0,
            2
        ]
    );
    let Ok(Message::Sources(records)) = Message::parse(bytes) else {
        panic!("{bytes:?}");
    };
    let found: Vec<_> = records.iter().collect();
    let [first, second] = found[..] else {
        panic!("{found:?}");
    };
    let expected = Record {
        kind: RecordKind::ToExclude,
        group: GROUP,
        sources: Sources::NONE,
    };
    assert_eq!(first, expected);
    assert_eq!((second.kind, second.group), (RecordKind::Allow, other));
    assert!(second.sources.iter().eq(sources) && second.sources.len() == 2);
    for len in 8..bytes.len() {
        let bytes = sealed(REPORT_3, 0, &bytes[4..len]);
        assert_eq!(Message::parse(&bytes), Err(Drop::IgmpShort));
    }
}

#[test]
fn records_of_unknown_kinds_and_auxiliary_data_are_skipped() {
    let mut rest = vec![0, 0, 0, 2];
    rest.extend([9, 0, 0, 1, 239, 9, 9, 9, 10, 0, 0, 1]);
    rest.extend([1, 1, 0, 0, 239, 1, 2, 3, 0xde, 0xad, 0xbe, 0xef]);
    let bytes = sealed(REPORT_3, 0, &rest);
    let Ok(Message::Sources(records)) = Message::parse(&bytes) else {
        panic!("{bytes:?}");
    };
    let groups: Vec<_> = records.iter().map(|record| record.group).collect();
    assert_eq!(groups, [GROUP]);
}

fn group() -> impl Strategy<Value = Ipv4Addr> {
    any::<[u8; 3]>().prop_map(|[b, c, d]| Ipv4Addr::new(224 | b & 0x0f, b, c, d))
}

fn kind() -> impl Strategy<Value = RecordKind> {
    use RecordKind as K;
    let all = [
        K::IsInclude,
        K::IsExclude,
        K::ToInclude,
        K::ToExclude,
        K::Allow,
        K::Block,
    ];
    proptest::sample::select(all.to_vec())
}

proptest! {
    #[test]
    fn round_trip(
        wanted in proptest::collection::vec(
            (kind(), group(), proptest::collection::vec(any::<[u8; 4]>(), 0..5)), 0..6),
    ) {
        let mut bytes = [0; 300];
        let mut report = Report::new(&mut bytes).expect("room");
        for (kind, group, sources) in &wanted {
            let sources = sources.iter().copied().map(Ipv4Addr::from);
            report.record(*kind, *group, sources).expect("room");
        }
        let len = finish(report);
        let Ok(Message::Sources(records)) = Message::parse(&bytes[..len]) else {
            panic!("{bytes:?}");
        };
        let found: Vec<_> = records
            .iter()
            .map(|it| (it.kind, it.group, it.sources.iter().map(|it| it.octets()).collect()))
            .collect();
        prop_assert_eq!(found, wanted);
    }
}
