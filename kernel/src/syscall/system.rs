//! The machine: interrupts, debug console, figures, power.

use super::{Arguments, Caller, Reply, require, size_of};
use crate::mm::user::{UserRange, write_value};
use crate::mm::{PAGE, heap};
use crate::object::Kernel;
use crate::object::device::Device;
use crate::{arch, machine};
use abi::{Error, Rights, SystemInfo, SystemOperation};

/// Longest output of one call; it comes out in one piece.
const DEBUG_BYTES: usize = 4096;
/// Copied from the program at once.
const CHUNK: usize = 512;

pub fn acknowledge(
    kernel: &mut Kernel,
    caller: Caller,
    [interrupt, ..]: Arguments,
) -> Result<Reply, Error> {
    let (interrupt, rights) = kernel.interrupt(caller, interrupt)?;
    require(rights, Rights::SIGNAL)?;
    kernel.acknowledge(interrupt);
    Ok(Reply::Done)
}

pub fn debug_write(
    kernel: &mut Kernel,
    caller: Caller,
    [debug, address, bytes, ..]: Arguments,
) -> Result<Reply, Error> {
    let bytes = size_of(bytes)?;
    if bytes > DEBUG_BYTES {
        return Err(Error::BadArgument);
    }
    let rights = kernel.special(caller, debug, Device::Debug)?;
    require(rights, Rights::WRITE)?;
    let space = &kernel.processes[caller.process].space;
    let mut done = 0;
    while done < bytes {
        let mut chunk = [0; CHUNK];
        let chunk = &mut chunk[..CHUNK.min(bytes - done)];
        UserRange::new(address.wrapping_add(done as u64), chunk.len())?.read(space, chunk)?;
        arch::console_write(chunk);
        done += chunk.len();
    }
    Ok(Reply::Done)
}

pub fn info(
    kernel: &mut Kernel,
    caller: Caller,
    [system, address, ..]: Arguments,
) -> Result<Reply, Error> {
    let rights = kernel.special(caller, system, Device::System)?;
    require(rights, Rights::READ)?;
    let figures = kernel.sched.figures();
    let info = SystemInfo {
        memory_total: (kernel.frames.total() * PAGE) as u64,
        memory_free: (kernel.frames.free() * PAGE) as u64,
        kernel_heap: heap::used() as u64,
        cpus: figures.cpus,
        processes: kernel.processes.len() as u32,
        idle_ticks: figures.idle_ticks,
        syscalls: arch::syscalls(),
        interrupts: figures.interrupts,
        switches: figures.switches,
    };
    write_value(&kernel.processes[caller.process].space, address, &info)?;
    Ok(Reply::Done)
}

pub fn control(
    kernel: &mut Kernel,
    caller: Caller,
    [system, operation, code, ..]: Arguments,
) -> Result<Reply, Error> {
    let rights = kernel.special(caller, system, Device::System)?;
    require(rights, Rights::SIGNAL)?;
    if operation == SystemOperation::PowerOff as u64 {
        log::info!("power off, code {}", super::process::code_of(code));
        machine::power_off(super::process::code_of(code))
    } else if operation == SystemOperation::Reset as u64 {
        log::info!("reset");
        machine::reset()
    } else {
        Err(Error::BadArgument)
    }
}
