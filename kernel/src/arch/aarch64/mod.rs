//! The real machine: QEMU's `virt` or anything that looks like it.

mod boot;
mod context;
mod cpu;
mod gic;
mod kernel_map;
mod memory;
mod power;
mod timer;
mod uart;
mod vectors;

pub use context::{Context, ContextBox, ContextPointer};
pub use cpu::{
    affinity, disable_fp, enable_fp, enter_thread, halt, idle, load_address_space, random,
    restore_fp, save_fp, set_thread_pointer, syscalls, this_cpu, thread_pointer,
};
pub use gic::{Gic, TIMER};
pub use kernel_map::{
    RamMap, adopt, embedded_initrd, empty_root, image_range, map_registers, switch_to_final_map,
};
pub use memory::{
    clear, flush_address_space, flush_page, ram_pointer, synchronise_instructions, table_barrier,
};
pub use power::{Conduit, power_off, reset, start_cpu};
pub use timer::{arm_timer, counter, counter_frequency, disarm_timer, init_timer};
pub use uart::{console_write, init_console};
