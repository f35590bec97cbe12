//! The object that owns everything, and its outermost motions: frames in and out, time, events.
//!
//! *Owns* all tables. *Never* waits, allocates on a packet's way, or knows the time: `now` comes in.
//! The rest of its calls are where their subject is: `calls.rs` (clients and sockets), `admin.rs`
//! (configuration), `report.rs` (snapshots), `publish.rs` (events), `icmp/ping.rs`.

use crate::actors::Numbering;
use crate::adopt::Adoption;
use crate::autoconf::Autoconf;
use crate::autoconf6::Autoconf6;
use crate::burst::Landing;
use crate::client::Clients;
use crate::config::{Config, ReceiveMeta, TransmitChecksum, TransmitMeta};
use crate::error::SocketError;
use crate::hash::Spread;
use crate::icmp::errors::Limiter;
use crate::icmp::ping::Pings;
use crate::id::InterfaceId;
use crate::inline::Inline;
use crate::interface::{Interface, Medium};
use crate::ip::identification::Identifications;
use crate::ip::incoming::LinkScope;
use crate::ip::policies::Policies;
use crate::loans::Loans;
use crate::marks::Marks;
use crate::memory::ClientMemory;
use crate::names::lookup::Names;
use crate::net::Nets;
use crate::packed::Requests;
use crate::packets::Owner;
use crate::pieces::{Draft, Extent, Gathered, Pieces};
use crate::queues::Queues;
use crate::records::Records;
use crate::responder::{BROWSES, Browse, Responder, Services};
use crate::rng::Rng;
use crate::scattered::LINK_BYTES;
use crate::slab::Table;
use crate::stats::Stats;
use crate::tcp::connection::Tcp;
use crate::timers::{Timer, Timers};
use crate::udp::socket::Udp;
use crate::udp::traces::Traces;
use ::tcp::Instant;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};
use wire::ethernet::{self, EtherType, Frame};
use wire::{Drop, Headroom, MacAddress, Rest};

/// The whole stack.
#[derive(Debug)]
pub struct Stack {
    pub(crate) config: Config,
    pub(crate) rng: Rng,
    pub(crate) stats: Stats,
    pub(crate) timers: Timers,
    pub(crate) interfaces: Vec<Interface>,
    pub(crate) autoconf: Vec<Autoconf>,
    pub(crate) autoconf6: Vec<Autoconf6>,
    pub(crate) nets: Nets,
    pub(crate) policies: Policies,
    pub(crate) numbering: Numbering,
    /// Who has something to send, by link or by the neighbour they wait for.
    pub(crate) senders: Queues,
    /// Who has something to tell, by client; and which clients are to be told something.
    pub(crate) dirty: Queues,
    pub(crate) dirty_clients: Marks,
    pub(crate) has_news: bool,
    /// Of the frames that came together last, acknowledgements made way for later ones.
    pub(crate) expects_acks: bool,
    pub(crate) clients: Clients,
    pub(crate) requests: Requests,
    pub(crate) inline: Inline,
    pub(crate) loans: Loans,
    pub(crate) udp: Udp,
    pub(crate) traces: Traces,
    pub(crate) tcp: Tcp,
    pub(crate) icmp_limit: Limiter,
    pub(crate) icmp6_limit: Limiter,
    pub(crate) pings: Pings,
    pub(crate) names: Names,
    /// Who answers for our names, by interface.
    pub(crate) responders: Vec<Option<Box<Responder>>>,
    pub(crate) services: Services,
    pub(crate) browses: Table<Browse>,
    /// For one report about groups.
    pub(crate) group_report: Vec<u8>,
    /// For one frame: of loopback, or that came in several slices.
    pub(crate) spare_frame: Vec<u8>,
    /// What the last packet's identification was made of.
    pub(crate) identification: u64,
    /// What flow labels are made by: peers see its results, so it is nothing else's.
    pub(crate) flows: Spread,
    /// Those of packets that leave in parts.
    pub(crate) identifications: Identifications,
    /// Counts changes of the configuration.
    pub(crate) generation: u64,
    /// Senders and packets of our own take turns: whose it is.
    senders_first: bool,
    /// So do packets of the families.
    v6_first: bool,
    pub(crate) records: Option<Box<dyn Records>>,
    pub(crate) adoption: Adoption,
}

impl Stack {
    /// A stack with loopback and nothing else. `seed` must come from an entropy source; equal
    /// seeds and equal inputs give equal outputs.
    #[must_use]
    pub fn new(config: Config, seed: [u8; 32], now: Instant) -> Self {
        let mut rng = Rng::new(seed);
        // What IPv6 draws at the start is drawn from another stream: it moves nothing of IPv4's.
        let mut other = Rng::new(seed.map(|byte| !byte));
        let numbering = Numbering::new(&config);
        let neighbours = config.neighbours as usize;
        let queues = usize::from(config.interfaces) + 2 * neighbours;
        let mut interfaces = Vec::with_capacity(config.interfaces.into());
        interfaces.push(Interface::loopback(config.loopback_mtu));
        let mut autoconf = Vec::with_capacity(config.interfaces.into());
        autoconf.push(Autoconf::none());
        let mut autoconf6 = Vec::with_capacity(config.interfaces.into());
        autoconf6.push(Autoconf6::none());
        let mut responders = Vec::with_capacity(config.interfaces.into());
        responders.push(None);
        let clients = config.clients as usize;
        let longest_mtu = usize::from(config.loopback_mtu.max(config.largest_mtu));
        Self {
            stats: Stats::new(),
            timers: Timers::new(&config, now),
            interfaces,
            autoconf,
            autoconf6,
            nets: Nets::new(&config, &mut rng, &mut other),
            policies: Policies::new(),
            senders: Queues::new(queues, numbering.senders()),
            dirty: Queues::new(clients, numbering.all()),
            dirty_clients: Marks::new(clients),
            has_news: false,
            expects_acks: false,
            clients: Clients::new(&config),
            requests: Requests::new(
                config.requests as usize,
                clients + 1,
                config.requests_per_client,
            ),
            inline: Inline::new(
                config.inline_payloads,
                clients + 1,
                config.inline_per_client,
            ),
            loans: Loans::new(config.loans),
            udp: Udp::new(&config, &mut rng, &mut other),
            tcp: Tcp::new(&config, &mut rng, &mut other),
            icmp_limit: Limiter::per_second(config.icmp_errors_per_second),
            icmp6_limit: Limiter::per_second(config.icmp_errors_per_second),
            pings: Pings::new(config.pings, rng.u16()),
            names: Names::new(&config, &mut rng),
            responders,
            services: Services::new(),
            browses: Table::new(BROWSES as usize),
            group_report: vec![0; config.largest_mtu.into()],
            spare_frame: vec![0; longest_mtu + LINK_BYTES],
            identification: rng.u64(),
            flows: Spread::new(&mut other),
            traces: Traces::new(&config, &mut other),
            identifications: Identifications::new(&mut rng),
            generation: 0,
            senders_first: false,
            v6_first: false,
            records: None,
            adoption: Adoption::default(),
            numbering,
            rng,
            config,
        }
    }

    /// The owner of the resolver's own requests: behind all clients.
    pub(crate) fn resolver_owner(&self) -> u32 {
        self.config.clients
    }

    /// The limits it was made with.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Counts changes of addresses, routes, leases and links: equal numbers, nothing changed.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The configuration changed: whatever was looked up must be looked up again.
    pub(crate) fn configuration_changed(&mut self) {
        self.generation += 1;
        self.nets.v4.routes.touch();
        self.nets.v6.routes.touch();
        self.wake_responders();
    }

    /// Takes in one received frame. Ends in exactly one delivery or one counted [`Drop`]. Frames that
    /// come together are best taken in by a [`crate::Burst`].
    pub fn input<M: ClientMemory>(
        &mut self,
        id: InterfaceId,
        frame: &[u8],
        meta: ReceiveMeta,
        memory: &mut M,
        now: Instant,
    ) {
        self.take_in(id, (frame, Rest::NONE), meta, memory, now);
    }

    /// Takes in one received frame: its first slice, and what lies behind that of a segment.
    pub(crate) fn take_in<M: ClientMemory>(
        &mut self,
        id: InterfaceId,
        (frame, rest): (&[u8], Rest<'_>),
        meta: ReceiveMeta,
        memory: &mut M,
        now: Instant,
    ) -> Landing {
        let Some(interface) = self.interfaces.get_mut(id.index()) else {
            return Landing::None;
        };
        if interface.medium == Medium::Loopback {
            return Landing::None;
        }
        interface
            .received
            .note(frame.len().saturating_add(rest.len()));
        let mut link = id;
        let result = if interface.up {
            self.ethernet_input(&mut link, (frame, rest), meta, memory, now)
        } else {
            Err(Drop::InterfaceDown)
        };
        let landing = self.account(link, result);
        if meta.is_joined {
            self.note_joined(landing);
        }
        landing
    }

    /// Who is the frame for, and which protocol is it? Tells by which `link` it came, if it has a tag.
    fn ethernet_input<M: ClientMemory>(
        &mut self,
        link: &mut InterfaceId,
        (frame, rest): (&[u8], Rest<'_>),
        meta: ReceiveMeta,
        memory: &mut M,
        now: Instant,
    ) -> Result<Landing, Drop> {
        let frame = Frame::parse(frame)?;
        let (id, frame) = match frame.header.ethertype {
            EtherType::VLAN => {
                let (tagged, inner) = self.untag(*link, &frame, rest)?;
                *link = tagged;
                (tagged, inner)
            }
            _ => (*link, frame),
        };
        let to = frame.header.destination;
        let own = self
            .interfaces
            .get(id.index())
            .map_or(MacAddress::ZERO, |it| it.mac);
        let scope = if to == own {
            LinkScope::Own
        } else if to.is_broadcast() || self.hears_frames(id, to) {
            LinkScope::Group
        } else {
            return Err(Drop::EthernetNotForUs);
        };
        match frame.header.ethertype {
            EtherType::IPV4 => {
                let packet = (frame.payload, rest);
                self.v4_input(id, scope, packet, meta.checksum_verified, memory, now)
            }
            EtherType::IPV6 => {
                let packet = (frame.payload, rest);
                self.v6_input(id, scope, packet, meta.checksum_verified, memory, now)
            }
            EtherType::ARP => {
                self.arp_input(id, frame.header.source, frame.payload, now)?;
                Ok(Landing::None)
            }
            _ => self.frames_input(id, &frame, memory),
        }
    }

    /// Whether frames to this group's hardware address are for us.
    fn hears_frames(&self, id: InterfaceId, to: MacAddress) -> bool {
        self.frames_hear(id, to)
            || self.interfaces.get(id.index()).is_some_and(|interface| {
                interface.six.hears(to)
                    || interface.hears_frames::<Ipv4Addr>(to)
                    || interface.hears_frames::<Ipv6Addr>(to)
            })
    }

    /// Every frame ends here, one way or the other.
    #[inline]
    pub(crate) fn account(&mut self, id: InterfaceId, result: Result<Landing, Drop>) -> Landing {
        match result {
            Ok(landing) => {
                self.stats.deliver();
                landing
            }
            Err(reason) => {
                self.stats.drop_received(reason);
                if let Some(interface) = self.interfaces.get_mut(id.index()) {
                    interface.dropped += 1;
                }
                Landing::None
            }
        }
    }

    /// Does what is due: timers, and packets through loopback.
    pub fn fire<M: ClientMemory>(&mut self, memory: &mut M, now: Instant) {
        while let Some(timer) = self.timers.fire(
            now,
            |index| self.tcp.deadline::<Ipv4Addr>(index),
            |index| self.tcp.deadline::<Ipv6Addr>(index),
        ) {
            match timer {
                Timer::Interface(index) => self.fire_interface(index, now),
                Timer::Interface6(index) => self.fire_interface6(index, now),
                Timer::Neighbour(index) => self.fire_neighbour::<Ipv4Addr>(index, now),
                Timer::Neighbour6(index) => self.fire_neighbour::<Ipv6Addr>(index, now),
                Timer::Connection(index) => self.fire_connection::<Ipv4Addr>(index, now),
                Timer::Connection6(index) => self.fire_connection::<Ipv6Addr>(index, now),
                Timer::HalfOpen(index) => self.fire_half_open::<Ipv4Addr>(index, now),
                Timer::HalfOpen6(index) => self.fire_half_open::<Ipv6Addr>(index, now),
                Timer::TimeWait => self.fire_time_wait::<Ipv4Addr>(now),
                Timer::TimeWait6 => self.fire_time_wait::<Ipv6Addr>(now),
                Timer::Ping(index) => self.fire_ping(index),
                Timer::Resolver => self.fire_names(now),
                Timer::Responder(index) => self.fire_responder(index, now),
                Timer::Browses => self.fire_browses(now),
                Timer::Groups(number) => self.fire_groups_timer(number, now),
                Timer::Reassembly(0) => self.fire_reassembly::<Ipv4Addr>(now),
                Timer::Reassembly(_) => self.fire_reassembly::<Ipv6Addr>(now),
            }
        }
        self.run_loopback(memory, now);
    }

    /// When [`Stack::fire`] must be called at the latest; `None` when nothing is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        if self.loopback_pending() {
            return Some(Instant::ZERO);
        }
        self.timers.next_deadline()
    }

    /// Writes the next frame for `interface` into `frame` (at least MTU + 14 bytes long) and
    /// returns its length; `None` when there is nothing to send now.
    pub fn output<M: ClientMemory>(
        &mut self,
        id: InterfaceId,
        frame: &mut [u8],
        memory: &mut M,
        now: Instant,
    ) -> Option<(usize, TransmitMeta)> {
        let mut draft = Draft {
            buffer: frame,
            pieces: None,
        };
        let (extent, meta) = self.output_draft(id, &mut draft, memory, now)?;
        Some((extent.head, meta))
    }

    /// Like [`Stack::output`], for devices that gather a frame from several places: payload in the
    /// memory of clients who lend it ([`ClientMemory::lend`]) is left there, and its places become
    /// the frame's `pieces`. What the device does not sum is summed up in place. When the device has
    /// given such a frame back, [`Stack::end_loan`] is to be called with its loan: until then its
    /// client is not told that the bytes are its own again.
    pub fn output_gathered<M: ClientMemory>(
        &mut self,
        id: InterfaceId,
        buffer: &mut [u8],
        pieces: &mut Pieces,
        memory: &mut M,
        now: Instant,
    ) -> Option<Gathered> {
        pieces.clear();
        let mut draft = Draft {
            buffer,
            pieces: self.loans.has_room().then_some(&mut *pieces),
        };
        let (extent, meta) = self.output_draft(id, &mut draft, memory, now)?;
        Some(self.gathered(pieces, extent, meta))
    }

    /// A frame whose pieces are its client's until they come back.
    #[inline]
    pub(crate) fn gathered(
        &mut self,
        pieces: &mut Pieces,
        extent: Extent,
        meta: TransmitMeta,
    ) -> Gathered {
        if extent.referred == 0 {
            pieces.clear();
        }
        let loan = match pieces.lender() {
            Some(lender) => self.loans.lend(lender),
            None => None,
        };
        Gathered {
            head: extent.head,
            tail: extent.tail,
            meta,
            loan,
        }
    }

    /// Writes the next frame for a link.
    pub(crate) fn output_draft<M: ClientMemory>(
        &mut self,
        id: InterfaceId,
        draft: &mut Draft<'_>,
        memory: &mut M,
        now: Instant,
    ) -> Option<(Extent, TransmitMeta)> {
        match self.interfaces.get(id.index())?.tag {
            None => self.output_frame(id, draft, memory, now),
            Some(tag) => self.output_tagged((id, tag), draft, memory, now),
        }
    }

    /// The same without its tag.
    pub(crate) fn output_frame<M: ClientMemory>(
        &mut self,
        id: InterfaceId,
        draft: &mut Draft<'_>,
        memory: &mut M,
        now: Instant,
    ) -> Option<(Extent, TransmitMeta)> {
        let interface = self.interfaces.get(id.index())?;
        let needed = usize::from(interface.mtu) + ethernet::HEADER_LEN;
        if !interface.up || interface.medium == Medium::Loopback || draft.buffer.len() < needed {
            return None;
        }
        let complete = TransmitMeta {
            checksum: TransmitChecksum::Complete,
            segment: 0,
        };
        if self.has_questions(id)
            && let Some(extent) = self.output_arp(id, draft.buffer)
        {
            return Some((extent, complete));
        }
        self.take_turns();
        for senders in [self.senders_first, !self.senders_first] {
            if !senders {
                if self.has_packets(id)
                    && let Some(extent) = self.output_own(id, draft.buffer, now)
                {
                    return Some((extent, complete));
                }
            } else if let Some(sent) = self.output_sender(id, draft, memory, now) {
                let (frame, extent) = (&mut *draft.buffer, sent.extent);
                let extent = self.finish_frame(id, sent.ethertype, frame, extent)?;
                return Some((extent, sent.meta));
            }
        }
        // A look at the neighbours may have made questions.
        let asked = self.output_arp(id, draft.buffer);
        let extent = asked.or_else(|| self.output_packet::<Ipv6Addr>(id, draft.buffer, now))?;
        Some((extent, complete))
    }

    /// Neither a flood of pings nor a bulk transfer keeps the other from the link.
    #[inline]
    pub(crate) fn take_turns(&mut self) {
        self.senders_first = !self.senders_first;
    }

    /// Whether somebody waits to be asked by [`Stack::output`].
    #[inline]
    #[must_use]
    pub fn has_output(&self, id: InterfaceId) -> bool {
        let queue = Self::ready_queue(id);
        !self.senders.is_empty(queue)
            || self.has_packets(id)
            || self.is_cutting(id)
            || self.has_questions(id)
    }

    /// Whether packets of our own wait for the link.
    #[inline]
    pub(crate) fn has_packets(&self, id: InterfaceId) -> bool {
        let queue = Self::ready_queue(id);
        !self.nets.v4.packets.is_empty(queue) || !self.nets.v6.packets.is_empty(queue)
    }

    /// Writes the next packet of our own: of the families in turn.
    fn output_own(&mut self, id: InterfaceId, frame: &mut [u8], now: Instant) -> Option<Extent> {
        let queue = Self::ready_queue(id);
        let has_v4 = !self.nets.v4.packets.is_empty(queue);
        let has_v6 = !self.nets.v6.packets.is_empty(queue);
        let is_v6 = has_v6 && (self.v6_first || !has_v4);
        self.v6_first = !is_v6;
        // Those of one may all have to wait for their neighbours.
        if is_v6 {
            let sent = self.output_packet::<Ipv6Addr>(id, frame, now);
            return sent.or_else(|| self.output_packet::<Ipv4Addr>(id, frame, now));
        }
        let sent = self.output_packet::<Ipv4Addr>(id, frame, now);
        sent.or_else(|| self.output_packet::<Ipv6Addr>(id, frame, now))
    }

    /// Whether questions to neighbours wait to be sent.
    #[inline]
    pub(crate) fn has_questions(&self, id: InterfaceId) -> bool {
        let interface = self.interfaces.get(id.index());
        interface.is_some_and(|interface| !interface.arp.is_empty())
    }

    fn output_arp(&mut self, id: InterfaceId, frame: &mut [u8]) -> Option<Extent> {
        let out = self.interfaces.get_mut(id.index())?.arp.pop_front()?;
        let end = ethernet::HEADER_LEN + wire::arp::LEN;
        let place = frame.get_mut(ethernet::HEADER_LEN..end)?;
        out.packet.emit(&mut Headroom::new(place)).ok()?;
        let packet = Extent::copied(wire::arp::LEN);
        ethernet::emit_destination(frame, out.to).ok()?;
        self.finish_frame(id, EtherType::ARP, frame, packet)
    }

    /// A packet that waited was handed to the link.
    pub(crate) fn packet_sent(&mut self, owner: Owner, now: Instant) {
        match owner {
            Owner::Ping(index) => self.ping_sent(index, now),
            Owner::None | Owner::Datagram(_) | Owner::Resolver(_) | Owner::Looped(_) => {}
        }
    }

    /// A packet that waited was given up.
    pub(crate) fn packet_failed(&mut self, owner: Owner, error: SocketError, now: Instant) {
        match owner {
            Owner::Ping(index) => self.ping_failed(index, None, error),
            Owner::Datagram(index) => self.udp_failed(index, error),
            Owner::Resolver(query) => self.query_failed(query, now),
            Owner::None | Owner::Looped(_) => {}
        }
    }
}
