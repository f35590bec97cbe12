//! The table of smoltcp's tests: each is there, and names a test of ours or says why there is none.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::features::{driven_tests, exists, tests_named_in};
use crate::paths;

const TABLE: &str = "docs/carried-tests.md";
/// What the table is about, as cargo calls it.
const NAME: &str = "smoltcp";
const VERSION: &str = "0.14.0";
/// How a cell begins that names no test.
const NOT_HERE: &str = "does not apply: ";

/// A file of smoltcp's tests.
#[derive(Debug, Default, PartialEq, Eq)]
struct File<'a> {
    /// How many tests it has, as the table says.
    count: usize,
    /// They one by one, and what the table has for each; none if it has a row for the whole file.
    tests: Vec<(&'a str, &'a str)>,
    /// What the table has for the whole file.
    whole: Option<&'a str>,
}

type Files<'a> = BTreeMap<&'a str, File<'a>>;

pub fn carried_tests_are_all_there() -> Result<Vec<String>> {
    let table = std::fs::read_to_string(paths::root().join(TABLE)).context(TABLE)?;
    let files = files(&table);
    let mut broken = broken_cells(&files, &driven_tests());
    let lock = std::fs::read_to_string(paths::root().join("Cargo.lock")).context("Cargo.lock")?;
    if !lock.contains(&format!("name = \"{NAME}\"\nversion = \"{VERSION}\"")) {
        broken.push(format!(
            "{TABLE} is about {NAME} {VERSION}, Cargo.lock is not"
        ));
    }
    match source() {
        Some(source) => broken.extend(differences(&files, &tests_below(&source)?)),
        None => println!("  {NAME} {VERSION} is not in cargo's registry: names are not compared"),
    }
    Ok(broken)
}

/// The table: sections `## FILE (COUNT)` of rows for single tests, and rows of four cells, which begin
/// with a file and a count, for files as a whole.
fn files(table: &str) -> Files<'_> {
    let mut files = Files::new();
    let mut section = None;
    for line in table.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title
                .strip_suffix(')')
                .and_then(|title| title.split_once(" ("))
                .and_then(|(file, count)| Some((file, count.parse().ok()?)));
            if let Some((file, count)) = section {
                files.entry(file).or_default().count = count;
            }
            continue;
        }
        let cells: Vec<&str> = line
            .strip_prefix("| ")
            .and_then(|line| line.strip_suffix(" |"))
            .map_or_else(Vec::new, |line| line.split(" | ").collect());
        match (section, &cells[..]) {
            (_, ["test" | "file" | "---", ..]) => {}
            (Some((file, _)), [test, _, shown]) => {
                files.entry(file).or_default().tests.push((test, shown));
            }
            (None, [file, count, _, shown]) => {
                let entry = files.entry(file).or_default();
                entry.count = count.parse().unwrap_or(0);
                entry.whole = Some(shown);
            }
            _ => {}
        }
    }
    files
}

/// Cells that name no test and no reason, or a test that is not there; counts that are wrong.
fn broken_cells(files: &Files<'_>, driven: &HashSet<String>) -> Vec<String> {
    let mut broken = Vec::new();
    for (name, file) in files {
        if file.whole.is_none() && file.count != file.tests.len() {
            let rows = file.tests.len();
            broken.push(format!("{name}: {rows} rows for {} tests", file.count));
        }
        let whole = file.whole.map(|shown| ("all", shown));
        for (test, shown) in file.tests.iter().copied().chain(whole) {
            let mut named = tests_named_in(shown).peekable();
            if named.peek().is_none() && !shown.starts_with(NOT_HERE) {
                broken.push(format!("{name}, {test}: no test and no reason"));
            }
            for (file, ours) in named.filter(|(file, ours)| !exists(file, ours, driven)) {
                broken.push(format!("{name}, {test}: there is no test {file}::{ours}"));
            }
        }
    }
    broken
}

/// Where cargo has unpacked it, if it has.
fn source() -> Option<PathBuf> {
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = || Some(Path::new(&std::env::var_os("HOME")?).join(".cargo"));
    let registries = cargo.or_else(home)?.join("registry/src");
    std::fs::read_dir(registries)
        .ok()?
        .filter_map(Result::ok)
        .map(|registry| registry.path().join(format!("{NAME}-{VERSION}/src")))
        .find(|source| source.is_dir())
}

/// The tests of every source file below a directory that has some.
fn tests_below(root: &Path) -> Result<BTreeMap<String, Vec<String>>> {
    let mut found = BTreeMap::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory)? {
            let path = entry?.path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let tests = tests_in(&std::fs::read_to_string(&path)?);
                let name = path.strip_prefix(root)?.display().to_string();
                if !tests.is_empty() {
                    found.insert(name, tests);
                }
            }
        }
    }
    Ok(found)
}

/// The names of the functions that are marked as tests.
fn tests_in(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut marked = false;
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[rstest]") {
            marked = true;
        } else if let Some((before, behind)) = line.split_once("fn ")
            && (before.is_empty() || before.starts_with("pub"))
        {
            let name = behind.split('(').next().unwrap_or_default();
            names.extend(marked.then(|| name.to_owned()));
            marked = false;
        }
    }
    names
}

/// Where the table and the source do not agree.
fn differences(files: &Files<'_>, source: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let mut broken = Vec::new();
    for (name, tests) in source {
        let Some(file) = files.get(name.as_str()) else {
            broken.push(format!("{name}: its {} tests are missing", tests.len()));
            continue;
        };
        if file.whole.is_some() {
            if file.count != tests.len() {
                let count = file.count;
                broken.push(format!("{name}: {count} tests, but it has {}", tests.len()));
            }
            continue;
        }
        let mut left: Vec<&str> = file.tests.iter().map(|(test, _)| *test).collect();
        for test in tests {
            match left.iter().position(|row| row == test) {
                Some(place) => {
                    left.swap_remove(place);
                }
                None => broken.push(format!("{name}: {test} is missing")),
            }
        }
        broken.extend(left.iter().map(|row| format!("{name}: it has no {row}")));
    }
    let unknown = files.keys().filter(|name| !source.contains_key(**name));
    broken.extend(unknown.map(|name| format!("{name}: no such file with tests")));
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "# Title (3)\n\n## a.rs (2)\n\n| test | what | shown by |\n| --- | --- | --- |\n\
        | one | it | does not apply: no reason |\n| two | it | `x.rs::y`, `no/z.script::w`. Otherwise |\n\n\
        ## As a whole\n\n| file | tests | what | shown by |\n| --- | --- | --- | --- |\n\
        | b/c.rs | 7 | much | nothing |\n";

    #[test]
    fn sections_and_files_are_read() {
        let files = files(TABLE);
        assert_eq!(files.len(), 2);
        assert_eq!((files["a.rs"].count, files["a.rs"].tests.len()), (2, 2));
        assert_eq!(files["a.rs"].tests[0], ("one", "does not apply: no reason"));
        assert_eq!(
            (files["b/c.rs"].count, files["b/c.rs"].whole),
            (7, Some("nothing"))
        );
    }

    #[test]
    fn cells_without_a_test_or_a_reason_are_found() {
        let table = TABLE.replace("(2)", "(3)");
        let broken = broken_cells(&files(&table), &HashSet::new());
        assert_eq!(
            broken,
            [
                "a.rs: 2 rows for 3 tests",
                "a.rs, two: there is no test x.rs::y",
                "a.rs, two: there is no test no/z.script::w",
                "b/c.rs, all: no test and no reason",
            ]
        );
    }

    #[test]
    fn what_differs_from_the_source_is_found() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let source = BTreeMap::from([
            ("a.rs".to_owned(), names(&["one", "one", "three"])),
            ("b/c.rs".to_owned(), names(&["four"])),
            ("d.rs".to_owned(), names(&["five"])),
        ]);
        let broken = differences(&files(TABLE), &source);
        assert_eq!(
            broken,
            [
                "a.rs: one is missing",
                "a.rs: three is missing",
                "a.rs: it has no two",
                "b/c.rs: 7 tests, but it has 1",
                "d.rs: its 1 tests are missing",
            ]
        );
        let files = files("## gone.rs (0)\n");
        assert_eq!(
            differences(&files, &BTreeMap::new()),
            ["gone.rs: no such file with tests"]
        );
    }

    #[test]
    fn marked_functions_are_tests() {
        let source = "fn a() {}\n#[test]\nfn b() {}\n#[rstest]\n#[case::x(fn_of(1))]\npub fn c(x: u8) {}\nfn d() {}\n";
        assert_eq!(tests_in(source), ["b", "c"]);
    }
}
