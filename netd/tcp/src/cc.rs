//! Congestion control: how much may be in flight.
//!
//! *Owns* the choice of algorithm, one [`Congestion`] per connection. *Never* knows sequence
//! numbers, segments or timers: byte counts in, a window out, pure arithmetic. Loss detection is
//! `recovery`'s; it tells this room what happened.

mod newreno;

use newreno::NewReno;

use crate::window::Mss;

/// One connection's congestion control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Congestion {
    NewReno(NewReno),
}

impl Congestion {
    /// The algorithm that every connection starts with.
    pub(crate) fn new(mss: Mss) -> Self {
        Self::NewReno(NewReno::new(mss))
    }

    /// How many bytes may be in flight.
    pub(crate) fn window(&self) -> u32 {
        match self {
            Self::NewReno(reno) => reno.window(),
        }
    }

    /// Where slow start ends, in bytes; `u32::MAX` before the first loss.
    pub(crate) fn threshold(&self) -> u32 {
        match self {
            Self::NewReno(reno) => reno.threshold(),
        }
    }

    /// The algorithm's name.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::NewReno(_) => "newreno",
        }
    }

    /// `acked` new bytes were acknowledged while nothing is known to be lost.
    pub(crate) fn on_ack(&mut self, acked: u64, mss: Mss) {
        match self {
            Self::NewReno(reno) => reno.on_ack(acked, mss),
        }
    }

    /// A loss was found by duplicate acknowledgements, with `flight` bytes in flight.
    pub(crate) fn on_fast_retransmit(&mut self, flight: u32, mss: Mss) {
        match self {
            Self::NewReno(reno) => reno.on_fast_retransmit(flight, mss),
        }
    }

    /// One more duplicate acknowledgement during recovery: a segment has left the network.
    pub(crate) fn on_duplicate(&mut self, mss: Mss) {
        match self {
            Self::NewReno(reno) => reno.on_duplicate(mss),
        }
    }

    /// During recovery, `acked` bytes were acknowledged, but not all that was in flight.
    pub(crate) fn on_partial_ack(&mut self, acked: u64, mss: Mss) {
        match self {
            Self::NewReno(reno) => reno.on_partial_ack(acked, mss),
        }
    }

    /// Recovery is over; `flight` bytes are in flight.
    pub(crate) fn on_recovered(&mut self, flight: u32, mss: Mss) {
        match self {
            Self::NewReno(reno) => reno.on_recovered(flight, mss),
        }
    }

    /// The retransmission timer fired for data that had not timed out before.
    pub(crate) fn on_first_timeout(&mut self, flight: u32, mss: Mss) {
        match self {
            Self::NewReno(reno) => reno.on_first_timeout(flight, mss),
        }
    }

    /// The retransmission timer fired again.
    pub(crate) fn on_repeated_timeout(&mut self, mss: Mss) {
        match self {
            Self::NewReno(reno) => reno.on_repeated_timeout(mss),
        }
    }

    /// Nothing was sent for longer than a retransmission timeout.
    pub(crate) fn on_idle(&mut self, mss: Mss) {
        match self {
            Self::NewReno(reno) => reno.on_idle(mss),
        }
    }
}
