//! Programs that break the rules: ended with a record, nobody else notices.

use crate::sys::{self, call, jump, peek, poke};
use crate::world::{Test, Verdict, World, map};
use crate::{ensure, must, roles};
use abi::{
    FAULT_KIND_ABORT, FAULT_KIND_ILLEGAL, FAULT_KIND_OTHER, ProcessState, Protection, Syscall,
};
use core::arch::asm;

pub const TESTS: &[Test] = &[
    ("fault-null-read", |world| {
        faults(world, 0, FAULT_KIND_ABORT, Some(0x10))
    }),
    ("fault-write-to-code", |world| {
        faults(world, 1, FAULT_KIND_ABORT, None)
    }),
    ("fault-execute-data", |world| {
        faults(world, 2, FAULT_KIND_ABORT, None)
    }),
    ("fault-read-kernel", |world| {
        faults(world, 3, FAULT_KIND_ABORT, Some(KERNEL))
    }),
    ("fault-jump-to-kernel", |world| {
        faults(world, 4, FAULT_KIND_ABORT, Some(KERNEL))
    }),
    ("fault-undefined", |world| {
        faults(world, 5, FAULT_KIND_ILLEGAL, None)
    }),
    ("fault-privileged-register", |world| {
        faults(world, 6, FAULT_KIND_ILLEGAL, None)
    }),
    ("fault-stack-overflow", |world| {
        faults(world, 7, FAULT_KIND_ABORT, None)
    }),
    ("fault-misaligned-jump", |world| {
        faults(world, 8, FAULT_KIND_ABORT, None)
    }),
    ("fault-breakpoint", |world| {
        faults(world, 9, FAULT_KIND_OTHER, None)
    }),
    ("fault-wait-for-interrupt", |world| {
        faults(world, 10, FAULT_KIND_ILLEGAL, None)
    }),
    ("fault-after-unmap", |world| {
        faults(world, 11, FAULT_KIND_ABORT, None)
    }),
    ("fault-write-read-only", |world| {
        faults(world, 12, FAULT_KIND_ABORT, None)
    }),
    ("fault-linear-map", |world| {
        faults(world, 13, FAULT_KIND_ABORT, Some(LINEAR))
    }),
    ("fault-hypervisor-call", |world| {
        faults(world, 14, FAULT_KIND_ILLEGAL, None)
    }),
    ("fault-registers", registers),
];

const KERNEL: u64 = 0xffff_ffc0_4020_0000;
const LINEAR: u64 = 0xffff_ff80_4020_0000;
/// What `x7` holds at the breakpoint.
const MARK: u64 = 0x1234_5678_9abc_def0;

/// Commits one fault; comes back if it was allowed.
pub fn commit(which: u64) {
    match which {
        0 => drop(peek(0x10)),
        1 => poke(sys::thread_entry() & !7, 0),
        2 => {
            let word = [0xd65f_03c0_d280_0540_u64];
            jump(sys::at(&word));
        }
        3 => drop(peek(KERNEL)),
        4 => drop(jump(KERNEL)),
        // SAFETY: each of these ends the program, which is what the test wants.
        5 => unsafe { asm!("udf #0") },
        // SAFETY: as above.
        6 => unsafe { asm!("msr ttbr0_el1, xzr") },
        7 => deeper(0),
        8 => drop(jump(2)),
        // SAFETY: as above.
        9 => unsafe { asm!("mov x7, {0}", "brk #7", in(reg) MARK, out("x7") _) },
        // SAFETY: as above.
        10 => unsafe { asm!("wfi") },
        11 => {
            if let Ok((memory, _)) = call(Syscall::MemoryCreate, [4096, 0])
                && let Ok(address) = map(memory, 4096, Protection::READ)
            {
                peek(address);
                let _unmapped = call(Syscall::MemoryUnmap, [address, 4096]);
                peek(address);
            }
        }
        12 => {
            if let Ok((memory, _)) = call(Syscall::MemoryCreate, [4096, 0])
                && let Ok(address) = map(memory, 4096, Protection::READ)
            {
                poke(address, 1);
            }
        }
        13 => drop(peek(LINEAR)),
        // SAFETY: as above.
        14 => unsafe { asm!("hvc #0") },
        _ => {}
    }
    sys::exit(99)
}

/// Uses stack until there is none.
fn deeper(depth: u64) {
    let mut room = [depth; 64];
    poke(sys::at_mut(&mut room), depth);
    if depth < u64::MAX {
        deeper(room[1] + 1);
    }
    poke(sys::at_mut(&mut room), depth);
}

fn faults(world: &World, which: u64, kind: u32, address: Option<u64>) -> Verdict {
    let before = world.figures();
    let child = must!(world.spawn(roles::FAULT, which));
    let info = child.join();
    child.close();
    ensure!(info.state == ProcessState::Faulted as u32);
    ensure!(info.fault.kind == kind);
    ensure!(info.fault.pc != 0 && info.fault.syndrome != 0 || kind == FAULT_KIND_ILLEGAL);
    ensure!(address.is_none_or(|address| info.fault.address == address));
    ensure!(world.figures().memory_free == before.memory_free);
    Ok(())
}

fn registers(world: &World) -> Verdict {
    let child = must!(world.spawn(roles::FAULT, 9));
    let info = child.join();
    child.close();
    ensure!(info.fault.registers[7] == MARK);
    ensure!(info.fault.sp > 0x7f_ffe0_0000 && info.fault.sp <= 0x7f_fff0_0000);
    ensure!(info.fault.pstate & 0xf == 0);
    Ok(())
}
