//! The words of a statement, one after the other.

use std::str::FromStr;
use std::time::Duration;

/// The rest of a statement.
#[derive(Clone, Debug)]
pub(super) struct Words<'a>(std::iter::Peekable<std::str::SplitWhitespace<'a>>);

impl<'a> Words<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self(text.split_whitespace().peekable())
    }

    /// The next word, if there is one.
    pub(super) fn next(&mut self) -> Option<&'a str> {
        self.0.next()
    }

    pub(super) fn peek(&mut self) -> Option<&'a str> {
        self.0.peek().copied()
    }

    /// The next word, which must be there.
    pub(super) fn word(&mut self, what: &str) -> Result<&'a str, String> {
        self.next().ok_or_else(|| format!("{what} is missing"))
    }

    /// Takes the next word if it is this one.
    pub(super) fn take(&mut self, word: &str) -> bool {
        self.0.next_if_eq(&word).is_some()
    }

    /// The next word as a number.
    pub(super) fn number<T: FromStr>(&mut self, what: &str) -> Result<T, String> {
        let word = self.word(what)?;
        number(word)
    }

    /// All that is left, as one text.
    pub(super) fn rest(&mut self) -> String {
        self.0.by_ref().collect::<Vec<_>>().join(" ")
    }

    /// Nothing may be left.
    pub(super) fn end(mut self) -> Result<(), String> {
        match self.next() {
            None => Ok(()),
            Some(word) => Err(format!("unexpected: {word}")),
        }
    }
}

/// A number; `_` may stand between digits.
pub(super) fn number<T: FromStr>(word: &str) -> Result<T, String> {
    word.replace('_', "")
        .parse()
        .map_err(|_| format!("{word} is not a number that fits here"))
}

/// `250us`, `40ms`, `1.5s`, `2m`, `3h`, and `17ns` in what is printed of a simulation.
pub(super) fn duration(word: &str) -> Result<Duration, String> {
    let digits = word.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match &word[digits.len()..] {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return Err(format!("{word} is not a time: 40ms, 1.5s, 2m")),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let mut nanoseconds = number::<u64>(whole)?.saturating_mul(unit);
    let mut place = unit;
    for digit in part.chars() {
        place /= 10;
        let digit = digit
            .to_digit(10)
            .ok_or_else(|| format!("{word} is not a time"))?;
        nanoseconds += u64::from(digit) * place;
    }
    Ok(Duration::from_nanos(nanoseconds))
}
