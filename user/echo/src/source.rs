//! What the source service sends: the character generator of RFC 864.

/// Printable characters of ASCII, in the order in which lines go through them.
const COUNT: usize = 95;
/// Characters of a line, without its end.
const LINE: usize = 72;
/// Bytes of a line.
const LINE_BYTES: usize = LINE + 2;
/// Bytes after which the pattern repeats.
pub const PERIOD: usize = COUNT * LINE_BYTES;

/// One period of the pattern.
pub fn pattern() -> [u8; PERIOD] {
    let mut bytes = [0; PERIOD];
    for (number, line) in bytes.as_chunks_mut::<LINE_BYTES>().0.iter_mut().enumerate() {
        let characters = (b' '..=b'~').cycle().skip(number);
        for (byte, character) in line[..LINE].iter_mut().zip(characters) {
            *byte = character;
        }
        line[LINE..].copy_from_slice(b"\r\n");
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::{PERIOD, pattern};

    #[test]
    fn lines_shift_by_one_character() {
        let bytes = pattern();
        let text = core::str::from_utf8(&bytes).unwrap();
        let lines: Vec<&str> = text.split_terminator("\r\n").collect();
        assert_eq!(lines.len(), 95);
        assert!(lines[0].starts_with(" !\"#$"));
        assert!(lines[1].starts_with("!\"#$%"));
        assert!(lines[94].starts_with("~ !\"#"));
        assert!(lines.iter().all(|line| line.len() == 72));
        assert_eq!(PERIOD, 7030);
    }
}
