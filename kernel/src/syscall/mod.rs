//! System calls.
//!
//! Every call is a function of one shape: the kernel, who calls, six numbers in; a [`Reply`] or an
//! error out. It changes objects and nothing else. What a reply means for the caller's registers
//! and its place on the CPU is decided in one place, [`perform`]. Bodies check in this order:
//! numbers, handle, rights, state; only then do they change anything.

mod channel;
mod handle;
mod memory;
mod process;
mod system;
mod thread;

use crate::object::channel::{Channel, Side};
use crate::object::device::Device;
use crate::object::handle::Entry;
use crate::object::interrupt::Interrupt;
use crate::object::memory::Memory;
use crate::object::process::Process;
use crate::object::slab::Key;
use crate::object::thread::Thread;
use crate::object::{Kernel, ObjectRef};
use abi::{Error, Handle, Rights, Syscall};

/// Who calls.
#[derive(Clone, Copy)]
pub struct Caller {
    /// On which CPU.
    pub cpu: usize,
    /// The thread.
    pub thread: Key<Thread>,
    /// Its process.
    pub process: Key<Process>,
}

/// The numbers in `x0` to `x5`.
pub type Arguments = [u64; 6];

/// What a call that worked leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Zero in `x0`.
    Done,
    /// And a result in `x1`.
    One(u64),
    /// And results in `x1` and `x2`.
    Two(u64, u64),
    /// The caller sleeps; its registers are filled when it wakes.
    Sleep,
    /// The caller has left its CPU, asleep or for good: there is nobody to answer.
    Gone,
}

/// Shape of every call.
type Body = fn(&mut Kernel, Caller, Arguments) -> Result<Reply, Error>;

/// Does what the caller asks for.
#[inline]
pub fn perform(kernel: &mut Kernel, caller: Caller, number: u64, arguments: Arguments) {
    let Caller { cpu, thread, .. } = caller;
    let result = match Syscall::from_number(number) {
        // The call behind every message: without a jump through the table.
        Some(Syscall::Wait) => thread::wait(kernel, caller, arguments),
        Some(call) => body(call)(kernel, caller, arguments),
        None => Err(Error::NotSupported),
    };
    let (code, results) = match result {
        Ok(Reply::Done) => (0, None),
        Ok(Reply::One(first)) => (0, Some((first, None))),
        Ok(Reply::Two(first, second)) => (0, Some((first, Some(second)))),
        Ok(Reply::Sleep) => {
            kernel.put_off(cpu);
            return;
        }
        Ok(Reply::Gone) => return,
        Err(error) => (error.register(), None),
    };
    let registers = &mut kernel.threads[thread].context.x;
    registers[0] = code;
    if let Some((first, second)) = results {
        registers[1] = first;
        if let Some(second) = second {
            registers[2] = second;
        }
    }
}

const fn body(call: Syscall) -> Body {
    match call {
        Syscall::Null => |_, _, _| Ok(Reply::Done),
        Syscall::HandleClose => handle::close,
        Syscall::HandleDuplicate => handle::duplicate,
        Syscall::ObjectInfo => handle::info,
        Syscall::Wait => thread::wait,
        Syscall::ChannelCreate => channel::create,
        Syscall::ChannelMap => channel::map,
        Syscall::ChannelRing => channel::ring,
        Syscall::ChannelSendHandle => channel::send_handle,
        Syscall::ChannelReceiveHandle => channel::receive_handle,
        Syscall::MemoryCreate => memory::create,
        Syscall::MemoryMap => memory::map,
        Syscall::MemoryUnmap => memory::unmap,
        Syscall::MemoryPhysical => memory::physical,
        Syscall::InterruptAcknowledge => system::acknowledge,
        Syscall::ProcessCreate => process::create,
        Syscall::ProcessStart => process::start,
        Syscall::ProcessKill => process::kill,
        Syscall::ProcessInfo => process::info,
        Syscall::ProcessExit => process::exit,
        Syscall::ThreadCreate => thread::create,
        Syscall::ThreadExit => thread::exit,
        Syscall::DebugWrite => system::debug_write,
        Syscall::SystemInfo => system::info,
        Syscall::SystemControl => system::control,
    }
}

impl Kernel {
    /// The numbers in the registers of the thread that runs on `cpu`.
    pub fn arguments(&self, cpu: usize) -> Arguments {
        let registers = |thread| &self.threads[thread].context.x;
        let first = |registers: &[u64; 31]| registers.first_chunk().copied();
        let running = self.sched.cpus[cpu].current.map(registers);
        running.and_then(first).unwrap_or_default()
    }

    /// What a number in a register names in the caller's table.
    #[inline]
    fn entry(&self, caller: Caller, number: u64) -> Result<Entry, Error> {
        let handle = handle_of(number)?;
        self.processes[caller.process].handles.get(handle)
    }

    #[inline]
    fn channel(&self, caller: Caller, number: u64) -> Result<(Key<Channel>, Side, Rights), Error> {
        end_of(self.entry(caller, number)?)
    }

    fn memory(&self, caller: Caller, number: u64) -> Result<(Key<Memory>, Rights), Error> {
        match self.entry(caller, number)? {
            Entry {
                object: ObjectRef::Memory(memory),
                rights,
            } => Ok((memory, rights)),
            _ => Err(Error::BadHandle),
        }
    }

    fn interrupt(&self, caller: Caller, number: u64) -> Result<(Key<Interrupt>, Rights), Error> {
        match self.entry(caller, number)? {
            Entry {
                object: ObjectRef::Interrupt(interrupt),
                rights,
            } => Ok((interrupt, rights)),
            _ => Err(Error::BadHandle),
        }
    }

    fn process(&self, caller: Caller, number: u64) -> Result<(Key<Process>, Rights), Error> {
        match self.entry(caller, number)? {
            Entry {
                object: ObjectRef::Process(process),
                rights,
            } => Ok((process, rights)),
            _ => Err(Error::BadHandle),
        }
    }

    /// The rights of a handle to one of the devices without registers.
    fn special(&self, caller: Caller, number: u64, wanted: Device) -> Result<Rights, Error> {
        match self.entry(caller, number)? {
            Entry {
                object: ObjectRef::Device(device),
                rights,
            } if self.devices[device] == wanted => Ok(rights),
            _ => Err(Error::BadHandle),
        }
    }

    /// A handle in the caller's table for an object whose reference is counted already.
    fn give(&mut self, caller: Caller, object: ObjectRef, rights: Rights) -> Result<u64, Error> {
        let handles = &mut self.processes[caller.process].handles;
        let handle = handles.insert(Entry { object, rights })?;
        Ok(u64::from(handle.0))
    }

    /// Whether the caller's table takes `count` more handles, and the heap what they cost.
    fn room_for_handles(&self, caller: Caller, count: usize) -> Result<(), Error> {
        if !self.processes[caller.process].handles.has_room(count) {
            return Err(Error::TooManyHandles);
        }
        // A full table doubles: at most this.
        self.admit(self.processes[caller.process].handles.open() as usize * 96 + 1024)
    }
}

/// A handle in a register.
#[inline]
pub fn handle_of(number: u64) -> Result<Handle, Error> {
    u32::try_from(number)
        .map(Handle)
        .map_err(|_| Error::BadHandle)
}

/// The end of a channel that an entry stands for.
#[inline]
pub const fn end_of(entry: Entry) -> Result<(Key<Channel>, Side, Rights), Error> {
    match entry.object {
        ObjectRef::Channel(channel, side) => Ok((channel, side, entry.rights)),
        _ => Err(Error::BadHandle),
    }
}

/// A size or offset in a register.
fn size_of(number: u64) -> Result<usize, Error> {
    usize::try_from(number).map_err(|_| Error::BadArgument)
}

/// That a handle allows what is needed.
pub fn require(rights: Rights, needed: Rights) -> Result<(), Error> {
    if rights.contains(needed) {
        Ok(())
    } else {
        Err(Error::Denied)
    }
}
