//! Threads of a program beside its first one.
//!
//! *Owns* how they start. Each has its own executor, reactor and what it waited for last
//! ([`crate::local`]); the session with the first process and what the program was given are the first
//! one's. *Never* takes a stack back: a program starts as many threads in its
//! life as a machine has CPUs, at most. A fault or a panic of one is the program's.

use alloc::boxed::Box;
use core::sync::atomic::{AtomicUsize, Ordering};

use abi::{Error, MAX_CPUS, PAGE_SIZE, Protection};

use crate::{
    handle::{Memory, OwnedHandle},
    local::block,
    syscall,
};

/// Threads of a program in its life, the first one included.
pub const MOST: usize = MAX_CPUS;
/// How many there were; the first one needs no starting.
static STARTED: AtomicUsize = AtomicUsize::new(1);

/// What a new thread does.
struct Work {
    /// What is its own, as `local::block` has it.
    block: usize,
    run: Box<dyn FnOnce() + Send>,
}

/// Starts a thread with a stack of its own, which does `work` and ends. It runs whenever a CPU has
/// nothing better to do, as urgently as the program's first thread.
///
/// # Errors
///
/// [`Error::NoMemory`], also when there were [`MOST`] threads.
pub fn start(stack_bytes: usize, work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let claim = |count: usize| (count < MOST).then_some(count + 1);
    STARTED
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim)
        .map_err(|_| Error::NoMemory)?;
    let bytes = stack_bytes
        .checked_next_multiple_of(PAGE_SIZE)
        .ok_or(Error::BadArgument)?;
    // Kept for the rest of the program: the thread is on it to its very end.
    let stack = Memory::create(bytes)?
        .map(0, bytes, Protection::READ | Protection::WRITE)?
        .leak();
    let run = Box::new(work);
    let block = block::create();
    let argument = Box::into_raw(Box::new(Work { block, run }));
    // The first of these that is not beyond the program's own is that.
    let priorities = (0..abi::PRIORITIES as u64).rev();
    let mut refused = Error::Denied;
    for priority in priorities {
        // SAFETY: the stack is mapped, writable and nobody else's; the argument is what the entry takes.
        match unsafe { syscall::thread_create(enter, stack, bytes, argument.cast(), priority) } {
            Ok(thread) => {
                // It is waited for by nobody.
                drop(OwnedHandle::from_raw(thread));
                return Ok(());
            }
            Err(error) => refused = error,
        }
        if refused != Error::Denied {
            break;
        }
    }
    // SAFETY: no thread has it.
    drop(unsafe { Box::from_raw(argument) });
    Err(refused)
}

/// First instructions of a thread.
extern "C" fn enter(argument: *mut u8) -> ! {
    // SAFETY: `start` gave it to this thread alone.
    let work = unsafe { Box::from_raw(argument.cast::<Work>()) };
    let Work { block, run } = *work;
    // SAFETY: nothing was done yet, and the block is this thread's.
    unsafe { block::enter(block) };
    run();
    syscall::thread_exit()
}
