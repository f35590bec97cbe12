//! How the stack of a script is made.

use std::time::Duration;

use stack::Config;

use super::words::{Words, duration};
use crate::host::small_tables;

/// One thing that is not as usual.
#[derive(Clone, Debug)]
pub(super) enum Given {
    /// The link's MTU.
    Mtu(u16),
    /// Another chance: initial numbers, ports.
    Seed(u64),
    /// A limit of the stack.
    Limit(Limit, u32),
    /// A time of the stack.
    Time(Wait, Duration),
    /// What the stack does over IPv6.
    Six(Six),
    /// It knows a router of IPv4.
    Router,
    /// Nobody sends it elsewhere over IPv4.
    NoRedirects,
}

/// What the stack does over IPv6, if anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Six {
    /// Nothing.
    #[default]
    Nothing,
    /// It begins when the case does.
    Beginning,
    /// It has a link-local address, and still looks for routers.
    Alone,
    /// It knows a router, and has an address of its prefix.
    Routed,
}

/// A limit of the stack's configuration.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    Connections,
    HalfOpen,
    TimeWaits,
    Neighbours,
    Reassemblies,
    Errors,
}

/// A time of the stack's configuration.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wait {
    TimeWait,
    FinWait2,
}

/// Everything that `given` can change.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub(super) mtu: u16,
    pub(super) seed: u64,
    pub(super) six: Six,
    pub(super) has_router: bool,
    pub(super) config: Config,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            mtu: 1_500,
            seed: 1,
            six: Six::Nothing,
            has_router: false,
            config: small_tables(),
        }
    }
}

impl Given {
    pub(super) fn parse(words: &mut Words<'_>) -> Result<Self, String> {
        let name = words.word("what is given")?;
        let mut limit = |limit| Ok(Self::Limit(limit, words.number("a limit")?));
        match name {
            "connections" => limit(Limit::Connections),
            "half-open" => limit(Limit::HalfOpen),
            "time-waits" => limit(Limit::TimeWaits),
            "neighbours" => limit(Limit::Neighbours),
            "reassemblies" => limit(Limit::Reassemblies),
            "errors-per-second" => limit(Limit::Errors),
            "ipv6" => Ok(Self::Six(match words.next() {
                None => Six::Alone,
                Some("beginning") => Six::Beginning,
                Some("routed") => Six::Routed,
                Some(word) => return Err(format!("unexpected: {word}")),
            })),
            "router" => Ok(Self::Router),
            "no-redirects" => Ok(Self::NoRedirects),
            "mtu" => Ok(Self::Mtu(words.number("an MTU")?)),
            "seed" => Ok(Self::Seed(words.number("a seed")?)),
            "time-wait" => Ok(Self::Time(Wait::TimeWait, duration(words.word("a time")?)?)),
            "fin-wait-2" => Ok(Self::Time(Wait::FinWait2, duration(words.word("a time")?)?)),
            _ => Err(format!("nothing can be given by the name {name}")),
        }
    }
}

impl Setup {
    pub(super) fn apply(&mut self, given: &Given) {
        let config = &mut self.config;
        match *given {
            Given::Mtu(mtu) => {
                self.mtu = mtu;
                config.largest_mtu = config.largest_mtu.max(mtu);
            }
            Given::Seed(seed) => self.seed = seed,
            Given::Limit(Limit::Connections, limit) => config.connections = limit,
            Given::Limit(Limit::HalfOpen, limit) => config.half_open = limit,
            Given::Limit(Limit::TimeWaits, limit) => config.time_waits = limit,
            Given::Limit(Limit::Neighbours, limit) => config.neighbours = limit,
            Given::Limit(Limit::Reassemblies, limit) => {
                config.reassemblies = u16::try_from(limit).unwrap_or(u16::MAX);
            }
            Given::Limit(Limit::Errors, limit) => {
                config.icmp_errors_per_second = u16::try_from(limit).unwrap_or(u16::MAX);
            }
            Given::Six(six) => self.six = six,
            Given::Router => self.has_router = true,
            Given::NoRedirects => config.heed_redirects = false,
            Given::Time(Wait::TimeWait, time) => config.time_wait = time,
            Given::Time(Wait::FinWait2, time) => config.fin_wait_2 = time,
        }
    }
}
