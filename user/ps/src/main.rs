//! `ps`: the processes that run.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

use rt::{Env, println, system};

rt::entry!(run);

fn run(_env: Env) -> i32 {
    match system::processes() {
        Ok(processes) => {
            println!(
                "{:>5} {:>5} {:<8} {:>9} {:>9}  PROGRAM",
                "PID", "FROM", "STATE", "MEMORY", "CPU"
            );
            for process in processes {
                println!(
                    "{:>5} {:>5} {:<8}",
                    process.process, process.parent, process.name
                );
            }
            0
        }
        Err(refused) => {
            println!("ps: {refused}");
            1
        }
    }
}
