//! Boot information, interrupts, figures, debug console.

use crate::sys::{call, milliseconds, now, peek_half, poke_half};
use crate::world::{Test, Verdict, World, map, wait, wait_one};
use crate::{ensure, must};
use abi::{Error, Protection, Rights, Signals, Syscall};

pub const TESTS: &[Test] = &[
    ("boot-information", boot),
    ("interrupt-fires-and-masks", interrupt),
    ("interrupt-rights", interrupt_rights),
    ("system-figures", figures),
    ("system-rights", rights),
    ("debug-limits", debug),
];

fn boot(world: &World) -> Verdict {
    let boot = world.boot;
    ensure!(boot.version == 1 && boot.cpus >= 1 && boot.initrd_bytes > 1000);
    ensure!(boot.uart.physical != 0 && boot.uart.device.0 != 0 && boot.uart.interrupt.0 != 0);
    ensure!(boot.rtc.physical != 0 && boot.virtio_count == 32);
    let windows = &boot.virtio[..boot.virtio_count as usize];
    ensure!(windows.is_sorted_by_key(|window| window.physical));
    ensure!(windows.iter().all(|window| window.size == 0x200));
    ensure!(windows.iter().all(|window| window.interrupt.0 != 0));
    Ok(())
}

/// The clock's alarm is an interrupt that can be had at will.
fn interrupt(world: &World) -> Verdict {
    let rtc = world.boot.rtc;
    let line = u64::from(rtc.interrupt.0);
    let registers = must!(map(
        rtc.device.0.into(),
        4096,
        Protection::READ | Protection::WRITE
    ));
    let (data, matched, mask, clear) = (0x00, 0x04, 0x10, 0x1c);
    poke_half(registers + clear, 1);
    must!(call(Syscall::InterruptAcknowledge, [line]));
    for _ in 0..2 {
        poke_half(registers + matched, peek_half(registers + data));
        poke_half(registers + mask, 1);
        let until = now() + milliseconds(5000);
        ensure!(wait_one(line, Signals::INTERRUPT, until) == Ok(Signals::INTERRUPT));
        // Masked and level: it stays, and does not come again.
        ensure!(wait_one(line, Signals::INTERRUPT, 0) == Ok(Signals::INTERRUPT));
        poke_half(registers + mask, 0);
        poke_half(registers + clear, 1);
        must!(call(Syscall::InterruptAcknowledge, [line]));
        ensure!(wait_one(line, Signals::INTERRUPT, 0) == Err(Error::TimedOut));
    }
    must!(call(Syscall::MemoryUnmap, [registers, 4096]));
    Ok(())
}

fn interrupt_rights(world: &World) -> Verdict {
    let line = u64::from(world.boot.rtc.interrupt.0);
    let few = u64::from(Rights::DUPLICATE.bits());
    let (mute, _) = must!(call(Syscall::HandleDuplicate, [line, few]));
    ensure!(call(Syscall::InterruptAcknowledge, [mute]) == Err(Error::Denied));
    must!(call(Syscall::HandleClose, [mute]));
    ensure!(call(Syscall::InterruptAcknowledge, [0]) == Err(Error::BadHandle));
    Ok(())
}

fn figures(world: &World) -> Verdict {
    let before = world.figures();
    ensure!(before.memory_total > 32 << 20 && before.memory_free < before.memory_total);
    ensure!(before.cpus == world.boot.cpus && before.processes == 1);
    let (memory, _) = must!(call(Syscall::MemoryCreate, [1 << 20, 0]));
    let with = world.figures();
    ensure!(before.memory_free - with.memory_free == 1 << 20);
    ensure!(with.syscalls >= before.syscalls + 2);
    must!(call(Syscall::HandleClose, [memory]));
    ensure!(wait(&mut [], now() + milliseconds(10)) == Err(Error::TimedOut));
    let after = world.figures();
    ensure!(after.idle_ticks[0] + after.idle_ticks[1] > before.idle_ticks[0]);
    ensure!(after.interrupts > before.interrupts);
    Ok(())
}

fn rights(world: &World) -> Verdict {
    let system = u64::from(world.boot.system.0);
    let few = u64::from(Rights::DUPLICATE.bits());
    let (mute, _) = must!(call(Syscall::HandleDuplicate, [system, few]));
    ensure!(call(Syscall::SystemControl, [mute, 0, 0]) == Err(Error::Denied));
    ensure!(call(Syscall::SystemInfo, [mute, 0]) == Err(Error::Denied));
    ensure!(call(Syscall::SystemControl, [system, 2, 0]) == Err(Error::BadArgument));
    must!(call(Syscall::HandleClose, [mute]));
    let debug = u64::from(world.boot.debug.0);
    ensure!(call(Syscall::SystemControl, [debug, 0, 0]) == Err(Error::BadHandle));
    ensure!(call(Syscall::DebugWrite, [system, 0, 0]) == Err(Error::BadHandle));
    let uart = u64::from(world.boot.uart.device.0);
    ensure!(call(Syscall::DebugWrite, [uart, 0, 0]) == Err(Error::BadHandle));
    Ok(())
}

fn debug(world: &World) -> Verdict {
    let debug = u64::from(world.boot.debug.0);
    let address = crate::sys::at(world.boot);
    ensure!(call(Syscall::DebugWrite, [debug, address, 4097]) == Err(Error::BadArgument));
    ensure!(call(Syscall::DebugWrite, [debug, 0, 1]) == Err(Error::BadAddress));
    ensure!(call(Syscall::DebugWrite, [debug, u64::MAX, 2]) == Err(Error::BadAddress));
    must!(call(Syscall::DebugWrite, [debug, 0, 0]));
    Ok(())
}
