//! What a socket of datagrams has under way: rooms for what comes, and what leaves.
//!
//! *Owns* the socket, which is closed with it. *Never* knows what its datagrams are of.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::cell::{Cell, OnceCell, RefCell};
use core::future::poll_fn;
use core::net::{IpAddr, SocketAddr};
use core::task::{Context, Poll, ready};

use protocol::{
    Address, Code, Connect, DETAILS_BYTES, Flush, Group, GroupBody, GroupWish, INLINE_BYTES,
    Receive, Send, SocketId, SocketOption, SocketStatus, outcome,
};

use crate::arrival::Arrival;
use crate::buffer::{Buffer, Chunk, Outgoing};
use crate::error::Error;
use crate::net::Net;
use crate::pending::Pending;
use crate::poller::{Ready, Source};
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

/// What becomes of a datagram that was looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taking {
    Taken,
    Left,
}

/// The two directions of a socket of datagrams, of UDP or raw.
pub(crate) struct Datagrams {
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

/// Datagrams that a flush tells of: they count no more when it is over, or given up.
struct Told<'a> {
    shared: &'a Datagrams,
    count: usize,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        let under_way = &self.shared.under_way;
        under_way.set(under_way.get() - self.count);
    }
}

impl Datagrams {
    /// Of a socket that was made: from here on it is closed whatever happens.
    pub fn new(net: &Net, socket: SocketId) -> Rc<Self> {
        Rc::new(Self {
            net: net.clone(),
            socket,
            rooms: RefCell::default(),
            sends: RefCell::default(),
            under_way: Cell::new(0),
            unanswered: Cell::new(0),
            tally: OnceCell::new(),
            error: Cell::new(None),
        })
    }

    /// The same of a raw socket, which is bound from the start and hears all that comes from then on.
    pub async fn open(net: &Net, socket: SocketId) -> Result<Rc<Self>, Error> {
        let shared = Self::new(net, socket);
        shared.begin()?;
        // Its rooms are with netd when what was asked behind them is answered.
        net.call_on(socket, SocketStatus { socket }).await?;
        Ok(shared)
    }

    /// Gives the first rooms, once the socket is bound.
    pub fn begin(&self) -> Result<(), Error> {
        self.post()?;
        if self.rooms.borrow().len() < ROOMS {
            return Err(Error::NoMemory);
        }
        Ok(())
    }

    pub const fn net(&self) -> &Net {
        &self.net
    }

    /// Fixes the peer, and gives our own end.
    pub async fn connect(&self, remote: SocketAddr) -> Result<SocketAddr, Error> {
        let socket = self.socket;
        let connect = Connect { socket, remote };
        Ok(self.net.call_on(socket, connect).await?.local)
    }

    pub async fn set_option(&self, option: SocketOption, value: u64) -> Result<(), Error> {
        self.net.set_option(self.socket, option, value).await
    }

    /// Reads an option back.
    pub async fn option(&self, option: SocketOption) -> Result<u64, Error> {
        self.net.option(self.socket, option).await
    }

    /// See [`crate::UdpSocket::group`].
    pub async fn group(
        &self,
        group: IpAddr,
        wish: GroupWish,
        source: Option<IpAddr>,
        interface: u32,
    ) -> Result<(), Error> {
        let request = Group {
            socket: self.socket,
            wish,
            body: GroupBody {
                group: Address::from_ip(group),
                source: source.map_or(Address::NONE, Address::from_ip),
                interface: interface.into(),
                reserved: 0.into(),
            },
        };
        self.net.call_on(self.socket, request).await.map(drop)
    }

    /// Waits until all have left; why the first did not that has not since the last call.
    pub async fn flush(&self) -> Result<(), Error> {
        poll_fn(|context| self.poll_sent(0, context)).await;
        self.confirm().await?;
        self.take_error()
    }

    /// Sends what lies in the arena.
    pub async fn send_buffer(&self, bytes: Outgoing, to: Option<SocketAddr>) -> Result<(), Error> {
        poll_fn(|context| self.poll_sent(MOST_SENDS - 1, context)).await;
        if to.is_none() {
            self.take_error()?;
        }
        self.net.room().await;
        self.submit(bytes, to)
    }

    /// Copies the oldest that has come, as far as there is place for it.
    pub async fn receive_into(
        &self,
        into: &mut [u8],
    ) -> Result<(usize, Option<SocketAddr>), Error> {
        let taken = poll_fn(|context| self.poll_datagram(Taking::Taken, Some(context))).await;
        let (_, Datagram { piece, from }) = taken?;
        let count = into.len().min(piece.length as usize);
        // A piece was checked against its room when it came.
        let copied = self.net.arena().read(piece.offset, &mut into[..count]);
        self.tidy();
        Ok((copied.map_or(0, |()| count), from))
    }

    /// Takes the oldest that has come.
    pub async fn receive_chunk(&self) -> Result<(Chunk, Option<SocketAddr>), Error> {
        let taken = poll_fn(|context| self.poll_chunk(Some(context))).await?;
        self.tidy();
        Ok(taken)
    }

    /// Takes the oldest that has come, with the details in front of it.
    pub async fn receive_detailed(&self, into: &mut [u8]) -> Result<(usize, Arrival), Error> {
        let (mut chunk, _) = self.receive_chunk().await?;
        let mut front = [0; DETAILS_BYTES];
        chunk.copy_to(&mut front);
        let arrival = Arrival::read(&front).ok_or(Error::Other(Code::Malformed))?;
        chunk.advance(DETAILS_BYTES);
        Ok((chunk.copy_to(into), arrival))
    }

    /// Copies a datagram into the arena and sends it.
    pub fn poll_send(
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

    pub fn poll_chunk(
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
    pub fn tidy(&self) {
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

impl Source for Datagrams {
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

impl Drop for Datagrams {
    fn drop(&mut self) {
        self.net.close(self.socket, false);
        self.rooms.borrow_mut().drain(..).for_each(Pending::leave);
        self.sends
            .borrow_mut()
            .drain(..)
            .for_each(|(pending, _)| pending.leave());
    }
}
