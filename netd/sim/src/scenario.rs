//! Scenarios: whole histories from one seed, and the shortest of those that go wrong.
//!
//! *Owns* the way from a seed to a verdict: [`Plan`] (what a seed means, as data), [`Plan::play`]
//! (the world made of it, and its end), [`shrink`] (less of the same trouble), and the packet
//! script of what remains.

mod draw;
mod plan;
mod play;
mod shrink;
mod transcript;

pub use plan::{Change, HostPlan, Plan, Talk};
pub use play::{Keep, Outcome};
pub use shrink::{Shrunk, shrink};

use crate::world::Meddler;

/// Makes a meddler for each world that is made; `None` when nobody meddles.
pub type Meddling<'a> = Option<&'a dyn Fn() -> Meddler>;

/// Plays one seed.
///
/// # Errors
/// Everything that a person needs to see of a seed that goes wrong: what happened, the plan that is
/// left of it, and its packet script.
pub fn check(seed: u64) -> Result<(), String> {
    let plan = Plan::of(seed);
    let outcome = plan.play(Keep::Nothing, None);
    let Some(complaint) = outcome.complaint else {
        return Ok(());
    };
    let shrunk = shrink(&plan, &complaint, None);
    Err(format!(
        "seed {seed}: {}\nleft of it after {} runs: {:?}\n\n{}",
        complaint.what, shrunk.runs, shrunk.plan, shrunk.script
    ))
}
