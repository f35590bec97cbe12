//! A neighbour that speaks multicast DNS, made by hand, and what a host says read back.

use super::six::{content, frame6, local, plan6};
use super::{Host, config, ip, mac, plan};
use stack::{AddressPlan, Instant, MacAddress};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use wire::dns::{Builder, Class, Data, Header, Message, Name, Question, Record, Section, Type};
use wire::ethernet::{self, EtherType};
use wire::udp::{self, Datagram, NoChecksum};
use wire::{Check, Headroom, Protocol, Pseudo, Seal, ipv4, ipv6};

use super::listeners::packets4;

pub const ALL4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
pub const ALL6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);

pub fn name(text: &str) -> Name {
    text.parse().expect(text)
}

/// A question for all, of the class of the Internet.
pub fn question(text: &str, kind: Type) -> Question {
    Question {
        name: name(text),
        kind,
        class: Class::IN,
    }
}

/// The same for an answer that its asker alone gets.
pub fn direct(text: &str, kind: Type) -> Question {
    Question {
        class: Class::IN.with_top(),
        ..question(text, kind)
    }
}

pub fn record<'a>(text: &str, ttl: u32, data: Data<'a>) -> Record<'a> {
    Record {
        name: name(text),
        class: Class::IN,
        ttl,
        data,
    }
}

/// A message.
pub fn message(
    header: Header,
    questions: &[Question],
    records: &[(Section, Record<'_>)],
) -> Vec<u8> {
    let mut bytes = vec![0; 9_000];
    let mut builder = Builder::new(&mut bytes, header).expect("room");
    for question in questions {
        builder.question(question).expect("room");
    }
    for (section, record) in records {
        builder.record(*section, record).expect("room");
    }
    let len = builder.finish();
    bytes.truncate(len);
    bytes
}

/// A question's header.
pub const ASK: Header = Header {
    recursion_desired: false,
    ..Header::query(0)
};
/// An answer's.
pub const TELL: Header = Header {
    is_response: true,
    authoritative: true,
    ..ASK
};

/// A datagram from a port of an address to another of host 1, or of a group.
pub fn datagram(from: SocketAddr, to: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let ends = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => Pseudo::v4(from, to),
        (IpAddr::V6(from), IpAddr::V6(to)) => Pseudo::v6(from, to),
        other => panic!("{other:?}"),
    };
    let mut bytes = vec![0; 8];
    let seal = Seal::Full {
        pseudo: ends,
        payload: wire::sum(payload),
    };
    let ports = udp::Header {
        src_port: from.port(),
        dst_port: to.port(),
    };
    let emitted = ports.emit(&mut Headroom::new(&mut bytes), payload.len(), seal);
    emitted.expect("room");
    bytes.extend_from_slice(payload);
    match (from.ip(), to.ip()) {
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let header = ipv6::Header::new(from, to, Protocol::UDP, 255);
            frame6(mac(9), &header, &bytes)
        }
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut frame = vec![0; 34];
            let mut room = Headroom::new(&mut frame);
            let header = ipv4::Header::atomic(from, to, Protocol::UDP, 255);
            header.emit(&mut room, bytes.len()).expect("room");
            let destination = if to.is_multicast() {
                MacAddress::for_multicast4(to)
            } else {
                mac(1)
            };
            let link = ethernet::Header {
                destination,
                source: mac(9),
                ethertype: EtherType::IPV4,
            };
            link.emit(&mut room).expect("room");
            frame.extend_from_slice(&bytes);
            frame
        }
        other => panic!("{other:?}"),
    }
}

/// What a host has said, and when.
#[derive(Clone, Debug)]
pub struct Said {
    pub at: Duration,
    pub to: SocketAddr,
    bytes: Vec<u8>,
}

impl Said {
    pub fn message(&self) -> Message<'_> {
        Message::parse(&self.bytes).expect("a message")
    }

    pub fn is_answer(&self) -> bool {
        self.message().header.is_response
    }

    /// Its records, each with its section, as they are read by people.
    pub fn records(&self) -> Vec<(Section, Record<'_>)> {
        let records = self.message().records();
        records.collect::<Result<_, _>>().expect("records")
    }

    /// The names and types of a section's records, in order.
    pub fn kinds(&self, section: Section) -> Vec<(String, Type)> {
        let all = self.records().into_iter();
        let of = all.filter(|(where_, _)| *where_ == section);
        of.map(|(_, it)| (it.name.to_string(), it.kind())).collect()
    }
}

/// The messages of multicast DNS among frames, each sent as it must (RFC 6762 section 11).
pub fn said(frames: &[Vec<u8>], at: Duration) -> Vec<Said> {
    let mut all = Vec::new();
    let mut add = |source: IpAddr, to: IpAddr, hops: u8, ends: Pseudo, payload: &[u8]| {
        let datagram = Datagram::parse(payload, Check::Verify(ends), NoChecksum::Refuse);
        let datagram = datagram.expect("a datagram");
        if datagram.header.src_port != 5_353 {
            return;
        }
        assert_eq!(hops, 255, "from {source}");
        all.push(Said {
            at,
            to: SocketAddr::new(to, datagram.header.dst_port),
            bytes: datagram.payload.to_vec(),
        });
    };
    for (_, packet) in packets4(frames, Protocol::UDP) {
        let (from, to) = (packet.header.source, packet.header.destination);
        let ends = Pseudo::v4(from, to);
        add(
            from.into(),
            to.into(),
            packet.header.ttl,
            ends,
            packet.payload,
        );
    }
    for frame in frames {
        if let Some((header, Protocol::UDP, payload)) = content(frame) {
            let (from, to) = (header.source, header.destination);
            let ends = Pseudo::v6(from, to);
            add(from.into(), to.into(), header.hop_limit, ends, payload);
        }
    }
    all
}

/// A host that answers for its names, its neighbour 9, and the time.
pub struct Link {
    pub host: Host,
    pub now: Instant,
}

impl Link {
    /// A host that begins now: `skerry.local`, at 10.0.0.1.
    pub fn begins() -> Self {
        let mut link = Self::without_name();
        link.answer();
        link
    }

    /// The same before it answers. Its neighbours are known: what is for them leaves at once.
    fn without_name() -> Self {
        let mut host = Host::new(1, config(), AddressPlan::Static(plan(1)));
        let now = Instant::from_nanos(5_000_000_000);
        host.stack.fire(&mut host.memory, now);
        for (address, last) in [
            (IpAddr::V4(ip(8)), 8),
            (ip(9).into(), 9),
            (local(9).into(), 9),
        ] {
            let added = host.stack.add_neighbour(host.link, address, mac(last), now);
            added.expect("a place");
        }
        Self { host, now }
    }

    fn answer(&mut self) {
        let answers = self.host.stack.answer_names(self.host.link, self.now);
        answers.expect("an interface");
    }

    /// The same with proven addresses of both families.
    pub fn begins_in_both() -> Self {
        let mut link = Self::without_name();
        let started = link
            .host
            .stack
            .start_ipv6(link.host.link, plan6(), link.now);
        started.expect("an interface");
        link.pass(5_000);
        link.answer();
        link
    }

    /// One whose name is known to all, and which has been quiet for long.
    pub fn quiet() -> Self {
        let mut link = Self::begins();
        link.pass(10_000);
        link
    }

    pub fn since_start(&self) -> Duration {
        self.now.since(Instant::ZERO)
    }

    /// Lets so many milliseconds pass. Gives what the host has said meanwhile.
    pub fn pass(&mut self, milliseconds: u64) -> Vec<Said> {
        let end = self.now + Duration::from_millis(milliseconds);
        let mut all = self.say();
        while let Some(next) = self.host.stack.next_deadline().filter(|next| *next <= end) {
            self.now = next.max(self.now);
            all.extend(self.say());
        }
        self.now = end;
        all.extend(self.say());
        all
    }

    /// What the host says at once.
    pub fn say(&mut self) -> Vec<Said> {
        let mut all = Vec::new();
        for _ in 0..3 {
            self.host.stack.fire(&mut self.host.memory, self.now);
            let frames = self.host.frames(self.now);
            all.extend(said(&frames, self.since_start()));
        }
        all
    }

    /// Neighbour 9 sends to all, by the port of multicast DNS.
    pub fn hear(&mut self, payload: &[u8]) {
        self.hear_from(SocketAddr::new(ip(9).into(), 5_353), payload);
    }

    /// Somebody does.
    pub fn hear_from(&mut self, from: SocketAddr, payload: &[u8]) {
        let to = match from {
            SocketAddr::V4(_) => SocketAddr::new(ALL4.into(), 5_353),
            SocketAddr::V6(_) => SocketAddr::new(ALL6.into(), 5_353),
        };
        self.host.input(&datagram(from, to, payload), self.now);
    }

    /// Neighbour 9 asks all for one thing.
    pub fn asks(&mut self, asked: Question) {
        self.hear(&message(ASK, &[asked], &[]));
    }

    /// Neighbour 9 tells all one thing.
    pub fn tells(&mut self, told: Record<'_>) {
        self.hear(&message(TELL, &[], &[(Section::Answer, told)]));
    }
}

/// Milliseconds from one time to another, as exactly as timers are.
pub fn milliseconds(from: Duration, to: Duration) -> u128 {
    (to.saturating_sub(from) + Duration::from_micros(500)).as_millis()
}
