//! Pings: echo requests of clients, many at once, each with its own answer.
//!
//! *Owns* the pings that wait. The identifier on the wire is the ping's place in the table, mixed
//! with a secret of this boot, so that answers find their ping without a search and strangers do
//! not. Round-trip times are measured from the moment the frame is handed to the link.

use crate::actors::Actor;
use crate::error::{PingError, SocketError};
use crate::event::EventKind;
use crate::family::{Family, is_mapped};
use crate::icmp::input::Verdict;
use crate::id::{ClientId, Token};
use crate::ip::out::USUAL_HOPS;
use crate::ip::zones;
use crate::packets::Owner;
use crate::request::Ping;
use crate::slab::Table;
use crate::stack::Stack;
use crate::timers::Timer;
use ::tcp::Instant;
use core::net::IpAddr;
use wire::icmp4::HEADER_LEN;
use wire::{Headroom, Pseudo, icmp6};

// Echoes look the same in both families.
const _: () = assert!(HEADER_LEN == icmp6::HEADER_LEN);

/// A ping that waits for its answer, or whose answer waits to be published.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    pub(crate) client: ClientId,
    pub(crate) token: Token,
    address: IpAddr,
    sequence: u16,
    sent: Option<Instant>,
    /// What to tell, once known.
    pub(crate) answer: Option<EventKind>,
}

/// All pings.
#[derive(Debug)]
pub(crate) struct Pings {
    pub(crate) table: Table<Waiting>,
    secret: u16,
}

impl Pings {
    pub(crate) fn new(limit: u32, secret: u16) -> Self {
        Self {
            table: Table::new(limit as usize),
            secret,
        }
    }

    fn identifier(&self, index: u32) -> u16 {
        self.secret ^ u16::try_from(index).unwrap_or(u16::MAX)
    }

    /// The ping that an identifier names, if it still waits for an answer with this sequence.
    fn find(&mut self, identifier: u16, sequence: u16) -> Option<(u32, &mut Waiting)> {
        let index = u32::from(identifier ^ self.secret);
        let ping = self.table.at_mut(index)?;
        (ping.answer.is_none() && ping.sequence == sequence).then_some((index, ping))
    }

    /// Whether an answer of `to` to this question is waited for.
    pub(super) fn is_waiting(&mut self, to: IpAddr, asked: Option<(u16, u16)>) -> bool {
        let found = asked.and_then(|(identifier, sequence)| self.find(identifier, sequence));
        found.is_some_and(|(_, ping)| ping.address == to && ping.sent.is_some())
    }
}

impl Stack {
    /// Sends one echo request. Completes with `PingReply` or `PingFailed`.
    ///
    /// # Errors
    /// See [`PingError`].
    pub fn ping(
        &mut self,
        client: ClientId,
        ping: Ping,
        token: Token,
        now: Instant,
    ) -> Result<(), PingError> {
        self.clients.get(client).ok_or(PingError::BadClient)?;
        match ping.address {
            IpAddr::V4(to) if to.is_unspecified() || to.is_broadcast() || to.is_multicast() => {
                Err(PingError::BadAddress)
            }
            IpAddr::V4(to) => self.ping_to(to, client, &ping, token, now),
            IpAddr::V6(to) if to.is_unspecified() || to.is_multicast() || is_mapped(to) => {
                Err(PingError::BadAddress)
            }
            IpAddr::V6(to) => {
                let to = zones::within(to, ping.link.into());
                self.ping_to(to, client, &ping, token, now)
            }
        }
    }

    fn ping_to<A: Family>(
        &mut self,
        to: A,
        client: ClientId,
        ping: &Ping,
        token: Token,
        now: Instant,
    ) -> Result<(), PingError> {
        let path = self.path_within(to, None);
        let (to, path) = path.ok_or(PingError::NoRoute)?;
        let len = usize::from(ping.size) + HEADER_LEN;
        if len + A::HEADER_LEN > self.net::<A>().packets.longest() {
            return Err(PingError::TooBig);
        }
        let waiting = Waiting {
            client,
            token,
            address: ping.address,
            sequence: ping.sequence,
            sent: None,
            answer: None,
        };
        let index = self.pings.table.insert(waiting).ok_or(PingError::TooMany)?;
        let ttl = ping.ttl.filter(|ttl| *ttl > 0).unwrap_or(USUAL_HOPS);
        let header = self.header(&path, to, A::ICMP, ttl);
        let asked = (self.pings.identifier(index), ping.sequence);
        let pseudo = A::pseudo(path.source, to);
        let queued = self.queue_packet(&path, &header, len, Owner::Ping(index), |payload| {
            write_request::<A>(asked, pseudo, payload)
        });
        if !queued {
            self.pings.table.remove_at(index);
            return Err(PingError::TooMany);
        }
        self.timers
            .set(Timer::Ping(index), Some(now + ping.timeout));
        Ok(())
    }

    /// Forgets a client's pings.
    pub(crate) fn pings_forget(&mut self, client: ClientId) {
        for index in 0..u32::try_from(self.pings.table.limit()).unwrap_or(u32::MAX) {
            if self
                .pings
                .table
                .at(index)
                .is_some_and(|ping| ping.client == client)
            {
                self.timers.disarm(Timer::Ping(index));
                self.pings.table.remove_at(index);
            }
        }
    }

    /// The request was handed to the link.
    pub(crate) fn ping_sent(&mut self, index: u32, now: Instant) {
        if let Some(ping) = self.pings.table.at_mut(index) {
            ping.sent = Some(now);
        }
    }

    /// Nothing came back in time.
    pub(crate) fn fire_ping(&mut self, index: u32) {
        self.ping_failed(index, None, SocketError::TimedOut);
    }

    /// The ping will not be answered.
    pub(crate) fn ping_failed(&mut self, index: u32, from: Option<IpAddr>, error: SocketError) {
        if let Some(ping) = self.pings.table.at_mut(index)
            && ping.answer.is_none()
        {
            ping.answer = Some(EventKind::PingFailed {
                from,
                error,
                sequence: ping.sequence,
            });
            let client = ping.client;
            self.timers.disarm(Timer::Ping(index));
            self.tell(client, Actor::Ping(index));
        }
    }

    /// An echo reply of so many bytes came, from this address, with so many hops left.
    pub(crate) fn ping_answered(
        &mut self,
        (from, hops): (IpAddr, u8),
        (identifier, sequence): (u16, u16),
        size: usize,
        now: Instant,
    ) -> Option<()> {
        let (index, ping) = self.pings.find(identifier, sequence)?;
        // Only who was asked can answer, and not before it was asked.
        let sent = ping.sent.filter(|_| ping.address == from)?;
        ping.answer = Some(EventKind::PingReply {
            from,
            round_trip: now.since(sent),
            ttl: hops,
            size: u16::try_from(size).unwrap_or(u16::MAX),
            sequence,
        });
        let client = ping.client;
        self.timers.disarm(Timer::Ping(index));
        self.tell(client, Actor::Ping(index));
        Some(())
    }

    /// A router, or the host itself, could not deliver a request to this address.
    pub(crate) fn ping_error(
        &mut self,
        to: IpAddr,
        asked: Option<(u16, u16)>,
        verdict: Verdict,
        from: IpAddr,
    ) -> bool {
        let Some((identifier, sequence)) = asked else {
            return false;
        };
        let Some((index, ping)) = self.pings.find(identifier, sequence) else {
            return false;
        };
        if ping.address != to || ping.sent.is_none() {
            return false;
        }
        self.ping_failed(index, Some(from), verdict.error);
        true
    }
}

/// A request's data: the bytes that `ping` programs have always sent, counting up.
fn write_request<A: Family>(asked: (u16, u16), pseudo: Pseudo, into: &mut [u8]) -> Option<()> {
    let (front, body) = into.split_at_mut_checked(HEADER_LEN)?;
    for (byte, value) in body.iter_mut().zip((0..=u8::MAX).cycle()) {
        *byte = value;
    }
    let data = (body.len(), wire::sum(body));
    A::echo_request(&mut Headroom::new(front), asked, pseudo, data)
}
