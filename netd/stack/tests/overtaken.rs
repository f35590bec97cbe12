//! Acknowledgements that come together: the last stands for those before it, and nothing else changes.

use crate::world::craft::Seen;
use crate::world::sender::{Device, Sender};
use stack::Drop;
use wire::tcp::{Flags, Header, SackBlock};

/// Software sums up and cuts.
const SOFTWARE: Device = Device {
    sums: false,
    cuts: false,
    gathers: None,
};
const OVERTAKEN: &str = "tcp.acks_overtaken";

/// A sender whose first window is under way, and where each segment of it ends.
fn sending() -> (Sender, Vec<u32>) {
    let mut sender = Sender::new(SOFTWARE, 1_000, true);
    sender.send(60_000);
    let ends: Vec<u32> = leaving(&mut sender)
        .iter()
        .map(|(place, segment)| place + segment.payload.len() as u32)
        .collect();
    assert!(ends.len() >= 10, "{ends:?}");
    (sender, ends)
}

/// The segments that leave now, and where they lie.
fn leaving(sender: &mut Sender) -> Vec<(u32, Seen)> {
    let mut leaving = Vec::new();
    while let Some(segment) = sender.segment() {
        leaving.push((sender.place(&segment), segment));
    }
    leaving
}

/// What a peer says, taken in together by one sender and one by one by its twin.
struct Twins {
    together: Sender,
    alone: Sender,
}

impl Twins {
    fn new() -> (Self, Vec<u32>) {
        let ((together, ends), (alone, _)) = (sending(), sending());
        (Self { together, alone }, ends)
    }

    fn hear(&mut self, said: &[Header]) {
        let frames = |sender: &Sender| -> Vec<Vec<u8>> {
            let frame = |header: &Header| sender.peer.frame(*header, &[]);
            said.iter().map(frame).collect()
        };
        let (together, alone) = (frames(&self.together), frames(&self.alone));
        self.together.burst(&together);
        for frame in &alone {
            self.alone.host.input(frame, self.alone.now);
        }
    }

    /// Both have heard the same, and send the same, one perhaps more of it. Gives how many
    /// acknowledgements were overtaken.
    fn compare(&mut self) -> u64 {
        let both = [&mut self.together, &mut self.alone];
        let [(together, heard), (alone, wanted)] = both.map(|sender| {
            sender.host.assert_balance();
            let (client, socket) = (sender.client, sender.socket);
            let status = sender.host.stack.status(client, socket).expect("a socket");
            let received = sender.host.counter("tcp.received");
            (leaving(sender), (received, status.send_queued))
        });
        assert_eq!(heard, wanted);
        // Whether the window was in use is asked for each acknowledgement (RFC 7661): many in a row find that
        // it no longer is, where nothing leaves between them.
        assert!(together.len() >= alone.len() && !alone.is_empty());
        for ((place, segment), (other, same)) in together.iter().zip(&alone) {
            assert_eq!((place, segment.header), (other, same.header));
        }
        assert_eq!(self.alone.host.counter(OVERTAKEN), 0);
        self.together.host.counter(OVERTAKEN)
    }
}

#[test]
fn the_first_and_the_last_of_many_are_looked_at() {
    let (mut twins, ends) = Twins::new();
    let said: Vec<_> = ends
        .iter()
        .map(|end| twins.alone.acknowledgement(*end, 60_000, Flags::NONE))
        .collect();
    twins.hear(&said);
    assert_eq!(twins.compare(), ends.len() as u64 - 2);
}

#[test]
fn where_they_came_together_the_first_waits_the_next_time() {
    let (mut twins, ends) = Twins::new();
    let said: Vec<_> = ends
        .iter()
        .map(|end| twins.alone.acknowledgement(*end, 60_000, Flags::NONE))
        .collect();
    twins.hear(&said[..3]);
    assert_eq!(twins.compare(), 1);
    twins.hear(&said[3..6]);
    assert_eq!(twins.compare(), 1 + 2);
    // One that is alone waits for nobody, and nor does the first behind it.
    twins.hear(&said[6..7]);
    assert_eq!(twins.compare(), 3);
    twins.hear(&said[7..10]);
    assert_eq!(twins.compare(), 3 + 1);
}

#[test]
fn one_that_says_something_else_ends_them() {
    let (mut twins, ends) = Twins::new();
    let ack = |end, flags| twins.alone.acknowledgement(end, 60_000, flags);
    let mut lost = ack(ends[4], Flags::NONE);
    let [left, right] = [5, 6].map(|end| twins.alone.isn.wrapping_add(1).wrapping_add(ends[end]));
    lost.options.sack.push(SackBlock { left, right });
    let said = [
        ack(ends[0], Flags::NONE),
        ack(ends[1], Flags::NONE),
        ack(ends[2], Flags::NONE),
        ack(ends[3], Flags::ECE),
        lost,
        ack(ends[6], Flags::NONE),
        ack(ends[7], Flags::NONE),
    ];
    twins.hear(&said);
    assert_eq!(twins.compare(), 1, "the second, for which the third stands");
}

#[test]
fn what_is_said_again_is_counted_by_congestion_control() {
    let (mut twins, ends) = Twins::new();
    let again = twins.alone.acknowledgement(ends[1], 60_000, Flags::NONE);
    let first = twins.alone.acknowledgement(ends[0], 60_000, Flags::NONE);
    // RFC 5681 section 3.2: three duplicates, and the segment behind them leaves again.
    twins.hear(&[first, again, again, again, again]);
    let (place, _) = leaving(&mut twins.together)[0];
    assert_eq!(place, ends[1], "a fast retransmission");
    assert_eq!(leaving(&mut twins.alone)[0].0, ends[1]);
    assert_eq!(twins.together.host.counter(OVERTAKEN), 0);
}

#[test]
fn a_damaged_one_stands_for_none() {
    let (mut sender, ends) = sending();
    let frame = |sender: &Sender, end| {
        let header = sender.acknowledgement(end, 60_000, Flags::NONE);
        sender.peer.frame(header, &[])
    };
    let mut damaged = frame(&sender, ends[3]);
    damaged[50] ^= 1;
    let [first, second] = [ends[0], ends[1]].map(|end| frame(&sender, end));
    sender.burst(&[first, second, damaged]);
    let status = sender.host.stack.status(sender.client, sender.socket);
    let queued = status.expect("a socket").send_queued;
    assert_eq!(queued, sender.queued as u64 - u64::from(ends[1]));
    assert_eq!(sender.host.stack.drops(Drop::TcpChecksum), 1);
    assert_eq!(sender.host.counter(OVERTAKEN), 0);
}
