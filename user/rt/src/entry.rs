//! From the first instruction to the program's own function.

#[cfg(target_os = "none")]
use {
    crate::{
        boot::Boot,
        clock,
        env::{Args, Env, HandleTag},
        handle::{Channel, OwnedHandle},
        link::Link,
        log,
        system::{
            self,
            message::{Note, Operation, START_RESTARTS, START_SEEDED},
        },
    },
    abi::{BootInfo, Handle},
    alloc::{collections::VecDeque, string::String, vec::Vec},
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

/// Every other process's start: all messages were written before it ran.
#[cfg(target_os = "none")]
fn start_env(channel: Channel) -> Env {
    let Ok(mut link) = Link::adopt(channel) else {
        syscall::process_exit(crate::panic::PANIC_CODE)
    };
    let mut env = Env {
        args: Args::default(),
        seed: [0; 32],
        seeded: false,
        restarts: 0,
        command_line: String::new(),
        boot: None,
        handles: VecDeque::new(),
    };
    let mut arguments = Vec::new();
    let mut command_line = Vec::new();
    let mut process = 0;
    while let Ok(Some(message)) = link.try_receive() {
        let note = Note::parse(&message);
        match Operation::from_number(note.operation) {
            Some(Operation::Start) => {
                if let Some(seed) = note.data.first_chunk() {
                    env.seed = *seed;
                }
                env.seeded = note.extra & START_SEEDED != 0;
                env.restarts = u32::try_from(note.extra >> START_RESTARTS).unwrap_or(0);
                clock::set_wall_at_zero(note.value);
            }
            Some(Operation::Arguments) => arguments.extend_from_slice(note.data),
            Some(Operation::CommandLine) => command_line.extend_from_slice(note.data),
            Some(Operation::Run) => {
                process = u32::try_from(note.value).unwrap_or(0);
                break;
            }
            _ => {}
        }
    }
    while let Ok((handle, tag)) = link.receive_handle() {
        env.handles.push_back((tag, handle));
    }
    env.args = Args::parse(&arguments);
    env.command_line = String::from_utf8_lossy(&command_line).into_owned();
    let debug = env.take_handle(HandleTag::Debug);
    // The log keeps it until the process ends.
    let debug = debug.map_or(Handle::NONE, |(handle, _)| handle.into_raw());
    log::start(debug, env.args.program(), &env.command_line);
    system::open(link, process);
    env
}
