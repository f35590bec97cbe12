//! The way out of those who have something to send: one at a time, in turn.
//!
//! *Owns* the turn-taking (a queue per link, each sender in it at most once) and the one copy of a
//! client's bytes into a frame that does not refer to them, with their sum in the same pass where the
//! device does not sum.

use crate::actors::Actor;
use crate::config::{INLINE_PAYLOAD, TransmitMeta};
use crate::id::{ClientId, InterfaceId};
use crate::inline::Inline;
use crate::memory::{ClientMemory, Range};
use crate::pieces::{Draft, Extent};
use crate::requests::Source;
use crate::stack::Stack;
use ::tcp::Instant;
use core::net::{Ipv4Addr, Ipv6Addr};
use wire::{EtherType, Sum};

/// A packet in a frame, Ethernet header still missing but for the destination.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// Where its bytes are, from the network header on.
    pub(crate) extent: Extent,
    /// What its frame calls it.
    pub(crate) ethertype: EtherType,
    /// What the device must do.
    pub(crate) meta: TransmitMeta,
}

/// Whose turn it is: a number in the queue of a link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    pub(crate) link: InterfaceId,
    pub(crate) number: u32,
}

/// When a sender's next turn comes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Next {
    /// After those of the others.
    Later,
    /// When it has something to send again.
    Idle,
    /// By another link, by which its next packet leaves.
    Elsewhere(InterfaceId),
    /// When the neighbour is known that those in this queue wait for.
    Waits(u32),
}

/// Where the payload of sends lies.
pub(crate) struct Store<'a, M> {
    pub(crate) inline: &'a Inline,
    pub(crate) memory: &'a M,
}

impl<M: ClientMemory> Store<'_, M> {
    /// The sum of so many bytes of a send behind those skipped; `None` when the client's memory is gone.
    pub(crate) fn sum(
        &self,
        client: Option<ClientId>,
        source: Source,
        (skip, length): (u32, u32),
    ) -> Option<Sum> {
        match source {
            Source::Arena(offset) => {
                let range = Range::new(offset.checked_add(skip.into())?, length);
                self.memory.sum(client?, range).ok()
            }
            Source::Inline(index) => {
                let (skip, len) = (usize::try_from(skip).ok()?, usize::try_from(length).ok()?);
                Some(wire::sum(self.inline.bytes(index, skip, len)?))
            }
            Source::Spent => None,
        }
    }

    /// Copies bytes of a send from where they are; their sum if they are to be `summed`. `None` when
    /// the client's memory is gone.
    #[inline]
    pub(crate) fn copy(
        &self,
        client: Option<ClientId>,
        source: Source,
        skip: u32,
        into: &mut [u8],
        summed: bool,
    ) -> Option<Sum> {
        match source {
            Source::Arena(offset) => {
                let offset = offset.checked_add(skip.into())?;
                if summed {
                    self.memory.read_summed(client?, offset, into).ok()
                } else {
                    self.memory.read(client?, offset, into).ok()?;
                    Some(Sum::ZERO)
                }
            }
            Source::Inline(index) => {
                let skip = usize::try_from(skip).ok()?;
                debug_assert!(into.len() <= INLINE_PAYLOAD, "inline payloads are short");
                let bytes = self.inline.bytes(index, skip, into.len())?;
                if summed {
                    return Some(wire::copy_and_sum(into, bytes));
                }
                into.copy_from_slice(bytes);
                Some(Sum::ZERO)
            }
            Source::Spent => None,
        }
    }
}

impl Stack {
    /// Writes the next packet of whoever's turn it is, from the network header on.
    pub(crate) fn output_sender<M: ClientMemory>(
        &mut self,
        id: InterfaceId,
        draft: &mut Draft<'_>,
        memory: &mut M,
        now: Instant,
    ) -> Option<Sent> {
        if self.is_cutting(id)
            && let Some(sent) = self.output_cut(id, draft, memory, now)
        {
            return Some(sent);
        }
        let queue = Self::ready_queue(id);
        loop {
            let number = self.senders.first(queue)?;
            let turn = Turn { link: id, number };
            let sent = match self.numbering.actor(number) {
                Actor::Connection(index) => {
                    self.tcp_output::<Ipv4Addr, M>(index, turn, draft, memory, now)
                }
                Actor::Connection6(index) => {
                    self.tcp_output::<Ipv6Addr, M>(index, turn, draft, memory, now)
                }
                Actor::Datagram(index) => self.udp_output(index, turn, draft, memory, now),
                Actor::Listener(_)
                | Actor::Ping(_)
                | Actor::Lookup(_)
                | Actor::Browse(_)
                | Actor::Client(_) => self.end_turn(turn, Next::Idle),
            };
            if sent.is_some() {
                return sent;
            }
        }
    }

    /// A sender says when its next turn comes. One that does not, and has sent nothing, is asked
    /// again at once. (Gives nothing, for those that have nothing to send.)
    #[inline]
    pub(crate) fn end_turn(&mut self, turn: Turn, next: Next) -> Option<Sent> {
        let number = turn.number;
        match next {
            Next::Later => self.senders.push(Self::ready_queue(turn.link), number),
            Next::Idle => {
                self.senders.remove(number);
            }
            Next::Elsewhere(other) => self.senders.push(Self::ready_queue(other), number),
            Next::Waits(queue) => self.senders.push(queue, number),
        }
        None
    }

    /// The bytes of a send are done with.
    pub(crate) fn release(&mut self, source: Source) {
        if let Source::Inline(index) = source {
            self.inline.release(index);
        }
    }
}
