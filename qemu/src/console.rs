//! The guest's serial line: everything it says is kept, and can be waited for.
//!
//! A thread reads until the line closes, so the guest never stalls on a full pipe and the log is
//! whole when something fails. Escape sequences are taken out: what remains is what a person reads.
//! A line that the guest puts above an unfinished one (see `user/console`) stands above it here, too.

use std::io::{Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use regex::Regex;

/// More than any test prints. A guest that babbles without end is cut short here.
const LOG_LIMIT: usize = 8 << 20;

#[derive(Default)]
struct Heard {
    text: String,
    closed: bool,
    /// Up to where the text has been looked at.
    position: usize,
    above: Above,
}

/// What is known of a line that is put above the unfinished one.
#[derive(Default)]
enum Above {
    #[default]
    Nothing,
    /// So much of it has come.
    Line(String),
    /// All of it; the unfinished line is shown again, and was up to here.
    Repeat(usize),
}

impl Heard {
    fn hear(&mut self, sound: Sound) {
        match (core::mem::take(&mut self.above), sound) {
            (_, Sound::LineErased) => self.above = Above::Line(String::new()),
            (Above::Line(mut line), Sound::Character(character)) => {
                line.push(character);
                self.above = if character == '\n' {
                    self.put_above(&line)
                } else {
                    Above::Line(line)
                };
            }
            (Above::Repeat(place), Sound::Character(character))
                if self.text[place..].starts_with(character) =>
            {
                let next = place + character.len_utf8();
                if next < self.text.len() {
                    self.above = Above::Repeat(next);
                }
            }
            (Above::Nothing | Above::Repeat(_), Sound::Character(character)) => {
                if self.text.len() < LOG_LIMIT {
                    self.text.push(character);
                }
            }
        }
    }

    fn put_above(&mut self, line: &str) -> Above {
        let start = self.text.rfind('\n').map_or(0, |end| end + 1);
        self.text.insert_str(start, line);
        if self.position > start {
            self.position += line.len();
        }
        let unfinished = start + line.len();
        if unfinished < self.text.len() {
            Above::Repeat(unfinished)
        } else {
            Above::Nothing
        }
    }
}

type Shared = Arc<(Mutex<Heard>, Condvar)>;

/// One serial line.
pub struct Console {
    heard: Shared,
    input: Box<dyn Write + Send>,
}

fn lock(shared: &Shared) -> MutexGuard<'_, Heard> {
    shared.0.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Console {
    /// A line whose far end writes to `output` and reads from `input`.
    pub fn new(output: impl Read + Send + 'static, input: impl Write + Send + 'static) -> Self {
        let heard = Shared::default();
        let listener = Arc::clone(&heard);
        std::thread::spawn(move || listen(output, &listener));
        Self {
            heard,
            input: Box::new(input),
        }
    }

    /// Types.
    pub fn send(&mut self, text: &str) -> Result<()> {
        self.input
            .write_all(text.as_bytes())
            .and_then(|()| self.input.flush())
            .context("the serial line is closed")
    }

    /// Waits until something that matches stands behind everything looked at so far. Returns what
    /// came before it and the match; both count as looked at.
    pub fn expect(&mut self, pattern: &str, limit: Duration) -> Result<(String, String)> {
        let regex = Regex::new(pattern).context("bad pattern")?;
        let deadline = Instant::now() + limit;
        let mut heard = lock(&self.heard);
        loop {
            let rest = heard.text.get(heard.position..).unwrap_or_default();
            if let Some(found) = regex.find(rest) {
                let answer = (rest[..found.start()].to_owned(), found.as_str().to_owned());
                heard.position += found.end();
                return Ok(answer);
            }
            if heard.closed {
                bail!("the guest ended without saying {pattern:?}");
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!("{pattern:?} did not come within {limit:?}");
            }
            heard = self
                .heard
                .1
                .wait_timeout(heard, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Counts everything said so far as looked at.
    pub fn skip(&mut self) {
        let mut heard = lock(&self.heard);
        heard.position = heard.text.len();
    }

    /// Waits until the far end has closed the line.
    #[cfg(test)]
    pub fn wait_closed(&self, limit: Duration) -> Result<()> {
        let heard = lock(&self.heard);
        let (heard, _) = self
            .heard
            .1
            .wait_timeout_while(heard, limit, |heard| !heard.closed)
            .unwrap_or_else(PoisonError::into_inner);
        if heard.closed {
            Ok(())
        } else {
            bail!("the guest is still running after {limit:?}")
        }
    }

    /// Everything said so far.
    pub fn log(&self) -> String {
        lock(&self.heard).text.clone()
    }
}

fn listen(mut output: impl Read, shared: &Shared) {
    let mut filter = Filter::default();
    let mut chunk = [0; 4096];
    loop {
        let count = output.read(&mut chunk).unwrap_or(0);
        let mut heard = lock(shared);
        if count == 0 {
            heard.closed = true;
            shared.1.notify_all();
            return;
        }
        for byte in chunk.iter().take(count) {
            if let Some(sound) = filter.pass(*byte) {
                heard.hear(sound);
            }
        }
        shared.1.notify_all();
    }
}

/// What terminal control leaves over.
enum Sound {
    Character(char),
    /// Back to the first column and clear: a line comes above the unfinished one.
    LineErased,
}

/// Takes terminal control out of a stream of bytes.
#[derive(Clone, Copy, Default)]
enum Filter {
    #[default]
    Text,
    /// In the first column.
    Returned,
    Escape {
        returned: bool,
    },
    Sequence {
        returned: bool,
    },
}

impl Filter {
    fn pass(&mut self, byte: u8) -> Option<Sound> {
        let before = core::mem::take(self);
        match (before, byte) {
            (Self::Text | Self::Returned, 0x1b) => {
                let returned = matches!(before, Self::Returned);
                *self = Self::Escape { returned };
            }
            (Self::Text | Self::Returned, b'\r') => *self = Self::Returned,
            (Self::Text | Self::Returned, b'\n' | b'\t' | b' '..=b'~') => {
                return Some(Sound::Character(char::from(byte)));
            }
            (Self::Text | Self::Returned, 0x80..) => return Some(Sound::Character('\u{fffd}')),
            (Self::Text | Self::Returned, _) => {}
            (Self::Escape { returned }, b'[') => *self = Self::Sequence { returned },
            (Self::Sequence { returned: true }, b'K') => return Some(Sound::LineErased),
            (Self::Escape { .. }, _) | (Self::Sequence { .. }, b'@'..=b'~') => {}
            (Self::Sequence { .. }, _) => *self = Self::Sequence { returned: false },
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::Console;
    use std::io::{Cursor, Write};
    use std::time::Duration;

    const LIMIT: Duration = Duration::from_secs(5);

    fn console(text: &str) -> Console {
        Console::new(Cursor::new(text.as_bytes().to_vec()), Vec::new())
    }

    #[test]
    fn expectations_walk_forward() {
        let mut console = console("one two one\r\n");
        assert_eq!(console.expect("one", LIMIT).unwrap().0, "");
        assert_eq!(console.expect("one\n", LIMIT).unwrap().0, " two ");
        assert!(console.expect("one", LIMIT).is_err());
    }

    #[test]
    fn escape_sequences_are_taken_out() {
        let mut console = console("\x1b[31mred\x1b[0m\x1b[2K text\x07");
        console.wait_closed(LIMIT).unwrap();
        assert_eq!(console.log(), "red text");
        console.skip();
        assert!(console.expect("red", LIMIT).is_err());
    }

    #[test]
    fn a_line_above_the_prompt_is_none_of_its_answer() {
        let mut line = "hello\r\nskerry> ".to_owned();
        line += "\r\x1b[Knews\r\nskerry> ping\r\n";
        line += "\r\x1b[Kmore\r\nanswer\r\nskerry> ";
        let mut console = console(&line);
        console.wait_closed(LIMIT).unwrap();
        assert_eq!(
            console.log(),
            "hello\nnews\nskerry> ping\nmore\nanswer\nskerry> "
        );
        assert_eq!(
            console.expect("> ", LIMIT).unwrap().0,
            "hello\nnews\nskerry"
        );
        let (answer, _) = console.expect("\nskerry> ", LIMIT).unwrap();
        assert_eq!(answer, "ping\nmore\nanswer");
    }

    #[test]
    fn what_was_looked_at_stays_so_when_a_line_comes_above_it() {
        let (output, mut guest) = std::io::pipe().unwrap();
        let mut console = Console::new(output, Vec::new());
        guest.write_all(b"skerry> ").unwrap();
        console.expect("> ", LIMIT).unwrap();
        guest
            .write_all(b"\r\x1b[Knews\r\nskerry> net\r\nup\r\nskerry> ")
            .unwrap();
        assert_eq!(console.expect("\nskerry> ", LIMIT).unwrap().0, "net\nup");
        assert!(console.log().starts_with("news\nskerry> net\n"));
    }

    #[test]
    fn silence_is_an_error_after_the_limit() {
        let (quiet, _keep) = std::io::pipe().unwrap();
        let mut console = Console::new(quiet, Vec::new());
        let error = console.expect("x", Duration::from_millis(10)).unwrap_err();
        assert!(error.to_string().contains("did not come"));
    }
}
