//! Memory that a frame refers to is not told to its client as its own before the frame is back.

use crate::world::sender::{Device, Sender};
use stack::{Ending, EventKind, PIECES, SocketError, Token};
use std::time::Duration;
use wire::tcp::Flags;

const GATHERS: Device = Device {
    sums: false,
    cuts: false,
    gathers: Some(PIECES),
};

/// A sender whose device keeps frames.
fn sender() -> Sender {
    let mut sender = Sender::new(GATHERS, 1_000, false);
    sender.keeps_loans = true;
    sender
}

/// What the client has been told of its sends, and of the end, since the last time.
fn told(sender: &mut Sender) -> Vec<EventKind> {
    sender.host.publish(sender.now);
    let events = core::mem::take(&mut sender.host.events);
    let kinds = events.into_iter().map(|event| event.kind);
    let is_of_interest = |kind: &EventKind| {
        matches!(
            kind,
            EventKind::Sent { .. } | EventKind::Closed | EventKind::Error(_)
        )
    };
    kinds.filter(is_of_interest).collect()
}

fn frames(sender: &mut Sender, count: usize) {
    for _ in 0..count {
        sender.frame().expect("a frame");
    }
}

#[test]
fn what_is_acknowledged_waits_for_its_frames_and_for_no_others() {
    let mut sender = sender();
    sender.send(1_000);
    sender.send(2_000);
    frames(&mut sender, 3);
    told(&mut sender);
    assert_eq!(sender.loans.len(), 3);
    sender.ack(3_000, 50_000, Flags::NONE);
    assert_eq!(told(&mut sender), []);
    assert!(sender.host.stack.misses_loans());
    // The newest first: it keeps nothing that comes before it.
    let newest = sender.loans.pop().expect("three");
    sender.host.stack.end_loan(newest);
    assert_eq!(told(&mut sender), []);
    let first = sender.loans.remove(0);
    sender.host.stack.end_loan(first);
    assert_eq!(told(&mut sender), [EventKind::Sent { bytes: 1_000 }]);
    // What is sent from now on does not matter to what was before.
    sender.send(1_000);
    frames(&mut sender, 1);
    let second = sender.loans.remove(0);
    sender.host.stack.end_loan(second);
    assert!(!sender.host.stack.misses_loans());
    assert_eq!(told(&mut sender), [EventKind::Sent { bytes: 2_000 }]);
}

#[test]
fn what_is_sent_for_nothing_again_keeps_its_bytes() {
    let mut sender = sender();
    sender.send(1_000);
    frames(&mut sender, 1);
    let first = sender.loans.pop().expect("one");
    sender.host.stack.end_loan(first);
    sender.wait(Duration::from_secs(2));
    frames(&mut sender, 1);
    // The first one has come after all, and the second is still with the device.
    sender.ack(1_000, 50_000, Flags::NONE);
    assert_eq!(told(&mut sender), []);
    let again = sender.loans.pop().expect("the retransmission");
    sender.host.stack.end_loan(again);
    assert_eq!(told(&mut sender), [EventKind::Sent { bytes: 1_000 }]);
}

#[test]
fn the_same_bytes_sent_all_the_time_are_told_of_all_the_time() {
    let mut sender = sender();
    for _ in 0..50 {
        sender.send(1_000);
    }
    frames(&mut sender, 3);
    told(&mut sender);
    for round in 1..=40 {
        // There is always a frame out, and the client hears of those that are not.
        let oldest = sender.loans.remove(0);
        sender.host.stack.end_loan(oldest);
        sender.ack(round * 1_000, 50_000, Flags::NONE);
        assert_eq!(told(&mut sender), [EventKind::Sent { bytes: 1_000 }]);
        sender.frame().expect("a frame");
        assert!(!sender.loans.is_empty());
    }
}

#[test]
fn a_close_waits_for_the_frames_of_the_sends_before_it() {
    let mut sender = sender();
    sender.send(1_000);
    let (client, socket, now) = (sender.client, sender.socket, sender.now);
    let closed = sender
        .host
        .stack
        .close(client, socket, Ending::Graceful, Token(9), now);
    closed.expect("a socket");
    while sender.frame().is_some() {}
    told(&mut sender);
    // Its bytes and its end.
    sender.ack(1_001, 50_000, Flags::NONE);
    assert_eq!(told(&mut sender), []);
    let loan = sender.loans.pop().expect("one");
    sender.host.stack.end_loan(loan);
    let both = [EventKind::Sent { bytes: 1_000 }, EventKind::Closed];
    assert_eq!(told(&mut sender), both);
}

#[test]
fn a_connection_that_fails_keeps_what_its_frames_refer_to() {
    for aborts in [false, true] {
        let mut sender = sender();
        sender.send(3_000);
        frames(&mut sender, 2);
        told(&mut sender);
        let (client, socket, now) = (sender.client, sender.socket, sender.now);
        let error = if aborts {
            let stack = &mut sender.host.stack;
            let closed = stack.close(client, socket, Ending::Abort, Token(9), now);
            closed.expect("a socket");
            SocketError::Closed
        } else {
            sender.ack(0, 50_000, Flags::RST);
            SocketError::Reset
        };
        assert_eq!(told(&mut sender), []);
        let first = sender.loans.pop().expect("two");
        sender.host.stack.end_loan(first);
        assert_eq!(told(&mut sender), []);
        let second = sender.loans.pop().expect("one");
        sender.host.stack.end_loan(second);
        let told = told(&mut sender);
        assert_eq!(told.first(), Some(&EventKind::Error(error)), "{told:?}");
        assert_eq!(told.contains(&EventKind::Closed), aborts);
    }
}

#[test]
fn a_client_that_goes_leaves_its_frames_to_the_device() {
    let mut sender = sender();
    for _ in 0..3 {
        sender.send(1_000);
    }
    frames(&mut sender, 3);
    sender.ack(1_000, 50_000, Flags::NONE);
    told(&mut sender);
    assert!(sender.host.stack.misses_loans());
    sender.host.stack.client_close(sender.client, sender.now);
    while sender.frame().is_some() {}
    assert!(
        !sender.host.stack.misses_loans(),
        "nobody is there to be told"
    );
    for loan in core::mem::take(&mut sender.loans) {
        sender.host.stack.end_loan(loan);
        // Twice does no harm.
        sender.host.stack.end_loan(loan);
    }
    assert_eq!(told(&mut sender), []);
}

#[test]
fn when_too_many_frames_are_out_the_rest_is_copied() {
    let mut sender = sender();
    let most = usize::from(sender.host.stack.config().loans);
    let mut queued = 0;
    let mut copied = 0;
    for round in 0..most + 10 {
        sender.send(1_000);
        queued += 1_000;
        let before = sender.pieces.1;
        sender.frame().expect("a frame");
        sender.ack(queued, 50_000, Flags::NONE);
        copied += usize::from(sender.pieces.1 == before);
        assert_eq!(sender.loans.len(), most.min(round + 1));
        // The client takes its memory's loss as it comes.
        sender.host.publish(sender.now);
    }
    assert_eq!(copied, 10);
}
