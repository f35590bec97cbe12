//! Socket options: each is set, read back, and its effect is seen on the wire.

use crate::world::craft::{Seen, sent};
use crate::world::{Pair, World, at};
use stack::{
    Algorithm, Data, EventKind, OptionError, Range, SendError, SocketError, SocketOption, Token,
};
use std::time::Duration;
use wire::ipv4;
use wire::tcp::Flags;

/// A connection with room for 60,000 bytes at `b`, and these options at `a` from the start.
fn connect_with(world: &mut World, options: &[SocketOption]) -> Pair {
    let room = Some(Range::new(0, 60_000));
    world.connected_with(80, room, options)
}

fn set(world: &mut World, pair: Pair, option: SocketOption) {
    let (client, socket) = (pair.client, pair.socket);
    world.a.set_option(client, socket, option, world.now);
}

#[test]
fn every_option_is_read_back_and_impossible_values_are_refused() {
    let mut world = World::new();
    let client = world.a.client();
    let socket = world.a.stream(client);
    let datagram = world.a.datagram(client);
    let stack = &mut world.a.stack;
    let mut set = |socket, option| stack.set_option(client, socket, option, world.now);
    for option in [
        SocketOption::TimeToLive(9),
        SocketOption::DifferentiatedServices(46),
        SocketOption::NoDelay(true),
        SocketOption::ReuseAddress(true),
        SocketOption::KeepAlive(true),
        SocketOption::KeepAliveIdle(11),
        SocketOption::KeepAliveInterval(12),
        SocketOption::KeepAliveCount(13),
        SocketOption::UserTimeout(14),
        SocketOption::TellUserTimeout(true),
        SocketOption::ResetOnClose(true),
        SocketOption::Cork(true),
        SocketOption::QuickAck(true),
        SocketOption::ReceiveBuffer(15_000),
        SocketOption::SendBuffer(16_000),
        SocketOption::MaxSegment(500),
        SocketOption::CongestionNotification(true),
        SocketOption::CongestionControl(Some(Algorithm::Bbr)),
        SocketOption::FastOpen(true),
    ] {
        assert_eq!(set(socket, option), Ok(()), "{option:?}");
    }
    for option in [
        SocketOption::TimeToLive(0),
        SocketOption::DifferentiatedServices(64),
        SocketOption::KeepAliveIdle(0),
        SocketOption::KeepAliveInterval(0),
        SocketOption::KeepAliveCount(0),
        SocketOption::MaxSegment(63),
        SocketOption::ReceiveBuffer(u32::MAX),
    ] {
        assert_eq!(
            set(socket, option),
            Err(OptionError::BadValue),
            "{option:?}"
        );
    }
    let wrong = Err(OptionError::WrongKind);
    assert_eq!(set(socket, SocketOption::Broadcast(true)), wrong);
    assert_eq!(set(datagram, SocketOption::Cork(true)), wrong);
    let options = world.a.stack.options(client, socket).expect("options");
    assert_eq!(
        (options.ttl, options.no_delay, options.reuse_address),
        (9, true, true)
    );
    assert!(options.keep_alive && options.tell_user_timeout && options.reset_on_close);
    let keep = (
        options.keep_alive_idle.get(),
        options.keep_alive_interval.get(),
        options.keep_alive_count.get(),
    );
    assert_eq!((keep, options.user_timeout), ((11, 12, 13), 14));
    assert!(options.cork && options.quick_ack && options.congestion_notification);
    let sizes = (
        options.receive_buffer,
        options.send_buffer,
        options.max_segment,
    );
    assert_eq!(sizes, (15_000, 16_000, 500));
}

#[test]
fn a_dead_peer_is_found_out_by_keep_alive() {
    let mut world = World::new();
    let pair = connect_with(&mut world, &[]);
    for option in [
        SocketOption::KeepAlive(true),
        SocketOption::KeepAliveIdle(2),
        SocketOption::KeepAliveInterval(1),
        SocketOption::KeepAliveCount(3),
    ] {
        set(&mut world, pair, option);
    }
    world.log.clear();
    world.run(Duration::from_secs(10));
    // While the peer lives, it answers each question.
    let questions = sent(&mut world, 0).len();
    assert!((4..=6).contains(&questions), "{questions} questions");
    assert_eq!(world.a.counter("tcp.keep_alive_probes"), questions as u64);
    world.lose = Box::new(|_, _| true);
    world.run(Duration::from_secs(7));
    let lost = world.a.take(0);
    assert_eq!(lost, [EventKind::Lost(SocketError::TimedOut)]);
}

#[test]
fn unacknowledged_bytes_end_a_connection_after_its_user_timeout() {
    let mut world = World::new();
    let pair = connect_with(&mut world, &[SocketOption::UserTimeout(5)]);
    world.lose = Box::new(|_, _| true);
    world.send(pair, b"anybody?", 2);
    world.run(Duration::from_secs(4));
    assert_eq!(world.a.take(2), []);
    world.run(Duration::from_secs(6));
    assert_eq!(world.a.take(2), [EventKind::Error(SocketError::TimedOut)]);
}

#[test]
fn the_user_timeout_is_told_in_the_syn() {
    let mut world = World::new();
    let options = [
        SocketOption::UserTimeout(700),
        SocketOption::TellUserTimeout(true),
    ];
    connect_with(&mut world, &options);
    let segments = sent(&mut world, 0);
    let told = |seen: &Seen| seen.header.options.user_timeout.map(|told| told.seconds());
    assert_eq!(told(&segments[0]), Some(700));
}

#[test]
fn the_advertised_window_follows_the_receive_buffer() {
    for (bytes, window) in [(4_096, 4_096), (1 << 20, 50_000)] {
        let mut world = World::new();
        world.listening(80, None);
        let option = SocketOption::ReceiveBuffer(bytes);
        let (client, socket) = world.connecting(80, &[option]);
        let room = Range::new(0, 50_000);
        world.a.receive(client, socket, room, 2, world.now);
        world.settle();
        let segments = sent(&mut world, 0);
        assert_eq!(u32::from(segments[0].header.window), window, "in the SYN");
        let row = world.a.stack.sockets().find(|info| info.id == Some(socket));
        let detail = row.and_then(|info| info.tcp).expect("a connection");
        assert_eq!(detail.receive_window, window);
    }
}

#[test]
fn the_send_buffer_bounds_what_waits() {
    let mut world = World::new();
    let pair = connect_with(&mut world, &[SocketOption::SendBuffer(10_000)]);
    world.lose = Box::new(|_, _| true);
    let Pair { client, socket, .. } = pair;
    let now = world.now;
    let mut send = |length| {
        let data = Data::Arena(Range::new(0, length));
        world
            .a
            .stack
            .send(client, socket, data, None, Token(5), now)
    };
    assert_eq!(send(20_000), Ok(()), "one is always taken");
    assert_eq!(send(1), Err(SendError::TooMany));
    let status = world.a.stack.status(client, socket).expect("status");
    assert!(!status.writable);
    world.lose = Box::new(|_, _| false);
    world.run(Duration::from_secs(5));
    let status = world.a.stack.status(client, socket).expect("status");
    assert!(status.writable);
}

#[test]
fn small_writes_leave_at_once_or_are_gathered() {
    // (options, small segments that a hundred writes of one byte make at once)
    let nagle: &[SocketOption] = &[];
    for (options, wanted) in [
        (nagle, 1),
        (&[SocketOption::NoDelay(true)], 30),
        (&[SocketOption::NoDelay(true), SocketOption::Cork(true)], 0),
    ] {
        let mut world = World::new();
        let pair = connect_with(&mut world, options);
        world.log.clear();
        world.lose = Box::new(|sender, _| sender == 1);
        for token in 0..30 {
            world.send(pair, b"x", 100 + token);
            world.settle();
        }
        let small = sent(&mut world, 0);
        assert_eq!(small.len(), wanted, "{options:?}");
        set(&mut world, pair, SocketOption::Cork(false));
        set(&mut world, pair, SocketOption::NoDelay(true));
        world.lose = Box::new(|_, _| false);
        world.run(Duration::from_secs(3));
        assert_eq!(world.b.memory.bytes(pair.server, 0, 30), [b'x'; 30]);
    }
}

#[test]
fn segments_are_no_larger_than_chosen() {
    let mut world = World::new();
    let options = [SocketOption::MaxSegment(500)];
    let pair = connect_with(&mut world, &options);
    world.send(pair, &[7; 5_000], 2);
    world.run(Duration::from_secs(1));
    let segments = sent(&mut world, 0);
    assert_eq!(segments[0].header.options.mss, Some(500));
    let longest = segments.iter().map(|seen| seen.payload.len()).max();
    assert_eq!(longest, Some(488), "timestamps take twelve bytes");
    assert_eq!(world.a.take(2), [EventKind::Sent { bytes: 5_000 }]);
}

/// The codepoints of what one side has sent since the log was last looked at.
fn codepoints(world: &mut World, side: usize) -> Vec<u8> {
    let parsed = |frame: &Vec<u8>| Some(ipv4::Packet::parse(&frame[14..]).ok()?.header.dscp);
    world.sent(side).iter().filter_map(parsed).collect()
}

// RFC 1122: tos-set
#[test]
fn packets_carry_the_codepoint_that_was_chosen() {
    // RFC 9293: MUST-48, SHLD-21, SHLD-22
    let mut world = World::new();
    let pair = connect_with(&mut world, &[SocketOption::DifferentiatedServices(46)]);
    assert_eq!(codepoints(&mut world, 0), [46; 2], "from the SYN on");
    // It can be changed during the connection.
    set(&mut world, pair, SocketOption::DifferentiatedServices(10));
    world.send(pair, &[7; 5_000], 2);
    world.settle();
    let sent = codepoints(&mut world, 0);
    assert!(
        sent.len() >= 4 && sent.iter().all(|code| *code == 10),
        "{sent:?}"
    );
    // What the other side sends is its own choice.
    world.send(pair, &[7; 5_000], 3);
    world.settle();
    let answers = codepoints(&mut world, 1);
    assert!(!answers.is_empty() && answers.iter().all(|code| *code == 0));
    // Datagrams have one, too.
    let datagram = world.a.datagram(pair.client);
    let option = SocketOption::DifferentiatedServices(63);
    world.a.set_option(pair.client, datagram, option, world.now);
    let to = Some(at(2, 53));
    world
        .a
        .say(pair.client, datagram, b"hello", to, 4, world.now);
    world.settle();
    assert_eq!(codepoints(&mut world, 0), [63]);
}

#[test]
fn each_connection_has_the_congestion_control_that_was_chosen() {
    for algorithm in Algorithm::ALL {
        let mut world = World::new();
        let option = SocketOption::CongestionControl(Some(algorithm));
        // Before the connection is there, and afterwards.
        let pair = connect_with(&mut world, &[option]);
        let name = |world: &World| {
            let infos = world.a.stack.sockets().filter_map(|info| info.tcp);
            infos.map(|tcp| tcp.congestion_control).next()
        };
        assert_eq!(name(&world), Some(algorithm.name()));
        let default = name(&{
            set(&mut world, pair, SocketOption::CongestionControl(None));
            world
        });
        assert_eq!(default, Some(Algorithm::default().name()));
    }
}

#[test]
fn closing_resets_where_that_was_chosen() {
    let mut world = World::new();
    let pair = connect_with(&mut world, &[SocketOption::ResetOnClose(true)]);
    world.log.clear();
    world.a.close(pair.client, pair.socket, 9, world.now);
    world.settle();
    let segments = sent(&mut world, 0);
    let flags: Vec<_> = segments.iter().map(|seen| seen.header.flags).collect();
    assert_eq!(flags, [Flags::RST | Flags::ACK]);
    assert_eq!(world.a.stack.totals().time_waits, 0);
    assert_eq!(world.b.take(10), [EventKind::Error(SocketError::Reset)]);
}

#[test]
fn what_was_chosen_on_a_listener_holds_for_its_connections() {
    let mut world = World::new();
    let (server, listener) = world.listening(80, None);
    for option in [
        SocketOption::TimeToLive(33),
        SocketOption::DifferentiatedServices(46),
        SocketOption::CongestionNotification(true),
    ] {
        world.b.set_option(server, listener, option, world.now);
    }
    world.connecting(80, &[SocketOption::CongestionNotification(true)]);
    let peer = world.accepted(80);
    world.run(Duration::from_secs(1));
    let answer = sent(&mut world, 1).remove(0).ip;
    assert_eq!(
        (answer.ttl, answer.dscp),
        (33, 46),
        "from the SYN's answer on"
    );
    let options = world.b.stack.options(server, peer).expect("options");
    assert_eq!(options.dscp, 46);
    assert_eq!((options.ttl, options.congestion_notification), (33, true));
    let rows: Vec<_> = world
        .b
        .stack
        .sockets()
        .filter_map(|info| info.tcp)
        .collect();
    assert!(rows[0].has_ecn && rows[0].has_sack && rows[0].has_timestamps);
    assert_eq!((rows[0].segment, rows[0].path_mtu), (1_448, 1_500));
}
