//! What the kernel tells the first process.

use abi::{BootInfo, Protection};

use crate::handle::{Memory, OwnedHandle};

/// The kernel's information, for ever mapped and never changed.
#[derive(Clone, Copy, Debug)]
pub struct Boot(&'static BootInfo);

impl Boot {
    /// Takes the information at the address in `x1`.
    ///
    /// # Safety
    ///
    /// The address must be what the kernel gave the first process.
    pub(crate) const unsafe fn new(info: *const BootInfo) -> Self {
        // SAFETY: the kernel maps it read-only, aligned to a page, for as long as the process
        // lives, and does not write to it any more.
        Self(unsafe { &*info })
    }

    /// The information.
    #[must_use]
    pub const fn info(&self) -> &'static BootInfo {
        self.0
    }

    /// The command line; what is not UTF-8 ends it.
    #[must_use]
    pub fn command_line(&self) -> &'static str {
        let length = usize::try_from(self.0.command_line_length).unwrap_or(usize::MAX);
        let bytes = &self.0.command_line[..length.min(self.0.command_line.len())];
        match str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or(""),
        }
    }

    /// Maps the archive of programs, and keeps it mapped.
    ///
    /// # Errors
    ///
    /// Those of the system call.
    pub fn initrd(&self) -> Result<(&'static [u8], Memory), abi::Error> {
        let bytes = usize::try_from(self.0.initrd_bytes).map_err(|_| abi::Error::BadArgument)?;
        let memory = Memory::from_handle(OwnedHandle::from_raw(self.0.initrd));
        if bytes == 0 {
            return Ok((&[], memory));
        }
        let pages = bytes.next_multiple_of(abi::PAGE_SIZE);
        let base = memory.map(0, pages, Protection::READ)?.leak();
        // SAFETY: mapped readable by the line above and never unmapped. Nobody writes to it: the
        // kernel gives this memory to the first process alone, without the right to write.
        let archive = unsafe { core::slice::from_raw_parts(base.as_ptr(), bytes) };
        Ok((archive, memory))
    }
}
