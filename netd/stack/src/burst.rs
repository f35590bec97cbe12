//! Frames that come together: segments that follow each other are taken in as one.
//!
//! *Owns* [`Burst`], the call that lasts for many frames, and the run of segments at its end. Each
//! one's payload is verified and copied into its client's room in one pass, at once, because the
//! frame is only lent; what it means to the connection is asked once for all of them, when the run
//! ends: as if a device had received the long segment that a sender's device has cut up. *Never*
//! lets anybody see the connection meanwhile: who holds a burst holds the stack.
//!
//! A run begins behind a segment that went the full way and whose payload came in order; mostly no other comes with
//! it, so of that one only the head is kept, and it is looked at when another has come. It ends
//! with the burst, and with the first frame that is not the plain continuation ([`wire::Train`]) or
//! that does not fit into the room that is left; that one goes the full way again. So everything
//! but payload in order, and acknowledgements that later ones stand for (`acks`), is judged as if
//! there were no runs. Bytes of a frame whose checksum is wrong lie where nothing has come yet, and the
//! right ones will be written over them.

mod acks;

use crate::config::ReceiveMeta;
use crate::family::Family;
use crate::id::{ClientId, InterfaceId};
use crate::memory::ClientMemory;
use crate::stack::Stack;
use crate::stats::Counter;
use crate::tcp::connection::{Conn, Fact, Tables};
use ::tcp::{Instant, Outcome, Place};
use core::net::{Ipv4Addr, Ipv6Addr};
use wire::tcp::Header;
use wire::{Acknowledgement, Drop, Follower, Rest, Sum, Train};

/// What a frame leaves behind: the connection that took its payload in, if one has that has received
/// nothing behind it; or that heard from it how far its bytes have come, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Landing {
    None,
    V4(u32),
    V6(u32),
}

/// Segments that were copied, and that their connection has not been told of.
#[derive(Debug)]
struct Run<A: Family> {
    train: Train<A>,
    connection: u32,
    /// Bytes of theirs.
    gathered: u32,
    /// One of them is several itself.
    is_joined: bool,
    /// Where the next ones go, as far as that was looked up.
    space: Space,
}

/// A part of a room that the next bytes of a stream go into.
#[derive(Clone, Copy, Debug)]
struct Space {
    client: Option<ClientId>,
    offset: u64,
    length: u64,
}

/// The run at the end of a burst: the family was decided when it began.
#[derive(Debug)]
enum Running {
    None,
    /// What may begin behind the last frame, whose head is kept.
    Behind(Landing),
    V4(Run<Ipv4Addr>),
    V6(Run<Ipv6Addr>),
    /// Acknowledgements, and what its device said of the last, if that has not gone its way yet.
    Acks(Option<ReceiveMeta>),
}

impl<A: Family> Run<A> {
    /// The run that begins behind a frame with this head that a connection took in.
    fn behind(head: &[u8], connection: u32) -> Option<Self> {
        Some(Self {
            train: Train::behind(head)?,
            connection,
            gathered: 0,
            is_joined: false,
            space: Space::NONE,
        })
    }
}

impl Space {
    const NONE: Self = Self {
        client: None,
        offset: 0,
        length: 0,
    };

    /// What is left behind the first `len` bytes.
    fn behind(self, len: u64) -> Self {
        Self {
            offset: self.offset.saturating_add(len),
            length: self.length.saturating_sub(len),
            ..self
        }
    }
}

/// What was copied of a payload.
struct Copied {
    /// Where its next bytes go, as far as that was looked up.
    space: Space,
    bytes: usize,
    sum: Sum,
}

/// Frames from one interface, taken in one after the other. What they mean is settled when it goes:
/// nothing else can be asked of the stack before.
#[derive(Debug)]
pub struct Burst<'a, M: ClientMemory> {
    stack: &'a mut Stack,
    interface: InterfaceId,
    memory: &'a mut M,
    now: Instant,
    run: Running,
    /// The head of the frame that something may begin behind, or the last of acknowledgements that follow each
    /// other.
    last: Acknowledgement,
    /// An acknowledgement has made way for a later one.
    has_overtaken: bool,
}

impl Stack {
    /// Begins to take in frames that have come together.
    pub fn burst<'a, M: ClientMemory>(
        &'a mut self,
        id: InterfaceId,
        memory: &'a mut M,
        now: Instant,
    ) -> Burst<'a, M> {
        Burst {
            stack: self,
            interface: id,
            memory,
            now,
            run: Running::None,
            last: Acknowledgement::NONE,
            has_overtaken: false,
        }
    }

    /// Where the bytes go that come `ahead` of those that have arrived, as far as that is one piece
    /// and nothing but they can be there.
    fn space<A: Family>(&self, connection: u32, ahead: u64) -> Option<Space> {
        let tables = self.tcp.tables.of::<A>();
        let conn = tables.connections.at(connection)?;
        if conn.is(Fact::ReceiveClosed) || conn.is(Fact::Over) || tables.early(conn).is_some() {
            return None;
        }
        let expected = conn.tcp.expected().checked_sub(ahead)?;
        let untold = conn.arrived().checked_sub(conn.told())?;
        let mut rooms = self.requests.spaces(&conn.rooms).peekable();
        let (_, used) = rooms.peek()?;
        let mut at = untold.checked_add(u64::from(*used))?.checked_add(ahead)?;
        for (range, _) in rooms {
            let length = u64::from(range.length);
            if at < length {
                let space = Space {
                    client: conn.client(),
                    offset: range.offset.checked_add(at)?,
                    length: expected.min(length - at),
                };
                return (space.length > 0).then_some(space);
            }
            at -= length;
        }
        None
    }

    /// Segments that were copied already are one segment to their connection.
    fn run_input<A: Family>(&mut self, run: &Run<A>, now: Instant) {
        let tables = self.tcp.tables.of_mut::<A>();
        let Some(conn) = tables.connections.at_mut(run.connection) else {
            return;
        };
        let Some((header, mark)) = run.train.header(run.gathered) else {
            return;
        };
        let shared = &mut self.tcp.shared;
        let outcome = conn
            .tcp
            .input_marked(shared, &header, run.gathered, mark, now);
        debug_assert!(
            outcome.drop.is_none() && outcome.place.is_some_and(|it| it.len == run.gathered),
            "a connection takes what it expects"
        );
        if run.is_joined {
            conn.tcp.note_joined();
        }
        self.apply_outcome::<A>(run.connection, &outcome, now);
    }

    /// The connection that took a frame in learns that it was several segments.
    pub(crate) fn note_joined(&mut self, landing: Landing) {
        let tables = &mut self.tcp.tables;
        match landing {
            Landing::None => {}
            Landing::V4(index) => tables.v4.note_joined(index),
            Landing::V6(index) => tables.v6.note_joined(index),
        }
    }
}

impl<A: Family> Conn<A> {
    /// Whether others may follow a segment with so many bytes of payload. What continues its payload is new only
    /// if nothing behind it is here: it filled no hole. And it is taken only if the same header would be once
    /// more. What only acknowledged must have acknowledged something.
    pub(crate) fn lands(&self, outcome: &Outcome, header: &Header, payload: u32) -> bool {
        let ends = |place: &Place| place.stream_offset.saturating_add(place.len.into());
        match &outcome.place {
            Some(place) => ends(place) == self.tcp.received() && self.tcp.is_current(header),
            None => payload == 0 && outcome.acked > 0 && outcome.is_plain(),
        }
    }
}

impl<A: Family> Tables<A> {
    fn note_joined(&mut self, connection: u32) {
        if let Some(conn) = self.connections.at_mut(connection) {
            conn.tcp.note_joined();
        }
    }
}

impl<M: ClientMemory> Burst<'_, M> {
    /// Takes in the next frame. Ends in exactly one delivery or one counted [`Drop`].
    #[inline]
    pub fn input(&mut self, frame: &[u8], meta: ReceiveMeta) {
        self.input_scattered(frame, &[], meta);
    }

    /// Takes in the next frame, which lies in several slices: `head`, in which are the headers, and
    /// the others.
    pub fn input_scattered(&mut self, head: &[u8], others: &[&[u8]], meta: ReceiveMeta) {
        let (frame, rest) = (head, Rest::new(others));
        if let Running::Behind(landing) = self.run {
            self.run = self.begin(landing);
        }
        let (stack, memory) = (&mut *self.stack, &mut *self.memory);
        let followed = match &mut self.run {
            Running::None | Running::Behind(_) => {
                let waits = stack.expects_acks && rest.is_empty();
                if waits && self.await_others(frame, meta) {
                    return;
                }
                None
            }
            Running::Acks(_) => {
                if rest.is_empty() && self.overtake(frame, meta) {
                    return;
                }
                None
            }
            Running::V4(run) => run.follow(stack, memory, (frame, rest), meta),
            Running::V6(run) => run.follow(stack, memory, (frame, rest), meta),
        };
        if let Some(result) = followed {
            return self.took_in(frame.len().saturating_add(rest.len()), result);
        }
        self.end_run();
        let (id, now) = (self.interface, self.now);
        let stack = &mut self.stack;
        let landing = stack.take_in_scattered(id, frame, rest, meta, self.memory, now);
        if landing != Landing::None {
            self.last.keep(frame);
            self.run = Running::Behind(landing);
        }
    }

    /// What begins behind the last frame, now that there is another.
    #[inline(never)]
    fn begin(&self, landing: Landing) -> Running {
        let head = self.last.head();
        let run = match landing {
            Landing::None => None,
            Landing::V4(connection) => Run::behind(head, connection).map(Running::V4),
            Landing::V6(connection) => Run::behind(head, connection).map(Running::V6),
        };
        match run {
            Some(run) => run,
            None if self.last.is_one() => Running::Acks(None),
            None => Running::None,
        }
    }

    /// What became of a frame of so many bytes that did not go the full way.
    fn took_in(&mut self, bytes: usize, result: Result<(), Drop>) {
        if let Some(interface) = self.stack.interfaces.get_mut(self.interface.index()) {
            interface.received.note(bytes);
        }
        let result = result.map(|()| Landing::None);
        self.stack.account(self.interface, result);
    }

    /// The connection is told of the segments that followed each other. (They stay where they are: a run is long,
    /// and mostly none has begun.)
    fn end_run(&mut self) {
        match &self.run {
            Running::None => return,
            Running::V4(run) if run.gathered > 0 => self.stack.run_input(run, self.now),
            Running::V6(run) if run.gathered > 0 => self.stack.run_input(run, self.now),
            Running::Acks(Some(meta)) => {
                let meta = *meta;
                self.end_acks(meta);
            }
            _ => {}
        }
        self.run = Running::None;
    }
}

impl<A: Family> Run<A> {
    /// What becomes of a frame that continues the run; `None` if it does not.
    #[inline(always)]
    fn follow<M: ClientMemory>(
        &mut self,
        stack: &mut Stack,
        memory: &mut M,
        (frame, rest): (&[u8], Rest<'_>),
        meta: ReceiveMeta,
    ) -> Option<Result<(), Drop>> {
        let follower = self.train.follow_scattered(frame, rest)?;
        let len = follower.payload.len().checked_add(follower.more.len())?;
        let len = u32::try_from(len).ok()?;
        let at = (&*stack, memory);
        let (sum, space) = self.copy(at, &follower, meta.checksum_verified)?;
        if !meta.checksum_verified && !follower.is_valid(sum) {
            return Some(Err(Drop::TcpChecksum));
        }
        self.train.append(len);
        self.gathered = self.gathered.saturating_add(len);
        self.is_joined |= meta.is_joined;
        self.space = space;
        let stats = &mut stack.stats;
        stats.count(Counter::TcpReceived);
        stats.count(Counter::TcpCoalesced);
        stats.count(Counter::CopiesIn);
        stats.add(Counter::BytesCopiedIn, len.into());
        Some(Ok(()))
    }

    /// Copies a payload behind what was gathered. Gives its sum, which nobody needs if it is known
    /// to be right, and the space behind it; `None` when not all of it has room.
    #[inline(always)]
    fn copy<M: ClientMemory>(
        &self,
        (stack, memory): (&Stack, &mut M),
        follower: &Follower<'_>,
        is_verified: bool,
    ) -> Option<(Sum, Space)> {
        let mut copied = Copied {
            space: self.space,
            bytes: 0,
            sum: Sum::ZERO,
        };
        let at = (stack, &mut *memory);
        self.copy_slice(at, follower.payload, is_verified, &mut copied)?;
        if !follower.more.is_empty() {
            self.copy_more((stack, memory), follower.more, is_verified, &mut copied)?;
        }
        Some((copied.sum, copied.space))
    }

    /// Copies what is behind the first slice of a payload. Few have that.
    #[inline(never)]
    fn copy_more<M: ClientMemory>(
        &self,
        (stack, memory): (&Stack, &mut M),
        more: Rest<'_>,
        is_verified: bool,
        copied: &mut Copied,
    ) -> Option<()> {
        for slice in more.iter() {
            self.copy_slice((stack, &mut *memory), slice, is_verified, copied)?;
        }
        Some(())
    }

    /// Copies a slice of a payload behind those before. Where it is called once for a frame, what it
    /// works on is in registers.
    #[inline(always)]
    fn copy_slice<M: ClientMemory>(
        &self,
        (stack, memory): (&Stack, &mut M),
        slice: &[u8],
        is_verified: bool,
        copied: &mut Copied,
    ) -> Option<()> {
        let mut rest = slice;
        while !rest.is_empty() {
            if copied.space.length == 0 {
                let ahead = u64::from(self.gathered).checked_add(copied.bytes as u64)?;
                copied.space = stack.space::<A>(self.connection, ahead)?;
            }
            let space = copied.space;
            let len = usize::try_from(space.length).map_or(rest.len(), |it| it.min(rest.len()));
            let (client, offset) = (space.client?, space.offset);
            let (piece, behind) = rest.split_at_checked(len)?;
            if is_verified {
                memory.write(client, offset, piece).ok()?;
            } else {
                let part = memory.write_summed(client, offset, piece).ok()?;
                copied.sum = copied.sum.plus(part.behind(copied.bytes));
            }
            copied.space = space.behind(len as u64);
            copied.bytes += len;
            rest = behind;
        }
        Some(())
    }
}

impl<M: ClientMemory> core::ops::Drop for Burst<'_, M> {
    fn drop(&mut self) {
        self.end_run();
        self.stack.expects_acks = self.has_overtaken;
    }
}
