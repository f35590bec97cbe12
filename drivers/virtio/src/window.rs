//! A virtio-mmio window: is there a device, of what kind, and is it free?
//!
//! *Owns* the few registers that may be looked at without taking the device.
//! *Never* disturbs a device that somebody else drives: looking only reads.
//! *Spec* VirtIO 1.3, 4.2.2 (registers), 4.2.4 (legacy interface).
//! *Called by* whoever hands out devices; the drivers themselves get a [`Transport`].
//!
//! [`Transport`]: virtio_drivers::transport::Transport

use crate::init::PATIENCE;
use hardware::{OutOfRange, Registers};
use virtio_drivers::transport::mmio::{MmioError, MmioTransport};

/// Bytes of one window on QEMU's `virt` machine.
pub const WINDOW_BYTES: usize = 0x200;

const MAGIC_VALUE: usize = 0x000;
const VERSION: usize = 0x004;
const DEVICE_ID: usize = 0x008;
const STATUS: usize = 0x070;
/// "virt", 4.2.2.
const MAGIC: u32 = 0x7472_6976;

/// How a window is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Version 1, from before the standard: queues by page number, guest byte order.
    Legacy,
    /// Version 2.
    Modern,
}

/// What kind of device a window holds (section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// 1: network card.
    Network,
    /// 4: entropy source.
    Entropy,
    /// Another, by its number.
    Other(u32),
}

/// What was found in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probe {
    /// No virtio window, or no device in it.
    Absent,
    /// A version of the register layout that nobody here knows.
    Unknown {
        /// The version register.
        version: u32,
    },
    /// A device that somebody has begun to drive (its status is not zero): to be left alone.
    Claimed {
        /// What it is.
        kind: Kind,
    },
    /// A device that nobody drives.
    Free {
        /// What it is.
        kind: Kind,
        /// How it is spoken to.
        version: Version,
    },
}

/// Looks into a window without disturbing the device.
#[must_use]
pub fn probe(window: &Registers) -> Probe {
    look(window).unwrap_or(Probe::Absent)
}

fn look(window: &Registers) -> Result<Probe, OutOfRange> {
    if window.read(MAGIC_VALUE)? != MAGIC {
        return Ok(Probe::Absent);
    }
    let version = match window.read(VERSION)? {
        1 => Version::Legacy,
        2 => Version::Modern,
        version => return Ok(Probe::Unknown { version }),
    };
    let kind = match window.read(DEVICE_ID)? {
        // 4.2.3.1: a window without a device; nothing more may be read.
        0 => return Ok(Probe::Absent),
        1 => Kind::Network,
        4 => Kind::Entropy,
        other => Kind::Other(other),
    };
    Ok(if window.read(STATUS)? == 0 {
        Probe::Free { kind, version }
    } else {
        Probe::Claimed { kind }
    })
}

/// Resets the device of a window, whoever drove it, and returns whether it says that it is reset:
/// from then on it touches no memory (2.4). To be done after the death of a driver, before its
/// memory is used for anything else and before the next driver starts.
pub fn reset(window: &mut Registers) -> bool {
    if matches!(probe(window), Probe::Absent | Probe::Unknown { .. }) {
        return true;
    }
    window.write(STATUS, 0).is_ok()
        && (0..PATIENCE).any(|_| {
            core::hint::spin_loop();
            window.read(STATUS) == Ok(0)
        })
}

/// The transport over a window that the caller found [`Probe::Free`]. Dropping it resets the
/// device: a driver that ends leaves no device behind that still writes to memory.
///
/// # Errors
///
/// When the window holds no device that the transport knows.
pub fn transport(window: Registers) -> Result<MmioTransport<'static>, MmioError> {
    let bytes = window.len();
    let first = window.into_pointer().ptr_nonnull().cast();
    // The registers of 4.2.2 end where the configuration space begins, at 0x100.
    if bytes < 0x100 {
        return Err(MmioError::MmioRegionTooSmall);
    }
    // SAFETY: `Registers` are mapped device memory for the rest of the program and nobody else's;
    // they were consumed above. The pointer is aligned to a word, which is all the header needs,
    // and the header's 0x100 bytes are there.
    unsafe { MmioTransport::new(first, bytes) }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{Kind, MAGIC, Probe, Version, WINDOW_BYTES, probe, reset, transport};
    use core::ptr::NonNull;
    use hardware::Registers;
    use std::boxed::Box;

    fn window(version: u32, device: u32, status: u32) -> Registers {
        let mut words = [0_u32; WINDOW_BYTES / 4];
        words[0] = MAGIC;
        words[1] = version;
        words[2] = device;
        words[0x70 / 4] = status;
        let words = NonNull::from(Box::leak(Box::new(words)));
        // SAFETY: leaked memory stands in for registers.
        unsafe { Registers::new(words.cast(), WINDOW_BYTES) }
    }

    #[test]
    fn kinds_and_versions() {
        let network = Probe::Free {
            kind: Kind::Network,
            version: Version::Modern,
        };
        let entropy = Probe::Free {
            kind: Kind::Entropy,
            version: Version::Legacy,
        };
        let other = Probe::Free {
            kind: Kind::Other(2),
            version: Version::Legacy,
        };
        assert_eq!(probe(&window(2, 1, 0)), network);
        assert_eq!(probe(&window(1, 4, 0)), entropy);
        assert_eq!(probe(&window(1, 2, 0)), other);
        assert_eq!(probe(&window(2, 0, 0)), Probe::Absent);
        assert_eq!(probe(&window(3, 1, 0)), Probe::Unknown { version: 3 });
    }

    #[test]
    fn a_claimed_device_is_left_alone() {
        let window = window(2, 1, 0xf);
        let kind = Kind::Network;
        assert_eq!(probe(&window), Probe::Claimed { kind });
        assert_eq!(window.read(0x70), Ok(0xf));
    }

    #[test]
    fn reset_frees_a_claimed_device() {
        let mut window = window(1, 1, 0xf);
        assert!(reset(&mut window));
        assert!(matches!(probe(&window), Probe::Free { .. }));
    }

    #[test]
    fn rubbish_is_no_device() {
        let none = window(2, 1, 0).narrow(0x100, 0x100).unwrap();
        assert_eq!(probe(&none), Probe::Absent);
        let short = window(2, 1, 0).narrow(0, 8).unwrap();
        assert_eq!(probe(&short), Probe::Absent);
        assert!(transport(short).is_err());
        assert!(transport(none).is_err());
    }
}
