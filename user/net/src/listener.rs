//! Taking connections.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::cell::RefCell;
use core::future::poll_fn;
use core::net::SocketAddr;
use core::task::{Context, Poll, ready};

use protocol::{Accept, Bind, Listen, SocketCreate, SocketId, SocketKind, SocketOption};

use crate::error::Error;
use crate::net::Net;
use crate::pending::Pending;
use crate::poller::{Pollable, Ready, Registration, Source};
use crate::slot::Slot;
use crate::stream::TcpStream;

/// Accepts that are posted ahead, so that a burst of connections needs no round trip each.
const POSTED: usize = 8;
/// Bytes of the first room of a connection: all that an idle one holds.
const FIRST_ROOM: u32 = 4 * 1024;

/// A listening socket. Dropped, it is closed; connections that were not taken are reset.
pub struct TcpListener {
    shared: Rc<Shared>,
    local: SocketAddr,
}

struct Shared {
    net: Net,
    socket: SocketId,
    posted: RefCell<VecDeque<Pending>>,
}

impl TcpListener {
    /// Listens at an address, for example `0.0.0.0:80`.
    ///
    /// # Errors
    /// [`Error::AddressInUse`], ...
    pub async fn bind(net: &Net, local: SocketAddr, backlog: u32) -> Result<Self, Error> {
        let socket = net
            .call(SocketCreate {
                kind: SocketKind::Stream,
            })
            .await?
            .socket;
        // From here on the socket is closed whatever happens.
        let shared = Rc::new(Shared {
            net: net.clone(),
            socket,
            posted: RefCell::new(VecDeque::new()),
        });
        net.set_option(socket, SocketOption::ReuseAddress, 1)
            .await?;
        let local = net.call_on(socket, Bind { socket, local }).await?.local;
        net.call_on(socket, Listen { socket, backlog }).await?;
        shared.post()?;
        Ok(Self { shared, local })
    }

    /// Chooses how the connections behave that are accepted from now on.
    ///
    /// # Errors
    /// As [`TcpStream::set_option`].
    pub async fn set_option(&self, option: SocketOption, value: u64) -> Result<(), Error> {
        let Shared { net, socket, .. } = &*self.shared;
        net.set_option(*socket, option, value).await
    }

    /// Reads an option back.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn option(&self, option: SocketOption) -> Result<u64, Error> {
        self.shared.net.option(self.shared.socket, option).await
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
    fn poll_accept(&self, context: Option<&Context<'_>>) -> Poll<Result<TcpStream, Error>> {
        let index = ready!(self.poll_posted(context))?;
        let pending = self.posted.borrow_mut().remove(index);
        let Some(room) = pending else {
            return Poll::Ready(Err(Error::Closed));
        };
        // Taken: the connection is no longer the request's to close.
        let accepted = room.with(|slot| {
            let accepted = slot.accepted();
            slot.reply = None;
            accepted
        });
        let accepted = accepted.flatten().unwrap_or(Err(Error::Closed))?;
        self.post()?;
        let addresses = (accepted.socket, accepted.local, accepted.remote);
        Poll::Ready(Ok(TcpStream::accepted(self.net.clone(), addresses, room)))
    }

    /// Where the first posted accept is that is done, or has failed.
    fn poll_posted(&self, context: Option<&Context<'_>>) -> Poll<Result<usize, Error>> {
        self.post()?;
        if self.posted.borrow().is_empty() {
            // Every block of the arena is with a connection: wait for one, then post it.
            ready!(self.net.poll_room(FIRST_ROOM, context))?;
            self.post()?;
        }
        let posted = self.posted.borrow();
        let mut looks = posted.iter().map(|pending| {
            let is_done = |slot: &mut Slot| slot.reply.is_some().then_some(());
            pending.poll(context, is_done).is_ready()
        });
        match looks.position(|is_done| is_done) {
            Some(index) => Poll::Ready(Ok(index)),
            None => Poll::Pending,
        }
    }

    /// Posts accepts until enough wait, or the arena is used up.
    fn post(&self) -> Result<(), Error> {
        let mut posted = self.posted.borrow_mut();
        while posted.len() < POSTED {
            let Some(room) = self.net.take_room(FIRST_ROOM) else {
                break;
            };
            let accept = Accept {
                socket: self.socket,
                room: Some(room),
            };
            posted.push_back(self.net.submit(&accept, self.socket, Some(room), None)?);
        }
        Ok(())
    }
}

impl Source for Shared {
    fn poll_ready(&self, wanted: Ready, context: Option<&Context<'_>>) -> Ready {
        let wanted = wanted & Ready::READABLE;
        if wanted.is_empty() || self.poll_posted(context).is_pending() {
            return Ready::empty();
        }
        wanted
    }
}

impl Pollable for TcpListener {
    fn registration(&self) -> Registration {
        Registration::of(&self.shared)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.net.close(self.socket, false);
        self.posted.borrow_mut().drain(..).for_each(Pending::leave);
    }
}
