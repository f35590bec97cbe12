//! Programs that the shell starts.

use alloc::{string::String, vec::Vec};
use core::{pin::pin, time::Duration};

use abi::ProcessState;
use embassy_futures::select::{Either, select};
use rt::{
    console::{self, Interrupt},
    println,
    system::{self, Exit, Refused},
    time::with_timeout,
};

/// Exit code: the line makes no sense.
pub const USAGE: i32 = 2;
/// Exit code: there is no such program.
const NOT_FOUND: i32 = 127;
/// Exit code: the program could not be started.
const NOT_STARTED: i32 = 126;
/// Exit code: ended by Ctrl-C.
pub const INTERRUPTED: i32 = 130;
/// Exit code: ended by a fault.
const FAULTED: i32 = 139;

/// What a program that was told of Ctrl-C has before it is ended.
const GRACE: Duration = Duration::from_secs(1);

/// Starts a program and waits for its end, or ends it when Ctrl-C is typed.
pub async fn foreground(program: &str, arguments: &[String]) -> i32 {
    let process = match start(program, arguments).await {
        Ok(process) => process,
        Err(status) => return status,
    };
    let mut exit = pin!(system::wait_exit(process));
    loop {
        let ended = match select(exit.as_mut(), console::interrupt()).await {
            Either::First(ended) => ended,
            Either::Second(who) => {
                println!("^C");
                match grace(who, exit.as_mut()).await {
                    Some(ended) => ended,
                    None => {
                        if let Err(refused) = system::kill(process, INTERRUPTED) {
                            println!("sh: {program}: {refused}");
                        }
                        continue;
                    }
                }
            }
        };
        return match ended {
            Ok(exit) => status(program, exit),
            Err(refused) => {
                println!("sh: {program}: {refused}");
                NOT_STARTED
            }
        };
    }
}

/// A program that was told of Ctrl-C itself has a moment to end in its own way.
async fn grace<T>(who: Interrupt, end: impl Future<Output = T>) -> Option<T> {
    match who {
        Interrupt::Alone => None,
        Interrupt::Shared => with_timeout(GRACE, end).await.ok(),
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
