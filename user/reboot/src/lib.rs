//! `reboot`: starts the machine anew.

#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

use rt::{console, println, system};

/// The program; its result is the exit code.
pub fn run(_env: rt::Env) -> i32 {
    println!("rebooting");
    console::flush();
    println!("reboot: {}", system::reset());
    1
}
