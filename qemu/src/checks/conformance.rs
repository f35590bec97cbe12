//! The page of conformance: what RFC 9293 asks for, and the tests that show it.
//!
//! *Owns* `docs/conformance.md`, which is made from the list of requirements and from comments
//! `RFC 9293: MUST-1, SHLD-2` in tests, or on the lines above them, and in packet scripts.
//! *Never* judges a test: whoever writes the comment says what it shows.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::{features, sources};
use crate::paths;

const LIST: &str = "docs/conformance/rfc9293.txt";
const PAGE: &str = "docs/conformance.md";
const SCRIPTS: &str = "netd/sim/scripts";
const MARK: &str = "RFC 9293: ";

/// One requirement, as the list has it.
struct Requirement<'a> {
    label: &'a str,
    level: &'a str,
    section: &'a str,
    words: &'a str,
    /// Why no test can show it.
    reason: Option<&'a str>,
}

/// The requirements under one heading of the list.
struct Group<'a> {
    heading: &'a str,
    requirements: Vec<Requirement<'a>>,
}

/// A comment that names a requirement.
struct Tag {
    label: String,
    /// The file, and the line for people.
    place: String,
    /// The test that it belongs to, as the page names it.
    test: Option<String>,
}

pub fn conformance_is_what_tests_say() -> Result<Vec<String>> {
    let list = read(Path::new(LIST))?;
    let groups = groups(&list)?;
    let tags = tags()?;
    let mut broken = misplaced(&groups, &tags);
    if read(Path::new(PAGE))? != page(&groups, &tags) {
        broken.push(format!(
            "{PAGE} is not what the tests say: cargo run -p qemu -- conformance"
        ));
    }
    Ok(broken)
}

/// Writes the page anew.
pub fn write() -> Result<()> {
    let list = read(Path::new(LIST))?;
    let page = page(&groups(&list)?, &tags()?);
    std::fs::write(paths::root().join(PAGE), page).context(PAGE)
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(paths::root().join(path)).with_context(|| path.display().to_string())
}

fn groups(list: &str) -> Result<Vec<Group<'_>>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut seen = HashSet::new();
    for line in list.lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(heading) = line.strip_prefix("== ") {
            groups.push(Group {
                heading,
                requirements: Vec::new(),
            });
            continue;
        }
        let fields: Vec<&str> = line.split(" | ").collect();
        let (label, level, section, words, reason) = match fields[..] {
            [label, level, section, words] => (label, level, section, words, None),
            [label, level, section, words, reason] => (label, level, section, words, Some(reason)),
            _ => bail!("{LIST}: {line}"),
        };
        if !seen.insert(label) {
            bail!("{LIST}: {label} stands there twice");
        }
        let group = groups.last_mut().context("a requirement needs a heading")?;
        group.requirements.push(Requirement {
            label,
            level,
            section,
            words,
            reason,
        });
    }
    Ok(groups)
}

/// All tags of the tree.
fn tags() -> Result<Vec<Tag>> {
    let driven = features::driven_tests();
    let mut tags = Vec::new();
    for path in sources::files()? {
        let name = path.to_string_lossy();
        tags.extend(source_tags(&name, &read(&path)?, &driven));
    }
    let mut scripts = Vec::new();
    collect(&paths::root().join(SCRIPTS), &mut scripts)?;
    for path in scripts {
        let path = path.strip_prefix(paths::root())?;
        let name = path.to_string_lossy();
        tags.extend(script_tags(&name, &read(path)?));
    }
    Ok(tags)
}

fn collect(directory: &Path, found: &mut Vec<std::path::PathBuf>) -> Result<()> {
    if !directory.exists() {
        return Ok(());
    }
    let entries = std::fs::read_dir(directory)?;
    let mut entries = entries.collect::<std::io::Result<Vec<_>>>()?;
    entries.sort_by_key(std::fs::DirEntry::path);
    for entry in entries {
        if entry.path().is_dir() {
            collect(&entry.path(), found)?;
        } else {
            found.push(entry.path());
        }
    }
    Ok(())
}

/// The tags of a Rust file. A tag belongs to the test function around it, or to the next function
/// if that is a test.
fn source_tags(path: &str, source: &str, driven: &HashSet<String>) -> Vec<Tag> {
    let mut tags: Vec<Tag> = Vec::new();
    let mut waiting = 0;
    let mut marked = false;
    let mut around: Option<(usize, String)> = None;
    for (number, line) in source.lines().enumerate() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        if let Some(labels) = code
            .strip_prefix("// ")
            .and_then(|it| it.strip_prefix(MARK))
        {
            let inside = around.as_ref().filter(|(start, _)| indent > *start);
            for label in labels.split(", ") {
                waiting += usize::from(inside.is_none());
                tags.push(Tag {
                    label: label.to_owned(),
                    place: format!("{path}:{}", number + 1),
                    test: inside.map(|(_, test)| test.clone()),
                });
            }
        } else if code.starts_with("#[test]") || code.starts_with("#[tokio::test") {
            marked = true;
        } else if let Some(name) = function(code)
            && around.as_ref().is_none_or(|(start, _)| indent <= *start)
        {
            let test = format!("{path}::{name}");
            let is_test = marked || driven.contains(&test);
            around = is_test.then(|| (indent, test.clone()));
            let first = tags.len() - waiting;
            for tag in tags.iter_mut().skip(first).filter(|_| is_test) {
                tag.test = Some(test.clone());
            }
            (waiting, marked) = (0, false);
        }
    }
    tags
}

/// The name of the function that a line begins.
fn function(code: &str) -> Option<&str> {
    let rest = ["pub ", "async "]
        .iter()
        .fold(code, |code, word| code.strip_prefix(word).unwrap_or(code));
    rest.strip_prefix("fn ")?.split(['(', '<']).next()
}

/// The tags of a packet script. One that stands before `case NAME` belongs to that case, others to
/// the case around them, or to the script if it has no cases.
fn script_tags(path: &str, text: &str) -> Vec<Tag> {
    let mut tags: Vec<Tag> = Vec::new();
    let mut test = path.to_owned();
    let mut settled = 0;
    for (number, line) in text.lines().enumerate() {
        let words = line.trim_start_matches(['#', '/', ';', ' ']);
        if let Some(labels) = words.strip_prefix(MARK).filter(|_| words != line) {
            tags.extend(labels.split(", ").map(|label| Tag {
                label: label.trim_end().to_owned(),
                place: format!("{path}:{}", number + 1),
                test: Some(test.clone()),
            }));
        } else if let Some(case) = line.strip_prefix("case ") {
            test = format!("{path}::{}", case.trim_end());
            for tag in tags.iter_mut().skip(settled) {
                tag.test = Some(test.clone());
            }
            settled = tags.len();
        } else if !line.is_empty() && words == line {
            settled = tags.len();
        }
    }
    tags
}

/// Tags that name no requirement or belong to no test, and requirements that say that no test can
/// show them although one does.
fn misplaced(groups: &[Group<'_>], tags: &[Tag]) -> Vec<String> {
    let known: BTreeMap<&str, Option<&str>> = groups
        .iter()
        .flat_map(|group| &group.requirements)
        .map(|requirement| (requirement.label, requirement.reason))
        .collect();
    let mut broken = Vec::new();
    for tag in tags {
        let Tag { label, place, test } = tag;
        match known.get(label.as_str()) {
            None => broken.push(format!("{place}: RFC 9293 has no {label}")),
            Some(Some(reason)) => {
                broken.push(format!(
                    "{place}: {label} has no test, says {LIST}: {reason}"
                ));
            }
            Some(None) if test.is_none() => {
                broken.push(format!("{place}: {label} belongs to no test"));
            }
            Some(None) => {}
        }
    }
    broken
}

fn page(groups: &[Group<'_>], tags: &[Tag]) -> String {
    let mut tests: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for tag in tags {
        if let Some(test) = &tag.test {
            tests.entry(&tag.label).or_default().push(test);
        }
    }
    let mut tables = String::new();
    let (mut shown, mut excused, mut open) = (0, 0, 0);
    for group in groups {
        writeln!(
            tables,
            "\n## {}\n\n| label | section | what is asked | shown by |\n| --- | --- | --- | --- |",
            group.heading
        )
        .ok();
        for requirement in &group.requirements {
            let by = match (tests.get_mut(requirement.label), requirement.reason) {
                (Some(tests), _) => {
                    shown += 1;
                    tests.dedup();
                    let tests: Vec<String> = tests.iter().map(|it| format!("`{it}`")).collect();
                    tests.join(", ")
                }
                (None, Some(reason)) => {
                    excused += 1;
                    format!("({reason})")
                }
                (None, None) => {
                    open += 1;
                    "**open**".to_owned()
                }
            };
            let Requirement {
                label,
                level,
                section,
                words,
                ..
            } = requirement;
            writeln!(tables, "| {label} | {section} | {level}: {words} | {by} |").ok();
        }
    }
    format!(
        "# Conformance to RFC 9293\n\n\
         Every requirement of RFC 9293 by its label (appendix B), in our own words, and the tests that\n\
         show that it holds. This page is made from [the list](conformance/rfc9293.txt) and from comments\n\
         in the tests by `cargo run -p qemu -- conformance`; `make check` fails when it is out of date.\n\n\
         {} requirements: {shown} shown by tests, {excused} that do not apply or are not used (the reason\n\
         stands in brackets), {open} open.\n{tables}",
        shown + excused + open
    )
}

#[cfg(test)]
mod tests {
    use super::{groups, misplaced, page, script_tags, source_tags};
    use std::collections::HashSet;

    const LIST: &str = "# why\n== One\nMUST-1 | MUST | 3.1 | words\nMUST-2 | MUST | 3.1 | more\nMAY-1 | MAY | 3 | rare | not used\n";

    fn found(source: &str) -> Vec<(String, Option<String>)> {
        source_tags("a.rs", source, &HashSet::new())
            .into_iter()
            .map(|tag| (tag.label, tag.test))
            .collect()
    }

    #[test]
    fn tags_belong_to_the_test_around_or_below() {
        let source = "// RFC 9293: MUST-1, MUST-2\n#[test]\nfn a() {\n    // RFC 9293: MAY-1\n    fn inner() {}\n    // RFC 9293: MAY-2\n}\n";
        let a = Some("a.rs::a".to_owned());
        let labels = ["MUST-1", "MUST-2", "MAY-1", "MAY-2"];
        assert_eq!(
            found(source),
            labels.map(|label| (label.to_owned(), a.clone()))
        );
    }

    #[test]
    fn what_is_no_test_shows_nothing() {
        let source = "#[test]\nfn a() {\n}\n// RFC 9293: MUST-1\nfn b() {\n    // RFC 9293: MUST-2\n}\n// RFC 9293 section 3.1\n";
        assert_eq!(
            found(source),
            [("MUST-1".to_owned(), None), ("MUST-2".to_owned(), None)]
        );
    }

    #[test]
    fn a_tag_in_a_script_belongs_to_the_case_around_or_below() {
        let script = "# RFC 9293: MUST-1\nopen\ncase a\n# RFC 9293: MUST-2\n> seq 1\n\n# RFC 9293: MAY-1\ncase b\nRFC 9293: MUST-3\n";
        let tests: Vec<_> = script_tags("c", script)
            .into_iter()
            .filter_map(|tag| tag.test)
            .collect();
        assert_eq!(tests, ["c", "c::a", "c::b"]);
    }

    #[test]
    fn wrong_tags_are_told() {
        let groups = groups(LIST).unwrap();
        let tags = script_tags("c", "# RFC 9293: MUST-1, MUST-3, MAY-1\n");
        assert_eq!(misplaced(&groups, &tags).len(), 2);
        let page = page(&groups, &tags[..1]);
        assert!(page.contains("3 requirements: 1 shown by tests, 1 that"));
        assert!(page.contains("| MUST-1 | 3.1 | MUST: words | `c` |\n"));
        assert!(page.contains("| MUST-2 | 3.1 | MUST: more | **open** |\n"));
        assert!(page.contains("| MAY-1 | 3 | MAY: rare | (not used) |\n"));
    }

    #[test]
    fn a_broken_list_is_refused() {
        assert!(groups("== One\nMUST-1 | MUST\n").is_err());
        assert!(groups("== One\nMUST-1 | MUST | 1 | a\nMUST-1 | MUST | 1 | a\n").is_err());
    }
}
