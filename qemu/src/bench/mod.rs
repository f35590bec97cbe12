//! `make bench`: how long it takes to start, how many instructions things cost, how much goes
//! through. A table for people, `build/bench.json` for machines.
//!
//! Instructions are counted with QEMU's `-icount shift=0`, where the guest's clock advances one
//! nanosecond for each instruction: exact, and the same on every host. Everything else is wall
//! clock on the host at hand. The stack alone is measured on the host, native, beside smoltcp.

mod comparison;
mod crowd;
mod host;
pub mod loops;
pub mod side_by_side;
mod start;
mod throughput;

use anyhow::{Context, Result};
use serde_json::json;

use crate::{image, instructions, paths};

/// One measured value.
pub struct Figure {
    pub name: &'static str,
    pub value: f64,
    pub unit: &'static str,
    /// At most this, or at least, where the project has set itself an aim.
    pub aim: Option<Aim>,
}

/// What a figure is to be.
#[derive(Clone, Copy)]
pub enum Aim {
    AtMost(f64),
    AtLeast(f64),
}

impl Figure {
    pub const fn new(name: &'static str, value: f64, unit: &'static str) -> Self {
        Self {
            name,
            value,
            unit,
            aim: None,
        }
    }

    pub const fn at_most(mut self, aim: f64) -> Self {
        self.aim = Some(Aim::AtMost(aim));
        self
    }

    pub const fn at_least(mut self, aim: f64) -> Self {
        self.aim = Some(Aim::AtLeast(aim));
        self
    }

    fn row(&self) -> String {
        let aim = self.aim.map_or(String::new(), |aim| {
            let (is_met, wish, aim) = match aim {
                Aim::AtMost(aim) => (self.value <= aim, "most", aim),
                Aim::AtLeast(aim) => (self.value >= aim, "least", aim),
            };
            let verdict = if is_met { "met" } else { "missed" };
            format!("at {wish} {aim}: {verdict}")
        });
        format!(
            "{:<44} {:>12.1} {:<14} {aim}",
            self.name, self.value, self.unit
        )
    }

    fn json(&self) -> serde_json::Value {
        let (most, least) = match self.aim {
            Some(Aim::AtMost(aim)) => (Some(aim), None),
            Some(Aim::AtLeast(aim)) => (None, Some(aim)),
            None => (None, None),
        };
        json!({
            "name": self.name, "value": self.value, "unit": self.unit,
            "at_most": most, "at_least": least,
        })
    }
}

/// Measures a group.
type Measure = fn() -> Result<Vec<Figure>>;

/// The middle one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// What can be measured of the guest.
const GROUPS: [(&str, Measure); 5] = [
    ("start", start::measure),
    ("instructions", instructions::measure),
    ("throughput", throughput::measure),
    ("loops", loops::measure),
    ("crowd", crowd::measure),
];

/// Measures one group.
pub fn run_only(wanted: &str) -> Result<()> {
    let group = GROUPS.iter().find(|(name, _)| *name == wanted);
    let (_, measure) = group.with_context(|| format!("{wanted}: no such group"))?;
    image::build()?;
    image::build_test_archive()?;
    show(&measure()?);
    Ok(())
}

/// Measures everything. A group that cannot be measured says why, and the rest goes on.
pub fn run() -> Result<()> {
    let image = image::build()?;
    image::build_test_archive()?;
    let megabyte = f64::from(1 << 20);
    #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
    let size = image.flat as f64 / megabyte;
    let mut figures = vec![Figure::new("image with everything", size, "MiB").at_most(2.0)];
    show(&figures);
    for (name, measure) in GROUPS {
        match measure() {
            Ok(more) => {
                show(&more);
                figures.extend(more);
            }
            Err(error) => println!("{name}: not measured: {error:#}"),
        }
    }
    let native = host::measure().unwrap_or_else(|error| {
        println!("host: not measured: {error:#}");
        serde_json::Value::Null
    });
    let rows: Vec<_> = figures.iter().map(Figure::json).collect();
    let path = paths::build().join("bench.json");
    std::fs::write(
        &path,
        serde_json::to_string_pretty(&json!({"figures": rows, "host": native}))? + "\n",
    )?;
    println!("\n{}", path.display());
    side_by_side::run_if_asked()
}

fn show(figures: &[Figure]) {
    for figure in figures {
        println!("{}", figure.row());
    }
}

#[cfg(test)]
mod tests {
    use super::{Figure, median};

    #[test]
    fn aims_are_judged() {
        assert!(
            Figure::new("a", 2.0, "ms")
                .at_most(2.0)
                .row()
                .ends_with("met")
        );
        assert!(
            Figure::new("a", 2.1, "ms")
                .at_most(2.0)
                .row()
                .ends_with("missed")
        );
        assert!(!Figure::new("a", 2.1, "ms").row().contains("most"));
    }

    #[test]
    fn the_middle_is_taken() {
        assert!((median(vec![9.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!(median(Vec::new()).is_nan());
    }
}
