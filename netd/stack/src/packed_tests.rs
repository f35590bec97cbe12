use super::*;
use proptest::prelude::*;

fn range() -> impl Strategy<Value = Range> {
    (0..1_u64 << OFFSET_BITS, any::<u32>()).prop_map(|(offset, length)| Range::new(offset, length))
}

fn peer() -> impl Strategy<Value = Peer> {
    let v4 = (any::<u32>(), any::<u16>())
        .prop_map(|(address, port)| SocketAddrV4::new(Ipv4Addr::from_bits(address), port));
    prop_oneof![v4.prop_map(Peer::V4), any::<u16>().prop_map(Peer::V6)]
}

fn source() -> impl Strategy<Value = Source> {
    prop_oneof![
        (0..1_u64 << OFFSET_BITS).prop_map(Source::Arena),
        any::<u32>().prop_map(Source::Inline),
        Just(Source::Spent),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let token = || any::<u64>().prop_map(Token);
    let id = || any::<u32>().prop_map(SocketId::from_raw);
    prop_oneof![
        (token(), source(), any::<u32>(), any::<u32>()).prop_map(|(token, source, length, end)| {
            let to = To::Stream(end);
            Request::Send(Send {
                token,
                source,
                length,
                to,
            })
        }),
        (token(), source(), 0..1_u32 << 16, peer()).prop_map(|(token, source, length, peer)| {
            let to = To::Peer(peer);
            Request::Send(Send {
                token,
                source,
                length,
                to,
            })
        }),
        (token(), range(), any::<u32>()).prop_map(|(token, range, used)| Request::Room(Room {
            token,
            range,
            used
        })),
        (token(), prop::option::of(range()), any::<u32>())
            .prop_map(|(token, room, each)| Request::Accept(Accept { token, room, each })),
        token().prop_map(Request::Connect),
        (token(), id(), range()).prop_map(|(token, listener, range)| {
            Request::Accepted(Accepted {
                token,
                listener,
                range,
            })
        }),
        (token(), range(), 0..1_u32 << 16, peer(), any::<bool>()).prop_map(
            |(token, range, length, from, more)| {
                let (offset, from) = (range.offset, Some(from));
                Request::Arrival(Arrival {
                    token,
                    offset,
                    length,
                    from,
                    more,
                })
            }
        ),
        (token(), range()).prop_map(|(token, range)| {
            let (offset, length, from, more) = (range.offset, 0, None, false);
            Request::Arrival(Arrival {
                token,
                offset,
                length,
                from,
                more,
            })
        }),
        (token(), any::<u32>()).prop_map(|(token, left)| {
            let error = SocketError::Cancelled;
            Request::Notice(Notice { token, error, left })
        }),
    ]
}

proptest! {
    #[test]
    fn what_is_packed_comes_out_as_it_was(request in request()) {
        prop_assert_eq!(Packed::from(request).open(), request);
    }

    #[test]
    fn no_place_beyond_all_arenas_becomes_one_inside(offset in 1_u64 << OFFSET_BITS.., token: u64) {
        let room = Room { token: Token(token), range: Range::new(offset, 1), used: 0 };
        let Request::Room(room) = Packed::from(room).open() else {
            panic!("a room is one");
        };
        prop_assert_eq!(room.range.offset, (1 << OFFSET_BITS) - 1);
    }

    #[test]
    fn the_end_of_a_send_is_found_from_the_streams(end: u64, behind: u32, length: u32) {
        let end = end.min(u64::MAX - u64::from(u32::MAX));
        let to = To::Stream(crate::requests::low(end));
        let send = Send { token: Token(0), source: Source::Spent, length, to };
        prop_assert_eq!(send.end(end + u64::from(behind)), end);
    }
}
