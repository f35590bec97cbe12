//! UDP sockets.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::cell::{Cell, OnceCell, RefCell};
use core::future::poll_fn;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};
use core::task::{Context, Poll, ready};

use protocol::{
    Address, Bind, Connect, Flush, Group, GroupBody, GroupWish, INLINE_BYTES, Receive, Send,
    SocketCreate, SocketId, SocketKind, SocketOption, outcome,
};

use crate::buffer::{Buffer, Chunk, Outgoing};
use crate::error::Error;
use crate::families::Families;
use crate::net::Net;
use crate::pending::Pending;
use crate::poller::{Pollable, Ready, Registration, Source};
use crate::slot::{Datagram, End, Slot};

/// Bytes of a room; several datagrams share one.
const LARGEST_ROOM: u32 = 16 * 1024;
/// Bytes of a room when the arena is nearly used up: what an Ethernet carries in one frame fits.
const SMALLEST_ROOM: u32 = 2 * 1024;
/// Datagrams that may be on their way out.
const MOST_SENDS: usize = 64;
/// Of short ones, each of so many is answered, which tells of those before it as well.
const ANSWERED_EACH: usize = 16;
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
    /// What is on its way out and will be answered, oldest first, each with how many datagrams its answer
    /// tells of.
    sends: RefCell<VecDeque<(Pending, usize)>>,
    /// How many are on their way out, and how many of them are behind the last that will be answered.
    under_way: Cell<usize>,
    unanswered: Cell<usize>,
    /// What goes wrong with those that are not answered.
    tally: OnceCell<Pending>,
    /// Why the first of them that did not leave has not.
    error: Cell<Option<Error>>,
}

impl UdpSocket {
    /// A socket with a local address; port zero: one that is free. Where many share the arena, its
    /// rooms are smaller, and with them the largest datagram that can come in.
    ///
    /// # Errors
    /// [`Error::AddressInUse`]; [`Error::NoMemory`] when the arena has no room left for what would
    /// come in, ...
    pub async fn bind(net: &Net, local: SocketAddr) -> Result<Self, Error> {
        Self::bind_as(net, local, Families::Own, false).await
    }

    /// A socket with a port of all addresses, of IPv6 and of IPv4. Those of IPv4 are told as addresses
    /// of IPv6 that stand for them, and may be given so; `to_canonical` gives them back.
    ///
    /// # Errors
    /// As [`Self::bind`].
    pub async fn bind_both(net: &Net, port: u16) -> Result<Self, Error> {
        let local = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port);
        Self::bind_as(net, local, Families::Both, false).await
    }

    /// As [`Self::bind`], together with other sockets that are bound so: what is for a group, or for
    /// all, each of them gets. Those of other programs may share a group's address only.
    ///
    /// # Errors
    /// As there.
    pub async fn bind_shared(net: &Net, local: SocketAddr) -> Result<Self, Error> {
        Self::bind_as(net, local, Families::Own, true).await
    }

    async fn bind_as(
        net: &Net,
        local: SocketAddr,
        families: Families,
        shares: bool,
    ) -> Result<Self, Error> {
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
            sends: RefCell::default(),
            under_way: Cell::new(0),
            unanswered: Cell::new(0),
            tally: OnceCell::new(),
            error: Cell::new(None),
        });
        families.choose(net, socket).await?;
        if shares {
            net.set_option(socket, SocketOption::ReuseAddress, 1)
                .await?;
        }
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

    /// Changes which datagrams to a group are heard, of those that come by the interface of this
    /// number; 0: that of the socket's option, or by which packets to the group leave. The group is
    /// left with the socket.
    ///
    /// # Errors
    /// `Other(Exists)` or `Other(NotFound)` for what is so already, `Other(BadState)` where named
    /// sources are heard and others are to be blocked, or the other way round, `Other(BadAddress)`,
    /// `Other(Limit)`.
    pub async fn group(
        &self,
        group: IpAddr,
        wish: GroupWish,
        source: Option<IpAddr>,
        interface: u32,
    ) -> Result<(), Error> {
        let Shared { net, socket, .. } = &*self.shared;
        let request = Group {
            socket: *socket,
            wish,
            body: GroupBody {
                group: Address::from_ip(group),
                source: source.map_or(Address::NONE, Address::from_ip),
                interface: interface.into(),
                reserved: 0.into(),
            },
        };
        net.call_on(*socket, request).await.map(drop)
    }

    /// Hears everybody in a group from now on.
    ///
    /// # Errors
    /// As [`Self::group`].
    pub async fn join(&self, group: IpAddr) -> Result<(), Error> {
        self.group(group, GroupWish::Join, None, 0).await
    }

    /// Hears nobody in it any more.
    ///
    /// # Errors
    /// As [`Self::group`].
    pub async fn leave(&self, group: IpAddr) -> Result<(), Error> {
        self.group(group, GroupWish::Leave, None, 0).await
    }

    /// Sets an option, such as how far what is sent to groups goes.
    ///
    /// # Errors
    /// `Other(BadAddress)` for a value that is not possible, `Other(BadState)` for an option that
    /// datagram sockets do not have.
    pub async fn set_option(&self, option: SocketOption, value: u64) -> Result<(), Error> {
        let Shared { net, socket, .. } = &*self.shared;
        net.set_option(*socket, option, value).await
    }

    /// Sends a datagram: it leaves by itself. Waits while too many are on their way. Why one did not
    /// leave, [`Self::flush`] tells.
    ///
    /// # Errors
    /// `Other(TooBig)` for more than any datagram carries; [`Error::ServerRestarted`].
    pub async fn send_to(&self, from: &[u8], to: SocketAddr) -> Result<(), Error> {
        poll_fn(|context| self.shared.poll_send(from, Some(to), context)).await
    }

    /// Sends a datagram to the fixed peer, as [`Self::send_to`].
    ///
    /// # Errors
    /// As there; what [`Self::flush`] would tell, which is then told.
    pub async fn send(&self, from: &[u8]) -> Result<(), Error> {
        poll_fn(|context| self.shared.poll_send(from, None, context)).await
    }

    /// Waits until all datagrams have left.
    ///
    /// # Errors
    /// Why the first did not that has not since the last call: [`Error::Unreachable`],
    /// [`Error::NoRoute`], `Other(TooBig)`, `Other(BadAddress)`, ...
    pub async fn flush(&self) -> Result<(), Error> {
        poll_fn(|context| self.shared.poll_sent(0, context)).await;
        self.shared.confirm().await?;
        self.shared.take_error()
    }

    /// A place in the arena for a datagram of at most `bytes` bytes, to be filled and
    /// [sent](Self::send_buffer).
    ///
    /// # Errors
    /// `Other(TooBig)`.
    pub async fn reserve(&self, bytes: usize) -> Result<Buffer, Error> {
        match u32::try_from(bytes) {
            Ok(bytes) if bytes <= u32::from(u16::MAX) => self.shared.net.reserve_block(bytes).await,
            _ => Err(Error::Other(protocol::Code::TooBig)),
        }
    }

    /// Sends a datagram that lies in the arena, without copying it: a [`Buffer`] that was filled, or
    /// a [`Chunk`] that has come in. Else as [`Self::send_to`].
    ///
    /// # Errors
    /// As there; `Other(BadArena)` for bytes of another session.
    pub async fn send_buffer(
        &self,
        bytes: impl Into<Outgoing>,
        to: Option<SocketAddr>,
    ) -> Result<(), Error> {
        poll_fn(|context| self.shared.poll_sent(MOST_SENDS - 1, context)).await;
        if to.is_none() {
            self.shared.take_error()?;
        }
        self.shared.net.room().await;
        self.shared.submit(bytes.into(), to)
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
}

/// Datagrams that a flush tells of: they count no more when it is over, or given up.
struct Told<'a> {
    shared: &'a Shared,
    count: usize,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        let under_way = &self.shared.under_way;
        under_way.set(under_way.get() - self.count);
    }
}

impl Shared {
    /// Copies a datagram into the arena and sends it.
    fn poll_send(
        &self,
        from: &[u8],
        to: Option<SocketAddr>,
        context: &Context<'_>,
    ) -> Poll<Result<(), Error>> {
        let too_big = Error::Other(protocol::Code::TooBig);
        let length = u16::try_from(from.len()).map_err(|_| too_big)?;
        ready!(self.poll_sent(MOST_SENDS - 1, context));
        if to.is_none() {
            self.take_error()?;
        }
        ready!(self.net.poll_ring(context));
        if from.len() <= INLINE_BYTES {
            return Poll::Ready(self.submit_inline(from, to));
        }
        let block = ready!(self.net.poll_block(length.into(), Some(context)))?;
        let mut buffer = Buffer::new(self.net.clone(), block, length.into());
        buffer.append(from);
        Poll::Ready(self.submit(buffer.into(), to))
    }

    fn submit(&self, bytes: Outgoing, to: Option<SocketAddr>) -> Result<(), Error> {
        let (piece, source) = bytes.give_to(&self.net)?;
        let pending = self.net.send(self.socket, piece, source, to)?;
        self.answered(pending);
        Ok(())
    }

    /// Sends a datagram that fits a message.
    fn submit_inline(&self, from: &[u8], to: Option<SocketAddr>) -> Result<(), Error> {
        let before = self.unanswered.get();
        if before + 1 == ANSWERED_EACH {
            let pending = self.net.send_inline(self.socket, from, to)?;
            self.answered(pending);
            return Ok(());
        }
        let tally = self.tally.get_or_init(|| self.net.open_tally(self.socket));
        self.net
            .send_unanswered(tally.id(), self.socket, from, to)?;
        self.unanswered.set(before + 1);
        self.under_way.set(self.under_way.get() + 1);
        Ok(())
    }

    /// A datagram is on its way whose answer tells of those before it, too.
    fn answered(&self, pending: Pending) {
        let count = self.unanswered.replace(0) + 1;
        self.sends.borrow_mut().push_back((pending, count));
        self.under_way.set(self.under_way.get() + 1);
    }

    /// Waits until those have left that will not be answered.
    async fn confirm(&self) -> Result<(), Error> {
        // An answer to what others send meanwhile does not tell of these.
        let count = self.unanswered.take();
        if count == 0 {
            return Ok(());
        }
        let _told = Told {
            shared: self,
            count,
        };
        let socket = self.socket;
        self.net.call_on(socket, Flush { socket }).await.map(drop)
    }

    /// Ready when at most `most` datagrams are on their way.
    fn poll_sent(&self, most: usize, context: &Context<'_>) -> Poll<()> {
        let mut sends = self.sends.borrow_mut();
        while let Some((oldest, count)) = sends.front() {
            // If it is enough, only tidies up.
            let enough = self.under_way.get() <= most;
            let context = (!enough).then_some(context);
            let ended = |slot: &mut Slot| slot.reply.as_ref().map(outcome::<Send>);
            match oldest.poll(context, ended) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => {
                    let first = self.error.get().unwrap_or(error.into());
                    self.error.set(Some(first));
                }
                Poll::Pending if enough => break,
                Poll::Pending => return Poll::Pending,
            }
            self.under_way.set(self.under_way.get() - count);
            sends.pop_front();
        }
        Poll::Ready(())
    }

    fn take_error(&self) -> Result<(), Error> {
        let first = self.tally.get().and_then(|tally| {
            let reply = tally.with(|slot| slot.reply.take()).flatten();
            outcome::<Send>(&reply?).err().map(Error::from)
        });
        let error = self.error.take().or(first);
        error.map_or(Ok(()), Err)
    }

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
        self.sends
            .borrow_mut()
            .drain(..)
            .for_each(|(pending, _)| pending.leave());
    }
}
