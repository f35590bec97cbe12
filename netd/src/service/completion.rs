//! Events of the stack as completions.
//!
//! A token of the stack holds all that is needed to tell its client: the operation, whether an
//! accept brought a room, and the client's request id. netd remembers nothing about requests.

use core::net::IpAddr;
use core::time::Duration;

use protocol::{
    Accept, Accepted, AnswerBody, BackBody, Browse, Close, Code, Connect, Connected, Done, Flush,
    Message, Operation, OperationError, Ping, PingError, PingOutcome, Pong, PongBody, Range,
    Receive, Received, Resolve, ResolveBack, ResolveError, Resolved, ResolvedBack, Send, Sent,
    SocketId, completion, refusal,
};
use stack::{Event, EventKind, Naming, Resolution, ResolutionOutcome, SocketError, Token};

use super::errors::Told;
use super::services;

/// What a token of the stack says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The client's request id.
    pub request: u32,
    /// Number of the operation.
    pub operation: u16,
    /// An accept with a room.
    pub has_room: bool,
}

impl Ticket {
    /// Of a request.
    pub const fn new<O: Operation>(request: u32) -> Self {
        Self {
            request,
            operation: O::NUMBER,
            has_room: false,
        }
    }

    /// As the stack carries it.
    pub fn token(self) -> Token {
        let room = u64::from(self.has_room);
        Token(room << 48 | u64::from(self.operation) << 32 | u64::from(self.request))
    }

    /// Back from [`Self::token`]. The room of one of several connections is a receive.
    pub fn of(token: Token) -> Self {
        let [_, room, a, b, c, d, e, f] = token.0.to_be_bytes();
        let operation = match token.room() {
            Some(_) => Receive::NUMBER,
            // The upper bit is not part of it (`Token::along`).
            None => u16::from_be_bytes([a & 0x7f, b]),
        };
        Self {
            request: u32::from_be_bytes([c, d, e, f]),
            operation,
            has_room: room & 1 != 0,
        }
    }
}

/// Whether a request waits for an event. The others are for subscribers only.
pub const fn is_awaited(event: &Event) -> bool {
    !matches!(
        event.kind,
        EventKind::Lost(_) | EventKind::Urgent { .. } | EventKind::Doubtful(_)
    )
}

/// Whether an event only gives back what a client has lent, or ends what it has given up: few wait
/// for that, and those who do say so when they go to sleep.
pub const fn is_quiet(event: &Event) -> bool {
    matches!(
        event.kind,
        EventKind::Sent { .. }
            | EventKind::Closed
            | EventKind::Error(SocketError::Cancelled)
            | EventKind::Stopped {
                error: SocketError::Cancelled,
                ..
            }
    )
}

/// Bytes are through, or all that was before a mark.
fn sent(ticket: Ticket, bytes: u32) -> Message {
    if ticket.operation == Flush::NUMBER {
        return completion::<Flush>(ticket.request, &Ok(Done {}));
    }
    completion::<Send>(ticket.request, &Ok(Sent { bytes }))
}

/// What a client is told about an event. For one that no request waits for, the message has no
/// operation.
pub fn completion_of(event: &Event) -> Message {
    let ticket = Ticket::of(event.token);
    let request = ticket.request;
    // The rooms of several connections have one request: the number tells them apart.
    let room = event.token.room();
    let socket = SocketId(room.unwrap_or(event.socket.map_or(0, stack::SocketId::raw)));
    match event.kind {
        EventKind::Connected { local, .. } => {
            completion::<Connect>(request, &Ok(Connected { local }))
        }
        EventKind::Accepted {
            socket,
            local,
            remote,
            room,
        } => {
            let offset = room.map_or(0, |room| room.offset);
            let accepted = Accepted {
                socket: SocketId(socket.raw()),
                remote,
                local,
                more: ticket.has_room,
                // An arena is far smaller.
                offset: u32::try_from(offset).unwrap_or(u32::MAX),
            };
            completion::<Accept>(request, &Ok(accepted))
        }
        EventKind::Sent { bytes } => sent(ticket, bytes),
        EventKind::Received {
            offset,
            length,
            from,
            more,
            round_trip,
            sent,
        } => {
            let piece = Range { offset, length };
            let received = Received {
                socket,
                piece,
                from,
                more,
                end: false,
                round_trip,
                sent: sent.map(|token| Ticket::of(token).request),
            };
            completion::<Receive>(request, &Ok(received))
        }
        EventKind::Eof => completion::<Receive>(request, &Ok(end_of(socket))),
        EventKind::Closed => completion::<Close>(request, &Ok(Done {})),
        EventKind::Error(error) => ended(ticket, room.unwrap_or(0), error, 0),
        EventKind::Stopped { error, left } => ended(ticket, 0, error, left),
        EventKind::Resolved(resolution) => completion::<Resolve>(request, &resolved(&resolution)),
        EventKind::Named(naming) => completion::<ResolveBack>(request, &named(&naming)),
        EventKind::Service(instance) => {
            completion::<Browse>(request, &Ok(services::found(Some(&instance))))
        }
        EventKind::Browsed => completion::<Browse>(request, &Ok(services::found(None))),
        EventKind::PingReply {
            from,
            round_trip,
            ttl,
            size,
            sequence,
        } => {
            let figures = figures(round_trip, ttl, size, sequence);
            let pong = Pong {
                from,
                outcome: PingOutcome::Echo,
                figures,
            };
            completion::<Ping>(request, &Ok(pong))
        }
        EventKind::PingFailed {
            from,
            error,
            sequence,
        } => completion::<Ping>(request, &ping_failed(from, error, sequence)),
        EventKind::Lost(_) | EventKind::Urgent { .. } | EventKind::Doubtful(_) => Message::zeroed(),
    }
}

/// The peer has finished sending.
fn end_of(socket: SocketId) -> Received {
    Received {
        socket,
        piece: Range::default(),
        from: None,
        more: false,
        end: true,
        round_trip: 0,
        sent: None,
    }
}

/// A request that has failed; of several connections, which `room` has, or how many are `left`.
fn ended(ticket: Ticket, room: u32, error: SocketError, left: u32) -> Message {
    let mut message = refusal(ticket.operation, ticket.request, error.code());
    message.header.socket = room.into();
    message.header.argument = left.into();
    message
}

fn figures(round_trip: Duration, ttl: u8, size: u16, sequence: u16) -> PongBody {
    PongBody {
        round_trip: u64::try_from(round_trip.as_nanos())
            .unwrap_or(u64::MAX)
            .into(),
        size: size.into(),
        sequence: sequence.into(),
        ttl,
        reserved: [0; 3],
    }
}

/// A router's word is an answer; silence and our own knowledge are errors.
fn ping_failed(from: Option<IpAddr>, error: SocketError, sequence: u16) -> Result<Pong, PingError> {
    let code = error.code();
    let outcome = match code {
        Code::NoRoute => PingOutcome::NoRoute,
        Code::Unreachable | Code::Refused => PingOutcome::Unreachable,
        Code::Prohibited => PingOutcome::Prohibited,
        Code::TimeExceeded => PingOutcome::TimeExceeded,
        Code::TooBig => PingOutcome::TooBig,
        _ => return Err(PingError::from_code(code)),
    };
    let from = from.ok_or(PingError::from_code(code))?;
    Ok(Pong {
        from,
        outcome,
        figures: figures(Duration::ZERO, 0, 0, sequence),
    })
}

/// Whether a look-up has found something.
fn is_found(outcome: ResolutionOutcome) -> Result<(), ResolveError> {
    match outcome {
        ResolutionOutcome::Found => Ok(()),
        ResolutionOutcome::TooLong => Err(ResolveError::TooBig),
        ResolutionOutcome::NoSuchName => Err(ResolveError::NoSuchName),
        ResolutionOutcome::NoData => Err(ResolveError::NoSuchRecord),
        ResolutionOutcome::TimedOut => Err(ResolveError::TimedOut),
        ResolutionOutcome::ServerFailed => Err(ResolveError::NameServerFailed),
        ResolutionOutcome::Cancelled => Err(ResolveError::Cancelled),
    }
}

fn microseconds(took: Duration) -> u32 {
    u32::try_from(took.as_micros()).unwrap_or(u32::MAX)
}

fn named(naming: &Naming) -> Result<ResolvedBack, ResolveError> {
    is_found(naming.outcome)?;
    let answer = BackBody {
        name: naming.name,
        ttl: naming.ttl.into(),
        microseconds: microseconds(naming.took).into(),
        aliases: u32::from(naming.aliases).into(),
    };
    Ok(ResolvedBack {
        answer,
        server: naming.server,
    })
}

fn resolved(resolution: &Resolution) -> Result<Resolved, ResolveError> {
    is_found(resolution.outcome)?;
    let mut addresses = [IpAddr::V4(core::net::Ipv4Addr::UNSPECIFIED); protocol::ANSWER_ADDRESSES];
    let found = resolution.addresses.iter().flatten();
    let count = addresses
        .iter_mut()
        .zip(found)
        .fold(0, |count, (slot, address)| {
            *slot = *address;
            count + 1
        });
    let addresses = addresses.get(..count).unwrap_or(&[]);
    let took = microseconds(resolution.took);
    let answer = AnswerBody::new(resolution.ttl, took, resolution.aliases, addresses);
    Ok(Resolved {
        answer,
        server: resolution.server,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_survive_the_stack() {
        for ticket in [
            Ticket::new::<Ping>(0),
            Ticket::new::<Receive>(u32::MAX),
            Ticket {
                has_room: true,
                ..Ticket::new::<Accept>(0x1234_5678)
            },
        ] {
            assert_eq!(Ticket::of(ticket.token()), ticket);
        }
    }

    #[test]
    fn a_ping_that_nobody_answered_is_an_error_and_a_routers_word_is_not() {
        let router = Some("10.0.2.2".parse().unwrap());
        let answer = ping_failed(router, SocketError::TimeExceeded, 3);
        assert_eq!(
            answer.map(|pong| pong.outcome),
            Ok(PingOutcome::TimeExceeded)
        );
        let silence = ping_failed(None, SocketError::TimedOut, 3);
        assert_eq!(silence, Err(PingError::TimedOut));
        let nobody = ping_failed(None, SocketError::HostUnreachable, 3);
        assert_eq!(nobody, Err(PingError::Unreachable));
    }
}
