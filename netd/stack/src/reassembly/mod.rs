//! Parts of packets, until they are whole: one reassembler for both families.
//!
//! *Owns* all memory for it, allocated once: a number of packets under way, and pages that they get
//! where their parts lie, so that many short ones fit where few long ones do. *Never* reads or
//! changes a header: it keeps that of the first part in front of the bytes, and what becomes of it is
//! the family's.
//!
//! What comes is hostile until a packet is whole:
//!
//! * No byte is ever taken twice. A part that says something else than another about the same bytes,
//!   or about the packet's length, ends the packet, and what comes of it later is discarded too
//!   (RFC 5722). One that says the same is a duplicate, and does no harm (RFC 8200 section 4.5).
//! * Memory is fixed. When there is none, the oldest packet of the source that holds most makes way
//!   (sources are told apart by a keyed hash, so that nobody chooses with whom they share).
//! * Time is bounded: a part costs its own length, a look into one chain of a keyed table, and one
//!   look at each packet under way when memory is short; a packet has at most [`MAX_PARTS`] parts, and
//!   the time that its family allows.
//!
//! Spec: RFC 791 section 3.2, RFC 815; RFC 1122 section 3.3.2; RFC 8200 section 4.5; RFC 3168
//! section 5.3 (marks).

mod input;
mod pages;
mod parts;

use crate::hash::{Address, Spread, Tuple};
use crate::queues::Queues;
use crate::rng::Rng;
use ::tcp::Instant;
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::mem;
use core::ops::Range;
use core::time::Duration;
use pages::{BLOCK, Filled, PAGE, Pages};
use wire::{Drop, Ecn};

pub(crate) use parts::{Expired, Key, Outcome, Piece, Whole};

/// The most parts of one packet. The longest has 120 when they are as short as any link makes them
/// that is in use.
pub(crate) const MAX_PARTS: u16 = 256;

/// Room for the headers in front of a packet's bytes: IPv6's may take so much, fragment header
/// included.
const HEAD: usize = wire::ipv6::HEADER_LEN + wire::ipv6::MAX_CHAIN + wire::ipv6::FRAGMENT_LEN;
const _: () = assert!(HEAD.is_multiple_of(BLOCK) && HEAD < PAGE);

/// Bytes behind the headers at most.
const MAX_BYTES: usize = 65_535;

/// Pages of the longest packet.
const MAX_PAGES: usize = (HEAD + MAX_BYTES).div_ceil(PAGE);

/// No page.
const NONE: u16 = u16::MAX;

/// Lists of packets under way; behind them, a list for each place of the table.
const AGES: u32 = 0;
const FREE: u32 = 1;
const TABLE: u32 = 2;

/// What is known of a packet's first part.
#[derive(Clone, Copy, Debug)]
struct First {
    head: usize,
    len: usize,
}

/// A packet under way.
#[derive(Clone, Debug)]
struct Packet<A> {
    key: Key<A>,
    pages: [u16; MAX_PAGES],
    /// Blocks that are filled.
    blocks: u32,
    /// The end of the last part, and the end of that which ends last so far.
    total: Option<usize>,
    highest: usize,
    parts: u16,
    first: Option<First>,
    /// The marks of its parts, a bit for each of the four.
    marks: u8,
    is_own: bool,
    /// Its parts were contradictory: none is taken any more.
    is_refused: bool,
    deadline: Instant,
}

/// The parts of one family.
#[derive(Debug)]
pub(crate) struct Reassembler<A> {
    packets: Vec<Packet<A>>,
    lists: Queues,
    places: u32,
    pages: Pages,
    /// What those sources hold whose hash is the same: their packets and pages.
    shares: Vec<u32>,
    spread: Spread,
    time: Duration,
    /// Where packets become whole; not there while one is lent.
    space: Box<[u8]>,
}

impl<A: Address> Reassembler<A> {
    /// For so many packets at a time in so many pages; each has `time`.
    pub(crate) fn new(packets: u16, pages: u16, time: Duration, rng: &mut Rng) -> Self {
        let nobody = Key {
            interface: 0,
            source: A::UNSPECIFIED,
            destination: A::UNSPECIFIED,
            identification: 0,
            protocol: 0,
        };
        let places = u32::from(packets).next_power_of_two();
        // Each in two lists: by age (or free), and by key.
        let count = usize::from(packets);
        let mut lists = Queues::new((TABLE + places) as usize, count * 2);
        (0..u32::from(packets)).for_each(|index| lists.push(FREE, index));
        Self {
            packets: vec![Packet::new(nobody, Instant::ZERO); count],
            lists,
            places,
            pages: Pages::new(pages),
            shares: vec![0; places as usize],
            spread: Spread::new(rng),
            time,
            space: vec![0; MAX_PAGES * PAGE].into_boxed_slice(),
        }
    }

    /// Takes in a part.
    pub(crate) fn take_in(&mut self, piece: &Piece<'_, A>, now: Instant) -> Outcome {
        let mut outcome = Outcome {
            result: Ok(None),
            lost: 0,
            displaced: 0,
        };
        outcome.result = self.try_take_in(piece, now, &mut outcome);
        outcome
    }

    fn try_take_in(
        &mut self,
        piece: &Piece<'_, A>,
        now: Instant,
        outcome: &mut Outcome,
    ) -> Result<Option<Whole>, Drop> {
        let len = piece.bytes.len();
        if len == 0 || piece.more && !len.is_multiple_of(BLOCK) {
            return Err(Drop::FragmentLength);
        }
        let end = piece.offset.saturating_add(len);
        if end > MAX_BYTES || piece.head.len() > HEAD {
            return Err(Drop::FragmentTooLong);
        }
        let index = match self.find(&piece.key) {
            Some(index) => index,
            None => self.begin(&piece.key, now, outcome)?,
        };
        match self.place(index, piece, outcome) {
            Ok(()) if self.is_whole(index) => self.finish(index, outcome).map(Some),
            Ok(()) => Ok(None),
            Err(reason) => {
                self.fail(index, reason, outcome);
                Err(reason)
            }
        }
    }

    /// What becomes of a packet of which a part was not taken.
    fn fail(&mut self, index: u32, reason: Drop, outcome: &mut Outcome) {
        match reason {
            Drop::FragmentOverlap | Drop::FragmentTooMany => {
                // RFC 5722 section 3: those that have not come yet are discarded as well.
                outcome.lost += self.release_pages(index);
                if let Some(packet) = self.packet_mut(index) {
                    packet.is_refused = true;
                }
            }
            Drop::FragmentNoRoom => outcome.lost += self.forget(index),
            // A duplicate.
            _ => {}
        }
    }

    /// When [`Reassembler::expire`] has something to do; `None` while nothing is under way.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let oldest = self.lists.first(AGES)?;
        self.packet(oldest).map(|packet| packet.deadline)
    }

    /// Gives up one packet whose time is over; call until `None`.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<Expired> {
        let index = self.lists.first(AGES)?;
        let packet = self.packet(index)?;
        if packet.deadline > now {
            return None;
        }
        let told = packet.first.filter(|_| packet.is_own && !packet.is_refused);
        let first = told.and_then(|first| self.lend(index, first, first.len));
        let interface = self.packet(index)?.key.interface;
        let lost = self.forget(index);
        Some(Expired {
            interface,
            lost,
            first,
        })
    }

    /// The space of a packet is free again.
    pub(crate) fn give_back(&mut self, whole: Whole) {
        self.space = whole.space;
    }

    fn packet(&self, index: u32) -> Option<&Packet<A>> {
        self.packets.get(index as usize)
    }

    fn packet_mut(&mut self, index: u32) -> Option<&mut Packet<A>> {
        self.packets.get_mut(index as usize)
    }

    /// A packet's number in the table's lists.
    fn entry(&self, index: u32) -> u32 {
        index.saturating_add(u32::try_from(self.packets.len()).unwrap_or(0))
    }

    fn list(&self, key: &Key<A>) -> u32 {
        let [low, high] = [key.identification & 0xffff, key.identification >> 16];
        let port = |half| u16::try_from(half).unwrap_or(0);
        let hash = self.spread.tuple(&Tuple {
            local: key.destination,
            local_port: port(low),
            remote: key.source,
            remote_port: port(high),
        });
        TABLE + hash % self.places.max(1)
    }

    fn share(&mut self, source: A) -> Option<&mut u32> {
        let hash = self.spread.address(source) % u64::from(self.places.max(1));
        self.shares.get_mut(usize::try_from(hash).ok()?)
    }

    fn held(&self, source: A) -> u32 {
        let hash = self.spread.address(source) % u64::from(self.places.max(1));
        let place = usize::try_from(hash).ok();
        place
            .and_then(|it| self.shares.get(it))
            .copied()
            .unwrap_or(0)
    }

    fn find(&self, key: &Key<A>) -> Option<u32> {
        let base = self.entry(0);
        let list = self.lists.iter(self.list(key));
        list.map(|entry| entry.wrapping_sub(base))
            .find(|index| self.packet(*index).is_some_and(|it| it.key == *key))
    }

    fn begin(&mut self, key: &Key<A>, now: Instant, outcome: &mut Outcome) -> Result<u32, Drop> {
        if self.lists.is_empty(FREE)
            && let Some(victim) = self.heaviest(key.source)
        {
            outcome.displaced += self.forget(victim);
        }
        let index = self.lists.first(FREE).ok_or(Drop::FragmentNoRoom)?;
        let deadline = now + self.time;
        *self.packet_mut(index).ok_or(Drop::FragmentNoRoom)? = Packet::new(*key, deadline);
        self.lists.push(AGES, index);
        self.lists.push(self.list(key), self.entry(index));
        if let Some(share) = self.share(key.source) {
            *share += 1;
        }
        Ok(index)
    }

    /// The oldest packet of whoever holds most; `source` counts as holding one more.
    fn heaviest(&self, source: A) -> Option<u32> {
        let mut most = None;
        for index in self.lists.iter(AGES) {
            let holder = self.packet(index)?.key.source;
            let held = self.held(holder) + u32::from(holder == source);
            if most.is_none_or(|(_, least)| held > least) {
                most = Some((index, held));
            }
        }
        most.map(|(index, _)| index)
    }

    /// Frees everything that a packet has. Gives how many parts were lost.
    fn forget(&mut self, index: u32) -> u32 {
        let lost = self.release_pages(index);
        self.lists.push(FREE, index);
        self.lists.remove(self.entry(index));
        if let Some(source) = self.packet(index).map(|packet| packet.key.source)
            && let Some(share) = self.share(source)
        {
            *share = share.saturating_sub(1);
        }
        lost
    }

    /// Frees a packet's pages. Gives how many parts were in them.
    fn release_pages(&mut self, index: u32) -> u32 {
        let Some(packet) = self.packets.get_mut(index as usize) else {
            return 0;
        };
        let lost = mem::take(&mut packet.parts);
        let pages = mem::replace(&mut packet.pages, [NONE; MAX_PAGES]);
        let source = packet.key.source;
        packet.first = None;
        let mut count = 0;
        for page in pages.into_iter().filter(|page| *page != NONE) {
            self.pages.give_back(page);
            count += 1;
        }
        if let Some(share) = self.share(source) {
            *share = share.saturating_sub(count);
        }
        lost.into()
    }

    /// Puts a part where it belongs.
    fn place(
        &mut self,
        index: u32,
        piece: &Piece<'_, A>,
        outcome: &mut Outcome,
    ) -> Result<(), Drop> {
        let packet = self.packet(index).ok_or(Drop::FragmentNoRoom)?;
        if packet.is_refused {
            return Err(Drop::FragmentOverlap);
        }
        let end = piece.offset + piece.bytes.len();
        match self.state(packet, piece) {
            Filled::None => {}
            Filled::All if self.is_same(packet, piece) => return Err(Drop::FragmentDuplicate),
            Filled::Some | Filled::All => return Err(Drop::FragmentOverlap),
        }
        let is_contradiction = match (packet.total, piece.more) {
            (Some(total), _) => end > total || !piece.more,
            (None, false) => packet.highest > end,
            (None, true) => false,
        };
        if is_contradiction {
            return Err(Drop::FragmentOverlap);
        }
        if packet.parts >= MAX_PARTS {
            return Err(Drop::FragmentTooMany);
        }
        self.give_pages(index, piece, outcome)?;
        self.fill(index, piece);
        Ok(())
    }

    /// The pages of a part, and its bytes in each.
    fn spans<'a>(piece: &Piece<'a, A>) -> impl Iterator<Item = (usize, Range<usize>, &'a [u8])> {
        let start = HEAD + piece.offset;
        let bytes = piece.bytes;
        let end = start + bytes.len();
        (start / PAGE..end.div_ceil(PAGE)).map(move |page| {
            let first = page * PAGE;
            let (from, to) = (start.max(first), end.min(first + PAGE));
            let part = bytes.get(from - start..to - start).unwrap_or_default();
            (page, from - first..to - first, part)
        })
    }

    fn state(&self, packet: &Packet<A>, piece: &Piece<'_, A>) -> Filled {
        let states = Self::spans(piece).map(|(page, place, _)| match packet.pages.get(page) {
            None | Some(&NONE) => Filled::None,
            Some(page) => self.pages.state(*page, &place),
        });
        states.reduce(Filled::and).unwrap_or(Filled::None)
    }

    /// Whether what has come says the same as this part.
    fn is_same(&self, packet: &Packet<A>, piece: &Piece<'_, A>) -> bool {
        let end = piece.offset + piece.bytes.len();
        // The block that the packet ends in is not filled behind the end.
        let is_end = match packet.total {
            Some(total) if piece.more => end < total,
            Some(total) => end == total,
            None => true,
        };
        is_end
            && Self::spans(piece).all(|(page, place, bytes)| {
                let page = packet.pages.get(page).copied().unwrap_or(NONE);
                self.pages.bytes(page).get(place) == Some(bytes)
            })
    }

    /// Sees to it that all pages of a part are there.
    fn give_pages(
        &mut self,
        index: u32,
        piece: &Piece<'_, A>,
        outcome: &mut Outcome,
    ) -> Result<(), Drop> {
        for (number, _, _) in Self::spans(piece) {
            let has = |packet: &Packet<A>| packet.pages.get(number) != Some(&NONE);
            if self.packet(index).is_none_or(has) {
                continue;
            }
            let page = loop {
                if let Some(page) = self.pages.take() {
                    break page;
                }
                // It may have to make way for itself.
                let victim = self.heaviest(piece.key.source).filter(|it| *it != index);
                let victim = victim.ok_or(Drop::FragmentNoRoom)?;
                outcome.displaced += self.forget(victim);
            };
            if let Some(place) = self
                .packets
                .get_mut(index as usize)
                .and_then(|packet| packet.pages.get_mut(number))
            {
                *place = page;
            }
            if let Some(share) = self.share(piece.key.source) {
                *share += 1;
            }
        }
        Ok(())
    }

    fn fill(&mut self, index: u32, piece: &Piece<'_, A>) {
        let Some(packet) = self.packets.get_mut(index as usize) else {
            return;
        };
        for (number, place, bytes) in Self::spans(piece) {
            if let Some(page) = packet.pages.get(number) {
                packet.blocks += self.pages.fill(*page, place.start, bytes);
            }
        }
        let end = piece.offset + piece.bytes.len();
        packet.highest = packet.highest.max(end);
        if !piece.more {
            packet.total = Some(end);
        }
        if piece.offset == 0 {
            packet.first = Some(First {
                head: piece.head.len(),
                len: piece.bytes.len(),
            });
            let [page, ..] = packet.pages;
            self.pages.note(page, HEAD - piece.head.len(), piece.head);
        }
        packet.parts += 1;
        packet.marks |= 1 << piece.ecn.bits();
        packet.is_own &= piece.is_own;
    }

    fn is_whole(&self, index: u32) -> bool {
        self.packet(index).is_some_and(|packet| {
            let wanted = packet.total.map(|total| total.div_ceil(BLOCK));
            wanted == usize::try_from(packet.blocks).ok()
        })
    }

    fn finish(&mut self, index: u32, outcome: &mut Outcome) -> Result<Whole, Drop> {
        let packet = self.packet(index).ok_or(Drop::FragmentNoRoom)?;
        let facts = packet.first.zip(packet.total).zip(marked(packet.marks));
        let whole = match facts {
            Some(((first, total), ecn)) => self
                .lend(index, first, total)
                .map(|whole| Whole { ecn, ..whole })
                .ok_or(Drop::NoBuffer),
            None => Err(Drop::FragmentMark),
        };
        let kept = self.forget(index);
        if whole.is_err() {
            // All but the last, which is told by the result.
            outcome.lost += kept.saturating_sub(1);
        }
        whole
    }

    /// The first bytes of a packet, with its head in front; `None` while another is lent.
    fn lend(&mut self, index: u32, first: First, len: usize) -> Option<Whole> {
        let mut space = mem::take(&mut self.space);
        if space.is_empty() {
            return None;
        }
        let pages = self.packet(index)?.pages;
        let count = (HEAD + len).div_ceil(PAGE);
        let (places, _) = space.as_chunks_mut::<PAGE>();
        for (place, page) in places.iter_mut().zip(pages).take(count) {
            if let Some(bytes) = self.pages.bytes(page).as_array() {
                *place = *bytes;
            }
        }
        Some(Whole {
            space,
            head: first.head,
            len,
            ecn: Ecn::NotCapable,
        })
    }
}

/// RFC 3168 section 5.3: the mark of a packet whose parts were marked so; `None` when some have seen
/// congestion, and others belong to a sender that does not take part.
fn marked(marks: u8) -> Option<Ecn> {
    let has = |ecn: Ecn| marks & 1 << ecn.bits() != 0;
    match (has(Ecn::Congested), has(Ecn::NotCapable)) {
        (true, true) => None,
        (true, false) => Some(Ecn::Congested),
        (false, true) => Some(Ecn::NotCapable),
        (false, false) if has(Ecn::Capable0) => Some(Ecn::Capable0),
        (false, false) => Some(Ecn::Capable1),
    }
}

impl<A> Packet<A> {
    fn new(key: Key<A>, deadline: Instant) -> Self {
        Self {
            key,
            pages: [NONE; MAX_PAGES],
            blocks: 0,
            total: None,
            highest: 0,
            parts: 0,
            first: None,
            marks: 0,
            is_own: true,
            is_refused: false,
            deadline,
        }
    }
}

#[cfg(test)]
mod tests;
