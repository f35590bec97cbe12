//! Operations that move bytes, and the arena they move through.
//!
//! A receive is a *room*: a range of the arena that netd fills from its start. Completions tell
//! piece by piece what has been filled; the last one lacks `MORE` and gives the room back, also
//! when it is not full. Datagrams start at multiples of eight bytes, one completion each.

use core::net::SocketAddr;

use zerocopy::little_endian::U16;

use crate::field::{Field, Payload, Range, at, fixed, layout};
use crate::message::{Message, flag};
use crate::operation::{operations, request};
use crate::socket::{Done, SocketId};

/// Tag of the arena's handle in the channel's queue (`AREN`). The handle is queued before the
/// request is sent.
pub const ARENA_TAG: u64 = 0x4e45_5241;

/// Tag of the handle of a channel for a session with another core (`CORE`).
pub const CORE_TAG: u64 = 0x4552_4f43;

fixed! {
    /// Names an operation.
    pub struct OperationBody: 2 {
        /// Its number.
        pub number: U16,
    }
}

layout! {
    /// Sends bytes. The completion comes when the peer has acknowledged them (streams) or they
    /// have left (datagrams); until then the range must not be touched.
    pub struct Send {
        /// The socket.
        socket: SocketId => at::Socket,
        /// The bytes.
        payload: Payload => at::Payload,
        /// Datagrams: where to; none: the fixed peer.
        to: Option<SocketAddr> => at::Address,
        /// Datagrams with inline bytes: answered only if it fails. That it has left is told by the
        /// answer to whatever was sent on the socket later, or to NET_SOCKET_FLUSH. Several may have
        /// one request id. Otherwise of no effect.
        unanswered: bool => at::Flag<{ flag::MORE }>,
        /// Streams: the answer may come along with bytes that have come for a NET_SOCKET_RECV on the
        /// socket, in place of a completion, if all is well. Otherwise of no effect.
        along: bool => at::Flag<{ flag::ALONG }>,
    }

    /// Bytes are through.
    pub struct Sent {
        /// How many.
        bytes: u32 => at::Argument,
    }

    /// Asks when all that was sent on a datagram socket before has left. What has failed of it is told
    /// before that.
    pub struct Flush {
        /// The socket.
        socket: SocketId => at::Socket,
    }

    /// Gives room for bytes. Several may be posted on a socket; they are filled in order.
    pub struct Receive {
        /// The socket.
        socket: SocketId => at::Socket,
        /// The room.
        room: Range => at::Room,
    }

    /// Bytes have arrived.
    pub struct Received {
        /// The socket; in the first room of one of several connections of a NET_SOCKET_ACCEPT, how
        /// many rooms that had when this one was given.
        socket: SocketId => at::Socket,
        /// Where in the arena; within the room. Streams: an empty piece tells only its flags.
        piece: Range => at::Room,
        /// Datagrams: who sent them.
        from: Option<SocketAddr> => at::Address,
        /// The room is still netd's.
        more: bool => at::Flag<{ flag::MORE }>,
        /// The peer has finished.
        end: bool => at::Flag<{ flag::END }>,
        /// Streams: the smoothed round-trip time in microseconds; zero: not known.
        round_trip: u32 => at::Argument,
        /// Streams: the request id of the socket's oldest NET_SOCKET_SEND, of which this is the answer as
        /// well, if it has allowed that: all of its bytes are through.
        sent: Option<u32> => at::Along,
    }

    /// Makes the memory whose handle is queued with tag `AREN` the session's arena, once.
    pub struct AttachArena {
        /// Bytes that the client wants to use, from the start; at most the object's size.
        size: u32 => at::Argument,
    }

    /// Asks how many cores serve the network, each with connections of its own, and opens a session with
    /// one of them: by the end of a channel whose handle is queued with tag `CORE`. A session has all of
    /// its sockets on its core. Listeners are to be on all: nobody knows to which a connection comes.
    pub struct Core {
        /// Its number. Zero opens nothing: the session that is there is with that one.
        core: u32 => at::Argument,
    }

    /// How many there are.
    pub struct Cores {
        /// From one.
        count: u32 => at::Argument,
    }

    /// Ends a request of this session that has not had its last completion.
    pub struct Cancel {
        /// Its request id.
        request: u32 => at::Argument,
        /// Its socket; zero where it has none.
        socket: SocketId => at::Socket,
        /// Which operation it asked for.
        operation: OperationBody => at::Body,
    }
}

/// The send whose answer has come along with a [`Received`].
#[must_use]
#[inline]
pub fn along(message: &Message) -> Option<u32> {
    <Option<u32> as Field<at::Along>>::take(message).ok()?
}

/// As [`request`] of a [`Send`] with these bytes inline, which are copied only once; `None` when there
/// are more than 200.
#[must_use]
pub fn request_inline(
    id: u32,
    (socket, to): (SocketId, Option<SocketAddr>),
    bytes: &[u8],
    unanswered: bool,
) -> Option<Message> {
    let payload = Payload::Arena(Range::default());
    let send = Send {
        socket,
        payload,
        to,
        unanswered,
        along: false,
    };
    let mut message = request(&send, id);
    message.set(flag::INLINE);
    message
        .inline
        .get_mut(..bytes.len())?
        .copy_from_slice(bytes);
    message.header.length.set(u32::try_from(bytes.len()).ok()?);
    Some(message)
}

operations! {
    6 "NET_SOCKET_SEND" Send -> Sent, SendError,
        Anyone, Later, idempotent: false,
        "Sends bytes, inline or from the arena without a copy.",
        restart: "Unknown how much the peer has got; the connection is gone.";
    7 "NET_SOCKET_RECV" Receive -> Received, ReceiveError,
        Anyone, Stream, idempotent: false,
        "Gives a room for bytes or datagrams.",
        restart: "What completions have told is in the arena and stays there.";
    19 "NET_SOCKET_FLUSH" Flush -> Done, SendError,
        Anyone, Later, idempotent: true,
        "Tells when all datagrams of a socket have left.", restart: "Unknown which have left.";
    11 "NET_ATTACH_ARENA" AttachArena -> Done, ArenaError,
        Anyone, Promptly, idempotent: false,
        "Makes a memory object the session's arena.", restart: "Attach it to the new netd.";
    12 "NET_CANCEL" Cancel -> Done, CancelError,
        Anyone, Promptly, idempotent: true,
        "Ends a pending request; its last completion says `Cancelled`, or what came first. `BadState`: its bytes are on their way, it ends by itself.",
        restart: "Every request has ended.";
    16 "NET_CORE" Core -> Cores, CoreError,
        Anyone, Promptly, idempotent: false,
        "Opens a session with another core.", restart: "Its sessions are gone, too.";
}
