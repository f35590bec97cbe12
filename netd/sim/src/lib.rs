//! The deterministic network world for tests.
//!
//! A [`World`] is made from a seed: hosts that run the real [`stack`], scripted devices, wires with
//! [`Weather`], programs with habits. Time jumps from event to event. The same seed gives the same
//! history to the last bit, and a [capture](World::capture) of it that any dissector reads.
//!
//! Oracles watch all the time: every received frame is accounted for, connections take only the
//! steps of RFC 9293, nothing is acknowledged that never came, nothing is sent beyond a window, no
//! window is taken back; programs check every byte; and when all have left, nothing is left behind.
#![forbid(unsafe_code)]

mod bulk;
mod codel;
mod fault;
mod host;
mod link;
mod oracle;
mod pcapng;
mod program;
mod random;
mod restart;
mod router;
mod shelf;
mod text;
mod trace;
mod weather;
mod world;

pub mod devices;
pub mod neighbourhood;
pub mod programs;
pub mod scenario;
pub mod script;

pub use bulk::{Bottleneck, Bulk};
pub use fault::{Fault, Faults};
pub use host::{Arenas, Host, HostSetup, small_tables};
pub use link::Line;
pub use pcapng::{Capture, Way};
pub use program::{Desk, Program, Verdict};
pub use random::Random;
pub use text::trace_lines;
pub use weather::{Discipline, Loss, Weather};
pub use world::{Complaint, Device, Meddler, StationId, WireId, World};
