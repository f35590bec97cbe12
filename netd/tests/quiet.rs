//! What a sleeping program is woken for, and what it finds when something else has woken it.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use crate::common;
use crate::common::{RawClient, World, between, connected, loopback, settle, within_turns};
use net::protocol::{
    Bind, Message, Operation, Payload, REPLY, Range, Receive, Send, SocketCreate, SocketKind,
    outcome, request,
};
use net::{Code, Error, UdpSocket};
use ring::{Look, Message as Slot, Wish};

fn ask(world: &World, client: &mut RawClient, operation: &impl Operation, id: u32) {
    let message = request(operation, id);
    let slot = Slot::from_bytes(message.bytes());
    client.link.push(&slot).expect("room");
    // To itself a datagram takes several.
    (0..4).for_each(|_| _ = world.turn());
}

fn answer(client: &mut RawClient) -> Option<Message> {
    let slot = client.link.try_receive().expect("not expelled")?;
    Some(*Message::view(slot.words()))
}

/// Whether the doorbell has rung since the last question.
fn is_rung(client: &RawClient) -> bool {
    let mut signal = pin!(client.link.signal());
    let mut context = Context::from_waker(Waker::noop());
    signal.as_mut().poll(&mut context) != Poll::Pending
}

#[test]
fn what_has_left_wakes_only_who_wants_to_hear_of_anything_and_a_datagram_everybody() {
    let world = World::new();
    let mut client = world.raw_client(false, 32);
    let size = u32::try_from(common::ARENA).unwrap();
    let attach = net::protocol::AttachArena { size };
    ask(&world, &mut client, &attach, 1);
    let kind = SocketKind::Datagram;
    ask(&world, &mut client, &SocketCreate { kind }, 2);
    assert!(answer(&mut client).is_some());
    let created = outcome::<SocketCreate>(&answer(&mut client).unwrap());
    let socket = created.unwrap().socket;
    let local = loopback(9000);
    ask(&world, &mut client, &Bind { socket, local }, 3);
    assert!(answer(&mut client).is_some());
    let range = Range {
        offset: 0,
        length: 64,
    };
    let send = |to: u16| Send {
        socket,
        payload: Payload::Arena(range),
        to: Some(loopback(to)),
        unanswered: false,
        along: false,
    };
    for (wish, rings) in [(Wish::Urgent, false), (Wish::Anything, true)] {
        assert_eq!(client.link.announce_sleep_for(wish), Look::Sleep);
        // Nobody has that port.
        ask(&world, &mut client, &send(9001), 4);
        assert_eq!(is_rung(&client), rings, "{wish:?}");
        client.link.awake();
        let told = answer(&mut client).expect("told all the same");
        assert_eq!(told.header.operation.get(), Send::NUMBER | REPLY);
    }
    let room = Range {
        offset: 4096,
        length: 4096,
    };
    ask(&world, &mut client, &Receive { socket, room }, 5);
    assert_eq!(client.link.announce_sleep_for(Wish::Urgent), Look::Sleep);
    ask(&world, &mut client, &send(9000), 6);
    assert!(is_rung(&client), "a datagram has come");
    let numbers = [answer(&mut client), answer(&mut client)]
        .map(|told| told.expect("both").header.operation.get());
    assert!(numbers.contains(&(Receive::NUMBER | REPLY)), "{numbers:?}");
    assert!(numbers.contains(&(Send::NUMBER | REPLY)), "{numbers:?}");
}

#[test]
fn who_waits_for_an_acknowledgement_is_woken_by_it() {
    between(async |server, client| {
        let (mut stream, mut peer) = connected(&server, &client).await;
        // More than the peer's window takes: the rest waits, and so does its end.
        let bytes = vec![7; 100_000];
        for _ in 0..3 {
            let mut written = 0;
            while written < bytes.len()
                && let Ok(Some(count)) = stream.try_write(&bytes[written..])
            {
                written += count;
            }
            settle().await;
            // By now the program sleeps, and nobody of it waits for what has been sent.
            let flushing = rt::spawn(async move {
                let flushed = stream.flush().await;
                (stream, flushed)
            });
            settle().await;
            let mut read = 0;
            let mut into = vec![0; 10_000];
            while read < written {
                read += peer.read(&mut into).await.unwrap();
            }
            let flushed = within_turns(flushing).await.expect("woken");
            assert_eq!(flushed.1, Ok(()));
            stream = flushed.0;
        }
        let closed = within_turns(async { stream.close().await });
        assert_eq!(closed.await, Some(Ok(())));
    });
}

#[test]
fn datagrams_leave_by_themselves_and_flushing_tells_why_one_has_not() {
    between(async |one, two| {
        let receiver = UdpSocket::bind(&one, loopback(53)).await.unwrap();
        let sender = UdpSocket::bind(&two, loopback(0)).await.unwrap();
        // More than may be on their way at a time.
        for number in 0..200_u8 {
            let sent = within_turns(sender.send_to(&[number], receiver.local())).await;
            assert_eq!(sent, Some(Ok(())));
            let mut buffer = [0; 4];
            let heard = within_turns(receiver.receive_from(&mut buffer)).await;
            assert_eq!((heard, buffer[0]), (Some(Ok((1, sender.local()))), number));
        }
        assert_eq!(sender.flush().await, Ok(()));
        let elsewhere = "10.1.2.3:9".parse().unwrap();
        for _ in 0..2 {
            // There is no way to there; the next datagram is another matter.
            assert_eq!(sender.send_to(b"?", elsewhere).await, Ok(()));
            assert_eq!(sender.send_to(b"!", receiver.local()).await, Ok(()));
            let mut buffer = [0; 4];
            let heard = within_turns(receiver.receive_from(&mut buffer)).await;
            assert_eq!((heard, buffer[0]), (Some(Ok((1, sender.local()))), b'!'));
            assert_eq!(sender.flush().await, Err(Error::NoRoute));
            assert_eq!(sender.flush().await, Ok(()), "it was told");
        }
        let huge = vec![0; 70_000];
        let sent = sender.send_to(&huge, receiver.local()).await;
        assert_eq!(sent, Err(Error::Other(Code::TooBig)));
        // With a fixed peer there is nobody else whom an error could concern.
        let mut sender = sender;
        sender.connect(receiver.local()).await.unwrap();
        let large = vec![0; 65_535];
        assert_eq!(sender.send(&large).await, Ok(()));
        settle().await;
        assert_eq!(sender.send(b"?").await, Err(Error::Other(Code::TooBig)));
        assert_eq!(sender.send(b"?").await, Ok(()));
    });
}

#[test]
fn who_sends_while_another_flushes_is_counted_once() {
    between(async |one, two| {
        let receiver = UdpSocket::bind(&one, loopback(53)).await.unwrap();
        let sender = UdpSocket::bind(&two, loopback(0)).await.unwrap();
        for round in 0..20_u8 {
            assert_eq!(sender.send_to(&[round], receiver.local()).await, Ok(()));
            let mut flushing = pin!(sender.flush());
            let mut context = Context::from_waker(Waker::noop());
            let begun = flushing.as_mut().poll(&mut context);
            assert_eq!(begun, Poll::Pending);
            // The last of them is answered.
            for number in 0..15 {
                let sent = within_turns(sender.send_to(&[number], receiver.local())).await;
                assert_eq!(sent, Some(Ok(())));
            }
            // Some are waited for, others are given up.
            if round % 2 == 0 {
                assert_eq!(within_turns(flushing).await, Some(Ok(())));
            }
        }
        assert_eq!(within_turns(sender.flush()).await, Some(Ok(())));
    });
}
