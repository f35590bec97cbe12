//! A client: opens connections to one place, one after the other or several at a time.

use std::net::SocketAddr;
use std::time::Duration;

use stack::{ConnectError, Event, EventKind, Instant, SocketError, SocketId};

use super::end::{End, Manner};
use crate::program::{Desk, Program, Verdict};

/// What a client does.
#[derive(Clone, Copy, Debug)]
pub struct Visits {
    /// Where to.
    pub to: SocketAddr,
    /// How many connections in all, and how many at a time.
    pub count: u64,
    /// See `count`.
    pub at_a_time: u64,
    /// How long it waits before the first.
    pub after: Duration,
    /// Nobody listens there: to be refused is what it wants.
    pub wants_refusal: bool,
    /// What it does with each.
    pub manner: Manner,
}

/// A client.
pub struct Client {
    visits: Visits,
    begins_at: Instant,
    opened: u64,
    ends: Vec<End>,
    /// The worst of those that are over.
    worst: Verdict,
    verdict: Verdict,
}

impl Client {
    /// A client that has not begun.
    #[must_use]
    pub fn new(visits: Visits) -> Self {
        Self {
            visits,
            begins_at: Instant::ZERO,
            opened: 0,
            ends: Vec::new(),
            worst: Verdict::Content,
            verdict: Verdict::Running,
        }
    }

    fn open_more(&mut self, desk: &mut Desk<'_>) {
        if desk.now < self.begins_at {
            desk.wake_by(self.begins_at);
            return;
        }
        while self.opened < self.visits.count
            && (self.ends.len() as u64) < self.visits.at_a_time
            && self.verdict == Verdict::Running
        {
            let base = free_base(&self.ends, self.visits.manner.span());
            let mut end = End::new(self.visits.manner, self.opened, base);
            self.opened += 1;
            match self.connect(&end, desk) {
                Ok(socket) => end.take_socket(socket),
                Err(error) => end.complain(format!("connect: {error:?}")),
            }
            end.act(desk);
            self.ends.push(end);
        }
    }

    fn connect(&self, end: &End, desk: &mut Desk<'_>) -> Result<SocketId, ConnectError> {
        let options = self.visits.manner.chosen();
        desk.connect(self.visits.to, end.token(), &options)
    }

    /// Takes leave of the ends that are over, and keeps the worst of their verdicts.
    fn settle(&mut self, desk: &mut Desk<'_>) {
        let wants_refusal = self.visits.wants_refusal;
        for end in &mut self.ends {
            let verdict = match end.verdict() {
                Verdict::GaveUp(_)
                    if wants_refusal && end.failure() == Some(SocketError::Refused) =>
                {
                    Verdict::Content
                }
                Verdict::Content if wants_refusal => {
                    Verdict::Broken("somebody listens on a closed port".into())
                }
                verdict => verdict,
            };
            note(verdict, end.is_over(), &mut self.worst, &mut self.verdict);
        }
        self.ends.retain(|end| !end.is_over());
        self.open_more(desk);
        if self.ends.is_empty()
            && self.opened == self.visits.count
            && self.verdict == Verdict::Running
        {
            self.verdict = self.worst.clone();
        }
    }
}

/// Takes note of an end's verdict: what is broken counts at once, a failure when all are over,
/// because whoever leaves takes its other connections along.
pub(super) fn note(found: Verdict, is_over: bool, worst: &mut Verdict, all: &mut Verdict) {
    match found {
        Verdict::Broken(_) if *all == Verdict::Running => *all = found,
        Verdict::GaveUp(_) if is_over && *worst == Verdict::Content => *worst = found,
        _ => {}
    }
}

/// The lowest place in the arena that no end has.
pub(super) fn free_base(ends: &[End], span: u64) -> u64 {
    let taken = |base: u64| ends.iter().any(|end| end.base() == base);
    (0..)
        .map(|place| place * span)
        .find(|base| !taken(*base))
        .unwrap_or(0)
}

impl Program for Client {
    fn begin(&mut self, desk: &mut Desk<'_>) {
        self.begins_at = desk.now + self.visits.after;
        self.settle(desk);
    }

    fn event(&mut self, event: &Event, desk: &mut Desk<'_>) {
        let number = End::number_of(event.token);
        let place = match event.kind {
            // It carries no token; whoever waits longest is told.
            EventKind::Lost(_) => self.ends.iter().position(|end| end.is_on(event.socket)),
            _ => self.ends.iter().position(|end| end.is_number(number)),
        };
        if let Some(end) = place.map(|place| &mut self.ends[place]) {
            end.take(&event.kind, event.token, desk);
            end.act(desk);
        }
        self.settle(desk);
    }

    fn come_back(&mut self, desk: &mut Desk<'_>) {
        let mut ends = std::mem::take(&mut self.ends);
        for end in &mut ends {
            if !end.come_back(desk) {
                match self.connect(end, desk) {
                    Ok(socket) => end.begin_again(socket, desk),
                    Err(error) => end.complain(format!("connect again: {error:?}")),
                }
            }
            end.act(desk);
        }
        self.ends = ends;
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
}
