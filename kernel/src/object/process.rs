//! Processes: an address space, handles, threads, a share of memory, and an end that is told.
//!
//! *Owns* creation, end and accounting. An end has two steps, because another CPU may still run a
//! thread of the process: at once its threads are stopped or doomed, its devices stopped and its
//! handles closed; its memory goes when the last CPU has left its address space, and only then
//! does the supervisor see `EXITED`.
//!
//! Memory is charged to a process and to all its living ancestors, each within its own limit, so a
//! program cannot get more by starting others.

use super::handle::{Entry, HandleTable};
use super::slab::Key;
use super::thread::{State, Thread};
use super::waiters::Waiters;
use super::{Kernel, ObjectRef};
use crate::mm::PAGE;
use crate::mm::space::{AddressSpace, STACK_TOP};
use crate::{arch, machine};
use abi::{Error, FAULT_KIND_NONE, FaultRecord, Handle, NAME_BYTES, ProcessInfo, ProcessState};
use alloc::vec::Vec;

/// Most processes, ended ones with handles included: one ASID of eight bits each.
pub const MAX_PROCESSES: usize = 255;
/// Most processes that one process other than the first may have created.
const MAX_CHILDREN: usize = 32;

/// The object.
pub struct Process {
    name: [u8; NAME_BYTES],
    state: ProcessState,
    code: i32,
    fault: FaultRecord,
    /// It has ended, and no CPU is in its address space.
    torn_down: bool,
    /// Handles to it.
    references: u32,
    parent: Option<Key<Self>>,
    /// Its memory.
    pub space: AddressSpace,
    /// Its handles.
    pub handles: HandleTable,
    /// Its threads that live.
    pub threads: Vec<Key<Thread>>,
    /// Where it begins.
    pub entry: u64,
    /// Most urgent priority that its threads may have.
    pub priority: u8,
    charged: u64,
    charged_tree: u64,
    limit: u64,
    /// Time on CPUs of threads that have ended.
    pub cpu_ticks: u64,
    /// Who sleeps for its end.
    pub waiters: Waiters,
}

impl Process {
    /// Whether it has ended completely.
    pub const fn is_over(&self) -> bool {
        self.torn_down
    }

    /// Whether it has begun to end.
    pub const fn is_ending(&self) -> bool {
        !matches!(self.state, ProcessState::New | ProcessState::Running)
    }

    /// Where it is in its life.
    pub const fn state(&self) -> ProcessState {
        self.state
    }

    /// Its name, for messages.
    pub fn name(&self) -> &str {
        let end = self.name.iter().position(|&byte| byte == 0);
        let name = &self.name[..end.unwrap_or(NAME_BYTES)];
        core::str::from_utf8(name).unwrap_or("?")
    }
}

impl Kernel {
    /// An empty process with a limit of memory. It has no handle to it and does not run.
    pub fn create_process(
        &mut self,
        parent: Option<Key<Process>>,
        name: [u8; NAME_BYTES],
        limit: u64,
    ) -> Result<Key<Process>, Error> {
        self.admit(4096)?;
        if self.processes.len() >= MAX_PROCESSES {
            return Err(Error::NoMemory);
        }
        if let Some(parent) = parent
            && self.processes[parent].parent.is_some()
            && self.children(parent).count() >= MAX_CHILDREN
        {
            return Err(Error::NoMemory);
        }
        let root = self.frames.allocate_zeroed().ok_or(Error::NoMemory)?;
        let process = self.processes.insert(Process {
            name,
            state: ProcessState::New,
            code: 0,
            fault: FaultRecord::default(),
            torn_down: false,
            references: 0,
            parent,
            space: AddressSpace::new(root),
            handles: HandleTable::new(),
            threads: Vec::new(),
            entry: 0,
            priority: 0,
            charged: 0,
            charged_tree: 0,
            limit,
            cpu_ticks: 0,
            waiters: Waiters::new(),
        });
        let Some(process) = process else {
            self.frames.release(root);
            return Err(Error::NoMemory);
        };
        // Places are below `MAX_PROCESSES`; address space 0 is nobody's.
        self.processes[process].space.asid = process.index() as u16 + 1;
        if let Err(error) = self.charge(process, PAGE as u64) {
            self.frames.release(root);
            self.processes.remove(process);
            return Err(error);
        }
        Ok(process)
    }

    /// One more handle.
    pub fn retain_process(&mut self, process: Key<Process>) {
        self.processes[process].references += 1;
    }

    /// One handle less. A process that was never started ends with its last handle; one that
    /// runs goes on.
    pub fn release_process(&mut self, process: Key<Process>) {
        let object = &mut self.processes[process];
        object.references -= 1;
        if object.references > 0 {
            return;
        }
        if object.state == ProcessState::New {
            self.end_process(process, ProcessState::Killed, 0, None);
        } else if object.torn_down {
            self.remove_process(process);
        }
    }

    /// The first thread of a loaded process, which then may not be more urgent than it.
    pub fn create_first_thread(
        &mut self,
        process: Key<Process>,
        priority: u8,
    ) -> Result<Key<Thread>, Error> {
        let entry = self.processes[process].entry;
        let thread = self.create_thread(process, entry, STACK_TOP as u64, priority)?;
        self.processes[process].priority = priority;
        Ok(thread)
    }

    /// Takes a handle away from a process that goes on: what its threads know by that number, they know
    /// no more.
    pub fn give_up(&mut self, process: Key<Process>, handle: Handle) -> Result<Entry, Error> {
        let object = &mut self.processes[process];
        let entry = object.handles.remove(handle)?;
        for &thread in &object.threads {
            self.threads[thread].wait.forget_handle(handle);
        }
        Ok(entry)
    }

    /// Lets a process begin with its first thread and these values in `x0` and `x1`.
    pub fn start_process(
        &mut self,
        process: Key<Process>,
        thread: Key<Thread>,
        arguments: [u64; 2],
    ) {
        self.processes[process].state = ProcessState::Running;
        self.threads[thread].context.x[..2].copy_from_slice(&arguments);
        self.wake(thread);
    }

    /// Ends a process. Its threads never return to it; the caller goes on to the scheduler. No
    /// effect on one that has ended.
    pub fn end_process(
        &mut self,
        process: Key<Process>,
        state: ProcessState,
        code: i32,
        fault: Option<FaultRecord>,
    ) {
        let object = &mut self.processes[process];
        if object.is_ending() {
            return;
        }
        object.state = state;
        object.code = code;
        object.fault = fault.unwrap_or_default();
        self.stop_devices(process);
        let mut place = 0;
        while let Some(&thread) = self.processes[process].threads.get(place) {
            let state = self.threads[thread].state;
            match state {
                State::Running(cpu) if !self.detach_if_mine(thread, cpu) => {
                    self.doom(cpu);
                    place += 1;
                }
                _ => self.end_thread(thread),
            }
        }
        while let Some(entry) = self.processes[process].handles.pop() {
            if let ObjectRef::Interrupt(interrupt) = entry.object {
                self.silence(interrupt);
            }
            self.release(entry.object);
        }
        self.leave_when_possible(process);
        self.tear_down(process);
        if self.first_process == Some(process) {
            log::error!("init has ended ({state:?}, code {code}): nothing is left to do");
            let failed = state != ProcessState::Exited;
            machine::power_off(if failed { machine::PANIC_CODE } else { code });
        }
    }

    /// A thread of a process that ended while it ran has arrived: it may tell where it was.
    pub fn note_arrival(&mut self, process: Key<Process>, record: FaultRecord) {
        let object = &mut self.processes[process];
        if object.state == ProcessState::Killed && object.fault.kind == FAULT_KIND_NONE {
            object.fault = record;
        }
    }

    /// Gives back the memory of an ended process as soon as no CPU is in it, and tells.
    pub fn tear_down(&mut self, process: Key<Process>) {
        let is_loaded = self.is_loaded(process);
        let Some(object) = self.processes.get_mut(process) else {
            return;
        };
        let busy = is_loaded || !object.threads.is_empty();
        if !object.is_ending() || object.torn_down || busy {
            return;
        }
        object.torn_down = true;
        object.handles = HandleTable::new();
        object.threads = Vec::new();
        arch::flush_address_space(object.space.asid);
        let mappings = core::mem::take(&mut object.space.mappings);
        for mapping in mappings {
            self.release(mapping.object);
        }
        let object = &mut self.processes[process];
        let tables = object.space.free_tables(&mut self.frames);
        self.refund(process, (tables * PAGE) as u64);
        self.raise(ObjectRef::Process(process));
        if self.processes[process].references == 0 {
            self.remove_process(process);
        }
    }

    /// Charges memory to a process and its ancestors.
    pub fn charge(&mut self, process: Key<Process>, bytes: u64) -> Result<(), Error> {
        if self.budget(process) < bytes {
            return Err(Error::NoMemory);
        }
        self.processes[process].charged += bytes;
        let mut next = Some(process);
        while let Some(key) = next {
            let object = &mut self.processes[key];
            object.charged_tree += bytes;
            next = object.parent;
        }
        Ok(())
    }

    /// Takes a charge back. The payer may be gone, and its charge with it.
    pub fn refund(&mut self, process: Key<Process>, bytes: u64) {
        let Some(object) = self.processes.get_mut(process) else {
            return;
        };
        object.charged = object.charged.saturating_sub(bytes);
        self.refund_tree(Some(process), bytes);
    }

    /// What may still be charged to a process.
    pub fn budget(&self, process: Key<Process>) -> u64 {
        let mut budget = u64::MAX;
        let mut next = Some(process);
        while let Some(key) = next {
            let object = &self.processes[key];
            budget = budget.min(object.limit.saturating_sub(object.charged_tree));
            next = object.parent;
        }
        budget
    }

    /// What `ProcessInfo` tells.
    pub fn process_info(&self, process: Key<Process>) -> ProcessInfo {
        let object = &self.processes[process];
        let spent = |&thread: &Key<Thread>| self.threads[thread].cpu_ticks;
        let living: u64 = object.threads.iter().map(spent).sum();
        let running = self.running_ticks(process);
        ProcessInfo {
            state: object.state as u32,
            code: object.code,
            name: object.name,
            memory: object.charged,
            memory_limit: object.limit,
            cpu_ticks: object.cpu_ticks + living + running,
            threads: object.threads.len() as u32,
            handles: object.handles.open(),
            fault: object.fault,
        }
    }

    /// Devices that write to memory by themselves must not do so to frames of the next owner.
    fn stop_devices(&mut self, process: Key<Process>) {
        let object = &self.processes[process];
        let held = object.handles.entries().map(|entry| entry.object);
        let mapped = object.space.mappings.iter().map(|mapping| mapping.object);
        for object in held.chain(mapped) {
            if let ObjectRef::Device(device) = object {
                self.devices[device].quiesce();
            }
        }
    }

    fn children(&self, parent: Key<Process>) -> impl Iterator<Item = Key<Process>> + '_ {
        self.processes
            .keys()
            .filter(move |&key| self.processes[key].parent == Some(parent))
    }

    /// Forgets an ended process. Its children go to its parent, its charges are forgiven.
    fn remove_process(&mut self, process: Key<Process>) {
        self.abandon_waiters(ObjectRef::Process(process));
        let Some(object) = self.processes.remove(process) else {
            return;
        };
        self.refund_tree(object.parent, object.charged);
        let orphans: Vec<Key<Process>> = self.children(process).collect();
        for orphan in orphans {
            self.processes[orphan].parent = object.parent;
        }
    }

    fn refund_tree(&mut self, first: Option<Key<Process>>, bytes: u64) {
        let mut next = first;
        while let Some(key) = next {
            let object = &mut self.processes[key];
            object.charged_tree = object.charged_tree.saturating_sub(bytes);
            next = object.parent;
        }
    }
}
