//! Writes the archive of programs and files that the guest boots with: cpio, "newc" form.
//!
//! Each entry is a 110-byte header of hexadecimal fields, the name with its zero, padding to four
//! bytes, the contents, padding to four bytes. The archive ends with an entry named `TRAILER!!!`.

const MAGIC: &str = "070701";
const TRAILER: &str = "TRAILER!!!";
/// Regular file, readable and executable by all.
const FILE: u32 = 0o100_755;
/// Symbolic link; its contents are the name of what it stands for.
const LINK: u32 = 0o120_777;

/// An archive under construction.
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    pub fn new() -> Self {
        Self {
            bytes: Vec::new(),
            entries: 0,
        }
    }

    /// Appends a file. The time stamp is zero: the same contents give the same archive.
    pub fn add(&mut self, name: &str, contents: &[u8]) {
        self.entries += 1;
        self.entry(name, contents, self.entries, FILE);
    }

    /// Appends another name for a file.
    pub fn link(&mut self, name: &str, file: &str) {
        self.entries += 1;
        self.entry(name, file.as_bytes(), self.entries, LINK);
    }

    /// The finished archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry(TRAILER, &[], 0, 0);
        self.bytes
    }

    fn entry(&mut self, name: &str, contents: &[u8], inode: u32, mode: u32) {
        let size = u32::try_from(contents.len()).unwrap_or(u32::MAX);
        let name_size = u32::try_from(name.len() + 1).unwrap_or(u32::MAX);
        // inode, mode, uid, gid, links, mtime, size, device major and minor, the same for the
        // special device, name size, check (unused in this form).
        let fields = [inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, name_size, 0];
        self.bytes.extend(MAGIC.bytes());
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(name.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(contents);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::Archive;

    #[test]
    fn an_independent_reader_finds_every_file() {
        let mut archive = Archive::new();
        archive.add("init", b"one");
        archive.add("pages/index.html", b"");
        archive.add("netd", &[7; 4097]);
        let bytes = archive.finish();
        let found: Vec<(String, Vec<u8>)> = cpio_reader::iter_files(&bytes)
            .map(|entry| (entry.name().to_owned(), entry.file().to_vec()))
            .collect();
        assert_eq!(
            found,
            [
                ("init".to_owned(), b"one".to_vec()),
                ("pages/index.html".to_owned(), Vec::new()),
                ("netd".to_owned(), vec![7; 4097]),
            ]
        );
    }

    #[test]
    fn an_independent_reader_sees_what_is_a_link() {
        let mut archive = Archive::new();
        archive.add("tools", b"program");
        archive.link("ps", "tools");
        let bytes = archive.finish();
        let mut found = cpio_reader::iter_files(&bytes);
        let kind = |entry: &cpio_reader::Entry<'_>| entry.mode().bits() & 0o170_000;
        assert_eq!(found.next().map(|entry| kind(&entry)), Some(0o100_000));
        let link = found.next().unwrap();
        assert_eq!(
            (link.name(), link.file(), kind(&link)),
            ("ps", b"tools".as_slice(), 0o120_000)
        );
    }

    #[test]
    fn equal_contents_give_equal_bytes() {
        let make = || {
            let mut archive = Archive::new();
            archive.add("a", b"b");
            archive.finish()
        };
        assert_eq!(make(), make());
        assert_eq!(make().len() % 4, 0);
    }
}
