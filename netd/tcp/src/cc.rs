//! Congestion control: how much may be in flight, and how fast it leaves.
//!
//! *Owns* the choice of algorithm, one [`Congestion`] per busy connection, and the seam: what loss
//! recovery tells ([`AckSample`], [`Signal`]) and asks. *Never* knows sequence numbers, segments or
//! timers: byte counts in, a window out, pure arithmetic. What is lost, and how the window is
//! approached after a loss, is `recovery`'s.

mod bbr;
mod cubic;
mod hystart;
mod max_filter;
mod newreno;
mod root;
#[cfg(test)]
mod testing;

use bbr::Bbr;
use cubic::Cubic;
use newreno::NewReno;

use crate::recovery::Phase;
use crate::time::{Instant, Span};
use crate::window::Mss;

/// More than this is never useful: the largest window that TCP can offer.
const MAX_WINDOW: u32 = 1 << 30;

/// Which congestion control a connection uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Algorithm {
    /// RFC 5681 and 6582: halves its window at each loss.
    NewReno,
    /// RFC 9438 with HyStart++ (RFC 9406): grows by the time since the last loss.
    #[default]
    Cubic,
    /// Models bandwidth and round trip, and paces; losses bound it when they are more than chance.
    Bbr,
}

/// What an algorithm knows that outlives idle times: 8 bytes in every open connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Remembered {
    /// The congestion window, in bytes.
    pub(crate) window: u32,
    /// Where slow start ends, in bytes; `u32::MAX` before the first loss.
    pub(crate) threshold: u32,
}

impl Remembered {
    /// Nothing was learnt yet: the initial window of RFC 6928.
    pub(crate) fn initial(mss: Mss) -> Self {
        Self {
            window: initial_window(mss),
            threshold: u32::MAX,
        }
    }
}

/// Why the window must shrink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// A loss was found, not by a timeout.
    Loss,
    /// The peer has seen a mark of congestion (RFC 3168 section 6.1.2).
    Ecn,
}

/// A sample of the delivery rate (draft-cheng-iccrg-delivery-rate-estimation).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RateSample {
    /// Bytes delivered within `interval`.
    pub(crate) delivered: u32,
    pub(crate) interval: Span,
    /// All bytes that were delivered when the segment left that this sample is of.
    pub(crate) prior_delivered: u64,
    /// The application, not the network, was the limit.
    pub(crate) is_app_limited: bool,
}

impl RateSample {
    /// All bytes that are delivered by now.
    pub(crate) fn total_delivered(&self) -> u64 {
        self.prior_delivered
            .saturating_add(u64::from(self.delivered))
    }
}

/// What one acknowledgement told. All amounts are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AckSample {
    pub(crate) now: Instant,
    /// Newly cumulatively acknowledged.
    pub(crate) acked: u32,
    /// Newly delivered: cumulatively or selectively.
    pub(crate) delivered: u32,
    /// Newly found to be lost.
    pub(crate) lost: u32,
    /// In flight ("pipe" of RFC 6675) before and after.
    pub(crate) prior_in_flight: u32,
    pub(crate) in_flight: u32,
    /// Round trip of the newest segment that was sent once and is now delivered.
    pub(crate) rtt: Option<Span>,
    pub(crate) rate: Option<RateSample>,
    /// The window was used up, so growing it has a meaning (RFC 7661 section 4.3, RFC 9438
    /// section 4.6).
    pub(crate) is_window_limited: bool,
    /// In [`Phase::Fast`] the window does not grow: PRR rules.
    pub(crate) phase: Phase,
}

impl AckSample {
    /// Whether a `window` may grow for it: not during fast recovery, only if it was used up, and not
    /// to more than twice what was in flight, so that what was lost, or is reported after a timeout
    /// all at once, opens no window for a burst.
    fn lets_grow(&self, window: u32) -> bool {
        self.phase != Phase::Fast && self.is_window_limited && window / 2 <= self.prior_in_flight
    }

    /// The bytes that count for growth: after a timeout, what had arrived before does not (RFC 3465
    /// section 2.3).
    fn counted(&self) -> u32 {
        match self.phase {
            Phase::Open | Phase::Fast => self.acked,
            Phase::Loss => self.acked.min(self.delivered),
        }
    }
}

/// One busy connection's congestion control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Congestion {
    NewReno(NewReno),
    Cubic(Cubic),
    Bbr(Bbr),
}

impl Congestion {
    /// Begins, or goes on after an idle time, from what is remembered.
    pub(crate) fn new(algorithm: Algorithm, remembered: Remembered, now: Instant) -> Self {
        match algorithm {
            Algorithm::NewReno => Self::NewReno(NewReno::new(remembered)),
            Algorithm::Cubic => Self::Cubic(Cubic::new(remembered, now)),
            Algorithm::Bbr => Self::Bbr(Bbr::new(remembered, now)),
        }
    }

    /// What is to outlive an idle time.
    pub(crate) fn remember(&self) -> Remembered {
        match self {
            Self::NewReno(_) | Self::Cubic(_) => Remembered {
                window: self.window(),
                threshold: self.threshold(),
            },
            Self::Bbr(bbr) => bbr.remember(),
        }
    }

    /// How many bytes may be in flight.
    pub(crate) fn window(&self) -> u32 {
        match self {
            Self::NewReno(reno) => reno.window(),
            Self::Cubic(cubic) => cubic.window(),
            Self::Bbr(bbr) => bbr.window(),
        }
    }

    /// Where slow start ends, in bytes; `u32::MAX` before the first loss, and always for BBR, which
    /// has none. After a congestion signal it is what PRR aims at (RFC 9937 section 6: RecoverFS is
    /// its counterpart).
    pub(crate) fn threshold(&self) -> u32 {
        match self {
            Self::NewReno(reno) => reno.threshold(),
            Self::Cubic(cubic) => cubic.threshold(),
            Self::Bbr(_) => u32::MAX,
        }
    }

    /// How fast to send, in bytes per second; `None`: as the window allows, because the round trip
    /// is not known yet.
    pub(crate) fn pacing_rate(&self, srtt: Option<Span>) -> Option<u64> {
        match self {
            Self::Bbr(bbr) => Some(bbr.pacing_rate(srtt)),
            Self::NewReno(_) | Self::Cubic(_) => {
                let rate = bytes_per_second(self.window().into(), srtt?);
                // The window doubles in a round trip of slow start and must not be held back; later
                // a fifth more lets it grow and fills what comes late.
                Some(if self.window() < self.threshold() {
                    rate.saturating_mul(2)
                } else {
                    rate.saturating_add(rate / 5)
                })
            }
        }
    }

    /// Whether it is nothing without its rate.
    pub(crate) const fn must_pace(&self) -> bool {
        matches!(self, Self::Bbr(_))
    }

    /// Whether recovery approaches the new window by Proportional Rate Reduction. BBR limits itself.
    pub(crate) fn uses_prr(&self) -> bool {
        match self {
            Self::NewReno(_) | Self::Cubic(_) => true,
            Self::Bbr(_) => false,
        }
    }

    /// Whether it heeds the marks of routers: only then may segments ask for them (RFC 3168 section
    /// 6.1.2).
    pub(crate) fn heeds_ecn(&self) -> bool {
        match self {
            Self::NewReno(_) | Self::Cubic(_) => true,
            Self::Bbr(_) => false,
        }
    }

    /// Something was acknowledged.
    pub(crate) fn on_ack(&mut self, sample: &AckSample, mss: Mss) {
        match self {
            Self::NewReno(reno) => reno.on_ack(sample, mss),
            Self::Cubic(cubic) => cubic.on_ack(sample, mss),
            Self::Bbr(bbr) => bbr.on_ack(sample, mss),
        }
    }

    /// A congestion signal came, at most one per round trip, with `in_flight` bytes in flight.
    pub(crate) fn on_congestion(&mut self, signal: Signal, in_flight: u32, mss: Mss) {
        match (self, signal) {
            (Self::NewReno(reno), Signal::Loss | Signal::Ecn) => reno.on_congestion(in_flight, mss),
            (Self::Cubic(cubic), Signal::Loss | Signal::Ecn) => cubic.on_congestion(mss),
            (Self::Bbr(bbr), Signal::Loss) => bbr.on_loss(),
            (Self::Bbr(_), Signal::Ecn) => {}
        }
    }

    /// Recovery is over; `in_flight` bytes are in flight.
    pub(crate) fn on_recovered(&mut self, in_flight: u32, mss: Mss) {
        match self {
            Self::NewReno(reno) => reno.on_recovered(in_flight, mss),
            // PRR has brought the flight to where the window is.
            Self::Cubic(_) => {}
            Self::Bbr(bbr) => bbr.on_recovered(),
        }
    }

    /// The retransmission timer fired. `is_first`: for data that had not timed out before.
    pub(crate) fn on_timeout(&mut self, is_first: bool, in_flight: u32, mss: Mss) {
        match self {
            Self::NewReno(reno) => reno.on_timeout(is_first, in_flight, mss),
            Self::Cubic(cubic) => cubic.on_timeout(is_first, mss),
            Self::Bbr(bbr) => bbr.on_timeout(is_first, mss),
        }
    }

    /// The last congestion signal or timeout was a mistake: nothing had been lost.
    pub(crate) fn on_spurious(&mut self) {
        match self {
            Self::NewReno(reno) => reno.on_spurious(),
            Self::Cubic(cubic) => cubic.on_spurious(),
            Self::Bbr(bbr) => bbr.on_spurious(),
        }
    }

    /// Nothing was sent for longer than a retransmission timeout (RFC 5681 section 4.1).
    pub(crate) fn on_idle(&mut self, mss: Mss, now: Instant) {
        match self {
            Self::NewReno(reno) => reno.on_idle(mss),
            Self::Cubic(cubic) => cubic.on_idle(mss, now),
            Self::Bbr(bbr) => bbr.on_idle(),
        }
    }
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::NewReno, Self::Cubic, Self::Bbr];

    /// The algorithm's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NewReno => "newreno",
            Self::Cubic => "cubic",
            Self::Bbr => "bbr",
        }
    }
}

/// A rate.
fn bytes_per_second(bytes: u64, time: Span) -> u64 {
    bytes.saturating_mul(1_000_000_000) / time.as_nanos().max(1)
}

/// The least threshold after a loss: two segments (RFC 5681 equation 4, RFC 9438 section 4.6).
fn minimum_window(mss: Mss) -> u32 {
    u32::from(mss.get()) * 2
}

/// RFC 6928: min(10 * MSS, max(2 * MSS, 14600)).
pub(crate) fn initial_window(mss: Mss) -> u32 {
    let mss = u32::from(mss.get());
    (mss * 10).min((mss * 2).max(14_600))
}

#[cfg(test)]
mod tests;
