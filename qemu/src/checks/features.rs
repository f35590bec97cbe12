//! The table of features: every row names a test, and that test exists.

use std::collections::HashSet;

use anyhow::{Context, Result};

use crate::paths;
use crate::tests::{self, Test};

const TABLE: &str = "docs/features.md";

/// A row: its id, and the tests it names as (file, function).
struct Row<'a> {
    id: &'a str,
    tests: Vec<(&'a str, &'a str)>,
}

pub fn features_name_tests_that_exist() -> Result<Vec<String>> {
    let table = std::fs::read_to_string(paths::root().join(TABLE)).context(TABLE)?;
    let driven = driven_tests();
    let mut broken = Vec::new();
    let mut seen = HashSet::new();
    for row in rows(&table) {
        if !seen.insert(row.id) {
            broken.push(format!("{}: stands there twice", row.id));
        }
        if row.tests.is_empty() {
            broken.push(format!("{}: names no test", row.id));
        }
        for (file, test) in row.tests {
            if !exists(file, test, &driven) {
                broken.push(format!("{}: there is no test {file}::{test}", row.id));
            }
        }
    }
    Ok(broken)
}

fn rows(table: &str) -> Vec<Row<'_>> {
    table
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| ")?.split(" | ");
            let id = cells.next()?;
            let has_number = id.ends_with(|last: char| last.is_ascii_digit());
            if !has_number || !id.starts_with(|first: char| first.is_ascii_uppercase()) {
                return None;
            }
            let tests = tests_named_in(cells.last()?).collect();
            Some(Row { id, tests })
        })
        .collect()
}

/// The tests in a table's last cell, as (file, function). Backticks are for tests alone there.
pub fn tests_named_in(cell: &str) -> impl Iterator<Item = (&str, &str)> {
    cell.split('`').filter_map(|piece| piece.rsplit_once("::"))
}

/// `file::function` of every test that drives a guest.
pub fn driven_tests() -> HashSet<String> {
    tests::all()
        .flat_map(|group| {
            let name = move |test: Test| format!("qemu/src/tests/{}.rs::{}", group.name, test.name);
            group.tests.into_iter().map(name)
        })
        .collect()
}

/// Whether there is such a test; `driven` are those that drive a guest.
pub fn exists(file: &str, test: &str, driven: &HashSet<String>) -> bool {
    if file.starts_with("qemu/src/tests/") {
        return driven.contains(&format!("{file}::{test}"));
    }
    if file.starts_with("qemu/src/checks") {
        return super::CHECKS.iter().any(|(name, _)| *name == test);
    }
    let source = std::fs::read_to_string(paths::root().join(file));
    source.is_ok_and(|source| {
        if file.ends_with(".script") {
            has_case(&source, test)
        } else {
            has_test(&source, test)
        }
    })
}

/// Whether a packet script has a case of that name.
fn has_case(source: &str, case: &str) -> bool {
    source.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some("case") && words.next() == Some(case)
    })
}

/// Whether a source file has a test function of that name.
fn has_test(source: &str, test: &str) -> bool {
    let function = format!("fn {test}(");
    let mut marked = false;
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            marked = true;
        } else if line.contains("fn ") {
            if marked && line.contains(&function) {
                return true;
            }
            marked = false;
        }
    }
    false
}

#[cfg(test)]
mod tests_of_this {
    use super::{has_case, has_test, rows};

    #[test]
    fn rows_are_told_from_headings() {
        let table = "| id | what | test |\n| --- | --- | --- |\n| K1 | net \\| server | `a/b.rs::c` and `d.rs::e` |\n| X2 | nothing | none |\n";
        let rows = rows(table);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].id, "K1");
        assert_eq!(rows[0].tests, [("a/b.rs", "c"), ("d.rs", "e")]);
        assert!(rows[1].tests.is_empty());
    }

    #[test]
    fn cases_of_scripts_are_tests() {
        let script = "open passive\ncase a\n# case b\ncase c for X in 1 2\n";
        let found = ["a", "b", "c"].map(|case| has_case(script, case));
        assert_eq!(found, [true, false, true]);
    }

    #[test]
    fn only_marked_functions_are_tests() {
        let source =
            "fn a() {}\n#[test]\nfn b() {}\n#[test]\n#[should_panic]\nfn c() {}\nfn d() {}\n";
        assert!(!has_test(source, "a"));
        assert!(has_test(source, "b"));
        assert!(has_test(source, "c"));
        assert!(!has_test(source, "d"));
    }
}
