//! What to send now, and why not: RFC 9293 sections 3.8.6.2.1 (silly windows), 3.7.4 (Nagle),
//! 3.8.6.1 (probes), and acknowledgements on their own.
//!
//! *Owns* the choice of the next segment. *Never* keeps a queue: each call looks at the positions
//! and takes the first that applies of: one lost segment, data and FIN from the cursor on, a probe,
//! an acknowledgement. When none applies and nothing is in flight although there is something to
//! send, it arms the probe timer, so that no connection can be forgotten.

use wire::tcp::{Flags, Options, SackBlocks};

use crate::busy::Busy;
use crate::open::Open;
use crate::outcome::{Emit, Fate};
use crate::receive::AckNeed;
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

impl Open {
    /// The next segment to send, with at most `max_payload` bytes (but at least one segment's
    /// worth); `None` when there is nothing to send now.
    pub(crate) fn output(
        &mut self,
        shared: &mut Shared,
        max_payload: u32,
        now: Instant,
    ) -> Option<Emit> {
        if self.fate() != Fate::Continues {
            return None;
        }
        if self.has_something_to_send() {
            self.snd.borrow_busy(shared, now);
        }
        let emit = self.next_segment(shared, max_payload, now);
        if emit.is_some() && self.fate() != Fate::Continues {
            self.release(shared);
        }
        emit
    }

    /// Whether [`Open::output`] may do anything. What is in flight may have to be sent again.
    #[inline]
    pub(crate) fn may_send(&self) -> bool {
        self.has_something_to_send() || self.rcv.need != AckNeed::None || self.is_probe_due
    }

    /// Whether there are bytes, or a FIN, that were not acknowledged yet.
    fn has_something_to_send(&self) -> bool {
        self.snd.una < self.snd.end || self.facts.ours() == OurFin::Queued
    }

    fn next_segment(
        &mut self,
        shared: &mut Shared,
        max_payload: u32,
        now: Instant,
    ) -> Option<Emit> {
        self.timers.pace(Instant::FAR_FUTURE);
        // Selective acknowledgements travel without data, whose room they would take.
        if self.rcv.need != AckNeed::None && self.has_sack {
            let sack = self.rcv.blocks(&shared.holes);
            if !sack.is_empty() {
                return Some(self.acknowledge(sack, now));
            }
        }
        let is_paced = shared.limits.is_paced;
        let mut busy = self.snd.busy_in(&mut shared.busy);
        let allowance = busy.as_deref_mut().map_or(u32::MAX, |busy| {
            busy.allowance(is_paced, self.snd.rtt.smoothed(), self.snd.mss, now)
        });
        if let Some(busy) = busy.as_deref_mut()
            && busy.recovery.take_resend()
            && let Some(part) = self.lost_segment()
        {
            return Some(self.send_lost(busy, part, now));
        }
        if let Some(part) = self.next_part(busy.as_deref(), max_payload.min(allowance)) {
            if allowance > 0 {
                return Some(self.send_part(busy, part, now));
            }
            let free_at = busy.as_deref().map(|busy| busy.pacer.free_at());
            self.timers.pace(free_at.unwrap_or(Instant::FAR_FUTURE));
        }
        if core::mem::take(&mut self.is_probe_due)
            && let Some(part) = self.probe()
        {
            return Some(self.send_probe(busy, part, now));
        }
        if self.rcv.need != AckNeed::None {
            return Some(self.acknowledge(SackBlocks::NONE, now));
        }
        self.watch_window(now);
        None
    }

    /// An acknowledgement on its own.
    fn acknowledge(&mut self, sack: SackBlocks, now: Instant) -> Emit {
        let part = Part {
            start: self.snd.nxt(),
            len: 0,
            has_fin: false,
        };
        let mut emit = self.emit(part, now);
        emit.header.options.sack = sack;
        emit
    }

    /// The segment at SND.UNA, which recovery takes for lost.
    fn lost_segment(&self) -> Option<Part> {
        let start = self.snd.una;
        let flight_end = self.snd.nxt().min(self.snd.end);
        let len = small(flight_end.saturating_sub(start)).min(u32::from(self.snd.mss.get()));
        let part = self.part(start, len);
        // Only what was sent before may be sent whatever the windows say.
        let part = Part {
            has_fin: part.has_fin && self.snd.nxt() > self.snd.end,
            ..part
        };
        (part.positions() > 0).then_some(part)
    }

    /// `len` bytes from `start` on, with our FIN if it follows.
    fn part(&self, start: u64, len: u32) -> Part {
        let end = start.saturating_add(u64::from(len));
        Part {
            start,
            len,
            has_fin: self.facts.ours() == OurFin::Queued && end == self.snd.end,
        }
    }

    /// Data, and FIN, from the cursor on.
    fn next_part(&self, busy: Option<&Busy>, max_payload: u32) -> Option<Part> {
        let snd = &self.snd;
        let len = self.sendable(busy, max_payload);
        let part = self.part(snd.cursor(), len);
        // A FIN alone needs no window: it is how a peer that reads slowly learns of the end.
        let is_fin_due = part.has_fin && snd.cursor() <= snd.end;
        (len > 0 || is_fin_due).then_some(Part {
            has_fin: is_fin_due,
            ..part
        })
    }

    /// How many bytes from the cursor on may leave now, in one segment or super-segment.
    fn sendable(&self, busy: Option<&Busy>, max_payload: u32) -> u32 {
        let snd = &self.snd;
        let mss = u32::from(snd.mss.get());
        let unsent = snd.unsent();
        if unsent == 0 {
            return 0;
        }
        let congestion = busy.map_or(mss, |busy| {
            // RFC 3042: up to two segments beyond the congestion window on the first duplicates.
            let extra = busy.recovery.extra_segments().saturating_mul(mss);
            busy.window(snd.mss).saturating_add(extra)
        });
        let congestion = congestion.saturating_sub(snd.sent);
        let usable = snd.usable_window();
        let len = small(unsent)
            .min(usable)
            .min(congestion)
            .min(max_payload.max(mss));
        let is_tail = u64::from(len) == unsent;
        if is_tail && self.may_send_tail(len % mss) {
            return len;
        }
        if len >= mss {
            // RFC 9293 section 3.8.6.2.1 (1): whole segments.
            return len.saturating_sub(len % mss);
        }
        // (3): a good part of the largest window that the peer ever offered.
        let is_window_limited = len == usable;
        if is_window_limited && len > 0 && len >= snd.max_window / 2 {
            len
        } else {
            0
        }
    }

    /// Whether the last bytes of what is queued, `rest` of them beyond whole segments, may leave.
    fn may_send_tail(&self, rest: u32) -> bool {
        // RFC 9293 section 3.7.4, Nagle: not while something is unacknowledged, unless switched
        // off. After the end nothing can be added, so there is nothing to wait for.
        rest == 0 || self.is_nodelay || self.snd.sent == 0 || self.facts.is_our_side_closed()
    }

    /// What a probe carries: what the window lets out, or one byte beyond it.
    fn probe(&self) -> Option<Part> {
        let snd = &self.snd;
        if snd.sent > 0 || snd.unsent() == 0 {
            return None;
        }
        let most = snd.window.clamp(1, u32::from(snd.mss.get()));
        Some(self.part(snd.una, small(snd.unsent()).min(most)))
    }

    fn send_lost(&mut self, busy: &mut Busy, part: Part, now: Instant) -> Emit {
        self.snd.retransmits = self.snd.retransmits.saturating_add(1);
        busy.stop_timing();
        busy.pacer.sent(part.len);
        self.timers
            .arm(Purpose::Retransmit, self.snd.rtt.rto(), now);
        self.emit(part, now)
    }

    fn send_part(&mut self, busy: Option<&mut Busy>, part: Part, now: Instant) -> Emit {
        let snd = &mut self.snd;
        let is_new = snd.sent == snd.flight;
        snd.advance_cursor(part.positions());
        if !is_new {
            snd.retransmits = snd.retransmits.saturating_add(1);
        }
        if let Some(busy) = busy {
            busy.pacer.sent(part.len);
            busy.congestion.on_sent(part.positions(), snd.sent, now);
            if is_new {
                busy.start_timing(snd.cursor(), now);
            } else {
                busy.stop_timing();
            }
        }
        if self.timers.purpose() != Purpose::Retransmit {
            // RFC 6298 section 5.1.
            self.timers.disarm();
            self.timers
                .arm(Purpose::Retransmit, self.snd.rtt.rto(), now);
        }
        self.emit(part, now)
    }

    /// RFC 9293 section 3.8.6.1: at least one byte of new data, again and again. It stays beyond
    /// the cursor: when the window opens it is sent once more.
    fn send_probe(&mut self, busy: Option<&mut Busy>, part: Part, now: Instant) -> Emit {
        if let Some(busy) = busy {
            busy.stop_timing();
        }
        self.snd.flight = self.snd.flight.max(part.positions());
        self.emit(part, now)
    }

    /// Nothing may leave and nothing is in flight: only the peer's window can be the reason.
    fn watch_window(&mut self, now: Instant) {
        let is_stuck = self.snd.sent == 0 && self.snd.unsent() > 0;
        if is_stuck && self.timers.purpose() != Purpose::Probe {
            self.timers.disarm();
            self.timers.arm(Purpose::Probe, self.snd.rtt.rto(), now);
        }
    }

    /// Writes the segment down; whatever it is, it acknowledges.
    fn emit(&mut self, part: Part, now: Instant) -> Emit {
        let seq = self.snd.base().at(part.start);
        let ack = self.rcv.ack_number(self.facts.is_their_side_closed());
        let window = self.rcv.offer_window();
        self.rcv.note_ack_sent(ack);
        self.timers.ack_sent();
        let mut flags = Flags::ACK;
        if part.has_fin {
            flags |= Flags::FIN;
        }
        // RFC 9293 section 3.9.1.2: push when nothing more is queued.
        if part.len > 0 && part.start.saturating_add(u64::from(part.len)) >= self.snd.end {
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
        }
    }
}

fn small(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
