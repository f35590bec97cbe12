//! What devices do wrong, counted by name.

/// A thing that no device may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    /// The used index ran past what was provided: the ring can no longer be followed.
    Index,
    /// A used element names no buffer.
    Id,
    /// A used element names a buffer that the device does not have (any more).
    NotInFlight,
    /// The device says that it wrote more than the buffer holds, or less than a whole header.
    Length,
    /// A header contradicts its frame.
    Header,
    /// A frame has no buffer, more than any has, or more than have come.
    Buffers,
    /// The configuration space kept changing while it was read, or holds an impossible value.
    Configuration,
    /// The device said that it needs a reset, or was given up.
    NeedsReset,
}

impl Fault {
    /// How many kinds there are.
    pub const COUNT: usize = 8;
    /// All kinds, in the order of their counters.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Index,
        Self::Id,
        Self::NotInFlight,
        Self::Length,
        Self::Header,
        Self::Buffers,
        Self::Configuration,
        Self::NeedsReset,
    ];

    /// A short name for tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Index => "used-index",
            Self::Id => "used-id",
            Self::NotInFlight => "not-in-flight",
            Self::Length => "length",
            Self::Header => "header",
            Self::Buffers => "buffers",
            Self::Configuration => "configuration",
            Self::NeedsReset => "needs-reset",
        }
    }
}

/// A counter for each [`Fault`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    each: [u64; Fault::COUNT],
    total: u64,
}

impl Faults {
    /// Counts one.
    pub fn count(&mut self, fault: Fault) {
        let counter = &mut self.each[fault as usize];
        *counter = counter.saturating_add(1);
        self.total = self.total.saturating_add(1);
    }

    /// How often one kind happened.
    #[must_use]
    pub fn of(&self, fault: Fault) -> u64 {
        self.each[fault as usize]
    }

    /// All kinds together.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Faults};

    #[test]
    fn each_kind_has_its_counter() {
        let mut faults = Faults::default();
        for (number, fault) in Fault::ALL.into_iter().enumerate() {
            assert_eq!(fault as usize, number);
            for _ in 0..=number {
                faults.count(fault);
            }
        }
        assert_eq!(faults.of(Fault::Id), 2);
        assert_eq!(faults.total(), 36);
    }
}
