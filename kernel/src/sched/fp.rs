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
use crate::sched::Cpu;

/// Turns on a CPU until a thread must ask anew.
const TURNS: u8 = 64;

impl Kernel {
    /// The running thread asks for the FP registers.
    pub fn take_fp(&mut self, cpu: usize, thread: Key<Thread>) {
        self.threads[thread].fp_turns = TURNS;
        self.give_fp(cpu, thread);
    }

    /// A thread has come to a CPU: gives it the FP registers, or sees to it that it must ask.
    #[inline]
    pub(super) fn settle_fp(&mut self, cpu: usize, thread: Key<Thread>, gets_fp: bool) {
        let own = &mut self.sched.cpus[cpu];
        if !gets_fp {
            own.allow_fp(false);
        } else if own.has_fp_of(thread) {
            own.allow_fp(true);
        } else {
            self.give_fp(cpu, thread);
        }
    }

    /// Gives the FP registers of a CPU to a thread.
    fn give_fp(&mut self, cpu: usize, thread: Key<Thread>) {
        let own = &mut self.sched.cpus[cpu];
        if let Some(owner) = own.fp_owner
            && owner != thread
            && let Some(owner) = self.threads.get_mut(owner)
        {
            own.save_fp(owner);
        }
        own.hold_fp(cpu, thread, &mut self.threads[thread]);
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

impl Cpu {
    /// Gives the FP registers to a thread to which another one leaves the CPU, if they are that one's, as is
    /// usual where both use them. `false`: nothing was done.
    #[inline]
    pub(super) fn pass_fp(
        &mut self,
        cpu: usize,
        (from, leaving): (Key<Thread>, &mut Thread),
        (to, coming): (Key<Thread>, &mut Thread),
    ) -> bool {
        if !self.fp_enabled || !self.has_fp_of(from) {
            return false;
        }
        arch::save_fp(&mut leaving.context);
        leaving.fp_cpu = None;
        self.fp_owner = Some(to);
        coming.fp_cpu = Some(cpu);
        arch::restore_fp(&coming.context);
        true
    }

    /// A thread leaves the CPU, and another CPU may run it next: saves its FP registers, which stay good for
    /// this CPU too.
    #[cold]
    pub(super) fn leave_fp(&mut self, object: &mut Thread) {
        arch::save_fp(&mut object.context);
        self.fp_dirty = false;
    }

    /// Whether the FP registers are a thread's as it left them: nobody has saved or used them since.
    #[inline]
    fn has_fp_of(&self, thread: Key<Thread>) -> bool {
        self.fp_dirty && self.fp_owner == Some(thread)
    }

    /// Saves the FP registers of their owner if that has not been done.
    #[inline]
    fn save_fp(&mut self, owner: &mut Thread) {
        if core::mem::take(&mut self.fp_dirty) {
            // They can be read where programs may use them.
            self.allow_fp(true);
            arch::save_fp(&mut owner.context);
            owner.fp_cpu = None;
        }
    }

    /// Lets a thread have the FP registers; nobody else's are in them any more.
    #[inline]
    fn hold_fp(&mut self, cpu: usize, thread: Key<Thread>, object: &mut Thread) {
        self.allow_fp(true);
        self.fp_dirty = true;
        let was_owner = self.fp_owner.replace(thread) == Some(thread);
        let was_here = object.fp_cpu.replace(cpu) == Some(cpu);
        if !(was_owner && was_here) {
            arch::restore_fp(&object.context);
        }
    }

    #[inline]
    fn allow_fp(&mut self, allowed: bool) {
        if self.fp_enabled == allowed {
            return;
        }
        self.fp_enabled = allowed;
        if allowed {
            arch::enable_fp();
        } else {
            arch::disable_fp();
        }
    }
}
