//! Barriers, invalidation and the memory functions that the compiler calls.
//!
//! The ones that come with the compiler copy byte by byte where alignment differs, which an
//! emulator makes ten times slower than pairs of registers; unaligned access is fine on all CPUs that
//! this runs on (normal memory, MMU on).

use crate::mm::Physical;
use aarch64_cpu::asm::barrier;
use core::arch::{asm, global_asm};
use core::ptr;

/// Where physical address zero appears.
pub const LINEAR_BASE: usize = 0xffff_ff80_0000_0000;

/// RAM, and the registers that the kernel drives, by physical address.
#[inline]
pub fn ram_pointer(address: Physical) -> *mut u8 {
    ptr::with_exposed_provenance_mut(LINEAR_BASE.wrapping_add(address as usize))
}

/// Makes changed translation tables visible to every CPU's walker.
#[inline]
pub fn table_barrier() {
    barrier::dsb(barrier::ISHST);
    barrier::isb(barrier::SY);
}

/// Forgets the translations of one page of an address space, on all CPUs.
pub fn flush_page(asid: u16, address: usize) {
    let operand = (u64::from(asid) << 48) | ((address as u64 >> 12) & 0xfff_ffff_ffff);
    // SAFETY: forgetting a translation only costs time.
    unsafe {
        asm!("dsb ishst", "tlbi vae1is, {0}", "dsb ish", "isb", in(reg) operand, options(nostack));
    }
}

/// Forgets all translations of an address space, on all CPUs.
pub fn flush_address_space(asid: u16) {
    let operand = u64::from(asid) << 48;
    // SAFETY: as above.
    unsafe {
        asm!("dsb ishst", "tlbi aside1is, {0}", "dsb ish", "isb", in(reg) operand, options(nostack));
    }
}

/// Makes code that was written through the data side visible to instruction fetches.
pub fn synchronise_instructions(start: *const u8, bytes: usize) {
    let line: u64;
    // SAFETY: reads an identification register.
    unsafe {
        asm!("mrs {0}, ctr_el0", out(reg) line, options(nomem, nostack));
    }
    let line = 4usize << ((line >> 16) & 0xf);
    let mut address = start as usize & !(line - 1);
    let end = (start as usize).saturating_add(bytes);
    while address < end {
        // SAFETY: cleaning a line of mapped memory changes no value.
        unsafe {
            asm!("dc cvau, {0}", in(reg) address, options(nostack));
        }
        address += line;
    }
    // SAFETY: emptying instruction caches only costs time.
    unsafe {
        asm!("dsb ish", "ic ialluis", "dsb ish", "isb", options(nostack));
    }
}

/// Clears memory a block at a time.
///
/// # Safety
/// `start` to `start + bytes` must be writable normal memory that nobody else uses; both are
/// multiples of a page.
pub unsafe fn clear(start: *mut u8, bytes: usize) {
    let size: u64;
    // SAFETY: reads an identification register.
    unsafe {
        asm!("mrs {0}, dczid_el0", out(reg) size, options(nomem, nostack));
    }
    if size & 0x10 != 0 {
        // SAFETY: the caller's promise.
        unsafe { start.write_bytes(0, bytes) };
        return;
    }
    let block = 4usize << (size & 0xf);
    let mut address = start as usize;
    let end = address + bytes;
    while address < end {
        // SAFETY: the caller's promise; a page is a multiple of the block.
        unsafe {
            asm!("dc zva, {0}", in(reg) address, options(nostack));
        }
        address += block;
    }
}

global_asm!(
    r#"
    .section .text.memory, "ax"
    .global memcpy
    .type memcpy, %function
memcpy:
    mov     x3, x0
    cmp     x2, #32
    b.lo    2f
1:  ldp     x4, x5, [x1]
    ldp     x6, x7, [x1, #16]
    add     x1, x1, #32
    stp     x4, x5, [x3]
    stp     x6, x7, [x3, #16]
    add     x3, x3, #32
    sub     x2, x2, #32
    cmp     x2, #32
    b.hs    1b
2:  tbz     x2, #4, 3f
    ldp     x4, x5, [x1], #16
    stp     x4, x5, [x3], #16
3:  tbz     x2, #3, 4f
    ldr     x4, [x1], #8
    str     x4, [x3], #8
4:  tbz     x2, #2, 5f
    ldr     w4, [x1], #4
    str     w4, [x3], #4
5:  tbz     x2, #1, 6f
    ldrh    w4, [x1], #2
    strh    w4, [x3], #2
6:  tbz     x2, #0, 7f
    ldrb    w4, [x1]
    strb    w4, [x3]
7:  ret

    .global memmove
    .type memmove, %function
memmove:
    sub     x3, x0, x1
    cmp     x3, x2                      // destination inside the source: backwards
    b.hs    memcpy
    add     x1, x1, x2
    add     x3, x0, x2
1:  cmp     x2, #16
    b.lo    2f
    ldp     x4, x5, [x1, #-16]!
    stp     x4, x5, [x3, #-16]!
    sub     x2, x2, #16
    b       1b
2:  cbz     x2, 3f
    ldrb    w4, [x1, #-1]!
    strb    w4, [x3, #-1]!
    sub     x2, x2, #1
    b       2b
3:  ret

    .global memset
    .type memset, %function
memset:
    mov     x3, x0
    and     x1, x1, #0xff
    mov     x4, #0x0101010101010101
    mul     x1, x1, x4
1:  cmp     x2, #32
    b.lo    2f
    stp     x1, x1, [x3]
    stp     x1, x1, [x3, #16]
    add     x3, x3, #32
    sub     x2, x2, #32
    b       1b
2:  cbz     x2, 3f
    strb    w1, [x3], #1
    sub     x2, x2, #1
    b       2b
3:  ret

    .global memcmp
    .type memcmp, %function
    .global bcmp
    .type bcmp, %function
memcmp:
bcmp:
1:  cmp     x2, #8
    b.lo    2f
    ldr     x3, [x0]
    ldr     x4, [x1]
    cmp     x3, x4
    b.ne    2f                          // the byte loop finds out which
    add     x0, x0, #8
    add     x1, x1, #8
    sub     x2, x2, #8
    b       1b
2:  cbz     x2, 3f
    ldrb    w3, [x0], #1
    ldrb    w4, [x1], #1
    sub     x2, x2, #1
    subs    w5, w3, w4
    b.eq    2b
    mov     w0, w5
    ret
3:  mov     w0, wzr
    ret
"#
);
