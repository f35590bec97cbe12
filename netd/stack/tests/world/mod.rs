//! Stacks joined by a wire that is a vector: what multi-layer tests stand on.

mod calls;
pub mod craft;
mod host;
pub mod listeners;
pub mod neighbours;
mod pair;
pub mod sender;
pub mod six;

pub use calls::ping;
pub use host::{ARENA, Arenas, Host, any, at, config, facts, ip, mac, plan};
pub use pair::{Pair, joined};

use stack::{AddressPlan, Config, Instant};
use std::time::Duration;

/// Decides whether a frame of sender 0 or 1 is lost.
pub type Lose = dyn FnMut(usize, &[u8]) -> bool;

/// Two hosts and the wire between them.
pub struct World {
    pub a: Host,
    pub b: Host,
    pub now: Instant,
    /// All frames that passed, and who sent them (0 or 1).
    pub log: Vec<(usize, Vec<u8>)>,
    /// Loses the frames that it picks.
    pub lose: Box<Lose>,
}

impl World {
    pub fn new() -> Self {
        Self::with(config(), config())
    }

    pub fn with(a: Config, b: Config) -> Self {
        let mut world = Self {
            a: Host::new(1, a, AddressPlan::Static(plan(1))),
            b: Host::new(2, b, AddressPlan::Static(plan(2))),
            now: Instant::ZERO,
            log: Vec::new(),
            lose: Box::new(|_, _| false),
        };
        // The announcements of both.
        world.run(Duration::from_secs(3));
        world.log.clear();
        world
    }

    /// Carries frames until both are quiet, without time passing.
    pub fn settle(&mut self) {
        for round in 0.. {
            if round == 5_000 {
                let last = &self.log[self.log.len().saturating_sub(6)..];
                let due = [self.a.stack.next_deadline(), self.b.stack.next_deadline()];
                panic!(
                    "the hosts never come to rest at {:?}: {due:?} {last:x?}",
                    self.now
                );
            }
            self.a.stack.fire(&mut self.a.memory, self.now);
            self.b.stack.fire(&mut self.b.memory, self.now);
            let from_a = self.a.frames(self.now);
            let from_b = self.b.frames(self.now);
            let quiet = from_a.is_empty() && from_b.is_empty();
            for (sender, frames) in [(0, from_a), (1, from_b)] {
                for frame in frames {
                    let lost = (self.lose)(sender, &frame);
                    if !lost {
                        let to = if sender == 0 {
                            &mut self.b
                        } else {
                            &mut self.a
                        };
                        to.input(&frame, self.now);
                    }
                    self.log.push((sender, frame));
                }
            }
            self.a.publish(self.now);
            self.b.publish(self.now);
            let due = |host: &Host| host.stack.next_deadline().is_some_and(|at| at <= self.now);
            if quiet && !due(&self.a) && !due(&self.b) {
                return;
            }
        }
    }

    /// Takes out of the log what one side has sent.
    pub fn sent(&mut self, side: usize) -> Vec<Vec<u8>> {
        let own = self.log.drain(..).filter(|(sender, _)| *sender == side);
        own.map(|(_, frame)| frame).collect()
    }

    /// Lets time pass, from deadline to deadline.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        loop {
            let next = [self.a.stack.next_deadline(), self.b.stack.next_deadline()];
            let Some(next) = next.into_iter().flatten().min().filter(|next| *next <= end) else {
                break;
            };
            self.now = next.max(self.now);
            self.settle();
        }
        self.now = end;
        self.settle();
    }
}
