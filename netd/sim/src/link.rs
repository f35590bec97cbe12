//! What a link does to frames.
//!
//! *Owns* one direction of a link: its queue, and the time at which frames come out. *Never* looks
//! into a frame, except that it spares what has no checksum from corruption, because nobody could
//! tell, and that a queue marks packets that can be marked.

use std::time::Duration;

use stack::Instant;
use wire::{Ecn, ethernet};

use crate::codel::Codel;
use crate::fault::{Fault, Faults, Judge};
use crate::random::Random;
use crate::router;
use crate::weather::{Discipline, Weather};

/// One direction of a link.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its nature, which may change at any time.
    pub weather: Weather,
    judge: Judge,
    codel: Codel,
    busy_until: Instant,
    /// Frames that went in.
    pub sent: u64,
    /// Frames that came to nothing.
    pub lost: u64,
    /// What a router had to say of the last frame, and when that is heard.
    refusal: Option<(Instant, Vec<u8>)>,
}

/// What the queue does with a frame.
enum Admission {
    /// It leaves at this time.
    Leaves(Instant),
    /// It leaves at this time, marked.
    Marked(Instant),
    /// It is dropped.
    Dropped,
}

impl Line {
    /// A direction with nothing on it.
    #[must_use]
    pub fn new(weather: Weather, random: Random) -> Self {
        Self {
            weather,
            judge: Judge::by_chance(random),
            codel: Codel::default(),
            busy_until: Instant::ZERO,
            sent: 0,
            lost: 0,
            refusal: None,
        }
    }

    /// Nothing befalls frames any more but what the list says: no chance, no limit of the queue.
    pub(crate) fn follow(&mut self, list: Faults) {
        self.judge.follow(list);
    }

    /// Everything that befell frames so far.
    pub(crate) fn faults(&self) -> &Faults {
        self.judge.noted()
    }

    /// A frame goes in at `now`: when, and how, it comes out.
    pub fn carry(&mut self, frame: &[u8], now: Instant) -> Vec<(Instant, Vec<u8>)> {
        let number = self.sent;
        self.sent += 1;
        let arrivals = self.pass(number, frame, now);
        self.lost += u64::from(arrivals.is_empty());
        arrivals
    }

    /// What a router has to say to the sender of the frame that went in last.
    pub(crate) fn refusal(&mut self) -> Option<(Instant, Vec<u8>)> {
        self.refusal.take()
    }

    fn pass(&mut self, number: u64, frame: &[u8], now: Instant) -> Vec<(Instant, Vec<u8>)> {
        if !self.weather.is_up {
            self.judge.note(number, Fault::Lost);
            return Vec::new();
        }
        let faults = if frame.len() > self.weather.longest_frame {
            vec![self.judge.refuse(number, &self.weather)]
        } else {
            self.judge.decide(number, &self.weather, now)
        };
        for fault in &faults {
            match fault {
                Fault::Lost => return Vec::new(),
                Fault::Refused(mtu) => {
                    let heard = now + self.weather.delay * 2;
                    self.refusal = router::too_big(frame, *mtu).map(|word| (heard, word));
                    return Vec::new();
                }
                _ => {}
            }
        }
        let mut frame = frame.to_vec();
        let leaves = match self.admit(&frame, now) {
            Admission::Leaves(at) => at,
            Admission::Marked(at) => {
                self.judge.note(number, Fault::Marked);
                mark(&mut frame);
                at
            }
            Admission::Dropped => {
                self.judge.note(number, Fault::Lost);
                return Vec::new();
            }
        };
        let mut late = Duration::ZERO;
        let mut copy = None;
        for fault in faults {
            match fault {
                Fault::Lost | Fault::Refused(_) => {}
                Fault::Late(by) => late = by,
                Fault::Copied(by) => copy = Some(by),
                Fault::Flipped(bit) => flip(&mut frame, bit),
                Fault::Marked => mark(&mut frame),
            }
        }
        let arrives = leaves + self.weather.delay;
        let mut arrivals = Vec::with_capacity(2);
        if let Some(by) = copy {
            arrivals.push((arrives + by, frame.clone()));
        }
        arrivals.push((arrives + late, frame));
        arrivals
    }

    /// What becomes of a frame that wants to the line.
    fn admit(&mut self, frame: &[u8], now: Instant) -> Admission {
        let Some(rate) = self.weather.rate else {
            return Admission::Leaves(now);
        };
        let time =
            |bytes: u64| Duration::from_nanos(bytes.saturating_mul(8_000_000_000) / rate.max(1));
        let waits = self.busy_until.since(now);
        let is_limited = !self.judge.follows_list();
        if is_limited && waits > time(self.weather.queue) {
            return Admission::Dropped;
        }
        let begins = self.busy_until.max(now);
        let len = u64::try_from(frame.len()).unwrap_or(u64::MAX);
        let ends = begins + time(len);
        if is_limited && self.weather.discipline == Discipline::Codel {
            let waiting = waits.as_nanos().saturating_mul(u128::from(rate)) / 8_000_000_000;
            let backlog = u64::try_from(waiting).unwrap_or(u64::MAX);
            if self.codel.strikes(begins, waits, backlog) {
                if !can_be_marked(frame) {
                    return Admission::Dropped;
                }
                self.busy_until = ends;
                return Admission::Marked(ends);
            }
        }
        self.busy_until = ends;
        Admission::Leaves(ends)
    }
}

/// Ethernet's own check is not simulated; corruption is what slips past it. ARP has no other.
fn flip(frame: &mut [u8], bit: u64) {
    if is_ipv4(frame) {
        let body = &mut frame[ethernet::HEADER_LEN..];
        let bits = u64::try_from(body.len()).unwrap_or(1) * 8;
        let place = usize::try_from(bit % bits / 8).unwrap_or(0);
        body[place] ^= 1 << (bit % 8);
    }
}

fn is_ipv4(frame: &[u8]) -> bool {
    ethernet::Frame::parse(frame).is_ok_and(|it| it.header.ethertype == wire::EtherType::IPV4)
}

/// Where the traffic class of an IPv4 packet stands in its frame.
const TRAFFIC_CLASS: usize = ethernet::HEADER_LEN + 1;
/// Where its header's checksum stands.
const CHECKSUM: usize = ethernet::HEADER_LEN + 10;

fn can_be_marked(frame: &[u8]) -> bool {
    is_ipv4(frame) && Ecn::from_bits(frame[TRAFFIC_CLASS]) != Ecn::NotCapable
}

/// RFC 3168 section 5: CE, and the header's checksum put right (RFC 1624).
fn mark(frame: &mut [u8]) {
    if !can_be_marked(frame) {
        return;
    }
    frame[TRAFFIC_CLASS] |= Ecn::Congested.bits();
    frame[CHECKSUM..CHECKSUM + 2].fill(0);
    let words = usize::from(frame[ethernet::HEADER_LEN] & 0x0f);
    let header = &frame[ethernet::HEADER_LEN..ethernet::HEADER_LEN + words * 4];
    let sum = wire::sum(header).finish();
    frame[CHECKSUM..CHECKSUM + 2].copy_from_slice(&sum);
}

#[cfg(test)]
#[path = "link_tests.rs"]
mod tests;
