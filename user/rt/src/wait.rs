//! The one blocking call.
//!
//! *Owns* what is remembered between sleeps: the kernel keeps the items of a thread's last wait, so
//! waiting for the same ones again costs by what happens and not by how many they are.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use abi::{Error, Handle, Signals, WaitFlags, WaitItem};

use crate::{clock, local::local, syscall};

/// Sleeps until an item has one of its wanted signals, and returns how many have. `deadline_ns`
/// counts from the start of the machine as [`clock::now`] does; zero only looks.
///
/// # Errors
///
/// [`Error::TimedOut`]; [`Error::BadHandle`] if an item names nothing.
pub fn wait(items: &mut [WaitItem], deadline_ns: Option<u64>) -> Result<usize, Error> {
    for item in items.iter_mut() {
        item.observed = 0;
    }
    let (seen, first) =
        ItemsName::ANY.wait(items, ticks(deadline_ns), Handle::NONE, WaitFlags::empty())?;
    abi::settle(items, seen, first);
    Ok(usize::try_from(seen).unwrap_or(usize::MAX))
}

/// Names a state of some items, so that it can be known whether they are those of the last wait.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ItemsName(u64);

local! {
    /// Whose items the thread waited for last.
    static LAST: u64 = 0;
}
/// The last name given out.
static GIVEN: AtomicU64 = AtomicU64::new(0);

impl ItemsName {
    /// Of items that will not be waited for again.
    const ANY: Self = Self(0);

    /// A name that no other items have.
    pub fn new() -> Self {
        Self(GIVEN.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Waits for items, none of which has anything observed, until the counter reaches `deadline`;
    /// rings a channel on the way to sleep. Results as the kernel gives them.
    #[inline]
    pub fn wait(
        self,
        items: &mut [WaitItem],
        deadline: u64,
        ring: Handle,
        flags: WaitFlags,
    ) -> syscall::Answer {
        let last = LAST.with(|last| core::mem::replace(last, self.0));
        let is_same = self != Self::ANY && last == self.0;
        let flags = if is_same {
            flags | WaitFlags::SAME_ITEMS
        } else {
            flags
        };
        syscall::wait(items, deadline, ring, flags)
    }
}

/// A deadline as the kernel wants it.
fn ticks(deadline_ns: Option<u64>) -> u64 {
    deadline_ns.map_or(abi::DEADLINE_NEVER, clock::ticks_at)
}

/// Items to wait for again and again: a sleep, and what ends it, cost by what has happened and not by how
/// many items there are, until they change.
pub struct WaitSet {
    items: Vec<WaitItem>,
    name: ItemsName,
    /// The last deadline, and the counter's value then: a server's next deadline is often the same.
    deadline: (Option<u64>, u64),
    /// [`WaitFlags::SERVED`], when the next sleep is to say so.
    served: WaitFlags,
}

impl WaitSet {
    /// Nothing to wait for.
    #[must_use]
    pub fn new() -> Self {
        Self {
            items: Vec::new(),
            name: ItemsName::new(),
            deadline: (None, abi::DEADLINE_NEVER),
            served: WaitFlags::empty(),
        }
    }

    /// How many items there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Forgets all items.
    pub fn clear(&mut self) {
        self.items.clear();
        self.name = ItemsName::new();
    }

    /// One more item, behind the others.
    pub fn push(&mut self, item: WaitItem) {
        self.items.push(item);
        self.name = ItemsName::new();
    }

    /// Makes the items these. Costs a comparison when they are those that it has.
    pub fn set(&mut self, items: impl IntoIterator<Item = WaitItem>) {
        let mut count = 0;
        let mut is_changed = false;
        for item in items {
            match self.items.get_mut(count) {
                Some(known) if *known == item => {}
                Some(known) => {
                    *known = item;
                    is_changed = true;
                }
                None => {
                    self.items.push(item);
                    is_changed = true;
                }
            }
            count += 1;
        }
        is_changed |= count < self.items.len();
        self.items.truncate(count);
        if is_changed {
            self.name = ItemsName::new();
        }
    }

    /// The interrupt that the last sleep told of has been served: the next one opens its line again,
    /// as [`crate::handle::Interrupt::acknowledge`] does at once. For sets with one interrupt.
    pub fn served(&mut self) {
        self.served = WaitFlags::SERVED;
    }

    /// Sleeps until an item has one of its wanted signals, and tells each that has, by its place.
    /// `ring` names a channel to ring on the way to sleep, in the same system call, or nothing.
    /// Deadline as for [`wait`].
    ///
    /// # Errors
    ///
    /// As for [`wait`].
    #[inline]
    pub fn wait_and_ring(
        &mut self,
        deadline_ns: Option<u64>,
        ring: Handle,
        mut tell: impl FnMut(usize, Signals),
    ) -> Result<(), Error> {
        if self.deadline.0 != deadline_ns {
            self.deadline = (deadline_ns, ticks(deadline_ns));
        }
        let served = core::mem::replace(&mut self.served, WaitFlags::empty());
        let deadline = self.deadline.1;
        let (seen, first) = self.name.wait(&mut self.items, deadline, ring, served)?;
        abi::settle(&mut self.items, seen, first);
        if seen == 1 {
            let index = usize::try_from(first & u64::from(u32::MAX)).unwrap_or(usize::MAX);
            if let Some(item) = self.items.get_mut(index) {
                tell(index, take(item));
            }
            return Ok(());
        }
        for (index, item) in self.items.iter_mut().enumerate() {
            if item.observed != 0 {
                tell(index, take(item));
            }
        }
        Ok(())
    }
}

impl Default for WaitSet {
    fn default() -> Self {
        Self::new()
    }
}

/// What was observed; the item is as before the wait.
fn take(item: &mut WaitItem) -> Signals {
    let signals = item.signals();
    item.observed = 0;
    signals
}

#[cfg(test)]
mod tests {
    use super::{ItemsName, WaitSet};
    use abi::{Handle, Signals, WaitItem};

    fn item(handle: u32) -> WaitItem {
        WaitItem::new(Handle(handle), Signals::DOORBELL)
    }

    #[test]
    fn a_set_has_a_new_name_when_it_changes_and_only_then() {
        let mut set = WaitSet::new();
        set.set([item(1), item(2)]);
        let named = |set: &WaitSet| set.name;
        let first = named(&set);
        set.set([item(1), item(2)]);
        assert!(named(&set) == first);
        for change in [&[item(1)][..], &[item(3)], &[item(3), item(4)]] {
            let before = named(&set);
            set.set(change.iter().copied());
            assert!(named(&set) != before);
            assert_eq!(set.items, change);
        }
        let before = named(&set);
        set.push(item(5));
        assert!(named(&set) != before && named(&set) != ItemsName::ANY);
    }
}
