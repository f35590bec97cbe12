//! The receiving side of a connection: the rooms that netd fills, in order.
//!
//! *Owns* the rooms and how much there is of them: a few are posted, so that the peer's window stays
//! open while the program reads; how much, its appetite tells. Bytes are copied out of their room,
//! or lent where they lie; a room is free when it is used up and nothing of it is lent.

use core::cell::{Cell, RefCell};
use core::task::{Context, Poll};

use protocol::{Range, Receive, SocketId};

use crate::appetite::Appetite;
use crate::blocks::UNIT;
use crate::buffer::Chunk;
use crate::error::Error;
use crate::net::Net;
use crate::pending::Pending;
use crate::rooms::Rooms;
use crate::slot::{End, Room, Slot};

/// Bytes of window that a busy connection grows to: what netd offers at most, if not told otherwise.
const LARGEST_WINDOW: u32 = 2 << 20;
/// Bytes of a room when the arena is nearly used up.
const SMALLEST_ROOM: u32 = 2 * 1024;
/// Bytes that the largest segment carries.
const LARGEST_SEGMENT: u32 = 64 * 1024;
/// Rooms posted at most.
const MOST_ROOMS: usize = 8;

/// What becomes of bytes that were looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bytes {
    Go,
    /// They are taken, but stay where they are until they come back.
    Lent,
    Stay,
}

/// The rooms of a connection.
pub struct Receiving {
    rooms: RefCell<Rooms>,
    appetite: Cell<Appetite>,
    /// Bytes that were open at most.
    peak: Cell<u32>,
    /// How it ended; stays.
    end: Cell<Option<End>>,
    /// Bytes that are read before the next look at whether there is to be more room.
    until_post: Cell<u32>,
}

impl Receiving {
    /// No rooms yet; at first there will be `window` bytes of them.
    pub const fn new(window: u32) -> Self {
        Self {
            rooms: RefCell::new(Rooms::new()),
            appetite: Cell::new(Appetite::new(window, LARGEST_WINDOW)),
            peak: Cell::new(window),
            end: Cell::new(None),
            until_post: Cell::new(0),
        }
    }

    /// A room that is there already.
    pub fn adopt(&self, room: Pending) {
        self.rooms.borrow_mut().push(room);
    }

    /// The program chooses the window; zero: none in particular.
    pub fn fix_window(&self, bytes: u32) {
        self.want(|appetite| appetite.fix(bytes));
        self.until_post.set(0);
    }

    /// The socket is closed, which ends the receives.
    pub fn leave(&self) {
        let mut rooms = self.rooms.borrow_mut();
        while let Some(room) = rooms.pop() {
            room.leave();
        }
    }

    fn want(&self, change: impl FnOnce(&mut Appetite)) {
        let mut appetite = self.appetite.get();
        change(&mut appetite);
        self.appetite.set(appetite);
    }

    /// Opens the window again when a quarter of it is used up, as wide as wanted, or as is fair. (By
    /// halves, one half would wait for a last piece that a peer with a closed window does not send.)
    pub fn post(&self, net: &Net, socket: SocketId) {
        self.until_post.set(0);
        if self.end.get().is_some() {
            return;
        }
        let mut rooms = self.rooms.borrow_mut();
        let mut open = net.untaken(rooms.iter());
        // A peer that was offered more is not told of less than a segment or half of that (RFC 9293
        // section 3.8.6.2.2), so a window that shrinks further stays closed.
        let least = (self.peak.get() / 2).min(LARGEST_SEGMENT);
        let window = self.appetite.get().window().min(net.fair_share());
        let window = window.max(least);
        let size = (window / 4 / UNIT * UNIT).max(SMALLEST_ROOM);
        // And what is open is not to fall short of that by a part of a room: nobody would be told of it, and
        // both would wait for the other.
        while (open.saturating_add(size) <= window || open < least || rooms.is_empty())
            && rooms.len() < MOST_ROOMS
            && self.end.get().is_none()
        {
            // Short of arena, a smaller room keeps a connection going: down to the one that is
            // waited for where there is none.
            let smaller = |size: &u32| {
                let may_shrink = rooms.is_empty() && *size > SMALLEST_ROOM;
                may_shrink.then_some((size / 2).max(SMALLEST_ROOM))
            };
            let mut sizes = core::iter::successors(Some(size), smaller);
            let Some(room) = sizes.find_map(|size| net.take_room(size)) else {
                return;
            };
            match net.submit(&Receive { socket, room }, socket, Some(room), None) {
                Ok(pending) => rooms.push(pending),
                Err(error) => self.end.set(Some(End::Failed(error))),
            }
            open = open.saturating_add(room.length);
        }
        self.peak.set(self.peak.get().max(open));
        // More is given when a room fits, or when what is open falls short.
        let enough = window.saturating_sub(size).max(least.saturating_sub(1));
        self.until_post.set(open.saturating_sub(enough));
    }

    /// Copies what there is.
    pub fn poll_read(
        &self,
        net: &Net,
        socket: SocketId,
        into: &mut [u8],
        context: Option<&Context<'_>>,
    ) -> Poll<Result<usize, Error>> {
        self.poll_copy(net, socket, into, Bytes::Go, context)
    }

    /// Copies what there is, and leaves it.
    pub fn poll_peek(
        &self,
        net: &Net,
        socket: SocketId,
        into: &mut [u8],
        context: Option<&Context<'_>>,
    ) -> Poll<Result<usize, Error>> {
        self.poll_copy(net, socket, into, Bytes::Stay, context)
    }

    /// Whether there is something to read, be it the end or an error.
    pub fn poll_readable(
        &self,
        net: &Net,
        socket: SocketId,
        context: Option<&Context<'_>>,
    ) -> Poll<()> {
        let nothing = |_, _| ();
        let found = self.poll_piece(net, socket, 1, Bytes::Stay, context, nothing);
        found.map(|_| ())
    }

    /// Lends what there is, at most `most` bytes. `None` at the end.
    pub fn poll_chunk(
        &self,
        net: &Net,
        socket: SocketId,
        most: u32,
        context: Option<&Context<'_>>,
    ) -> Poll<Result<Option<Chunk>, Error>> {
        self.poll_piece(net, socket, most, Bytes::Lent, context, |id, piece| {
            Chunk::new(net.clone(), id, piece)
        })
    }

    fn poll_copy(
        &self,
        net: &Net,
        socket: SocketId,
        into: &mut [u8],
        bytes: Bytes,
        context: Option<&Context<'_>>,
    ) -> Poll<Result<usize, Error>> {
        let most = u32::try_from(into.len()).unwrap_or(u32::MAX);
        let found = self.poll_piece(net, socket, most, bytes, context, |_, piece| {
            let length = piece.length as usize;
            let copied = net.arena().read(piece.offset, &mut into[..length]);
            copied.map(|()| length).map_err(|_| Error::NoMemory)
        });
        found.map(|outcome| outcome?.unwrap_or(Ok(0)))
    }

    /// Hands the next bytes, at most `most`, to `use_piece`, with the receive whose room they are in.
    /// `None` at the end of the stream.
    fn poll_piece<T>(
        &self,
        net: &Net,
        socket: SocketId,
        most: u32,
        bytes: Bytes,
        context: Option<&Context<'_>>,
        use_piece: impl FnOnce(u32, Range) -> T,
    ) -> Poll<Result<Option<T>, Error>> {
        let mut use_piece = Some(use_piece);
        loop {
            // Rooms follow what is read; here, only when there is none at all.
            if self.rooms.borrow().is_empty() {
                self.post(net, socket);
            }
            let mut rooms = self.rooms.borrow_mut();
            let Some(front) = rooms.first() else {
                return match self.end.get() {
                    Some(End::Failed(error)) => Poll::Ready(Err(error)),
                    Some(End::Finished | End::Full) => Poll::Ready(Ok(None)),
                    // No arena for even one room.
                    None => match net.poll_room(SMALLEST_ROOM, context) {
                        Poll::Ready(Ok(())) => continue,
                        Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                        Poll::Pending => Poll::Pending,
                    },
                };
            };
            let found = front.poll(context, |slot| {
                let room = slot.room.as_mut()?;
                let piece = room.next(most);
                if bytes != Bytes::Stay {
                    room.taken += piece.length;
                }
                slot.lent += u32::from(bytes == Bytes::Lent && piece.length > 0);
                let end = room.end.filter(|_| room.taken == room.filled);
                (piece.length > 0 || end.is_some()).then_some((piece, end))
            });
            let Poll::Ready((piece, end)) = found else {
                return Poll::Pending;
            };
            let used = match piece.length {
                0 => None,
                _ => Some(
                    use_piece
                        .take()
                        .map(|use_piece| use_piece(front.id(), piece)),
                ),
            };
            if let Some(end) = end {
                self.end_room(&mut rooms, end);
            }
            drop(rooms);
            if bytes != Bytes::Stay || end.is_some() {
                let left = self.until_post.get().saturating_sub(piece.length);
                self.until_post.set(left);
                if left == 0 || end.is_some() {
                    self.post(net, socket);
                }
            }
            if let Some(used) = used {
                return Poll::Ready(Ok(used));
            }
        }
    }

    /// The first room is done with and read.
    fn end_room(&self, rooms: &mut Rooms, end: End) {
        if end == End::Full {
            let told = |slot: &mut Slot| slot.room.as_ref().map(Room::measured);
            let measured = rooms.pop().and_then(|room| room.with(told)?);
            let (bytes, round_trip) = measured.unwrap_or_default();
            let now = rt::clock::now();
            self.want(|appetite| appetite.take(bytes, round_trip, now));
        } else {
            self.end.set(Some(end));
            while rooms.pop().is_some() {}
        }
    }
}
