//! Threads.
//!
//! *Owns* a thread's life from creation to the last handle. When it runs is `sched`'s affair.

use super::process::Process;
use super::slab::Key;
use super::waiters::Waiters;
use super::{Kernel, ObjectRef};
use crate::arch::ContextBox;
use crate::mm::space::Space;
use crate::sched::queue::Links;
use crate::sched::wait::Wait;
use abi::Error;

/// Most threads of a process.
pub const MAX_THREADS: usize = 64;
/// What a thread costs its process, in round numbers.
pub const OVERHEAD: u64 = 2048;

/// Where a thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// In the run queue.
    Ready,
    /// On that CPU.
    Running(usize),
    /// In a `Wait`.
    Waiting,
    /// It will not run again.
    Over,
}

/// The object.
pub struct Thread {
    /// Registers.
    pub context: ContextBox,
    /// Whose it is.
    pub process: Key<Process>,
    /// Where it lives: the process's, which stays the same.
    pub space: Space,
    /// Where it is.
    pub state: State,
    /// 0 to 7.
    pub priority: u8,
    /// CPU that it ran on last.
    pub last_cpu: usize,
    /// Time on CPUs.
    pub cpu_ticks: u64,
    /// So many times more it gets the FP registers with the CPU, without asking for them.
    pub fp_turns: u8,
    /// CPU whose FP registers are this thread's, if nobody used them since.
    pub fp_cpu: Option<usize>,
    /// Its sleep.
    pub wait: Wait,
    /// Place in the run queue.
    pub links: Links,
    /// Handles to it.
    pub references: u32,
    /// Who sleeps for its end.
    pub waiters: Waiters,
}

impl Thread {
    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }
}

impl Kernel {
    /// A thread of a live process, with no handle yet. It does not run before `make_ready`.
    pub fn create_thread(
        &mut self,
        process: Key<Process>,
        entry: u64,
        stack: u64,
        priority: u8,
    ) -> Result<Key<Thread>, Error> {
        self.admit(8192)?;
        if self.processes[process].threads.len() >= MAX_THREADS {
            return Err(Error::NoMemory);
        }
        self.charge(process, OVERHEAD)?;
        let space = self.processes[process].space.name();
        let thread = self.threads.insert(Thread {
            context: ContextBox::new(entry, stack),
            process,
            space,
            state: State::Waiting,
            priority,
            last_cpu: 0,
            cpu_ticks: 0,
            fp_turns: 0,
            fp_cpu: None,
            wait: Wait::new(),
            links: Links::new(),
            references: 0,
            waiters: Waiters::new(),
        });
        let Some(thread) = thread else {
            self.refund(process, OVERHEAD);
            return Err(Error::NoMemory);
        };
        self.processes[process].threads.push(thread);
        Ok(thread)
    }

    /// Ends a thread that no CPU runs any more.
    pub fn end_thread(&mut self, thread: Key<Thread>) {
        self.forget_items(thread);
        self.unready(thread);
        self.forget_fp(thread);
        let object = &mut self.threads[thread];
        object.state = State::Over;
        let process = object.process;
        self.processes[process].cpu_ticks += object.cpu_ticks;
        let threads = &mut self.processes[process].threads;
        if let Some(place) = threads.iter().position(|&other| other == thread) {
            threads.swap_remove(place);
        }
        self.refund(process, OVERHEAD);
        self.raise(ObjectRef::Thread(thread));
        if self.threads[thread].references == 0 {
            self.threads.remove(thread);
        }
    }

    /// One handle less.
    pub fn release_thread(&mut self, thread: Key<Thread>) {
        let object = &mut self.threads[thread];
        object.references -= 1;
        if object.references == 0 && object.is_over() {
            self.abandon_waiters(ObjectRef::Thread(thread));
            self.threads.remove(thread);
        }
    }
}
