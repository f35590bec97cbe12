//! Frames whose payload stays where it is: headers here, and the places of the rest.
//!
//! *Owns* the form of a frame that is given out, and the choice for each part of a payload between
//! being copied and being referred to. What is short, is inline, or has a place too many is copied;
//! so is everything where the frame is to be one piece, or the client's memory is not lent. There is
//! no other difference: headers, sums and the bytes on the wire are the same.
//! *Never* keeps a place: what was referred to belongs to the frame until its owner has it back, and
//! [`ClientMemory::lend`] is asked anew for each frame.

use crate::config::TransmitMeta;
use crate::id::ClientId;
use crate::loans::{Lender, Loan};
use crate::memory::{ClientMemory, Range};
use crate::requests::Source;
use crate::sender::Store;
use wire::{MacAddress, Sum, ethernet};

/// Places in a client's memory that one frame refers to, at most.
pub const PIECES: usize = 16;

/// Fewer bytes in front are copied: that is cheaper than one more place to be fetched from.
const WORTHWHILE: usize = 128;
const _: () = assert!(WORTHWHILE >= wire::ethernet::MIN_FRAME_LEN);

/// The places of a frame's payload, all in the memory of one client.
#[derive(Clone, Copy, Debug)]
pub struct Pieces {
    client: Option<ClientId>,
    ranges: [Range; PIECES],
    count: usize,
    limit: usize,
    lender: Option<Lender>,
}

impl Pieces {
    /// None yet; `limit` at most, of [`PIECES`].
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            client: None,
            ranges: [Range::new(0, 0); PIECES],
            count: 0,
            limit: limit.min(PIECES),
            lender: None,
        }
    }

    /// Whose memory it is; `None` when there are no pieces.
    #[must_use]
    pub fn client(&self) -> Option<ClientId> {
        self.client.filter(|_| self.count > 0)
    }

    /// The places, in the order of the payload.
    #[must_use]
    pub fn ranges(&self) -> &[Range] {
        self.ranges.get(..self.count).unwrap_or_default()
    }

    pub(crate) fn clear(&mut self) {
        self.count = 0;
        self.lender = None;
    }

    /// Whose stream the bytes are of; `None` when there are no pieces.
    pub(crate) fn lender(&self) -> Option<Lender> {
        self.lender.filter(|_| self.count > 0)
    }

    /// Adds a place; `false` when there are too many.
    fn push(&mut self, client: ClientId, range: Range) -> bool {
        if let Some(last) = self.count.checked_sub(1)
            && let Some(last) = self.ranges.get_mut(last)
            && last.offset.checked_add(last.length.into()) == Some(range.offset)
            && let Some(length) = last.length.checked_add(range.length)
        {
            last.length = length;
            return true;
        }
        if self.count == self.limit {
            return false;
        }
        let Some(place) = self.ranges.get_mut(self.count) else {
            return false;
        };
        *place = range;
        self.client = Some(client);
        self.count += 1;
        true
    }

    /// Takes bytes off the end.
    fn shorten(&mut self, mut bytes: usize) {
        while let Some(last) = self.count.checked_sub(1)
            && let Some(range) = self.ranges.get_mut(last)
        {
            let length = usize::try_from(range.length).unwrap_or(usize::MAX);
            if length > bytes {
                let left = u32::try_from(length - bytes);
                range.length = left.unwrap_or(range.length);
                return;
            }
            bytes -= length;
            self.count = last;
        }
    }
}

/// What was written of a frame: the head, which lies at the start of the buffer; then come the
/// pieces; then the tail, which lies behind the head in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gathered {
    /// Bytes in front of the pieces.
    pub head: usize,
    /// Bytes behind the pieces; none when there are no pieces.
    pub tail: usize,
    /// What the device must do.
    pub meta: TransmitMeta,
    /// What the frame's pieces are lent by: there is one if there are pieces.
    pub loan: Option<Loan>,
}

/// The space that a frame is written into.
pub(crate) struct Draft<'a> {
    /// For headers and all that is copied: a full frame, Ethernet header included.
    pub(crate) buffer: &'a mut [u8],
    /// For the rest, if the frame may have more than one piece.
    pub(crate) pieces: Option<&'a mut Pieces>,
}

impl Draft<'_> {
    /// Writes to whom the frame goes. It is carried nowhere: copied from place to place in parts, it
    /// would be waited for when it is read as a whole.
    #[inline]
    pub(crate) fn address_to(&mut self, to: MacAddress) {
        let written = ethernet::emit_destination(self.buffer, to);
        debug_assert!(written.is_ok(), "there is room for a full frame");
    }

    /// To whom it goes.
    pub(crate) fn destination(&self) -> MacAddress {
        ethernet::destination(self.buffer)
    }
}

/// Where bytes of a frame are, Ethernet header and padding not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Bytes in front of the pieces.
    pub(crate) head: usize,
    /// Bytes in the pieces.
    pub(crate) referred: usize,
    /// Bytes behind the pieces.
    pub(crate) tail: usize,
}

impl Extent {
    /// All of `len` bytes in one piece.
    pub(crate) const fn copied(len: usize) -> Self {
        Self {
            head: len,
            referred: 0,
            tail: 0,
        }
    }

    pub(crate) fn len(self) -> usize {
        self.head + self.referred + self.tail
    }

    /// The same behind headers.
    pub(crate) fn behind(self, headers: usize) -> Self {
        Self {
            head: self.head + headers,
            ..self
        }
    }
}

/// A payload that is being put together.
pub(crate) struct Payload<'a> {
    /// The buffer behind the headers.
    room: &'a mut [u8],
    pieces: Option<&'a mut Pieces>,
    summed: bool,
    /// Where its bytes are.
    pub(crate) extent: Extent,
    /// Of what is in it, if it is to be summed.
    pub(crate) sum: Sum,
}

impl<'a> Payload<'a> {
    /// Nothing yet, behind headers of so many bytes, whose space it gives too. `summed`: its sum is
    /// wanted.
    #[inline]
    pub(crate) fn behind(
        headers: usize,
        draft: &'a mut Draft<'_>,
        summed: bool,
    ) -> Option<(&'a mut [u8], Self)> {
        let (front, room) = draft.buffer.split_at_mut_checked(headers)?;
        let mut pieces = draft.pieces.as_deref_mut();
        if let Some(pieces) = &mut pieces {
            pieces.clear();
        }
        let payload = Self {
            room,
            pieces,
            summed,
            extent: Extent::default(),
            sum: Sum::ZERO,
        };
        Some((front, payload))
    }

    /// The bytes are those of a stream from here on.
    #[inline]
    pub(crate) fn of(&mut self, lender: Lender) {
        if let Some(pieces) = &mut self.pieces {
            pieces.lender = Some(lender);
        }
    }

    /// Adds `len` bytes of a send, from `skip` on; how many of them had room. `None` when the
    /// client's memory is gone.
    #[inline]
    pub(crate) fn add<M: ClientMemory>(
        &mut self,
        store: &Store<'_, M>,
        client: Option<ClientId>,
        source: Source,
        skip: u32,
        len: usize,
    ) -> Option<usize> {
        if let Source::Arena(offset) = source
            && self.pieces.is_some()
        {
            let offset = offset.checked_add(skip.into())?;
            let range = Range::new(offset, u32::try_from(len).ok()?);
            if self.refer(store.memory, client?, range)? {
                return Some(len);
            }
        } else if self.extent.len() == 0
            && let Some(room) = self.room.get_mut(..len)
        {
            // The first piece, which fits, and mostly is all.
            self.sum = store.copy(client, source, skip, room, self.summed)?;
            self.extent.head = len;
            return Some(len);
        }
        self.copy_some(store, client, source, skip, len)
    }

    /// Copies bytes of a send behind all that is there, as many as have room.
    #[inline(never)]
    fn copy_some<M: ClientMemory>(
        &mut self,
        store: &Store<'_, M>,
        client: Option<ClientId>,
        source: Source,
        skip: u32,
        len: usize,
    ) -> Option<usize> {
        let copied = self.extent.head + self.extent.tail;
        let room = self.room.get_mut(copied..)?;
        let len = len.min(room.len());
        let sum = store.copy(client, source, skip, room.get_mut(..len)?, self.summed)?;
        self.join(sum);
        if self.extent.referred > 0 {
            self.extent.tail += len;
        } else {
            self.extent.head += len;
        }
        Some(len)
    }

    /// Refers to bytes, if they may be and it is worth it. `None` when they are gone.
    fn refer<M: ClientMemory>(
        &mut self,
        memory: &M,
        client: ClientId,
        range: Range,
    ) -> Option<bool> {
        let len = usize::try_from(range.length).ok()?;
        let is_worthwhile = self.extent.referred > 0 || len >= WORTHWHILE;
        if !is_worthwhile || self.extent.tail > 0 || !memory.lend(client, range).ok()? {
            return Some(false);
        }
        if !self.pieces.as_mut()?.push(client, range) {
            return Some(false);
        }
        if self.summed {
            self.join(memory.sum(client, range).ok()?);
        }
        self.extent.referred += len;
        Some(true)
    }

    /// The sum of what comes behind all that is there.
    #[inline]
    fn join(&mut self, sum: Sum) {
        self.sum = self.sum.plus(sum.behind(self.extent.len()));
    }

    /// Leaves only the first `len` bytes. The sum is not that of them.
    pub(crate) fn shorten(&mut self, len: usize) {
        let mut excess = self.extent.len().saturating_sub(len);
        let tail = excess.min(self.extent.tail);
        self.extent.tail -= tail;
        excess -= tail;
        let referred = excess.min(self.extent.referred);
        if let Some(pieces) = &mut self.pieces {
            pieces.shorten(referred);
        }
        self.extent.referred -= referred;
        self.extent.head -= excess - referred;
    }
}
