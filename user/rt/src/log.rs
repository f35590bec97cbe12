//! The system's log: lines on the console, through the `log` facade.
//!
//! *Owns* the handle of the debug console, where lines go that the program's session with the
//! [`console`] does not take at once, and its last words, which need neither heap nor session.

use core::{
    fmt::{self, Write},
    sync::atomic::{AtomicU32, Ordering},
};

use abi::Handle;
use log::{Level, LevelFilter, Log, Metadata, Record};
use spin::Once;

use crate::{clock, console, syscall};

/// Bytes of a line; the rest is cut.
const LINE_BYTES: usize = 320;

/// The debug console, zero if the program has none.
static CONSOLE: AtomicU32 = AtomicU32::new(0);
/// The program's name.
static NAME: Once<alloc::string::String> = Once::new();

/// Begins to log: `log=debug` in the command line shows more, `log=warn` less.
pub(crate) fn start(console: Handle, name: &str, command_line: &str) {
    CONSOLE.store(console.0, Ordering::Relaxed);
    NAME.call_once(|| name.into());
    // Fails only if the program has set a logger already, which is then the right one.
    log::set_logger(&DebugLog).ok();
    log::set_max_level(level(command_line));
}

/// The level that the command line asks for.
fn level(command_line: &str) -> LevelFilter {
    let asked = command_line
        .split_ascii_whitespace()
        .find_map(|word| word.strip_prefix("log="));
    asked
        .and_then(|level| level.parse().ok())
        .unwrap_or(LevelFilter::Info)
}

/// Writes bytes to the debug console.
pub fn debug_print(text: &[u8]) {
    let console = Handle(CONSOLE.load(Ordering::Relaxed));
    if console != Handle::NONE {
        // There is nowhere to complain.
        syscall::debug_write(console, text).ok();
    }
}

/// The program's name, for messages about it.
pub(crate) fn name() -> &'static str {
    NAME.get().map_or("program", |name| name.as_str())
}

/// A line of the log.
pub(crate) struct Line {
    text: [u8; LINE_BYTES],
    length: usize,
}

impl Line {
    /// An empty line.
    pub const fn new() -> Self {
        Self {
            text: [0; LINE_BYTES],
            length: 0,
        }
    }

    /// Writes the line to the debug console, in one call so that lines of several programs do not mix.
    pub fn show(self) {
        self.show_by(debug_print);
    }

    fn show_by(mut self, show: impl FnOnce(&[u8])) {
        self.length = self.length.min(LINE_BYTES - 1);
        self.text[self.length] = b'\n';
        show(&self.text[..=self.length]);
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if let Some(place) = self.text.get_mut(self.length) {
                *place = byte;
                self.length += 1;
            }
        }
        Ok(())
    }
}

/// Sink of the facade.
struct DebugLog;

impl Log for DebugLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let now = clock::now() / 1_000;
        let (seconds, micros) = (now / 1_000_000, now % 1_000_000);
        let mark = match record.level() {
            Level::Error => "error: ",
            Level::Warn => "warning: ",
            Level::Info | Level::Debug | Level::Trace => "",
        };
        let mut line = Line::new();
        // A line takes everything; a failing `Display` only shortens it.
        write!(
            line,
            "[{seconds:5}.{micros:06}] {}: {mark}{}",
            name(),
            record.args()
        )
        .ok();
        line.show_by(|line| {
            if !console::show_at_once(line) {
                debug_print(line);
            }
        });
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::level;
    use log::LevelFilter;

    #[test]
    fn the_command_line_sets_the_level() {
        assert_eq!(level(""), LevelFilter::Info);
        assert_eq!(level("ip=none log=debug run=ps"), LevelFilter::Debug);
        assert_eq!(level("log=loud"), LevelFilter::Info);
    }
}
