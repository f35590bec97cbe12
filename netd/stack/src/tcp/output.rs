//! Segments that go out: one copy at most, from the client's arena into the frame.
//!
//! *Owns* a connection's turn, and the frame of a single segment; super-segments are
//! [`crate::tcp::cut`]'s. What to send, and when, is `netd/tcp`'s.

use crate::config::TransmitMeta;
use crate::error::SocketError;
use crate::family::Family;
use crate::id::InterfaceId;
use crate::interface::Summing;
use crate::ip::out::Path;
use crate::loans::Lender;
use crate::memory::ClientMemory;
use crate::neigh::cache::Found;
use crate::pieces::{Draft, Payload};
use crate::sender::{Next, Sent, Store, Turn};
use crate::stack::Stack;
use crate::stats::Counter;
use crate::tcp::connection::Fact;
use crate::tcp::gather::Sends;
use ::tcp::{Emit, Fate, Instant, State};
use wire::tcp::Flags;
use wire::{Drop, Headroom, Protocol, ethernet};

/// Where the checksum lies in the header.
pub(crate) const CHECKSUM_OFFSET: u16 = 16;

impl Stack {
    /// The neighbour on the way is in doubt: what was acknowledged since it has been says that it is
    /// there, without a question (RFC 4861 section 7.3.1; RFC 1122 2.3.2.1 for ARP).
    #[cold]
    fn heed_progress<A: Family>(&mut self, index: u32, now: Instant) {
        let Some(conn) = self.tcp.tables.of_mut::<A>().connections.at_mut(index) else {
            return;
        };
        let has_arrived = conn.is(Fact::Progress);
        conn.set(Fact::Progress, false);
        if has_arrived && let Some(change) = self.net_mut::<A>().neighbours.confirm(now) {
            self.apply::<A>(change, now);
        }
    }

    /// Writes a connection's next segment.
    pub(crate) fn tcp_output<A: Family, M: ClientMemory>(
        &mut self,
        index: u32,
        turn: Turn,
        draft: &mut Draft<'_>,
        memory: &mut M,
        now: Instant,
    ) -> Option<Sent> {
        let id = turn.link;
        let Some(path) = self.tcp_path::<A>(index) else {
            return self.tcp_lost::<A>(index, turn, now);
        };
        if path.interface != id {
            return self.end_turn(turn, Next::Elsewhere(path.interface));
        }
        let mut is_reachable = true;
        if id != InterfaceId::LOOPBACK {
            if self.net::<A>().neighbours.is_doubted(id, path.next_hop) {
                self.heed_progress::<A>(index, now);
            }
            match self.link_address(id, path.next_hop, now) {
                Found::Known(mac) => draft.address_to(mac),
                Found::Wait(neighbour) => {
                    let waiting = self.waiting_senders::<A>(neighbour);
                    return self.end_turn(turn, Next::Waits(waiting));
                }
                Found::Unreachable => is_reachable = false,
            }
        }
        self.commit::<A>(index);
        let early = self.early_output::<A>(index, now);
        let interface = self.interfaces.get(id.index());
        let Some(conn) = self.tcp.tables.of_mut::<A>().connections.at_mut(index) else {
            return self.end_turn(turn, Next::Idle);
        };
        if !is_reachable && conn.tcp.state() == State::SynSent {
            self.tcp_abort::<A>(index, Some(SocketError::HostUnreachable), now);
            return self.end_turn(turn, Next::Idle);
        }
        let most = interface.map_or(0, |it| it.longest());
        let mut emit = match early {
            None => conn.tcp.output(&mut self.tcp.shared, most, now),
            early => early,
        };
        let is_over = conn.tcp.fate() != Fate::Continues;
        let deadline = conn.tcp.next_deadline(&self.tcp.shared);
        A::set_connection_timer(&mut self.timers, index, deadline);
        let sent = match &mut emit {
            Some(emit) if is_reachable => {
                let is_last = emit.is_last;
                self.end_turn(turn, if is_last { Next::Idle } else { Next::Later });
                let sent = self.tcp_write::<A, M>(index, emit, &path, draft, memory, now);
                if sent.is_none() {
                    self.tcp_abort::<A>(index, Some(SocketError::BadMemory), now);
                }
                sent
            }
            Some(_) => {
                // The neighbour does not answer: the segment is lost, as it could be anywhere on its
                // way, and the retransmission timer decides what that means.
                self.stats.drop_sent(Drop::NeighbourUnreachable);
                None
            }
            None => self.end_turn(turn, Next::Idle),
        };
        if is_over {
            self.tcp_finish::<A>(index, now);
        }
        sent
    }

    /// The way to the peer, looked up again when routes have changed.
    #[inline]
    pub(crate) fn tcp_path<A: Family>(&mut self, index: u32) -> Option<Path<A>> {
        let version = self.net::<A>().routes.version();
        let tables = self.tcp.tables.of_mut::<A>();
        tables.ways.heed_version(version);
        let conn = tables.connections.at(index)?;
        if let Some(way) = tables.ways.get(conn.way) {
            return Some(way.starting_at(conn.tuple.local, version));
        }
        self.tcp_find_path::<A>(index)
    }

    #[cold]
    fn tcp_find_path<A: Family>(&mut self, index: u32) -> Option<Path<A>> {
        let tuple = self.tcp.tables.of::<A>().connections.at(index)?.tuple;
        let path = self.path_again(tuple.remote, tuple.local)?;
        let way = self.tcp.tables.of_mut::<A>().way_number(&path);
        if let Some(conn) = self.tcp.tables.of_mut::<A>().connections.at_mut(index) {
            conn.way = way;
        }
        Some(path)
    }

    /// No way leads to the peer any more: who is not connected yet is told, who is waits.
    fn tcp_lost<A: Family>(&mut self, index: u32, turn: Turn, now: Instant) -> Option<Sent> {
        let Some(conn) = self.tcp.tables.of_mut::<A>().connections.at_mut(index) else {
            return self.end_turn(turn, Next::Idle);
        };
        if conn.tcp.state() == State::SynSent {
            self.tcp_abort::<A>(index, Some(SocketError::NetworkUnreachable), now);
            return self.end_turn(turn, Next::Idle);
        }
        let lost = conn.tcp.output(&mut self.tcp.shared, 0, now).is_some();
        let fate = conn.tcp.fate();
        self.timers.set(
            A::connection_timer(index),
            conn.tcp.next_deadline(&self.tcp.shared),
        );
        if fate != Fate::Continues {
            self.tcp_finish::<A>(index, now);
            return self.end_turn(turn, Next::Idle);
        }
        if !lost {
            return self.end_turn(turn, Next::Idle);
        }
        self.stats.drop_sent(Drop::NoRoute);
        None
    }

    /// Writes a segment into a frame, from the network header on; of a super-segment, the first frame.
    fn tcp_write<A: Family, M: ClientMemory>(
        &mut self,
        index: u32,
        emit: &mut Emit,
        path: &Path<A>,
        draft: &mut Draft<'_>,
        memory: &M,
        now: Instant,
    ) -> Option<Sent> {
        let conn = self.tcp.tables.of::<A>().connections.at(index)?;
        let (tuple, ttl, dscp) = (conn.tuple, conn.ttl, conn.dscp);
        let header = &mut emit.header;
        header.src_port = tuple.local_port;
        header.dst_port = tuple.remote_port;
        // RFC 9293 3.9.1.9 (SHLD-22): as it was chosen.
        let chosen = (ttl, dscp, emit.ecn);
        let ports = Some((tuple.local_port, tuple.remote_port));
        let ip = self.marked_header(path, tuple.remote, (Protocol::TCP, ports), chosen);
        if emit.len > u32::from(emit.segment_len) {
            self.cut::<A>(index, emit, &ip, (path, tuple.remote), draft.destination())?;
            return self.output_cut_of::<A, M>(path.interface, draft, memory, now);
        }
        let summing = self.interfaces.get(path.interface.index())?.summing();
        let len = usize::try_from(emit.len).ok()?;
        let header_len = header.header_len();
        let headers = ethernet::HEADER_LEN + A::HEADER_LEN + header_len;
        let summed = summing == Summing::Software;
        let (front, mut payload) = Payload::behind(headers, draft, summed)?;
        payload.of(Lender {
            connection: self.numbering.number(A::connection(index)),
            from: emit.stream_offset,
        });
        let sends = Sends {
            requests: &self.requests,
            store: Store {
                inline: &self.inline,
                memory,
            },
        };
        let tables = self.tcp.tables.of_mut::<A>();
        let (conn, asides) = (tables.connections.at_mut(index)?, &mut tables.asides);
        sends.gather(conn, asides, emit.stream_offset, len, &mut payload)?;
        let Payload { extent, sum, .. } = payload;
        if extent.len() != len {
            return None;
        }
        self.stats.taken_out(extent);
        let seal = summing.seal(A::pseudo(tuple.local, tuple.remote), sum);
        let mut room = Headroom::new(front);
        header.emit(&mut room, len, seal).ok()?;
        A::emit(&ip, &mut room, len + header_len).ok()?;
        self.stats.count(Counter::TcpSent);
        if header.flags.contains(Flags::RST) {
            self.stats.count(Counter::TcpResetsSent);
        }
        let meta = TransmitMeta {
            checksum: summing.told::<A>(CHECKSUM_OFFSET),
            segment: 0,
        };
        Some(Sent {
            extent: extent.behind(A::HEADER_LEN + header_len),
            ethertype: A::ETHERTYPE,
            meta,
        })
    }
}
