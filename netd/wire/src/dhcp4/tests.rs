use super::*;
use crate::{Cidr4, List};
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, prop_compose, proptest};
use std::vec;
use std::vec::Vec;

const MAC: MacAddress = MacAddress([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

fn emitted(message: &Message) -> Vec<u8> {
    let mut bytes = vec![0xaa; 1500];
    let len = message.emit(&mut bytes).expect("room");
    bytes.truncate(len);
    bytes
}

/// A server's message with the given bytes behind the magic number.
fn with_options(options: &[u8]) -> Vec<u8> {
    let mut bytes = emitted(&Message::from_client(MessageType::Discover, 7, MAC));
    bytes[0] = 2;
    bytes.truncate(240);
    bytes.extend(options);
    bytes
}

#[test]
fn golden_discover() {
    let mut message = Message::from_client(MessageType::Discover, 0x3903_f326, MAC);
    message.secs = 4;
    message.broadcast = true;
    message.options.host_name = Text::new(b"skerry").expect("short");
    message.options.max_message_size = Some(576);
    message.options.parameter_request = [Code::SUBNET_MASK, Code::ROUTERS].into_iter().collect();

    let mut expected = vec![0; 300];
    expected[..12].copy_from_slice(&[1, 1, 6, 0, 0x39, 0x03, 0xf3, 0x26, 0, 4, 0x80, 0]);
    expected[28..34].copy_from_slice(&MAC.0);
    let options = [
        99, 130, 83, 99, // magic
        53, 1, 1, // discover
        12, 6, b's', b'k', b'e', b'r', b'r', b'y', // host name
        55, 2, 1, 3, // mask and routers, please
        57, 2, 2, 64, // up to 576 bytes
        255,
    ];
    expected[236..236 + options.len()].copy_from_slice(&options);
    assert_eq!(emitted(&message), expected);
    assert_eq!(Message::parse(&expected), Ok(message));
}

#[test]
fn answer_of_a_server() {
    let bytes = with_options(&[
        53, 1, 5, // ack
        1, 4, 255, 255, 255, 0, // mask
        0, 0, // padding
        3, 8, 10, 0, 2, 2, 10, 0, 2, 4, // routers
        6, 4, 10, 0, 2, 3, // name server
        15, 9, b'l', b'a', b'b', b'.', b't', b'e', b's', b't', 0, // domain
        26, 2, 0x05, 0x78, // MTU
        51, 4, 0, 1, 0x51, 0x80, // a day
        54, 4, 10, 0, 2, 2, // server
        77, 3, 9, 9, 9, // of unknown meaning
        255, 53, 1, // behind the end
    ]);
    let Message {
        message_type,
        options,
        ..
    } = Message::parse(&bytes).expect("valid");
    assert_eq!(message_type, MessageType::Ack);
    assert_eq!(options.subnet_mask, Some(Ipv4Addr::new(255, 255, 255, 0)));
    let routers = [Ipv4Addr::new(10, 0, 2, 2), Ipv4Addr::new(10, 0, 2, 4)];
    assert_eq!(options.routers.as_slice(), routers);
    assert_eq!(options.dns_servers.as_slice(), [Ipv4Addr::new(10, 0, 2, 3)]);
    assert_eq!(options.domain_name.as_bytes(), b"lab.test");
    assert_eq!(options.mtu, Some(1400));
    assert_eq!(options.lease_time, Some(86_400));
    assert_eq!(options.server_id, Some(Ipv4Addr::new(10, 0, 2, 2)));
}

#[test]
fn of_many_servers_the_first_are_kept() {
    let mut options = vec![53, 1, 5, 6, 40];
    options.extend((0..10).flat_map(|last| [163, 1, 74, last]));
    let message = Message::parse(&with_options(&options)).expect("valid");
    let expected: Vec<Ipv4Addr> = (0..8).map(|last| [163, 1, 74, last].into()).collect();
    assert_eq!(message.options.dns_servers.as_slice(), expected);
}

#[test]
fn overloaded_fields_and_split_options() {
    for (overload, expected) in [(1, &b"ab-cd"[..]), (2, b"ab-ef"), (3, b"ab-cd-ef")] {
        let mut bytes = with_options(&[52, 1, overload, 53, 1, 2, 15, 2, b'a', b'b', 255]);
        bytes[108..114].copy_from_slice(&[15, 3, b'-', b'c', b'd', 255]);
        bytes[44..50].copy_from_slice(&[15, 3, b'-', b'e', b'f', 255]);
        let message = Message::parse(&bytes).expect("valid");
        assert_eq!(
            message.options.domain_name.as_bytes(),
            expected,
            "overload {overload}"
        );
    }
    // Not overloaded: the fields hold names.
    let mut bytes = with_options(&[53, 1, 2, 15, 2, b'a', b'b', 255]);
    bytes[44..236].fill(15);
    let message = Message::parse(&bytes).expect("valid");
    assert_eq!(message.options.domain_name.as_bytes(), b"ab");
    // An address may be split anywhere.
    let bytes = with_options(&[53, 1, 2, 6, 1, 10, 0, 6, 3, 0, 2, 3, 255]);
    let message = Message::parse(&bytes).expect("valid");
    assert_eq!(
        message.options.dns_servers.as_slice(),
        [Ipv4Addr::new(10, 0, 2, 3)]
    );
}

#[test]
fn classless_routes() {
    // The example of RFC 3442: 10.17.0.0/16, and the default route.
    let bytes = with_options(&[
        53, 1, 5, 121, 12, 16, 10, 17, 10, 0, 0, 1, 0, 10, 0, 0, 2, 255,
    ]);
    let message = Message::parse(&bytes).expect("valid");
    let expected = [
        Route {
            destination: "10.17.0.0/16".parse().expect("prefix"),
            router: Ipv4Addr::new(10, 0, 0, 1),
        },
        Route {
            destination: Cidr4::ALL,
            router: Ipv4Addr::new(10, 0, 0, 2),
        },
    ];
    assert_eq!(message.options.classless_routes.as_slice(), expected);
    for broken in [
        &[33, 1, 1, 1, 1, 1, 1, 1, 1, 1][..],
        &[255, 1],
        &[8, 10, 1, 1, 1],
        &[32, 1],
    ] {
        let length = u8::try_from(broken.len()).expect("short");
        let mut options = vec![53, 1, 5, 121, length];
        options.extend(broken);
        assert_eq!(
            Message::parse(&with_options(&options)),
            Err(Drop::DhcpOption),
            "{broken:?}"
        );
    }
}

#[test]
fn refusals() {
    let good = emitted(&Message::from_client(MessageType::Discover, 7, MAC));
    for len in 0..240 {
        assert_eq!(Message::parse(&good[..len]), Err(Drop::DhcpShort));
    }
    for (at, value) in [(0, 0), (0, 3), (1, 6), (2, 16), (236, 98), (239, 0)] {
        let mut bytes = good.clone();
        bytes[at] = value;
        assert_eq!(
            Message::parse(&bytes),
            Err(Drop::DhcpForeign),
            "byte {at} = {value}"
        );
    }
    for (options, reason) in [
        (&[][..], Drop::DhcpMessageType),
        (&[255, 53, 1, 1], Drop::DhcpMessageType),
        (&[53, 1, 0], Drop::DhcpMessageType),
        (&[53, 1, 9], Drop::DhcpMessageType),
        (&[53, 2, 1, 1], Drop::DhcpOption),
        (&[53, 1, 1, 53, 1, 1], Drop::DhcpOption),
        (&[53], Drop::DhcpOption),
        (&[53, 1], Drop::DhcpOption),
        (&[53, 1, 1, 12, 9, b'x'], Drop::DhcpOption),
        (&[53, 1, 1, 1, 3, 255, 255, 255], Drop::DhcpOption),
        (&[53, 1, 1, 3, 5, 1, 2, 3, 4, 5], Drop::DhcpOption),
        (&[53, 1, 1, 51, 2, 0, 1], Drop::DhcpOption),
        (&[53, 1, 1, 52, 1, 4], Drop::DhcpOption),
    ] {
        assert_eq!(
            Message::parse(&with_options(options)),
            Err(reason),
            "{options:?}"
        );
    }
    // Options that grow beyond what one may be.
    let mut options = vec![53, 1, 1];
    for _ in 0..2 {
        options.extend([15, 200]);
        options.extend([b'x'; 200]);
    }
    assert_eq!(
        Message::parse(&with_options(&options)),
        Err(Drop::DhcpOption)
    );
}

#[test]
fn senseless_mtu_is_none() {
    let bytes = with_options(&[53, 1, 5, 26, 2, 0, 67]);
    assert_eq!(Message::parse(&bytes).expect("valid").options.mtu, None);
}

#[test]
fn room() {
    let message = Message::from_client(MessageType::Discover, 7, MAC);
    for len in [0, 239, 240, 243, 299] {
        assert_eq!(message.emit(&mut vec![0; len]), Err(NoRoom), "{len} bytes");
    }
    assert_eq!(message.emit(&mut [0; 300]), Ok(300));
}

fn address() -> impl prop::strategy::Strategy<Value = Ipv4Addr> {
    use prop::strategy::Strategy;
    any::<u32>().prop_map(Ipv4Addr::from_bits)
}

fn addresses() -> impl prop::strategy::Strategy<Value = Addresses> {
    use prop::strategy::Strategy;
    prop::collection::vec(address(), 0..=8).prop_map(|list| list.into_iter().collect())
}

fn text() -> impl prop::strategy::Strategy<Value = Text> {
    use prop::strategy::Strategy;
    prop::collection::vec(1_u8.., 0..=255).prop_map(|bytes| Text::new(&bytes).expect("short"))
}

prop_compose! {
    fn network()(
        (routers, dns_servers, ntp_servers) in (addresses(), addresses(), addresses()),
        subnet_mask in prop::option::of(address()),
        broadcast in prop::option::of(address()),
        mtu in prop::option::of(68_u16..),
        routes in prop::collection::vec((address(), 0_u8..=32, address()), 0..=16),
    ) -> Options {
        let classless_routes = routes
            .into_iter()
            .map(|(address, prefix, router)| {
                let destination = Cidr4::new(address, prefix).expect("prefix").network();
                Route { destination, router }
            })
            .collect();
        Options {
            subnet_mask,
            broadcast,
            routers,
            dns_servers,
            ntp_servers,
            mtu,
            classless_routes,
            ..Options::default()
        }
    }
}

prop_compose! {
    fn options()(
        network in network(),
        (domain_name, host_name, message) in (text(), text(), text()),
        requested_address in prop::option::of(address()),
        (lease_time, renewal_time, rebinding_time) in any::<(Option<u32>, Option<u32>, Option<u32>)>(),
        server_id in prop::option::of(address()),
        client_id in prop::collection::vec(any::<u8>(), 0..=64),
        parameter_request in prop::collection::vec(any::<u8>(), 0..=32),
        max_message_size: Option<u16>,
    ) -> Options {
        Options {
            domain_name,
            host_name,
            message,
            requested_address,
            lease_time,
            renewal_time,
            rebinding_time,
            server_id,
            client_id: List::from_slice(&client_id).expect("short"),
            parameter_request: parameter_request.into_iter().map(Code).collect(),
            max_message_size,
            ..network
        }
    }
}

prop_compose! {
    fn message()(
        is_server: bool,
        kind in 1_u8..=8,
        xid: u32,
        secs: u16,
        broadcast: bool,
        addresses in [address(), address(), address(), address()],
        chaddr: [u8; 6],
        options in options(),
    ) -> Message {
        let [ciaddr, yiaddr, siaddr, giaddr] = addresses;
        Message {
            speaker: if is_server { Speaker::Server } else { Speaker::Client },
            message_type: MessageType::from_number(kind).expect("known"),
            xid,
            secs,
            broadcast,
            ciaddr,
            yiaddr,
            siaddr,
            giaddr,
            chaddr: MacAddress(chaddr),
            options,
        }
    }
}

proptest! {
    #[test]
    fn round_trip(message in message()) {
        let mut bytes = vec![0xaa; 2000];
        let len = message.emit(&mut bytes).expect("room");
        prop_assert!(len >= MIN_LEN);
        prop_assert_eq!(Message::parse(&bytes[..len]), Ok(message));
    }
}
