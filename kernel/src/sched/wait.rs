//! Sleeping: the one blocking call.
//!
//! A thread's items stand in the lists of their objects from the first sleep on until it waits for
//! others. An object that gets a condition marks the item and makes the thread ready; a look goes
//! over the marked items only, so that a wait costs by what has happened and not by what is waited
//! for. What a thread is told is looked up when a CPU takes it on: one return tells everything that
//! has happened since. A wake-up that finds nothing goes back to sleep.

mod bell;
pub mod direct;

use crate::arch;
use crate::mm::user::{read_value, write_value};
use crate::object::channel::{Channel, Side};
use crate::object::interrupt::Firing;
use crate::object::process::Process;
use crate::object::slab::Key;
use crate::object::thread::{State, Thread};
use crate::object::waiters::Waiter;
use crate::object::{Kernel, ObjectRef};
use abi::{DEADLINE_NEVER, Error, Handle, MAX_WAIT_ITEMS, Rights, Signals, WaitFlags, WaitItem};
use alloc::vec::Vec;
use bell::Bell;
use core::mem::offset_of;

/// Marks in a word.
const BITS: usize = u64::BITS as usize;

/// One thing to wait for.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry {
    object: ObjectRef,
    wanted: Signals,
    handle: Handle,
    /// What the handle allows.
    rights: Rights,
}

impl Entry {
    /// What is kept of a firing that a thread is told of by this item.
    #[inline]
    fn reported(&self, item: u16, firing: Firing) -> Option<Reported> {
        let may_end = self.rights.contains(Rights::SIGNAL);
        may_end.then_some(Reported { item, firing })
    }
}

/// A firing of a line that a thread was told of and may end.
#[derive(Clone, Copy)]
struct Reported {
    item: u16,
    firing: Firing,
}

/// A thread's items, and its sleep.
pub struct Wait {
    entries: Vec<Entry>,
    /// Items that may have signals, one bit each.
    marks: [u64; MAX_WAIT_ITEMS / BITS],
    /// There may be a mark.
    is_marked: bool,
    /// The interrupt that was reported last.
    reported: Option<Reported>,
    /// What was rung last.
    bell: Option<Bell>,
    /// Where the items are.
    address: u64,
    /// They were read, and their handles still stand for the same.
    is_known: bool,
    /// The entries are in the lists of their objects.
    enlisted: bool,
    asleep: bool,
    timed_out: bool,
    /// The deadline in a heap; [`DEADLINE_NEVER`] if there is none.
    pub noted: u64,
    /// CPU whose heap has it.
    heap_cpu: usize,
    /// Place there.
    pub heap_place: Option<usize>,
}

impl Wait {
    /// Awake, and nothing known.
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
            marks: [0; MAX_WAIT_ITEMS / BITS],
            is_marked: false,
            reported: None,
            bell: None,
            address: 0,
            is_known: false,
            enlisted: false,
            asleep: false,
            timed_out: false,
            noted: DEADLINE_NEVER,
            heap_cpu: 0,
            heap_place: None,
        }
    }

    /// An item has to be looked at.
    #[inline]
    pub fn mark(&mut self, item: u16) {
        if let Some(word) = self.marks.get_mut(usize::from(item) / BITS) {
            *word |= 1 << (usize::from(item) % BITS);
            self.is_marked = true;
        }
    }

    /// An item has nothing any more, for as long as nobody marks it.
    #[inline]
    fn unmark(&mut self, item: u16) {
        if self.enlisted
            && let Some(word) = self.marks.get_mut(usize::from(item) / BITS)
        {
            *word &= !(1 << (usize::from(item) % BITS));
            let is_clear = *word == 0;
            let has_more = self.entries.len() > BITS;
            self.is_marked = !is_clear || has_more && self.marks.iter().any(|&word| word != 0);
        }
    }

    /// All items have to be looked at.
    fn mark_all(&mut self) {
        let mut left = self.entries.len();
        self.is_marked = true;
        for word in &mut self.marks {
            let here = left.min(BITS);
            *word = u64::MAX.checked_shr((BITS - here) as u32).unwrap_or(0);
            left -= here;
        }
    }

    /// Whether the items say what the entries do.
    fn are_as_before(&self, process: &Process) -> Result<bool, Error> {
        for (place, entry) in self.entries.iter().enumerate() {
            if read_item(process, self.address, place)? != *entry {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Fills the entries.
    fn read(&mut self, process: &Process, count: usize) -> Result<(), Error> {
        for place in 0..count {
            let entry = read_item(process, self.address, place)?;
            self.entries.push(entry);
        }
        Ok(())
    }

    /// The marked item, if it is plain that there is but one.
    #[inline]
    fn only_mark(&self) -> Option<usize> {
        let [marks, ..] = self.marks;
        let is_one = self.enlisted && self.entries.len() <= BITS && marks.is_power_of_two();
        is_one.then_some(marks.trailing_zeros() as usize)
    }

    /// Whether these are the items that are known.
    #[inline]
    fn knows(&self, address: u64, count: usize, flags: WaitFlags) -> bool {
        flags.contains(WaitFlags::SAME_ITEMS)
            && self.is_known
            && self.address == address
            && self.entries.len() == count
    }

    /// How it stands.
    #[cfg(test)]
    pub fn state(&self) -> impl core::fmt::Debug {
        let is = [self.is_known, self.enlisted, self.is_marked, self.asleep];
        let reported = self.reported.map(|it| (it.item, it.firing.number));
        (is, self.marks[0], self.timed_out, self.noted, reported)
    }

    /// A handle stands for nothing any more.
    pub fn forget_handle(&mut self, handle: Handle) {
        let is_it = |entry: &Entry| entry.handle == handle;
        self.bell = self.bell.filter(|bell| !bell.is_of(handle));
        if let Some(Reported { item, .. }) = self.reported
            && self.entries.get(usize::from(item)).is_none_or(is_it)
        {
            self.reported = None;
        }
        if self.entries.iter().any(is_it) {
            self.is_known = false;
        }
    }
}

/// Reads an item of a program.
#[inline]
fn read_item(process: &Process, address: u64, place: usize) -> Result<Entry, Error> {
    let at = address.wrapping_add((place * size_of::<WaitItem>()) as u64);
    let item: WaitItem = read_value(&process.space, at)?;
    let handle = Handle(item.handle);
    let held = process.handles.get(handle)?;
    Ok(Entry {
        object: held.object,
        wanted: Signals::from_bits_truncate(item.wanted),
        handle,
        rights: held.rights,
    })
}

/// What a program asks of `Wait`.
pub struct Request {
    /// Where the items are.
    pub address: u64,
    /// How many.
    pub count: usize,
    /// When to give up.
    pub deadline: u64,
    /// What the program says of them.
    pub flags: WaitFlags,
    /// A channel to ring, and from which end.
    pub ring: Option<(Key<Channel>, Side)>,
}

/// What becomes of a thread that waits.
pub enum Waited {
    /// It goes on: items have signals.
    Seen(Seen),
    /// It sleeps.
    Asleep,
}

/// What a look at the items says: how many have signals, and if it is one, which and what.
#[derive(Clone, Copy)]
pub struct Seen {
    /// Items with signals.
    pub count: u64,
    /// Index, and signals from bit 32 on.
    pub first: u64,
}

const NOTHING: Seen = Seen { count: 0, first: 0 };

impl Kernel {
    /// Looks at the items of `thread`, which sleeps if there is nothing yet.
    #[inline]
    pub fn wait(
        &mut self,
        cpu: usize,
        thread: Key<Thread>,
        request: &Request,
    ) -> Result<Waited, Error> {
        if request.flags.contains(WaitFlags::SERVED) {
            self.acknowledge_reported(thread);
        }
        let wait = &self.threads[thread].wait;
        let mut seen = NOTHING;
        if !wait.knows(request.address, request.count, request.flags) {
            self.read_items(thread, request)?;
            seen = self.look(thread)?;
        } else if wait.is_marked {
            seen = self.look_closely(thread)?;
        }
        if let Some((channel, from)) = request.ring {
            // A peer that is gone is the wait's affair.
            self.ring(channel, from).ok();
            if seen.count == 0 {
                seen = self.look(thread)?;
            }
        }
        if seen.count > 0 {
            return Ok(Waited::Seen(seen));
        }
        if request.deadline != DEADLINE_NEVER && request.deadline <= arch::counter() {
            return Err(Error::TimedOut);
        }
        self.fall_asleep(cpu, thread, request.deadline);
        Ok(Waited::Asleep)
    }

    /// The interrupt that was reported last has been served: its line is opened. If it has fired again,
    /// another thread was told of the same firing and opened the line: the new one is not this thread's to
    /// end.
    #[inline]
    fn acknowledge_reported(&mut self, thread: Key<Thread>) {
        let reported = self.threads[thread].wait.reported.take();
        if let Some(Reported { item, firing }) = reported
            && self.acknowledge_firing(firing)
        {
            // Nothing is left to be seen of it.
            self.threads[thread].wait.unmark(item);
        }
    }

    /// A CPU is about to take on a ready thread. `false`: it sleeps on.
    #[inline]
    pub fn finish_sleep(&mut self, thread: Key<Thread>) -> bool {
        if !self.threads[thread].wait.asleep {
            return true;
        }
        let result = self.look(thread);
        let object = &mut self.threads[thread];
        let registers = &mut object.context.x;
        match result {
            Ok(seen) if seen.count > 0 => {
                registers[0] = 0;
                registers[1] = seen.count;
                registers[2] = seen.first;
            }
            Ok(_) if object.wait.timed_out => registers[0] = Error::TimedOut.register(),
            Ok(_) => {
                object.state = State::Waiting;
                return false;
            }
            Err(error) => registers[0] = error.register(),
        }
        object.wait.asleep = false;
        true
    }

    /// A thread falls asleep until `deadline`, which is not the one that is still noted from its last
    /// sleep.
    fn note_deadline(&mut self, cpu: usize, thread: Key<Thread>, deadline: u64) {
        let wait = &mut self.threads[thread].wait;
        wait.noted = deadline;
        if let Some(place) = wait.heap_place {
            let deadlines = &mut self.sched.cpus[wait.heap_cpu].deadlines;
            // Only this CPU's alarm is set anew before it goes on.
            if wait.heap_cpu == cpu && deadline != DEADLINE_NEVER {
                deadlines.change(&mut self.threads, place, deadline);
                return;
            }
            deadlines.remove(&mut self.threads, place);
        }
        if deadline != DEADLINE_NEVER {
            let wait = &mut self.threads[thread].wait;
            wait.noted = deadline;
            wait.heap_cpu = cpu;
            let deadlines = &mut self.sched.cpus[cpu].deadlines;
            deadlines.insert(&mut self.threads, thread, deadline);
        }
    }

    fn forget_deadline(&mut self, thread: Key<Thread>) {
        let wait = &self.threads[thread].wait;
        if let Some(place) = wait.heap_place {
            let deadlines = &mut self.sched.cpus[wait.heap_cpu].deadlines;
            deadlines.remove(&mut self.threads, place);
        }
    }

    /// A thread waits no more: takes its items out of every list, and its deadline.
    pub fn forget_items(&mut self, thread: Key<Thread>) {
        let wait = &mut self.threads[thread].wait;
        wait.asleep = false;
        let entries = core::mem::take(&mut wait.entries);
        let was_enlisted = core::mem::take(&mut wait.enlisted);
        self.forget_deadline(thread);
        if was_enlisted {
            for (item, entry) in (0..).zip(&entries) {
                if let Some(waiters) = self.waiters(entry.object) {
                    waiters.remove(thread, item);
                }
            }
        }
        // The allocation is kept for the next items.
        let wait = &mut self.threads[thread].wait;
        wait.reported = None;
        wait.entries = entries;
        wait.entries.clear();
    }

    /// Wakes the threads of a CPU whose deadlines have passed.
    pub fn expire(&mut self, cpu: usize, now: u64) {
        while let Some((at, thread)) = self.sched.cpus[cpu].deadlines.first()
            && at <= now
        {
            self.sched.cpus[cpu].deadlines.remove(&mut self.threads, 0);
            let wait = &mut self.threads[thread].wait;
            // A thread that was woken by something else may have left its deadline.
            if wait.asleep {
                wait.timed_out = true;
                self.wake(thread);
            }
        }
    }

    /// Reads the items and finds the objects. A handle that names nothing refuses the call.
    fn read_items(&mut self, thread: Key<Thread>, request: &Request) -> Result<(), Error> {
        let object = &mut self.threads[thread];
        let process = &self.processes[object.process];
        let wait = &mut object.wait;
        wait.address = request.address;
        wait.is_known = true;
        if request.count == wait.entries.len() && wait.are_as_before(process) == Ok(true) {
            return Ok(());
        }
        self.forget_items(thread);
        if request.count > self.threads[thread].wait.entries.capacity() {
            self.admit(request.count * 64)?;
        }
        let object = &mut self.threads[thread];
        let process = &self.processes[object.process];
        let wait = &mut object.wait;
        let read = wait.read(process, request.count);
        if read.is_err() {
            wait.entries.clear();
            wait.is_known = false;
        }
        wait.mark_all();
        read
    }

    /// Looks at the marked items. A doorbell that is seen is quiet again; an item stays marked as
    /// long as it has a condition that does not go by being seen.
    #[inline(always)]
    fn look(&mut self, thread: Key<Thread>) -> Result<Seen, Error> {
        if self.threads[thread].wait.is_marked {
            self.look_closely(thread)
        } else {
            Ok(NOTHING)
        }
    }

    #[inline(never)]
    fn look_closely(&mut self, thread: Key<Thread>) -> Result<Seen, Error> {
        let wait = &self.threads[thread].wait;
        match wait.only_mark() {
            Some(item) => self.look_at_one(thread, item, wait.entries[item]),
            None => self.look_at_marks(thread),
        }
    }

    /// The usual look, at one item.
    #[inline]
    fn look_at_one(
        &mut self,
        thread: Key<Thread>,
        item: usize,
        entry: Entry,
    ) -> Result<Seen, Error> {
        let observed = self.observe(entry)?;
        let wait = &mut self.threads[thread].wait;
        if (observed - Signals::DOORBELL).is_empty() {
            wait.marks[0] = 0;
            wait.is_marked = false;
        } else if observed.contains(Signals::INTERRUPT) {
            self.note_reported(thread, item, entry);
        }
        Ok(Seen {
            count: u64::from(!observed.is_empty()),
            first: item as u64 | u64::from(observed.bits()) << 32,
        })
    }

    fn look_at_marks(&mut self, thread: Key<Thread>) -> Result<Seen, Error> {
        let mut seen = NOTHING;
        let wait = &mut self.threads[thread].wait;
        let words = wait.entries.len().div_ceil(BITS);
        // Without a place in the lists nobody marks: all must be looked at next time.
        wait.is_marked = !wait.enlisted;
        for word in 0..words {
            let mut left = self.threads[thread].wait.marks[word];
            let mut kept = left;
            while left != 0 {
                let bit = left.trailing_zeros() as usize;
                left &= left - 1;
                let item = word * BITS + bit;
                let entry = self.threads[thread].wait.entries[item];
                let observed = self.observe(entry)?;
                if (observed - Signals::DOORBELL).is_empty() {
                    kept &= !(1 << bit);
                }
                if observed.contains(Signals::INTERRUPT) {
                    self.note_reported(thread, item, entry);
                }
                if !observed.is_empty() {
                    self.tell(thread, &mut seen, item as u64, observed)?;
                }
            }
            let wait = &mut self.threads[thread].wait;
            if wait.enlisted {
                wait.marks[word] = kept;
                wait.is_marked |= kept != 0;
            }
        }
        Ok(seen)
    }

    /// A thread is told of an interrupt.
    #[inline]
    fn note_reported(&mut self, thread: Key<Thread>, item: usize, entry: Entry) {
        if let ObjectRef::Interrupt(line) = entry.object {
            let firing = self.interrupts[line].firing(line);
            self.threads[thread].wait.reported = entry.reported(item as u16, firing);
        }
    }

    /// What an item has of what it wants.
    #[inline]
    fn observe(&mut self, entry: Entry) -> Result<Signals, Error> {
        let Entry { object, wanted, .. } = entry;
        let signals = match object {
            ObjectRef::Interrupt(key) => {
                let interrupt = self.interrupts.get(key).ok_or(Error::BadHandle)?;
                if interrupt.pending() {
                    Signals::INTERRUPT
                } else {
                    Signals::empty()
                }
            }
            ObjectRef::Channel(key, side) => {
                let channel = self.channels.get_mut(key).ok_or(Error::BadHandle)?;
                let signals = channel.signals(side);
                if (signals & wanted).contains(Signals::DOORBELL) {
                    channel.quiet(side);
                }
                signals
            }
            other => self.signals(other).ok_or(Error::BadHandle)?,
        };
        Ok(signals & wanted)
    }

    /// Adds an item to what was seen. The first is told by registers, until there is a second.
    #[inline]
    fn tell(
        &self,
        thread: Key<Thread>,
        seen: &mut Seen,
        item: u64,
        observed: Signals,
    ) -> Result<(), Error> {
        if seen.count == 0 {
            seen.first = item | u64::from(observed.bits()) << 32;
        } else {
            if seen.count == 1 {
                let first = seen.first & u64::from(u32::MAX);
                self.write_observed(thread, first, (seen.first >> 32) as u32)?;
            }
            self.write_observed(thread, item, observed.bits())?;
        }
        seen.count += 1;
        Ok(())
    }

    fn write_observed(&self, thread: Key<Thread>, item: u64, bits: u32) -> Result<(), Error> {
        let object = &self.threads[thread];
        let offset = item * size_of::<WaitItem>() as u64 + offset_of!(WaitItem, observed) as u64;
        let field = object.wait.address.wrapping_add(offset);
        write_value(&self.processes[object.process].space, field, &bits)
    }

    #[inline]
    fn fall_asleep(&mut self, cpu: usize, thread: Key<Thread>, deadline: u64) {
        if !self.threads[thread].wait.enlisted {
            self.enlist(thread);
        }
        let object = &mut self.threads[thread];
        object.state = State::Waiting;
        object.wait.asleep = true;
        object.wait.timed_out = false;
        if object.wait.noted != deadline {
            self.note_deadline(cpu, thread, deadline);
        }
    }

    /// Puts the items into the lists of their objects. All were looked at just now and have nothing.
    fn enlist(&mut self, thread: Key<Thread>) {
        for place in 0..self.threads[thread].wait.entries.len() {
            let Entry { object, wanted, .. } = self.threads[thread].wait.entries[place];
            if let Some(waiters) = self.waiters(object) {
                waiters.add(Waiter {
                    thread,
                    item: place as u16,
                    wanted,
                });
            }
        }
        let wait = &mut self.threads[thread].wait;
        wait.enlisted = true;
        wait.marks.fill(0);
        wait.is_marked = false;
    }
}
