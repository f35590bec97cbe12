//! Taking connections.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::net::{Ipv6Addr, SocketAddr};
use core::task::{Context, Poll, ready};

use protocol::{Bind, Listen, SocketCreate, SocketId, SocketKind, SocketOption};

use crate::bounds::Bounds;
use crate::error::Error;
use crate::families::Families;
use crate::net::Net;
use crate::pending::Pending;
use crate::poller::{Pollable, Ready, Registration, Source};
use crate::slot::Slot;
use crate::stream::TcpStream;

/// Connections that are asked for together.
const TOGETHER: u32 = 8;
/// Connections that are asked for at least, so that a burst of them needs no round trip each.
const LEAST: u32 = 4;
/// Bytes of the first room of a connection: all that an idle one holds.
const FIRST_ROOM: u32 = 4 * 1024;

/// A listening socket. Dropped, it is closed; connections that were not taken are reset. Where several
/// cores serve the network it listens on each of them.
pub struct TcpListener {
    shared: Rc<Shared>,
    local: SocketAddr,
}

struct Shared {
    /// On each core; the session's own first.
    parts: Vec<Part>,
    /// Whose turn it is to be asked first.
    turn: Cell<usize>,
}

/// A listening socket of one core.
struct Part {
    net: Net,
    socket: SocketId,
    posted: RefCell<VecDeque<Pending>>,
    /// Chosen for the connections to come.
    bounds: Cell<Bounds>,
}

impl TcpListener {
    /// Listens at an address, for example `0.0.0.0:80`.
    ///
    /// # Errors
    /// [`Error::AddressInUse`], ...
    pub async fn bind(net: &Net, local: SocketAddr, backlog: u32) -> Result<Self, Error> {
        Self::bind_as(net, local, Families::Own, backlog).await
    }

    /// Listens at a port of all addresses, of IPv6 and of IPv4. Those of IPv4 are told as addresses of
    /// IPv6 that stand for them; `to_canonical` gives them back.
    ///
    /// # Errors
    /// As [`Self::bind`].
    pub async fn bind_both(net: &Net, port: u16, backlog: u32) -> Result<Self, Error> {
        let local = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port);
        Self::bind_as(net, local, Families::Both, backlog).await
    }

    async fn bind_as(
        net: &Net,
        local: SocketAddr,
        families: Families,
        backlog: u32,
    ) -> Result<Self, Error> {
        let (first, local) = Part::bind(net, local, families, backlog).await?;
        let mut parts = vec![first];
        for other in net.others().await? {
            let (part, _) = Part::bind(&other, local, families, backlog).await?;
            parts.push(part);
        }
        let turn = Cell::new(0);
        let shared = Rc::new(Shared { parts, turn });
        Ok(Self { shared, local })
    }

    /// Chooses how the connections behave that are accepted from now on.
    ///
    /// # Errors
    /// As [`TcpStream::set_option`].
    pub async fn set_option(&self, option: SocketOption, value: u64) -> Result<(), Error> {
        for part in &self.shared.parts {
            part.net.set_option(part.socket, option, value).await?;
            part.bounds.set(part.bounds.get().with(option, value));
        }
        Ok(())
    }

    /// Reads an option back.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn option(&self, option: SocketOption) -> Result<u64, Error> {
        let Part { net, socket, .. } = self.shared.first()?;
        net.option(*socket, option).await
    }

    /// The address, with the port chosen.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The next connection. While the arena has no room for one, connections wait in the backlog.
    ///
    /// # Errors
    /// [`Error::ServerRestarted`], [`Error::Closed`].
    pub async fn accept(&self) -> Result<TcpStream, Error> {
        poll_fn(|context| self.shared.poll_accept(Some(context))).await
    }

    /// As [`Self::accept`], without waiting; `None` when no connection has come.
    ///
    /// # Errors
    /// As there.
    pub fn try_accept(&self) -> Result<Option<TcpStream>, Error> {
        match self.shared.poll_accept(None) {
            Poll::Ready(accepted) => accepted.map(Some),
            Poll::Pending => Ok(None),
        }
    }
}

impl Shared {
    fn first(&self) -> Result<&Part, Error> {
        self.parts.first().ok_or(Error::Closed)
    }

    fn poll_accept(&self, context: Option<&Context<'_>>) -> Poll<Result<TcpStream, Error>> {
        let (ahead, behind) = self.parts.split_at(self.turn.get().min(self.parts.len()));
        for (number, part) in (1..).zip(behind.iter().chain(ahead)) {
            let accepted = part.poll_accept(context);
            if accepted.is_ready() {
                self.turn.set((self.turn.get() + number) % self.parts.len());
                return accepted;
            }
        }
        Poll::Pending
    }
}

impl Part {
    async fn bind(
        net: &Net,
        local: SocketAddr,
        families: Families,
        backlog: u32,
    ) -> Result<(Self, SocketAddr), Error> {
        let socket = net
            .call(SocketCreate {
                kind: SocketKind::Stream,
            })
            .await?
            .socket;
        // From here on the socket is closed whatever happens.
        let part = Self {
            net: net.clone(),
            socket,
            posted: RefCell::new(VecDeque::new()),
            bounds: Cell::new(Bounds::default()),
        };
        net.set_option(socket, SocketOption::ReuseAddress, 1)
            .await?;
        families.choose(net, socket).await?;
        let local = net.call_on(socket, Bind { socket, local }).await?.local;
        net.call_on(socket, Listen { socket, backlog }).await?;
        part.post()?;
        Ok((part, local))
    }

    fn poll_accept(&self, context: Option<&Context<'_>>) -> Poll<Result<TcpStream, Error>> {
        let index = ready!(self.poll_posted(context));
        let room = self.take(index?).ok_or(Error::Closed)?;
        // Taken: the connection is no longer the request's to close.
        let accepted = room.with(|slot| {
            let accepted = slot.accepted();
            slot.reply = None;
            accepted
        });
        let accepted = accepted.flatten().unwrap_or(Err(Error::Closed))?;
        self.post()?;
        let addresses = (accepted.socket, accepted.local, accepted.remote);
        let stream = TcpStream::accepted(self.net.clone(), addresses, room);
        stream.keep_within(self.bounds.get());
        Poll::Ready(Ok(stream))
    }

    /// The next connection of an accept, as a request of its own.
    fn take(&self, index: usize) -> Option<Pending> {
        let mut posted = self.posted.borrow_mut();
        let next = |slot: &mut Slot| {
            let area = slot.area.as_mut()?;
            Some((area.accepted.pop_front()?, area.is_spent()))
        };
        let (id, is_spent) = posted.get(index)?.with(next)??;
        if is_spent && let Some(pending) = posted.remove(index) {
            pending.leave();
        }
        Some(Pending::new(self.net.clone(), id))
    }

    /// Where the first posted accept is that has a connection. One that has failed is given up.
    fn poll_posted(&self, context: Option<&Context<'_>>) -> Poll<Result<usize, Error>> {
        loop {
            if let Some(found) = self.look(context) {
                return Poll::Ready(found);
            }
            // Who waits waits for what is posted here as well.
            if self.post()? {
                continue;
            }
            if self.posted.borrow().is_empty() {
                // Every block of the arena is with a connection.
                ready!(self.net.poll_room(FIRST_ROOM, context))?;
                continue;
            }
            return Poll::Pending;
        }
    }

    fn look(&self, context: Option<&Context<'_>>) -> Option<Result<usize, Error>> {
        let mut posted = self.posted.borrow_mut();
        let look = |pending: &Pending| match pending.poll(context, Slot::first_accepted) {
            Poll::Ready(found) => Some(found),
            Poll::Pending => None,
        };
        let mut looks = posted.iter().map(look).enumerate();
        let (index, found) = looks.find_map(|(index, found)| Some((index, found?)))?;
        if found.is_err()
            && let Some(pending) = posted.remove(index)
        {
            pending.leave();
        }
        Some(found.map(|()| index))
    }

    /// Asks for more connections when few are asked for, as far as the arena goes. True when it has.
    fn post(&self) -> Result<bool, Error> {
        let mut posted = self.posted.borrow_mut();
        // Those before the last are nearly used up.
        let open = |slot: &mut Slot| slot.area.as_ref().map_or(0, |area| area.open());
        let asked = posted.back().and_then(|last| last.with(open));
        if asked.is_some_and(|asked| asked >= LEAST) {
            return Ok(false);
        }
        let fewer = |count: &u32| (*count > 1).then_some(count / 2);
        let mut counts = core::iter::successors(Some(TOGETHER), fewer);
        let take = |count| self.net.take_room(count * FIRST_ROOM);
        let Some(block) = counts.find_map(take) else {
            return Ok(false);
        };
        let mut session = self.net.session();
        let id = session.submit_accept(self.socket, block, FIRST_ROOM)?;
        drop(session);
        posted.push_back(Pending::new(self.net.clone(), id));
        Ok(true)
    }
}

impl Source for Shared {
    fn poll_ready(&self, wanted: Ready, context: Option<&Context<'_>>) -> Ready {
        let wanted = wanted & Ready::READABLE;
        // Each is asked, so that each wakes who waits.
        let mut is_any = false;
        for part in self.parts.iter().filter(|_| !wanted.is_empty()) {
            is_any |= part.poll_posted(context).is_ready();
        }
        if is_any { wanted } else { Ready::empty() }
    }
}

impl Pollable for TcpListener {
    fn registration(&self) -> Registration {
        Registration::of(&self.shared)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.net.close(self.socket, false);
        self.posted.borrow_mut().drain(..).for_each(Pending::leave);
    }
}
