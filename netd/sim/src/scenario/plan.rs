//! What a seed means, as plain data: whoever looks for the cause of a failure takes parts out.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::fault::Faults;
use crate::programs::{Serves, Visits};
use crate::weather::Weather;

/// A scenario.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where chance begins that is left to chance.
    pub seed: u64,
    /// The hosts; they share a wire, and each sends in a weather of its own.
    pub hosts: Vec<HostPlan>,
    /// Who talks to whom.
    pub talks: Vec<Talk>,
    /// Weather changes, in the order of their times.
    pub changes: Vec<Change>,
    /// Crashes, in the order of their times.
    pub crashes: Vec<Crash>,
    /// What befalls the frames of each host, if nothing is left to chance.
    pub faults: Option<Vec<Faults>>,
    /// Something in it is reason enough for a connection to fail.
    pub may_fail: bool,
}

/// A host.
#[derive(Clone, Copy, Debug)]
pub struct HostPlan {
    /// The weather in which it sends.
    pub weather: Weather,
    /// See [`HostSetup`](crate::HostSetup).
    pub deafness: u32,
    /// See [`HostSetup`](crate::HostSetup).
    pub lateness: Duration,
    /// See [`HostSetup`](crate::HostSetup).
    pub mtu: u16,
    /// How many TIME-WAIT records it has room for.
    pub time_waits: u32,
    /// How many half-open connections it has room for; whoever comes then is answered by a cookie.
    pub half_open: u32,
}

/// A server on one host, and the client of another that visits it.
#[derive(Clone, Copy, Debug)]
pub struct Talk {
    /// The hosts of client and server.
    pub hosts: (usize, usize),
    /// What the client does.
    pub visits: Visits,
    /// What the server does; `None` if nobody listens.
    pub serves: Option<Serves>,
}

/// The weather of one host's line becomes another.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// When, after the start.
    pub at: Duration,
    /// Whose.
    pub host: usize,
    /// What it becomes.
    pub weather: Weather,
}

/// The stack of one host dies.
#[derive(Clone, Copy, Debug)]
pub struct Crash {
    /// When, after the start, and how many steps later; see [`World::crash`](crate::World::crash).
    pub at: Duration,
    /// See `at`.
    pub steps: u64,
    /// Whose.
    pub host: usize,
    /// How long there is none.
    pub outage: Duration,
}

/// The address of a host.
pub(super) fn address(host: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 2, number(host))
}

/// The last byte of the addresses of a host.
pub(super) fn number(host: usize) -> u8 {
    u8::try_from(15 + host).unwrap_or(u8::MAX)
}

/// An end on a host.
pub(super) fn at(host: usize, port: u16) -> SocketAddr {
    (address(host), port).into()
}
