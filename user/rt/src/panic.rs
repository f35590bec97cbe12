//! Last words: a panic is told on the debug console and ends the process.

use core::{fmt::Write, panic::PanicInfo};

use crate::{log, syscall};

/// Exit code of a program that panicked.
pub const PANIC_CODE: i32 = 101;

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let mut line = log::Line::new();
    // A line takes everything.
    write!(line, "{}: {info}", log::name()).ok();
    line.show();
    syscall::process_exit(PANIC_CODE)
}
