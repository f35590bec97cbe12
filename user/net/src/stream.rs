//! TCP connections.
//!
//! *Owns* the rooms and sends of one connection. Receiving: a few rooms are posted, so that the
//! peer's window stays open while the program reads; how much, its appetite tells. Sending:
//! bytes are copied into the arena once and stay there until the peer has acknowledged them; how
//! much may be under way is bounded.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::net::SocketAddr;
use core::task::{Context, Poll};

use protocol::{
    Close, Connect, Range, Receive, Send, Shutdown, Side, SocketCreate, SocketId, SocketKind,
    SocketOption, outcome,
};

use crate::appetite::Appetite;
use crate::blocks::UNIT;
use crate::error::Error;
use crate::net::{Net, Pending};
use crate::session::{End, Room, Slot};

/// Bytes of window that a connection begins with which the program opens.
const CONNECT_WINDOW: u32 = 16 * 1024;
/// Bytes of window that a connection begins with which is accepted: there may be thousands.
const ACCEPT_WINDOW: u32 = 4 * 1024;
/// Bytes of window that a busy connection grows to: what netd offers at most, if not told otherwise.
const LARGEST_WINDOW: u32 = 2 << 20;
/// Bytes of a room or a send when the arena is nearly used up.
const SMALLEST_BLOCK: u32 = 2 * 1024;
/// Rooms posted at most.
const MOST_ROOMS: usize = 8;
/// Bytes of one send.
const LARGEST_SEND: u32 = 32 * 1024;
/// Bytes that may wait for their acknowledgement.
const SEND_BOUND: u32 = 256 * 1024;
/// Sends that may wait for their acknowledgement.
const MOST_SENDS: usize = 32;

/// A connection. Dropped, it is closed in order: what was written still goes out.
pub struct TcpStream {
    shared: Rc<Shared>,
}

/// The half of a connection that reads.
pub struct ReadHalf {
    shared: Rc<Shared>,
}

/// The half of a connection that writes.
pub struct WriteHalf {
    shared: Rc<Shared>,
}

/// What becomes of bytes that were read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bytes {
    Go,
    Stay,
}

struct Shared {
    net: Net,
    socket: SocketId,
    local: Cell<SocketAddr>,
    remote: SocketAddr,
    rooms: RefCell<VecDeque<Pending>>,
    appetite: Cell<Appetite>,
    /// How much may wait for its acknowledgement.
    send_bound: Cell<u32>,
    /// How reading ended; stays.
    read_end: Cell<Option<End>>,
    sends: RefCell<VecDeque<(Pending, u32)>>,
    unacknowledged: Cell<u32>,
    write_error: Cell<Option<Error>>,
    closed: Cell<bool>,
}

impl TcpStream {
    /// Opens a connection. Drop the future to give up, or wrap it in [`crate::within`].
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::TimedOut`], [`Error::Unreachable`], [`Error::NoRoute`], ...
    pub async fn connect(net: &Net, remote: SocketAddr) -> Result<Self, Error> {
        Self::connect_with(net, remote, &[]).await
    }

    /// Opens a connection with options that hold from its first segment on.
    ///
    /// # Errors
    /// As [`Self::connect`] and [`Self::set_option`].
    pub async fn connect_with(
        net: &Net,
        remote: SocketAddr,
        options: &[(SocketOption, u64)],
    ) -> Result<Self, Error> {
        Self::open(net, remote, options, &[]).await
    }

    /// Opens a connection and writes its first bytes, which go with its first segment if the peer has
    /// had us before and takes them so (Fast Open, RFC 7413); if not, they follow. On their way they
    /// may come twice, as two connections: for questions that may be asked twice.
    ///
    /// # Errors
    /// As [`Self::connect`] and [`Self::write`].
    pub async fn connect_sending(
        net: &Net,
        remote: SocketAddr,
        first: &[u8],
    ) -> Result<Self, Error> {
        Self::open(net, remote, &[(SocketOption::FastOpen, 1)], first).await
    }

    async fn open(
        net: &Net,
        remote: SocketAddr,
        options: &[(SocketOption, u64)],
        first: &[u8],
    ) -> Result<Self, Error> {
        let created = net
            .call(SocketCreate {
                kind: SocketKind::Stream,
            })
            .await?;
        let socket = created.socket;
        net.room().await;
        // From here on the socket is closed whatever happens: the stream is dropped.
        let stream = Self::new(net.clone(), (socket, remote, remote), CONNECT_WINDOW);
        for (option, value) in options {
            stream.set_option(*option, *value).await?;
        }
        let pending = net.submit(&Connect { socket, remote }, socket, None, None)?;
        // Rooms before the SYN leaves: it carries their window.
        stream.shared.post_rooms();
        let written = stream.shared.write_all(first).await;
        // Why there is no connection says more than that it could not be written to.
        let connected = pending.reply::<Connect>().await?;
        written?;
        stream.shared.local.set(connected.local);
        Ok(stream)
    }

    fn new(
        net: Net,
        (socket, local, remote): (SocketId, SocketAddr, SocketAddr),
        window: u32,
    ) -> Self {
        let shared = Shared {
            net,
            socket,
            local: Cell::new(local),
            remote,
            rooms: RefCell::new(VecDeque::new()),
            appetite: Cell::new(Appetite::new(window, LARGEST_WINDOW)),
            send_bound: Cell::new(SEND_BOUND),
            read_end: Cell::new(None),
            sends: RefCell::new(VecDeque::new()),
            unacknowledged: Cell::new(0),
            write_error: Cell::new(None),
            closed: Cell::new(false),
        };
        Self {
            shared: Rc::new(shared),
        }
    }

    /// The connection of an accept, whose room is the first.
    pub(crate) fn accepted(
        net: Net,
        addresses: (SocketId, SocketAddr, SocketAddr),
        room: Pending,
    ) -> Self {
        let stream = Self::new(net, addresses, ACCEPT_WINDOW);
        stream.shared.rooms.borrow_mut().push_back(room);
        stream
    }

    /// Own address.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.shared.local.get()
    }

    /// The peer's address.
    #[must_use]
    pub fn remote(&self) -> SocketAddr {
        self.shared.remote
    }

    /// Reads what there is, at least one byte; zero at the end of the stream.
    ///
    /// # Errors
    /// [`Error::Reset`], [`Error::TimedOut`], ...; again on every later call.
    pub async fn read(&mut self, into: &mut [u8]) -> Result<usize, Error> {
        self.shared.read(into).await
    }

    /// Reads without taking: the next read gives the same bytes, and what has come behind them.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn peek(&mut self, into: &mut [u8]) -> Result<usize, Error> {
        poll_fn(|context| self.shared.poll_read(into, Bytes::Stay, context)).await
    }

    /// Writes at least one byte and returns how many; they go out by themselves. Waits while too
    /// much is under way.
    ///
    /// # Errors
    /// As [`Self::read`]; the error may concern what was written before.
    pub async fn write(&mut self, from: &[u8]) -> Result<usize, Error> {
        self.shared.write(from).await
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn write_all(&mut self, from: &[u8]) -> Result<(), Error> {
        self.shared.write_all(from).await
    }

    /// Waits until the peer has acknowledged all that was written.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.shared.flush().await
    }

    /// Ends sending, receiving or both; what was written before still goes out.
    ///
    /// # Errors
    /// [`Error::Closed`] when it is over already.
    pub async fn shutdown(&mut self, side: Side) -> Result<(), Error> {
        self.shared.shutdown(side).await
    }

    /// Closes and waits until the peer has acknowledged everything.
    ///
    /// # Errors
    /// [`Error::Reset`], [`Error::TimedOut`], ... when it has not.
    pub async fn close(self) -> Result<(), Error> {
        let shared = &self.shared;
        let flushed = shared.flush().await;
        let socket = shared.socket;
        let close = Close {
            socket,
            abort: false,
        };
        let pending = shared.net.submit(&close, socket, None, None)?;
        shared.leave();
        let closed = pending.reply::<Close>().await;
        flushed.and(closed.map(drop))
    }

    /// Resets the connection.
    pub fn abort(self) {
        self.shared.close(true);
    }

    /// Sends small writes at once instead of gathering them (no Nagle).
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn set_no_delay(&self, on: bool) -> Result<(), Error> {
        self.set_option(SocketOption::NoDelay, on.into()).await
    }

    /// Chooses how the connection behaves; [`SocketOption`] tells which values are possible.
    ///
    /// # Errors
    /// [`Error::Closed`]; an error of netd's for a value that is not possible.
    pub async fn set_option(&self, option: SocketOption, value: u64) -> Result<(), Error> {
        self.shared.set_option(option, value).await
    }

    /// Reads an option back.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn option(&self, option: SocketOption) -> Result<u64, Error> {
        self.shared.net.option(self.shared.socket, option).await
    }

    /// Reader and writer for two tasks. The connection is closed when both are dropped.
    #[must_use]
    pub fn split(self) -> (ReadHalf, WriteHalf) {
        let shared = self.shared;
        (
            ReadHalf {
                shared: Rc::clone(&shared),
            },
            WriteHalf { shared },
        )
    }
}

impl Shared {
    async fn set_option(&self, option: SocketOption, value: u64) -> Result<(), Error> {
        self.net.set_option(self.socket, option, value).await?;
        let bytes = u32::try_from(value).unwrap_or(u32::MAX);
        match option {
            // Its own bounds follow, so that nothing is sent or posted in vain.
            SocketOption::SendBuffer if bytes > 0 => self.send_bound.set(bytes),
            SocketOption::SendBuffer => self.send_bound.set(SEND_BOUND),
            SocketOption::ReceiveBuffer => self.want(|appetite| appetite.fix(bytes)),
            _ => {}
        }
        Ok(())
    }

    fn want(&self, change: impl FnOnce(&mut Appetite)) {
        let mut appetite = self.appetite.get();
        change(&mut appetite);
        self.appetite.set(appetite);
    }

    /// Opens the window again when a quarter of it is used up, as wide as wanted, or as is fair. (By
    /// halves, one half would wait for a last piece that a peer with a closed window does not send.)
    fn post_rooms(&self) {
        let mut rooms = self.rooms.borrow_mut();
        let mut open = self.net.untaken(rooms.iter());
        let window = self.appetite.get().window().min(self.net.fair_share());
        let size = (window / 4 / UNIT * UNIT).max(SMALLEST_BLOCK);
        while (open.saturating_add(size) <= window || rooms.is_empty())
            && rooms.len() < MOST_ROOMS
            && self.read_end.get().is_none()
        {
            // Short of arena, a smaller room keeps a connection going.
            let smaller = |size: &u32| Some(size / 2).filter(|_| rooms.is_empty());
            let mut sizes = core::iter::successors(Some(size), smaller)
                .take_while(|size| *size >= SMALLEST_BLOCK);
            let Some(room) = sizes.find_map(|size| self.net.take_room(size)) else {
                return;
            };
            let receive = Receive {
                socket: self.socket,
                room,
            };
            match self.net.submit(&receive, self.socket, Some(room), None) {
                Ok(pending) => rooms.push_back(pending),
                Err(error) => self.read_end.set(Some(End::Failed(error))),
            }
            open = open.saturating_add(room.length);
        }
    }

    async fn read(&self, into: &mut [u8]) -> Result<usize, Error> {
        if into.is_empty() {
            return Ok(0);
        }
        poll_fn(|context| self.poll_read(into, Bytes::Go, context)).await
    }

    fn poll_read(
        &self,
        into: &mut [u8],
        bytes: Bytes,
        context: &Context<'_>,
    ) -> Poll<Result<usize, Error>> {
        loop {
            // Rooms follow what is read; here, only when there is none at all.
            if self.rooms.borrow().is_empty() {
                self.post_rooms();
            }
            let mut rooms = self.rooms.borrow_mut();
            let Some(front) = rooms.front() else {
                return match self.read_end.get() {
                    Some(End::Failed(error)) => Poll::Ready(Err(error)),
                    Some(End::Finished | End::Full) => Poll::Ready(Ok(0)),
                    // No arena for even one room.
                    None if self.net.poll_room(SMALLEST_BLOCK, context).is_pending() => {
                        Poll::Pending
                    }
                    None => continue,
                };
            };
            let found = front.poll(context, |slot| {
                let room = slot.room.as_mut()?;
                let length =
                    (room.filled - room.taken).min(u32::try_from(into.len()).unwrap_or(u32::MAX));
                let piece = Range {
                    offset: room.block.offset + u64::from(room.taken),
                    length,
                };
                if bytes == Bytes::Go {
                    room.taken += length;
                }
                let end = room.end.filter(|_| room.taken == room.filled);
                (length > 0 || end.is_some()).then_some((piece, end))
            });
            let Poll::Ready((piece, end)) = found else {
                return Poll::Pending;
            };
            let length = piece.length as usize;
            let copied = self
                .net
                .session
                .borrow()
                .arena
                .read(piece.offset, &mut into[..length]);
            if let Some(end) = end {
                self.end_room(&mut rooms, end);
            }
            drop(rooms);
            if copied.is_err() {
                return Poll::Ready(Err(Error::NoMemory));
            }
            self.post_rooms();
            if length > 0 {
                return Poll::Ready(Ok(length));
            }
        }
    }

    /// The first room is done with and read.
    fn end_room(&self, rooms: &mut VecDeque<Pending>, end: End) {
        if end == End::Full {
            let told = |slot: &mut Slot| slot.room.as_ref().map(Room::measured);
            let measured = rooms.pop_front().and_then(|room| room.with(told)?);
            let (bytes, round_trip) = measured.unwrap_or_default();
            let now = rt::clock::now();
            self.want(|appetite| appetite.take(bytes, round_trip, now));
        } else {
            self.read_end.set(Some(end));
            rooms.clear();
        }
    }

    async fn write(&self, from: &[u8]) -> Result<usize, Error> {
        if from.is_empty() {
            return Ok(0);
        }
        poll_fn(|context| {
            // One send may always be under way.
            let bound = self.send_bound.get().min(self.net.fair_share()).max(1);
            self.poll_sent(context, MOST_SENDS - 1, bound)
        })
        .await?;
        let most = LARGEST_SEND.min(self.net.fair_share());
        // One send may exceed the bound, several together may not.
        let most = match self.unacknowledged.get() {
            0 => most.max(SMALLEST_BLOCK),
            waiting => most
                .min(self.send_bound.get().saturating_sub(waiting))
                .max(1),
        };
        let length = u32::try_from(from.len()).unwrap_or(u32::MAX).min(most);
        let bytes = &from[..length as usize];
        let pending = self.net.send_bytes(self.socket, bytes, None).await?;
        self.sends.borrow_mut().push_back((pending, length));
        self.unacknowledged.set(self.unacknowledged.get() + length);
        Ok(length as usize)
    }

    async fn write_all(&self, mut from: &[u8]) -> Result<(), Error> {
        while !from.is_empty() {
            let written = self.write(from).await?;
            from = &from[written..];
        }
        Ok(())
    }

    /// Ready when at most `most` sends with fewer than `bound` bytes are under way.
    fn poll_sent(&self, context: &Context<'_>, most: usize, bound: u32) -> Poll<Result<(), Error>> {
        let mut sends = self.sends.borrow_mut();
        loop {
            if let Some(error) = self.write_error.get() {
                return Poll::Ready(Err(error));
            }
            let enough = sends.len() <= most && self.unacknowledged.get() < bound;
            let Some((oldest, length)) = sends.front() else {
                return Poll::Ready(Ok(()));
            };
            let ended = |slot: &mut Slot| slot.reply.as_ref().map(outcome::<Send>);
            let ended = if enough {
                // Only tidy up.
                match oldest.with(ended).flatten() {
                    Some(ended) => ended,
                    None => return Poll::Ready(Ok(())),
                }
            } else {
                match oldest.poll(context, ended) {
                    Poll::Ready(ended) => ended,
                    Poll::Pending => return Poll::Pending,
                }
            };
            self.unacknowledged.set(self.unacknowledged.get() - length);
            if let Err(error) = ended {
                self.write_error.set(Some(error.into()));
            }
            sends.pop_front();
        }
    }

    async fn flush(&self) -> Result<(), Error> {
        poll_fn(|context| self.poll_sent(context, 0, 1)).await
    }

    async fn shutdown(&self, side: Side) -> Result<(), Error> {
        let socket = self.socket;
        let done = self.net.call_on(socket, Shutdown { socket, side }).await;
        done.map(drop)
    }

    fn close(&self, abort: bool) {
        if !self.closed.get() {
            self.net.close(self.socket, abort);
            self.leave();
        }
    }

    /// The socket is closed, which ends its requests: no need to cancel each.
    fn leave(&self) {
        self.closed.set(true);
        self.rooms.borrow_mut().drain(..).for_each(Pending::leave);
        let mut sends = self.sends.borrow_mut();
        sends.drain(..).for_each(|(pending, _)| pending.leave());
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.close(false);
    }
}

impl ReadHalf {
    /// As [`TcpStream::read`].
    ///
    /// # Errors
    /// As there.
    pub async fn read(&mut self, into: &mut [u8]) -> Result<usize, Error> {
        self.shared.read(into).await
    }
}

impl WriteHalf {
    /// As [`TcpStream::write`].
    ///
    /// # Errors
    /// As there.
    pub async fn write(&mut self, from: &[u8]) -> Result<usize, Error> {
        self.shared.write(from).await
    }

    /// As [`TcpStream::write_all`].
    ///
    /// # Errors
    /// As there.
    pub async fn write_all(&mut self, from: &[u8]) -> Result<(), Error> {
        self.shared.write_all(from).await
    }

    /// As [`TcpStream::flush`].
    ///
    /// # Errors
    /// As there.
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.shared.flush().await
    }

    /// Ends sending.
    ///
    /// # Errors
    /// As [`TcpStream::shutdown`].
    pub async fn finish(&mut self) -> Result<(), Error> {
        self.shared.shutdown(Side::Send).await
    }
}
