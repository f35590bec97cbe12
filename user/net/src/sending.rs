//! The sending side of a connection: what is under way until the peer has acknowledged it.
//!
//! *Owns* the sends and the bound on them: bytes lie in the arena until they are acknowledged, so a
//! program that writes faster than its peer reads is held up here and uses no more of the arena than
//! the bound.

use alloc::collections::VecDeque;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::task::{Context, Poll, ready};

use protocol::{Send, SocketId, outcome};

use crate::blocks::UNIT;
use crate::buffer::{Buffer, Outgoing};
use crate::error::Error;
use crate::net::Net;
use crate::pending::Pending;
use crate::slot::Slot;

/// Bytes of one send.
const LARGEST_SEND: u32 = 32 * 1024;
/// Bytes that may wait for their acknowledgement.
const BOUND: u32 = 256 * 1024;
/// Sends that may wait for their acknowledgement.
const MOST_SENDS: usize = 32;

/// What a connection sends.
pub struct Sending {
    sends: RefCell<VecDeque<(Pending, u32)>>,
    unacknowledged: Cell<u32>,
    /// How much may wait for its acknowledgement.
    bound: Cell<u32>,
    /// Why nothing more can be sent; stays.
    error: Cell<Option<Error>>,
}

impl Sending {
    /// Nothing is under way.
    pub const fn new() -> Self {
        Self {
            sends: RefCell::new(VecDeque::new()),
            unacknowledged: Cell::new(0),
            bound: Cell::new(BOUND),
            error: Cell::new(None),
        }
    }

    /// The program chooses how much may wait for its acknowledgement; zero: nothing in particular.
    pub fn set_bound(&self, bytes: u32) {
        self.bound.set(if bytes > 0 { bytes } else { BOUND });
    }

    /// The socket is closed: the sends end by themselves.
    pub fn leave(&self) {
        let mut sends = self.sends.borrow_mut();
        sends.drain(..).for_each(|(pending, _)| pending.leave());
    }

    /// A place for at most `bytes` bytes that can be sent next. One send may always be under way.
    pub fn poll_reserve(
        &self,
        net: &Net,
        bytes: usize,
        context: Option<&Context<'_>>,
    ) -> Poll<Result<Buffer, Error>> {
        let share = net.send_share();
        let bound = self.bound.get().min(share).max(1);
        ready!(self.poll_sent(context, MOST_SENDS - 1, bound))?;
        let most = LARGEST_SEND.min(share);
        // One send may exceed the bound, several together may not.
        let most = match self.unacknowledged.get() {
            0 => most.max(UNIT),
            waiting => most.min(self.bound.get().saturating_sub(waiting)).max(1),
        };
        let length = u32::try_from(bytes).unwrap_or(u32::MAX).min(most);
        // Short of arena, less keeps a connection going.
        let smaller = |length: &u32| (*length > UNIT).then_some(length / 2);
        let mut lengths = core::iter::successors(Some(length), smaller);
        let found = lengths.find_map(|length| net.take_block(length).map(|block| (block, length)));
        let (block, length) = match found {
            Some(found) => found,
            None => (ready!(net.poll_block(1, context))?, length.min(UNIT)),
        };
        Poll::Ready(Ok(Buffer::new(net.clone(), block, length)))
    }

    /// Sends bytes of the arena, as soon as the bound allows.
    pub async fn send(&self, net: &Net, socket: SocketId, bytes: Outgoing) -> Result<(), Error> {
        if bytes.is_empty() {
            return Ok(());
        }
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        poll_fn(|context| {
            let bound = self.bound.get().saturating_sub(length).saturating_add(1);
            self.poll_sent(Some(context), MOST_SENDS - 1, bound)
        })
        .await?;
        self.submit(net, socket, bytes)
    }

    /// Writes at least one byte of the pieces, one after the other, and returns how many.
    pub fn poll_write(
        &self,
        net: &Net,
        socket: SocketId,
        pieces: &[&[u8]],
        context: Option<&Context<'_>>,
    ) -> Poll<Result<usize, Error>> {
        let bytes = pieces.iter().map(|piece| piece.len()).sum();
        if bytes == 0 {
            return Poll::Ready(Ok(0));
        }
        let mut buffer = ready!(self.poll_reserve(net, bytes, context))?;
        for piece in pieces {
            if buffer.append(piece) < piece.len() {
                break;
            }
        }
        let count = buffer.len();
        Poll::Ready(self.submit(net, socket, buffer.into()).map(|()| count))
    }

    fn submit(&self, net: &Net, socket: SocketId, bytes: Outgoing) -> Result<(), Error> {
        let (piece, source) = bytes.give_to(net)?;
        let pending = net.send(socket, piece, source, None)?;
        self.sends.borrow_mut().push_back((pending, piece.length));
        let under_way = self.unacknowledged.get() + piece.length;
        self.unacknowledged.set(under_way);
        Ok(())
    }

    /// Waits until all is acknowledged.
    pub async fn flush(&self) -> Result<(), Error> {
        poll_fn(|context| self.poll_sent(Some(context), 0, 1)).await
    }

    /// Ready when at most `most` sends with fewer than `bound` bytes are under way.
    fn poll_sent(
        &self,
        context: Option<&Context<'_>>,
        most: usize,
        bound: u32,
    ) -> Poll<Result<(), Error>> {
        let mut sends = self.sends.borrow_mut();
        loop {
            if let Some(error) = self.error.get() {
                return Poll::Ready(Err(error));
            }
            let enough = sends.len() <= most && self.unacknowledged.get() < bound;
            let Some((oldest, length)) = sends.front() else {
                return Poll::Ready(Ok(()));
            };
            // An answer that came along with another is good news, and leaves nothing behind.
            let ended = |slot: &mut Slot| {
                let told = slot.reply.as_ref().map(outcome::<Send>);
                let outcome = told.map_or(Ok(()), |told| told.map(drop));
                slot.finished.then_some(outcome)
            };
            // If it is enough, only tidies up.
            let context = context.filter(|_| !enough);
            let ended = match oldest.poll(context, ended) {
                Poll::Ready(ended) => ended,
                Poll::Pending if enough => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            };
            self.unacknowledged.set(self.unacknowledged.get() - length);
            if let Err(error) = ended {
                self.error.set(Some(error.into()));
            }
            sends.pop_front();
        }
    }
}
