//! A segment arrives on an open connection: the steps of RFC 9293 section 3.10.7.4, in its order.
//!
//! *Owns* the order. *Never* does a step's work: each is a file and takes (connection, segment,
//! now). A step that ends the processing returns the reason, which is counted.

mod acceptable;
mod ack;
mod data;
mod fin;
mod predicted;
mod reset;
mod urgent;

use wire::tcp::Header;
use wire::{Drop, Ecn};

use crate::open::Open;
use crate::outcome::Outcome;
use crate::segment::Arrival;
use crate::shared::Shared;
use crate::time::Instant;

/// Why the processing of a segment ends before its last step.
enum Stop {
    /// The segment, or its payload, is discarded.
    Dropped(Drop),
    /// It has done its work: a reset.
    Done,
}

impl From<Drop> for Stop {
    fn from(reason: Drop) -> Self {
        Self::Dropped(reason)
    }
}

/// Everything that a step works on.
struct Processing<'a> {
    open: &'a mut Open,
    shared: &'a mut Shared,
    arrival: Arrival<'a>,
    now: Instant,
    outcome: &'a mut Outcome,
}

impl Open {
    /// Takes a segment with `len` bytes of payload, marked by routers or not.
    pub(crate) fn input(
        &mut self,
        shared: &mut Shared,
        header: &Header,
        len: u32,
        mark: Ecn,
        now: Instant,
        outcome: &mut Outcome,
    ) {
        let predicted = self.predict(header, len);
        let arrival = match predicted {
            // It begins where the one before it ended.
            Some(_) => Arrival {
                header,
                start: self.rcv.nxt.cast_signed(),
                len,
                ack: None,
                mark,
            },
            None => Arrival {
                mark,
                ..self.measure(header, len)
            },
        };
        let mut processing = Processing {
            open: self,
            shared,
            arrival,
            now,
            outcome,
        };
        match predicted {
            Some(advance) => processing.run_predicted(advance),
            None => {
                let end = processing.run();
                processing.finish(end);
            }
        }
    }

    /// Takes payload and FIN of a segment whose other parts were processed elsewhere: the SYN-ACK
    /// that completes a handshake (RFC 9293 section 3.10.7.3, fourth step).
    pub(crate) fn input_after_syn(
        &mut self,
        shared: &mut Shared,
        header: &Header,
        len: u32,
        now: Instant,
    ) -> Outcome {
        let arrival = self.measure(header, len);
        let mut outcome = Outcome::default();
        let mut processing = Processing {
            open: self,
            shared,
            arrival,
            now,
            outcome: &mut outcome,
        };
        processing.note_urgent();
        let end = processing.take_data().map_err(Stop::Dropped);
        if end.is_ok() {
            processing.take_fin();
        }
        processing.finish(end);
        outcome
    }
}

impl Processing<'_> {
    #[inline(never)]
    fn run(&mut self) -> Result<(), Stop> {
        // First: sequence number, after the timestamp (RFC 7323 section 5.3).
        self.check_timestamp()?;
        self.check_sequence()?;
        self.note_timestamp();
        // Second and fourth: RST and SYN. (Third, security, is gone from practice.)
        self.check_reset()?;
        self.check_syn()?;
        if let Some(watch) = self.open.watch_in(self.shared) {
            watch.hear(self.arrival.header, self.now);
        }
        // Fifth: ACK.
        self.take_ack()?;
        if self.open.watch.is_some() {
            self.open.judge_probe(self.shared, self.now);
        }
        // Sixth: URG.
        self.note_urgent();
        // Seventh: the payload.
        self.take_data()?;
        // Eighth: FIN.
        self.take_fin();
        Ok(())
    }

    fn finish(self, end: Result<(), Stop>) {
        if let Err(Stop::Dropped(reason)) = end {
            self.outcome.drop = Some(reason);
        }
        self.open.finish(self.shared, self.outcome);
    }
}
