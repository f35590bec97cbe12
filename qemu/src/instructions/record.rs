//! `docs/instructions.md`: what each operation cost when that was last written down, and the aims.
//!
//! People read it and this reads it: rows of its table are `| operation | instructions | aim |`.

use anyhow::{Context, Result};

use crate::paths;

/// By how much a count may grow or fall before anything is said, as a part of it.
const TOLERANCE: f64 = 0.03;
/// Counts below one (entries of the kernel for a segment) may differ by so much.
const LEAST: f64 = 0.03;

/// What stands before the name of an operation if it is done over IPv6.
const SIX: &str = "IPv6: ";
/// By how much more the same may cost over IPv6 than over IPv4, as a part of it.
const INEQUALITY: f64 = 0.1;

/// What the document says.
pub struct Record {
    text: String,
}

/// A row of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    pub count: f64,
    pub aim: Option<f64>,
}

/// How a count compares with the one that is written down.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Same,
    /// It has grown: why.
    Grown(String),
    /// It has fallen: that, and the line to write.
    Fallen(String),
}

impl Record {
    pub fn read() -> Result<Self> {
        let path = paths::record();
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Ok(Self::new(text))
    }

    pub const fn new(text: String) -> Self {
        Self { text }
    }

    /// The row of an operation, if there is one.
    pub fn row(&self, name: &str) -> Option<Row> {
        self.text.lines().find_map(|line| {
            let [found, count, aim] = cells(line)?;
            (found == name).then(|| {
                Some(Row {
                    count: number(count)?,
                    aim: number(aim),
                })
            })?
        })
    }

    /// Operations that cost more in `later`.
    pub fn grown_in(&self, later: &Self) -> Vec<String> {
        let names = self.text.lines().filter_map(|line| Some(cells(line)?[0]));
        let grown = names.filter(|name| {
            let row = later.row(name);
            row.is_some_and(|row| matches!(self.compare(name, row.count), Verdict::Grown(_)))
        });
        grown.map(str::to_owned).collect()
    }

    /// Operations that cost too much more over IPv6 than over IPv4, and those that only IPv6 has.
    pub fn unequal(&self) -> Vec<String> {
        let names = self.text.lines().filter_map(|line| Some(cells(line)?[0]));
        let compared = names.filter_map(|name| {
            let six = self.row(name)?.count;
            let Some(four) = self.row(name.strip_prefix(SIX)?).map(|row| row.count) else {
                return Some(format!("{name}: nothing to compare it with"));
            };
            let more = (six / four - 1.0) * 100.0;
            (more > INEQUALITY * 100.0).then(|| format!("{name}: {more:.1} % more than over IPv4"))
        });
        compared.collect()
    }

    /// Compares a count with what is written down.
    pub fn compare(&self, name: &str, count: f64) -> Verdict {
        let aim = self.row(name).and_then(|row| row.aim);
        let line = line(name, count, aim);
        let Some(row) = self.row(name) else {
            return Verdict::Grown(format!("{name} is not written down: {line}"));
        };
        let slack = (row.count * TOLERANCE).max(LEAST);
        let change = (count / row.count - 1.0) * 100.0;
        if count > row.count + slack {
            Verdict::Grown(format!(
                "{name}: {} and was {}, {change:.1} % more",
                show(count),
                show(row.count)
            ))
        } else if count < row.count - slack {
            Verdict::Fallen(format!("{name}: {change:.1} %; to be written down: {line}"))
        } else {
            Verdict::Same
        }
    }

    /// Writes another count into the row of an operation; the others stay as they are.
    pub fn set(&mut self, name: &str, count: f64) {
        let lines = self.text.lines().map(|old| match cells(old) {
            Some([found, _, aim]) if found == name => line(name, count, number(aim)),
            _ => old.to_owned(),
        });
        self.text = lines.collect::<Vec<_>>().join("\n") + "\n";
    }

    pub fn write(&self) -> Result<()> {
        Ok(std::fs::write(paths::record(), &self.text)?)
    }
}

/// The cells of a table's line with three of them.
fn cells(line: &str) -> Option<[&str; 3]> {
    let inside = line.strip_prefix('|')?.strip_suffix('|')?;
    let cells: Vec<&str> = inside.split('|').map(str::trim).collect();
    cells.try_into().ok()
}

/// The number in a cell, its thousands set apart by commas.
fn number(cell: &str) -> Option<f64> {
    cell.replace(',', "").parse().ok()
}

fn line(name: &str, count: f64, aim: Option<f64>) -> String {
    let aim = aim.map(show).unwrap_or_default();
    format!("| {name} | {} | {aim} |", show(count))
}

/// A count as it is written: whole, with commas, or with two digits if it is small.
pub fn show(count: f64) -> String {
    if count < 10.0 {
        let text = format!("{count:.2}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let digits = format!("{count:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Record, Row, Verdict, show};

    const TEXT: &str = "\
# Counts

| operation | instructions | aim |
| --- | --- | --- |
| echo | 12,000 | 6,000 |
| entries | 0.08 | 0.1 |
| other | 69 | |
";

    fn record() -> Record {
        Record::new(TEXT.into())
    }

    #[test]
    fn rows_are_read() {
        let row = |count, aim| Some(Row { count, aim });
        assert_eq!(record().row("echo"), row(12_000.0, Some(6_000.0)));
        assert_eq!(record().row("other"), row(69.0, None));
        assert_eq!(record().row("operation"), None);
        assert_eq!(record().row("nothing"), None);
    }

    #[test]
    fn three_percent_are_allowed() {
        let compare = |name, count| record().compare(name, count);
        assert_eq!(compare("echo", 12_350.0), Verdict::Same);
        assert_eq!(compare("echo", 11_650.0), Verdict::Same);
        assert_eq!(
            compare("echo", 12_400.0),
            Verdict::Grown("echo: 12,400 and was 12,000, 3.3 % more".into())
        );
        let Verdict::Fallen(text) = compare("echo", 9_000.0) else {
            panic!("9,000 are less than 12,000");
        };
        assert!(text.ends_with("| echo | 9,000 | 6,000 |"), "{text}");
        assert_eq!(compare("entries", 0.1), Verdict::Same);
        assert!(matches!(compare("entries", 0.2), Verdict::Grown(_)));
        assert!(matches!(compare("new", 1.0), Verdict::Grown(_)));
    }

    #[test]
    fn growth_from_one_record_to_the_next_is_found() {
        let later = |name, count| {
            let mut later = record();
            later.set(name, count);
            record().grown_in(&later)
        };
        assert_eq!(later("echo", 13_000.0), ["echo"]);
        assert!(later("echo", 12_100.0).is_empty());
        assert!(later("echo", 11_000.0).is_empty());
    }

    #[test]
    fn families_are_equals_within_ten_percent() {
        let mut record = Record::new(TEXT.to_owned() + "| IPv6: echo | 13,100 | |\n");
        assert!(record.unequal().is_empty(), "9.2 %");
        record.set("IPv6: echo", 13_300.0);
        assert_eq!(record.unequal(), ["IPv6: echo: 10.8 % more than over IPv4"]);
        let alone = Record::new("| IPv6: other | 1 | |\n".into());
        assert_eq!(alone.unequal().len(), 1, "nothing to compare it with");
    }

    #[test]
    fn a_count_is_written_into_its_row() {
        let mut record = record();
        record.set("echo", 9_000.4);
        record.set("nothing", 1.0);
        assert_eq!(record.text, TEXT.replace("12,000", "9,000"));
    }

    #[test]
    fn counts_are_easy_to_read() {
        assert_eq!(show(0.1), "0.1");
        assert_eq!(show(1.0), "1");
        assert_eq!(show(69.13), "69");
        assert_eq!(show(1_234.5), "1,234");
        assert_eq!(show(10_000_000.0), "10,000,000");
    }
}
