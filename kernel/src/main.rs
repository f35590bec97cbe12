//! The Skerry kernel: isolation, objects, scheduling; no drivers beyond what those need, no
//! protocol.
//!
//! 1. The kernel is a function: an entry takes the state, runs to completion and returns to the thread
//!    that should run next (`entry`). It never blocks and is never interrupted.
//! 2. Everything a program can touch, it holds by a handle with rights (`object`, `syscall`).
//! 3. What a program says is an allegation until it is checked, once, in one place
//!    (`mm::user`, `loader`).
//! 4. Nothing a program does is fatal to anybody but itself (`fault`, `mm::heap`).
#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(target_os = "none", no_main)]
#![allow(
    clippy::cast_possible_truncation,
    reason = "a register is 64 bits wide and so is usize; narrower casts say why they fit"
)]
#![cfg_attr(
    not(target_os = "none"),
    allow(dead_code, reason = "tests on the host leave out boot and the entries")
)]

#[cfg(any(target_os = "none", test))]
extern crate alloc;

const _: () = assert!(usize::BITS == 64);

#[cfg(any(target_os = "none", test))]
mod arch;
#[cfg(target_os = "none")]
mod boot;
#[cfg(target_os = "none")]
mod console;
#[cfg(target_os = "none")]
mod entry;
#[cfg(any(target_os = "none", test))]
mod fault;
#[cfg(any(target_os = "none", test))]
mod fdt;
#[cfg(target_os = "none")]
mod init;
#[cfg(target_os = "none")]
mod initrd;
#[cfg(any(target_os = "none", test))]
mod loader;
#[cfg(any(target_os = "none", test))]
mod machine;
#[cfg(any(target_os = "none", test))]
mod mm;
#[cfg(any(target_os = "none", test))]
mod object;
#[cfg(any(target_os = "none", test))]
mod sched;
#[cfg(target_os = "none")]
mod sync;
#[cfg(any(target_os = "none", test))]
mod syscall;
#[cfg(test)]
mod tests;

#[cfg(not(target_os = "none"))]
fn main() {
    println!("the kernel runs on a machine of its own; see kernel/README.md");
}
