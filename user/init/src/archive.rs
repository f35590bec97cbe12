//! The archive of programs (newc cpio) that the kernel brought along.
//!
//! *Owns* the walk over the archive, header by header. *Never* touches the contents of a file, so
//! that a large archive costs no more than a small one: programs are loaded by the kernel straight
//! from the archive's memory, at an offset.
//! *Spec* cpio(5), "New ASCII Format".

/// Bytes of a header: a magic number of 6 characters, then 13 fields of 8 hexadecimal digits.
const HEADER: usize = 110;
/// Number of the field that holds the kind of the file and who may use it.
const MODE: usize = 1;
/// The bits of that for the kind, and those of a symbolic link.
const KIND: usize = 0o170_000;
const LINK: usize = 0o120_000;
/// Number of the field that holds the length of the file.
const FILE_LENGTH: usize = 6;
/// Number of the field that holds the length of the name, its zero byte included.
const NAME_LENGTH: usize = 11;
/// Names and files are padded to a multiple of this.
const ALIGNMENT: usize = 4;
/// Name of the last entry.
const TRAILER: &[u8] = b"TRAILER!!!";

/// A view of the archive.
#[derive(Clone, Copy)]
pub struct Archive {
    bytes: &'static [u8],
}

/// Where a file lies in the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Offset of the first byte.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

impl Archive {
    /// A view of these bytes.
    pub const fn new(bytes: &'static [u8]) -> Self {
        Self { bytes }
    }

    /// Finds a file by its name, or by that of a link to it. A link to a link leads nowhere.
    pub fn find(&self, name: &str) -> Option<Place> {
        let found = self.entry_of(name.as_bytes())?;
        let file = if found.is_link {
            self.entry_of(found.content)?
        } else {
            found
        };
        (!file.is_link).then_some(file.place)
    }

    /// The first entry of a name.
    fn entry_of(&self, name: &[u8]) -> Option<Entry> {
        let mut at = 0;
        while let Some(entry) = self.entry(at) {
            if entry.name == name {
                return Some(entry);
            }
            at = entry.next;
        }
        None
    }

    /// The entry at an offset; `None` after the last, and for anything that is not an entry.
    fn entry(&self, at: usize) -> Option<Entry> {
        let header = self.bytes.get(at..)?.first_chunk::<HEADER>()?;
        if !(header.starts_with(b"070701") || header.starts_with(b"070702")) {
            return None;
        }
        let start = at.checked_add(HEADER)?;
        let end = start.checked_add(field(header, NAME_LENGTH)?)?;
        let name = self.bytes.get(start..end)?.strip_suffix(&[0])?;
        let first = end.checked_next_multiple_of(ALIGNMENT)?;
        let length = field(header, FILE_LENGTH)?;
        let last = first.checked_add(length)?;
        let content = self.bytes.get(first..last)?;
        if name == TRAILER {
            return None;
        }
        Some(Entry {
            name,
            is_link: field(header, MODE)? & KIND == LINK,
            content,
            place: Place {
                offset: first as u64,
                length: length as u64,
            },
            next: last.checked_next_multiple_of(ALIGNMENT)?,
        })
    }
}

/// One file of the archive.
struct Entry {
    name: &'static [u8],
    /// The content is the name of the file that is meant.
    is_link: bool,
    content: &'static [u8],
    place: Place,
    next: usize,
}

/// A number of the header.
fn field(header: &[u8; HEADER], number: usize) -> Option<usize> {
    let start = 6 + 8 * number;
    let digits = str::from_utf8(header.get(start..start + 8)?).ok()?;
    usize::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::{Archive, Place};

    /// A file of a newc archive.
    fn entry(name: &str, content: &[u8]) -> Vec<u8> {
        entry_of(0o100_755, name, content)
    }

    /// An entry of a newc archive.
    fn entry_of(mode: usize, name: &str, content: &[u8]) -> Vec<u8> {
        let mut bytes = b"070701".to_vec();
        let fields = [
            1,
            mode,
            0,
            0,
            1,
            0,
            content.len(),
            0,
            0,
            0,
            0,
            name.len() + 1,
            0,
        ];
        for field in fields {
            bytes.extend(format!("{field:08x}").bytes());
        }
        bytes.extend(name.bytes());
        bytes.push(0);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn finds_files_by_their_whole_name() {
        let mut bytes = entry("init", b"first");
        bytes.extend(entry("sh", b"second one"));
        bytes.extend(entry("TRAILER!!!", b""));
        let archive = Archive::new(Box::leak(bytes.into_boxed_slice()));
        let place = archive.find("sh").unwrap();
        assert_eq!(place.length, 10);
        let from = usize::try_from(place.offset).unwrap();
        assert_eq!(&archive.bytes[from..from + 10], b"second one");
        assert_eq!(archive.find("s"), None);
        assert_eq!(archive.find(""), None);
    }

    #[test]
    fn links_lead_to_files_and_never_to_links() {
        let mut bytes = entry_of(0o120_777, "before", b"file");
        bytes.extend(entry("file", b"text"));
        for (name, content) in [("after", "file"), ("twice", "after"), ("self", "self")] {
            bytes.extend(entry_of(0o120_777, name, content.as_bytes()));
        }
        bytes.extend(entry_of(0o120_777, "nowhere", b"nothing"));
        let archive = Archive::new(Box::leak(bytes.into_boxed_slice()));
        let file = archive.find("file");
        assert!(file.is_some());
        assert_eq!(archive.find("before"), file);
        assert_eq!(archive.find("after"), file);
        for name in ["twice", "self", "nowhere"] {
            assert_eq!(archive.find(name), None, "{name}");
        }
    }

    #[test]
    fn agrees_with_another_reader() {
        let mut bytes = Vec::new();
        for length in 0..9 {
            bytes.extend(entry(&"n".repeat(length + 1), &vec![b'x'; 3 * length]));
        }
        bytes.extend(entry("TRAILER!!!", b""));
        let bytes: &'static [u8] = Box::leak(bytes.into_boxed_slice());
        let mut count = 0;
        for other in cpio_reader::iter_files(bytes) {
            let place = Archive::new(bytes).find(other.name()).unwrap();
            let from = usize::try_from(place.offset).unwrap();
            assert_eq!(bytes[from..].as_ptr(), other.file().as_ptr());
            assert_eq!(place.length, other.file().len() as u64);
            count += 1;
        }
        assert_eq!(count, 9);
    }

    #[test]
    fn lies_about_lengths_end_the_walk() {
        for (at, lie) in [
            (6 + 8 * 6, "ffffffff"),
            (6 + 8 * 11, "ffffffff"),
            (6 + 8 * 11, "00000000"),
            (6, "zzzzzzzz"),
        ] {
            let mut bytes = entry("a", b"text");
            bytes.splice(at..at + 8, lie.bytes());
            bytes.extend(entry("b", b"text"));
            let archive = Archive::new(Box::leak(bytes.into_boxed_slice()));
            assert_eq!(
                archive.find("b").is_some(),
                lie == "zzzzzzzz",
                "{lie} at {at}"
            );
        }
        let mut bytes = entry("a", b"text");
        bytes.truncate(bytes.len() - 1);
        assert_eq!(
            Archive::new(Box::leak(bytes.into_boxed_slice())).find("a"),
            None
        );
    }

    #[test]
    fn rubbish_holds_nothing() {
        assert_eq!(Archive::new(b"").find("init"), None::<Place>);
        assert_eq!(Archive::new(&[0xff; 64]).find("init"), None);
    }
}
