//! Guest instructions for each operation: counted, and compared with what is written down.

mod bench;
pub mod peer;
pub mod record;
mod rig;
mod rows;

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::bench::{Aim, Figure};
use crate::tests::Skip;
use crate::{image, namespace};
use bench::Bench;
use record::{Record, Verdict};

/// What is written down is the least of so many.
const TIMES: usize = 8;
/// A count that has grown is doubted, because a host that is busy elsewhere can add to it but takes
/// nothing away.
const DOUBTS: usize = 40;

/// Bytes for which the rows of streams count, in either family: a full segment of IPv4.
const SEGMENT: u32 = 1_448;

/// A row of the record, and how it is counted.
type Row = (&'static str, fn(&mut Bench) -> Result<f64>);

/// How often each row is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Care {
    /// `TIMES`.
    Repeat,
    /// Until it is no more than is written down, up to `DOUBTS` times.
    Doubt,
}

/// The words for the parts of this that run in a namespace. How often, and which rows, follows; or the row and the
/// file of a trace.
pub const INSIDE: &str = "instructions";
pub const TRACE_INSIDE: &str = "trace";

/// How often these bytes have those of a segment.
fn per_segment(bytes: usize) -> Result<f64> {
    Ok(f64::from(u32::try_from(bytes)?) / f64::from(SEGMENT))
}

/// Counts the rows of a bench that have `filter` in their name, and hands over each count.
fn count(
    bench: &mut Bench,
    rows: &[Row],
    care: Care,
    filter: &str,
    mut found: impl FnMut(&'static str, Result<f64>),
) -> Result<()> {
    let record = Record::read()?;
    for (name, row) in rows.iter().filter(|(name, _)| name.contains(filter)) {
        let (times, is_enough): (_, &dyn Fn(f64) -> bool) = match care {
            Care::Repeat => (TIMES, &|_| false),
            Care::Doubt => (DOUBTS, &|value| {
                !matches!(record.compare(name, value), Verdict::Grown(_))
            }),
        };
        found(name, least(|| row(bench), times, is_enough));
    }
    Ok(())
}

/// The least of up to `times` counts, or the first that is enough.
fn least(
    mut count: impl FnMut() -> Result<f64>,
    times: usize,
    is_enough: impl Fn(f64) -> bool,
) -> Result<f64> {
    let (mut least, mut trouble) = (None, None);
    for _ in 0..times {
        match count() {
            Ok(value) => {
                let value = least.map_or(value, |least: f64| least.min(value));
                if is_enough(value) {
                    return Ok(value);
                }
                least = Some(value);
            }
            Err(error) => trouble = Some(error),
        }
    }
    match (least, trouble) {
        (Some(value), _) => Ok(value),
        (None, Some(error)) => Err(error),
        (None, None) => bail!("nothing was counted"),
    }
}

/// Counts everything: first on the cable, then in a namespace, if one can be made.
fn everything(
    care: Care,
    filter: &str,
    mut found: impl FnMut(&'static str, Result<f64>),
) -> Result<()> {
    let has_rows = |rows: &[Row]| rows.iter().any(|(name, _)| name.contains(filter));
    if has_rows(rows::ROWS) {
        let mut bench = Bench::boot("instructions")?;
        count(&mut bench, rows::ROWS, care, filter, &mut found)?;
    }
    if has_rows(rows::LINKED_ROWS) {
        let mut bench = Bench::boot_linked("linked-instructions")?;
        count(&mut bench, rows::LINKED_ROWS, care, filter, &mut found)?;
    }
    if !has_rows(rows::OFFLOADED_ROWS) {
        return Ok(());
    }
    let how = if care == Care::Repeat {
        "repeat"
    } else {
        "doubt"
    };
    let said = match namespace::run_inside(&["inside", INSIDE, how, filter]) {
        Err(error) if error.is::<Skip>() => {
            println!("  not counted with offloads: {error}");
            return Ok(());
        }
        said => said?,
    };
    for (name, _) in rows::OFFLOADED_ROWS {
        let value = said
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('\t'));
        if let Some(value) = value {
            found(name, value.parse().map_err(|_| anyhow::anyhow!("{value}")));
        }
    }
    Ok(())
}

/// The part that runs in a namespace: prints a line for each row.
pub fn inside(how: &str, filter: &str) -> Result<()> {
    let care = if how == "repeat" {
        Care::Repeat
    } else {
        Care::Doubt
    };
    let mut bench = Bench::boot_offloaded("offloaded")?;
    count(
        &mut bench,
        rows::OFFLOADED_ROWS,
        care,
        filter,
        |name, value| match value {
            Ok(value) => println!("{name}\t{value}"),
            Err(error) => println!("{name}\t{error:#}"),
        },
    )
}

/// Runs what a row counts, and has QEMU write every block that is executed meanwhile into a file; how
/// many operations that were.
pub fn trace(row: &str, file: &Path) -> Result<f64> {
    if let Some(run) = find(rows::ROWS, row) {
        return traced(Bench::boot("trace")?, run, file);
    }
    if let Some(run) = find(rows::LINKED_ROWS, row) {
        return traced(Bench::boot_linked("trace")?, run, file);
    }
    let file = file.to_str().context("the file's name")?;
    let said = namespace::run_inside(&["inside", TRACE_INSIDE, row, file])?;
    Ok(said.trim().parse()?)
}

/// The same of a row in which the card takes work off the guest: prints the number.
pub fn trace_inside(row: &str, file: &Path) -> Result<()> {
    let run = find(rows::OFFLOADED_ROWS, row).context("there is no such row")?;
    println!("{}", traced(Bench::boot_offloaded("trace")?, run, file)?);
    Ok(())
}

fn find(rows: &[Row], name: &str) -> Option<fn(&mut Bench) -> Result<f64>> {
    let found = rows.iter().find(|(row, _)| *row == name);
    found.map(|(_, run)| *run)
}

fn traced(mut bench: Bench, run: fn(&mut Bench) -> Result<f64>, file: &Path) -> Result<f64> {
    bench.rig.trace = Some(file.to_owned());
    run(&mut bench)
}

/// Counts everything; the aims are those of the record.
pub fn measure() -> Result<Vec<Figure>> {
    let record = Record::read()?;
    let mut figures = Vec::new();
    everything(Care::Repeat, "", |name, value| match value {
        Ok(value) => figures.push(Figure {
            aim: record.row(name).and_then(|row| row.aim).map(Aim::AtMost),
            ..Figure::new(name, value, "")
        }),
        Err(error) => println!("{name}: not measured: {error:#}"),
    })?;
    Ok(figures)
}

/// Counts everything, or what has `filter` in its name, and writes it down.
pub fn write(filter: &str) -> Result<()> {
    image::build()?;
    image::build_test_archive()?;
    let mut record = Record::read()?;
    everything(Care::Repeat, filter, |name, value| {
        let before = record.row(name).map(|row| row.count);
        let before = before.map_or("missing".into(), record::show);
        match value {
            Ok(value) => {
                println!("{name:<52} {:>9}  was {before}", record::show(value));
                record.set(name, value);
            }
            Err(error) => println!("{name:<52} {error:#}"),
        }
    })
    .context("counting")?;
    record.write()
}

/// Compares everything with the record. Says what has fallen; an error says what has grown.
pub fn compare() -> Result<()> {
    let record = Record::read()?;
    let mut grown = record.unequal();
    everything(Care::Doubt, "", |name, value| match value {
        Ok(value) => match record.compare(name, value) {
            Verdict::Same => {}
            Verdict::Fallen(what) => println!("  {what}"),
            Verdict::Grown(what) => grown.push(what),
        },
        Err(error) => grown.push(format!("{name}: {error:#}")),
    })?;
    if grown.is_empty() {
        return Ok(());
    }
    bail!(
        "{}\n  (`make counts` writes down what is so; the commit says why)",
        grown.join("\n  ")
    )
}

#[cfg(test)]
mod tests {
    use super::least;

    /// The least of these, and how many were needed.
    fn of(values: &[f64], enough: f64) -> (Option<f64>, usize) {
        let mut asked = 0;
        let next = || {
            asked += 1;
            let value = values[asked - 1];
            anyhow::ensure!(value > 0.0, "disturbed");
            Ok(value)
        };
        let found = least(next, values.len(), |value| value <= enough);
        (found.ok(), asked)
    }

    #[test]
    fn what_is_disturbed_is_counted_again() {
        assert_eq!(of(&[5.0, 3.0, 4.0], 0.0), (Some(3.0), 3));
        assert_eq!(of(&[5.0, 3.0, 4.0], 3.5), (Some(3.0), 2));
        assert_eq!(of(&[-1.0, 5.0], 0.0), (Some(5.0), 2));
        assert_eq!(of(&[-1.0, -1.0], 0.0), (None, 2));
    }
}
