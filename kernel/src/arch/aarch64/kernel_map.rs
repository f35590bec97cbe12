//! The kernel's own half of the address space, final form.
//!
//! | from | what | rights |
//! | --- | --- | --- |
//! | `0xffff_ff80_0000_0000` | linear map: all RAM; below 1 GiB the registers that the kernel drives | data |
//! | `0xffff_ffc0_4020_0000` | the image: code, constants, data, stacks with guard pages | each its own |
//!
//! The image's code and constants are read-only in the linear map too; nothing is both writable and
//! executable at any address.

use super::cpu::{init_cpu, load_address_space};
use super::memory::LINEAR_BASE;
use crate::mm::table::{Attributes, NoTable, map};
use crate::mm::{PAGE, Physical};
use aarch64_cpu::asm::barrier;
use aarch64_cpu::registers::{TTBR1_EL1, Writeable};
use core::arch::asm;
use core::ops::Range;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU64, Ordering};

/// Distance of the image's addresses from physical ones (`kernel.ld`).
const KERNEL_OFFSET: usize = 0xffff_ffc0_0000_0000;
const GUARD: usize = 4096;
const STACK: usize = 32768;
/// Registers are mapped in blocks of this size, below `DEVICE_LIMIT`.
const DEVICE_BLOCK: u64 = 2 << 20;
const DEVICE_LIMIT: u64 = 1 << 30;

unsafe extern "C" {
    static image_start: u8;
    static text_end: u8;
    static rodata_end: u8;
    static stacks_start: u8;
    static stacks_end: u8;
    static image_end: u8;
    static initrd_start: u8;
    static initrd_end: u8;
}

/// Root of the final map, where `boot_secondary` finds it with the MMU off.
#[unsafe(no_mangle)]
static final_table: AtomicU64 = AtomicU64::new(0);

/// A range of RAM for the linear map.
pub type RamMap = Range<Physical>;

/// Physical address of something in the image.
pub const fn image_physical(address: usize) -> usize {
    address.wrapping_sub(KERNEL_OFFSET)
}

/// Where the image lies in RAM, stacks included.
pub fn image_range() -> Range<Physical> {
    physical(&raw const image_start)..physical(&raw const image_end)
}

/// The archive inside the image: whole pages of its own, and its length in bytes.
pub fn embedded_initrd() -> (Physical, usize) {
    let start = &raw const initrd_start;
    (
        physical(start),
        (&raw const initrd_end as usize) - start as usize,
    )
}

fn physical(symbol: *const u8) -> Physical {
    image_physical(symbol as usize) as Physical
}

/// Builds the final map and goes over to it. `ram` lists all RAM; `new_table` gives cleared frames
/// within reach of the boot map.
pub fn switch_to_final_map(
    ram: &[RamMap],
    registers: &[Physical],
    new_table: &mut dyn FnMut() -> Option<Physical>,
) -> Result<(), NoTable> {
    let root = new_table().ok_or(NoTable)?;
    let text = physical(&raw const text_end);
    let rodata = physical(&raw const rodata_end);
    let image = image_range();

    let parts = [
        (image.start..text, Attributes::KERNEL_CODE),
        (text..rodata, Attributes::KERNEL_CONSTANT),
        (
            rodata..physical(&raw const stacks_start),
            Attributes::KERNEL_DATA,
        ),
    ];
    for (range, attributes) in parts {
        map_at(root, KERNEL_OFFSET, range, attributes, new_table)?;
    }
    let mut stack = physical(&raw const stacks_start) + GUARD as u64;
    while stack < physical(&raw const stacks_end) {
        let range = stack..stack + STACK as u64;
        map_at(
            root,
            KERNEL_OFFSET,
            range,
            Attributes::KERNEL_DATA,
            new_table,
        )?;
        stack += (GUARD + STACK) as u64;
    }

    for range in ram {
        // What is not image is data; of the image, code and constants are read-only here.
        let pieces = [
            (
                range.start..range.end.min(image.start),
                Attributes::KERNEL_DATA,
            ),
            (
                range.start.max(image.start)..range.end.min(rodata),
                Attributes::KERNEL_CONSTANT,
            ),
            (range.start.max(rodata)..range.end, Attributes::KERNEL_DATA),
        ];
        for (piece, attributes) in pieces {
            map_at(root, LINEAR_BASE, piece, attributes, new_table)?;
        }
    }
    for &register in registers {
        let block = register & !(DEVICE_BLOCK - 1);
        // Blocks that two devices share are mapped once.
        if block < DEVICE_LIMIT && !is_mapped(root, block) {
            let range = block..block + DEVICE_BLOCK;
            map_at(
                root,
                LINEAR_BASE,
                range,
                Attributes::KERNEL_DEVICE,
                new_table,
            )?;
        }
    }

    final_table.store(root, Ordering::Relaxed);
    let place = &raw const final_table;
    // SAFETY: cleaning a line of mapped memory changes no value; a CPU that starts with caches off
    // reads it from RAM.
    unsafe { asm!("dc cvac, {0}", in(reg) place, options(nostack)) };
    super::memory::table_barrier();
    adopt(0);
    Ok(())
}

/// Goes over to the final map on this CPU, forgets the boot map and sets the CPU up.
pub fn adopt(cpu: usize) {
    TTBR1_EL1.set(final_table.load(Ordering::Relaxed));
    barrier::isb(barrier::SY);
    load_address_space(empty_root(), 0);
    // SAFETY: forgetting translations only costs time; all that is in use is in the new map.
    unsafe { asm!("tlbi vmalle1", "dsb nsh", "isb", options(nostack)) };
    init_cpu(cpu);
}

/// Registers within the map, by physical address.
pub fn map_registers(address: Physical) -> Option<NonNull<u8>> {
    (address < DEVICE_LIMIT)
        .then(|| LINEAR_BASE + address as usize)
        .and_then(|address| NonNull::new(ptr::with_exposed_provenance_mut(address)))
}

/// A lower half without any translation.
pub fn empty_root() -> Physical {
    #[repr(C, align(4096))]
    struct Empty([u64; 512]);
    static EMPTY: Empty = Empty([0; 512]);
    physical((&raw const EMPTY.0).cast())
}

fn map_at(
    root: Physical,
    base: usize,
    range: Range<Physical>,
    attributes: Attributes,
    new_table: &mut dyn FnMut() -> Option<Physical>,
) -> Result<(), NoTable> {
    let page = PAGE as u64;
    let start = range.start.div_ceil(page) * page;
    let end = range.end / page * page;
    if start >= end {
        return Ok(());
    }
    map(
        root,
        base + start as usize,
        start,
        (end - start) as usize,
        attributes,
        new_table,
    )
}

fn is_mapped(root: Physical, block: Physical) -> bool {
    crate::mm::table::leaf(root, LINEAR_BASE + block as usize).is_some()
}
