//! A datagram socket: its ends, and the requests that wait.
//!
//! *Owns* no bytes: what is to be sent lies in the client's arena until it is written into a frame;
//! what arrives goes straight into the room that the client gave.

use crate::bindings::Bindings;
use crate::error::SocketError;
use crate::id::{ClientId, SocketId, Token};
use crate::ip::out::Path;
use crate::nodes::Chain;
use crate::options::SocketOptions;
use crate::rng::Rng;
use crate::slab::Table;
use core::net::{Ipv4Addr, SocketAddrV4};

/// Who has a UDP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// A client's socket, at this index.
    Socket(u32),
    /// A question to a name server, by this number.
    Query(u16),
}

/// A way, as it was found for these two ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownWay {
    pub(crate) to: Ipv4Addr,
    pub(crate) bound: Option<Ipv4Addr>,
    pub(crate) path: Path,
}

/// A datagram socket.
#[derive(Debug)]
pub(crate) struct Datagram {
    pub(crate) client: ClientId,
    pub(crate) socket: SocketId,
    pub(crate) local: Option<SocketAddrV4>,
    pub(crate) remote: Option<SocketAddrV4>,
    pub(crate) options: SocketOptions,
    /// The way that the last datagram took.
    pub(crate) way: Option<KnownWay>,
    /// Datagrams to send.
    pub(crate) sends: Chain,
    /// Datagrams sent, not told of yet.
    pub(crate) done: Chain,
    /// Rooms with space left.
    pub(crate) rooms: Chain,
    /// What has arrived and is not told of yet.
    pub(crate) arrivals: Chain,
    /// Requests that ended with an error.
    pub(crate) notices: Chain,
    /// A connect that is not told of yet.
    pub(crate) connected: Option<Token>,
    /// What the network says about the peer.
    pub(crate) error: Option<SocketError>,
    /// A close that waits for the last send.
    pub(crate) closing: Option<Token>,
}

impl Datagram {
    pub(crate) fn new(client: ClientId, socket: SocketId, options: SocketOptions) -> Self {
        Self {
            client,
            socket,
            local: None,
            remote: None,
            options,
            way: None,
            sends: Chain::EMPTY,
            done: Chain::EMPTY,
            rooms: Chain::EMPTY,
            arrivals: Chain::EMPTY,
            notices: Chain::EMPTY,
            connected: None,
            error: None,
            closing: None,
        }
    }
}

/// All datagram sockets.
#[derive(Debug)]
pub(crate) struct Udp {
    pub(crate) sockets: Table<Datagram>,
    pub(crate) bindings: Bindings<Ipv4Addr, Holder>,
}

impl Udp {
    pub(crate) fn new(sockets: u32, queries: u16, rng: &mut Rng) -> Self {
        let sockets = sockets as usize;
        Self {
            sockets: Table::new(sockets),
            bindings: Bindings::new(sockets + usize::from(queries), rng),
        }
    }
}
