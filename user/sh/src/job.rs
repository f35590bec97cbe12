//! Programs that the shell starts.

use alloc::{string::String, vec::Vec};

use abi::ProcessState;
use embassy_futures::select::{Either, select};
use rt::{
    console, println,
    system::{self, Exit, Refused},
};

/// Exit code: the line makes no sense.
pub const USAGE: i32 = 2;
/// Exit code: there is no such program.
const NOT_FOUND: i32 = 127;
/// Exit code: the program could not be started.
const NOT_STARTED: i32 = 126;
/// Exit code: ended by Ctrl-C.
const INTERRUPTED: i32 = 130;
/// Exit code: ended by a fault.
const FAULTED: i32 = 139;

/// Starts a program and waits for its end, or ends it when Ctrl-C is typed.
pub async fn foreground(program: &str, arguments: &[String]) -> i32 {
    let process = match start(program, arguments).await {
        Ok(process) => process,
        Err(status) => return status,
    };
    loop {
        match select(system::wait_exit(process), console::interrupt()).await {
            Either::First(Ok(exit)) => return status(program, exit),
            Either::First(Err(refused)) => {
                println!("sh: {program}: {refused}");
                return NOT_STARTED;
            }
            Either::Second(()) => {
                println!("^C");
                if let Err(refused) = system::kill(process, INTERRUPTED) {
                    println!("sh: {program}: {refused}");
                }
            }
        }
    }
}

/// Starts a program and does not wait.
pub async fn background(program: &str, arguments: &[String]) -> i32 {
    match start(program, arguments).await {
        Ok(process) => {
            println!("[{process}]");
            0
        }
        Err(status) => status,
    }
}

async fn start(program: &str, arguments: &[String]) -> Result<u32, i32> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    system::spawn(program, &arguments)
        .await
        .map_err(|refused| match refused {
            Refused::NotFound => {
                println!("sh: {program}: there is no such command, see help");
                NOT_FOUND
            }
            other => {
                println!("sh: {program}: {other}");
                NOT_STARTED
            }
        })
}

fn status(program: &str, exit: Exit) -> i32 {
    if exit.state == ProcessState::Faulted {
        println!("sh: {program}: ended by a fault");
        return FAULTED;
    }
    exit.code
}
