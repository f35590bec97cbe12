//! UDP sockets.

use alloc::collections::VecDeque;
use core::cell::RefCell;
use core::future::poll_fn;
use core::net::SocketAddr;
use core::task::{Context, Poll};

use protocol::{Bind, Connect, Receive, Send, SocketCreate, SocketId, SocketKind, SocketOption};

use crate::error::Error;
use crate::net::{Net, Pending};
use crate::session::{Datagram, End};

/// Bytes of a room; several datagrams share one.
const LARGEST_ROOM: u32 = 16 * 1024;
/// Bytes of a room when the arena is nearly used up: what an Ethernet carries in one frame fits.
const SMALLEST_ROOM: u32 = 2 * 1024;
/// Rooms posted, so that nothing is lost while the program reads, nor when a datagram does not fit
/// what is left of the first.
const ROOMS: usize = 2;

/// A UDP socket.
pub struct UdpSocket {
    net: Net,
    socket: SocketId,
    local: SocketAddr,
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
        let mut udp = Self {
            net: net.clone(),
            socket,
            local,
            rooms: RefCell::default(),
        };
        udp.local = net.call_on(socket, Bind { socket, local }).await?.local;
        udp.post()?;
        if udp.rooms.borrow().len() < ROOMS {
            return Err(Error::NoMemory);
        }
        Ok(udp)
    }

    /// Fixes the peer: only its datagrams are received, and its errors are told.
    ///
    /// # Errors
    /// [`Error::NoRoute`], ...
    pub async fn connect(&mut self, remote: SocketAddr) -> Result<(), Error> {
        let socket = self.socket;
        self.local = self
            .net
            .call_on(socket, Connect { socket, remote })
            .await?
            .local;
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
        self.net
            .set_option(self.socket, SocketOption::Broadcast, on.into())
            .await
    }

    /// Sends a datagram and waits until it has left.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::NoRoute`], `Other(TooBig)`, ...
    pub async fn send_to(&self, from: &[u8], to: SocketAddr) -> Result<(), Error> {
        self.transmit(from, Some(to)).await
    }

    /// Sends a datagram to the fixed peer and waits until it has left.
    ///
    /// # Errors
    /// As [`Self::send_to`]; [`Error::Refused`] when an earlier one was.
    pub async fn send(&self, from: &[u8]) -> Result<(), Error> {
        self.transmit(from, None).await
    }

    /// Takes the oldest datagram: its length and sender. What does not fit `into` is lost.
    ///
    /// # Errors
    /// [`Error::Refused`] when the fixed peer has refused one, [`Error::ServerRestarted`], ...
    pub async fn receive_from(&self, into: &mut [u8]) -> Result<(usize, SocketAddr), Error> {
        let datagram = poll_fn(|context| self.poll_datagram(context)).await?;
        let length = into.len().min(datagram.piece.length as usize);
        let session = self.net.session.borrow();
        let read = session
            .arena
            .read(datagram.piece.offset, &mut into[..length]);
        drop(session);
        self.tidy();
        read.map_err(|_| Error::NoMemory)?;
        Ok((length, datagram.from.unwrap_or(self.local)))
    }

    async fn transmit(&self, from: &[u8], to: Option<SocketAddr>) -> Result<(), Error> {
        self.net.room().await;
        let pending = self.net.send_bytes(self.socket, from, to).await?;
        pending.reply::<Send>().await.map(drop)
    }

    fn poll_datagram(&self, context: &Context<'_>) -> Poll<Result<Datagram, Error>> {
        loop {
            self.post()?;
            let mut rooms = self.rooms.borrow_mut();
            let Some(front) = rooms.front() else {
                if self.net.poll_room(SMALLEST_ROOM, context).is_pending() {
                    return Poll::Pending;
                }
                continue;
            };
            let found = front.poll(context, |slot| {
                let room = slot.room.as_mut()?;
                match room.datagrams.pop_front() {
                    Some(datagram) => Some(Ok(datagram)),
                    None => room.end.map(Err),
                }
            });
            match found {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(datagram)) => return Poll::Ready(Ok(datagram)),
                Poll::Ready(Err(end)) => {
                    rooms.pop_front();
                    if let End::Failed(error) = end {
                        return Poll::Ready(Err(error));
                    }
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

impl Drop for UdpSocket {
    fn drop(&mut self) {
        self.net.close(self.socket, false);
        self.rooms.borrow_mut().drain(..).for_each(Pending::leave);
    }
}
