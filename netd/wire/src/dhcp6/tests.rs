use super::*;
use crate::dns::Name;
use crate::ndp::Names;
use crate::testing::{host6, station};
use crate::{List, MacAddress};
use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};
use std::vec;
use std::vec::Vec;

const MAC: MacAddress = MacAddress([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
const ADDRESS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0xa);
const SERVER: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x53);

fn emit(message: &Message<'_>) -> Vec<u8> {
    let mut bytes = vec![0xaa; 2_000];
    let len = message.emit(&mut bytes).expect("room");
    bytes.truncate(len);
    bytes
}

fn message(message_type: MessageType, options: Options<'_>) -> Message<'_> {
    Message {
        message_type,
        transaction: 0x12_3456,
        options,
    }
}

fn leased() -> Identity {
    Identity {
        iaid: 7,
        renew_after: 1_800,
        rebind_after: 2_880,
        addresses: List::from_slice(&[Leased {
            address: ADDRESS,
            preferred: 3_600,
            valid: 7_200,
        }])
        .expect("few"),
        status: Status::SUCCESS,
    }
}

// RFC 8415: 8, 11.4, 21.2, 21.4, 21.7, 21.9, 21.14
#[test]
fn golden_solicit() {
    let it = message(
        MessageType::Solicit,
        Options {
            client: Some(Duid::of_link(MAC)),
            identity: Some(Identity {
                iaid: 7,
                ..Identity::default()
            }),
            wanted: [Code::DNS_SERVERS, Code::SOLICIT_MAX].into_iter().collect(),
            elapsed: Some(0),
            rapid_commit: true,
            ..Options::default()
        },
    );
    let mut expected = vec![1, 0x12, 0x34, 0x56];
    expected.extend([0, 1, 0, 10, 0, 3, 0, 1, 0x52, 0x54, 0, 0x12, 0x34, 0x56]);
    expected.extend([0, 3, 0, 12, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0]);
    expected.extend([0, 6, 0, 4, 0, 23, 0, 82]);
    expected.extend([0, 8, 0, 2, 0, 0]);
    expected.extend([0, 14, 0, 0]);
    assert_eq!(emit(&it), expected);
    assert_eq!(Message::parse(&expected), Ok(it));
}

// RFC 8415: 21.4, 21.6, 21.8, 21.13, 21.23, 21.24; RFC 3646: 3, 4
#[test]
fn golden_reply() {
    let names = b"\x03lan\x00\x07example\x04test\x00";
    let it = message(
        MessageType::Reply,
        Options {
            server: Duid::from_bytes(&[0, 2, 9]),
            identity: Some(leased()),
            preference: 255,
            dns_servers: [SERVER].into_iter().collect(),
            domains: Names::from_bytes(names),
            refresh_time: Some(600),
            solicit_max: Some(60),
            ..Options::default()
        },
    );
    let bytes = emit(&it);
    let mut expected = vec![7, 0x12, 0x34, 0x56, 0, 2, 0, 3, 0, 2, 9];
    expected.extend([0, 3, 0, 40, 0, 0, 0, 7, 0, 0, 7, 8, 0, 0, 0xb, 0x40]);
    expected.extend([0, 5, 0, 24]);
    expected.extend(ADDRESS.octets());
    expected.extend([0, 0, 0xe, 0x10, 0, 0, 0x1c, 0x20]);
    expected.extend([0, 7, 0, 1, 255, 0, 23, 0, 16]);
    expected.extend(SERVER.octets());
    expected.extend([0, 24, 0, 19]);
    expected.extend(names);
    expected.extend([0, 32, 0, 4, 0, 0, 2, 0x58, 0, 82, 0, 4, 0, 0, 0, 60]);
    assert_eq!(bytes, expected);
    assert_eq!(Message::parse(&bytes), Ok(it));
    let domains: [Name; 2] = ["lan", "example.test"].map(|name| name.parse().expect(name));
    assert!(it.options.domains.iter().eq(domains));
}

#[test]
fn what_is_wrong_is_refused() {
    let sound = emit(&message(
        MessageType::Reply,
        Options {
            client: Some(Duid::of_link(MAC)),
            identity: Some(leased()),
            ..Options::default()
        },
    ));
    let ends = [4, 18, sound.len()];
    for len in 0..=sound.len() {
        let expected = match len {
            0..4 => Some(Drop::Dhcp6Short),
            _ if ends.contains(&len) => None,
            _ => Some(Drop::Dhcp6Option),
        };
        assert_eq!(Message::parse(&sound[..len]).err(), expected, "{len}");
    }
    for kind in [0, 12, 13, 255] {
        let bytes = [kind, 0, 0, 0];
        assert_eq!(Message::parse(&bytes), Err(Drop::Dhcp6MessageType));
    }
    for option in [
        &[0, 1, 0, 2, 0, 3][..],
        &[0, 3, 0, 4, 0, 0, 0, 7],
        &[0, 6, 0, 3, 0, 23, 0],
        &[0, 7, 0, 2, 0, 0],
        &[0, 8, 0, 1, 0],
        &[0, 13, 0, 1, 0],
        &[0, 14, 0, 1, 0],
        &[0, 23, 0, 3, 0, 0, 0],
        &[0, 82, 0, 0],
    ] {
        let bytes = [&[7, 0, 0, 1], option].concat();
        assert_eq!(Message::parse(&bytes), Err(Drop::Dhcp6Option), "{option:?}");
    }
    let too_long = [&[7, 0, 0, 1, 0, 1, 0, 131][..], &[0; 131]].concat();
    assert_eq!(Message::parse(&too_long), Err(Drop::Dhcp6Option));
}

// RFC 8415: 21.6, 21.13, 21.24
#[test]
fn what_makes_no_sense_is_left_out() {
    let mut identity = leased();
    identity.addresses.push(Leased {
        address: SERVER,
        preferred: 2,
        valid: 1,
    });
    let options = Options {
        identity: Some(identity),
        solicit_max: Some(59),
        information_max: Some(86_401),
        ..Options::default()
    };
    let bytes = emit(&message(MessageType::Reply, options));
    let it = Message::parse(&bytes).expect("sound").options;
    assert_eq!(it.identity, Some(leased()));
    assert_eq!((it.solicit_max, it.information_max), (None, None));
    // An address that comes with a status of its own.
    let mut refused = vec![7, 0, 0, 1, 0, 3, 0, 46, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0];
    refused.extend([0, 5, 0, 30]);
    refused.extend(ADDRESS.octets());
    refused.extend([0, 0, 0, 1, 0, 0, 0, 1, 0, 13, 0, 2, 0, 4]);
    let it = Message::parse(&refused).expect("sound").options;
    assert!(it.identity.expect("there").addresses.is_empty());
}

// RFC 8415: 16
#[test]
fn of_what_comes_twice_the_first_counts_and_the_unknown_is_skipped() {
    let bytes = [
        7, 0, 0, 1, 0, 7, 0, 1, 3, 0, 99, 0, 1, 1, 1, 99, 0, 0, 0, 7, 0, 1, 4,
    ];
    let it = Message::parse(&bytes).expect("sound");
    assert_eq!(it.options.preference, 3);
}

fn duid() -> impl Strategy<Value = Option<Duid>> {
    prop::collection::vec(any::<u8>(), 0..=131).prop_map(|bytes| Duid::from_bytes(&bytes))
}

fn identity() -> impl Strategy<Value = Identity> {
    let leased = (host6(), any::<u32>(), any::<u32>()).prop_map(|(address, a, b)| Leased {
        address,
        preferred: a.min(b),
        valid: a.max(b),
    });
    let addresses = prop::collection::vec(leased, 0..4);
    (any::<[u32; 3]>(), addresses, 0..7_u16).prop_map(|(numbers, addresses, status)| {
        let [iaid, renew_after, rebind_after] = numbers;
        Identity {
            iaid,
            renew_after,
            rebind_after,
            addresses: addresses.into_iter().collect(),
            status: Status(status),
        }
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        kind in prop::sample::select(&MessageType::ALL[..]),
        transaction in 0..1_u32 << 24,
        (client, server) in (duid(), duid()),
        identity in prop::option::of(identity()),
        wanted in prop::collection::vec(any::<u16>(), 0..16),
        servers in prop::collection::vec(host6(), 0..4),
        (preference, elapsed, status, rapid_commit) in any::<(u8, Option<u16>, u16, bool)>(),
        refresh_time in any::<Option<u32>>(),
        solicit_max in prop::option::of(60..=86_400_u32),
    ) {
        let it = Message {
            message_type: kind,
            transaction,
            options: Options {
                client,
                server,
                identity,
                wanted: wanted.into_iter().map(Code).collect(),
                preference,
                elapsed,
                status: Status(status),
                rapid_commit,
                dns_servers: servers.into_iter().collect(),
                refresh_time,
                solicit_max,
                ..Options::default()
            },
        };
        let bytes = emit(&it);
        prop_assert_eq!(Message::parse(&bytes), Ok(it));
    }

    #[test]
    fn a_duid_of_a_link_is_ten_bytes(mac in station()) {
        let duid = Duid::of_link(mac);
        prop_assert!(duid.as_bytes().ends_with(&mac.0));
        prop_assert_eq!(Duid::from_bytes(duid.as_bytes()), Some(duid));
        prop_assert_eq!(duid.as_bytes().len(), 10);
    }
}
