//! Telling clients: events are read off the state of things when there is room for them.
//!
//! *Owns* the queue of who has something to tell, one list per client, each actor in it at most once.
//! Nothing queues without bound: an actor's events are its state, coalesced until the client takes
//! them; a full ring stops this client alone. What a client has not been told is not acknowledged.

use crate::actors::Actor;
use crate::event::{Event, EventKind, Offer};
use crate::id::{ClientId, SocketId, Token};
use crate::nodes::Chain;
use crate::requests::Request;
use crate::stack::Stack;
use crate::stats::Counter;
use ::tcp::Instant;
use core::net::{Ipv4Addr, Ipv6Addr};

/// One client being told.
pub(crate) struct Telling<'a> {
    client: ClientId,
    offer: &'a mut dyn FnMut(ClientId, &Event) -> Offer,
    published: usize,
}

impl Telling<'_> {
    /// How many events were taken so far.
    pub(crate) fn published(&self) -> usize {
        self.published
    }

    /// Offers one event; `false` when the ring is full. The event is made where it is told: to move it
    /// there, in parts that were just written, would be to wait for them.
    #[inline(always)]
    pub(crate) fn tell(&mut self, socket: Option<SocketId>, token: Token, kind: EventKind) -> bool {
        let event = Event {
            client: self.client,
            token,
            socket,
            kind,
        };
        self.offer(&event)
    }

    fn offer(&mut self, event: &Event) -> bool {
        match (self.offer)(self.client, event) {
            Offer::Published => {
                self.published += 1;
                true
            }
            Offer::Full => false,
        }
    }
}

impl Stack {
    /// An actor has something to tell.
    #[inline]
    pub(crate) fn tell(&mut self, client: ClientId, actor: Actor) {
        self.has_news = true;
        let index = self.clients.index(client);
        self.dirty.push_if_free(index, self.numbering.number(actor));
        self.dirty_clients.push_if_free(0, index);
    }

    /// Whether somebody has got something to tell since the last [`Stack::publish`] began.
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.has_news
    }

    /// Offers every waiting event once to `offer`, client after client. A client whose ring is
    /// full keeps its events, and their bytes stay unacknowledged. Returns how many were published.
    pub fn publish(
        &mut self,
        now: Instant,
        offer: &mut dyn FnMut(ClientId, &Event) -> Offer,
    ) -> usize {
        self.has_news = false;
        let mut published = 0;
        let Some(last) = self.dirty_clients.last(0) else {
            return 0;
        };
        while let Some(index) = self.dirty_clients.pop(0) {
            let Some(client) = self.clients.at(index) else {
                continue;
            };
            let mut telling = Telling {
                client,
                offer,
                published: 0,
            };
            while let Some(number) = self.dirty.first(index) {
                let told = match self.numbering.actor(number) {
                    Actor::Connection(index) => self.tcp_tell::<Ipv4Addr>(index, &mut telling, now),
                    Actor::Connection6(index) => {
                        self.tcp_tell::<Ipv6Addr>(index, &mut telling, now)
                    }
                    Actor::Datagram(index) => self.udp_tell(index, &mut telling),
                    Actor::Listener(index) => self.listener_tell(index, &mut telling),
                    Actor::Ping(index) => self.ping_tell(index, &mut telling),
                    Actor::Lookup(index) => self.lookup_tell(index, &mut telling),
                    Actor::Browse(index) => self.browse_tell(index, &mut telling),
                    Actor::Client(_) => self.client_tell(client, &mut telling),
                };
                if !told {
                    // To the end: who has little to tell is not kept waiting by who has much.
                    self.dirty.push(index, number);
                    self.dirty_clients.push(0, index);
                    self.stats.count(Counter::EventsRefused);
                    break;
                }
                self.dirty.remove(number);
            }
            published += telling.published;
            if index == last {
                break;
            }
        }
        self.stats.add(Counter::EventsPublished, published as u64);
        published
    }

    fn client_tell(&mut self, client: ClientId, telling: &mut Telling<'_>) -> bool {
        let Some(mut notices) = self.clients.take_notices(client) else {
            return true;
        };
        let mut told = true;
        while let Some(notice) = self.requests.first_notice(&notices).filter(|_| told) {
            told = telling.tell(None, notice.token, EventKind::Closed);
            if told {
                self.requests.discard(&mut notices);
            }
        }
        self.clients.put_notices(client, notices);
        told
    }

    fn ping_tell(&mut self, index: u32, telling: &mut Telling<'_>) -> bool {
        let Some(ping) = self.pings.table.at(index) else {
            return true;
        };
        let Some(answer) = ping.answer else {
            return true;
        };
        let told = telling.tell(None, ping.token, answer);
        if told {
            self.pings.table.remove_at(index);
        }
        told
    }

    /// Forgets requests without telling anybody.
    pub(crate) fn forget_requests(&mut self, chain: &mut Chain) {
        while let Some(request) = self.requests.pop(chain) {
            if let Request::Send(send) = request {
                self.release(send.source);
            }
        }
    }
}
