//! System calls, as bare as they are: tests must be able to make every mistake.

use abi::{BootInfo, Error, Syscall};
use core::arch::{asm, global_asm};

global_asm!(
    r#"
    .section .text._start, "ax"
    .global _start
_start:
    mov     x29, xzr
    mov     x30, xzr
    bl      begin
    .global thread_start
thread_start:                           // x0 = function
    blr     x0
    mov     x8, #21
    svc     #0
"#
);

unsafe extern "C" {
    fn thread_start();
}

/// Results of a call.
pub type Answer = Result<(u64, u64), Error>;

/// Makes a call by number.
pub fn raw(number: u64, arguments: [u64; 6]) -> Answer {
    let code: i64;
    let (first, second): (u64, u64);
    // SAFETY: the kernel changes x0 to x2 and the memory that arguments point to; callers pass
    // pointers to memory of their own, or ones that the kernel must refuse.
    unsafe {
        asm!(
            "svc #0",
            in("x8") number,
            inlateout("x0") arguments[0] => code,
            inlateout("x1") arguments[1] => first,
            inlateout("x2") arguments[2] => second,
            in("x3") arguments[3],
            in("x4") arguments[4],
            in("x5") arguments[5],
            options(nostack),
        );
    }
    if code == 0 {
        Ok((first, second))
    } else {
        Err(Error::from_code(-code).unwrap_or(Error::NotSupported))
    }
}

/// Makes a call.
pub fn call<const N: usize>(call: Syscall, arguments: [u64; N]) -> Answer {
    let mut all = [0; 6];
    all[..N].copy_from_slice(&arguments);
    raw(call as u64, all)
}

/// Address of something.
pub fn at<T: ?Sized>(value: &T) -> u64 {
    (&raw const *value).cast::<u8>() as u64
}

/// Address of something that the kernel writes to.
pub fn at_mut<T: ?Sized>(value: &mut T) -> u64 {
    (&raw mut *value).cast::<u8>() as u64
}

/// Bytes of a name.
pub fn text(value: &str) -> [u64; 2] {
    [at(value), value.len() as u64]
}

/// Where a thread begins that runs `function`, which is its argument.
pub fn thread_entry() -> u64 {
    thread_start as *const () as u64
}

/// Ticks of the system counter.
pub fn now() -> u64 {
    let ticks: u64;
    // SAFETY: reads the counter.
    unsafe { asm!("isb", "mrs {0}, cntvct_el0", out(reg) ticks, options(nostack)) };
    ticks
}

/// Ticks in that many milliseconds.
pub fn milliseconds(count: u64) -> u64 {
    let frequency: u64;
    // SAFETY: reads a constant.
    unsafe { asm!("mrs {0}, cntfrq_el0", out(reg) frequency, options(nomem, nostack)) };
    frequency / 1000 * count
}

/// Ends this process.
pub fn exit(code: i32) -> ! {
    loop {
        // It does not return.
        let _never = call(Syscall::ProcessExit, [code as u32 as u64]);
    }
}

/// Reads a word.
pub fn peek(address: u64) -> u64 {
    // SAFETY: reads from memory of this program, or faults, which is what the test wants.
    unsafe { core::ptr::with_exposed_provenance::<u64>(address as usize).read_volatile() }
}

/// Reads half a word, as registers want it.
pub fn peek_half(address: u64) -> u32 {
    // SAFETY: as in `peek`.
    unsafe { core::ptr::with_exposed_provenance::<u32>(address as usize).read_volatile() }
}

/// Writes a word.
pub fn poke(address: u64, value: u64) {
    let place = core::ptr::with_exposed_provenance_mut::<u64>(address as usize);
    // SAFETY: writes to a mapping of this program, or faults, which is what the test wants.
    unsafe { place.write_volatile(value) }
}

/// Writes half a word, as registers want it.
pub fn poke_half(address: u64, value: u32) {
    let place = core::ptr::with_exposed_provenance_mut::<u32>(address as usize);
    // SAFETY: as in `poke`.
    unsafe { place.write_volatile(value) }
}

/// Runs the code at an address.
pub fn jump(address: u64) -> u64 {
    let result: u64;
    // SAFETY: the code there returns, or the jump faults, which is what the test wants.
    unsafe {
        asm!("blr {0}", in(reg) address, lateout("x0") result, clobber_abi("C"));
    }
    result
}

/// The page that the first process is given.
pub fn boot_info(address: u64) -> &'static BootInfo {
    // SAFETY: the kernel maps a `BootInfo` there, read-only, for ever.
    unsafe { &*core::ptr::with_exposed_provenance(address as usize) }
}
