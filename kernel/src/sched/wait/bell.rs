//! What a wait rings on its way to sleep.

use crate::object::Kernel;
use crate::object::channel::{Channel, Side};
use crate::object::slab::Key;
use crate::object::thread::Thread;
use crate::syscall::{end_of, handle_of, require};
use abi::{Error, Handle, Rights};

/// What a thread rings by a handle, and may.
#[derive(Clone, Copy)]
pub(super) struct Bell {
    handle: Handle,
    channel: Key<Channel>,
    from: Side,
}

impl Bell {
    /// Whether it is rung by that handle.
    #[inline]
    pub fn is_of(&self, handle: Handle) -> bool {
        self.handle == handle
    }
}

impl Kernel {
    /// The channel that a thread rings by the handle in a register, and from which end.
    /// The last one is remembered, for as long as the process has the handle.
    #[inline]
    pub fn bell(
        &mut self,
        thread: Key<Thread>,
        number: u64,
    ) -> Result<(Key<Channel>, Side), Error> {
        match self.threads[thread].wait.bell {
            Some(bell) if u64::from(bell.handle.0) == number => Ok((bell.channel, bell.from)),
            _ => self.find_bell(thread, number),
        }
    }

    #[inline(never)]
    fn find_bell(
        &mut self,
        thread: Key<Thread>,
        number: u64,
    ) -> Result<(Key<Channel>, Side), Error> {
        let process = self.threads[thread].process;
        let handle = handle_of(number)?;
        let entry = self.processes[process].handles.get(handle)?;
        let (channel, from, rights) = end_of(entry)?;
        require(rights, Rights::SIGNAL)?;
        self.threads[thread].wait.bell = Some(Bell {
            handle,
            channel,
            from,
        });
        Ok((channel, from))
    }
}
