//! The stage: the stack, its one client, and everything that was sent and told.
//!
//! *Owns* time and the loop that netd has in the real system. *Never* judges: it notes what
//! happened, and `run` compares. Only what no script may allow is an error here: what the oracles
//! forbid, wrong bytes, and segments to nobody.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use stack::{
    AddressPlan, ClientId, Event, EventKind, Identifiers, Instant, InterfaceId, Ipv6Plan,
    Kind as SocketKind, LinkFacts, NAME_SERVERS, Offer, ReceiveMeta, SocketId, SocketInfo,
    SocketOption, Stack, StaticPlan,
};

use super::given::{Setup, Six};
use super::names::{PEER6, ROUTER_MAC, ROUTER4};
use super::packet;
use super::peer::{self, PEER, Ports, STACK};
use super::said::{self, Said};
use super::segment::Numbers;
use super::statement;
use crate::host::Arenas;
use crate::oracle::Watch;
use crate::random::Random;
use crate::world::Meddler;

/// One connection, as the script sees it.
#[derive(Debug)]
pub(super) struct Flow {
    name: String,
    pub(super) ports: Ports,
    peer_isn: u32,
    stack_isn: Option<u32>,
    stamp_base: Option<u32>,
    pub(super) socket: Option<SocketId>,
    /// Bytes queued, and room given, so far: where in the arena the next ones lie.
    pub(super) queued: u64,
    pub(super) room: u64,
    received: u64,
    /// What the client was told and the script has not asked for.
    pub(super) told: Told,
}

/// What the client of a connection was told.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) received: u64,
    pub(super) sent: u64,
    pub(super) events: VecDeque<String>,
}

/// What the stack has sent.
pub(super) enum Sent {
    /// A segment to the peer.
    Segment(Box<peer::Sent>),
    /// Anything else.
    Packet(Said),
}

/// Everything.
pub(super) struct Stage {
    pub(super) stack: Stack,
    pub(super) memory: Arenas,
    link: InterfaceId,
    pub(super) client: ClientId,
    pub(super) now: Instant,
    pub(super) start: Instant,
    pub(super) listener: Option<SocketId>,
    /// Options of the socket that is made next.
    pub(super) options: Vec<SocketOption>,
    flows: Vec<Flow>,
    current: usize,
    pub(super) sent: VecDeque<(Instant, Sent)>,
    pub(super) is_deaf: bool,
    /// The sockets for datagrams of both families, once there are any.
    datagrams: [Option<SocketId>; 2],
    /// The last packets in both directions, for errors about them.
    pub(super) last_sent: Vec<u8>,
    pub(super) last_received: Vec<u8>,
    watch: Watch,
    frame: Vec<u8>,
    /// Somebody meddles with what the stack sends.
    pub(super) meddler: Option<Meddler>,
}

/// Which port the stack's listeners have, and the peer in its first connection.
const PORT: u16 = 80;
const PEER_PORT: u16 = 40_000;
/// How long it takes to find out that nobody else has an address, and to join its group.
const SETTLING: Duration = Duration::from_secs(3);
const PEER_ISN: u32 = 0x1000_0000;

impl Stage {
    /// A stack with an address and a neighbour, at rest.
    pub(super) fn new(setup: Setup) -> Self {
        let begin = Instant::from_secs(1);
        let mut stack = Stack::new(setup.config, Random::new(setup.seed).seed(), begin);
        let facts = LinkFacts {
            mac: peer::STACK_MAC,
            mtu: setup.mtu,
            up: true,
            checksum_transmit: false,
        };
        let plan = StaticPlan {
            address: STACK,
            prefix: 24,
            gateway: setup.has_router.then_some(ROUTER4),
            name_servers: [SocketAddrV4::new(std::net::Ipv4Addr::UNSPECIFIED, 0); NAME_SERVERS],
        };
        let link = stack
            .add_interface(facts, AddressPlan::Static(plan), begin)
            .expect("the first interface");
        for (neighbour, mac) in [(PEER, peer::PEER_MAC), (ROUTER4, ROUTER_MAC)] {
            if neighbour == PEER || setup.has_router {
                stack
                    .add_neighbour(link, neighbour.into(), mac, begin)
                    .expect("one of the first neighbours");
            }
        }
        let client = stack.client_open().expect("the first client");
        let mut memory = Arenas::default();
        memory.open(client);
        let mut stage = Self {
            stack,
            memory,
            link,
            client,
            now: begin,
            start: begin,
            listener: None,
            options: Vec::new(),
            flows: Vec::new(),
            current: 0,
            sent: VecDeque::new(),
            is_deaf: false,
            datagrams: [None; 2],
            last_sent: Vec::new(),
            last_received: Vec::new(),
            watch: Watch::new("stack", setup.config.syn_cookies),
            meddler: None,
            frame: vec![0; usize::from(setup.mtu) + wire::ethernet::HEADER_LEN],
        };
        stage.turn_to(&statement::Flow::default());
        // The address is claimed first.
        stage
            .advance(begin + Duration::from_secs(9))
            .expect("nothing but the claim of an address");
        stage.sent.clear();
        stage.begin_ipv6(setup.six).expect("IPv6 begins");
        stage.start = stage.now;
        stage
    }

    /// Takes part in IPv6 as far as the case needs it, what is said meanwhile not counted.
    fn begin_ipv6(&mut self, six: Six) -> Result<(), String> {
        if six == Six::Nothing {
            return Ok(());
        }
        let plan = Ipv6Plan {
            identifiers: Identifiers::Hardware,
            is_optimistic: false,
            follows_routers: true,
            has_temporary: false,
        };
        let begun = self.stack.start_ipv6(self.link, plan, self.now);
        begun.map_err(|error| format!("{error:?}"))?;
        let known = self
            .stack
            .add_neighbour(self.link, PEER6.into(), peer::PEER_MAC, self.now);
        known.map_err(|error| format!("{error:?}"))?;
        if six == Six::Beginning {
            return Ok(());
        }
        self.advance(self.now + SETTLING)?;
        if six == Six::Routed {
            let from = "ip6 from router6 to nodes6 ra source-link router";
            let prefix = format!("{from} prefix 2001:db8:1::/64 valid 3600 preferred 1800");
            let frame = packet::frame(&prefix, &[])?;
            self.input(&frame)?;
            self.settle()?;
            self.advance(self.now + SETTLING)?;
        }
        self.sent.clear();
        Ok(())
    }

    /// The socket for datagrams of the family of `address`.
    pub(super) fn datagrams(&mut self, address: IpAddr) -> Result<SocketId, String> {
        let place = &mut self.datagrams[usize::from(address.is_ipv6())];
        if let Some(socket) = *place {
            return Ok(socket);
        }
        let made = self.stack.socket_create(self.client, SocketKind::Datagram);
        let socket = made.map_err(|error| format!("{error:?}"))?;
        *place = Some(socket);
        Ok(socket)
    }

    /// The connection that is meant now.
    pub(super) fn flow(&mut self) -> &mut Flow {
        &mut self.flows[self.current]
    }

    /// From now on the connection of this name is meant.
    pub(super) fn turn_to(&mut self, flow: &statement::Flow) {
        let known = self.flows.iter().position(|it| it.name == flow.name);
        self.current = known.unwrap_or(self.flows.len());
        if known.is_none() {
            let place = u16::try_from(self.flows.len()).unwrap_or(u16::MAX);
            self.flows.push(Flow {
                name: flow.name.clone(),
                ports: Ports {
                    peer: PEER_PORT + place,
                    stack: PORT,
                },
                peer_isn: PEER_ISN,
                stack_isn: None,
                stamp_base: None,
                socket: None,
                queued: 0,
                room: 0,
                received: 0,
                told: Told::default(),
            });
        }
        let current = self.flow();
        current.ports.peer = flow.from.unwrap_or(current.ports.peer);
        current.ports.stack = flow.to.unwrap_or(current.ports.stack);
        current.peer_isn = flow.isn.unwrap_or(current.peer_isn);
    }

    /// Lets time pass; what is due happens.
    pub(super) fn advance(&mut self, to: Instant) -> Result<(), String> {
        while let Some(at) = self.stack.next_deadline().filter(|at| *at <= to) {
            self.now = self.now.max(at);
            self.settle()?;
        }
        self.now = self.now.max(to);
        Ok(())
    }

    /// A frame reaches the stack, and what follows has not happened yet.
    pub(super) fn input(&mut self, frame: &[u8]) -> Result<(), String> {
        self.watch.received(frame, self.now);
        let meta = ReceiveMeta::default();
        self.stack
            .input(self.link, frame, meta, &mut self.memory, self.now);
        Ok(())
    }

    /// Does everything that can be done now.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        for _ in 0..10_000 {
            self.stack.fire(&mut self.memory, self.now);
            let is_quiet = !self.tell()? & !self.output()?;
            let is_due = self.stack.next_deadline().is_some_and(|at| at <= self.now);
            if is_quiet && !is_due {
                self.watch.states(self.stack.sockets())?;
                return crate::oracle::frames_balance(&self.stack);
            }
        }
        Err("the stack never comes to rest".into())
    }

    /// The client is told what there is to tell. Returns whether there was something.
    pub(super) fn tell(&mut self) -> Result<bool, String> {
        let mut events = Vec::new();
        let is_deaf = self.is_deaf;
        self.stack.publish(self.now, &mut |_, event| {
            if is_deaf {
                return Offer::Full;
            }
            events.push(*event);
            Offer::Published
        });
        for event in &events {
            self.note_event(event)?;
        }
        Ok(!events.is_empty())
    }

    fn note_event(&mut self, event: &Event) -> Result<(), String> {
        if let EventKind::Accepted { socket, remote, .. } = event.kind {
            let flow = self
                .flows
                .iter_mut()
                .find(|flow| flow.ports.peer == remote.port())
                .ok_or_else(|| format!("{remote} is nobody's"))?;
            flow.socket = Some(socket);
        }
        // A token names the flow that asked; an accept's flow is known by its socket.
        let named = usize::try_from(event.token.0).unwrap_or(usize::MAX);
        let socket = match event.kind {
            EventKind::Accepted { socket, .. } => Some(socket),
            _ => event.socket,
        };
        let place = self
            .flows
            .iter()
            .position(|flow| flow.socket.is_some() && flow.socket == socket)
            .unwrap_or(named)
            .min(self.flows.len() - 1);
        let flow = &mut self.flows[place];
        let told = &mut flow.told;
        let text = match event.kind {
            EventKind::Received {
                offset,
                length,
                from: Some(_),
                ..
            } => {
                let len = usize::try_from(length).unwrap_or(usize::MAX);
                if self.memory.bytes(self.client, offset, length) != packet::pattern(len) {
                    return Err(format!("wrong bytes in a datagram of {length}"));
                }
                format!("datagram {length}")
            }
            EventKind::PingReply { size, .. } => format!("pong {size}"),
            EventKind::PingFailed { error, .. } => format!("ping-failed {error:?}"),
            EventKind::Received { offset, length, .. } => {
                let len = usize::try_from(length).unwrap_or(usize::MAX);
                let wanted = peer::stream(peer::THEIRS, flow.received.cast_signed(), len);
                if self.memory.bytes(self.client, offset, length) != wanted {
                    return Err(format!("wrong bytes after {}", flow.received));
                }
                flow.received += u64::from(length);
                told.received += u64::from(length);
                return Ok(());
            }
            EventKind::Sent { bytes } => {
                told.sent += u64::from(bytes);
                return Ok(());
            }
            EventKind::Connected { .. } => "connected".into(),
            EventKind::Accepted { .. } => "accepted".into(),
            EventKind::Eof => "eof".into(),
            EventKind::Closed => "closed".into(),
            EventKind::Error(error) => format!("error {error:?}"),
            EventKind::Lost(error) => format!("lost {error:?}"),
            EventKind::Urgent { bytes } => format!("urgent {bytes}"),
            EventKind::Doubtful(_) => "doubtful".into(),
            other => return Err(format!("unexpected event: {other:?}")),
        };
        told.events.push_back(text);
        Ok(())
    }

    fn output(&mut self) -> Result<bool, String> {
        let mut has_sent = false;
        while let Some((len, _)) =
            self.stack
                .output(self.link, &mut self.frame, &mut self.memory, self.now)
        {
            has_sent = true;
            let mut frame = self.frame[..len].to_vec();
            if let Some(meddler) = &mut self.meddler {
                meddler(&mut frame)?;
            }
            self.watch.sent(&frame, self.now)?;
            match peer::read(&frame) {
                Some(sent) => self.note_sent(sent)?,
                None => self.note_packet(&frame),
            }
        }
        Ok(has_sent)
    }

    fn note_packet(&mut self, frame: &[u8]) {
        let said = said::read(frame, &self.last_received);
        // Who listens to which group is not the scripts' matter.
        if said.is_report() {
            return;
        }
        if !said.packet.is_empty() {
            self.last_sent.clone_from(&said.packet);
        }
        self.sent.push_back((self.now, Sent::Packet(said)));
    }

    fn note_sent(&mut self, sent: peer::Sent) -> Result<(), String> {
        let ports = sent.ports();
        let flow = self
            .flows
            .iter_mut()
            .find(|flow| flow.ports.peer == ports.peer)
            .ok_or_else(|| format!("a segment to port {}: {:?}", ports.peer, sent.header))?;
        flow.ports.stack = ports.stack;
        if sent.header.flags.contains(wire::tcp::Flags::SYN) {
            flow.stack_isn = Some(sent.header.seq);
        }
        if let Some(stamps) = sent.header.options.timestamps {
            flow.stamp_base.get_or_insert(stamps.value);
        }
        let start = sent.header.seq.wrapping_sub(flow.stack_isn.unwrap_or(0));
        let start = i64::from(start) - 1;
        let len = sent.payload.len();
        if sent.payload != peer::stream(peer::OURS, start, len) {
            return Err(format!("wrong bytes in {len} from {}", start + 1));
        }
        self.sent
            .push_back((self.now, Sent::Segment(Box::new(sent))));
        Ok(())
    }

    /// Whether a segment of the stack's belongs to the connection that is meant.
    pub(super) fn is_of_flow(&mut self, sent: &peer::Sent) -> bool {
        self.flow().ports.peer == sent.header.dst_port
    }

    /// What the peer's numbers count from.
    pub(super) fn peer_numbers(&mut self) -> Numbers {
        let flow = self.flow();
        Numbers {
            seq: flow.peer_isn,
            ack: flow.stack_isn.unwrap_or(0),
            stamp: 0,
            echo: flow.stamp_base.unwrap_or(0),
        }
    }

    /// What the numbers of a segment of the stack's count from.
    pub(super) fn numbers_of(&self, sent: &peer::Sent) -> Numbers {
        let flow = self
            .flows
            .iter()
            .find(|flow| flow.ports.peer == sent.header.dst_port);
        flow.map_or_else(Numbers::default, |flow| Numbers {
            seq: flow.stack_isn.unwrap_or(0),
            ack: flow.peer_isn,
            stamp: flow.stamp_base.unwrap_or(0),
            echo: 0,
        })
    }

    /// The stack's entry for the connection that is meant.
    pub(super) fn info(&mut self) -> Option<SocketInfo> {
        let ports = self.flow().ports;
        let remote = SocketAddr::from((PEER, ports.peer));
        let entries = self.stack.sockets().filter(|socket| {
            socket.protocol == "tcp"
                && socket.remote == Some(remote)
                && socket.local.port() == ports.stack
        });
        // A socket that is over may still wait beside the record of its TIME-WAIT.
        entries.min_by_key(|socket| socket.state == "CLOSED")
    }

    /// The token that names the connection that is meant.
    pub(super) fn token(&self) -> stack::Token {
        stack::Token(self.current as u64)
    }
}
