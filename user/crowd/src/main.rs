//! `crowd`: TCP echo (RFC 862) for as many connections as the machine has memory for, nearly all of
//! them idle. No task and no socket object each: one loop over the completions of netd, a place of
//! eight bytes and a room of 64 for each connection. Peers are asked whether they are still there.
//!
//! `connections=` on the command line says how many connections, `keepalive=` after how many seconds
//! of silence a peer is asked.

#![cfg_attr(target_os = "none", no_std)]
#![cfg_attr(target_os = "none", no_main)]
#![deny(unsafe_code)]

extern crate alloc;

mod places;

use alloc::collections::VecDeque;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use protocol::{
    ARENA_TAG, AttachArena, Bind, Code, Listen, Message, Operation, OperationError, OptionSet,
    OptionValue, SocketCreate, SocketId, SocketKind, SocketOption, outcome, request,
};
use ring::Look;
use rt::handle::Memory;
use rt::link::{Broken, Link};
use rt::println;

use places::{Places, ROOM};

rt::entry!(run);

const SERVICE: &str = "NETD:";
const PORT: u16 = 7;
/// Messages that fit each ring.
const RING_SLOTS: usize = 120;
/// Connections that may wait to be taken.
const BACKLOG: u32 = 4_096;
/// Connections unless the command line says otherwise.
const CONNECTIONS: u32 = 4_096;
/// Seconds of silence after which a peer is asked, unless the command line says otherwise.
const KEEP_ALIVE: u32 = 300;
/// The request that is made while no other is under way.
const SETUP: u32 = u32::MAX;

/// Why the service ends.
enum Trouble {
    NoNetwork,
    NoMemory,
    Refused(Code),
    Broken(Broken),
}

impl core::fmt::Display for Trouble {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NoNetwork => f.write_str("no network"),
            Self::NoMemory => f.write_str("no memory for so many connections"),
            Self::Refused(code) => write!(f, "refused: {code:?}"),
            Self::Broken(broken) => write!(f, "{broken}"),
        }
    }
}

fn run(env: rt::Env) -> i32 {
    let number = |key, usual| {
        let word = env.option(key).and_then(|word| word.parse().ok());
        word.filter(|count| *count > 0).unwrap_or(usual)
    };
    let connections = number("connections", CONNECTIONS);
    let Err(trouble) = serve(connections, number("keepalive", KEEP_ALIVE).into());
    println!("crowd: {trouble}");
    1
}

/// Only ever ends with an error.
fn serve(connections: u32, keep_alive: u64) -> Result<core::convert::Infallible, Trouble> {
    let link = rt::system::connect_blocking(SERVICE, RING_SLOTS, true);
    let mut netd = Netd {
        link: link.map_err(|_| Trouble::NoNetwork)?,
        outbox: VecDeque::new(),
    };
    let bytes = ROOM.saturating_mul(connections);
    let memory = Memory::create(bytes as usize).map_err(|_| Trouble::NoMemory)?;
    let handle = memory.into_handle();
    let sent = netd.link.send_handle(handle, ARENA_TAG);
    sent.map_err(|_| Trouble::NoNetwork)?;
    netd.call(&AttachArena { size: bytes })?;
    let kind = SocketKind::Stream;
    let socket = netd.call(&SocketCreate { kind })?.socket;
    for (option, value) in [
        (SocketOption::ReuseAddress, 1),
        (SocketOption::NoDelay, 1),
        (SocketOption::KeepAliveIdle, keep_alive),
        (SocketOption::KeepAlive, 1),
    ] {
        netd.set(socket, option, value)?;
    }
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let local = SocketAddr::new(any, PORT);
    netd.call(&Bind { socket, local })?;
    let backlog = BACKLOG;
    netd.call(&Listen { socket, backlog })?;
    println!("crowd: room for {connections} connections");
    let mut places = Places::new(socket, connections);
    let mut message = ring::Message::ZERO;
    places.begin(&mut netd.outbox);
    loop {
        netd.receive(&mut message)?;
        places.take(Message::view(message.words()), &mut netd.outbox);
    }
}

/// The way to netd.
struct Netd {
    link: Link,
    /// Requests that did not fit the ring.
    outbox: VecDeque<Message>,
}

impl Netd {
    /// Asks, and waits for the only answer.
    fn call<O: Operation>(&mut self, operation: &O) -> Result<O::Reply, Trouble> {
        self.outbox.push_back(request(operation, SETUP));
        let mut message = ring::Message::ZERO;
        self.receive(&mut message)?;
        let reply = outcome::<O>(Message::view(message.words()));
        reply.map_err(|error| Trouble::Refused(error.code().unwrap_or(Code::Malformed)))
    }

    fn set(&mut self, socket: SocketId, option: SocketOption, value: u64) -> Result<(), Trouble> {
        let value = OptionValue {
            value: value.into(),
        };
        let set = OptionSet {
            socket,
            option,
            value,
        };
        self.call(&set).map(drop)
    }

    /// The next message; what is to be told is told meanwhile.
    fn receive(&mut self, message: &mut ring::Message) -> Result<(), Trouble> {
        loop {
            while let Some(next) = self.outbox.front()
                && self.link.push(ring::Message::view(next.words())).is_ok()
            {
                self.outbox.pop_front();
            }
            if self
                .link
                .try_receive_into(message)
                .map_err(Trouble::Broken)?
            {
                return Ok(());
            }
            self.link.flush();
            let look = if self.outbox.is_empty() {
                self.link.announce_sleep()
            } else {
                self.link.announce_sleep_for_room()
            };
            if look == Look::Sleep {
                let mut items = [self.link.wait_item()];
                // An error would say that there is nothing to sleep for.
                let _ended = rt::wait(&mut items, None);
                let seen = abi::Signals::from_bits_truncate(items[0].observed);
                self.link.observe(seen);
            }
            self.link.awake();
        }
    }
}
