//! FP and SIMD registers: they belong to a thread until another one wants them.
//!
//! On one CPU they are saved only then. With several, a thread may go on elsewhere, so they are
//! saved when it leaves the CPU (`put_off`), and stay good where they are.
//!
//! A thread asks for them by a trap. Who has asked gets them with the CPU for some turns, because a
//! trap costs more than the registers; then it must ask again, because it may have stopped using
//! them, and whoever does not use them costs nothing.

use crate::arch;
use crate::object::Kernel;
use crate::object::slab::Key;
use crate::object::thread::Thread;

/// Turns on a CPU until a thread must ask anew.
const TURNS: u8 = 64;

impl Kernel {
    /// The running thread asks for the FP registers.
    pub fn take_fp(&mut self, cpu: usize, thread: Key<Thread>) {
        self.threads[thread].fp_turns = TURNS;
        self.give_fp(cpu, thread);
    }

    /// Gives the FP registers of a CPU to a thread.
    pub(super) fn give_fp(&mut self, cpu: usize, thread: Key<Thread>) {
        self.allow_fp(cpu, true);
        let own = &mut self.sched.cpus[cpu];
        let was_dirty = core::mem::replace(&mut own.fp_dirty, true);
        let owner = own.fp_owner.replace(thread);
        if owner == Some(thread) {
            let place = self.threads[thread].fp_cpu.replace(cpu);
            if place != Some(cpu) {
                arch::restore_fp(&self.threads[thread].context);
            }
            return;
        }
        if was_dirty
            && let Some(owner) = owner
            && let Some(owner) = self.threads.get_mut(owner)
        {
            arch::save_fp(&mut owner.context);
            owner.fp_cpu = None;
        }
        let object = &mut self.threads[thread];
        object.fp_cpu = Some(cpu);
        arch::restore_fp(&object.context);
    }

    #[inline]
    pub(super) fn allow_fp(&mut self, cpu: usize, allowed: bool) {
        let own = &mut self.sched.cpus[cpu];
        if own.fp_enabled == allowed {
            return;
        }
        own.fp_enabled = allowed;
        if allowed {
            arch::enable_fp();
        } else {
            arch::disable_fp();
        }
    }

    /// A thread is gone: nobody saves its FP registers any more.
    pub fn forget_fp(&mut self, thread: Key<Thread>) {
        for cpu in &mut self.sched.cpus {
            if cpu.fp_owner == Some(thread) {
                cpu.fp_owner = None;
                cpu.fp_dirty = false;
            }
        }
    }
}
