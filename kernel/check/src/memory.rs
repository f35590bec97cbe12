//! Memory, mappings, protection.

use crate::sys::{call, peek, peek_half, poke};
use crate::world::{Test, Verdict, World, map};
use crate::{ensure, must};
use abi::{Error, Protection, Rights, Syscall};

pub const TESTS: &[Test] = &[
    ("memory-zeroed", zeroed),
    ("memory-map-twice", map_twice),
    ("memory-unmap-exact", unmap_exact),
    ("memory-write-execute-refused", write_execute),
    ("memory-bad-ranges", bad_ranges),
    ("memory-contiguous", contiguous),
    ("memory-execute", execute),
    ("memory-large", large),
    ("memory-cycles-leak-nothing", cycles),
    ("memory-device", device),
];

const RW: Protection = Protection::READ.union(Protection::WRITE);

fn zeroed(_: &World) -> Verdict {
    for _ in 0..50 {
        let (memory, _) = must!(call(Syscall::MemoryCreate, [3 * 4096, 0]));
        let address = must!(map(memory, 3 * 4096, RW));
        for word in 0..3 * 512 {
            ensure!(peek(address + 8 * word) == 0);
            poke(address + 8 * word, u64::MAX);
        }
        must!(call(Syscall::MemoryUnmap, [address, 3 * 4096]));
        must!(call(Syscall::HandleClose, [memory]));
    }
    Ok(())
}

fn map_twice(_: &World) -> Verdict {
    let (memory, _) = must!(call(Syscall::MemoryCreate, [2 * 4096, 0]));
    let first = must!(map(memory, 2 * 4096, RW));
    let (second, _) = must!(call(Syscall::MemoryMap, [memory, 4096, 4096, RW.bits()]));
    poke(first + 4096, 77);
    ensure!(peek(second) == 77);
    // The handle may go: the mappings keep the memory.
    must!(call(Syscall::HandleClose, [memory]));
    must!(call(Syscall::MemoryUnmap, [first, 2 * 4096]));
    ensure!(peek(second) == 77);
    must!(call(Syscall::MemoryUnmap, [second, 4096]));
    Ok(())
}

fn unmap_exact(_: &World) -> Verdict {
    let (memory, _) = must!(call(Syscall::MemoryCreate, [4 * 4096, 0]));
    let address = must!(map(memory, 4 * 4096, RW));
    for (start, bytes) in [
        (address, 4096),
        (address + 4096, 3 * 4096),
        (address, 5 * 4096),
        (address, 0),
        (0, 4096),
        (u64::MAX, u64::MAX),
    ] {
        ensure!(call(Syscall::MemoryUnmap, [start, bytes]) == Err(Error::BadArgument));
    }
    must!(call(Syscall::MemoryUnmap, [address, 4 * 4096]));
    ensure!(call(Syscall::MemoryUnmap, [address, 4 * 4096]) == Err(Error::BadArgument));
    must!(call(Syscall::HandleClose, [memory]));
    Ok(())
}

fn write_execute(_: &World) -> Verdict {
    let (memory, _) = must!(call(Syscall::MemoryCreate, [4096, 0]));
    for protection in [0, 2, 4, 6, 7, 8, u64::MAX] {
        let refused = call(Syscall::MemoryMap, [memory, 0, 4096, protection]);
        ensure!(refused == Err(Error::BadArgument));
    }
    must!(call(Syscall::HandleClose, [memory]));
    Ok(())
}

fn bad_ranges(world: &World) -> Verdict {
    let (memory, _) = must!(call(Syscall::MemoryCreate, [2 * 4096, 0]));
    for (offset, bytes) in [
        (0, 0),
        (0, 3 * 4096),
        (4096, 2 * 4096),
        (2 * 4096, 4096),
        (1, 4096),
        (0, 4095),
        (u64::MAX - 4095, 4096),
        (4096, u64::MAX - 4095),
    ] {
        let refused = call(Syscall::MemoryMap, [memory, offset, bytes, 1]);
        ensure!(refused == Err(Error::BadArgument));
    }
    // Where it lies in the machine is not its holder's affair.
    ensure!(call(Syscall::MemoryPhysical, [memory, 0]) == Err(Error::Denied));
    must!(call(Syscall::HandleClose, [memory]));
    ensure!(call(Syscall::MemoryCreate, [0, 0]) == Err(Error::BadArgument));
    ensure!(call(Syscall::MemoryCreate, [4096, 2]) == Err(Error::BadHandle));
    for bytes in [u64::MAX, 1 << 63, 1 << 48, 1 << 36] {
        ensure!(call(Syscall::MemoryCreate, [bytes, 0]).is_err());
        ensure!(call(Syscall::MemoryCreate, [bytes, card(world)]).is_err());
        ensure!(call(Syscall::ChannelCreate, [bytes]).is_err());
    }
    Ok(())
}

/// A device that reads and writes memory.
fn card(world: &World) -> u64 {
    world.boot.virtio[0].device.0.into()
}

fn contiguous(world: &World) -> Verdict {
    let bytes = 37 * 4096;
    let (memory, _) = must!(call(Syscall::MemoryCreate, [bytes, card(world)]));
    let (start, _) = must!(call(Syscall::MemoryPhysical, [memory, 0]));
    ensure!(start != 0 && start % 4096 == 0);
    for offset in (0..bytes).step_by(1000) {
        let (place, _) = must!(call(Syscall::MemoryPhysical, [memory, offset]));
        ensure!(place == start + offset);
    }
    ensure!(call(Syscall::MemoryPhysical, [memory, bytes]) == Err(Error::BadArgument));
    must!(call(Syscall::HandleClose, [memory]));
    // Only for who holds the device, and with the right to it.
    ensure!(call(Syscall::MemoryCreate, [bytes, world.boot.debug.0.into()]) == Err(Error::Denied));
    let rights = u64::from((Rights::READ | Rights::WRITE).bits());
    let (lesser, _) = must!(call(Syscall::HandleDuplicate, [card(world), rights]));
    ensure!(call(Syscall::MemoryCreate, [bytes, lesser]) == Err(Error::Denied));
    must!(call(Syscall::HandleClose, [lesser]));
    Ok(())
}

fn execute(_: &World) -> Verdict {
    let (memory, _) = must!(call(Syscall::MemoryCreate, [4096, 0]));
    let writable = must!(map(memory, 4096, RW));
    poke(writable, 0xd65f_03c0_d280_0540); // mov x0, #42; ret
    must!(call(Syscall::MemoryUnmap, [writable, 4096]));
    let code = must!(map(memory, 4096, Protection::READ | Protection::EXECUTE));
    ensure!(crate::sys::jump(code) == 42);
    must!(call(Syscall::MemoryUnmap, [code, 4096]));
    let (data, _) = must!(call(
        Syscall::HandleDuplicate,
        [memory, Rights::READ.bits().into()]
    ));
    ensure!(call(Syscall::MemoryMap, [data, 0, 4096, 5]) == Err(Error::Denied));
    must!(call(Syscall::HandleClose, [data]));
    must!(call(Syscall::HandleClose, [memory]));
    Ok(())
}

fn large(_: &World) -> Verdict {
    let bytes = 9 << 20;
    let (memory, _) = must!(call(Syscall::MemoryCreate, [bytes, 0]));
    let address = must!(map(memory, bytes, RW));
    for page in (0..bytes).step_by(4096) {
        poke(address + page, page);
    }
    for page in (0..bytes).step_by(4096) {
        ensure!(peek(address + page) == page);
    }
    must!(call(Syscall::MemoryUnmap, [address, bytes]));
    must!(call(Syscall::HandleClose, [memory]));
    Ok(())
}

fn cycles(world: &World) -> Verdict {
    let before = world.figures();
    for round in 0..10_000_u64 {
        let bytes = (1 + round % 7) * 4096;
        let (memory, _) = must!(call(
            Syscall::MemoryCreate,
            [bytes, card(world) * (round % 2)]
        ));
        let address = must!(map(memory, bytes, RW));
        poke(address, round);
        must!(call(Syscall::MemoryUnmap, [address, bytes]));
        must!(call(Syscall::HandleClose, [memory]));
    }
    let after = world.figures();
    ensure!(before.memory_free == after.memory_free);
    ensure!(before.kernel_heap + 4096 > after.kernel_heap);
    Ok(())
}

fn device(world: &World) -> Verdict {
    let window = world.boot.virtio[0];
    ensure!(world.boot.virtio_count > 0);
    let handle = u64::from(window.device.0);
    let address = must!(map(handle, 4096, Protection::READ));
    let magic = peek_half(address + window.physical % 4096);
    ensure!(magic == 0x7472_6976);
    must!(call(Syscall::MemoryUnmap, [address, 4096]));
    ensure!(map(handle, 4096, Protection::READ | Protection::EXECUTE) == Err(Error::BadArgument));
    ensure!(map(handle, 8192, Protection::READ) == Err(Error::BadArgument));
    ensure!(map(world.boot.debug.0.into(), 4096, Protection::READ).is_err());
    ensure!(call(Syscall::MemoryPhysical, [handle, 0]) == Err(Error::BadHandle));
    Ok(())
}
