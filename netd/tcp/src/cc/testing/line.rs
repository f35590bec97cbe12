//! A bottleneck and the flows that share it: packets one by one, losses, acknowledgements.
//!
//! *Owns* just as much of a sender as congestion control needs: pacing, the window, what is lost.
//! Every packet that is delivered is acknowledged; a loss is found by the next packet that arrives,
//! and what was lost is not sent again, because nobody reads it.

use std::collections::VecDeque;

use super::super::{AckSample, Algorithm, Congestion, RateSample, Remembered, Signal};
use crate::pace::Pacer;
use crate::recovery::Phase;
use crate::time::{Instant, Span};
use crate::window::Mss;

pub(in super::super) const MSS: Mss = Mss::at_least(1_000);
const SIZE: u32 = 1_000;

/// A bottleneck.
pub(in super::super) struct Line {
    /// Bytes per second.
    pub(in super::super) rate: u64,
    /// Without waiting.
    pub(in super::super) rtt: Span,
    /// Bytes that may wait.
    pub(in super::super) queue: u64,
    /// Packets in a million that are lost.
    pub(in super::super) loss: u64,
    busy_until: Instant,
    noise: u64,
}

struct Packet {
    sent_at: Instant,
    /// When its acknowledgement is back; `None` if it was lost.
    back_at: Option<Instant>,
    delivered: u64,
    delivered_at: Instant,
}

/// A flow that always has something to send.
pub(in super::super) struct Flow {
    pub(in super::super) congestion: Congestion,
    pub(in super::super) delivered: u64,
    pub(in super::super) lost: u64,
    pub(in super::super) srtt: Span,
    delivered_at: Instant,
    pacer: Pacer,
    packets: VecDeque<Packet>,
    /// Packets of a recovery that are still to be heard of.
    recovering: usize,
}

impl Line {
    pub(in super::super) fn new(megabits: u64, milliseconds: u64, queue: u64) -> Self {
        Self {
            rate: megabits * 125_000,
            rtt: Span::from_millis(milliseconds),
            queue,
            loss: 0,
            busy_until: Instant::ZERO,
            noise: 1,
        }
    }

    /// When a packet that is sent now has come back.
    fn carry(&mut self, now: Instant) -> Option<Instant> {
        let nanoseconds = |bytes: u64| Span::from_nanos(bytes * 1_000_000_000 / self.rate);
        if self.busy_until.span_since(now) > nanoseconds(self.queue) {
            return None;
        }
        self.busy_until = self.busy_until.max(now) + nanoseconds(SIZE.into());
        self.noise = self
            .noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let is_lost = (self.noise >> 33) % 1_000_000 < self.loss;
        (!is_lost).then_some(self.busy_until + self.rtt)
    }

    /// Lets the flows use the line from `start` for `time`; calls `look` after every event.
    pub(in super::super) fn run(
        &mut self,
        flows: &mut [Flow],
        start: Instant,
        time: Span,
        mut look: impl FnMut(Instant, &[Flow]),
    ) -> Instant {
        let end = start + time;
        let mut now = start;
        while now < end {
            for flow in flows.iter_mut() {
                flow.take(now);
                flow.send(self, now);
            }
            look(now, flows);
            let next = flows.iter().filter_map(Flow::next_event).min();
            now = next.map_or(end, |at| at.max(now + Span::from_nanos(1)));
        }
        end
    }
}

impl Flow {
    pub(in super::super) fn new(algorithm: Algorithm, now: Instant) -> Self {
        Self {
            congestion: Congestion::new(algorithm, Remembered::initial(MSS), now),
            delivered: 0,
            lost: 0,
            srtt: Span::from_millis(20),
            delivered_at: now,
            pacer: Pacer::new(0),
            packets: VecDeque::new(),
            recovering: 0,
        }
    }

    pub(in super::super) fn in_flight(&self) -> u32 {
        u32::try_from(self.packets.len()).unwrap() * SIZE
    }

    fn rate(&self) -> u64 {
        self.congestion.pacing_rate(Some(self.srtt)).unwrap()
    }

    /// PRR, at its simplest: no more than the threshold while recovering.
    fn window(&self) -> u32 {
        let window = self.congestion.window();
        if self.recovering > 0 && self.congestion.uses_prr() {
            window.min(self.congestion.threshold())
        } else {
            window
        }
    }

    fn next_event(&self) -> Option<Instant> {
        let back = self.packets.iter().find_map(|packet| packet.back_at);
        let timeout = self
            .packets
            .back()
            .map(|last| last.sent_at + Span::from_secs(1));
        let can_send = self.in_flight() + SIZE <= self.window();
        let send = can_send.then_some(self.pacer.free_at());
        [back.or(timeout), send].into_iter().flatten().min()
    }

    fn send(&mut self, line: &mut Line, now: Instant) {
        while self.in_flight() + SIZE <= self.window() {
            let rate = self.rate();
            if self.pacer.allowance(Some(rate), MSS, now) == 0 {
                return;
            }
            self.pacer.sent(SIZE);
            if self.packets.is_empty() {
                self.delivered_at = now;
            }
            self.packets.push_back(Packet {
                sent_at: now,
                back_at: line.carry(now),
                delivered: self.delivered,
                delivered_at: self.delivered_at,
            });
        }
    }

    /// Takes the acknowledgements that are back.
    fn take(&mut self, now: Instant) {
        while let Some(place) = self
            .packets
            .iter()
            .position(|packet| packet.back_at.is_some())
        {
            if self.packets[place].back_at.is_none_or(|at| at > now) {
                return;
            }
            self.acknowledge(place, now);
        }
        if self
            .packets
            .back()
            .is_some_and(|last| last.sent_at + Span::from_secs(1) <= now)
        {
            self.lost += u64::from(self.in_flight());
            self.congestion.on_timeout(true, self.in_flight(), MSS);
            self.packets.clear();
            self.recovering = 0;
        }
    }

    /// The packet at `place` was delivered; those before it were not.
    fn acknowledge(&mut self, place: usize, now: Instant) {
        let prior_in_flight = self.in_flight();
        let packet = self.packets.drain(..=place).next_back().unwrap();
        let lost = u32::try_from(place).unwrap() * SIZE;
        self.lost += u64::from(lost);
        self.delivered += u64::from(SIZE);
        self.delivered_at = now;
        let rtt = now.span_since(packet.sent_at);
        self.srtt = self.srtt.saturating_mul(7).saturating_add(rtt) / 8;
        let was_recovering = self.recovering > 0;
        self.recovering = self.recovering.saturating_sub(place + 1);
        if was_recovering && self.recovering == 0 {
            self.congestion.on_recovered(self.in_flight(), MSS);
        }
        if lost > 0 && self.recovering == 0 {
            self.congestion
                .on_congestion(Signal::Loss, prior_in_flight, MSS);
            self.recovering = self.packets.len();
        }
        self.congestion.on_ack(
            &AckSample {
                now,
                acked: SIZE,
                delivered: SIZE,
                lost,
                prior_in_flight,
                in_flight: self.in_flight(),
                rtt: Some(rtt),
                rate: Some(RateSample {
                    delivered: u32::try_from(self.delivered - packet.delivered).unwrap(),
                    interval: now.span_since(packet.delivered_at),
                    prior_delivered: packet.delivered,
                    is_app_limited: false,
                }),
                is_window_limited: prior_in_flight + SIZE > self.congestion.window() / 2,
                phase: if self.recovering > 0 {
                    Phase::Fast
                } else {
                    Phase::Open
                },
            },
            MSS,
        );
    }
}
