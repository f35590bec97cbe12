//! One CPU's share of the scheduler's data, and what it tells about the past.

use super::{NEVER, Scheduler};
use crate::arch::{self, ContextPointer};
use crate::object::Kernel;
use crate::object::process::Process;
use crate::object::slab::Key;
use crate::object::thread::{State, Thread};
use crate::sched::deadlines::Deadlines;
use abi::MAX_CPUS;

/// One CPU as the scheduler sees it.
pub struct Cpu {
    /// It takes part.
    pub(super) online: bool,
    /// Whom it runs.
    pub current: Option<Key<Thread>>,
    /// That thread's registers.
    pub(super) context: Option<ContextPointer>,
    /// It sleeps, or is just about to.
    pub(super) idle: bool,
    /// Its choice must be made anew.
    pub(super) again: bool,
    /// Its thread's process has ended meanwhile.
    pub(super) doomed: bool,
    /// Programs may use the FP registers.
    pub(super) fp_enabled: bool,
    pub(super) slice_end: u64,
    /// Deadlines of threads that fell asleep here.
    pub deadlines: Deadlines,
    /// What the timer is set to.
    pub(super) armed: u64,
    /// Process whose address space is the lower half.
    pub(super) loaded: Option<Key<Process>>,
    /// That process has ended: what it leaves is cleared up when the CPU goes to another.
    pub(super) is_loaded_over: bool,
    /// Thread whose FP registers the CPU holds.
    pub(super) fp_owner: Option<Key<Thread>>,
    /// They may be newer than the owner's saved ones.
    pub(super) fp_dirty: bool,
    /// When the current thread, or idleness, began.
    pub(super) since: u64,
    /// Priority of the current thread.
    pub(super) priority: u8,
    pub(super) idle_ticks: u64,
    pub(super) switches: u64,
    pub(super) interrupts: u64,
}

impl Cpu {
    /// A CPU that does not take part yet.
    pub const fn new() -> Self {
        Self {
            online: false,
            current: None,
            context: None,
            idle: false,
            again: false,
            doomed: false,
            fp_enabled: false,
            slice_end: 0,
            deadlines: Deadlines::new(),
            armed: NEVER,
            loaded: None,
            is_loaded_over: false,
            fp_owner: None,
            fp_dirty: false,
            since: 0,
            priority: 0,
            idle_ticks: 0,
            switches: 0,
            interrupts: 0,
        }
    }
}

impl Cpu {
    /// The thread that it runs, and its process: the one whose address space is loaded.
    #[inline]
    pub fn running(&self) -> Option<(Key<Thread>, Key<Process>)> {
        self.current.zip(self.loaded)
    }

    /// Whose FP registers it has, how they are, and whether programs may use them.
    #[cfg(test)]
    pub fn fp(&self) -> impl core::fmt::Debug {
        (self.fp_owner, self.fp_dirty, self.fp_enabled)
    }

    /// The CPU's thread leaves it. Its state is the caller's affair.
    #[inline]
    pub(super) fn stop(&mut self, thread: Key<Thread>, object: &mut Thread, others: bool) {
        let now = arch::counter();
        object.cpu_ticks += now.saturating_sub(self.since);
        object.context.thread_pointer = arch::thread_pointer();
        self.since = now;
        self.current = None;
        if others && self.fp_dirty && self.fp_owner == Some(thread) {
            self.leave_fp(object);
        }
    }

    /// A thread comes to the CPU, just when the last one, or idleness, has ended. Whether it gets the
    /// FP registers at once.
    #[inline]
    pub(super) fn start(
        &mut self,
        cpu: usize,
        thread: Key<Thread>,
        object: &mut Thread,
        slice: u64,
    ) -> bool {
        object.state = State::Running(cpu);
        object.last_cpu = cpu;
        arch::set_thread_pointer(object.context.thread_pointer);
        self.current = Some(thread);
        self.context = Some(object.context.pointer());
        self.priority = object.priority;
        self.slice_end = self.since + slice;
        self.switches += 1;
        let gets_fp = object.fp_turns > 0;
        object.fp_turns = object.fp_turns.saturating_sub(1);
        gets_fp
    }
}

/// Figures since boot.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// CPUs that run.
    pub cpus: u32,
    /// Ticks that each was idle.
    pub idle_ticks: [u64; MAX_CPUS],
    /// Interrupts.
    pub interrupts: u64,
    /// Switches between threads.
    pub switches: u64,
}

impl Scheduler {
    /// Figures, those of CPUs that are idle now included.
    pub fn figures(&self) -> Figures {
        let now = arch::counter();
        let mut figures = Figures {
            cpus: self.online as u32,
            ..Figures::default()
        };
        for (cpu, ticks) in self.cpus.iter().zip(&mut figures.idle_ticks) {
            let open = if cpu.idle {
                now.saturating_sub(cpu.since)
            } else {
                0
            };
            *ticks = cpu.idle_ticks + open;
            figures.interrupts += cpu.interrupts;
            figures.switches += cpu.switches;
        }
        figures
    }
}

impl Kernel {
    /// Ticks that threads of a process have run since they came to their CPUs.
    pub fn running_ticks(&self, process: Key<Process>) -> u64 {
        let now = arch::counter();
        let of_process = |cpu: &&Cpu| {
            cpu.current
                .is_some_and(|thread| self.threads[thread].process == process)
        };
        let running = self.sched.cpus.iter().filter(of_process);
        running.map(|cpu| now.saturating_sub(cpu.since)).sum()
    }
}
