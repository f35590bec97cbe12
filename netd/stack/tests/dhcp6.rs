//! DHCP for IPv6 on an interface: what routers say, what servers lease, what becomes of it.

use crate::world::six::{
    ALL_NODES, frame6, local, ndp_frame, own_local, plan6, router, said, six, starting, state, wait,
};
use crate::world::{Host, config, mac};
use stack::{AddressState, Drop, Instant};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use wire::dhcp6::{
    ALL_SERVERS, CLIENT_PORT, Identity, Leased, Message, MessageType, Options, SERVER_PORT,
};
use wire::dns::Name;
use wire::ndp::{self, Item, Names};
use wire::udp::{self, Datagram, NoChecksum};
use wire::{Check, Headroom, Protocol, Pseudo, Seal, ipv6};

const LEASED: &str = "fd00:1::77";

/// A host whose router says that there is something to be had by DHCP.
fn sent_there(managed: bool, other: bool) -> (Host, Instant) {
    let mut host = starting(plan6(), config());
    let mut now = Instant::ZERO;
    wait(&mut host, &mut now, 2_000);
    let message = ndp::Header::RouterAdvertisement(ndp::RouterAdvertisement {
        managed,
        other,
        ..router(1_800)
    });
    let frame = ndp_frame((local(9), ALL_NODES), message, &[Item::SourceLink(mac(9))]);
    host.input(&frame, now);
    (host, now)
}

/// The messages to servers in some frames.
fn asked(frames: &[Vec<u8>]) -> Vec<(MessageType, u32, Vec<u8>)> {
    let of = |frame: &Vec<u8>| {
        let packet = ipv6::Packet::parse(frame.get(14..)?).ok()?;
        let ends = (packet.header.source, packet.header.destination);
        let check = Check::Verify(Pseudo::v6(ends.0, ends.1));
        let datagram = Datagram::parse(packet.payload, check, NoChecksum::Refuse).ok()?;
        if (ends.1, datagram.header.dst_port) != (ALL_SERVERS, SERVER_PORT) {
            return None;
        }
        assert_eq!(
            (ends.0, datagram.header.src_port),
            (own_local(1), CLIENT_PORT)
        );
        let message = Message::parse(datagram.payload).expect("sound");
        let kind = message.message_type;
        Some((kind, message.transaction, datagram.payload.to_vec()))
    };
    frames.iter().filter_map(of).collect()
}

/// What the host asks next.
fn next_question(host: &mut Host, now: &mut Instant) -> (MessageType, u32, Vec<u8>) {
    for _ in 0..600 {
        if let Some(found) = asked(&wait(host, now, 100)).into_iter().next() {
            return found;
        }
    }
    panic!("nothing is asked");
}

/// An answer of neighbour 9 to such a question, in which is what `options` are.
fn answer(kind: MessageType, question: &[u8], options: Options<'_>, to: Ipv6Addr) -> Vec<u8> {
    let question = Message::parse(question).expect("sound");
    let iaid = question.options.identity.map_or(0, |it| it.iaid);
    let message = Message {
        message_type: kind,
        transaction: question.transaction,
        options: Options {
            client: question.options.client,
            server: wire::dhcp6::Duid::from_bytes(b"server"),
            identity: options.identity.map(|it| Identity { iaid, ..it }),
            ..options
        },
    };
    let mut payload = vec![0; 500];
    let len = message.emit(&mut payload).expect("room");
    payload.truncate(len);
    let seal = Seal::Full {
        pseudo: Pseudo::v6(local(9), to),
        payload: wire::sum(&payload),
    };
    let mut front = [0; udp::HEADER_LEN];
    let header = udp::Header {
        src_port: SERVER_PORT,
        dst_port: CLIENT_PORT,
    };
    header
        .emit(&mut Headroom::new(&mut front), len, seal)
        .expect("room");
    let header = ipv6::Header::new(local(9), to, Protocol::UDP, 64);
    frame6(mac(9), &header, &[&front[..], &payload].concat())
}

fn lease(seconds: u32) -> Options<'static> {
    let leased = Leased {
        address: six(LEASED),
        preferred: seconds / 2,
        valid: seconds,
    };
    Options {
        identity: Some(Identity {
            addresses: [leased].into_iter().collect(),
            ..Identity::default()
        }),
        preference: 255,
        dns_servers: [six("fd00:1::53")].into_iter().collect(),
        domains: Names::from_bytes(b"\x03lan\x00"),
        ..Options::default()
    }
}

/// Up to a lease for so many seconds.
fn bound(seconds: u32) -> (Host, Instant) {
    let (mut host, mut now) = sent_there(true, false);
    let (kind, _, solicit) = next_question(&mut host, &mut now);
    assert_eq!(kind, MessageType::Solicit);
    let offer = answer(
        MessageType::Advertise,
        &solicit,
        lease(seconds),
        own_local(1),
    );
    host.input(&offer, now);
    // An offer alone means nothing.
    assert_eq!(host.stack.name_servers().count(), 0);
    let (kind, _, request) = next_question(&mut host, &mut now);
    assert_eq!(kind, MessageType::Request);
    let reply = answer(MessageType::Reply, &request, lease(seconds), own_local(1));
    host.input(&reply, now);
    (host, now)
}

fn servers(host: &Host) -> Vec<SocketAddr> {
    host.stack.name_servers().collect()
}

// RFC 8415: 18.2.10.1
#[test]
fn a_leased_address_is_asked_about_used_and_ends() {
    let (mut host, mut now) = bound(100);
    let sent = said(&host.frames(now));
    assert_eq!(state(&host, six(LEASED)), Some(AddressState::Tentative));
    assert!(matches!(
        sent[..],
        [(_, ndp::Header::NeighborSolicitation { target, .. }, _)] if target == six(LEASED)
    ));
    let server = SocketAddr::new(IpAddr::V6(six("fd00:1::53")), 53);
    assert_eq!(servers(&host), [server]);
    let domains: Vec<Name> = host.stack.search_domains().collect();
    assert_eq!(domains, ["lan".parse().expect("a name")]);
    wait(&mut host, &mut now, 2_000);
    assert_eq!(state(&host, six(LEASED)), Some(AddressState::Preferred));
    wait(&mut host, &mut now, 50_000);
    assert_eq!(state(&host, six(LEASED)), Some(AddressState::Deprecated));
    wait(&mut host, &mut now, 50_000);
    assert_eq!(state(&host, six(LEASED)), None);
    assert!(servers(&host).is_empty());
    host.assert_balance();
}

#[test]
fn a_lease_that_is_renewed_goes_on() {
    let (mut host, mut now) = bound(100);
    wait(&mut host, &mut now, 2_000);
    let (kind, _, renew) = next_question(&mut host, &mut now);
    assert_eq!(kind, MessageType::Renew);
    host.input(
        &answer(MessageType::Reply, &renew, lease(10_000), own_local(1)),
        now,
    );
    wait(&mut host, &mut now, 200_000);
    assert_eq!(state(&host, six(LEASED)), Some(AddressState::Preferred));
}

// RFC 8415: 18.2.8; RFC 4862: 5.4.3
#[test]
fn a_leased_address_that_somebody_has_is_declined() {
    let (mut host, mut now) = bound(100);
    let message = ndp::Header::NeighborAdvertisement {
        target: six(LEASED),
        router: false,
        solicited: false,
        replace: true,
    };
    let items = [Item::TargetLink(mac(9))];
    host.input(&ndp_frame((six(LEASED), ALL_NODES), message, &items), now);
    assert_eq!(state(&host, six(LEASED)), None);
    let said = asked(&host.frames(now));
    assert_eq!(said.first().map(|it| it.0), Some(MessageType::Decline));
    let answer = answer(
        MessageType::Reply,
        &said[0].2,
        Options::default(),
        own_local(1),
    );
    host.input(&answer, now);
    assert_eq!(next_question(&mut host, &mut now).0, MessageType::Solicit);
}

// RFC 8415: 18.2.6
#[test]
fn what_is_no_address_is_asked_for_where_routers_say_so() {
    let (mut host, mut now) = sent_there(false, true);
    let (kind, _, question) = next_question(&mut host, &mut now);
    assert_eq!(kind, MessageType::InformationRequest);
    let said = Options {
        identity: None,
        ..lease(100)
    };
    host.input(
        &answer(MessageType::Reply, &question, said, own_local(1)),
        now,
    );
    assert_eq!(servers(&host).len(), 1);
    assert_eq!(host.stack.search_domains().count(), 1);
    assert!(asked(&wait(&mut host, &mut now, 100_000)).is_empty());
}

#[test]
fn where_routers_say_nothing_nobody_is_asked() {
    let (mut host, mut now) = sent_there(false, false);
    assert!(asked(&wait(&mut host, &mut now, 30_000)).is_empty());
}

// RFC 8415: 16
#[test]
fn what_is_no_answer_is_a_counted_drop() {
    let (mut host, mut now) = sent_there(true, false);
    let (.., solicit) = next_question(&mut host, &mut now);
    let sound = answer(MessageType::Advertise, &solicit, lease(100), own_local(1));
    // To everybody.
    let to_all = answer(MessageType::Advertise, &solicit, lease(100), ALL_NODES);
    host.input(&to_all, now);
    assert_eq!(host.stack.drops(Drop::Dhcp6Unexpected), 1);
    let mut damaged = sound.clone();
    damaged[14 + 40 + 8 + 3] ^= 1;
    host.input(&damaged, now);
    assert_eq!(host.stack.drops(Drop::UdpChecksum), 1);
    assert!(asked(&host.frames(now)).is_empty());
    host.input(&sound, now);
    assert_eq!(asked(&host.frames(now)).len(), 1);
    host.assert_balance();
}

// RFC 8106: 5.2, 5.3.1
#[test]
fn domains_of_routers_end_as_they_say() {
    let (mut host, mut now) = sent_there(false, false);
    let search = |lifetime, names| Item::Search {
        lifetime,
        names: Names::from_bytes(names),
    };
    let say = |host: &mut Host, items: &[Item<'_>], now| {
        let message = ndp::Header::RouterAdvertisement(router(1_800));
        host.input(&ndp_frame((local(9), ALL_NODES), message, items), now);
    };
    let domains = |host: &Host| -> Vec<String> {
        host.stack
            .search_domains()
            .map(|it| it.to_string())
            .collect()
    };
    let both = b"\x03lan\x00\x07example\x04test\x00";
    say(&mut host, &[search(600, both)], now);
    assert_eq!(domains(&host), ["lan", "example.test"]);
    say(&mut host, &[search(0, b"\x03lan\x00")], now);
    assert_eq!(domains(&host), ["example.test"]);
    let many: Vec<u8> = (b'a'..=b'z').flat_map(|it| [1, it, 0]).collect();
    say(&mut host, &[search(5, &many)], now);
    assert_eq!(domains(&host).len(), 4);
    wait(&mut host, &mut now, 5_200);
    assert_eq!(domains(&host), ["example.test"]);
}

// RFC 8415: 18.2.7
#[test]
fn who_is_shut_down_gives_the_address_back() {
    let (mut host, mut now) = bound(100);
    wait(&mut host, &mut now, 2_000);
    host.stack.shut_down(now);
    let said = asked(&host.frames(now));
    assert_eq!(said.first().map(|it| it.0), Some(MessageType::Release));
    assert_eq!(state(&host, six(LEASED)), None);
}

/// A question to the leased name server: its ends and its bytes.
fn question(frames: &[Vec<u8>]) -> (Ipv6Addr, u16, Vec<u8>) {
    let of = |frame: &Vec<u8>| {
        let packet = ipv6::Packet::parse(frame.get(14..)?).ok()?;
        let ends = (packet.header.source, packet.header.destination);
        let check = Check::Verify(Pseudo::v6(ends.0, ends.1));
        let datagram = Datagram::parse(packet.payload, check, NoChecksum::Refuse).ok()?;
        let is_it = ends.1 == six("fd00:1::53") && datagram.header.dst_port == 53;
        is_it.then(|| (ends.0, datagram.header.src_port, datagram.payload.to_vec()))
    };
    frames.iter().find_map(of).expect("a question")
}

fn name_of(question: &[u8]) -> String {
    let message = wire::dns::Message::parse(question).expect("sound");
    let question = message.questions().next().expect("one");
    question.name.to_string().to_ascii_lowercase()
}

/// The server's answer: there is no such name.
fn no_such_name((to, port, question): &(Ipv6Addr, u16, Vec<u8>)) -> Vec<u8> {
    let mut answer = question.clone();
    (answer[2], answer[3]) = (0x81, 0x83);
    // Whatever else was asked, nothing stands in the other sections.
    answer[6..12].fill(0);
    let server = six("fd00:1::53");
    let mut front = [0; udp::HEADER_LEN];
    let seal = Seal::Full {
        pseudo: Pseudo::v6(server, *to),
        payload: wire::sum(&answer),
    };
    let header = udp::Header {
        src_port: 53,
        dst_port: *port,
    };
    let room = &mut Headroom::new(&mut front);
    header.emit(room, answer.len(), seal).expect("room");
    let header = ipv6::Header::new(server, *to, Protocol::UDP, 64);
    frame6(mac(9), &header, &[&front[..], &answer].concat())
}

#[test]
fn short_names_are_looked_for_in_the_domains_and_then_as_they_are() {
    let (mut host, mut now) = bound(1_000);
    wait(&mut host, &mut now, 2_000);
    let client = host.client();
    let look = |name| stack::Lookup {
        name,
        kind: stack::AddressKind::V6,
        server: None,
    };
    host.resolve(client, look("printer"), 7, now);
    for expected in ["printer.lan", "printer"] {
        let asked = question(&host.frames(now));
        assert_eq!(name_of(&asked.2), expected);
        host.publish(now);
        assert!(host.take(7).is_empty());
        host.input(&no_such_name(&asked), now);
    }
    host.publish(now);
    let [stack::EventKind::Resolved(resolution)] = host.take(7)[..] else {
        panic!("no answer");
    };
    assert_eq!(resolution.outcome, stack::ResolutionOutcome::NoSuchName);
    // What has a dot is a whole name.
    for name in ["printer.lan.", "printer.test"] {
        host.resolve(client, look(name), 8, now);
        let asked = question(&host.frames(now));
        assert_eq!(name_of(&asked.2), name.trim_end_matches('.'));
        host.input(&no_such_name(&asked), now);
        host.publish(now);
        assert_eq!(host.take(8).len(), 1);
    }
    host.assert_balance();
}
