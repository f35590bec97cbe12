//! The session that every process has with the first one: naming, starting programs, figures.
//!
//! *Owns* the program's end of the channel it was started with. *Never* decides what is allowed:
//! the first process does, by the program's manifest.
//!
//! Service names end with a colon: `NETD:`, `CONSOLE:`.

pub mod message;
mod record;
mod session;
mod start;

use alloc::{string::String, vec::Vec};
use core::task::Poll;

use abi::{Handle, ProcessState, Signals, WaitItem};
use bitflags::bitflags;
use message::{MAX_DATA, Note, Operation};
use ring::Look;

#[cfg(target_os = "none")]
pub(crate) use self::session::open;
pub use self::{
    record::{Figures, ProcessRecord},
    start::Start,
};
use crate::{console, executor::block_on, handle::Channel, link::Link};

bitflags! {
    /// What the manifest allows a program beyond being a client of services.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Permissions: u64 {
        /// May start programs and end those it started.
        const SPAWN = 1 << 0;
        /// May end any process that is not vital.
        const KILL = 1 << 1;
        /// May power off and reset.
        const POWER = 1 << 2;
        /// Owns the terminal: is told of Ctrl-C.
        const CONTROL = 1 << 3;
        /// May publish services.
        const SERVE = 1 << 4;
        /// May see and change what belongs to others: tables of the network service.
        const ADMIN = 1 << 5;
        /// May set the wall clock.
        const CLOCK = 1 << 6;
        /// May have raw sockets: see and send packets of any protocol of IP but TCP.
        const RAW = 1 << 7;
    }
}

/// Why the first process refused a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Refused {
    /// There is no service, program or process of that name or number.
    NotFound = 1,
    /// The name is taken.
    Taken = 2,
    /// The manifest does not allow it.
    Denied = 3,
    /// A limit is reached, or the server does not keep up; try again.
    Busy = 4,
    /// Not enough memory.
    NoMemory = 5,
    /// The request makes no sense.
    Malformed = 6,
    /// The program's file is not a program.
    BadImage = 7,
    /// The first process does not answer (any more).
    Gone = 8,
}

impl Refused {
    /// The reason for a status; `None` for zero. Unknown numbers are `Malformed`.
    #[must_use]
    pub const fn from_status(status: u16) -> Option<Self> {
        Some(match status {
            0 => return None,
            1 => Self::NotFound,
            2 => Self::Taken,
            3 => Self::Denied,
            4 => Self::Busy,
            5 => Self::NoMemory,
            7 => Self::BadImage,
            8 => Self::Gone,
            _ => Self::Malformed,
        })
    }
}

impl core::fmt::Display for Refused {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NotFound => "not found",
            Self::Taken => "name is taken",
            Self::Denied => "permission denied",
            Self::Busy => "busy",
            Self::NoMemory => "out of memory",
            Self::Malformed => "malformed request",
            Self::BadImage => "not a program",
            Self::Gone => "system does not answer",
        })
    }
}

impl core::error::Error for Refused {}

impl From<abi::Error> for Refused {
    fn from(error: abi::Error) -> Self {
        match error {
            abi::Error::NoMemory | abi::Error::TooManyHandles => Self::NoMemory,
            abi::Error::Denied => Self::Denied,
            abi::Error::WouldBlock => Self::Busy,
            abi::Error::BadImage => Self::BadImage,
            abi::Error::PeerClosed => Self::Gone,
            _ => Self::Malformed,
        }
    }
}

/// Somebody who wants to talk to this server.
#[derive(Debug)]
pub struct Client {
    /// Our end; the client's is the creator.
    pub channel: Channel,
    /// The client's number.
    pub process: u32,
    /// The client's program.
    pub name: String,
    /// What the manifest allows the client.
    pub permissions: Permissions,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Exit or kill code.
    pub code: i32,
    /// By itself, by a fault, or killed.
    pub state: ProcessState,
}

/// This process's number.
#[must_use]
pub fn process() -> u32 {
    session::with(|session| session.process)
}

/// Publishes this program as a service.
///
/// # Errors
///
/// [`Refused::Taken`], [`Refused::Denied`].
pub fn register(name: &str) -> Result<(), Refused> {
    block_on(session::call(Operation::Register, 0, 0, name.as_bytes())).map(drop)
}

/// Connects to a service: a link whose rings have at least `slots` slots. With `wait`, waits
/// until there is such a service.
///
/// # Errors
///
/// [`Refused::NotFound`], [`Refused::Busy`], [`Refused::NoMemory`].
pub async fn connect(name: &str, slots: usize, wait: bool) -> Result<Link, Refused> {
    let (link, peer) = Link::create(slots)?;
    connect_channel(name, peer, wait).await?;
    Ok(link)
}

/// [`connect`] over a channel of the caller's own making, whose other end is `peer`.
///
/// # Errors
///
/// As [`connect`].
pub async fn connect_channel(name: &str, peer: Channel, wait: bool) -> Result<(), Refused> {
    session::call_with_channel(Operation::Connect, wait.into(), name.as_bytes(), peer)
        .await
        .map(drop)
}

/// [`connect`] for programs without tasks.
///
/// # Errors
///
/// As [`connect`].
pub fn connect_blocking(name: &str, slots: usize, wait: bool) -> Result<Link, Refused> {
    block_on(connect(name, slots, wait))
}

/// The next client of this server, if one waits.
///
/// # Errors
///
/// [`Refused::Gone`].
pub fn next_client() -> Result<Option<Client>, Refused> {
    session::pump()?;
    Ok(session::with(|session| session.clients.pop_front()))
}

/// Waits for the next client of this server.
///
/// # Errors
///
/// [`Refused::Gone`].
pub async fn accept_client() -> Result<Client, Refused> {
    session::until(|| {
        let client = session::with(|session| session.clients.pop_front());
        client.map_or(Poll::Pending, |client| Poll::Ready(Ok(client)))
    })
    .await
}

/// The session's handle, for a loop of one's own.
#[must_use]
pub fn handle() -> Handle {
    session::with(|session| session.shared.link.handle())
}

/// What a loop of one's own waits for.
#[must_use]
pub fn wait_item() -> WaitItem {
    WaitItem::new(handle(), Signals::DOORBELL | Signals::PEER_CLOSED)
}

/// Before a loop of one's own sleeps. A client that came while something else was waited for is a
/// reason not to.
pub fn announce_sleep() -> Look {
    session::with(|session| {
        if session.clients.is_empty() {
            session.shared.link.announce_sleep()
        } else {
            Look::MoreWork
        }
    })
}

/// After a loop of one's own has slept.
pub fn awake() {
    session::with(|session| session.shared.link.awake());
}

/// Starts a program with arguments and returns its number.
///
/// # Errors
///
/// [`Refused::NotFound`] if there is no such program, [`Refused::Denied`], [`Refused::NoMemory`],
/// [`Refused::Malformed`] if the arguments are longer than 2 KiB or hold a zero byte.
pub async fn spawn(program: &str, arguments: &[&str]) -> Result<u32, Refused> {
    let mut data = Vec::new();
    for word in core::iter::once(&program).chain(arguments) {
        if word.contains('\0') {
            return Err(Refused::Malformed);
        }
        data.extend_from_slice(word.as_bytes());
        data.push(0);
    }
    if data.len() > MAX_DATA {
        return Err(Refused::Malformed);
    }
    let reply = session::call(Operation::Spawn, 0, 0, &data).await?;
    u32::try_from(Note::parse(&reply).value).map_err(|_| Refused::Malformed)
}

/// Waits until a process has ended.
///
/// # Errors
///
/// [`Refused::NotFound`] for processes that ended before somebody else asked.
pub async fn wait_exit(process: u32) -> Result<Exit, Refused> {
    let reply = session::call(Operation::Wait, process.into(), 0, &[]).await?;
    let note = Note::parse(&reply);
    let state = u32::try_from(note.extra)
        .ok()
        .and_then(ProcessState::from_number);
    Ok(Exit {
        code: code_from(note.value),
        state: state.ok_or(Refused::Malformed)?,
    })
}

/// Ends a process with an exit code.
///
/// # Errors
///
/// [`Refused::NotFound`], [`Refused::Denied`].
pub fn kill(process: u32, code: i32) -> Result<(), Refused> {
    block_on(session::call(
        Operation::Kill,
        process.into(),
        code_into(code),
        &[],
    ))
    .map(drop)
}

/// All processes, in order of their numbers.
///
/// # Errors
///
/// [`Refused::Gone`].
pub fn processes() -> Result<Vec<ProcessRecord>, Refused> {
    let mut all = Vec::new();
    let mut last = 0;
    loop {
        match block_on(session::call(Operation::Next, last, 0, &[])) {
            Ok(reply) => {
                let record = ProcessRecord::parse(Note::parse(&reply).data);
                let record = record.ok_or(Refused::Malformed)?;
                last = record.process.into();
                all.push(record);
            }
            Err(Refused::NotFound) => return Ok(all),
            Err(refused) => return Err(refused),
        }
    }
}

/// Figures of the machine.
///
/// # Errors
///
/// [`Refused::Gone`].
pub fn figures() -> Result<Figures, Refused> {
    let reply = block_on(session::call(Operation::Figures, 0, 0, &[]))?;
    Figures::parse(Note::parse(&reply).data).ok_or(Refused::Malformed)
}

/// The right to a moment before the machine goes down. Whoever holds it looks at
/// [`Lingering::is_over`] now and then, finishes when it says so, and ends.
#[derive(Debug)]
pub struct Lingering(session::Request);

impl Lingering {
    /// The machine is about to go down: finish and end.
    ///
    /// # Errors
    ///
    /// [`Refused::Gone`].
    pub fn is_over(&self) -> Result<bool, Refused> {
        session::pump()?;
        Ok(self.0.is_answered())
    }

    /// Waits until it is.
    ///
    /// # Errors
    ///
    /// [`Refused::Denied`] for programs that serve nobody, [`Refused::Gone`].
    pub async fn over(&self) -> Result<(), Refused> {
        session::until(|| self.0.poll_reply()).await.map(drop)
    }
}

/// Asks for a moment before the machine goes down; for servers.
///
/// # Errors
///
/// [`Refused::Busy`] if the first process is behind.
pub fn linger() -> Result<Lingering, Refused> {
    session::ask(Operation::Linger).map(Lingering)
}

/// Powers the machine off when everything printed so far is shown; `code` becomes the emulator's exit status where it offers one. Returns
/// only when refused.
pub fn power_off(code: i32) -> Refused {
    console::flush();
    refusal(block_on(session::call(
        Operation::PowerOff,
        code_into(code),
        0,
        &[],
    )))
}

/// Sets the machine's wall clock, for every process at once: so many nanoseconds since 1970 it showed when the
/// counter was zero.
///
/// # Errors
///
/// [`Refused::Denied`]; [`Refused::Malformed`] for zero, which means that nobody knows.
pub fn set_wall_at_zero(nanoseconds: u64) -> Result<(), Refused> {
    block_on(session::call(Operation::SetClock, nanoseconds, 0, &[])).map(drop)
}

/// Resets the machine when everything printed so far is shown. Returns only when refused.
pub fn reset() -> Refused {
    console::flush();
    refusal(block_on(session::call(Operation::Reset, 0, 0, &[])))
}

fn refusal(result: Result<ring::Message, Refused>) -> Refused {
    result.err().unwrap_or(Refused::Gone)
}

/// Exit codes travel with their sign in 64 bits.
#[expect(clippy::cast_sign_loss, reason = "the bits are what travels")]
#[must_use]
pub const fn code_into(code: i32) -> u64 {
    code as i64 as u64
}

/// Back from [`code_into`].
#[expect(
    clippy::cast_possible_truncation,
    reason = "the low bits are what travels"
)]
#[must_use]
pub const fn code_from(value: u64) -> i32 {
    value as i32
}
