//! Handles: close, duplicate, ask.

use super::{Arguments, Caller, Reply, handle_of, require};
use crate::mm::user::write_value;
use crate::object::{Kernel, ObjectRef};
use abi::{Error, ObjectInfo, Rights};

pub fn close(kernel: &mut Kernel, caller: Caller, [handle, ..]: Arguments) -> Result<Reply, Error> {
    let handle = handle_of(handle)?;
    let entry = kernel.give_up(caller.process, handle)?;
    kernel.release(entry.object);
    Ok(Reply::Done)
}

pub fn duplicate(
    kernel: &mut Kernel,
    caller: Caller,
    [handle, rights, ..]: Arguments,
) -> Result<Reply, Error> {
    let rights = u32::try_from(rights)
        .ok()
        .and_then(Rights::from_bits)
        .ok_or(Error::BadArgument)?;
    let entry = kernel.entry(caller, handle)?;
    require(entry.rights, rights | Rights::DUPLICATE)?;
    kernel.room_for_handles(caller, 1)?;
    let handle = kernel.give(caller, entry.object, rights)?;
    kernel.retain(entry.object);
    Ok(Reply::One(handle))
}

pub fn info(
    kernel: &mut Kernel,
    caller: Caller,
    [handle, address, ..]: Arguments,
) -> Result<Reply, Error> {
    let entry = kernel.entry(caller, handle)?;
    let size = match entry.object {
        ObjectRef::Memory(memory) => kernel.memories[memory].bytes(),
        ObjectRef::Channel(channel, _) => kernel.memories[kernel.channels[channel].memory].bytes(),
        ObjectRef::Device(device) => kernel.devices[device].bytes(),
        ObjectRef::Process(_) | ObjectRef::Thread(_) | ObjectRef::Interrupt(_) => 0,
    };
    let info = ObjectInfo {
        kind: entry.object.kind() as u32,
        rights: entry.rights.bits(),
        size: size as u64,
    };
    write_value(&kernel.processes[caller.process].space, address, &info)?;
    Ok(Reply::Done)
}
