//! The registers of a thread.

use alloc::boxed::Box;
use core::mem::offset_of;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

/// What `vectors` saves at each entry and restores at each return, and the rest of a thread's
/// registers, saved when another thread needs them.
#[repr(C, align(16))]
pub struct Context {
    /// `x0` to `x30`.
    pub x: [u64; 31],
    /// Stack pointer.
    pub sp: u64,
    /// Program counter.
    pub pc: u64,
    /// Program status.
    pub pstate: u64,
    /// `TPIDR_EL0`.
    pub thread_pointer: u64,
    /// `FPCR` and `FPSR`.
    pub fp_control: [u64; 2],
    reserved: u64,
    /// `q0` to `q31`.
    pub q: [u128; 32],
}

// `vectors` knows these by number.
const _: () = assert!(offset_of!(Context, sp) == 248);
const _: () = assert!(offset_of!(Context, pc) == 256);
const _: () = assert!(offset_of!(Context, pstate) == 264);
const _: () = assert!(offset_of!(Context, fp_control) == 280);
const _: () = assert!(offset_of!(Context, q) == 304);

/// A thread's registers at an address that stays: while the thread runs, `SP_EL1` points there.
pub struct ContextBox(NonNull<Context>);

// SAFETY: owns its allocation like a `Box`; all access goes through the kernel lock or is that of
// the one CPU that runs the thread.
unsafe impl Send for ContextBox {}

impl ContextBox {
    /// Registers for a thread that starts at `pc` with that stack pointer.
    pub fn new(pc: u64, sp: u64) -> Self {
        let context = Box::new(Context {
            x: [0; 31],
            sp,
            pc,
            pstate: 0, // EL0, AArch64, nothing masked
            thread_pointer: 0,
            fp_control: [0; 2],
            reserved: 0,
            q: [0; 32],
        });
        Self(NonNull::from(Box::leak(context)))
    }

    /// For the return path in `vectors`.
    pub const fn pointer(&self) -> ContextPointer {
        ContextPointer(self.0)
    }
}

/// Where the registers of a thread are that runs on a CPU.
#[derive(Clone, Copy)]
pub struct ContextPointer(NonNull<Context>);

// SAFETY: only an address: whoever follows it vouches for the thread, as `ContextBox` does.
unsafe impl Send for ContextPointer {}

impl ContextPointer {
    /// For the return path in `vectors`.
    pub const fn get(self) -> NonNull<Context> {
        self.0
    }
}

impl Deref for ContextBox {
    type Target = Context;

    fn deref(&self) -> &Context {
        // SAFETY: allocated in `new`; the thread is not in EL0 while the kernel looks at it.
        unsafe { self.0.as_ref() }
    }
}

impl DerefMut for ContextBox {
    fn deref_mut(&mut self) -> &mut Context {
        // SAFETY: as in `deref`.
        unsafe { self.0.as_mut() }
    }
}

impl Drop for ContextBox {
    fn drop(&mut self) {
        // SAFETY: leaked in `new`, dropped once; no CPU runs the thread any more.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}
