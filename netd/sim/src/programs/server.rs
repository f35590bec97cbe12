//! A server: takes connections on one port and does the same with each.

use std::time::Duration;

use stack::{Event, EventKind, Instant, SocketId, Token};

use super::client::{free_base, note};
use super::end::{End, Manner};
use crate::host::Arenas;
use crate::program::{Desk, Program, Verdict};

/// What a server does.
#[derive(Clone, Copy, Debug)]
pub struct Serves {
    /// Where it listens.
    pub port: u16,
    /// How many connections may wait.
    pub backlog: u16,
    /// How many connections it expects in all.
    pub count: u64,
    /// It has a room ready before somebody comes.
    pub is_prepared: bool,
    /// How long it takes until it accepts the next.
    pub pause: Duration,
    /// What it does with each.
    pub manner: Manner,
}

/// A server.
pub struct Server {
    serves: Serves,
    listener: Option<SocketId>,
    ends: Vec<End>,
    /// The end for whoever comes next, whose accept waits.
    next: Option<End>,
    accept_from: Instant,
    asked: u64,
    done: u64,
    /// The worst of those that are over.
    worst: Verdict,
    verdict: Verdict,
}

/// Tokens of accepts: no end has such a number.
const ACCEPT: u64 = u64::MAX;

impl Server {
    /// A server that does not listen yet.
    #[must_use]
    pub fn new(serves: Serves) -> Self {
        Self {
            serves,
            listener: None,
            ends: Vec::new(),
            next: None,
            accept_from: Instant::ZERO,
            asked: 0,
            done: 0,
            worst: Verdict::Content,
            verdict: Verdict::Running,
        }
    }

    fn listen(&mut self, desk: &mut Desk<'_>) -> SocketId {
        let options = self.serves.manner.chosen();
        let listener = desk.listen(self.serves.port, self.serves.backlog, &options);
        self.listener = Some(listener);
        listener
    }

    fn ask(&mut self, desk: &mut Desk<'_>) {
        let Some(listener) = self.listener.filter(|_| self.next.is_none()) else {
            return;
        };
        let span = self.serves.manner.span();
        let places = Arenas::LEN as u64 / span.max(1);
        let is_full = self.ends.len() as u64 >= places;
        if self.asked == self.serves.count || is_full {
            return;
        }
        if desk.now < self.accept_from {
            desk.wake_by(self.accept_from);
            return;
        }
        let base = free_base(&self.ends, span);
        let mut end = End::new(self.serves.manner, self.asked, base);
        let room = self
            .serves
            .is_prepared
            .then(|| end.first_room(Token(ACCEPT)));
        self.asked += 1;
        self.next = Some(end);
        desk.accept(listener, room, Token(ACCEPT));
    }

    fn settle(&mut self, desk: &mut Desk<'_>) {
        for end in &self.ends {
            let (verdict, is_over) = (end.verdict(), end.is_over());
            note(verdict, is_over, &mut self.worst, &mut self.verdict);
        }
        let before = self.ends.len();
        self.ends.retain(|end| !end.is_over());
        self.done += (before - self.ends.len()) as u64;
        self.ask(desk);
        if self.done == self.serves.count && self.verdict == Verdict::Running {
            self.verdict = self.worst.clone();
        }
    }

    /// The end that an event is about.
    fn end_of(&mut self, event: &Event) -> Option<&mut End> {
        let number = End::number_of(event.token);
        let on_socket = |end: &&mut End| end.is_on(event.socket);
        // The first room has the token of the accept, and what is lost has none.
        if event.token.0 == ACCEPT || matches!(event.kind, EventKind::Lost(_)) {
            return self.ends.iter_mut().find(on_socket);
        }
        self.ends.iter_mut().find(|end| end.is_number(number))
    }
}

impl Program for Server {
    fn begin(&mut self, desk: &mut Desk<'_>) {
        self.listen(desk);
        self.settle(desk);
    }

    fn come_back(&mut self, desk: &mut Desk<'_>) {
        let listener = self.listen(desk);
        if let Some(next) = &self.next {
            desk.accept(listener, next.prepared_room(), Token(ACCEPT));
        }
        for end in &mut self.ends {
            end.come_back(desk);
            end.act(desk);
        }
        // What is left is nobody's yet.
        let waiting: Vec<_> = desk.stack.survivors(desk.client).collect();
        for survivor in waiting {
            let queued = desk
                .stack
                .requeue(desk.client, &survivor, listener, desk.now);
            if let Err(error) = queued {
                self.verdict = Verdict::Broken(format!("requeue: {error:?}"));
            }
        }
        self.settle(desk);
    }

    fn event(&mut self, event: &Event, desk: &mut Desk<'_>) {
        if let EventKind::Accepted { socket, remote, .. } = event.kind {
            desk.note_peer(socket, remote);
            if let Some(mut end) = self.next.take() {
                end.take_accepted(socket);
                end.act(desk);
                self.ends.push(end);
            }
            self.accept_from = desk.now + self.serves.pause;
        } else if let Some(end) = self.end_of(event) {
            end.take(&event.kind, event.token, desk);
            end.act(desk);
        }
        self.settle(desk);
    }

    fn wake(&mut self, desk: &mut Desk<'_>) {
        for end in &mut self.ends {
            end.act(desk);
        }
        self.settle(desk);
    }

    fn verdict(&self) -> Verdict {
        self.verdict.clone()
    }

    fn is_server(&self) -> bool {
        true
    }
}
