//! The door to the network: a session with netd that all sockets of a program share.
//!
//! *Owns* the pump task and the futures of requests. Dropping a future cancels its request; the
//! arena it uses stays reserved until netd says that it is done with it.

use alloc::rc::{Rc, Weak};
use core::cell::RefCell;
use core::future::{Future, poll_fn};
use core::net::SocketAddr;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use core::time::Duration;

use abi::{Handle, Signals};
use protocol::{
    ARENA_TAG, AttachArena, Close, Operation, OptionGet, OptionSet, OptionValue, Payload, Range,
    Send, SocketId, SocketOption, Table, outcome,
};
use ring::Arena;
use rt::handle::Memory;
use rt::link::Link;

use crate::error::Error;
use crate::session::{Session, Slot, Turn};

/// The name under which netd is found.
pub const SERVICE: &str = "NETD:";
/// Messages that fit each ring.
const RING_SLOTS: usize = 120;
/// Bytes of the arena unless a program wants more: enough for some dozens of busy connections.
pub const ARENA_BYTES: usize = 4 << 20;

/// A session with netd. Clones are the same session; it ends with the last of them and of the
/// sockets made from it.
#[derive(Clone)]
pub struct Net {
    pub(crate) session: Rc<RefCell<Session>>,
}

impl Net {
    /// Connects to netd, waiting until it is there.
    ///
    /// # Errors
    /// [`Error::NoService`], [`Error::NoMemory`].
    pub async fn connect() -> Result<Self, Error> {
        Self::connect_with_arena(ARENA_BYTES).await
    }

    /// Connects to netd with an arena of `bytes`.
    ///
    /// # Errors
    /// [`Error::NoService`], [`Error::NoMemory`].
    pub async fn connect_with_arena(bytes: usize) -> Result<Self, Error> {
        let memory = Memory::create(bytes).map_err(|_| Error::NoMemory)?;
        let arena = memory.map_arena().map_err(|_| Error::NoMemory)?;
        let size = u32::try_from(arena.len()).map_err(|_| Error::NoMemory)?;
        let link = rt::system::connect(SERVICE, RING_SLOTS, true).await;
        let mut link = link.map_err(|_| Error::NoService)?;
        // The handle is queued first: netd takes it out when it sees the request.
        let sent = link.send_handle(memory.into_handle(), ARENA_TAG);
        sent.map_err(|_| Error::NoService)?;
        let net = Self::over(link, arena);
        net.call(AttachArena { size }).await?;
        Ok(net)
    }

    /// A session over a link that exists already, with an arena that netd has as well. For tests
    /// and for programs that bring their own netd.
    #[must_use]
    pub fn over(link: Link, arena: Arena) -> Self {
        let session = Rc::new(RefCell::new(Session::new(link, arena)));
        rt::spawn(pump(Rc::downgrade(&session))).detach();
        Self { session }
    }

    /// Any operation that has one completion.
    ///
    /// # Errors
    /// The operation's own, as [`Error`].
    pub async fn call<O: Operation>(&self, operation: O) -> Result<O::Reply, Error> {
        self.call_on(SocketId(0), operation).await
    }

    pub(crate) async fn call_on<O: Operation>(
        &self,
        socket: SocketId,
        operation: O,
    ) -> Result<O::Reply, Error> {
        self.room().await;
        let pending = self.submit(&operation, socket, None, None)?;
        pending.reply::<O>().await
    }

    pub(crate) async fn set_option(
        &self,
        socket: SocketId,
        option: SocketOption,
        value: u64,
    ) -> Result<(), Error> {
        let value = OptionValue {
            value: value.into(),
        };
        let set = OptionSet {
            socket,
            option,
            value,
        };
        self.call_on(socket, set).await.map(drop)
    }

    pub(crate) async fn option(
        &self,
        socket: SocketId,
        option: SocketOption,
    ) -> Result<u64, Error> {
        let reply = self.call_on(socket, OptionGet { socket, option }).await?;
        Ok(reply.value.value.get())
    }

    /// All rows of a table.
    ///
    /// # Errors
    /// [`Error::ServerRestarted`].
    pub async fn table<T: Table>(&self) -> Result<alloc::vec::Vec<T::Row>, Error> {
        let mut all = alloc::vec::Vec::new();
        let mut cursor = 0;
        loop {
            let reply = self.call(T::from_cursor(cursor)).await?;
            let rows = T::rows(&reply);
            all.extend(rows.iter());
            // A table that does not get on is at its end.
            if rows.next() <= cursor || rows.next() == protocol::END {
                return Ok(all);
            }
            cursor = rows.next();
        }
    }

    pub(crate) fn submit<O: Operation>(
        &self,
        operation: &O,
        socket: SocketId,
        room: Option<Range>,
        block: Option<Range>,
    ) -> Result<Pending, Error> {
        let id = self
            .session
            .borrow_mut()
            .submit(operation, socket, room, block)?;
        Ok(Pending {
            net: self.clone(),
            id,
        })
    }

    /// Copies bytes into the arena, as soon as there is some, and asks netd to send them from there.
    pub(crate) async fn send_bytes(
        &self,
        socket: SocketId,
        bytes: &[u8],
        to: Option<SocketAddr>,
    ) -> Result<Pending, Error> {
        let length = u32::try_from(bytes.len()).map_err(|_| Error::NoMemory)?;
        let block = poll_fn(|context| self.poll_block(length, context)).await;
        let written = self.session.borrow().arena.write(block.offset, bytes);
        if written.is_err() {
            self.session.borrow_mut().blocks.give(block);
            return Err(Error::NoMemory);
        }
        let payload = Payload::Arena(Range {
            offset: block.offset,
            length,
        });
        let send = Send {
            socket,
            payload,
            to,
        };
        self.submit(&send, socket, None, Some(block))
    }

    /// Waits until requests fit the ring.
    pub(crate) async fn room(&self) {
        poll_fn(|context| {
            let mut session = self.session.borrow_mut();
            if session.has_room() {
                return Poll::Ready(());
            }
            session.wait_room(context.waker());
            Poll::Pending
        })
        .await;
    }

    /// Takes arena, waiting until there is some.
    pub(crate) fn poll_block(&self, bytes: u32, context: &Context<'_>) -> Poll<Range> {
        let mut session = self.session.borrow_mut();
        match session.blocks.take(bytes) {
            Some(block) => Poll::Ready(block),
            None => {
                session.wait_room(context.waker());
                Poll::Pending
            }
        }
    }

    /// Takes a part of the arena for bytes to come; `None` when only what sends need is left.
    pub(crate) fn take_room(&self, bytes: u32) -> Option<Range> {
        self.session.borrow_mut().blocks.take_room(bytes)
    }

    /// Waits until a room of so many bytes can be taken.
    pub(crate) fn poll_room(&self, bytes: u32, context: &Context<'_>) -> Poll<()> {
        let mut session = self.session.borrow_mut();
        match session.blocks.take_room(bytes) {
            Some(block) => {
                session.blocks.give(block);
                Poll::Ready(())
            }
            None => {
                session.wait_room(context.waker());
                Poll::Pending
            }
        }
    }

    /// Bytes of rooms that netd may still fill, or that the program has not taken.
    pub(crate) fn untaken<'a>(&self, rooms: impl IntoIterator<Item = &'a Pending>) -> u32 {
        let mut session = self.session.borrow_mut();
        let mut bytes = 0;
        for pending in rooms {
            if let Some(slot) = session.slot(pending.id)
                && let Some(room) = &slot.room
            {
                bytes += room.untaken();
            }
        }
        bytes
    }

    /// Closes a socket whose program is done with it.
    pub(crate) fn close(&self, socket: SocketId, abort: bool) {
        let close = Close { socket, abort };
        self.session.borrow_mut().submit_and_forget(&close, socket);
    }

    /// Bytes that one side of one socket may use now: a part of what is free, so that however many
    /// want more than there is, something is left for the next.
    pub(crate) fn fair_share(&self) -> u32 {
        u32::try_from(self.arena_free() / 8).unwrap_or(u32::MAX)
    }

    /// Bytes that a room may have which stays, as those of datagrams do: a part of what rooms may use.
    pub(crate) fn fair_room(&self) -> u32 {
        let spare = self.session.borrow().blocks.spare_bytes();
        u32::try_from(spare / 16).unwrap_or(u32::MAX)
    }

    /// Bytes of the arena that nobody uses.
    #[must_use]
    pub fn arena_free(&self) -> usize {
        self.session.borrow().blocks.free_bytes()
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        // The last one wakes the pump, which then ends.
        if Rc::strong_count(&self.session) == 1 {
            self.session.borrow_mut().wake_pump();
        }
    }
}

/// A request under way. Dropping it cancels it.
pub(crate) struct Pending {
    net: Net,
    id: u32,
}

impl Pending {
    /// Waits for the only completion.
    pub async fn reply<O: Operation>(self) -> Result<O::Reply, Error> {
        let reply = self.until(|slot| slot.reply.take()).await;
        outcome::<O>(&reply).map_err(Error::from)
    }

    /// Waits until `ready` finds in the slot what it wants; asked after each completion.
    pub async fn until<T>(&self, mut ready: impl FnMut(&mut Slot) -> Option<T>) -> T {
        poll_fn(|context| self.poll(context, &mut ready)).await
    }

    /// As [`Self::until`], one look.
    pub fn poll<T>(
        &self,
        context: &Context<'_>,
        ready: impl FnOnce(&mut Slot) -> Option<T>,
    ) -> Poll<T> {
        let mut session = self.net.session.borrow_mut();
        let Some(slot) = session.slot(self.id) else {
            return Poll::Pending;
        };
        if let Some(found) = ready(slot) {
            return Poll::Ready(found);
        }
        slot.wait(context.waker());
        Poll::Pending
    }

    /// Looks at the slot without waiting.
    pub fn with<T>(&self, look: impl FnOnce(&mut Slot) -> T) -> Option<T> {
        self.net.session.borrow_mut().slot(self.id).map(look)
    }
}

impl Pending {
    /// The request ends by itself, because its socket is being closed.
    pub fn leave(self) {
        // Dropping a request that is left already does nothing more.
        self.net.session.borrow_mut().leave(self.id);
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.net.session.borrow_mut().abandon(self.id);
    }
}

/// Gives an operation at most this long; then it is cancelled.
///
/// # Errors
/// [`Error::TimedOut`], or the operation's own.
pub async fn within<T>(
    limit: Duration,
    operation: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match rt::time::with_timeout(limit, operation).await {
        Ok(outcome) => outcome,
        Err(rt::time::TimedOut) => Err(Error::TimedOut),
    }
}

/// Takes completions in and rings doorbells, for as long as the session lives.
async fn pump(session: Weak<RefCell<Session>>) {
    let handle = session
        .upgrade()
        .map_or(Handle::NONE, |shared| shared.borrow().handle());
    let wanted = Signals::DOORBELL | Signals::PEER_CLOSED;
    let mut signal = pin!(rt::signalled(handle, wanted));
    loop {
        let Some(shared) = session.upgrade() else {
            return;
        };
        let turn = shared.borrow_mut().turn();
        match turn {
            Turn::Broken => return,
            Turn::Taken => {
                // Those who were woken run first: what they ask for leaves with one doorbell, and
                // one sleep is announced instead of two.
                drop(shared);
                rt::executor::yield_now().await;
                continue;
            }
            Turn::Idle => {}
        }
        let more = shared.borrow_mut().announce_sleep();
        drop(shared);
        if more {
            continue;
        }
        let seen = if handle == Handle::NONE {
            // Both ends in one process: no doorbell, let the other end run.
            rt::executor::yield_now().await;
            Signals::empty()
        } else {
            sleep(&session, signal.as_mut()).await
        };
        let Some(shared) = session.upgrade() else {
            return;
        };
        shared.borrow_mut().awake(seen);
    }
}

/// Sleeps until netd rings or a task has something to tell.
async fn sleep(
    session: &Weak<RefCell<Session>>,
    mut signal: Pin<&mut impl Future<Output = Signals>>,
) -> Signals {
    let mut slept = false;
    poll_fn(|context| {
        if let Poll::Ready(seen) = signal.as_mut().poll(context) {
            return Poll::Ready(seen);
        }
        if core::mem::replace(&mut slept, true) {
            return Poll::Ready(Signals::empty());
        }
        let Some(session) = session.upgrade() else {
            return Poll::Ready(Signals::empty());
        };
        session.borrow_mut().pump_sleeps(context.waker());
        Poll::Pending
    })
    .await
}
