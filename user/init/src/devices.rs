//! The machine's devices: which there are, who gets them.
//!
//! *Owns* every device of the machine and the original of every handle. *Never* drives a device
//! that somebody else drives: what is claimed is left alone.

use alloc::vec::Vec;

use abi::{BootInfo, DeviceWindow, PAGE_SIZE, Rights};
use hardware::Registers;
use rt::{
    HandleTag,
    handle::{Device, Memory, OwnedHandle},
};
use rtc::Pl031;
use virtio::{Kind, Probe, WINDOW_BYTES};

use crate::manifest::Devices as Wanted;

/// Memory of a network driver, for its rings and buffers: of each pair of queues.
const NETWORK_MEMORY: usize = 2560 * 1024;
/// Pairs that memory is kept for at most, one for each CPU.
const MOST_PAIRS: usize = abi::MAX_CPUS;

/// Cards that are given, by three handles each: as many as a start takes beside the debug console and the
/// clock.
const MOST_CARDS: usize = (abi::CHANNEL_HANDLE_QUEUE - 2) / 3;

/// Handles for a new process, each with its tag.
pub type Handles = Vec<(u64, OwnedHandle)>;

/// The devices that can be given to programs.
pub struct Devices {
    uart: DeviceWindow,
    network: Vec<DeviceWindow>,
    /// Bytes for the driver of each.
    network_memory: usize,
}

impl Devices {
    /// Looks at every window. Entropy devices are asked for `random` on the way.
    pub fn find(boot: &BootInfo, random: &mut dyn FnMut(&[u8])) -> Self {
        let mut network = Vec::new();
        let count = usize::try_from(boot.virtio_count).unwrap_or(usize::MAX);
        for window in boot.virtio.iter().take(count) {
            let Some(registers) = registers(window) else {
                continue;
            };
            match virtio::probe(&registers) {
                Probe::Absent => {}
                Probe::Unknown { version } => {
                    log::warn!(
                        "device at {:#x}: unknown version {version}",
                        window.physical
                    );
                }
                Probe::Claimed { kind } => {
                    log::warn!("device at {:#x} is claimed: {kind:?}", window.physical);
                }
                Probe::Free {
                    kind: Kind::Network,
                    version,
                } => {
                    log::info!("network device at {:#x}, {version:?}", window.physical);
                    network.push(*window);
                }
                Probe::Free {
                    kind: Kind::Entropy,
                    ..
                } => match entropy(registers, window) {
                    Some(bytes) => random(&bytes),
                    None => log::warn!("entropy device at {:#x} fails", window.physical),
                },
                Probe::Free {
                    kind: Kind::Other(number),
                    ..
                } => {
                    log::debug!("device at {:#x}: kind {number}, not used", window.physical);
                }
            }
        }
        if network.is_empty() {
            log::warn!("no network device: only loopback");
        }
        Self {
            uart: boot.uart,
            network,
            network_memory: NETWORK_MEMORY,
        }
    }

    /// What the command line's `netd=` says: with `cores:N`, there is memory for so many pairs of queues.
    pub fn prepare(&mut self, netd: &str) {
        let pairs = netd.strip_prefix("cores:").and_then(|it| it.parse().ok());
        self.network_memory = NETWORK_MEMORY * pairs.unwrap_or(1).clamp(1, MOST_PAIRS);
    }

    /// What a program is given.
    ///
    /// # Errors
    ///
    /// When handles or memory run out.
    pub fn give(&self, wanted: Wanted) -> Result<Handles, abi::Error> {
        let mut handles = Vec::new();
        match wanted {
            Wanted::None => {}
            Wanted::Uart => give_window(&self.uart, Rights::empty(), &mut handles)?,
            Wanted::Network => {
                // QEMU gives the card that is named first the highest place.
                for window in self.network.iter().rev().take(MOST_CARDS) {
                    // It is to be told where clients' memory is, too.
                    give_window(window, Rights::DMA, &mut handles)?;
                    let memory = device_memory(self.network_memory, window)?;
                    handles.push((HandleTag::Memory.with(0), memory.into_handle()));
                }
            }
        }
        Ok(handles)
    }
}

/// The real-time clock, if the machine has one.
pub fn real_time_clock(boot: &BootInfo) -> Option<Pl031> {
    registers(&boot.rtc).map(Pl031::new)
}

/// Registers and interrupt of a device, for another process; with `more` rights to the device.
fn give_window(
    window: &DeviceWindow,
    more: Rights,
    handles: &mut Handles,
) -> Result<(), abi::Error> {
    let registers = duplicate(
        window.device,
        Rights::READ | Rights::WRITE | Rights::TRANSFER | more,
    )?;
    let interrupt = duplicate(window.interrupt, Rights::SIGNAL | Rights::TRANSFER)?;
    handles.push((HandleTag::Registers.with(window.physical), registers));
    handles.push((HandleTag::Interrupt.with(0), interrupt));
    Ok(())
}

/// Memory that the device of a window is to read and write.
fn device_memory(bytes: usize, window: &DeviceWindow) -> Result<Memory, abi::Error> {
    let device = Device::from_handle(duplicate(window.device, Rights::DMA)?);
    Memory::create_for(bytes, &device)
}

/// Another handle for what one of the kernel's handles names, which stays open.
pub fn duplicate(handle: abi::Handle, rights: Rights) -> Result<OwnedHandle, abi::Error> {
    let original = OwnedHandle::from_raw(handle);
    let copy = original.duplicate(rights);
    let _kept = original.into_raw();
    copy
}

/// Maps the registers of a window.
fn registers(window: &DeviceWindow) -> Option<Registers> {
    if window.physical == 0 {
        return None;
    }
    let device = duplicate(window.device, Rights::READ | Rights::WRITE).ok()?;
    let page = Device::from_handle(device).into_registers().ok()?;
    let start = usize::try_from(window.physical).ok()? % PAGE_SIZE;
    let length = usize::try_from(window.size)
        .ok()?
        .min(page.len().checked_sub(start)?);
    page.narrow(start, length).ok()
}

/// Random bytes of an entropy device.
fn entropy(registers: Registers, window: &DeviceWindow) -> Option<[u8; 32]> {
    let pages = virtio_rng::MEMORY.next_multiple_of(PAGE_SIZE);
    let memory = device_memory(pages, window).ok()?.into_dma().ok()?;
    let window = registers.narrow(0, WINDOW_BYTES).ok()?;
    let mut device = virtio_rng::Entropy::new(virtio::transport(window).ok()?, memory).ok()?;
    let mut bytes = [0; 32];
    device.fill(&mut bytes).ok()?;
    Some(bytes)
}
