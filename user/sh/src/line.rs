//! What a line means: commands, one after the other, each with its words.
//!
//! Words are separated by spaces. Quotes keep spaces and everything else together; within double
//! quotes and outside of quotes a backslash takes the next character as it is. `;` ends a command,
//! `&` ends one that runs in the background, `#` at the start of a word begins a comment, and `$?`
//! is the exit code of the last command.

use alloc::{string::String, vec::Vec};
use core::fmt::Write as _;

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Program and arguments; at least one word.
    words: Vec<Word>,
    /// The shell does not wait for it.
    pub is_background: bool,
}

/// A word: texts, with the last exit code between each two of them.
type Word = Vec<String>;

impl Command {
    /// The words, with the exit code of the last command put in.
    pub fn words(&self, status: i32) -> Vec<String> {
        let expand = |word: &Word| {
            let mut text = String::new();
            for (index, part) in word.iter().enumerate() {
                if index > 0 {
                    // Writing to a string cannot fail.
                    _ = write!(text, "{status}");
                }
                text.push_str(part);
            }
            text
        };
        self.words.iter().map(expand).collect()
    }
}

/// Why a line means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyntaxError {
    /// A quote is not closed.
    OpenQuote,
    /// A backslash at the end.
    OpenEscape,
    /// `;` or `&` without a command before it.
    EmptyCommand,
}

impl core::fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::OpenQuote => "a quote is not closed",
            Self::OpenEscape => "nothing follows the backslash",
            Self::EmptyCommand => "there is no command before ; or &",
        })
    }
}

/// The commands of a line.
///
/// # Errors
///
/// If it means nothing.
pub fn parse(line: &str) -> Result<Vec<Command>, SyntaxError> {
    let mut commands = Vec::new();
    let mut words = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next() {
        match first {
            '#' => break,
            ';' | '&' => {
                if words.is_empty() {
                    return Err(SyntaxError::EmptyCommand);
                }
                let words = core::mem::take(&mut words);
                commands.push(Command {
                    words,
                    is_background: first == '&',
                });
                rest = &rest[1..];
            }
            _ => {
                let (word, after) = parse_word(rest)?;
                words.push(word);
                rest = after;
            }
        }
        rest = rest.trim_start();
    }
    if !words.is_empty() {
        commands.push(Command {
            words,
            is_background: false,
        });
    }
    Ok(commands)
}

/// The word at the start of `text`, and what follows it.
fn parse_word(text: &str) -> Result<(Word, &str), SyntaxError> {
    let mut word = Vec::new();
    let mut part = String::new();
    let mut quote = None;
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (Some('\''), _) => part.push(character),
            (_, '\\') => match characters.next() {
                Some((_, escaped)) => part.push(escaped),
                None => return Err(SyntaxError::OpenEscape),
            },
            (_, '$') if characters.as_str().starts_with('?') => {
                characters.next();
                word.push(core::mem::take(&mut part));
            }
            (Some(_), _) => part.push(character),
            (None, '\'' | '"') => quote = Some(character),
            (None, ';' | '&') => return Ok((finish(word, part), &text[at..])),
            (None, _) if character.is_whitespace() => return Ok((finish(word, part), &text[at..])),
            (None, _) => part.push(character),
        }
    }
    if quote.is_some() {
        Err(SyntaxError::OpenQuote)
    } else {
        Ok((finish(word, part), ""))
    }
}

fn finish(mut word: Word, last: String) -> Word {
    word.push(last);
    word
}

#[cfg(test)]
mod tests {
    use super::{SyntaxError, parse};

    fn commands(line: &str) -> Vec<(Vec<String>, bool)> {
        let parsed = parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        parsed
            .iter()
            .map(|command| (command.words(7), command.is_background))
            .collect()
    }

    fn words(line: &str) -> Vec<String> {
        let mut all = commands(line);
        assert_eq!(all.len(), 1, "{line}");
        all.remove(0).0
    }

    #[test]
    fn words_are_separated_and_quoted() {
        for (line, expected) in [
            ("ping -c 3  10.0.2.2 ", &["ping", "-c", "3", "10.0.2.2"][..]),
            ("echo 'a  b' \"c d\"e", &["echo", "a  b", "c de"]),
            ("echo '' \"\"", &["echo", "", ""]),
            (
                "echo 'a\\b' \"a\\\"b\" a\\ b\\;",
                &["echo", "a\\b", "a\"b", "a b;"],
            ),
            (
                "http http://a/?x=1#y # comment ; ps",
                &["http", "http://a/?x=1#y"],
            ),
            ("echo ';' \"&\"", &["echo", ";", "&"]),
            (
                "echo $? a$?b '$?' \"$?\" $x \\$?",
                &["echo", "7", "a7b", "$?", "7", "$x", "$?"],
            ),
        ] {
            assert_eq!(words(line), expected, "{line}");
        }
    }

    #[test]
    fn commands_follow_each_other() {
        let two = commands("ping a;ps &dns b;");
        assert_eq!(
            two,
            [
                (vec!["ping".into(), "a".into()], false),
                (vec!["ps".into()], true),
                (vec!["dns".into(), "b".into()], false),
            ]
        );
        assert!(commands("").is_empty() && commands("  # nothing").is_empty());
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for (line, error) in [
            ("echo 'a", SyntaxError::OpenQuote),
            ("echo \"a'", SyntaxError::OpenQuote),
            ("echo a\\", SyntaxError::OpenEscape),
            (";", SyntaxError::EmptyCommand),
            ("a;;b", SyntaxError::EmptyCommand),
            ("& a", SyntaxError::EmptyCommand),
        ] {
            assert_eq!(parse(line), Err(error), "{line}");
        }
    }
}
