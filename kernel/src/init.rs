//! The first process: found in the archive, given everything.
//!
//! *Owns* the hand-over: after it the kernel has no say in who gets what.

use crate::arch;
use crate::fdt::{self, Machine};
use crate::mm::user::bytes_of;
use crate::mm::{PAGE, Physical};
use crate::object::device::Device;
use crate::object::handle::Entry;
use crate::object::memory::Memory;
use crate::object::process::Process;
use crate::object::slab::Key;
use crate::object::space::Target;
use crate::object::{Kernel, ObjectRef};
use abi::{
    BootInfo, COMMAND_LINE_BYTES, DeviceWindow, Error, Handle, MAX_VIRTIO_WINDOWS, NAME_BYTES,
    PRIORITIES, Protection, Rights,
};

/// `Status` of a virtio-mmio device: zero resets it.
const VIRTIO_STATUS: u64 = 0x70;
/// Rights to a thing that is given on.
const GIVE: Rights = Rights::DUPLICATE.union(Rights::TRANSFER);

/// Creates the first process from the archive's `init` and makes it ready.
pub fn start(kernel: &mut Kernel, machine: &Machine, cpus: u32) -> Result<(), &'static str> {
    let (start, bytes) = archive(machine);
    let image = kernel.adopt_memory(start, bytes).ok_or("no memory")?;
    let (offset, length) =
        find(&kernel.memories[image], bytes, b"init").ok_or("there is no init in the initrd")?;
    let mut name = [0; NAME_BYTES];
    name[..4].copy_from_slice(b"init");
    let reason = |error: Error| match error {
        Error::BadImage => "init is not a program",
        Error::NoMemory => "no memory",
        _ => "kernel bug",
    };
    let process = kernel
        .create_process(None, name, u64::MAX)
        .map_err(reason)?;
    kernel.retain_process(process);
    kernel
        .load_program(process, image, offset, length)
        .map_err(reason)?;
    let address = hand_over(kernel, process, machine, cpus, image, bytes).map_err(reason)?;
    let priority = (PRIORITIES - 1) as u8;
    let thread = kernel
        .create_first_thread(process, priority)
        .map_err(reason)?;
    kernel.first_process = Some(process);
    kernel.start_process(process, thread, [0, address as u64]);
    Ok(())
}

/// Where the archive is: what the boot loader placed, or else what the image carries.
fn archive(machine: &Machine) -> (Physical, usize) {
    let Some(range) = &machine.initrd else {
        return arch::embedded_initrd();
    };
    if range.start.is_multiple_of(PAGE as u64) {
        (range.start, (range.end - range.start) as usize)
    } else {
        log::warn!("the initrd does not begin at a page; the embedded one is used");
        arch::embedded_initrd()
    }
}

/// Place and length of a file in the archive (newc). The archive comes with the kernel or from the
/// boot loader: headers that make no sense end the search.
fn find(archive: &Memory, bytes: usize, name: &[u8]) -> Option<(usize, usize)> {
    const HEADER: usize = 110;
    let mut at = 0;
    loop {
        let mut header = [0; HEADER];
        let data = at + HEADER;
        if data > bytes {
            return None;
        }
        archive.read(at, &mut header);
        if !header.starts_with(b"07070") {
            return None;
        }
        let (size, name_bytes) = (
            hexadecimal(&header[54..62])?,
            hexadecimal(&header[94..102])?,
        );
        let file = data.checked_add(name_bytes)?.checked_next_multiple_of(4)?;
        let end = file.checked_add(size)?;
        if end > bytes {
            return None;
        }
        let mut found = [0; NAME_BYTES];
        let length = name_bytes.min(NAME_BYTES);
        archive.read(data, &mut found[..length]);
        if found[..length].strip_suffix(&[0]) == Some(name) {
            return Some((file, size));
        }
        at = end.checked_next_multiple_of(4)?;
    }
}

fn hexadecimal(digits: &[u8]) -> Option<usize> {
    digits.iter().try_fold(0, |sum, &digit| {
        let value = char::from(digit).to_digit(16)?;
        Some(sum << 4 | value as usize)
    })
}

/// Entropy for the first process: what the device tree brings, folded to 32 bytes, and what the CPU
/// itself delivers. How many bytes there are.
fn gather_seed(machine: &Machine, seed: &mut [u8; 32]) -> u64 {
    for (place, byte) in machine.seed.iter().enumerate() {
        seed[place % 32] ^= byte;
    }
    let mut delivered = 0;
    for word in seed.chunks_exact_mut(8) {
        if let Some(random) = arch::random() {
            for (byte, random) in word.iter_mut().zip(random.to_le_bytes()) {
                *byte ^= random;
            }
            delivered += 8;
        }
    }
    machine.seed.len().min(32).max(delivered) as u64
}

/// Gives the process its handles and the page that tells about them.
fn hand_over(
    kernel: &mut Kernel,
    process: Key<Process>,
    machine: &Machine,
    cpus: u32,
    archive: Key<Memory>,
    archive_bytes: usize,
) -> Result<usize, Error> {
    let give = |kernel: &mut Kernel, object, rights| {
        let handles = &mut kernel.processes[process].handles;
        handles.insert(Entry { object, rights })
    };
    let readable = GIVE | Rights::READ | Rights::EXECUTE;
    let mut info = BootInfo {
        version: 1,
        cpus,
        initrd: give(kernel, ObjectRef::Memory(archive), readable)?,
        system: Handle::NONE,
        debug: Handle::NONE,
        command_line_length: machine.command_line.len() as u32,
        initrd_bytes: archive_bytes as u64,
        seed: [0; 32],
        seed_bytes: 0,
        uart: DeviceWindow::NONE,
        rtc: DeviceWindow::NONE,
        virtio: [DeviceWindow::NONE; MAX_VIRTIO_WINDOWS],
        virtio_count: 0,
        command_line: [0; COMMAND_LINE_BYTES],
    };
    info.command_line[..machine.command_line.len()].copy_from_slice(&machine.command_line);
    info.seed_bytes = gather_seed(machine, &mut info.seed);
    let system = kernel
        .create_device(Device::System)
        .ok_or(Error::NoMemory)?;
    let rights = GIVE | Rights::READ | Rights::SIGNAL;
    info.system = give(kernel, ObjectRef::Device(system), rights)?;
    let debug = kernel.create_device(Device::Debug).ok_or(Error::NoMemory)?;
    info.debug = give(kernel, ObjectRef::Device(debug), GIVE | Rights::WRITE)?;

    let window = |kernel: &mut Kernel, device: &fdt::Device, stop| {
        let object = Device::registers(device.base, device.size, stop);
        let object = kernel.create_device(object).ok_or(Error::NoMemory)?;
        let rights = GIVE | Rights::READ | Rights::WRITE | Rights::DMA;
        let handle = give(kernel, ObjectRef::Device(object), rights)?;
        let interrupt = match kernel.create_interrupt(device.line, device.edge) {
            Some(interrupt) => {
                let rights = GIVE | Rights::SIGNAL;
                give(kernel, ObjectRef::Interrupt(interrupt), rights)?
            }
            None => Handle::NONE,
        };
        Ok(DeviceWindow {
            physical: device.base,
            size: device.size,
            device: handle,
            interrupt,
        })
    };
    if let Some(uart) = &machine.uart {
        info.uart = window(kernel, uart, None)?;
    }
    if let Some(rtc) = &machine.rtc {
        info.rtc = window(kernel, rtc, None)?;
    }
    for (place, device) in info.virtio.iter_mut().zip(&machine.virtio) {
        *place = window(kernel, device, Some(device.base + VIRTIO_STATUS))?;
        info.virtio_count += 1;
    }

    let page = kernel.create_memory(process, size_of::<BootInfo>(), false)?;
    kernel.memories[page].write(0, bytes_of(core::slice::from_ref(&info)));
    let target = Target {
        object: ObjectRef::Memory(page),
        offset: 0,
        bytes: kernel.memories[page].bytes(),
        protection: Protection::READ,
        place: None,
    };
    let address = kernel.map_object(process, &target);
    kernel.release_memory(page);
    address
}
