//! Two connections with the same history, of which one never takes a short way.

use core::time::Duration;

use proptest::prelude::*;
use wire::Ecn;
use wire::tcp::{Header, Options, SackBlock, Timestamps};

use super::*;
use crate::busy::Busy;
use crate::open::{Handshake, Open};
use crate::options::{Agreed, Stamps};
use crate::outcome::{Emit, Outcome};
use crate::recovery::{Heard, Standing};
use crate::reports::Reports;
use crate::rtt::Rtt;
use crate::shared::{Limits, Shared};
use crate::time::Instant;
use crate::window::{Mss, WindowScale};

const ISN: Seq = Seq::new(u32::MAX - 5_000);
const IRS: Seq = Seq::new(u32::MAX - 9_000);
const MSS: u16 = 1_000;

/// One of them.
struct Twin {
    open: Open,
    shared: Shared,
    goes_all_the_way: bool,
}

impl Twin {
    fn new(goes_all_the_way: bool, has_sack: bool, has_stamps: bool, now: Instant) -> Self {
        let mss = Mss::at_least(MSS);
        let agreed = Agreed {
            send_mss: mss,
            receive_mss: mss,
            send_scale: WindowScale::clamped(2),
            receive_scale: WindowScale::clamped(3),
            stamps: has_stamps.then(|| Stamps::new(7, 0, now)),
            has_sack,
            has_ecn: has_sack,
        };
        let handshake = Handshake {
            isn: ISN,
            irs: IRS,
            agreed,
            window: 60_000,
            window_set_by: IRS,
            offered: 60_000,
            rtt: Rtt::new(),
            is_nodelay: true,
        };
        let mut open = Open::new(&handshake, now);
        open.give_room(100_000, now);
        Self {
            open,
            shared: Shared::new(Limits::default()),
            goes_all_the_way,
        }
    }

    fn input(&mut self, header: &Header, len: u32, mark: Ecn, now: Instant) -> Outcome {
        let mut outcome = Outcome::default();
        let (open, shared) = (&mut self.open, &mut self.shared);
        if !self.goes_all_the_way {
            open.input(shared, header, len, mark, now, &mut outcome);
            return outcome;
        }
        let arrival = crate::segment::Arrival {
            mark,
            ..open.measure(header, len)
        };
        let mut processing = Processing {
            open,
            shared,
            arrival,
            now,
            outcome: &mut outcome,
        };
        let end = processing.run();
        processing.finish(end);
        outcome
    }

    fn output(&mut self, most: u32, now: Instant) -> Option<Emit> {
        if self.goes_all_the_way {
            self.open.output_any(&mut self.shared, most, now)
        } else {
            self.open.output(&mut self.shared, most, now)
        }
    }

    /// All that it knows.
    fn knowledge(&self) -> String {
        let busy = self.open.busy(&self.shared).map(knowledge_of_busy);
        format!("{:?} {busy:?}", self.open)
    }
}

fn knowledge_of_busy(busy: &Busy) -> String {
    let (records, recovery) = (busy.board.records(), &busy.recovery);
    let rest = (&busy.congestion, &busy.delivered, &busy.pacer);
    format!("{records:?} {recovery:?} {rest:?} {}", busy.sampled_to)
}

/// Recovery comes to the same by either way, if the short one is one.
fn assert_calm_is_the_same(twin: &Twin, header: &Header, now: Instant) {
    let (open, snd) = (&twin.open, &twin.open.snd);
    let ahead = Seq::new(header.ack).distance_from(snd.base().at(snd.una));
    let acked = u32::try_from(ahead).unwrap_or(0);
    let Some(busy) = open
        .busy(&twin.shared)
        .filter(|_| (1..=snd.flight).contains(&acked))
    else {
        return;
    };
    let (una, flight) = (snd.una + u64::from(acked), snd.flight - acked);
    let mut short = Box::new(busy.clone());
    let Some(reaction) = short.hear_calmly(acked, una, flight, snd.mss, now) else {
        return;
    };
    let mut long = Box::new(busy.clone());
    let standing = Standing {
        una,
        nxt: una + u64::from(flight),
        ..snd.standing(open.has_sack, now)
    };
    let heard = Heard {
        acked,
        reports: &Reports::default(),
        is_duplicate: false,
        echo: None,
    };
    let other = long.hear(&heard, &standing);
    assert_eq!(format!("{reaction:?}"), format!("{other:?}"));
    assert_eq!(knowledge_of_busy(&short), knowledge_of_busy(&long));
}

/// What happens: mostly what is expected, and then what is not.
fn segment(open: &Open, choices: [u32; 4], now: Instant) -> (Header, u32, Ecn) {
    let [which, count, odd, oddity] = choices;
    let oddity = if odd % 4 == 0 { oddity % 12 } else { u32::MAX };
    let len = [0, 0, 1, 64, 1_000, 1_000, 3_000][which as usize % 7];
    let flight = open.snd.flight;
    let acked = [0, flight, flight, flight / 2, flight.min(1_000)][count as usize % 5];
    let pick = |at: u32, value: u32, usual: u32| if oddity == at { value } else { usual };
    let flags = match oddity {
        0 => Flags::ACK | Flags::FIN,
        1 => Flags::ACK | Flags::URG,
        2 => Flags::ACK | Flags::ECE,
        3 => Flags::PSH,
        _ if count % 2 == 0 => Flags::ACK | Flags::PSH,
        _ => Flags::ACK,
    };
    let start = open.snd.base().at(open.snd.una);
    let block = SackBlock {
        left: start.plus(flight / 2).get(),
        right: start.plus(flight).get(),
    };
    let milliseconds = u32::try_from(now.as_millis()).unwrap();
    let stamp = open.stamps.map(|stamps| Timestamps {
        value: milliseconds.wrapping_sub(pick(5, 3, 0)),
        echo: milliseconds.wrapping_add(stamps.offset),
    });
    let next = open.rcv.base().at(open.rcv.nxt);
    let header = Header {
        options: Options {
            timestamps: stamp.filter(|_| oddity != 6),
            sack: (oddity == 7 && flight > 1)
                .then_some(block)
                .into_iter()
                .collect(),
            ..Options::NONE
        },
        ..crate::segment::bare(
            next.plus(pick(8, 500, 0)).plus(pick(9, u32::MAX - 500, 0)),
            start.plus(acked).plus(pick(10, 70_000, 0)),
            flags,
            u16::try_from(pick(11, which % 9_000, 15_000)).unwrap(),
        )
    };
    let mark = if which % 11 == 0 {
        Ecn::Congested
    } else {
        Ecn::Capable0
    };
    (header, len, mark)
}

/// The next of the history, to both.
fn happen(twins: &mut [Twin; 2], choices: [u32; 5], now: &mut Instant) {
    let [event, rest @ ..] = choices;
    let [first, second, ..] = rest;
    match event % 8 {
        0 => *now = *now + Duration::from_micros(u64::from(first % 3_000)),
        1 => *now = *now + Duration::from_millis(u64::from(first % 300)),
        2 => twins
            .iter_mut()
            .for_each(|twin| twin.open.queue(first % 9_000)),
        _ => {}
    }
    match event % 8 {
        3..=5 => {
            let (header, len, mark) = segment(&twins[0].open, rest, *now);
            assert_calm_is_the_same(&twins[0], &header, *now);
            let [short, long] = twins
                .each_mut()
                .map(|twin| twin.input(&header, len, mark, *now));
            assert_eq!(short, long);
        }
        6 => {
            for twin in twins.iter_mut() {
                let nxt = twin.open.rcv.nxt;
                twin.open.publish(nxt, *now);
                twin.open.give_room(first % 4_000, *now);
                if second % 50 == 0 {
                    let _outcome = twin.open.close();
                }
            }
        }
        _ => {
            let [short, long] = twins
                .each_mut()
                .map(|twin| twin.open.fire(&mut twin.shared, *now));
            assert_eq!(short, long);
            for _ in 0..second % 20 {
                let [short, long] = twins
                    .each_mut()
                    .map(|twin| twin.output(first % 5_000, *now));
                assert_eq!(short, long);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_short_way_comes_to_the_same(
        has_sack in any::<bool>(),
        has_stamps in any::<bool>(),
        history in prop::collection::vec(any::<[u32; 5]>(), 1..150),
    ) {
        let mut now = Instant::from_secs(100);
        let mut twins = [false, true].map(|all| Twin::new(all, has_sack, has_stamps, now));
        for choices in history {
            happen(&mut twins, choices, &mut now);
            let [short, long] = twins.each_ref().map(Twin::knowledge);
            prop_assert_eq!(short, long);
        }
    }
}

#[test]
fn what_is_expected_is_predicted() {
    let now = Instant::from_secs(100);
    let mut twin = Twin::new(false, true, true, now);
    twin.open.queue(100);
    assert!(
        twin.open
            .plain_segment(&mut twin.shared, 1_000, now)
            .is_none()
    );
    assert!(twin.output(1_000, now).is_some());
    // Data, an acknowledgement, and both; then there is a busy part, and new data leave at once.
    for (len, flags, acked, is_expected) in [
        (64, Flags::ACK | Flags::PSH, 0, true),
        (0, Flags::ACK, 50, true),
        (64, Flags::ACK, 50, true),
        (0, Flags::ACK, 0, false),
        (64, Flags::ACK | Flags::FIN, 0, false),
    ] {
        let open = &mut twin.open;
        let window = 15_000;
        let ack = open.snd.base().at(open.snd.una).plus(acked);
        let header = Header {
            options: Options {
                timestamps: Some(Timestamps { value: 9, echo: 0 }),
                ..Options::NONE
            },
            ..crate::segment::bare(open.rcv.base().at(open.rcv.nxt), ack, flags, window)
        };
        let predicted = open.predict(&header, len);
        assert_eq!(
            predicted,
            is_expected.then_some(acked),
            "{len} {flags:?} {acked}"
        );
        let _outcome = twin.input(&header, len, Ecn::NotCapable, now);
    }
    twin.open.queue(100);
    assert!(
        twin.open
            .plain_segment(&mut twin.shared, 1_000, now)
            .is_some()
    );
}
