//! What programs and owners ask of a host where it has to work. A test that is about a refusal asks
//! the stack itself.

use super::{Host, any, ip, mac};
use stack::{ClientId, Data, Ending, Instant, Lookup, Ping, Range, SocketId, SocketOption, Token};
use std::net::SocketAddr;
use std::time::Duration;

/// An ordinary ping of a host.
pub fn ping(last: u8) -> Ping {
    Ping {
        link: 0,
        address: ip(last).into(),
        size: 56,
        sequence: 1,
        ttl: None,
        timeout: Duration::from_secs(1),
    }
}

impl Host {
    /// A stream socket that listens on a port of every address.
    #[track_caller]
    pub fn listen(&mut self, client: ClientId, port: u16, backlog: u16) -> SocketId {
        self.listen_at(client, any(port), backlog)
    }

    /// The same at any address.
    #[track_caller]
    pub fn listen_at(&mut self, client: ClientId, local: SocketAddr, backlog: u16) -> SocketId {
        let socket = self.stream(client);
        self.stack.bind(client, socket, local).expect("bind");
        self.stack.listen(client, socket, backlog).expect("listen");
        socket
    }

    /// A datagram socket on a port of every address.
    #[track_caller]
    pub fn bound(&mut self, client: ClientId, port: u16) -> SocketId {
        let socket = self.datagram(client);
        self.stack.bind(client, socket, any(port)).expect("bind");
        socket
    }

    #[track_caller]
    pub fn accept(
        &mut self,
        client: ClientId,
        listener: SocketId,
        room: Option<Range>,
        token: u64,
        now: Instant,
    ) {
        self.stack
            .accept(client, listener, room, Token(token), now)
            .expect("accept");
    }

    #[track_caller]
    pub fn connect(
        &mut self,
        client: ClientId,
        socket: SocketId,
        to: SocketAddr,
        token: u64,
        now: Instant,
    ) {
        self.stack
            .connect(client, socket, to, Token(token), now)
            .expect("connect");
    }

    /// Puts bytes into the client's arena and sends them on a connection.
    #[track_caller]
    pub fn send(
        &mut self,
        client: ClientId,
        socket: SocketId,
        bytes: &[u8],
        at: u64,
        token: u64,
        now: Instant,
    ) {
        self.memory.put(client, at, bytes);
        let data = Data::Arena(Range::new(at, bytes.len() as u32));
        self.stack
            .send(client, socket, data, None, Token(token), now)
            .expect("send");
    }

    /// Sends bytes that come with the call: a datagram to an address, or a part of a stream.
    #[track_caller]
    pub fn say(
        &mut self,
        client: ClientId,
        socket: SocketId,
        bytes: &[u8],
        to: Option<SocketAddr>,
        token: u64,
        now: Instant,
    ) {
        self.stack
            .send(client, socket, Data::Inline(bytes), to, Token(token), now)
            .expect("send");
    }

    #[track_caller]
    pub fn receive(
        &mut self,
        client: ClientId,
        socket: SocketId,
        room: Range,
        token: u64,
        now: Instant,
    ) {
        self.stack
            .receive(client, socket, room, Token(token), now)
            .expect("room");
    }

    #[track_caller]
    pub fn set_option(
        &mut self,
        client: ClientId,
        socket: SocketId,
        option: SocketOption,
        now: Instant,
    ) {
        self.stack
            .set_option(client, socket, option, now)
            .expect("option");
    }

    /// Closes as programs do that have nothing more to say.
    #[track_caller]
    pub fn close(&mut self, client: ClientId, socket: SocketId, token: u64, now: Instant) {
        self.stack
            .close(client, socket, Ending::Graceful, Token(token), now)
            .expect("close");
    }

    #[track_caller]
    pub fn ping(&mut self, client: ClientId, ping: Ping, token: u64, now: Instant) {
        self.stack
            .ping(client, ping, Token(token), now)
            .expect("ping");
    }

    #[track_caller]
    pub fn resolve(&mut self, client: ClientId, lookup: Lookup<'_>, token: u64, now: Instant) {
        self.stack
            .resolve(client, lookup, Token(token), now)
            .expect("resolve");
    }

    /// Gives the host another address.
    #[track_caller]
    pub fn add_address(&mut self, last: u8, now: Instant) {
        self.stack
            .add_address(self.link, ip(last).into(), 24, now)
            .expect("address");
    }

    /// Tells the host the link address of a neighbour.
    #[track_caller]
    pub fn know(&mut self, last: u8, now: Instant) {
        self.stack
            .add_neighbour(self.link, ip(last).into(), mac(last), now)
            .expect("neighbour");
    }
}
