//! An echo server on a Linux host whose TCP/IP is this project's: all that stands between the stack
//! and a device, in less than 200 lines of code.
//!
//! The stack does nothing by itself: it has no thread, no clock and no memory for data. [`Host::turn`]
//! is what drives it: frames in, timers, news for the program, frames out. Time is told with each call,
//! and data is copied between frames and what [`Memory`] says is the program's memory.
//!
//! ```text
//! cargo build --package peers --example echo
//! unshare --user --map-root-user --net sh -c 'target/debug/examples/echo &
//!     sleep 1; ip addr add 198.18.0.1/24 dev skerry0; ip link set skerry0 up
//!     sleep 2; echo hello | nc -N 198.18.0.2 7'
//! ```

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use device::{Checksum, Device, TransmitMeta, Verified};
use host::{Adapter, Tap, wait};
use stack::{
    AddressPlan, ClientId, ClientMemory, Config, Data, Ending, Event, EventKind, Gone, Instant,
    InterfaceId, Kind, LinkFacts, MacAddress, Offer, Range, ReceiveMeta, SocketId, Stack,
    StaticPlan, Token,
};

/// Connections served at a time; each has so many bytes of the memory.
const CONNECTIONS: u16 = 64;
const ROOM: u16 = 16 << 10;
/// Frames taken in one turn.
const BURST: usize = 64;

/// The memory of the only client: what it sends and receives lies here.
struct Memory(Vec<u8>);

impl Memory {
    fn part(&self, offset: u64, len: usize) -> Result<std::ops::Range<usize>, Gone> {
        let start = usize::try_from(offset).map_err(|_| Gone)?;
        let end = start.checked_add(len).filter(|end| *end <= self.0.len());
        Ok(start..end.ok_or(Gone)?)
    }
}

impl ClientMemory for Memory {
    fn write(&mut self, _: ClientId, offset: u64, bytes: &[u8]) -> Result<(), Gone> {
        let part = self.part(offset, bytes.len())?;
        self.0[part].copy_from_slice(bytes);
        Ok(())
    }

    fn read(&self, _: ClientId, offset: u64, into: &mut [u8]) -> Result<(), Gone> {
        into.copy_from_slice(&self.0[self.part(offset, into.len())?]);
        Ok(())
    }
}

/// A connection: what of its place has not left again.
#[derive(Clone, Default)]
struct Talk {
    socket: Option<SocketId>,
    sends: u32,
    is_full: bool,
    is_closing: bool,
}

/// A stack, its device, and a program that sends back what it hears.
pub struct Host {
    device: Adapter<Tap>,
    stack: Stack,
    link: InterfaceId,
    memory: Memory,
    client: ClientId,
    listener: SocketId,
    clock: std::time::Instant,
    events: Vec<Event>,
    talks: Vec<Talk>,
}

impl Host {
    /// Listens on port 7 of 198.18.0.2, behind a new TAP interface.
    pub fn open(interface: &str) -> io::Result<Self> {
        let mac = [2, 0, 0, 0, 0, 2];
        let device = Adapter::new(Tap::open(interface, mac)?);
        let start = Instant::from_secs(1);
        let seed = std::array::from_fn(|place| std::process::id().to_le_bytes()[place % 4]);
        let mut stack = Stack::new(Config::default(), seed, start);
        let facts = LinkFacts {
            mac: MacAddress(mac),
            mtu: device.facts().mtu,
            up: device.link_up(),
            checksum_transmit: false,
        };
        let plan = AddressPlan::Static(StaticPlan {
            address: [198, 18, 0, 2].into(),
            gateway: None,
            ..StaticPlan::qemu_user()
        });
        let link = stack.add_interface(facts, plan, start).expect("a place");
        let client = stack.client_open().expect("a place");
        let listener = stack.socket_create(client, Kind::Stream).expect("a place");
        let any = ([0, 0, 0, 0], 7).into();
        stack.bind(client, listener, any).expect("a free port");
        stack.listen(client, listener, 8).expect("a place");
        let mut host = Self {
            device,
            stack,
            link,
            memory: Memory(vec![0; usize::from(CONNECTIONS) * usize::from(ROOM)]),
            client,
            listener,
            clock: std::time::Instant::now(),
            events: Vec::new(),
            talks: vec![Talk::default(); CONNECTIONS.into()],
        };
        (0..CONNECTIONS.into()).for_each(|place| host.accept(Token(place), start));
        Ok(host)
    }

    /// What has come, what is due, what there is to say; then sleeps until there is more.
    pub fn turn(&mut self) -> io::Result<()> {
        let now = Instant::from_secs(1) + self.clock.elapsed();
        let (stack, memory) = (&mut self.stack, &mut self.memory);
        self.device.interrupt();
        stack.link_changed(self.link, self.device.link_up(), now);
        let mut burst = stack.burst(self.link, memory, now);
        self.device.reap_receive(BURST, &mut |received| {
            let meta = ReceiveMeta {
                checksum_verified: received.meta.checksum == Verified::Yes,
                is_joined: false,
            };
            burst.input_scattered(received.frame, received.rest, meta);
        });
        drop(burst);
        stack.fire(memory, now);
        stack.publish(now, &mut |_, event| {
            self.events.push(*event);
            Offer::Published
        });
        for event in std::mem::take(&mut self.events) {
            self.heed(event, now);
        }
        let mut output = self.stack.output_burst(self.link, &mut self.memory, now);
        while self.device.provide_transmit(&mut |frame| {
            let (len, _) = output.output(frame)?;
            Some((len, TransmitMeta::whole(Checksum::Complete)))
        }) {}
        drop(output);
        self.device.flush();
        self.device.reap_transmit();
        let due = self.stack.next_deadline().map(|due| due.since(now));
        // The link is looked at from time to time.
        let glance = Duration::from_millis(100);
        let pause = due.map_or(glance, |due| due.min(glance));
        wait(&[self.device.as_fd()], Some(pause)).map(drop)
    }

    /// The program. A connection's token says where its place in the memory is: what has come is sent from
    /// where it lies, and when the place is full and all of it has left, it is given anew.
    fn heed(&mut self, event: Event, now: Instant) {
        let (client, token) = (self.client, event.token);
        let talk = &mut self.talks[place(token)];
        match event.kind {
            EventKind::Accepted { socket, .. } => {
                talk.socket = Some(socket);
                return;
            }
            // Of a socket that has no name any more.
            EventKind::Closed => return self.accept(token, now),
            _ => {}
        }
        let Some(socket) = talk.socket.filter(|own| event.socket == Some(*own)) else {
            return;
        };
        let mut is_over = false;
        match event.kind {
            EventKind::Received {
                offset,
                length,
                more,
                ..
            } => {
                let data = Data::Arena(Range::new(offset, length));
                let sent = self.stack.send(client, socket, data, None, token, now);
                is_over = sent.is_err();
                talk.sends += 1;
                talk.is_full = !more;
            }
            EventKind::Sent { .. } => talk.sends -= 1,
            EventKind::Eof | EventKind::Error(_) => is_over = true,
            _ => {}
        }
        if talk.is_full && talk.sends == 0 && !is_over {
            talk.is_full = false;
            let given = self.stack.receive(client, socket, room(token), token, now);
            is_over = given.is_err();
        }
        if is_over && !std::mem::replace(&mut talk.is_closing, true) {
            let closed = self
                .stack
                .close(client, socket, Ending::Graceful, token, now);
            closed.expect("a socket of ours");
        }
    }

    fn accept(&mut self, token: Token, now: Instant) {
        self.talks[place(token)] = Talk::default();
        let (client, listener) = (self.client, self.listener);
        let accepted = self
            .stack
            .accept(client, listener, Some(room(token)), token, now);
        accepted.expect("as many places as connections");
    }
}

/// Whose token it is: all are ours.
fn place(token: Token) -> usize {
    usize::try_from(token.0).expect("one of few")
}

/// A connection's place in the memory.
fn room(token: Token) -> Range {
    Range::new(token.0 * u64::from(ROOM), ROOM.into())
}

#[allow(dead_code, reason = "the test that runs it has a loop of its own")]
fn main() -> io::Result<()> {
    let mut host = Host::open("skerry0")?;
    loop {
        host.turn()?;
    }
}
