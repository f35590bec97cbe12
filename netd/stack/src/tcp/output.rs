//! Segments that go out: one copy, from the client's arena into the frame.
//!
//! *Owns* finding the bytes of a segment among the client's sends. What to send, and when, is
//! `netd/tcp`'s.

use crate::config::{TransmitChecksum, TransmitMeta};
use crate::error::SocketError;
use crate::hash::Tuple;
use crate::id::InterfaceId;
use crate::ip::out::{Path, Way};
use crate::memory::ClientMemory;
use crate::neigh::cache::Found;
use crate::sender::{Sent, Step};
use crate::stack::Stack;
use crate::stats::Counter;
use crate::timers::Timer;
use ::tcp::{Emit, Fate, Instant, State};
use core::net::Ipv4Addr;
use wire::tcp::Flags;
use wire::{Drop, Headroom, MacAddress, Protocol, Pseudo, Seal, Sum, ethernet, ipv4};

/// Headers before a payload, in bytes, with all options that there can be.
const HEADERS: usize = ethernet::HEADER_LEN + ipv4::HEADER_LEN + 60;
/// Where the checksum lies in the header.
const CHECKSUM_OFFSET: u16 = 16;

impl Stack {
    /// Writes a connection's next segment.
    pub(crate) fn tcp_output<M: ClientMemory>(
        &mut self,
        index: u32,
        id: InterfaceId,
        frame: &mut [u8],
        memory: &mut M,
        now: Instant,
    ) -> Step {
        let Some(path) = self.tcp_path(index) else {
            return self.tcp_lost(index, now);
        };
        if path.interface != id {
            return Step::Elsewhere(path.interface);
        }
        let mac = if id == InterfaceId::LOOPBACK {
            Some(MacAddress::ZERO)
        } else {
            match self.link_address(id, path.next_hop, now) {
                Found::Known(mac) => Some(mac),
                Found::Wait(neighbour) => return Step::Waits(neighbour),
                Found::Unreachable => None,
            }
        };
        let early = self.early_output(index, now);
        let Some(conn) = self.tcp.connections.at_mut(index) else {
            return Step::Idle;
        };
        if mac.is_none() && conn.tcp.state() == State::SynSent {
            self.tcp_abort(index, Some(SocketError::HostUnreachable), now);
            return Step::Idle;
        }
        // One segment at a time, unless the device cuts larger ones.
        let longest = self
            .interfaces
            .get(id.index())
            .map_or(0, |it| it.longest_payload);
        let room = u32::try_from(frame.len().saturating_sub(HEADERS)).unwrap_or(u32::MAX);
        let most = longest.min(room);
        let emit = early.or_else(|| conn.tcp.output(&mut self.tcp.shared, most, now));
        let (tuple, fate) = (conn.tuple, conn.tcp.fate());
        self.timers.set(
            Timer::Connection(index),
            conn.tcp.next_deadline(&self.tcp.shared),
        );
        let Some(emit) = emit else {
            if fate != Fate::Continues {
                self.tcp_finish(index, now);
            }
            return Step::Idle;
        };
        let written = match mac {
            Some(mac) => self
                .tcp_write(index, &emit, &path, &tuple, mac, frame, memory)
                .map(if emit.is_last { Step::Last } else { Step::Sent }),
            // The neighbour does not answer: the segment is lost, as it could be anywhere on its
            // way, and the retransmission timer decides what that means.
            None => {
                self.stats.drop_sent(Drop::NeighbourUnreachable);
                Some(Step::Again)
            }
        };
        if fate != Fate::Continues {
            self.tcp_finish(index, now);
        }
        written.unwrap_or_else(|| {
            self.tcp_abort(index, Some(SocketError::BadMemory), now);
            Step::Idle
        })
    }

    /// The way to the peer, looked up again when routes have changed.
    fn tcp_path(&mut self, index: u32) -> Option<Path> {
        let version = self.routes.version();
        self.tcp.heed_version(version);
        let conn = self.tcp.connections.at(index)?;
        let known = conn
            .way
            .and_then(|way| way.starting_at(conn.tuple.local, version));
        if known.is_some() {
            return known;
        }
        let path = self.path(conn.tuple.remote, Some(conn.tuple.local));
        if let Some(conn) = self.tcp.connections.at_mut(index) {
            conn.way = path.map(Way::from).or(conn.way);
        }
        path
    }

    /// No way leads to the peer any more: who is not connected yet is told, who is waits.
    fn tcp_lost(&mut self, index: u32, now: Instant) -> Step {
        let Some(conn) = self.tcp.connections.at_mut(index) else {
            return Step::Idle;
        };
        if conn.tcp.state() == State::SynSent {
            self.tcp_abort(index, Some(SocketError::NetworkUnreachable), now);
            return Step::Idle;
        }
        let lost = conn.tcp.output(&mut self.tcp.shared, 0, now).is_some();
        let fate = conn.tcp.fate();
        self.timers.set(
            Timer::Connection(index),
            conn.tcp.next_deadline(&self.tcp.shared),
        );
        if fate != Fate::Continues {
            self.tcp_finish(index, now);
            return Step::Idle;
        }
        if !lost {
            return Step::Idle;
        }
        self.stats.drop_sent(Drop::NoRoute);
        Step::Again
    }

    /// Writes a segment into a frame, from the network header on.
    #[expect(clippy::too_many_arguments, reason = "a segment has this many parts")]
    fn tcp_write<M: ClientMemory>(
        &mut self,
        index: u32,
        emit: &Emit,
        path: &Path,
        tuple: &Tuple<Ipv4Addr>,
        mac: MacAddress,
        frame: &mut [u8],
        memory: &M,
    ) -> Option<Sent> {
        let mut header = emit.header;
        header.src_port = tuple.local_port;
        header.dst_port = tuple.remote_port;
        let len = usize::try_from(emit.len).ok()?;
        let headers = ethernet::HEADER_LEN + ipv4::HEADER_LEN + header.header_len();
        let (front, rest) = frame.split_at_mut_checked(headers)?;
        let payload = rest.get_mut(..len)?;
        let pseudo = Pseudo::v4(tuple.local, tuple.remote);
        let (offloaded, device) = self.seal_for(path, pseudo);
        let sum = self.gather(
            index,
            emit.stream_offset,
            payload,
            offloaded.is_none(),
            memory,
        )?;
        let seal = offloaded.unwrap_or(Seal::Full {
            pseudo,
            payload: sum,
        });
        let mut room = Headroom::new(front);
        header.emit(&mut room, len, seal).ok()?;
        let segment = len + header.header_len();
        let conn = self.tcp.connections.at(index)?;
        let (ttl, dscp) = (conn.ttl, conn.dscp);
        let ip = ipv4::Header {
            // RFC 9293 3.9.1.9 (SHLD-22): as it was chosen.
            dscp,
            ecn: emit.ecn,
            ..self.header(path, tuple.remote, Protocol::TCP, ttl)
        };
        ip.emit(&mut room, segment).ok()?;
        self.stats.count(Counter::TcpSent);
        if header.flags.contains(Flags::RST) {
            self.stats.count(Counter::TcpResetsSent);
        }
        let checksum = match device {
            Some(start) => TransmitChecksum::Partial {
                start,
                offset: CHECKSUM_OFFSET,
            },
            None => TransmitChecksum::Complete,
        };
        let is_cut = emit.len > u32::from(emit.segment_len);
        let meta = TransmitMeta {
            checksum,
            segment: if is_cut { emit.segment_len } else { 0 },
        };
        Some(Sent {
            len: segment + ipv4::HEADER_LEN,
            mac,
            meta,
        })
    }

    /// Copies bytes of the stream from the client's sends, with their sum if it is `summed`. `None`
    /// when the client's memory is gone.
    fn gather<M: ClientMemory>(
        &mut self,
        index: u32,
        offset: u64,
        mut into: &mut [u8],
        summed: bool,
        memory: &M,
    ) -> Option<Sum> {
        let mut sum = Sum::ZERO;
        if into.is_empty() {
            return Some(sum);
        }
        self.stats.count(Counter::CopiesOut);
        self.stats.add(Counter::BytesCopiedOut, into.len() as u64);
        let conn = self.tcp.connections.at_mut(index)?;
        // The resolver's questions are all inline: they need no client's memory.
        let client = conn.client();
        // From where the last segment was read, unless this one comes before.
        let (requests, queued) = (&self.requests, conn.queued());
        let reaches = |place| {
            let send = requests.send_at(place);
            send.is_some_and(|send| send.begin(queued) <= offset)
        };
        let mut at = if reaches(conn.cursor) {
            conn.cursor
        } else {
            requests.start(&conn.sends)
        };
        let mut offset = offset;
        let mut odd = false;
        loop {
            let send = self.requests.send_at(at)?;
            let end = send.end(queued);
            if offset >= end {
                at = self.requests.next(&conn.sends, at);
                continue;
            }
            conn.cursor = at;
            let skip = u32::try_from(offset.checked_sub(send.begin(queued))?).ok()?;
            let here = usize::try_from(end - offset)
                .unwrap_or(usize::MAX)
                .min(into.len());
            let (now, later) = into.split_at_mut_checked(here)?;
            if summed {
                let piece =
                    crate::sender::copy(&self.inline, client, send.source, skip, now, memory)?;
                sum = sum.plus(if odd { piece.swapped() } else { piece });
                odd ^= here % 2 == 1;
            } else {
                crate::sender::copy_only(&self.inline, client, send.source, skip, now, memory)?;
            }
            if later.is_empty() {
                return Some(sum);
            }
            into = later;
            offset = end;
        }
    }
}
