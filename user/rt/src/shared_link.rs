//! A link that is part of the program's state, used by many futures at once.
//!
//! *Owns* the list of who waits. A future looks, dozes, and looks again; whoever takes messages
//! out wakes all others, because a message may be for any of them.

use alloc::vec::Vec;
use core::{
    future::{Future, poll_fn},
    pin::pin,
    task::{Poll, Waker},
};

use abi::Signals;
use ring::{Look, Message};

use crate::link::{Broken, Link};

/// A link and who waits for it.
pub struct SharedLink {
    pub link: Link,
    waiting: Vec<Waker>,
}

/// What a dozing future wants to happen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// A message comes in.
    Message,
    /// There is room to send.
    Room,
}

impl SharedLink {
    pub const fn new(link: Link) -> Self {
        Self {
            link,
            waiting: Vec::new(),
        }
    }

    /// Takes a message; the wakers are to be woken when the state is no longer borrowed.
    pub fn try_receive(&mut self) -> Result<Option<(Message, Vec<Waker>)>, Broken> {
        let message = self.link.try_receive()?;
        Ok(message.map(|message| (message, core::mem::take(&mut self.waiting))))
    }
}

/// Sleeps until the link may have what the future wants. `with` lends the link; it is not
/// borrowed during the sleep.
pub async fn doze(with: impl Fn(&mut dyn FnMut(&mut SharedLink)), what: For) {
    let mut look = Look::MoreWork;
    let mut signal = None;
    with(&mut |shared| {
        look = match what {
            For::Message => shared.link.announce_sleep(),
            For::Room => shared.link.announce_sleep_until_room(),
        };
        signal = Some(shared.link.signal());
    });
    let Some(signal) = signal.filter(|_| look == Look::Sleep) else {
        return;
    };
    let mut signal = pin!(signal);
    let mut slept = false;
    let seen = poll_fn(|context| {
        if let Poll::Ready(seen) = signal.as_mut().poll(context) {
            return Poll::Ready(seen);
        }
        if core::mem::replace(&mut slept, true) {
            // Woken by whoever took messages out meanwhile.
            return Poll::Ready(Signals::empty());
        }
        with(&mut |shared| shared.waiting.push(context.waker().clone()));
        Poll::Pending
    })
    .await;
    with(&mut |shared| {
        shared.link.awake();
        shared.link.observe(seen);
    });
}
