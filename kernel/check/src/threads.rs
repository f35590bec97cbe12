//! Threads and FP registers.

use crate::sys::{call, milliseconds, now, thread_entry};
use crate::world::{Test, Verdict, World, map, wait, wait_one};
use crate::{ensure, must, roles};
use abi::{DEADLINE_NEVER, Error, ProcessState, Protection, Signals, Syscall};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub const TESTS: &[Test] = &[
    ("thread-runs-and-ends", runs),
    ("thread-many", many),
    ("thread-bad-arguments", bad),
    ("thread-process-exit-ends-all", exit_ends_all),
    ("fp-registers-kept", fp),
];

static COUNTER: AtomicU64 = AtomicU64::new(0);
static TOLD: AtomicBool = AtomicBool::new(false);

extern "C" fn count() {
    COUNTER.fetch_add(1, Ordering::Relaxed);
}

extern "C" fn count_when_told() {
    while !TOLD.load(Ordering::Relaxed) {
        let _slept = wait(&mut [], now() + milliseconds(3));
    }
    COUNTER.fetch_add(1, Ordering::Relaxed);
}

fn start(function: extern "C" fn(), stack_top: u64) -> Result<u64, Error> {
    let function = function as *const () as u64;
    call(
        Syscall::ThreadCreate,
        [thread_entry(), stack_top, function, 7],
    )
    .map(|(thread, _)| thread)
}

fn runs(_: &World) -> Verdict {
    let (stack, _) = must!(call(Syscall::MemoryCreate, [8192, 0]));
    let address = must!(map(stack, 8192, Protection::READ | Protection::WRITE));
    COUNTER.store(0, Ordering::Relaxed);
    let thread = must!(start(count, address + 8192));
    ensure!(wait_one(thread, Signals::EXITED, DEADLINE_NEVER) == Ok(Signals::EXITED));
    ensure!(COUNTER.load(Ordering::Relaxed) == 1);
    must!(call(Syscall::HandleClose, [thread]));
    must!(call(Syscall::MemoryUnmap, [address, 8192]));
    must!(call(Syscall::HandleClose, [stack]));
    Ok(())
}

fn many(_: &World) -> Verdict {
    let bytes = 64 * 8192;
    let (stack, _) = must!(call(Syscall::MemoryCreate, [bytes, 0]));
    let address = must!(map(stack, bytes, Protection::READ | Protection::WRITE));
    COUNTER.store(0, Ordering::Relaxed);
    let mut threads = [0; 63];
    for (place, thread) in threads.iter_mut().enumerate() {
        let top = address + 8192 * (place as u64 + 1);
        *thread = must!(start(count_when_told, top));
    }
    ensure!(start(count, address + bytes) == Err(Error::NoMemory));
    TOLD.store(true, Ordering::Relaxed);
    for thread in threads {
        must!(wait_one(thread, Signals::EXITED, DEADLINE_NEVER));
        must!(call(Syscall::HandleClose, [thread]));
    }
    ensure!(COUNTER.load(Ordering::Relaxed) == 63);
    must!(call(Syscall::MemoryUnmap, [address, bytes]));
    must!(call(Syscall::HandleClose, [stack]));
    Ok(())
}

fn bad(_: &World) -> Verdict {
    let entry = thread_entry();
    for (entry, stack, priority, error) in [
        (1 << 39, 4096, 0, Error::BadAddress),
        (u64::MAX, 4096, 0, Error::BadAddress),
        (entry, 4097, 0, Error::BadAddress),
        (entry, u64::MAX - 15, 0, Error::BadAddress),
        (entry, 4096, 8, Error::BadArgument),
        (entry, 4096, u64::MAX, Error::BadArgument),
    ] {
        ensure!(call(Syscall::ThreadCreate, [entry, stack, 0, priority]) == Err(error));
    }
    Ok(())
}

fn exit_ends_all(world: &World) -> Verdict {
    let child = must!(world.spawn(roles::TWO_THREADS, 0));
    let info = child.join();
    ensure!(info.state == ProcessState::Exited as u32 && info.code == 7);
    child.close();
    Ok(())
}

fn fp(world: &World) -> Verdict {
    let children = [(); 5].map(|()| world.spawn(roles::FLOAT, now()));
    for child in children {
        let child = must!(child);
        ensure!(child.join().code == 0);
        child.close();
    }
    Ok(())
}
