//! Handles that close themselves, and what can be done with each kind of object.
//!
//! *Owns* the life of a handle: whoever holds the value holds the right, dropping it gives the
//! right up. *Never* makes a policy decision.

use abi::{
    Error, Handle, ObjectInfo, ProcessInfo, Protection, Rights, SystemInfo, SystemOperation,
};
use alloc::vec::Vec;
use ring::{Endpoint, Region, Side};

use crate::{mapping::Mapping, syscall};

/// A handle of unknown kind. Closed when dropped.
#[derive(Debug)]
pub struct OwnedHandle(Handle);

impl OwnedHandle {
    /// Takes over a handle that the kernel gave to this process.
    #[must_use]
    pub const fn from_raw(handle: Handle) -> Self {
        Self(handle)
    }

    /// The number, still owned by `self`.
    #[must_use]
    pub const fn raw(&self) -> Handle {
        self.0
    }

    /// The number; nobody closes it any more.
    #[must_use]
    pub const fn into_raw(self) -> Handle {
        let handle = self.0;
        core::mem::forget(self);
        handle
    }

    /// Another handle for the same object with at most these rights.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] without the right to duplicate, or if `rights` exceeds what there is.
    pub fn duplicate(&self, rights: Rights) -> Result<Self, Error> {
        syscall::handle_duplicate(self.0, rights).map(Self)
    }

    /// Kind, rights and size.
    ///
    /// # Errors
    ///
    /// [`Error::BadHandle`] if the object is gone.
    pub fn info(&self) -> Result<ObjectInfo, Error> {
        syscall::object_info(self.0)
    }
}

impl Drop for OwnedHandle {
    fn drop(&mut self) {
        // A handle that is gone already needs no closing.
        syscall::handle_close(self.0).ok();
    }
}

/// Declares a handle of a known kind around [`OwnedHandle`].
macro_rules! kind {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(OwnedHandle);

        impl $name {
            /// Takes a handle to be of this kind; the kernel checks at each use.
            #[must_use]
            pub const fn from_handle(handle: OwnedHandle) -> Self {
                Self(handle)
            }

            /// Gives the kind up.
            #[must_use]
            pub fn into_handle(self) -> OwnedHandle {
                self.0
            }

            /// The number, for [`crate::wait`].
            #[must_use]
            pub const fn raw(&self) -> Handle {
                self.0.raw()
            }

            /// The untyped handle.
            #[must_use]
            pub const fn handle(&self) -> &OwnedHandle {
                &self.0
            }
        }
    };
}

kind! {
    /// One end of a channel.
    Channel
}

/// A handle that could not be sent comes back with the reason.
pub type SendHandleError = (OwnedHandle, Error);

impl Channel {
    /// A new channel with `bytes` of shared memory: the creator's end and the peer's.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`], [`Error::TooManyHandles`], [`Error::BadArgument`].
    pub fn create(bytes: usize) -> Result<(Self, Self), Error> {
        let (creator, peer) = syscall::channel_create(bytes)?;
        Ok((Self(OwnedHandle(creator)), Self(OwnedHandle(peer))))
    }

    /// Maps the shared memory as rings. Once per end.
    ///
    /// # Errors
    ///
    /// [`Error::BadState`] if this end is mapped already; [`Error::BadArgument`] if the memory is
    /// too small for rings.
    pub fn map(&self, side: Side) -> Result<Endpoint, Error> {
        let (base, bytes) = syscall::channel_map(self.raw())?;
        let keeper = Mapping::from_kernel(base, bytes).into_keeper();
        // SAFETY: the kernel has just mapped these bytes readable and writable for this end, and
        // the mapping lasts as long as the keeper. Nobody else in this process has its address.
        let region = unsafe { Region::new(base, bytes, keeper) };
        let region = region.map_err(|_| Error::BadArgument)?;
        Endpoint::attach(region, side).map_err(|_| Error::BadArgument)
    }

    /// Rings the other end's doorbell.
    ///
    /// # Errors
    ///
    /// [`Error::PeerClosed`].
    pub fn ring(&self) -> Result<(), Error> {
        syscall::channel_ring(self.raw())
    }

    /// Moves a handle into the other end's queue.
    ///
    /// # Errors
    ///
    /// [`Error::WouldBlock`] if the queue is full, [`Error::PeerClosed`], [`Error::Denied`].
    pub fn send_handle(&self, handle: OwnedHandle, tag: u64) -> Result<(), SendHandleError> {
        match syscall::channel_send_handle(self.raw(), handle.raw(), tag) {
            Ok(()) => {
                // It belongs to the other end now.
                let _moved = handle.into_raw();
                Ok(())
            }
            Err(error) => Err((handle, error)),
        }
    }

    /// Takes the oldest queued handle and its tag.
    ///
    /// # Errors
    ///
    /// [`Error::WouldBlock`] if there is none, [`Error::TooManyHandles`].
    pub fn receive_handle(&self) -> Result<(OwnedHandle, u64), Error> {
        let (handle, tag) = syscall::channel_receive_handle(self.raw())?;
        Ok((OwnedHandle(handle), tag))
    }
}

kind! {
    /// Pages.
    Memory
}

impl Memory {
    /// Zeroed pages, charged to this process.
    ///
    /// # Errors
    ///
    /// [`Error::NoMemory`], [`Error::TooManyHandles`], [`Error::BadArgument`].
    pub fn create(bytes: usize) -> Result<Self, Error> {
        syscall::memory_create(bytes, Handle::NONE).map(|handle| Self(OwnedHandle(handle)))
    }

    /// As [`Self::create`], contiguous, for a device to read and write.
    ///
    /// # Errors
    ///
    /// As there; [`Error::Denied`] if the device's handle is without the DMA right.
    pub fn create_for(bytes: usize, device: &Device) -> Result<Self, Error> {
        syscall::memory_create(bytes, device.raw()).map(|handle| Self(OwnedHandle(handle)))
    }

    /// Bytes.
    ///
    /// # Errors
    ///
    /// [`Error::BadHandle`].
    pub fn size(&self) -> Result<usize, Error> {
        usize::try_from(self.0.info()?.size).map_err(|_| Error::BadArgument)
    }

    /// Maps `bytes` from `offset`; the mapping goes when the value is dropped, and outlives the
    /// handle.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`], [`Error::BadArgument`], [`Error::NoMemory`].
    pub fn map(&self, offset: u64, bytes: usize, how: Protection) -> Result<Mapping, Error> {
        let base = syscall::memory_map(self.raw(), offset, bytes, how)?;
        Ok(Mapping::from_kernel(base, bytes))
    }

    /// Maps the whole of it for copies in and out.
    ///
    /// # Errors
    ///
    /// As [`Self::map`].
    pub fn map_arena(&self) -> Result<ring::Arena, Error> {
        let bytes = self.size()?;
        let mapping = self.map(0, bytes, Protection::READ | Protection::WRITE)?;
        let base = mapping.base();
        // SAFETY: mapped readable and writable by the line above for as long as the keeper lives,
        // and no reference into it exists.
        Ok(unsafe { ring::Arena::new(base, bytes, mapping.into_keeper()) })
    }

    /// Memory for a driver and its device, mapped for the rest of the program. For contiguous
    /// memory. A duplicate of the handle that somebody else holds keeps the pages from being used
    /// anew before the device has been reset.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] without the DMA right, [`Error::NoMemory`].
    pub fn into_dma(self) -> Result<hardware::Dma, Error> {
        let bytes = self.size()?;
        let physical = self.physical(0)?;
        let base = self
            .map(0, bytes, Protection::READ | Protection::WRITE)?
            .leak();
        // Never closed: the device may use the memory as long as the process lives.
        let _kept = self.into_handle().into_raw();
        // SAFETY: mapped readable and writable just now and never unmapped; the kernel gave zeroed
        // contiguous pages. The only other copy of the address is forgotten with this call, and
        // `self`, by which it could be mapped again, is consumed.
        Ok(unsafe { hardware::Dma::new(base, physical, bytes) })
    }

    /// Physical address of the byte at `offset`, for a device.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] without the DMA right.
    pub fn physical(&self, offset: u64) -> Result<u64, Error> {
        syscall::memory_physical(self.raw(), offset, Handle::NONE).map(|(physical, _)| physical)
    }

    /// Where a device finds all of it, in order. The addresses are good for as long as the memory is
    /// mapped or a handle to it is open.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] without the rights to read and write it, or if the device's handle was without
    /// the DMA right.
    pub fn runs(&self, reach: &Reach) -> Result<Vec<Run>, Error> {
        let bytes = self.size()? as u64;
        let (mut runs, mut offset) = (Vec::new(), 0);
        while offset < bytes {
            let (physical, length) = syscall::memory_physical(self.raw(), offset, reach.0.raw())?;
            let length = length.min(bytes - offset).max(1);
            runs.push(Run {
                offset,
                physical,
                length,
            });
            offset += length;
        }
        Ok(runs)
    }
}

/// Bytes of memory that a device finds together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Where they begin in the memory.
    pub offset: u64,
    /// Where a device finds the first one.
    pub physical: u64,
    /// How many they are.
    pub length: u64,
}

/// What is left of a device's handle when its registers are mapped: by the DMA right, if it has that,
/// to be told where the device finds memory ([`Memory::runs`]).
#[derive(Debug)]
pub struct Reach(Device);

kind! {
    /// A range of device registers.
    Device
}

impl Device {
    /// As [`Self::into_registers`]; what is left of the handle comes too.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn into_registers_and_reach(self) -> Result<(hardware::Registers, Reach), Error> {
        Ok((self.registers()?, Reach(self)))
    }

    /// Maps the pages that hold the registers, for the rest of the program. Several devices may
    /// share a page: [`hardware::Registers::narrow`] leaves the window of one.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`], [`Error::NoMemory`].
    pub fn into_registers(self) -> Result<hardware::Registers, Error> {
        self.registers()
    }

    /// To be called once: no other handle by which they could be mapped again is given out.
    fn registers(&self) -> Result<hardware::Registers, Error> {
        let bytes = usize::try_from(self.0.info()?.size).map_err(|_| Error::BadArgument)?;
        let how = Protection::READ | Protection::WRITE;
        let base = syscall::memory_map(self.raw(), 0, bytes, how)?;
        // SAFETY: mapped as device memory just now and never unmapped; registers of the machine's
        // devices are words, and both callers consume the handle by which they could be mapped again.
        Ok(unsafe { hardware::Registers::new(base, bytes) })
    }
}

kind! {
    /// An interrupt line.
    Interrupt
}

impl Interrupt {
    /// The device has been served: let the line fire again.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`].
    pub fn acknowledge(&self) -> Result<(), Error> {
        syscall::interrupt_acknowledge(self.raw())
    }
}

kind! {
    /// A process.
    Process
}

impl Process {
    /// Loads the ELF image at `offset` of `image`; the process does not run yet. It may use at
    /// most `memory_limit` bytes.
    ///
    /// # Errors
    ///
    /// [`Error::BadImage`], [`Error::NoMemory`], [`Error::Denied`].
    pub fn create(
        image: &Memory,
        offset: u64,
        bytes: u64,
        name: &str,
        memory_limit: u64,
    ) -> Result<Self, Error> {
        syscall::process_create(image.raw(), offset, bytes, name, memory_limit)
            .map(|handle| Self(OwnedHandle(handle)))
    }

    /// Starts it with one handle, whose number it finds in `x0`.
    ///
    /// # Errors
    ///
    /// [`Error::BadState`] if it has been started before. The handle is closed then.
    pub fn start(&self, first: OwnedHandle, priority: u64) -> Result<(), Error> {
        syscall::process_start(self.raw(), first.raw(), priority)?;
        let _moved = first.into_raw();
        Ok(())
    }

    /// Ends it.
    ///
    /// # Errors
    ///
    /// [`Error::BadState`] if it has ended already.
    pub fn kill(&self, code: i32) -> Result<(), Error> {
        syscall::process_kill(self.raw(), code)
    }

    /// State, figures, and the fault if there was one.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`].
    pub fn info(&self) -> Result<ProcessInfo, Error> {
        syscall::process_info(self.raw())
    }
}

kind! {
    /// The machine.
    Machine
}

impl Machine {
    /// Figures.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`].
    pub fn info(&self) -> Result<SystemInfo, Error> {
        syscall::system_info(self.raw())
    }

    /// Powers off or resets; returns only when refused.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`].
    pub fn control(&self, operation: SystemOperation, code: i32) -> Result<(), Error> {
        syscall::system_control(self.raw(), operation, code)
    }
}

kind! {
    /// The debug console: polled output, for last words and the system's own log.
    DebugConsole
}

impl DebugConsole {
    /// Writes text.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`].
    pub fn write(&self, text: &[u8]) -> Result<(), Error> {
        syscall::debug_write(self.raw(), text)
    }
}
