//! Calls of the client's.

use stack::{Algorithm, Ending, Half, SocketOption};

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
    /// Sets an option of the socket, or of the listener if there is no socket yet, or of whatever
    /// is made next.
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
    Ok(match name {
        "nodelay" => SocketOption::NoDelay(switch()?),
        "reuse" => SocketOption::ReuseAddress(switch()?),
        "keepalive" => SocketOption::KeepAlive(switch()?),
        "tell-user-timeout" => SocketOption::TellUserTimeout(switch()?),
        "reset-on-close" => SocketOption::ResetOnClose(switch()?),
        "cork" => SocketOption::Cork(switch()?),
        "quickack" => SocketOption::QuickAck(switch()?),
        "fast-open" => SocketOption::FastOpen(switch()?),
        "dual-stack" => SocketOption::DualStack(switch()?),
        "details" => SocketOption::Details(switch()?),
        "multicast-loop" => SocketOption::MulticastLoop(switch()?),
        "multicast-ttl" => SocketOption::MulticastTimeToLive(number(value)?),
        "dont-fragment" => SocketOption::DontFragment(switch()?),
        "multicast-interface" => SocketOption::MulticastInterface(number(value)?),
        "ecn" => SocketOption::CongestionNotification(switch()?),
        "dscp" => SocketOption::DifferentiatedServices(number(value)?),
        "ttl" => SocketOption::TimeToLive(number(value)?),
        "keepalive-idle" => SocketOption::KeepAliveIdle(number(value)?),
        "keepalive-interval" => SocketOption::KeepAliveInterval(number(value)?),
        "keepalive-count" => SocketOption::KeepAliveCount(number(value)?),
        "user-timeout" => SocketOption::UserTimeout(number(value)?),
        "receive-buffer" => SocketOption::ReceiveBuffer(number(value)?),
        "send-buffer" => SocketOption::SendBuffer(number(value)?),
        "max-segment" => SocketOption::MaxSegment(number(value)?),
        "congestion" => SocketOption::CongestionControl(Some(match value {
            "newreno" => Algorithm::NewReno,
            "cubic" => Algorithm::Cubic,
            "bbr" => Algorithm::Bbr,
            _ => return Err(format!("there is no congestion control {value}")),
        })),
        _ => return Err(format!("there is no option {name}")),
    })
}

/// The call that sets an option, as a script writes it.
pub(crate) fn setting(option: SocketOption) -> String {
    let switch = |on| if on { "on" } else { "off" };
    let (name, value) = match option {
        SocketOption::NoDelay(on) => ("nodelay", switch(on).to_owned()),
        SocketOption::ReuseAddress(on) => ("reuse", switch(on).to_owned()),
        SocketOption::KeepAlive(on) => ("keepalive", switch(on).to_owned()),
        SocketOption::TellUserTimeout(on) => ("tell-user-timeout", switch(on).to_owned()),
        SocketOption::ResetOnClose(on) => ("reset-on-close", switch(on).to_owned()),
        SocketOption::Cork(on) => ("cork", switch(on).to_owned()),
        SocketOption::QuickAck(on) => ("quickack", switch(on).to_owned()),
        SocketOption::CongestionNotification(on) => ("ecn", switch(on).to_owned()),
        SocketOption::FastOpen(on) => ("fast-open", switch(on).to_owned()),
        SocketOption::DualStack(on) => ("dual-stack", switch(on).to_owned()),
        SocketOption::Details(on) => ("details", switch(on).to_owned()),
        SocketOption::Broadcast(on) => ("broadcast", switch(on).to_owned()),
        SocketOption::MulticastLoop(on) => ("multicast-loop", switch(on).to_owned()),
        SocketOption::MulticastTimeToLive(ttl) => ("multicast-ttl", ttl.to_string()),
        SocketOption::Icmp6Blocked(group, types) => ("icmp6-blocked", format!("{group} {types}")),
        SocketOption::ChecksumAt(at) => ("checksum-at", format!("{at:?}")),
        SocketOption::DontFragment(on) => ("dont-fragment", switch(on).to_owned()),
        SocketOption::MulticastInterface(number) => ("multicast-interface", number.to_string()),
        SocketOption::DifferentiatedServices(code) => ("dscp", code.to_string()),
        SocketOption::TimeToLive(ttl) => ("ttl", ttl.to_string()),
        SocketOption::KeepAliveIdle(seconds) => ("keepalive-idle", seconds.to_string()),
        SocketOption::KeepAliveInterval(seconds) => ("keepalive-interval", seconds.to_string()),
        SocketOption::KeepAliveCount(count) => ("keepalive-count", count.to_string()),
        SocketOption::UserTimeout(seconds) => ("user-timeout", seconds.to_string()),
        SocketOption::ReceiveBuffer(bytes) => ("receive-buffer", bytes.to_string()),
        SocketOption::SendBuffer(bytes) => ("send-buffer", bytes.to_string()),
        SocketOption::MaxSegment(bytes) => ("max-segment", bytes.to_string()),
        SocketOption::CongestionControl(choice) => {
            let name = match choice.unwrap_or_default() {
                Algorithm::NewReno => "newreno",
                Algorithm::Cubic => "cubic",
                Algorithm::Bbr => "bbr",
            };
            ("congestion", name.to_owned())
        }
    };
    format!("set {name} {value}")
}
