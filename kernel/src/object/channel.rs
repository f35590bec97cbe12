//! Channels: two ends, shared memory, a doorbell and a queue of handles each way.
//!
//! *Owns* the life of both ends. *Never* looks into the shared memory.
//!
//! An end lives while a handle to it exists, in a table or in a queue. So that ends in queues
//! cannot keep each other alive for ever, an end on the way holds no channel in its own
//! queue: such an end is not sent (`BadState`), and an end on the way takes none (`WouldBlock`).

use super::handle::Entry;
use super::memory::Memory;
use super::slab::Key;
use super::waiters::Waiters;
use super::{Kernel, ObjectRef};
use abi::{CHANNEL_HANDLE_QUEUE, Error, Signals};
use alloc::collections::VecDeque;

/// One of the two ends. As wide as a key, so that references to ends are copied by words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Side {
    /// Handle in `x1` of `ChannelCreate`.
    Creator,
    /// Handle in `x2`.
    Peer,
}

impl Side {
    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::Creator => Self::Peer,
            Self::Peer => Self::Creator,
        }
    }
}

/// A handle on its way.
pub struct Queued {
    /// What it stands for.
    pub entry: Entry,
    /// The sender's word about it.
    pub tag: u64,
}

/// An end's own state: what the other end has sent it.
pub struct End {
    /// Handles to this end; zero: closed.
    handles: u32,
    /// How many of them are in queues.
    on_the_way: u32,
    doorbell: bool,
    mapped: bool,
    queue: VecDeque<Queued>,
    /// Who sleeps for this end.
    pub waiters: Waiters,
}

impl End {
    const fn new() -> Self {
        Self {
            handles: 1,
            on_the_way: 0,
            doorbell: false,
            mapped: false,
            queue: VecDeque::new(),
            waiters: Waiters::new(),
        }
    }

    fn queues_channels(&self) -> bool {
        self.queue
            .iter()
            .any(|queued| matches!(queued.entry.object, ObjectRef::Channel(..)))
    }
}

/// The object.
pub struct Channel {
    ends: [End; 2],
    /// The shared memory.
    pub memory: Key<Memory>,
}

impl Channel {
    /// An end.
    pub fn end(&self, side: Side) -> &End {
        &self.ends[side as usize]
    }

    /// An end.
    pub fn end_mut(&mut self, side: Side) -> &mut End {
        &mut self.ends[side as usize]
    }

    /// What an end would see.
    #[inline]
    pub fn signals(&self, side: Side) -> Signals {
        let end = self.end(side);
        let mut signals = Signals::empty();
        signals.set(Signals::DOORBELL, end.doorbell);
        signals.set(Signals::HANDLE, !end.queue.is_empty());
        signals.set(Signals::PEER_CLOSED, self.end(side.other()).handles == 0);
        signals
    }

    /// The doorbell has been seen.
    #[inline]
    pub fn quiet(&mut self, side: Side) {
        self.end_mut(side).doorbell = false;
    }
}

impl Kernel {
    /// A channel over `memory`, whose reference it takes over. One handle to each end is counted.
    pub fn create_channel(&mut self, memory: Key<Memory>) -> Option<Key<Channel>> {
        self.channels.insert(Channel {
            ends: [End::new(), End::new()],
            memory,
        })
    }

    /// Rings the other end.
    #[inline]
    pub fn ring(&mut self, channel: Key<Channel>, from: Side) -> Result<(), Error> {
        let to = from.other();
        let end = self.channels[channel].end_mut(to);
        if end.handles == 0 {
            return Err(Error::PeerClosed);
        }
        end.doorbell = true;
        match end.waiters.first() {
            (None, _) => {}
            (Some(waiter), false) => {
                if waiter.wanted.contains(Signals::DOORBELL) {
                    self.notify(waiter);
                }
            }
            (Some(_), true) => self.raise(ObjectRef::Channel(channel, to)),
        }
        Ok(())
    }

    /// Marks the shared memory as mapped at an end. `BadState` the second time.
    pub fn claim_mapping(&mut self, channel: Key<Channel>, side: Side) -> Result<(), Error> {
        let end = self.channels[channel].end_mut(side);
        if end.mapped {
            return Err(Error::BadState);
        }
        end.mapped = true;
        Ok(())
    }

    /// The mapping did not come about.
    pub fn disclaim_mapping(&mut self, channel: Key<Channel>, side: Side) {
        self.channels[channel].end_mut(side).mapped = false;
    }

    /// Whether `object` may go from an end into the other end's queue now.
    pub fn may_queue(
        &self,
        channel: Key<Channel>,
        from: Side,
        object: ObjectRef,
    ) -> Result<(), Error> {
        let to = self.channels[channel].end(from.other());
        if to.handles == 0 {
            return Err(Error::PeerClosed);
        }
        if to.queue.len() == CHANNEL_HANDLE_QUEUE {
            return Err(Error::WouldBlock);
        }
        if let ObjectRef::Channel(other, side) = object {
            if self.channels[other].end(side).queues_channels() {
                return Err(Error::BadState);
            }
            // An end sent through its own channel would wait in a queue that only it can empty.
            if to.on_the_way > 0 || (other == channel && side == from.other()) {
                return Err(Error::WouldBlock);
            }
        }
        Ok(())
    }

    /// Puts a handle that left its table into the other end's queue, after `may_queue`.
    pub fn queue_handle(&mut self, channel: Key<Channel>, from: Side, queued: Queued) {
        if let ObjectRef::Channel(other, side) = queued.entry.object {
            self.channels[other].end_mut(side).on_the_way += 1;
        }
        let to = from.other();
        self.channels[channel].end_mut(to).queue.push_back(queued);
        self.raise(ObjectRef::Channel(channel, to));
    }

    /// Takes the oldest handle out of an end's queue.
    pub fn unqueue_handle(&mut self, channel: Key<Channel>, side: Side) -> Result<Queued, Error> {
        let other_open = self.channels[channel].end(side.other()).handles > 0;
        match self.channels[channel].end_mut(side).queue.pop_front() {
            Some(queued) => {
                self.arrived(queued.entry.object);
                Ok(queued)
            }
            None if other_open => Err(Error::WouldBlock),
            None => Err(Error::PeerClosed),
        }
    }

    /// One more handle to an end.
    pub fn retain_channel(&mut self, channel: Key<Channel>, side: Side) {
        self.channels[channel].end_mut(side).handles += 1;
    }

    /// One handle less; the last closes the end, and the last end ends the channel.
    pub fn release_channel(&mut self, channel: Key<Channel>, side: Side) {
        let end = self.channels[channel].end_mut(side);
        end.handles -= 1;
        if end.handles > 0 {
            return;
        }
        self.abandon_waiters(ObjectRef::Channel(channel, side));
        // Ends in the queue hold no channels in theirs, so this nests once at most.
        let queue = core::mem::take(&mut self.channels[channel].end_mut(side).queue);
        for queued in queue {
            self.arrived(queued.entry.object);
            self.release(queued.entry.object);
        }
        // The last handle to the other end may have been in the queue.
        let Some(object) = self.channels.get(channel) else {
            return;
        };
        if object.end(side.other()).handles > 0 {
            self.raise(ObjectRef::Channel(channel, side.other()));
        } else if let Some(channel) = self.channels.remove(channel) {
            self.release_memory(channel.memory);
        }
    }

    fn arrived(&mut self, object: ObjectRef) {
        if let ObjectRef::Channel(channel, side) = object {
            self.channels[channel].end_mut(side).on_the_way -= 1;
        }
    }
}
