//! What the user sees of a fetch.

use core::fmt::Write as _;

use alloc::string::String;
use rt::println;
use sha2::{Digest, Sha256};

use crate::{fetch::Observer, head::Head, url::Url};

/// Bytes between two lines of progress.
const PROGRESS_STEP: u64 = 8 << 20;

/// Prints heads, progress and the checksum of the body.
pub struct Report {
    shows_body: bool,
    is_quiet: bool,
    bytes: u64,
    /// Bytes that the server promised, if it did.
    promised: Option<u64>,
    next_progress: u64,
    started: u64,
    has_answer: bool,
    checksum: Sha256,
}

impl Report {
    /// Nothing has happened yet.
    pub fn new(shows_body: bool, is_quiet: bool) -> Self {
        Self {
            shows_body,
            is_quiet,
            bytes: 0,
            promised: None,
            next_progress: PROGRESS_STEP,
            started: rt::clock::now(),
            has_answer: false,
            checksum: Sha256::new(),
        }
    }

    /// Prints the sum of it.
    pub fn finish(self) {
        if !self.has_answer {
            return;
        }
        let milliseconds = (rt::clock::now() - self.started) / 1_000_000;
        println!("{} bytes in {milliseconds} ms", self.bytes);
        println!("sha256 {}", hexadecimal(&self.checksum.finalize()));
    }
}

impl Observer for Report {
    fn head(&mut self, url: &Url, head: &Head) {
        self.has_answer = true;
        self.promised = head
            .field("content-length")
            .and_then(|value| core::str::from_utf8(value).ok()?.trim().parse().ok());
        if self.is_quiet {
            return;
        }
        println!("{url}");
        println!(
            "HTTP/1.{} {} {}",
            head.minor,
            head.status,
            printable(head.reason.as_bytes())
        );
        for (name, value) in &head.fields {
            println!("{name}: {}", printable(value));
        }
        println!("");
    }

    fn body(&mut self, bytes: &[u8]) {
        self.checksum.update(bytes);
        self.bytes += bytes.len() as u64;
        if self.shows_body {
            rt::console::write_bytes(bytes);
        } else if !self.is_quiet && self.bytes >= self.next_progress {
            self.next_progress = self.bytes + PROGRESS_STEP;
            let mebibytes = self.bytes >> 20;
            match self.promised {
                Some(promised) => println!("{mebibytes} of {} MiB", promised >> 20),
                None => println!("{mebibytes} MiB"),
            }
        }
    }

    fn trailer(&mut self, name: &[u8], value: &[u8]) {
        if !self.is_quiet {
            println!("{}: {} (trailer)", printable(name), printable(value));
        }
    }
}

/// Text for a terminal: what could be a control sequence is shown as a dot.
fn printable(bytes: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(bytes).into_owned();
    if text.contains(char::is_control) {
        text = text.replace(char::is_control, ".");
    }
    text
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::{hexadecimal, printable};

    #[test]
    fn servers_cannot_steer_the_terminal() {
        assert_eq!(printable(b"a\x1b[2Jb\r\nc\tz"), "a.[2Jb..c.z");
        assert_eq!(printable(b"caf\xc3\xa9 \xff"), "café \u{fffd}");
    }

    #[test]
    fn checksums_are_lower_case() {
        assert_eq!(hexadecimal(&[0, 0xab, 0xff]), "00abff");
    }
}
