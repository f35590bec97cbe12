//! A simulated machine of one CPU, for tests on the host.
//!
//! Each test thread has a machine of its own: RAM is an ordinary allocation that begins at
//! physical address zero, time goes on by one tick whenever it is read, and a line
//! fires when a test says so.

use crate::mm::Physical;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;
use std::cell::Cell;

/// Bytes of RAM.
pub const RAM: usize = 16 << 20;
/// Interrupt number of the timer.
pub const TIMER: u32 = 27;

thread_local! {
    static MEMORY: Box<[Cell<u8>]> = vec![Cell::new(0); RAM].into_boxed_slice();
    static CLOCK: Cell<u64> = const { Cell::new(0) };
}

/// RAM by physical address. An address outside of it is a bug of the kernel and ends the test.
pub fn ram_pointer(address: Physical) -> *mut u8 {
    MEMORY.with(|memory| memory[address as usize].as_ptr())
}

/// Clears memory.
///
/// # Safety
/// As on the real machine.
pub unsafe fn clear(start: *mut u8, bytes: usize) {
    // SAFETY: the caller's promise.
    unsafe { start.write_bytes(0, bytes) }
}

/// How firmware is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduit {
    /// `hvc #0`.
    Hvc,
    /// `smc #0`.
    Smc,
}

/// The registers that the kernel looks at.
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
}

/// A thread's registers.
pub struct ContextBox(Box<Context>);

impl ContextBox {
    /// Registers for a thread that starts at `pc`.
    pub fn new(pc: u64, sp: u64) -> Self {
        Self(Box::new(Context {
            x: [0; 31],
            sp,
            pc,
            pstate: 0,
            thread_pointer: 0,
        }))
    }

    /// What the real machine goes on with.
    pub fn pointer(&self) -> ContextPointer {
        ContextPointer(NonNull::from(&*self.0))
    }
}

/// Where a thread's registers are.
#[derive(Clone, Copy)]
pub struct ContextPointer(NonNull<Context>);

impl ContextPointer {
    /// The address.
    pub const fn get(self) -> NonNull<Context> {
        self.0
    }
}

impl Deref for ContextBox {
    type Target = Context;

    fn deref(&self) -> &Context {
        &self.0
    }
}

impl DerefMut for ContextBox {
    fn deref_mut(&mut self) -> &mut Context {
        &mut self.0
    }
}

/// An interrupt that was taken.
#[derive(Clone, Copy)]
pub struct Taken {
    /// Its number.
    pub number: u32,
}

/// An interrupt controller: which lines are open.
#[derive(Default)]
pub struct Gic {
    /// Lines that are not masked.
    pub open: std::collections::BTreeSet<u32>,
    /// A line whose device wants something.
    pub raised: Option<u32>,
}

impl Gic {
    pub fn has_line(&self, line: u32) -> bool {
        (32..288).contains(&line)
    }

    pub fn configure(&mut self, line: u32, _edge: bool) {
        self.enable(line, false);
    }

    pub fn enable(&mut self, line: u32, on: bool) {
        if on {
            self.open.insert(line);
        } else {
            self.open.remove(&line);
        }
    }

    pub fn take(&mut self) -> Option<Taken> {
        let number = self.raised.take_if(|line| self.open.contains(line))?;
        Some(Taken { number })
    }

    pub fn end(&mut self, _taken: Taken) {}

    pub fn kick(&mut self, _cpu: usize) {}
}

pub fn counter() -> u64 {
    CLOCK.with(|clock| {
        clock.set(clock.get() + 1);
        clock.get()
    })
}

pub fn counter_frequency() -> u64 {
    1_000_000
}

pub fn this_cpu() -> usize {
    0
}

pub fn syscalls() -> u64 {
    0
}

pub fn thread_pointer() -> u64 {
    0
}

pub fn empty_root() -> Physical {
    0
}

pub fn power_off(_: Conduit, code: Option<i32>) -> ! {
    panic!("power off {code:?}")
}

pub fn reset(_: Conduit) -> ! {
    panic!("reset")
}

pub fn set_thread_pointer(_: u64) {}
pub fn arm_timer(_: u64) {}
pub fn disarm_timer() {}
pub fn enable_fp() {}
pub fn disable_fp() {}
pub fn save_fp(_: &mut Context) {}
pub fn restore_fp(_: &Context) {}
pub fn load_address_space(_: u64, _: u16) {}
pub fn flush_address_space(_: u16) {}
pub fn flush_page(_: u16, _: usize) {}
pub fn table_barrier() {}
pub fn synchronise_instructions(_: *const u8, _: usize) {}
pub fn console_write(_: &[u8]) {}
pub fn idle() {}
