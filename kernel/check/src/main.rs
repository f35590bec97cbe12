//! Tests of the kernel from inside.
//!
//! Packed as `init` into an archive of its own, it tries every system call, right and wrong, starts
//! copies of itself that misbehave, and prints `ok NAME` or `FAIL NAME: why` for each test, a line
//! with the totals, and powers off with the number of failures as exit status. The word
//! `only=PREFIX` on the kernel command line selects tests, `measure` adds the price of things.
#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(target_os = "none", no_main)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "tests put numbers of all kinds into registers and take them out again"
)]

#[cfg(target_os = "none")]
mod bad_calls;
#[cfg(target_os = "none")]
mod channels;
#[cfg(target_os = "none")]
mod faults;
#[cfg(target_os = "none")]
mod fuzz;
#[cfg(target_os = "none")]
mod handles;
#[cfg(target_os = "none")]
mod life;
#[cfg(target_os = "none")]
mod limits;
#[cfg(target_os = "none")]
mod machine;
#[cfg(target_os = "none")]
mod measure;
#[cfg(target_os = "none")]
mod memory;
#[cfg(target_os = "none")]
mod roles;
#[cfg(target_os = "none")]
mod sys;
#[cfg(target_os = "none")]
mod threads;
#[cfg(target_os = "none")]
mod world;

#[cfg(not(target_os = "none"))]
fn main() {
    println!("this program runs in the guest");
}
