//! Devices: ranges of registers, the debug console and the machine itself.

use super::Kernel;
use super::slab::Key;
use crate::mm::{PAGE, Physical, physical};

/// What kind of device, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// Registers that can be mapped: whole pages.
    Registers {
        /// First page.
        start: Physical,
        /// Bytes of all pages.
        bytes: usize,
        /// For a device that reads and writes RAM: the register that stops it when zero is stored.
        stop: Option<Physical>,
    },
    /// The debug console.
    Debug,
    /// Power, reset and figures.
    System,
}

impl Device {
    /// The pages around a range of registers.
    pub const fn registers(base: Physical, size: u64, stop: Option<Physical>) -> Self {
        let page = PAGE as u64;
        let start = base / page * page;
        let end = (base + size).div_ceil(page) * page;
        Self::Registers {
            start,
            bytes: (end - start) as usize,
            stop,
        }
    }

    /// Bytes that can be mapped.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Registers { bytes, .. } => bytes,
            Self::Debug | Self::System => 0,
        }
    }

    /// Stops a device that might go on writing to RAM whose owner is gone.
    pub fn quiesce(self) {
        if let Self::Registers {
            stop: Some(register),
            ..
        } = self
        {
            physical::write_register(register, 0);
        }
    }
}

impl Kernel {
    /// A device for the first process. Devices are never destroyed: there is nothing to give back.
    pub fn create_device(&mut self, device: Device) -> Option<Key<Device>> {
        self.devices.insert(device)
    }
}
