//! The editor, with a terminal of one line that does what it is sent.

use super::{Editor, Outcome};
use crate::history::History;

/// Shows what a real terminal would show on the line.
#[derive(Default)]
struct Terminal {
    cells: Vec<char>,
    cursor: usize,
}

impl Terminal {
    fn show(&mut self, text: &str) {
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix("\x1b[K") {
                self.cells.truncate(self.cursor);
                rest = after;
                continue;
            }
            match character {
                '\x08' => self.cursor -= 1,
                '\r' | '\n' => {}
                _ => {
                    if self.cursor == self.cells.len() {
                        self.cells.push(character);
                    } else {
                        self.cells[self.cursor] = character;
                    }
                    self.cursor += 1;
                }
            }
            rest = &rest[character.len_utf8()..];
        }
    }
}

/// Types `keys` and returns the line, after checking that the screen shows it.
fn typed(keys: &str, history: &History) -> String {
    let (mut editor, mut terminal) = (Editor::new(), Terminal::default());
    for byte in keys.bytes() {
        let mut screen = String::new();
        assert_eq!(
            editor.feed(byte, history, &mut screen),
            Outcome::Editing,
            "{keys:?}"
        );
        terminal.show(&screen);
    }
    let text = editor.text();
    assert_eq!(terminal.cells.iter().collect::<String>(), text, "{keys:?}");
    assert_eq!(terminal.cursor, editor.cursor, "{keys:?}");
    text
}

#[test]
fn keys_edit_the_line() {
    const LEFT: &str = "\x1b[D";
    let history = History::new();
    for (keys, line) in [
        ("ping", "ping".to_owned()),
        ("pinng\x7f\x7fg", "ping".to_owned()),
        ("pig\x1b[Dn", "ping".to_owned()),
        (&format!("ac{LEFT}b\x1b[Cd"), "abcd".to_owned()),
        ("bc\x01a\x05d", "abcd".to_owned()),
        ("bc\x1b[Ha\x1b[Fd", "abcd".to_owned()),
        ("bc\x1b[1~a\x1b[4~d", "abcd".to_owned()),
        ("bc\x1bOHa\x1bOFd", "abcd".to_owned()),
        ("abc\x02\x02\x0b", "a".to_owned()),
        ("abc\x02\x15", "c".to_owned()),
        ("ping  10.0.2.2  \x17\x17dns", "dns".to_owned()),
        ("one two\x17", "one ".to_owned()),
        ("abc\x01\x1b[3~", "bc".to_owned()),
        ("abc\x01\x04", "bc".to_owned()),
        ("a\x08\x08\x08b", "b".to_owned()),
        ("caf\u{e9}\u{20ac}\x08x", "caf\u{e9}x".to_owned()),
        ("a\x1b[5~\x1b[1;5Cb\x07\x1bxc", "abc".to_owned()),
    ] {
        assert_eq!(typed(keys, &history), line, "{keys:?}");
    }
}

#[test]
fn rubbish_does_no_harm() {
    let history = History::new();
    let mut editor = Editor::new();
    let mut state = 1_u32;
    for _ in 0..100_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        editor.feed((state >> 24) as u8, &history, &mut String::new());
        assert!(editor.cursor <= editor.line.len());
    }
    editor.reset();
    for _ in 0..2000 {
        editor.feed(b'x', &history, &mut String::new());
    }
    assert_eq!(editor.text().len(), 1000);
}

#[test]
fn enter_gives_the_line_once_for_any_line_end() {
    let (history, mut editor) = (History::new(), Editor::new());
    let mut lines = Vec::new();
    for byte in b"a\rb\nc\r\nd\r\r\n" {
        if let Outcome::Done(line) = editor.feed(*byte, &history, &mut String::new()) {
            lines.push(line);
        }
    }
    assert_eq!(lines, ["a", "b", "c", "d", ""]);
}

#[test]
fn arrows_walk_through_the_history_and_back_to_the_draft() {
    const UP: &str = "\x1b[A";
    const DOWN: &str = "\x1b[B";
    let mut history = History::new();
    ["first", "second"]
        .into_iter()
        .for_each(|line| history.add(line));
    assert_eq!(typed(&format!("new{UP}"), &history), "second");
    assert_eq!(typed(&format!("new{UP}{UP}"), &history), "first");
    assert_eq!(typed(&format!("new{UP}{UP}{UP}"), &history), "first");
    assert_eq!(typed(&format!("new{UP}{UP}{DOWN}"), &history), "second");
    assert_eq!(typed(&format!("new{UP}{UP}{DOWN}{DOWN}"), &history), "new");
    assert_eq!(typed(&format!("{UP}x"), &history), "secondx");
    assert_eq!(typed("\x10\x10\x0e", &history), "second");
}

#[test]
fn control_keys_have_their_outcomes() {
    let (history, mut editor) = (History::new(), Editor::new());
    let mut screen = String::new();
    assert_eq!(
        editor.feed(0x04, &history, &mut screen),
        Outcome::EndOfInput
    );
    assert_eq!(editor.feed(0x0c, &history, &mut screen), Outcome::Clear);
    assert_eq!(screen, "");
}
