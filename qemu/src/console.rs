//! The guest's serial line: everything it says is kept, and can be waited for.
//!
//! A thread reads until the line closes, so the guest never stalls on a full pipe and the log is
//! whole when something fails. Escape sequences are taken out: what remains is what a person reads.

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
}

type Shared = Arc<(Mutex<Heard>, Condvar)>;

/// One serial line.
pub struct Console {
    heard: Shared,
    input: Box<dyn Write + Send>,
    /// Up to where the log has been looked at.
    position: usize,
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
            position: 0,
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
            let rest = heard.text.get(self.position..).unwrap_or_default();
            if let Some(found) = regex.find(rest) {
                let answer = (rest[..found.start()].to_owned(), found.as_str().to_owned());
                self.position += found.end();
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
        self.position = lock(&self.heard).text.len();
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
            if let Some(character) = filter.pass(*byte)
                && heard.text.len() < LOG_LIMIT
            {
                heard.text.push(character);
            }
        }
        shared.1.notify_all();
    }
}

/// Takes terminal control out of a stream of bytes.
#[derive(Default)]
enum Filter {
    #[default]
    Text,
    Escape,
    Sequence,
}

impl Filter {
    fn pass(&mut self, byte: u8) -> Option<char> {
        match (&self, byte) {
            (Self::Text, 0x1b) => *self = Self::Escape,
            (Self::Text, b'\n' | b'\t' | b' '..=b'~') => return Some(char::from(byte)),
            (Self::Text, 0x80..) => return Some('\u{fffd}'),
            (Self::Text, _) => {}
            (Self::Escape, b'[') => *self = Self::Sequence,
            (Self::Escape, _) | (Self::Sequence, b'@'..=b'~') => *self = Self::Text,
            (Self::Sequence, _) => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::Console;
    use std::io::Cursor;
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
    fn silence_is_an_error_after_the_limit() {
        let (quiet, _keep) = std::io::pipe().unwrap();
        let mut console = Console::new(quiet, Vec::new());
        let error = console.expect("x", Duration::from_millis(10)).unwrap_err();
        assert!(error.to_string().contains("did not come"));
    }
}
