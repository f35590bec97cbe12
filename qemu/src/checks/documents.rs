//! The documents: those that the README names exist, and no link leads nowhere.

use std::path::Path;

use anyhow::{Context, Result};

use crate::paths;

pub fn documents_are_there_and_lead_somewhere() -> Result<Vec<String>> {
    let root = paths::root();
    let mut documents = vec![root.join("README.md"), root.join("CHANGELOG.md")];
    for entry in std::fs::read_dir(root.join("docs"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "md") {
            documents.push(path);
        }
    }
    let mut broken = Vec::new();
    for document in documents {
        let text =
            std::fs::read_to_string(&document).with_context(|| document.display().to_string())?;
        let directory = document.parent().unwrap_or(&root);
        for target in links(&text) {
            if !leads_somewhere(directory, target) {
                broken.push(format!("{}: {target} is not there", document.display()));
            }
        }
    }
    Ok(broken)
}

/// Targets of `[text](target)`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once(')')?.0))
}

fn leads_somewhere(directory: &Path, target: &str) -> bool {
    let file = target.split('#').next().unwrap_or_default();
    file.is_empty() || file.contains("://") || directory.join(file).exists()
}

#[cfg(test)]
mod tests {
    use super::links;

    #[test]
    fn targets_are_found() {
        let found: Vec<&str> = links("a [b](c.md) d [e](f.md#g), (h)").collect();
        assert_eq!(found, ["c.md", "f.md#g"]);
    }
}
