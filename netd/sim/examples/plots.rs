//! Plots of the congestion controls: `cargo run --release -p sim --example plots -- DIRECTORY`.
//!
//! For each of four paths: congestion window, round trip and delivery rate over time of the three
//! algorithms; and how two flows of each share a line.
#![allow(
    clippy::cast_precision_loss,
    reason = "figures for people, far from the limits"
)]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use plotters::coord::Shift;
use plotters::prelude::*;
use sim::{Bottleneck, Bulk};
use tcp::Algorithm;

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// One line of a chart.
struct Line {
    name: &'static str,
    colour: RGBColor,
    points: Vec<(f64, f64)>,
}

/// One measurement over time.
struct Chart {
    title: &'static str,
    unit: &'static str,
    lines: Vec<Line>,
}

const COLOURS: [RGBColor; 3] = [
    RGBColor(0xd9, 0x5f, 0x02),
    RGBColor(0x1b, 0x6c, 0xa8),
    RGBColor(0x1b, 0x9e, 0x77),
];
const WIDTH: u32 = 900;
const CHART_HEIGHT: u32 = 240;
/// Points of a line: enough for the eye.
const POINTS: u32 = 300;

/// The four paths of the table that the stack is measured by, with their names.
fn paths() -> [(&'static str, &'static str, Bottleneck, Duration); 4] {
    let clean = Bottleneck {
        rate: 1_000_000_000,
        round_trip: Duration::from_millis(20),
        queue: 2_500_000,
        mark_above: None,
        loss: 0,
        late: (0, Duration::ZERO),
    };
    let ten = Duration::from_secs(10);
    [
        (
            "loss",
            "1 Gbit/s, 20 ms, 1 % lost",
            Bottleneck {
                loss: 10_000,
                ..clean
            },
            ten,
        ),
        (
            "reordering",
            "1 Gbit/s, 20 ms, 1 % late by 0.3 ms",
            Bottleneck {
                late: (10_000, Duration::from_micros(300)),
                ..clean
            },
            ten,
        ),
        (
            "short",
            "1 Gbit/s, 0.2 ms, 1 % lost",
            Bottleneck {
                round_trip: Duration::from_micros(200),
                queue: 250_000,
                loss: 10_000,
                ..clean
            },
            Duration::from_secs(3),
        ),
        (
            "shallow",
            "100 Mbit/s, 20 ms, a queue of 2 ms",
            Bottleneck {
                rate: 100_000_000,
                queue: 25_000,
                ..clean
            },
            Duration::from_secs(30),
        ),
    ]
}

/// Window in kilobytes, round trip in milliseconds, delivery in Mbit/s, over time.
fn watch(algorithm: Algorithm, path: Bottleneck, time: Duration) -> [Vec<(f64, f64)>; 3] {
    let mut bulk = Bulk::new(path, 1);
    let flow = bulk.flow(algorithm);
    let step = time / POINTS;
    let mut before = 0;
    let mut series = [const { Vec::new() }; 3];
    for _ in 0..POINTS {
        bulk.run(step);
        let (now, info) = (bulk.elapsed().as_secs_f64(), bulk.info(flow));
        let rtt = info.rtt.map_or(0.0, |(rtt, _)| rtt.as_secs_f64() * 1_000.0);
        let received = bulk.received(flow);
        let rate = (received - before) as f64 * 8.0 / step.as_secs_f64() / 1e6;
        before = received;
        let window = f64::from(info.congestion_window) / 1_000.0;
        for (series, value) in series.iter_mut().zip([window, rtt, rate]) {
            series.push((now, value));
        }
    }
    series
}

/// The charts of one path; prints what was delivered on average after the first fifth.
fn charts_of_path(title: &str, path: Bottleneck, time: Duration) -> Vec<Chart> {
    let mut charts = [
        ("congestion window", "kB"),
        ("smoothed round trip", "ms"),
        ("delivered in order", "Mbit/s"),
    ]
    .map(|(title, unit)| Chart {
        title,
        unit,
        lines: Vec::new(),
    });
    for (algorithm, colour) in Algorithm::ALL.into_iter().zip(COLOURS) {
        let series = watch(algorithm, path, time);
        let later = &series[2][POINTS as usize / 5..];
        let mean = later.iter().map(|point| point.1).sum::<f64>() / later.len() as f64;
        println!("{title}: {} {mean:.0} Mbit/s", algorithm.name());
        for (chart, points) in charts.iter_mut().zip(series) {
            chart.lines.push(Line {
                name: algorithm.name(),
                colour,
                points,
            });
        }
    }
    charts.into()
}

/// Two flows on one line, the second from the tenth second on.
fn chart_of_two(algorithms: [Algorithm; 2], title: &'static str) -> Chart {
    let path = Bottleneck {
        rate: 50_000_000,
        round_trip: Duration::from_millis(20),
        queue: 125_000,
        mark_above: None,
        loss: 0,
        late: (0, Duration::ZERO),
    };
    let mut bulk = Bulk::new(path, 1);
    bulk.flow(algorithms[0]);
    let mut lines: Vec<Line> = [("first", COLOURS[1]), ("second", COLOURS[0])]
        .map(|(name, colour)| Line {
            name,
            colour,
            points: Vec::new(),
        })
        .into();
    let step = Duration::from_millis(300);
    let mut before = [0, 0];
    for round in 0..200 {
        if round == 34 {
            bulk.flow(algorithms[1]);
        }
        bulk.run(step);
        for flow in 0..if round < 34 { 1 } else { 2 } {
            let received = bulk.received(flow);
            let rate = (received - before[flow]) as f64 * 8.0 / step.as_secs_f64() / 1e6;
            before[flow] = received;
            lines[flow]
                .points
                .push((bulk.elapsed().as_secs_f64(), rate));
        }
    }
    Chart {
        title,
        unit: "Mbit/s",
        lines,
    }
}

fn draw(file: &Path, title: &str, charts: &[Chart]) -> Result<(), Box<dyn Error>> {
    let height = CHART_HEIGHT * u32::try_from(charts.len())? + 40;
    let area: Canvas<'_> = SVGBackend::new(file, (WIDTH, height)).into_drawing_area();
    area.fill(&WHITE)?;
    let area = area.titled(title, ("sans-serif", 20))?;
    for (area, chart) in area.split_evenly((charts.len(), 1)).iter().zip(charts) {
        draw_chart(area, chart)?;
    }
    area.present()?;
    Ok(())
}

fn draw_chart(area: &Canvas<'_>, chart: &Chart) -> Result<(), Box<dyn Error>> {
    let all = || chart.lines.iter().flat_map(|line| &line.points);
    let end = all().map(|point| point.0).fold(0.0, f64::max);
    let top = all().map(|point| point.1).fold(0.0, f64::max) * 1.05;
    let mut context = ChartBuilder::on(area)
        .caption(chart.title, ("sans-serif", 15))
        .margin_right(20)
        .x_label_area_size(25)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..end, 0.0..top)?;
    context
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc("s")
        .y_desc(chart.unit)
        .y_labels(6)
        .draw()?;
    for line in &chart.lines {
        let style = ShapeStyle::from(&line.colour).stroke_width(1);
        let series = LineSeries::new(line.points.iter().copied(), style);
        let legend = move |(x, y)| PathElement::new([(x, y), (x + 20, y)], style);
        context.draw_series(series)?.label(line.name).legend(legend);
    }
    context
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .border_style(BLACK.mix(0.3))
        .background_style(WHITE.mix(0.8))
        .draw()?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let directory = std::env::args_os().nth(1).map(PathBuf::from);
    let directory = directory.unwrap_or_else(|| "build/plots".into());
    std::fs::create_dir_all(&directory)?;
    for (name, title, path, time) in paths() {
        let file = directory.join(format!("{name}.svg"));
        draw(&file, title, &charts_of_path(title, path, time))?;
        println!("{}", file.display());
    }
    let shares = [
        chart_of_two([Algorithm::NewReno; 2], "two flows, NewReno"),
        chart_of_two([Algorithm::Cubic; 2], "two flows, CUBIC"),
        chart_of_two([Algorithm::Bbr; 2], "two flows, BBR"),
        chart_of_two([Algorithm::Cubic, Algorithm::Bbr], "CUBIC, then BBR"),
    ];
    let file = directory.join("fairness.svg");
    draw(
        &file,
        "50 Mbit/s, 20 ms, a queue of 20 ms: delivered in order",
        &shares,
    )?;
    println!("{}", file.display());
    Ok(())
}
