//! Strangers' bytes on a terminal.

use core::fmt;

/// Bytes as text: what would do something to a terminal, and what is no text, is written in digits.
pub struct Printable<'a>(pub &'a [u8]);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '\\' => f.write_str("\\\\")?,
                    _ if character.is_control() || is_unseen(character) => {
                        write!(f, "\\u{{{:x}}}", u32::from(character))?;
                    }
                    _ => write!(f, "{character}")?,
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

/// What turns the direction of text, ends lines or takes no room.
const fn is_unseen(character: char) -> bool {
    matches!(
        character,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::Printable;

    #[test]
    fn what_would_move_a_terminal_is_written_in_digits() {
        for (bytes, shown) in [
            (&b"plain text"[..], "plain text"),
            ("Büro 3".as_bytes(), "Büro 3"),
            (b"\x1b[2J\r\n", "\\u{1b}[2J\\u{d}\\u{a}"),
            (b"a\\u{1b}", "a\\\\u{1b}"),
            (b"\xff\xc3(", "\\xff\\xc3("),
            ("\u{9b}1m\u{202e}x".as_bytes(), "\\u{9b}1m\\u{202e}x"),
        ] {
            assert_eq!(Printable(bytes).to_string(), shown);
        }
    }
}
