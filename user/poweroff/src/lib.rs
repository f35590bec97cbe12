//! `poweroff`: switches the machine off. The code becomes the emulator's exit status where the
//! kernel's command line has `semihosting`.

#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

use rt::{console, println, system};

/// The program; its result is the exit code.
pub fn run(env: rt::Env) -> i32 {
    let Some(code) = env.args.get(0).map_or(Some(0), |word| word.parse().ok()) else {
        println!("usage: poweroff [CODE]");
        return 2;
    };
    println!("switching off");
    console::flush();
    println!("poweroff: {}", system::power_off(code));
    1
}
