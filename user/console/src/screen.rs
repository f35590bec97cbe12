//! What is shown: one terminal, many writers, whole lines.
//!
//! *Owns* the rule of who may write where. At most one session has an unfinished line on the
//! terminal (a prompt, a progress figure). Lines of others are put above it: it is erased and shown
//! again below. Unfinished lines of others wait until they are finished. The session that controls
//! the terminal does not wait; it begins a new line.
//! *Never* touches a device: bytes go into a buffer.

use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};

/// Bytes of an unfinished line that are kept to be shown again.
const MAX_LINE: usize = 1024;
/// Back to the first column and clear to the end of the line.
const ERASE: &[u8] = b"\r\x1b[K";

/// A writer's number.
pub type Session = u32;

/// The terminal's state.
#[derive(Debug, Default)]
pub struct Screen {
    /// What is to be sent.
    output: VecDeque<u8>,
    /// Whose unfinished line is on the terminal.
    owner: Option<Session>,
    /// That line.
    line: Vec<u8>,
    /// Unfinished lines that wait.
    held: BTreeMap<Session, Vec<u8>>,
}

impl Screen {
    /// A screen whose cursor is in the first column.
    pub const fn new() -> Self {
        Self {
            output: VecDeque::new(),
            owner: None,
            line: Vec::new(),
            held: BTreeMap::new(),
        }
    }

    /// Shows text of a session; `control` for the one that controls the terminal.
    pub fn write(&mut self, session: Session, text: &[u8], control: bool) {
        if control && self.owner.is_some_and(|owner| owner != session) {
            self.end_line();
        }
        for part in text.split_inclusive(|byte| *byte == b'\n') {
            if self.owner.is_none_or(|owner| owner == session) {
                let held = self.held.remove(&session).unwrap_or_default();
                self.show(session, &held);
                self.show(session, part);
            } else {
                self.put_above(session, part);
            }
        }
    }

    /// Shows a session's unfinished line even if another's is on the terminal: it asks a question.
    pub fn insist(&mut self, session: Session) {
        if let Some(held) = self.held.remove(&session) {
            self.end_line();
            self.show(session, &held);
        }
    }

    /// A session is gone: its unfinished line is finished.
    pub fn close(&mut self, session: Session) {
        if self.held.contains_key(&session) {
            self.write(session, b"\n", false);
        }
        if self.owner == Some(session) {
            self.end_line();
        }
    }

    /// What is to be sent, in order.
    pub fn output(&self) -> &[u8] {
        self.output.as_slices().0
    }

    /// The first `count` bytes of [`Self::output`] have been sent.
    pub fn sent(&mut self, count: usize) {
        self.output.drain(..count.min(self.output.len()));
    }

    /// How many bytes wait to be sent.
    pub fn backlog(&self) -> usize {
        self.output.len()
    }

    /// Another session's text while there is an unfinished line.
    fn put_above(&mut self, session: Session, part: &[u8]) {
        let held = self.held.entry(session).or_default();
        held.extend_from_slice(part);
        if held.last() == Some(&b'\n') || held.len() > MAX_LINE {
            let mut whole = self.held.remove(&session).unwrap_or_default();
            if whole.last() != Some(&b'\n') {
                whole.push(b'\n');
            }
            self.output.extend(ERASE);
            self.emit(&whole);
            let line = core::mem::take(&mut self.line);
            self.emit(&line);
            self.line = line;
        }
    }

    /// Text of the session whose line it is, or begins to be.
    fn show(&mut self, session: Session, part: &[u8]) {
        if part.is_empty() {
            return;
        }
        self.emit(part);
        if part.ends_with(b"\n") {
            self.owner = None;
            self.line.clear();
        } else {
            self.owner = Some(session);
            // What stands before a return to the first column is overwritten.
            let fresh = part
                .iter()
                .rposition(|byte| *byte == b'\r')
                .map_or(0, |place| place + 1);
            if fresh > 0 {
                self.line.clear();
            }
            let rest = part.get(fresh..).unwrap_or_default();
            let room = MAX_LINE.saturating_sub(self.line.len());
            self.line
                .extend_from_slice(rest.get(..room.min(rest.len())).unwrap_or_default());
        }
    }

    /// Ends the unfinished line, whosever it is.
    fn end_line(&mut self) {
        if self.owner.take().is_some() {
            self.emit(b"\n");
            self.line.clear();
        }
    }

    /// Into the buffer, with the terminal's line ends.
    fn emit(&mut self, text: &[u8]) {
        for byte in text {
            if *byte == b'\n' {
                self.output.push_back(b'\r');
            }
            self.output.push_back(*byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Screen;

    /// Everything shown since the last look.
    fn shown(screen: &mut Screen) -> String {
        let mut all = Vec::new();
        while screen.backlog() > 0 {
            let part = screen.output().to_vec();
            screen.sent(part.len());
            all.extend(part);
        }
        String::from_utf8(all).unwrap()
    }

    #[test]
    fn lines_end_as_terminals_want() {
        let mut screen = Screen::new();
        screen.write(1, b"one\ntwo\n", false);
        assert_eq!(shown(&mut screen), "one\r\ntwo\r\n");
    }

    #[test]
    fn lines_of_two_writers_do_not_mix() {
        let mut screen = Screen::new();
        screen.write(1, b"first ", false);
        screen.write(2, b"second ", false);
        screen.write(1, b"half\n", false);
        assert_eq!(shown(&mut screen), "first half\r\n");
        screen.write(2, b"half\n", false);
        assert_eq!(shown(&mut screen), "second half\r\n");
    }

    #[test]
    fn a_line_goes_above_a_prompt() {
        let mut screen = Screen::new();
        screen.write(1, b"\rskerry> pi", true);
        shown(&mut screen);
        screen.write(2, b"news\n", false);
        assert_eq!(shown(&mut screen), "\r\x1b[Knews\r\nskerry> pi");
        screen.write(1, b"ng\n", true);
        assert_eq!(shown(&mut screen), "ng\r\n");
    }

    #[test]
    fn progress_is_overwritten_and_shown_again_as_it_was() {
        let mut screen = Screen::new();
        screen.write(1, b"\r 10 %", false);
        screen.write(1, b"\r 20 %", false);
        shown(&mut screen);
        screen.write(2, b"news\n", false);
        assert_eq!(shown(&mut screen), "\r\x1b[Knews\r\n 20 %");
    }

    #[test]
    fn the_controlling_session_does_not_wait() {
        let mut screen = Screen::new();
        screen.write(2, b"50 %", false);
        screen.write(1, b"skerry> ", true);
        assert_eq!(shown(&mut screen), "50 %\r\nskerry> ");
    }

    #[test]
    fn what_a_gone_session_left_is_finished() {
        let mut screen = Screen::new();
        screen.write(2, b"50 %", false);
        screen.close(2);
        screen.write(1, b"skerry> ", true);
        assert_eq!(shown(&mut screen), "50 %\r\nskerry> ");
        screen.write(3, b"last words", false);
        assert_eq!(shown(&mut screen), "");
        screen.close(3);
        assert_eq!(shown(&mut screen), "\r\x1b[Klast words\r\nskerry> ");
    }

    #[test]
    fn a_question_is_shown() {
        let mut screen = Screen::new();
        screen.write(1, b"working", false);
        screen.write(2, b"name? ", false);
        screen.insist(2);
        assert_eq!(shown(&mut screen), "working\r\nname? ");
    }

    #[test]
    fn a_line_without_end_does_not_grow() {
        let mut screen = Screen::new();
        screen.write(1, b"prompt", false);
        for _ in 0..100 {
            screen.write(1, &[b'x'; 100], false);
            screen.write(2, &[b'y'; 100], false);
            assert!(screen.line.len() <= 1024);
            assert!(screen.held.values().all(|held| held.len() <= 1124));
            shown(&mut screen);
        }
    }
}
