//! A ring between two threads of one process, for whole values: who takes one owns it.
//!
//! *Owns* the values under way. Both ends are of one program, so they trust each other, unlike those of
//! the rings in memory shared with a peer. *Never* waits, allocates after its making, or says that
//! something has come: whoever takes looks, or is told otherwise.
//!
//! | word | written by | read by |
//! | --- | --- | --- |
//! | places | giver, before it moves `given` | taker |
//! | `given` | giver | taker |
//! | `taken` | taker, after it has moved the value out | giver |
//!
//! Both count from the beginning and go round; `taken <= given <= taken + places`. Each is stored with
//! Release after what it stands for, and loaded with Acquire before.

use alloc::{boxed::Box, sync::Arc};
use core::mem::MaybeUninit;

#[cfg(loom)]
use loom::{
    cell::UnsafeCell,
    sync::atomic::{AtomicUsize, Ordering},
};
#[cfg(not(loom))]
use {
    cell::UnsafeCell,
    core::sync::atomic::{AtomicUsize, Ordering},
};

struct Ring<T> {
    places: Box<[UnsafeCell<MaybeUninit<T>>]>,
    given: AtomicUsize,
    taken: AtomicUsize,
}

// SAFETY: a place is touched by one end at a time, as the two counts say; values go from one thread to
// another, for which they are `Send`.
unsafe impl<T: Send> Send for Ring<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Ring<T> {}

/// The end that gives.
pub struct Giver<T> {
    ring: Arc<Ring<T>>,
    given: usize,
    /// As last seen.
    taken: usize,
}

/// The end that takes.
pub struct Taker<T> {
    ring: Arc<Ring<T>>,
    /// As last seen.
    given: usize,
    taken: usize,
}

/// A ring for at least so many values.
#[must_use]
pub fn handover<T: Send>(places: usize) -> (Giver<T>, Taker<T>) {
    let place = |_| UnsafeCell::new(MaybeUninit::uninit());
    let ring = Arc::new(Ring {
        places: (0..places.max(1).next_power_of_two()).map(place).collect(),
        given: AtomicUsize::new(0),
        taken: AtomicUsize::new(0),
    });
    let giver = Giver {
        ring: Arc::clone(&ring),
        given: 0,
        taken: 0,
    };
    let taker = Taker {
        ring,
        given: 0,
        taken: 0,
    };
    (giver, taker)
}

impl<T> Ring<T> {
    fn place(&self, count: usize) -> &UnsafeCell<MaybeUninit<T>> {
        &self.places[count & (self.places.len() - 1)]
    }

    /// Moves the value of a place out.
    ///
    /// # Safety
    ///
    /// It was given, has not been taken, and nobody else touches the place.
    unsafe fn move_out(&self, count: usize) -> T {
        // SAFETY: our caller vouches that there is a value and that it is ours.
        self.place(count)
            .with(|place| unsafe { place.cast::<T>().read() })
    }
}

impl<T> Giver<T> {
    /// How many values can be given at once.
    pub fn room(&mut self) -> usize {
        self.taken = self.ring.taken.load(Ordering::Acquire);
        self.ring.places.len() - self.given.wrapping_sub(self.taken)
    }

    /// Gives a value to the other end.
    ///
    /// # Errors
    ///
    /// Gives it back when there is no room.
    pub fn give(&mut self, value: T) -> Result<(), T> {
        let is_full =
            |giver: &Self| giver.given.wrapping_sub(giver.taken) == giver.ring.places.len();
        if is_full(self) && self.room() == 0 {
            return Err(value);
        }
        self.ring.place(self.given).with_mut(|place| {
            // SAFETY: the place is free, as `taken` says, and no other thread gives.
            unsafe { place.cast::<T>().write(value) };
        });
        self.given = self.given.wrapping_add(1);
        self.ring.given.store(self.given, Ordering::Release);
        Ok(())
    }
}

impl<T> Taker<T> {
    /// Whether there is nothing to take.
    pub fn is_empty(&mut self) -> bool {
        if self.taken == self.given {
            self.given = self.ring.given.load(Ordering::Acquire);
        }
        self.taken == self.given
    }

    /// Takes the oldest value.
    pub fn take(&mut self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        // SAFETY: given, as `given` says, not taken yet, and no other thread takes.
        let value = unsafe { self.ring.move_out(self.taken) };
        self.taken = self.taken.wrapping_add(1);
        self.ring.taken.store(self.taken, Ordering::Release);
        Some(value)
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        let given = self.given.load(Ordering::Acquire);
        let mut taken = self.taken.load(Ordering::Acquire);
        while taken != given {
            // SAFETY: given and never taken; both ends are gone.
            drop(unsafe { self.move_out(taken) });
            taken = taken.wrapping_add(1);
        }
    }
}

/// The standard cell with the model's way to its content.
#[cfg(not(loom))]
mod cell {
    pub struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub const fn new(value: T) -> Self {
            Self(core::cell::UnsafeCell::new(value))
        }

        #[inline]
        pub fn with<R>(&self, work: impl FnOnce(*const T) -> R) -> R {
            work(self.0.get())
        }

        #[inline]
        pub fn with_mut<R>(&self, work: impl FnOnce(*mut T) -> R) -> R {
            work(self.0.get())
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;

    use super::handover;
    use alloc::{boxed::Box, sync::Arc};
    use std::thread;

    #[test]
    fn values_come_in_order_and_no_more_than_fit() {
        let (mut giver, mut taker) = handover(3);
        for round in 0..5 {
            assert!(taker.is_empty() && taker.take().is_none());
            assert_eq!(giver.room(), 4, "a power of two");
            for value in 0..4 {
                assert_eq!(giver.give(Box::new(round * 4 + value)), Ok(()));
            }
            assert_eq!(giver.give(Box::new(77)), Err(Box::new(77)));
            assert_eq!(giver.room(), 0);
            for value in 0..4 {
                assert!(!taker.is_empty());
                assert_eq!(taker.take(), Some(Box::new(round * 4 + value)));
            }
        }
    }

    #[test]
    fn what_nobody_takes_goes_with_the_ring() {
        let value = Arc::new(());
        let (mut giver, mut taker) = handover(8);
        for _ in 0..5 {
            assert!(giver.give(Arc::clone(&value)).is_ok());
        }
        drop(taker.take());
        drop((giver, taker));
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[test]
    fn threads_hand_over_all_of_many() {
        let many = if cfg!(miri) { 200 } else { 100_000 };
        let (mut giver, mut taker) = handover(16);
        let other = thread::spawn(move || {
            for number in 0..many {
                let mut value = Box::new(number);
                while let Err(back) = giver.give(value) {
                    value = back;
                    thread::yield_now();
                }
            }
        });
        for number in 0..many {
            let value = loop {
                match taker.take() {
                    Some(value) => break value,
                    None => thread::yield_now(),
                }
            };
            assert_eq!(*value, number);
        }
        other.join().unwrap();
    }
}
