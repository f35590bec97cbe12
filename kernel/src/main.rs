//! The Skerry kernel.
#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(target_os = "none", no_main)]

extern crate alloc;

mod arch;
#[cfg(target_os = "none")]
mod boot;
#[cfg(target_os = "none")]
mod console;
#[cfg(target_os = "none")]
mod entry;
#[cfg(target_os = "none")]
mod fdt;
#[cfg(target_os = "none")]
mod initrd;
#[cfg(target_os = "none")]
mod machine;
mod mm;

#[cfg(not(target_os = "none"))]
fn main() {
    println!("the kernel runs on a machine of its own; see kernel/README.md");
}
