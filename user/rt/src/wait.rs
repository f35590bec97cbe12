//! The one blocking call.

use abi::{Error, WaitItem};

use crate::{clock, syscall};

/// Sleeps until an item has one of its wanted signals, and returns how many have. `deadline_ns`
/// counts from the start of the machine as [`clock::now`] does; zero only looks.
///
/// # Errors
///
/// [`Error::TimedOut`]; [`Error::BadHandle`] if an item names nothing.
pub fn wait(items: &mut [WaitItem], deadline_ns: Option<u64>) -> Result<usize, Error> {
    let deadline = deadline_ns.map_or(abi::DEADLINE_NEVER, clock::ticks_at);
    syscall::wait(items, deadline)
}
