//! Super-segments, cut where they leave: one decision of TCP becomes as many frames as the link needs.
//!
//! *Owns* what of a super-segment has not left yet, one for each link at most: each call writes the
//! next frame. That is one segment; or, if the device cuts, as many whole ones as one frame has room
//! for. A cut segment is what TCP would have sent by itself, but for the time: number,
//! acknowledgement and window are those of the moment of the decision.
//! *Never* decides what is sent. What cannot leave any more (the connection is over, the way or the
//! segment size has changed) is lost here as it could be anywhere on its way.
//!
//! Spec: RFC 3168 6.1.2 (CWR on the first segment), RFC 9293 3.9.1.2 (PSH).

use crate::config::TransmitMeta;
use crate::error::SocketError;
use crate::family::Family;
use crate::id::{ClientId, InterfaceId};
use crate::interface::Summing;
use crate::ip::out::{Path, next_identification};
use crate::loans::Lender;
use crate::memory::ClientMemory;
use crate::pieces::{Draft, Extent, Payload};
use crate::sender::{Sent, Store};
use crate::stack::Stack;
use crate::stats::Counter;
use crate::tcp::aside::Asides;
use crate::tcp::connection::Conn;
use crate::tcp::gather::{Sends, Stretch};
use crate::tcp::output::CHECKSUM_OFFSET;
use ::tcp::{Emit, Instant};
use core::net::{Ipv4Addr, Ipv6Addr};
use wire::tcp::{Flags, Header};
use wire::{Headroom, MacAddress, Place, Pseudo, Series, ethernet};

/// Bytes of payload, at most, that one connection sends in its turn where software cuts.
pub(crate) const LONGEST: u32 = 1 << 16;

/// The flags that only the first segment has, and only the last.
const FIRST: Flags = Flags::CWR;
const LAST: Flags = Flags::PSH.union(Flags::FIN);

/// The rest of a super-segment.
#[derive(Debug)]
pub(crate) struct Cut<A: Family> {
    /// Its index: [`Stack::forget_cut`] is called before it is another's.
    connection: u32,
    /// What its frames are lent by.
    lender: u32,
    /// Of the routes, when it was begun.
    version: u32,
    to: MacAddress,
    series: Series<A>,
    /// What the next segment has besides, and the last.
    next_flags: Flags,
    last_flags: Flags,
    /// Number and place in the stream of the next byte.
    seq: u32,
    next: u64,
    /// Its end in the stream.
    end: u64,
    /// The send that the next byte is in, as far as that was looked up. It stays while bytes of it are
    /// not acknowledged.
    stretch: Stretch,
    segment_len: u16,
    /// The addresses, for the sums.
    pseudo: Pseudo,
}

/// A super-segment whose frames are written in a row, with what they have in common. While one is
/// there, nothing may happen to its connection.
#[derive(Debug)]
pub(crate) struct Row<A: Family> {
    cut: Cut<A>,
    client: Option<ClientId>,
    /// Who sums up, and how long frames may be.
    way: (Summing, u32),
}

/// The rest of a super-segment of either family.
#[derive(Debug)]
pub(crate) enum AnyCut {
    V4(Cut<Ipv4Addr>),
    V6(Cut<Ipv6Addr>),
}

impl<A: Family> Cut<A> {
    /// What is acknowledged need not leave: it was sent before, or a peer claims to have it.
    fn skip_to(&mut self, acknowledged: u64) {
        let count = acknowledged.saturating_sub(self.next);
        if count > 0 {
            self.pass(u32::try_from(count).unwrap_or(u32::MAX));
        }
    }

    /// So many bytes have left.
    #[inline]
    fn pass(&mut self, count: u32) {
        self.next = self.next.saturating_add(count.into());
        self.seq = self.seq.wrapping_add(count);
        self.stretch.pass(count);
    }

    /// Bytes that have not left.
    fn left(&self) -> u32 {
        u32::try_from(self.end.saturating_sub(self.next)).unwrap_or(u32::MAX)
    }

    fn is_over(&self) -> bool {
        self.next >= self.end
    }

    /// How many bytes the next frame carries, if it may have up to `longest`.
    #[inline]
    fn next_len(&self, longest: u32) -> u32 {
        // Not every device leaves CWR on the first of the segments that it makes.
        let is_alone = self.next_flags.contains(Flags::CWR);
        let longest = if is_alone { 0 } else { longest };
        self.left().min(longest.max(self.segment_len.into()))
    }

    /// The space in front of the next frame's payload, and the payload, empty.
    #[inline]
    fn begin<'a>(
        &self,
        summing: Summing,
        draft: &'a mut Draft<'_>,
    ) -> Option<(&'a mut [u8], Payload<'a>)> {
        let headers = ethernet::HEADER_LEN + self.series.header_len();
        let summed = summing == Summing::Software;
        let (front, mut payload) = Payload::behind(headers, draft, summed)?;
        payload.of(Lender {
            connection: self.lender,
            from: self.next,
        });
        Some((front, payload))
    }

    /// Puts the headers in front of a payload, which has left by that. Gives its extent and the size
    /// that the device has to cut to.
    #[inline]
    fn finish(
        &mut self,
        summing: Summing,
        identification: u16,
        front: &mut [u8],
        Payload { extent, sum, .. }: Payload<'_>,
    ) -> Option<(Extent, u16)> {
        let len = u32::try_from(extent.len()).ok().filter(|len| *len > 0)?;
        let seq = self.seq;
        self.pass(len);
        let mut flags = core::mem::replace(&mut self.next_flags, Flags::NONE);
        if self.is_over() {
            flags |= self.last_flags;
        }
        let place = Place {
            seq,
            flags,
            identification,
        };
        let seal = summing.seal(self.pseudo, sum);
        let mut room = Headroom::new(front);
        self.series
            .emit(&mut room, place, extent.len(), seal)
            .ok()?;
        let is_long = len > self.segment_len.into();
        Some((extent, if is_long { self.segment_len } else { 0 }))
    }

    /// Writes the next frame if its bytes lie where the last one's did, and in one piece of the frame
    /// or of its client's memory: else nothing, and nothing has changed.
    #[inline(always)]
    pub(crate) fn write_ahead<M: ClientMemory>(
        &mut self,
        (summing, longest): (Summing, u32),
        identification: u16,
        client: Option<ClientId>,
        store: &Store<'_, M>,
        draft: &mut Draft<'_>,
    ) -> Option<(Extent, u16)> {
        let len = self.next_len(longest);
        let Stretch { source, skip, left } = self.stretch;
        if left < len {
            return None;
        }
        let len = usize::try_from(len).ok()?;
        let (front, mut payload) = self.begin(summing, draft)?;
        payload.add(store, client, source, skip, len)?;
        if payload.extent.len() < len {
            return None;
        }
        self.finish(summing, identification, front, payload)
    }

    /// Writes the next frame, of at most `longest` bytes of payload, from the network header on.
    /// Gives its payload's extent and the size that the device has to cut to.
    fn write<M: ClientMemory>(
        &mut self,
        (summing, longest): (Summing, u32),
        identification: u16,
        conn: &mut Conn<A>,
        asides: &mut Asides,
        sends: &Sends<'_, M>,
        draft: &mut Draft<'_>,
    ) -> Option<(Extent, u16)> {
        let len = usize::try_from(self.next_len(longest)).ok()?;
        let (front, mut payload) = self.begin(summing, draft)?;
        sends.gather(conn, asides, self.next, len, &mut payload)?;
        if payload.extent.len() < len {
            // One segment has room in every buffer. What is longer is the device's to sum up.
            let fits = payload.extent.len() / usize::from(self.segment_len);
            payload.shorten(fits * usize::from(self.segment_len));
        }
        let written = self.finish(summing, identification, front, payload)?;
        let ahead = sends.ahead(conn, asides, self.next);
        self.stretch = ahead.unwrap_or(Stretch::NONE);
        Some(written)
    }

    /// Whether [`Cut::write_ahead`] may write the next frame.
    fn is_ahead(&self, longest: u32) -> bool {
        !self.is_over() && self.stretch.left >= self.next_len(longest)
    }

    /// What was written, of this extent and for the device to cut to this size.
    #[inline]
    fn sent(&self, summing: Summing, (extent, segment): (Extent, u16)) -> Sent {
        Sent {
            extent: extent.behind(self.series.header_len()),
            ethertype: A::ETHERTYPE,
            meta: TransmitMeta {
                checksum: summing.told::<A>(CHECKSUM_OFFSET),
                segment,
            },
        }
    }

    /// Whether its connection still has it to send. When segments became smaller, all that was in
    /// flight was taken for lost: it is sent anew.
    fn is_good(&self, conn: &Conn<A>, version: u32) -> bool {
        self.version == version && conn.tcp.segment_len() >= self.segment_len
    }
}

impl<A: Family> Row<A> {
    /// Writes its next frame, from the network header on. `None` when that is not simply the next:
    /// nothing has changed then.
    #[inline]
    pub(crate) fn write<M: ClientMemory>(
        &mut self,
        stack: &mut Stack,
        memory: &M,
        draft: &mut Draft<'_>,
    ) -> Option<Sent> {
        let store = Store {
            inline: &stack.inline,
            memory,
        };
        let mut state = stack.identification;
        let identification = next_identification(&mut state);
        let cut = &mut self.cut;
        let written = cut.write_ahead(self.way, identification, self.client, &store, draft)?;
        stack.identification = state;
        draft.address_to(cut.to);
        stack.stats.taken_out(written.0);
        stack.stats.count(Counter::TcpSent);
        Some(cut.sent(self.way.0, written))
    }

    /// What has not left, if that is anything.
    pub(crate) fn rest(self) -> Option<AnyCut> {
        (!self.cut.is_over()).then(|| A::any_cut(self.cut))
    }
}

impl Stack {
    /// Begins to cut a super-segment whose header has its ports: [`Stack::output_cut`] writes the
    /// frames.
    pub(crate) fn cut<A: Family>(
        &mut self,
        index: u32,
        emit: &Emit,
        ip: &A::Header,
        (path, to): (&Path<A>, A),
        mac: MacAddress,
    ) -> Option<()> {
        let header = &emit.header;
        let flags = header.flags;
        let common = Header {
            flags: flags.without(FIRST).without(LAST),
            ..*header
        };
        let cut = Cut {
            connection: index,
            lender: self.numbering.number(A::connection(index)),
            version: path.version,
            to: mac,
            series: Series::new(ip, &common).ok()?,
            next_flags: flags.without(common.flags).without(LAST),
            last_flags: flags.without(common.flags).without(FIRST),
            seq: header.seq,
            next: emit.stream_offset,
            end: emit.stream_offset.checked_add(emit.len.into())?,
            stretch: Stretch::NONE,
            segment_len: emit.segment_len,
            pseudo: A::pseudo(path.source, to),
        };
        self.interfaces.get_mut(path.interface.index())?.cut = Some(A::any_cut(cut));
        Some(())
    }

    /// The connection sends no more.
    pub(crate) fn forget_cut<A: Family>(&mut self, index: u32) {
        for interface in &mut self.interfaces {
            let cut = A::cut_of(&mut interface.cut);
            if cut.is_some_and(|cut| cut.connection == index) {
                interface.cut = None;
            }
        }
    }

    /// Whether part of a super-segment is still to leave by this link.
    #[inline]
    pub(crate) fn is_cutting(&self, id: InterfaceId) -> bool {
        let interface = self.interfaces.get(id.index());
        interface.is_some_and(|interface| interface.cut.is_some())
    }

    /// Writes the next frame of the super-segment that is being cut for this link, if there is one.
    pub(crate) fn output_cut<M: ClientMemory>(
        &mut self,
        id: InterfaceId,
        draft: &mut Draft<'_>,
        memory: &M,
        now: Instant,
    ) -> Option<Sent> {
        match self.interfaces.get(id.index())?.cut {
            Some(AnyCut::V4(_)) => self.output_cut_of::<Ipv4Addr, M>(id, draft, memory, now),
            Some(AnyCut::V6(_)) => self.output_cut_of::<Ipv6Addr, M>(id, draft, memory, now),
            None => None,
        }
    }

    /// The same of one family's.
    pub(crate) fn output_cut_of<A: Family, M: ClientMemory>(
        &mut self,
        id: InterfaceId,
        draft: &mut Draft<'_>,
        memory: &M,
        now: Instant,
    ) -> Option<Sent> {
        let interface = self.interfaces.get_mut(id.index())?;
        let way = (interface.summing(), interface.longest_payload);
        let cut = A::cut_of(&mut interface.cut)?;
        let version = self.nets.of::<A>().routes.version();
        let tables = self.tcp.tables.of_mut::<A>();
        let conn = tables.connections.at_mut(cut.connection);
        let Some(conn) = conn.filter(|conn| cut.is_good(conn, version)) else {
            interface.cut = None;
            return None;
        };
        draft.address_to(cut.to);
        cut.skip_to(conn.acked());
        if cut.is_over() {
            interface.cut = None;
            return None;
        }
        let sends = Sends {
            requests: &self.requests,
            store: Store {
                inline: &self.inline,
                memory,
            },
        };
        let identification = next_identification(&mut self.identification);
        let asides = &mut tables.asides;
        let written = cut.write(way, identification, conn, asides, &sends, draft);
        let Some((extent, segment)) = written else {
            let index = cut.connection;
            interface.cut = None;
            self.tcp_abort::<A>(index, Some(SocketError::BadMemory), now);
            return None;
        };
        let sent = cut.sent(way.0, (extent, segment));
        if cut.is_over() {
            interface.cut = None;
        }
        self.stats.taken_out(extent);
        self.stats.count(Counter::TcpSent);
        Some(sent)
    }

    /// Takes the super-segment that is being cut for a link, to write its next frames without another
    /// look: nothing else waits for the link, and where the bytes lie is known.
    pub(crate) fn take_cut<A: Family>(&mut self, id: InterfaceId) -> Option<Row<A>> {
        let interface = self.interfaces.get_mut(id.index())?;
        let way = (interface.summing(), interface.longest_payload);
        let cut = A::cut_of(&mut interface.cut)?;
        let conn = self.tcp.tables.of::<A>().connections.at(cut.connection)?;
        let version = self.nets.of::<A>().routes.version();
        if !cut.is_ahead(way.1) || !cut.is_good(conn, version) || conn.acked() > cut.next {
            return None;
        }
        let client = conn.client();
        let cut = A::taken(interface.cut.take()?)?;
        Some(Row { cut, client, way })
    }
}
