//! The laws of the messages about groups and who listens to them.

use wire::membership::{Member, Records, Report};
use wire::{
    Check, Headroom, Protocol, Pseudo, icmp6 as icmp6_format, igmp as igmp_format, ipv6,
    mld as mld_format, sum,
};

use super::{ALICE6, BOB6, look, packet};

/// The records once more, as a report of ours.
fn again<'a, A: Member>(records: Records<'_, A>, bytes: &'a mut [u8]) -> Report<'a, A> {
    let mut report = Report::new(bytes).expect("room");
    for record in records.iter() {
        let sources = record.sources.iter();
        report
            .record(record.kind, record.group, sources)
            .expect("room");
    }
    report
}

fn same<A: Member + std::fmt::Debug>(one: Records<'_, A>, other: Records<'_, A>) {
    assert!(one.iter().eq(other.iter()), "{one:?}, {other:?}");
}

/// IGMP messages, their checksum mended.
pub fn igmp(bytes: &[u8]) -> bool {
    use igmp_format::{Message, emit_leave, emit_report, finish};
    let mut bytes = bytes.to_vec();
    if bytes.len() >= 4 {
        bytes[2..4].fill(0);
        let field = sum(&bytes).finish();
        bytes[2..4].copy_from_slice(&field);
    }
    let Ok(it) = Message::parse(&bytes) else {
        return false;
    };
    match it {
        Message::Query(query) => look(query),
        Message::Report {
            is_version_2,
            group,
        } => {
            let again = packet(&[], |room| emit_report(room, group, is_version_2));
            assert_eq!(Message::parse(&again), Ok(it));
        }
        Message::Leave { group } => {
            let again = packet(&[], |room| emit_leave(room, group));
            assert_eq!(Message::parse(&again), Ok(it));
        }
        Message::Sources(records) => {
            let mut room = vec![0; bytes.len() + 8];
            let len = finish(again(records, &mut room));
            let Ok(Message::Sources(other)) = Message::parse(&room[..len]) else {
                panic!("{room:?}");
            };
            same(records, other);
        }
    }
    true
}

/// Messages of multicast listener discovery.
pub fn mld(bytes: &[u8]) -> bool {
    use mld_format::{HOP_LIMIT, Message, emit_done, emit_report, finish};
    let pseudo = Pseudo::v6(ALICE6, BOB6);
    let header = ipv6::Header::new(ALICE6, BOB6, Protocol::ICMPV6, HOP_LIMIT);
    let parse = |bytes| {
        let envelope = icmp6_format::Envelope::parse(bytes, Check::Trusted)?;
        Message::parse(&envelope, &header, Some(0))
    };
    let own = |bytes| {
        let envelope = icmp6_format::Envelope::parse(bytes, Check::Verify(pseudo));
        Message::parse(&envelope.expect("own bytes"), &header, Some(0))
    };
    let Ok(it) = parse(bytes) else {
        return false;
    };
    match it {
        Message::Query(query) => look(query),
        Message::Report { group } => {
            let again = packet(&[], |room| emit_report(room, group, pseudo));
            assert_eq!(own(&again), Ok(it));
        }
        Message::Done { group } => {
            let again = packet(&[], |room: &mut Headroom<'_>| {
                emit_done(room, group, pseudo)
            });
            assert_eq!(own(&again), Ok(it));
        }
        Message::Sources(records) => {
            let mut room = vec![0; bytes.len() + 8];
            let len = finish(again(records, &mut room), pseudo);
            let Ok(Message::Sources(other)) = own(&room[..len]) else {
                panic!("{room:?}");
            };
            same(records, other);
        }
    }
    true
}
