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

use crate::{WaitSet, attend, clock, local::local};

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
    /// What is waited for, one item for each object.
    items: Vec<WaitItem>,
    /// The same, as the kernel knows it; made at first use.
    set: Option<WaitSet>,
    /// Registrations have come or gone since `items` was made.
    is_stale: bool,
    /// There are more objects than one call takes.
    is_crowded: bool,
    /// A channel that is to be rung.
    ring: Handle,
    tickets: u64,
}

local! {
    /// The program's reactor.
    static REACTOR: Reactor = Reactor {
        registrations: Vec::new(),
        items: Vec::new(),
        set: None,
        is_stale: false,
        is_crowded: false,
        ring: Handle::NONE,
        tickets: 0,
    };
}

impl Reactor {
    /// Lists what is waited for, if it has changed: a latched signal is reported once, to be shared
    /// out among all who wait for it. Returns the set, and the earliest moment.
    fn collect(&mut self) -> (WaitSet, Option<u64>) {
        let mut set = self.set.take().unwrap_or_default();
        if core::mem::take(&mut self.is_stale) {
            self.list();
            set.set(self.items.iter().copied());
        }
        let moments =
            self.registrations
                .iter()
                .filter_map(|registration| match registration.what {
                    What::Moment(at) => Some(at),
                    What::Signal { .. } => None,
                });
        // More objects than one call takes: the rest is looked at soon.
        let soon = self.is_crowded.then(|| clock::now() + 1_000_000);
        (set, moments.chain(soon).min())
    }

    fn list(&mut self) {
        self.items.clear();
        self.is_crowded = false;
        attend::each_object(|handle, wanted| self.items.push(WaitItem::new(handle, wanted)));
        self.items.truncate(MAX_WAIT_ITEMS);
        for registration in &self.registrations {
            let What::Signal { handle, wanted, .. } = registration.what else {
                continue;
            };
            let known = self.items.iter_mut().find(|item| item.handle == handle.0);
            if let Some(item) = known {
                item.wanted |= wanted.bits();
            } else if self.items.len() < MAX_WAIT_ITEMS {
                self.items.push(WaitItem::new(handle, wanted));
            } else {
                self.is_crowded = true;
            }
        }
        // Who found no place comes first the next time.
        self.is_stale = self.is_crowded;
        if self.is_crowded {
            self.registrations.rotate_left(MAX_WAIT_ITEMS / 2);
        }
    }

    /// Tells the registrations what the item at `place` observed, and wakes those concerned.
    fn share_out(&mut self, place: usize, observed: Signals) {
        let Some(item) = self.items.get(place) else {
            return;
        };
        attend::note(item.handle, observed);
        for registration in &mut self.registrations {
            if let What::Signal {
                handle,
                wanted,
                seen,
            } = &mut registration.what
                && handle.0 == item.handle
                && wanted.intersects(observed)
            {
                *seen |= observed & *wanted;
                registration.waker.wake_by_ref();
            }
        }
    }

    /// Wakes those whose moment has come.
    fn pass(&mut self, now: u64) {
        for registration in &mut self.registrations {
            if let What::Moment(at) = registration.what
                && at <= now
            {
                registration.waker.wake_by_ref();
            }
        }
    }
}

/// Attendants have come or gone.
pub fn relist() {
    REACTOR.try_with(|reactor| reactor.is_stale = true);
}

/// Sleeps until something that a future waits for happens; with `block` false only looks.
pub fn turn(block: bool) {
    // The set leaves the reactor while the process sleeps in the kernel.
    let (mut set, deadline, ring) = REACTOR.with(|reactor| {
        let (set, deadline) = reactor.collect();
        (set, deadline, take_ring(reactor))
    });
    let until = if block { deadline } else { Some(0) };
    let share_out = |place, observed| REACTOR.with(|reactor| reactor.share_out(place, observed));
    match set.wait_and_ring(until, ring, share_out) {
        Ok(()) | Err(Error::TimedOut) => {}
        Err(_) => {
            let items = REACTOR.with(|reactor| reactor.items.clone());
            for (place, mut item) in items.into_iter().enumerate() {
                look_alone(&mut item);
                share_out(place, item.signals());
            }
        }
    }
    // Nobody asks for the time where nobody waits for a moment.
    let now = deadline.map(|_| clock::now());
    REACTOR.with(|reactor| {
        reactor.set = Some(set);
        if let Some(now) = now {
            reactor.pass(now);
        }
    });
}

/// Rings a channel on the way to the next sleep, or before the executor does anything else than run
/// tasks: cheaper than at once.
pub fn ring_soon(channel: Handle) {
    let other = REACTOR.with(|reactor| core::mem::replace(&mut reactor.ring, channel));
    if other != channel {
        ring(other);
    }
}

/// Rings what is still to be rung.
pub fn ring_now() {
    ring(REACTOR.with(take_ring));
}

const fn take_ring(reactor: &mut Reactor) -> Handle {
    core::mem::replace(&mut reactor.ring, Handle::NONE)
}

fn ring(channel: Handle) {
    if channel != Handle::NONE {
        // A channel that is closed meanwhile has nobody who could hear it.
        _ = crate::syscall::channel_ring(channel);
    }
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
                let seen = match &mut known.what {
                    What::Signal { seen, .. } => core::mem::replace(seen, Signals::empty()),
                    What::Moment(_) => Signals::empty(),
                };
                // Who has seen something does not wait.
                if seen.is_empty() {
                    known.waker.clone_from(waker);
                }
                return seen;
            }
            reactor.tickets += 1;
            self.ticket = Some(reactor.tickets);
            reactor.is_stale |= matches!(self.what, What::Signal { .. });
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
            reactor.is_stale |= matches!(self.what, What::Signal { .. });
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

/// Future of [`crate::time::sleep_until`].
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
