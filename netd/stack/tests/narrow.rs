//! Paths that take less than the link, for datagrams and raw packets: what a router says is heeded by what
//! follows, of both families.

use crate::world::craft::router;
use crate::world::six::{at6, icmp6_frame, local, own_local, two_hosts};
use crate::world::{World, any, at, mac};
use stack::{ClientId, Data, EventKind, Range, SocketError, SocketId, SocketOption, Token};
use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use wire::icmp4::Unreachable;
use wire::{icmp4, icmp6};

const MTU: u16 = 1_280;

/// Two hosts with a passage between them that drops what is longer than [`MTU`], and the first packets
/// that it has dropped.
struct Passage {
    world: World,
    dropped: Rc<RefCell<Vec<Vec<u8>>>>,
    client: ClientId,
    server: ClientId,
}

impl Passage {
    fn new() -> Self {
        let mut world = two_hosts();
        let dropped = Rc::new(RefCell::new(Vec::new()));
        let all = Rc::clone(&dropped);
        world.lose = Box::new(move |_, frame| {
            let is_long = frame.len() > usize::from(MTU) + 14;
            if is_long {
                all.borrow_mut().push(frame.to_vec());
            }
            is_long
        });
        let (client, server) = (world.a.client(), world.b.client());
        Self {
            world,
            dropped,
            client,
            server,
        }
    }

    /// A router tells host `a` of the first packet that was dropped, and how much it could have passed on.
    fn router_tells(&mut self) {
        let about = self.dropped.borrow().first().cloned();
        let about = about.expect("something was too long");
        let frame = if about[12..14] == [0x86, 0xdd] {
            let message = icmp6::Header::PacketTooBig { mtu: MTU.into() };
            let quoted = &about[14..about.len().min(1_200)];
            let mut frame = icmp6_frame((local(77), own_local(1)), message, quoted);
            frame[..6].copy_from_slice(&mac(1).0);
            frame
        } else {
            let needed = Unreachable::FragmentationNeeded { mtu: MTU };
            router().error(icmp4::Header::Unreachable(needed), &about)
        };
        self.world.a.input(&frame, self.world.now);
        self.world.settle();
    }

    fn send(&mut self, socket: SocketId, len: u32, to: Option<SocketAddr>) -> Vec<EventKind> {
        let bytes: Vec<u8> = (0..len).map(|at| (at * 7) as u8).collect();
        self.world.a.memory.put(self.client, 0, &bytes);
        let data = Data::Arena(Range::new(0, len));
        let stack = &mut self.world.a.stack;
        let sent = stack.send(self.client, socket, data, to, Token(1), self.world.now);
        sent.expect("send");
        self.world.settle();
        self.world.a.take(1)
    }

    /// Lengths of the datagrams that have come to host `b`.
    fn arrived(&mut self) -> Vec<u32> {
        let events = self.world.b.take(5);
        let lengths = events.iter().map(|kind| match kind {
            EventKind::Received { length, .. } => *length,
            other => panic!("{other:?}"),
        });
        lengths.collect()
    }
}

/// A port of the other host, and all of one's own, in each family.
fn families(port: u16) -> [(SocketAddr, SocketAddr); 2] {
    let any6 = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port);
    [(at(2, port), any(port)), (at6(2, port), any6)]
}

// RFC 8201: reduce
// RFC 1191: reduce
#[test]
fn datagrams_of_all_lengths_pass_once_a_router_has_said_how_much_does() {
    for (to, any) in families(9) {
        for len in [1_400, 1_472, 3_000, 20_000] {
            let mut passage = Passage::new();
            let server = passage.world.b.datagram(passage.server);
            let stack = &mut passage.world.b.stack;
            stack.bind(passage.server, server, any).expect("a port");
            let (now, room) = (passage.world.now, Range::new(0, 60_000));
            let owner = passage.server;
            passage.world.b.receive(owner, server, room, 5, now);
            let socket = passage.world.a.datagram(passage.client);
            let sent = [EventKind::Sent { bytes: len }];
            assert_eq!(passage.send(socket, len, Some(to)), sent);
            assert_eq!(passage.arrived(), [], "{to} {len}: it is lost");
            passage.router_tells();
            passage.dropped.borrow_mut().clear();
            assert_eq!(passage.send(socket, len, Some(to)), sent);
            assert_eq!(passage.arrived(), [len], "{to}");
            assert!(passage.dropped.borrow().is_empty());
            assert_eq!(passage.world.a.counter("ip.paths_narrowed"), 1);
            passage.world.a.assert_balance();
            passage.world.b.assert_balance();
        }
    }
}

#[test]
fn who_wants_nothing_in_parts_is_told_how_much_the_path_takes() {
    for (to, headers) in [(at(2, 9), 28), (at6(2, 9), 48)] {
        let mut passage = Passage::new();
        let (client, now) = (passage.client, passage.world.now);
        let socket = passage.world.a.datagram(client);
        let option = SocketOption::DontFragment(true);
        passage.world.a.set_option(client, socket, option, now);
        let known = |passage: &Passage| {
            let stack = &passage.world.a.stack;
            stack.path_mtu(client, socket, now).expect("a socket")
        };
        assert_eq!(known(&passage), None, "it has no peer");
        passage.world.a.connect(client, socket, to, 2, now);
        let room = Range::new(100_000, 4_096);
        passage.world.a.receive(client, socket, room, 3, now);
        let too_big = [EventKind::Error(SocketError::TooBig)];
        let sent = |bytes| [EventKind::Sent { bytes }];
        // The link's own limit.
        assert_eq!(known(&passage), Some(1_500));
        assert_eq!(passage.send(socket, 1_501 - headers, None), too_big);
        assert_eq!(
            passage.send(socket, 1_500 - headers, None),
            sent(1_500 - headers)
        );
        passage.router_tells();
        assert_eq!(passage.world.a.take(3), too_big);
        assert_eq!(known(&passage), Some(MTU));
        let most = u32::from(MTU) - headers;
        assert_eq!(passage.send(socket, most + 1, None), too_big);
        assert_eq!(passage.send(socket, most, None), sent(most));
        assert_eq!(passage.world.a.counter("fragment.sent"), 0);
        passage.world.a.assert_balance();
    }
}

#[test]
fn raw_packets_heed_it_and_so_do_connections_that_begin_later() {
    let all = [
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        Ipv6Addr::UNSPECIFIED.into(),
    ];
    for ((to, _), all) in families(0).into_iter().zip(all) {
        let mut passage = Passage::new();
        let stack = &mut passage.world.a.stack;
        let socket = stack.socket_raw(passage.client, 89, all).expect("raw");
        passage.send(socket, 1_400, Some(to));
        passage.router_tells();
        let before = passage.world.a.counter("fragment.sent");
        passage.send(socket, 1_400, Some(to));
        assert_eq!(passage.world.a.counter("fragment.sent"), before + 2);
        let port = SocketAddr::new(to.ip(), 80);
        let (server, listener) = (passage.server, passage.world.b.stream(passage.server));
        let stack = &mut passage.world.b.stack;
        let local = SocketAddr::new(all, 80);
        let listens = stack
            .bind(server, listener, local)
            .map(|_| stack.listen(server, listener, 4));
        assert!(matches!(listens, Ok(Ok(_))), "{listens:?}");
        let (client, socket) = passage.world.calling(port, &[]);
        let mtu = passage
            .world
            .a
            .stack
            .path_mtu(client, socket, passage.world.now);
        assert_eq!(mtu, Ok(Some(MTU)));
    }
}
