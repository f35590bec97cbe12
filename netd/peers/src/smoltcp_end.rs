//! The other end as smoltcp has it: an interface, its sockets, and what is done with them.

use std::collections::VecDeque;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use sim::programs::pattern;
use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::phy::{self, DeviceCapabilities, Medium};
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer, State};
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpCidr};
use stack::Instant;

use crate::plan::{Digests, OURS, PREFIX, Plan, Side, THEIRS};

/// Bytes that a socket keeps in each direction.
const BUFFER: usize = 128 * 1_024;
/// An Ethernet frame with 1500 bytes in it.
const FRAME: usize = 1_514;
/// The first local port of connections that it opens.
const FIRST_PORT: u16 = 40_000;

/// Frames that have come and frames that are to go.
#[derive(Default)]
struct Queues {
    received: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
}

struct Received(Vec<u8>);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(&self.0)
    }
}

struct Sending<'a>(&'a mut Vec<Vec<u8>>);

impl phy::TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let mut frame = vec![0; len];
        let result = fill(&mut frame);
        self.0.push(frame);
        result
    }
}

impl phy::Device for Queues {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _now: smoltcp::time::Instant) -> Option<(Received, Sending<'_>)> {
        let frame = self.received.pop_front()?;
        Some((Received(frame), Sending(&mut self.sent)))
    }

    fn transmit(&mut self, _now: smoltcp::time::Instant) -> Option<Sending<'_>> {
        Some(Sending(&mut self.sent))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = FRAME;
        capabilities
    }
}

/// One connection, as far as it has come.
struct Conversation {
    plan: Plan,
    socket: SocketHandle,
    has_begun: bool,
    sent: u64,
    hash: Sha256,
    has_end: bool,
    has_closed: bool,
}

/// A host that runs smoltcp.
pub struct Smoltcp {
    interface: Interface,
    queues: Queues,
    sockets: SocketSet<'static>,
    conversations: Vec<Conversation>,
}

fn at(now: Instant) -> smoltcp::time::Instant {
    smoltcp::time::Instant::from_micros(i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
}

impl Smoltcp {
    /// A host with a socket for each plan.
    ///
    /// # Panics
    /// If smoltcp has no room for an address.
    #[must_use]
    pub fn new(plans: &[Plan], mac: [u8; 6], seed: u64) -> Self {
        let mut config = Config::new(HardwareAddress::Ethernet(EthernetAddress(mac)));
        config.random_seed = seed;
        let mut queues = Queues::default();
        let mut interface =
            Interface::new(config, &mut queues, smoltcp::time::Instant::from_secs(1));
        interface.update_ip_addrs(|addresses| {
            let address = IpCidr::new(THEIRS.into(), PREFIX);
            addresses.push(address).expect("room for one address");
        });
        let mut sockets = SocketSet::new(Vec::new());
        let conversation = |plan: &Plan| {
            let buffer = || SocketBuffer::new(vec![0; BUFFER]);
            let mut socket = Socket::new(buffer(), buffer());
            socket.set_congestion_control(CongestionControl::Cubic);
            Conversation {
                plan: *plan,
                socket: sockets.add(socket),
                has_begun: false,
                sent: 0,
                hash: Sha256::new(),
                has_end: false,
                has_closed: false,
            }
        };
        let conversations = plans.iter().map(conversation).collect();
        Self {
            interface,
            queues,
            sockets,
            conversations,
        }
    }

    /// A frame has come.
    pub fn input(&mut self, frame: Vec<u8>) {
        self.queues.received.push_back(frame);
    }

    /// Does everything that can be done now, and returns the frames that are sent.
    pub fn settle(&mut self, now: Instant) -> Vec<Vec<u8>> {
        loop {
            let changed = self
                .interface
                .poll(at(now), &mut self.queues, &mut self.sockets);
            let mut has_acted = false;
            for conversation in &mut self.conversations {
                let socket = self.sockets.get_mut::<Socket<'_>>(conversation.socket);
                has_acted |= conversation.act(socket, &mut self.interface);
            }
            if !has_acted && changed == PollResult::None {
                return std::mem::take(&mut self.queues.sent);
            }
        }
    }

    /// When it wants to be looked at without a frame for it.
    pub fn next_deadline(&mut self, now: Instant) -> Option<Instant> {
        let at = self.interface.poll_at(at(now), &self.sockets)?;
        let micros = u64::try_from(at.total_micros()).unwrap_or(0);
        // Its clock has no nanoseconds: never look at the same moment twice.
        Some(Instant::from_micros(micros).max(now + Duration::from_micros(1)))
    }

    /// Whether all conversations have come to their end.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.conversations.iter().all(|conversation| {
            let state = self.sockets.get::<Socket<'_>>(conversation.socket).state();
            let is_over = matches!(state, State::Closed | State::TimeWait);
            conversation.has_closed && conversation.has_end && is_over
        })
    }

    /// SHA-256 of what it has received.
    #[must_use]
    pub fn digests(&self) -> Digests {
        let finish = |it: &Conversation| it.hash.clone().finalize().into();
        self.conversations.iter().map(finish).collect()
    }
}

impl Conversation {
    /// One step of the program. Returns whether there was anything to do.
    fn act(&mut self, socket: &mut Socket<'_>, interface: &mut Interface) -> bool {
        if !self.has_begun {
            self.has_begun = true;
            let port = self.plan.port;
            match self.plan.opens {
                Side::Ours => socket.listen(port).expect("a port to listen on"),
                Side::Theirs => socket
                    .connect(interface.context(), (OURS, port), FIRST_PORT + port)
                    .expect("a way to the peer"),
            }
            return true;
        }
        let is_connected = socket.may_send() || socket.may_recv();
        if !is_connected && !matches!(socket.state(), State::TimeWait | State::Closed) {
            return false;
        }
        let sent = self.send(socket);
        let received = self.receive(socket);
        let may_close = self.plan.closes == Side::Theirs || self.has_end;
        let is_closing = self.sent == self.plan.theirs && may_close && !self.has_closed;
        if is_closing {
            self.has_closed = true;
            socket.close();
        }
        sent || received || is_closing
    }

    fn send(&mut self, socket: &mut Socket<'_>) -> bool {
        if !socket.can_send() || self.sent == self.plan.theirs {
            return false;
        }
        let (flow, start) = (self.plan.flow(Side::Theirs), self.sent);
        let most = usize::try_from(self.plan.theirs - start).unwrap_or(usize::MAX);
        let sent = socket.send(|room| {
            let len = room.len().min(most);
            for (place, byte) in (start..).zip(&mut room[..len]) {
                *byte = pattern(flow, place);
            }
            (len, len)
        });
        let sent = sent.expect("it can send");
        self.sent += u64::try_from(sent).unwrap_or(0);
        sent > 0
    }

    fn receive(&mut self, socket: &mut Socket<'_>) -> bool {
        if socket.can_recv() {
            let hash = &mut self.hash;
            let received = socket.recv(|bytes| {
                hash.update(&*bytes);
                (bytes.len(), bytes.len())
            });
            return received.is_ok_and(|received| received > 0);
        }
        let is_end = !self.has_end && !socket.may_recv();
        self.has_end |= is_end;
        is_end
    }
}
