//! The wall clock: read from the machine's at the start, shared with every process, set by one that may.
//!
//! *Owns* the page that processes read and the machine's real-time clock. *Never* asks anybody for the time.

use abi::{BootInfo, Rights};
use rt::{
    HandleTag,
    clock::{self, WallClock},
    handle::OwnedHandle,
};
use rtc::Pl031;

use crate::devices;

const NANOSECONDS: u64 = 1_000_000_000;

/// Both clocks, as far as there are such.
pub struct Clocks {
    shared: Option<WallClock>,
    machine: Option<Pl031>,
}

impl Clocks {
    /// Takes the time from the machine.
    pub fn read(boot: &BootInfo) -> Self {
        let shared = WallClock::create()
            .inspect_err(|error| log::error!("no memory for the clock: {error}"))
            .ok();
        let machine = devices::real_time_clock(boot);
        let seconds = machine.as_ref().and_then(|it| it.seconds().ok());
        let now = seconds.and_then(|seconds| seconds.checked_mul(NANOSECONDS));
        if let (Some(shared), Some(now)) = (&shared, now) {
            // Zero seconds are those of a clock that nobody has set.
            shared.set_at_zero(now.saturating_sub(clock::now()));
        }
        Self { shared, machine }
    }

    /// Sets them: so many nanoseconds since 1970 it was when the counter was zero.
    pub fn set_at_zero(&mut self, nanoseconds: u64) {
        if let Some(shared) = &self.shared {
            shared.set_at_zero(nanoseconds);
        }
        let now = nanoseconds.saturating_add(clock::now());
        let seconds = u32::try_from(now.saturating_add(NANOSECONDS / 2) / NANOSECONDS);
        if let (Some(machine), Ok(seconds)) = (&mut self.machine, seconds)
            && machine.set(seconds).is_err()
        {
            log::warn!("the machine's clock cannot be set");
        }
    }

    /// The shared one for a process, to be read.
    pub fn handle(&self) -> Option<(u64, OwnedHandle)> {
        let page = self.shared.as_ref()?.page().handle();
        let handle = page.duplicate(Rights::READ | Rights::TRANSFER).ok()?;
        Some((HandleTag::Clock.with(0), handle))
    }
}
