//! Who is woken when: every timer of the stack has its place in one wheel.
//!
//! *Owns* the wheel and the division of its indices, and the deadlines of all things that are few.
//! One timer per thing: what a thing waits for is its own state, so no two timers of one thing can
//! disagree. Connections are many, and know when they are due themselves.

use crate::config::Config;
use crate::stack::Stack;
use crate::wheel::Wheel;
use ::tcp::Instant;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

/// What a timer belongs to: the index of a thing in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// Probing, announcing and leasing of an interface's addresses.
    Interface(u32),
    /// A neighbour's state.
    Neighbour(u32),
    /// The lives of an interface's addresses over IPv6, and of what routers have said.
    Interface6(u32),
    /// The state of a neighbour over IPv6.
    Neighbour6(u32),
    /// A half-open passive connection.
    HalfOpen(u32),
    /// The same over IPv6.
    HalfOpen6(u32),
    /// A ping that waits for its answer.
    Ping(u32),
    /// TIME-WAIT records, all together.
    TimeWait,
    /// Those of IPv6.
    TimeWait6,
    /// Name look-ups, all together.
    Resolver,
    /// What is to be said about the groups of an interface, in one of two families.
    Groups(u32),
    /// What is to be said of the host's names on an interface.
    Responder(u32),
    /// Look-outs for services, all together.
    Browses,
    /// Parts of packets of one of two families, all together.
    Reassembly(u32),
    /// A TCP connection.
    Connection(u32),
    /// A TCP connection over IPv6.
    Connection6(u32),
}

/// All timers.
#[derive(Debug)]
pub(crate) struct Timers {
    wheel: Wheel,
    /// Where each kind's indices end, in the order of [`Timer`], but for the last.
    ends: [u32; 15],
    /// When those that are no connections' are due.
    deadlines: Vec<Instant>,
}

impl Timers {
    pub(crate) fn new(config: &Config, now: Instant) -> Self {
        let counts = [
            u32::from(config.interfaces),
            config.neighbours,
            config.interfaces.into(),
            config.neighbours,
            config.half_open,
            config.half_open,
            config.pings,
            1,
            1,
            1,
            u32::from(config.interfaces) * 2,
            config.interfaces.into(),
            1,
            2,
            config.connections,
        ];
        let mut end = 0u32;
        let ends = counts.map(|count| {
            end = end.saturating_add(count);
            end
        });
        Self {
            wheel: Wheel::new(end.saturating_add(config.connections6) as usize, now),
            ends,
            deadlines: vec![Instant::FAR_FUTURE; end.saturating_sub(config.connections) as usize],
        }
    }

    #[inline]
    fn index(&self, timer: Timer) -> u32 {
        let [
            interfaces,
            neighbours,
            interfaces6,
            neighbours6,
            half_open,
            half_open6,
            pings,
            time_wait,
            time_wait6,
            resolver,
            groups,
            responders,
            browses,
            reassembly,
            connections,
        ] = self.ends;
        let (start, index) = match timer {
            Timer::Interface(index) => (0, index),
            Timer::Neighbour(index) => (interfaces, index),
            Timer::Interface6(index) => (neighbours, index),
            Timer::Neighbour6(index) => (interfaces6, index),
            Timer::HalfOpen(index) => (neighbours6, index),
            Timer::HalfOpen6(index) => (half_open, index),
            Timer::Ping(index) => (half_open6, index),
            Timer::TimeWait => (pings, 0),
            Timer::TimeWait6 => (time_wait, 0),
            Timer::Resolver => (time_wait6, 0),
            Timer::Groups(number) => (resolver, number),
            Timer::Responder(index) => (groups, index),
            Timer::Browses => (responders, 0),
            Timer::Reassembly(family) => (browses, family),
            Timer::Connection(index) => (reassembly, index),
            Timer::Connection6(index) => (connections, index),
        };
        start.saturating_add(index)
    }

    fn timer(&self, index: u32) -> Timer {
        let [
            interfaces,
            neighbours,
            interfaces6,
            neighbours6,
            half_open,
            half_open6,
            pings,
            time_wait,
            time_wait6,
            resolver,
            groups,
            responders,
            browses,
            reassembly,
            connections,
        ] = self.ends;
        match index {
            _ if index < interfaces => Timer::Interface(index),
            _ if index < neighbours => Timer::Neighbour(index - interfaces),
            _ if index < interfaces6 => Timer::Interface6(index - neighbours),
            _ if index < neighbours6 => Timer::Neighbour6(index - interfaces6),
            _ if index < half_open => Timer::HalfOpen(index - neighbours6),
            _ if index < half_open6 => Timer::HalfOpen6(index - half_open),
            _ if index < pings => Timer::Ping(index - half_open6),
            _ if index < time_wait => Timer::TimeWait,
            _ if index < time_wait6 => Timer::TimeWait6,
            _ if index < resolver => Timer::Resolver,
            _ if index < groups => Timer::Groups(index - resolver),
            _ if index < responders => Timer::Responder(index - groups),
            _ if index < browses => Timer::Browses,
            _ if index < reassembly => Timer::Reassembly(index - browses),
            _ if index < connections => Timer::Connection(index - reassembly),
            _ => Timer::Connection6(index - connections),
        }
    }

    /// The timer fires at `deadline` and at no other time, or not at all. A connection's fires when
    /// the connection says so itself, which must be told here.
    #[inline]
    pub(crate) fn set(&mut self, timer: Timer, deadline: Option<Instant>) {
        let index = self.index(timer);
        if let (Some(place), Some(deadline)) = (self.deadlines.get_mut(index as usize), deadline) {
            *place = deadline;
        }
        self.wheel.set(index, deadline);
    }

    /// The same for a connection over IPv4.
    #[inline]
    pub(crate) fn set_connection(&mut self, index: u32, deadline: Option<Instant>) {
        let [.., others, _] = self.ends;
        self.wheel.set(others.saturating_add(index), deadline);
    }

    /// The same for one over IPv6.
    #[inline]
    pub(crate) fn set_connection6(&mut self, index: u32, deadline: Option<Instant>) {
        let [.., connections6] = self.ends;
        self.wheel.set(connections6.saturating_add(index), deadline);
    }

    /// The timer does not fire.
    pub(crate) fn disarm(&mut self, timer: Timer) {
        self.set(timer, None);
    }

    /// One timer that is due, disarmed; call until `None`. `connection` and `connection6` say when that
    /// of a connection is.
    pub(crate) fn fire(
        &mut self,
        now: Instant,
        connection: impl Fn(u32) -> Option<Instant>,
        connection6: impl Fn(u32) -> Option<Instant>,
    ) -> Option<Timer> {
        let due = due_of(&self.deadlines, self.ends, connection, connection6);
        let index = self.wheel.fire(now, due)?;
        Some(self.timer(index))
    }

    /// Whether [`Timers::fire`] has something to do, or to find out.
    #[inline]
    pub(crate) const fn is_due(&self, now: Instant) -> bool {
        self.wheel.is_due(now)
    }

    /// Before a sleep: when [`Timers::fire`] must be called next, by a look that may be closer than that of
    /// [`Timers::next_deadline`]. `connection` and `connection6` as for [`Timers::fire`].
    pub(crate) fn settle(
        &mut self,
        now: Instant,
        is_close: bool,
        connection: impl Fn(u32) -> Option<Instant>,
        connection6: impl Fn(u32) -> Option<Instant>,
    ) -> Option<Instant> {
        let due = due_of(&self.deadlines, self.ends, connection, connection6);
        self.wheel.settle(now, is_close, due)
    }

    /// When [`Timers::fire`] must be called next.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.wheel.next_deadline()
    }
}

impl Stack {
    /// Whether a timer is due, or may be: [`Stack::fire`] finds out.
    #[must_use]
    #[inline]
    pub const fn is_timer_due(&self, now: Instant) -> bool {
        self.timers.is_due(now)
    }

    /// Whether [`Stack::fire`] has something to do, or to find out.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        self.is_timer_due(now) || self.loopback_pending()
    }

    /// When a timer will be due, before a sleep, if [`Stack::is_due`] says no. A look that `is_close` lets nobody
    /// be woken for a timer that was set for later meanwhile; it is not worth it before a short sleep.
    pub fn deadline_of_sleep(&mut self, now: Instant, is_close: bool) -> Option<Instant> {
        self.timers.settle(
            now,
            is_close,
            |index| self.tcp.deadline::<Ipv4Addr>(index),
            |index| self.tcp.deadline::<Ipv6Addr>(index),
        )
    }
}

/// When the timer of an index is due; its division, and that of connections as for [`Timers::fire`].
fn due_of(
    deadlines: &[Instant],
    [.., others, connections]: [u32; 15],
    connection: impl Fn(u32) -> Option<Instant>,
    connection6: impl Fn(u32) -> Option<Instant>,
) -> impl Fn(u32) -> Option<Instant> {
    move |index| {
        let other = deadlines.get(index as usize).copied();
        other.or_else(|| match index.checked_sub(connections) {
            Some(index) => connection6(index),
            None => connection(index.checked_sub(others)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_timer_has_a_place_of_its_own() {
        let config = Config {
            interfaces: 2,
            neighbours: 3,
            connections: 4,
            connections6: 6,
            half_open: 5,
            pings: 7,
            ..Config::default()
        };
        let timers = Timers::new(&config, Instant::ZERO);
        let all = (0..2)
            .map(Timer::Interface)
            .chain((0..3).map(Timer::Neighbour))
            .chain((0..2).map(Timer::Interface6))
            .chain((0..3).map(Timer::Neighbour6))
            .chain((0..5).map(Timer::HalfOpen))
            .chain((0..5).map(Timer::HalfOpen6))
            .chain((0..7).map(Timer::Ping))
            .chain([Timer::TimeWait, Timer::TimeWait6, Timer::Resolver])
            .chain((0..4).map(Timer::Groups))
            .chain((0..2).map(Timer::Responder))
            .chain([Timer::Browses])
            .chain((0..2).map(Timer::Reassembly))
            .chain((0..4).map(Timer::Connection))
            .chain((0..6).map(Timer::Connection6));
        for (place, timer) in all.enumerate() {
            assert_eq!(timers.index(timer) as usize, place);
            assert_eq!(timers.timer(place as u32), timer);
        }
    }
}
