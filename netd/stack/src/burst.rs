//! Frames that come together: segments that follow each other are taken in as one.
//!
//! *Owns* [`Burst`], the call that lasts for many frames, and the run of segments at its end. Each
//! one's payload is verified and copied into its client's room in one pass, at once, because the
//! frame is only lent; what it means to the connection is asked once for all of them, when the run
//! ends: as if a device had received the long segment that a sender's device has cut up. *Never*
//! lets anybody see the connection meanwhile: who holds a burst holds the stack.
//!
//! A run begins behind a segment that went the full way and whose payload came in order. It ends
//! with the burst, and with the first frame that is not the plain continuation ([`wire::Train`]) or
//! that does not fit into the room that is left in one piece; that one goes the full way again. So
//! everything but payload in order is judged as if there were no runs. Bytes of a frame whose
//! checksum is wrong lie where nothing has come yet, and the right ones will be written over them.

use crate::config::ReceiveMeta;
use crate::id::{ClientId, InterfaceId};
use crate::memory::{ClientMemory, Gone};
use crate::requests::Request;
use crate::stack::Stack;
use crate::stats::Counter;
use crate::tcp::connection::Fact;
use ::tcp::Instant;
use wire::{Drop, Follower, Train};

/// What a frame leaves behind: the connection that took its payload in, if one has.
pub(crate) type Landing = Option<u32>;

/// Segments that were copied, and that their connection has not been told of.
#[derive(Debug)]
struct Run {
    train: Train,
    connection: u32,
    /// Bytes of theirs.
    gathered: u32,
    /// Where the next ones go, as far as that was looked up.
    space: Option<Space>,
}

/// A part of a room that the next bytes of a stream go into.
#[derive(Clone, Copy, Debug)]
struct Space {
    client: ClientId,
    offset: u64,
    length: u64,
}

impl Space {
    /// What is left behind the first `len` bytes.
    fn behind(self, len: u32) -> Self {
        Self {
            offset: self.offset.saturating_add(len.into()),
            length: self.length.saturating_sub(len.into()),
            ..self
        }
    }
}

/// Frames from one interface, taken in one after the other. What they mean is settled when it goes:
/// nothing else can be asked of the stack before.
#[derive(Debug)]
pub struct Burst<'a, M: ClientMemory> {
    stack: &'a mut Stack,
    interface: InterfaceId,
    memory: &'a mut M,
    now: Instant,
    run: Option<Run>,
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
            run: None,
        }
    }

    /// Where the bytes go that come `ahead` of those that have arrived, as far as that is one piece
    /// and nothing but they can be there.
    fn space(&self, connection: u32, ahead: u32) -> Option<Space> {
        let conn = self.tcp.connections.at(connection)?;
        let client = conn.client()?;
        if conn.is(Fact::ReceiveClosed) || conn.is(Fact::Over) || conn.early.is_some() {
            return None;
        }
        let expected = conn.tcp.expected().checked_sub(ahead.into())?;
        let untold = conn.arrived().checked_sub(conn.told())?;
        let rooms = self.requests.iter(&conn.rooms);
        let mut rooms = rooms.filter_map(Request::room).peekable();
        let (_, used) = rooms.peek()?;
        let mut at = untold
            .checked_add(u64::from(*used))?
            .checked_add(ahead.into())?;
        for (range, _) in rooms {
            let length = u64::from(range.length);
            if at < length {
                return Some(Space {
                    client,
                    offset: range.offset.checked_add(at)?,
                    length: expected.min(length - at),
                });
            }
            at -= length;
        }
        None
    }

    /// Segments that were copied already are one segment to their connection.
    fn run_input(&mut self, run: &Run, now: Instant) {
        let Some(conn) = self.tcp.connections.at_mut(run.connection) else {
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
        self.apply_outcome(run.connection, &outcome, now);
    }
}

impl<M: ClientMemory> Burst<'_, M> {
    /// Takes in the next frame. Ends in exactly one delivery or one counted [`Drop`].
    pub fn input(&mut self, frame: &[u8], meta: ReceiveMeta) {
        if let Some(result) = self.follow(frame, meta) {
            if let Some(interface) = self.stack.interfaces.get_mut(self.interface.index()) {
                interface.received.note(frame.len());
            }
            self.stack.account(self.interface, result.map(|()| None));
            return;
        }
        self.end_run();
        let (id, now) = (self.interface, self.now);
        let landing = self.stack.take_in(id, frame, meta, self.memory, now);
        self.run = landing.and_then(|connection| {
            Some(Run {
                train: Train::behind(frame)?,
                connection,
                gathered: 0,
                space: None,
            })
        });
    }

    /// What becomes of a frame that continues the run; `None` if it does not.
    #[inline]
    fn follow(&mut self, frame: &[u8], meta: ReceiveMeta) -> Option<Result<(), Drop>> {
        let run = self.run.as_mut()?;
        let follower = run.train.follow(frame)?;
        let len = u32::try_from(follower.payload.len()).ok()?;
        let fits = |space: &Space| u64::from(len) <= space.length;
        let space = match run.space.filter(fits) {
            Some(space) => space,
            None => self
                .stack
                .space(run.connection, run.gathered)
                .filter(fits)?,
        };
        let is_valid = copy(&follower, space, meta.checksum_verified, self.memory).ok()?;
        if !is_valid {
            return Some(Err(Drop::TcpChecksum));
        }
        run.train.append(len);
        run.gathered = run.gathered.saturating_add(len);
        run.space = Some(space.behind(len));
        let stats = &mut self.stack.stats;
        stats.count(Counter::TcpReceived);
        stats.count(Counter::TcpCoalesced);
        stats.count(Counter::CopiesIn);
        stats.add(Counter::BytesCopiedIn, len.into());
        Some(Ok(()))
    }

    /// The connection is told of the segments that followed each other.
    fn end_run(&mut self) {
        if let Some(run) = self.run.take().filter(|run| run.gathered > 0) {
            self.stack.run_input(&run, self.now);
        }
    }
}

impl<M: ClientMemory> core::ops::Drop for Burst<'_, M> {
    fn drop(&mut self) {
        self.end_run();
    }
}

/// Copies a payload to where it belongs. Returns whether its checksum is right.
#[inline]
fn copy<M: ClientMemory>(
    follower: &Follower<'_>,
    space: Space,
    is_verified: bool,
    memory: &mut M,
) -> Result<bool, Gone> {
    let Space { client, offset, .. } = space;
    if is_verified {
        memory.write(client, offset, follower.payload)?;
        return Ok(true);
    }
    let sum = memory.write_summed(client, offset, follower.payload)?;
    Ok(follower.is_valid(sum))
}
