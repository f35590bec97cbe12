//! The kernel on the simulated machine: system calls by register, invariants, random programs.

mod addresses;
mod direct;
mod fuzz;
mod images;
mod tree;
mod waits;

use crate::arch::{Gic, RAM};
use crate::mm::PAGE;
use crate::object::process::Process;
use crate::object::slab::Key;
use crate::object::space::Target;
use crate::object::thread::Thread;
use crate::object::{Kernel, ObjectRef};
use crate::syscall::{self, Caller};
use abi::{Error, Protection, Signals, Syscall, WaitItem};

/// A system without programs.
fn kernel() -> Kernel {
    let mut kernel = Kernel::new();
    kernel.frames.add(0x1_0000, RAM as u64);
    kernel.gic = Some(Gic::default());
    kernel.cpu_online(0);
    kernel
}

/// A program with one thread and a page of memory at the returned address.
fn program(kernel: &mut Kernel, limit: u64) -> (Key<Process>, Key<Thread>, u64) {
    let process = kernel
        .create_process(None, *b"test\0\0\0\0\0\0\0\0\0\0\0\0", limit)
        .unwrap();
    kernel.retain_process(process);
    let memory = kernel.create_memory(process, PAGE, false).unwrap();
    let target = Target {
        object: ObjectRef::Memory(memory),
        offset: 0,
        bytes: PAGE,
        protection: Protection::READ | Protection::WRITE,
        place: None,
    };
    let address = kernel.map_object(process, &target).unwrap();
    kernel.release_memory(memory);
    let thread = kernel.create_first_thread(process, 7).unwrap();
    kernel.start_process(process, thread, [0, 0]);
    kernel.choose(0);
    (process, thread, address as u64)
}

/// Lets the running thread make a call; `None`: it sleeps or is gone.
fn call(kernel: &mut Kernel, number: u64, arguments: &[u64]) -> Option<Result<(u64, u64), i64>> {
    let thread = kernel.sched.cpus[0].current.expect("a thread runs");
    let caller = Caller {
        cpu: 0,
        thread,
        process: kernel.threads[thread].process,
    };
    let mut numbers = [0; 6];
    numbers[..arguments.len()].copy_from_slice(arguments);
    syscall::perform(kernel, caller, number, numbers);
    if kernel.sched.cpus[0].current != Some(thread) {
        return None;
    }
    let registers = &kernel.threads[thread].context.x;
    let code = registers[0].cast_signed();
    Some(if code == 0 {
        Ok((registers[1], registers[2]))
    } else {
        Err(-code)
    })
}

/// A call that must be answered at once.
fn ask(kernel: &mut Kernel, number: Syscall, arguments: &[u64]) -> Result<(u64, u64), Error> {
    call(kernel, number as u64, arguments)
        .expect("an answer at once")
        .map_err(|code| Error::from_code(code).expect("a known error"))
}

/// Line 40 fires.
fn fire(kernel: &mut Kernel) {
    kernel.gic.as_mut().expect("a controller").raised = Some(40);
    kernel.take_interrupt(0);
}

/// Everything given back after the last program has ended.
fn assert_empty(kernel: &Kernel, frames: usize) {
    assert_eq!(kernel.processes.len(), 0);
    assert_eq!(kernel.threads.len(), 0);
    assert_eq!(kernel.channels.len(), 0);
    assert_eq!(kernel.memories.len(), 0);
    assert_eq!(kernel.frames.free(), frames);
    assert_eq!(kernel.frames.runs(), 0);
}

/// Ends a program from outside.
fn end(kernel: &mut Kernel, process: Key<Process>) {
    kernel.end_process(process, abi::ProcessState::Killed, 0, None);
    kernel.release_process(process);
    kernel.choose(0);
}

#[test]
fn a_program_that_ends_gives_everything_back() {
    let mut kernel = kernel();
    let frames = kernel.frames.free();
    let (process, _, address) = program(&mut kernel, u64::MAX);
    let (one, two) = ask(&mut kernel, Syscall::ChannelCreate, &[3 * 4096]).unwrap();
    ask(&mut kernel, Syscall::ChannelMap, &[one]).unwrap();
    let (memory, _) = ask(&mut kernel, Syscall::MemoryCreate, &[5 * 4096]).unwrap();
    ask(&mut kernel, Syscall::MemoryMap, &[memory, 4096, 4096, 1]).unwrap();
    ask(&mut kernel, Syscall::ChannelSendHandle, &[two, memory, 9]).unwrap();
    ask(
        &mut kernel,
        Syscall::ThreadCreate,
        &[address, address + 64, 0, 0],
    )
    .unwrap();
    end(&mut kernel, process);
    assert_empty(&kernel, frames);
}

#[test]
fn a_sleeper_wakes_with_what_happened() {
    let mut kernel = kernel();
    let (process, thread, address) = program(&mut kernel, u64::MAX);
    let (one, two) = ask(&mut kernel, Syscall::ChannelCreate, &[4096]).unwrap();
    let item = WaitItem::new(abi::Handle(one as u32), Signals::all());
    let space = &kernel.processes[process].space;
    crate::mm::user::write_value(space, address, &item).unwrap();
    let wait = [address, 1, abi::DEADLINE_NEVER];
    assert_eq!(call(&mut kernel, Syscall::Wait as u64, &wait), None);
    assert!(kernel.choose(0).is_none());

    let entry = kernel.processes[process]
        .handles
        .get(abi::Handle(two as u32))
        .unwrap();
    let ObjectRef::Channel(channel, side) = entry.object else {
        panic!("a channel");
    };
    kernel.ring(channel, side).unwrap();
    assert!(kernel.choose(0).is_some());
    assert_eq!(kernel.sched.cpus[0].current, Some(thread));
    // One item, the first one.
    let doorbell = u64::from(Signals::DOORBELL.bits()) << 32;
    assert_eq!(kernel.threads[thread].context.x[..3], [0, 1, doorbell]);
    // Told once.
    assert_eq!(
        ask(&mut kernel, Syscall::Wait, &[address, 1, 0]),
        Err(Error::TimedOut)
    );
}

#[test]
fn deadlines_fire_in_order() {
    let mut kernel = kernel();
    let (process, first, address) = program(&mut kernel, u64::MAX);
    let mut threads = vec![first];
    for _ in 0..9 {
        ask(
            &mut kernel,
            Syscall::ThreadCreate,
            &[address, address + 64, 0, 7],
        )
        .unwrap();
        threads.push(*kernel.processes[process].threads.last().unwrap());
    }
    let mut deadlines = Vec::new();
    for place in [7, 3, 9, 1, 5, 0, 8, 2, 6, 4] {
        let at = 1_000_000 + place * 1000;
        let running = kernel.sched.cpus[0].current.unwrap();
        deadlines.push((at, running));
        assert_eq!(call(&mut kernel, Syscall::Wait as u64, &[0, 0, at]), None);
        kernel.choose(0);
    }
    deadlines.sort_by_key(|&(at, _)| at);
    for (at, thread) in deadlines {
        kernel.expire(0, at - 1);
        assert!(kernel.sched.cpus[0].current.is_none());
        kernel.expire(0, at);
        kernel.choose(0);
        assert_eq!(kernel.sched.cpus[0].current, Some(thread));
        let timed_out = Error::TimedOut.register();
        assert_eq!(kernel.threads[thread].context.x[0], timed_out);
        assert_eq!(
            call(&mut kernel, Syscall::Wait as u64, &[0, 0, u64::MAX]),
            None
        );
        kernel.choose(0);
    }
}

#[test]
fn an_interrupt_is_masked_until_it_is_acknowledged() {
    let mut kernel = kernel();
    let (process, _, _) = program(&mut kernel, u64::MAX);
    let line = kernel.create_interrupt(40, true).unwrap();
    let open = |kernel: &Kernel| kernel.gic.as_ref().unwrap().open.contains(&40);
    assert!(!open(&kernel));
    kernel.acknowledge(line);
    assert!(open(&kernel));
    fire(&mut kernel);
    assert!(!open(&kernel));
    assert_eq!(
        kernel.signals(ObjectRef::Interrupt(line)),
        Some(Signals::INTERRUPT)
    );
    kernel.acknowledge(line);
    assert!(open(&kernel));
    let entry = crate::object::handle::Entry {
        object: ObjectRef::Interrupt(line),
        rights: abi::Rights::SIGNAL,
    };
    kernel.processes[process].handles.insert(entry).unwrap();
    end(&mut kernel, process);
    assert!(!open(&kernel));
}

#[test]
fn a_fault_ends_the_program_with_a_record() {
    let mut kernel = kernel();
    let (process, thread, _) = program(&mut kernel, u64::MAX);
    kernel.threads[thread].context.pc = 0x1234;
    kernel.threads[thread].context.x[7] = 77;
    let data_abort = 0x24 << 26;
    crate::fault::handle(&mut kernel, 0, thread, data_abort, 0x10);
    assert!(kernel.choose(0).is_none());
    assert_eq!(
        kernel.signals(ObjectRef::Process(process)),
        Some(Signals::EXITED)
    );
    let info = kernel.process_info(process);
    assert_eq!(info.state, abi::ProcessState::Faulted as u32);
    assert_eq!(info.fault.kind, abi::FAULT_KIND_ABORT);
    assert_eq!((info.fault.pc, info.fault.address), (0x1234, 0x10));
    assert_eq!(info.fault.registers[7], 77);
    kernel.release_process(process);
    assert_eq!(kernel.processes.len(), 0);
}

#[test]
fn limits_count_for_ancestors_too() {
    let mut kernel = kernel();
    let limit = 64 * 4096;
    let (parent, _, _) = program(&mut kernel, limit);
    let child = kernel
        .create_process(Some(parent), [0; 16], u64::MAX)
        .unwrap();
    kernel.retain_process(child);
    let taken = kernel.process_info(parent).memory;
    assert!(kernel.create_memory(child, 64 * 4096, false).is_err());
    let memory = kernel.create_memory(child, 32 * 4096, false).unwrap();
    assert_eq!(kernel.process_info(parent).memory, taken);
    assert!(kernel.create_memory(parent, 40 * 4096, false).is_err());
    kernel.release_memory(memory);
    let memory = kernel.create_memory(parent, 40 * 4096, false).unwrap();
    kernel.release_memory(memory);
    kernel.release_process(child);
    end(&mut kernel, parent);
    assert_eq!(kernel.processes.len(), 0);
}
