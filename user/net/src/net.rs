//! The door to the network: a session with netd that all sockets of a program share.
//!
//! *Owns* the session and the futures of requests. Dropping a future cancels its request; the
//! arena it uses stays reserved until netd says that it is done with it.

use alloc::boxed::Box;
use alloc::rc::{Rc, Weak};
use core::cell::{RefCell, RefMut};
use core::future::{Future, poll_fn};
use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use abi::Signals;
use protocol::{
    ARENA_TAG, AttachArena, Close, Operation, OptionGet, OptionSet, OptionValue, Payload, Range,
    Send, SocketId, SocketOption, Table, request_inline,
};
use ring::Arena;
use rt::attend::{Attend, Next};
use rt::handle::Memory;
use rt::link::Link;

use crate::buffer::Buffer;
use crate::cores::Others;
use crate::error::Error;
use crate::pending::Pending;
use crate::session::Session;
use crate::slot::Source;

/// The name under which netd is found.
pub const SERVICE: &str = "NETD:";
/// Messages that fit each ring.
pub(crate) const RING_SLOTS: usize = 120;
/// Bytes of the arena unless a program wants more: enough for some dozens of busy connections.
pub const ARENA_BYTES: usize = 4 << 20;

/// A session with netd. Clones are the same session; it ends with the last of them and of the
/// sockets made from it.
#[derive(Clone)]
pub struct Net {
    shared: Rc<Shared>,
}

/// What all clones have in common.
pub(crate) struct Shared {
    arena: Arena,
    session: RefCell<Session>,
    others: RefCell<Others>,
}

impl Attend for Shared {
    fn attend(&self, seen: Signals, may_sleep: bool) -> Next {
        self.session().attend(seen, may_sleep)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        rt::attend::leave(core::ptr::from_ref(self).cast());
    }
}

impl Shared {
    pub fn session(&self) -> RefMut<'_, Session> {
        self.session.borrow_mut()
    }
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
        // Behind a pointer: an executable of many programs has it once.
        let opening: Pin<Box<dyn Future<Output = _>>> = Box::pin(Self::with_arena(bytes));
        opening.await
    }

    async fn with_arena(bytes: usize) -> Result<Self, Error> {
        let memory = Memory::create(bytes).map_err(|_| Error::NoMemory)?;
        let arena = memory.map_arena().map_err(|_| Error::NoMemory)?;
        let link = rt::system::connect(SERVICE, RING_SLOTS, true).await;
        let mut link = link.map_err(|_| Error::NoService)?;
        // The handle is queued first: netd takes it out when it sees the request.
        let sent = link.send_handle(memory.into_handle(), ARENA_TAG);
        sent.map_err(|_| Error::NoService)?;
        Self::join(link, arena).await
    }

    /// A session over a link that exists already, with an arena that netd can have as well: for
    /// programs that bring their own.
    ///
    /// # Errors
    /// [`Error::NoMemory`] when the arena does not suit netd.
    pub async fn join(link: Link, arena: Arena) -> Result<Self, Error> {
        let size = u32::try_from(arena.len()).map_err(|_| Error::NoMemory)?;
        let net = Self::over(link, arena);
        net.call(AttachArena { size }).await?;
        Ok(net)
    }

    /// A session over a link, with an arena that netd has already.
    #[must_use]
    pub fn over(link: Link, arena: Arena) -> Self {
        let session = RefCell::new(Session::new(link, arena.len()));
        let others = RefCell::new(Others::Unknown);
        let shared = Rc::new(Shared {
            arena,
            session,
            others,
        });
        let who: Weak<dyn Attend> = Rc::<Shared>::downgrade(&shared);
        shared.session().attended_by(who);
        Self { shared }
    }

    pub(crate) fn session(&self) -> RefMut<'_, Session> {
        self.shared.session()
    }

    pub(crate) fn known_others(&self) -> &RefCell<Others> {
        &self.shared.others
    }

    pub(crate) fn arena(&self) -> &Arena {
        &self.shared.arena
    }

    /// Whether both are the same session, with the same arena.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.shared, &other.shared)
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
        source: Option<Source>,
    ) -> Result<Pending, Error> {
        let id = self.session().submit(operation, socket, room, source)?;
        Ok(Pending::new(self.clone(), id))
    }

    /// Asks netd to send a datagram that lies in the arena, in `piece`, which is its until it is done.
    pub(crate) fn send(
        &self,
        socket: SocketId,
        piece: Range,
        source: Source,
        to: Option<SocketAddr>,
    ) -> Result<Pending, Error> {
        let send = Send {
            socket,
            payload: Payload::Arena(piece),
            to,
            unanswered: false,
            along: false,
        };
        self.submit(&send, socket, None, Some(source))
    }

    /// Asks netd to send a datagram of few bytes, which travel in the message.
    pub(crate) fn send_inline(
        &self,
        socket: SocketId,
        bytes: &[u8],
        to: Option<SocketAddr>,
    ) -> Result<Pending, Error> {
        let message = |id| request_inline(id, (socket, to), bytes, false);
        let id = self
            .session()
            .submit_message(Send::NUMBER, socket, message)?;
        Ok(Pending::new(self.clone(), id))
    }

    /// The same, to be answered only if it fails: under the request `tally`.
    pub(crate) fn send_unanswered(
        &self,
        tally: u32,
        socket: SocketId,
        bytes: &[u8],
        to: Option<SocketAddr>,
    ) -> Result<(), Error> {
        let message = request_inline(tally, (socket, to), bytes, true);
        let message = message.ok_or(Error::Other(protocol::Code::TooBig))?;
        self.session().submit_unanswered(message)
    }

    /// What takes the failures of a socket's sends that are not answered otherwise.
    pub(crate) fn open_tally(&self, socket: SocketId) -> Pending {
        let id = self.session().open_tally(Send::NUMBER, socket);
        Pending::new(self.clone(), id)
    }

    /// A place in the arena for `bytes` bytes to be sent by any of the session's sockets, as soon as there
    /// is one.
    ///
    /// # Errors
    /// [`Error::NoMemory`] for more than the whole arena; [`Error::ServerRestarted`].
    pub async fn reserve(&self, bytes: usize) -> Result<Buffer, Error> {
        let length = u32::try_from(bytes).map_err(|_| Error::NoMemory)?;
        if bytes > self.arena().len() {
            return Err(Error::NoMemory);
        }
        self.reserve_block(length).await
    }

    pub(crate) async fn reserve_block(&self, bytes: u32) -> Result<Buffer, Error> {
        let block = poll_fn(|context| self.poll_block(bytes, Some(context))).await?;
        Ok(Buffer::new(self.clone(), block, bytes))
    }

    /// Waits until requests fit the ring.
    pub(crate) async fn room(&self) {
        poll_fn(|context| self.poll_ring(context)).await;
    }

    /// As [`Self::room`], one look.
    pub(crate) fn poll_ring(&self, context: &Context<'_>) -> Poll<()> {
        let mut session = self.session();
        if session.has_room() {
            return Poll::Ready(());
        }
        session.wait_room(Some(context));
        Poll::Pending
    }

    /// Takes arena, waiting until there is some.
    pub(crate) fn poll_block(
        &self,
        bytes: u32,
        context: Option<&Context<'_>>,
    ) -> Poll<Result<Range, Error>> {
        let mut session = self.session();
        if let Some(block) = session.blocks.take(bytes) {
            return Poll::Ready(Ok(block));
        }
        Self::wait_arena(&mut session, context)
    }

    /// Takes arena, if there is some.
    pub(crate) fn take_block(&self, bytes: u32) -> Option<Range> {
        self.session().blocks.take(bytes)
    }

    fn wait_arena<T>(
        session: &mut Session,
        context: Option<&Context<'_>>,
    ) -> Poll<Result<T, Error>> {
        if session.is_broken() {
            return Poll::Ready(Err(Error::ServerRestarted));
        }
        session.wait_room(context);
        Poll::Pending
    }

    /// Takes a part of the arena for bytes to come; `None` when only what sends need is left.
    pub(crate) fn take_room(&self, bytes: u32) -> Option<Range> {
        self.session().blocks.take_room(bytes)
    }

    /// Waits until a room of so many bytes can be taken.
    pub(crate) fn poll_room(
        &self,
        bytes: u32,
        context: Option<&Context<'_>>,
    ) -> Poll<Result<(), Error>> {
        let mut session = self.session();
        match session.blocks.take_room(bytes) {
            Some(block) => {
                session.blocks.give(block);
                Poll::Ready(Ok(()))
            }
            None => Self::wait_arena(&mut session, context),
        }
    }

    /// Bytes of rooms that netd may still fill, or that the program has not taken.
    pub(crate) fn untaken<'a>(&self, rooms: impl IntoIterator<Item = &'a Pending>) -> u32 {
        let mut session = self.session();
        let mut bytes = 0;
        for pending in rooms {
            if let Some(slot) = session.slot(pending.id())
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
        self.session().submit_and_forget(&close, socket);
    }

    /// Bytes that one socket may give room for now: a part of what is free, so that however many want
    /// more than there is, something is left for the next. One alone comes to a fifth of the arena.
    pub(crate) fn fair_share(&self) -> u32 {
        u32::try_from(self.arena_free() / 4).unwrap_or(u32::MAX)
    }

    /// Bytes that one stream may have under way now: a part of what is free, but for what is left to
    /// rooms, so that peers who do not read keep no others out; and however much the others have, its
    /// part of what rooms leave alone.
    pub(crate) fn send_share(&self) -> u32 {
        let session = self.session();
        let reserved = session.blocks.reserved_bytes();
        let spare = session.blocks.spare_bytes().saturating_sub(reserved);
        let share = (spare / 8).max(reserved / session.streams().max(1));
        u32::try_from(share).unwrap_or(u32::MAX)
    }

    /// Bytes that a room may have which stays, as those of datagrams do: a part of what rooms may use.
    pub(crate) fn fair_room(&self) -> u32 {
        let spare = self.session().blocks.spare_bytes();
        u32::try_from(spare / 16).unwrap_or(u32::MAX)
    }

    /// Bytes of the arena that nobody uses.
    #[must_use]
    pub fn arena_free(&self) -> usize {
        self.session().blocks.free_bytes()
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
