//! Processes: create, start, kill, ask, exit.

use super::{Arguments, Caller, Reply, handle_of, require, size_of};
use crate::fault;
use crate::mm::user::{UserRange, write_value};
use crate::object::thread::State;
use crate::object::{Kernel, ObjectRef};
use abi::{Error, FAULT_KIND_KILLED, Handle, NAME_BYTES, PRIORITIES, ProcessState, Rights};

/// What the creator may do with a process.
const RIGHTS: Rights = Rights::DUPLICATE
    .union(Rights::TRANSFER)
    .union(Rights::READ)
    .union(Rights::SIGNAL);

pub fn create(
    kernel: &mut Kernel,
    caller: Caller,
    [memory, offset, bytes, name, name_bytes, limit]: Arguments,
) -> Result<Reply, Error> {
    let (offset, bytes) = (size_of(offset)?, size_of(bytes)?);
    let (image, rights) = kernel.memory(caller, memory)?;
    require(rights, Rights::READ | Rights::EXECUTE)?;
    let size = kernel.memories[image].bytes();
    if offset.checked_add(bytes).is_none_or(|end| end > size) {
        return Err(Error::BadArgument);
    }
    let mut text = [0; NAME_BYTES];
    let length = size_of(name_bytes)?.min(NAME_BYTES);
    let text_part = &mut text[..length];
    UserRange::new(name, length)?.read(&kernel.processes[caller.process].space, text_part)?;
    kernel.room_for_handles(caller, 1)?;
    let process = kernel.create_process(Some(caller.process), text, limit)?;
    kernel.retain_process(process);
    if let Err(error) = kernel.load_program(process, image, offset, bytes) {
        kernel.release_process(process);
        return Err(error);
    }
    let handle = kernel.give(caller, ObjectRef::Process(process), RIGHTS)?;
    Ok(Reply::One(handle))
}

pub fn start(
    kernel: &mut Kernel,
    caller: Caller,
    [process, handle, priority, ..]: Arguments,
) -> Result<Reply, Error> {
    let priority = u8::try_from(priority)
        .ok()
        .filter(|&priority| usize::from(priority) < PRIORITIES)
        .ok_or(Error::BadArgument)?;
    let (process, rights) = kernel.process(caller, process)?;
    require(rights, Rights::SIGNAL)?;
    if priority > kernel.processes[caller.process].priority {
        return Err(Error::Denied);
    }
    if kernel.processes[process].state() != ProcessState::New {
        return Err(Error::BadState);
    }
    let handle = handle_of(handle)?;
    if handle != Handle::NONE {
        let entry = kernel.processes[caller.process].handles.get(handle)?;
        require(entry.rights, Rights::TRANSFER)?;
    }
    let thread = kernel.create_first_thread(process, priority)?;
    let mut moved = Handle::NONE;
    if handle != Handle::NONE {
        let entry = kernel.give_up(caller.process, handle)?;
        // The table is empty: there is room.
        moved = kernel.processes[process].handles.insert(entry)?;
    }
    kernel.start_process(process, thread, [u64::from(moved.0), 0]);
    Ok(Reply::Done)
}

pub fn kill(
    kernel: &mut Kernel,
    caller: Caller,
    [process, code, ..]: Arguments,
) -> Result<Reply, Error> {
    let (process, rights) = kernel.process(caller, process)?;
    require(rights, Rights::SIGNAL)?;
    if kernel.processes[process].is_ending() {
        return Err(Error::BadState);
    }
    let at_rest = |&&thread: &&_| match kernel.threads[thread].state {
        State::Running(cpu) => cpu == caller.cpu,
        State::Ready | State::Waiting | State::Over => true,
    };
    let thread = kernel.processes[process]
        .threads
        .iter()
        .find(at_rest)
        .copied();
    let record = thread.map(|thread| fault::record(kernel, thread, FAULT_KIND_KILLED, 0, 0));
    kernel.end_process(process, ProcessState::Killed, code_of(code), record);
    Ok(if process == caller.process {
        Reply::Gone
    } else {
        Reply::Done
    })
}

pub fn info(
    kernel: &mut Kernel,
    caller: Caller,
    [process, address, ..]: Arguments,
) -> Result<Reply, Error> {
    let (process, rights) = kernel.process(caller, process)?;
    require(rights, Rights::READ)?;
    let info = kernel.process_info(process);
    write_value(&kernel.processes[caller.process].space, address, &info)?;
    Ok(Reply::Done)
}

pub fn exit(kernel: &mut Kernel, caller: Caller, [code, ..]: Arguments) -> Result<Reply, Error> {
    kernel.end_process(caller.process, ProcessState::Exited, code_of(code), None);
    Ok(Reply::Gone)
}

/// Exit codes are 32 bits; the rest of the register does not count.
pub const fn code_of(number: u64) -> i32 {
    (number as u32).cast_signed()
}
