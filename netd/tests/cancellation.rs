//! Futures that are given up after any number of looks: nothing is lost, nothing is left behind.

use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use crate::common::{World, connect, listen, loopback, polled, settle};
use embassy_futures::select::{Either, select, select_array};
use net::protocol::Sockets;
use net::{
    Error, Net, PingOptions, Poller, Ready, RecordKind, Side, SocketOption, TcpListener, TcpStream,
    UdpSocket, within,
};
use stack::Holdings;

/// Looks after which the longest operation here is over.
const LOOKS: u32 = 16;

/// What must be the same before and after.
#[derive(Debug, PartialEq)]
struct Balance {
    free: usize,
    sockets: usize,
    holdings: Holdings,
}

async fn balance(world: &World, net: &Net) -> Balance {
    settle().await;
    let sockets = net.table::<Sockets>().await.unwrap().len();
    Balance {
        free: net.arena_free(),
        sockets,
        holdings: world.server.borrow().stack().holdings(),
    }
}

/// Gives an operation up after one look, after two, and so on until it gets to its end.
async fn give_up<T>(world: &World, net: &Net, name: &str, mut operation: impl AsyncFnMut() -> T) {
    let before = balance(world, net).await;
    let mut is_over = false;
    for looks in 0..LOOKS {
        is_over = polled(looks, operation()).await.is_some();
        assert_eq!(balance(world, net).await, before, "{name}, {looks} looks");
        if is_over {
            break;
        }
    }
    // Of those that do not end by themselves, enough was seen.
    let is_endless = ["accept", "events", "receive", "read", "wait"].iter();
    assert!(
        is_over || is_endless.clone().any(|endless| name.contains(endless)),
        "{name}"
    );
}

/// Runs a test with one program and a look at the server.
fn with_world(test: impl AsyncFnOnce(Rc<World>, Net)) {
    let world = World::new();
    world.run(async {
        let (net, _life) = world.client(false).await;
        test(Rc::clone(&world), net).await;
    });
}

#[test]
fn opening_is_given_up() {
    with_world(async |world, net| {
        let listener = listen(&net, 7).await;
        give_up(&world, &net, "refused", async || {
            TcpStream::connect(&net, loopback(1)).await.err()
        })
        .await;
        give_up(&world, &net, "listen", async || {
            TcpListener::bind(&net, loopback(8), 4).await.map(drop)
        })
        .await;
        give_up(&world, &net, "bind", async || {
            UdpSocket::bind(&net, loopback(0)).await.map(drop)
        })
        .await;
        give_up(&world, &net, "accept", async || {
            listener.accept().await.map(drop)
        })
        .await;
        drop(listener);
        settle().await;
        // With somebody who listens each leaves a connection behind, which closes in its own time.
        let listener = listen(&net, 9).await;
        for looks in 0..LOOKS {
            let given_up = polled(looks, TcpStream::connect(&net, loopback(9))).await;
            let over = given_up.is_some();
            drop(given_up);
            settle().await;
            while let Some(stream) = listener.try_accept().unwrap() {
                stream.abort();
            }
            settle().await;
            if over {
                break;
            }
        }
        let rows = net.table::<Sockets>().await.unwrap();
        let held = rows.iter().filter(|row| row.socket.get() != 0).count();
        assert_eq!(held, 1, "the listener");
    });
}

#[test]
fn questions_are_given_up() {
    with_world(async |world, net| {
        let options = PingOptions {
            sequence: 1,
            size: 10,
            ttl: None,
            link: 0,
            timeout: Duration::from_millis(100),
        };
        let nobody = "127.0.0.1".parse().unwrap();
        give_up(&world, &net, "ping", async || {
            net.ping(nobody, options).await.map(drop)
        })
        .await;
        give_up(&world, &net, "resolve", async || {
            net.resolve("example.org", RecordKind::A, None)
                .await
                .map(drop)
        })
        .await;
        give_up(&world, &net, "stats", async || net.stats().await.map(drop)).await;
        give_up(&world, &net, "table", async || {
            net.table::<Sockets>().await.map(drop)
        })
        .await;
        give_up(&world, &net, "events", async || {
            let mut events = net.events().await?;
            events.next().await.map(drop)
        })
        .await;
        // None of the subscriptions is left.
        net.events().await.unwrap();
    });
}

#[test]
fn what_a_stream_does_is_given_up() {
    with_world(async |world, net| {
        let listener = listen(&net, 7).await;
        let mut stream = connect(&net, 7).await;
        let mut peer = listener.accept().await.unwrap();
        let mut other = connect(&net, 7).await;
        let mut silent = listener.accept().await.unwrap();
        give_up(&world, &net, "read", async || {
            stream.read(&mut [0; 10]).await
        })
        .await;
        give_up(&world, &net, "peek and read", async || {
            stream.peek(&mut [0; 10]).await
        })
        .await;
        give_up(&world, &net, "read a chunk", async || {
            stream.read_chunk(10).await.map(drop)
        })
        .await;
        give_up(&world, &net, "reserve", async || {
            stream.reserve(10).await.map(drop)
        })
        .await;
        give_up(&world, &net, "option", async || {
            stream.set_option(SocketOption::NoDelay, 1).await
        })
        .await;
        give_up(&world, &net, "wait for both", async || {
            let mut poller = Poller::new(2);
            poller.register(&stream, Ready::READABLE).unwrap();
            poller.register(&other, Ready::READABLE).unwrap();
            poller.wait(&mut Vec::new()).await;
        })
        .await;
        // Nothing of what was given up has taken a byte.
        peer.write_all(b"first").await.unwrap();
        let mut buffer = [0; 10];
        assert_eq!(stream.read(&mut buffer).await, Ok(5));
        // A flush that is given up changes nothing either.
        silent.write_all(&[1; 2_000]).await.unwrap();
        _ = polled(2, silent.flush()).await;
        silent.flush().await.unwrap();
        _ = polled(1, silent.shutdown(Side::Send)).await;
        let mut all = Vec::new();
        loop {
            match other.read(&mut buffer).await.unwrap() {
                0 => break,
                count => all.extend_from_slice(&buffer[..count]),
            }
        }
        assert_eq!(all, [1; 2_000]);
        // Closing goes on without whoever asked for it.
        _ = polled(1, other.close()).await;
        settle().await;
        assert_eq!(silent.read(&mut buffer).await, Ok(0));
    });
}

#[test]
fn what_was_written_before_is_all_that_comes() {
    with_world(async |_, net| {
        let listener = listen(&net, 7).await;
        for looks in 0..40 {
            let mut stream = connect(&net, 7).await;
            let mut peer = listener.accept().await.unwrap();
            // More than may be under way: the peer does not read yet.
            let bytes: Vec<u8> = (0..400_000_u32).map(|byte| (byte % 251) as u8).collect();
            let mut written = 0;
            let writing = async {
                while written < bytes.len() {
                    written += stream.write(&bytes[written..]).await?;
                }
                Ok::<(), Error>(())
            };
            assert!(
                polled(looks, writing).await.is_none(),
                "the peer does not read"
            );
            drop(stream);
            let mut received = Vec::new();
            while let Some(chunk) = peer.read_chunk(usize::MAX).await.unwrap() {
                received.extend(chunk.iter());
            }
            assert!(
                received == bytes[..written],
                "{} of {written}",
                received.len()
            );
        }
    });
}

#[test]
fn one_of_several_is_waited_for_and_the_others_lose_nothing() {
    with_world(async |_, net| {
        let listener = listen(&net, 7).await;
        let datagrams = UdpSocket::bind(&net, loopback(0)).await.unwrap();
        let mut ends = Vec::new();
        for _ in 0..3 {
            let stream = connect(&net, 7).await;
            ends.push((stream, listener.accept().await.unwrap()));
        }
        let [(a, mut pa), (b, mut pb), (c, mut pc)] = <[_; 3]>::try_from(ends).ok().unwrap();
        let mut streams = [a, b, c];
        let mut buffers = [[0; 4]; 3];
        for round in 0..60_u8 {
            match round % 4 {
                0 => pa.write_all(&[round]).await.unwrap(),
                1 => pb.write_all(&[round]).await.unwrap(),
                2 => pc.write_all(&[round]).await.unwrap(),
                _ => datagrams
                    .send_to(&[round], datagrams.local())
                    .await
                    .unwrap(),
            }
            let [a, b, c] = &mut streams;
            let [x, y, z] = &mut buffers;
            let reads = select_array([
                Box::pin(a.read(x)) as std::pin::Pin<Box<dyn Future<Output = _>>>,
                Box::pin(b.read(y)),
                Box::pin(c.read(z)),
            ]);
            let mut datagram = [0; 4];
            let receive = datagrams.receive_from(&mut datagram);
            match select(select(reads, receive), listener.accept()).await {
                Either::First(Either::First((count, index))) => {
                    assert_eq!((count, index), (Ok(1), usize::from(round % 4)));
                    assert_eq!(buffers[index][0], round);
                }
                Either::First(Either::Second(received)) => {
                    assert_eq!((received, datagram[0]), (Ok((1, datagrams.local())), round));
                }
                Either::Second(_) => panic!("nobody connects"),
            }
        }
        let late = within(Duration::from_millis(1), streams[0].read(&mut buffers[0]));
        assert_eq!(late.await, Err(Error::TimedOut));
        pa.write_all(b"later").await.unwrap();
        assert_eq!(streams[0].read(&mut buffers[0]).await, Ok(4));
    });
}
