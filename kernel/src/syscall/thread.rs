//! Threads: create, exit, wait.

use super::{Arguments, Caller, Reply};
use crate::mm::space::USER_END;
use crate::object::{Kernel, ObjectRef};
use crate::sched::wait::{Request, Waited};
use abi::{Error, MAX_WAIT_ITEMS, PRIORITIES, ProcessState, Rights, WaitFlags};

/// What the creator may do with a thread: wait for its end.
const RIGHTS: Rights = Rights::DUPLICATE.union(Rights::TRANSFER);

pub fn create(
    kernel: &mut Kernel,
    caller: Caller,
    [entry, stack, argument, priority, ..]: Arguments,
) -> Result<Reply, Error> {
    let priority = u8::try_from(priority)
        .ok()
        .filter(|&priority| usize::from(priority) < PRIORITIES)
        .ok_or(Error::BadArgument)?;
    if entry >= USER_END as u64 || stack > USER_END as u64 || !stack.is_multiple_of(16) {
        return Err(Error::BadAddress);
    }
    if priority > kernel.processes[caller.process].priority {
        return Err(Error::Denied);
    }
    kernel.room_for_handles(caller, 1)?;
    let thread = kernel.create_thread(caller.process, entry, stack, priority)?;
    let object = &mut kernel.threads[thread];
    object.context.x[0] = argument;
    object.references = 1;
    let handle = kernel.give(caller, ObjectRef::Thread(thread), RIGHTS)?;
    kernel.wake(thread);
    Ok(Reply::One(handle))
}

pub fn exit(kernel: &mut Kernel, caller: Caller, _: Arguments) -> Result<Reply, Error> {
    if kernel.processes[caller.process].threads.len() == 1 {
        kernel.end_process(caller.process, ProcessState::Exited, 0, None);
    } else {
        kernel.put_off(caller.cpu);
        kernel.end_thread(caller.thread);
    }
    Ok(Reply::Gone)
}

#[inline]
pub fn wait(
    kernel: &mut Kernel,
    caller: Caller,
    [address, count, deadline, channel, flags, ..]: Arguments,
) -> Result<Reply, Error> {
    let count = usize::try_from(count)
        .ok()
        .filter(|&count| count <= MAX_WAIT_ITEMS)
        .ok_or(Error::BadArgument)?;
    let ring = if channel == 0 {
        None
    } else {
        Some(kernel.bell(caller.thread, channel)?)
    };
    let request = Request {
        address,
        count,
        deadline,
        flags: WaitFlags::from_bits_truncate(flags),
        ring,
    };
    match kernel.wait(caller.cpu, caller.thread, &request)? {
        Waited::Seen(seen) => Ok(Reply::Two(seen.count, seen.first)),
        Waited::Asleep => Ok(Reply::Sleep),
    }
}
