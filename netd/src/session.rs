//! One client: its link, what it may do, and what it is owed.
//!
//! *Owns* the client's end of things and nothing of its sockets, which the stack keeps. A request
//! is taken only when there is room for its reply; an event that finds no room stays in the stack
//! (and its bytes unacknowledged). So nothing queues here, however slow or hostile the client is.

use alloc::vec::Vec;

use abi::Signals;
use protocol::{
    Code, Event, EventBody, EventKind, Message, Operation, SocketId, Subscribe, completion, ready,
    refusal,
};
use ring::Look;
use rt::handle::Channel;
use rt::link::{Broken, Link};
use stack::{ClientId, Offer};

use crate::arenas::Ground;
use crate::service::{completion_of, is_awaited, is_quiet};

/// Sockets whose readiness is remembered while the client does not take its events.
const READY_SOCKETS: usize = 64;

/// What a session may do beside using sockets of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Privileges {
    /// Change the machine's network.
    pub admin: bool,
    /// Have raw sockets.
    pub raw: bool,
}

/// The other end of a session.
pub trait Peer {
    /// The rings.
    fn link(&mut self) -> &mut Link;

    /// The memory that the client has queued to be its arena, if it will do: readable, writable,
    /// and at least `bytes` long.
    fn take_arena(&mut self, bytes: usize) -> Option<Ground>;

    /// The channel that the client has queued for a session with another core.
    fn take_channel(&mut self) -> Option<Channel> {
        None
    }
}

/// What the client has been asked to ring for. The request stands until the client rings: while it
/// stands, there is nothing to look for at this end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watch {
    /// Nothing: we look by ourselves.
    Nothing,
    /// A request.
    Requests,
    /// Room for completions.
    Room,
}

/// A connected client.
pub struct Session<P> {
    pub client: ClientId,
    pub peer: P,
    pub privileges: Privileges,
    /// Completions found no room; the client rings when it has made some.
    pub starved: bool,
    /// Request of the subscription, if there is one, and what it has not been told.
    pub subscription: Option<Subscription>,
    watch: Watch,
    /// There may be something to do for it: kept by the table of sessions.
    pub is_awake: bool,
}

/// What a subscriber has not been told yet.
#[derive(Debug, Default)]
pub struct Subscription {
    pub request: u32,
    /// Cancelled: its last completion is owed.
    pub ended: bool,
    pub link: Option<bool>,
    pub address: bool,
    pub sockets: Vec<(SocketId, u32)>,
}

impl<P: Peer> Session<P> {
    pub const fn new(client: ClientId, peer: P, privileges: Privileges) -> Self {
        Self {
            client,
            peer,
            privileges,
            starved: false,
            subscription: None,
            watch: Watch::Nothing,
            is_awake: false,
        }
    }

    /// After a sleep: something was seen at our end.
    pub fn woken(&mut self, seen: Signals) {
        self.look();
        self.peer.link().observe(seen);
    }

    /// From now on we look by ourselves.
    fn look(&mut self) {
        if self.watch != Watch::Nothing {
            self.watch = Watch::Nothing;
            self.peer.link().awake();
        }
    }

    /// Takes the next request, if there is one and its reply would find room; `false` if not.
    ///
    /// # Errors
    /// The session is over.
    pub fn next(&mut self, request: &mut ring::Message) -> Result<bool, Broken> {
        let link = self.peer.link();
        if link.room() > 0 {
            let taken = link.take_into(request)?;
            if taken {
                self.look();
            }
            return Ok(taken);
        }
        self.starved = true;
        // A peer that claims impossible things never makes room again; one that is gone neither.
        if link.is_violated() {
            Err(Broken::Violation)
        } else if link.is_closed() {
            Err(Broken::Closed)
        } else {
            Ok(false)
        }
    }

    /// Sends a message; `false` when there is no room.
    pub fn send(&mut self, message: &Message) -> bool {
        let message = ring::Message::view(message.words());
        let sent = self.peer.link().push(message).is_ok();
        self.starved |= !sent;
        sent
    }

    /// As [`Self::send`], without waking a client that waits for something urgent.
    fn send_quietly(&mut self, message: &Message) -> bool {
        let message = ring::Message::view(message.words());
        let sent = self.peer.link().push_quiet(message).is_ok();
        self.starved |= !sent;
        sent
    }

    /// Publishes an event of the stack.
    pub fn offer(&mut self, event: &stack::Event) -> Offer {
        if is_awaited(event) {
            let message = completion_of(event);
            let sent = if is_quiet(event) {
                self.send_quietly(&message)
            } else {
                self.send(&message)
            };
            if !sent {
                return Offer::Full;
            }
        }
        self.note_ready(event);
        Offer::Published
    }

    /// Remembers for the subscriber what a completion means for its socket.
    fn note_ready(&mut self, event: &stack::Event) {
        let Some(subscription) = &mut self.subscription else {
            return;
        };
        let bits = match event.kind {
            stack::EventKind::Received { sent: None, .. } => ready::READABLE,
            stack::EventKind::Received { .. } => ready::READABLE | ready::WRITABLE,
            stack::EventKind::Connected { .. } | stack::EventKind::Sent { .. } => ready::WRITABLE,
            stack::EventKind::Eof => ready::READABLE | ready::END,
            stack::EventKind::Accepted { .. } => ready::ACCEPTABLE,
            stack::EventKind::Error(_)
            | stack::EventKind::Stopped { .. }
            | stack::EventKind::Lost(_) => ready::ERROR,
            stack::EventKind::Urgent { .. } => ready::URGENT,
            stack::EventKind::Doubtful(_) => ready::DOUBTFUL,
            stack::EventKind::Closed
            | stack::EventKind::Resolved(_)
            | stack::EventKind::Named(_)
            | stack::EventKind::PingReply { .. }
            | stack::EventKind::Service(_)
            | stack::EventKind::Browsed
            | stack::EventKind::PingFailed { .. } => return,
        };
        let Some(socket) = event.socket.map(|socket| SocketId(socket.raw())) else {
            return;
        };
        let sockets = &mut subscription.sockets;
        if let Some((_, known)) = sockets.iter_mut().find(|(known, _)| *known == socket) {
            *known |= bits;
        } else if sockets.len() < READY_SOCKETS {
            sockets.push((socket, bits));
        }
    }

    /// Tells the subscriber what it has not been told, as far as there is room.
    pub fn tell_events(&mut self) {
        if self.subscription.is_some() {
            self.tell_subscriber();
        }
    }

    fn tell_subscriber(&mut self) {
        let Some(mut subscription) = self.subscription.take() else {
            return;
        };
        let request = subscription.request;
        if subscription.ended {
            if !self.send(&refusal(Subscribe::NUMBER, request, Code::Cancelled)) {
                self.subscription = Some(subscription);
            }
            return;
        }
        let mut tell = |kind, socket, detail: u32| {
            let body = EventBody {
                detail: detail.into(),
            };
            let event = Event {
                kind,
                socket,
                body,
                more: true,
            };
            self.send(&completion::<Subscribe>(request, &Ok(event)))
        };
        if let Some(up) = subscription.link
            && tell(EventKind::Link, SocketId(0), u32::from(up))
        {
            subscription.link = None;
        }
        if subscription.address && tell(EventKind::Address, SocketId(0), 0) {
            subscription.address = false;
        }
        while let Some((socket, bits)) = subscription.sockets.first()
            && tell(EventKind::Ready, *socket, *bits)
        {
            subscription.sockets.remove(0);
        }
        self.subscription = Some(subscription);
    }

    /// Whether the client sleeps and there is something for it: it must be rung then.
    pub fn needs_ring(&mut self) -> bool {
        self.peer.link().needs_ring()
    }

    /// Before sleeping: asks for a doorbell when there is a request, or, when completions wait,
    /// when there is room for them. A client that makes none is not looked at until then.
    ///
    /// Who has been asked, and has not rung since, is not asked again. Nothing is missed: our flag
    /// went up before we looked and found nothing, and nobody has lowered it but the client, who
    /// rings then; a doorbell that rang stays so until a sleep reports it.
    pub fn announce_sleep(&mut self) -> Look {
        let wanted = if self.starved {
            Watch::Room
        } else {
            Watch::Requests
        };
        if self.watch == wanted {
            return Look::Sleep;
        }
        self.look();
        let look = match wanted {
            Watch::Room => self.peer.link().announce_sleep_until_room(),
            Watch::Requests | Watch::Nothing => self.peer.link().announce_sleep(),
        };
        if look == Look::Sleep {
            self.watch = wanted;
        }
        look
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::outcome;
    use stack::{EventKind as Kind, Token};

    struct Ours(Link);

    impl Peer for Ours {
        fn link(&mut self) -> &mut Link {
            &mut self.0
        }
        fn take_arena(&mut self, _: usize) -> Option<Ground> {
            None
        }
    }

    #[test]
    fn who_subscribed_hears_of_urgent_bytes_and_doubt_and_nobody_else_does() {
        // RFC 9293: MUST-32, MUST-47, SHLD-20
        let (config, now) = (stack::Config::default(), stack::Instant::from_nanos(0));
        let mut stack = stack::Stack::new(config, [7; 32], now);
        let client = stack.client_open().expect("a place");
        let socket = stack
            .socket_create(client, stack::Kind::Stream)
            .expect("a place");
        let (mut theirs, ours) = Link::pair(8);
        let mut session = Session::new(client, Ours(ours), Privileges::default());
        let remarks = [
            Kind::Urgent { bytes: 3 },
            Kind::Doubtful(stack::SocketError::TimedOut),
        ];
        for (subscribes, bits) in [(false, 0), (true, ready::URGENT | ready::DOUBTFUL)] {
            session.subscription = subscribes.then(Subscription::default);
            for kind in remarks {
                let event = stack::Event {
                    client,
                    token: Token::default(),
                    socket: Some(socket),
                    kind,
                };
                assert!(matches!(session.offer(&event), Offer::Published));
            }
            session.tell_events();
            let told = theirs.try_receive().expect("connected");
            let told = told.map_or(0, |message| {
                let event = outcome::<Subscribe>(Message::view(message.words()));
                event.expect("an event").body.detail.get()
            });
            assert_eq!(told, bits);
        }
    }
}
