//! Run-time of programs: from the first instruction to `main`, and everything a program needs
//! from the system.
//!
//! ```ignore
//! #![cfg_attr(target_os = "none", no_std, no_main)]
//! #![deny(unsafe_code)]
//! rt::entry!(run);
//!
//! fn run(env: rt::Env) -> i32 {
//!     rt::println!("hello, {}", env.args.get(0).unwrap_or("world"));
//!     0
//! }
//! ```
//!
//! *Owns* the system call stubs, the heap, the executor, and the session with the first process.
//! *Never* knows about networking. On the host every crate that uses this one compiles and its
//! pure parts are tested; system calls answer `NotSupported` there.
#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(
    not(target_os = "none"),
    expect(dead_code, reason = "the start of a program exists in the guest only")
)]

extern crate alloc;

pub mod attend;
mod bell;
pub mod boot;
pub mod clock;
pub mod console;
pub mod date;
mod entry;
mod env;
pub mod executor;
pub mod handle;
#[cfg(target_os = "none")]
mod heap;
pub mod link;
mod local;
mod log;
mod mapping;
#[cfg(target_os = "none")]
mod memory_functions;
#[cfg(target_os = "none")]
mod panic;
mod reactor;
mod shared_link;
pub mod syscall;
pub mod system;
pub mod thread;
pub mod time;
mod wait;

pub use self::{
    entry::exit,
    env::{Args, Env, GivenDevice, HandleTag},
    executor::{block_on, spawn},
    log::debug_print,
    mapping::Mapping,
    reactor::{Signalled, ring_soon, signalled},
    wait::{WaitSet, wait},
};

#[doc(hidden)]
pub mod private {
    //! What the macros need.
    pub use crate::{console::print_arguments, entry::host_main};
}
