//! The objects, and the one structure that holds them all.
//!
//! *Owns* [`Kernel`]: every table of the system. Objects name each other by [`Key`]; how long they
//! live is decided by counts of references that handles, mappings and queues hold, kept by
//! [`Kernel::retain`] and [`Kernel::release`]. All of it is plain data behind one lock (`sync`).

pub mod channel;
pub mod device;
pub mod handle;
pub mod interrupt;
pub mod memory;
pub mod process;
pub mod slab;
pub mod space;
pub mod thread;
pub mod waiters;

use crate::arch::Gic;
use crate::mm::frame::Frames;
use crate::mm::heap;
use crate::sched::Scheduler;
use abi::{Error, ObjectKind, Signals};
use alloc::vec::Vec;
use channel::{Channel, Side};
use device::Device;
use interrupt::Interrupt;
use memory::Memory;
use process::Process;
use slab::{Key, Slab};
use thread::Thread;
use waiters::Waiters;

/// Names an object that a handle can stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectRef {
    /// An address space with handles and threads.
    Process(Key<Process>),
    /// A flow of execution.
    Thread(Key<Thread>),
    /// One end of a channel.
    Channel(Key<Channel>, Side),
    /// Frames.
    Memory(Key<Memory>),
    /// A line.
    Interrupt(Key<Interrupt>),
    /// Registers, the debug console, the machine.
    Device(Key<Device>),
}

impl ObjectRef {
    /// What kind it is, for programs.
    pub const fn kind(self) -> ObjectKind {
        match self {
            Self::Process(_) => ObjectKind::Process,
            Self::Thread(_) => ObjectKind::Thread,
            Self::Channel(..) => ObjectKind::Channel,
            Self::Memory(_) => ObjectKind::Memory,
            Self::Interrupt(_) => ObjectKind::Interrupt,
            Self::Device(_) => ObjectKind::Device,
        }
    }
}

/// All that the kernel knows.
pub struct Kernel {
    /// RAM.
    pub frames: Frames,
    /// Processes.
    pub processes: Slab<Process>,
    /// Threads.
    pub threads: Slab<Thread>,
    /// Channels.
    pub channels: Slab<Channel>,
    /// Memory.
    pub memories: Slab<Memory>,
    /// Interrupt lines that have an object.
    pub interrupts: Slab<Interrupt>,
    /// Devices.
    pub devices: Slab<Device>,
    /// The object of each line.
    lines: Vec<Option<Key<Interrupt>>>,
    /// Interrupt controller.
    pub gic: Option<Gic>,
    /// Who runs where.
    pub sched: Scheduler,
    /// `init`: without it the machine has no purpose.
    pub first_process: Option<Key<Process>>,
}

impl Kernel {
    /// An empty system.
    pub const fn new() -> Self {
        Self {
            frames: Frames::new(),
            processes: Slab::new(),
            threads: Slab::new(),
            channels: Slab::new(),
            memories: Slab::new(),
            interrupts: Slab::new(),
            devices: Slab::new(),
            lines: Vec::new(),
            gic: None,
            sched: Scheduler::new(),
            first_process: None,
        }
    }

    /// Whether an operation that needs about `bytes` of kernel heap may begin.
    pub fn admit(&self, bytes: usize) -> Result<(), Error> {
        if heap::has_room(bytes, self.frames.runs()) {
            Ok(())
        } else {
            Err(Error::NoMemory)
        }
    }

    /// One more handle stands for the object.
    pub fn retain(&mut self, object: ObjectRef) {
        match object {
            ObjectRef::Process(key) => self.retain_process(key),
            ObjectRef::Thread(key) => self.threads[key].references += 1,
            ObjectRef::Channel(key, side) => self.retain_channel(key, side),
            ObjectRef::Memory(key) => self.retain_memory(key),
            ObjectRef::Interrupt(key) => self.retain_interrupt(key),
            ObjectRef::Device(_) => {}
        }
    }

    /// One handle less stands for the object.
    pub fn release(&mut self, object: ObjectRef) {
        match object {
            ObjectRef::Process(key) => self.release_process(key),
            ObjectRef::Thread(key) => self.release_thread(key),
            ObjectRef::Channel(key, side) => self.release_channel(key, side),
            ObjectRef::Memory(key) => self.release_memory(key),
            ObjectRef::Interrupt(key) => self.release_interrupt(key),
            ObjectRef::Device(_) => {}
        }
    }

    /// The conditions of an object; `None` if it is gone.
    #[inline]
    pub fn signals(&self, object: ObjectRef) -> Option<Signals> {
        let level = |on: bool, signal: Signals| if on { signal } else { Signals::empty() };
        Some(match object {
            ObjectRef::Channel(key, side) => self.channels.get(key)?.signals(side),
            ObjectRef::Interrupt(key) => {
                level(self.interrupts.get(key)?.pending(), Signals::INTERRUPT)
            }
            ObjectRef::Process(key) => level(self.processes.get(key)?.is_over(), Signals::EXITED),
            ObjectRef::Thread(key) => level(self.threads.get(key)?.is_over(), Signals::EXITED),
            ObjectRef::Memory(_) | ObjectRef::Device(_) => Signals::empty(),
        })
    }

    /// Tells whoever waits for a condition that the object now has.
    #[inline]
    pub fn raise(&mut self, object: ObjectRef) {
        let Some(signals) = self.signals(object) else {
            return;
        };
        let mut place = 0;
        while let Some(waiter) = self.waiters(object).and_then(|waiters| waiters.at(place)) {
            if waiter.wanted.intersects(signals) {
                self.notify(waiter);
            }
            place += 1;
        }
    }

    /// Tells whoever waits for an object that is about to go; they find it gone.
    pub fn abandon_waiters(&mut self, object: ObjectRef) {
        while let Some(waiter) = self.waiters(object).and_then(|waiters| waiters.at(0)) {
            if let Some(waiters) = self.waiters(object) {
                waiters.remove(waiter.thread, waiter.item);
            }
            self.notify(waiter);
        }
    }

    /// Who sleeps for an object; `None` if it is gone or has no signals.
    #[inline]
    pub fn waiters(&mut self, object: ObjectRef) -> Option<&mut Waiters> {
        match object {
            ObjectRef::Channel(key, side) => {
                Some(&mut self.channels.get_mut(key)?.end_mut(side).waiters)
            }
            ObjectRef::Interrupt(key) => Some(&mut self.interrupts.get_mut(key)?.waiters),
            ObjectRef::Process(key) => Some(&mut self.processes.get_mut(key)?.waiters),
            ObjectRef::Thread(key) => Some(&mut self.threads.get_mut(key)?.waiters),
            ObjectRef::Memory(_) | ObjectRef::Device(_) => None,
        }
    }
}
