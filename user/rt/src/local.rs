//! State of a thread: one value for each that a program has.
//!
//! *Owns* where the values are. Those of the first thread lie together in a section of the program; every
//! other thread has a block that begins as that section began, and a register tells how far away
//! from the section it is: an access costs one addition. On the host, where tests run in threads of the
//! standard library, that keeps them apart.

use core::cell::RefCell;

/// A value that only its thread reaches.
pub struct Local<T: 'static> {
    #[cfg(target_os = "none")]
    first: RefCell<T>,
    #[cfg(not(target_os = "none"))]
    value: &'static std::thread::LocalKey<RefCell<T>>,
}

// SAFETY: each thread reaches the value in its own block only (`block::near`).
#[cfg(target_os = "none")]
unsafe impl<T> Sync for Local<T> {}

impl<T> Local<T> {
    /// Wraps the value that every thread begins with.
    ///
    /// # Safety
    ///
    /// Only for statics in the section: use [`local!`].
    #[cfg(target_os = "none")]
    pub const unsafe fn new(value: T) -> Self {
        Self {
            first: RefCell::new(value),
        }
    }

    /// Wraps the thread's value.
    #[cfg(not(target_os = "none"))]
    pub const fn new(value: &'static std::thread::LocalKey<RefCell<T>>) -> Self {
        Self { value }
    }

    /// Works with the value. Must not be nested for the same value.
    #[inline]
    pub fn with<R>(&'static self, work: impl FnOnce(&mut T) -> R) -> R {
        #[cfg(target_os = "none")]
        return work(&mut block::near(&self.first).borrow_mut());
        #[cfg(not(target_os = "none"))]
        return self.value.with_borrow_mut(work);
    }

    /// As [`Self::with`], but nothing is done when the value is gone: on the host, when the thread ends.
    #[inline]
    pub fn try_with(&'static self, work: impl FnOnce(&mut T)) {
        #[cfg(target_os = "none")]
        self.with(work);
        #[cfg(not(target_os = "none"))]
        self.value
            .try_with(|value| work(&mut value.borrow_mut()))
            .ok();
    }
}

/// Declares a [`Local`].
macro_rules! local {
    ($(#[$doc:meta])* static $name:ident: $type:ty = $value:expr;) => {
        #[cfg(target_os = "none")]
        $(#[$doc])*
        #[unsafe(link_section = "rt_local")]
        // SAFETY: in the section.
        static $name: $crate::local::Local<$type> = unsafe { $crate::local::Local::new($value) };
        #[cfg(not(target_os = "none"))]
        $(#[$doc])*
        static $name: $crate::local::Local<$type> = {
            std::thread_local! {
                static VALUE: core::cell::RefCell<$type> = const { core::cell::RefCell::new($value) };
            }
            $crate::local::Local::new(&VALUE)
        };
    };
}
pub(crate) use local;

/// The section, and its likes for other threads.
#[cfg(target_os = "none")]
pub mod block {
    use alloc::{boxed::Box, vec};
    use core::{
        arch::asm,
        cell::UnsafeCell,
        ptr::{self, NonNull},
    };

    /// Bytes that are kept of the section.
    const KEPT_BYTES: usize = 1024;
    /// Words of a block are aligned to so much, as the section's are.
    type Word = u128;

    unsafe extern "C" {
        /// The linker's names for both ends of the section.
        static __start_rt_local: u8;
        static __stop_rt_local: u8;
    }

    /// The section as it was at the program's start.
    struct Kept(UnsafeCell<[u8; KEPT_BYTES]>);

    // SAFETY: written once, before there is a second thread, and only read later.
    unsafe impl Sync for Kept {}

    static KEPT: Kept = Kept(UnsafeCell::new([0; KEPT_BYTES]));

    /// First byte of the section, and how many there are.
    fn section() -> (*const u8, usize) {
        let start = &raw const __start_rt_local;
        let end = &raw const __stop_rt_local;
        (start, end.addr() - start.addr())
    }

    /// Keeps what the section begins with.
    ///
    /// # Safety
    ///
    /// Must be called first of all.
    pub unsafe fn keep() {
        let (start, bytes) = section();
        assert!(bytes <= KEPT_BYTES, "too much state of threads");
        // SAFETY: the section is there, and as long; nobody has used the copy yet, nor a value of the
        // section, so that all of them are as they were made and may be moved.
        unsafe { ptr::copy_nonoverlapping(start, KEPT.0.get().cast(), bytes) };
    }

    /// A block for a thread; what [`enter`] takes. It is never freed.
    pub fn create() -> usize {
        let (start, bytes) = section();
        // Values are where they are in the section, so to speak: as far from a multiple of the alignment.
        let skew = start.addr() % align_of::<Word>();
        let words: Box<[Word]> = vec![0; (skew + bytes).div_ceil(size_of::<Word>())].into();
        let block = NonNull::from(Box::leak(words)).cast::<u8>();
        let from = KEPT.0.get().cast_const().cast();
        // SAFETY: the block goes on for `bytes` behind the skew.
        let to = unsafe { block.add(skew) }.as_ptr();
        // SAFETY: the block is nobody else's. What is copied are values that nobody has used, and that are the
        // new thread's from now on.
        unsafe { ptr::copy_nonoverlapping(from, to, bytes) };
        to.expose_provenance().wrapping_sub(start.addr())
    }

    /// From now on the thread has this block.
    ///
    /// # Safety
    ///
    /// The thread has used no value yet, and the block is made for it.
    pub unsafe fn enter(distance: usize) {
        // SAFETY: the register is each thread's own; the kernel keeps it, and begins with zero.
        unsafe {
            asm!("msr tpidr_el0, {}", in(reg) distance, options(nostack, nomem, preserves_flags));
        }
    }

    /// How far the thread's block is from the section; no two threads have the same.
    #[inline]
    pub fn distance() -> usize {
        let distance: usize;
        // SAFETY: reads a register that changes only in a thread's first instructions.
        unsafe {
            asm!("mrs {}, tpidr_el0", out(reg) distance, options(nostack, nomem, preserves_flags, pure));
        }
        distance
    }

    /// The thread's own of a value in the section.
    #[inline]
    pub(super) fn near<V>(first: &V) -> &V {
        let address = ptr::from_ref(first).expose_provenance();
        let own = ptr::with_exposed_provenance::<V>(address.wrapping_add(distance()));
        // SAFETY: the section's value itself, or that of the same place in a block like it, which lasts as long
        // and is this thread's.
        unsafe { &*own }
    }
}

/// On the host the standard library's threads are not told apart here.
#[cfg(not(target_os = "none"))]
pub mod block {
    pub const fn create() -> usize {
        0
    }

    /// # Safety
    ///
    /// As in the guest.
    pub const unsafe fn enter(_distance: usize) {}

    pub const fn distance() -> usize {
        0
    }
}
