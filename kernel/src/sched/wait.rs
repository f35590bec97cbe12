//! Sleeping: the one blocking call.
//!
//! A thread that sleeps stands in the list of every object that it wants something of. A condition
//! only makes it ready; what it is told is looked up when a CPU takes it on, so that one return
//! tells everything that has happened since. A wake-up that finds nothing goes back to sleep.

use crate::arch;
use crate::mm::user::{UserRange, bytes_of, bytes_of_mut};
use crate::object::slab::Key;
use crate::object::thread::{State, Thread};
use crate::object::{Kernel, ObjectRef};
use abi::{DEADLINE_NEVER, Error, Handle, Signals, WaitItem};
use alloc::vec::Vec;

/// Items that are copied from and to the program at once.
const CHUNK: usize = 8;

/// One thing to wait for.
#[derive(Clone, Copy)]
struct Entry {
    object: ObjectRef,
    item: WaitItem,
}

/// A thread's sleep.
pub struct Wait {
    entries: Vec<Entry>,
    /// Where the items are.
    address: u64,
    /// In lists of objects, or waiting for the deadline.
    asleep: bool,
    timed_out: bool,
    /// CPU whose heap has the deadline.
    heap_cpu: usize,
    /// Place there.
    pub heap_place: Option<usize>,
}

impl Wait {
    /// Awake.
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
            address: 0,
            asleep: false,
            timed_out: false,
            heap_cpu: 0,
            heap_place: None,
        }
    }
}

/// What a look at the items says.
enum Look {
    /// How many have signals.
    Seen(u64),
    /// Sleep.
    Nothing,
}

impl Kernel {
    /// Looks at `count` items at `address`. Returns the number that have signals, or `None` when
    /// there is nothing yet and `thread` now sleeps.
    pub fn wait(
        &mut self,
        cpu: usize,
        thread: Key<Thread>,
        address: u64,
        count: usize,
        deadline: u64,
    ) -> Result<Option<u64>, Error> {
        self.read_items(thread, address, count)?;
        if let Look::Seen(seen) = self.look(thread)? {
            self.tell(thread)?;
            return Ok(Some(seen));
        }
        if deadline != DEADLINE_NEVER && deadline <= arch::counter() {
            self.tell(thread)?;
            return Err(Error::TimedOut);
        }
        self.admit(count * 32)?;
        self.fall_asleep(cpu, thread, deadline);
        Ok(None)
    }

    /// A CPU is about to take on a ready thread. `false`: it sleeps on.
    #[inline]
    pub fn finish_sleep(&mut self, thread: Key<Thread>) -> bool {
        if !self.threads[thread].wait.asleep {
            return true;
        }
        let timed_out = self.threads[thread].wait.timed_out;
        let result = match self.look(thread) {
            Ok(Look::Seen(seen)) => self.tell(thread).map(|()| seen),
            Ok(Look::Nothing) if timed_out => self.tell(thread).and(Err(Error::TimedOut)),
            Ok(Look::Nothing) => {
                self.threads[thread].state = State::Waiting;
                return false;
            }
            Err(error) => Err(error),
        };
        self.forget_sleep(thread);
        let registers = &mut self.threads[thread].context.x;
        match result {
            Ok(seen) => {
                registers[0] = 0;
                registers[1] = seen;
            }
            Err(error) => registers[0] = error.code().wrapping_neg().cast_unsigned(),
        }
        true
    }

    /// Takes a thread out of every list that it sleeps in.
    pub fn forget_sleep(&mut self, thread: Key<Thread>) {
        let wait = &mut self.threads[thread].wait;
        if !wait.asleep {
            return;
        }
        wait.asleep = false;
        let (cpu, place) = (wait.heap_cpu, wait.heap_place);
        if let Some(place) = place {
            self.sched.cpus[cpu]
                .deadlines
                .remove(&mut self.threads, place);
        }
        for place in 0..self.threads[thread].wait.entries.len() {
            let object = self.threads[thread].wait.entries[place].object;
            if let Some(waiters) = self.waiters(object) {
                waiters.remove(thread);
            }
        }
    }

    /// Wakes the threads of a CPU whose deadlines have passed.
    pub fn expire(&mut self, cpu: usize, now: u64) {
        while let Some((at, thread)) = self.sched.cpus[cpu].deadlines.first()
            && at <= now
        {
            self.sched.cpus[cpu].deadlines.remove(&mut self.threads, 0);
            self.threads[thread].wait.timed_out = true;
            self.wake(thread);
        }
    }

    /// Reads the items and finds the objects. A handle that names nothing refuses the call.
    fn read_items(&mut self, thread: Key<Thread>, address: u64, count: usize) -> Result<(), Error> {
        let object = &mut self.threads[thread];
        let process = &self.processes[object.process];
        let wait = &mut object.wait;
        wait.entries.clear();
        wait.address = address;
        wait.timed_out = false;
        let mut done = 0;
        while done < count {
            let mut items = [const { WaitItem::new(Handle::NONE, Signals::empty()) }; CHUNK];
            let items = &mut items[..CHUNK.min(count - done)];
            let at = address.wrapping_add((done * size_of::<WaitItem>()) as u64);
            UserRange::of::<WaitItem>(at, items.len())?
                .read(&process.space, bytes_of_mut(items))?;
            for item in items.iter() {
                let entry = process.handles.get(Handle(item.handle))?;
                wait.entries.push(Entry {
                    object: entry.object,
                    item: *item,
                });
            }
            done += items.len();
        }
        Ok(())
    }

    /// Notes what each item would see. A doorbell that is seen is quiet again.
    fn look(&mut self, thread: Key<Thread>) -> Result<Look, Error> {
        let mut seen = 0;
        for place in 0..self.threads[thread].wait.entries.len() {
            let Entry { object, item } = self.threads[thread].wait.entries[place];
            let signals = self.signals(object).ok_or(Error::BadHandle)?;
            let observed = signals & Signals::from_bits_truncate(item.wanted);
            if observed.contains(Signals::DOORBELL)
                && let ObjectRef::Channel(channel, side) = object
            {
                self.channels[channel].quiet(side);
            }
            self.threads[thread].wait.entries[place].item.observed = observed.bits();
            seen += u64::from(!observed.is_empty());
        }
        Ok(if seen > 0 {
            Look::Seen(seen)
        } else {
            Look::Nothing
        })
    }

    /// Writes the items back with what was seen.
    fn tell(&mut self, thread: Key<Thread>) -> Result<(), Error> {
        let object = &self.threads[thread];
        let space = &self.processes[object.process].space;
        let mut at = object.wait.address;
        for entries in object.wait.entries.chunks(CHUNK) {
            let mut items = [const { WaitItem::new(Handle::NONE, Signals::empty()) }; CHUNK];
            for (item, entry) in items.iter_mut().zip(entries) {
                *item = entry.item;
            }
            let items = &items[..entries.len()];
            UserRange::of::<WaitItem>(at, items.len())?.write(space, bytes_of(items))?;
            at += size_of_val(items) as u64;
        }
        Ok(())
    }

    fn fall_asleep(&mut self, cpu: usize, thread: Key<Thread>, deadline: u64) {
        for place in 0..self.threads[thread].wait.entries.len() {
            let Entry { object, item } = self.threads[thread].wait.entries[place];
            if let Some(waiters) = self.waiters(object) {
                waiters.add(thread, Signals::from_bits_truncate(item.wanted));
            }
        }
        let object = &mut self.threads[thread];
        object.state = State::Waiting;
        object.wait.asleep = true;
        object.wait.heap_cpu = cpu;
        if deadline != DEADLINE_NEVER {
            let deadlines = &mut self.sched.cpus[cpu].deadlines;
            deadlines.insert(&mut self.threads, thread, deadline);
        }
    }
}
