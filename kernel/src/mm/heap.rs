//! The kernel's heap: a fixed region, for small objects off every fast path.
//!
//! It cannot grow, so each system call that creates something first asks for admission
//! ([`has_room`]): the heap never runs dry in the middle of an operation, and giving
//! things back always works.

/// Kept free for operations under way and for the frame allocator's own nodes.
const RESERVE: usize = 192 * 1024;
/// Heap that a run of frames may need when it is given back.
const BYTES_PER_RUN: usize = 32;

/// Bytes of heap for a machine with that much RAM.
pub const fn size_for(ram: u64) -> usize {
    let share = ram as usize / 32;
    if share < (2 << 20) {
        2 << 20
    } else if share > (64 << 20) {
        64 << 20
    } else {
        share
    }
}

/// Whether an operation that needs `bytes` more may begin, with `runs` runs of frames in use.
pub fn has_room(bytes: usize, runs: usize) -> bool {
    free()
        >= bytes
            .saturating_add(RESERVE)
            .saturating_add(runs * BYTES_PER_RUN)
}

#[cfg(target_os = "none")]
mod guest {
    use crate::mm::{Physical, physical};
    use core::alloc::{GlobalAlloc, Layout};
    use core::ptr::{self, NonNull};
    use linked_list_allocator::Heap;
    use spin::mutex::TicketMutex;

    /// After the kernel lock, before the console in the lock order.
    struct KernelHeap(TicketMutex<Heap>);

    #[global_allocator]
    static HEAP: KernelHeap = KernelHeap(TicketMutex::new(Heap::empty()));

    /// Takes RAM that nobody else uses into use, once, at boot.
    pub fn init(start: Physical, bytes: usize) {
        // SAFETY: boot calls this once with RAM that it took out of the free list.
        unsafe { HEAP.0.lock().init(physical::heap_pointer(start), bytes) }
    }

    /// Bytes in use.
    pub fn used() -> usize {
        HEAP.0.lock().used()
    }

    /// Bytes free.
    pub fn free() -> usize {
        HEAP.0.lock().free()
    }

    // SAFETY: `Heap` returns disjoint blocks that fit the layout; the lock serialises it.
    unsafe impl GlobalAlloc for KernelHeap {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            self.0
                .lock()
                .allocate_first_fit(layout)
                .map_or(ptr::null_mut(), NonNull::as_ptr)
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            if let Some(block) = NonNull::new(block) {
                // SAFETY: the caller of `dealloc` promises that the block came from `alloc`.
                unsafe { self.0.lock().deallocate(block, layout) }
            }
        }
    }
}

#[cfg(target_os = "none")]
pub use guest::{free, init, used};

/// The host's heap is endless.
#[cfg(not(target_os = "none"))]
pub const fn free() -> usize {
    usize::MAX / 2
}

/// Not known on the host.
#[cfg(not(target_os = "none"))]
pub const fn used() -> usize {
    0
}
