//! Lines for a person: the `log` facade and the panic message, on the debug console.

use crate::arch::console_write;
use core::fmt::{self, Write};
use log::{LevelFilter, Log, Metadata, Record};

/// Longest line; the rest is cut.
const LINE: usize = 200;

/// Collects a line so that it is written in one piece.
struct Line {
    bytes: [u8; LINE],
    length: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LINE - 1 - self.length;
        let taken = text.len().min(room);
        self.bytes[self.length..self.length + taken].copy_from_slice(&text.as_bytes()[..taken]);
        self.length += taken;
        Ok(())
    }
}

/// Writes one line.
pub fn write_line(arguments: fmt::Arguments<'_>) {
    let mut line = Line {
        bytes: [0; LINE],
        length: 0,
    };
    // `Line` cuts instead of failing; a failing `Display` leaves a short line.
    let _formatted = line.write_fmt(arguments);
    line.bytes[line.length] = b'\n';
    console_write(&line.bytes[..=line.length]);
}

struct Console;

impl Log for Console {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let micros = micros_since_boot();
        write_line(format_args!(
            "[{:4}.{:06}] kernel {}: {}",
            micros / 1_000_000,
            micros % 1_000_000,
            level_name(record.level()),
            record.args()
        ));
    }

    fn flush(&self) {}
}

const fn level_name(level: log::Level) -> &'static str {
    match level {
        log::Level::Error => "error",
        log::Level::Warn => "warning",
        log::Level::Info => "info",
        log::Level::Debug => "debug",
        log::Level::Trace => "trace",
    }
}

/// Starts logging with the level that a word `log=` of the command line asks for.
pub fn init<'a>(mut words: impl Iterator<Item = &'a str>) {
    let level = words
        .find_map(|word| word.strip_prefix("log="))
        .and_then(|level| level.parse().ok())
        .unwrap_or(LevelFilter::Info);
    log::set_max_level(level);
    // Only a second call can fail.
    let _first = log::set_logger(&Console);
}

fn micros_since_boot() -> u64 {
    let frequency = crate::arch::counter_frequency().max(1);
    let ticks = crate::arch::counter();
    (u128::from(ticks) * 1_000_000 / u128::from(frequency)) as u64
}

#[cfg(target_os = "none")]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    write_line(format_args!("kernel {info}"));
    crate::machine::stop_after_panic()
}
