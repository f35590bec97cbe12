//! The host tool: builds the images, starts QEMU, and tests and measures the guest from outside.
//!
//! `cargo run -p qemu -- COMMAND`; the Makefile calls it. `image` and `cpio` and `flatten` turn
//! crates into files, `machine` into a QEMU command line, `guest` into a person at the serial
//! line; `tests` holds one file per promise.
#![forbid(unsafe_code)]

mod answer;
mod bench;
mod cable_end;
mod checks;
mod console;
mod cpio;
mod crowd;
mod executable;
mod family;
mod frames;
mod guest;
mod host_tests;
mod image;
mod instructions;
mod machine;
mod malformed;
mod monitor;
mod mutated;
mod namespace;
mod paths;
mod peers;
mod profile;
mod run;
mod tests;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
usage: cargo run -p qemu -- COMMAND

  image           build/skerry.elf and build/skerry.img
  run             start the system; Ctrl-A X ends the emulator
  debug           start stopped and wait for gdb
  test [FILTER]   all tests, or those whose name contains FILTER (without the host tests)
  bench [GROUP]   measure; table, and build/bench.json without GROUP
  peers [quick]   this guest and Linux side by side; build/peers.json
  counts [NAME]   count instructions and write them into docs/instructions.md
  profile [LOAD]  which functions the guest's instructions go to; build/profile.svg
  check           rules of the tree that a machine can check
  conformance     write docs/conformance.md and its pages anew from the comments in tests

run and debug read SMP, MEM, CPU, NET (user, tap, stream), PCAP, APPEND from the environment.";

fn main() -> ExitCode {
    match run_command() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_command() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let argument = words.next();
    match command.as_str() {
        "image" => image::build().map(|image| image.print_sizes()),
        "run" => run::run(),
        "debug" => run::debug(),
        "test" => tests::run(argument.as_deref()),
        // What tests run where they may make interfaces.
        "inside" => match argument.as_deref() {
            Some(instructions::INSIDE) => {
                let mut next = || words.next().unwrap_or_default();
                instructions::inside(&next(), &next())
            }
            Some(instructions::TRACE_INSIDE) => {
                let mut next = || words.next().unwrap_or_default();
                instructions::trace_inside(&next(), Path::new(&next()))
            }
            Some(bench::loops::INSIDE) => bench::loops::inside(),
            name => tests::offload::inside(name.unwrap_or_default()),
        },
        "bench" => argument.as_deref().map_or_else(bench::run, bench::run_only),
        "peers" => bench::side_by_side::run(argument.as_deref() == Some("quick")),
        "counts" => instructions::write(argument.as_deref().unwrap_or_default()),
        "profile" => profile::run(argument.as_deref().unwrap_or("echo")),
        "check" => checks::run(),
        "conformance" => checks::conformance::write(),
        _ => bail!("{USAGE}"),
    }
}
