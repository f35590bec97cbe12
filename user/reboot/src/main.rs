//! `reboot`: starts the machine anew.

#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(target_os = "none", no_main)]
#![deny(unsafe_code)]

use rt::{console, println, system};

rt::entry!(run);

fn run(_env: rt::Env) -> i32 {
    println!("rebooting");
    console::flush();
    println!("reboot: {}", system::reset());
    1
}
