//! From the first instruction to Rust in the upper half.
//!
//! *Owns* the image header, the drop from EL2 to EL1 and the map of the first moments (1 GiB
//! blocks, writable and executable), which `mmu` replaces by the final one before anything
//! from outside is looked at. *Never* touches memory outside the image.
//!
//! Spec: Linux `Documentation/arch/arm64/booting.rst` for the header and the registers at entry;
//! an ELF started by QEMU finds zero in `x0` and the device tree at the start of RAM.

use core::arch::global_asm;

global_asm!(
    r#"
    .macro address register, symbol
    adrp    \register, \symbol
    add     \register, \register, :lo12:\symbol
    .endm

    .section .text.header, "ax"
    .global start
start:
    b       boot_primary                // executable code at offset 0
    .word   0
    .quad   0x200000                    // text_offset: where in RAM the image wants to lie
    .quad   image_bytes                 // image_size: with .bss and stacks
    .quad   0b0010                      // flags: little endian, 4 KiB pages
    .quad   0
    .quad   0
    .quad   0
    .ascii  "ARM\x64"
    .word   0

    .section .text.boot, "ax"
boot_primary:
    cbnz    x0, 1f
    mov     x0, #0x40000000             // started as ELF: the tree is at the start of RAM
1:  mov     x27, x0
    mov     x28, xzr                    // CPU number

    address x0, bss_start               // DC ZVA needs the MMU on; this is short
    address x1, boot_table_high + 4096
2:  stp     xzr, xzr, [x0], #16
    cmp     x0, x1
    b.lo    2b

    address x0, boot_table_low
    address x1, boot_table_high
    mov     x2, #0x40000000
    mov     x3, #0x701                  // block, normal memory, inner shareable, accessed
    orr     x2, x2, x3
    str     x2, [x0, #8]                // identity
    str     x2, [x1, #8]                // linear map
    str     x2, [x1, #2056]             // the image: 256 GiB above the linear map
    b       boot_common

    // PSCI starts the others here, their number in x0.
    .global boot_secondary
boot_secondary:
    mov     x28, x0
    mov     x27, xzr

boot_common:
    mrs     x0, CurrentEL
    cmp     x0, #(2 << 2)
    b.ne    boot_el1

    // EL2: let EL1 have timer, counter, FP and the GIC registers, then leave for good.
    mov     x0, #(1 << 31)              // EL1 is AArch64
    msr     hcr_el2, x0
    mov     x0, #3
    msr     cnthctl_el2, x0
    msr     cntvoff_el2, xzr
    msr     hstr_el2, xzr
    msr     vttbr_el2, xzr
    mov     x0, #0x33ff
    msr     cptr_el2, x0
    mrs     x0, midr_el1
    msr     vpidr_el2, x0
    mrs     x0, mpidr_el1
    msr     vmpidr_el2, x0
    mrs     x0, id_aa64pfr0_el1
    ubfx    x0, x0, #24, #4
    cbz     x0, 3f                      // no system registers for the GIC
    mrs     x0, s3_4_c12_c9_5           // ICC_SRE_EL2
    mov     x1, #0b1001                 // SRE, Enable
    orr     x0, x0, x1
    msr     s3_4_c12_c9_5, x0
    isb
    mrs     x0, s3_4_c12_c9_5
    tbz     x0, #0, 3f
    msr     s3_4_c12_c11_0, xzr         // ICH_HCR_EL2
3:  mov     x0, #0x3c5                  // EL1h, everything masked
    msr     spsr_el2, x0
    adr     x0, boot_el1
    msr     elr_el2, x0
    mov     x0, #0x30d00000
    orr     x0, x0, #0x800              // SCTLR_EL1: reserved bits, MMU off
    msr     sctlr_el1, x0
    eret

boot_el1:
    mov     x0, #0x44ff                 // MAIR: 0 write-back, 1 non-cacheable
    movk    x0, #0x04, lsl #16          //       2 device nGnRE
    msr     mair_el1, x0
    // 39-bit halves, 4 KiB granules, write-back walks, inner shareable, ASID from TTBR0.
    mov     x0, #0x3519
    movk    x0, #0xb519, lsl #16
    mrs     x1, id_aa64mmfr0_el1
    and     x2, x1, #0xf
    mov     x3, #5
    cmp     x2, x3
    csel    x2, x2, x3, lo
    orr     x0, x0, x2, lsl #32         // physical size, 48 bits at most
    ubfx    x2, x1, #4, #4
    lsr     x2, x2, #1
    orr     x0, x0, x2, lsl #36         // 16-bit ASIDs where there are any
    msr     tcr_el1, x0
    address x0, boot_table_low
    msr     ttbr0_el1, x0
    cbnz    x28, 4f
    address x1, boot_table_high
    b       5f
4:  address x1, final_table
    ldr     x1, [x1]
5:  msr     ttbr1_el1, x1
    tlbi    vmalle1
    ic      iallu
    dsb     nsh
    isb
    // MMU, caches, stack alignment; PAN set at every entry (SPAN clear); EL0 may clear and clean
    // cache lines and read CTR_EL0, WFI there is trapped.
    mov     x0, #0xd81d
    movk    x0, #0x3454, lsl #16
    msr     sctlr_el1, x0
    isb

    // Same code, upper half; the stack of this CPU above its guard page.
    ldr     x0, =upper
    br      x0
upper:
    ldr     x0, =stacks_start
    mov     x1, #(4096 + 32768)
    add     x2, x28, #1
    madd    x0, x1, x2, x0
    mov     sp, x0
    mov     x29, xzr
    mov     x30, xzr
    cbnz    x28, 6f
    mov     x0, x27
    bl      primary_main
6:  mov     x0, x28
    bl      secondary_main
    .ltorg
"#
);
