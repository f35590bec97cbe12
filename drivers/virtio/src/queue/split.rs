//! The split virtqueue, driver's side.
//!
//! *Owns* the buffers that the device has: a [`Dma`] given to [`SplitQueue::provide`] stays in the
//! queue's private table until the device returns it, so nobody can touch it meanwhile.
//! *Never* believes the device: every index, id and length that it writes is read once into a
//! private copy and checked against what is in flight. A lie is counted; the buffer that it hides
//! stays away (quarantine). A queue that has lost half of its buffers so, or whose used index ran
//! away, is broken: it is read no more until the device has been reset.
//! *Spec* 2.7 (split virtqueues), 2.7.13 (supplying buffers), 2.7.14 (receiving used buffers).
//!
//! Memory ordering, each rule at its line: descriptors and ring entry before the available index
//! (release), used index before used elements and buffer bytes (acquire), and one full fence
//! between an own index and the look at the other side's wish, in [`SplitQueue::publish`] and
//! [`SplitQueue::arm`].

use super::chains::Chains;
use super::event::passed;
use super::layout::{MAX_SIZE, PAGE, Parts, Tables};
use crate::faults::{Fault, Faults};
use crate::init::{InitError, Reset};
use core::sync::atomic::{AtomicU16, Ordering, fence};
use hardware::Dma;
use virtio_drivers::transport::Transport;

/// In the available ring's flags: no interrupts, please (2.7.6).
const NO_INTERRUPT: u16 = 1;
/// In the used ring's flags: no notifications, please (2.7.8).
const NO_NOTIFY: u16 = 1;

/// Who writes the buffers of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The driver; the device reads.
    ToDevice,
    /// The device.
    FromDevice,
    /// The driver writes the header of each buffer ([`Plan::header`]), the device what is behind it:
    /// questions and answers.
    Both,
}

/// How a queue is to be.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Number of the queue in the device.
    pub index: u16,
    /// Most buffers in flight; the device may allow fewer.
    pub buffers: u16,
    /// Who writes.
    pub direction: Direction,
    /// `VIRTIO_F_EVENT_IDX` was negotiated.
    pub event_index: bool,
    /// The first so many bytes of each buffer go into a descriptor of their own: what the legacy
    /// interface wants of headers without `VIRTIO_F_ANY_LAYOUT` (2.7.4, legacy interface), and every
    /// device of what both sides write. Zero for none.
    pub header: usize,
    /// Most pieces that [`SplitQueue::provide_gathered`] is to give beside a buffer.
    pub pieces: u16,
    /// `VIRTIO_F_INDIRECT_DESC` was negotiated: a buffer with pieces takes one descriptor of the
    /// ring.
    pub indirect: bool,
    /// Neither side is told what it has asked not to be told (2.7.7, 2.7.10). Without it each is told
    /// everything.
    pub quiet: bool,
}

impl Plan {
    /// Descriptors of a buffer of one piece, as a power of two.
    const fn chain(&self) -> u32 {
        if self.header == 0 { 0 } else { 1 }
    }
}

/// A run of memory that a device reads behind a buffer's bytes.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// Where the device finds it.
    pub physical: u64,
    /// Bytes, more than zero.
    pub length: u32,
}

/// A buffer that has come back.
#[derive(Debug)]
pub struct Used {
    /// The buffer, as it was provided.
    pub buffer: Dma,
    /// Its first descriptor.
    pub number: u16,
    /// Bytes that the device says it has written. `None` if that is a lie: more than it was given
    /// (counted by the queue).
    pub written: Option<usize>,
}

/// A buffer that has come back, and is still in the queue.
#[derive(Clone, Copy, Debug)]
pub struct Returned {
    /// Its first descriptor.
    pub number: u16,
    /// As in [`Used`].
    pub written: Option<usize>,
}

/// How far a queue's device has come, for whoever does not own the queue.
#[derive(Clone, Copy, Debug)]
pub struct Sign(&'static AtomicU16);

impl Sign {
    /// The device's used index, as it is now.
    #[inline]
    #[must_use]
    pub fn index(self) -> u16 {
        u16::from_le(self.0.load(Ordering::Acquire))
    }
}

/// A split virtqueue.
pub struct SplitQueue {
    parts: Parts,
    plan: Plan,
    chains: Chains,
    /// Entries of the ring minus one; the ring has a power of two of them.
    mask: u16,
    /// Available index as far as buffers have been written.
    provided: u16,
    /// Available index that the device was shown.
    published: u16,
    /// Used index up to which buffers were taken.
    reaped: u16,
    /// Used index that was last read and believed.
    seen: u16,
    /// An interrupt is wanted.
    armed: bool,
    /// The ring can no longer be followed: nothing more is read until the device is reset.
    broken: bool,
}

impl SplitQueue {
    /// Lays a queue out at the front of `memory`, of the size that plan and device allow, and
    /// registers it.
    ///
    /// # Errors
    ///
    /// When the device has no such queue, or memory is short or out of its reach.
    pub fn new<T: Transport>(
        transport: &mut T,
        plan: Plan,
        memory: &mut Dma,
        reset: &Reset,
    ) -> Result<Self, InitError> {
        let (index, chain) = (plan.index, plan.chain());
        let offered = transport.max_queue_size(index).min(u32::from(MAX_SIZE));
        let offered = u16::try_from(offered).unwrap_or(MAX_SIZE);
        // 2.7: the size of a split queue is a power of two.
        let wanted = plan.buffers.clamp(1, MAX_SIZE >> chain).next_power_of_two() << chain;
        let Some(size) = offered
            .min(wanted)
            .checked_ilog2()
            .map(|bits| 1_u16 << bits)
        else {
            return Err(InitError::NoQueue { index });
        };
        let buffers = (size >> chain).min(plan.buffers);
        if buffers == 0 {
            return Err(InitError::NoQueue { index });
        }
        let parts = Parts::take(memory, size).ok_or(InitError::TooLittleMemory)?;
        let tables = if plan.indirect && plan.pieces > 0 {
            let most = plan.pieces.saturating_add(1);
            let tables = Tables::take(memory, size, most);
            Some(tables.ok_or(InitError::TooLittleMemory)?)
        } else {
            None
        };
        let mut queue = Self {
            chains: Chains::new(&plan, &parts, tables, size, buffers),
            parts,
            plan,
            mask: size - 1,
            provided: 0,
            published: 0,
            reaped: 0,
            seen: 0,
            armed: false,
            broken: false,
        };
        queue.register(transport, reset)?;
        Ok(queue)
    }

    /// Begins afresh on a device that has been reset. Buffers must have been taken back by
    /// [`Self::recall`]; those that are still inside are lost.
    ///
    /// # Errors
    ///
    /// When the device no longer accepts the queue.
    pub fn register<T: Transport>(
        &mut self,
        transport: &mut T,
        _: &Reset,
    ) -> Result<(), InitError> {
        let index = self.plan.index;
        let size = u32::from(self.mask) + 1;
        if transport.max_queue_size(index) < size || transport.queue_used(index) {
            return Err(InitError::NoQueue { index });
        }
        let [descriptors, available, used] = self.parts.physical;
        if transport.requires_legacy_layout() && descriptors / PAGE as u64 > u64::from(u32::MAX) {
            return Err(InitError::OutOfReach);
        }
        self.chains.clear();
        (self.provided, self.published, self.reaped, self.seen) = (0, 0, 0, 0);
        self.broken = false;
        for head in self.parts.heads {
            head.store(0, Ordering::Relaxed);
        }
        self.parts.available.clear();
        self.parts.used.clear();
        self.disarm();
        transport.queue_set(index, size, descriptors, available, used);
        Ok(())
    }

    /// Takes one buffer back from a device that has been reset.
    pub fn recall(&mut self, _: &Reset) -> Option<Dma> {
        self.chains.recall()
    }

    /// Buffers that can be provided.
    #[must_use]
    pub fn room(&self) -> usize {
        usize::from(self.chains.room())
    }

    /// Whether a buffer with so many pieces beside it can be provided.
    #[inline]
    #[must_use]
    pub fn has_room_for(&self, pieces: usize) -> bool {
        self.chains.fits(pieces + 1)
    }

    /// Entries of the ring: descriptors are named by smaller numbers.
    #[must_use]
    pub fn size(&self) -> usize {
        usize::from(self.mask) + 1
    }

    /// Buffers that the device has, also those that it will never return.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        usize::from(self.chains.in_flight())
    }

    /// Buffers that the device was shown and can still return.
    #[must_use]
    pub fn outstanding(&self) -> u16 {
        self.published.wrapping_sub(self.reaped)
    }

    /// Buffers in flight at most.
    #[must_use]
    pub fn capacity(&self) -> usize {
        usize::from(self.chains.most())
    }

    /// How far the device has come.
    #[must_use]
    pub fn sign(&self) -> Sign {
        Sign(self.parts.used.index)
    }

    /// How far what the device has returned was taken: behind [`Sign::index`] when there is more.
    #[must_use]
    pub fn reaped(&self) -> u16 {
        self.reaped
    }

    /// Its number in the device.
    #[inline]
    #[must_use]
    pub fn index(&self) -> u16 {
        self.plan.index
    }

    /// Whether the device broke the ring and must be reset.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Gives the first `length` bytes of a buffer to the device, which learns of it by
    /// [`Self::publish`].
    ///
    /// # Errors
    ///
    /// Gives the buffer back when there is no room, or `length` is not more than the header and at
    /// most the buffer's.
    #[inline]
    pub fn provide(&mut self, buffer: Dma, length: usize) -> Result<(), Dma> {
        if length <= self.plan.header {
            return Err(buffer);
        }
        let head = self.chains.put(buffer, length)?;
        self.offer(head);
        Ok(())
    }

    /// The same with `pieces` of other memory behind those bytes, which must stay as they are until
    /// the buffer has come back; of a queue [`Direction::ToDevice`]. Its first descriptor, by which it
    /// is named when it comes back.
    ///
    /// # Errors
    ///
    /// Gives the buffer back when there is no room, `length` is not at least the header and at most
    /// the buffer's, or a piece is empty.
    pub fn provide_gathered(
        &mut self,
        buffer: Dma,
        length: usize,
        pieces: &[Piece],
    ) -> Result<u16, Dma> {
        if self.plan.direction != Direction::ToDevice || pieces.len() > self.plan.pieces.into() {
            return Err(buffer);
        }
        let head = self.chains.put_gathered(buffer, length, pieces)?;
        self.offer(head);
        Ok(head)
    }

    /// The next entry of the available ring.
    #[inline]
    fn offer(&mut self, head: u16) {
        let entry = usize::from(self.provided & self.mask);
        self.parts.heads[entry].store(head.to_le(), Ordering::Relaxed);
        self.provided = self.provided.wrapping_add(1);
    }

    /// Shows the device everything provided so far and returns whether it wants to be notified.
    #[must_use = "the device sleeps until it is notified"]
    pub fn publish(&mut self) -> bool {
        let (old, new) = (self.published, self.provided);
        if old == new {
            return false;
        }
        // 2.7.13.3.1: descriptors and ring entries must be visible before the index: release.
        self.parts
            .available
            .index
            .store(new.to_le(), Ordering::Release);
        self.published = new;
        if !self.plan.quiet {
            return true;
        }
        // 2.7.13.4.1: the index must be visible before the device's wish is read, or both sides
        // look before either has spoken: a full fence, no less.
        fence(Ordering::SeqCst);
        if self.plan.event_index {
            passed(read(self.parts.used.event), new, old)
        } else {
            read(self.parts.used.flags) & NO_NOTIFY == 0
        }
    }

    /// Takes the next buffer that the device has returned. What the device did wrong is counted in
    /// `faults` and skipped.
    #[inline]
    pub fn reap(&mut self, faults: &mut Faults) -> Option<Used> {
        let Returned { number, written } = self.look_next(faults)?;
        let buffer = self.chains.take(number)?;
        Some(Used {
            buffer,
            number,
            written,
        })
    }

    /// The next buffer that the device has returned, which stays where it is: to be looked at by
    /// [`Self::bytes`] and given back by [`Self::provide_again`].
    #[inline]
    pub fn look_next(&mut self, faults: &mut Faults) -> Option<Returned> {
        while self.next_used(faults) {
            let returned = self.look_one(faults);
            if returned.is_some() {
                return returned;
            }
        }
        None
    }

    /// What the next used element names, of those that [`Self::ready`] has counted; `None` if that is
    /// no buffer (counted).
    #[inline]
    pub fn look_one(&mut self, faults: &mut Faults) -> Option<Returned> {
        if self.reaped == self.seen {
            return None;
        }
        let place = usize::from(self.reaped & self.mask);
        self.reaped = self.reaped.wrapping_add(1);
        let [id, written] = self.parts.elements.get(place)?;
        let id = u32::from_le(id.load(Ordering::Relaxed));
        let written = u32::from_le(written.load(Ordering::Relaxed));
        let (number, length) = match self.chains.end(id) {
            Ok(found) => found,
            Err(fault) => {
                self.miss(fault, faults);
                return None;
            }
        };
        let written = if written <= length {
            Some(written as usize)
        } else {
            faults.count(Fault::Length);
            None
        };
        Some(Returned { number, written })
    }

    /// The bytes of a buffer that was returned and not given back; none of any other.
    #[inline]
    #[must_use]
    pub fn bytes(&self, number: u16) -> &[u8] {
        self.chains.bytes(number)
    }

    /// Gives a buffer that was returned back to the device, as it was; nothing else is given.
    #[inline]
    pub fn provide_again(&mut self, number: u16) {
        if self.chains.lend_again(number) {
            self.offer(number);
        }
    }

    /// The bytes of a buffer that was returned and not given back, to be written; none of any other.
    #[inline]
    #[must_use]
    pub fn bytes_mut(&mut self, number: u16) -> &mut [u8] {
        self.chains.bytes_mut(number)
    }

    /// Whether each buffer without pieces takes one descriptor, as [`Self::provide_part`] wants.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.plan.header == 0
    }

    /// Takes a buffer out that was returned and not given back.
    pub fn take(&mut self, number: u16) -> Option<Dma> {
        self.chains.take(number)
    }

    /// Gives the first `length` bytes of a buffer that was returned to the device again, where it
    /// lies. Whether there is such a buffer, of one descriptor and so long.
    #[inline]
    #[must_use]
    pub fn provide_part(&mut self, number: u16, length: usize) -> bool {
        let is_lent = self.chains.lend_part(number, length);
        if is_lent {
            self.offer(number);
        }
        is_lent
    }

    /// How many used elements are there to take.
    pub fn ready(&mut self, faults: &mut Faults) -> usize {
        self.look(faults);
        usize::from(self.seen.wrapping_sub(self.reaped))
    }

    /// The owner found that the device's used elements make no sense: nothing more is read until
    /// the device is reset.
    pub fn give_up(&mut self) {
        self.broken = true;
        self.seen = self.reaped;
    }

    /// Whether all that was seen of the device's used elements has been taken.
    #[inline]
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.reaped == self.seen
    }

    /// Whether there is a used element to take.
    #[inline]
    pub fn next_used(&mut self, faults: &mut Faults) -> bool {
        self.reaped != self.seen || self.look(faults)
    }

    /// Reads the used index and checks it; whether it has moved.
    fn look(&mut self, faults: &mut Faults) -> bool {
        if self.broken {
            return false;
        }
        // 2.7.14: the index is read before the elements and the buffers' bytes: acquire.
        let index = u16::from_le(self.parts.used.index.load(Ordering::Acquire));
        // The device cannot have used more than it was shown, which is at most the ring.
        if index.wrapping_sub(self.reaped) > self.outstanding() {
            self.broken = true;
            faults.count(Fault::Index);
            return false;
        }
        self.seen = index;
        if self.plan.event_index && !self.armed {
            self.rest_event(index);
        }
        self.reaped != index
    }

    /// Counts a used element that names no buffer. Instead of it some buffer will never come.
    #[cold]
    fn miss(&mut self, fault: Fault, faults: &mut Faults) {
        faults.count(fault);
        self.broken |= self.lost() > self.capacity() / 2;
    }

    /// Buffers that the device has and will never return: it named others instead.
    #[must_use]
    pub fn lost(&self) -> usize {
        let to_come = usize::from(self.provided.wrapping_sub(self.reaped));
        self.in_flight().saturating_sub(to_come)
    }

    /// Asks for an interrupt when the device has returned `count` more buffers (at least one), and
    /// looks again: `true` if they are there already. With event index one interrupt comes; without,
    /// interrupts come from the first buffer on until [`Self::disarm`].
    pub fn arm(&mut self, count: u16) -> bool {
        self.armed = true;
        let more = count.max(1);
        if self.plan.event_index {
            self.set_event(self.reaped.wrapping_add(more - 1));
        } else {
            self.set_flags(0);
        }
        // 2.7.14: the wish must be visible before the index is read again, or a buffer that comes
        // between is told to nobody: a full fence, no less.
        fence(Ordering::SeqCst);
        let index = u16::from_le(self.parts.used.index.load(Ordering::Acquire));
        !self.broken && index.wrapping_sub(self.reaped) >= more
    }

    /// Asks for no interrupts. One may still come; it is only a hint (2.7.7).
    pub fn disarm(&mut self) {
        self.armed = false;
        if self.plan.event_index {
            self.rest_event(self.reaped);
        } else {
            self.set_flags(if self.plan.quiet { NO_INTERRUPT } else { 0 });
        }
    }

    /// The event while no interrupt is wanted: just behind `index`, or it would come round again after
    /// 65,536 buffers.
    fn rest_event(&self, index: u16) {
        let behind = u16::from(self.plan.quiet);
        self.set_event(index.wrapping_sub(behind));
    }

    fn set_flags(&self, flags: u16) {
        let cell = self.parts.available.flags;
        cell.store(flags.to_le(), Ordering::Relaxed);
    }

    fn set_event(&self, event: u16) {
        let cell = self.parts.available.event;
        cell.store(event.to_le(), Ordering::Relaxed);
    }
}

/// Reads a cell that the device writes, once.
fn read(cell: &AtomicU16) -> u16 {
    u16::from_le(cell.load(Ordering::Relaxed))
}
