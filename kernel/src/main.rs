//! The Skerry kernel.
#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(target_os = "none", no_main)]

extern crate alloc;

mod arch;
#[cfg(target_os = "none")]
mod boot;
#[cfg(target_os = "none")]
mod console;
mod entry;
mod fault;
mod fdt;
#[cfg(target_os = "none")]
mod init;
#[cfg(target_os = "none")]
mod initrd;
mod loader;
mod machine;
mod mm;
mod object;
mod sched;
mod sync;
mod syscall;

#[cfg(not(target_os = "none"))]
fn main() {
    println!("the kernel runs on a machine of its own; see kernel/README.md");
}
