//! From the device tree to the first process.
//!
//! The order is forced: the tree is read without a heap, it tells where RAM is free, the first free
//! RAM becomes the heap and the tables of the final map, and only then can anything be said.

use crate::arch::{self, Gic, RamMap};
use crate::fdt::{self, Controller, Machine};
use crate::mm::{PAGE, Physical, heap, physical};
use crate::object::Kernel;
use crate::sync::KERNEL;
use crate::{console, entry, init, machine};
use core::ops::Range;
use heapless::Vec;

/// RAM that the map of the first moments reaches.
const BOOT_REACH: Range<Physical> = 0x4000_0000..0x8000_0000;
/// Kept back for the final map's tables, behind the heap.
const TABLE_ROOM: u64 = 64 * PAGE as u64;

type Ranges = Vec<Range<Physical>, 64>;

/// The boot CPU, from `boot_common` on the stack of CPU 0.
#[unsafe(no_mangle)]
extern "C" fn primary_main(tree: Physical) -> ! {
    let Some(description) = read_tree(tree) else {
        arch::halt();
    };
    machine::init(description.conduit, description.has_word("semihosting"));
    let mut free = free_ranges(&description, tree);
    if prepare_memory(&description, &mut free).is_none() {
        arch::halt();
    }
    if let Some(uart) = description
        .uart
        .and_then(|uart| arch::map_registers(uart.base))
    {
        arch::init_console(uart);
    }
    console::init(description.words());
    log::info!("Skerry {}", env!("CARGO_PKG_VERSION"));
    log::debug!("{description:x?}");

    let mut kernel = KERNEL.lock();
    for range in &free {
        kernel.frames.add(range.start, range.end);
    }
    let ram: u64 = description
        .ram
        .iter()
        .map(|range| range.end - range.start)
        .sum();
    let managed = (kernel.frames.total() * PAGE) as u64;
    kernel.frames.add_reserved(ram.saturating_sub(managed));
    kernel.gic = controller(&description);
    assert!(
        kernel.gic.is_some(),
        "no interrupt controller that the kernel knows"
    );
    start_this_cpu(&mut kernel, 0);
    let cpus = description.cpus.len().max(1) as u32;
    if let Err(reason) = init::start(&mut kernel, &description, cpus) {
        panic!("the first process cannot start: {reason}");
    }
    log::info!(
        "{} MiB of memory, {cpus} CPUs, {} virtio windows",
        ram >> 20,
        description.virtio.len()
    );
    // Last: they wait for the lock, and on an emulator's host they would take time from this one.
    start_other_cpus(&description);
    arch::enter_thread(entry::leave(kernel, 0))
}

/// The other CPUs, from `boot_common` on their own stacks.
#[unsafe(no_mangle)]
extern "C" fn secondary_main(cpu: usize) -> ! {
    arch::adopt(cpu);
    let mut kernel = KERNEL.lock();
    start_this_cpu(&mut kernel, cpu);
    arch::enter_thread(entry::leave(kernel, cpu))
}

/// Lets this CPU take interrupts and part in scheduling.
fn start_this_cpu(kernel: &mut Kernel, cpu: usize) {
    arch::init_timer();
    if let Some(gic) = kernel.gic.as_mut() {
        gic.init_cpu(cpu, arch::affinity());
    }
    kernel.cpu_online(cpu);
}

/// Starts the CPUs that the tree lists besides this one; they wait for the kernel lock. One that
/// does not come is missing in the figures.
fn start_other_cpus(description: &Machine) {
    let own = arch::affinity();
    let others = description.cpus.iter().filter(|&&mpidr| mpidr != own);
    for (&mpidr, cpu) in others.zip(1..abi::MAX_CPUS) {
        if !arch::start_cpu(machine::conduit(), mpidr, cpu) {
            log::warn!("CPU {mpidr:#x} does not start");
        }
    }
}

/// The interrupt controller, with its registers mapped.
fn controller(description: &Machine) -> Option<Gic> {
    match description.controller? {
        Controller::Two(distributor, interface) => Some(Gic::version_2(
            arch::map_registers(distributor)?,
            arch::map_registers(interface)?,
        )),
        Controller::Three(distributor, redistributors) => Gic::version_3(
            arch::map_registers(distributor)?,
            arch::map_registers(redistributors)?,
            description.cpus.len(),
        ),
    }
}

/// The device tree, if there is one where the boot map reaches.
fn read_tree(tree: Physical) -> Option<Machine> {
    if !BOOT_REACH.contains(&tree) || !tree.is_multiple_of(4) {
        return None;
    }
    let mut header = [0; 8];
    physical::read(tree, &mut header);
    let size = fdt::total_size(&header)?;
    if tree + size as u64 > BOOT_REACH.end {
        return None;
    }
    let bytes = physical::boot_bytes(tree, size)?;
    Machine::read(bytes)
}

/// RAM that nothing occupies, in whole pages.
fn free_ranges(description: &Machine, tree: Physical) -> Ranges {
    let mut free = Ranges::new();
    for range in &description.ram {
        // As many as the list of RAM has: they fit.
        let _fits = free.push(range.clone());
    }
    let tree_range = tree..tree + (2 << 20);
    for used in description
        .reserved
        .iter()
        .chain([&arch::image_range(), &tree_range])
    {
        exclude(&mut free, used);
    }
    free
}

/// Takes `used`, rounded to pages, out of every range.
fn exclude(free: &mut Ranges, used: &Range<Physical>) {
    let page = PAGE as u64;
    let used = used.start / page * page..used.end.div_ceil(page).saturating_mul(page);
    let mut index = 0;
    while let Some(range) = free.get(index).cloned() {
        if used.end <= range.start || range.end <= used.start {
            index += 1;
            continue;
        }
        free.swap_remove(index);
        let pieces = [
            range.start..used.start.max(range.start),
            used.end.min(range.end)..range.end,
        ];
        for piece in pieces {
            if piece.start < piece.end && !(used.start <= piece.start && piece.end <= used.end) {
                // A machine with more holes than this loses the RAM between them.
                let _full = free.push(piece);
            }
        }
    }
}

/// Takes the heap and the final map's tables out of `free` and goes over to the final map.
fn prepare_memory(description: &Machine, free: &mut Ranges) -> Option<()> {
    let ram: u64 = description
        .ram
        .iter()
        .map(|range| range.end - range.start)
        .sum();
    let heap_bytes = heap::size_for(ram);
    let needed = heap_bytes as u64 + TABLE_ROOM;
    let (index, start) = free
        .iter()
        .enumerate()
        .filter_map(|(index, range)| {
            let page = PAGE as u64;
            let start = range.start.max(BOOT_REACH.start).div_ceil(page) * page;
            let end = range.end.min(BOOT_REACH.end);
            (end.checked_sub(start)? >= needed).then_some((index, start))
        })
        .next()?;
    let taken = start..start + needed;
    let range = free.swap_remove(index);
    for piece in [range.start..taken.start, taken.end..range.end] {
        if piece.start < piece.end {
            // One was just taken out; at worst a rest below the boot map's reach is lost.
            let _full = free.push(piece);
        }
    }

    let mut next = start + heap_bytes as u64;
    let mut new_table = || {
        let table = next;
        next += PAGE as u64;
        (next <= taken.end).then(|| {
            physical::zero(table, 1);
            table
        })
    };
    let ram: Vec<RamMap, { fdt::MAX_RANGES }> = description.ram.iter().cloned().collect();
    let mut registers: Vec<Physical, 64> = Vec::new();
    match description.controller {
        Some(Controller::Two(first, second) | Controller::Three(first, second)) => {
            // Two of sixty-four.
            let _fits = registers.extend_from_slice(&[first, second]);
        }
        None => {}
    }
    for device in description.virtio.iter().chain(&description.uart) {
        let _fits = registers.push(device.base);
    }
    arch::switch_to_final_map(&ram, &registers, &mut new_table).ok()?;
    physical::end_boot();
    heap::init(start, heap_bytes);
    Some(())
}
