//! One connection, one segment at a time: what RFC 9293 and its relatives say, case by case.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "small numbers"
)]
#![allow(
    clippy::let_underscore_must_use,
    reason = "a script looks at what it is about"
)]

mod ack;
mod arrives;
mod close;
mod data;
mod ecn;
mod hostile;
mod lab;
mod mistakes;
mod model;
mod nagle;
mod opening;
mod pacing;
mod passive;
mod reassembly;
mod record;
mod recovery;
mod reset;
mod retransmit;
mod sack;
mod segments;
mod selective;
mod shrink;
mod tail;
mod time_wait;
mod tuning;
mod window;
