//! Two programs with a stream between them: what most tests of TCP begin with.

use super::{World, at};
use stack::{ClientId, EventKind, Range, SocketId, SocketOption};
use std::net::SocketAddr;

/// A client of `a` that has connected, a server of `b`, and the sockets of both.
#[derive(Clone, Copy)]
pub struct Pair {
    pub client: ClientId,
    pub socket: SocketId,
    pub server: ClientId,
    pub listener: SocketId,
    /// What was accepted: the peer of `socket`.
    pub peer: SocketId,
}

/// A world and a connection in it, with room for 10,000 bytes.
#[track_caller]
pub fn joined() -> (World, Pair) {
    let mut world = World::new();
    let pair = world.connected(Some(Range::new(0, 10_000)));
    (world, pair)
}

impl World {
    /// A connection to port 80, with this room in its accept. Completions of the room have token 10.
    #[track_caller]
    pub fn connected(&mut self, room: Option<Range>) -> Pair {
        self.connected_with(80, room, &[])
    }

    /// The same with another port, and options that the client sets before it connects.
    #[track_caller]
    pub fn connected_with(
        &mut self,
        port: u16,
        room: Option<Range>,
        options: &[SocketOption],
    ) -> Pair {
        let (server, listener) = self.listening(port, room);
        let (client, socket) = self.connecting(port, options);
        let peer = self.accepted(port);
        Pair {
            client,
            socket,
            server,
            listener,
            peer,
        }
    }

    /// A new client of `b` listens, and waits for one connection with token 10.
    #[track_caller]
    pub fn listening(&mut self, port: u16, room: Option<Range>) -> (ClientId, SocketId) {
        let server = self.b.client();
        let listener = self.b.listen(server, port, 8);
        self.b.accept(server, listener, room, 10, self.now);
        (server, listener)
    }

    /// A new client of `a` asks for a connection, with token 1.
    #[track_caller]
    pub fn connecting(&mut self, port: u16, options: &[SocketOption]) -> (ClientId, SocketId) {
        self.calling(at(2, port), options)
    }

    /// The same of one to any address.
    #[track_caller]
    pub fn calling(&mut self, to: SocketAddr, options: &[SocketOption]) -> (ClientId, SocketId) {
        let client = self.a.client();
        let socket = self.a.stream(client);
        for option in options {
            self.a.set_option(client, socket, *option, self.now);
        }
        self.a.connect(client, socket, to, 1, self.now);
        (client, socket)
    }

    /// The handshake: both are told of the connection, and the result is the server's socket.
    #[track_caller]
    pub fn accepted(&mut self, port: u16) -> SocketId {
        self.accepted_at(at(2, port))
    }

    /// The same at any address.
    #[track_caller]
    pub fn accepted_at(&mut self, end: SocketAddr) -> SocketId {
        self.settle();
        let connected = self.a.take(1);
        assert!(
            matches!(connected[..], [EventKind::Connected { remote, .. }] if remote == end),
            "{connected:?}"
        );
        let accepted = self.b.take(10);
        let [EventKind::Accepted { socket, local, .. }] = accepted[..] else {
            panic!("not accepted: {accepted:?}");
        };
        assert_eq!(local, end);
        socket
    }

    /// The client sends what it puts at the start of its arena.
    #[track_caller]
    pub fn send(&mut self, pair: Pair, bytes: &[u8], token: u64) {
        let Pair { client, socket, .. } = pair;
        self.a.send(client, socket, bytes, 0, token, self.now);
    }
}
