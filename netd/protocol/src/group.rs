//! Groups: what a datagram socket wants to hear, and what the machine listens to.

use zerocopy::little_endian::{U16, U32};

use crate::field::{at, fixed, layout, word_enum};
use crate::message::Address;
use crate::operation::operations;
use crate::socket::{Done, SocketId};

word_enum! {
    /// What a socket wants of a group from now on.
    GroupWish {
        /// To hear everybody in it.
        Join = 1,
        /// To hear nobody.
        Leave = 2,
        /// To hear this source, and no others but those named so.
        Include = 3,
        /// Not to hear this source that it has named so.
        Remove = 4,
        /// Not to hear this source, while it hears all others.
        Block = 5,
        /// To hear this source that it has blocked.
        Unblock = 6,
    }
}

fixed! {
    /// A group, and who is heard.
    pub struct GroupBody: 56 {
        /// The group.
        pub group: Address,
        /// The source, where one is meant; else family 0.
        pub source: Address,
        /// Number of the interface; zero: that of the socket's option, or by which packets to the
        /// group leave.
        pub interface: U32,
        /// Zero.
        pub reserved: U32,
    }
}

fixed! {
    /// A group that is listened to.
    pub struct GroupRow: 40 {
        /// Number of the interface.
        pub interface: U32,
        /// How many sources are named.
        pub sources: U16,
        /// How many sockets listen.
        pub sockets: U16,
        /// 0: the sources named are heard, 1: all others are.
        pub excludes: u8,
        /// 1: the interface itself listens.
        pub own: u8,
        /// Version of IGMP or MLD that is spoken on the link.
        pub version: u8,
        /// Zero.
        pub reserved: [u8; 5],
        /// The group.
        pub group: Address,
    }
}

layout! {
    /// Changes which datagrams to a group a socket hears.
    pub struct Group {
        /// The socket.
        socket: SocketId => at::Socket,
        /// How.
        wish: GroupWish => at::Argument,
        /// Which group, whom, and where.
        body: GroupBody => at::Body,
    }
}

operations! {
    17 "NET_SOCKET_GROUP" Group -> Done, GroupError,
        Anyone, Promptly, idempotent: false,
        "Changes which datagrams to a group a socket hears.", restart: "The socket is gone.";
}
