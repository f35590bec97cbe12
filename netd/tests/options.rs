//! Socket options and what TCP knows of a connection, from a program through the real server.

use std::rc::Rc;

use crate::common;
use crate::common::{alone, between, connect, connected, listen, loopback, read_all};
use net::protocol::{Connections, Counters, State, agreed, text_of};
use net::{Code, Error, SocketOption, TcpStream};

#[test]
fn every_option_is_set_and_read_back() {
    alone(async |net| {
        let listener = listen(&net, 7).await;
        let stream = connect(&net, 7).await;
        for (option, value, wrong) in [
            (SocketOption::Ttl, 9, 256),
            (SocketOption::DifferentiatedServices, 46, 64),
            (SocketOption::NoDelay, 1, 2),
            (SocketOption::KeepAlive, 1, 2),
            (SocketOption::KeepAliveIdle, 300, 0),
            (SocketOption::KeepAliveInterval, 20, 65_536),
            (SocketOption::KeepAliveCount, 3, 0),
            (SocketOption::UserTimeout, 40, 65_536),
            (SocketOption::TellUserTimeout, 1, 2),
            (SocketOption::ResetOnClose, 1, 2),
            (SocketOption::Cork, 1, 2),
            (SocketOption::QuickAck, 1, 2),
            (SocketOption::ReceiveBuffer, 8_192, 1 << 40),
            (SocketOption::SendBuffer, 4_096, 1 << 40),
            (SocketOption::MaxSegment, 700, 5),
            (SocketOption::CongestionNotification, 1, 2),
            (SocketOption::CongestionControl, 3, 4),
            (SocketOption::FastOpen, 1, 2),
        ] {
            stream.set_option(option, value).await.unwrap();
            assert_eq!(stream.option(option).await, Ok(value), "{option:?}");
            let refused = stream.set_option(option, wrong).await;
            assert_eq!(refused, Err(Error::Other(Code::BadAddress)), "{option:?}");
            assert_eq!(stream.option(option).await, Ok(value), "{option:?}");
            listener.set_option(option, value).await.unwrap();
            assert_eq!(listener.option(option).await, Ok(value), "{option:?}");
        }
        let refused = stream.set_option(SocketOption::Broadcast, 1).await;
        assert!(refused.is_err());
    });
}

#[test]
fn a_small_send_buffer_slows_a_writer_down_and_loses_nothing() {
    between(async |server, client| {
        let listener = listen(&server, 7).await;
        let options = [
            (SocketOption::SendBuffer, 5_000),
            (SocketOption::ReceiveBuffer, 2_048),
        ];
        let mut stream = TcpStream::connect_with(&client, loopback(7), &options)
            .await
            .unwrap();
        let bytes: Vec<u8> = (0..100_000_u32).map(|byte| (byte % 253) as u8).collect();
        let sent = bytes.clone();
        let writer = rt::spawn(async move {
            stream.write_all(&sent).await.unwrap();
            stream.close().await.unwrap();
        });
        let mut peer = listener.accept().await.unwrap();
        let all = read_all(&mut peer).await.unwrap();
        assert!(all == bytes, "{} bytes", all.len());
        drop(peer);
        writer.await;
    });
}

#[test]
fn what_is_accepted_holds_no_more_to_send_than_was_chosen_for_its_listener() {
    const BYTES: usize = 200_000;
    between(async |server, client| {
        let listener = listen(&server, 7).await;
        let option = SocketOption::SendBuffer;
        listener.set_option(option, 4_096).await.unwrap();
        let mut stream = connect(&client, 7).await;
        let mut peer = listener.accept().await.unwrap();
        let free = server.arena_free();
        let writer = rt::spawn(async move {
            peer.write_all(&[7; BYTES]).await.unwrap();
            peer.flush().await.unwrap();
        });
        let (mut buffer, mut received, mut largest) = (vec![0; 1_000], 0, 0);
        while received < BYTES {
            received += stream.read(&mut buffer).await.unwrap();
            largest = largest.max(free.saturating_sub(server.arena_free()));
        }
        writer.await;
        // One send may exceed the bound.
        assert!((1..=40_000).contains(&largest), "{largest}");
    });
}

/// What is offered to the peer of each connection, and how many there are.
async fn windows(net: &net::Net) -> Vec<u32> {
    let rows = net.table::<Connections>().await.unwrap();
    rows.iter().map(|row| row.receive_window.get()).collect()
}

#[test]
fn the_window_grows_with_the_pace_within_the_quota() {
    const BYTES: usize = 1 << 20;
    for limit in [0, 10_000_u32] {
        between(async |server, client| {
            let listener = listen(&server, 7).await;
            let option = SocketOption::ReceiveBuffer;
            listener.set_option(option, limit.into()).await.unwrap();
            let mut stream = connect(&client, 7).await;
            let mut peer = listener.accept().await.unwrap();
            let first = windows(&client).await.into_iter().max().unwrap_or(0);
            assert!(first <= 16 * 1024, "little at first: {first}");
            let free = server.arena_free();
            let writer = rt::spawn(async move {
                stream.write_all(&vec![7; BYTES]).await.unwrap();
                stream.flush().await.unwrap();
            });
            let (mut buffer, mut received, mut largest) = (vec![0; 8_192], 0, 0);
            for reads in 0_u64.. {
                // A program that takes 8 KiB every 0.1 ms.
                rt::clock::stand_at(reads * 100_000);
                received += peer.read(&mut buffer).await.unwrap();
                // Of a window that is in use, most is under way or waits to be read: the room for it tells.
                largest = largest.max(free.saturating_sub(server.arena_free()));
                if received == BYTES {
                    break;
                }
            }
            writer.await;
            if limit == 0 {
                assert!(
                    largest > 64 * 1024 && largest <= common::ARENA / 4,
                    "{largest}"
                );
            } else {
                assert!(largest <= 16 * 1024, "{largest}");
            }
        });
    }
}

#[test]
fn what_tcp_knows_is_told() {
    between(async |server, client| {
        let (mut stream, mut peer) = connected(&server, &client).await;
        stream.write_all(&[7; 5_000]).await.unwrap();
        let mut buffer = [0; 5_000];
        let mut received = 0;
        while received < 5_000 {
            received += peer.read(&mut buffer).await.unwrap();
        }
        stream.flush().await.unwrap();
        let rows = client.table::<Connections>().await.unwrap();
        assert_eq!(rows.len(), 2);
        let row = rows
            .iter()
            .find(|row| row.bytes_sent.get() == 5_000)
            .expect("the sending end");
        assert_eq!(row.state, State::Established as u8);
        assert_eq!(row.remote.socket(), Ok(Some(loopback(7))));
        assert_eq!(row.options, agreed::TIMESTAMPS | agreed::SACK);
        assert!(row.segment.get() > 1_000 && row.path_mtu > row.segment);
        assert!(!text_of(&row.congestion_control).is_empty());
        assert!(row.congestion_window.get() >= 5_000);
        assert!(row.round_trip.get() > 0 && row.retransmission_timeout.get() >= 200_000);
        assert_eq!((row.in_flight.get(), row.send_queued.get()), (0, 0));
        let other = rows.iter().find(|row| row.bytes_received.get() == 5_000);
        assert!(other.is_some_and(|row| row.socket.get() != 0));
        let counters = client.table::<Counters>().await.unwrap();
        let has = |name: &str| counters.iter().any(|row| text_of(&row.name) == name);
        for name in [
            "tcp.cookies_sent",
            "tcp.challenge_acks",
            "tcp.keep_alive_probes",
        ] {
            assert!(has(name), "{name}");
        }
    });
}

#[test]
fn a_question_goes_with_the_first_segment_to_a_peer_that_knows_us() {
    between(async |server, client| {
        let listener = Rc::new(listen(&server, 7).await);
        listener
            .set_option(SocketOption::FastOpen, 1)
            .await
            .unwrap();
        for opened in [0, 1, 2] {
            let accepted = rt::spawn({
                let listener = Rc::clone(&listener);
                async move { listener.accept().await.unwrap() }
            });
            let stream = TcpStream::connect_sending(&client, loopback(7), b"question")
                .await
                .unwrap();
            let mut peer = accepted.await;
            let mut question = [0; 20];
            let length = peer.read(&mut question).await.unwrap();
            assert_eq!(&question[..length], b"question");
            drop(stream);
            let rows = client.table::<Counters>().await.unwrap();
            let named = |name: &str| {
                let row = rows.iter().find(|row| text_of(&row.name) == name);
                row.expect("a counter").count.get()
            };
            assert_eq!(named("tcp.fast_opens"), opened);
            assert_eq!(named("tcp.fast_opens_taken"), opened);
        }
        // Nobody listens: it is the connect that fails.
        let refused = TcpStream::connect_sending(&client, loopback(8), b"question").await;
        assert!(matches!(refused, Err(Error::Refused)));
    });
}
