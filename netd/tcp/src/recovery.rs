//! Loss recovery: what of the bytes in flight is lost, and how sending goes on then.
//!
//! *Owns* the phases and the order in which an acknowledgement is judged. *Never* sends, and never
//! touches timers: it says what is lost, how much may be in flight, and when to look again.
//!
//! | phase | when | what leaves |
//! | --- | --- | --- |
//! | open | nothing is known to be lost | new bytes, as congestion control allows |
//! | fast | a loss was found by what has arrived | lost bytes, then new ones, as PRR allows |
//! | loss | the timer fired | lost bytes, as congestion control allows, from one segment on |
//!
//! *Spec*: RFC 6675 and 8985 with selective acknowledgements, RFC 5681 and 6582 without; the files
//! of this folder have the parts.

mod calm;
mod delivery;
mod plain;
mod probe;
mod prr;
mod rack;
mod scoreboard;
mod spurious;

pub(crate) use calm::Arrived;
pub(crate) use delivery::Delivery;
pub(crate) use probe::TailProbe;
pub(crate) use scoreboard::Scoreboard;
pub(crate) use spurious::Frto;

use plain::Plain;
use prr::{Progress, Prr};
use rack::{Rack, Verdict};
use spurious::Suspicion;

use crate::busy::Busy;
use crate::cc::{AckSample, Signal};
use crate::reports::Reports;
use crate::time::{Instant, Span};
use crate::window::Mss;

/// Which of the phases a connection is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    #[default]
    Open,
    Fast,
    Loss,
}

/// The state of recovery.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recovery {
    phase: Phase,
    /// RecoveryPoint of RFC 6675: the phase ends when everything before is acknowledged.
    point: u64,
    rack: Rack,
    prr: Prr,
    plain: Plain,
    pub(crate) suspicion: Suspicion,
    pub(crate) probe: TailProbe,
}

impl Recovery {
    pub(crate) const fn new() -> Self {
        Self {
            phase: Phase::Open,
            point: 0,
            rack: Rack::new(),
            prr: Prr::begin(0),
            plain: Plain::new(),
            suspicion: Suspicion::NONE,
            probe: TailProbe::NONE,
        }
    }

    /// Makes a used one like new, without touching what nobody would read.
    pub(crate) fn renew(&mut self) {
        self.phase = Phase::Open;
        self.point = 0;
        self.rack = Rack::new();
        self.prr = Prr::begin(0);
        self.plain = Plain::new();
        self.suspicion.close();
        self.probe = TailProbe::NONE;
    }

    pub(crate) const fn phase(&self) -> Phase {
        self.phase
    }

    /// What PRR allows to be in flight.
    pub(crate) const fn prr_window(&self) -> u32 {
        self.prr.window()
    }

    /// `bytes` leave, new or again.
    pub(crate) fn note_sent(&mut self, bytes: u32) {
        self.prr.depart(bytes);
    }

    /// The smallest round trip of late; zero while unknown.
    pub(crate) const fn min_rtt(&self) -> Span {
        self.rack.min_rtt()
    }

    /// Bytes that duplicate acknowledgements of a peer without reports stand for.
    pub(crate) const fn presumed_arrived(&self) -> u32 {
        self.plain.arrived()
    }
}

/// Where the sender stands: after an acknowledgement, or now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) now: Instant,
    /// SND.UNA and SND.NXT.
    pub(crate) una: u64,
    pub(crate) nxt: u64,
    pub(crate) mss: Mss,
    /// The peer reports what has arrived.
    pub(crate) has_sack: bool,
    pub(crate) srtt: Option<Span>,
}

impl Standing {
    pub(crate) fn flight(&self) -> u32 {
        small(self.nxt.saturating_sub(self.una))
    }

    fn segment(&self) -> u32 {
        self.mss.get().into()
    }
}

/// What an acknowledgement says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard<'a> {
    /// How far SND.UNA has moved.
    pub(crate) acked: u32,
    pub(crate) reports: &'a Reports,
    /// It is a duplicate in the sense of RFC 5681 section 2.
    pub(crate) is_duplicate: bool,
    /// The timestamp that it echoes.
    pub(crate) echo: Option<u32>,
}

/// What follows from an acknowledgement for the timers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reaction {
    /// Something was delivered.
    pub(crate) has_progress: bool,
    /// A measurement for the retransmission timer.
    pub(crate) rtt: Option<Span>,
    /// When that left last which has arrived now and had been sent before: only an echo of its
    /// timestamp can make a measurement of it.
    pub(crate) resent_at: Option<Instant>,
    /// Look for losses again after this time.
    pub(crate) look_again: Option<Span>,
}

impl Busy {
    /// Judges an acknowledgement. SND.UNA has moved already.
    pub(crate) fn hear(&mut self, heard: &Heard, standing: &Standing) -> Reaction {
        let Standing { now, una, .. } = *standing;
        let prior_in_flight = self.in_flight(standing.flight().saturating_add(heard.acked));
        let prior_phase = self.recovery.phase;
        let was_limited = self.is_window_limited(una.saturating_sub(u64::from(heard.acked)));

        let mut delivery = Delivery::NONE;
        self.board.acknowledge(una, &mut delivery);
        for range in heard.reports.ranges() {
            self.board.report(range.start, range.end, &mut delivery);
        }
        let presumed = if standing.has_sack {
            0
        } else {
            // After a timeout most duplicates are echoes of what was sent again for nothing: only
            // new bytes are news.
            let most = match self.recovery.phase {
                Phase::Loss => small(standing.nxt.saturating_sub(self.recovery.point)),
                Phase::Open | Phase::Fast => u32::MAX,
            };
            let (segment, flight) = (standing.segment(), standing.flight());
            self.recovery.plain.hear(heard, segment, flight, most)
        };
        self.take_duplicates(heard, standing);
        let stamp = self.recovery.suspicion.stamp();
        let is_resent_believed = Suspicion::is_resent_believed(stamp, heard.echo);
        let rack = &mut self.recovery.rack;
        rack.update(&delivery, is_resent_believed, standing.srtt, now);
        self.take_back_mistakes(heard, &delivery, standing);
        self.end_phase(standing);
        let (mut lost, look_again) = self.find_losses(standing);
        lost = lost.saturating_add(self.find_losses_plainly(heard, standing));
        let delivered = delivery.bytes.saturating_add_signed(presumed);
        if self.recovery.phase == Phase::Open && lost > 0 {
            let known = self.board.arrived();
            let known = known.saturating_add(self.recovery.presumed_arrived());
            let news = delivery.selected.saturating_add_signed(presumed);
            let already = known.saturating_sub(news);
            let flight = standing.flight().saturating_add(heard.acked);
            self.begin_fast(flight.saturating_sub(already), standing);
        }
        let in_flight = self.in_flight(standing.flight());
        if self.recovery.phase == Phase::Fast {
            self.recovery.prr.on_ack(Progress {
                delivered,
                in_flight,
                target: self.congestion.threshold(),
                is_safe: heard.acked > 0 && lost == 0,
                is_due: !standing.has_sack && lost > 0,
                mss: standing.segment(),
            });
        }
        self.take_probe_answer(heard, standing);

        let min_rtt = self.recovery.rack.min_rtt();
        let newest = delivery.departure;
        // Karn's rule (RFC 6298 section 3), strictly: what came with something that was sent again
        // may have waited for it.
        let is_measurable = delivery.newest_resent.is_none();
        let sample = AckSample {
            now,
            acked: self.countable(heard, delivered, standing),
            delivered,
            lost,
            prior_in_flight,
            in_flight,
            rtt: delivery.round_trip(now).filter(|_| is_measurable),
            rate: self.delivered.deliver(delivery.bytes, newest, min_rtt, now),
            is_window_limited: was_limited,
            // What ends a recovery still belongs to it.
            phase: match prior_phase {
                Phase::Open => self.recovery.phase,
                Phase::Fast | Phase::Loss => prior_phase,
            },
        };
        self.congestion.on_ack(&sample, standing.mss);
        Reaction {
            has_progress: heard.acked > 0 || delivery.bytes > 0,
            rtt: self
                .longest_round_trip(&delivery, standing)
                .filter(|_| is_measurable),
            resent_at: delivery.newest_resent.map(|newest| newest.at),
            look_again,
        }
    }

    /// What of the acknowledged bytes makes the window grow: after a timeout, only what had not
    /// arrived before (RFC 3465 section 2.3: one segment, when that is not known).
    fn countable(&self, heard: &Heard, delivered: u32, standing: &Standing) -> u32 {
        match (self.recovery.phase, standing.has_sack) {
            (Phase::Loss, true) => heard.acked.min(delivered),
            (Phase::Loss, false) => heard.acked.min(standing.segment()),
            (Phase::Open | Phase::Fast, _) => heard.acked,
        }
    }

    /// One measurement a round trip is enough for RFC 6298, and what its averages are made for.
    fn longest_round_trip(&mut self, delivery: &Delivery, standing: &Standing) -> Option<Span> {
        let newest = delivery.newest_original?;
        if newest.end <= self.sampled_to {
            return None;
        }
        self.sampled_to = standing.nxt;
        delivery.longest_round_trip(standing.now)
    }

    /// The peer reports bytes that came twice.
    fn take_duplicates(&mut self, heard: &Heard, standing: &Standing) {
        let recovery = &mut self.recovery;
        if let Some(twice) = heard.reports.duplicate
            && recovery.suspicion.note_duplicate(twice)
        {
            recovery.rack.note_duplicate(standing.una, standing.nxt);
        }
    }

    /// Ends a recovery that was a mistake.
    fn take_back_mistakes(&mut self, heard: &Heard, delivery: &Delivery, standing: &Standing) {
        let recovery = &mut self.recovery;
        // The echo is about one segment: it must be all that was found to be lost, so far.
        let may_be_all = match recovery.phase {
            Phase::Open => false,
            Phase::Fast => self.board.lost() == 0,
            Phase::Loss => true,
        };
        let says_something = heard.acked > 0 || heard.is_duplicate || delivery.bytes > 0;
        let has_original = delivery.lowest_original <= recovery.point;
        let suspicion = &mut recovery.suspicion;
        let is_all_here = recovery.phase == Phase::Fast && standing.una >= recovery.point;
        let is_mistake = suspicion.is_mistake_by_duplicates()
            || (is_all_here && suspicion.is_untouched())
            || (may_be_all && heard.acked > 0 && suspicion.is_mistake_by_echo(heard.echo))
            || (recovery.phase == Phase::Loss
                && says_something
                && suspicion.on_frto(heard.acked > 0, has_original));
        if !is_mistake {
            return;
        }
        recovery.rack.note_mistake(recovery.phase != Phase::Loss);
        recovery.phase = Phase::Open;
        recovery.suspicion.close();
        recovery.plain.forget_duplicates();
        self.board.forgive();
        self.congestion.on_spurious();
    }

    /// Ends the phase if everything that was in flight when it began is acknowledged.
    fn end_phase(&mut self, standing: &Standing) {
        let recovery = &mut self.recovery;
        if recovery.phase == Phase::Open {
            if standing.una > recovery.point {
                // A round trip later: who has not complained until now will not.
                recovery.suspicion.close();
            }
            return;
        }
        if standing.una < recovery.point {
            return;
        }
        let was_fast = recovery.phase == Phase::Fast;
        recovery.phase = Phase::Open;
        recovery.suspicion.frto = Frto::Off;
        recovery.plain.end(recovery.point);
        recovery.point = standing.nxt;
        recovery.rack.note_recovered();
        if was_fast {
            let in_flight = self.in_flight(standing.flight());
            self.congestion.on_recovered(in_flight, standing.mss);
        }
    }

    /// RFC 8985 section 6.2 step 5. Returns the bytes newly found to be lost, and when to look
    /// again.
    fn find_losses(&mut self, standing: &Standing) -> (u32, Option<Span>) {
        if !standing.has_sack || !self.board.may_find_losses() {
            return (0, None);
        }
        let Recovery { rack, phase, .. } = &self.recovery;
        let (mss, arrived) = (standing.segment(), self.board.arrived());
        let window = rack.reordering_window(*phase, arrived, mss, standing.srtt);
        let mut look_again = None;
        let lost =
            self.board
                .lose_where(|record| match rack.verdict(record, window, standing.now) {
                    Verdict::Unknown => false,
                    Verdict::LostIn(wait) => {
                        look_again = look_again.max(Some(wait));
                        false
                    }
                    Verdict::Lost => true,
                });
        (lost, look_again)
    }

    /// RFC 5681 section 3.2 and RFC 6582, for a peer that reports nothing: the third duplicate, and
    /// then each partial acknowledgement, shows that the first segment in flight is lost.
    fn find_losses_plainly(&mut self, heard: &Heard, standing: &Standing) -> u32 {
        let recovery = &self.recovery;
        let is_first_lost = !standing.has_sack
            && match recovery.phase {
                Phase::Open => recovery.plain.is_loss(standing.una),
                Phase::Fast => heard.acked > 0,
                Phase::Loss => false,
            };
        if is_first_lost {
            self.board.lose_first(standing.segment())
        } else {
            0
        }
    }

    /// Time has passed: RACK's timer fired (RFC 8985 section 6.3). Says when to look again.
    pub(crate) fn look_again(&mut self, standing: &Standing) -> Option<Span> {
        let (lost, look_again) = self.find_losses(standing);
        if lost > 0 && self.recovery.phase == Phase::Open {
            let flight = standing.flight().saturating_sub(self.board.arrived());
            self.begin_fast(flight, standing);
            self.recovery.prr.on_ack(Progress {
                delivered: 0,
                in_flight: self.in_flight(standing.flight()),
                target: self.congestion.threshold(),
                is_safe: false,
                is_due: false,
                mss: standing.segment(),
            });
        }
        look_again
    }

    /// A loss was found. `recover_flight`: RecoverFS of RFC 9937 section 6.
    fn begin_fast(&mut self, recover_flight: u32, standing: &Standing) {
        let recovery = &mut self.recovery;
        recovery.phase = Phase::Fast;
        recovery.point = standing.nxt;
        recovery.prr = Prr::begin(recover_flight);
        recovery.suspicion.begin(Frto::Off);
        recovery.probe = TailProbe::NONE;
        // RFC 5681 section 3.2 step 2: FlightSize.
        let flight = standing.flight();
        self.congestion
            .on_congestion(Signal::Loss, flight, standing.mss);
    }

    /// RFC 8985 section 7.4: has the probe repaired a loss?
    fn take_probe_answer(&mut self, heard: &Heard, standing: &Standing) {
        let reports = heard.reports;
        let is_plain = heard.is_duplicate && reports.is_empty();
        let probe = &mut self.recovery.probe;
        let has_repaired = probe.on_ack(standing.una, reports.duplicate.is_some(), is_plain);
        if has_repaired && self.recovery.phase == Phase::Open {
            let flight = standing.flight();
            self.congestion
                .on_congestion(Signal::Loss, flight, standing.mss);
        }
    }

    /// The retransmission timer fired (RFC 6298 section 5.4): all that is in flight is taken for
    /// lost. `is_first`: something was acknowledged since it fired last.
    pub(crate) fn time_out(&mut self, is_first: bool, standing: &Standing) {
        let is_first = is_first || self.recovery.phase != Phase::Loss;
        // FlightSize of RFC 5681, less what has left the network although it is not acknowledged.
        let arrived = self.board.arrived();
        let arrived = arrived.saturating_add(self.recovery.presumed_arrived());
        let flight = standing.flight().saturating_sub(arrived);
        self.congestion.on_timeout(is_first, flight, standing.mss);
        // RFC 2018 section 8: who has reported the first byte and does not acknowledge it has
        // thrown it away, and perhaps more.
        let is_believed = !self.board.is_reneged();
        self.board.lose_all(is_believed);
        let recovery = &mut self.recovery;
        // RFC 5682 section 3.1 step 1: not when it fires again.
        let frto = if is_first {
            Frto::FirstResent
        } else {
            Frto::Off
        };
        recovery.suspicion.begin(frto);
        recovery.phase = Phase::Loss;
        recovery.point = standing.nxt;
        recovery.probe = TailProbe::NONE;
        recovery.plain.forget_duplicates();
    }

    /// Whether the timer may be set for a probe of the tail (RFC 8985 section 7.2).
    pub(crate) fn may_probe_tail(&self, has_sack: bool) -> bool {
        has_sack && self.is_untroubled() && !self.recovery.probe.is_sent()
    }

    /// Whether new data is all that is to leave, and all that has not arrived is on its way.
    #[inline]
    pub(crate) fn only_sends_on(&self) -> bool {
        self.is_untroubled()
            && self.recovery.plain.is_quiet()
            && !self.recovery.probe.is_due
            && self.trial_segments().is_none()
    }

    /// Whether nothing is lost, or looks as if it were.
    pub(crate) fn is_untroubled(&self) -> bool {
        self.recovery.phase == Phase::Open && self.board.arrived() == 0 && self.board.lost() == 0
    }
}

fn small(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
