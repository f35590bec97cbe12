//! One TCP connection: no addresses, no tables, no clock, no bytes.
//!
//! A [`Connection`] is a few counters. Segments go in as a header and a payload length, with the
//! time; an [`Outcome`] comes out and says where in the user's memory the payload belongs.
//! [`Connection::output`] says which segment to send next and which part of the user's bytes it
//! carries. The owner holds addresses, tables, memory and timers' wheel.
//!
//! Two rules shape everything:
//! * The receive window is the room that the user has given, so no byte is ever held here.
//! * A byte is acknowledged only when it is published ([`Connection::publish`]): in the user's
//!   memory, and the user knows.
//!
//! The four storage shapes:
//!
//! | shape | states | size |
//! | --- | --- | --- |
//! | [`SynEntry`] | SYN-RECEIVED, passive | at most 48 bytes, 64 in the table |
//! | [`Opening`] | SYN-SENT, SYN-RECEIVED when opens cross | |
//! | [`Open`] | ESTABLISHED to LAST-ACK | at most 168 bytes; [`Shared`] lends what only busy ones need |
//! | [`TimeWait`] | TIME-WAIT | at most 32 bytes |
//!
//! *Spec*: RFC 9293; 1337 `time_wait`; 2018, 2883 `receive`, `reports`; 3042, 3522, 3708, 5682, 6582,
//! 6675, 8985, 9937 `recovery`; 5681, 6928 `cc`;
//! 1122, 5482 `watch`, `tuning`; 1191, 4821, 8899 `pmtu`; 4987 `syn_cache`, `cookie`; 5961 `input`, `challenge`; 6191 `time_wait`; 6298 `rtt`, `timers`; 6528 `isn`; 7323 `options`, `window`;
//! 7413 `fast_open`.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod accept;
mod assemble;
mod busy;
mod cc;
mod challenge;
mod connection;
mod cookie;
mod counts;
mod ecn;
mod fast_open;
mod fire;
mod info;
mod input;
mod isn;
mod open;
mod opening;
mod options;
mod outcome;
mod output;
mod pace;
mod pmtu;
mod pool;
mod rate;
mod receive;
mod record;
mod recovery;
mod reports;
mod resume;
mod rtt;
mod segment;
mod send;
mod seq;
mod shared;
mod state;
mod syn_cache;
mod time;
mod time_wait;
mod timers;
mod tuning;
mod watch;
mod window;

pub use accept::AcceptQueue;
pub use cc::Algorithm;
pub use connection::Connection;
pub use cookie::cookie;
pub use counts::Counts;
pub use fast_open::{EarlySegment, FastOpen};
pub use info::Info;
pub use isn::isn;
pub use open::Open;
pub use opening::Opening;
pub use options::Setup;
pub use outcome::{Emit, Events, Fate, Outcome, Place};
pub use record::{BadRecord, Record};
pub use resume::{Contradiction, Recollection};
pub use rtt::{Rto, Rtt};
pub use segment::{Reset, refuse};
pub use send::MOST_QUEUED;
pub use seq::Seq;
pub use shared::{Limits, Shared};
pub use state::{Cause, State, Step, Steps};
pub use syn_cache::{SynEntry, SynOutcome};
pub use time::Instant;
pub use time_wait::{TimeWait, TimeWaitOutcome};
pub use tuning::{KeepAlive, Tuning};
pub use window::{Mss, WindowScale};
