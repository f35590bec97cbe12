//! The messages between netd and its clients.
//!
//! Each operation is declared once: a `layout!` of its request and of its reply (every field with
//! its place in the message) and a line in `operations!` (number, errors, who may call it, how it
//! is answered, whether it may be repeated, what holds when netd dies meanwhile). From that come
//! both sides:
//!
//! * a client makes a message with [`request`] and reads completions with [`outcome`];
//! * a server implements [`Server`] and hands messages to [`dispatch`].
//!
//! To add an operation: take a free number, declare it in the file of its group, name it in
//! `dispatch.rs`. Without a server method it does not compile; `docs/protocol.md` is checked
//! against the declarations by a test.
//!
//! *Owns* layouts, numbers, codes. *Never* touches shared memory, sockets or a clock.
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

mod admin;
mod data;
mod details;
mod dispatch;
mod error;
mod field;
mod group;
mod message;
mod names;
mod observe;
mod operation;
mod socket;
mod table;

pub use admin::{
    AddressAdd, AddressBody, AddressDelete, MacBody, NeighbourAdd, NeighbourDelete, PolicyAdd,
    PolicyDelete, RouteAdd, RouteBody, RouteDelete,
};
pub use data::{
    ARENA_TAG, AttachArena, CORE_TAG, Cancel, Core, Cores, Flush, OperationBody, Receive, Received,
    Send, Sent, along, request_inline,
};
pub use details::{DETAILS_BYTES, Details, reported};
pub use dispatch::{
    Answer, CATALOGUE, Description, Progress, Prompt, Server, dispatch, dispatch_bytes,
};
pub use error::{
    AcceptError, ArenaError, BindError, BrowseError, CancelError, ChangeError, Code, ConnectError,
    CoreError, CreateError, GroupError, ListenError, Malformed, ObserveError, OfferError,
    OperationError, PingError, RawError, ReceiveError, ResolveError, SendError, SocketError,
    SubscribeError,
};
pub use field::{
    Body, Field, FieldDescription, FixedDescription, Inline, Layout, Member, Payload, Range, Word,
    at,
};
pub use group::{Group, GroupBody, GroupRow, GroupWish};
pub use message::{
    Address, HEADER_BYTES, Header, INLINE_BYTES, MESSAGE_BYTES, Message, REPLY, flag,
};
pub use names::{
    ANSWER_ADDRESSES, AnswerBody, BACK_BYTES, BackBody, BackOf, Browse, Browsed, NAME_BYTES, Offer,
    OfferSubtype, RecordKind, Resolve, ResolveBack, Resolved, ResolvedBack, SERVICE_ADDRESSES,
    ServiceBody, ServiceFound, ServiceKind, ServiceName, ServiceSubtype, ServiceText,
    ServiceTextReply, TEXT_BYTES, TextBody, Withdraw,
};
pub use observe::{
    Event, EventBody, EventKind, Info, InfoBody, InfoReply, Lease, LeaseBody, LeaseReply, OFFLOADS,
    Ping, PingBody, PingOutcome, Pong, PongBody, Source, Stats, StatsBody, StatsReply, Subscribe,
    VERSION, link,
};
pub use operation::{Answers, Operation, Who, completion, is_final, outcome, refusal, request};
pub use socket::{
    Accept, Accepted, Bind, Bound, Close, Connect, Connected, Done, EthernetBody, Listen,
    NamesReply, OptionGet, OptionReply, OptionSet, OptionValue, Shutdown, Side, SocketCreate,
    SocketCreated, SocketEthernet, SocketId, SocketKind, SocketNames, SocketOption, SocketRaw,
    SocketStatus, State, StatusBody, StatusReply, ready,
};
pub use table::{
    AddressRow, Addresses, AddressesReply, ConnectionRow, Connections, ConnectionsReply,
    CounterRow, Counters, CountersReply, Drops, DropsReply, END, Groups, GroupsReply, InterfaceRow,
    Interfaces, InterfacesReply, NeighbourRow, NeighbourState, Neighbours, NeighboursReply,
    Policies, PoliciesReply, PolicyRow, RouteRow, Routes, RoutesReply, Rows, SocketRow, Sockets,
    SocketsReply, Table, agreed, fixed_text, text_of,
};
