//! The sending side of a connection: what is under way until the peer has acknowledged it.
//!
//! *Owns* the bound on the sends, which the session counts: bytes lie in the arena until they are acknowledged, so a
//! program that writes faster than its peer reads is held up here and uses no more of the arena than
//! the bound.

use core::cell::Cell;
use core::future::poll_fn;
use core::task::{Context, Poll, ready};

use protocol::SocketId;

use crate::blocks::UNIT;
use crate::buffer::{Buffer, Outgoing};
use crate::error::Error;
use crate::net::Net;

/// Bytes of one send.
const LARGEST_SEND: u32 = 32 * 1024;
/// Bytes that may wait for their acknowledgement.
const BOUND: u32 = 256 * 1024;
/// Sends that may wait for their acknowledgement.
const MOST_SENDS: u32 = 32;

/// What a connection sends.
pub struct Sending {
    /// Where the session books it; none once the socket is closed.
    account: Cell<Option<u32>>,
    /// How much may wait for its acknowledgement.
    bound: Cell<u32>,
}

impl Sending {
    /// Nothing is under way.
    pub fn new(net: &Net) -> Self {
        Self {
            account: Cell::new(Some(net.session().open_account())),
            bound: Cell::new(BOUND),
        }
    }

    /// The program chooses how much may wait for its acknowledgement; zero: nothing in particular.
    pub fn set_bound(&self, bytes: u32) {
        self.bound.set(if bytes > 0 { bytes } else { BOUND });
    }

    /// The socket is closed: the sends end by themselves.
    pub fn leave(&self, net: &Net) {
        if let Some(account) = self.account.take() {
            net.session().leave_account(account);
        }
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
        ready!(self.poll_sent(net, context, MOST_SENDS - 1, bound))?;
        let most = LARGEST_SEND.min(share);
        // One send may exceed the bound, several together may not.
        let account = self.account.get();
        let owed = account.map_or(0, |account| net.session().owed_bytes(account));
        let most = match owed {
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
            self.poll_sent(net, Some(context), MOST_SENDS - 1, bound)
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
        let account = self.account.get().ok_or(Error::Closed)?;
        let given = bytes.give_to(net)?;
        net.session().submit_booked(account, socket, given)
    }

    /// Waits until all is acknowledged.
    pub async fn flush(&self, net: &Net) -> Result<(), Error> {
        poll_fn(|context| self.poll_sent(net, Some(context), 0, 1)).await
    }

    /// Ready when at most `most` sends with fewer than `bound` bytes are under way.
    fn poll_sent(
        &self,
        net: &Net,
        context: Option<&Context<'_>>,
        most: u32,
        bound: u32,
    ) -> Poll<Result<(), Error>> {
        let Some(account) = self.account.get() else {
            return Poll::Ready(Err(Error::Closed));
        };
        let mut session = net.session();
        session.poll_account(account, (most, bound), context)
    }
}
