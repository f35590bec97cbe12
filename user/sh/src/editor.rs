//! Edits one line on a terminal that only shows what it is sent.
//!
//! *Owns* the line, the cursor and the half of an escape sequence that has arrived. What has to
//! change on the screen is appended to a text, so that everything is tested without a terminal.
//! *Never* moves across the end of a screen line: a line longer than the screen is edited
//! correctly but may look odd.

use alloc::{string::String, vec::Vec};

use crate::history::History;

/// Characters of a line; more are not taken.
const MAX_CHARACTERS: usize = 1000;

/// What came of a byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The line goes on.
    Editing,
    /// Enter: this is the line.
    Done(String),
    /// Ctrl-D on an empty line.
    EndOfInput,
    /// Ctrl-L: the screen is to be cleared and prompt and line shown again.
    Clear,
}

/// Where an escape sequence is (ECMA-48 section 5.4).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    /// There is none.
    None,
    /// ESC has come.
    Started,
    /// ESC O: one byte names a key.
    Key,
    /// ESC \[: a number may come, then the byte that ends it.
    Sequence(u8),
}

/// A line being edited.
pub struct Editor {
    line: Vec<char>,
    cursor: usize,
    escape: Escape,
    /// Bytes of a character that is not complete yet.
    partial: Vec<u8>,
    was_return: bool,
    /// How far back in the history; zero: the new line.
    back: usize,
    /// The new line, while an older one is shown.
    draft: Vec<char>,
}

impl Editor {
    /// An empty line.
    pub const fn new() -> Self {
        Self {
            line: Vec::new(),
            cursor: 0,
            escape: Escape::None,
            partial: Vec::new(),
            was_return: false,
            back: 0,
            draft: Vec::new(),
        }
    }

    /// Empties the line: Ctrl-C.
    pub fn reset(&mut self) {
        *self = Self {
            was_return: self.was_return,
            ..Self::new()
        };
    }

    /// The line so far.
    pub fn text(&self) -> String {
        self.line.iter().collect()
    }

    /// Takes a byte from the keyboard.
    pub fn feed(&mut self, byte: u8, history: &History, screen: &mut String) -> Outcome {
        let was_return = core::mem::replace(&mut self.was_return, byte == b'\r');
        match (self.escape, byte) {
            (Escape::None, b'\n') if was_return => {}
            (Escape::None, _) => return self.plain(byte, history, screen),
            (Escape::Started, b'[') => self.escape = Escape::Sequence(0),
            (Escape::Started, b'O') => self.escape = Escape::Key,
            (Escape::Sequence(number), digit @ b'0'..=b'9') => {
                self.escape = Escape::Sequence(number.wrapping_mul(10).wrapping_add(digit - b'0'));
            }
            (Escape::Sequence(_), b' '..=b'?') => {}
            (Escape::Sequence(number), b'~') => self.numbered_key(number, screen),
            (Escape::Sequence(_) | Escape::Key, _) => self.named_key(byte, history, screen),
            (Escape::Started, _) => self.escape = Escape::None,
        }
        Outcome::Editing
    }

    fn plain(&mut self, byte: u8, history: &History, screen: &mut String) -> Outcome {
        match byte {
            b'\r' | b'\n' => {
                screen.push('\n');
                let text = self.text();
                self.reset();
                return Outcome::Done(text);
            }
            0x04 if self.line.is_empty() => return Outcome::EndOfInput,
            0x0c => return Outcome::Clear,
            0x01 => self.move_to(0, screen),
            0x05 => self.move_to(self.line.len(), screen),
            0x02 => self.move_to(self.cursor.saturating_sub(1), screen),
            0x06 => self.move_to(self.cursor + 1, screen),
            0x04 => self.delete(self.cursor, self.cursor + 1, screen),
            0x08 | 0x7f => self.delete(self.cursor.saturating_sub(1), self.cursor, screen),
            0x0b => self.delete(self.cursor, self.line.len(), screen),
            0x15 => self.delete(0, self.cursor, screen),
            0x17 => self.delete(self.start_of_word(), self.cursor, screen),
            0x10 => self.recall(self.back + 1, history, screen),
            0x0e => self.recall(self.back.saturating_sub(1), history, screen),
            0x1b => self.escape = Escape::Started,
            0x00..=0x1f => {}
            _ => self.character_byte(byte, screen),
        }
        Outcome::Editing
    }

    /// Keys that end with a tilde.
    fn numbered_key(&mut self, number: u8, screen: &mut String) {
        self.escape = Escape::None;
        match number {
            1 | 7 => self.move_to(0, screen),
            4 | 8 => self.move_to(self.line.len(), screen),
            3 => self.delete(self.cursor, self.cursor + 1, screen),
            _ => {}
        }
    }

    /// Keys that end with a letter.
    fn named_key(&mut self, byte: u8, history: &History, screen: &mut String) {
        self.escape = Escape::None;
        match byte {
            b'A' => self.recall(self.back + 1, history, screen),
            b'B' => self.recall(self.back.saturating_sub(1), history, screen),
            b'C' => self.move_to(self.cursor + 1, screen),
            b'D' => self.move_to(self.cursor.saturating_sub(1), screen),
            b'H' => self.move_to(0, screen),
            b'F' => self.move_to(self.line.len(), screen),
            _ => {}
        }
    }

    /// A byte of a character in UTF-8.
    fn character_byte(&mut self, byte: u8, screen: &mut String) {
        self.partial.push(byte);
        match core::str::from_utf8(&self.partial) {
            Ok(text) => {
                let character = text.chars().next();
                self.partial.clear();
                if let Some(character) = character {
                    self.insert(character, screen);
                }
            }
            // Not complete yet: nothing is wrong so far.
            Err(error) if error.error_len().is_none() => {}
            Err(_) => self.partial.clear(),
        }
    }

    fn insert(&mut self, character: char, screen: &mut String) {
        if self.line.len() >= MAX_CHARACTERS {
            return;
        }
        self.line.insert(self.cursor, character);
        self.cursor += 1;
        screen.push(character);
        if self.cursor < self.line.len() {
            self.show_tail(screen);
        }
    }

    fn delete(&mut self, from: usize, to: usize, screen: &mut String) {
        let to = to.min(self.line.len());
        if from >= to {
            return;
        }
        self.move_to(from, screen);
        self.line.drain(from..to);
        self.show_tail(screen);
    }

    /// Shows what follows the cursor, clears what is left of longer lines, and comes back.
    fn show_tail(&self, screen: &mut String) {
        let tail = &self.line[self.cursor..];
        screen.extend(tail);
        screen.push_str("\x1b[K");
        screen.extend(core::iter::repeat_n('\x08', tail.len()));
    }

    fn move_to(&mut self, to: usize, screen: &mut String) {
        let to = to.min(self.line.len());
        if to < self.cursor {
            screen.extend(core::iter::repeat_n('\x08', self.cursor - to));
        } else {
            screen.extend(&self.line[self.cursor..to]);
        }
        self.cursor = to;
    }

    fn start_of_word(&self) -> usize {
        let before = &self.line[..self.cursor];
        let end = before
            .iter()
            .rposition(|c| *c != ' ')
            .map_or(0, |last| last + 1);
        before[..end]
            .iter()
            .rposition(|c| *c == ' ')
            .map_or(0, |space| space + 1)
    }

    /// Shows the line that was entered `back` lines ago; zero: the new one.
    fn recall(&mut self, back: usize, history: &History, screen: &mut String) {
        let line: Vec<char> = match back {
            0 => self.draft.clone(),
            _ => match history.back(back) {
                Some(line) => line.chars().collect(),
                None => return,
            },
        };
        if self.back == 0 {
            self.draft.clone_from(&self.line);
        }
        self.back = back;
        self.move_to(0, screen);
        self.line = line;
        self.cursor = self.line.len();
        screen.extend(&self.line);
        screen.push_str("\x1b[K");
    }
}

#[cfg(test)]
#[path = "editor_tests.rs"]
mod tests;
