//! Sockets for programs, async first.
//!
//! ```ignore
//! let net = Net::connect().await?;
//! let mut stream = TcpStream::connect(&net, "10.0.2.2:7".parse()?).await?;
//! stream.write_all(b"hello").await?;
//! let count = stream.read(&mut buffer).await?;
//! ```
//!
//! A program opens one session ([`Net`]) and makes any number of sockets from it. The session has
//! an arena that netd maps too: what is written is copied there once and sent from there, what
//! arrives netd puts there. Without a copy, a program fills a [`Buffer`] in the arena and sends that,
//! and takes what has come as a [`Chunk`], which it can send on. All futures can be dropped at any
//! time; a dropped socket is closed in order. For time limits there is [`within`], for waiting in one
//! place for many sockets a [`Poller`], and for programs without tasks [`blocking`].
//!
//! When netd ends, every call fails with [`Error::ServerRestarted`]; [`Net::connect`] finds the
//! next one.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod appetite;
mod area;
mod arrival;
mod back;
pub mod blocking;
mod blocks;
mod bounds;
mod buffer;
mod cores;
mod datagram;
mod datagrams;
mod destinations;
mod embedded;
mod error;
mod ethernet;
mod families;
mod listener;
mod mac;
mod net;
mod pending;
mod poller;
mod query;
mod racing;
mod raw;
mod receiving;
mod rooms;
mod sending;
mod services;
mod session;
mod slot;
mod stream;
mod zone;

pub use arrival::{Arrival, Meaning, Report};
pub use back::BackAnswer;
pub use buffer::{Buffer, Chunk, Outgoing};
pub use datagram::UdpSocket;
pub use error::Error;
pub use ethernet::EthernetSocket;
pub use families::Family;
pub use listener::TcpListener;
pub use mac::{Mac, NoMac};
pub use net::{ARENA_BYTES, Net, SERVICE, within};
pub use poller::{Key, Pollable, Poller, Ready, Registration};
pub use protocol::{self, Code, GroupWish, PingOutcome, RecordKind, Side, SocketOption};
pub use query::{Answer, Events, PingOptions, PingReply};
pub use raw::RawSocket;
pub use services::{Instance, Instances, Service};
pub use stream::{ReadHalf, TcpStream, WriteHalf};
pub use zone::{end_on, host_and_link};
