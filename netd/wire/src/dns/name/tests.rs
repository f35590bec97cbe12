use super::*;
use core::net::{Ipv4Addr, Ipv6Addr};
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};
use std::collections::HashSet;
use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

fn name(text: &str) -> Name {
    text.parse().expect(text)
}

#[test]
fn texts() {
    for (text, bytes) in [
        (".", &b"\0"[..]),
        ("com", b"\x03com\0"),
        ("www.Example.com", b"\x03www\x07Example\x03com\0"),
        ("a\\.b.c", b"\x03a.b\x01c\0"),
        ("a\\\\b", b"\x03a\\b\0"),
        ("tab\\009", b"\x04tab\x09\0"),
        ("_dns._udp", b"\x04_dns\x04_udp\0"),
    ] {
        assert_eq!(name(text).as_bytes(), bytes);
        assert_eq!(format!("{}", name(text)), text);
    }
    assert!(name("example.com.").is_identical(&name("example.com")));
    assert!(name("a\\065").is_identical(&name("aA")));
}

#[test]
fn bad_texts() {
    for text in [
        "", "..", ".com", "a..b", "a b", "n\u{e4}m", "a\\", "a\\1", "a\\256", "a\\25x", "\n",
    ] {
        assert_eq!(text.parse::<Name>(), Err(BadName), "{text:?}");
    }
}

#[test]
fn limits() {
    let label = "x".repeat(63);
    assert!(label.parse::<Name>().is_ok());
    assert_eq!(format!("{label}x").parse::<Name>(), Err(BadName));
    // 3 * 64 + 62 + 1 = 255 bytes.
    let longest = format!("{label}.{label}.{label}.{}", "y".repeat(61));
    assert_eq!(name(&longest).as_bytes().len(), 255);
    assert_eq!(format!("{longest}y").parse::<Name>(), Err(BadName));
    let deepest: String = vec!["z"; 127].join(".");
    assert_eq!(name(&deepest).labels().count(), 127);
    assert_eq!(format!("{deepest}.z").parse::<Name>(), Err(BadName));
    assert_eq!(name(&longest).within(&name("a")), Err(BadName));
}

#[test]
fn case_does_not_matter_but_is_kept() {
    assert_eq!(name("WWW.example.COM"), name("www.EXAMPLE.com"));
    assert_ne!(name("www.example.com"), name("www.example.org"));
    assert!(!name("WWW.a").is_identical(&name("www.a")));
    // Only letters have a case: '@' and '`', '[' and '{' differ in the same bit.
    assert_ne!(name("@["), name("`{"));
    let names: HashSet<Name> = ["a.B", "A.b", "a.b", "c"].map(name).into();
    assert_eq!(names.len(), 2);
    assert!(
        name("ab.c-D")
            .with_case(0b0101)
            .is_identical(&name("Ab.C-d"))
    );
}

#[test]
fn zones() {
    let zone = name("Example.com");
    for inside in ["example.com", "www.example.com", "a.b.EXAMPLE.COM"] {
        assert!(name(inside).is_within(&zone), "{inside}");
    }
    for outside in [
        "com",
        ".",
        "example.org",
        "badexample.com",
        "example.com.evil",
    ] {
        assert!(!name(outside).is_within(&zone), "{outside}");
    }
    assert!(zone.is_within(&Name::ROOT));
    assert_eq!(name("www").within(&zone), Ok(name("www.example.com")));
    assert_eq!(name("www").within(&Name::ROOT), Ok(name("www")));
}

#[test]
fn names_of_addresses() {
    for (octets, text) in [
        ([10, 0, 2, 15], "15.2.0.10.in-addr.arpa"),
        ([255, 100, 101, 9], "9.101.100.255.in-addr.arpa"),
    ] {
        assert_eq!(Name::of_address(Ipv4Addr::from(octets).into()), name(text));
    }
    // The example of RFC 3596 section 2.5.
    let address = Ipv6Addr::new(0x4321, 0, 1, 2, 3, 4, 0x567, 0x89ab);
    let text = "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa";
    assert_eq!(Name::of_address(address.into()), name(text));
}

#[test]
fn compressed_names() {
    // The example of RFC 1035 section 4.1.4, at smaller offsets.
    let message = b"??\x01F\x03ISI\x04ARPA\0\x03FOO\xc0\x02\xc0\x08\0";
    for (start, text, end) in [
        (2, "F.ISI.ARPA", 14),
        (14, "FOO.F.ISI.ARPA", 20),
        (20, "ARPA", 22),
        (22, ".", 23),
    ] {
        assert_eq!(Name::parse(message, start), Ok((name(text), end)), "{text}");
    }
}

#[test]
fn refusals() {
    for (message, start, reason) in [
        (&b"\xc0\x00"[..], 0, Drop::DnsName),    // to itself
        (b"\xc0\x02\xc0\x00", 2, Drop::DnsName), // in a circle
        (b"\x01a\xc0\x00", 0, Drop::DnsName),    // the same labels again and again
        (b"\xc0\x02\x00", 0, Drop::DnsName),     // forwards
        (b"\xff\xff", 0, Drop::DnsName),         // far away
        (b"\x40a\x00", 0, Drop::DnsName),        // reserved
        (b"\x80a\x00", 0, Drop::DnsName),
        (b"", 0, Drop::DnsShort),
        (b"a", 2, Drop::DnsShort),
        (b"\x01", 0, Drop::DnsShort),
        (b"\x01a", 0, Drop::DnsShort),
        (b"\x05abc\0", 0, Drop::DnsShort),
        (b"\0\xc0", 1, Drop::DnsShort),
    ] {
        assert_eq!(Name::parse(message, start), Err(reason), "{message:?}");
    }
}

#[test]
fn long_chains_of_pointers_end() {
    let mut message = vec![0; 1];
    let mut last = 0;
    for _ in 0..1000 {
        let here = message.len();
        message.extend(u16::to_be_bytes(
            0xc000 | u16::try_from(last).expect("near"),
        ));
        last = here;
    }
    assert!(Name::parse(&message, 1 + 2 * 126).is_ok());
    assert_eq!(Name::parse(&message, 1 + 2 * 127), Err(Drop::DnsName));
    assert_eq!(Name::parse(&message, last), Err(Drop::DnsName));
}

#[test]
fn names_too_long_in_messages() {
    let mut message = Vec::new();
    for _ in 0..4 {
        message.push(63);
        message.extend([b'x'; 63]);
    }
    message.push(0);
    assert_eq!(Name::parse(&message, 0), Err(Drop::DnsName));
    assert!(Name::parse(&message, 64).is_ok());
}

fn labels() -> impl prop::strategy::Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 1..=63), 0..8)
}

proptest! {
    #[test]
    fn text_round_trip(labels in labels()) {
        let mut name = Name::EMPTY;
        let fits = labels.iter().all(|label| name.push_label(label).is_ok());
        if let (true, Ok(name)) = (fits, name.finish()) {
            let read: Name = format!("{name}").parse().expect("own text");
            prop_assert!(read.is_identical(&name));
            prop_assert_eq!(Name::parse(name.as_bytes(), 0), Ok((name, name.as_bytes().len())));
        }
    }

    #[test]
    fn any_bytes_end(message in prop::collection::vec(prop_oneof_bytes(), 0..600), start in 0_usize..600) {
        if let Ok((name, end)) = Name::parse(&message, start) {
            prop_assert!(name.as_bytes().len() <= MAX_LEN && end <= message.len() && end > start);
        }
    }
}

/// Bytes among which lengths and pointers are frequent.
fn prop_oneof_bytes() -> impl prop::strategy::Strategy<Value = u8> {
    proptest::prop_oneof![any::<u8>(), 0_u8..4, 0xc0_u8..0xc3]
}

#[test]
fn a_label_of_any_bytes_goes_below_a_domain() {
    let local: Name = "local".parse().expect("a name");
    let name = Name::below("A Box. (2)".as_bytes(), &local).expect("a name");
    assert_eq!(name.as_bytes(), b"\x0aA Box. (2)\x05local\0");
    for label in [&b""[..], &[b'a'; 64]] {
        assert_eq!(Name::below(label, &local), Err(BadName));
    }
}
