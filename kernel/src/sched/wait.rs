//! Sleeping: the one blocking call.
//!
//! A thread that sleeps stands in the list of every object that it wants something of. A condition
//! only makes it ready; what it is told is looked up when a CPU takes it on, so that one return
//! tells everything that has happened since. A wake-up that finds nothing goes back to sleep.

use crate::arch;
use crate::mm::space::AddressSpace;
use crate::mm::user::{UserRange, bytes_of, bytes_of_mut, read_value, write_value};
use crate::object::slab::Key;
use crate::object::thread::{State, Thread};
use crate::object::{Kernel, ObjectRef};
use abi::{DEADLINE_NEVER, Error, Handle, Signals, WaitItem};
use alloc::vec::Vec;
use core::mem::offset_of;

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
        if count == 1
            && let Some(answer) = self.wait_on_channel(cpu, thread, address, deadline)?
        {
            return Ok(answer);
        }
        self.read_items(thread, address, count)?;
        if let Look::Seen(seen) = self.look(thread)? {
            self.tell(thread)?;
            return Ok(Some(seen));
        }
        if deadline != DEADLINE_NEVER && deadline <= arch::counter() {
            self.tell(thread)?;
            return Err(Error::TimedOut);
        }
        self.fall_asleep(cpu, thread, deadline);
        Ok(None)
    }

    /// The usual wait, for one end of a channel, in one go; `None` if it is for something else.
    #[inline]
    fn wait_on_channel(
        &mut self,
        cpu: usize,
        thread: Key<Thread>,
        address: u64,
        deadline: u64,
    ) -> Result<Option<Option<u64>>, Error> {
        let object = &mut self.threads[thread];
        let process = &self.processes[object.process];
        let mut item: WaitItem = read_value(&process.space, address)?;
        let target = process.handles.get(Handle(item.handle))?.object;
        let ObjectRef::Channel(key, side) = target else {
            return Ok(None);
        };
        let channel = &mut self.channels[key];
        let wanted = Signals::from_bits_truncate(item.wanted);
        let observed = channel.signals(side) & wanted;
        if !observed.is_empty() || (deadline != DEADLINE_NEVER && deadline <= arch::counter()) {
            if observed.contains(Signals::DOORBELL) {
                channel.quiet(side);
            }
            tell_one(&process.space, address, observed)?;
            return if observed.is_empty() {
                Err(Error::TimedOut)
            } else {
                Ok(Some(Some(1)))
            };
        }
        channel.end_mut(side).waiters.add(thread, wanted);
        item.observed = 0;
        let wait = &mut object.wait;
        wait.entries.clear();
        wait.entries.push(Entry {
            object: target,
            item,
        });
        wait.address = address;
        self.note_sleep(cpu, thread, deadline);
        Ok(Some(None))
    }

    /// `finish_sleep` after `wait_on_channel`; `None` if it was another wait or there is nothing yet.
    #[inline]
    fn finish_on_channel(&mut self, thread: Key<Thread>) -> Option<Result<u64, Error>> {
        let object = &mut self.threads[thread];
        let [
            Entry {
                object: target,
                item,
            },
        ] = object.wait.entries[..]
        else {
            return None;
        };
        let ObjectRef::Channel(key, side) = target else {
            return None;
        };
        let channel = self.channels.get_mut(key)?;
        let observed = channel.signals(side) & Signals::from_bits_truncate(item.wanted);
        if observed.is_empty() {
            return None;
        }
        if observed.contains(Signals::DOORBELL) {
            channel.quiet(side);
        }
        channel.end_mut(side).waiters.remove(thread);
        object.wait.entries.clear();
        let space = &self.processes[object.process].space;
        Some(tell_one(space, object.wait.address, observed).map(|()| 1))
    }

    /// A CPU is about to take on a ready thread. `false`: it sleeps on.
    #[inline]
    pub fn finish_sleep(&mut self, thread: Key<Thread>) -> bool {
        if !self.threads[thread].wait.asleep {
            return true;
        }
        let result = match self.finish_on_channel(thread) {
            Some(result) => result,
            None => match self.look(thread) {
                Ok(Look::Seen(seen)) => self.tell(thread).map(|()| seen),
                Ok(Look::Nothing) if self.threads[thread].wait.timed_out => {
                    self.tell(thread).and(Err(Error::TimedOut))
                }
                Ok(Look::Nothing) => {
                    self.threads[thread].state = State::Waiting;
                    return false;
                }
                Err(error) => Err(error),
            },
        };
        let object = &mut self.threads[thread];
        if object.wait.entries.is_empty() && object.wait.heap_place.is_none() {
            object.wait.asleep = false;
        } else {
            self.forget_sleep(thread);
        }
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
    #[inline]
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
        if count > self.threads[thread].wait.entries.capacity() {
            self.admit(count * 64)?;
        }
        let object = &mut self.threads[thread];
        let process = &self.processes[object.process];
        let wait = &mut object.wait;
        wait.entries.clear();
        wait.address = address;
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
        self.note_sleep(cpu, thread, deadline);
    }

    #[inline]
    fn note_sleep(&mut self, cpu: usize, thread: Key<Thread>, deadline: u64) {
        let object = &mut self.threads[thread];
        object.state = State::Waiting;
        object.wait.asleep = true;
        object.wait.timed_out = false;
        object.wait.heap_cpu = cpu;
        if deadline != DEADLINE_NEVER {
            let deadlines = &mut self.sched.cpus[cpu].deadlines;
            deadlines.insert(&mut self.threads, thread, deadline);
        }
    }
}

/// Writes what was seen into one item.
#[inline]
fn tell_one(space: &AddressSpace, item: u64, observed: Signals) -> Result<(), Error> {
    let field = item + offset_of!(WaitItem, observed) as u64;
    write_value(space, field, &observed.bits())
}
