//! What a program can wait for, ask for and look at: readiness of sockets, bytes, and ends.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use crate::common::{World, between, connect, connected, listen, loopback};
use embedded_io_async::{Read, Write};
use net::protocol::{EventKind, SocketStatus, Sockets, ready};
use net::{Side, TcpStream, UdpSocket};

/// Copies to the end; knows nothing of sockets.
async fn cat(mut from: impl Read, mut to: impl Write) {
    let mut buffer = [0; 100];
    loop {
        let count = from.read(&mut buffer).await.expect("bytes or the end");
        if count == 0 {
            return;
        }
        to.write_all(&buffer[..count]).await.expect("written");
    }
}

#[test]
fn a_socket_is_a_stream_of_bytes_like_any_other() {
    between(async |server, client| {
        let listener = listen(&server, 7).await;
        let bytes: Vec<u8> = (0..5_000_u32).map(|byte| (byte % 251) as u8).collect();
        let stream = connect(&client, 7).await;
        let sent = bytes.clone();
        let writer = rt::spawn(async move { cat(&sent[..], stream).await });
        let mut room = vec![0; bytes.len()];
        cat(listener.accept().await.unwrap(), &mut room[..]).await;
        assert!(room == bytes);
        writer.await;
    });
}

#[test]
fn a_connect_that_nobody_waits_for_ends_in_an_event_and_status_tells_the_rest() {
    let world = World::new();
    world.run(async {
        let (server, _a) = world.client(false).await;
        let (client, _b) = world.client(false).await;
        let listener = listen(&server, 7).await;
        let mut events = client.events().await.unwrap();
        let mut connecting = pin!(TcpStream::connect(&client, loopback(7)));
        // Looked at until it has asked for the connection, and then no more.
        let begun = poll_fn(|context| {
            if world.server.borrow().stack().totals().connections > 0 {
                return Poll::Ready(());
            }
            assert!(connecting.as_mut().poll(context).is_pending());
            context.waker().wake_by_ref();
            Poll::Pending
        });
        begun.await;
        let event = events.next().await.unwrap();
        assert_eq!(event.kind, EventKind::Ready);
        assert_eq!(event.body.detail.get(), ready::WRITABLE);
        let stream = connecting.await.unwrap();
        let socket = event.socket;
        let bits = async || {
            let reply = client.call(SocketStatus { socket }).await.unwrap();
            reply.status.ready.get()
        };
        assert_eq!(bits().await, ready::WRITABLE);
        let mut peer = listener.accept().await.unwrap();
        peer.shutdown(Side::Send).await.unwrap();
        let event = events.next().await.unwrap();
        assert_eq!(event.socket, socket);
        assert_eq!(event.body.detail.get(), ready::READABLE | ready::END);
        let all = ready::WRITABLE | ready::READABLE | ready::END;
        assert_eq!(bits().await, all);
        drop(stream);
    });
}

#[test]
fn of_twelve_sockets_the_one_is_named_that_something_came_for() {
    between(async |one, two| {
        let mut sockets = Vec::new();
        for _ in 0..12 {
            sockets.push(UdpSocket::bind(&one, loopback(0)).await.unwrap());
        }
        let mut events = one.events().await.unwrap();
        let sender = UdpSocket::bind(&two, loopback(0)).await.unwrap();
        for place in [7, 0, 11] {
            let receiver = &sockets[place];
            sender.send_to(b"knock", receiver.local()).await.unwrap();
            let event = events.next().await.unwrap();
            assert_eq!(event.body.detail.get(), ready::READABLE);
            let rows = one.table::<Sockets>().await.unwrap();
            let named = rows.iter().find(|row| row.socket.get() == event.socket.0);
            let local = named.and_then(|row| row.local.socket().ok().flatten());
            assert_eq!(local, Some(receiver.local()));
            let mut buffer = [0; 10];
            let (count, _) = receiver.receive_from(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..count], b"knock");
        }
    });
}

#[test]
fn bytes_that_were_looked_at_are_still_to_be_read() {
    between(async |server, client| {
        let (mut stream, mut peer) = connected(&server, &client).await;
        stream.write_all(b"GET /").await.unwrap();
        let mut buffer = [0; 3];
        for _ in 0..2 {
            assert_eq!(peer.peek(&mut buffer).await, Ok(3));
            assert_eq!(&buffer, b"GET");
        }
        assert_eq!(peer.read(&mut buffer).await, Ok(3));
        assert_eq!(&buffer, b"GET");
        assert_eq!(peer.peek(&mut buffer).await, Ok(2));
        assert_eq!(peer.read(&mut buffer).await, Ok(2));
        assert_eq!(&buffer[..2], b" /");
        stream.close().await.unwrap();
        assert_eq!(peer.peek(&mut buffer).await, Ok(0));
        assert_eq!(peer.read(&mut buffer).await, Ok(0));
    });
}
