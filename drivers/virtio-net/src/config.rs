//! What the driver's owner chooses, and how the memory is used.
//!
//! *Invariant* each buffer is laid out so that the IP header behind the Ethernet header begins on
//! a 16-byte boundary, whichever VirtIO header stands in front.

use crate::transmit::PIECES;
use device::Offloads;
use virtio::{queue_bytes, table_bytes};

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;
/// Ethernet header and one VLAN tag: what a frame may have beyond the MTU.
pub(crate) const LINK_BYTES: usize = ETHERNET + 4;
/// Where the IP packet begins in its cell.
const PACKET_OFFSET: usize = 32;
/// Cells begin on a line of the data cache, so that no two frames share one.
pub(crate) const CELL_ALIGNMENT: usize = 64;
/// What a link carries that does not say otherwise.
pub(crate) const USUAL_MTU: u16 = 1500;

/// Choices of the driver's owner.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Most pairs of queues to use, each for a driver of its own ([`crate::VirtioNet::pairs`]); the
    /// device may have fewer.
    pub pairs: u16,
    /// Receive buffers of each pair; the device may allow fewer.
    pub receive_buffers: u16,
    /// Transmit buffers of each pair; the device may allow fewer.
    pub transmit_buffers: u16,
    /// Largest MTU to agree to, in bytes. Buffers are as large as the device's, and fewer where the
    /// memory is for smaller ones.
    pub largest_mtu: u16,
    /// The MTU where the device states none.
    pub unstated_mtu: u16,
    /// What to accept of what the device offers.
    pub offloads: Offloads,
    /// Hardware address to use when the device has none.
    pub fallback_mac: [u8; 6],
}

impl Default for Config {
    fn default() -> Self {
        Self {
            pairs: 1,
            receive_buffers: 256,
            transmit_buffers: 256,
            largest_mtu: USUAL_MTU,
            unstated_mtu: USUAL_MTU,
            offloads: Offloads::ALL,
            // Locally administered, unicast.
            fallback_mac: [0x02, 0, 0, 0, 0, 0x01],
        }
    }
}

impl Config {
    /// Bytes of memory that hold all rings and buffers, wherever the memory begins.
    #[must_use]
    pub const fn memory(&self) -> usize {
        let frame = cell_bytes(self.largest_mtu);
        let receive = if frame > MERGED_CELL {
            frame
        } else {
            MERGED_CELL
        };
        let pair = ring_memory(self.receive_buffers)
            + ring_memory(self.transmit_buffers)
            + tables_memory(self.transmit_buffers)
            + CELL_ALIGNMENT
            + self.receive_buffers as usize * receive
            + self.transmit_buffers as usize * frame;
        if self.pairs > 1 {
            pair * self.pairs as usize + ring_memory(1) + CELL_ALIGNMENT
        } else {
            pair
        }
    }
}

/// Entries of the largest ring for so many buffers, `each` of which takes so many.
const fn ring_size(buffers: u16, each: u16) -> u16 {
    const MOST: u16 = 1 << 15;
    let descriptors = buffers.saturating_mul(each);
    if descriptors > MOST {
        MOST
    } else {
        descriptors.next_power_of_two()
    }
}

/// Bytes of the largest ring for so many buffers: two descriptors each, and up to a page before it.
const fn ring_memory(buffers: u16) -> usize {
    queue_bytes(ring_size(buffers, 2)) + 4096
}

/// Bytes of the tables of frames that are gathered: one for each entry of a ring that has one for each
/// buffer (a header with an entry of its own excludes gathering).
const fn tables_memory(buffers: u16) -> usize {
    const ALIGNMENT: usize = 16;
    table_bytes(ring_size(buffers, 1), PIECES + 1) + ALIGNMENT
}

/// Bytes of a receive cell when a frame may take several: the longest frame takes nine, and the usual
/// one is not spread.
pub(crate) const MERGED_CELL: usize = 8192;

/// Bytes of a cell: room in front, header, frame.
pub(crate) const fn cell_bytes(mtu: u16) -> usize {
    (PACKET_OFFSET - ETHERNET + LINK_BYTES + mtu as usize).next_multiple_of(CELL_ALIGNMENT)
}

/// Bytes left free in front of a header of `header` bytes.
pub(crate) const fn cell_front(header: usize) -> usize {
    PACKET_OFFSET - ETHERNET - header
}

#[cfg(test)]
mod tests {
    use super::{Config, cell_bytes, cell_front};
    use crate::header::Format;

    #[test]
    fn the_packet_is_aligned_behind_both_headers() {
        for format in [Format::Short, Format::Long] {
            let header = format.bytes();
            assert_eq!((cell_front(header) + header + 14) % 16, 0);
        }
    }

    #[test]
    fn the_usual_frame_fills_its_cell() {
        assert_eq!(cell_bytes(1500), 1536);
        assert!(Config::default().memory() < 5 << 19);
    }
}
