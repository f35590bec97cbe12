//! Who runs where.
//!
//! Fixed priorities, round robin among equals, one run queue for all CPUs. There is no tick: a
//! CPU's timer is armed for the earliest deadline of the threads that fell asleep on it, and for
//! the end of a slice only while an equal waits. A thread that becomes ready goes to an idle CPU,
//! or displaces the least urgent running thread if that is less urgent, or waits its turn.

mod cpu;
pub mod deadlines;
mod fp;
pub mod queue;
pub mod wait;

use crate::arch::{self, Context, ContextPointer};
use crate::mm::space::Space;
use crate::object::Kernel;
use crate::object::process::Process;
use crate::object::slab::Key;
use crate::object::thread::{State, Thread};
use crate::object::waiters::Waiter;
use abi::MAX_CPUS;
use core::ptr::NonNull;
pub use cpu::Cpu;
use queue::RunQueue;

/// A slice is this part of a second.
const SLICES_PER_SECOND: u64 = 200;
/// No alarm.
const NEVER: u64 = u64::MAX;

/// All CPUs and the threads that are ready.
pub struct Scheduler {
    /// By number.
    pub cpus: [Cpu; MAX_CPUS],
    ready: RunQueue,
    online: usize,
    /// CPUs that have nobody to run and were not told of anybody yet, one bit each.
    free: u8,
    /// CPUs to be interrupted before this entry ends.
    kicks: u8,
    slice: u64,
}

impl Scheduler {
    /// No CPU yet.
    pub const fn new() -> Self {
        Self {
            cpus: [const { Cpu::new() }; MAX_CPUS],
            ready: RunQueue::new(),
            online: 0,
            free: 0,
            kicks: 0,
            slice: 0,
        }
    }

    /// Whether there is more than one CPU.
    #[inline]
    const fn has_others(&self) -> bool {
        self.online > 1
    }
}

impl Kernel {
    /// A CPU takes part from now on.
    pub fn cpu_online(&mut self, cpu: usize) {
        self.sched.slice = arch::counter_frequency() / SLICES_PER_SECOND;
        self.sched.online += 1;
        let own = &mut self.sched.cpus[cpu];
        own.online = true;
        own.since = arch::counter();
    }

    /// An item of a thread's has a condition: if the thread sleeps, it becomes ready.
    #[inline]
    pub fn notify(&mut self, waiter: Waiter) {
        if let Some(object) = self.threads.get_mut(waiter.thread) {
            object.wait.mark(waiter.item);
            if object.state == State::Waiting {
                object.state = State::Ready;
                let (priority, last) = (object.priority, object.last_cpu);
                self.make_ready(waiter.thread, priority, last);
            }
        }
    }

    /// Makes a thread ready that sleeps or has just been made, and finds a CPU for it.
    pub fn wake(&mut self, thread: Key<Thread>) {
        let Some(object) = self.threads.get_mut(thread) else {
            return;
        };
        if object.state != State::Waiting {
            return;
        }
        object.state = State::Ready;
        let (priority, last) = (object.priority, object.last_cpu);
        self.make_ready(thread, priority, last);
    }

    /// A thread that is ready now gets into the run queue, and a CPU is told.
    #[inline]
    fn make_ready(&mut self, thread: Key<Thread>, priority: u8, last: usize) {
        self.sched.ready.push_back(&mut self.threads, thread);
        if let Some(cpu) = self.place_for(priority, last) {
            self.interrupt_cpu(cpu);
        }
    }

    /// The CPU that should look at the run queue for a thread that has become ready.
    #[inline]
    fn place_for(&self, priority: u8, last: usize) -> Option<usize> {
        let sched = &self.sched;
        if sched.free & (1 << last) != 0 {
            return Some(last);
        }
        if sched.free != 0 {
            return Some(sched.free.trailing_zeros() as usize);
        }
        if sched.online == 1 {
            return self.yields_to(0, priority).then_some(0);
        }
        // Nobody is free: the least urgent one.
        (0..MAX_CPUS)
            .filter(|&cpu| sched.cpus[cpu].current.is_some())
            .min_by_key(|&cpu| (sched.cpus[cpu].priority, cpu != last))
            .filter(|&cpu| self.yields_to(cpu, priority))
    }

    /// Whether a CPU should think about a ready thread of that priority: it runs a less urgent one,
    /// or an equal without a timer for the end of its slice.
    #[inline]
    fn yields_to(&self, cpu: usize, priority: u8) -> bool {
        let own = &self.sched.cpus[cpu];
        if own.current.is_none() || own.again {
            return false;
        }
        priority > own.priority || (priority == own.priority && own.armed > own.slice_end)
    }

    /// Lets a CPU choose anew.
    #[inline]
    pub fn interrupt_cpu(&mut self, cpu: usize) {
        self.sched.cpus[cpu].again = true;
        self.sched.free &= !(1 << cpu);
        self.sched.kicks |= 1 << cpu;
    }

    /// A thread's process has ended while the thread runs on that CPU.
    pub fn doom(&mut self, cpu: usize) {
        self.sched.cpus[cpu].doomed = true;
        self.interrupt_cpu(cpu);
    }

    /// Whether the thread of this CPU has to end; asked once.
    #[inline]
    pub fn take_doom(&mut self, cpu: usize) -> bool {
        core::mem::take(&mut self.sched.cpus[cpu].doomed)
    }

    /// Takes a thread out of the run queue.
    pub fn unready(&mut self, thread: Key<Thread>) {
        self.sched.ready.remove(&mut self.threads, thread);
    }

    /// The end of every entry on `cpu`: the registers to go on with, or `None` when there is nobody
    /// to run. Interrupts the other CPUs that got something to do.
    #[inline]
    pub fn choose(&mut self, cpu: usize) -> Option<NonNull<Context>> {
        let own = &self.sched.cpus[cpu];
        let chosen = match own.current {
            Some(current) if !own.again => Some(current),
            _ => self.next_thread(cpu),
        };
        let kicks = self.sched.kicks & !(1 << cpu);
        self.sched.kicks = 0;
        if kicks != 0 {
            self.kick(kicks);
        }
        chosen
            .and(self.sched.cpus[cpu].context)
            .map(ContextPointer::get)
    }

    #[cold]
    fn kick(&mut self, cpus: u8) {
        let Some(gic) = self.gic.as_mut() else {
            return;
        };
        for cpu in (0..MAX_CPUS).filter(|cpu| cpus & (1 << cpu) != 0) {
            gic.kick(cpu);
        }
    }

    /// The choice, made anew.
    #[inline(never)]
    fn next_thread(&mut self, cpu: usize) -> Option<Key<Thread>> {
        self.sched.cpus[cpu].again = false;
        if let Some(current) = self.sched.cpus[cpu].current
            && !self.must_yield(cpu, current)
        {
            self.arm(cpu, Some(current));
            return Some(current);
        }
        while let Some(next) = self.sched.ready.pop(&mut self.threads) {
            if self.finish_sleep(next) {
                self.switch_to(cpu, next);
                return Some(next);
            }
        }
        self.go_idle(cpu);
        None
    }

    /// Whether the running thread gives way; if so it is back in the run queue.
    fn must_yield(&mut self, cpu: usize, current: Key<Thread>) -> bool {
        let own = self.sched.cpus[cpu].priority;
        let Some(other) = self.sched.ready.most_urgent() else {
            return false;
        };
        let spent = arch::counter() >= self.sched.cpus[cpu].slice_end;
        if other < own || (other == own && !spent) {
            return false;
        }
        self.put_off(cpu);
        self.threads[current].state = State::Ready;
        if other > own && !spent {
            self.sched.ready.push_front(&mut self.threads, current);
        } else {
            self.sched.ready.push_back(&mut self.threads, current);
        }
        true
    }

    /// The CPU's thread leaves it. Its state is the caller's affair.
    pub fn put_off(&mut self, cpu: usize) {
        let others = self.sched.has_others();
        let own = &mut self.sched.cpus[cpu];
        if let Some(thread) = own.current {
            own.stop(thread, &mut self.threads[thread], others);
        }
    }

    /// Takes a thread off its CPU if that is this one: nobody else is in the kernel, so a thread
    /// that runs on a CPU that is in the kernel runs on this one.
    pub fn detach_if_mine(&mut self, thread: Key<Thread>, cpu: usize) -> bool {
        let mine = arch::this_cpu() == cpu;
        if mine && self.sched.cpus[cpu].current == Some(thread) {
            self.put_off(cpu);
        }
        mine
    }

    fn switch_to(&mut self, cpu: usize, thread: Key<Thread>) {
        let slice = self.sched.slice;
        let object = &mut self.threads[thread];
        let home = (object.process, object.space);
        let gets_fp = self.sched.cpus[cpu].start(cpu, thread, object, slice);
        self.settle_fp(cpu, thread, gets_fp);
        self.load(cpu, Some(home));
        self.arm(cpu, Some(thread));
    }

    /// Makes the lower half that of a process, or of none.
    #[inline]
    fn load(&mut self, cpu: usize, home: Option<(Key<Process>, Space)>) {
        let own = &mut self.sched.cpus[cpu];
        let process = home.map(|(process, _)| process);
        if own.loaded == process {
            return;
        }
        let before = core::mem::replace(&mut own.loaded, process);
        match home {
            Some((_, space)) => arch::load_address_space(space.root, space.asid),
            None => arch::load_address_space(arch::empty_root(), 0),
        }
        if core::mem::take(&mut own.is_loaded_over)
            && let Some(before) = before
        {
            self.tear_down(before);
        }
    }

    /// Whether a CPU's lower half is the process's address space.
    pub fn is_loaded(&self, process: Key<Process>) -> bool {
        let mut cpus = self.sched.cpus.iter();
        cpus.any(|own| own.loaded == Some(process))
    }

    /// A process has ended: the CPUs in its address space leave it. Those that run one of its threads do
    /// so when that has ended. Idle ones keep the last address space in case its process goes on:
    /// this CPU leaves it at once, others are told to.
    pub fn leave_when_possible(&mut self, process: Key<Process>) {
        for cpu in 0..MAX_CPUS {
            let own = &mut self.sched.cpus[cpu];
            if own.loaded != Some(process) {
                continue;
            }
            own.is_loaded_over = true;
            if own.current.is_some() {
                continue;
            }
            if cpu == arch::this_cpu() {
                self.load(cpu, None);
            } else {
                self.interrupt_cpu(cpu);
            }
        }
    }

    /// Sets the timer for what comes first: a deadline, or the end of the slice if an equal waits.
    /// A timer that is set too early stays: the interrupt sets it right.
    #[inline]
    fn arm(&mut self, cpu: usize, running: Option<Key<Thread>>) {
        let own = &mut self.sched.cpus[cpu];
        let mut at = own.deadlines.first().map_or(NEVER, |(at, _)| at);
        if running.is_some() && self.sched.ready.has(own.priority) {
            at = at.min(own.slice_end);
        }
        if at < own.armed {
            own.armed = at;
            arch::arm_timer(at);
        }
    }

    fn go_idle(&mut self, cpu: usize) {
        self.sched.free |= 1 << cpu;
        let own = &mut self.sched.cpus[cpu];
        own.idle = true;
        own.since = arch::counter();
        if let Some(loaded) = own.loaded
            && self.processes.get(loaded).is_none_or(Process::is_ending)
        {
            self.load(cpu, None);
        }
        self.arm(cpu, None);
    }

    /// A CPU woke from idleness.
    pub fn end_idle(&mut self, cpu: usize) {
        self.sched.free &= !(1 << cpu);
        let own = &mut self.sched.cpus[cpu];
        own.idle = false;
        let now = arch::counter();
        own.idle_ticks += now.saturating_sub(own.since);
        own.since = now;
    }

    /// Takes the pending interrupt of this CPU. Should there be another, it comes as soon as the CPU
    /// leaves the kernel, or does not let it sleep. The registers of the thread that an idle CPU
    /// goes on with, if it is already plain.
    pub fn take_interrupt(&mut self, cpu: usize) -> Option<ContextPointer> {
        let taken = self.gic.as_mut()?.take()?;
        self.sched.cpus[cpu].interrupts += 1;
        let chosen = match taken.number {
            arch::TIMER => {
                self.timer_fired(cpu);
                None
            }
            // Another CPU put something into the run queue and noted so.
            0..16 => None,
            line => self.fire(line).and_then(|(waiter, firing)| {
                let chosen = self.take_up(cpu, waiter, firing);
                if chosen.is_none() {
                    self.notify(waiter);
                }
                chosen
            }),
        };
        if let Some(gic) = self.gic.as_mut() {
            gic.end(taken);
        }
        chosen
    }

    fn timer_fired(&mut self, cpu: usize) {
        arch::disarm_timer();
        let own = &mut self.sched.cpus[cpu];
        own.armed = NEVER;
        own.again |= own.current.is_some();
        self.expire(cpu, arch::counter());
    }
}
