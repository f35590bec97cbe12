//! The archive of programs (newc cpio) that the kernel brought along.
//!
//! *Owns* nothing but the view: programs are loaded by the kernel straight from the archive's
//! memory, at an offset.

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

    /// Finds a file by its name.
    pub fn find(&self, name: &str) -> Option<Place> {
        let entry = cpio_reader::iter_files(self.bytes)
            .find(|entry| entry.name().trim_end_matches('\0') == name)?;
        let file = entry.file();
        // The file is a part of the archive, so the difference of their addresses is its offset.
        let offset = file
            .as_ptr()
            .addr()
            .checked_sub(self.bytes.as_ptr().addr())?;
        Some(Place {
            offset: offset as u64,
            length: file.len() as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Archive, Place};

    /// One entry of a newc archive.
    fn entry(name: &str, content: &[u8]) -> Vec<u8> {
        let mut bytes = b"070701".to_vec();
        let mode = 0o100_755;
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
    fn rubbish_holds_nothing() {
        assert_eq!(Archive::new(b"").find("init"), None::<Place>);
        assert_eq!(Archive::new(&[0xff; 64]).find("init"), None);
    }
}
