//! Names below `local`, which all hosts of the link are asked for (RFC 6762 section 5.1).

use crate::world::listeners::packets4;
use crate::world::six::wait;
use crate::world::{Host, config, ip, mac, plan};
use stack::{
    AddressKind, AddressPlan, Drop, EventKind, Instant, Lookup, MacAddress, ResolutionOutcome,
};
use std::net::{IpAddr, Ipv4Addr};
use wire::dns::{Builder, Class, Data, Header, Message, Question, Record, Section, Type};
use wire::ethernet::{self, EtherType};
use wire::udp::{self, Datagram, NoChecksum};
use wire::{Check, Headroom, Protocol, Pseudo, Seal, ipv4};

const ALL: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);

/// A question that the host asks: its port and id.
pub struct Asked {
    port: u16,
    id: u16,
    pub question: Question,
}

/// The questions of the link among frames, each sent as it must be.
pub fn asked(frames: &[Vec<u8>]) -> Vec<Asked> {
    let mut all = Vec::new();
    for (link, packet) in packets4(frames, Protocol::UDP) {
        let ends = Pseudo::v4(packet.header.source, packet.header.destination);
        let datagram = Datagram::parse(packet.payload, Check::Verify(ends), NoChecksum::Refuse);
        let datagram = datagram.expect("a datagram");
        let message = Message::parse(datagram.payload).expect("a message");
        assert_eq!(packet.header.destination, ALL);
        assert_eq!(link.destination, MacAddress::for_multicast4(ALL));
        assert_eq!((packet.header.ttl, datagram.header.dst_port), (255, 5_353));
        assert!(!message.header.recursion_desired && !message.header.is_response);
        assert_eq!(message.records().count(), 0, "no EDNS(0)");
        all.push(Asked {
            port: datagram.header.src_port,
            id: message.header.id,
            question: message.question().expect("one question"),
        });
    }
    all
}

/// An answer of a host at this address, by this port.
fn answer(asked: &Asked, from: Ipv4Addr, port: u16) -> Vec<u8> {
    answer_with(asked, from, port, Data::A(ip(7)))
}

/// The same with these data.
pub fn answer_with(asked: &Asked, from: Ipv4Addr, port: u16, data: Data<'_>) -> Vec<u8> {
    let mut message = [0; 300];
    let header = Header {
        is_response: true,
        authoritative: true,
        recursion_desired: false,
        ..Header::query(asked.id)
    };
    let mut builder = Builder::new(&mut message, header).expect("room");
    builder.question(&asked.question).expect("room");
    let record = Record {
        name: asked.question.name,
        class: Class::IN,
        ttl: 10,
        data,
    };
    builder.record(Section::Answer, &record).expect("room");
    let len = builder.finish();
    let message = &message[..len];
    let mut bytes = vec![0; 42];
    let mut room = Headroom::new(&mut bytes);
    let seal = Seal::Full {
        pseudo: Pseudo::v4(from, ip(1)),
        payload: wire::sum(message),
    };
    let header = udp::Header {
        src_port: port,
        dst_port: asked.port,
    };
    header.emit(&mut room, len, seal).expect("room");
    let header = ipv4::Header::atomic(from, ip(1), Protocol::UDP, 255);
    header.emit(&mut room, len + udp::HEADER_LEN).expect("room");
    let link = ethernet::Header {
        destination: mac(1),
        source: mac(9),
        ethertype: EtherType::IPV4,
    };
    link.emit(&mut room).expect("room");
    bytes.extend_from_slice(message);
    bytes
}

fn host() -> (Host, Instant) {
    // There is no name server at all.
    let mut host = Host::new(1, config(), AddressPlan::Static(plan(1)));
    let mut now = Instant::ZERO;
    wait(&mut host, &mut now, 5_000);
    (host, now)
}

fn lookup(name: &str) -> Lookup<'_> {
    Lookup {
        name,
        kind: AddressKind::V4,
        server: None,
    }
}

#[test]
fn the_link_is_asked_and_a_neighbour_believed() {
    let (mut host, mut now) = host();
    let client = host.client();
    host.resolve(client, lookup("Peer.LOCAL"), 1, now);
    let first = asked(&host.frames(now));
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].question.name.to_string(), "peer.local");
    assert_eq!(first[0].question.kind, Type::A);
    // From beyond the link, or by another port, nothing is believed.
    let far = Ipv4Addr::new(192, 0, 2, 9);
    for (from, port) in [(far, 5_353), (ip(9), 53)] {
        let before = host.stack.drops(Drop::DnsUnexpected);
        host.input(&answer(&first[0], from, port), now);
        assert_eq!(
            host.stack.drops(Drop::DnsUnexpected),
            before + 1,
            "{from} {port}"
        );
    }
    let again = asked(&wait(&mut host, &mut now, 3_500));
    assert!(!again.is_empty(), "it is asked again");
    let last = again.last().expect("asked");
    host.input(&answer(last, ip(9), 5_353), now);
    host.publish(now);
    let told = host.take(1);
    let [EventKind::Resolved(found)] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(found.outcome, ResolutionOutcome::Found);
    assert_eq!(found.addresses[0], Some(IpAddr::V4(ip(7))));
    // It is remembered as long as it was said to be good.
    host.resolve(client, lookup("peer.local"), 2, now);
    host.publish(now);
    assert_eq!(host.take(2).len(), 1);
    assert!(asked(&host.frames(now)).is_empty());
    host.assert_balance();
}

#[test]
fn a_name_that_nobody_has_does_not_exist() {
    let (mut host, mut now) = host();
    let client = host.client();
    host.resolve(client, lookup("nobody.local"), 1, now);
    let all = asked(&wait(&mut host, &mut now, 20_000));
    assert!((2..=4).contains(&all.len()), "{}", all.len());
    let told = host.take(1);
    let [EventKind::Resolved(found)] = &told[..] else {
        panic!("{told:?}");
    };
    assert_eq!(found.outcome, ResolutionOutcome::NoSuchName);
}
