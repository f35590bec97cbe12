//! Calls of the client's.

use stack::{Ending, Half, SocketOption};

use super::words::{Words, number};

/// A call, and the error that it must be refused with, if it must.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) kind: Kind,
    pub(super) refusal: Option<String>,
}

/// Which call.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Listens on the flow's port.
    Listen { backlog: u16 },
    /// Connects to the flow's peer, and gives room at once.
    Connect { room: u32 },
    /// Asks for one connection.
    Accept { room: u32 },
    /// Gives room.
    Receive(u32),
    /// Queues bytes.
    Send(u32),
    /// Ends halves.
    Shutdown(Half),
    /// Ends the socket.
    Close(Ending),
    /// Ends the listener.
    CloseListener,
    /// Sets an option of the socket, or of the listener if there is no socket yet.
    Set(SocketOption),
    /// The client goes with everything that it has.
    Leave,
}

impl Call {
    pub(super) fn parse(first: &str, words: &mut Words<'_>) -> Result<Self, String> {
        let kind = match first {
            "listen" => Kind::Listen {
                backlog: optional(words, "backlog", 8)?,
            },
            "connect" => Kind::Connect {
                room: optional(words, "room", 0)?,
            },
            "accept" => Kind::Accept {
                room: optional(words, "room", 0)?,
            },
            "receive" => Kind::Receive(words.number("a number of bytes")?),
            "send" => Kind::Send(words.number("a number of bytes")?),
            "shutdown" => Kind::Shutdown(match words.word("a half")? {
                "send" => Half::Send,
                "receive" => Half::Receive,
                "both" => Half::Both,
                word => return Err(format!("there is no half {word}")),
            }),
            "close" if words.take("listener") => Kind::CloseListener,
            "close" => Kind::Close(Ending::Graceful),
            "abort" => Kind::Close(Ending::Abort),
            "leave" => Kind::Leave,
            "set" => Kind::Set(option(words)?),
            _ => return Err(format!("unknown statement: {first}")),
        };
        let refusal = if words.take("fails") {
            Some(words.word("an error")?.to_owned())
        } else {
            None
        };
        Ok(Self { kind, refusal })
    }
}

fn optional<T: std::str::FromStr>(
    words: &mut Words<'_>,
    name: &str,
    default: T,
) -> Result<T, String> {
    if words.take(name) {
        words.number(name)
    } else {
        Ok(default)
    }
}

fn option(words: &mut Words<'_>) -> Result<SocketOption, String> {
    let name = words.word("an option")?;
    let value = words.word("a value")?;
    let switch = || match value {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(format!("{name} is on or off")),
    };
    match name {
        "nodelay" => Ok(SocketOption::NoDelay(switch()?)),
        "reuse" => Ok(SocketOption::ReuseAddress(switch()?)),
        "ttl" => Ok(SocketOption::TimeToLive(number(value)?)),
        _ => Err(format!("there is no option {name}")),
    }
}
