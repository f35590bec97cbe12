//! What each CPU has of its own, and the registers that a switch of threads changes.

use super::context::Context;
use super::vectors::leave_kernel;
use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{
    CPACR_EL1, DAIF, ID_AA64ISAR0_EL1, ID_AA64MMFR1_EL1, MDSCR_EL1, MPIDR_EL1, ReadWriteable,
    Readable, SCTLR_EL1, TPIDR_EL0, TPIDR_EL1, TTBR0_EL1, VBAR_EL1, Writeable,
};
use core::arch::asm;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a kernel stack, and of the guard page below it (`kernel.ld`).
const STACK: usize = 32768;
const GUARD: usize = 4096;
const EMERGENCY_STACK: usize = 4096;

/// Data of one CPU; `TPIDR_EL1` points to it.
#[repr(C, align(64))]
pub struct Local {
    /// `vectors` takes it at each entry.
    stack_top: AtomicU64,
    /// For the last words of a kernel whose stack is broken.
    emergency_top: AtomicU64,
    cpu: usize,
    syscalls: AtomicU64,
}

impl Local {
    const fn new(cpu: usize) -> Self {
        Self {
            stack_top: AtomicU64::new(0),
            emergency_top: AtomicU64::new(0),
            cpu,
            syscalls: AtomicU64::new(0),
        }
    }

    /// The CPU's number.
    pub const fn cpu(&self) -> usize {
        self.cpu
    }

    /// One more entry by `svc`. Only its own CPU writes the counter, so it needs no exclusive
    /// access.
    #[inline]
    pub fn count_syscall(&self) {
        let count = self.syscalls.load(Ordering::Relaxed);
        self.syscalls
            .store(count.wrapping_add(1), Ordering::Relaxed);
    }

    /// System calls on this CPU.
    pub fn syscalls(&self) -> u64 {
        self.syscalls.load(Ordering::Relaxed)
    }
}

static LOCALS: [Local; abi::MAX_CPUS] = [
    Local::new(0),
    Local::new(1),
    Local::new(2),
    Local::new(3),
    Local::new(4),
    Local::new(5),
    Local::new(6),
    Local::new(7),
];

#[repr(C, align(16))]
struct EmergencyStacks([[u8; EMERGENCY_STACK]; abi::MAX_CPUS]);
static mut EMERGENCY: EmergencyStacks = EmergencyStacks([[0; EMERGENCY_STACK]; abi::MAX_CPUS]);

unsafe extern "C" {
    static exception_vectors: u8;
    static stacks_start: u8;
}

/// Data of a CPU by number.
pub fn local(cpu: usize) -> &'static Local {
    &LOCALS[cpu]
}

/// System calls on all CPUs since boot.
pub fn syscalls() -> u64 {
    LOCALS.iter().map(Local::syscalls).sum()
}

/// A number of the CPU's own entropy source, where it has one that delivers.
pub fn random() -> Option<u64> {
    if ID_AA64ISAR0_EL1.read(ID_AA64ISAR0_EL1::RNDR) == 0 {
        return None;
    }
    let (value, status): (u64, u64);
    // SAFETY: reads RNDR, which the CPU has; NZCV says 0b0100 when there was nothing.
    unsafe { asm!("mrs {0}, s3_3_c2_c4_0", "cset {1}, ne", out(reg) value, out(reg) status) };
    (status == 1).then_some(value)
}

/// The number of this CPU.
#[inline]
pub fn this_cpu() -> usize {
    let local = TPIDR_EL1.get() as *const Local;
    // SAFETY: `init_cpu` set it to an element of `LOCALS`.
    unsafe { (*local).cpu }
}

/// Affinity of this CPU as the interrupt controller and firmware name it.
pub fn affinity() -> u64 {
    MPIDR_EL1.get() & 0xff_00ff_ffff
}

/// Prepares this CPU: exception table, own data, PAN, no FP in EL0 until it is asked for.
pub fn init_cpu(cpu: usize) {
    let local = local(cpu);
    let stacks = &raw const stacks_start as u64;
    local.stack_top.store(
        stacks + ((GUARD + STACK) * (cpu + 1)) as u64,
        Ordering::Relaxed,
    );
    let emergency = &raw const EMERGENCY as u64;
    local.emergency_top.store(
        emergency + (EMERGENCY_STACK * (cpu + 1)) as u64,
        Ordering::Relaxed,
    );
    TPIDR_EL1.set(&raw const *local as u64);
    VBAR_EL1.set(&raw const exception_vectors as u64);
    MDSCR_EL1.set(0);
    CPACR_EL1.write(CPACR_EL1::FPEN::TrapEl0El1);
    // Writable memory is never executable, whatever a table says.
    SCTLR_EL1.modify(SCTLR_EL1::WXN::Enable);
    barrier::isb(barrier::SY);
    if ID_AA64MMFR1_EL1.read(ID_AA64MMFR1_EL1::PAN) != 0 {
        // SAFETY: `msr pan, #1`; the kernel never uses user addresses.
        unsafe { asm!(".inst 0xd500419f", options(nomem, nostack)) };
    }
}

/// Lets the CPU sleep until an interrupt is pending. Interrupts are masked: the caller asks the
/// interrupt controller what happened.
pub fn idle() {
    barrier::dsb(barrier::SY);
    aarch64_cpu::asm::wfi();
}

/// Nothing more, for ever.
pub fn halt() -> ! {
    DAIF.set(0x3c0);
    loop {
        aarch64_cpu::asm::wfi();
    }
}

/// Returns to a thread from a CPU's start-up.
pub fn enter_thread(context: NonNull<Context>) -> ! {
    // SAFETY: the scheduler chose a thread, its registers are complete and its address space is
    // loaded.
    unsafe { leave_kernel(context.as_ptr()) }
}

/// Makes the lower half that of an address space. The kernel uses no address of it, and the return
/// to EL0 synchronises, so no barrier is needed.
#[inline]
pub fn load_address_space(root: u64, asid: u16) {
    TTBR0_EL1.set(root | (u64::from(asid) << 48));
}

/// `TPIDR_EL0`.
#[inline]
pub fn thread_pointer() -> u64 {
    TPIDR_EL0.get()
}

/// Sets `TPIDR_EL0`.
#[inline]
pub fn set_thread_pointer(value: u64) {
    TPIDR_EL0.set(value);
}

/// EL0 may use FP and SIMD registers, and the kernel save and load them from the next instruction on.
#[inline]
pub fn enable_fp() {
    CPACR_EL1.write(CPACR_EL1::FPEN::TrapNothing);
    barrier::isb(barrier::SY);
}

/// The next use of FP or SIMD in EL0 traps.
#[inline]
pub fn disable_fp() {
    CPACR_EL1.write(CPACR_EL1::FPEN::TrapEl0El1);
}

/// The same for each pair of the FP registers, `{q}` pointing to where the first one is kept.
macro_rules! each_pair {
    ($instruction:literal, $before:literal, $($operands:tt)*) => {
        asm!(
            ".arch_extension fp",
            ".arch_extension simd",
            $before,
            concat!($instruction, " q0, q1, [{q}]"),
            concat!($instruction, " q2, q3, [{q}, #32]"),
            concat!($instruction, " q4, q5, [{q}, #64]"),
            concat!($instruction, " q6, q7, [{q}, #96]"),
            concat!($instruction, " q8, q9, [{q}, #128]"),
            concat!($instruction, " q10, q11, [{q}, #160]"),
            concat!($instruction, " q12, q13, [{q}, #192]"),
            concat!($instruction, " q14, q15, [{q}, #224]"),
            concat!($instruction, " q16, q17, [{q}, #256]"),
            concat!($instruction, " q18, q19, [{q}, #288]"),
            concat!($instruction, " q20, q21, [{q}, #320]"),
            concat!($instruction, " q22, q23, [{q}, #352]"),
            concat!($instruction, " q24, q25, [{q}, #384]"),
            concat!($instruction, " q26, q27, [{q}, #416]"),
            concat!($instruction, " q28, q29, [{q}, #448]"),
            concat!($instruction, " q30, q31, [{q}, #480]"),
            ".arch_extension nosimd",
            ".arch_extension nofp",
            $($operands)*
        )
    };
}

/// Stores the FP registers. They must be enabled.
#[inline]
pub fn save_fp(context: &mut Context) {
    let [control, status] = &mut context.fp_control;
    // SAFETY: stores what the context has room for; the kernel itself uses no FP registers.
    unsafe {
        each_pair!(
            "stp",
            "mrs {control}, fpcr\nmrs {status}, fpsr",
            control = out(reg) *control,
            status = out(reg) *status,
            q = in(reg) context.q.as_mut_ptr(),
            options(nostack),
        );
    }
}

/// Loads the FP registers. They must be enabled.
#[inline]
pub fn restore_fp(context: &Context) {
    let [control, status] = context.fp_control;
    // SAFETY: loads registers that only programs use.
    unsafe {
        each_pair!(
            "ldp",
            "msr fpcr, {control}\nmsr fpsr, {status}",
            control = in(reg) control,
            status = in(reg) status,
            q = in(reg) context.q.as_ptr(),
            options(nostack, readonly),
        );
    }
}
