//! Programs and peers that are slow or greedy: they hold up themselves and nobody else.

use std::cell::Cell;
use std::rc::Rc;

use crate::common;
use crate::common::{ARENA, World, between, connect, connected, listen, loopback, polled, settle};
use net::protocol::{Connections, Sockets};
use net::{Chunk, Net, Pollable, Poller, Ready, TcpStream, UdpSocket};
use stack::Config;

/// Bytes that are under way to one's own peers, as the arena shows them.
fn used(net: &Net) -> usize {
    ARENA - net.arena_free()
}

#[test]
fn a_writer_waits_for_its_reader_and_goes_on_with_it() {
    between(async |server, client| {
        let (mut stream, mut peer) = connected(&server, &client).await;
        let written = Rc::new(Cell::new(0_usize));
        let count = Rc::clone(&written);
        let writing = rt::spawn(async move {
            while count.get() < 2 << 20 {
                let byte = u8::try_from(count.get() / 1_000 % 256).unwrap();
                stream.write_all(&[byte; 1_000]).await.unwrap();
                count.set(count.get() + 1_000);
            }
            stream.close().await
        });
        settle().await;
        let ahead = written.get();
        // A bound on what it may be ahead, and on what of its arena that takes.
        assert!(ahead > 1_000 && ahead <= 256 << 10, "{ahead}");
        assert!(used(&client) <= ARENA / 2, "{}", used(&client));
        settle().await;
        assert_eq!(written.get(), ahead, "nobody reads");
        // A reader that takes little by little gets all of it in order, and the writer is never more
        // ahead of it than that.
        let (mut read, mut buffer) = (0_usize, [0; 700]);
        loop {
            let count = peer.read(&mut buffer).await.unwrap();
            if count == 0 {
                break;
            }
            for (place, byte) in buffer[..count].iter().enumerate() {
                assert_eq!(usize::from(*byte), (read + place) / 1_000 % 256);
            }
            read += count;
            assert!(written.get() <= read + (256 << 10) + ARENA);
        }
        writing.await.unwrap();
        assert_eq!(read, written.get());
    });
}

#[test]
fn readiness_of_a_writer_ends_and_comes_back() {
    between(async |server, client| {
        let (mut stream, mut peer) = connected(&server, &client).await;
        let (mut sent, mut buffer) = (0, vec![0; 10_000]);
        while let Some(count) = stream.try_write(&buffer).unwrap() {
            sent += count;
        }
        assert!(stream.ready(Ready::WRITABLE).is_empty());
        assert!(
            polled(500, stream.until_ready(Ready::WRITABLE))
                .await
                .is_none()
        );
        assert_eq!(peer.until_ready(Ready::READABLE).await, Ready::READABLE);
        let mut received = 0;
        while received < sent {
            match peer.try_read(&mut buffer).unwrap() {
                Some(count) => received += count,
                None => _ = peer.until_ready(Ready::READABLE).await,
            }
        }
        assert!(peer.ready(Ready::all()).contains(Ready::WRITABLE));
        assert_eq!(stream.until_ready(Ready::WRITABLE).await, Ready::WRITABLE);
        drop(stream);
        assert_eq!(peer.until_ready(Ready::READABLE).await, Ready::READABLE);
        assert_eq!(peer.try_read(&mut buffer), Ok(Some(0)));
    });
}

#[test]
fn of_a_thousand_sockets_a_program_hears_of_those_that_something_came_for() {
    let world = World::with_config(Config {
        sockets: 2_048,
        sockets_per_client: 1_024,
        datagram_sockets: 1_024,
        ..common::small()
    });
    world.run(async {
        let (peer, client) = common::client_and_peer(64, 40 << 20);
        assert!(
            world
                .server
                .borrow_mut()
                .connect(peer, netd::Privileges::default(), world.now())
        );
        let (many, _life) = client.open().await;
        let (one, _other) = world.client(false).await;
        let mut poller = Poller::new(1_001);
        let mut sockets = Vec::new();
        for _ in 0..1_000 {
            let socket = UdpSocket::bind(&many, loopback(0)).await.unwrap();
            poller.register(&socket, Ready::READABLE).unwrap();
            sockets.push(socket);
        }
        let listener = listen(&many, 7).await;
        let incoming = poller.register(&listener, Ready::READABLE).unwrap();
        let sender = UdpSocket::bind(&one, loopback(0)).await.unwrap();
        let (mut events, mut buffer) = (Vec::new(), [0; 16]);
        for place in [500, 3, 999, 3] {
            sender
                .send_to(b"knock", sockets[place].local())
                .await
                .unwrap();
            poller.wait(&mut events).await;
            let [(key, Ready::READABLE)] = events[..] else {
                panic!("{events:?}")
            };
            let found = sockets[key].try_receive_from(&mut buffer).unwrap();
            assert_eq!(found, Some((5, sender.local())));
            assert_eq!(key, place);
            assert!(polled(100, poller.wait(&mut events)).await.is_none());
        }
        let _stream = connect(&one, 7).await;
        poller.wait(&mut events).await;
        assert_eq!(events, [(incoming, Ready::READABLE)]);
        assert!(listener.try_accept().unwrap().is_some());
        assert!(listener.try_accept().unwrap().is_none());
        // A socket that is gone says so.
        sockets.truncate(999);
        drop(sockets);
        drop(listener);
        poller.wait(&mut events).await;
        assert!(events.contains(&(incoming, Ready::GONE)));
    });
}

/// A connection whose client takes in nothing.
async fn unread(net: &Net, port: u16) -> TcpStream {
    let mut stream = connect(net, port).await;
    stream.write_all(b"go").await.unwrap();
    stream
}

#[test]
fn a_program_that_reads_nothing_is_given_nothing_more() {
    let world = World::new();
    world.run(async {
        let (server, _a) = world.client(false).await;
        let (greedy, _b) = world.client(false).await;
        let (modest, _c) = world.client(false).await;
        let listener = listen(&server, 7).await;
        rt::spawn(async move {
            while let Ok(mut peer) = listener.accept().await {
                rt::spawn(async move {
                    let mut question = [0; 2];
                    _ = peer.read(&mut question).await;
                    loop {
                        if peer.write(&[7; 4_000]).await.is_err() {
                            return;
                        }
                    }
                })
                .detach();
            }
        })
        .detach();
        // None of them is read: the server has as much under way to each as it may.
        let mut streams = Vec::new();
        for _ in 0..24 {
            let opened = polled(3_000, unread(&greedy, 7)).await;
            streams.push(opened.expect("in time"));
        }
        settle().await;
        let held = used(&greedy);
        assert!(held >= 24 * 4_096, "{held}");
        // Half of the server's arena waits for them, and others are served meanwhile.
        assert!(used(&server) > ARENA / 2, "{}", used(&server));
        let mut stream = connect(&modest, 7).await;
        stream.write_all(b"go").await.unwrap();
        let (mut buffer, mut received) = ([0; 5_000], 0);
        while received < 300_000 {
            let read = polled(3_000, stream.read(&mut buffer)).await;
            received += read.expect("in time").unwrap();
        }
        // netd holds no bytes of anybody.
        assert_eq!(world.server.borrow().stack().holdings().inline_payloads, 0);
    });
}

#[test]
fn a_greedy_program_uses_up_its_own_arena_alone() {
    let world = World::new();
    world.run(async {
        let (greedy, _a) = world.client(false).await;
        let (modest, _b) = world.client(false).await;
        let listener = listen(&greedy, 7).await;
        let other = listen(&modest, 8).await;
        let before = modest.arena_free();
        // It takes everything that comes and gives nothing back.
        let mut kept: Vec<Chunk> = Vec::new();
        let mut sender = connect(&modest, 7).await;
        let mut receiver = listener.accept().await.unwrap();
        let sending = rt::spawn(async move {
            _ = sender.write_all(&vec![1; 2 * ARENA]).await;
        });
        while let Some(chunk) = polled(2_000, receiver.read_chunk(usize::MAX)).await {
            kept.extend(chunk.unwrap());
        }
        assert!(greedy.arena_free() <= ARENA / 4);
        // What its peer has of its own arena under way is bounded, and its other business goes on.
        assert!(before - modest.arena_free() <= (256 << 10) + (64 << 10));
        let mut stream = connect(&modest, 8).await;
        let mut peer = other.accept().await.unwrap();
        let mut buffer = [0; 1_000];
        for round in 0..100_u8 {
            stream.write_all(&[round; 1_000]).await.unwrap();
            let mut received = 0;
            while received < 1_000 {
                let read = polled(2_000, peer.read(&mut buffer)).await;
                received += read.expect("in time").unwrap();
            }
            assert_eq!(buffer[0], round);
        }
        drop(sending);
        drop(kept);
    });
}

#[test]
fn what_comes_before_the_accept_waits_in_the_listeners_room() {
    between(async |server, client| {
        let listener = listen(&server, 7).await;
        settle().await;
        let free = server.arena_free();
        // More connections than accepts are posted; each sends more than its first room takes.
        let mut streams = Vec::new();
        for number in 0..20_u8 {
            let mut stream = connect(&client, 7).await;
            stream.write_all(&[number; 6_000]).await.unwrap();
            streams.push(stream);
        }
        settle().await;
        assert_eq!(
            server.arena_free(),
            free,
            "no room but those that were posted"
        );
        // Those without an accept have a closed window, and netd holds nothing for them.
        let rows = server.table::<Connections>().await.unwrap();
        let taken: u64 = rows.iter().map(|row| row.bytes_received.get()).sum();
        let rooms = 8 * 4 * 1024;
        assert!((1..=rooms).contains(&taken), "{taken}");
        let waiting = server.table::<Sockets>().await.unwrap();
        let queue = waiting
            .iter()
            .find(|row| row.local.socket() == Ok(Some(loopback(7))));
        assert!(queue.is_some_and(|row| row.receive_queued.get() >= 1));
        for _ in 0..20 {
            let mut peer = listener.accept().await.unwrap();
            let (mut buffer, mut received) = ([0; 1_000], Vec::new());
            while received.len() < 6_000 {
                let count = peer.read(&mut buffer).await.unwrap();
                received.extend_from_slice(&buffer[..count]);
            }
            assert!(received.iter().all(|byte| *byte == received[0]));
            assert_eq!(received.len(), 6_000);
        }
    });
}
