//! Where the three parts of a split queue lie in memory.
//!
//! *Owns* offsets, alignments and the views on the parts. *Never* decides what is written there.
//! *Spec* 2.7 (split virtqueues), 2.7.2 (legacy layout).
//!
//! One layout serves both interfaces: the legacy one (contiguous, the used ring on a page of its
//! own) meets every demand of the modern one and costs less than a page.

use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};
use hardware::{Dma, Shared};

/// Unit of the legacy interface: queues begin on a page and are named by its number.
pub(crate) const PAGE: usize = 4096;
/// Most entries of a split queue (2.7).
pub(crate) const MAX_SIZE: u16 = 1 << 15;

pub(super) const DESCRIPTOR_BYTES: usize = 16;
const AVAILABLE_HEADER: usize = 4;
const USED_HEADER: usize = 4;
const USED_ELEMENT: usize = 8;
const EVENT_BYTES: usize = 2;

/// Bytes from the descriptor table to the available ring.
const fn available_offset(size: u16) -> usize {
    DESCRIPTOR_BYTES * size as usize
}

/// Bytes from the descriptor table to the used ring.
const fn used_offset(size: u16) -> usize {
    let available_bytes = AVAILABLE_HEADER + 2 * size as usize + EVENT_BYTES;
    (available_offset(size) + available_bytes).next_multiple_of(PAGE)
}

/// Bytes of a queue of `size` entries that begins on a page.
#[must_use]
pub const fn queue_bytes(size: u16) -> usize {
    used_offset(size) + USED_HEADER + USED_ELEMENT * size as usize + EVENT_BYTES
}

/// Bytes of the indirect tables of a queue of `size` entries, `most` descriptors each (2.7.5.3).
#[must_use]
pub const fn table_bytes(size: u16, most: u16) -> usize {
    DESCRIPTOR_BYTES * size as usize * most as usize
}

/// A descriptor: address; length, flags and next (2.7.5).
pub(super) type Descriptor = [AtomicU64; 2];

/// Indirect tables: one for each descriptor of the ring.
pub(crate) struct Tables {
    /// As in [`Parts`], one table after the other.
    descriptors: &'static [Descriptor],
    /// Physical address of the first.
    physical: u64,
    /// Descriptors of each.
    most: u16,
}

impl Tables {
    /// Takes the memory of the tables off the front of `memory`. `None` if there is not enough.
    pub fn take(memory: &mut Dma, size: u16, most: u16) -> Option<Self> {
        if !memory.align_to(DESCRIPTOR_BYTES) {
            return None;
        }
        let tables = memory.split_to(table_bytes(size, most))?;
        let physical = tables.physical();
        Some(Self {
            descriptors: pairs(tables)?,
            physical,
            most,
        })
    }

    /// Whether so many descriptors fit into one.
    pub fn hold(&self, count: usize) -> bool {
        count <= usize::from(self.most)
    }

    /// Where a device finds the table of this descriptor, and the cells of it.
    #[inline]
    pub fn of(&self, number: u16) -> (u64, &'static [Descriptor]) {
        let at = usize::from(number) * usize::from(self.most);
        let cells = self.descriptors.get(at..).unwrap_or_default();
        (self.physical + (DESCRIPTOR_BYTES * at) as u64, cells)
    }
}

/// What one side says beside the entries of its ring.
pub(crate) struct Words {
    /// What it does not want to be told.
    pub flags: &'static AtomicU16,
    /// How far it has come.
    pub index: &'static AtomicU16,
    /// What it wants to be told (2.7.7, 2.7.10).
    pub event: &'static AtomicU16,
}

impl Words {
    fn of(header: Dma, event: Dma) -> Option<Self> {
        let [flags, index] = header.into_shared()? else {
            return None;
        };
        let event = event.into_shared()?.first()?;
        Some(Self {
            flags,
            index,
            event,
        })
    }

    /// As at the beginning.
    pub fn clear(&self) {
        for word in [self.flags, self.index, self.event] {
            word.store(0, Ordering::Relaxed);
        }
    }
}

/// Cells in twos.
fn pairs<T: Shared>(memory: Dma) -> Option<&'static [[T; 2]]> {
    Some(memory.into_shared()?.as_chunks().0)
}

/// The parts of a queue. What the driver writes and what the device writes are apart, and all of
/// it is atomic: a device may change anything at any time.
pub(crate) struct Parts {
    /// The descriptor table.
    pub descriptors: &'static [Descriptor],
    /// What the driver says (2.7.6).
    pub available: Words,
    /// The heads of what it offers.
    pub heads: &'static [AtomicU16],
    /// What the device says (2.7.8).
    pub used: Words,
    /// Id and length of each used element.
    pub elements: &'static [[AtomicU32; 2]],
    /// Physical addresses of the descriptor table, the available and the used ring.
    pub physical: [u64; 3],
}

impl Parts {
    /// Takes the memory of a queue of `size` entries off the front of `memory`, which is left at
    /// the byte after it. `None` if there is not enough.
    pub fn take(memory: &mut Dma, size: u16) -> Option<Self> {
        if !memory.align_to(PAGE) {
            return None;
        }
        let mut queue = memory.split_to(queue_bytes(size))?;
        queue.bytes_mut().fill(0);
        let entries = usize::from(size);
        let start = queue.physical();
        let descriptors = queue.split_to(DESCRIPTOR_BYTES * entries)?;
        let available = queue.split_to(AVAILABLE_HEADER)?;
        let heads = queue.split_to(2 * entries)?;
        let driver_event = queue.split_to(EVENT_BYTES)?;
        if !queue.align_to(PAGE) {
            return None;
        }
        let physical = [start, available.physical(), queue.physical()];
        let used = queue.split_to(USED_HEADER)?;
        let elements = queue.split_to(USED_ELEMENT * entries)?;
        Some(Self {
            descriptors: pairs(descriptors)?,
            available: Words::of(available, driver_event)?,
            heads: heads.into_shared()?,
            used: Words::of(used, queue)?,
            elements: pairs(elements)?,
            physical,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{AtomicU16, Parts, queue_bytes};
    use crate::fake::memory;

    #[test]
    fn the_used_ring_is_on_a_page_of_its_own() {
        assert_eq!(queue_bytes(2), 4096 + 4 + 16 + 2);
        assert_eq!(queue_bytes(256), 8192 + 4 + 2048 + 2);
        assert_eq!(queue_bytes(1024), 20480 + 4 + 8192 + 2);
    }

    #[test]
    fn parts_lie_where_the_legacy_interface_says() {
        let (mut dma, _) = memory(0x4000_0000, 3 * 4096);
        dma.split_to(100).unwrap();
        let parts = Parts::take(&mut dma, 8).unwrap();
        assert_eq!(parts.physical, [0x4000_1000, 0x4000_1080, 0x4000_2000]);
        assert_eq!(parts.descriptors.len(), 8);
        assert_eq!(parts.heads.len(), 8);
        assert_eq!(parts.elements.len(), 8);
        let between = |from: &AtomicU16, to: &AtomicU16| to.as_ptr().addr() - from.as_ptr().addr();
        let (available, used) = (&parts.available, &parts.used);
        assert_eq!(between(available.flags, available.index), 2);
        assert_eq!(between(available.flags, available.event), 4 + 2 * 8);
        assert_eq!(between(available.flags, used.flags), 4096 - 0x80);
        assert_eq!(between(used.flags, used.event), 4 + 8 * 8);
        assert!(Parts::take(&mut dma, 8).is_none());
    }
}
