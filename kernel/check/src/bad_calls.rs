//! Every call with wrong handles, wrong kinds and wrong pointers.

use crate::sys::{call, raw};
use crate::world::{Test, Verdict, World, map};
use crate::{ensure, must};
use abi::{Error, Protection, Syscall};

pub const TESTS: &[Test] = &[
    ("call-null", null),
    ("call-unknown-numbers", unknown),
    ("call-wrong-kinds", wrong_kinds),
    ("call-bad-pointers", bad_pointers),
    ("call-pointer-over-page-end", page_end),
];

/// Addresses that are never the caller's to write.
const POINTERS: [u64; 9] = [
    0,
    8,
    0xfff8,
    0x40_0000,
    (1 << 39) - 8,
    1 << 39,
    0xffff_ff80_4020_0000,
    0xffff_ffc0_4020_0000,
    u64::MAX - 7,
];

fn null(_: &World) -> Verdict {
    must!(call(Syscall::Null, []));
    Ok(())
}

fn unknown(_: &World) -> Verdict {
    for number in [Syscall::COUNT, 26, 255, 1 << 32, u64::MAX] {
        ensure!(raw(number, [0; 6]) == Err(Error::NotSupported));
    }
    Ok(())
}

fn wrong_kinds(_: &World) -> Verdict {
    let (memory, _) = must!(call(Syscall::MemoryCreate, [4096, 0]));
    let (one, two) = must!(call(Syscall::ChannelCreate, [4096]));
    for wanted in [
        Syscall::ChannelMap,
        Syscall::ChannelRing,
        Syscall::ChannelReceiveHandle,
        Syscall::InterruptAcknowledge,
        Syscall::ProcessKill,
        Syscall::ProcessInfo,
        Syscall::DebugWrite,
        Syscall::SystemInfo,
        Syscall::SystemControl,
    ] {
        ensure!(call(wanted, [memory, 0, 0]) == Err(Error::BadHandle));
    }
    for wanted in [
        Syscall::MemoryPhysical,
        Syscall::MemoryMap,
        Syscall::ProcessCreate,
    ] {
        ensure!(call(wanted, [one, 0, 4096, 1]) == Err(Error::BadHandle));
    }
    ensure!(call(Syscall::ProcessStart, [one, two, 1]) == Err(Error::BadHandle));
    for handle in [memory, one, two] {
        must!(call(Syscall::HandleClose, [handle]));
    }
    Ok(())
}

fn bad_pointers(world: &World) -> Verdict {
    let system = u64::from(world.boot.system.0);
    let (memory, _) = must!(call(Syscall::MemoryCreate, [4096, 0]));
    let process = must!(world.create(u64::MAX));
    for pointer in POINTERS {
        for (wanted, handle) in [
            (Syscall::ObjectInfo, memory),
            (Syscall::ProcessInfo, process),
            (Syscall::SystemInfo, system),
        ] {
            ensure!(call(wanted, [handle, pointer]) == Err(Error::BadAddress));
        }
        let refused = call(Syscall::Wait, [pointer, 1, 0]);
        ensure!(refused == Err(Error::BadAddress) || refused == Err(Error::BadHandle));
    }
    must!(call(Syscall::HandleClose, [process]));
    must!(call(Syscall::HandleClose, [memory]));
    Ok(())
}

fn page_end(world: &World) -> Verdict {
    let (memory, _) = must!(call(Syscall::MemoryCreate, [4096, 0]));
    let address = must!(map(memory, 4096, Protection::READ | Protection::WRITE));
    let system = u64::from(world.boot.system.0);
    ensure!(call(Syscall::SystemInfo, [system, address + 4096 - 8]) == Err(Error::BadAddress));
    must!(call(Syscall::ObjectInfo, [memory, address + 4096 - 16]));
    must!(call(Syscall::MemoryUnmap, [address, 4096]));
    let read_only = must!(map(memory, 4096, Protection::READ));
    ensure!(call(Syscall::ObjectInfo, [memory, read_only]) == Err(Error::BadAddress));
    must!(call(Syscall::MemoryUnmap, [read_only, 4096]));
    must!(call(Syscall::HandleClose, [memory]));
    Ok(())
}
