//! Programs: what runs on a simulated host.
//!
//! *Owns* the contract of a program and the desk it works at. A program hears of events and acts
//! through its desk; it says itself whether it is content.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use stack::{
    ClientId, ClientMemory, ConnectError, Data, Ending, Event, Half, Instant, Kind, Range,
    ReceiveError, ResumeError, Resumption, SendError, SocketId, SocketOption, Stack, Survivor,
    Token,
};

use crate::host::Arenas;
use crate::programs::Held;
use crate::random::Random;
use crate::script::setting;
use crate::trace::{Moment, Trace};

/// What a program thinks of its life so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is not done yet.
    Running,
    /// Everything went as it should.
    Content,
    /// An error that the world may well cause was reported properly.
    GaveUp(String),
    /// Something happened that must never happen.
    Broken(String),
}

impl Verdict {
    /// What must never happen, if it did.
    pub(crate) fn complaint(self) -> Option<String> {
        match self {
            Self::Broken(what) => Some(what),
            Self::Running | Self::Content | Self::GaveUp(_) => None,
        }
    }
}

/// A program.
pub trait Program {
    /// It starts.
    fn begin(&mut self, desk: &mut Desk<'_>);

    /// One of its requests completed.
    fn event(&mut self, event: &Event, desk: &mut Desk<'_>);

    /// The time has come that it asked for.
    fn wake(&mut self, _desk: &mut Desk<'_>) {}

    /// There was no stack for a while, and there is another now: whatever it asked of the one before
    /// is to be asked again, and its connections are to be taken back.
    ///
    /// # Panics
    /// If it is a program that cannot do that.
    fn come_back(&mut self, _desk: &mut Desk<'_>) {
        panic!("a program that does not come back");
    }

    /// What it thinks.
    fn verdict(&self) -> Verdict;

    /// Whether the world need not wait for it: it serves whoever comes.
    fn is_server(&self) -> bool {
        false
    }
}

/// What a program works with.
pub struct Desk<'a> {
    /// The stack of its host.
    pub stack: &'a mut Stack,
    pub(crate) memory: &'a mut Arenas,
    pub(crate) trace: &'a mut Trace,
    /// Chance.
    pub random: &'a mut Random,
    /// When it wants to be woken.
    pub wake_at: &'a mut Option<Instant>,
    /// Itself, as the stack knows it.
    pub client: ClientId,
    /// Its host speaks both families: what is opened is open to both.
    pub(crate) is_dual: bool,
    /// The time.
    pub now: Instant,
}

impl Desk<'_> {
    /// Writes into its arena.
    ///
    /// # Panics
    /// If the place is outside: programs of a simulation make no such mistake.
    pub fn write(&mut self, offset: u64, bytes: &[u8]) {
        self.memory.put(self.client, offset, bytes);
    }

    /// Reads from its arena.
    ///
    /// # Panics
    /// If the place is outside: the stack must not name such places.
    #[must_use]
    pub fn read(&self, offset: u64, len: u32) -> Vec<u8> {
        self.memory.bytes(self.client, offset, len)
    }

    /// Whether the arena holds these bytes there.
    ///
    /// # Panics
    /// As [`Desk::read`].
    #[must_use]
    pub fn holds(&self, offset: u64, len: u32, mut bytes: impl Iterator<Item = u8>) -> bool {
        let mut piece = [0; 2_048];
        let (mut place, end) = (offset, offset + u64::from(len));
        while place < end {
            let part = usize::try_from(end - place).map_or(piece.len(), |it| it.min(piece.len()));
            let piece = &mut piece[..part];
            self.memory
                .read(self.client, place, piece)
                .expect("within the arena");
            if !piece.iter().all(|byte| bytes.next() == Some(*byte)) {
                return false;
            }
            place += piece.len() as u64;
        }
        true
    }

    /// Wants to be woken at this time, or earlier.
    pub fn wake_by(&mut self, at: Instant) {
        *self.wake_at = Some(self.wake_at.map_or(at, |known| known.min(at)));
    }

    fn note(&mut self, socket: SocketId, words: impl FnOnce() -> String) {
        self.trace.note(self.now, || Moment::Call(socket, words()));
    }

    /// A socket that listens on this port of all addresses.
    ///
    /// # Panics
    /// If there is no free socket or port.
    pub fn listen(&mut self, port: u16, backlog: u16, options: &[SocketOption]) -> SocketId {
        let socket = self
            .stack
            .socket_create(self.client, Kind::Stream)
            .expect("a socket");
        self.bind(socket, port);
        self.trace.note(self.now, || Moment::Listens(socket, port));
        self.set(socket, options);
        self.stack
            .listen(self.client, socket, backlog)
            .expect("a listener");
        self.trace.note(self.now, || Moment::Listens(socket, port));
        self.note(socket, || format!("listen backlog {backlog}"));
        socket
    }

    /// A socket that is being connected.
    ///
    /// # Errors
    /// What the stack says.
    ///
    /// # Panics
    /// If there is no free socket.
    pub fn connect(
        &mut self,
        to: SocketAddr,
        token: Token,
        options: &[SocketOption],
    ) -> Result<SocketId, ConnectError> {
        let socket = self
            .stack
            .socket_create(self.client, Kind::Stream)
            .expect("a socket");
        self.trace.note(self.now, || Moment::Speaks(socket, to));
        self.set(socket, options);
        self.stack
            .connect(self.client, socket, to, token, self.now)?;
        self.note(socket, || "connect".into());
        Ok(socket)
    }

    /// A socket for datagrams on this port of all addresses; zero: a port that is free.
    ///
    /// # Panics
    /// If there is no free socket or port.
    pub fn datagrams(&mut self, port: u16) -> SocketId {
        let socket = self
            .stack
            .socket_create(self.client, Kind::Datagram)
            .expect("a socket");
        self.bind(socket, port);
        socket
    }

    /// Binds to all addresses of the host.
    fn bind(&mut self, socket: SocketId, port: u16) {
        let any = if self.is_dual {
            let dual = SocketOption::DualStack(true);
            self.stack
                .set_option(self.client, socket, dual, self.now)
                .expect("an option of a socket that is not bound");
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        } else {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        };
        self.stack
            .bind(self.client, socket, (any, port).into())
            .expect("a free port");
    }

    /// Puts a datagram at a place of the arena and sends it from there.
    ///
    /// # Errors
    /// What the stack says.
    ///
    /// # Panics
    /// As [`Desk::write`].
    pub fn send_datagram(
        &mut self,
        socket: SocketId,
        place: u64,
        bytes: &[u8],
        to: SocketAddr,
        token: Token,
    ) -> Result<(), SendError> {
        self.write(place, bytes);
        let len = u32::try_from(bytes.len()).expect("a datagram");
        let data = Data::Arena(Range::new(place, len));
        self.stack
            .send(self.client, socket, data, Some(to), token, self.now)
    }

    /// Asks for one connection.
    ///
    /// # Panics
    /// If the listener is none, or too many accepts wait.
    pub fn accept(&mut self, listener: SocketId, room: Option<Range>, token: Token) {
        self.stack
            .accept(self.client, listener, room, token, self.now)
            .expect("an accept");
        let room = room.map_or_else(String::new, |room| format!(" room {}", room.length));
        self.note(listener, || format!("accept{room}"));
    }

    /// Queues bytes of the arena.
    ///
    /// # Errors
    /// What the stack says.
    pub fn send(&mut self, socket: SocketId, bytes: Range, token: Token) -> Result<(), SendError> {
        let data = Data::Arena(bytes);
        self.stack
            .send(self.client, socket, data, None, token, self.now)?;
        self.note(socket, || format!("send {}", bytes.length));
        Ok(())
    }

    /// Gives room in the arena.
    ///
    /// # Errors
    /// What the stack says.
    pub fn receive(
        &mut self,
        socket: SocketId,
        room: Range,
        token: Token,
    ) -> Result<(), ReceiveError> {
        self.stack
            .receive(self.client, socket, room, token, self.now)?;
        self.note(socket, || format!("receive {}", room.length));
        Ok(())
    }

    /// Takes a connection back, of which so much was told, and all this is still held.
    ///
    /// # Errors
    /// What the stack says.
    pub(crate) fn resume(
        &mut self,
        survivor: &Survivor,
        received: u64,
        sent: u64,
        held: &Held,
    ) -> Result<(), ResumeError> {
        let in_arena = |(range, token): &(Range, Token)| (Data::Arena(*range), *token);
        let sends: Vec<_> = held.sends.iter().map(in_arena).collect();
        let rooms: Vec<_> = held.rooms.iter().copied().collect();
        let held = Resumption {
            received,
            rooms: &rooms,
            sent,
            sends: &sends,
        };
        self.stack.resume(self.client, survivor, &held, self.now)
    }

    /// Ends the sending half. It may just have been reset: then an event says so.
    pub fn shutdown_send(&mut self, socket: SocketId) {
        let shut = self
            .stack
            .shutdown(self.client, socket, Half::Send, self.now);
        if shut.is_ok() {
            self.note(socket, || "shutdown send".into());
        }
    }

    /// Ends the socket; `false` if it is not ours any more.
    pub fn close(&mut self, socket: SocketId, ending: Ending, token: Token) -> bool {
        let closed = self
            .stack
            .close(self.client, socket, ending, token, self.now);
        self.note(socket, || match ending {
            Ending::Graceful => "close".into(),
            Ending::Abort => "abort".into(),
        });
        closed.is_ok()
    }

    /// Chooses options.
    ///
    /// # Panics
    /// If the stack does not know them.
    pub(crate) fn set(&mut self, socket: SocketId, options: &[SocketOption]) {
        for option in options {
            self.stack
                .set_option(self.client, socket, *option, self.now)
                .expect("an option of streams");
            self.note(socket, || setting(*option));
        }
    }

    /// This socket is the end of a connection to there.
    pub fn note_peer(&mut self, socket: SocketId, remote: SocketAddr) {
        self.trace.note(self.now, || Moment::Speaks(socket, remote));
    }
}
