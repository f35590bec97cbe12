//! The ladder of device initialisation.
//!
//! *Owns* the order of the steps: reset, acknowledge, agree on features, set up queues, go.
//! *Never* waits without a bound.
//! *Spec* 3.1.1 (driver requirements: device initialisation), 2.4 (reset), 2.2 (feature bits).
//!
//! The ladder of `virtio-drivers` is not used because it neither waits for the reset nor reads
//! back whether the features were accepted.

use core::fmt;
use virtio_drivers::transport::{DeviceStatus, DeviceType, Transport};

/// `VIRTIO_F_ANY_LAYOUT` (legacy): headers need no descriptor of their own.
pub const ANY_LAYOUT: u64 = 1 << 27;
/// `VIRTIO_F_INDIRECT_DESC`: chains may lie in tables of their own (2.7.5.3).
pub const INDIRECT: u64 = 1 << 28;
/// `VIRTIO_F_EVENT_IDX`: notifications by event index (2.7.7).
pub const EVENT_INDEX: u64 = 1 << 29;
/// `VIRTIO_F_VERSION_1`: the standard, not the legacy interface (6.1).
pub const VERSION_1: u64 = 1 << 32;

/// The device is known and has a driver (3.1.1 steps 2 and 3).
const KNOWN: DeviceStatus = DeviceStatus::ACKNOWLEDGE.union(DeviceStatus::DRIVER);

/// How often a register is read until it says what it must. Generous: devices answer at once.
pub(crate) const PATIENCE: u32 = 100_000;

/// Why a device cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitError {
    /// It is a device of another kind.
    WrongKind,
    /// It does not come back from a reset.
    ResetStuck,
    /// It speaks the modern interface and yet does not offer `VIRTIO_F_VERSION_1`.
    NotModern,
    /// It refuses the features that it was offered back.
    FeaturesRefused,
    /// It lacks a queue, or the queue is too small or in use.
    NoQueue {
        /// Number of the queue.
        index: u16,
    },
    /// The memory that the driver was given is too small.
    TooLittleMemory,
    /// The memory lies beyond what the legacy interface can name.
    OutOfReach,
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongKind => f.write_str("the device is of another kind"),
            Self::ResetStuck => f.write_str("the device does not come back from a reset"),
            Self::NotModern => f.write_str("the modern device does not offer VERSION_1"),
            Self::FeaturesRefused => f.write_str("the device refuses the features it offered"),
            Self::NoQueue { index } => write!(f, "the device has no usable queue {index}"),
            Self::TooLittleMemory => f.write_str("too little memory for rings and buffers"),
            Self::OutOfReach => f.write_str("memory beyond what a legacy device can reach"),
        }
    }
}

impl core::error::Error for InitError {}

/// Proof that a device has been reset and has no buffer any more; spent by [`go`].
#[derive(Debug)]
pub struct Reset(());

/// Resets the device (2.4.2: wait until the status reads zero).
///
/// # Errors
///
/// [`InitError::ResetStuck`] when it does not confirm.
pub fn reset_device<T: Transport>(transport: &mut T) -> Result<Reset, InitError> {
    transport.set_status(DeviceStatus::empty());
    for _ in 0..PATIENCE {
        if transport.get_status().is_empty() {
            return Ok(Reset(()));
        }
        core::hint::spin_loop();
    }
    Err(InitError::ResetStuck)
}

/// Resets the device and agrees on features: `choose` gets the transport (configuration space may
/// be read, 3.1.1 step 4) and the offered bits, and says which to accept. Afterwards queues can be
/// set up. Returns the accepted bits.
///
/// # Errors
///
/// When it is another device, or does not follow the ladder.
pub fn negotiate<T: Transport>(
    transport: &mut T,
    kind: DeviceType,
    choose: impl FnOnce(&T, u64) -> u64,
) -> Result<(u64, Reset), InitError> {
    if transport.device_type() != kind {
        return Err(InitError::WrongKind);
    }
    let reset = reset_device(transport)?;
    transport.set_status(DeviceStatus::ACKNOWLEDGE);
    transport.set_status(KNOWN);
    let legacy = transport.requires_legacy_layout();
    // 4.2.4: the legacy interface knows 32 features.
    let known_features = if legacy {
        u64::from(u32::MAX)
    } else {
        u64::MAX
    };
    let offered = transport.read_device_features() & known_features;
    // 6.1: a driver must accept VERSION_1; without it a version 2 device cannot be spoken to.
    let modern = if legacy { 0 } else { VERSION_1 };
    if offered & modern != modern {
        give_up(transport);
        return Err(InitError::NotModern);
    }
    let accepted = choose(transport, offered) & offered | modern;
    transport.write_driver_features(accepted);
    if !legacy {
        // 3.1.1 steps 5 and 6: read back whether the device agrees. 3.1.2: not the legacy way.
        transport.set_status(KNOWN | DeviceStatus::FEATURES_OK);
        if !transport.get_status().contains(DeviceStatus::FEATURES_OK) {
            give_up(transport);
            return Err(InitError::FeaturesRefused);
        }
    }
    // 4.2.4: the unit of the legacy interface's queue addresses.
    transport.set_guest_page_size(4096);
    Ok((accepted, reset))
}

/// Lets the device work (3.1.1 step 8); it is no longer reset.
pub fn go<T: Transport>(transport: &mut T, _: Reset) {
    let agreed = if transport.requires_legacy_layout() {
        DeviceStatus::empty()
    } else {
        DeviceStatus::FEATURES_OK
    };
    transport.set_status(KNOWN | agreed | DeviceStatus::DRIVER_OK);
}

/// Tells the device that the driver has given it up (2.1.1), so that it rests.
pub fn give_up<T: Transport>(transport: &mut T) {
    transport.set_status(DeviceStatus::FAILED);
}

/// Reads something of several parts from the configuration space in one piece (2.5.1, 4.2.2):
/// modern devices count changes in a generation; of legacy ones two equal readings are taken.
/// `None` when it does not come to rest.
pub fn read_in_one_piece<T: Transport, V: PartialEq>(
    transport: &T,
    read: impl Fn(&T) -> Option<V>,
) -> Option<V> {
    const TRIES: usize = 8;
    let legacy = transport.requires_legacy_layout();
    let generation = || {
        if legacy {
            0
        } else {
            transport.read_config_generation()
        }
    };
    (0..TRIES).find_map(|_| {
        let before = generation();
        let value = read(transport)?;
        let stable = before == generation() && (!legacy || read(transport)? == value);
        stable.then_some(value)
    })
}
