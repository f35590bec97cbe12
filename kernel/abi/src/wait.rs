//! Signals and the one blocking call's argument.

use bitflags::bitflags;

bitflags! {
    /// Conditions of an object that `wait` can sleep for.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Signals: u32 {
        /// Channel: the peer rang. Latched; cleared when `wait` reports it.
        const DOORBELL = 1 << 0;
        /// Channel: a handle waits in this end's kernel-side queue. Level.
        const HANDLE = 1 << 1;
        /// Channel: the other end is closed. Level.
        const PEER_CLOSED = 1 << 2;
        /// Interrupt: the line fired and is masked until acknowledged. Level until
        /// `InterruptAcknowledge`.
        const INTERRUPT = 1 << 3;
        /// Process or thread: it ended, by itself, by a fault or killed. Level.
        const EXITED = 1 << 4;
    }
}

/// One object to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct WaitItem {
    /// The object.
    pub handle: u32,
    /// Bits of [`Signals`] that end the wait.
    pub wanted: u32,
    /// Which of `wanted` were seen. The kernel writes only what is not zero, see `Wait`.
    pub observed: u32,
    /// Zero.
    pub reserved: u32,
}

impl WaitItem {
    /// An item that waits for `wanted` on `handle`.
    #[must_use]
    pub const fn new(handle: crate::Handle, wanted: Signals) -> Self {
        Self {
            handle: handle.0,
            wanted: wanted.bits(),
            observed: 0,
            reserved: 0,
        }
    }

    /// What the kernel saw.
    #[must_use]
    pub const fn signals(&self) -> Signals {
        Signals::from_bits_truncate(self.observed)
    }
}

bitflags! {
    /// How `Wait` is meant.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct WaitFlags: u64 {
        /// Handles and wanted signals are those of the calling thread's last `Wait` at this
        /// address: the kernel may go on with what it knows of them.
        const SAME_ITEMS = 1 << 0;
        /// The interrupt that the last `Wait` reported (of several, the last) has been served: its
        /// line is unmasked, as by `InterruptAcknowledge`.
        const SERVED = 1 << 1;
    }
}

/// Notes the results of a `Wait` in its items, none of which had anything observed before. `first`
/// is what came in `x2`: the index of the only item with signals, and above it what was observed.
pub fn settle(items: &mut [WaitItem], seen: u64, first: u64) {
    if seen == 1
        && let Ok(index) = usize::try_from(first & u64::from(u32::MAX))
        && let Some(item) = items.get_mut(index)
    {
        item.observed = (first >> 32) as u32;
    }
}

/// Deadline of a wait that only a signal ends.
pub const DEADLINE_NEVER: u64 = u64::MAX;
