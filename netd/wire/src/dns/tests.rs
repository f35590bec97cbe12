use super::*;
use core::net::{Ipv4Addr, Ipv6Addr};
use proptest::prelude::{Just, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};
use std::string::String;
use std::vec;
use std::vec::Vec;

fn name(text: &str) -> Name {
    text.parse().expect(text)
}

fn record<'a>(text: &str, data: Data<'a>) -> Record<'a> {
    Record {
        name: name(text),
        class: Class::IN,
        ttl: 300,
        data,
    }
}

fn built(header: Header, questions: &[Question], records: &[(Section, Record<'_>)]) -> Vec<u8> {
    let mut bytes = vec![0xaa; 65_535];
    let mut builder = Builder::new(&mut bytes, header).expect("room");
    for question in questions {
        builder.question(question).expect("room");
    }
    for (section, record) in records {
        builder.record(*section, record).expect("room");
    }
    let len = builder.finish();
    bytes.truncate(len);
    bytes
}

fn all_records<'a>(message: &Message<'a>) -> Vec<(Section, Record<'a>)> {
    message
        .records()
        .map(|record| record.expect("well-formed"))
        .collect()
}

fn question() -> Question {
    Question {
        name: name("www.example.com"),
        kind: Type::A,
        class: Class::IN,
    }
}

#[test]
fn golden_query() {
    let edns = Edns {
        payload_size: 1232,
        extended_code: 0,
        version: 0,
        dnssec_ok: false,
    };
    let bytes = built(
        Header::query(0xbeef),
        &[question()],
        &[(Section::Additional, Record::from_edns(edns))],
    );
    let mut expected = vec![0xbe, 0xef, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 1];
    expected.extend(b"\x03www\x07example\x03com\0\0\x01\0\x01");
    expected.extend([0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes, expected);

    let message = Message::parse(&bytes).expect("well-formed");
    assert_eq!(message.header, Header::query(0xbeef));
    assert_eq!(message.question(), Some(question()));
    let [(Section::Additional, opt)] = all_records(&message)[..] else {
        panic!("one OPT")
    };
    assert_eq!(opt.edns(), Some(edns));
}

#[test]
fn answer_with_an_alias() {
    // As a server sends it: both names of the answers compressed.
    let mut bytes = vec![0xbe, 0xef, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0];
    bytes.extend(b"\x03www\x07example\x03com\0\0\x01\0\x01");
    bytes.extend(b"\xc0\x0c\0\x05\0\x01\0\0\x0e\x10\0\x06\x03web\xc0\x10");
    bytes.extend(b"\xc0\x2d\0\x01\0\x01\x80\0\0\0\0\x04\xc6\x33\x64\x07");
    let message = Message::parse(&bytes).expect("well-formed");
    assert!(message.header.is_response && message.header.recursion_available);
    let records = all_records(&message);
    let alias = Record {
        ttl: 3600,
        ..record("www.example.com", Data::Cname(name("web.example.com")))
    };
    // RFC 2181 section 8: a time with the top bit set is none.
    let address = Data::A(Ipv4Addr::new(198, 51, 100, 7));
    let address = Record {
        ttl: 0,
        ..record("web.example.com", address)
    };
    assert_eq!(
        records,
        [(Section::Answer, alias), (Section::Answer, address)]
    );
    assert!(alias.edns().is_none());
}

#[test]
fn header_bits() {
    let plain = Header {
        recursion_desired: false,
        ..Header::query(1)
    };
    type Change = fn(&mut Header);
    let cases: [(Change, u8, u8); 10] = [
        (|_| {}, 0, 0),
        (|header| header.is_response = true, 0x80, 0),
        (|header| header.opcode = 15, 0x78, 0),
        (|header| header.authoritative = true, 0x04, 0),
        (|header| header.truncated = true, 0x02, 0),
        (|header| header.recursion_desired = true, 0x01, 0),
        (|header| header.recursion_available = true, 0, 0x80),
        (|header| header.authentic_data = true, 0, 0x20),
        (|header| header.checking_disabled = true, 0, 0x10),
        (|header| header.response_code = ResponseCode(15), 0, 0x0f),
    ];
    for (change, high, low) in cases {
        let mut header = plain;
        change(&mut header);
        let bytes = built(header, &[], &[]);
        assert_eq!(bytes, [0, 1, high, low, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Message::parse(&bytes).expect("well-formed").header, header);
    }
    // The reserved bit is ignored.
    let message = [0, 1, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(Message::parse(&message).expect("well-formed").header, plain);
}

#[test]
fn refusals() {
    let bytes = built(
        Header::query(7),
        &[question()],
        &[(
            Section::Answer,
            record("a.example", Data::A(Ipv4Addr::LOCALHOST)),
        )],
    );
    for len in 0..HEADER_LEN + 21 {
        assert_eq!(
            Message::parse(&bytes[..len]).err(),
            Some(Drop::DnsShort),
            "{len} bytes"
        );
    }
    for len in HEADER_LEN + 21..bytes.len() {
        let message = Message::parse(&bytes[..len]).expect("the question is whole");
        let records: Vec<_> = message.records().collect();
        assert_eq!(records, [Err(Drop::DnsShort)], "{len} bytes");
    }
}

#[test]
fn data_of_the_wrong_form() {
    for (kind, data) in [
        (1, &[127, 0, 0][..]),
        (1, &[127, 0, 0, 1, 0]),
        (28, &[0; 15]),
        (5, &[0, 0]),
        (5, &[]),
        (12, &[1, b'a', 0, 0]),
        (15, &[0, 1]),
        (15, &[0, 1, 0, 0]),
        (33, &[0, 1, 0, 2, 0, 3]),
        (6, &[0, 0, 1, 2, 3]),
        (16, &[]),
        (16, &[5, b'a']),
    ] {
        let mut bytes = vec![0, 7, 0x80, 0, 0, 0, 0, 2, 0, 0, 0, 0];
        let length = u8::try_from(data.len()).expect("short");
        bytes.extend([0, 0, kind, 0, 1, 0, 0, 0, 1, 0, length]);
        bytes.extend(data);
        // What follows must not make up for what is missing.
        bytes.extend(b"\0\0\x01\0\x01\0\0\0\x01\0\x04\x7f\0\0\x01");
        let message = Message::parse(&bytes).expect("a header");
        let records: Vec<_> = message.records().collect();
        assert_eq!(records, [Err(Drop::DnsRecord)], "type {kind}, {data:?}");
    }
}

#[test]
fn strings() {
    let strings = Strings::new(b"\x03one\0\x03two").expect("whole");
    let all: Vec<_> = strings.iter().collect();
    assert_eq!(all, [&b"one"[..], b"", b"two"]);
}

#[test]
fn types_have_names() {
    let text: Vec<String> = [Type::A, Type::AAAA, Type(65)]
        .iter()
        .map(|kind| std::format!("{kind}"))
        .collect();
    assert_eq!(text, ["A", "AAAA", "TYPE65"]);
}

#[test]
fn room() {
    let records = [(
        Section::Answer,
        record("other.example", Data::A(Ipv4Addr::LOCALHOST)),
    )];
    let whole = built(Header::query(1), &[question()], &records);
    for len in 0..whole.len() {
        let mut bytes = vec![0; len];
        let result = Builder::new(&mut bytes, Header::query(1)).and_then(|mut builder| {
            builder.question(&question())?;
            builder.record(Section::Answer, &records[0].1)
        });
        assert_eq!(result, Err(crate::NoRoom), "{len} of {} bytes", whole.len());
    }
}

fn any_name() -> impl Strategy<Value = Name> {
    let label = prop::collection::vec(any::<u8>(), 1..20);
    prop::collection::vec(label, 0..6).prop_map(|labels| {
        let bytes = labels.iter().fold(Vec::new(), |mut bytes, label| {
            bytes.push(u8::try_from(label.len()).expect("short"));
            bytes.extend(label);
            bytes
        });
        let bytes = [bytes, vec![0]].concat();
        Name::parse(&bytes, 0).expect("a name").0
    })
}

fn any_data() -> impl Strategy<Value = Data<'static>> {
    const BYTES: &[u8] = b"\x03abc\x00\x02de";
    let soa = (any_name(), any_name(), any::<[u32; 5]>()).prop_map(
        |(primary, mailbox, [serial, refresh, retry, expire, minimum])| {
            Data::Soa(Soa {
                primary,
                mailbox,
                serial,
                refresh,
                retry,
                expire,
                minimum,
            })
        },
    );
    prop_oneof![
        any::<u32>().prop_map(|bits| Data::A(Ipv4Addr::from_bits(bits))),
        any::<u128>().prop_map(|bits| Data::Aaaa(Ipv6Addr::from_bits(bits))),
        any_name().prop_map(Data::Cname),
        any_name().prop_map(Data::Ns),
        any_name().prop_map(Data::Ptr),
        soa,
        (any::<u16>(), any_name()).prop_map(|(preference, exchange)| Data::Mx {
            preference,
            exchange
        }),
        Just(Data::Txt(Strings::new(BYTES).expect("whole"))),
        (any::<[u16; 3]>(), any_name()).prop_map(|([priority, weight, port], target)| {
            Data::Srv {
                priority,
                weight,
                port,
                target,
            }
        }),
        Just(Data::Opt(BYTES)),
        (100_u16..).prop_map(|kind| Data::Other {
            kind: Type(kind),
            data: BYTES
        }),
    ]
}

fn any_record() -> impl Strategy<Value = Record<'static>> {
    (any_name(), any::<u16>(), 0_u32..0x8000_0000, any_data()).prop_map(
        |(name, class, ttl, data)| Record {
            name,
            class: Class(class),
            ttl,
            data,
        },
    )
}

proptest! {
    #[test]
    fn round_trip(
        name in any_name(),
        kind: u16,
        answers in prop::collection::vec(any_record(), 0..4),
        authorities in prop::collection::vec(any_record(), 0..3),
        additionals in prop::collection::vec(any_record(), 0..3),
        is_about_the_question: bool,
    ) {
        let question = Question { name, kind: Type(kind), class: Class::IN };
        let sections = [Section::Answer, Section::Authority, Section::Additional];
        let mut records: Vec<_> = sections
            .into_iter()
            .zip([answers, authorities, additionals])
            .flat_map(|(section, records)| records.into_iter().map(move |record| (section, record)))
            .collect();
        if let (true, Some((_, first))) = (is_about_the_question, records.first_mut()) {
            first.name = name;
        }
        let bytes = built(Header::query(9), &[question], &records);
        let message = Message::parse(&bytes).expect("own bytes");
        prop_assert_eq!(message.questions().collect::<Vec<_>>(), vec![question]);
        prop_assert_eq!(all_records(&message), records);
    }
}

// RFC 6762 sections 18.12 and 18.13.
#[test]
fn the_top_bit_of_a_class_is_multicast_dns_own() {
    assert_eq!(Class::IN.with_top(), Class(0x8001));
    assert_eq!(Class(0x8001).split_top(), (Class::IN, true));
    assert_eq!(Class::IN.split_top(), (Class::IN, false));
}

#[test]
fn what_has_no_room_leaves_the_message_as_it_was() {
    let address = record("www.example.com", Data::A(Ipv4Addr::LOCALHOST));
    let mut whole = [0; 64];
    let mut builder = Builder::new(&mut whole, Header::query(1)).expect("room");
    builder.question(&question()).expect("room");
    builder.record(Section::Answer, &address).expect("room");
    let len = builder.finish();
    for room in HEADER_LEN..len {
        let mut bytes = vec![0; room];
        let mut builder = Builder::new(&mut bytes, Header::query(1)).expect("room");
        let has_question = builder.question(&question()).is_ok();
        assert!(!has_question || builder.record(Section::Answer, &address).is_err());
        let len = builder.finish();
        let message = Message::parse(&bytes[..len]).expect("well-formed");
        assert_eq!(message.questions().count(), usize::from(has_question));
        assert_eq!(message.records().count(), 0);
    }
}

#[test]
fn data_alone_are_not_compressed() {
    let mut bytes = [0; 32];
    let len = Builder::data_alone(&mut bytes, &Data::Ptr(name("a.local")));
    assert_eq!(len.map(|len| &bytes[..len]), Ok(&b"\x01a\x05local\0"[..]));
    let none = Builder::data_alone(&mut bytes[..3], &Data::Ptr(name("a.local")));
    assert!(none.is_err());
}
