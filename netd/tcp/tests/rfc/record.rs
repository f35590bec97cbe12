//! The durable record: what goes in comes out, and rubbish does not.

use tcp::{
    BadRecord, Connection, Contradiction, Events, Limits, Mss, Recollection, Record, Setup, Shared,
    State, SynEntry,
};
use wire::tcp::{Flags, Header, Options, Timestamps};

use crate::lab::{ACK, FIN, Lab, data, limits, nodelay, seg, setup};

/// A connection in the middle of its life.
fn busy() -> Lab {
    let mut lab = Lab::established();
    let _ = lab.take(data(0, 700, 0));
    let _ = lab.input(data(700, 50, 0));
    lab.connection.queue(5_000);
    assert_eq!(lab.sent().len(), 5);
    let _ = lab.input(seg(ACK, 750, 2_000));
    lab
}

/// The netd of `lab` dies, another takes over.
fn restart(lab: &mut Lab) {
    let record = lab.connection.record(lab.connection.published()).unwrap();
    let record = Record::from_bytes(*record.as_bytes());
    lab.shared = Shared::new(limits());
    lab.connection = Connection::from(record.restore(lab.now).unwrap());
    assert_eq!(
        lab.connection.record(lab.connection.published()),
        Some(record),
        "the same record again"
    );
}

#[test]
fn a_connection_goes_on_where_it_was() {
    let mut lab = busy();
    restart(&mut lab);
    assert_eq!(
        (lab.state(), lab.connection.acknowledged()),
        (State::Established, 2_000)
    );
    // What was not published was not acknowledged: the peer sends it again.
    assert_eq!(lab.connection.received(), 700);
    let sent = lab.sent();
    assert_eq!(
        (sent[0].seq, sent[0].len, sent[0].ack, sent[0].window),
        (2_000, 1_000, 700, 9_300)
    );
    assert_eq!(lab.take(data(700, 50, 2_000)).advanced, 50);
    assert_eq!(lab.input(seg(ACK, 750, 5_000)).acked, 3_000);
    lab.connection.queue(10);
    assert_eq!(lab.sent_data(), [(5_000, 10)]);
}

#[test]
fn an_idle_connection_tells_the_peer_where_it_is() {
    let mut lab = Lab::established();
    restart(&mut lab);
    assert_eq!(lab.sent(), [seg(ACK, 0, 0)]);
    assert_eq!(lab.connection.next_deadline(&lab.shared), None);
}

#[test]
fn every_synchronised_state_survives() {
    for (closes, is_acked, fin) in [
        (false, false, true),
        (true, false, false),
        (true, true, false),
        (true, false, true),
    ] {
        let mut lab = Lab::established();
        if fin && !closes {
            let _ = lab.take(seg(FIN, 0, 0));
        }
        if closes {
            let _ = lab.connection.close();
        }
        let _ = lab.sent();
        if is_acked {
            let _ = lab.input(seg(ACK, 0, 1));
        }
        if fin && closes {
            let _ = lab.take(seg(FIN, 0, 0));
        }
        let state = lab.state();
        restart(&mut lab);
        assert_eq!(lab.state(), state);
        // And each can still end.
        let _ = lab.sent();
        let _ = lab.connection.close();
        let _ = lab.sent();
        let end = if fin { 1 } else { 0 };
        let _ = lab.input(seg(ACK, end, 1));
        if !fin {
            assert!(lab.take(seg(FIN, 0, 1)).events.contains(Events::PEER_FIN));
        }
        let _ = lab.sent();
        assert!(
            matches!(lab.state(), State::TimeWait | State::Closed),
            "{:?}",
            lab.state()
        );
    }
}

#[test]
fn the_layout_is_fixed() {
    let mut lab = Lab::established_with(
        tcp::Setup {
            tuning: nodelay(true),
            ..setup()
        },
        limits(),
    );
    let _ = lab.take(data(0, 0x123, 0));
    lab.connection.queue(0x456);
    assert_eq!(lab.sent().len(), 2);
    let record = lab.connection.record(lab.connection.published()).unwrap();
    let bytes = record.as_bytes();
    assert_eq!(bytes[..4], [1, 1 << 4, 0, 0]);
    assert_eq!(bytes[4..8], [0xe8, 3, 0xe8, 3]);
    assert_eq!(bytes[8..16], [0; 8]);
    assert_eq!(bytes[16..24], [0x56, 4, 0, 0, 0x56, 4, 0, 0]);
    assert_eq!(bytes[24..32], [0x23, 1, 0, 0, 0, 0, 0, 0]);
    let left = (10_000_u32 - 0x123).to_le_bytes();
    assert_eq!((&bytes[32..36], &bytes[36..40]), (&left[..], &left[..]));
    assert_eq!(
        bytes[40..44],
        crate::lab::OUR_ISN.plus(1).get().to_le_bytes()
    );
    assert_eq!(
        bytes[44..48],
        crate::lab::PEER_ISN.plus(1).get().to_le_bytes()
    );
    assert_eq!(bytes[48..52], 10_000_u32.to_le_bytes());
    assert_eq!(bytes[52..60], [0; 8]);
}

#[test]
fn any_flipped_bit_is_found() {
    let lab = busy();
    let record = *lab
        .connection
        .record(lab.connection.published())
        .unwrap()
        .as_bytes();
    for bit in 0..Record::LEN * 8 {
        let mut bytes = record;
        bytes[bit / 8] ^= 1 << (bit % 8);
        let error = Record::from_bytes(bytes).restore(lab.now).err();
        let wanted = if bit < 8 {
            BadRecord::Version
        } else {
            BadRecord::Check
        };
        assert_eq!(error, Some(wanted), "bit {bit}");
    }
    assert!(
        Record::from_bytes([0; Record::LEN])
            .restore(lab.now)
            .is_err()
    );
    assert!(
        Record::from_bytes([0xff; Record::LEN])
            .restore(lab.now)
            .is_err()
    );
}

/// What may leave before the next record is in this one: bytes that the window lets out, the end
/// behind them, and all room.
#[test]
fn a_record_says_what_may_be_promised_before_the_next() {
    let mut lab = Lab::established();
    let _ = lab.input(data(0, 700, 0));
    lab.connection.queue(5_000);
    let _ = lab.connection.close();
    let record = lab.connection.record(lab.connection.received()).unwrap();
    let word = |at: usize| u32::from_le_bytes(record.as_bytes()[at..at + 4].try_into().unwrap());
    assert_eq!((word(16), word(20)), (5_001, 5_000), "sent, and the end");
    assert_eq!(
        (word(24), word(32)),
        (700, 9_300),
        "received, and the window"
    );
    // A window that holds less holds the end back too.
    let _ = lab.input(crate::lab::seg(ACK, 700, 0).window(2_000));
    let record = lab.connection.record(lab.connection.received()).unwrap();
    let flight = u32::from_le_bytes(record.as_bytes()[16..20].try_into().unwrap());
    assert_eq!(flight, 2_000);
}

#[test]
fn the_user_is_asked_where_it_stands() {
    let stand = Recollection {
        told: 700,
        room: 10_000,
        sent: 2_000,
        queued: 5_000,
    };
    let resumed = |user: &Recollection| {
        let lab = busy();
        // What came in order and was not told counts as received.
        let record = lab.connection.record(lab.connection.received()).unwrap();
        let mut connection = Connection::from(record.restore(lab.now).unwrap());
        let resumed = connection.resume(user, lab.now);
        (resumed, connection)
    };
    let (is_resumed, connection) = resumed(&stand);
    assert_eq!(is_resumed, Ok(()));
    assert_eq!((connection.published(), connection.received()), (700, 750));
    assert_eq!(
        (connection.acknowledged(), connection.queued()),
        (2_000, 5_000)
    );
    for wrong in [
        Recollection { told: 751, ..stand },
        Recollection { room: 749, ..stand },
        Recollection {
            sent: 2_001,
            ..stand
        },
        Recollection {
            queued: 4_999,
            ..stand
        },
        Recollection {
            sent: 1,
            queued: 0,
            ..stand
        },
    ] {
        assert_eq!(resumed(&wrong).0, Err(Contradiction), "{wrong:?}");
    }
    // More may have been queued since.
    let more = Recollection {
        queued: 6_000,
        ..stand
    };
    assert_eq!(resumed(&more).1.queued(), 6_000);
}

/// A half-open connection answers as before, and becomes the same.
#[test]
fn half_open_connections_survive() {
    let lab = Lab::established();
    for bits in 0..16_u8 {
        let has = |bit: u8| bits >> bit & 1 == 1;
        let stamps = |value| Timestamps { value, echo: 0 };
        let syn = Header {
            src_port: 1,
            dst_port: 2,
            seq: 77,
            ack: 0,
            flags: if has(3) {
                Flags::SYN | Flags::ECE | Flags::CWR
            } else {
                Flags::SYN
            },
            window: 4_321,
            urgent: 0,
            options: Options {
                mss: Some(800),
                window_scale: has(0).then_some(9),
                sack_permitted: has(1),
                timestamps: has(2).then(|| stamps(55)),
                ..Options::NONE
            },
        };
        let setup = Setup {
            mss: Mss::at_least(1_460),
            timestamps: Some(1_000),
            sack: true,
            ecn: true,
            ..setup()
        };
        let shared = Shared::new(Limits::default());
        let mut entry = SynEntry::from_syn(&syn, &setup, &shared, 3_000, lab.now).unwrap();
        let record = entry.record(lab.now);
        let mut restored = SynEntry::restore(&record, lab.now).unwrap();
        assert_eq!(restored.record(lab.now), record);
        assert_eq!(restored.output(lab.now), None, "it may have left");
        let first = entry.output(lab.now);
        let at = restored.next_deadline();
        let _ = (entry.fire(&shared, at), restored.fire(&shared, at));
        assert!(first.is_some());
        assert_eq!(restored.output(at), entry.output(at), "{bits:04b}");
    }
    // What has been more is not half open.
    let record = busy().connection.record(700).unwrap();
    let restored = SynEntry::restore(&record, lab.now).map(|_| ());
    assert_eq!(restored, Err(BadRecord::Contradiction));
}
