//! Measures the stack on the host, side by side with smoltcp in the same minutes.
//!
//! `stackbench [quick] [only=GROUP,...] [json=FILE] [svg=FILE]`; groups: bulk,
//! packets, parts, neighbours, cycle, crowd, goodput. `stackbench work=NAME` measures nothing; see `work.rs`.
//!
//! Rounds of both stacks alternate, so that what else the machine does disturbs both; the medians
//! are shown, with the ratio of the two. Both run in memory on one thread, in a release build.
#![forbid(unsafe_code)]

mod bulk;
mod burst;
mod clock;
mod crowd;
mod cycle;
mod figure;
mod gathered;
mod goodput;
mod idle;
mod neighbours;
mod ours;
mod packets;
mod parts;
mod plot;
mod theirs;
mod wire_setup;
mod work;

use std::process::ExitCode;

use bulk::Applications;
use figure::{Aim, Figure};
use ours::Family;
use wire_setup::WireSetup;

/// How much is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// A few rounds, up to a hundred thousand connections: whether it works.
    Quick,
    /// Everything, up to ten million connections.
    Full,
}

struct Wish {
    effort: Effort,
    only: Option<String>,
    json: Option<String>,
    svg: Option<String>,
    work: Option<String>,
}

fn wish() -> Result<Wish, String> {
    let mut wish = Wish {
        effort: Effort::Full,
        only: None,
        json: None,
        svg: None,
        work: None,
    };
    for word in std::env::args().skip(1) {
        match word.split_once('=') {
            None if word == "quick" => wish.effort = Effort::Quick,
            Some(("only", groups)) => wish.only = Some(groups.to_owned()),
            Some(("json", file)) => wish.json = Some(file.to_owned()),
            Some(("work", name)) => wish.work = Some(name.to_owned()),
            Some(("svg", file)) => wish.svg = Some(file.to_owned()),
            _ => return Err(format!("{word}: not understood")),
        }
    }
    Ok(wish)
}

fn bulk(effort: Effort) -> Vec<Figure> {
    let rounds = if effort == Effort::Quick { 3 } else { 15 };
    let cases = [
        ("bulk, MTU 1500, checksums on", WireSetup::PLAIN, 2.0),
        (
            "bulk, MTU 1500, checksums off",
            WireSetup {
                has_checksums: false,
                ..WireSetup::PLAIN
            },
            2.0,
        ),
        (
            "bulk, 64 KiB segments for devices to cut",
            WireSetup {
                has_checksums: false,
                cuts: true,
                ..WireSetup::PLAIN
            },
            1.5,
        ),
        (
            "bulk, MTU 9000, checksums on",
            WireSetup {
                mtu: 9_000,
                ..WireSetup::PLAIN
            },
            1.5,
        ),
    ];
    let large = (
        "bulk, 64 KiB segments, applications copy nothing",
        cases[2].1,
        1.5,
    );
    let copying = cases.map(|case| (case, Applications::Copy));
    let in_place = [(large, Applications::InPlace)];
    let measure = |((name, setup, times), applications)| {
        let mut both = (0.0_f64, 0.0_f64);
        for buffer in bulk::BUFFERS {
            let mut ours = bulk::Ours::new(setup, applications, buffer);
            let mut theirs = bulk::Theirs::new(setup, applications, buffer);
            let (one, other) = clock::interleaved(rounds, || ours.round(), || theirs.round());
            both = (both.0.max(one), both.1.max(other));
        }
        Figure::pair(name, both, "GB/s").aim(Aim::TimesTheirs(times))
    };
    copying.into_iter().chain(in_place).map(measure).collect()
}

fn packets(effort: Effort) -> Vec<Figure> {
    let rounds = if effort == Effort::Quick { 100 } else { 2_000 };
    let mut figures = Vec::new();
    let pairs = [
        (
            "TCP segment of 64 bytes",
            packets::Ours::tcp(Family::Four),
            packets::Ours::tcp(Family::Six),
            packets::Theirs::tcp(),
            [100.0, 100.0],
        ),
        (
            "UDP datagram of 64 bytes",
            packets::Ours::udp(Family::Four),
            packets::Ours::udp(Family::Six),
            packets::Theirs::udp(),
            [70.0, 60.0],
        ),
    ];
    for (name, mut ours, mut ours6, mut theirs, aims) in pairs {
        let mut values: [[Vec<f64>; 3]; 2] = Default::default();
        for _ in 0..rounds {
            let of_all = [ours.round(), theirs.round(), ours6.round()];
            for (whose, ways) in of_all.into_iter().enumerate() {
                for (place, value) in ways.into_iter().enumerate() {
                    values[place][whose].push(value);
                }
            }
        }
        for (place, way) in ["write to frame", "frame to readable"]
            .into_iter()
            .enumerate()
        {
            let [ours, theirs, six] = &mut values[place];
            let both = (clock::median(ours), clock::median(theirs));
            let row = format!("{name}: {way}");
            figures.push(Figure::pair(row, both, "ns").aim(Aim::AtMost(aims[place])));
            let row = format!("{name} over IPv6: {way}");
            let equal = Aim::AtMost((both.0 * 1.1).ceil());
            figures.push(Figure::alone(row, clock::median(six), "ns").aim(equal));
        }
    }
    figures
}

type Group = (&'static str, fn(Effort) -> Vec<Figure>);

fn run(wish: &Wish) -> Result<(), String> {
    if let Some(name) = &wish.work {
        return work::run(name);
    }
    let groups: [Group; 7] = [
        ("bulk", bulk),
        ("packets", packets),
        ("parts", parts::measure),
        ("neighbours", neighbours::measure),
        ("cycle", cycle::measure),
        ("crowd", idle::measure),
        ("goodput", goodput::measure),
    ];
    println!("{:<52} {:>10} {:>10} {:>6}", "", "ours", "smoltcp", "ratio");
    let mut figures = Vec::new();
    for (name, measure) in groups {
        let is_wanted = |only: &String| only.split(',').any(|group| group == name);
        if wish.only.as_ref().is_some_and(|only| !is_wanted(only)) {
            continue;
        }
        let more = measure(wish.effort);
        for figure in &more {
            println!("{}", figure.row());
        }
        figures.extend(more);
    }
    let write = |file: &Option<String>, text: String| match file {
        Some(file) => std::fs::write(file, text).map_err(|error| format!("{file}: {error}")),
        None => Ok(()),
    };
    let rows: Vec<_> = figures.iter().map(Figure::json).collect();
    write(
        &wish.json,
        format!("{:#}\n", serde_json::json!({"figures": rows})),
    )?;
    write(&wish.svg, plot::connections(&figures))
}

fn main() -> ExitCode {
    match wish().and_then(|wish| run(&wish)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stackbench: {error}");
            ExitCode::FAILURE
        }
    }
}
