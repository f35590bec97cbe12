//! The comments that name requirements, in tests and packet scripts.
//!
//! *Owns* which test a comment belongs to. *Never* knows which requirements there are.

use std::collections::HashSet;
use std::path::Path;

use anyhow::{Context, Result};

use super::super::{features, sources};
use crate::paths;

const SCRIPTS: &str = "netd/sim/scripts";

/// A comment that names a requirement.
pub(super) struct Tag {
    /// The number of the RFC.
    pub(super) rfc: String,
    pub(super) label: String,
    /// The file, and the line for people.
    pub(super) place: String,
    /// The test that it belongs to, as the page names it.
    pub(super) test: Option<String>,
}

/// All tags of the tree.
pub(super) fn all() -> Result<Vec<Tag>> {
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
pub(super) fn source_tags(path: &str, source: &str, driven: &HashSet<String>) -> Vec<Tag> {
    let mut tags: Vec<Tag> = Vec::new();
    let mut waiting = 0;
    let mut marked = false;
    let mut around: Option<(usize, String)> = None;
    for (number, line) in source.lines().enumerate() {
        let code = line.trim_start();
        let indent = line.len() - code.len();
        if let Some((rfc, labels)) = code.strip_prefix("// ").and_then(mark) {
            let inside = around.as_ref().filter(|(start, _)| indent > *start);
            for label in labels.split(", ") {
                waiting += usize::from(inside.is_none());
                tags.push(Tag {
                    rfc: rfc.to_owned(),
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

/// The RFC and the labels of `RFC 9293: MUST-1, MUST-2`.
fn mark(comment: &str) -> Option<(&str, &str)> {
    let (rfc, labels) = comment.strip_prefix("RFC ")?.split_once(": ")?;
    let is_number = !rfc.is_empty() && rfc.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some((rfc, labels))
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
pub(super) fn script_tags(path: &str, text: &str) -> Vec<Tag> {
    let mut tags: Vec<Tag> = Vec::new();
    let mut test = path.to_owned();
    let mut settled = 0;
    for (number, line) in text.lines().enumerate() {
        let words = line.trim_start_matches(['#', '/', ';', ' ']);
        if let Some((rfc, labels)) = mark(words).filter(|_| words != line) {
            tags.extend(labels.split(", ").map(|label| Tag {
                rfc: rfc.to_owned(),
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

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(paths::root().join(path)).with_context(|| path.display().to_string())
}
