//! Neighbourhoods: hosts of both families, routers that renumber and fall silent, and bad neighbours.
//!
//! A seed decides who is there, and when what happens. Whatever it is, honest hosts are served: datagrams
//! in parts come back whole, over either family; a connection over an old address goes on until that
//! address ends; somebody far away answers. What no host may do is in [`truth`], over IPv4
//! in [`claimant`], and for a host with two links in [`border`].

mod address;
mod annex;
mod border;
mod claimant;
mod flood;
mod frames;
mod liar;
mod play;
mod router;
mod squatter;
mod truth;

use std::time::Duration;

use crate::random::Random;

pub use play::Outcome;

/// What a seed means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbourhood {
    /// Where chance begins that is left to chance.
    pub seed: u64,
    /// Honest hosts.
    pub hosts: usize,
    /// Routers.
    pub routers: u8,
    /// When the routers tell of another prefix.
    pub renumbers: Duration,
    /// When the first of two routers falls silent.
    pub vanishes: Option<Duration>,
    /// The host whose new address is somebody else's.
    pub squatted: Option<usize>,
    /// Somebody lies.
    pub has_liar: bool,
    /// Somebody sends parts that never become whole.
    pub has_flooder: bool,
    /// The host whose address over IPv4 somebody else has, too.
    pub rival: Option<usize>,
    /// There is a host that makes its own address over IPv4: so many that it asks for are somebody's.
    pub squats: Option<u8>,
    /// The first host has a second link, to a wire with one host.
    pub has_annex: bool,
}

impl Neighbourhood {
    /// That of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let hosts = 2 + random.index(3);
        let routers = 1 + u8::from(random.below(2) == 0);
        let mut within = |from: u64, to: u64| Duration::from_millis(from + random.below(to - from));
        let (renumbers, vanishes) = (within(20_000, 50_000), within(10_000, 60_000));
        Self {
            seed,
            hosts,
            routers,
            renumbers,
            vanishes: (routers == 2).then_some(vanishes),
            squatted: (random.below(3) == 0).then(|| random.index(hosts)),
            has_liar: random.below(3) > 0,
            has_flooder: random.below(3) > 0,
            rival: (random.below(3) == 0).then(|| random.index(hosts)),
            squats: (random.below(3) == 0).then(|| u8::from(random.below(2) == 0) * 2),
            has_annex: random.below(3) == 0,
        }
    }
}

/// Plays the neighbourhood of a seed.
///
/// # Errors
/// What went wrong in it.
pub fn check(seed: u64) -> Result<(), String> {
    let neighbourhood = Neighbourhood::of(seed);
    match neighbourhood.play(false).complaint {
        None => Ok(()),
        Some(complaint) => Err(format!(
            "neighbourhood {seed}: station {}: {}\n{neighbourhood:?}",
            complaint.station, complaint.what
        )),
    }
}
