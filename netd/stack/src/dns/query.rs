//! One question under way.
//!
//! *Owns* its attempts: which server is asked, how often, how long each is waited for, and by
//! which marks its answer is recognised. *Never* knows who wants to know.

use super::answer::{Answer, Extent, Kind, MAX_ALIASES, Outcome, Reading, read};
use super::health::Health;
use crate::Instant;
use crate::rng::Rng;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;
use wire::dns::Section;
use wire::dns::{Builder, Class, Edns, Header, Message, Name, Question, Record, ResponseCode};
use wire::{Drop, List, NoRoom};

/// Servers of one question.
pub(super) type Servers = List<SocketAddr, 4>;

/// No server.
const NOBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Each server is asked so many times, in turns.
const ROUNDS: u8 = 3;
/// All hosts of a link are asked so many times.
const LINK_ROUNDS: u8 = 2;
/// The wait for an answer in the first round; it doubles from round to round.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The wait for an answer over TCP, connection included.
const TCP_WAIT: Duration = Duration::from_secs(5);
/// The wait before looking again for a free TCP buffer.
const BUFFER_WAIT: Duration = Duration::from_millis(50);
/// No question is worked on for longer.
const PATIENCE: Duration = Duration::from_secs(15);
/// What we take over UDP, in bytes: what passes every link unfragmented (RFC 9715 section 3).
const UDP_PAYLOAD: u16 = 1232;

/// How the question travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// Not at all, for the moment.
    None,
    Udp,
    /// Over TCP, the answer going into this buffer.
    Tcp(u8),
}

/// What the resolver is to do next for a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "made once for each answer")]
pub(super) enum Next {
    /// Wait.
    Nothing,
    /// Ask by UDP.
    AskUdp,
    /// Ask by TCP, as soon as there is a buffer.
    AskTcp,
    /// Tell those who wait.
    Tell(Answer),
}

/// A question under way.
#[derive(Clone, Debug)]
pub(super) struct Query {
    /// The name that was asked for.
    pub(super) name: Name,
    pub(super) kind: Kind,
    pub(super) servers: Servers,
    /// Whether the answer goes into the cache and may come from there.
    pub(super) is_cached: bool,
    pub(super) transport: Transport,
    pub(super) next: Next,
    /// When the present attempt is given up.
    pub(super) wake: Instant,
    gives_up: Instant,
    /// The name that is being asked for now, after aliases, and their number and least TTL.
    target: Name,
    aliases: u8,
    ttl: u32,
    round: u8,
    /// Servers asked in this round, and servers that said they cannot help, as bits.
    tried: u8,
    failed: u8,
    server: SocketAddr,
    /// Without EDNS(0), for servers that do not understand it (RFC 6891 section 7).
    is_plain: bool,
    /// Until a server is found not to repeat the case of letters.
    keeps_case: bool,
    /// By what the answer to the present attempt is recognised.
    id: u16,
    case: u64,
}

impl Query {
    pub(super) fn new(
        name: Name,
        kind: Kind,
        servers: Servers,
        is_cached: bool,
        now: Instant,
    ) -> Self {
        Self {
            name,
            kind,
            servers,
            is_cached,
            transport: Transport::None,
            next: Next::Nothing,
            wake: Instant::FAR_FUTURE,
            gives_up: now + PATIENCE,
            target: name,
            aliases: 0,
            ttl: u32::MAX,
            round: 0,
            tried: 0,
            failed: 0,
            server: NOBODY,
            is_plain: false,
            keeps_case: true,
            id: 0,
            case: 0,
        }
    }

    /// Whether all hosts of the link are asked, and not a server.
    pub(super) fn asks_link(&self) -> bool {
        self.server.ip().is_multicast()
    }

    /// Whether an answer may come from there.
    pub(super) fn may_answer(&self, from: SocketAddr) -> bool {
        match self.asks_link() {
            // RFC 6762 section 6.7: whoever has the name, by the port of all who answer.
            true => from.port() == self.server.port(),
            false => from == self.server,
        }
    }

    /// Whether this is the same question to the same servers, still unanswered.
    pub(super) fn is_same(
        &self,
        name: &Name,
        kind: Kind,
        servers: &Servers,
        is_cached: bool,
    ) -> bool {
        !matches!(self.next, Next::Tell(_))
            && self.kind == kind
            && self.is_cached == is_cached
            && self.servers == *servers
            && self.name == *name
    }

    /// The server of the present attempt.
    pub(super) fn server(&self) -> SocketAddr {
        self.server
    }

    /// Goes on to the next server: one that has not been asked in this round, a healthy one first.
    pub(super) fn advance(&mut self, health: &Health, now: Instant) {
        let all = self.servers.as_slice().iter().enumerate();
        let is_left = |bits: u8, at: usize| bits & bit(at) == 0;
        let useless = self.tried | self.failed;
        let left = all.filter(|(at, _)| is_left(useless, *at));
        // `min_by_key` gives the first of equals: the configured order.
        if let Some((at, server)) = left.min_by_key(|(_, it)| health.is_doubtful(**it, now)) {
            self.tried |= bit(at);
            self.server = *server;
            self.next = Next::AskUdp;
            return;
        }
        let have_all_failed = (0..self.servers.len()).all(|at| !is_left(self.failed, at));
        self.round = self.round.saturating_add(1);
        self.tried = 0;
        if have_all_failed {
            self.end(Outcome::ServerFailed, 0, None);
        } else if self.asks_link() && self.round >= LINK_ROUNDS {
            // Nobody says that he has it.
            self.end(Outcome::NoSuchName, 0, None);
        } else if self.round >= ROUNDS || now >= self.gives_up {
            self.end(Outcome::TimedOut, 0, None);
        } else {
            self.advance(health, now);
        }
    }

    /// The question leaves by UDP now.
    pub(super) fn asked_udp(&mut self, now: Instant) {
        self.transport = Transport::Udp;
        self.next = Next::Nothing;
        self.wake = (now + FIRST_WAIT.saturating_mul(1 << self.round.min(4))).min(self.gives_up);
    }

    /// A connection is opened now, for an answer that goes into this buffer.
    pub(super) fn asked_tcp(&mut self, buffer: u8, now: Instant) {
        self.transport = Transport::Tcp(buffer);
        self.next = Next::Nothing;
        self.wake = (now + TCP_WAIT).min(self.gives_up);
    }

    /// There is no buffer; the question is looked at again soon.
    pub(super) fn wait_for_buffer(&mut self, now: Instant) {
        self.next = Next::Nothing;
        self.wake = now + BUFFER_WAIT;
    }

    /// The time of the present attempt is over.
    pub(super) fn fire(&mut self, health: &mut Health, now: Instant) {
        self.wake = Instant::FAR_FUTURE;
        if now >= self.gives_up {
            self.end(Outcome::TimedOut, 0, None);
        } else if self.transport == Transport::None {
            self.next = Next::AskTcp;
        } else {
            health.failed(self.server, now);
            self.advance(health, now);
        }
    }

    /// The present attempt did not get through. When another server is left it is asked at once;
    /// else the attempt is waited for to its end, lest all rounds pass in no time.
    pub(super) fn undelivered(&mut self, health: &mut Health, now: Instant) {
        health.failed(self.server, now);
        let useless = self.tried | self.failed;
        if (0..self.servers.len()).any(|at| useless & bit(at) == 0) {
            self.wake = Instant::FAR_FUTURE;
            self.advance(health, now);
        }
    }

    /// The server of the present attempt cannot help: it is not asked again.
    pub(super) fn server_failed(&mut self, health: &Health, now: Instant) {
        let position = self
            .servers
            .as_slice()
            .iter()
            .position(|it| *it == self.server);
        self.failed |= position.map_or(0, bit);
        self.wake = Instant::FAR_FUTURE;
        self.advance(health, now);
    }

    /// Writes the question, with new marks to recognise its answer by.
    pub(super) fn emit(&mut self, rng: &mut Rng, into: &mut [u8]) -> Result<usize, NoRoom> {
        // RFC 5452 section 9.2: all 16 bits at random. The case of the letters adds more bits.
        self.id = rng.u16();
        let asks_link = self.asks_link();
        self.case = if self.keeps_case && !asks_link {
            rng.u64()
        } else {
            0
        };
        let header = Header {
            // RFC 6762 section 18.6: there is nobody to do all the work.
            recursion_desired: !asks_link,
            ..Header::query(self.id)
        };
        let mut builder = Builder::new(into, header)?;
        builder.question(&self.question())?;
        if !self.is_plain && !asks_link {
            let edns = Edns {
                payload_size: UDP_PAYLOAD,
                extended_code: 0,
                version: 0,
                dnssec_ok: false,
            };
            builder.record(Section::Additional, &Record::from_edns(edns))?;
        }
        Ok(builder.finish())
    }

    fn question(&self) -> Question {
        let name = self.target.with_case(self.case);
        Question {
            name,
            kind: self.kind.record_type(),
            class: Class::IN,
        }
    }

    /// Takes what came from the server of the present attempt.
    ///
    /// # Errors
    /// The reason for which it is no answer; the question goes on waiting.
    pub(super) fn input(
        &mut self,
        bytes: &[u8],
        extent: Extent,
        health: &mut Health,
        now: Instant,
    ) -> Result<(), Drop> {
        let message = Message::parse(bytes)?;
        // RFC 5452 section 9.1: id and question; address and port have been checked.
        if !message.header.is_response || message.header.opcode != 0 || message.header.id != self.id
        {
            return Err(Drop::DnsUnexpected);
        }
        let asked = self.question();
        match message.question() {
            Some(question) if question != asked => return Err(Drop::DnsUnexpected),
            Some(question) if !self.asks_link() && !question.name.is_identical(&asked.name) => {
                // Right but for the case of its letters: the server does not keep it, or
                // somebody guesses well. Ask again, which needs another good guess.
                if !self.keeps_case {
                    return Err(Drop::DnsUnexpected);
                }
                self.keeps_case = false;
                self.ask_again();
                return Ok(());
            }
            // Old servers that stumble over EDNS(0) do not even repeat the question.
            None if message.header.response_code == ResponseCode::FORMAT_ERROR => {}
            None => return Err(Drop::DnsUnexpected),
            Some(_) => {}
        }
        if message.header.truncated && self.transport == Transport::Udp && !self.asks_link() {
            health.answered(self.server);
            self.wake = Instant::FAR_FUTURE;
            self.next = Next::AskTcp;
            return Ok(());
        }
        let reading = read(&message, self.target, self.kind, extent)?;
        health.answered(self.server);
        self.wake = Instant::FAR_FUTURE;
        self.take(reading, health, now);
        Ok(())
    }

    fn take(&mut self, reading: Reading, health: &Health, now: Instant) {
        match reading {
            Reading::Final {
                outcome,
                ttl,
                aliases,
            } => {
                self.aliases = self.aliases.saturating_add(aliases);
                self.end(outcome, ttl.min(self.ttl), Some(self.server));
            }
            Reading::Continue { name, ttl, aliases } => {
                self.aliases = self.aliases.saturating_add(aliases);
                if self.aliases > MAX_ALIASES {
                    self.end(Outcome::ServerFailed, 0, Some(self.server));
                    return;
                }
                (self.target, self.ttl) = (name, self.ttl.min(ttl));
                // The server has just shown that it is there: it goes on with the next name.
                self.ask_again();
            }
            Reading::Failed(ResponseCode::FORMAT_ERROR | ResponseCode::NOT_IMPLEMENTED)
                if !self.is_plain =>
            {
                self.is_plain = true;
                self.ask_again();
            }
            Reading::Failed(_) => self.server_failed(health, now),
        }
    }

    /// Asks the present server once more.
    fn ask_again(&mut self) {
        self.wake = Instant::FAR_FUTURE;
        self.next = Next::AskUdp;
    }

    fn end(&mut self, outcome: Outcome, ttl: u32, server: Option<SocketAddr>) {
        self.wake = Instant::FAR_FUTURE;
        self.next = Next::Tell(Answer {
            outcome,
            ttl,
            server,
            aliases: self.aliases,
        });
    }
}

/// The bit of a server in a set of them; there are four at most.
fn bit(at: usize) -> u8 {
    u32::try_from(at)
        .ok()
        .and_then(|at| 1_u8.checked_shl(at))
        .unwrap_or(0)
}
