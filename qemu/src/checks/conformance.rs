//! The pages of conformance: what RFCs ask for, and the tests that show it.
//!
//! *Owns* `docs/conformance.md` and the pages below it, which are made from the lists of requirements
//! ([`list`]) and from comments `RFC 9293: MUST-1, SHLD-2` in tests, or on the lines above them, and
//! in packet scripts ([`tags`]). *Never* judges a test: whoever writes the comment says what it shows.

mod list;
mod tags;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result};

use crate::paths;
use list::{List, Requirement};
use tags::Tag;

const OVERVIEW: &str = "docs/conformance.md";

pub fn conformance_is_what_tests_say() -> Result<Vec<String>> {
    let (lists, tags) = (list::all()?, tags::all()?);
    let mut broken = Vec::new();
    for list in &lists {
        broken.extend(misplaced(list, &tags));
        broken.extend(open(list, &tags));
    }
    for (page, text) in pages(&lists, &tags) {
        let found = std::fs::read_to_string(paths::root().join(&page)).unwrap_or_default();
        if found != text {
            broken.push(format!(
                "{page} is not what the tests say: cargo run -p qemu -- conformance"
            ));
        }
    }
    Ok(broken)
}

/// Writes the pages anew.
pub fn write() -> Result<()> {
    for (page, text) in pages(&list::all()?, &tags::all()?) {
        std::fs::write(paths::root().join(&page), text).context(page)?;
    }
    Ok(())
}

/// Tags that name no requirement or belong to no test, and requirements that say that no test can
/// show them although one does. Comments about an RFC that has no list say what they like.
fn misplaced(list: &List, tags: &[Tag]) -> Vec<String> {
    let known: BTreeMap<&str, &Requirement> = list
        .requirements()
        .map(|requirement| (requirement.label.as_str(), requirement))
        .collect();
    let mut broken = Vec::new();
    for tag in tags.iter().filter(|tag| tag.rfc == list.rfc) {
        let Tag {
            label, place, test, ..
        } = tag;
        match known.get(label.as_str()) {
            None => broken.push(format!("{place}: RFC {} has no {label}", list.rfc)),
            Some(Requirement {
                reason: Some(reason),
                ..
            }) => broken.push(format!(
                "{place}: {label} has no test, says {}: {reason}",
                list.file()
            )),
            Some(_) if test.is_none() => {
                broken.push(format!("{place}: {label} belongs to no test"));
            }
            Some(_) => {}
        }
    }
    broken
}

/// What must be so, and is neither shown by a test nor said to be impossible to show.
fn open(list: &List, tags: &[Tag]) -> Vec<String> {
    let is_shown = |label: &str| {
        let mut tags = tags.iter().filter(|tag| tag.rfc == list.rfc);
        tags.any(|tag| tag.label == label && tag.test.is_some())
    };
    list.requirements()
        .filter(|it| it.level.starts_with("MUST") && it.reason.is_none())
        .filter(|it| !is_shown(&it.label))
        .map(|it| format!("{}: no test shows {}", list.file(), it.label))
        .collect()
}

/// All pages by their files.
fn pages(lists: &[List], tags: &[Tag]) -> Vec<(String, String)> {
    let mut overview = String::new();
    let mut pages = Vec::new();
    for list in lists {
        let (text, counts) = page(list, tags);
        writeln!(
            overview,
            "| [RFC {}](conformance/rfc{}.md) | {} | {} | {} | {} | {} |",
            list.rfc,
            list.rfc,
            list.title,
            counts.all(),
            counts.shown,
            counts.excused,
            counts.open
        )
        .ok();
        pages.push((list.page(), text));
    }
    let overview = format!(
        "# Conformance\n\n\
         What RFCs ask of a host, in our own words, and the tests that show that it holds. These pages are\n\
         made from the lists in [conformance](conformance/) and from comments in the tests by\n\
         `cargo run -p qemu -- conformance`; `make check` fails when they are out of date, and when a MUST is\n\
         neither shown by a test nor said to be beyond them.\n\n\
         | | | requirements | shown by tests | do not apply, or cannot be seen | open |\n\
         | --- | --- | --- | --- | --- | --- |\n{overview}"
    );
    pages.push((OVERVIEW.to_owned(), overview));
    pages
}

/// How many requirements there are of each kind.
#[derive(Default)]
struct Counts {
    shown: usize,
    excused: usize,
    open: usize,
}

impl Counts {
    fn all(&self) -> usize {
        self.shown + self.excused + self.open
    }
}

fn page(list: &List, tags: &[Tag]) -> (String, Counts) {
    let mut tests: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for tag in tags.iter().filter(|tag| tag.rfc == list.rfc) {
        if let Some(test) = &tag.test {
            tests.entry(&tag.label).or_default().push(test);
        }
    }
    let mut tables = String::new();
    let mut counts = Counts::default();
    for group in &list.groups {
        writeln!(
            tables,
            "\n## {}\n\n| label | section | what is asked | shown by |\n| --- | --- | --- | --- |",
            group.heading
        )
        .ok();
        for requirement in &group.requirements {
            let by = match (
                tests.get_mut(requirement.label.as_str()),
                &requirement.reason,
            ) {
                (Some(tests), _) => {
                    counts.shown += 1;
                    tests.dedup();
                    let tests: Vec<String> = tests.iter().map(|it| format!("`{it}`")).collect();
                    tests.join(", ")
                }
                (None, Some(reason)) => {
                    counts.excused += 1;
                    format!("({reason})")
                }
                (None, None) => {
                    counts.open += 1;
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
    let text = format!(
        "# Conformance to RFC {}: {}\n\n\
         Made from [the list](rfc{}.txt) and from comments in the tests, see\n\
         [the overview](../conformance.md).\n\n\
         {} requirements: {} shown by tests, {} that do not apply or that no test can show (the reason\n\
         stands in brackets), {} open.\n{tables}",
        list.rfc,
        list.title,
        list.rfc,
        counts.all(),
        counts.shown,
        counts.excused,
        counts.open
    );
    (text, counts)
}

#[cfg(test)]
mod tests {
    use super::list::parse;
    use super::tags::{script_tags, source_tags};
    use super::{misplaced, open, page};
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
        let list = parse("9293", LIST).unwrap();
        let tags = script_tags("c", "# RFC 9293: MUST-1, MUST-3, MAY-1\n");
        assert_eq!(misplaced(&list, &tags).len(), 2);
        assert_eq!(open(&list, &tags).len(), 1);
        let (page, _) = page(&list, &tags[..1]);
        assert!(page.contains("3 requirements: 1 shown by tests, 1 that"));
        assert!(page.contains("| MUST-1 | 3.1 | MUST: words | `c` |\n"));
        assert!(page.contains("| MUST-2 | 3.1 | MUST: more | **open** |\n"));
        assert!(page.contains("| MAY-1 | 3 | MAY: rare | (not used) |\n"));
    }

    #[test]
    fn a_broken_list_is_refused() {
        assert!(parse("1", "== One\nMUST-1 | MUST\n").is_err());
        assert!(parse("1", "== One\nMUST-1 | must | 1 | a\n").is_err());
        assert!(
            parse(
                "1",
                "== One\nMUST-1 | MUST | 1 | a\nMUST-1 | MUST | 1 | a\n"
            )
            .is_err()
        );
    }
}
