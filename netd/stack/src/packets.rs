//! Packets that must wait: whole IP packets in a pool of buffers, for a neighbour or for the link.
//!
//! *Owns* the buffers, allocated once. What a client sends never waits here unless its neighbour
//! is unknown: packets are here because they are ours (control messages) or because their
//! neighbour does not answer yet. A few buffers are for packets longer than any link takes, which
//! leave in parts. *Never* grows; a full pool is told to the caller.

use crate::id::InterfaceId;
use crate::queues::Queues;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

/// Who wants to know what becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Nobody.
    None,
    /// A ping: it wants the time of emission, and failures.
    Ping(u32),
    /// A datagram socket: it wants failures.
    Datagram(u32),
    /// A look-up: it wants failures.
    Resolver(u16),
    /// Nobody; it is a copy for ourselves of what leaves by this interface for a group.
    Looped(InterfaceId),
}

/// A packet that waits.
#[derive(Debug)]
pub(crate) struct Waiting<A> {
    buffer: Box<[u8]>,
    len: usize,
    /// The next hop's address.
    pub(crate) next_hop: A,
    /// Who wants to know.
    pub(crate) owner: Owner,
    /// How much of it has left.
    pub(crate) progress: Progress,
}

/// How much of a packet that leaves in parts has left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Bytes behind the header.
    pub(crate) from: usize,
    /// What the parts have in common, once one has left.
    pub(crate) identification: Option<u32>,
}

impl<A> Waiting<A> {
    /// The packet, from its network header on.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or(&[])
    }
}

/// All waiting packets, in queues.
#[derive(Debug)]
pub(crate) struct Packets<A> {
    packets: Vec<Waiting<A>>,
    queues: Queues,
    /// Buffers that are free, and long ones that are. The one that was given back last, which is taken first, is
    /// still in the processor's caches.
    free: Vec<u32>,
    free_long: Vec<u32>,
    /// Buffers from this on are long.
    first_long: u32,
    /// From this queue on, packets wait for others' answers: at most half of all may.
    first_waiting: u32,
    waiting: usize,
    /// Buffers that are not free.
    used: usize,
}

impl<A: Copy> Packets<A> {
    /// So many buffers of so many bytes each, and of a second, longer kind, and `queues` empty queues,
    /// of which those from `first_waiting` on share half of the buffers.
    pub(crate) fn new(
        (count, size): (usize, usize),
        (long_count, long_size): (usize, usize),
        queues: usize,
        first_waiting: u32,
        any: A,
    ) -> Self {
        let sizes = core::iter::repeat_n(size, count);
        let sizes = sizes.chain(core::iter::repeat_n(long_size, long_count));
        let packets: Vec<_> = sizes
            .map(|size| Waiting {
                buffer: vec![0; size].into_boxed_slice(),
                len: 0,
                next_hop: any,
                owner: Owner::None,
                progress: Progress::default(),
            })
            .collect();
        let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
        let first_long = number(count);
        Self {
            queues: Queues::new(queues, packets.len()),
            free: (0..first_long).collect(),
            free_long: (first_long..number(packets.len())).collect(),
            packets,
            first_long,
            first_waiting,
            waiting: 0,
            used: 0,
        }
    }

    /// How many buffers are not free.
    pub(crate) fn in_use(&self) -> usize {
        self.used
    }

    /// The longest packet that fits into a buffer of the shorter kind.
    fn size(&self) -> usize {
        self.packets.first().map_or(0, |packet| packet.buffer.len())
    }

    /// The longest packet that fits.
    pub(crate) fn longest(&self) -> usize {
        self.packets.last().map_or(0, |packet| packet.buffer.len())
    }

    /// Lets `write` write a packet of `len` bytes and puts it at the end of `queue`. `None` when no
    /// buffer is free, the packet too long, or `write` refuses.
    pub(crate) fn push(
        &mut self,
        queue: u32,
        len: usize,
        next_hop: A,
        owner: Owner,
        write: impl FnOnce(&mut [u8]) -> Option<()>,
    ) -> Option<u32> {
        let is_long = len > self.size();
        let free = if is_long { &self.free_long } else { &self.free };
        let index = *free.last()?;
        if self.is_waiting(queue) && !self.may_wait() {
            return None;
        }
        let packet = self.packets.get_mut(index as usize)?;
        write(packet.buffer.get_mut(..len)?)?;
        packet.len = len;
        packet.next_hop = next_hop;
        packet.owner = owner;
        packet.progress = Progress::default();
        self.free_of(index).pop();
        self.used += 1;
        self.put(index, queue);
        Some(index)
    }

    /// The next packet of a queue.
    pub(crate) fn first(&self, queue: u32) -> Option<(u32, &Waiting<A>)> {
        let index = self.queues.first(queue)?;
        Some((index, self.packets.get(index as usize)?))
    }

    /// So much of a packet has left.
    pub(crate) fn advance(&mut self, index: u32, progress: Progress) {
        if let Some(packet) = self.packets.get_mut(index as usize) {
            packet.progress = progress;
        }
    }

    /// How many packets wait in a queue; walks it.
    pub(crate) fn len(&self, queue: u32) -> usize {
        self.queues.iter(queue).count()
    }

    /// Whether nothing waits in a queue: mostly, nothing waits at all.
    #[inline]
    pub(crate) fn is_empty(&self, queue: u32) -> bool {
        self.used == 0 || self.queues.is_empty(queue)
    }

    /// Frees a packet's buffer.
    pub(crate) fn release(&mut self, index: u32) {
        let waited = self.waits(index);
        if self.queues.remove(index) {
            self.waiting = self.waiting.saturating_sub(usize::from(waited));
            self.used = self.used.saturating_sub(1);
            self.free_of(index).push(index);
        }
    }

    /// Where a buffer is when it is free.
    fn free_of(&mut self, index: u32) -> &mut Vec<u32> {
        if index < self.first_long {
            &mut self.free
        } else {
            &mut self.free_long
        }
    }

    /// Frees the oldest packet of a queue and says who wants to know.
    pub(crate) fn discard_first(&mut self, queue: u32) -> Option<Owner> {
        let index = self.queues.first(queue)?;
        self.release(index);
        self.packets.get(index as usize).map(|packet| packet.owner)
    }

    /// Moves a packet to the end of a queue of those who wait; `false` when too many do.
    pub(crate) fn requeue(&mut self, index: u32, to: u32) -> bool {
        let may = self.may_wait();
        if may {
            self.put(index, to);
        }
        may
    }

    /// Moves all packets of one queue to the end of another.
    pub(crate) fn move_all(&mut self, from: u32, to: u32) {
        while let Some(index) = self.queues.first(from) {
            self.put(index, to);
        }
    }

    fn is_waiting(&self, queue: u32) -> bool {
        queue >= self.first_waiting
    }

    /// Whether a packet waits for an answer.
    fn waits(&self, index: u32) -> bool {
        let queue = self.queues.list_of(index);
        queue.is_some_and(|queue| self.is_waiting(queue))
    }

    fn may_wait(&self) -> bool {
        self.waiting < self.packets.len() / 2
    }

    fn put(&mut self, index: u32, queue: u32) {
        let waited = self.waits(index);
        self.waiting += usize::from(self.is_waiting(queue));
        self.waiting = self.waiting.saturating_sub(usize::from(waited));
        self.queues.push(queue, index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(packets: &mut Packets<u8>, queue: u32, byte: u8) -> Option<u32> {
        packets.push(queue, 3, byte, Owner::None, |bytes| {
            bytes.fill(byte);
            Some(())
        })
    }

    #[test]
    fn packets_wait_in_order_and_buffers_come_back() {
        let mut packets = Packets::new((2, 4), (0, 0), 2, 9, 0u8);
        assert!(push(&mut packets, 0, 1).is_some());
        assert!(push(&mut packets, 0, 2).is_some());
        assert_eq!(push(&mut packets, 0, 3), None);
        packets.move_all(0, 1);
        assert!(packets.is_empty(0));
        let (index, packet) = packets.first(1).unwrap();
        assert_eq!(packet.bytes(), [1; 3]);
        packets.release(index);
        assert_eq!(packets.len(1), 1);
        assert!(push(&mut packets, 0, 4).is_some());
        assert_eq!(packets.discard_first(1), Some(Owner::None));
        assert_eq!(packets.discard_first(1), None);
    }

    #[test]
    fn what_is_too_long_or_refused_takes_no_buffer() {
        let mut packets = Packets::new((1, 4), (0, 0), 1, 9, 0u8);
        assert_eq!(packets.push(0, 5, 0, Owner::None, |_| Some(())), None);
        assert_eq!(packets.push(0, 4, 0, Owner::None, |_| None), None);
        assert!(push(&mut packets, 0, 1).is_some());
    }

    #[test]
    fn long_packets_have_buffers_of_their_own() {
        let mut packets = Packets::new((1, 4), (1, 100), 1, 9, 0u8);
        assert_eq!(packets.longest(), 100);
        let long = packets.push(0, 5, 0, Owner::None, |bytes| {
            assert_eq!(bytes.len(), 5);
            Some(())
        });
        assert_eq!(long, Some(1));
        assert_eq!(packets.push(0, 5, 0, Owner::None, |_| Some(())), None);
        assert_eq!(push(&mut packets, 0, 1), Some(0));
        assert_eq!(packets.in_use(), 2);
        let progress = Progress {
            from: 4,
            identification: Some(9),
        };
        packets.advance(1, progress);
        assert_eq!(packets.first(0).map(|(_, it)| it.progress), Some(progress));
        packets.release(1);
        assert_eq!(packets.in_use(), 1);
        assert_eq!(push(&mut packets, 0, 1), None);
        assert_eq!(packets.push(0, 100, 0, Owner::None, |_| Some(())), Some(1));
        let (_, it) = packets.first(0).unwrap();
        assert_eq!(it.bytes().len(), 3);
    }

    #[test]
    fn those_who_wait_take_half_at_most() {
        let mut packets = Packets::new((4, 4), (0, 0), 3, 1, 0u8);
        assert!(push(&mut packets, 1, 1).is_some() && push(&mut packets, 2, 2).is_some());
        assert_eq!(push(&mut packets, 1, 3), None);
        let index = push(&mut packets, 0, 3).unwrap();
        assert!(!packets.requeue(index, 1));
        packets.move_all(1, 0);
        assert!(packets.requeue(index, 2));
        assert_eq!(packets.len(2), 2);
        packets.discard_first(2);
        assert!(push(&mut packets, 1, 4).is_some());
    }
}
