//! `make profile`: which functions the guest's instructions go to, as a flame graph.
//!
//! The loads are those of `docs/instructions.md`, and nothing is sampled: every block that QEMU executes
//! is in its log.

mod code;
mod flame;
mod trace;

use std::fs::File;
use std::io::BufReader;

use anyhow::{Context, Result};

use crate::{image, instructions, paths};
use code::Code;
use flame::Frame;

/// A word for a load, and the row of the record that it is.
const LOADS: &[(&str, &str)] = &[
    ("icmp", "ICMP echo"),
    ("udp", "UDP echo, 32 in flight"),
    ("datagram", "UDP echo, one at a time"),
    ("echo", "TCP echo, 64 bytes"),
    ("receive", "TCP receive, 1,448 bytes, no offload"),
    ("send", "TCP send, 1,448 bytes, no offload"),
    ("large", "TCP receive, 1,448 bytes, all offloads"),
    ("large-send", "TCP send, 1,448 bytes, all offloads"),
    ("connect", "connection opened and closed, 32 at a time"),
    ("http", "HTTP request, connection kept"),
    ("visit", "HTTP request, own connection, 32 at a time"),
    ("linked", "HTTP request, connection kept, linked"),
    ("icmp6", "IPv6: ICMP echo"),
    ("udp6", "IPv6: UDP echo, 32 in flight"),
    ("datagram6", "IPv6: UDP echo, one at a time"),
    ("echo6", "IPv6: TCP echo, 64 bytes"),
];
/// Lines of the table.
const SHOWN: usize = 25;
/// Programs that may have run.
const PROGRAMS: &[&str] = &[
    "netd",
    "echo",
    "httpd",
    "httpd-linked",
    "console",
    "sh",
    "init",
    "bench",
];

/// What the guest executed for a load.
pub struct Profile {
    /// The row of the record.
    pub row: &'static str,
    pub operations: f64,
    pub frame: Frame,
}

impl Profile {
    /// Runs the load of that word; the images are there already.
    pub fn take(word: &str) -> Result<Self> {
        let load = LOADS.iter().find(|(load, _)| *load == word);
        let (_, row) = load.with_context(|| {
            let words: Vec<&str> = LOADS.iter().map(|(word, _)| *word).collect();
            format!("LOAD is one of {}", words.join(", "))
        })?;
        let log = paths::build().join(format!("trace-{}.log", std::process::id()));
        let operations = instructions::trace(row, &log)?;
        let mut codes = vec![Code::read("kernel", &image::kernel_with_symbols())?];
        for name in PROGRAMS {
            codes.push(Code::read(name, &image::program_with_symbols(name))?);
        }
        let tree = trace::read(BufReader::new(File::open(&log)?), &codes)?;
        std::fs::remove_file(&log).ok();
        Ok(Self {
            row,
            operations,
            frame: Frame::of(&tree.stacks(&codes)),
        })
    }

    /// Instructions of so many, for each operation.
    pub fn each(&self, count: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let count = count as f64;
        count / self.operations
    }
}

/// `make profile`.
pub fn run(word: &str) -> Result<()> {
    image::build()?;
    image::build_test_archive()?;
    let profile = Profile::take(word)?;
    let (row, frame) = (profile.row, &profile.frame);
    println!("{row}: {:.0} instructions", profile.each(frame.count));
    for (name, count) in frame.programs() {
        println!("{:>9.1}  {name}", profile.each(count));
    }
    println!("\nby function, without what it calls:");
    for (name, count) in frame.functions().into_iter().take(SHOWN) {
        println!("{:>9.1}  {name}", profile.each(count));
    }
    let path = paths::build().join("profile.svg");
    let title = format!("{row}: {:.0} instructions", profile.each(frame.count));
    std::fs::write(&path, frame.draw(&title))?;
    let folded = path.with_extension("folded");
    std::fs::write(&folded, frame.folded())?;
    println!("\n{}\n{}", path.display(), folded.display());
    Ok(())
}
