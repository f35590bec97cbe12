//! The lists of requirements, `docs/conformance/rfcNUMBER.txt`.
//!
//! *Owns* their form. *Never* knows a test.

use std::collections::HashSet;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::paths;

/// Where the lists stand, and the pages made of them.
pub(super) const PLACE: &str = "docs/conformance";

/// What one RFC asks for.
pub(super) struct List {
    /// Its number.
    pub(super) rfc: String,
    pub(super) title: String,
    pub(super) groups: Vec<Group>,
}

/// The requirements under one heading of the list.
pub(super) struct Group {
    pub(super) heading: String,
    pub(super) requirements: Vec<Requirement>,
}

/// One requirement, as the list has it.
pub(super) struct Requirement {
    pub(super) label: String,
    pub(super) level: String,
    pub(super) section: String,
    pub(super) words: String,
    /// Why no test can show it.
    pub(super) reason: Option<String>,
}

impl List {
    pub(super) fn requirements(&self) -> impl Iterator<Item = &Requirement> {
        self.groups.iter().flat_map(|group| &group.requirements)
    }

    /// The file of the list.
    pub(super) fn file(&self) -> String {
        format!("{PLACE}/rfc{}.txt", self.rfc)
    }

    /// The file of the page that is made of it.
    pub(super) fn page(&self) -> String {
        format!("{PLACE}/rfc{}.md", self.rfc)
    }
}

/// All lists, by number.
pub(super) fn all() -> Result<Vec<List>> {
    let mut lists = Vec::new();
    for entry in std::fs::read_dir(paths::root().join(PLACE))? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let rfc = name.strip_prefix("rfc").map(str::to_owned);
        if let Some(rfc) = rfc.filter(|_| path.extension().is_some_and(|it| it == "txt")) {
            lists.push(read(&rfc, &path)?);
        }
    }
    lists.sort_by_key(|list| list.rfc.parse::<u32>().unwrap_or(u32::MAX));
    Ok(lists)
}

fn read(rfc: &str, path: &Path) -> Result<List> {
    let shown = path.display().to_string();
    let text = std::fs::read_to_string(path).context(shown.clone())?;
    parse(rfc, &text).context(shown)
}

pub(super) fn parse(rfc: &str, text: &str) -> Result<List> {
    let mut title = String::new();
    let mut groups: Vec<Group> = Vec::new();
    let mut seen = HashSet::new();
    for line in text.lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(words) = line.strip_prefix("= ") {
            words.clone_into(&mut title);
            continue;
        }
        if let Some(heading) = line.strip_prefix("== ") {
            groups.push(Group {
                heading: heading.to_owned(),
                requirements: Vec::new(),
            });
            continue;
        }
        let requirement = requirement(line)?;
        if !seen.insert(requirement.label.clone()) {
            bail!("{} stands there twice", requirement.label);
        }
        let group = groups.last_mut().context("a requirement needs a heading")?;
        group.requirements.push(requirement);
    }
    Ok(List {
        rfc: rfc.to_owned(),
        title,
        groups,
    })
}

fn requirement(line: &str) -> Result<Requirement> {
    let fields: Vec<&str> = line.split(" | ").collect();
    let (label, level, section, words, reason) = match fields[..] {
        [label, level, section, words] => (label, level, section, words, None),
        [label, level, section, words, reason] => (label, level, section, words, Some(reason)),
        _ => bail!("{line}"),
    };
    if !matches!(level, "MUST" | "MUST NOT" | "SHOULD" | "SHOULD NOT" | "MAY") {
        bail!("{label}: there is no level {level}");
    }
    Ok(Requirement {
        label: label.to_owned(),
        level: level.to_owned(),
        section: section.to_owned(),
        words: words.to_owned(),
        reason: reason.map(str::to_owned),
    })
}
