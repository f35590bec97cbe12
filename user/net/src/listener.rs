//! Taking connections.

use alloc::collections::VecDeque;
use core::cell::RefCell;
use core::future::poll_fn;
use core::net::SocketAddr;
use core::task::{Context, Poll};

use protocol::{Accept, Accepted, Bind, Listen, SocketCreate, SocketId, SocketKind, SocketOption};

use crate::error::Error;
use crate::net::{Net, Pending};
use crate::stream::TcpStream;

/// Accepts that are posted ahead, so that a burst of connections needs no round trip each.
const POSTED: usize = 8;
/// Bytes of the first room of a connection: all that an idle one holds.
const FIRST_ROOM: u32 = 4 * 1024;

/// A listening socket. Dropped, it is closed; connections that were not taken are reset.
pub struct TcpListener {
    net: Net,
    socket: SocketId,
    local: SocketAddr,
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
        let mut listener = Self {
            net: net.clone(),
            socket,
            local,
            posted: RefCell::new(VecDeque::new()),
        };
        net.set_option(socket, SocketOption::ReuseAddress, 1)
            .await?;
        listener.local = net.call_on(socket, Bind { socket, local }).await?.local;
        net.call_on(socket, Listen { socket, backlog }).await?;
        listener.post()?;
        Ok(listener)
    }

    /// Chooses how the connections behave that are accepted from now on.
    ///
    /// # Errors
    /// As [`TcpStream::set_option`].
    pub async fn set_option(&self, option: SocketOption, value: u64) -> Result<(), Error> {
        self.net.set_option(self.socket, option, value).await
    }

    /// Reads an option back.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn option(&self, option: SocketOption) -> Result<u64, Error> {
        self.net.option(self.socket, option).await
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
        poll_fn(|context| self.poll_accept(context)).await
    }

    fn poll_accept(&self, context: &Context<'_>) -> Poll<Result<TcpStream, Error>> {
        self.post()?;
        if self.posted.borrow().is_empty() {
            // Every block of the arena is with a connection: wait for one, then post it.
            if self.net.poll_room(FIRST_ROOM, context).is_pending() {
                return Poll::Pending;
            }
            self.post()?;
        }
        let Some((index, accepted)) = self.find_accepted(context) else {
            return Poll::Pending;
        };
        let pending = self.posted.borrow_mut().remove(index);
        let (Ok(accepted), Some(room)) = (accepted, pending) else {
            return Poll::Ready(Err(accepted.err().unwrap_or(Error::Closed)));
        };
        self.post()?;
        let addresses = (accepted.socket, accepted.local, accepted.remote);
        Poll::Ready(Ok(TcpStream::accepted(self.net.clone(), addresses, room)))
    }

    /// The first posted accept that is done, or has failed.
    fn find_accepted(&self, context: &Context<'_>) -> Option<(usize, Result<Accepted, Error>)> {
        let posted = self.posted.borrow();
        posted.iter().enumerate().find_map(|(index, pending)| {
            let found = pending.poll(context, |slot| {
                let accepted = slot.accepted()?;
                // Taken: the connection is no longer the request's to close.
                slot.reply = None;
                Some(accepted)
            });
            match found {
                Poll::Ready(accepted) => Some((index, accepted)),
                Poll::Pending => None,
            }
        })
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

impl Drop for TcpListener {
    fn drop(&mut self) {
        self.net.close(self.socket, false);
        self.posted.borrow_mut().drain(..).for_each(Pending::leave);
    }
}
