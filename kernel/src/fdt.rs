//! The machine as the device tree tells it.
//!
//! *Owns* the reading of the tree, by `dtoolkit`, before there is a heap: everything lands in
//! lists of fixed size. The tree comes from outside: what is missing, too long or contradictory is
//! left out, and never worse.

use crate::arch::Conduit;
use crate::mm::Physical;
use core::ops::Range;
use dtoolkit::fdt::{Fdt, FdtNode};
use dtoolkit::{Node, Property};
use heapless::Vec;

/// Most ranges of RAM, and most ranges that must be left alone.
pub const MAX_RANGES: usize = 16;

/// A device: its registers and its interrupt line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Device {
    /// Physical address of the registers.
    pub base: Physical,
    /// Bytes of the registers.
    pub size: u64,
    /// Number of the shared interrupt line at the controller.
    pub line: u32,
    /// Whether the line is edge-triggered.
    pub edge: bool,
}

/// The interrupt controller's registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controller {
    /// Distributor and CPU interface.
    Two(Physical, Physical),
    /// Distributor and redistributors.
    Three(Physical, Physical),
}

/// Everything that the kernel needs to know.
#[derive(Debug, Default)]
pub struct Machine {
    /// RAM.
    pub ram: Vec<Range<Physical>, MAX_RANGES>,
    /// RAM that is in use: reservations, the archive, the tree itself.
    pub reserved: Vec<Range<Physical>, MAX_RANGES>,
    /// Affinities of the CPUs, the running one first where the tree says so.
    pub cpus: Vec<u64, { abi::MAX_CPUS }>,
    /// How firmware is called.
    pub conduit: Option<Conduit>,
    /// The interrupt controller.
    pub controller: Option<Controller>,
    /// Console.
    pub uart: Option<Device>,
    /// Real-time clock.
    pub rtc: Option<Device>,
    /// virtio-mmio windows, by address.
    pub virtio: Vec<Device, { abi::MAX_VIRTIO_WINDOWS }>,
    /// The archive of programs that the boot loader placed.
    pub initrd: Option<Range<Physical>>,
    /// Entropy.
    pub seed: Vec<u8, 64>,
    /// `/chosen/bootargs`.
    pub command_line: Vec<u8, { abi::COMMAND_LINE_BYTES }>,
}

/// Bytes that the tree at the start of `header` claims to have, if it is one.
pub fn total_size(header: &[u8; 8]) -> Option<usize> {
    let word = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let size = word(4) as usize;
    (word(0) == 0xd00d_feed && (40..=(2 << 20)).contains(&size)).then_some(size)
}

impl Machine {
    /// Reads the tree; `None` if it is none.
    pub fn read(tree: &[u8]) -> Option<Self> {
        let fdt = Fdt::new(tree).ok()?;
        let mut machine = Self::default();
        for reservation in fdt.memory_reservations() {
            push_range(
                &mut machine.reserved,
                reservation.address(),
                reservation.size(),
            );
        }
        for node in fdt.root().children() {
            match node.name_without_address() {
                "memory" => machine.memory(&node),
                "reserved-memory" => machine.reserved_memory(&node),
                "cpus" => machine.cpus(&node),
                "chosen" => machine.chosen(&node),
                "psci" => machine.psci(&node),
                _ => machine.device(&node),
            }
        }
        machine.virtio.sort_unstable_by_key(|device| device.base);
        Some(machine)
    }

    /// Whether a word stands on the kernel command line.
    pub fn has_word(&self, word: &str) -> bool {
        self.words().any(|other| other == word)
    }

    /// The words of the kernel command line.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        core::str::from_utf8(&self.command_line)
            .unwrap_or_default()
            .split_ascii_whitespace()
    }

    fn memory(&mut self, node: &FdtNode<'_>) {
        for (base, size) in registers(node) {
            push_range(&mut self.ram, base, size);
        }
    }

    fn reserved_memory(&mut self, node: &FdtNode<'_>) {
        for child in node.children() {
            for (base, size) in registers(&child) {
                push_range(&mut self.reserved, base, size);
            }
        }
    }

    fn cpus(&mut self, node: &FdtNode<'_>) {
        for cpu in node.children() {
            if cpu.name_without_address() != "cpu" {
                continue;
            }
            let Some(reg) = cpu.property("reg") else {
                continue;
            };
            if let Some(mpidr) = number(reg.value()) {
                // More CPUs than the kernel runs on: the others sleep.
                let _full = self.cpus.push(mpidr);
            }
        }
    }

    fn chosen(&mut self, node: &FdtNode<'_>) {
        let value = |name: &str| {
            node.property(name)
                .and_then(|property| number(property.value()))
        };
        let initrd = (value("linux,initrd-start"), value("linux,initrd-end"));
        if let (Some(start), Some(end)) = initrd
            && start < end
        {
            self.initrd = Some(start..end);
            push_range(&mut self.reserved, start, end - start);
        }
        if let Some(arguments) = node.property("bootargs") {
            let text = arguments.value();
            let text = text.strip_suffix(&[0]).unwrap_or(text);
            let length = text.len().min(abi::COMMAND_LINE_BYTES);
            // The length was cut to the capacity.
            let _fits = self.command_line.extend_from_slice(&text[..length]);
        }
        for name in ["rng-seed", "kaslr-seed"] {
            if let Some(seed) = node.property(name) {
                for &byte in seed.value() {
                    let _full = self.seed.push(byte);
                }
            }
        }
    }

    fn psci(&mut self, node: &FdtNode<'_>) {
        if let Some(method) = node.property("method") {
            self.conduit = match method.value() {
                b"hvc\0" => Some(Conduit::Hvc),
                b"smc\0" => Some(Conduit::Smc),
                _ => None,
            };
        }
    }

    fn device(&mut self, node: &FdtNode<'_>) {
        let Some(mut names) = node.compatible() else {
            return;
        };
        let mut known = Known::Other;
        for name in &mut names {
            known = match name {
                "arm,cortex-a15-gic" | "arm,gic-400" => Known::Two,
                "arm,gic-v3" => Known::Three,
                "arm,pl011" => Known::Uart,
                "arm,pl031" => Known::Rtc,
                "virtio,mmio" => Known::Virtio,
                _ => continue,
            };
            break;
        }
        let mut registers = registers(node);
        let (Some((base, size)), second) = (registers.next(), registers.next()) else {
            return;
        };
        let (line, edge) = interrupt(node).unwrap_or((0, false));
        let device = Device {
            base,
            size,
            line,
            edge,
        };
        match (known, second) {
            (Known::Two, Some((other, _))) => self.controller = Some(Controller::Two(base, other)),
            (Known::Three, Some((other, _))) => {
                self.controller = Some(Controller::Three(base, other));
            }
            (Known::Uart, _) if self.uart.is_none() => self.uart = Some(device),
            (Known::Rtc, _) if self.rtc.is_none() => self.rtc = Some(device),
            (Known::Virtio, _) => {
                // More windows than the boot information has room for: the rest is not used.
                let _full = self.virtio.push(device);
            }
            _ => {}
        }
    }
}

/// Device kinds that the kernel knows by name.
enum Known {
    Two,
    Three,
    Uart,
    Rtc,
    Virtio,
    Other,
}

/// `reg` as (address, size).
fn registers<'a>(node: &FdtNode<'a>) -> impl Iterator<Item = (Physical, u64)> + use<'a> {
    node.reg()
        .ok()
        .flatten()
        .into_iter()
        .flatten()
        .filter_map(|reg| Some((reg.address::<u64>().ok()?, reg.size::<u64>().ok()?)))
}

/// Line and trigger of the first interrupt, if it is a shared one.
fn interrupt(node: &FdtNode<'_>) -> Option<(u32, bool)> {
    let property = node.property("interrupts")?;
    let value = property.value();
    let (cells, _) = value.as_chunks::<4>();
    let [kind, line, flags, ..] = cells else {
        return None;
    };
    let (kind, line, flags) = (
        u32::from_be_bytes(*kind),
        u32::from_be_bytes(*line),
        u32::from_be_bytes(*flags),
    );
    (kind == 0 && line < 988).then_some((line + 32, flags & 0b11 != 0))
}

/// A number of one or two cells.
fn number(value: &[u8]) -> Option<u64> {
    match value.len() {
        4 => Some(u64::from(u32::from_be_bytes(value.try_into().ok()?))),
        8 => Some(u64::from_be_bytes(value.try_into().ok()?)),
        _ => None,
    }
}

/// Adds a range that does not wrap; more than fit are left out.
fn push_range(list: &mut Vec<Range<Physical>, MAX_RANGES>, base: u64, size: u64) {
    if let Some(end) = base.checked_add(size)
        && size > 0
    {
        let _full = list.push(base..end);
    }
}
