//! Look-outs of clients: their questions, what they hear, and what their clients are told.
//!
//! *Owns* the table. *Invariant*: a look-out that was accepted is over in seconds, and its client is told so
//! once, or gone.

use super::browse::Browse;
use super::link::LONGEST;
use super::services::{kind_named, kind_to_browse};
use crate::actors::Actor;
use crate::error::{BrowseError, SocketError};
use crate::event::EventKind;
use crate::id::{ClientId, InterfaceId, Token};
use crate::publish::Telling;
use crate::stack::Stack;
use crate::timers::Timer;
use ::tcp::Instant;
use wire::dns::Message;

impl Stack {
    /// Looks for services of a kind on all links where names are answered for: tells `Service` of each
    /// that it finds, and in a few seconds `Browsed`.
    ///
    /// # Errors
    /// See [`BrowseError`].
    pub fn browse(
        &mut self,
        client: ClientId,
        kind: &str,
        token: Token,
        now: Instant,
    ) -> Result<(), BrowseError> {
        self.clients.get(client).ok_or(BrowseError::BadClient)?;
        let kind = kind_to_browse(kind).ok_or(BrowseError::BadKind)?;
        if self.responders.iter().all(Option::is_none) {
            return Err(BrowseError::NoLink);
        }
        let mut browse = Browse::new(client, token, kind, now);
        self.find_own(&mut browse);
        let is_new = browse.next_told().is_some();
        let index = self.browses.insert(browse).ok_or(BrowseError::TooMany)?;
        if is_new {
            self.tell(client, Actor::Browse(index));
        }
        self.fire_browses(now);
        Ok(())
    }

    /// What a service says of itself that one of the client's look-outs has found and that is not over:
    /// strings, each behind its length (RFC 6763 section 6), as many as have room; `None` if it has found
    /// no such service.
    #[must_use]
    pub fn service_text(&self, client: ClientId, name: &str, kind: &str) -> Option<&[u8]> {
        let kind = kind_named(kind)?;
        let browses = self.browses.iter().map(|(_, browse)| browse);
        let mut own = browses.filter(|browse| browse.client == client);
        own.find_map(|browse| browse.text_of(name.as_bytes(), &kind))
    }

    /// The host hears nobody of its own: what it would say itself is read here.
    fn find_own(&mut self, browse: &mut Browse) {
        let mut bytes = [0; LONGEST];
        for responder in self.responders.iter().flatten() {
            let Some(len) = responder.answer_for(browse.asked_for(), &mut bytes) else {
                continue;
            };
            if let Ok(message) = Message::parse(bytes.get(..len).unwrap_or_default()) {
                browse.hear(&message);
            }
        }
    }

    /// Asks what is to be asked, and ends what is over.
    pub(crate) fn fire_browses(&mut self, now: Instant) {
        let mut bytes = [0; LONGEST];
        for index in 0..u32::try_from(self.browses.limit()).unwrap_or(0) {
            let Some(browse) = self.browses.at_mut(index) else {
                continue;
            };
            let asked = browse.fire(&mut bytes, now);
            let (client, is_over) = (browse.client, browse.is_over);
            if is_over {
                self.tell(client, Actor::Browse(index));
            }
            if let Some(len) = asked {
                let question = bytes.get(..len).unwrap_or_default();
                self.ask_all_links(question);
            }
        }
        let next = self.browses.iter().filter_map(|(_, it)| it.next()).min();
        self.timers.set(Timer::Browses, next);
    }

    fn ask_all_links(&mut self, question: &[u8]) {
        for number in 0..self.responders.len() {
            if self.responders.get(number).is_some_and(Option::is_some)
                && let Ok(raw) = u8::try_from(number)
            {
                self.say_to_all(InterfaceId(raw), question);
            }
        }
    }

    /// Somebody tells something on a link.
    pub(crate) fn browses_hear(&mut self, message: &Message<'_>) {
        for index in 0..u32::try_from(self.browses.limit()).unwrap_or(0) {
            let Some(browse) = self.browses.at_mut(index) else {
                continue;
            };
            if !browse.is_over && browse.hear(message) {
                let client = browse.client;
                self.tell(client, Actor::Browse(index));
            }
        }
    }

    /// Tells what was found.
    pub(crate) fn browse_tell(&mut self, index: u32, telling: &mut Telling<'_>) -> bool {
        let Some(browse) = self.browses.at_mut(index) else {
            return true;
        };
        while let Some(instance) = browse.next_told().filter(|_| !browse.is_cancelled) {
            if !telling.tell(None, browse.token, EventKind::Service(instance)) {
                return false;
            }
            browse.told();
        }
        if !browse.is_over {
            return true;
        }
        let end = if browse.is_cancelled {
            EventKind::Error(SocketError::Cancelled)
        } else {
            EventKind::Browsed
        };
        let told = telling.tell(None, browse.token, end);
        if told {
            self.browses.remove_at(index);
        }
        told
    }

    /// Takes a look-out back; `None` if there is none.
    pub(crate) fn cancel_browse(&mut self, client: ClientId, token: Token) -> Option<()> {
        let is_it = |it: &Browse| it.client == client && it.token == token && !it.is_over;
        let (index, _) = self.browses.iter().find(|(_, it)| is_it(it))?;
        let browse = self.browses.at_mut(index)?;
        browse.is_over = true;
        browse.is_cancelled = true;
        self.tell(client, Actor::Browse(index));
        Some(())
    }

    /// The client is gone, and its look-outs with it.
    pub(crate) fn browses_forget(&mut self, client: ClientId) {
        for index in 0..u32::try_from(self.browses.limit()).unwrap_or(0) {
            let of_client = self.browses.at(index).map(|it| it.client);
            if of_client == Some(client) {
                self.browses.remove_at(index);
            }
        }
    }
}
