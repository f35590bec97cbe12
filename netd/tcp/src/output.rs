//! What to send now, and why not: RFC 9293 sections 3.8.6.2.1 (silly windows), 3.7.4 (Nagle),
//! 3.8.6.1 (probes), and acknowledgements on their own.
//!
//! *Owns* the choice of the next segment. *Never* keeps a queue: each call looks at the positions
//! and takes the first that applies of: a report of ranges, a probe of the tail, what is lost, new
//! data and FIN, a probe of the window, an acknowledgement. When none applies and nothing is in
//! flight although there is something to send, it arms the probe timer, so that no connection can
//! be forgotten.

mod plain;

use wire::Ecn;
use wire::tcp::{Flags, Options, SackBlocks};

use crate::assemble::Range;
use crate::busy::Busy;
use crate::open::Open;
use crate::outcome::{Emit, Fate};
use crate::receive::AckNeed;
use crate::recovery::TailProbe;
use crate::rtt::Rto;
use crate::segment::bare;
use crate::shared::Shared;
use crate::state::OurFin;
use crate::time::Instant;
use crate::timers::Purpose;

/// A part of the send stream.
#[derive(Clone, Copy, Debug)]
struct Part {
    start: u64,
    len: u32,
    has_fin: bool,
}

impl Part {
    /// Positions that it takes.
    fn positions(self) -> u32 {
        self.len.saturating_add(u32::from(self.has_fin))
    }
}

/// A part that leaves, with what its segment says beside. It is few words: the segment itself is
/// written down once, where the caller wants it.
#[derive(Clone, Copy, Debug)]
struct Departure {
    part: Part,
    flags: Flags,
    ecn: Ecn,
}

impl From<Part> for Departure {
    #[inline]
    fn from(part: Part) -> Self {
        Self {
            part,
            flags: Flags::NONE,
            ecn: Ecn::NotCapable,
        }
    }
}

impl Open {
    /// The next segment to send, with at most `max_payload` bytes (but at least one segment's
    /// worth); `None` when there is nothing to send now.
    pub(crate) fn output(
        &mut self,
        shared: &mut Shared,
        max_payload: u32,
        now: Instant,
    ) -> Option<Emit> {
        if let Some(emit) = self.plain_segment(shared, max_payload, now) {
            return Some(emit);
        }
        self.output_any(shared, max_payload, now)
    }

    /// The same for all that is not [plain](Self::plain_segment).
    #[inline(never)]
    pub(crate) fn output_any(
        &mut self,
        shared: &mut Shared,
        max_payload: u32,
        now: Instant,
    ) -> Option<Emit> {
        if self.fate() != Fate::Continues {
            return None;
        }
        // A FIN alone is one segment, and the last: it needs none of it.
        if self.snd.una < self.snd.end() {
            self.snd.borrow_busy(shared, now);
        }
        let mut emit = if self.watch.is_some() {
            let large = self.probe_path(shared, now);
            let emit = large.or_else(|| self.next_segment(shared, max_payload, now));
            self.output_watched(emit, shared, now)
        } else {
            self.next_segment(shared, max_payload, now)
        };
        if let Some(emit) = &mut emit {
            emit.is_last = self.is_all_sent(shared, now);
            if self.fate() != Fate::Continues {
                self.release(shared);
            }
        }
        emit
    }

    /// Whether the next call would find nothing to send; what it would note is noted here.
    fn is_all_sent(&mut self, shared: &mut Shared, now: Instant) -> bool {
        let is_fin_sent = self.facts.ours() != OurFin::Queued || self.snd.nxt() > self.snd.end();
        let is_quiet = self.snd.unsent() == 0
            && is_fin_sent
            && self.rcv.need == AckNeed::None
            && !self.is_probe_due
            && !self.snd.is_resend_due
            && self.watch.is_none();
        let least = shared.least_rto;
        let busy = self.snd.busy_in(&mut shared.busy);
        let is_last = is_quiet
            && busy
                .as_deref()
                .is_none_or(|busy| busy.is_untroubled() && !busy.recovery.probe.is_due);
        if is_last {
            self.watch_window(busy, least, now);
        }
        is_last
    }

    /// Whether [`Open::output`] may do anything. What is in flight may have to be sent again.
    #[inline]
    pub(crate) fn may_send(&self) -> bool {
        (self.has_something_to_send() && !self.awaits_fin_alone())
            || self.rcv.need != AckNeed::None
            || self.is_probe_due
            || self.watch.is_some()
    }

    /// Whether there are bytes, or a FIN, that were not acknowledged yet.
    fn has_something_to_send(&self) -> bool {
        self.snd.una < self.snd.end() || self.facts.ours() == OurFin::Queued
    }

    /// Whether our FIN alone is in flight, and needs not leave again yet.
    fn awaits_fin_alone(&self) -> bool {
        let snd = &self.snd;
        snd.una == snd.end() && snd.flight > 0 && !snd.is_busy() && !snd.is_resend_due
    }

    fn next_segment(
        &mut self,
        shared: &mut Shared,
        max_payload: u32,
        now: Instant,
    ) -> Option<Emit> {
        self.timers.pace(false);
        // Selective acknowledgements travel without data, whose room they would take.
        if self.rcv.need != AckNeed::None && self.has_sack {
            let sack = self.rcv.blocks(&shared.holes);
            if !sack.is_empty() {
                return Some(self.acknowledge(sack, now));
            }
        }
        let (is_paced, least) = (shared.limits.is_paced, shared.least_rto);
        let mut busy = self.snd.busy_in(&mut shared.busy);
        let data = match busy.as_deref_mut() {
            Some(busy) => {
                let wanted = small(self.snd.unsent()).saturating_add(busy.board.lost());
                let allowance = busy.allowance(is_paced, wanted, &self.snd.rtt, self.snd.mss, now);
                self.next_data(busy, allowance, max_payload, least, now)
            }
            None => self.next_data_alone(max_payload, least, now),
        };
        let departure = match data {
            Some(departure) => departure,
            None if core::mem::take(&mut self.is_probe_due)
                && let Some(part) = self.window_probe(busy.as_deref()) =>
            {
                self.send_window_probe(busy, part, least, now)
            }
            None if self.rcv.need != AckNeed::None => {
                return Some(self.acknowledge(SackBlocks::NONE, now));
            }
            None => {
                self.watch_window(busy, least, now);
                return None;
            }
        };
        Some(self.emit(departure, now))
    }

    /// An acknowledgement on its own.
    pub(crate) fn acknowledge(&mut self, sack: SackBlocks, now: Instant) -> Emit {
        let part = Part {
            start: self.snd.nxt(),
            len: 0,
            has_fin: false,
        };
        let mut emit = self.emit(part.into(), now);
        emit.header.options.sack = sack;
        emit
    }

    /// The next part of the stream to leave; `allowance`: bytes that pacing lets out now.
    fn next_data(
        &mut self,
        busy: &mut Busy,
        allowance: u32,
        max_payload: u32,
        least: Rto,
        now: Instant,
    ) -> Option<Departure> {
        let mss = u32::from(self.snd.mss.get());
        if core::mem::take(&mut busy.recovery.probe.is_due)
            && let Some(probe) = self.send_tail_probe(busy, least, now)
        {
            return Some(probe);
        }
        // RFC 5682 section 3.1 step 2: new bytes first, if there are any.
        if let Some(segments) = busy.trial_segments() {
            let room = mss.saturating_mul(segments.into());
            if let Some(part) = self.new_part(room, max_payload) {
                return Some(self.send_new(busy, part, least, now));
            }
            if !busy.end_trial() {
                return None;
            }
        }
        let most = max_payload.min(allowance);
        let lost = self.lost_part(busy, most);
        let new = || {
            let has_room = busy.board.has_room();
            let part = self.new_part(busy.room(self.snd.flight), most);
            part.filter(|_| has_room)
        };
        let part = lost.or_else(new)?;
        if allowance == 0 {
            self.timers.pace(true);
            return None;
        }
        if lost.is_some() {
            self.send_lost(busy, part, least, now)
        } else {
            Some(self.send_new(busy, part, least, now))
        }
    }

    /// One segment of `len` new bytes, whatever the segment size.
    pub(crate) fn send_large(
        &mut self,
        len: u32,
        shared: &mut Shared,
        now: Instant,
    ) -> Option<Emit> {
        let least = shared.least_rto;
        let busy = self.snd.busy_in(&mut shared.busy)?;
        let part = self.sent_part(
            self.snd.nxt(),
            self.snd.nxt().saturating_add(u64::from(len)),
        );
        if !busy.board.has_room() {
            return None;
        }
        let departure = self.send_new(busy, part, least, now);
        Some(self.emit(departure, now))
    }

    /// The same without a busy part: one segment at a time.
    fn next_data_alone(&mut self, max_payload: u32, least: Rto, now: Instant) -> Option<Departure> {
        let mss = u32::from(self.snd.mss.get());
        if core::mem::take(&mut self.snd.is_resend_due) {
            let end = self.snd.nxt().min(self.snd.una.saturating_add(mss.into()));
            let part = self.sent_part(self.snd.una, end);
            self.snd.retransmits = self.snd.retransmits.saturating_add(1);
            self.arm_retransmit(least, now);
            return Some(part.into());
        }
        if self.snd.flight > 0 {
            return None;
        }
        let part = self.new_part(mss, max_payload)?;
        self.snd.flight = part.positions();
        self.timers.disarm();
        self.await_answer_to_new(self.has_sack && part.len == 0, least, now);
        Some(part.into())
    }

    /// What was sent before, from `start` to `end`.
    fn sent_part(&self, start: u64, end: u64) -> Part {
        Part {
            start,
            len: small(end.min(self.snd.end()).saturating_sub(start)),
            has_fin: end > self.snd.end(),
        }
    }

    /// The first of what is lost, as far as congestion control lets it out, and the peer's window
    /// (RFC 9293 section 3.8.6, SHLD-16): what lies beyond one that has shrunk waits.
    fn lost_part(&self, busy: &Busy, max_payload: u32) -> Option<Part> {
        let Range { start, end } = busy.board.first_lost()?;
        let mss = u32::from(self.snd.mss.get());
        let whole = small(end.saturating_sub(start));
        let edge = self.snd.una.saturating_add(self.snd.window.into());
        let usable = small(edge.saturating_sub(start));
        let usable = match start {
            // A FIN needs no window.
            _ if start >= self.snd.end() => 1,
            // Nor is the first segment cut because of it (MAY-7).
            _ if start == self.snd.una && usable > 0 => usable.max(mss),
            _ => usable,
        };
        let most = busy.room(self.snd.flight).min(max_payload.max(mss));
        let len = whole.min(most).min(usable);
        if len == whole && end == self.snd.nxt() && self.snd.unsent() > 0 && whole < mss {
            // The rest of the segment may be new: a probe of the window was only a byte.
            let most = most.min(mss).saturating_sub(len);
            let new = small(self.snd.unsent())
                .min(most)
                .min(self.snd.usable_window());
            let end = end.saturating_add(new.into());
            return Some(Part {
                start,
                len: len.saturating_add(new),
                has_fin: self.facts.ours() == OurFin::Queued && end == self.snd.end(),
            });
        }
        // Whole segments, but for the last.
        let len = if len == whole || (len == usable && len < mss) {
            len
        } else {
            len.saturating_sub(len % mss)
        };
        (len > 0).then(|| self.sent_part(start, start.saturating_add(len.into())))
    }

    /// Data, and FIN, that never left; no more than `room`.
    fn new_part(&self, room: u32, max_payload: u32) -> Option<Part> {
        let snd = &self.snd;
        let start = snd.nxt();
        let len = self.sendable(room, max_payload);
        let end = start.saturating_add(u64::from(len));
        // A FIN alone needs no window: it is how a peer that reads slowly learns of the end.
        let has_fin = self.facts.ours() == OurFin::Queued && end == snd.end();
        (len > 0 || has_fin).then_some(Part {
            start,
            len,
            has_fin,
        })
    }

    /// How many new bytes may leave now, in one segment or super-segment.
    fn sendable(&self, room: u32, max_payload: u32) -> u32 {
        let snd = &self.snd;
        let mss = u32::from(snd.mss.get());
        let unsent = snd.unsent();
        if unsent == 0 {
            return 0;
        }
        let usable = snd.usable_window();
        let len = small(unsent)
            .min(usable)
            .min(room)
            .min(max_payload.max(mss));
        let is_tail = u64::from(len) == unsent;
        if is_tail && self.may_send_tail(len) {
            return len;
        }
        if len >= mss {
            // RFC 9293 section 3.8.6.2.1 (1): whole segments.
            return len.saturating_sub(len % mss);
        }
        // (3): a good part of the largest window that the peer ever offered, which its scale may
        // have rounded up.
        let largest = snd.max_window.saturating_sub(snd.scale().unit() - 1);
        let is_window_limited = len == usable;
        if is_window_limited && len > 0 && len >= largest / 2 {
            len
        } else {
            0
        }
    }

    /// Whether the last `len` bytes of what is queued may leave.
    fn may_send_tail(&self, len: u32) -> bool {
        let mss = u32::from(self.snd.mss.get());
        // RFC 9293 section 3.7.4, Nagle: not while something is unacknowledged, unless switched
        // off; whole segments that leave with it are. After the end nothing can be added, so there
        // is nothing to wait for.
        if len.is_multiple_of(mss) || self.facts.is_our_side_closed() {
            return true;
        }
        let is_alone = self.snd.flight == 0 && len < mss;
        let small = self.snd.small;
        !small.are_held() && (small.are_sent_at_once() || is_alone)
    }

    #[inline]
    fn send_new(&mut self, busy: &mut Busy, part: Part, least: Rto, now: Instant) -> Departure {
        let (count, flight) = (part.positions(), self.snd.flight);
        busy.depart(count, flight, self.snd.mss, now);
        self.snd.flight = flight.saturating_add(count);
        self.await_answer_to_new(busy.may_probe_tail(self.has_sack), least, now);
        let mut departure = Departure::from(part);
        if self.notice.is_agreed() && part.len > 0 {
            departure.flags = self.notice.take_answer();
            if busy.congestion.heeds_ecn() {
                departure.ecn = Ecn::Capable0;
            }
        }
        departure
    }

    fn send_lost(
        &mut self,
        busy: &mut Busy,
        part: Part,
        least: Rto,
        now: Instant,
    ) -> Option<Departure> {
        let snd = &mut self.snd;
        let stamp = self.stamps.map(|stamps| stamps.emit(now).value);
        let old = part
            .positions()
            .min(small(snd.nxt().saturating_sub(part.start)));
        if !busy.depart_again(old, snd.flight, stamp, now) {
            return None;
        }
        snd.note_retransmit(old);
        let new = part.positions().saturating_sub(old);
        if new > 0 {
            busy.depart(new, snd.flight, snd.mss, now);
            snd.flight = snd.flight.saturating_add(new);
        }
        let is_first = part.start == snd.una;
        if is_first || !self.timers.awaits_answer() {
            // The peer has a whole timeout to answer what it waits for.
            self.arm_retransmit(least, now);
        }
        Some(part.into())
    }

    /// RFC 8985 section 7.3: a segment of new bytes, or else the last one again.
    fn send_tail_probe(&mut self, busy: &mut Busy, least: Rto, now: Instant) -> Option<Departure> {
        let mss = u32::from(self.snd.mss.get());
        if let Some(part) = self.new_part(mss, 0).filter(|_| busy.board.has_room()) {
            let nxt = self.snd.nxt().saturating_add(part.positions().into());
            busy.recovery.probe = TailProbe::depart(nxt, false);
            return Some(self.send_new(busy, part, least, now));
        }
        let Range { start, end } = busy.depart_last_again(mss, self.snd.flight, now)?;
        busy.recovery.probe = TailProbe::depart(self.snd.nxt(), true);
        let part = self.sent_part(start, end);
        self.snd.note_retransmit(part.positions());
        Some(part.into())
    }

    /// Whether something is to be sent, and nothing is on its way that could make the peer speak.
    fn is_stuck(&self, busy: Option<&Busy>) -> bool {
        let has_more = self.snd.unsent() > 0 || self.snd.flight > 0;
        let is_silent = match busy {
            Some(busy) => busy.in_flight(self.snd.flight) == 0,
            None => self.snd.flight == 0 || self.timers.purpose() == Purpose::Probe,
        };
        has_more && is_silent
    }

    /// What a probe carries: what the window lets out, or one byte beyond it.
    fn window_probe(&self, busy: Option<&Busy>) -> Option<Part> {
        let snd = &self.snd;
        if !self.is_stuck(busy) {
            return None;
        }
        let most = snd.window.clamp(1, u32::from(snd.mss.get()));
        let left = small(snd.end().saturating_sub(snd.una));
        let end = snd.una.saturating_add(left.min(most).into());
        (left > 0).then(|| self.sent_part(snd.una, end))
    }

    /// RFC 9293 section 3.8.6.1: at least one byte of new data, again and again. Beyond the window
    /// it counts as lost at once: when the window opens it is sent once more.
    fn send_window_probe(
        &mut self,
        busy: Option<&mut Busy>,
        part: Part,
        least: Rto,
        now: Instant,
    ) -> Departure {
        let flight = self.snd.flight;
        self.snd.flight = flight.max(part.len);
        if let Some(busy) = busy {
            let is_beyond = self.snd.window == 0;
            busy.depart_probe(part.len, flight, self.snd.mss, is_beyond, now);
            if !is_beyond {
                // RFC 9293 section 3.8.6.2.1 (4): what the window takes, after all.
                self.timers.disarm();
                self.arm_retransmit(least, now);
            }
        }
        part.into()
    }

    /// Nothing may leave. If nothing is in flight either, only the peer's window can be the reason.
    fn watch_window(&mut self, busy: Option<&mut Busy>, least: Rto, now: Instant) {
        // What was reported as arrived is the retransmission timer's matter.
        let has_reports = busy.as_ref().is_some_and(|busy| busy.board.arrived() > 0);
        let is_probed = has_reports || self.timers.purpose() == Purpose::Probe;
        if self.is_stuck(busy.as_deref()) && !is_probed {
            self.timers.disarm();
            self.timers
                .arm(Purpose::Probe, self.snd.rtt.rto(least), now);
        }
        if let Some(busy) = busy {
            let has_more = self.snd.unsent() > 0 && self.snd.usable_window() > 0;
            let (flight, nxt) = (self.snd.flight, self.snd.nxt());
            busy.note_pause(flight, nxt, self.snd.mss, has_more);
        }
    }

    /// Writes the segment down; whatever it is, it acknowledges.
    fn emit(&mut self, departure: Departure, now: Instant) -> Emit {
        let Departure { part, flags, ecn } = departure;
        let seq = self.snd.base().at(part.start);
        let ack = self.rcv.ack_number(self.facts.is_their_side_closed());
        let window = self.rcv.offer_window();
        self.rcv.note_ack_sent(ack);
        self.timers.ack_sent();
        let mut flags = flags.union(Flags::ACK).union(self.notice.flags());
        if part.has_fin {
            flags |= Flags::FIN;
        }
        // RFC 9293 section 3.9.1.2: push when nothing more is queued.
        if part.len > 0 && part.start.saturating_add(u64::from(part.len)) >= self.snd.end() {
            flags |= Flags::PSH;
        }
        let options = Options {
            timestamps: self.stamps.map(|stamps| stamps.emit(now)),
            ..Options::NONE
        };
        let header = wire::tcp::Header {
            options,
            ..bare(seq, ack, flags, window)
        };
        Emit {
            header,
            stream_offset: part.start,
            len: part.len,
            segment_len: self.snd.mss.get(),
            ecn,
            is_last: false,
        }
    }
}

fn small(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
