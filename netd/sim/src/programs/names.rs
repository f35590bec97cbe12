//! Names: a small server with a fixed zone, and a program that asks.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use stack::{AddressKind, Event, EventKind, Lookup, Range, ResolutionOutcome, SocketId, Token};
use wire::dns::{
    Builder, Class, Data as RecordData, Header, Message, Record, ResponseCode, Section,
};

use crate::program::{Desk, Program, Verdict};

const ROOM: Range = Range {
    offset: 0,
    length: 32 * 1_024,
};
const OUT: u64 = 64 * 1_024;

/// Answers every question for an address with the same one, under any name that does not begin with
/// `no-`; those do not exist.
pub struct NameServer {
    address: Ipv4Addr,
    socket: Option<SocketId>,
    patience: Duration,
    is_done: bool,
}

impl NameServer {
    /// A server that leaves after so long a silence.
    #[must_use]
    pub fn new(address: Ipv4Addr, patience: Duration) -> Self {
        Self {
            address,
            socket: None,
            patience,
            is_done: false,
        }
    }

    fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        let message = Message::parse(query).ok()?;
        let question = message.question()?;
        // Names have no case, and resolvers play with it.
        let first = question.name.labels().next()?.to_ascii_lowercase();
        let is_known = !first.starts_with(b"no-");
        let header = Header {
            is_response: true,
            recursion_available: true,
            response_code: if is_known {
                ResponseCode::NO_ERROR
            } else {
                ResponseCode::NAME_ERROR
            },
            ..message.header
        };
        let mut bytes = vec![0; 512];
        let mut builder = Builder::new(&mut bytes, header).ok()?;
        builder.question(&question).ok()?;
        if is_known {
            let data = RecordData::A(self.address);
            let record = Record {
                name: question.name,
                class: Class::IN,
                ttl: 60,
                data,
            };
            builder.record(Section::Answer, &record).ok()?;
        }
        let len = builder.finish();
        bytes.truncate(len);
        Some(bytes)
    }
}

impl Program for NameServer {
    fn begin(&mut self, desk: &mut Desk<'_>) {
        let socket = desk.datagrams(53);
        desk.stack
            .receive(desk.client, socket, ROOM, Token(1), desk.now)
            .expect("room");
        self.socket = Some(socket);
        *desk.wake_at = Some(desk.now + self.patience);
    }

    fn event(&mut self, event: &Event, desk: &mut Desk<'_>) {
        let Some(socket) = self.socket else { return };
        if let EventKind::Received {
            offset,
            length,
            from,
            more,
            ..
        } = event.kind
        {
            if let Some(from) = from
                && let Some(answer) = self.answer(&desk.read(offset, length))
            {
                // If there is no place for it, it is asked again.
                desk.send_datagram(socket, OUT, &answer, from, Token(2))
                    .ok();
            }
            if !more {
                let given = desk
                    .stack
                    .receive(desk.client, socket, ROOM, Token(1), desk.now);
                given.expect("the old room is used up");
            }
            *desk.wake_at = Some(desk.now + self.patience);
        }
    }

    fn wake(&mut self, _: &mut Desk<'_>) {
        self.is_done = true;
    }

    fn verdict(&self) -> Verdict {
        if self.is_done {
            Verdict::Content
        } else {
            Verdict::Running
        }
    }
}

/// Asks for one name.
pub struct Resolver {
    name: String,
    expected: Option<IpAddr>,
    outcome: Option<(ResolutionOutcome, Option<IpAddr>)>,
    may_fail: bool,
}

impl Resolver {
    /// Asks for `name`, which has this address or does not exist; if `may_fail`, there may be no
    /// answer at all.
    #[must_use]
    pub fn new(name: &str, expected: Option<IpAddr>, may_fail: bool) -> Self {
        Self {
            name: name.into(),
            expected,
            outcome: None,
            may_fail,
        }
    }
}

impl Program for Resolver {
    fn begin(&mut self, desk: &mut Desk<'_>) {
        let lookup = Lookup {
            name: &self.name,
            kind: AddressKind::V4,
            server: None,
        };
        desk.stack
            .resolve(desk.client, lookup, Token(1), desk.now)
            .expect("a place for a look-up");
    }

    fn event(&mut self, event: &Event, _: &mut Desk<'_>) {
        if let EventKind::Resolved(resolution) = event.kind {
            let [first, ..] = resolution.addresses;
            self.outcome = Some((resolution.outcome, first));
        }
    }

    fn verdict(&self) -> Verdict {
        let Some((outcome, address)) = self.outcome else {
            return Verdict::Running;
        };
        let is_right = match self.expected {
            Some(_) => outcome == ResolutionOutcome::Found && address == self.expected,
            None => outcome == ResolutionOutcome::NoSuchName && address.is_none(),
        };
        if is_right {
            Verdict::Content
        } else if self.may_fail
            && matches!(
                outcome,
                ResolutionOutcome::TimedOut | ResolutionOutcome::ServerFailed
            )
        {
            Verdict::GaveUp(format!("{outcome:?}"))
        } else {
            Verdict::Broken(format!("{}: {outcome:?}, {address:?}", self.name))
        }
    }
}
