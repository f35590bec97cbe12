//! Frames between the adapters and the host's kernel, each test in a network namespace of its own.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use device::{Checksum, Device, TransmitMeta};
use host::testing::{await_link, in_namespace, ip};
use host::{Adapter, PacketSocket, Port, Tap, VnetSocket, wait};

const OURS: [u8; 6] = [2, 0, 0, 0, 0, 9];

/// The first frame that comes and is wanted, within a second.
fn receive<P: Port>(
    adapter: &mut Adapter<P>,
    mut wanted: impl FnMut(&[u8]) -> bool,
) -> Option<Vec<u8>> {
    use std::os::fd::AsFd;
    let end = Instant::now() + Duration::from_secs(1);
    let mut found = None;
    while found.is_none() && Instant::now() < end {
        adapter.reap_receive(64, &mut |received| {
            if found.is_none() && wanted(received.frame) {
                found = Some(received.frame.to_vec());
            }
        });
        if found.is_none() {
            wait(&[adapter.as_fd()], Some(Duration::from_millis(50))).expect("poll");
        }
    }
    found
}

fn send<P: Port>(adapter: &mut Adapter<P>, frame: &[u8]) {
    let checksum = Checksum::Complete;
    assert!(adapter.provide_transmit(&mut |room| {
        room[..frame.len()].copy_from_slice(frame);
        Some((frame.len(), TransmitMeta::whole(checksum)))
    }));
    adapter.flush();
}

/// A question for 198.18.0.1 from 198.18.0.2.
fn arp_question() -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend(OURS);
    frame.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(OURS);
    frame.extend([198, 18, 0, 2, 0, 0, 0, 0, 0, 0, 198, 18, 0, 1]);
    frame.resize(60, 0);
    frame
}

/// The kernel answers a question of ours, and asks one itself when it wants to send.
fn kernel_talks<P: Port>(adapter: &mut Adapter<P>) {
    send(adapter, &arp_question());
    let is_arp = |frame: &[u8], kind: u8| frame[12..14] == [8, 6] && frame[21] == kind;
    let answer = receive(adapter, |frame| is_arp(frame, 2)).expect("the kernel's answer");
    assert_eq!(answer[..6], OURS);
    assert_eq!(answer[28..32], [198, 18, 0, 1]);
    assert_eq!(adapter.reap_transmit(), 1);
    let socket = UdpSocket::bind("198.18.0.1:0").expect("the kernel's address");
    socket.send_to(b"hello", "198.18.0.77:9").expect("sent");
    let asks_for_77 = |frame: &[u8]| is_arp(frame, 1) && frame[38..42] == [198, 18, 0, 77];
    let question = receive(adapter, asks_for_77).expect("the kernel's question");
    assert_eq!(question[..6], [0xff; 6]);
    assert_eq!(adapter.faults(), 0);
}

#[test]
fn a_tap_carries_frames_both_ways() {
    if !in_namespace("a_tap_carries_frames_both_ways") {
        return;
    }
    let tap = Tap::open("skerry0", OURS).expect("a TAP interface");
    ip("addr add 198.18.0.1/24 dev skerry0");
    let adapter = Adapter::new(tap);
    assert!(!adapter.link_up(), "it is not up yet");
    ip("link set skerry0 up");
    let mut adapter = await_link(adapter);
    assert_eq!((adapter.facts().mac, adapter.facts().mtu), (OURS, 1_500));
    kernel_talks(&mut adapter);
}

#[test]
fn a_persistent_tap_outlives_who_made_it() {
    if !in_namespace("a_persistent_tap_outlives_who_made_it") {
        return;
    }
    let there = |name: &str| {
        std::path::Path::new("/proc/sys/net/ipv4/conf")
            .join(name)
            .exists()
    };
    drop(Tap::open("fleeting", OURS).expect("a TAP interface"));
    assert!(!there("fleeting"));
    let tap = Tap::open("lasting", OURS).expect("a TAP interface");
    tap.persist(true).expect("it may");
    drop(tap);
    assert!(there("lasting"));
    let tap = Tap::open("lasting", OURS).expect("the same again");
    tap.persist(false).expect("it may");
    drop(tap);
    assert!(!there("lasting"));
}

#[test]
fn a_packet_socket_carries_frames_both_ways() {
    if !in_namespace("a_packet_socket_carries_frames_both_ways") {
        return;
    }
    ip("link add near type veth peer name far");
    ip("addr add 198.18.0.1/24 dev near");
    ip("link set near up");
    ip("link set far up");
    let socket = PacketSocket::open("far", OURS).expect("a packet socket");
    let mut adapter = await_link(Adapter::new(socket));
    kernel_talks(&mut adapter);
}

#[test]
fn packet_sockets_hand_over_many_frames_in_order() {
    if !in_namespace("packet_sockets_hand_over_many_frames_in_order") {
        return;
    }
    ip("link add near type veth peer name far");
    ip("link set near up");
    ip("link set far up");
    let open = |name| Adapter::new(PacketSocket::open(name, OURS).expect("a packet socket"));
    let (mut near, mut far) = (await_link(open("near")), await_link(open("far")));
    // A type that nobody else speaks.
    let is_ours = |frame: &[u8]| frame[12..14] == [0x88, 0xb5];
    for number in 0..200u8 {
        let mut frame = [0; 80];
        frame[..6].copy_from_slice(&OURS);
        frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 8]);
        frame[12..15].copy_from_slice(&[0x88, 0xb5, number]);
        let checksum = Checksum::Complete;
        assert!(near.provide_transmit(&mut |room| {
            room[..80].copy_from_slice(&frame);
            Some((80, TransmitMeta::whole(checksum)))
        }));
    }
    near.flush();
    let mut numbers = Vec::new();
    let end = Instant::now() + Duration::from_secs(1);
    while numbers.len() < 200 && Instant::now() < end {
        far.reap_receive(64, &mut |received| {
            if is_ours(received.frame) {
                assert_eq!(received.frame.len(), 80);
                numbers.push(received.frame[14]);
            }
        });
    }
    assert!(numbers.iter().copied().eq(0..200), "{numbers:?}");
    // The sender does not hear itself.
    near.reap_receive(64, &mut |received| assert!(!is_ours(received.frame)));
}

#[test]
fn who_may_not_or_cannot_is_told() {
    if !in_namespace("who_may_not_or_cannot_is_told") {
        return;
    }
    assert!(PacketSocket::open("nowhere", OURS).is_err());
    assert!(Tap::open("a-name-that-is-too-long", OURS).is_err());
    assert!(Tap::open("lo", OURS).is_err(), "that is somebody else's");
}

#[test]
fn a_vnet_socket_carries_segments_that_are_still_to_be_cut() {
    if !in_namespace("a_vnet_socket_carries_segments_that_are_still_to_be_cut") {
        return;
    }
    ip("link add near type veth peer name far");
    for end in ["near", "far"] {
        ip(&format!("link set {end} addrgenmode none"));
        ip(&format!("link set {end} up"));
    }
    let [near, far] = ["near", "far"].map(|end| VnetSocket::open(end).expect("a packet socket"));
    // TCP over IPv4 in segments of 1,000 bytes behind 54 of headers, no checksum yet.
    let mut frame = vec![1, 1];
    for word in [54u16, 1_000, 34, 16] {
        frame.extend(word.to_ne_bytes());
    }
    frame.extend([0xff; 6]);
    frame.extend(OURS);
    frame.extend([0x08, 0x00, 0x45, 0x00]);
    frame.extend(30_040u16.to_be_bytes());
    frame.extend([0, 1, 0, 0, 64, 6, 0, 0, 198, 18, 0, 2, 198, 18, 0, 1]);
    frame.extend([
        0, 1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0x50, 0x10, 1, 0, 0, 0, 0, 0,
    ]);
    frame.resize(10 + 54 + 30_000, 0x5a);
    near.send(&frame).expect("sent");
    let mut room = vec![0; 70_000];
    let second = Duration::from_secs(1);
    let len = far.receive(&mut room, second).expect("poll");
    assert_eq!(len, Some(frame.len()), "in one piece");
    assert_eq!(room[..2], frame[..2], "still to be summed up, and cut");
    assert_eq!(room[4..6], frame[4..6], "the size of the segments");
    assert_eq!(room[10..frame.len()], frame[10..]);
    let nothing = far.receive(&mut room, Duration::from_millis(1));
    assert_eq!(nothing.expect("poll"), None);
}
