//! How much of a path one connection can use, and how much it sends again: bulk transfers over
//! paths that lose, reorder and double segments.
#![allow(clippy::cast_possible_truncation, reason = "a test")]

mod path;

use std::time::Duration;

use path::{Ends, Path, Report, bulk};
use tcp::Algorithm::{self, Bbr, Cubic, NewReno};

const MEGABIT: u64 = 1_000_000;
const ALL: [Algorithm; 3] = [NewReno, Cubic, Bbr];
const MODERN: Ends = Ends {
    sack: true,
    timestamps: true,
};

/// 1 Gbit/s, 20 ms.
fn long() -> Path {
    Path::clean(1_000 * MEGABIT, Duration::from_millis(20))
}

/// 1 Gbit/s, 0.2 ms.
fn short() -> Path {
    Path::clean(1_000 * MEGABIT, Duration::from_micros(200))
}

fn run(name: &str, path: Path, ends: Ends, algorithm: Algorithm) -> Report {
    let report = bulk(path, ends, algorithm, Duration::from_secs(3), 1);
    println!(
        "{name}, {algorithm:?}: {} Mbit/s, {} sent, {} lost, {} sent again",
        report.goodput / MEGABIT,
        report.sent,
        report.lost,
        report.resent
    );
    report
}

#[test]
fn a_clean_path_is_filled() {
    for algorithm in ALL {
        let report = run("clean", long(), MODERN, algorithm);
        assert!(report.goodput > 750 * MEGABIT, "{report:?}");
        assert!(
            report.info.delivery_rate > 100 * MEGABIT,
            "bytes per second"
        );
    }
}

#[test]
fn reordering_is_not_loss() {
    // RFC 8985 section 6.2: later than a quarter of a round trip takes longer to learn.
    for hold in [Duration::from_micros(100), Duration::from_millis(1)] {
        let path = Path {
            reordering: 100,
            hold,
            ..long()
        };
        for algorithm in ALL {
            let report = run("1 % reordered", path, MODERN, algorithm);
            assert!(report.goodput > 750 * MEGABIT, "{report:?}");
        }
    }
}

#[test]
fn losses_are_repaired_within_a_round_trip() {
    let path = Path {
        loss: 100,
        ..short()
    };
    for algorithm in ALL {
        let report = run("1 % lost, 0.2 ms", path, MODERN, algorithm);
        assert!(report.goodput > 500 * MEGABIT, "{report:?}");
        // RFC 6675: only the holes.
        assert!(report.resent * 100 <= report.lost * 105, "{report:?}");
    }
}

#[test]
fn what_is_lost_is_sent_again_and_hardly_more() {
    for loss in [10, 100, 300] {
        let path = Path {
            loss,
            ..Path::clean(100 * MEGABIT, Duration::from_millis(20))
        };
        for algorithm in ALL {
            let report = run("100 Mbit/s, losses", path, MODERN, algorithm);
            assert!(report.resent * 10 <= report.lost * 12 + 20, "{report:?}");
        }
    }
}

#[test]
fn a_model_of_the_path_does_not_mind_losses() {
    let path = Path {
        loss: 100,
        ..long()
    };
    let report = run("1 % lost, 20 ms", path, MODERN, Bbr);
    assert!(report.goodput > 750 * MEGABIT, "{report:?}");
}

#[test]
fn a_shallow_queue_is_lived_with() {
    let path = Path {
        queue: 25_000,
        ..Path::clean(100 * MEGABIT, Duration::from_millis(20))
    };
    for (algorithm, least) in [(NewReno, 60), (Cubic, 70), (Bbr, 80)] {
        let report = run("shallow queue", path, MODERN, algorithm);
        assert!(report.goodput > least * MEGABIT, "{report:?}");
    }
}

#[test]
fn segments_that_come_twice_do_no_harm() {
    let path = Path {
        duplication: 100,
        ..Path::clean(100 * MEGABIT, Duration::from_millis(20))
    };
    for algorithm in [Cubic, Bbr] {
        let report = run("1 % doubled", path, MODERN, algorithm);
        assert!(report.goodput > 85 * MEGABIT, "{report:?}");
        assert!(report.resent <= report.lost, "{report:?}");
    }
}

#[test]
fn without_reports_and_timestamps_it_works_too() {
    let ends = Ends {
        sack: false,
        timestamps: false,
    };
    let path = Path {
        loss: 100,
        queue: 50_000,
        ..short()
    };
    let report = run("no options, 1 % lost, 0.2 ms", path, ends, NewReno);
    assert!(report.goodput > 100 * MEGABIT, "{report:?}");
    // A timeout sends everything again.
    assert!(report.resent <= report.lost * 3, "{report:?}");
}
