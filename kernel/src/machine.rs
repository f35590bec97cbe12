//! Ending and resetting the machine.

use crate::arch::{self, Conduit};
use core::sync::atomic::{AtomicBool, Ordering};

/// Exit status of a system that has failed.
pub const PANIC_CODE: i32 = 101;

/// Whether firmware is called by `smc`.
static BY_SMC: AtomicBool = AtomicBool::new(false);
/// Whether an emulator listens to semihosting.
static SEMIHOSTING: AtomicBool = AtomicBool::new(false);

/// Remembers how firmware is called and whether to exit by semihosting.
pub fn init(conduit: Option<Conduit>, semihosting: bool) {
    BY_SMC.store(conduit == Some(Conduit::Smc), Ordering::Relaxed);
    SEMIHOSTING.store(semihosting, Ordering::Relaxed);
}

/// How firmware is called.
pub fn conduit() -> Conduit {
    if BY_SMC.load(Ordering::Relaxed) {
        Conduit::Smc
    } else {
        Conduit::Hvc
    }
}

/// Powers off; `code` becomes the emulator's exit status if it listens.
pub fn power_off(code: i32) -> ! {
    let code = SEMIHOSTING.load(Ordering::Relaxed).then_some(code);
    arch::power_off(conduit(), code)
}

/// Starts afresh.
pub fn reset() -> ! {
    arch::reset(conduit())
}

/// The end after a bug: nobody can go on safely.
pub fn stop_after_panic() -> ! {
    power_off(PANIC_CODE)
}
