//! Descriptor chains: which descriptors a buffer in flight takes, and what they say.
//!
//! *Owns* the buffers that the device has, and a private list of the free descriptors, which the
//! device cannot reach. *Never* reads what it has written: the device may have changed it.
//! *Spec* 2.7.5 (the descriptor table), 2.7.5.3 (indirect descriptors).
//!
//! A chain is popped off the free list as a whole, so the list's own links lead from its first
//! descriptor to its last until it is put back as a whole.

use super::layout::{DESCRIPTOR_BYTES, Descriptor, Parts, Tables};
use super::split::{Direction, Piece, Plan};
use crate::faults::Fault;
use alloc::boxed::Box;
use core::sync::atomic::Ordering;
use hardware::Dma;

/// Descriptor continues in `next` (2.7.5).
const NEXT: u64 = 1;
/// Descriptor is written by the device.
const WRITE: u64 = 2;
/// Descriptor is a table of descriptors.
const TABLE: u64 = 4;
/// No descriptor.
const NONE: u16 = u16::MAX;

/// What the driver knows of a descriptor.
struct Slot {
    /// The buffer whose chain begins here.
    buffer: Option<Dma>,
    /// The device has it: nobody else may.
    is_lent: bool,
    /// Bytes that the device may use, all of the chain's.
    length: u32,
    /// How many descriptors that chain has.
    count: u16,
    /// The last of them, if there are several.
    last: u16,
    /// The next of the free ones, or of the chain.
    next: u16,
}

/// All chains of a queue.
pub(super) struct Chains {
    descriptors: &'static [Descriptor],
    tables: Option<Tables>,
    slots: Box<[Slot]>,
    /// First free descriptor, and how many there are.
    free: u16,
    unused: u16,
    /// Buffers that the device has, and most that it may.
    in_flight: u16,
    most: u16,
    header: usize,
    /// Flags of what lies in front, and of the rest.
    front: u64,
    write: u64,
}

impl Chains {
    /// No chain yet, at most `most` at a time.
    pub fn new(plan: &Plan, parts: &Parts, tables: Option<Tables>, size: u16, most: u16) -> Self {
        let slot = |_| Slot {
            buffer: None,
            is_lent: false,
            length: 0,
            last: NONE,
            count: 0,
            next: NONE,
        };
        let mut chains = Self {
            descriptors: parts.descriptors,
            tables,
            slots: (0..size).map(slot).collect(),
            free: NONE,
            unused: 0,
            in_flight: 0,
            most,
            header: plan.header,
            front: match plan.direction {
                Direction::ToDevice | Direction::Both => 0,
                Direction::FromDevice => WRITE,
            },
            write: match plan.direction {
                Direction::ToDevice => 0,
                Direction::FromDevice | Direction::Both => WRITE,
            },
        };
        chains.clear();
        chains
    }

    /// Forgets all chains.
    pub fn clear(&mut self) {
        for (number, slot) in (0..).zip(self.slots.iter_mut()) {
            slot.buffer = None;
            slot.is_lent = false;
            slot.next = number + 1;
        }
        if let Some(last) = self.slots.last_mut() {
            last.next = NONE;
        }
        self.free = 0;
        self.unused = u16::try_from(self.slots.len()).unwrap_or(u16::MAX);
        self.in_flight = 0;
    }

    /// Takes any buffer out.
    pub fn recall(&mut self) -> Option<Dma> {
        self.slots.iter_mut().find_map(|slot| slot.buffer.take())
    }

    /// Buffers that the device has.
    pub fn in_flight(&self) -> u16 {
        self.in_flight
    }

    /// Buffers in flight at most.
    pub fn most(&self) -> u16 {
        self.most
    }

    /// Buffers of one piece that can be put in.
    pub fn room(&self) -> u16 {
        let each = 1 + u16::from(self.header > 0);
        (self.most - self.in_flight).min(self.unused / each)
    }

    /// Whether a chain of so many descriptors can be put in.
    #[inline]
    pub fn fits(&self, count: usize) -> bool {
        let is_table = self.tables.as_ref().is_some_and(|it| it.hold(count));
        let needed = if is_table { 1 } else { count };
        self.in_flight < self.most && needed <= self.unused.into()
    }

    /// Writes a chain of the first `length` bytes of a buffer. Returns its first descriptor, or
    /// gives the buffer back.
    #[inline]
    pub fn put(&mut self, buffer: Dma, length: usize) -> Result<u16, Dma> {
        let Some(bytes) = self.usable(&buffer, length) else {
            return Err(buffer);
        };
        let (header, physical) = (self.header, buffer.physical());
        if header > 0 {
            let rest = Piece {
                physical: physical + header as u64,
                length: bytes - u32::try_from(header).unwrap_or(bytes),
            };
            return self.link(buffer, header, &[rest]);
        }
        let head = self.free;
        let slot = self.slots.get_mut(usize::from(head));
        let Some(slot) = slot.filter(|_| self.in_flight < self.most) else {
            return Err(buffer);
        };
        self.free = slot.next;
        self.unused -= 1;
        self.in_flight += 1;
        slot.buffer = Some(buffer);
        slot.is_lent = true;
        (slot.length, slot.count) = (bytes, 1);
        describe(
            self.descriptors,
            head,
            physical,
            bytes.into(),
            self.write,
            0,
        );
        Ok(head)
    }

    /// Writes a chain of the first `length` bytes of a buffer and what is elsewhere in memory.
    pub fn put_gathered(
        &mut self,
        buffer: Dma,
        length: usize,
        pieces: &[Piece],
    ) -> Result<u16, Dma> {
        if pieces.is_empty() {
            return self.put(buffer, length);
        }
        if self.usable(&buffer, length).is_none() || self.header > 0 && self.header != length {
            return Err(buffer);
        }
        self.link(buffer, length, pieces)
    }

    /// The length as the device counts, if it is more than a header and not more than the buffer.
    #[inline]
    fn usable(&self, buffer: &Dma, length: usize) -> Option<u32> {
        let is_usable = length > 0 && length >= self.header && length <= buffer.len();
        u32::try_from(length).ok().filter(|_| is_usable)
    }

    /// Writes a chain of two descriptors and more.
    fn link(&mut self, buffer: Dma, length: usize, pieces: &[Piece]) -> Result<u16, Dma> {
        let mut total = length as u64;
        let mut is_sound = true;
        for piece in pieces {
            total += u64::from(piece.length);
            is_sound &= piece.length > 0;
        }
        let Some(bytes) = u32::try_from(total).ok().filter(|_| is_sound) else {
            return Err(buffer);
        };
        let count = pieces.len() + 1;
        let is_table = self.tables.as_ref().is_some_and(|it| it.hold(count));
        let Some(head) = self.claim(if is_table { 1 } else { count }) else {
            return Err(buffer);
        };
        let front = (buffer.physical(), length as u64);
        match self.tables.as_ref().filter(|_| is_table) {
            Some(tables) => {
                let (physical, cells) = tables.of(head);
                self.fill_table(cells, front, pieces);
                let length = (DESCRIPTOR_BYTES * count) as u64;
                describe(self.descriptors, head, physical, length, TABLE, 0);
            }
            None => self.fill_ring(head, front, pieces),
        }
        self.keep(head, buffer, bytes);
        Ok(head)
    }

    /// Writes a chain into a table, where each descriptor is followed by the next.
    fn fill_table(&self, cells: &[Descriptor], front: (u64, u64), pieces: &[Piece]) {
        let Some((first, cells)) = cells.split_first() else {
            return;
        };
        write(first, front.0, front.1, self.front | NEXT, 1);
        let mut left = pieces.len();
        for (next, (cell, piece)) in (2..).zip(cells.iter().zip(pieces)) {
            left -= 1;
            let flags = self.write | if left > 0 { NEXT } else { 0 };
            write(cell, piece.physical, piece.length.into(), flags, next);
        }
    }

    /// Writes a chain into descriptors of the ring, which the free list's own links lead through.
    fn fill_ring(&self, head: u16, front: (u64, u64), pieces: &[Piece]) {
        let next_of = |number: u16| {
            self.slots
                .get(usize::from(number))
                .map_or(NONE, |it| it.next)
        };
        let mut number = next_of(head);
        let (address, length) = front;
        describe(
            self.descriptors,
            head,
            address,
            length,
            self.front | NEXT,
            number,
        );
        for (left, piece) in (0..pieces.len()).rev().zip(pieces) {
            let follower = next_of(number);
            let (flags, next) = if left > 0 { (NEXT, follower) } else { (0, 0) };
            let (address, length) = (piece.physical, piece.length.into());
            describe(
                self.descriptors,
                number,
                address,
                length,
                self.write | flags,
                next,
            );
            number = follower;
        }
    }

    /// Takes so many descriptors off the free list; the first of them.
    #[inline]
    fn claim(&mut self, count: usize) -> Option<u16> {
        let count = u16::try_from(count).ok()?;
        if self.in_flight >= self.most || count > self.unused {
            return None;
        }
        let head = self.free;
        let mut last = head;
        for _ in 1..count {
            last = self.slots.get(usize::from(last))?.next;
        }
        self.free = self.slots.get(usize::from(last))?.next;
        self.unused -= count;
        let slot = self.slots.get_mut(usize::from(head))?;
        (slot.last, slot.count) = (last, count);
        Some(head)
    }

    /// A buffer is with the device from now on.
    #[inline]
    fn keep(&mut self, head: u16, buffer: Dma, length: u32) {
        if let Some(slot) = self.slots.get_mut(usize::from(head)) {
            slot.buffer = Some(buffer);
            slot.is_lent = true;
            slot.length = length;
            self.in_flight += 1;
        }
    }

    /// The buffer whose chain begins at this descriptor, by the device's word, is no longer the
    /// device's. Its descriptor, and the bytes that the device could have used.
    #[inline]
    pub fn end(&mut self, id: u32) -> Result<(u16, u32), Fault> {
        let number = u16::try_from(id).unwrap_or(NONE);
        let slot = self.slots.get_mut(usize::from(number)).ok_or(Fault::Id)?;
        if !slot.is_lent {
            return Err(Fault::NotInFlight);
        }
        slot.is_lent = false;
        self.in_flight -= 1;
        Ok((number, slot.length))
    }

    /// Takes a buffer out that is not the device's any more.
    #[inline]
    pub fn take(&mut self, number: u16) -> Option<Dma> {
        let slot = self.slots.get_mut(usize::from(number))?;
        let buffer = slot.buffer.take_if(|_| !slot.is_lent)?;
        let (count, last) = (slot.count, slot.last);
        if count == 1 {
            slot.next = self.free;
        } else if let Some(last) = self.slots.get_mut(usize::from(last)) {
            last.next = self.free;
        }
        self.free = number;
        self.unused += count;
        Some(buffer)
    }

    /// The bytes of a buffer that is not the device's.
    #[inline]
    pub fn bytes(&self, number: u16) -> &[u8] {
        let slot = self.slots.get(usize::from(number));
        let slot = slot.filter(|slot| !slot.is_lent);
        slot.and_then(|slot| slot.buffer.as_ref())
            .map_or(&[], Dma::bytes)
    }

    /// The same, to be written.
    #[inline]
    pub fn bytes_mut(&mut self, number: u16) -> &mut [u8] {
        let slot = self.slots.get_mut(usize::from(number));
        let slot = slot.filter(|slot| !slot.is_lent);
        slot.and_then(|slot| slot.buffer.as_mut())
            .map_or(&mut [], Dma::bytes_mut)
    }

    /// Gives the first `length` bytes of a buffer to the device again, whose chain is one descriptor. Whether
    /// there is such a buffer that is not the device's, and so long.
    #[inline]
    pub fn lend_part(&mut self, number: u16, length: usize) -> bool {
        let slot = self.slots.get_mut(usize::from(number));
        let Some(slot) = slot.filter(|slot| !slot.is_lent && slot.count == 1) else {
            return false;
        };
        let buffer = slot.buffer.as_ref();
        let Some(buffer) = buffer.filter(|buffer| 0 < length && length <= buffer.len()) else {
            return false;
        };
        let Ok(bytes) = u32::try_from(length) else {
            return false;
        };
        let (address, length) = (buffer.physical(), bytes.into());
        describe(self.descriptors, number, address, length, self.write, 0);
        slot.is_lent = true;
        slot.length = bytes;
        self.in_flight += 1;
        true
    }

    /// Gives a buffer to the device again, all that it had of it, by the same chain. Whether there
    /// is one that is not the device's.
    #[inline]
    pub fn lend_again(&mut self, number: u16) -> bool {
        let slot = self.slots.get_mut(usize::from(number));
        let Some(slot) = slot.filter(|slot| !slot.is_lent && slot.buffer.is_some()) else {
            return false;
        };
        slot.is_lent = true;
        self.in_flight += 1;
        true
    }
}

/// Writes a descriptor of a table.
#[inline]
fn describe(table: &[Descriptor], number: u16, address: u64, length: u64, flags: u64, next: u16) {
    if let Some(descriptor) = table.get(usize::from(number)) {
        write(descriptor, address, length, flags, next);
    }
}

/// Writes a descriptor (2.7.5): address, then length, flags and next as one word.
#[inline]
fn write([first, second]: &Descriptor, address: u64, length: u64, flags: u64, next: u16) {
    let rest = length | flags << 32 | u64::from(next) << 48;
    first.store(address.to_le(), Ordering::Relaxed);
    second.store(rest.to_le(), Ordering::Relaxed);
}
