//! Memory: create, map, unmap, physical addresses.

use super::{Arguments, Caller, Reply, require, size_of};
use crate::mm::PAGE;
use crate::object::handle::Entry;
use crate::object::space::Target;
use crate::object::{Kernel, ObjectRef};
use abi::{Error, Protection, Rights};

pub fn create(
    kernel: &mut Kernel,
    caller: Caller,
    [bytes, device, ..]: Arguments,
) -> Result<Reply, Error> {
    let bytes = size_of(bytes)?;
    let is_for_device = device != 0;
    if is_for_device {
        let Entry { object, rights } = kernel.entry(caller, device)?;
        if !matches!(object, ObjectRef::Device(_)) {
            return Err(Error::BadHandle);
        }
        require(rights, Rights::DMA)?;
    }
    kernel.room_for_handles(caller, 1)?;
    let memory = kernel.create_memory(caller.process, bytes, is_for_device)?;
    let rights = Rights::all() - Rights::SIGNAL;
    let rights = if is_for_device {
        rights
    } else {
        rights - Rights::DMA
    };
    let handle = kernel.give(caller, ObjectRef::Memory(memory), rights)?;
    Ok(Reply::One(handle))
}

pub fn map(
    kernel: &mut Kernel,
    caller: Caller,
    [object, offset, bytes, protection, ..]: Arguments,
) -> Result<Reply, Error> {
    let (offset, bytes) = (size_of(offset)?, size_of(bytes)?);
    let protection = Protection::from_bits(protection).ok_or(Error::BadArgument)?;
    let both = Protection::WRITE | Protection::EXECUTE;
    let sensible = protection.contains(Protection::READ) && !protection.contains(both);
    let whole_pages = offset.is_multiple_of(PAGE) && bytes.is_multiple_of(PAGE);
    if !sensible || !whole_pages || bytes == 0 {
        return Err(Error::BadArgument);
    }
    let Entry { object, rights } = kernel.entry(caller, object)?;
    let (size, executable) = match object {
        ObjectRef::Memory(memory) => (kernel.memories[memory].bytes(), true),
        ObjectRef::Device(device) => (kernel.devices[device].bytes(), false),
        _ => return Err(Error::BadHandle),
    };
    if offset.checked_add(bytes).is_none_or(|end| end > size) {
        return Err(Error::BadArgument);
    }
    if protection.contains(Protection::EXECUTE) && !executable {
        return Err(Error::BadArgument);
    }
    let needed = [
        (Protection::READ, Rights::READ),
        (Protection::WRITE, Rights::WRITE),
        (Protection::EXECUTE, Rights::EXECUTE),
    ];
    for (way, right) in needed {
        if protection.contains(way) {
            require(rights, right)?;
        }
    }
    let target = Target {
        object,
        offset,
        bytes,
        protection,
        place: None,
    };
    let address = kernel.map_object(caller.process, &target)?;
    Ok(Reply::One(address as u64))
}

pub fn unmap(
    kernel: &mut Kernel,
    caller: Caller,
    [address, bytes, ..]: Arguments,
) -> Result<Reply, Error> {
    let (address, bytes) = (size_of(address)?, size_of(bytes)?);
    kernel.unmap_object(caller.process, address, bytes)?;
    Ok(Reply::Done)
}

pub fn physical(
    kernel: &mut Kernel,
    caller: Caller,
    [memory, offset, device, ..]: Arguments,
) -> Result<Reply, Error> {
    let offset = size_of(offset)?;
    let (memory, rights) = kernel.memory(caller, memory)?;
    if device == 0 {
        require(rights, Rights::DMA)?;
    } else {
        // Who may let a device do what it likes to RAM is told nothing that it could not do by
        // guessing; and it may do both to this memory itself.
        let Entry { object, rights: of } = kernel.entry(caller, device)?;
        if !matches!(object, ObjectRef::Device(_)) {
            return Err(Error::BadHandle);
        }
        require(of, Rights::DMA)?;
        require(rights, Rights::READ | Rights::WRITE)?;
    }
    let (address, run) = kernel.memories[memory]
        .physical(offset)
        .ok_or(Error::BadArgument)?;
    Ok(Reply::Two(address, run as u64))
}
