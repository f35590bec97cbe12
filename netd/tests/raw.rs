//! Raw sockets and details, as programs have them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use net::protocol::{self, SocketCreate, SocketKind};
use net::{Arrival, Code, Error, EthernetSocket, Meaning, Net, RawSocket, SocketOption, UdpSocket};
use netd::Privileges;

use crate::common::{World, alone, loopback, within_turns};

/// A protocol that nobody here speaks.
const OSPF: u8 = 89;
const V4: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// Runs a test of a program that may have raw sockets, and nothing else.
fn trusted<T>(test: impl AsyncFnOnce(Net) -> T) -> T {
    let world = World::new();
    world.run(async {
        let (admin, raw) = (false, true);
        let client = world.client_with(Privileges { admin, raw }, 32);
        let (net, _life) = client.open().await;
        test(net).await
    })
}

#[test]
fn who_lacks_the_right_gets_no_raw_socket_and_who_has_it_may_do_nothing_else() {
    let world = World::new();
    world.run(async {
        for admin in [false, true] {
            let (net, _life) = world.client(admin).await;
            let refused = RawSocket::open(&net, OSPF, V4).await.map(drop);
            assert_eq!(refused, Err(Error::Denied));
            let refused = EthernetSocket::open(&net, 0x88b5, 0, None).await.map(drop);
            assert_eq!(refused, Err(Error::Denied));
            // Nor by the door that all may use.
            let kind = SocketKind::Raw;
            let refused = net.call(SocketCreate { kind }).await.map(drop);
            assert_eq!(refused, Err(Error::Other(Code::NotSupported)));
        }
    });
    trusted(async |net| {
        RawSocket::open(&net, OSPF, V4).await.expect("a socket");
        // There is no link here but loopback.
        let nowhere = EthernetSocket::open(&net, 0x88b5, 0, None).await.map(drop);
        assert_eq!(nowhere, Err(Error::Other(Code::AddressNotAvailable)));
        let refused = |protocol, local| async move {
            let opened = RawSocket::open(&net, protocol, local).await;
            opened.map(drop).expect_err("nobody can have it")
        };
        assert_eq!(refused(6, V4).await, Error::Other(Code::BadAddress));
    });
}

#[test]
fn each_of_several_hears_what_was_sent_and_from_whom_to_whom() {
    trusted(async |net| {
        let own4 = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let own6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
        for (all, own) in [(V4, own4), (V6, own6)] {
            let first = RawSocket::open(&net, OSPF, all).await.expect("a socket");
            let second = RawSocket::open(&net, OSPF, own).await.expect("a socket");
            first.set_option(SocketOption::Ttl, 7).await.expect("set");
            let long: Vec<u8> = (0..6_000u32).map(|at| at as u8).collect();
            // Of the last what fits is given, and those behind it are not lost by that.
            for bytes in [&b"short"[..], &long[..200], &long, b""] {
                first.send_to(bytes, own).await.expect("sent");
                for socket in [&first, &second] {
                    let mut into = [0; 4_096];
                    let came = within_turns(socket.receive(&mut into)).await;
                    let (count, arrival) = came.expect("in time").expect("a packet");
                    assert_eq!(into[..count], bytes[..bytes.len().min(4_096)]);
                    let end = SocketAddr::new(own, 0);
                    let (from, to, hops) = (end, end, 7);
                    assert_eq!(arrival, Arrival::Packet { from, to, hops });
                }
            }
            first.flush().await.expect("all have left");
            first.connect(own).await.expect("a way");
            first.send(b"to the fixed peer").await.expect("sent");
            let mut into = [0; 32];
            let came = within_turns(second.receive(&mut into)).await;
            assert_eq!(came.expect("in time").expect("a packet").0, 17);
            // One that is closed hears nothing, and the others go on.
            drop(first);
            second.send_to(b"alone", own).await.expect("sent");
            let came = within_turns(second.receive(&mut into)).await;
            assert_eq!(came.expect("in time").expect("a packet").0, 5);
        }
    });
}

#[test]
fn a_datagram_that_nobody_wanted_is_told_of_to_who_asked_for_details() {
    alone(async |net| {
        let socket = UdpSocket::bind(&net, loopback(0)).await.expect("bound");
        socket.tell_details().await.expect("details");
        let nobody = loopback(33_434);
        socket.send_to(b"anybody?", nobody).await.expect("sent");
        let mut into = [0; 64];
        let came = within_turns(socket.receive_detailed(&mut into)).await;
        let (count, arrival) = came.expect("in time").expect("an error");
        assert_eq!(into[..count], *b"anybody?");
        let Arrival::Failed(report) = arrival else {
            panic!("{arrival:?}");
        };
        assert_eq!((report.from, report.about), (nobody.ip(), nobody));
        assert_eq!((report.kind, report.code), (3, 3));
        assert_eq!(report.meaning(), Meaning::Port);
        // It goes on, and is told of datagrams as well.
        socket.send_to(b"me", socket.local()).await.expect("sent");
        let came = within_turns(socket.receive_detailed(&mut into)).await;
        let (count, arrival) = came.expect("in time").expect("a datagram");
        let (from, to, hops) = (socket.local(), socket.local(), 64);
        assert_eq!(into[..count], *b"me");
        assert_eq!(arrival, Arrival::Packet { from, to, hops });
    });
}

#[test]
fn the_stack_and_the_protocol_lay_details_out_alike() {
    let (source, destination) = ("10.0.0.1:258".parse(), "[fe80::1]:772".parse());
    let ours = stack::Details {
        source: source.expect("an address"),
        destination: destination.expect("an address"),
        hops: 9,
        error: Some((3, 4, 0x0102_0304)),
    };
    let bytes = ours.bytes();
    let (theirs, rest) = protocol::Details::split(&bytes).expect("as long");
    assert_eq!(rest, b"");
    assert_eq!(theirs.ends(), Some((ours.source, ours.destination)));
    assert_eq!((theirs.hops, theirs.kind), (9, protocol::reported::ERROR));
    assert_eq!((theirs.icmp_type, theirs.icmp_code), (3, 4));
    assert_eq!(theirs.icmp_word.get(), 0x0102_0304);
    let packet = stack::Details {
        error: None,
        ..ours
    }
    .bytes();
    let (theirs, _) = protocol::Details::split(&packet).expect("as long");
    assert_eq!(theirs.kind, protocol::reported::PACKET);
}

#[test]
fn what_only_they_can_choose_is_set_and_read_back() {
    trusted(async |net| {
        let socket = RawSocket::open(&net, 58, V6).await.expect("a socket");
        let ospf = RawSocket::open(&net, OSPF, V6).await.expect("a socket");
        let refused = |code| Err(Error::Other(code));
        for option in [
            SocketOption::Icmp6Blocked0,
            SocketOption::Icmp6Blocked1,
            SocketOption::Icmp6Blocked2,
            SocketOption::Icmp6Blocked3,
        ] {
            let types = u64::MAX - option as u64;
            assert_eq!(socket.option(option).await, Ok(0));
            assert_eq!(socket.set_option(option, types).await, Ok(()));
            assert_eq!(socket.option(option).await, Ok(types));
            let on_another = ospf.set_option(option, types).await;
            assert_eq!(on_another, refused(Code::BadState));
        }
        let at = SocketOption::ChecksumAt;
        assert_eq!(socket.option(at).await, Ok(2));
        assert_eq!(ospf.option(at).await, Ok(65_535));
        assert_eq!(ospf.set_option(at, 12).await, Ok(()));
        assert_eq!(ospf.option(at).await, Ok(12));
        let odd = ospf.set_option(at, 13).await;
        assert_eq!(odd, refused(Code::BadAddress));
        assert_eq!(ospf.set_option(at, 65_535).await, Ok(()));
        let whole = SocketOption::DontFragment;
        assert_eq!(ospf.set_option(whole, 1).await, Ok(()));
        assert_eq!(ospf.option(whole).await, Ok(1));
        // How much the path takes is known of a peer, and nobody's to choose.
        let mtu = SocketOption::PathMtu;
        assert_eq!(ospf.option(mtu).await, Ok(0));
        ospf.connect(Ipv6Addr::LOCALHOST.into())
            .await
            .expect("a way");
        assert!(ospf.option(mtu).await.expect("known") >= 1_280);
        assert_eq!(ospf.set_option(mtu, 1_280).await, refused(Code::BadAddress));
    });
}
