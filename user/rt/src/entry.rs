//! From the first instruction to the program's own function.

#[cfg(target_os = "none")]
use {
    crate::{
        boot::Boot,
        clock,
        env::{Args, Env, HandleTag},
        handle::{Channel, Memory, OwnedHandle},
        link::Link,
        log,
        system::{self, Start},
    },
    abi::{BootInfo, Handle, Protection},
    alloc::{collections::VecDeque, string::String},
};

use crate::{console, syscall};

/// Names the program's function, `fn(rt::Env) -> i32`; its result is the exit code. The function
/// must not be called `main`: on the host, where the program only says where it runs, this macro
/// makes that one.
#[macro_export]
macro_rules! entry {
    ($run:path) => {
        #[cfg(target_os = "none")]
        #[allow(unsafe_code, reason = "the run-time calls the program by this name")]
        #[unsafe(no_mangle)]
        extern "Rust" fn __program(env: $crate::Env) -> i32 {
            let run: fn($crate::Env) -> i32 = $run;
            run(env)
        }

        #[cfg(not(target_os = "none"))]
        fn main() {
            $crate::private::host_main($run);
        }
    };
}

/// What a program does on the host.
pub fn host_main(_program: fn(crate::Env) -> i32) {
    #[cfg(not(target_os = "none"))]
    std::println!("this program runs in the guest");
}

/// Ends the program, after what it printed has been shown.
pub fn exit(code: i32) -> ! {
    console::flush();
    syscall::process_exit(code)
}

#[cfg(target_os = "none")]
unsafe extern "Rust" {
    /// Made by [`entry!`].
    fn __program(env: Env) -> i32;
}

/// First instruction of a program. The kernel has set up a stack; `x0` is the first handle, or
/// zero in the first process, whose `x1` is the address of its boot information.
#[cfg(target_os = "none")]
#[unsafe(no_mangle)]
extern "C" fn _start(first: u64, boot: *const BootInfo) -> ! {
    // SAFETY: the first thing that is done.
    unsafe { crate::local::block::keep() };
    let env = if first == 0 {
        // SAFETY: only the first process is started without a handle.
        boot_env(unsafe { Boot::new(boot) })
    } else {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the kernel's handles have 32 bits"
        )]
        let handle = Handle(first as u32);
        start_env(Channel::from_handle(OwnedHandle::from_raw(handle)))
    };
    // SAFETY: the program's `entry!` defines it with this signature.
    let code = unsafe { __program(env) };
    exit(code)
}

/// The first process's start.
#[cfg(target_os = "none")]
fn boot_env(boot: Boot) -> Env {
    let command_line: String = boot.command_line().into();
    log::start(boot.info().debug, "init", &command_line);
    Env {
        args: Args::parse(b"init\0"),
        seed: boot.info().seed,
        seeded: false,
        restarts: 0,
        command_line,
        boot: Some(boot),
        handles: VecDeque::new(),
    }
}

/// Every other process's start.
#[cfg(target_os = "none")]
fn start_env(channel: Channel) -> Env {
    let Ok(mut link) = Link::adopt(channel) else {
        syscall::process_exit(crate::panic::PANIC_CODE)
    };
    let start = Start::receive(&mut link);
    let mut env = Env {
        args: Args::parse(&start.words),
        seed: start.seed,
        seeded: start.seeded,
        restarts: start.restarts,
        command_line: start.command_line,
        boot: None,
        handles: VecDeque::new(),
    };
    while let Ok((handle, tag)) = link.receive_handle() {
        env.handles.push_back((tag, handle));
    }
    if let Some((page, _)) = env.take_handle(HandleTag::Clock) {
        // Without it the program does not know what time it is, and does all else.
        clock::look_at(&Memory::from_handle(page), Protection::READ).ok();
    }
    let debug = env.take_handle(HandleTag::Debug);
    // The log keeps it until the process ends.
    let debug = debug.map_or(Handle::NONE, |(handle, _)| handle.into_raw());
    log::start(debug, env.args.program(), &env.command_line);
    system::open(link, start.process);
    env
}
