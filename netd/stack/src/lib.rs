//! The network stack, without input, output or clock.
//!
//! [`Stack`] takes frames and requests with the time, and gives frames and events; it says when it
//! wants to be called again. Payload moves only through [`ClientMemory`]: it is copied once from a
//! received frame into the room its client gave, and once from the client's arena into a frame; not
//! even that where the device fetches it from the arena ([`Stack::output_gathered`]).
//!
//! *Owns* tables, links, interfaces, neighbours, routes, IP, ICMP, UDP, TCP demultiplexing, DHCP,
//! DNS, timers, statistics. *Never* touches a device, a clock, a lock or a log. Everything that
//! arrives is hostile until checked; nothing is allocated after construction on a packet's way.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]
#![cfg_attr(
    test,
    allow(
        clippy::cast_possible_truncation,
        reason = "numbers in tests are small"
    )
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod actors;
mod admin;
mod adopt;
mod autoconf;
mod autoconf6;
mod bindings;
mod burst;
mod calls;
mod client;
mod config;
mod demux;
mod dhcp4;
mod dhcp6;
mod dns;
mod error;
mod event;
mod family;
mod following;
mod hash;
mod icmp;
mod id;
mod info;
mod inline;
mod interface;
mod interface6;
mod ip;
mod link_local4;
mod links;
mod loans;
mod marks;
mod memory;
mod multicast;
mod names;
mod neigh;
mod net;
mod nodes;
mod option_sets;
mod options;
mod output_burst;
mod packed;
mod packets;
mod path_mtus;
mod pieces;
mod publish;
mod queues;
mod raw;
mod reassembly;
mod record;
mod records;
mod redirects;
mod report;
mod request;
mod requests;
mod responder;
mod rng;
mod route;
mod scattered;
mod sender;
mod slab;
mod stack;
mod stats;
mod steering;
mod survivor;
mod tcp;
mod timers;
mod udp;
mod vlan;
mod wheel;

pub use ::tcp::{Algorithm, BadRecord, Instant};
pub use burst::Burst;
pub use config::{
    AddressPlan, Config, Data, Ending, Fallback, Half, INLINE_PAYLOAD, Identifiers, Ipv6Plan, Kind,
    LinkFacts, NAME_SERVERS, ReceiveMeta, StaticPlan, TransmitChecksum, TransmitMeta,
};
pub use error::{
    AcceptError, AdminError, AdoptError, BadSocket, BindError, BrowseError, CancelError,
    ClientError, ConnectError, CreateError, GroupError, InterfaceError, ListenError, OfferError,
    OptionError, PingError, RawError, ReceiveError, ResolveError, ResumeError, SendError,
    ShutdownError, SocketError,
};
pub use event::{
    Event, EventKind, Instance, LABEL_BYTES, Naming, Offer, RESOLUTION_ADDRESSES, Resolution,
    ResolutionOutcome,
};
pub use following::LinkConfiguration;
pub use id::{ClientId, InterfaceId, SocketId, Token};
pub use info::{
    AddressInfo, AddressState, GroupInfo, Holdings, InterfaceInfo, LeaseInfo, NeighbourInfo,
    NeighbourState, Origin, RouteInfo, SocketInfo, Status, TcpDetail, Totals, Traffic,
};
pub use ip::policies::Policy;
pub use loans::Loan;
pub use memory::{ClientMemory, Gone, Range};
pub use multicast::filter::FilterMode;
pub use multicast::sockets::Membership;
pub use options::{SocketOption, SocketOptions};
pub use output_burst::OutputBurst;
pub use pieces::{Gathered, PIECES, Pieces};
pub use raw::options::RawPackets;
pub use record::{Owner, Record};
pub use records::Records;
pub use request::{AddressKind, Lookup, Offered, Ping};
pub use stack::Stack;
pub use steering::{Shard, Steered, Steering};
pub use survivor::{Resumption, Survivor};
pub use udp::details::{DETAILS_LEN, Details};
pub use wire::{Drop, MacAddress, Sum};
