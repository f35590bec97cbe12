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
    /// An actor has something to tell. (By itself: it is called at many places.)
    #[inline(never)]
    pub(crate) fn tell(&mut self, client: ClientId, actor: Actor) {
        self.has_news = true;
        let index = self.clients.index(client);
        self.dirty.push_if_free(index, self.numbering.number(actor));
        self.dirty_clients.mark(index);
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
        let marked = self.dirty_clients.marked();
        if marked.is_empty() {
            return 0;
        }
        let mut published = 0;
        for word in marked {
            // Who gets something to tell meanwhile is told the next time, or now if it is in a later word.
            for index in self.dirty_clients.take(word) {
                let Some(client) = self.clients.at(index) else {
                    continue;
                };
                let mut telling = Telling {
                    client,
                    offer,
                    published: 0,
                };
                self.publish_to(index, &mut telling, now);
                published += telling.published;
            }
        }
        self.stats.add(Counter::EventsPublished, published as u64);
        published
    }

    /// Offers what one client is to be told.
    #[inline(always)]
    fn publish_to(&mut self, index: u32, telling: &mut Telling<'_>, now: Instant) {
        while let Some(number) = self.dirty.first(index) {
            let told = match self.numbering.actor(number) {
                Actor::Connection(index) => self.tcp_tell::<Ipv4Addr>(index, telling, now),
                Actor::Connection6(index) => self.tcp_tell::<Ipv6Addr>(index, telling, now),
                Actor::Datagram(index) => self.udp_tell(index, telling),
                Actor::Listener(index) => self.listener_tell(index, telling),
                Actor::Ping(index) => self.ping_tell(index, telling),
                Actor::Lookup(index) => self.lookup_tell(index, telling),
                Actor::Browse(index) => self.browse_tell(index, telling),
                Actor::Client(_) => self.client_tell(telling.client, telling),
            };
            if !told {
                // To the end: who has little to tell is not kept waiting by who has much.
                self.dirty.push(index, number);
                self.dirty_clients.mark(index);
                self.stats.count(Counter::EventsRefused);
                return;
            }
            self.dirty.remove(number);
        }
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
