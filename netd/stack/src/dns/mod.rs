//! The resolver of names.
//!
//! *Owns* the questions under way, the servers' health and the cache. *Never* touches a socket:
//! it asks for one exchange after the other ([`Work`]), over a port that the stack chooses anew
//! each time, and is told what came back. Sans-IO; nothing is allocated after construction.
//!
//! *Spec*: RFC 1035 section 7; RFC 2181 section 5; RFC 2308 (negative answers); RFC 5452 (forged
//! answers); RFC 6761 (special names); RFC 6762 section 5.1 (names of the link); RFC 6891 (EDNS(0)); RFC 7766 (TCP).
//!
//! *Invariants*: every lookup that is accepted ends in exactly one [`Work::Done`] or in a
//! `cancel`; questions never wait for each other; one name is asked for once at a time.

mod answer;
mod cache;
mod health;
mod local;
pub(crate) mod multicast;
mod query;
mod resolver;
#[cfg(test)]
mod tests;

pub(crate) use answer::{Answer, Kind, Outcome};
pub(crate) use resolver::{Ask, Limits, Lookup, QueryId, Refusal, Resolver, Work};
