//! `sh`: the shell. Reads lines, starts programs, waits for them.

#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(target_os = "none", no_main)]
#![deny(unsafe_code)]

extern crate alloc;

mod builtin;
mod editor;
mod history;
mod job;
mod line;
mod shell;

use rt::println;

use crate::shell::Shell;

rt::entry!(run);

fn run(env: rt::Env) -> i32 {
    println!(
        "Skerry {}: help lists the commands",
        env!("CARGO_PKG_VERSION")
    );
    let mut shell = Shell::new();
    rt::block_on(async {
        if let Some(commands) = env.option("run").filter(|_| env.restarts == 0) {
            shell.execute(commands).await;
        }
        shell.converse().await;
    });
    println!("the console is closed");
    0
}
