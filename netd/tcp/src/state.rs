//! The state of a connection: two facts, the RFC's names for them, and the only place they change.
//!
//! *Owns* the facts *our FIN* and *their FIN*, [`State`] (the names of RFC 9293 section 3.3.2) and
//! [`Step`], the trace of every change. *Never* looks at a segment: the steps of `input` say what
//! happened ([`Cause`]), this file says what it means.
//!
//! | ours \ theirs | not seen | seen first | seen after ours |
//! | --- | --- | --- | --- |
//! | not queued | ESTABLISHED | CLOSE-WAIT | (impossible) |
//! | queued | FIN-WAIT-1 | LAST-ACK | CLOSING |
//! | acknowledged | FIN-WAIT-2 | CLOSED | TIME-WAIT |

/// The names of RFC 9293 section 3.3.2. LISTEN is not among them: a listener is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum State {
    /// A SYN was sent, nothing came back yet.
    SynSent = 1,
    /// SYNs crossed, or a SYN was answered: the last acknowledgement is missing.
    SynReceived = 2,
    /// Data flows both ways.
    Established = 3,
    /// The peer has finished, we have not.
    CloseWait = 4,
    /// We have finished; our FIN is not acknowledged.
    FinWait1 = 5,
    /// Our FIN is acknowledged; the peer has not finished.
    FinWait2 = 6,
    /// Both have finished at the same time; our FIN is not acknowledged.
    Closing = 7,
    /// The peer finished first, then we; our FIN is not acknowledged.
    LastAck = 8,
    /// Over, but old segments may still be about.
    TimeWait = 9,
    /// Over.
    Closed = 10,
}

impl State {
    /// The name that RFC 9293 prints.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SynSent => "SYN-SENT",
            Self::SynReceived => "SYN-RECEIVED",
            Self::Established => "ESTABLISHED",
            Self::CloseWait => "CLOSE-WAIT",
            Self::FinWait1 => "FIN-WAIT-1",
            Self::FinWait2 => "FIN-WAIT-2",
            Self::Closing => "CLOSING",
            Self::LastAck => "LAST-ACK",
            Self::TimeWait => "TIME-WAIT",
            Self::Closed => "CLOSED",
        }
    }
}

/// What makes a connection change its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The peer's SYN crossed ours.
    SynCrossed,
    /// The handshake is complete.
    HandshakeDone,
    /// The user has no more to send: our FIN is queued.
    UserClosed,
    /// The peer has acknowledged our FIN.
    FinAcknowledged,
    /// The peer's FIN is next in order.
    FinArrived,
    /// The peer reset the connection.
    ResetArrived,
    /// The user gave the connection up.
    UserAborted,
    /// Nobody answered for too long.
    TimedOut,
}

/// One change of state: what simulator, counters and durable record follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The state before.
    pub from: State,
    /// What happened.
    pub cause: Cause,
    /// The state after.
    pub to: State,
}

/// The changes that one call made, in order. One segment can make three: complete a handshake,
/// acknowledge a FIN queued meanwhile, and carry the peer's FIN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steps([Option<Step>; 4]);

impl Steps {
    /// Notes one more step.
    pub(crate) fn push(&mut self, step: Step) {
        let free = self.0.iter_mut().find(|place| place.is_none());
        debug_assert!(free.is_some(), "a call makes at most four steps");
        if let Some(place) = free {
            *place = Some(step);
        }
    }

    /// The steps, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = Step> + '_ {
        self.0.iter().flatten().copied()
    }
}

/// What became of our FIN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum OurFin {
    /// The user may send more.
    #[default]
    NotQueued = 0,
    /// It follows the last queued byte; sent or not, it is not acknowledged.
    Queued = 1,
    /// The peer has acknowledged it.
    Acknowledged = 2,
}

/// What became of the peer's FIN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum TheirFin {
    /// The peer may send more.
    #[default]
    NotSeen = 0,
    /// It came, in order, before ours was queued.
    SeenFirst = 1,
    /// It came, in order, after ours was queued.
    SeenAfterOurs = 2,
}

/// The two facts, and whether the connection was cut short: in one byte, because the state is asked for
/// again and again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts(u8);

/// Our FIN in the lowest bits, theirs in the next two.
const FIN: u8 = 0b11;
const THEIRS: u32 = 2;
const CUT: u8 = 1 << 4;

/// The RFC's names for all facts.
const NAMES: [State; 32] = {
    let mut names = [State::Closed; 32];
    let mut facts = 0;
    while facts < CUT {
        let name = match (Facts(facts).ours(), Facts(facts).theirs()) {
            (OurFin::NotQueued, TheirFin::NotSeen) => State::Established,
            // The right-hand combination cannot arise; a peer that has finished is the nearest.
            (OurFin::NotQueued, TheirFin::SeenFirst | TheirFin::SeenAfterOurs) => State::CloseWait,
            (OurFin::Queued, TheirFin::NotSeen) => State::FinWait1,
            (OurFin::Queued, TheirFin::SeenFirst) => State::LastAck,
            (OurFin::Queued, TheirFin::SeenAfterOurs) => State::Closing,
            (OurFin::Acknowledged, TheirFin::NotSeen) => State::FinWait2,
            (OurFin::Acknowledged, TheirFin::SeenFirst) => State::Closed,
            (OurFin::Acknowledged, TheirFin::SeenAfterOurs) => State::TimeWait,
        };
        if let Some(place) = names.split_at_mut(facts as usize).1.first_mut() {
            *place = name;
        }
        facts += 1;
    }
    names
};

impl Facts {
    const fn new(ours: OurFin, theirs: TheirFin) -> Self {
        Self(ours as u8 | (theirs as u8) << THEIRS)
    }

    /// Rebuilds the facts from a durable record; `None` for the impossible combination.
    pub(crate) const fn restore(ours: OurFin, theirs: TheirFin) -> Option<Self> {
        match (ours, theirs) {
            (OurFin::NotQueued, TheirFin::SeenAfterOurs) => None,
            _ => Some(Self::new(ours, theirs)),
        }
    }

    pub(crate) const fn ours(self) -> OurFin {
        match self.0 & FIN {
            0 => OurFin::NotQueued,
            1 => OurFin::Queued,
            _ => OurFin::Acknowledged,
        }
    }

    pub(crate) const fn theirs(self) -> TheirFin {
        match self.0 >> THEIRS & FIN {
            0 => TheirFin::NotSeen,
            1 => TheirFin::SeenFirst,
            _ => TheirFin::SeenAfterOurs,
        }
    }

    /// Whether our FIN was queued, now or earlier.
    pub(crate) fn is_our_side_closed(self) -> bool {
        self.ours() != OurFin::NotQueued
    }

    /// Whether the peer's FIN was seen in order.
    pub(crate) fn is_their_side_closed(self) -> bool {
        self.theirs() != TheirFin::NotSeen
    }

    /// Whether it surely goes on: it was not cut short, and our FIN is not acknowledged.
    #[inline]
    pub(crate) const fn surely_goes_on(self) -> bool {
        self.0 & (CUT | OurFin::Acknowledged as u8) == 0
    }

    /// The RFC's name for these facts.
    #[inline]
    pub(crate) fn state(self) -> State {
        let name = NAMES.get(usize::from(self.0)).copied();
        name.unwrap_or(State::Closed)
    }

    /// Changes the facts as `cause` demands and reports the step, if it was one. A cause that says
    /// nothing new (a second close, the same FIN again) changes nothing.
    pub(crate) fn change(&mut self, cause: Cause) -> Option<Step> {
        let from = self.state();
        match cause {
            Cause::UserClosed if self.ours() == OurFin::NotQueued => {
                self.0 |= Self::new(OurFin::Queued, TheirFin::NotSeen).0;
            }
            Cause::FinAcknowledged if self.ours() == OurFin::Queued => {
                self.0 = self.0 & !FIN | OurFin::Acknowledged as u8;
            }
            Cause::FinArrived if self.theirs() == TheirFin::NotSeen => {
                let theirs = match self.ours() {
                    OurFin::NotQueued => TheirFin::SeenFirst,
                    OurFin::Queued | OurFin::Acknowledged => TheirFin::SeenAfterOurs,
                };
                self.0 |= Self::new(OurFin::NotQueued, theirs).0;
            }
            Cause::ResetArrived | Cause::UserAborted | Cause::TimedOut => self.0 |= CUT,
            Cause::UserClosed
            | Cause::FinAcknowledged
            | Cause::FinArrived
            | Cause::SynCrossed
            | Cause::HandshakeDone => {}
        }
        let to = self.state();
        (from != to).then_some(Step { from, cause, to })
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
