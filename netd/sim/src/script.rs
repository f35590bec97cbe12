//! Packet scripts: one stack, scripted neighbours, and exact times.
//!
//! A script says what they send (`<`), what the stack must send (`>`) and when, which calls
//! its client makes and what it must be told. Whatever the stack sends and the script does not
//! expect is a failure, so silence needs no words. The language: `docs/packet-scripts.md`.
//!
//! *Owns* files and cases: reading, preludes, variants. *Never* knows what a statement means: that
//! is `statement` (reading), `run` (doing) and `stage` (the stack and everything around it).

mod call;
mod given;
mod icmp;
mod message;
mod names;
mod network;
mod packet;
mod peer;
mod run;
mod said;
mod segment;
mod stage;
mod statement;
mod words;

use std::fmt;

use statement::Line;

pub(crate) use call::setting;
pub(crate) use segment::{Numbers, Seen};

use crate::world::Meddler;

/// What is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The line of the file, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

/// One case of a script: a stack of its own, and what happens to it.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name; with its values, if it is one of several variants.
    pub name: String,
    lines: Vec<Line>,
}

impl Case {
    /// Plays the case.
    ///
    /// # Errors
    /// The first thing that is not as the case says, or that an oracle forbids.
    pub fn run(&self) -> Result<(), Failure> {
        run::run(&self.lines, None)
    }

    /// Plays the case while somebody meddles with what the stack sends.
    ///
    /// # Errors
    /// As [`Case::run`].
    pub fn run_with(&self, meddler: Meddler) -> Result<(), Failure> {
        run::run(&self.lines, Some(meddler))
    }
}

/// The cases of a script. Lines before the first `case` belong to each of them; a script without
/// any is one case with the name `whole`.
///
/// # Errors
/// The first line that is not a statement.
pub fn parse(text: &str) -> Result<Vec<Case>, Failure> {
    let lines: Vec<(usize, &str)> = (1..)
        .zip(text.lines())
        .map(|(number, line)| (number, line.split('#').next().unwrap_or_default().trim()))
        .filter(|(_, line)| !line.is_empty())
        .collect();
    let is_case = |(_, line): &&(usize, &str)| line.split_whitespace().next() == Some("case");
    let prelude: Vec<_> = lines.iter().take_while(|line| !is_case(line)).collect();
    let rest: Vec<_> = lines.iter().skip(prelude.len()).collect();
    let mut cases = Vec::new();
    if rest.is_empty() {
        cases.push(case("whole", &prelude, &[])?);
    }
    for block in rest.chunk_by(|_, next| !is_case(next)) {
        let Some(((number, heading), body)) = block.split_first().map(|(head, body)| (*head, body))
        else {
            continue;
        };
        let variants = Variants::parse(heading).map_err(|what| Failure {
            line: *number,
            what,
        })?;
        let all: Vec<_> = prelude.iter().chain(body).copied().collect();
        for values in &variants.values {
            let names: Vec<_> = variants.names.iter().copied().zip(values.clone()).collect();
            cases.push(case(&variants.name_with(values), &all, &names)?);
        }
    }
    Ok(cases)
}

fn case(name: &str, lines: &[&(usize, &str)], variables: &[(&str, &str)]) -> Result<Case, Failure> {
    let mut parsed = Vec::new();
    for (number, line) in lines {
        let mut text = (*line).to_owned();
        for (variable, value) in variables {
            text = text.replace(&format!("${variable}"), value);
        }
        let more = statement::parse(*number, &text).map_err(|what| Failure {
            line: *number,
            what,
        })?;
        parsed.extend(more);
    }
    Ok(Case {
        name: name.to_owned(),
        lines: parsed,
    })
}

/// `case NAME` or `case NAME for A,B in 1,2 3,4`: one case for each group of values.
struct Variants<'a> {
    name: &'a str,
    names: Vec<&'a str>,
    values: Vec<Vec<&'a str>>,
}

impl<'a> Variants<'a> {
    fn parse(heading: &'a str) -> Result<Self, String> {
        let mut words = heading.split_whitespace().skip(1);
        let name = words.next().ok_or("a case needs a name")?;
        let (names, values) = match words.next() {
            None => (Vec::new(), vec![Vec::new()]),
            Some("for") => {
                let names: Vec<_> = words.next().unwrap_or_default().split(',').collect();
                if words.next() != Some("in") {
                    return Err("case NAME for VARIABLE,.. in VALUE,.. ..".into());
                }
                (
                    names,
                    words.map(|group| group.split(',').collect()).collect(),
                )
            }
            Some(word) => return Err(format!("unexpected: {word}")),
        };
        let is_even = |group: &Vec<&str>| group.len() == names.len();
        if values.is_empty() || !values.iter().all(is_even) {
            return Err("each group needs one value for each variable".into());
        }
        Ok(Self {
            name,
            names,
            values,
        })
    }

    fn name_with(&self, values: &[&str]) -> String {
        if values.is_empty() {
            self.name.to_owned()
        } else {
            format!("{}[{}]", self.name, values.join(","))
        }
    }
}

#[cfg(test)]
mod tests;
