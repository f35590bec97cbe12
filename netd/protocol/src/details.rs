//! What stands in a room in front of what has come, on sockets that want it.

use core::net::SocketAddr;

use zerocopy::FromBytes;
use zerocopy::little_endian::U32;

use crate::field::fixed;
use crate::message::Address;

/// Bytes of [`Details`].
pub const DETAILS_BYTES: usize = 56;

/// Values of [`Details::kind`].
pub mod reported {
    /// A packet, or a datagram.
    pub const PACKET: u8 = 0;
    /// An error of ICMP about what the socket has sent.
    pub const ERROR: u8 = 1;
}

fixed! {
    /// What the headers said of what has come. Its payload follows; of an error, as much as it quotes
    /// of the payload that it is about.
    pub struct Details: 56 {
        /// Who has sent it; of an error, who reports it. Raw sockets: port zero.
        pub source: Address,
        /// To whom it was; of an error, to whom the packet was that it is about.
        pub destination: Address,
        /// How many routers it might still have passed.
        pub hops: u8,
        /// One of [`reported`].
        pub kind: u8,
        /// Errors: type.
        pub icmp_type: u8,
        /// Errors: code.
        pub icmp_code: u8,
        /// Errors: the second word of the message, as an MTU or what is at fault.
        pub icmp_word: U32,
    }
}

impl Details {
    /// Those in front of what has come, and its payload.
    #[must_use]
    pub fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        Self::read_from_prefix(bytes).ok()
    }

    /// Source and destination, if both are there.
    #[must_use]
    pub fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        let end = |address: &Address| address.socket().ok().flatten();
        Some((end(&self.source)?, end(&self.destination)?))
    }
}
