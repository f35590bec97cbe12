//! Two honest ends.
#![cfg(not(loom))]

use std::{thread, time::Duration};

use ring::{Arena, Endpoint, Full, Look, Message, Wish};

fn message(number: u64) -> Message {
    let mut message = Message::ZERO;
    for (index, word) in message.words_mut().iter_mut().enumerate() {
        *word = number.wrapping_mul(31).wrapping_add(index as u64);
    }
    message
}

#[test]
fn both_directions_keep_their_order() {
    let (mut a, mut b) = Endpoint::pair(4);
    assert_eq!(a.tx.capacity(), 4);
    for round in 0..10 {
        for number in 0..4 {
            a.tx.push(&message(round * 4 + number)).unwrap();
            b.tx.push(&message(1000 + number)).unwrap();
        }
        assert_eq!(a.tx.push(&message(0)), Err(Full));
        assert_eq!(b.rx.available(), Ok(4));
        for number in 0..4 {
            assert_eq!(b.rx.pop(), Ok(Some(message(round * 4 + number))));
            assert_eq!(a.rx.pop(), Ok(Some(message(1000 + number))));
        }
        assert_eq!(b.rx.pop(), Ok(None));
        assert_eq!(a.tx.room(), 4);
    }
}

#[test]
fn the_doorbell_is_asked_for_once_per_sleep() {
    let (mut a, mut b) = Endpoint::pair(4);
    a.tx.push(&message(1)).unwrap();
    assert!(!a.tx.needs_doorbell(), "nobody sleeps");
    assert_eq!(b.rx.announce_sleep(), Look::MoreWork);
    assert!(!a.tx.needs_doorbell(), "the flag is down again");
    b.rx.pop().unwrap();
    assert_eq!(b.rx.announce_sleep(), Look::Sleep);
    a.tx.push(&message(2)).unwrap();
    assert!(a.tx.needs_doorbell());
    a.tx.push(&message(3)).unwrap();
    assert!(!a.tx.needs_doorbell(), "rung already");
    b.rx.awake();
    b.rx.pop().unwrap();
    b.rx.pop().unwrap();
    assert_eq!(b.rx.announce_sleep(), Look::Sleep);
    b.rx.awake();
    a.tx.push(&message(4)).unwrap();
    assert!(!a.tx.needs_doorbell(), "woke up by itself");
    b.rx.pop().unwrap();
    assert_eq!(b.rx.announce_sleep(), Look::Sleep);
    assert!(!a.tx.needs_doorbell(), "there is nothing to wake it for");
}

#[test]
fn quiet_messages_wake_only_who_wants_to_hear_of_anything() {
    let (mut a, mut b) = Endpoint::pair(4);
    assert_eq!(b.rx.announce_sleep_for(Wish::Urgent), Look::Sleep);
    a.tx.push_quiet(&message(1)).unwrap();
    assert!(!a.tx.needs_doorbell(), "it can wait");
    a.tx.push(&message(2)).unwrap();
    assert!(a.tx.needs_doorbell(), "the wish is still known");
    b.rx.awake();
    assert_eq!(b.rx.pop(), Ok(Some(message(1))));
    assert_eq!(b.rx.pop(), Ok(Some(message(2))));
    // Together with one that is urgent, it is no less.
    assert_eq!(b.rx.announce_sleep_for(Wish::Urgent), Look::Sleep);
    a.tx.push(&message(3)).unwrap();
    a.tx.push_quiet(&message(4)).unwrap();
    assert!(a.tx.needs_doorbell());
    assert_eq!(b.rx.pop(), Ok(Some(message(3))));
    // The last look finds it, whatever the wish is.
    assert_eq!(b.rx.announce_sleep_for(Wish::Urgent), Look::MoreWork);
    assert_eq!(b.rx.pop(), Ok(Some(message(4))));
    assert_eq!(b.rx.announce_sleep_for(Wish::Anything), Look::Sleep);
    a.tx.push_quiet(&message(5)).unwrap();
    assert!(a.tx.needs_doorbell());
}

#[test]
fn a_full_producer_is_woken_by_room() {
    let (mut a, mut b) = Endpoint::pair(1);
    a.tx.push(&message(1)).unwrap();
    assert_eq!(a.tx.announce_sleep(), Look::Sleep);
    b.rx.pop().unwrap();
    assert!(b.rx.needs_doorbell());
    assert!(!b.rx.needs_doorbell(), "rung already");
    a.tx.awake();
    assert_eq!(a.tx.announce_sleep(), Look::MoreWork);
}

/// Threads on real cores; parked instead of waiting for a doorbell. Short under Miri.
#[test]
fn threads_exchange_messages_and_sleep() {
    let count = if cfg!(miri) { 40 } else { 20_000 };
    let (mut a, mut b) = Endpoint::pair(8);
    let receiver = thread::spawn(move || {
        for number in 0..count {
            let received = loop {
                if let Some(message) = b.rx.pop().unwrap() {
                    break message;
                }
                if b.rx.announce_sleep() == Look::Sleep {
                    thread::park_timeout(Duration::from_millis(50));
                    b.rx.awake();
                }
            };
            assert_eq!(received, message(number));
        }
    });
    for number in 0..count {
        while a.tx.push(&message(number)) == Err(Full) {
            thread::yield_now();
        }
        if a.tx.needs_doorbell() {
            receiver.thread().unpark();
        }
    }
    receiver.join().unwrap();
}

#[test]
fn an_arena_passes_bytes_behind_a_message() {
    let (mut a, mut b) = Endpoint::pair(2);
    let (client, server) = Arena::shared(1 << 12);
    let client = thread::spawn(move || {
        client.write(100, b"payload").unwrap();
        a.tx.push(&message(7)).unwrap();
        client
    });
    while b.rx.pop().unwrap().is_none() {
        thread::yield_now();
    }
    let mut text = [0; 7];
    server.read(100, &mut text).unwrap();
    assert_eq!(&text, b"payload");
    drop(client.join().unwrap());
}
