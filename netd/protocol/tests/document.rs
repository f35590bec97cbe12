//! The document's tables are made from the declarations. `UPDATE_DOCUMENT=1 cargo test -p protocol`
//! writes them anew.

use std::fmt::Write as _;
use std::{env, fs, path::PathBuf};

use protocol::{Answers, CATALOGUE, Code, Description, REPLY, Who};

/// Everything below this line of the document is made.
const MARK: &str =
    "<!-- Below: made from the declarations by netd/protocol/tests/document.rs -->\n";

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol.md")
}

fn fields(out: &mut String, title: &str, fields: &[(&str, &str, &str)]) {
    if fields.is_empty() {
        writeln!(out, "{title}: no fields.\n").unwrap();
        return;
    }
    writeln!(out, "| {title} | where | what |\n| --- | --- | --- |").unwrap();
    for (name, place, meaning) in fields {
        writeln!(out, "| {name} | {place} | {} |", meaning.trim()).unwrap();
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
