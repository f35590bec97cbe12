//! Every interleaving and every allowed reordering of two ends.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p ring --release --test loom`
#![cfg(loom)]

use std::sync::Arc;

use loom::{sync::Notify, thread};
use ring::{Consumer, Endpoint, Flag, Look, Message, Producer, Region, Side, Wish, handover};

/// A message that is told by its first word: under loom only that one travels.
fn message(number: u64) -> Message {
    let mut message = Message::ZERO;
    message.words_mut()[0] = number;
    message
}

/// Two ends whose rings have `slots` slots: 8 control words and one word for each slot.
fn pair(slots: usize) -> (Endpoint, Endpoint) {
    let (a, b) = Region::shared(8 * (8 + 2 * slots));
    (
        Endpoint::attach(a, Side::Creator).unwrap(),
        Endpoint::attach(b, Side::Peer).unwrap(),
    )
}

/// Sends, sleeping while there is no room; rings when asked.
fn send(tx: &mut Producer, number: u64, to_peer: &Notify, from_peer: &Notify) {
    while tx.push(&message(number)).is_err() {
        if tx.announce_sleep() == Look::Sleep {
            from_peer.wait();
            tx.awake();
        }
    }
    if tx.needs_doorbell() {
        to_peer.notify();
    }
}

/// Receives, sleeping while there is nothing; rings when asked.
fn receive(rx: &mut Consumer, to_peer: &Notify, from_peer: &Notify) -> u64 {
    receive_wishing(rx, Wish::Anything, to_peer, from_peer)
}

/// As [`receive`], woken for what is wished.
fn receive_wishing(rx: &mut Consumer, wish: Wish, to_peer: &Notify, from_peer: &Notify) -> u64 {
    loop {
        if let Some(message) = rx.pop().unwrap() {
            if rx.needs_doorbell() {
                to_peer.notify();
            }
            return message.words()[0];
        }
        if rx.announce_sleep_for(wish) == Look::Sleep {
            from_peer.wait();
            rx.awake();
        }
    }
}

#[test]
fn messages_arrive_whole_and_in_order() {
    loom::model(|| {
        let (mut a, mut b) = pair(1);
        let sender = thread::spawn(move || {
            for number in 1..=2 {
                while a.tx.push(&message(number)).is_err() {
                    thread::yield_now();
                }
            }
        });
        for number in 1..=2 {
            let received = loop {
                match b.rx.pop().unwrap() {
                    Some(message) => break message.words()[0],
                    None => thread::yield_now(),
                }
            };
            assert_eq!(received, number);
        }
        sender.join().unwrap();
    });
}

/// Without the full fences both ends could miss each other and the model would find that the
/// consumer sleeps for ever.
#[test]
fn no_doorbell_for_a_message_is_missed() {
    loom::model(|| {
        let (mut a, mut b) = pair(2);
        let bell = Arc::new(Notify::new());
        let unused = Notify::new();
        let sender = {
            let bell = Arc::clone(&bell);
            thread::spawn(move || {
                let unused = Notify::new();
                send(&mut a.tx, 1, &bell, &unused);
                send(&mut a.tx, 2, &bell, &unused);
            })
        };
        assert_eq!(receive(&mut b.rx, &unused, &bell), 1);
        assert_eq!(receive(&mut b.rx, &unused, &bell), 2);
        sender.join().unwrap();
    });
}

/// A quiet message reaches who wants to hear of anything by itself, and who does not with the urgent
/// one behind it.
#[test]
fn no_doorbell_for_an_urgent_message_is_missed_behind_a_quiet_one() {
    for (wish, both) in [(Wish::Anything, false), (Wish::Urgent, true)] {
        loom::model(move || {
            let (mut a, mut b) = pair(2);
            let bell = Arc::new(Notify::new());
            let unused = Notify::new();
            let sender = {
                let bell = Arc::clone(&bell);
                thread::spawn(move || {
                    a.tx.push_quiet(&message(1)).unwrap();
                    if a.tx.needs_doorbell() {
                        bell.notify();
                    }
                    if both {
                        send(&mut a.tx, 2, &bell, &Notify::new());
                    }
                })
            };
            for number in 1..=if both { 2 } else { 1 } {
                let received = receive_wishing(&mut b.rx, wish, &unused, &bell);
                assert_eq!(received, number);
            }
            sender.join().unwrap();
        });
    }
}

/// Both ends sleep here, which has too many interleavings for all of them: those with at most
/// three preemptions, enough for either fence to be missed if it is taken away.
#[test]
fn no_doorbell_for_room_is_missed() {
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(3);
    bounded.check(|| {
        let (mut a, mut b) = pair(1);
        let (to_sender, to_receiver) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let sender = {
            let (to_sender, to_receiver) = (Arc::clone(&to_sender), Arc::clone(&to_receiver));
            thread::spawn(move || {
                send(&mut a.tx, 1, &to_receiver, &to_sender);
                send(&mut a.tx, 2, &to_receiver, &to_sender);
            })
        };
        for number in 1..=2 {
            assert_eq!(receive(&mut b.rx, &to_sender, &to_receiver), number);
        }
        sender.join().unwrap();
    });
}

#[test]
fn a_request_gets_its_reply() {
    loom::model(|| {
        let (mut a, mut b) = pair(1);
        let (to_a, to_b) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let server = {
            let (to_a, to_b) = (Arc::clone(&to_a), Arc::clone(&to_b));
            thread::spawn(move || {
                let request = receive(&mut b.rx, &to_a, &to_b);
                send(&mut b.tx, request + 10, &to_a, &to_b);
            })
        };
        send(&mut a.tx, 5, &to_b, &to_a);
        assert_eq!(receive(&mut a.rx, &to_b, &to_a), 15);
        server.join().unwrap();
    });
}

#[test]
fn values_change_hands_and_no_bell_is_missed() {
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(3);
    bounded.check(|| {
        let (mut giver, mut taker) = handover(1);
        let (flag, bell) = (Arc::new(Flag::new()), Arc::new(Notify::new()));
        let sender = {
            let (flag, bell) = (Arc::clone(&flag), Arc::clone(&bell));
            thread::spawn(move || {
                for number in 1..=2 {
                    let mut value = Box::new(number);
                    while let Err(back) = giver.give(value) {
                        value = back;
                        thread::yield_now();
                    }
                    if flag.must_ring() {
                        bell.notify();
                    }
                }
            })
        };
        for number in 1..=2 {
            let value = loop {
                if let Some(value) = taker.take() {
                    break value;
                }
                if flag.announce(|| !taker.is_empty()) == Look::Sleep {
                    bell.wait();
                    flag.lower();
                }
            };
            assert_eq!(*value, number);
        }
        sender.join().unwrap();
    });
}
