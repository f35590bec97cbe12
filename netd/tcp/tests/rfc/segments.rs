//! The form of segments: what may stand in any of them, and what in ours never does. RFC 9293
//! sections 3.1, 3.7.1 and 3.10.7.4.

use tcp::{Events, Mss, Setup, State};
use wire::tcp::{Flags, Options, Timestamps};

use crate::lab::{ACK, FIN, Lab, RST, SYN, Seg, data, limits, seg, setup};

/// Everything that is sent now, as it is.
fn emitted(lab: &mut Lab) -> Vec<tcp::Emit> {
    let mut all = Vec::new();
    while let Some(emit) = lab.connection.output(&mut lab.shared, 1_000, lab.now) {
        all.push(emit);
    }
    all
}

#[test]
fn options_may_come_with_any_segment() {
    // RFC 9293: MUST-5
    let mut lab = Lab::established();
    let odd = Options {
        mss: Some(100),
        window_scale: Some(9),
        sack_permitted: true,
        timestamps: Some(Timestamps { value: 1, echo: 2 }),
        ..Options::NONE
    };
    let take = |lab: &mut Lab, segment: Seg| {
        let mut header = lab.header(segment);
        header.options = odd;
        let len = segment.len;
        lab.connection.input(&mut lab.shared, &header, len, lab.now)
    };
    let before = lab.info();
    assert_eq!(take(&mut lab, data(0, 10, 0)).advanced, 10);
    assert!(take(&mut lab, seg(ACK, 10, 0)).drop.is_none());
    assert!(
        take(&mut lab, seg(FIN, 10, 0))
            .events
            .contains(Events::PEER_FIN)
    );
    // And what was agreed stays agreed.
    let after = lab.info();
    assert_eq!(
        (before.mss, before.window_scales, before.has_timestamps),
        (after.mss, after.window_scales, after.has_timestamps)
    );
}

#[test]
fn only_syns_of_ours_name_a_segment_size() {
    // RFC 9293: MUST-65
    let mut lab = Lab::with(
        Setup {
            timestamps: Some(3),
            ..setup()
        },
        limits(),
    );
    lab.timestamps = Some(Timestamps { value: 9, echo: 3 });
    lab.connection.give_room(5_000, lab.now);
    lab.connection.queue(5_000);
    let mut all = emitted(&mut lab);
    let _ = lab.input(seg(SYN | ACK, -1, 0));
    all.extend(emitted(&mut lab));
    let _ = lab.take(data(0, 100, 0));
    all.extend(emitted(&mut lab));
    let _ = lab.next_timer();
    all.extend(emitted(&mut lab));
    let _ = lab.connection.close();
    let _ = lab.take(seg(FIN, 100, 5_000));
    all.extend(emitted(&mut lab));
    assert!(all.len() >= 8, "{}", all.len());
    for emit in all {
        let is_syn = emit.header.flags.contains(Flags::SYN);
        assert_eq!(emit.header.options.mss.is_some(), is_syn, "{emit:?}");
        assert_eq!(
            emit.header.options.window_scale.is_some(),
            is_syn,
            "{emit:?}"
        );
    }
}

#[test]
fn segments_keep_to_the_smaller_size_less_options() {
    // RFC 9293: MUST-16
    for (ours, theirs, stamps, most) in [
        (1_000, 700, false, 700),
        (1_000, 9_000, false, 1_000),
        (1_000, 700, true, 688),
        (1_000, 9_000, true, 988),
    ] {
        let mut lab = Lab::with(
            Setup {
                mss: Mss::at_least(ours),
                timestamps: stamps.then_some(3),
                ..setup()
            },
            limits(),
        );
        assert_eq!(lab.sent().len(), 1);
        lab.timestamps = stamps.then_some(Timestamps { value: 1, echo: 3 });
        let mut header = lab.header(seg(SYN | ACK, -1, 0));
        header.options.mss = Some(theirs);
        let _ = lab.connection.input(&mut lab.shared, &header, 0, lab.now);
        lab.connection.queue(5_000);
        let lens: Vec<u32> = lab.sent().iter().map(|sent| sent.len).collect();
        assert_eq!(
            lens.iter().max(),
            Some(&most),
            "{ours} {theirs} {stamps}: {lens:?}"
        );
    }
}

#[test]
fn large_windows_are_not_negative() {
    // RFC 9293: MUST-1
    let mut lab = Lab::established();
    lab.connection.queue(1_000_000);
    let mut acked = 0;
    let mut most = 0;
    for _ in 0..12 {
        let _ = lab.sent();
        most = most.max(lab.info().in_flight);
        lab.pass(10);
        acked += i64::from(lab.info().in_flight);
        let _ = lab.input(seg(ACK, 0, acked).window(65_535));
        assert_eq!(lab.info().send_window, 65_535);
    }
    // Whole segments of it.
    assert_eq!(most, 65_000);
}

#[test]
fn a_reset_may_carry_data() {
    // RFC 9293: SHLD-2
    let mut lab = Lab::established();
    let outcome = lab.input(data(0, 40, 0).flags(RST | ACK));
    assert!(outcome.events.contains(Events::RESET));
    assert_eq!((outcome.advanced, outcome.place), (0, None));
    assert_eq!(lab.state(), State::Closed);
}

#[test]
fn a_reset_is_heard_without_room() {
    // RFC 9293: MUST-66
    let mut lab = Lab::settled();
    let _ = lab.take(data(16, 10_000, 0));
    assert_eq!(lab.sent(), [seg(ACK, 0, 10_016).window(0)]);
    let outcome = lab.input(seg(RST, 10_016, 0));
    assert!(outcome.events.contains(Events::RESET));
}

#[test]
fn many_segments_are_acknowledged_by_one() {
    // RFC 9293: MUST-58, MUST-59
    let mut lab = Lab::settled();
    for place in 0..9 {
        let _ = lab.take(data(16 + place * 1_000, 1_000, 0));
    }
    let acks: Vec<i64> = lab.sent().iter().map(|sent| sent.ack).collect();
    assert_eq!(acks, [9_016]);
    // Also when some came early.
    let mut lab = Lab::settled();
    for place in [3, 1, 2, 0] {
        let _ = lab.take(data(16 + place * 1_000, 1_000, 0));
    }
    let acks: Vec<i64> = lab.sent().iter().map(|sent| sent.ack).collect();
    assert_eq!(acks, [4_016]);
}

#[test]
fn urgent_bytes_are_delivered_in_line() {
    // RFC 9293: MUST-31
    // And RFC 6093 section 4: in line.
    let mut lab = Lab::established();
    for place in 0..10 {
        let mut header = lab.header(data(place * 1_000, 1_000, 0).flags(ACK | Flags::URG));
        header.urgent = u16::MAX;
        let outcome = lab
            .connection
            .input(&mut lab.shared, &header, 1_000, lab.now);
        assert_eq!((outcome.advanced, outcome.drop), (1_000, None));
        lab.connection.publish(u64::MAX, lab.now);
    }
    // Also a pointer behind the end, to nothing, or without data.
    for urgent in [0, 1, u16::MAX] {
        let mut header = lab.header(seg(ACK | Flags::URG, 10_000, 0));
        header.urgent = urgent;
        let outcome = lab.connection.input(&mut lab.shared, &header, 0, lab.now);
        assert_eq!((outcome.advanced, outcome.drop), (0, None));
    }
    assert_eq!(lab.connection.received(), 10_000);
}

#[test]
fn the_urgent_pointer_is_read_with_and_without_room() {
    // RFC 9293: MUST-62, MUST-66
    let urgent = |lab: &mut Lab, segment: Seg, pointer: u16| {
        let mut header = lab.header(segment.flags(segment.flags | Flags::URG));
        header.urgent = pointer;
        lab.connection
            .input(&mut lab.shared, &header, segment.len, lab.now)
            .urgent
    };
    let mut lab = Lab::established();
    // The byte behind the urgent ones: of ten bytes, the first four.
    assert_eq!(urgent(&mut lab, data(0, 10, 0), 4), 4);
    lab.connection.publish(u64::MAX, lab.now);
    // Old news, and a segment that begins before what is in order.
    assert_eq!(urgent(&mut lab, data(0, 12, 0), 10), 0);
    assert_eq!(urgent(&mut lab, seg(ACK, 12, 0), u16::MAX), u16::MAX);
    // Out of window nothing is believed.
    assert_eq!(urgent(&mut lab, seg(ACK, 50_000, 0), 9), 0);
    // Without room.
    let mut lab = Lab::settled();
    let _ = lab.take(data(16, 10_000, 0));
    assert_eq!(lab.sent(), [seg(ACK, 0, 10_016).window(0)]);
    assert_eq!(urgent(&mut lab, seg(ACK, 10_016, 0), 7), 7);
    assert_eq!(urgent(&mut lab, data(10_016, 1, 0), 9), 9);
    // Behind the peer's FIN it means nothing.
    let mut lab = Lab::established();
    let _ = lab.take(seg(FIN, 0, 0));
    assert_eq!(urgent(&mut lab, seg(ACK, 1, 0), 7), 0);
}
