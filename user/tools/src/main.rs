//! `tools`: the small programs of the shell in one executable, which the archive has once; the names
//! of the programs are links to it. Each is a library of its own and could as well be an executable:
//! run-time and sockets, which are most of it, would then travel as often as there are programs.
//!
//! What a program may do hangs on the name that it was started by (`user/init/src/manifest.rs`), never
//! on the file.

#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(target_os = "none", no_main)]
#![deny(unsafe_code)]

use rt::{Env, println};

rt::entry!(run);

/// A program's function; its result is the exit code.
type Program = fn(Env) -> i32;

/// Every program by its name.
const PROGRAMS: &[(&str, Program)] = &[
    ("dns", dns::run),
    ("http", http::run),
    ("kill", kill::run),
    ("nc", nc::run),
    ("net", nettool::run),
    ("ntp", ntp::run),
    ("perf", perf::run),
    ("ping", ping::run),
    ("poweroff", poweroff::run),
    ("ps", ps::run),
    ("raw", raw::run),
    ("reboot", reboot::run),
    ("traceroute", traceroute::run),
];

/// Exit code: started by a name that is no program's.
const USAGE: i32 = 2;

fn run(env: Env) -> i32 {
    let name = env.args.program();
    let Some((_, program)) = PROGRAMS.iter().find(|(known, _)| *known == name) else {
        println!("{name}: the programs are");
        PROGRAMS.iter().for_each(|(name, _)| println!("  {name}"));
        return USAGE;
    };
    program(env)
}

#[cfg(test)]
mod tests {
    use super::PROGRAMS;

    #[test]
    fn a_name_means_one_program() {
        assert!(PROGRAMS.is_sorted_by(|(one, _), (other, _)| one < other));
    }
}
