//! Hardware addresses, as people write them.

use core::fmt;
use core::str::FromStr;

/// A hardware address: six bytes, as `52:54:00:12:34:56`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mac(pub [u8; 6]);

/// A text is no hardware address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMac;

impl Mac {
    /// Everybody on the link.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// Whether it stands for many: a group, or everybody.
    #[must_use]
    pub const fn is_group(self) -> bool {
        let [first, ..] = self.0;
        first & 1 == 1
    }
}

impl FromStr for Mac {
    type Err = NoMac;

    fn from_str(text: &str) -> Result<Self, NoMac> {
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2).ok_or(NoMac)?;
            let is_digits = part.bytes().all(|digit| digit.is_ascii_hexdigit());
            let value = u8::from_str_radix(part, 16).ok().filter(|_| is_digits);
            *byte = value.ok_or(NoMac)?;
        }
        match parts.next() {
            None => Ok(Self(bytes)),
            Some(_) => Err(NoMac),
        }
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::{Mac, NoMac};

    #[test]
    fn what_is_shown_can_be_read() {
        let mac = Mac([0x52, 0x54, 0, 0xab, 0x34, 0xff]);
        assert_eq!(mac.to_string(), "52:54:00:ab:34:ff");
        assert_eq!("52:54:00:aB:34:fF".parse(), Ok(mac));
        assert!(!mac.is_group() && Mac::BROADCAST.is_group());
        for text in [
            "",
            "52:54",
            "52:54:00:12:34:56:78",
            "+2:54:00:12:34:56",
            "5254:00:12:34:56",
        ] {
            assert_eq!(text.parse::<Mac>(), Err(NoMac), "{text}");
        }
    }
}
