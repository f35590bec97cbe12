//! FP and SIMD registers: they belong to a thread until another one wants them.
//!
//! On one CPU they are saved only then. With several, a thread may go on elsewhere, so they are
//! saved when it leaves the CPU (`put_off`), and stay good where they are.

use crate::arch;
use crate::object::Kernel;
use crate::object::slab::Key;
use crate::object::thread::Thread;

impl Kernel {
    /// Gives the FP registers of a CPU to a thread: at its first use of them, and from then on
    /// whenever it comes to a CPU that holds another's. Threads that never use them cost nothing.
    pub fn take_fp(&mut self, cpu: usize, thread: Key<Thread>) {
        self.allow_fp(cpu, true);
        let own = &mut self.sched.cpus[cpu];
        let owner = own.fp_owner.replace(thread);
        if own.fp_dirty
            && let Some(owner) = owner
            && let Some(owner) = self.threads.get_mut(owner)
        {
            arch::save_fp(&mut owner.context);
            owner.fp_cpu = None;
        }
        own.fp_dirty = true;
        let object = &mut self.threads[thread];
        object.fp_cpu = Some(cpu);
        object.uses_fp = true;
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
