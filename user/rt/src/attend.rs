//! Who is asked before the program sleeps.
//!
//! *Owns* the list of them, one for each thread, and what their objects have signalled. An attendant is no
//! task: it is not scheduled, costs no turn of the executor, and finds out by itself whether it has
//! anything to do. *Never* calls one while the list is borrowed: they come and go, and ring, as they like.

use alloc::{rc::Weak, vec::Vec};

use abi::{Handle, Signals};

use crate::local::local;

/// Somebody who moves what tasks ask for and are answered.
pub trait Attend {
    /// Does what there is to do. `seen` is what has been seen at its object since the last time; `may_sleep`
    /// says that no task can run: the thread sleeps next, if nobody has anything against it.
    fn attend(&self, seen: Signals, may_sleep: bool) -> Next;
}

/// What an attendant answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing is to be done until its object signals, or a task wants something of it.
    Sleep,
    /// Something was done: tasks may have been woken, or there is more.
    Again,
    /// It has nothing to do any more, ever; tasks may have been woken.
    Leave,
}

/// An attendant and its object.
struct Entry {
    who: Weak<dyn Attend>,
    handle: Handle,
    wanted: Signals,
    seen: Signals,
}

local! {
    /// The thread's.
    static ATTENDANTS: Vec<Entry> = Vec::new();
}

/// From now on `who` is asked, and one of the `wanted` signals of an object ends a sleep; [`Handle::NONE`] for
/// one without an object.
pub fn enter(who: Weak<dyn Attend>, handle: Handle, wanted: Signals) {
    let seen = Signals::empty();
    ATTENDANTS.with(|all| {
        all.push(Entry {
            who,
            handle,
            wanted,
            seen,
        });
    });
    crate::reactor::relist();
}

/// It is about to end: its object is not waited for any more. (On the host also when the thread ends, and
/// the list is gone.)
pub fn leave(who: *const ()) {
    let mut gone = None;
    ATTENDANTS.try_with(|all| {
        let position = all
            .iter()
            .position(|entry| entry.who.as_ptr().cast() == who);
        gone = position.map(|place| all.swap_remove(place));
    });
    if gone.is_some() {
        crate::reactor::relist();
    }
}

/// Asks all of them. True when one has done something.
pub fn ask(may_sleep: bool) -> bool {
    let mut is_again = false;
    let mut place = 0;
    while let Some((who, seen)) = at(place) {
        match who.upgrade().map(|who| who.attend(seen, may_sleep)) {
            Some(Next::Again) => is_again = true,
            Some(Next::Sleep) => {}
            gone => {
                // The last that it did may have been to wake everybody.
                is_again |= gone.is_some();
                leave(who.as_ptr().cast());
                continue;
            }
        }
        place += 1;
    }
    is_again
}

fn at(place: usize) -> Option<(Weak<dyn Attend>, Signals)> {
    ATTENDANTS.with(|all| {
        let entry = all.get_mut(place)?;
        let seen = core::mem::replace(&mut entry.seen, Signals::empty());
        Some((Weak::clone(&entry.who), seen))
    })
}

/// What they wait for.
pub fn each_object(mut tell: impl FnMut(Handle, Signals)) {
    ATTENDANTS.with(|all| {
        let objects = all.iter().filter(|entry| entry.handle != Handle::NONE);
        objects.for_each(|entry| tell(entry.handle, entry.wanted));
    });
}

/// Something was seen at an object.
pub fn note(handle: u32, observed: Signals) {
    ATTENDANTS.with(|all| {
        for entry in all.iter_mut().filter(|entry| entry.handle.0 == handle) {
            entry.seen |= observed & entry.wanted;
        }
    });
}

#[cfg(test)]
mod tests {
    use alloc::rc::{Rc, Weak};
    use core::cell::Cell;

    use abi::{Handle, Signals};

    use super::{Attend, Next, enter};
    use crate::{block_on, executor::yield_now, spawn};

    /// Wakes a task when it is asked for the third time that the thread would sleep.
    struct Counting {
        asked: Cell<u32>,
        /// That others go on meanwhile.
        passed: Cell<u32>,
        waker: Cell<Option<core::task::Waker>>,
    }

    impl Attend for Counting {
        fn attend(&self, _: Signals, may_sleep: bool) -> Next {
            self.asked.set(self.asked.get() + u32::from(may_sleep));
            if self.asked.get() == 3
                && let Some(waker) = self.waker.take()
            {
                waker.wake();
                return Next::Leave;
            }
            if may_sleep {
                return Next::Again;
            }
            self.passed.set(self.passed.get() + 1);
            Next::Sleep
        }
    }

    #[test]
    fn an_attendant_is_asked_before_a_sleep_until_it_leaves() {
        let counting = Rc::new(Counting {
            asked: Cell::new(0),
            passed: Cell::new(0),
            waker: Cell::new(None),
        });
        let who: Weak<dyn Attend> = Rc::downgrade(&counting) as Weak<dyn Attend>;
        enter(who, Handle::NONE, Signals::empty());
        // It is not asked for tasks that can run.
        block_on(async {
            spawn(yield_now()).await;
        });
        assert_eq!(counting.asked.get(), 0);
        assert_eq!(counting.passed.get(), 1, "what was asked for is passed on");
        block_on(core::future::poll_fn(|context| {
            if counting.asked.get() == 3 {
                return core::task::Poll::Ready(());
            }
            counting.waker.set(Some(context.waker().clone()));
            core::task::Poll::Pending
        }));
        assert_eq!(counting.asked.get(), 3);
        block_on(crate::time::sleep(core::time::Duration::from_millis(1)));
        assert_eq!(counting.asked.get(), 3, "it has left");
    }

    struct Leaving;

    impl Attend for Leaving {
        fn attend(&self, _: Signals, _: bool) -> Next {
            Next::Leave
        }
    }

    #[test]
    fn nobody_sleeps_over_what_one_did_last() {
        let leaving = Rc::new(Leaving);
        enter(
            Rc::<Leaving>::downgrade(&leaving),
            Handle::NONE,
            Signals::empty(),
        );
        assert!(super::ask(true));
        assert!(!super::ask(true), "it has left");
        // One that is gone did nothing.
        let who: Weak<dyn Attend> = Rc::<Leaving>::downgrade(&leaving);
        enter(who, Handle::NONE, Signals::empty());
        drop(leaving);
        assert!(!super::ask(true));
    }
}
