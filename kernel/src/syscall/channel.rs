//! Channels: create, map, ring, pass handles.

use super::{Arguments, Caller, Reply, handle_of, require, size_of};
use crate::object::channel::{Queued, Side};
use crate::object::space::Target;
use crate::object::{Kernel, ObjectRef};
use abi::{Error, Protection, Rights};

/// What both ends' handles allow at first.
const RIGHTS: Rights = Rights::DUPLICATE
    .union(Rights::TRANSFER)
    .union(Rights::SIGNAL);

pub fn create(kernel: &mut Kernel, caller: Caller, [bytes, ..]: Arguments) -> Result<Reply, Error> {
    let bytes = size_of(bytes)?;
    kernel.room_for_handles(caller, 2)?;
    let memory = kernel.create_memory(caller.process, bytes, false)?;
    let Some(channel) = kernel.create_channel(memory) else {
        kernel.release_memory(memory);
        return Err(Error::NoMemory);
    };
    // Room for both was checked.
    let creator = kernel.give(caller, ObjectRef::Channel(channel, Side::Creator), RIGHTS)?;
    let peer = kernel.give(caller, ObjectRef::Channel(channel, Side::Peer), RIGHTS)?;
    Ok(Reply::Two(creator, peer))
}

pub fn map(kernel: &mut Kernel, caller: Caller, [channel, ..]: Arguments) -> Result<Reply, Error> {
    let (channel, side, _) = kernel.channel(caller, channel)?;
    kernel.claim_mapping(channel, side)?;
    let memory = kernel.channels[channel].memory;
    let bytes = kernel.memories[memory].bytes();
    let target = Target {
        object: ObjectRef::Memory(memory),
        offset: 0,
        bytes,
        protection: Protection::READ | Protection::WRITE,
        place: None,
    };
    match kernel.map_object(caller.process, &target) {
        Ok(address) => Ok(Reply::Two(address as u64, bytes as u64)),
        Err(error) => {
            kernel.disclaim_mapping(channel, side);
            Err(error)
        }
    }
}

#[inline]
pub fn ring(kernel: &mut Kernel, caller: Caller, [channel, ..]: Arguments) -> Result<Reply, Error> {
    let (channel, side, rights) = kernel.channel(caller, channel)?;
    require(rights, Rights::SIGNAL)?;
    kernel.ring(channel, side)?;
    Ok(Reply::Done)
}

pub fn send_handle(
    kernel: &mut Kernel,
    caller: Caller,
    [channel, handle, tag, ..]: Arguments,
) -> Result<Reply, Error> {
    let (channel, side, _) = kernel.channel(caller, channel)?;
    let handle = handle_of(handle)?;
    let entry = kernel.processes[caller.process].handles.get(handle)?;
    require(entry.rights, Rights::TRANSFER)?;
    kernel.may_queue(channel, side, entry.object)?;
    kernel.admit(2048)?;
    let entry = kernel.give_up(caller.process, handle)?;
    kernel.queue_handle(channel, side, Queued { entry, tag });
    Ok(Reply::Done)
}

pub fn receive_handle(
    kernel: &mut Kernel,
    caller: Caller,
    [channel, ..]: Arguments,
) -> Result<Reply, Error> {
    let (channel, side, _) = kernel.channel(caller, channel)?;
    kernel.room_for_handles(caller, 1)?;
    let queued = kernel.unqueue_handle(channel, side)?;
    let handle = kernel.give(caller, queued.entry.object, queued.entry.rights)?;
    Ok(Reply::Two(handle, queued.tag))
}
