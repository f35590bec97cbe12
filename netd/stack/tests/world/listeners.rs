//! A router that asks who listens to which group, and reads what it is told, in both families.

use super::six::{content, frame6, local, own_local, wait};
use super::{Host, config, ip, mac, plan};
use stack::{AddressPlan, ClientId, GroupError, Instant, MacAddress, Membership, SocketId};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use wire::ethernet::{self, EtherType, Frame};
use wire::igmp::{self, Version};
use wire::ipv6::{self, Content, Packet};
use wire::membership::{Member, RecordKind, Records};
use wire::{Check, Headroom, Protocol, Pseudo, checksum, icmp6, ipv4, mld};

pub const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
pub const OTHER: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 4);

/// What a host says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said<A> {
    /// In the newest version: kinds, groups, and sources in order.
    Records(Vec<(RecordKind, A, Vec<A>)>),
    /// That it listens.
    Report(A),
    /// The same in the oldest words.
    OldReport(A),
    /// That it does not any more.
    Leave(A),
}

fn records<A: Member + Ord>(records: Records<'_, A>) -> Said<A> {
    let record = |record: wire::membership::Record<'_, A>| {
        let mut sources: Vec<A> = record.sources.iter().collect();
        sources.sort_unstable();
        (record.kind, record.group, sources)
    };
    Said::Records(records.iter().map(record).collect())
}

/// One record of no sources.
pub fn record<A>(kind: RecordKind, group: A) -> Said<A> {
    Said::Records(vec![(kind, group, Vec::new())])
}

/// The packets of IPv4 among frames that carry a protocol, each with the header of its frame.
pub fn packets4(
    frames: &[Vec<u8>],
    protocol: Protocol,
) -> impl Iterator<Item = (ethernet::Header, ipv4::Packet<'_>)> {
    frames.iter().filter_map(move |frame| {
        let frame = Frame::parse(frame).expect("a frame");
        if frame.header.ethertype != EtherType::IPV4 {
            return None;
        }
        let packet = ipv4::Packet::parse(frame.payload).expect("a packet");
        (packet.header.protocol == protocol).then_some((frame.header, packet))
    })
}

/// The messages of IGMP among what host 1 has sent, each checked to be sent as it must.
pub fn said4(frames: &[Vec<u8>]) -> Vec<Said<Ipv4Addr>> {
    let mut all = Vec::new();
    for (link, packet) in packets4(frames, Protocol::IGMP) {
        let to = packet.header.destination;
        let message = igmp::Message::parse(packet.payload).expect("a message");
        let (said, expected) = match message {
            igmp::Message::Sources(sources) => (records(sources), igmp::REPORTS),
            igmp::Message::Report {
                is_version_2: true,
                group,
            } => (Said::Report(group), group),
            igmp::Message::Report { group, .. } => (Said::OldReport(group), group),
            igmp::Message::Leave { group } => (Said::Leave(group), igmp::ALL_ROUTERS),
            igmp::Message::Query(_) => panic!("hosts do not ask"),
        };
        // RFC 3376 section 4, RFC 1112 section 6.4.
        assert_eq!(to, expected);
        assert_eq!(link.destination, MacAddress::for_multicast4(to));
        assert_eq!((packet.header.ttl, packet.header.dscp), (1, 48));
        assert!(packet.has_router_alert());
        assert_eq!(packet.header.source, ip(1));
        all.push(said);
    }
    all
}

/// The messages of MLD among what host 1 has sent, each checked, and from whom.
pub fn said6(frames: &[Vec<u8>]) -> Vec<(Ipv6Addr, Said<Ipv6Addr>)> {
    let mut all = Vec::new();
    for bytes in frames {
        let Some((header, Protocol::ICMPV6, payload)) = content(bytes) else {
            continue;
        };
        let pseudo = Pseudo::v6(header.source, header.destination);
        let envelope = icmp6::Envelope::parse(payload, Check::Verify(pseudo)).expect("sound");
        if !mld::is_kind(envelope.kind) {
            continue;
        }
        let frame = Frame::parse(bytes).expect("a frame");
        let packet = Packet::parse(frame.payload).expect("a packet");
        let Ok(Content::Whole(whole)) = packet.content() else {
            panic!("in parts");
        };
        // Its hop limit, source and router alert are right, or it would not be read.
        let message = mld::Message::parse(&envelope, &header, whole.router_alert);
        let (said, expected) = match message.expect("a message") {
            mld::Message::Sources(sources) => (records(sources), mld::REPORTS),
            mld::Message::Report { group } => (Said::Report(group), group),
            mld::Message::Done { group } => (Said::Leave(group), mld::ALL_ROUTERS),
            mld::Message::Query(_) => panic!("hosts do not ask"),
        };
        assert_eq!(header.destination, expected);
        let to = MacAddress::for_multicast6(expected);
        assert_eq!(frame.header.destination, to);
        assert!(header.source.is_unspecified() || header.source == own_local(1));
        all.push((header.source, said));
    }
    all
}

/// What a question of IGMP is, before mistakes are made.
#[derive(Clone, Debug)]
pub struct Query4 {
    pub version: u8,
    pub group: Ipv4Addr,
    /// In tenths of a second.
    pub time: u8,
    pub robustness: u8,
    pub sources: Vec<Ipv4Addr>,
    pub source: Ipv4Addr,
    pub to: Ipv4Addr,
    pub ttl: u8,
    pub alert: bool,
}

/// "Who listens to anything?"
pub fn query4(version: u8, time: u8) -> Query4 {
    Query4 {
        version,
        group: Ipv4Addr::UNSPECIFIED,
        time,
        robustness: 2,
        sources: Vec::new(),
        source: ip(9),
        to: igmp::ALL_SYSTEMS,
        ttl: 1,
        alert: version > 1,
    }
}

/// "Who listens to this group, or to these sources in it?"
pub fn ask4(version: u8, time: u8, group: Ipv4Addr, sources: &[Ipv4Addr]) -> Query4 {
    Query4 {
        group,
        to: group,
        sources: sources.to_vec(),
        ..query4(version, time)
    }
}

impl Query4 {
    /// The message.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0x11, self.time, 0, 0];
        bytes.extend(self.group.octets());
        if self.version == 3 {
            // The interval is that of the RFC, 125 seconds.
            bytes.extend([self.robustness, 125]);
            bytes.extend((self.sources.len() as u16).to_be_bytes());
            for source in &self.sources {
                bytes.extend(source.octets());
            }
        }
        let sum = checksum::sum(&bytes).finish();
        bytes[2..4].copy_from_slice(&sum);
        bytes
    }

    pub fn frame(&self) -> Vec<u8> {
        igmp_frame(self, &self.bytes())
    }
}

/// A frame with a message of IGMP, sent as a question is.
pub fn igmp_frame(query: &Query4, message: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 38];
    let mut room = Headroom::new(&mut frame);
    let header = ipv4::Header::atomic(query.source, query.to, Protocol::IGMP, query.ttl);
    let emitted = if query.alert {
        header.emit_with(&mut room, igmp::ROUTER_ALERT, message.len())
    } else {
        header.emit(&mut room, message.len())
    };
    emitted.expect("room");
    let link = ethernet::Header {
        destination: MacAddress::for_multicast4(query.to),
        source: mac(9),
        ethertype: EtherType::IPV4,
    };
    link.emit(&mut room).expect("room");
    let start = room.left();
    frame.extend_from_slice(message);
    frame.split_off(start)
}

/// A report or leave of somebody else, in the words of version 2.
pub fn others4(report: bool, group: Ipv4Addr) -> Vec<u8> {
    let mut message = vec![0; igmp::LEN];
    let mut room = Headroom::new(&mut message);
    let emitted = match report {
        true => igmp::emit_report(&mut room, group, true),
        false => igmp::emit_leave(&mut room, group),
    };
    emitted.expect("room");
    let query = Query4 {
        source: ip(8),
        ..ask4(2, 0, group, &[])
    };
    igmp_frame(&query, &message)
}

/// A question of MLD, before mistakes are made.
#[derive(Clone, Debug)]
pub struct Query6 {
    pub version: u8,
    pub group: Ipv6Addr,
    /// In milliseconds.
    pub time: u16,
    pub sources: Vec<Ipv6Addr>,
    pub source: Ipv6Addr,
    pub hops: u8,
    pub alert: bool,
}

/// "Who listens to this group (none: to anything), or to these sources in it?"
pub fn query6(version: u8, time: u16, group: Ipv6Addr, sources: &[Ipv6Addr]) -> Query6 {
    Query6 {
        version,
        group,
        time,
        sources: sources.to_vec(),
        source: local(9),
        hops: 1,
        alert: true,
    }
}

impl Query6 {
    pub fn frame(&self) -> Vec<u8> {
        let mut bytes = vec![130, 0, 0, 0];
        bytes.extend(self.time.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(self.group.octets());
        if self.version == 2 {
            bytes.extend([2, 125]);
            bytes.extend((self.sources.len() as u16).to_be_bytes());
            for source in &self.sources {
                bytes.extend(source.octets());
            }
        }
        self.carry(bytes)
    }

    /// A frame with a message, sent as the question is.
    pub fn carry(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        let to = match self.group.is_unspecified() {
            true => mld::ALL_NODES,
            false => self.group,
        };
        let len = u32::try_from(bytes.len()).expect("short");
        let pseudo = Pseudo::v6(self.source, to).with(Protocol::ICMPV6, len);
        let sum = pseudo.plus(checksum::sum(&bytes)).finish();
        bytes[2..4].copy_from_slice(&sum);
        let mut next = Protocol::ICMPV6;
        if self.alert {
            let mut front = vec![0; ipv6::ROUTER_ALERT_LEN];
            let mut room = Headroom::new(&mut front);
            ipv6::emit_router_alert(&mut room, mld::ROUTER_ALERT, next).expect("room");
            front.extend(bytes);
            (bytes, next) = (front, Protocol::HOP_BY_HOP);
        }
        let header = ipv6::Header::new(self.source, to, next, self.hops);
        frame6(mac(9), &header, &bytes)
    }
}

/// Somebody else's report or leave, in the words of MLDv1.
pub fn others6(report: bool, group: Ipv6Addr) -> Vec<u8> {
    let mut bytes = vec![if report { 131 } else { 132 }, 0, 0, 0, 0, 0, 0, 0];
    bytes.extend(group.octets());
    query6(1, 0, group, &[]).carry(bytes)
}

/// That a message of IGMP says its version is read so.
pub fn version_of(frame: &[u8]) -> u8 {
    let frame = Frame::parse(frame).expect("a frame");
    let packet = ipv4::Packet::parse(frame.payload).expect("a packet");
    match igmp::Message::parse(packet.payload).expect("a message") {
        igmp::Message::Query(query) => match query.version {
            Version::V1 => 1,
            Version::V2 => 2,
            Version::V3(_) => 3,
        },
        other => panic!("{other:?}"),
    }
}

/// A host whose address nobody else has, its client and a socket.
pub fn host() -> (Host, ClientId, SocketId, Instant) {
    let mut host = Host::new(1, config(), AddressPlan::Static(plan(1)));
    let mut now = Instant::ZERO;
    wait(&mut host, &mut now, 5_000);
    let client = host.client();
    let socket = host.datagram(client);
    (host, client, socket, now)
}

pub fn change(
    host: &mut Host,
    who: (ClientId, SocketId),
    group: impl Into<IpAddr>,
    wanted: Membership,
    now: Instant,
) -> Result<(), GroupError> {
    host.stack
        .membership(who, (group.into(), None), wanted, now)
}

/// Lets time pass up to each deadline. Gives what was said, and after how many milliseconds.
pub fn told(host: &mut Host, now: &mut Instant, milliseconds: u64) -> Vec<(u64, Said<Ipv4Addr>)> {
    let frames = timed(host, now, milliseconds);
    let said = |(at, frame): (u64, Vec<u8>)| said4(&[frame]).into_iter().map(move |it| (at, it));
    frames.into_iter().flat_map(said).collect()
}

/// The same over IPv6.
pub fn told6(host: &mut Host, now: &mut Instant, milliseconds: u64) -> Vec<(u64, Said<Ipv6Addr>)> {
    let frames = timed(host, now, milliseconds);
    let said = |(at, frame): (u64, Vec<u8>)| said6(&[frame]).into_iter().map(move |it| (at, it.1));
    frames.into_iter().flat_map(said).collect()
}

fn timed(host: &mut Host, now: &mut Instant, milliseconds: u64) -> Vec<(u64, Vec<u8>)> {
    let (start, end) = (*now, *now + Duration::from_millis(milliseconds));
    let mut all = Vec::new();
    loop {
        host.stack.fire(&mut host.memory, *now);
        let after = now.since(start).as_millis() as u64;
        all.extend(host.frames(*now).into_iter().map(|frame| (after, frame)));
        match host.stack.next_deadline() {
            Some(next) if next <= end => *now = next.max(*now),
            _ => break,
        }
    }
    *now = end;
    all
}
