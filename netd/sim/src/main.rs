//! The simulator by hand: one seed with its frames, or as many as the night has time for.
//!
//! `sim --seed N` plays one and writes its frames to `build/sim-N.pcapng`; with `--trace` it also
//! prints them, a line each. `sim --seeds N` plays so many, `--from N` on, in `--threads N`. A seed
//! that goes wrong is shrunk, and its script printed. `sim --neighbourhood N` and `--neighbourhoods N` do
//! the same with neighbourhoods, which are not shrunk.
#![forbid(unsafe_code)]

use std::error::Error;
use std::io::Write as _;
use std::ops::Range;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lexopt::prelude::{Long, ValueExt as _};
use sim::neighbourhood::{self, Neighbourhood};
use sim::scenario::{self, Keep, Plan};

/// What is asked for.
struct Request {
    seed: Option<u64>,
    neighbourhood: Option<u64>,
    neighbourhoods: Option<u64>,
    seeds: u64,
    from: u64,
    threads: usize,
    has_trace: bool,
}

fn main() -> ExitCode {
    let result = request().and_then(|request| {
        if let Some(seed) = request.neighbourhood {
            return one_neighbourhood(seed, request.has_trace);
        }
        if let Some(count) = request.neighbourhoods {
            return Ok(neighbourhoods(request.from..request.from + count));
        }
        match request.seed {
            Some(seed) => one(seed, request.has_trace),
            None => many(&request),
        }
    });
    match result {
        Ok(is_well) => ExitCode::from(u8::from(!is_well)),
        Err(error) => {
            eprintln!("sim: {error}");
            ExitCode::FAILURE
        }
    }
}

fn request() -> Result<Request, Box<dyn Error>> {
    let mut request = Request {
        seed: None,
        neighbourhood: None,
        neighbourhoods: None,
        seeds: 10_000,
        from: 0,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        has_trace: false,
    };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("seed") => request.seed = Some(arguments.value()?.parse()?),
            Long("neighbourhood") => request.neighbourhood = Some(arguments.value()?.parse()?),
            Long("neighbourhoods") => request.neighbourhoods = Some(arguments.value()?.parse()?),
            Long("seeds") => request.seeds = arguments.value()?.parse()?,
            Long("from") => request.from = arguments.value()?.parse()?,
            Long("trace") => request.has_trace = true,
            Long("threads") => request.threads = arguments.value()?.parse::<usize>()?.max(1),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(request)
}

/// Writes frames into a file of that name, and shows them if that is wanted.
fn keep(capture: &[u8], name: &str, has_trace: bool) -> Result<(), Box<dyn Error>> {
    if has_trace {
        print!("{}", sim::trace_lines(capture)?);
    }
    let directory = Path::new("build");
    std::fs::create_dir_all(directory)?;
    let file = directory.join(format!("{name}.pcapng"));
    std::fs::write(&file, capture)?;
    println!("frames of all stations: {}", file.display());
    Ok(())
}

/// Plays the neighbourhood of one seed, and keeps its frames.
fn one_neighbourhood(seed: u64, has_trace: bool) -> Result<bool, Box<dyn Error>> {
    let neighbourhood = Neighbourhood::of(seed);
    println!("{neighbourhood:#?}");
    let outcome = neighbourhood.play(true);
    keep(
        &outcome.capture,
        &format!("neighbourhood-{seed}"),
        has_trace,
    )?;
    for (reason, count) in &outcome.drops {
        println!("{count:>9}  {reason}");
    }
    match &outcome.complaint {
        None => println!("neighbourhood {seed}: nothing to complain of"),
        Some(complaint) => println!("station {}: {}", complaint.station, complaint.what),
    }
    Ok(outcome.complaint.is_none())
}

/// Plays the neighbourhoods of these seeds.
fn neighbourhoods(seeds: Range<u64>) -> bool {
    let failed = seeds
        .clone()
        .filter_map(|seed| neighbourhood::check(seed).err());
    let failed = failed.inspect(|complaint| println!("{complaint}")).count();
    println!(
        "{} neighbourhoods, {failed} failed",
        seeds.end - seeds.start
    );
    failed == 0
}

/// Plays one seed, tells what it is, and keeps its frames.
fn one(seed: u64, has_trace: bool) -> Result<bool, Box<dyn Error>> {
    let plan = Plan::of(seed);
    println!("{plan:#?}");
    let outcome = plan.play(Keep::Capture, None);
    keep(&outcome.capture, &format!("sim-{seed}"), has_trace)?;
    let (sent, lost) = outcome.frames;
    println!("{sent} frames, {lost} lost, {:?}", outcome.time);
    if outcome.complaint.is_none() {
        println!("seed {seed}: nothing to complain of");
        return Ok(true);
    }
    if let Err(report) = scenario::check(seed) {
        println!("{report}");
    }
    Ok(false)
}

/// What many seeds came to.
#[derive(Default)]
struct Sums {
    seeds: AtomicU64,
    frames: AtomicU64,
    lost: AtomicU64,
    restarts: AtomicU64,
    content: AtomicU64,
    gave_up: AtomicU64,
    sent_home: AtomicU64,
}

impl Sums {
    fn add(&self, outcome: &scenario::Outcome) {
        let (sent, lost) = outcome.frames;
        let (content, gave_up, sent_home) = outcome.programs;
        for (sum, more) in [
            (&self.seeds, 1),
            (&self.frames, sent),
            (&self.lost, lost),
            (&self.restarts, outcome.restarts),
            (&self.content, content),
            (&self.gave_up, gave_up),
            (&self.sent_home, sent_home),
        ] {
            sum.fetch_add(more, Ordering::Relaxed);
        }
    }

    fn show(&self, begun: Instant, failed: usize) -> String {
        let [seeds, frames, lost, restarts, content, gave_up, sent_home] = [
            &self.seeds,
            &self.frames,
            &self.lost,
            &self.restarts,
            &self.content,
            &self.gave_up,
            &self.sent_home,
        ]
        .map(|sum| sum.load(Ordering::Relaxed));
        format!(
            "{seeds} seeds in {:.0?}: {frames} frames, {lost} lost; {restarts} stacks died; \
             programs: {content} content, {gave_up} gave up, {sent_home} sent home; {failed} seeds failed",
            begun.elapsed()
        )
    }
}

/// How often progress is told.
const REPORT: Duration = Duration::from_secs(5);
/// Enough failures for one night.
const MOST_FAILURES: usize = 10;

fn many(request: &Request) -> Result<bool, Box<dyn Error>> {
    let begun = Instant::now();
    let next = AtomicU64::new(request.from);
    let end = request.from + request.seeds;
    let sums = Sums::default();
    let failed = Mutex::new(Vec::new());
    let count = || failed.lock().unwrap_or_else(PoisonError::into_inner).len();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..request.threads)
            .map(|_| {
                scope.spawn(|| {
                    while count() < MOST_FAILURES {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed >= end {
                            return;
                        }
                        let outcome = Plan::of(seed).play(Keep::Nothing, None);
                        sums.add(&outcome);
                        if outcome.complaint.is_some() {
                            let report = scenario::check(seed).err().unwrap_or_default();
                            println!("\n{report}");
                            let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                            failed.push(seed);
                        }
                    }
                })
            })
            .collect();
        let mut told = Instant::now();
        while !workers
            .iter()
            .all(std::thread::ScopedJoinHandle::is_finished)
        {
            std::thread::sleep(Duration::from_millis(50));
            if told.elapsed() >= REPORT {
                told = Instant::now();
                println!("{}", sums.show(begun, count()));
            }
        }
    });
    println!("{}", sums.show(begun, count()));
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    for seed in &failed {
        println!("make sim SEED={seed}");
    }
    std::io::stdout().flush()?;
    Ok(failed.is_empty())
}
