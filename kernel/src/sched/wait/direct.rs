//! The ways that nearly every wait goes: to a peer that is rung and sleeps for just that, and to
//! idleness, from which the interrupt of a line leads straight back.
//!
//! Each begins with whether all is as it usually is, and leads where the general way would
//! ([`Kernel::wait`], `choose`), without the run queue and without asking again what is known. If anything
//! is otherwise, nothing has been done that the general way would not do too, and it is gone.

use super::Wait;
use crate::arch::{self, ContextPointer};
use crate::object::Kernel;
use crate::object::channel::{Channel, Side};
use crate::object::interrupt::Firing;
use crate::object::slab::Key;
use crate::object::thread::{State, Thread};
use crate::object::waiters::Waiter;
use abi::{DEADLINE_NEVER, Signals, WaitFlags};

/// Where a wait has led.
pub enum Led {
    /// The thread sleeps, and its peer has the CPU.
    ToPeer(ContextPointer),
    /// The thread sleeps, and nobody has the CPU.
    ToIdleness,
}

impl Wait {
    /// Whether what the items have is known, and it is nothing.
    #[inline]
    const fn has_nothing(&self) -> bool {
        self.enlisted && !self.is_marked
    }

    /// Whether this is a sleep that nothing has ended yet.
    #[inline]
    const fn is_sound_asleep(&self) -> bool {
        self.asleep && !self.is_marked && !self.timed_out
    }
}

impl Thread {
    /// The thread falls asleep, which has nothing to go on for.
    #[inline]
    const fn lie_down(&mut self) {
        self.state = State::Waiting;
        self.wait.asleep = true;
        self.wait.timed_out = false;
    }

    /// The thread is woken by an item that has `seen`, and by nothing else.
    #[inline]
    fn get_up(&mut self, item: u16, seen: Signals) {
        self.wait.asleep = false;
        let registers = &mut self.context.x;
        registers[0] = 0;
        registers[1] = 1;
        registers[2] = u64::from(item) | u64::from(seen.bits()) << 32;
    }
}

impl Kernel {
    /// The thread that runs on `cpu` waits, as its registers say.
    #[inline]
    pub fn wait_directly(&mut self, cpu: usize) -> Option<Led> {
        let own = &self.sched.cpus[cpu];
        let thread = own.current?;
        if own.again || own.doomed {
            return None;
        }
        let object = &self.threads[thread];
        let [address, count, deadline, bell, flags, ..] = object.context.x;
        let flags = WaitFlags::from_bits_truncate(flags);
        if !object.wait.knows(address, count as usize, flags) {
            return None;
        }
        let rung = if bell == 0 {
            None
        } else {
            Some(self.bell(thread, bell).ok()?)
        };
        if flags.contains(WaitFlags::SERVED) {
            self.acknowledge_reported(thread);
        }
        if deadline != DEADLINE_NEVER && deadline <= arch::counter() {
            return None;
        }
        match rung {
            Some((channel, from)) => self.hand_over(cpu, thread, deadline, channel, from),
            None => self.lie_down(cpu, thread, deadline),
        }
    }

    /// The doorbell that `channel`'s end `from` rings wakes a thread, and `thread` sleeps until it is
    /// rung itself: the CPU goes from one to the other, if nobody else should run before.
    #[inline(never)]
    fn hand_over(
        &mut self,
        cpu: usize,
        thread: Key<Thread>,
        deadline: u64,
        channel: Key<Channel>,
        from: Side,
    ) -> Option<Led> {
        let end = self.channels[channel].end(from.other());
        let (Some(waiter), false) = end.waiters.first() else {
            return None;
        };
        let (object, next) = self.threads.pair_mut(thread, waiter.thread)?;
        let is_sleep = object.wait.has_nothing();
        let is_wake = next.wait.is_sound_asleep() && waiter.wanted.contains(Signals::DOORBELL);
        let urgent = self.sched.ready.most_urgent();
        if !is_sleep || !is_wake || urgent.is_some_and(|other| other >= next.priority) {
            return None;
        }
        let (others, slice) = (self.sched.has_others(), self.sched.slice);
        let own = &mut self.sched.cpus[cpu];
        object.lie_down();
        own.stop(thread, object, others);
        next.get_up(waiter.item, Signals::DOORBELL);
        let context = next.context.pointer();
        let (process, space) = (next.process, next.space);
        let gets_fp = own.start(cpu, waiter.thread, next, slice);
        let has_fp = gets_fp && own.pass_fp(cpu, (thread, object), (waiter.thread, next));
        let is_noted = object.wait.noted == deadline;
        if !has_fp {
            self.settle_fp(cpu, waiter.thread, gets_fp);
        }
        self.load(cpu, Some((process, space)));
        if !is_noted {
            self.note_and_arm(cpu, thread, deadline);
        }
        Some(Led::ToPeer(context))
    }

    /// A thread sleeps until another deadline than last time, and no equal waits for the CPU.
    #[inline(never)]
    fn note_and_arm(&mut self, cpu: usize, thread: Key<Thread>, deadline: u64) {
        self.note_deadline(cpu, thread, deadline);
        self.arm(cpu, None);
    }

    /// There is nothing for `thread`, nor for anybody else: the CPU is idle.
    #[inline(never)]
    fn lie_down(&mut self, cpu: usize, thread: Key<Thread>, deadline: u64) -> Option<Led> {
        let object = &mut self.threads[thread];
        if !object.wait.has_nothing() || self.sched.ready.most_urgent().is_some() {
            return None;
        }
        let others = self.sched.has_others();
        object.lie_down();
        let is_noted = object.wait.noted == deadline;
        let own = &mut self.sched.cpus[cpu];
        own.stop(thread, object, others);
        own.idle = true;
        self.sched.free |= 1 << cpu;
        if !is_noted {
            self.note_and_arm(cpu, thread, deadline);
        }
        Some(Led::ToIdleness)
    }

    /// A line has fired that `waiter` alone waits for, and `cpu` has nobody to run: if the thread sleeps,
    /// and was here last, the CPU is its own. `None`: nothing was done.
    #[inline]
    pub fn take_up(
        &mut self,
        cpu: usize,
        waiter: Waiter,
        firing: Firing,
    ) -> Option<ContextPointer> {
        let object = self.threads.get_mut(waiter.thread)?;
        let own = &mut self.sched.cpus[cpu];
        let is_free = own.current.is_none() && !own.again;
        let is_here = object.last_cpu == cpu && object.wait.is_sound_asleep();
        if !is_free || !is_here || self.sched.ready.most_urgent().is_some() {
            return None;
        }
        // A line that has fired has so until it is acknowledged: the mark stays.
        object.wait.mark(waiter.item);
        object.get_up(waiter.item, Signals::INTERRUPT);
        let entry = &object.wait.entries[usize::from(waiter.item)];
        object.wait.reported = entry.reported(waiter.item, firing);
        let context = object.context.pointer();
        let (process, space) = (object.process, object.space);
        let gets_fp = own.start(cpu, waiter.thread, object, self.sched.slice);
        self.settle_fp(cpu, waiter.thread, gets_fp);
        self.load(cpu, Some((process, space)));
        Some(context)
    }
}
