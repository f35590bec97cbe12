//! What sleeping tasks wait for: signals of objects, and moments.
//!
//! *Owns* the list of registrations and the one call of [`crate::wait`] that the executor makes
//! when no task can run. *Never* runs a task. A wake-up may be spurious: who was woken looks again.

use alloc::vec::Vec;
use core::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use abi::{Error, Handle, MAX_WAIT_ITEMS, Signals, WaitItem};

use crate::{clock, local::local};

/// One sleeping future.
struct Registration {
    ticket: u64,
    what: What,
    waker: Waker,
}

/// What ends its sleep.
#[derive(Clone, Copy)]
enum What {
    /// One of these signals.
    Signal {
        handle: Handle,
        wanted: Signals,
        seen: Signals,
    },
    /// A moment in nanoseconds since start.
    Moment(u64),
}

/// All registrations of the program.
struct Reactor {
    registrations: Vec<Registration>,
    items: Vec<WaitItem>,
    tickets: u64,
}

local! {
    /// The program's reactor.
    static REACTOR: Reactor = Reactor {
        registrations: Vec::new(),
        items: Vec::new(),
        tickets: 0,
    };
}

impl Reactor {
    /// Fills the items to wait for, one for each object: a latched signal is reported once, to
    /// be shared out among all who wait for it. Returns the earliest moment.
    fn collect(&mut self) -> Option<u64> {
        self.items.clear();
        let mut earliest: Option<u64> = None;
        for registration in &self.registrations {
            match registration.what {
                What::Moment(at) => {
                    earliest = Some(earliest.map_or(at, |earliest| earliest.min(at)));
                }
                What::Signal { handle, wanted, .. } => {
                    let known = self.items.iter_mut().find(|item| item.handle == handle.0);
                    if let Some(item) = known {
                        item.wanted |= wanted.bits();
                    } else if self.items.len() < MAX_WAIT_ITEMS {
                        self.items.push(WaitItem::new(handle, wanted));
                    } else {
                        // More objects than one call takes: the rest is looked at soon.
                        earliest = Some(clock::now() + 1_000_000);
                    }
                }
            }
        }
        earliest
    }

    /// Tells the registrations what `items` observed and the time, and wakes those concerned.
    fn share_out(&mut self, items: &[WaitItem], now: u64) {
        for registration in &mut self.registrations {
            match &mut registration.what {
                What::Moment(at) => {
                    if *at <= now {
                        registration.waker.wake_by_ref();
                    }
                }
                What::Signal {
                    handle,
                    wanted,
                    seen,
                } => {
                    let item = items.iter().find(|item| item.handle == handle.0);
                    let fresh = item.map_or(Signals::empty(), |item| item.signals() & *wanted);
                    if !fresh.is_empty() {
                        *seen |= fresh;
                        registration.waker.wake_by_ref();
                    }
                }
            }
        }
    }
}

/// Sleeps until something that a future waits for happens; with `block` false only looks.
pub fn turn(block: bool) {
    // The items leave the reactor while the process sleeps in the kernel.
    let (mut items, deadline) = REACTOR.with(|reactor| {
        let deadline = reactor.collect();
        (core::mem::take(&mut reactor.items), deadline)
    });
    let until = if block { deadline } else { Some(0) };
    match crate::wait(&mut items, until) {
        Ok(_) => {}
        Err(Error::TimedOut) => items.iter_mut().for_each(|item| item.observed = 0),
        Err(_) => items.iter_mut().for_each(look_alone),
    }
    // Nobody asks for the time where nobody waits for a moment.
    let now = deadline.map_or(0, |_| clock::now());
    REACTOR.with(|reactor| {
        reactor.share_out(&items, now);
        reactor.items = items;
    });
}

/// After a wait that failed because of one of its items: looks at one item alone. What is no
/// object any more signals everything, so that who waits for it looks and finds out.
fn look_alone(item: &mut WaitItem) {
    match crate::wait(core::slice::from_mut(item), Some(0)) {
        Ok(_) => {}
        Err(Error::TimedOut) => item.observed = 0,
        Err(_) => {
            item.observed = item.wanted;
            #[cfg(not(target_os = "none"))]
            std::thread::yield_now();
        }
    }
}

/// A future's place among the registrations; gives it up when dropped.
struct Sleeper {
    ticket: Option<u64>,
    what: What,
}

impl Sleeper {
    const fn new(what: What) -> Self {
        Self { ticket: None, what }
    }

    /// Takes the signals that were seen since the last call, and renews the waker; registers at the
    /// first call.
    fn renew(&mut self, waker: &Waker) -> Signals {
        REACTOR.with(|reactor| {
            let known = self.ticket.and_then(|ticket| {
                reactor
                    .registrations
                    .iter_mut()
                    .find(|known| known.ticket == ticket)
            });
            if let Some(known) = known {
                known.waker.clone_from(waker);
                return match &mut known.what {
                    What::Signal { seen, .. } => core::mem::replace(seen, Signals::empty()),
                    What::Moment(_) => Signals::empty(),
                };
            }
            reactor.tickets += 1;
            self.ticket = Some(reactor.tickets);
            reactor.registrations.push(Registration {
                ticket: reactor.tickets,
                what: self.what,
                waker: waker.clone(),
            });
            Signals::empty()
        })
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        // Dropped outside of the reactor: a waker may own a task whose futures sleep here too.
        let _gone = REACTOR.with(|reactor| {
            let place = reactor
                .registrations
                .iter()
                .position(|known| known.ticket == ticket);
            place.map(|place| reactor.registrations.swap_remove(place))
        });
    }
}

/// Waits for one of `wanted` on an object, and tells which were seen. May report all of them when
/// the object is gone. Polled again, it waits for the next time; what is seen in between is kept for
/// that.
pub fn signalled(handle: Handle, wanted: Signals) -> Signalled {
    Signalled(Sleeper::new(What::Signal {
        handle,
        wanted,
        seen: Signals::empty(),
    }))
}

/// Future of [`signalled`].
#[must_use = "futures do nothing unless awaited"]
pub struct Signalled(Sleeper);

impl Future for Signalled {
    type Output = Signals;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Signals> {
        match self.0.renew(context.waker()) {
            seen if seen.is_empty() => Poll::Pending,
            seen => Poll::Ready(seen),
        }
    }
}

/// Waits for a moment in nanoseconds since start.
pub const fn moment(at: u64) -> Moment {
    Moment(at, Sleeper::new(What::Moment(at)))
}

/// Future of [`moment`].
#[must_use = "futures do nothing unless awaited"]
pub struct Moment(u64, Sleeper);

impl Future for Moment {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if clock::now() >= self.0 {
            return Poll::Ready(());
        }
        self.1.renew(context.waker());
        Poll::Pending
    }
}
