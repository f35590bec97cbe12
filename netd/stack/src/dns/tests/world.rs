//! Servers, a clock and a stack for the resolver's tests.

use super::super::answer::Addresses;
use super::super::{Answer, Outcome};
use super::super::{Ask, Kind, Limits, Lookup, QueryId, Refusal, Resolver, Work};
use crate::Instant;
use crate::rng::Rng;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use std::boxed::Box;
use std::vec;
use std::vec::Vec;
use wire::Drop;
use wire::dns::{Builder, Class, Data, Header, Message, Name, Question, Record, ResponseCode};
use wire::dns::{Section, Soa, Type};

pub(super) const FIRST: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 53);
pub(super) const SECOND: SocketAddr = SocketAddr::new(
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2)),
    5353,
);

/// How a question came to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Udp,
    Tcp,
}

/// A question as a server sees it.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) server: SocketAddr,
    pub(super) over: Over,
    pub(super) header: Header,
    pub(super) question: Question,
    pub(super) has_edns: bool,
}

impl Asked {
    /// An answer to this question.
    pub(super) fn reply(&self, records: &[(Section, Record<'_>)]) -> Vec<u8> {
        self.reply_with(ResponseCode::NO_ERROR, records)
    }

    pub(super) fn reply_with(
        &self,
        response_code: ResponseCode,
        records: &[(Section, Record<'_>)],
    ) -> Vec<u8> {
        let header = Header {
            is_response: true,
            recursion_available: true,
            response_code,
            ..self.header
        };
        built(header, Some(&self.question), records)
    }
}

pub(super) fn built(
    header: Header,
    question: Option<&Question>,
    records: &[(Section, Record<'_>)],
) -> Vec<u8> {
    let mut bytes = vec![0; 65_535];
    let mut builder = Builder::new(&mut bytes, header).expect("room");
    if let Some(question) = question {
        builder.question(question).expect("room");
    }
    for (section, record) in records {
        builder.record(*section, record).expect("room");
    }
    let len = builder.finish();
    bytes.truncate(len);
    bytes
}

pub(super) fn name(text: &str) -> Name {
    text.parse().expect(text)
}

/// A record of the answer section with a TTL.
pub(super) fn record<'a>(text: &str, ttl: u32, data: Data<'a>) -> (Section, Record<'a>) {
    (
        Section::Answer,
        Record {
            name: name(text),
            class: Class::IN,
            ttl,
            data,
        },
    )
}

pub(super) fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, last)
}

pub(super) fn a(text: &str, last: u8) -> (Section, Record<'static>) {
    record(text, 300, Data::A(address(last)))
}

pub(super) fn cname(text: &str, to: &str) -> (Section, Record<'static>) {
    record(text, 200, Data::Cname(name(to)))
}

/// The zone's start, as it stands in a negative answer.
pub(super) fn soa(zone: &str, ttl: u32, minimum: u32) -> (Section, Record<'static>) {
    let soa = Soa {
        primary: name("ns.example"),
        mailbox: name("admin.example"),
        serial: 1,
        refresh: 2,
        retry: 3,
        expire: 4,
        minimum,
    };
    (Section::Authority, record(zone, ttl, Data::Soa(soa)).1)
}

pub(super) fn addresses(last: &[u8]) -> Outcome {
    let list = last.iter().map(|last| IpAddr::from(address(*last)));
    Outcome::Addresses(list.collect::<Addresses>())
}

/// What a server does with a question: bytes to send back, and after how many milliseconds.
type Behaviour = Box<dyn FnMut(&Asked) -> Option<(u64, Vec<u8>)>>;

/// What happens at a later time.
enum Event {
    Udp(QueryId, SocketAddr, Vec<u8>),
    Tcp(QueryId, Vec<u8>),
}

pub(super) struct World {
    pub(super) resolver: Resolver,
    pub(super) rng: Rng,
    pub(super) now: Instant,
    /// All questions so far.
    pub(super) asked: Vec<Asked>,
    /// All lookups that are done: owner, answer, milliseconds.
    pub(super) done: Vec<(u32, Answer, u64)>,
    behaviour: Behaviour,
    events: Vec<(Instant, Event)>,
    /// The question's transport as the stack has it open, with the port's number.
    open: Vec<(QueryId, Over, u32)>,
    ports: u32,
    /// What was refused.
    pub(super) drops: Vec<Drop>,
    pub(super) refuses_tcp: bool,
}

impl World {
    pub(super) fn new(behaviour: impl FnMut(&Asked) -> Option<(u64, Vec<u8>)> + 'static) -> Self {
        let mut rng = Rng::new([5; 32]);
        Self {
            resolver: Resolver::new(
                Limits {
                    lookups: 8,
                    cache: 16,
                },
                &mut rng,
            ),
            rng,
            now: Instant::from_secs(10),
            asked: Vec::new(),
            done: Vec::new(),
            behaviour: Box::new(behaviour),
            events: Vec::new(),
            open: Vec::new(),
            ports: 0,
            drops: Vec::new(),
            refuses_tcp: false,
        }
    }

    pub(super) fn ask(&mut self, owner: u32, name: &str, kind: Kind) -> Result<Lookup, Refusal> {
        let servers = [FIRST, SECOND];
        let ask = Ask {
            owner,
            name,
            kind,
            servers: &servers,
            is_cached: true,
        };
        self.resolver.resolve(&ask, self.now)
    }

    /// Looks a name up and waits for the answer.
    pub(super) fn look_up(&mut self, name: &str, kind: Kind) -> Answer {
        match self.ask(0, name, kind).expect("accepted") {
            Lookup::Answered(answer) => answer,
            Lookup::Waiting => {
                self.run();
                self.done.pop().expect("an answer").1
            }
        }
    }

    /// Runs until nothing is left to do or to wait for.
    pub(super) fn run(&mut self) {
        for _ in 0..1000 {
            self.work();
            if !self.step() {
                assert!(self.open.is_empty(), "left open: {:?}", self.open);
                return;
            }
        }
        panic!("the resolver does not come to an end");
    }

    /// Goes on to the next thing that happens, if there is one.
    pub(super) fn step(&mut self) -> bool {
        let next_event = self.events.iter().map(|(at, _)| *at).min();
        let deadline = self.resolver.next_deadline();
        let Some(next) = [next_event, deadline].into_iter().flatten().min() else {
            return false;
        };
        assert!(next >= self.now, "a deadline in the past");
        self.now = next;
        self.resolver.fire(self.now);
        while let Some(at) = self.events.iter().position(|(at, _)| *at <= self.now) {
            let (_, event) = self.events.remove(at);
            self.happen(event);
        }
        true
    }

    /// Does all that the resolver wants done now.
    pub(super) fn work(&mut self) {
        while let Some(work) = self.resolver.poll(self.now) {
            match work {
                Work::SendUdp { query, server } => self.send(query, server, Over::Udp),
                Work::OpenTcp { query, .. } if self.refuses_tcp => {
                    self.opened(query, Over::Tcp);
                    self.resolver.refused(query, self.now);
                }
                Work::OpenTcp { query, server } => self.send(query, server, Over::Tcp),
                Work::CloseTransport { query } => {
                    let at = self.open.iter().position(|(open, ..)| *open == query);
                    self.open.remove(at.expect("closed what is open"));
                }
                Work::Done {
                    owner,
                    answer,
                    took,
                } => {
                    let took = u64::try_from(took.as_millis()).expect("short");
                    self.done.push((owner, answer, took));
                }
            }
        }
    }

    fn opened(&mut self, query: QueryId, over: Over) {
        assert!(
            self.open.iter().all(|(open, ..)| *open != query),
            "opened twice"
        );
        self.ports += 1;
        self.open.push((query, over, self.ports));
    }

    fn send(&mut self, query: QueryId, server: SocketAddr, over: Over) {
        self.opened(query, over);
        let mut bytes = [0; 512];
        let len = self
            .resolver
            .emit(query, &mut self.rng, &mut bytes)
            .expect("a question");
        let mut message = &bytes[..len];
        if over == Over::Tcp {
            let (prefix, rest) = message.split_first_chunk().expect("a prefix");
            assert_eq!(usize::from(u16::from_be_bytes(*prefix)), rest.len());
            message = rest;
        }
        let message = Message::parse(message).expect("well-formed");
        let question = message.question().expect("one question");
        let has_edns = message
            .records()
            .any(|record| record.is_ok_and(|(_, record)| record.kind() == Type::OPT));
        let asked = Asked {
            server,
            over,
            header: message.header,
            question,
            has_edns,
        };
        if let Some((after, reply)) = (self.behaviour)(&asked) {
            let at = self.now + Duration::from_millis(after);
            match over {
                Over::Udp => self.events.push((at, Event::Udp(query, server, reply))),
                Over::Tcp => {
                    let prefix = u16::try_from(reply.len()).expect("short").to_be_bytes();
                    let stream = [&prefix[..], &reply].concat();
                    for (number, piece) in (0..).zip(stream.chunks(700)) {
                        let at = at + Duration::from_millis(number);
                        self.events.push((at, Event::Tcp(query, piece.to_vec())));
                    }
                }
            }
        }
        self.asked.push(asked);
    }

    fn happen(&mut self, event: Event) {
        let result = match event {
            Event::Udp(query, from, bytes) if self.is_open(query, Over::Udp) => {
                self.resolver.udp_input(query, from, &bytes, self.now)
            }
            Event::Tcp(query, bytes) if self.is_open(query, Over::Tcp) => {
                self.resolver.tcp_input(query, &bytes, self.now)
            }
            // To a port that is closed by now.
            Event::Udp(..) | Event::Tcp(..) => Ok(()),
        };
        self.drops.extend(result.err());
        self.work();
    }

    fn is_open(&self, query: QueryId, over: Over) -> bool {
        self.open
            .iter()
            .any(|(open, how, _)| (*open, *how) == (query, over))
    }

    /// The servers asked so far.
    pub(super) fn servers(&self) -> Vec<SocketAddr> {
        self.asked.iter().map(|asked| asked.server).collect()
    }
}
