//! The exception table, entry and return.
//!
//! While a program runs, `SP_EL1` points to its thread's [`Context`]: an entry stores the registers
//! there without a scratch register, then takes the CPU's kernel stack. The kernel is a function
//! of the entry: what it returns is the context to go on with. Exceptions from EL1 are bugs:
//! interrupts stay masked in the kernel, and idle CPUs wait with them masked too.

use super::context::Context;
use super::cpu::Local;
use crate::entry;
use core::arch::global_asm;

global_asm!(
    r#"
    .macro vector handler
    .balign 0x80
    b       \handler
    .endm

    // Stores everything; leaves x0 = context, x1 = CPU, x4 = syndrome and the kernel stack in sp.
    .macro enter
    stp     x0, x1, [sp]
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x19, [sp, #144]
    stp     x20, x21, [sp, #160]
    stp     x22, x23, [sp, #176]
    stp     x24, x25, [sp, #192]
    stp     x26, x27, [sp, #208]
    stp     x28, x29, [sp, #224]
    mrs     x1, sp_el0
    mrs     x2, elr_el1
    mrs     x3, spsr_el1
    stp     x30, x1, [sp, #240]
    stp     x2, x3, [sp, #256]
    mov     x0, sp
    mrs     x1, tpidr_el1
    ldr     x2, [x1]
    mrs     x4, esr_el1
    mov     sp, x2
    .endm

    .section .text.vectors, "ax"
    .balign 2048
    .global exception_vectors
exception_vectors:
    vector  kernel_sp0
    vector  kernel_sp0
    vector  kernel_sp0
    vector  kernel_sp0
    vector  kernel_fault
    vector  kernel_fault
    vector  kernel_fault
    vector  kernel_fault
    vector  user_synchronous
    vector  user_interrupt
    vector  user_interrupt
    vector  user_error
    vector  user_error
    vector  user_error
    vector  user_error
    vector  user_error

user_synchronous:
    enter
    lsr     x5, x4, #26
    cmp     x5, #0x15
    b.ne    1f
    bl      on_syscall
    b       return_to_user
1:  mov     x2, x4
    mrs     x3, far_el1
    bl      on_fault
    b       return_to_user

user_interrupt:
    enter
    bl      on_interrupt
    b       return_to_user

user_error:
    enter
    mov     x2, x4
    mov     x3, xzr
    bl      on_fault

    .global return_to_user
return_to_user:
    mov     sp, x0
    ldr     x1, [sp, #248]
    ldp     x2, x3, [sp, #256]
    msr     sp_el0, x1
    msr     elr_el1, x2
    msr     spsr_el1, x3
    ldp     x2, x3, [sp, #16]
    ldp     x4, x5, [sp, #32]
    ldp     x6, x7, [sp, #48]
    ldp     x8, x9, [sp, #64]
    ldp     x10, x11, [sp, #80]
    ldp     x12, x13, [sp, #96]
    ldp     x14, x15, [sp, #112]
    ldp     x16, x17, [sp, #128]
    ldp     x18, x19, [sp, #144]
    ldp     x20, x21, [sp, #160]
    ldp     x22, x23, [sp, #176]
    ldp     x24, x25, [sp, #192]
    ldp     x26, x27, [sp, #208]
    ldp     x28, x29, [sp, #224]
    ldr     x30, [sp, #240]
    ldp     x0, x1, [sp]
    eret

    // A bug. The stack may be what is broken: take the emergency one.
kernel_sp0:
kernel_fault:
    msr     tpidrro_el0, x0
    mrs     x0, tpidr_el1
    ldr     x0, [x0, #8]
    mov     sp, x0
    mrs     x0, esr_el1
    mrs     x1, elr_el1
    mrs     x2, far_el1
    mov     x3, x30
    bl      on_kernel_fault

    // The first thread of a CPU: x0 = context.
    .global leave_kernel
leave_kernel:
    b       return_to_user
"#
);

unsafe extern "C" {
    /// Goes to a thread from a CPU's start-up, for ever.
    pub fn leave_kernel(context: *const Context) -> !;
}

/// A system call. `Null` is answered here: it has no effect but to be counted.
#[unsafe(no_mangle)]
extern "C" fn on_syscall(context: *mut Context, local: &Local) -> *const Context {
    local.count_syscall();
    // SAFETY: `enter` stored the running thread's registers there and nobody else uses them.
    let registers = unsafe { &mut (*context).x };
    if registers[8] == abi::Syscall::Null as u64 {
        registers[0] = 0;
        return context;
    }
    let [a, b, c, d, e, f, ..] = *registers;
    let number = registers[8];
    if number == abi::Syscall::Wait as u64 && e & abi::WaitFlags::SAME_ITEMS.bits() != 0 {
        return entry::wait(local.cpu()).as_ptr();
    }
    entry::syscall(local.cpu(), number, [a, b, c, d, e, f]).as_ptr()
}

/// An interrupt.
#[unsafe(no_mangle)]
extern "C" fn on_interrupt(_context: *mut Context, local: &Local) -> *const Context {
    entry::interrupt(local.cpu()).as_ptr()
}

/// Any other exception of a program.
#[unsafe(no_mangle)]
extern "C" fn on_fault(
    _context: *mut Context,
    local: &Local,
    syndrome: u64,
    address: u64,
) -> *const Context {
    entry::fault(local.cpu(), syndrome, address).as_ptr()
}

/// An exception of the kernel itself.
#[unsafe(no_mangle)]
extern "C" fn on_kernel_fault(syndrome: u64, pc: u64, address: u64, link: u64) -> ! {
    panic!("kernel fault: esr {syndrome:#x} pc {pc:#x} far {address:#x} lr {link:#x}");
}
