//! The terminal: text out, text in.
//!
//! *Owns* the program's session with the console service, opened at first use. Output of one call
//! stays together; without a console service it goes to the debug console. Lines of the program's log
//! take the same way while there is a session, so that they come above an unfinished line.

pub mod message;

use alloc::{boxed::Box, collections::VecDeque, string::String, vec::Vec};
use core::{
    fmt::{self, Write},
    time::Duration,
};

use message::{DATA_BYTES, Operation};

use crate::{
    executor::block_on,
    link::Link,
    local::local,
    log,
    shared_link::{For, SharedLink, doze},
    system, time,
};

/// Slots of the session's rings: a screenful of output without waiting.
pub const SLOTS: usize = 32;

/// Why reading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// Ctrl-C, told to the program that controls the terminal.
    Interrupted,
    /// There is no console (any more).
    Closed,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupted => "interrupted",
            Self::Closed => "no console",
        })
    }
}

impl core::error::Error for ReadError {}

/// Who was told of a Ctrl-C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// This program alone.
    Alone,
    /// Another program too, which will end in its own way.
    Shared,
}

/// Prints to the terminal.
#[macro_export]
macro_rules! print {
    ($($argument:tt)*) => {
        $crate::private::print_arguments(::core::format_args!($($argument)*), false)
    };
}

/// Prints a line to the terminal.
#[macro_export]
macro_rules! println {
    () => { $crate::private::print_arguments(::core::format_args!(""), true) };
    ($($argument:tt)*) => {
        $crate::private::print_arguments(::core::format_args!($($argument)*), true)
    };
}

/// The session.
enum Session {
    /// Nothing was printed or read yet.
    Fresh,
    /// There is no console.
    None,
    /// Connected.
    Open(Box<Terminal>),
}

/// An open session.
struct Terminal {
    shared: SharedLink,
    input: VecDeque<u8>,
    interrupted: Option<Interrupt>,
    /// The console knows that this program wants to be told of Ctrl-C.
    catches: bool,
    reading: bool,
    flushes: u32,
    flushed: u32,
}

local! {
    /// The program's session.
    static SESSION: Session = Session::Fresh;
}

/// Prints; what [`print!`] and [`println!`] become.
pub fn print_arguments(arguments: fmt::Arguments<'_>, newline: bool) {
    let mut output = Output {
        text: [0; DATA_BYTES],
        length: 0,
    };
    // `Output` takes everything; only an argument's own formatting can fail.
    output.write_fmt(arguments).ok();
    if newline {
        output.write_char('\n').ok();
    }
    output.send();
}

/// Prints bytes as they are.
pub fn write_bytes(bytes: &[u8]) {
    for part in bytes.chunks(DATA_BYTES) {
        write(part);
    }
}

/// Waits until everything printed so far has been shown.
pub fn flush() {
    let Some(request) = with(|terminal| {
        terminal.flushes = terminal.flushes.wrapping_add(1);
        terminal.flushes
    }) else {
        return;
    };
    send(Operation::Flush, request, &[]);
    block_on(async {
        while pump() && with(|terminal| terminal.flushed) != Some(request) {
            doze(lend, For::Message).await;
        }
    });
}

/// Reads some input: at least one byte unless `into` is empty.
///
/// # Errors
///
/// [`ReadError`].
pub async fn read_bytes(into: &mut [u8]) -> Result<usize, ReadError> {
    open();
    loop {
        if !pump() {
            return Err(ReadError::Closed);
        }
        if take_interrupt().is_some() {
            return Err(ReadError::Interrupted);
        }
        let ask = with(|terminal| {
            let count = into.len().min(terminal.input.len());
            for (byte, typed) in into.iter_mut().zip(terminal.input.drain(..count)) {
                *byte = typed;
            }
            if count > 0 || into.is_empty() {
                return Err(count);
            }
            Ok(!core::mem::replace(&mut terminal.reading, true))
        });
        match ask {
            None => return Err(ReadError::Closed),
            Some(Err(count)) => return Ok(count),
            Some(Ok(true)) => send(Operation::Read, 0, &[]),
            Some(Ok(false)) => doze(lend, For::Message).await,
        }
    }
}

/// Reads a line with echo and backspace, without its end.
///
/// # Errors
///
/// [`ReadError`].
pub async fn read_line() -> Result<String, ReadError> {
    let mut line = Vec::new();
    loop {
        let mut byte = [0];
        read_bytes(&mut byte).await?;
        match byte[0] {
            b'\r' | b'\n' => {
                write(b"\n");
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            0x08 | 0x7f if line.pop().is_some() => write(b"\x08 \x08"),
            byte @ (b' '..=b'~' | 0x80..) => {
                line.push(byte);
                write(&[byte]);
            }
            _ => {}
        }
    }
}

/// Waits until Ctrl-C is typed. A program that has asked once is told ever after, and is left a
/// moment to end in its own way.
pub async fn interrupt() -> Interrupt {
    open();
    if with(|terminal| core::mem::replace(&mut terminal.catches, true)) == Some(false) {
        send(Operation::Interrupt, 0, &[]);
    }
    loop {
        if let Some(interrupt) = take_interrupt() {
            return interrupt;
        }
        if !pump() {
            // Nobody can type without a console.
            core::future::pending::<()>().await;
        }
        if with(|terminal| terminal.interrupted).flatten().is_none() {
            doze(lend, For::Message).await;
        }
    }
}

fn take_interrupt() -> Option<Interrupt> {
    with(|terminal| terminal.interrupted.take()).flatten()
}

/// Collects the text of one call into as few messages as possible.
struct Output {
    text: [u8; DATA_BYTES],
    length: usize,
}

impl Output {
    fn send(&mut self) {
        if let Some(text @ [_, ..]) = self.text.get(..self.length) {
            write(text);
        }
        self.length = 0;
    }
}

impl Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            if self.length == self.text.len() {
                self.send();
            }
            let room = &mut self.text[self.length..];
            let count = room.len().min(rest.len());
            room[..count].copy_from_slice(&rest[..count]);
            self.length += count;
            rest = &rest[count..];
        }
        Ok(())
    }
}

fn write(text: &[u8]) {
    open();
    send(Operation::Write, 0, text);
}

/// Connects at first use.
fn open() {
    if SESSION.with(|session| !matches!(session, Session::Fresh)) {
        return;
    }
    match system::connect_blocking(message::NAME, SLOTS, true) {
        Ok(link) => adopt(link),
        Err(_) => SESSION.with(|session| *session = Session::None),
    }
}

/// Opens the session before anything is printed, for the sake of the log, if there is a console
/// within `patience`.
pub fn join(patience: Duration) {
    let connected = block_on(time::with_timeout(
        patience,
        system::connect(message::NAME, SLOTS, true),
    ));
    if let Ok(Ok(link)) = connected {
        adopt(link);
    }
}

/// Opens the session again if it was lost and there is a new console by now.
pub fn join_again() {
    let is_open = with(|terminal| {
        // Who does not listen any more shows when it is rung.
        terminal.shared.link.ring();
        !terminal.shared.link.is_closed()
    });
    if is_open != Some(true)
        && let Ok(link) = system::connect_blocking(message::NAME, SLOTS, false)
    {
        adopt(link);
    }
}

/// Makes a link to the console the session: for the first process, whom others ask for theirs.
pub fn adopt(link: Link) {
    let terminal = Terminal {
        shared: SharedLink::new(link),
        input: VecDeque::new(),
        interrupted: None,
        catches: false,
        reading: false,
        flushes: 0,
        flushed: 0,
    };
    SESSION.with(|session| *session = Session::Open(Box::new(terminal)));
}

/// Shows a line if there is a session and it has room for it: nothing waits for a line of the log.
pub(crate) fn show_at_once(line: &[u8]) -> bool {
    let shown = with(|terminal| {
        let link = &mut terminal.shared.link;
        let mut parts = line.chunks(DATA_BYTES);
        !link.is_closed()
            && link.room() >= parts.len()
            && parts.all(|part| link.send(&message::emit(Operation::Write, 0, part)).is_ok())
            && !link.is_closed()
    });
    shown == Some(true)
}

/// Sends a message, waiting for room. If the console has ended, tries the next one; text goes to
/// the debug console if there is none.
fn send(operation: Operation, request: u32, data: &[u8]) {
    let message = message::emit(operation, request, data);
    loop {
        let sent = with(|terminal| {
            let link = &mut terminal.shared.link;
            let sent = link.send(&message);
            if link.is_closed() || link.is_violated() {
                Err(Gone)
            } else {
                Ok(sent)
            }
        });
        match sent {
            Some(Ok(Ok(()))) => return,
            Some(Ok(Err(ring::Full))) => block_on(doze(lend, For::Room)),
            Some(Err(Gone)) => {
                SESSION.with(|session| *session = Session::Fresh);
                if operation == Operation::Flush {
                    return;
                }
                open();
            }
            None => break,
        }
    }
    if operation == Operation::Write {
        log::debug_print(data);
    }
}

/// The console has ended.
struct Gone;

/// Puts what came in where it belongs; false if the console is gone.
fn pump() -> bool {
    loop {
        let taken = with(|terminal| {
            let taken = terminal.shared.try_receive();
            if let Ok(Some((message, _))) = &taken {
                match message::parse(message) {
                    Some((Operation::Input, _, data)) => {
                        terminal.reading = false;
                        terminal.input.extend(data);
                    }
                    Some((Operation::Interrupt, told, _)) => {
                        let who = if told == 0 {
                            Interrupt::Alone
                        } else {
                            Interrupt::Shared
                        };
                        // What came before it was meant for what is now interrupted.
                        terminal.input.clear();
                        terminal.interrupted = Some(who);
                    }
                    Some((Operation::Flush, request, _)) => terminal.flushed = request,
                    Some((Operation::Write | Operation::Read, ..)) | None => {}
                }
            }
            taken
        });
        match taken {
            Some(Ok(Some((_, wakers)))) => wakers.into_iter().for_each(core::task::Waker::wake),
            Some(Ok(None)) => return true,
            Some(Err(_)) => {
                SESSION.with(|session| *session = Session::Fresh);
                return false;
            }
            None => return false,
        }
    }
}

/// Works with the open session.
fn with<R>(work: impl FnOnce(&mut Terminal) -> R) -> Option<R> {
    SESSION.with(|session| match session {
        Session::Open(terminal) => Some(work(terminal)),
        Session::Fresh | Session::None => None,
    })
}

fn lend(work: &mut dyn FnMut(&mut SharedLink)) {
    // A session that went in the meantime cannot be slept for.
    let _ = with(|terminal| work(&mut terminal.shared));
}
