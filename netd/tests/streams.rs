//! Programs' sockets over rings, the real server and the real stack, through loopback.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use crate::common::{
    ARENA, Random, World, alone, between, connect, listen, loopback, polled, read_all, small,
    within_turns,
};
use net::protocol::{
    Drops, EventKind, Interfaces, Neighbours, Routes, SocketKind, Sockets, State, ready,
};
use net::{
    Error, Net, PingOptions, PingOutcome, RecordKind, Side, TcpListener, TcpStream, UdpSocket,
};
use stack::Config;

/// Serves echo on a listener for as long as the test runs.
fn serve_echo(listener: TcpListener) {
    rt::spawn(async move {
        while let Ok(mut stream) = listener.accept().await {
            rt::spawn(async move {
                let mut buffer = [0; 4096];
                while let Ok(count) = stream.read(&mut buffer).await {
                    if count == 0 || stream.write_all(&buffer[..count]).await.is_err() {
                        return;
                    }
                }
            })
            .detach();
        }
    })
    .detach();
}

#[test]
fn a_byte_goes_there_and_back() {
    between(async |server, client| {
        serve_echo(listen(&server, 7).await);
        let mut stream = connect(&client, 7).await;
        assert_eq!(stream.remote(), loopback(7));
        stream.write_all(b"x").await.unwrap();
        let mut byte = [0; 8];
        assert_eq!(stream.read(&mut byte).await, Ok(1));
        assert_eq!(byte[0], b'x');
        stream.close().await.unwrap();
    });
}

#[test]
fn ten_megabytes_arrive_as_they_were_sent() {
    between(async |server, client| {
        let listener = listen(&server, 9).await;
        let mut sent = vec![0; 10 << 20];
        Random(42).fill(&mut sent);
        let expected = sent.clone();
        rt::spawn(async move {
            let mut stream = connect(&client, 9).await;
            stream.write_all(&sent).await.unwrap();
            stream.close().await.unwrap();
        })
        .detach();
        let mut stream = listener.accept().await.unwrap();
        let received = read_all(&mut stream).await.unwrap();
        assert!(received == expected, "{} bytes", received.len());
    });
}

#[test]
fn a_half_closed_connection_still_answers() {
    between(async |server, client| {
        let listener = listen(&server, 80).await;
        rt::spawn(async move {
            let mut stream = listener.accept().await.unwrap();
            let question = read_all(&mut stream).await.unwrap();
            stream.write_all(&question).await.unwrap();
            stream.close().await.unwrap();
        })
        .detach();
        let mut stream = connect(&client, 80).await;
        stream.write_all(b"question").await.unwrap();
        stream.shutdown(Side::Send).await.unwrap();
        assert_eq!(read_all(&mut stream).await.unwrap(), b"question");
    });
}

#[test]
fn a_hundred_streams_of_one_program_run_at_once() {
    between(async |server, client| {
        serve_echo(listen(&server, 7).await);
        let done = Rc::new(Cell::new(0));
        let tasks: Vec<_> = (0..100u8)
            .map(|number| {
                let (client, done) = (client.clone(), Rc::clone(&done));
                rt::spawn(async move {
                    let mut stream = connect(&client, 7).await;
                    for round in 0..10 {
                        let message = [number ^ round; 300];
                        stream.write_all(&message).await.unwrap();
                        let mut echo = [0; 300];
                        let mut filled = 0;
                        while filled < echo.len() {
                            let count = stream.read(&mut echo[filled..]).await.unwrap();
                            assert!(count > 0, "the server is still there");
                            filled += count;
                        }
                        assert_eq!(echo, message);
                    }
                    done.set(done.get() + 1);
                })
            })
            .collect();
        for task in tasks {
            task.await;
        }
        assert_eq!(done.get(), 100);
    });
}

#[test]
fn a_port_without_listener_refuses() {
    alone(async |client| {
        let refused = TcpStream::connect(&client, loopback(1)).await;
        assert_eq!(refused.err(), Some(Error::Refused));
        let lost = TcpStream::connect(&client, SocketAddr::from(([203, 0, 113, 1], 1))).await;
        assert_eq!(lost.err(), Some(Error::NoRoute));
    });
}

#[test]
fn a_port_is_taken_once() {
    between(async |one, two| {
        let listener = listen(&one, 80).await;
        let second = TcpListener::bind(&two, loopback(80), 1).await;
        assert_eq!(second.err(), Some(Error::AddressInUse));
        assert_eq!(listener.local(), loopback(80));
    });
}

#[test]
fn datagrams_keep_their_borders_and_their_sender() {
    between(async |one, two| {
        let receiver = UdpSocket::bind(&one, loopback(53)).await.unwrap();
        let sender = UdpSocket::bind(&two, loopback(0)).await.unwrap();
        for round in 0..200u32 {
            let length = usize::try_from(round * 7 % 1400).unwrap();
            let message = vec![round.to_le_bytes()[0]; length];
            sender.send_to(&message, receiver.local()).await.unwrap();
            let mut buffer = [0; 2000];
            let (count, from) = receiver.receive_from(&mut buffer).await.unwrap();
            assert_eq!(
                (&buffer[..count], from),
                (&message[..], sender.local()),
                "{round}"
            );
        }
    });
}

#[test]
fn a_small_arena_is_shared_out_among_many_sockets() {
    let world = World::new();
    world.run(async {
        let (one, _a) = world.client(false).await;
        let (two, _b) = world.client(false).await;
        let sender = UdpSocket::bind(&two, loopback(0)).await.unwrap();
        let mut sockets = Vec::new();
        let refused = loop {
            match UdpSocket::bind(&one, loopback(0)).await {
                Ok(socket) => sockets.push(socket),
                Err(error) => break error,
            }
        };
        assert_eq!(refused, Error::NoMemory);
        assert!(sockets.len() >= 40, "only {}", sockets.len());
        // Each hears what fits a frame, all of them at once and then again and again.
        let message = [7; 1472];
        for receiver in &sockets {
            sender.send_to(&message, receiver.local()).await.unwrap();
        }
        let mut buffer = [0; 2000];
        for receiver in &sockets {
            for _ in 0..4 {
                let heard = within_turns(receiver.receive_from(&mut buffer)).await;
                let (count, _) = heard.expect("a datagram").unwrap();
                assert_eq!(&buffer[..count], &message);
                sender.send_to(&message, receiver.local()).await.unwrap();
            }
        }
        // Answers still find arena, and what is given back is there for others.
        sockets[0].send_to(&message, sender.local()).await.unwrap();
        drop(sockets);
        let last = UdpSocket::bind(&one, loopback(0));
        last.await.expect("arena is free again");
    });
}

#[test]
fn dropped_futures_and_sockets_give_everything_back() {
    between(async |server, client| {
        let free = client.arena_free();
        let listener = listen(&server, 7).await;
        for round in 0..200u32 {
            let mut stream = connect(&client, 7).await;
            let mut peer = listener.accept().await.unwrap();
            if round % 3 == 0 {
                stream.write_all(&[1; 5000]).await.unwrap();
            }
            if round % 5 == 0 {
                // A read that is given up.
                let mut buffer = [0; 10];
                let _ = polled(1, stream.read(&mut buffer)).await;
            }
            if round % 2 == 0 {
                peer.write_all(b"y").await.unwrap();
                peer.abort();
            }
        }
        for _ in 0..2_000 {
            rt::executor::yield_now().await;
        }
        assert_eq!(client.arena_free(), free);
    });
}

#[test]
fn a_peer_whose_process_dies_is_noticed() {
    let world = World::new();
    world.run(async {
        let (server, _a) = world.client(false).await;
        let (client, life) = world.client(false).await;
        let listener = listen(&server, 7).await;
        let stream = connect(&client, 7).await;
        let mut peer = listener.accept().await.unwrap();
        // The process ends without closing anything.
        drop(life);
        let mut buffer = [0; 10];
        let end = peer.read(&mut buffer).await;
        assert!(matches!(end, Ok(0) | Err(Error::Reset)), "{end:?}");
        drop(stream);
    });
}

#[test]
fn a_server_that_lies_is_a_server_that_is_gone() {
    let (link, mut liar) = rt::link::Link::pair(8);
    let (arena, _theirs) = ring::Arena::shared(ARENA);
    rt::block_on(async {
        let net = Net::over(link, arena);
        let waiting = net.clone();
        let waiting = rt::spawn(async move { waiting.info().await.map(drop) });
        let asked = rt::spawn({
            let net = net.clone();
            async move { net.stats().await.map(drop) }
        });
        let question = liar.receive().await.expect("a request");
        let mut lie = *net::protocol::Message::view(question.words());
        // The right request, the wrong operation.
        lie.header.operation.set(7 | 0x80);
        liar.send(&ring::Message::from_bytes(lie.bytes()))
            .expect("room");
        assert_eq!(waiting.await, Err(Error::ServerRestarted));
        assert_eq!(asked.await, Err(Error::ServerRestarted));
        assert_eq!(net.lease().await.err(), Some(Error::ServerRestarted));
    });
}

#[test]
fn loopback_answers_pings_with_their_time() {
    alone(async |client| {
        let options = PingOptions {
            sequence: 7,
            size: 56,
            ttl: Some(9),
            link: 0,
            timeout: Duration::from_secs(1),
        };
        let reply = client
            .ping("127.0.0.1".parse().unwrap(), options)
            .await
            .unwrap();
        assert_eq!((reply.outcome, reply.size), (PingOutcome::Echo, 56));
        let lost = client.ping("203.0.113.9".parse().unwrap(), options).await;
        assert_eq!(lost.err(), Some(Error::NoRoute));
    });
}

#[test]
fn names_that_are_addresses_need_no_server() {
    alone(async |client| {
        let found = client.addresses("127.0.0.1").await;
        assert_eq!(found, Ok(vec!["127.0.0.1".parse().unwrap()]));
        let unknown = client.resolve("example.org", RecordKind::A, None).await;
        assert!(
            matches!(unknown, Err(Error::Other(net::Code::NoNameServer))),
            "{unknown:?}"
        );
        let long = "a.".repeat(110);
        let unknown = client.resolve(&long, RecordKind::A, None).await;
        assert!(unknown.is_err());
        for own in ["127.0.0.1", "::1"] {
            let back = client.name_of(own.parse().unwrap(), None).await.unwrap();
            assert_eq!((back.name.as_str(), back.server), ("localhost", None));
        }
        let far = client.name_of("192.0.2.1".parse().unwrap(), None).await;
        assert!(matches!(far, Err(Error::Other(net::Code::NoNameServer))));
        // There is no link to offer anything on, or to look for it.
        let subtype = client.offer_subtype("", "_http._tcp", "_a").await;
        assert!(matches!(subtype, Err(Error::Other(net::Code::NotFound))));
        let mut found = client.browse("_a._sub._http._tcp").await.unwrap();
        let none = found.next().await;
        assert!(matches!(none, Err(Error::Other(net::Code::NotSupported))));
    });
}

#[test]
fn tables_show_what_there_is() {
    let world = World::with_config(Config {
        clients: 4,
        ..small()
    });
    world.run(async {
        let (client, _a) = world.client(false).await;
        let listener = listen(&client, 80).await;
        let interfaces = client.table::<Interfaces>().await.unwrap();
        assert!(interfaces.iter().any(|interface| interface.loopback == 1));
        let sockets = client.table::<Sockets>().await.unwrap();
        let listening = sockets
            .iter()
            .find(|socket| socket.state == State::Listen as u8)
            .unwrap();
        assert_eq!(listening.kind, SocketKind::Stream as u8);
        assert_eq!(listening.local.socket(), Ok(Some(listener.local())));
        assert!(client.table::<Drops>().await.unwrap().len() > 10);
        client.table::<Routes>().await.unwrap();
        client.table::<Neighbours>().await.unwrap();
        let stats = client.stats().await.unwrap();
        assert_eq!((stats.clients.get(), stats.listeners.get()), (1, 1));
        assert_eq!(client.lease().await, Ok(None));
    });
}

#[test]
fn the_arena_is_the_limit_and_not_the_end() {
    between(async |server, client| {
        serve_echo(listen(&server, 7).await);
        let mut streams = Vec::new();
        // Far more rooms than the arena holds; each stream still gets its turn.
        for _ in 0..ARENA / (16 * 1024) + 20 {
            let stream = within_turns(TcpStream::connect(&client, loopback(7))).await;
            streams.push(stream.expect("in time").unwrap());
        }
        // Nothing is left but what sends are given.
        assert!(client.arena_free() <= ARENA / 8 + 2 * 1024);
        drop(streams);
        let mut stream = connect(&client, 7).await;
        stream.write_all(b"z").await.unwrap();
        let mut byte = [0; 1];
        assert_eq!(stream.read(&mut byte).await, Ok(1));
    });
}

#[test]
fn events_tell_of_ones_own_sockets_only() {
    let world = World::new();
    world.run(async {
        let (one, _a) = world.client(false).await;
        let (two, _b) = world.client(false).await;
        let (stranger, _c) = world.client(false).await;
        let receiver = UdpSocket::bind(&one, loopback(53)).await.unwrap();
        let mut events = one.events().await.unwrap();
        let mut others = stranger.events().await.unwrap();
        let sender = UdpSocket::bind(&two, loopback(0)).await.unwrap();
        sender.send_to(b"knock", receiver.local()).await.unwrap();
        let event = events.next().await.unwrap();
        assert_eq!(event.kind, EventKind::Ready);
        assert_eq!(event.body.detail.get(), ready::READABLE);
        assert!(within_turns(others.next()).await.is_none());
    });
}
