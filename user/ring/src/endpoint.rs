//! One end of a channel: a ring to send, a ring to receive.

use crate::{
    consumer::Consumer,
    layout::Ring,
    producer::Producer,
    region::{BadRegion, Region},
};

/// Which end of the channel this is; decides which ring is which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The first of the two handles of `ChannelCreate`: sends through the first ring.
    Creator,
    /// The second handle: sends through the second ring.
    Peer,
}

/// Both halves of one end.
pub struct Endpoint {
    /// To the peer.
    pub tx: Producer,
    /// From the peer.
    pub rx: Consumer,
}

impl Endpoint {
    /// Takes an end of a channel whose memory was zero at the start. To be done once per end: the
    /// indices begin at zero.
    ///
    /// # Errors
    ///
    /// [`BadRegion`] if not even one message fits in each direction.
    pub fn attach(region: Region, side: Side) -> Result<Self, BadRegion> {
        let (first, second) = Ring::pair(region.words()).ok_or(BadRegion)?;
        let (transmit, receive) = match side {
            Side::Creator => (first, second),
            Side::Peer => (second, first),
        };
        Ok(Self {
            tx: Producer::new(region.view(), transmit),
            rx: Consumer::new(region, receive),
        })
    }

    /// Both ends of a channel within this process, with room for `slots` messages each way.
    ///
    /// # Panics
    ///
    /// When there is no memory.
    #[must_use]
    pub fn pair(slots: usize) -> (Self, Self) {
        let (creator, peer) = Region::shared(crate::region_bytes(slots.max(1)));
        let attach = |region, side| {
            Self::attach(region, side).unwrap_or_else(|BadRegion| unreachable!("sized to fit"))
        };
        (attach(creator, Side::Creator), attach(peer, Side::Peer))
    }
}
