//! The entries: system call, interrupt, fault.
//!
//! Each takes the lock, does what is asked, and ends in [`leave`], which says whose registers to go
//! on with, sleeping on the way if nobody can run.

use crate::arch::{self, Context, ContextPointer};
use crate::object::Kernel;
use crate::object::slab::Key;
use crate::object::thread::Thread;
use crate::sched::wait::direct::Led;
use crate::sync::{Guard, KERNEL};
use crate::syscall::{Arguments, Caller};
use crate::{fault, syscall};
use abi::{FAULT_KIND_KILLED, Syscall};
use core::ptr::NonNull;

/// The thread that runs on `cpu` executed `svc`, with that number in `x8`.
pub fn syscall(cpu: usize, number: u64, arguments: Arguments) -> NonNull<Context> {
    perform(KERNEL.lock(), cpu, number, arguments)
}

/// The same for a `Wait` that may be one of those that go directly.
pub fn wait(cpu: usize) -> NonNull<Context> {
    let mut kernel = KERNEL.lock();
    match kernel.wait_directly(cpu) {
        Some(Led::ToPeer(context)) => context.get(),
        Some(Led::ToIdleness) => idle(kernel, cpu),
        None => {
            let arguments = kernel.arguments(cpu);
            perform(kernel, cpu, Syscall::Wait as u64, arguments)
        }
    }
}

#[inline(never)]
fn perform(mut kernel: Guard, cpu: usize, number: u64, arguments: Arguments) -> NonNull<Context> {
    if let Some(caller) = running(&mut kernel, cpu) {
        syscall::perform(&mut kernel, caller, number, arguments);
    }
    leave(kernel, cpu)
}

/// An interrupt was taken while a thread ran on `cpu`.
pub fn interrupt(cpu: usize) -> NonNull<Context> {
    let mut kernel = KERNEL.lock();
    // Somebody runs: who goes on is chosen below.
    let _chosen = kernel.take_interrupt(cpu);
    running(&mut kernel, cpu);
    leave(kernel, cpu)
}

/// The thread that runs on `cpu` did something that the CPU refused.
pub fn fault(cpu: usize, syndrome: u64, address: u64) -> NonNull<Context> {
    let mut kernel = KERNEL.lock();
    if let Some(caller) = running(&mut kernel, cpu) {
        fault::handle(&mut kernel, cpu, caller.thread, syndrome, address);
    }
    leave(kernel, cpu)
}

/// Who runs on `cpu`, unless the process has ended while the thread ran: then that ends here.
#[inline]
fn running(kernel: &mut Kernel, cpu: usize) -> Option<Caller> {
    let (thread, process) = kernel.sched.cpus[cpu].running()?;
    if !kernel.take_doom(cpu) {
        return Some(Caller {
            cpu,
            thread,
            process,
        });
    }
    bury(kernel, cpu, thread);
    None
}

/// Ends a thread whose process has ended.
#[cold]
fn bury(kernel: &mut Kernel, cpu: usize, thread: Key<Thread>) {
    let process = kernel.threads[thread].process;
    let record = fault::record(kernel, thread, FAULT_KIND_KILLED, 0, 0);
    kernel.note_arrival(process, record);
    kernel.put_off(cpu);
    kernel.end_thread(thread);
    kernel.leave_when_possible(process);
}

/// Chooses who goes on; sleeps while nobody can.
#[inline]
pub fn leave(mut kernel: Guard, cpu: usize) -> NonNull<Context> {
    match kernel.choose(cpu) {
        Some(context) => context,
        None => idle(kernel, cpu),
    }
}

/// Sleeps until there is somebody to run.
fn idle(mut kernel: Guard, cpu: usize) -> NonNull<Context> {
    loop {
        drop(kernel);
        arch::idle();
        kernel = KERNEL.lock();
        kernel.end_idle(cpu);
        let chosen = kernel.take_interrupt(cpu).map(ContextPointer::get);
        if let Some(context) = chosen.or_else(|| kernel.choose(cpu)) {
            return context;
        }
    }
}
