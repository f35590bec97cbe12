//! The durable record: what goes in comes out, and rubbish does not.

use tcp::{BadRecord, Connection, Events, Record, Shared, State};

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
