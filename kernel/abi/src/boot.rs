//! What the first process is told.

use crate::Handle;

/// Bytes of the kernel command line; the rest is cut.
pub const COMMAND_LINE_BYTES: usize = 1024;
/// Most virtio-mmio windows (QEMU's `virt` has 32).
pub const MAX_VIRTIO_WINDOWS: usize = 32;

/// A device that the machine has: its registers and its interrupt line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct DeviceWindow {
    /// Physical address of the registers; zero where there is no such device.
    pub physical: u64,
    /// Bytes of the registers.
    pub size: u64,
    /// Device object over the pages that hold the registers ([`Handle::NONE`] if absent).
    pub device: Handle,
    /// The device's interrupt.
    pub interrupt: Handle,
}

impl DeviceWindow {
    /// No device.
    pub const NONE: Self = Self {
        physical: 0,
        size: 0,
        device: Handle::NONE,
        interrupt: Handle::NONE,
    };
}

/// Handed to the first process: mapped read-only, its address in `x1` of the entry point (`x0` is
/// zero there). The first process owns every handle named here.
///
/// Registers of a window start at `physical % PAGE_SIZE` within the mapping of its device object:
/// the granule of protection is a page, and QEMU puts eight virtio windows into one.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BootInfo {
    /// Layout version: 1.
    pub version: u32,
    /// CPUs that the machine has and the kernel starts; `SystemInfo` tells how many run.
    pub cpus: u32,
    /// Archive of programs (newc cpio) as Memory with `READ` and `EXECUTE`.
    pub initrd: Handle,
    /// The machine: `SystemInfo`, `SystemControl`.
    pub system: Handle,
    /// Debug console: `DebugWrite`.
    pub debug: Handle,
    /// Length of the command line in bytes.
    pub command_line_length: u32,
    /// Bytes of the archive, without the padding to a page.
    pub initrd_bytes: u64,
    /// Entropy from the device tree (`rng-seed`, `kaslr-seed`), zeros where it has none.
    pub seed: [u8; 32],
    /// Bytes of `seed` that came from the device tree.
    pub seed_bytes: u64,
    /// Console UART (PL011).
    pub uart: DeviceWindow,
    /// Real-time clock (PL031).
    pub rtc: DeviceWindow,
    /// virtio-mmio windows in ascending order of address.
    pub virtio: [DeviceWindow; MAX_VIRTIO_WINDOWS],
    /// How many of `virtio` are used.
    pub virtio_count: u64,
    /// `/chosen/bootargs`.
    pub command_line: [u8; COMMAND_LINE_BYTES],
}
