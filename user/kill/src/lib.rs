//! `kill`: ends a process.

#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

use rt::{println, system};

/// Exit code of a process that was killed.
const KILLED: i32 = 137;

/// The program; its result is the exit code.
pub fn run(env: rt::Env) -> i32 {
    let process = env.args.get(0).and_then(|word| word.parse().ok());
    let Some(process) = process.filter(|_| env.args.len() == 1) else {
        println!("usage: kill NUMBER    (ps shows the numbers)");
        return 2;
    };
    match system::kill(process, KILLED) {
        Ok(()) => 0,
        Err(refused) => {
            println!("kill: {process}: {refused}");
            1
        }
    }
}
