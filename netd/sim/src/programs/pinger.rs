//! Pings a host and counts.

use std::net::IpAddr;
use std::time::Duration;

use stack::{Event, EventKind, Ping, Token};

use crate::program::{Desk, Program, Verdict};

/// Sends one echo request after the other.
pub struct Pinger {
    to: IpAddr,
    left: u16,
    sequence: u16,
    /// Answers that came, and those that did not.
    answers: u16,
    failures: u16,
    may_fail: bool,
    broken: Option<String>,
}

impl Pinger {
    /// Pings `to` so many times; if `may_fail`, answers may be missing.
    #[must_use]
    pub fn new(to: IpAddr, count: u16, may_fail: bool) -> Self {
        Self {
            to,
            left: count,
            sequence: 0,
            answers: 0,
            failures: 0,
            may_fail,
            broken: None,
        }
    }

    fn ask(&mut self, desk: &mut Desk<'_>) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        self.sequence += 1;
        let ping = Ping {
            link: 0,
            address: self.to,
            size: 56 * self.sequence % 1_400,
            sequence: self.sequence,
            ttl: None,
            timeout: Duration::from_secs(3),
        };
        let asked = desk
            .stack
            .ping(desk.client, ping, Token(u64::from(self.sequence)), desk.now);
        if let Err(error) = asked {
            self.broken = Some(format!("{error:?}"));
        }
    }
}

impl Program for Pinger {
    fn begin(&mut self, desk: &mut Desk<'_>) {
        self.ask(desk);
    }

    fn event(&mut self, event: &Event, desk: &mut Desk<'_>) {
        let sequence_asked = self.sequence;
        match event.kind {
            EventKind::PingReply {
                from,
                sequence,
                size,
                ..
            } => {
                let is_right = from == self.to
                    && sequence == sequence_asked
                    && size == 56 * sequence_asked % 1_400;
                if !is_right {
                    self.broken = Some(format!("a wrong answer: {event:?}"));
                }
                self.answers += 1;
            }
            EventKind::PingFailed { .. } => self.failures += 1,
            _ => self.broken = Some(format!("unexpected: {event:?}")),
        }
        self.ask(desk);
    }

    fn verdict(&self) -> Verdict {
        if let Some(complaint) = &self.broken {
            Verdict::Broken(complaint.clone())
        } else if self.left > 0 || self.answers + self.failures < self.sequence {
            Verdict::Running
        } else if self.failures == 0 {
            Verdict::Content
        } else if self.may_fail {
            Verdict::GaveUp(format!(
                "{} of {} are missing",
                self.failures, self.sequence
            ))
        } else {
            Verdict::Broken(format!(
                "{} of {} are missing",
                self.failures, self.sequence
            ))
        }
    }
}
