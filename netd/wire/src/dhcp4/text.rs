//! Texts in DHCP options.

use core::fmt;

use crate::List;

/// A text of up to 255 bytes, as another host has written it: of any bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Text(List<u8, 255>);

impl Text {
    /// A text of `bytes`, if it is not too long. Trailing zeros, which some servers send, are cut.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let end = bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last.saturating_add(1));
        List::from_slice(bytes.get(..end)?).map(Self)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Printable ASCII as it is; a question mark for everything else.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        self.as_bytes().iter().try_for_each(|byte| match byte {
            b' '..=b'~' => f.write_char(char::from(*byte)),
            _ => f.write_char('?'),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_bytes_are_not_shown() {
        let text = Text::new(b"lab\x1b[2J.test\0\0").expect("short");
        assert_eq!(std::format!("{text}"), "lab?[2J.test");
        assert_eq!(Text::new(&[0; 300]), Some(Text::default()));
        assert_eq!(Text::new(&[b'x'; 256]), None);
    }
}
