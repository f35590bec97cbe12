//! Guest instructions for each operation: counted, and compared with what is written down.

mod peer;
pub mod record;
mod rig;
mod rows;

use anyhow::{Context, Result, bail};

use crate::bench::Figure;
use crate::image;
use record::{Record, Verdict};
use rig::Rig;
use rows::{Count, ROWS};

/// What is written down is the least of so many.
const TIMES: usize = 3;
/// A count that has grown is doubted, because a host that is busy elsewhere can add to it but takes
/// nothing away.
const DOUBTS: usize = 6;

/// The least of up to `times` counts, or the first that is `enough`.
fn least(rig: &mut Rig, count: Count, times: usize, enough: impl Fn(f64) -> bool) -> Result<f64> {
    let (mut least, mut trouble) = (None, None);
    for _ in 0..times {
        match count(rig) {
            Ok(value) => {
                let value = least.map_or(value, |least: f64| least.min(value));
                if enough(value) {
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

/// Counts everything; the aims are those of the record.
pub fn measure() -> Result<Vec<Figure>> {
    let record = Record::read()?;
    let mut rig = Rig::boot("bench-instructions")?;
    ROWS.iter()
        .map(|(name, count)| {
            let value = least(&mut rig, *count, TIMES, |_| false).context(*name)?;
            Ok(Figure {
                aim: record.row(name).and_then(|row| row.aim),
                ..Figure::new(name, value, "instructions")
            })
        })
        .collect()
}

/// Counts everything, or what has `filter` in its name, and writes it down.
pub fn write(filter: &str) -> Result<()> {
    image::build()?;
    image::build_test_archive()?;
    let mut record = Record::read()?;
    let mut rig = Rig::boot("counts")?;
    for (name, count) in ROWS.iter().filter(|(name, _)| name.contains(filter)) {
        let value = least(&mut rig, *count, TIMES, |_| false).context(*name)?;
        let before = record.row(name).map(|row| row.count);
        let before = before.map_or("new".into(), record::show);
        println!("{name:<50} {:>9}  was {before}", record::show(value));
        record.set(name, value);
    }
    record.write()
}

/// Compares everything with the record. Says what has fallen; an error says what has grown.
pub fn compare() -> Result<()> {
    let record = Record::read()?;
    let mut rig = Rig::boot("instructions")?;
    let mut grown = Vec::new();
    for (name, count) in ROWS {
        let is_fine = |value| !matches!(record.compare(name, value), Verdict::Grown(_));
        match least(&mut rig, *count, DOUBTS, is_fine) {
            Ok(value) => match record.compare(name, value) {
                Verdict::Same => {}
                Verdict::Fallen(what) => println!("  {what}"),
                Verdict::Grown(what) => grown.push(what),
            },
            Err(error) => grown.push(format!("{name}: {error:#}")),
        }
    }
    if grown.is_empty() {
        return Ok(());
    }
    bail!(
        "{}\n  (`make counts` writes down what is so; the commit says why)",
        grown.join("\n  ")
    )
}
