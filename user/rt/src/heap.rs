//! The heap: talc over memory that the kernel gives when it is needed.
//!
//! *Never* on a packet path: servers allocate when they start and when a session opens.

use core::alloc::Layout;

use abi::Protection;
use spin::mutex::SpinMutex;
use talc::{
    TalcLock,
    base::{Talc, binning::Binning},
    source::Source,
};

use crate::handle::Memory;

/// Least that is asked of the kernel at once.
const STEP_BYTES: usize = 64 * 1024;
/// Most that is asked for beyond what an allocation needs.
const MAX_STEP_BYTES: usize = 1024 * 1024;
/// Room for the allocator's own records in a new piece.
const OVERHEAD_BYTES: usize = 4096;

#[global_allocator]
static HEAP: TalcLock<SpinMutex<()>, Kernel> = TalcLock::new(Kernel { total: 0 });

/// Asks the kernel for memory. Nothing is given back before the process ends.
#[derive(Debug)]
struct Kernel {
    /// Bytes got so far.
    total: usize,
}

// SAFETY: `acquire` makes system calls and touches the allocator only through its argument; it
// allocates nothing.
unsafe impl Source for Kernel {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        let need = layout.size().checked_add(layout.align()).ok_or(())?;
        let need = need.checked_add(OVERHEAD_BYTES).ok_or(())?;
        // Pieces grow with the heap, so that their number stays small.
        let step = (talc.source.total / 2).clamp(STEP_BYTES, MAX_STEP_BYTES);
        let bytes = need
            .max(step)
            .checked_next_multiple_of(abi::PAGE_SIZE)
            .ok_or(())?;
        let memory = Memory::create(bytes).map_err(drop)?;
        let how = Protection::READ | Protection::WRITE;
        let base = memory.map(0, bytes, how).map_err(drop)?.leak();
        // SAFETY: the kernel has just mapped these bytes, nobody else knows of them, and they
        // stay mapped.
        unsafe { talc.claim(base.as_ptr(), bytes) }.ok_or(())?;
        talc.source.total += bytes;
        Ok(())
    }
}
