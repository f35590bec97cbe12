//! Handles and rights.

use crate::sys::{at_mut, call};
use crate::world::{Test, Verdict, World};
use crate::{ensure, must};
use abi::{Error, ObjectInfo, ObjectKind, Rights, Syscall};

pub const TESTS: &[Test] = &[
    ("handle-close", close),
    ("handle-stale", stale),
    ("handle-duplicate-rights", duplicate),
    ("handle-forged", forged),
    ("handle-info", info),
    ("handle-many", many),
];

fn memory() -> Result<u64, Error> {
    call(Syscall::MemoryCreate, [4096, 0]).map(|(handle, _)| handle)
}

fn close(_: &World) -> Verdict {
    let handle = must!(memory());
    ensure!(handle != 0);
    must!(call(Syscall::HandleClose, [handle]));
    ensure!(call(Syscall::HandleClose, [handle]) == Err(Error::BadHandle));
    Ok(())
}

fn stale(_: &World) -> Verdict {
    let first = must!(memory());
    must!(call(Syscall::HandleClose, [first]));
    let second = must!(memory());
    ensure!(first != second);
    ensure!(call(Syscall::MemoryPhysical, [first, 0]) == Err(Error::BadHandle));
    // It names memory, whose place is nobody's business.
    ensure!(call(Syscall::MemoryPhysical, [second, 0]) == Err(Error::Denied));
    must!(call(Syscall::HandleClose, [second]));
    Ok(())
}

fn duplicate(_: &World) -> Verdict {
    let all = must!(memory());
    let few = Rights::DUPLICATE | Rights::READ;
    let (less, _) = must!(call(Syscall::HandleDuplicate, [all, few.bits().into()]));
    let more = u64::from((few | Rights::WRITE).bits());
    ensure!(call(Syscall::HandleDuplicate, [less, more]) == Err(Error::Denied));
    ensure!(call(Syscall::MemoryMap, [less, 0, 4096, 3]) == Err(Error::Denied));
    ensure!(call(Syscall::MemoryPhysical, [less, 0]) == Err(Error::Denied));
    let (last, _) = must!(call(
        Syscall::HandleDuplicate,
        [less, Rights::READ.bits().into()]
    ));
    let again = call(Syscall::HandleDuplicate, [last, Rights::READ.bits().into()]);
    ensure!(again == Err(Error::Denied));
    ensure!(call(Syscall::HandleDuplicate, [all, 1 << 31]) == Err(Error::BadArgument));
    must!(call(Syscall::HandleClose, [all]));
    // The object lives on while a duplicate does.
    let (address, _) = must!(call(Syscall::MemoryMap, [last, 0, 4096, 1]));
    must!(call(Syscall::MemoryUnmap, [address, 4096]));
    must!(call(Syscall::HandleClose, [less]));
    must!(call(Syscall::HandleClose, [last]));
    Ok(())
}

fn forged(_: &World) -> Verdict {
    for number in [0, 1, 0xfff, 0x1000, 0xffff_ffff, 0x1_0000_0001, u64::MAX] {
        let taken = call(Syscall::ChannelRing, [number]);
        ensure!(taken == Err(Error::BadHandle));
    }
    Ok(())
}

fn info(world: &World) -> Verdict {
    let handle = must!(memory());
    let mut info = ObjectInfo::default();
    must!(call(Syscall::ObjectInfo, [handle, at_mut(&mut info)]));
    ensure!(info.kind == ObjectKind::Memory as u32);
    ensure!(info.size == 4096);
    ensure!(!Rights::from_bits_truncate(info.rights).contains(Rights::DMA));
    must!(call(Syscall::HandleClose, [handle]));
    let uart = u64::from(world.boot.uart.device.0);
    must!(call(Syscall::ObjectInfo, [uart, at_mut(&mut info)]));
    ensure!(info.kind == ObjectKind::Device as u32 && info.size == 4096);
    Ok(())
}

fn many(_: &World) -> Verdict {
    let original = must!(memory());
    let rights = u64::from(Rights::READ.bits());
    let mut handles = [0; 4096];
    let mut count = 0;
    loop {
        match call(Syscall::HandleDuplicate, [original, rights]) {
            Ok((handle, _)) => handles[count] = handle,
            Err(error) => {
                ensure!(error == Error::TooManyHandles);
                break;
            }
        }
        count += 1;
    }
    ensure!(count > 3000);
    for &handle in &handles[..count] {
        must!(call(Syscall::HandleClose, [handle]));
    }
    must!(call(Syscall::HandleClose, [original]));
    Ok(())
}
