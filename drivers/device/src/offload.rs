//! What a device does for whoever drives it, or spares it.
//!
//! *Owns* the names of these things, as people read and write them. *Never* says how a device is
//! asked for them: that is its driver's.

/// One thing that a device may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Offload {
    /// It completes transport checksums of frames to send ([`crate::Checksum::Partial`]).
    ChecksumOut,
    /// It vouches for transport checksums of received frames ([`crate::Verified::Yes`]).
    ChecksumIn,
    /// It cuts large frames to send into segments ([`crate::TransmitMeta::segment`]).
    Segmentation,
    /// It joins received segments, or leaves joined what never crossed a wire
    /// ([`crate::ReceiveMeta::segment`]).
    LargeReceive,
    /// A received frame may take several buffers ([`crate::Received::rest`]).
    MergedBuffers,
    /// Either side says at which buffer it wants to be told, not only whether.
    EventIndex,
    /// A frame to send of many pieces takes one place in the ring.
    Indirect,
    /// Either side can ask not to be told while it is at work anyway.
    Quiet,
    /// It has several pairs of queues, each for a driver of its own.
    QueuePairs,
    /// It fetches parts of a frame to send from where they are ([`crate::Device::provide_gathered`]).
    Gather,
}

impl Offload {
    /// How many there are.
    pub const COUNT: usize = 10;
    /// All of them, in the order of their bits.
    pub const ALL: [Self; Self::COUNT] = [
        Self::ChecksumOut,
        Self::ChecksumIn,
        Self::Segmentation,
        Self::LargeReceive,
        Self::MergedBuffers,
        Self::EventIndex,
        Self::Indirect,
        Self::Quiet,
        Self::QueuePairs,
        Self::Gather,
    ];

    /// Its name, without spaces.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ChecksumOut => "checksum-out",
            Self::ChecksumIn => "checksum-in",
            Self::Segmentation => "segmentation",
            Self::LargeReceive => "large-receive",
            Self::MergedBuffers => "merged-buffers",
            Self::EventIndex => "event-index",
            Self::Indirect => "indirect",
            Self::Quiet => "quiet",
            Self::QueuePairs => "mq",
            Self::Gather => "gather",
        }
    }

    /// The one that has this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|offload| offload.name() == name)
    }

    const fn bit(self) -> u16 {
        1 << self as u8
    }
}

/// A set of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offloads(u16);

impl Offloads {
    /// None.
    pub const NONE: Self = Self(0);
    /// All.
    pub const ALL: Self = Self((1 << Offload::COUNT) - 1);

    /// These and one more.
    #[must_use]
    pub const fn with(self, offload: Offload) -> Self {
        Self(self.0 | offload.bit())
    }

    /// These but for one.
    #[must_use]
    pub const fn without(self, offload: Offload) -> Self {
        Self(self.0 & !offload.bit())
    }

    /// Whether one is among them.
    #[must_use]
    pub const fn has(self, offload: Offload) -> bool {
        self.0 & offload.bit() != 0
    }

    /// A bit for each, in the order of [`Offload::ALL`], from the lowest on.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::{Offload, Offloads};

    #[test]
    fn each_has_a_bit_and_a_name_of_its_own() {
        let mut all = Offloads::NONE;
        for (place, offload) in Offload::ALL.into_iter().enumerate() {
            assert!(!all.has(offload));
            all = all.with(offload);
            assert_eq!(all.bits(), (2 << place) - 1);
            assert_eq!(Offload::named(offload.name()), Some(offload));
            let others = Offloads::ALL.bits() & !(1 << place);
            assert_eq!(Offloads::ALL.without(offload).bits(), others);
        }
        assert_eq!(all, Offloads::ALL);
        assert_eq!(Offload::named("checksum"), None);
    }
}
