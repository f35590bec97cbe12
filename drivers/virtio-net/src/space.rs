//! The device's configuration space: hardware address, link, MTU.
//!
//! *Never* takes a value that changed while it was read, or that no link can have.
//! *Spec* 5.1.4 (device configuration layout), 2.5.1 (reading it in one piece).

use crate::features;
use virtio::{Transport, read_in_one_piece};

const MAC: usize = 0;
const STATUS: usize = 6;
const PAIRS: usize = 8;
const MTU: usize = 10;
/// 5.1.4.1: most pairs of queues that a device may state.
const MOST_PAIRS: u16 = 0x8000;
/// In the status: the link is up.
const LINK_UP: u16 = 1;
/// 5.1.4.1: the least MTU that a device may state, which is also IPv4's (RFC 791 3.2).
const LEAST_MTU: u16 = 68;

/// What a value of the configuration space turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stated<V> {
    /// The device does not say.
    Nothing,
    /// A possible value.
    Value(V),
    /// Rubbish, or never at rest.
    Impossible,
}

/// The hardware address, if `accepted` has it.
pub fn mac<T: Transport>(transport: &T, accepted: u64) -> Stated<[u8; 6]> {
    if accepted & features::MAC == 0 {
        return Stated::Nothing;
    }
    let read = |transport: &T| {
        let mut mac = [0; 6];
        for (offset, byte) in (MAC..).zip(&mut mac) {
            // 4.2.2.2: fields of bytes are read by bytes.
            *byte = transport.read_config_space(offset).ok()?;
        }
        Some(mac)
    };
    match read_in_one_piece(transport, read) {
        Some(mac) if mac != [0; 6] && mac[0] & 1 == 0 => Stated::Value(mac),
        _ => Stated::Impossible,
    }
}

/// The largest MTU, if `features` (offered or accepted) has it.
pub fn mtu<T: Transport>(transport: &T, features: u64) -> Stated<u16> {
    if features & features::MTU == 0 {
        return Stated::Nothing;
    }
    match word(transport, MTU) {
        Some(mtu) if mtu >= LEAST_MTU => Stated::Value(mtu),
        _ => Stated::Impossible,
    }
}

/// How many pairs of queues there are, if `features` (offered or accepted) has it.
pub fn pairs<T: Transport>(transport: &T, features: u64) -> Stated<u16> {
    if features & features::PAIRS == 0 {
        return Stated::Nothing;
    }
    match word(transport, PAIRS) {
        Some(pairs) if (1..=MOST_PAIRS).contains(&pairs) => Stated::Value(pairs),
        _ => Stated::Impossible,
    }
}

/// Whether the link is up, if `accepted` has it.
pub fn link_up<T: Transport>(transport: &T, accepted: u64) -> Stated<bool> {
    if accepted & features::STATUS == 0 {
        return Stated::Nothing;
    }
    match word(transport, STATUS) {
        Some(status) => Stated::Value(status & LINK_UP != 0),
        None => Stated::Impossible,
    }
}

fn word<T: Transport>(transport: &T, offset: usize) -> Option<u16> {
    read_in_one_piece(transport, |transport| {
        transport.read_config_space(offset).ok().map(u16::from_le)
    })
}
