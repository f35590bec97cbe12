//! Bytes that lie in the arena: filled, sent, received and handed on where they are.

use std::fmt::Write;

use crate::common;
use crate::common::{Random, between, connect, connected, listen, loopback, settle};
use net::{Chunk, Code, Error, TcpStream, UdpSocket};

/// Bytes that are the same in every run.
fn bytes(count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    Random(11).fill(&mut bytes);
    bytes
}

/// Reads chunks until so many bytes are there.
async fn chunks(stream: &mut TcpStream, count: usize) -> Vec<Chunk> {
    let mut chunks: Vec<Chunk> = Vec::new();
    while chunks.iter().map(Chunk::len).sum::<usize>() < count {
        chunks.push(stream.read_chunk(1_000).await.unwrap().expect("more"));
    }
    chunks
}

fn joined(chunks: &[Chunk]) -> Vec<u8> {
    chunks.iter().flat_map(Chunk::to_vec).collect()
}

#[test]
fn a_place_is_filled_and_sent_and_free_when_it_is_acknowledged() {
    between(async |server, client| {
        let (mut stream, mut peer) = connected(&server, &client).await;
        settle().await;
        let free = client.arena_free();
        let mut place = stream.reserve(9_000).await.unwrap();
        assert!(free - client.arena_free() >= 9_000);
        write!(place, "{:05}", 42).unwrap();
        assert_eq!((place.len(), place.remaining()), (5, 8_995));
        assert_eq!(place.append(&[b'x'; 9_000]), 8_995, "as much as fits");
        assert!(write!(place, "more").is_err());
        stream.send(place).await.unwrap();
        let received = joined(&chunks(&mut peer, 9_000).await);
        assert!(received.starts_with(b"00042xxx") && received.len() == 9_000);
        stream.flush().await.unwrap();
        assert_eq!(client.arena_free(), free);
        drop(stream.reserve(9_000).await.unwrap());
        assert_eq!(client.arena_free(), free, "not sent");
    });
}

#[test]
fn what_is_frozen_is_sent_as_often_as_wanted_and_free_when_nobody_has_it() {
    between(async |server, client| {
        let (mut stream, mut peer) = connected(&server, &client).await;
        settle().await;
        let free = client.arena_free();
        let mut place = client.reserve(3_000).await.unwrap();
        let text = bytes(3_000);
        place.append(&text);
        let page = place.freeze();
        for _ in 0..5 {
            stream.send(page.clone()).await.unwrap();
        }
        assert!(free - client.arena_free() < 6_000, "one copy of it");
        let mut part = page.clone();
        part.advance(2_990);
        stream.send(part).await.unwrap();
        drop(page);
        assert!(client.arena_free() < free, "it is being sent");
        let received = joined(&chunks(&mut peer, 15_010).await);
        assert!(received == [&text.repeat(5), &text[2_990..]].concat());
        stream.flush().await.unwrap();
        assert_eq!(client.arena_free(), free);
        assert!(client.reserve(1 << 30).await.is_err(), "more than there is");
    });
}

#[test]
fn chunks_keep_their_bytes_whatever_becomes_of_the_connection() {
    between(async |server, client| {
        let free = server.arena_free();
        let listener = listen(&server, 7).await;
        let mut stream = connect(&client, 7).await;
        let mut peer = listener.accept().await.unwrap();
        let sent = bytes(6_000);
        stream.write_all(&sent).await.unwrap();
        let mut kept = chunks(&mut peer, sent.len()).await;
        let first = kept[0].split_to(3);
        let rest = kept[0].split_to(usize::MAX);
        assert!(kept[0].is_empty());
        kept[0] = rest;
        kept.insert(0, first);
        let mut two = [0; 2];
        assert_eq!((kept[0].copy_to(&mut two), &two[..]), (2, &sent[..2]));
        assert!(kept[0].iter().eq(sent[..3].iter().copied()));
        drop((stream, peer));
        settle().await;
        // What comes now finds other places.
        let mut stream = connect(&client, 7).await;
        let mut peer = listener.accept().await.unwrap();
        stream.write_all(&[0; 20_000]).await.unwrap();
        drop(chunks(&mut peer, 20_000).await);
        assert!(joined(&kept) == sent);
        drop((stream, peer));
        settle().await;
        let left = server.arena_free();
        drop(kept);
        assert!(server.arena_free() > left, "the chunks kept their rooms");
        drop(listener);
        settle().await;
        assert_eq!(server.arena_free(), free);
    });
}

#[test]
fn what_comes_in_goes_out_again_without_a_copy() {
    between(async |server, client| {
        let free = server.arena_free();
        let listener = listen(&server, 7).await;
        let stream = connect(&client, 7).await;
        let mut peer = listener.accept().await.unwrap();
        let sent = bytes(1 << 20);
        let expected = sent.clone();
        let (mut reader, mut writer) = stream.split();
        let writing = rt::spawn(async move {
            writer.write_all(&sent).await.unwrap();
            writer.finish().await.unwrap();
        });
        let sum = server.clone();
        let echo = rt::spawn(async move {
            while let Some(chunk) = peer.read_chunk(8_000).await? {
                let before = sum.arena_free();
                peer.send(chunk).await?;
                assert!(sum.arena_free() >= before, "no place was taken for it");
            }
            peer.close().await
        });
        let mut all = Vec::new();
        while let Some(chunk) = reader.read_chunk(usize::MAX).await.unwrap() {
            all.extend(chunk.iter());
        }
        assert!(all == expected, "{} bytes", all.len());
        writing.await;
        echo.await.unwrap();
        drop(listener);
        settle().await;
        assert_eq!(server.arena_free(), free);
    });
}

#[test]
fn who_keeps_chunks_holds_up_its_own_peers_until_it_lets_go() {
    between(async |server, client| {
        let (mut stream, mut peer) = connected(&server, &client).await;
        let sent = bytes(3 * common::ARENA);
        let expected = sent.clone();
        let writing = rt::spawn(async move { stream.write_all(&sent).await });
        let mut kept = Vec::new();
        while let Some(chunk) = common::polled(2_000, peer.read_chunk(usize::MAX))
            .await
            .transpose()
            .unwrap()
            .flatten()
        {
            kept.push(chunk);
        }
        let held: usize = kept.iter().map(Chunk::len).sum();
        assert!(held < common::ARENA && held > common::ARENA / 2, "{held}");
        assert!(!writing.is_finished());
        let mut all = joined(&kept);
        drop(kept);
        while all.len() < expected.len() {
            let chunk = peer.read_chunk(usize::MAX).await.unwrap().expect("more");
            all.extend(chunk.iter());
        }
        assert!(all == expected);
        writing.await.unwrap();
    });
}

#[test]
fn pieces_are_written_as_one_and_read_apart() {
    between(async |server, client| {
        let (mut stream, mut peer) = connected(&server, &client).await;
        let written = stream.write_vectored(&[b"head", b"", b"body", b"."]).await;
        assert_eq!(written, Ok(9));
        assert_eq!(stream.write_vectored(&[b"", b""]).await, Ok(0));
        let chunk = peer.read_chunk(usize::MAX).await.unwrap().unwrap();
        assert_eq!(chunk.to_vec(), b"headbody.", "one segment");
        stream.write_all(b"0123456789").await.unwrap();
        let (mut a, mut b, mut c) = ([0; 3], [0; 4], [0; 9]);
        let mut places = [&mut a[..], &mut [], &mut b[..], &mut c[..]];
        assert_eq!(peer.read_vectored(&mut places).await, Ok(10));
        assert_eq!((&a, &b, &c[..3]), (b"012", b"3456", &b"789"[..]));
        assert_eq!(peer.read_vectored(&mut []).await, Ok(0));
        stream.close().await.unwrap();
        assert_eq!(peer.read_vectored(&mut [&mut a]).await, Ok(0));
    });
}

#[test]
fn bytes_of_another_session_are_refused_and_given_back() {
    between(async |server, client| {
        let (mut stream, mut peer) = connected(&server, &client).await;
        settle().await;
        let free = server.arena_free();
        let mut place = peer.reserve(5_000).await.unwrap();
        place.append(b"?");
        let refused = stream.send(place).await;
        assert_eq!(refused, Err(Error::Other(Code::BadArena)));
        assert_eq!(server.arena_free(), free);
    });
}

#[test]
fn datagrams_go_on_without_a_copy() {
    between(async |one, two| {
        let relay = UdpSocket::bind(&one, loopback(0)).await.unwrap();
        let ask = UdpSocket::bind(&two, loopback(0)).await.unwrap();
        settle().await;
        let free = (one.arena_free(), two.arena_free());
        for round in 0..200_usize {
            let mut place = ask.reserve(1_400).await.unwrap();
            place.append(&vec![7; round]);
            ask.send_buffer(place, Some(relay.local())).await.unwrap();
            let (chunk, from) = relay.receive_chunk().await.unwrap();
            assert_eq!((chunk.len(), from), (round, ask.local()));
            relay.send_buffer(chunk, Some(from)).await.unwrap();
            let (chunk, _) = ask.receive_chunk().await.unwrap();
            assert_eq!(chunk.to_vec(), vec![7; round]);
        }
        assert!(ask.reserve(65_536).await.is_err());
        settle().await;
        assert_eq!((one.arena_free(), two.arena_free()), free);
    });
}
