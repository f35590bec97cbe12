//! One end of a channel with its rings: messages in and out, doorbells when they are asked for.
//!
//! *Owns* the order of steps: publish, ask whether the peer sleeps, ring; announce sleep, look
//! again, wait. *Never* looks into a message.

use abi::{Error, Handle, Signals, WaitItem};
use ring::{Endpoint, Full, Look, Message, Side, Wish};

use alloc::rc::Weak;
use core::{
    pin::Pin,
    task::{Context, Poll},
};

use crate::{
    attend::{self, Attend},
    bell::{Bells, Listener},
    executor::block_on,
    handle::{Channel, OwnedHandle, SendHandleError},
    reactor::{Signalled, ring_soon, signalled},
    wait::ItemsName,
};

/// Why nothing more can be exchanged with the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// The other end is closed, and every message of it has been taken.
    Closed,
    /// The peer broke the rules of the ring.
    Violation,
}

impl core::fmt::Display for Broken {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Closed => "other end closed",
            Self::Violation => "peer broke the rules of the ring",
        })
    }
}

impl core::error::Error for Broken {}

/// A connected end.
pub struct Link {
    endpoint: Endpoint,
    /// `None` within one process.
    channel: Option<Channel>,
    /// Within one process: in place of the channel's doorbell.
    bells: Option<Bells>,
    closed: bool,
    /// What a sleep for this link alone waits for.
    item: WaitItem,
    item_name: ItemsName,
}

/// What a link's sleeper wants to know.
const WANTED: Signals = Signals::DOORBELL.union(Signals::PEER_CLOSED);

impl Link {
    /// A new channel whose rings have at least `slots` slots: our end, and the handle for the
    /// peer.
    ///
    /// # Errors
    ///
    /// As [`Channel::create`] and [`Channel::map`].
    pub fn create(slots: usize) -> Result<(Self, Channel), Error> {
        let (channel, peer) = Channel::create(ring::region_bytes(slots))?;
        Ok((Self::attach(channel, Side::Creator)?, peer))
    }

    /// Takes the end that somebody else created and sent.
    ///
    /// # Errors
    ///
    /// As [`Channel::map`].
    pub fn adopt(channel: Channel) -> Result<Self, Error> {
        Self::attach(channel, Side::Peer)
    }

    fn attach(channel: Channel, side: Side) -> Result<Self, Error> {
        let endpoint = channel.map(side)?;
        Ok(Self::over(endpoint, Some(channel), None))
    }

    fn over(endpoint: Endpoint, channel: Option<Channel>, bells: Option<Bells>) -> Self {
        let handle = channel.as_ref().map_or(Handle::NONE, Channel::raw);
        Self {
            endpoint,
            channel,
            bells,
            closed: false,
            item: WaitItem::new(handle, WANTED),
            item_name: ItemsName::new(),
        }
    }

    /// Both ends within this process: creator, peer.
    #[must_use]
    pub fn pair(slots: usize) -> (Self, Self) {
        let (creator, peer) = Endpoint::pair(slots);
        let (ours, theirs) = Bells::pair();
        (
            Self::over(creator, None, Some(ours)),
            Self::over(peer, None, Some(theirs)),
        )
    }

    /// An end whose peer is gone.
    pub(crate) fn unconnected() -> Self {
        let (mut link, _) = Self::pair(1);
        link.closed = true;
        link
    }

    /// Writes a message without waking the peer: for batches, to be followed by [`Self::flush`].
    ///
    /// # Errors
    ///
    /// [`Full`]; [`Self::wait_room`] waits.
    pub fn push(&mut self, message: &Message) -> Result<(), Full> {
        self.endpoint.tx.push(message)
    }

    /// As [`Self::push`], for what need not wake a peer that waits for
    /// [urgent](Wish::Urgent) messages only.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn push_quiet(&mut self, message: &Message) -> Result<(), Full> {
        self.endpoint.tx.push_quiet(message)
    }

    /// Rings the doorbell if the peer sleeps and something is new for it: messages pushed, or room
    /// made, since the last time.
    pub fn flush(&mut self) {
        if self.needs_ring() {
            self.ring();
        }
    }

    /// Whether [`Self::flush`] would ring. Who asks rings, at the latest with the next sleep: it is
    /// said only once.
    #[must_use]
    pub fn needs_ring(&mut self) -> bool {
        self.endpoint.tx.needs_doorbell() | self.endpoint.rx.needs_doorbell()
    }

    /// Writes a message and wakes the peer if it sleeps.
    ///
    /// # Errors
    ///
    /// [`Full`].
    pub fn send(&mut self, message: &Message) -> Result<(), Full> {
        self.push(message)?;
        if self.endpoint.tx.needs_doorbell() {
            self.ring();
        }
        Ok(())
    }

    /// Rings unconditionally: for a handle that waits, which the ring does not show.
    pub fn ring(&mut self) {
        if let Some(bells) = &self.bells {
            bells.ring();
        }
        if let Some(channel) = &self.channel
            && channel.ring() == Err(Error::PeerClosed)
        {
            self.closed = true;
        }
    }

    /// As [`Self::ring`], at the latest on the way to the next sleep of the program: cheaper than at
    /// once.
    pub fn ring_soon(&mut self) {
        match &self.channel {
            Some(channel) => ring_soon(channel.raw()),
            None => self.ring(),
        }
    }

    /// Takes a message if there is one; wakes a peer that waits for room.
    ///
    /// # Errors
    ///
    /// [`Broken`].
    pub fn try_receive(&mut self) -> Result<Option<Message>, Broken> {
        let mut message = Message::ZERO;
        Ok(self.try_receive_into(&mut message)?.then_some(message))
    }

    /// As [`Self::try_receive`], into a message that the caller has.
    ///
    /// # Errors
    ///
    /// [`Broken`].
    #[inline]
    pub fn try_receive_into(&mut self, message: &mut Message) -> Result<bool, Broken> {
        let is_there = self.take_into(message)?;
        if self.endpoint.rx.needs_doorbell() {
            self.ring();
        }
        Ok(is_there)
    }

    /// As [`Self::try_receive_into`], without waking a peer that waits for room: for batches, to be followed by
    /// [`Self::flush`].
    ///
    /// # Errors
    ///
    /// [`Broken`].
    #[inline]
    pub fn take_into(&mut self, message: &mut Message) -> Result<bool, Broken> {
        match self.endpoint.rx.pop_into(message) {
            Ok(true) => Ok(true),
            Ok(false) if self.closed => Err(Broken::Closed),
            Ok(false) => Ok(false),
            Err(ring::Violation) => Err(Broken::Violation),
        }
    }

    /// Waits for a message.
    ///
    /// # Errors
    ///
    /// [`Broken`].
    pub async fn receive(&mut self) -> Result<Message, Broken> {
        loop {
            if let Some(message) = self.try_receive()? {
                return Ok(message);
            }
            self.readable().await;
        }
    }

    /// [`Self::receive`] for programs without tasks: sleeps in the kernel at once, without a turn
    /// of the executor.
    ///
    /// # Errors
    ///
    /// [`Broken`].
    pub fn receive_blocking(&mut self) -> Result<Message, Broken> {
        let mut message = Message::ZERO;
        self.receive_blocking_into(&mut message)?;
        Ok(message)
    }

    /// As [`Self::receive_blocking`], into a message that the caller has. A doorbell that is due for
    /// messages [pushed](Self::push) before is rung in the system call that sleeps: together they
    /// are the quickest way to ask and be answered, and to answer and be asked.
    ///
    /// # Errors
    ///
    /// [`Broken`].
    #[inline]
    pub fn receive_blocking_into(&mut self, message: &mut Message) -> Result<(), Broken> {
        loop {
            let is_there = self.try_receive_into(message)?;
            let is_ring_due = self.endpoint.tx.needs_doorbell();
            if is_there || self.announce_sleep() == Look::MoreWork {
                if is_ring_due {
                    self.ring();
                }
                if is_there {
                    return Ok(());
                }
            } else {
                self.sleep(is_ring_due);
            }
        }
    }

    /// Sleeps until the doorbell rings or the peer goes, after sleep was announced.
    #[inline]
    fn sleep(&mut self, is_ring_due: bool) {
        let ring = if is_ring_due {
            self.handle()
        } else {
            Handle::NONE
        };
        let items = core::slice::from_mut(&mut self.item);
        match self
            .item_name
            .wait(items, abi::DEADLINE_NEVER, ring, abi::WaitFlags::empty())
        {
            Ok((_, first)) => {
                abi::settle(items, 1, first);
                let observed = self.item.signals();
                self.item.observed = 0;
                self.observe(observed);
            }
            // A handle that names nothing any more is as good as closed.
            Err(_) => self.closed = true,
        }
        self.endpoint.rx.awake();
    }

    /// Waits until there may be something to receive, or the link is broken.
    pub async fn readable(&mut self) {
        if self.announce_sleep() == Look::MoreWork {
            return;
        }
        self.doorbell().await;
        self.awake();
    }

    /// Waits until a message can be pushed, or the link is broken.
    ///
    /// # Errors
    ///
    /// [`Broken`].
    pub async fn wait_room(&mut self) -> Result<(), Broken> {
        loop {
            if self.endpoint.tx.violated() {
                return Err(Broken::Violation);
            }
            if self.closed {
                return Err(Broken::Closed);
            }
            if self.endpoint.tx.announce_sleep() == Look::MoreWork {
                return Ok(());
            }
            self.doorbell().await;
            self.endpoint.tx.awake();
        }
    }

    /// Writes a message, waiting for room if need be.
    ///
    /// # Errors
    ///
    /// [`Broken`].
    pub async fn send_wait(&mut self, message: &Message) -> Result<(), Broken> {
        while self.send(message) == Err(Full) {
            self.wait_room().await?;
        }
        if self.closed {
            Err(Broken::Closed)
        } else {
            Ok(())
        }
    }

    /// [`Self::send_wait`] for programs without tasks.
    ///
    /// # Errors
    ///
    /// [`Broken`].
    pub fn send_blocking(&mut self, message: &Message) -> Result<(), Broken> {
        block_on(self.send_wait(message))
    }

    /// Free slots towards the peer.
    pub fn room(&mut self) -> usize {
        self.endpoint.tx.room()
    }

    /// Before sleeping in a loop of one's own: asks for a doorbell and looks once more.
    pub fn announce_sleep(&mut self) -> Look {
        self.announce_sleep_for(Wish::Anything)
    }

    /// As [`Self::announce_sleep`], with a choice of what the doorbell is wanted for.
    pub fn announce_sleep_for(&mut self, wish: Wish) -> Look {
        if self.closed {
            return Look::MoreWork;
        }
        self.endpoint.rx.announce_sleep_for(wish)
    }

    /// As [`Self::announce_sleep`], also asking for a doorbell when there is room to send.
    pub fn announce_sleep_for_room(&mut self) -> Look {
        match self.endpoint.tx.announce_sleep() {
            Look::Sleep => self.announce_sleep(),
            Look::MoreWork => Look::MoreWork,
        }
    }

    /// As [`Self::announce_sleep`], asking only for a doorbell when there is room to send: for a
    /// server that takes no request before it can send the reply.
    pub fn announce_sleep_until_room(&mut self) -> Look {
        if self.closed {
            return Look::MoreWork;
        }
        self.endpoint.tx.announce_sleep()
    }

    /// After sleeping in a loop of one's own.
    pub fn awake(&mut self) {
        self.endpoint.rx.awake();
        self.endpoint.tx.awake();
    }

    /// What a loop of one's own waits for.
    #[must_use]
    pub fn wait_item(&self) -> WaitItem {
        WaitItem::new(self.handle(), WANTED)
    }

    /// What tasks wait for: doorbells, and the end of the peer. Polled again after it was ready, it
    /// waits for the next.
    pub fn signal(&self) -> Signal {
        Signal(match &self.bells {
            Some(bells) => Source::Bell(bells.listener()),
            None => Source::Kernel(signalled(self.handle(), WANTED)),
        })
    }

    /// Has an [attendant](crate::attend) see what happens to the link.
    pub fn attended_by(&self, who: Weak<dyn Attend>) {
        attend::enter(who, self.handle(), WANTED);
    }

    /// Within one process: what has been heard since the last time. Of other links their attendant is told.
    pub fn heard(&self) -> Signals {
        self.bells.as_ref().map_or(Signals::empty(), Bells::heard)
    }

    /// Tells what such a wait observed.
    pub fn observe(&mut self, signals: Signals) {
        self.closed |= signals.contains(Signals::PEER_CLOSED);
    }

    /// The handle; [`Handle::NONE`] for [`Self::pair`].
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.channel.as_ref().map_or(Handle::NONE, Channel::raw)
    }

    /// The peer broke the rules of a ring once.
    #[must_use]
    pub const fn is_violated(&self) -> bool {
        self.endpoint.tx.violated() || self.endpoint.rx.violated()
    }

    /// The other end is known to be closed. Messages may still be waiting.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Moves a handle into the peer's queue. The message that belongs to it is sent afterwards.
    ///
    /// # Errors
    ///
    /// As [`Channel::send_handle`].
    pub fn send_handle(&mut self, handle: OwnedHandle, tag: u64) -> Result<(), SendHandleError> {
        match &self.channel {
            Some(channel) => channel.send_handle(handle, tag),
            None => Err((handle, Error::NotSupported)),
        }
    }

    /// Takes the oldest handle of our queue.
    ///
    /// # Errors
    ///
    /// As [`Channel::receive_handle`].
    pub fn receive_handle(&mut self) -> Result<(OwnedHandle, u64), Error> {
        self.channel
            .as_ref()
            .ok_or(Error::NotSupported)?
            .receive_handle()
    }

    /// Sleeps until the doorbell rings or the peer goes.
    async fn doorbell(&mut self) {
        let seen = self.signal().await;
        self.observe(seen);
    }
}

/// Future of [`Link::signal`].
#[must_use = "futures do nothing unless awaited"]
pub struct Signal(Source);

/// Where the signals come from.
enum Source {
    Kernel(Signalled),
    Bell(Listener),
}

impl Future for Signal {
    type Output = Signals;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Signals> {
        match &mut self.0 {
            Source::Kernel(signalled) => Pin::new(signalled).poll(context),
            Source::Bell(listener) => listener.poll(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Broken, Link};
    use crate::{block_on, spawn};
    use ring::{Full, Look, Message};

    fn message(number: u64) -> Message {
        let mut message = Message::ZERO;
        message.words_mut().fill(number);
        message
    }

    #[test]
    fn tasks_wait_for_messages_and_for_room() {
        let (mut a, mut b) = Link::pair(2);
        let sender = spawn(async move {
            for number in 0..50 {
                a.send_wait(&message(number)).await.unwrap();
            }
            a
        });
        block_on(async {
            for number in 0..50 {
                assert_eq!(b.receive().await, Ok(message(number)));
            }
            sender.await;
        });
    }

    #[test]
    fn what_was_sent_before_the_end_is_received() {
        let (mut a, mut b) = Link::pair(4);
        a.send(&message(1)).unwrap();
        b.observe(abi::Signals::PEER_CLOSED);
        assert_eq!(b.announce_sleep(), Look::MoreWork, "nobody will ring");
        assert_eq!(b.try_receive(), Ok(Some(message(1))));
        assert_eq!(b.try_receive(), Err(Broken::Closed));
        assert_eq!(block_on(b.send_wait(&message(2))), Err(Broken::Closed));
    }

    #[test]
    fn a_full_ring_refuses() {
        let (mut a, _b) = Link::pair(1);
        assert_eq!(a.room(), 1);
        a.send(&message(1)).unwrap();
        assert_eq!(a.send(&message(2)), Err(Full));
    }
}
