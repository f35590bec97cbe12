//! The network devices that the process was given.

use alloc::vec::Vec;
use core::fmt;

use abi::PAGE_SIZE;
use rt::GivenDevice;
use rt::handle::{Interrupt, Reach};
use virtio::{InitError, MmioTransport, Shared, WINDOW_BYTES};
use virtio_net::{Config, VirtioNet};

use crate::settings::{LARGEST_MTU, Settings};

/// What a link is taken to carry that does not say.
const USUAL_MTU: u16 = 1_500;

/// The driver over memory-mapped registers, which it may share with others of the same device.
pub type NetworkDevice = VirtioNet<Shared<MmioTransport<'static>>>;

/// A device that works, and its interrupt.
pub struct Hardware {
    /// A driver for each pair of its queues; at least one.
    pub drivers: Vec<NetworkDevice>,
    pub interrupt: Interrupt,
    /// By which the device's owner is told where clients' memory is.
    pub reach: Reach,
}

/// Why a device cannot be used.
enum Trouble {
    /// A handle does not allow what is needed.
    System(abi::Error),
    /// The window is not where it should be, or holds no device.
    Window,
    /// No memory for the device came with it.
    NoMemory,
    /// The device and the driver did not agree.
    Device(InitError),
}

impl From<abi::Error> for Trouble {
    fn from(error: abi::Error) -> Self {
        Self::System(error)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(error) => write!(f, "{error}"),
            Self::Window => f.write_str("no device in the window"),
            Self::NoMemory => f.write_str("no memory for it"),
            Self::Device(error) => write!(f, "{error}"),
        }
    }
}

impl Hardware {
    /// The next device of those given that works, which becomes the link of this number.
    /// It may do what the settings let it, if it can; `pairs`: so many drivers are wanted at most.
    pub fn find(env: &mut rt::Env, settings: &Settings, number: u8, pairs: u16) -> Option<Self> {
        while let Some(given) = env.take_device() {
            let physical = given.physical;
            match Self::open(env, given, settings, (number, pairs)) {
                Ok(hardware) => return Some(hardware),
                Err(trouble) => log::error!("network device at {physical:#x}: {trouble}"),
            }
        }
        None
    }

    fn open(
        env: &mut rt::Env,
        given: GivenDevice,
        settings: &Settings,
        (number, pairs): (u8, u16),
    ) -> Result<Self, Trouble> {
        let memory = env.take_memory().ok_or(Trouble::NoMemory)?.into_dma()?;
        // Several windows share a page; ours begins within it.
        let start = usize::try_from(given.physical).map_err(|_| Trouble::Window)? % PAGE_SIZE;
        let (registers, reach) = given.registers.into_registers_and_reach()?;
        let window = registers
            .narrow(start, WINDOW_BYTES)
            .map_err(|_| Trouble::Window)?;
        let transport = virtio::transport(window).map_err(|_| Trouble::Window)?;
        // For a device that has no address of its own: locally administered, and not every
        // machine's.
        let [first, second, third, fourth, fifth, ..] = env.seed;
        let mtu = settings.link(number).mtu;
        let config = Config {
            pairs,
            offloads: settings.offloads,
            largest_mtu: mtu.unwrap_or(LARGEST_MTU),
            unstated_mtu: mtu.unwrap_or(USUAL_MTU),
            fallback_mac: [0x02, first, second, third, fourth, fifth ^ (number - 1)],
            ..Config::default()
        };
        let drivers = VirtioNet::pairs(transport, memory, config).map_err(Trouble::Device)?;
        Ok(Self {
            drivers,
            interrupt: given.interrupt,
            reach,
        })
    }
}
