//! Numbers, sizes and positions never change by accident; what is no request gets a defined reply.

use core::net::SocketAddr;

use protocol::{
    Accept, Address, AddressRow, Answer, AnswerBody, CATALOGUE, Cancel, Close, Code, Connect,
    ConnectionRow, CounterRow, Details, Done, Header, InfoBody, Inline, InterfaceRow, LeaseBody,
    Message, NeighbourRow, Operation, Payload, PingBody, PolicyRow, PongBody, Progress, Range,
    Receive, Received, Resolve, RouteRow, Send, SocketCreate, SocketId, SocketKind, SocketRow,
    StatsBody, StatusBody, completion, dispatch, dispatch_bytes, flag, is_final, outcome, request,
};

mod stub;
use stub::Stub;

#[test]
fn numbers_are_stable() {
    let mut found: Vec<_> = CATALOGUE.iter().map(|d| (d.number, d.name)).collect();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            (1, "NET_SOCKET_CREATE"),
            (2, "NET_SOCKET_CONNECT"),
            (3, "NET_SOCKET_BIND"),
            (4, "NET_SOCKET_LISTEN"),
            (5, "NET_SOCKET_ACCEPT"),
            (6, "NET_SOCKET_SEND"),
            (7, "NET_SOCKET_RECV"),
            (8, "NET_SOCKET_CLOSE"),
            (9, "NET_SOCKET_SHUTDOWN"),
            (10, "NET_SOCKET_STATUS"),
            (11, "NET_ATTACH_ARENA"),
            (12, "NET_CANCEL"),
            (13, "NET_OPTION_SET"),
            (14, "NET_OPTION_GET"),
            (15, "NET_SOCKET_NAMES"),
            (16, "NET_CORE"),
            (17, "NET_SOCKET_GROUP"),
            (19, "NET_SOCKET_FLUSH"),
            (20, "NET_DNS_RESOLVE"),
            (21, "NET_SERVICE_OFFER"),
            (22, "NET_SERVICE_WITHDRAW"),
            (23, "NET_SERVICE_BROWSE"),
            (24, "NET_SOCKET_RAW"),
            (25, "NET_SOCKET_ETHERNET"),
            (26, "NET_DNS_BACK"),
            (27, "NET_SERVICE_SUBTYPE"),
            (28, "NET_SERVICE_TEXT"),
            (40, "NET_PING"),
            (41, "NET_STATS"),
            (42, "NET_INFO"),
            (43, "NET_SUBSCRIBE_EVENTS"),
            (44, "NET_LEASE"),
            (45, "NET_INTERFACES"),
            (46, "NET_ROUTES"),
            (47, "NET_NEIGHBOURS"),
            (48, "NET_SOCKETS"),
            (49, "NET_DROPS"),
            (50, "NET_COUNTERS"),
            (51, "NET_ADDRESSES"),
            (52, "NET_CONNECTIONS"),
            (54, "NET_GROUPS"),
            (55, "NET_POLICIES"),
            (60, "NET_ADDRESS_ADD"),
            (61, "NET_ADDRESS_DELETE"),
            (62, "NET_ROUTE_ADD"),
            (63, "NET_ROUTE_DELETE"),
            (64, "NET_NEIGHBOUR_ADD"),
            (65, "NET_NEIGHBOUR_DELETE"),
            (66, "NET_POLICY_ADD"),
            (67, "NET_POLICY_DELETE"),
        ]
    );
}

#[test]
fn sizes_are_stable() {
    let sizes = [
        (size_of::<Message>(), 256),
        (size_of::<Header>(), 56),
        (size_of::<Address>(), 24),
        (size_of::<StatusBody>(), 24),
        (size_of::<AnswerBody>(), 140),
        (size_of::<PingBody>(), 16),
        (size_of::<PongBody>(), 16),
        (size_of::<StatsBody>(), 152),
        (size_of::<InfoBody>(), 168),
        (size_of::<LeaseBody>(), 168),
        (size_of::<InterfaceRow>(), 56),
        (size_of::<AddressRow>(), 32),
        (size_of::<RouteRow>(), 56),
        (size_of::<NeighbourRow>(), 40),
        (size_of::<SocketRow>(), 80),
        (size_of::<ConnectionRow>(), 160),
        (size_of::<CounterRow>(), 48),
        (size_of::<Details>(), 56),
        (size_of::<PolicyRow>(), 32),
    ];
    for (index, (is, was)) in sizes.iter().enumerate() {
        assert_eq!(is, was, "entry {index}");
    }
}

#[test]
fn positions_are_stable() {
    let remote: SocketAddr = "10.0.2.2:80".parse().unwrap();
    let connect = Connect {
        socket: SocketId(0x0403_0201),
        remote,
    };
    let message = request(&connect, 0x0c0b_0a09);
    let mut expected = [0u8; 256];
    expected[0] = 2;
    expected[4..8].copy_from_slice(&[9, 10, 11, 12]);
    expected[8..12].copy_from_slice(&[1, 2, 3, 4]);
    expected[32..36].copy_from_slice(&[10, 0, 2, 2]);
    expected[48..51].copy_from_slice(&[80, 0, 4]);
    assert_eq!(message.bytes(), &expected);

    let room = Range {
        offset: 0x0102_0304_0506_0708,
        length: 0x1112_1314,
    };
    let message = request(
        &Receive {
            socket: SocketId(1),
            room,
        },
        1,
    );
    assert_eq!(
        message.bytes()[16..28],
        [8, 7, 6, 5, 4, 3, 2, 1, 0x14, 0x13, 0x12, 0x11]
    );
}

#[test]
fn a_reply_has_the_requests_number_plus_0x80_and_its_id() {
    let answer = completion::<Cancel>(7, &Ok(Done {}));
    assert_eq!(answer.header.operation.get(), 12 + 0x80);
    assert_eq!(answer.header.request.get(), 7);
    assert_eq!(answer.header.status.get(), 0);
    assert_eq!(outcome::<Cancel>(&answer), Ok(Done {}));
}

#[test]
fn every_number_with_right_short_and_long_length_is_answered() {
    let mut stub = Stub;
    for number in 0..=u16::MAX {
        let mut message = Message::zeroed();
        message.header.operation.set(number);
        message.header.request.set(u32::from(number) + 1);
        for length in [0, 1, 24, 199, 200, 201, u32::MAX] {
            for flags in [0, flag::INLINE, u16::MAX] {
                message.header.length.set(length);
                message.header.flags.set(flags);
                let reply = dispatch(&message, &mut stub).expect("the stub is always prompt");
                assert_eq!(reply.header.request, message.header.request);
                assert_eq!(reply.header.operation.get(), number | 0x80);
                if !CATALOGUE.iter().any(|d| d.number == number) {
                    assert_eq!(reply.header.status.get(), Code::UnknownOperation as u32);
                } else if flags == u16::MAX {
                    assert_eq!(reply.header.status.get(), Code::Malformed as u32);
                }
            }
        }
    }
}

#[test]
fn bytes_that_are_no_message_are_answered() {
    let whole = request(
        &SocketCreate {
            kind: SocketKind::Stream,
        },
        99,
    );
    for length in [0, 1, 3, 55, 255, 257, 4096] {
        let mut bytes = whole.bytes().to_vec();
        bytes.resize(length, 0);
        let reply = dispatch_bytes(&bytes, &mut Stub).expect("an answer");
        assert_eq!(
            reply.header.status.get(),
            Code::Malformed as u32,
            "{length}"
        );
    }
    let reply = dispatch_bytes(whole.bytes(), &mut Stub).expect("an answer");
    assert_eq!(
        outcome::<SocketCreate>(&reply).map(|r| r.socket),
        Ok(SocketId(77))
    );
}

#[test]
fn a_body_that_is_too_short_or_too_long_is_malformed() {
    for change in [-1i32, 1] {
        let mut message = request(&stub::ping(), 5);
        let length = message.header.length.get().wrapping_add_signed(change);
        message.header.length.set(length);
        let reply = dispatch(&message, &mut Stub).expect("an answer");
        assert_eq!(reply.header.status.get(), Code::Malformed as u32);
    }
}

#[test]
fn a_pending_request_has_no_reply_yet() {
    struct Patient;
    impl protocol::Server for stub::Deaf<Patient> {
        stub::refuse_all!();
        fn connect(&mut self, id: u32, _: Connect) -> Answer<Connect> {
            assert_eq!(id, 31);
            Ok(Progress::Pending)
        }
    }
    let remote = "10.0.2.2:80".parse().unwrap();
    let message = request(
        &Connect {
            socket: SocketId(1),
            remote,
        },
        31,
    );
    assert_eq!(dispatch(&message, &mut stub::Deaf(Patient)), None);
}

#[test]
fn payloads_survive() {
    for payload in [
        Payload::Inline(Inline::new(b"hello").unwrap()),
        Payload::Inline(Inline::new(&[1; 200]).unwrap()),
        Payload::Arena(Range {
            offset: 1 << 40,
            length: u32::MAX,
        }),
    ] {
        let send = Send {
            socket: SocketId(3),
            payload,
            to: "[::1]:7".parse().ok(),
            unanswered: false,
            along: false,
        };
        assert_eq!(
            <Send as protocol::Layout>::decode(&request(&send, 1)),
            Ok(send)
        );
    }
    let resolve = Resolve {
        name: Payload::Inline(Inline::new(b"example.org").unwrap()),
        kind: protocol::RecordKind::Aaaa,
        server: None,
    };
    assert_eq!(
        <Resolve as protocol::Layout>::decode(&request(&resolve, 1)),
        Ok(resolve)
    );
}

#[test]
fn a_room_of_no_bytes_is_no_room() {
    let accept = Accept {
        socket: SocketId(1),
        room: Some(Range {
            offset: 8,
            length: 0,
        }),
        each: 0,
    };
    let back = <Accept as protocol::Layout>::decode(&request(&accept, 1)).unwrap();
    assert_eq!(back.room, None);
}

#[test]
fn only_successful_replies_with_more_are_followed() {
    let received = Received {
        socket: SocketId(1),
        piece: Range {
            offset: 0,
            length: 1,
        },
        from: None,
        more: true,
        end: false,
        round_trip: 0,
        sent: None,
    };
    let mut message = completion::<Receive>(1, &Ok(received));
    assert!(!is_final(&message));
    message.header.status.set(Code::Reset as u32);
    assert!(is_final(&message));
    assert!(is_final(&completion::<Receive>(
        1,
        &Ok(Received {
            more: false,
            ..received
        })
    )));
}

#[test]
fn a_reply_to_something_else_is_malformed() {
    let reply = completion::<Cancel>(1, &Ok(Done {}));
    assert_eq!(
        outcome::<Close>(&reply),
        Err(protocol::SocketError::Malformed)
    );
    let numbers: Vec<_> = CATALOGUE.iter().map(|d| d.number).collect();
    assert!(numbers.contains(&<Connect as Operation>::NUMBER));
}
