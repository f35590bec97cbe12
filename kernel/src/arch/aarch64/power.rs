//! PSCI: starting CPUs, power-off, reset; semihosting for an exit status under an emulator.

use core::arch::asm;
use smccc::{Hvc, Smc, psci};

/// How firmware is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduit {
    /// `hvc #0`.
    Hvc,
    /// `smc #0`.
    Smc,
}

unsafe extern "C" {
    /// Entry point of the other CPUs (`boot`).
    static boot_secondary: u8;
}

/// Starts the CPU whose affinity is `mpidr` as number `cpu`. `false` if firmware refuses.
pub fn start_cpu(conduit: Conduit, mpidr: u64, cpu: usize) -> bool {
    let entry = super::kernel_map::image_physical(&raw const boot_secondary as usize);
    let entry = u64::try_from(entry).unwrap_or(0);
    let context = u64::try_from(cpu).unwrap_or(0);
    match conduit {
        Conduit::Hvc => psci::cpu_on::<Hvc>(mpidr, entry, context),
        Conduit::Smc => psci::cpu_on::<Smc>(mpidr, entry, context),
    }
    .is_ok()
}

/// Ends the machine. `exit_code` is passed on to an emulator that was told to listen
/// (`semihosting` on the kernel command line).
pub fn power_off(conduit: Conduit, exit_code: Option<i32>) -> ! {
    if let Some(code) = exit_code {
        semihosting_exit(code);
    }
    // An answer means that firmware refused: nothing is left to try but to stand still.
    let _refused = match conduit {
        Conduit::Hvc => psci::system_off::<Hvc>(),
        Conduit::Smc => psci::system_off::<Smc>(),
    };
    super::cpu::halt()
}

/// Starts the machine afresh.
pub fn reset(conduit: Conduit) -> ! {
    let _refused = match conduit {
        Conduit::Hvc => psci::system_reset::<Hvc>(),
        Conduit::Smc => psci::system_reset::<Smc>(),
    };
    super::cpu::halt()
}

/// `SYS_EXIT_EXTENDED` with "application exit" and a code.
fn semihosting_exit(code: i32) {
    const SYS_EXIT_EXTENDED: u64 = 0x20;
    const APPLICATION_EXIT: u64 = 0x2_0026;
    let block = [APPLICATION_EXIT, i64::from(code).cast_unsigned()];
    // SAFETY: the semihosting call reads the two words that `block` holds and does not return
    // where an emulator listens; the command line promises that one does.
    unsafe {
        asm!("hlt #0xf000", in("x0") SYS_EXIT_EXTENDED, in("x1") &raw const block);
    }
}
