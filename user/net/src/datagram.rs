//! UDP sockets.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::cell::RefCell;
use core::future::poll_fn;
use core::net::SocketAddr;
use core::task::{Context, Poll, ready};

use protocol::{Bind, Connect, Receive, Send, SocketCreate, SocketId, SocketKind, SocketOption};

use crate::buffer::{Buffer, Chunk, Outgoing};
use crate::error::Error;
use crate::net::Net;
use crate::pending::Pending;
use crate::poller::{Pollable, Ready, Registration, Source};
use crate::slot::{Datagram, End};

/// Bytes of a room; several datagrams share one.
const LARGEST_ROOM: u32 = 16 * 1024;
/// Bytes of a room when the arena is nearly used up: what an Ethernet carries in one frame fits.
const SMALLEST_ROOM: u32 = 2 * 1024;
/// Rooms posted, so that nothing is lost while the program reads, nor when a datagram does not fit
/// what is left of the first.
const ROOMS: usize = 2;

/// A UDP socket.
pub struct UdpSocket {
    shared: Rc<Shared>,
    local: SocketAddr,
}

/// What becomes of a datagram that was looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taking {
    Taken,
    Left,
}

struct Shared {
    net: Net,
    socket: SocketId,
    rooms: RefCell<VecDeque<Pending>>,
}

impl UdpSocket {
    /// A socket with a local address; port zero: one that is free. Where many share the arena, its
    /// rooms are smaller, and with them the largest datagram that can come in.
    ///
    /// # Errors
    /// [`Error::AddressInUse`]; [`Error::NoMemory`] when the arena has no room left for what would
    /// come in, ...
    pub async fn bind(net: &Net, local: SocketAddr) -> Result<Self, Error> {
        let socket = net
            .call(SocketCreate {
                kind: SocketKind::Datagram,
            })
            .await?
            .socket;
        // From here on the socket is closed whatever happens.
        let shared = Rc::new(Shared {
            net: net.clone(),
            socket,
            rooms: RefCell::default(),
        });
        let local = net.call_on(socket, Bind { socket, local }).await?.local;
        shared.post()?;
        if shared.rooms.borrow().len() < ROOMS {
            return Err(Error::NoMemory);
        }
        Ok(Self { shared, local })
    }

    /// Fixes the peer: only its datagrams are received, and its errors are told.
    ///
    /// # Errors
    /// [`Error::NoRoute`], ...
    pub async fn connect(&mut self, remote: SocketAddr) -> Result<(), Error> {
        let socket = self.shared.socket;
        let connect = Connect { socket, remote };
        self.local = self.shared.net.call_on(socket, connect).await?.local;
        Ok(())
    }

    /// Own address.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Allows datagrams to broadcast addresses.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn set_broadcast(&self, on: bool) -> Result<(), Error> {
        let Shared { net, socket, .. } = &*self.shared;
        net.set_option(*socket, SocketOption::Broadcast, on.into())
            .await
    }

    /// Sends a datagram and waits until it has left.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::NoRoute`], `Other(TooBig)`, ...
    pub async fn send_to(&self, from: &[u8], to: SocketAddr) -> Result<(), Error> {
        self.send_buffer(self.filled(from).await?, Some(to)).await
    }

    /// Sends a datagram to the fixed peer and waits until it has left.
    ///
    /// # Errors
    /// As [`Self::send_to`]; [`Error::Refused`] when an earlier one was.
    pub async fn send(&self, from: &[u8]) -> Result<(), Error> {
        self.send_buffer(self.filled(from).await?, None).await
    }

    /// A place in the arena for a datagram of at most `bytes` bytes, to be filled and
    /// [sent](Self::send_buffer).
    ///
    /// # Errors
    /// `Other(TooBig)`.
    pub async fn reserve(&self, bytes: usize) -> Result<Buffer, Error> {
        match u32::try_from(bytes) {
            Ok(bytes) if bytes <= u32::from(u16::MAX) => self.shared.net.reserve(bytes).await,
            _ => Err(Error::Other(protocol::Code::TooBig)),
        }
    }

    /// Sends a datagram that lies in the arena, without copying it: a [`Buffer`] that was filled, or
    /// a [`Chunk`] that has come in. Waits until it has left.
    ///
    /// # Errors
    /// As [`Self::send_to`]; `Other(BadArena)` for bytes of another session.
    pub async fn send_buffer(
        &self,
        bytes: impl Into<Outgoing>,
        to: Option<SocketAddr>,
    ) -> Result<(), Error> {
        let Shared { net, socket, .. } = &*self.shared;
        net.room().await;
        let (piece, source) = bytes.into().give_to(net)?;
        let pending = net.send(*socket, piece, source, to)?;
        pending.reply::<Send>().await.map(drop)
    }

    /// Takes the oldest datagram: its length and sender. What does not fit `into` is lost.
    ///
    /// # Errors
    /// [`Error::Refused`] when the fixed peer has refused one, [`Error::ServerRestarted`], ...
    pub async fn receive_from(&self, into: &mut [u8]) -> Result<(usize, SocketAddr), Error> {
        let (chunk, from) = self.receive_chunk().await?;
        Ok((chunk.copy_to(into), from))
    }

    /// Takes the oldest datagram without copying it, and tells its sender. It stays in the arena until
    /// the chunk is dropped or sent.
    ///
    /// # Errors
    /// As [`Self::receive_from`].
    pub async fn receive_chunk(&self) -> Result<(Chunk, SocketAddr), Error> {
        let (chunk, from) = poll_fn(|context| self.shared.poll_chunk(Some(context))).await?;
        self.shared.tidy();
        Ok((chunk, from.unwrap_or(self.local)))
    }

    /// As [`Self::receive_from`], without waiting; `None` when nothing has come.
    ///
    /// # Errors
    /// As there.
    pub fn try_receive_from(&self, into: &mut [u8]) -> Result<Option<(usize, SocketAddr)>, Error> {
        match self.shared.poll_chunk(None) {
            Poll::Ready(found) => {
                let (chunk, from) = found?;
                self.shared.tidy();
                Ok(Some((chunk.copy_to(into), from.unwrap_or(self.local))))
            }
            Poll::Pending => Ok(None),
        }
    }

    async fn filled(&self, from: &[u8]) -> Result<Buffer, Error> {
        let mut buffer = self.reserve(from.len()).await?;
        buffer.append(from);
        Ok(buffer)
    }
}

impl Shared {
    fn poll_chunk(
        &self,
        context: Option<&Context<'_>>,
    ) -> Poll<Result<(Chunk, Option<SocketAddr>), Error>> {
        let (id, datagram) = ready!(self.poll_datagram(Taking::Taken, context))?;
        self.net.session().lend(id);
        let chunk = Chunk::new(self.net.clone(), id, datagram.piece);
        Poll::Ready(Ok((chunk, datagram.from)))
    }

    /// The oldest datagram, and the receive whose room it is in.
    fn poll_datagram(
        &self,
        taking: Taking,
        context: Option<&Context<'_>>,
    ) -> Poll<Result<(u32, Datagram), Error>> {
        loop {
            self.post()?;
            let mut rooms = self.rooms.borrow_mut();
            let Some(front) = rooms.front() else {
                ready!(self.net.poll_room(SMALLEST_ROOM, context))?;
                continue;
            };
            let found = front.poll(context, |slot| {
                let room = slot.room.as_mut()?;
                let oldest = match taking {
                    Taking::Taken => room.datagrams.pop_front(),
                    Taking::Left => room.datagrams.front().copied(),
                };
                match oldest {
                    Some(datagram) => Some(Ok(datagram)),
                    None => room.end.map(Err),
                }
            });
            match found {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(datagram)) => return Poll::Ready(Ok((front.id(), datagram))),
                Poll::Ready(Err(end)) => {
                    if let End::Failed(error) = end {
                        if taking == Taking::Taken {
                            rooms.pop_front();
                        }
                        return Poll::Ready(Err(error));
                    }
                    rooms.pop_front();
                }
            }
        }
    }

    /// Gives a room that is used up and read back at once, so that the next can be posted.
    fn tidy(&self) {
        let mut rooms = self.rooms.borrow_mut();
        let done = rooms.front().and_then(|front| {
            front.with(|slot| {
                let room = slot.room.as_ref();
                room.is_some_and(|room| room.datagrams.is_empty() && room.end == Some(End::Full))
            })
        });
        if done == Some(true) {
            rooms.pop_front();
            drop(rooms);
            // An error shows at the next receive.
            let _posted = self.post();
        }
    }

    fn post(&self) -> Result<(), Error> {
        let mut rooms = self.rooms.borrow_mut();
        while rooms.len() < ROOMS {
            let size = self.net.fair_room().clamp(SMALLEST_ROOM, LARGEST_ROOM);
            let room = self.net.take_room(size);
            let Some(room) = room.or_else(|| self.net.take_room(SMALLEST_ROOM)) else {
                break;
            };
            let receive = Receive {
                socket: self.socket,
                room,
            };
            rooms.push_back(self.net.submit(&receive, self.socket, Some(room), None)?);
        }
        Ok(())
    }
}

impl Source for Shared {
    fn poll_ready(&self, wanted: Ready, context: Option<&Context<'_>>) -> Ready {
        // A datagram waits for arena at most, which there is for bytes to go.
        let mut found = wanted & Ready::WRITABLE;
        if wanted.contains(Ready::READABLE) && self.poll_datagram(Taking::Left, context).is_ready()
        {
            found |= Ready::READABLE;
        }
        found
    }
}

impl Pollable for UdpSocket {
    fn registration(&self) -> Registration {
        Registration::of(&self.shared)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.net.close(self.socket, false);
        self.rooms.borrow_mut().drain(..).for_each(Pending::leave);
    }
}
