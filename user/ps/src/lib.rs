//! `ps`: the processes that run, and the machine's memory.

#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

use abi::ProcessState;
use rt::{
    println,
    system::{self, Figures, ProcessRecord, Refused},
};

const KIBIBYTE: u64 = 1024;

/// The program; its result is the exit code.
pub fn run(_env: rt::Env) -> i32 {
    match show() {
        Ok(()) => 0,
        Err(refused) => {
            println!("ps: {refused}");
            1
        }
    }
}

fn show() -> Result<(), Refused> {
    println!(
        "{:>5} {:>5} {:<8} {:>10} {:>10} {:>8}  PROGRAM",
        "PID", "FROM", "STATE", "KIB", "CPU-MS", "RESTARTS"
    );
    system::processes()?.iter().for_each(line);
    let Figures {
        cpus,
        memory_total,
        memory_free,
        ..
    } = system::figures()?;
    println!("cpus: {cpus}");
    println!(
        "memory: {} KiB free of {} KiB",
        memory_free / KIBIBYTE,
        memory_total / KIBIBYTE
    );
    Ok(())
}

fn line(process: &ProcessRecord) {
    let state = match process.state {
        ProcessState::New => "new",
        ProcessState::Running => "running",
        ProcessState::Exited => "exited",
        ProcessState::Faulted => "faulted",
        ProcessState::Killed => "killed",
    };
    println!(
        "{:>5} {:>5} {state:<8} {:>10} {:>10} {:>8}  {}",
        process.process,
        process.parent,
        process.memory / KIBIBYTE,
        process.cpu / 1_000_000,
        process.restarts,
        process.name,
    );
}
