//! The contract between a link device and whoever drives it.
//!
//! *Owns* the vocabulary: what a link is able to do ([`Facts`]), what is known of a frame
//! ([`ReceiveMeta`], [`TransmitMeta`]) and the four motions of a network driver, the same for all:
//! receive provide and reap, transmit provide and reap. *Never* touches memory or registers.
//!
//! Frames are Ethernet frames without preamble and check sequence. Buffers on both sides are
//! driver-owned and named by an index, so that nothing is allocated on the way of a packet.
#![no_std]
#![forbid(unsafe_code)]

mod offload;

pub use offload::{Offload, Offloads};

/// What the device can do; fixed between resets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Hardware address.
    pub mac: [u8; 6],
    /// Largest IP packet in bytes.
    pub mtu: u16,
    /// What it does for us, as agreed.
    pub offloads: Offloads,
    /// Which frames it cuts ([`Offload::Segmentation`]).
    pub cuts: Cuts,
    /// Places at most, beside its buffer, of a frame to send ([`Offload::Gather`]); zero: it does not
    /// gather.
    pub places: usize,
}

/// Which large frames a device cuts into segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cuts {
    /// TCP segments in IPv4 packets.
    pub tcp4: bool,
    /// TCP segments in IPv6 packets.
    pub tcp6: bool,
    /// TCP segments with CWR, which then only the first one has (RFC 3168 section 6.1.2).
    pub congestion: bool,
    /// Datagrams of UDP.
    pub datagrams: bool,
}

impl Cuts {
    /// None.
    pub const NONE: Self = Self {
        tcp4: false,
        tcp6: false,
        congestion: false,
        datagrams: false,
    };
}

/// Transport checksum of a received frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verified {
    /// Must be verified by software.
    No,
    /// The device vouches for it, or the frame never crossed a wire.
    Yes,
}

/// What the device knows of a received frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveMeta {
    /// Whether the transport checksum is known to be right.
    pub checksum: Verified,
    /// The frame stands for several segments with so many bytes of payload each, but for the last,
    /// which may have less. Zero: it is one ([`Offload::LargeReceive`]).
    pub segment: u16,
}

/// Transport checksum of a frame to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// Complete in the frame.
    Complete,
    /// The device sums from `start` to the end and stores at `start + offset` (bytes); the field
    /// holds the pseudo-header's sum. Only with [`Offload::ChecksumOut`].
    Partial {
        /// Where the sum starts, from the first byte of the frame.
        start: u16,
        /// Where the result goes, from `start`.
        offset: u16,
    },
}

/// What the device must know of a frame to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransmitMeta {
    /// Transport checksum.
    pub checksum: Checksum,
    /// Bytes of payload in each of the segments that the device is to cut the frame into, but for the
    /// last, which may have less; zero: it is sent as it is. Only of a kind that [`Facts::cuts`] has,
    /// and with [`Checksum::Partial`].
    pub segment: u16,
}

impl TransmitMeta {
    /// Of a frame that is sent as it is.
    #[must_use]
    pub const fn whole(checksum: Checksum) -> Self {
        Self {
            checksum,
            segment: 0,
        }
    }
}

/// What was written into a transmit buffer: the frame's length in bytes and what the device must
/// know of it. `None`: nothing, the buffer stays free.
pub type Filled = Option<(usize, TransmitMeta)>;

/// A run of memory that the device reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Where the device finds it.
    pub physical: u64,
    /// Bytes, more than zero.
    pub length: u32,
}

/// Places beside its buffer that any frame to send may have, at most.
pub const PLACES: usize = 16;

/// The places of a frame that is being put together.
#[derive(Clone, Debug)]
pub struct Places {
    places: [Place; PLACES],
    count: usize,
}

impl Default for Places {
    fn default() -> Self {
        Self::new()
    }
}

impl Places {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        let none = Place {
            physical: 0,
            length: 0,
        };
        Self {
            places: [none; PLACES],
            count: 0,
        }
    }

    /// Adds one; `false` when there are too many.
    #[must_use]
    pub fn push(&mut self, place: Place) -> bool {
        let Some(free) = self.places.get_mut(self.count) else {
            return false;
        };
        *free = place;
        self.count += 1;
        true
    }

    /// Forgets all.
    pub const fn clear(&mut self) {
        self.count = 0;
    }

    /// All of them, in order.
    #[must_use]
    pub fn as_slice(&self) -> &[Place] {
        self.places.get(..self.count).unwrap_or_default()
    }
}

/// What was written of a frame that may have places: a head at the start of the buffer, then come the
/// places, then the tail, which lies behind the head in the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gathered {
    /// Bytes in front of the places.
    pub head: usize,
    /// Bytes behind them; none without places.
    pub tail: usize,
    /// What the device must know.
    pub meta: TransmitMeta,
    /// By what name [`Device::take_back`] tells that the device has given the places back.
    pub token: Option<u16>,
}

/// Bytes that lie in one piece at the start of every frame that is longer, so that its headers do.
pub const FIRST_PIECE: usize = 1024;
/// Bytes of the longest frame: the longest packet, Ethernet header and one VLAN tag.
pub const LONGEST_FRAME: usize = 65_535 + 18;

/// A frame given to [`Device::reap_receive`]'s visitor.
#[derive(Debug)]
pub struct Received<'a> {
    /// The frame's bytes, valid during the visit: payload is copied out exactly once. All of them,
    /// or at least [`FIRST_PIECE`].
    pub frame: &'a [u8],
    /// What is behind them, in order ([`Offload::MergedBuffers`]).
    pub rest: &'a [&'a [u8]],
    /// What the device knows of it.
    pub meta: ReceiveMeta,
}

/// A network driver. All motions are prompt; none blocks.
pub trait Device {
    /// What the device can do.
    fn facts(&self) -> Facts;

    /// Whether the link is up.
    fn link_up(&self) -> bool;

    /// Hands received frames to `visit` until they have taken `budget` buffers, gives the buffers back to
    /// the device and tells it. Returns how many frames there were.
    fn reap_receive(&mut self, budget: usize, visit: &mut dyn FnMut(Received<'_>)) -> usize;

    /// Takes back buffers of frames that the device has sent. Returns how many.
    fn reap_transmit(&mut self) -> usize;

    /// Frames that can be provided now without waiting.
    fn transmit_room(&self) -> usize;

    /// Lets `fill` write one frame into a free buffer: MTU plus 18 bytes (header and one VLAN tag)
    /// with rubbish in them. Short frames are to be padded by whoever makes them. Returns whether a
    /// frame was taken; not when there was no room (`fill` is not called then), when nothing was
    /// written, or when the device cannot do what is asked of it. The device is told by
    /// [`Device::flush`].
    fn provide_transmit(&mut self, fill: &mut dyn FnMut(&mut [u8]) -> Filled) -> bool;

    /// The same for a frame whose bytes may lie elsewhere too, if [`Facts::places`] allows: `fill`
    /// writes the rest into the buffer and names the places, which must stay as they are until
    /// [`Device::take_back`] has told the frame's token. A frame of which the device cuts segments may be
    /// as long as [`LONGEST_FRAME`], all others as the buffer. A device that does not gather
    /// takes nothing.
    fn provide_gathered(
        &mut self,
        _fill: &mut dyn FnMut(&mut [u8], &mut Places) -> Option<Gathered>,
    ) -> bool {
        false
    }

    /// The token of a frame that the device has given back, as [`Device::reap_transmit`] found, or
    /// never had: each that was given to [`Device::provide_gathered`] comes once. One that does not
    /// come is with a device that cannot even be reset.
    fn take_back(&mut self) -> Option<u16> {
        None
    }

    /// What was provided is missed: the next [`Device::arm`] asks for an interrupt when any of it has
    /// been sent, too.
    fn want_back(&mut self) {}

    /// Tells the device about all frames provided since the last flush, if it wants to be told.
    fn flush(&mut self);

    /// Asks the device to interrupt when something is received and, if a frame was refused for
    /// lack of room, when there is room again. Returns `true` when that has happened meanwhile, so
    /// that the caller looks again before it sleeps. Holds until [`Device::disarm`].
    fn arm(&mut self) -> bool;

    /// Asks the device to be quiet: the caller polls. Only a hint; an interrupt may still come.
    fn disarm(&mut self);

    /// Serves the device's interrupt: acknowledges it to the device and notices changes of the
    /// link. Frames are left for [`Device::reap_receive`].
    fn interrupt(&mut self);

    /// Whether the device was given up for good, and nothing comes from it any more.
    fn is_lost(&self) -> bool {
        false
    }

    /// Counts of what the device did wrong since the start (bad index, bad length, ...).
    fn faults(&self) -> u64;
}
