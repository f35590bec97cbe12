//! Super-segments that software cuts: on the wire there is nothing to see of them.

use crate::world::craft::{plain, seen};
use crate::world::sender::{Device, Sender, cut_by_device};
use stack::{Ending, Token};
use std::time::Duration;
use wire::icmp4;
use wire::tcp::Flags;

/// Software sums up and cuts.
const SOFTWARE: Device = Device {
    sums: false,
    cuts: false,
    gathers: None,
};

/// The device does.
const DEVICE: Device = Device {
    sums: true,
    cuts: true,
    gathers: None,
};

/// A stack that cuts and one that leaves it to a device, with the same seed, the same client and the
/// same peer: both ways of cutting are the same on the wire.
#[test]
fn software_cuts_as_a_device_would() {
    let mut state = 1_u32;
    let mut random = move |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % below
    };
    let mut longest = 0;
    for (mss, has_stamps) in [(1_460, true), (1_000, false), (537, true), (1_459, false)] {
        let mut both = [DEVICE, SOFTWARE].map(|device| Sender::new(device, mss, has_stamps));
        let (mut acked, mut sent) = (0, 0);
        for step in 0..400 {
            match random(8) {
                0..=2 => {
                    let most = [90, 20_000][random(2) as usize];
                    let len = 1 + random(most) as usize;
                    both.iter_mut().for_each(|sender| sender.send(len));
                }
                3 | 4 => {
                    acked += random(sent - acked + 1);
                    let window = random(60_000) as u16;
                    let flags = Flags::from_bits([0, Flags::ECE.bits()][random(2) as usize]);
                    both.iter_mut()
                        .for_each(|sender| sender.ack(acked, window, flags));
                }
                5 => {
                    // Three duplicates: something is lost.
                    for _ in 0..4 {
                        let same = |sender: &mut Sender| sender.ack(acked, 50_000, Flags::NONE);
                        both.iter_mut().for_each(same);
                    }
                }
                6 if step > 380 => both.iter_mut().for_each(|sender| {
                    let (client, socket, now) = (sender.client, sender.socket, sender.now);
                    let stack = &mut sender.host.stack;
                    let shut = stack.shutdown(client, socket, stack::Half::Send, now);
                    shut.expect("a connection");
                }),
                _ => {
                    let time = Duration::from_millis(random(100).pow(2).into());
                    both.iter_mut().for_each(|sender| sender.wait(time));
                }
            }
            let [device, software] = &mut both;
            let mut wanted = Vec::new();
            while let Some((frame, size)) = device.frame() {
                wanted.extend(cut_by_device(&frame, size));
            }
            longest = longest.max(wanted.len());
            let mut identification = 0;
            for (header, ecn, payload) in wanted {
                let segment = software.segment().expect("as many segments");
                let places = [&segment.header, &header].map(|it| it.seq);
                assert_eq!(
                    (segment.header, segment.ip.ecn),
                    (header, ecn),
                    "{places:?}"
                );
                assert!(segment.payload == payload, "{step}");
                assert_ne!(segment.ip.identification, identification);
                identification = segment.ip.identification;
                assert!(identification != 0 && segment.ip.dont_fragment);
                sent = sent.max(software.place(&segment) + payload.len() as u32);
            }
            assert!(software.segment().is_none(), "no more segments");
        }
        assert!(sent > 30_000, "{sent}");
    }
    assert!(longest > 10, "{longest}");
}

/// A sender that has written the first three of many segments.
fn begun() -> (Sender, u32) {
    let mut sender = Sender::new(SOFTWARE, 1_000, false);
    sender.send(10_000);
    let mut place = 0;
    for _ in 0..3 {
        let segment = sender.segment().expect("a segment");
        assert_eq!(sender.place(&segment), place);
        place += segment.payload.len() as u32;
    }
    assert_eq!(place, 3_000);
    (sender, place)
}

#[test]
fn what_the_peer_claims_to_have_does_not_leave() {
    let (mut sender, _) = begun();
    // Bytes that have not left, as far as the peer can know.
    sender.ack(5_500, 50_000, Flags::NONE);
    let next = sender.segment().expect("a segment");
    assert_eq!(sender.place(&next), 5_500);
    assert!(!next.header.flags.contains(Flags::PSH));
    sender.ack(10_000, 50_000, Flags::NONE);
    assert!(sender.segment().is_none());
    // The client has its memory back, and the connection goes on.
    sender.send(10);
    let next = sender.segment().expect("a segment");
    assert_eq!((sender.place(&next), next.payload.len()), (10_000, 10));
}

#[test]
fn what_is_over_sends_no_more() {
    let (mut sender, _) = begun();
    let (client, socket, now) = (sender.client, sender.socket, sender.now);
    sender
        .host
        .stack
        .close(client, socket, Ending::Abort, Token(2), now)
        .expect("a socket");
    let reset = sender.segment().expect("a reset");
    assert!(reset.header.flags.contains(Flags::RST) && reset.payload.is_empty());
    assert!(sender.segment().is_none());

    let (mut sender, _) = begun();
    sender.input(plain(Flags::RST, 100, 0));
    assert!(sender.segment().is_none());
}

#[test]
fn memory_that_is_gone_ends_the_connection() {
    let (mut sender, _) = begun();
    sender.host.memory.close(sender.client);
    let reset = sender.segment().expect("a reset");
    assert!(reset.header.flags.contains(Flags::RST));
    assert!(sender.segment().is_none());
}

#[test]
fn a_path_that_becomes_narrow_is_sent_smaller_segments_at_once() {
    let mut sender = Sender::new(SOFTWARE, 1_400, false);
    sender.send(10_000);
    let (first, _) = sender.frame().expect("a frame");
    assert_eq!(seen(&first).expect("a segment").payload.len(), 1_400);
    let narrow = icmp4::Header::Unreachable(icmp4::Unreachable::FragmentationNeeded { mtu: 1_000 });
    let error = sender.peer.error(narrow, &first);
    sender.host.input(&error, sender.now);
    let mut place = 0;
    while let Some(segment) = sender.segment() {
        assert_eq!(sender.place(&segment), place, "from the beginning");
        assert!(segment.payload.len() <= 960);
        place += segment.payload.len() as u32;
        sender.ack(place, 50_000, Flags::NONE);
    }
    assert_eq!(place, 10_000);
}

#[test]
fn a_link_that_was_down_sends_nothing_old() {
    let (mut sender, _) = begun();
    let link = sender.host.link;
    sender.host.stack.link_changed(link, false, sender.now);
    assert!(sender.segment().is_none());
    sender.host.stack.link_changed(link, true, sender.now);
    assert!(sender.segment().is_none(), "lost on its way");
    sender.wait(Duration::from_secs(2));
    let again = sender.segment().expect("the retransmission");
    assert_eq!(sender.place(&again), 0);
}

#[test]
fn who_sends_much_gives_way() {
    let (mut sender, place) = begun();
    let about = sender.peer;
    // A question comes meanwhile: the answer does not wait for the rest.
    let message = icmp4::Header::EchoRequest {
        identifier: 1,
        sequence: 1,
    };
    let request = about.error(message, &[0; 62]);
    sender.host.input(&request, sender.now);
    let mut frame = [0; 1_600];
    let host = &mut sender.host;
    let kinds = [0; 2].map(|_| {
        let written = host
            .stack
            .output(host.link, &mut frame, &mut host.memory, sender.now);
        written.expect("a frame");
        frame[23]
    });
    assert!(kinds.contains(&1) && kinds.contains(&6), "{kinds:?}");
    let next = sender.segment().expect("a segment");
    assert_eq!(sender.place(&next), place + 1_000);
}
