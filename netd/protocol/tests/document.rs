//! The document's tables are made from the declarations. `UPDATE_DOCUMENT=1 cargo test -p protocol`
//! writes them anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::{env, fs, path::PathBuf};

use protocol::{
    Answers, CATALOGUE, Code, Description, FieldDescription, FixedDescription, Member, REPLY, Who,
};

/// Everything below this line of the document is made.
const MARK: &str =
    "<!-- Below: made from the declarations by netd/protocol/tests/document.rs -->\n";

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol.md")
}

fn fields(out: &mut String, title: &str, fields: &[FieldDescription]) {
    if fields.is_empty() {
        writeln!(out, "{title}: no fields.\n").unwrap();
        return;
    }
    writeln!(out, "| {title} | where | what |\n| --- | --- | --- |").unwrap();
    for field in fields {
        let link = field
            .fixed
            .map(|fixed| format!(": [{0}](#{1})", fixed.name, fixed.name.to_lowercase()));
        let (name, place, link) = (field.name, field.place, link.unwrap_or_default());
        writeln!(out, "| {name} | {place}{link} | {} |", field.meaning.trim()).unwrap();
    }
    out.push('\n');
}

fn operation(out: &mut String, operation: &Description) {
    let number = operation.number;
    writeln!(
        out,
        "### {number} {}\n\n{}\n",
        operation.name, operation.purpose
    )
    .unwrap();
    let who = match operation.who {
        Who::Anyone => "Every client",
        Who::Raw => "Sessions with the right to raw sockets",
        Who::Administrators => "Sessions with the right to administer",
    };
    let answers = match operation.answers {
        Answers::Promptly => "one, at once",
        Answers::Later => "one, when it is done",
        Answers::Stream => "a stream; the last lacks `MORE`",
    };
    let repeat = if operation.idempotent {
        "may be repeated"
    } else {
        "not idempotent"
    };
    let reply = number | REPLY;
    let restart = operation.restart;
    writeln!(
        out,
        "{who}; {repeat}. Completions ({reply}): {answers}. netd dies: {restart}\n"
    )
    .unwrap();
    fields(out, "request", operation.request);
    fields(out, "reply", operation.reply);
    let errors: Vec<_> = operation.errors.iter().map(|code| code.name()).collect();
    let errors = if errors.is_empty() {
        "none of its own".into()
    } else {
        errors.join(", ")
    };
    writeln!(out, "Errors: {errors}.\n").unwrap();
}

/// All fixed layouts that some operation uses, by name.
fn layouts() -> BTreeMap<&'static str, FixedDescription> {
    let both = |operation: &Description| operation.request.iter().chain(operation.reply).copied();
    let fields = CATALOGUE.iter().flat_map(both);
    fields
        .filter_map(|field| field.fixed)
        .map(|fixed| (fixed.name, fixed))
        .collect()
}

fn made() -> String {
    let mut out =
        String::from("\n## Status codes\n\n| code | name | meaning |\n| --- | --- | --- |\n");
    for code in Code::ALL {
        writeln!(
            out,
            "| {} | {} | {} |",
            *code as u32,
            code.name(),
            code.text()
        )
        .unwrap();
    }
    out.push_str("\n## Operations\n\n");
    let mut catalogue: Vec<_> = CATALOGUE.iter().collect();
    catalogue.sort_by_key(|operation| operation.number);
    for description in catalogue {
        operation(&mut out, description);
    }
    out.push_str("## Inline layouts\n\nAddresses are laid out like the one in the header.\n\n");
    for (name, layout) in layouts() {
        writeln!(
            out,
            "### {name}\n\n| bytes | member | what |\n| --- | --- | --- |"
        )
        .unwrap();
        for Member {
            name,
            offset,
            bytes,
            meaning,
        } in layout.members
        {
            let last = offset + bytes - 1;
            let meaning = meaning
                .trim()
                .replace("[`crate::", "`")
                .replace("[`", "`")
                .replace("`]", "`");
            writeln!(out, "| {offset} to {last} | {name} | {meaning} |").unwrap();
        }
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

#[test]
fn the_document_says_what_the_code_does() {
    let document = fs::read_to_string(path()).expect("docs/protocol.md");
    let (prose, tables) = document.split_once(MARK).expect("the mark");
    if env::var_os("UPDATE_DOCUMENT").is_some() {
        fs::write(path(), format!("{prose}{MARK}{}", made())).expect("written");
        return;
    }
    assert!(
        tables == made(),
        "docs/protocol.md is out of date: UPDATE_DOCUMENT=1 renews it"
    );
}
