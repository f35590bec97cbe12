//! Domain names.
//!
//! *Owns*: names in the form they have in messages, without compression; their limits, their
//! comparison without regard to case, and their text form.
//!
//! *Spec*: RFC 1035 sections 2.3.4, 3.1, 4.1.4 and 5.1; RFC 4343 (case).
//!
//! *Invariants*: the bytes are labels of 1 to 63 bytes, each behind its length, and a zero; 255
//! bytes at most, so at most 127 labels.

use core::error::Error;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::net::IpAddr;
use core::str::FromStr;

use crate::Drop;

/// The longest name, with all lengths and the final zero.
const MAX_LEN: usize = 255;
const MAX_LABEL: usize = 63;

/// The two high bits of a length that is none: a pointer (RFC 1035 section 4.1.4).
const POINTER: u8 = 0xc0;

/// No name has more labels, so none needs more pointers.
const MAX_POINTERS: usize = 127;

/// A domain name. Equal names may differ in the case of ASCII letters; it is kept.
#[derive(Clone, Copy)]
pub struct Name {
    bytes: [u8; MAX_LEN],
    len: u8,
}

/// A text that is no domain name: an empty or too long label, a name too long, a character that
/// is not printable ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadName;

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a domain name")
    }
}

impl Error for BadName {}

impl Name {
    /// The root of the name space.
    pub const ROOT: Self = Self {
        bytes: [0; MAX_LEN],
        len: 1,
    };

    /// A name before its labels are added: even the final zero is missing.
    const EMPTY: Self = Self {
        bytes: [0; MAX_LEN],
        len: 0,
    };

    /// The name under which an address has its name: `4.3.2.1.in-addr.arpa` (RFC 1035 section
    /// 3.5), or one nibble for each label under `ip6.arpa` (RFC 3596 section 2.5).
    #[must_use]
    pub fn of_address(address: IpAddr) -> Self {
        // At most 32 labels of one digit and two more: always a name.
        Self::try_of_address(address).unwrap_or(Self::ROOT)
    }

    fn try_of_address(address: IpAddr) -> Result<Self, BadName> {
        let mut name = Self::EMPTY;
        match address {
            IpAddr::V4(address) => {
                for octet in address.octets().into_iter().rev() {
                    let digits = [octet / 100, octet / 10 % 10, octet % 10];
                    let skipped = digits
                        .iter()
                        .take(2)
                        .take_while(|digit| **digit == 0)
                        .count();
                    let text = digits.map(|digit| b'0' | digit);
                    name.push_label(text.get(skipped..).unwrap_or_default())?;
                }
                name.push_label(b"in-addr")?;
            }
            IpAddr::V6(address) => {
                for octet in address.octets().into_iter().rev() {
                    for nibble in [octet & 0x0f, octet >> 4] {
                        let digits = b"0123456789abcdef";
                        let digit = digits.get(usize::from(nibble)).ok_or(BadName)?;
                        name.push_label(&[*digit])?;
                    }
                }
                name.push_label(b"ip6")?;
            }
        }
        name.push_label(b"arpa")?;
        name.finish()
    }

    /// The bytes of the name in a message that does not compress it.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// The labels from the left, without the root's empty one.
    #[must_use]
    pub fn labels(&self) -> Labels<'_> {
        Labels(self.as_bytes())
    }

    /// Whether this is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.len == 1
    }

    /// Whether this name is `zone` or lies under it.
    #[must_use]
    pub fn is_within(&self, zone: &Self) -> bool {
        let surplus = self.labels().count().checked_sub(zone.labels().count());
        let Some(surplus) = surplus else { return false };
        self.labels()
            .skip(surplus)
            .zip(zone.labels())
            .all(|(own, other)| own.eq_ignore_ascii_case(other))
    }

    /// The name `self` completed by `domain`, as a host's domain completes a short name.
    ///
    /// # Errors
    /// [`BadName`] when it would be too long.
    pub fn within(&self, domain: &Self) -> Result<Self, BadName> {
        let mut name = Self::EMPTY;
        for label in self.labels().chain(domain.labels()) {
            name.push_label(label)?;
        }
        name.finish()
    }

    /// The name below this one that begins with a label, whose bytes may be any.
    ///
    /// # Errors
    /// [`BadName`] when the label is empty, or it or the name would be too long.
    pub fn below(label: &[u8], domain: &Self) -> Result<Self, BadName> {
        let mut name = Self::EMPTY;
        name.push_label(label)?;
        for label in domain.labels() {
            name.push_label(label)?;
        }
        name.finish()
    }

    /// Whether both are the same even in the case of letters (for answers to queries with
    /// randomised case).
    #[must_use]
    pub fn is_identical(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }

    /// The same name with the case of each letter chosen by a bit of `bits`, the first letter by
    /// the lowest; behind the 64th letter the bits start again.
    #[must_use]
    pub fn with_case(mut self, bits: u64) -> Self {
        let mut bits = bits;
        for byte in &mut self.bytes {
            // A length is at most 63 and so never a letter.
            if byte.is_ascii_alphabetic() {
                *byte = if bits & 1 == 0 {
                    byte.to_ascii_lowercase()
                } else {
                    byte.to_ascii_uppercase()
                };
                bits = bits.rotate_right(1);
            }
        }
        self
    }

    /// Reads the name that starts at `start` of a message, following pointers. Gives the name
    /// and the place behind it.
    ///
    /// Terminates, and in time bounded by a name's length: a pointer must lead to a place before
    /// the labels that it continues, and no more pointers are followed than a name has labels.
    ///
    /// # Errors
    /// [`Drop::DnsName`], [`Drop::DnsShort`].
    pub(super) fn parse(message: &[u8], start: usize) -> Result<(Self, usize), Drop> {
        let mut name = Self::EMPTY;
        let mut end = None;
        let mut run = start;
        let mut pointers = 0_usize;
        let mut rest = message.get(start..).ok_or(Drop::DnsShort)?;
        loop {
            let (length, behind) = rest.split_first().ok_or(Drop::DnsShort)?;
            let here = message.len().saturating_sub(behind.len());
            match length {
                0 => {
                    let name = name.finish().map_err(|_| Drop::DnsName)?;
                    return Ok((name, end.unwrap_or(here)));
                }
                length @ 1..POINTER_LIKE => {
                    let (label, behind) = behind
                        .split_at_checked(usize::from(*length))
                        .ok_or(Drop::DnsShort)?;
                    name.push_label(label).map_err(|_| Drop::DnsName)?;
                    rest = behind;
                }
                high @ POINTER.. => {
                    let low = behind.first().ok_or(Drop::DnsShort)?;
                    let target = usize::from(u16::from_be_bytes([high & !POINTER, *low]));
                    pointers = pointers.saturating_add(1);
                    if target >= run || pointers > MAX_POINTERS {
                        return Err(Drop::DnsName);
                    }
                    end = end.or(Some(here.saturating_add(1)));
                    run = target;
                    rest = message.get(target..).ok_or(Drop::DnsName)?;
                }
                // The other two combinations of the high bits are reserved.
                _ => return Err(Drop::DnsName),
            }
        }
    }

    /// The name at the start of some bytes that know no pointers, and what is behind it (RFC 8106
    /// section 5.2, RFC 8415 section 10); `None` when there is none.
    pub(crate) fn split_first(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let mut name = Self::EMPTY;
        let mut rest = bytes;
        loop {
            let (length, behind) = rest.split_first()?;
            let (label, behind) = behind.split_at_checked(usize::from(*length))?;
            if label.is_empty() {
                return Some((name.finish().ok()?, behind));
            }
            name.push_label(label).ok()?;
            rest = behind;
        }
    }

    #[inline(never)]
    fn push_label(&mut self, label: &[u8]) -> Result<(), BadName> {
        let length = u8::try_from(label.len()).map_err(|_| BadName)?;
        if label.is_empty() || label.len() > MAX_LABEL {
            return Err(BadName);
        }
        self.push(length)?;
        label.iter().try_for_each(|byte| self.push(*byte))
    }

    fn push(&mut self, byte: u8) -> Result<(), BadName> {
        *self.bytes.get_mut(usize::from(self.len)).ok_or(BadName)? = byte;
        self.len = self.len.checked_add(1).ok_or(BadName)?;
        Ok(())
    }

    /// Adds the root's empty label.
    fn finish(mut self) -> Result<Self, BadName> {
        self.push(0)?;
        Ok(self)
    }
}

/// Lengths from here on are pointers or reserved.
const POINTER_LIKE: u8 = 64;

/// The labels of a name, from the left.
#[derive(Clone, Debug)]
pub struct Labels<'a>(&'a [u8]);

impl<'a> Iterator for Labels<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first()?;
        let (label, rest) = rest.split_at_checked(usize::from(*length))?;
        self.0 = rest;
        if label.is_empty() { None } else { Some(label) }
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        // Lengths are no letters, so the bytes as a whole can be compared (RFC 4343 section 3).
        self.as_bytes().eq_ignore_ascii_case(other.as_bytes())
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for byte in self.as_bytes() {
            state.write_u8(byte.to_ascii_lowercase());
        }
    }
}

/// `www.example.com`, with or without a dot at the end; `.` is the root. A backslash makes the
/// next character an ordinary one, or is followed by three digits (RFC 1035 section 5.1).
impl FromStr for Name {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        if text == "." {
            return Ok(Self::ROOT);
        }
        let mut name = Self::EMPTY;
        let mut label = crate::List::<u8, MAX_LABEL>::NONE;
        let mut characters = text.bytes();
        let mut is_complete = false;
        while let Some(character) = characters.next() {
            let byte = match character {
                b'.' => {
                    name.push_label(label.as_slice())?;
                    label = crate::List::NONE;
                    is_complete = true;
                    continue;
                }
                b'\\' => escaped(&mut characters)?,
                b'!'..=b'~' => character,
                _ => return Err(BadName),
            };
            is_complete = false;
            if !label.push(byte) {
                return Err(BadName);
            }
        }
        if !is_complete {
            name.push_label(label.as_slice())?;
        }
        name.finish()
    }
}

/// What a backslash stands for, given the characters behind it.
fn escaped(characters: &mut impl Iterator<Item = u8>) -> Result<u8, BadName> {
    let digit = |character: u8| char::from(character).to_digit(10).ok_or(BadName);
    match characters.next().ok_or(BadName)? {
        first @ b'0'..=b'9' => {
            let second = characters.next().ok_or(BadName)?;
            let third = characters.next().ok_or(BadName)?;
            let number = digit(first)?
                .saturating_mul(100)
                .saturating_add(digit(second)?.saturating_mul(10))
                .saturating_add(digit(third)?);
            u8::try_from(number).map_err(|_| BadName)
        }
        character @ b'!'..=b'~' => Ok(character),
        _ => Err(BadName),
    }
}

/// The form that `from_str` reads, without the final dot.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        for (place, label) in self.labels().enumerate() {
            if place > 0 {
                f.write_str(".")?;
            }
            for byte in label {
                match byte {
                    b'.' | b'\\' => write!(f, "\\{}", char::from(*byte))?,
                    b'!'..=b'~' => write!(f, "{}", char::from(*byte))?,
                    _ => write!(f, "\\{byte:03}")?,
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
