use super::*;
use crate::testing::{packet, station};
use proptest::prelude::{any, prop_assert_eq, proptest};

const GUEST: MacAddress = MacAddress([0x52, 0x54, 0, 0x12, 0x34, 0x56]);
const GUEST_IP: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
const GATEWAY: MacAddress = MacAddress([0x52, 0x55, 10, 0, 2, 2]);
const GATEWAY_IP: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);

const REQUEST: [u8; LEN] = [
    0, 1, 0x08, 0x00, 6, 4, 0, 1, // Ethernet, IPv4, request
    0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 10, 0, 2, 15, // sender
    0, 0, 0, 0, 0, 0, 10, 0, 2, 2, // target
];

#[test]
fn golden_request_and_its_reply() {
    let request = Packet::request(GUEST, GUEST_IP, GATEWAY_IP);
    assert_eq!(Packet::parse(&REQUEST), Ok(request));
    assert_eq!(packet(&[], |room| request.emit(room)), REQUEST);

    let reply = request.reply(GATEWAY);
    let expected = [
        0, 1, 0x08, 0x00, 6, 4, 0, 2, // Ethernet, IPv4, reply
        0x52, 0x55, 10, 0, 2, 2, 10, 0, 2, 2, // sender
        0x52, 0x54, 0x00, 0x12, 0x34, 0x56, 10, 0, 2, 15, // target
    ];
    assert_eq!(packet(&[], |room| reply.emit(room)), expected);
}

#[test]
fn padding_is_ignored() {
    let mut frame = [0; 46];
    frame[..LEN].copy_from_slice(&REQUEST);
    assert!(Packet::parse(&frame).is_ok());
}

#[test]
fn probes_and_announcements() {
    let probe = Packet::probe(GUEST, GUEST_IP);
    assert!(probe.is_probe() && !probe.is_announcement());
    let announcement = Packet::announcement(GUEST, GUEST_IP);
    assert!(announcement.is_announcement() && !announcement.is_probe());
    let request = Packet::request(GUEST, GUEST_IP, GATEWAY_IP);
    assert!(!request.is_probe() && !request.is_announcement());
}

#[test]
fn refusals() {
    for len in 0..LEN {
        assert_eq!(Packet::parse(&REQUEST[..len]), Err(Drop::ArpShort));
    }
    for (at, value, reason) in [
        (1, 6, Drop::ArpForeign),
        (2, 0x86, Drop::ArpForeign),
        (4, 8, Drop::ArpForeign),
        (5, 16, Drop::ArpForeign),
        (7, 0, Drop::ArpOperation),
        (7, 3, Drop::ArpOperation),
        (6, 1, Drop::ArpOperation),
        (8, 0x53, Drop::ArpSender),
        (14, 224, Drop::ArpSender),
    ] {
        let mut bytes = REQUEST;
        bytes[at] = value;
        assert_eq!(Packet::parse(&bytes), Err(reason), "byte {at} = {value}");
    }
    let mut bytes = REQUEST;
    bytes[8..14].fill(0);
    assert_eq!(Packet::parse(&bytes), Err(Drop::ArpSender));
    let mut bytes = REQUEST;
    bytes[14..18].fill(255);
    assert_eq!(Packet::parse(&bytes), Err(Drop::ArpSender));
}

proptest! {
    #[test]
    fn round_trip(
        is_reply: bool,
        sender_mac in station(),
        sender_ip in crate::testing::host4(),
        target_mac: [u8; 6],
        target_ip: [u8; 4],
    ) {
        let it = Packet {
            operation: if is_reply { Operation::Reply } else { Operation::Request },
            sender_mac,
            sender_ip,
            target_mac: MacAddress(target_mac),
            target_ip: Ipv4Addr::from(target_ip),
        };
        prop_assert_eq!(Packet::parse(&packet(&[], |room| it.emit(room))), Ok(it));
    }

    #[test]
    fn what_parses_is_what_was_there(
        mut bytes in any::<[u8; LEN]>(),
        operation in 0_u8..4,
    ) {
        bytes[..8].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, operation]);
        if let Ok(it) = Packet::parse(&bytes) {
            prop_assert_eq!(packet(&[], |room| it.emit(room)), bytes);
        }
    }
}
