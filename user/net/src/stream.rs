//! TCP connections.
//!
//! *Owns* the socket: dropped, it is closed. What comes in and what goes out are the concern of
//! [`Receiving`] and [`Sending`], which know nothing of each other.

use alloc::rc::Rc;
use core::cell::Cell;
use core::future::poll_fn;
use core::net::SocketAddr;
use core::task::{Context, Poll};

use protocol::{Close, Connect, Shutdown, Side, SocketCreate, SocketId, SocketKind, SocketOption};

use crate::bounds::Bounds;
use crate::buffer::{Buffer, Chunk, Outgoing};
use crate::error::Error;
use crate::net::Net;
use crate::pending::Pending;
use crate::poller::{Pollable, Ready, Registration, Source};
use crate::receiving::Receiving;
use crate::sending::Sending;

/// Bytes of window that a connection begins with which the program opens.
const CONNECT_WINDOW: u32 = 16 * 1024;
/// Bytes of window that a connection begins with which is accepted: there may be thousands.
const ACCEPT_WINDOW: u32 = 4 * 1024;

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

struct Shared {
    net: Net,
    socket: SocketId,
    local: Cell<SocketAddr>,
    remote: SocketAddr,
    receiving: Receiving,
    sending: Sending,
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
        // From here on the socket is closed whatever happens: the stream is dropped.
        let stream = Self::new(net.clone(), (socket, remote, remote), CONNECT_WINDOW);
        net.room().await;
        for (option, value) in options {
            stream.set_option(*option, *value).await?;
        }
        let pending = net.submit(&Connect { socket, remote }, socket, None, None)?;
        // Rooms before the SYN leaves: it carries their window.
        stream.shared.receiving.post(net, socket);
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
        let sending = Sending::new(&net);
        let shared = Shared {
            net,
            socket,
            local: Cell::new(local),
            remote,
            receiving: Receiving::new(window),
            sending,
            closed: Cell::new(false),
        };
        Self {
            shared: Rc::new(shared),
        }
    }

    /// What was chosen for its listener.
    pub(crate) fn keep_within(&self, bounds: Bounds) {
        self.shared.keep_within(bounds);
    }

    /// The connection of an accept, whose room is the first.
    pub(crate) fn accepted(
        net: Net,
        addresses: (SocketId, SocketAddr, SocketAddr),
        room: Pending,
    ) -> Self {
        let stream = Self::new(net, addresses, ACCEPT_WINDOW);
        stream.shared.receiving.adopt(room);
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
        let Shared {
            net,
            socket,
            receiving,
            ..
        } = &*self.shared;
        poll_fn(|context| receiving.poll_peek(net, *socket, into, Some(context))).await
    }

    /// As [`Self::read`], into one place after the other.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn read_vectored(&mut self, into: &mut [&mut [u8]]) -> Result<usize, Error> {
        let Some(first) = into.iter().position(|place| !place.is_empty()) else {
            return Ok(0);
        };
        let mut count = self.read(into[first]).await?;
        let mut is_full = count == into[first].len();
        for place in &mut into[first + 1..] {
            // What there is not yet, the next call waits for; an end or an error stays.
            if !is_full || place.is_empty() {
                continue;
            }
            match self.shared.poll_read(place, None) {
                Poll::Ready(Ok(more)) => {
                    count += more;
                    is_full = more == place.len();
                }
                Poll::Ready(Err(_)) | Poll::Pending => break,
            }
        }
        Ok(count)
    }

    /// Reads what there is without copying it: at least one byte, at most `most`; `None` at the end
    /// of the stream. The bytes stay in the arena until the chunk is dropped or sent.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn read_chunk(&mut self, most: usize) -> Result<Option<Chunk>, Error> {
        self.shared.read_chunk(most).await
    }

    /// Reads what there is without waiting; `None` when nothing has come.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn try_read(&mut self, into: &mut [u8]) -> Result<Option<usize>, Error> {
        if into.is_empty() {
            return Ok(Some(0));
        }
        now(self.shared.poll_read(into, None))
    }

    /// Writes without waiting; `None` when too much is under way.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn try_write(&mut self, from: &[u8]) -> Result<Option<usize>, Error> {
        now(self.shared.poll_write(&[from], None))
    }

    /// As [`Self::write`], from one place after the other, as one.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn write_vectored(&mut self, from: &[&[u8]]) -> Result<usize, Error> {
        poll_fn(|context| self.shared.poll_write(from, Some(context))).await
    }

    /// A place in the arena for at most `bytes` bytes, to be filled and [sent](Self::send). Waits
    /// while too much is under way.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn reserve(&mut self, bytes: usize) -> Result<Buffer, Error> {
        self.shared.reserve(bytes).await
    }

    /// Sends what lies in the arena, without copying it: a [`Buffer`] that was filled, or a [`Chunk`]
    /// that has come in, here or at another socket of the session. Waits while too much is under way.
    ///
    /// # Errors
    /// As [`Self::write`]; `Other(BadArena)` for bytes of another session. The bytes are given back.
    pub async fn send(&mut self, bytes: impl Into<Outgoing>) -> Result<(), Error> {
        self.shared.send(bytes.into()).await
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
        self.shared.sending.flush(&self.shared.net).await
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
        let flushed = shared.sending.flush(&shared.net).await;
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
        self.keep_within(Bounds::default().with(option, value));
        Ok(())
    }

    /// Nothing is sent or posted in vain.
    fn keep_within(&self, bounds: Bounds) {
        if let Some(bytes) = bounds.send {
            self.sending.set_bound(bytes);
        }
        if let Some(bytes) = bounds.receive {
            self.receiving.fix_window(bytes);
        }
    }

    fn poll_read(
        &self,
        into: &mut [u8],
        context: Option<&Context<'_>>,
    ) -> Poll<Result<usize, Error>> {
        self.receiving
            .poll_read(&self.net, self.socket, into, context)
    }

    async fn read(&self, into: &mut [u8]) -> Result<usize, Error> {
        if into.is_empty() {
            return Ok(0);
        }
        poll_fn(|context| self.poll_read(into, Some(context))).await
    }

    async fn read_chunk(&self, most: usize) -> Result<Option<Chunk>, Error> {
        let most = u32::try_from(most.max(1)).unwrap_or(u32::MAX);
        let (net, socket) = (&self.net, self.socket);
        poll_fn(|context| self.receiving.poll_chunk(net, socket, most, Some(context))).await
    }

    fn poll_write(
        &self,
        pieces: &[&[u8]],
        context: Option<&Context<'_>>,
    ) -> Poll<Result<usize, Error>> {
        self.sending
            .poll_write(&self.net, self.socket, pieces, context)
    }

    async fn write(&self, from: &[u8]) -> Result<usize, Error> {
        poll_fn(|context| self.poll_write(&[from], Some(context))).await
    }

    async fn write_all(&self, mut from: &[u8]) -> Result<(), Error> {
        while !from.is_empty() {
            let written = self.write(from).await?;
            from = &from[written..];
        }
        Ok(())
    }

    async fn reserve(&self, bytes: usize) -> Result<Buffer, Error> {
        poll_fn(|context| self.sending.poll_reserve(&self.net, bytes, Some(context))).await
    }

    async fn send(&self, bytes: Outgoing) -> Result<(), Error> {
        self.sending.send(&self.net, self.socket, bytes).await
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
        self.receiving.leave();
        self.sending.leave(&self.net);
    }
}

impl Source for Shared {
    fn poll_ready(&self, wanted: Ready, context: Option<&Context<'_>>) -> Ready {
        let mut found = Ready::empty();
        if wanted.contains(Ready::READABLE)
            && self
                .receiving
                .poll_readable(&self.net, self.socket, context)
                .is_ready()
        {
            found |= Ready::READABLE;
        }
        if wanted.contains(Ready::WRITABLE)
            && self.sending.poll_reserve(&self.net, 1, context).is_ready()
        {
            found |= Ready::WRITABLE;
        }
        found
    }
}

/// What is there without waiting.
fn now<T>(found: Poll<Result<T, Error>>) -> Result<Option<T>, Error> {
    match found {
        Poll::Ready(outcome) => outcome.map(Some),
        Poll::Pending => Ok(None),
    }
}

impl Pollable for TcpStream {
    fn registration(&self) -> Registration {
        Registration::of(&self.shared)
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

    /// As [`TcpStream::read_chunk`].
    ///
    /// # Errors
    /// As there.
    pub async fn read_chunk(&mut self, most: usize) -> Result<Option<Chunk>, Error> {
        self.shared.read_chunk(most).await
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

    /// As [`TcpStream::reserve`].
    ///
    /// # Errors
    /// As there.
    pub async fn reserve(&mut self, bytes: usize) -> Result<Buffer, Error> {
        self.shared.reserve(bytes).await
    }

    /// As [`TcpStream::send`].
    ///
    /// # Errors
    /// As there.
    pub async fn send(&mut self, bytes: impl Into<Outgoing>) -> Result<(), Error> {
        self.shared.send(bytes.into()).await
    }

    /// As [`TcpStream::flush`].
    ///
    /// # Errors
    /// As there.
    pub async fn flush(&mut self) -> Result<(), Error> {
        self.shared.sending.flush(&self.shared.net).await
    }

    /// Ends sending.
    ///
    /// # Errors
    /// As [`TcpStream::shutdown`].
    pub async fn finish(&mut self) -> Result<(), Error> {
        self.shared.shutdown(Side::Send).await
    }
}
