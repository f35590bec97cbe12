//! What is typed, and who gets it.
//!
//! *Owns* the queue of readers: input goes to the one that asked last. What nobody has asked for
//! yet is kept, up to a limit. *Never* echoes: whoever reads shows what it wants.

use alloc::{collections::VecDeque, vec::Vec};

use crate::screen::Session;

/// Bytes that are kept for later readers: a long text pasted at once arrives faster than a shell
/// edits it.
const MAX_TYPED: usize = 64 * 1024;
/// What Ctrl-C sends.
const INTERRUPT: u8 = 3;

/// The state of the input.
#[derive(Debug, Default)]
pub struct Keyboard {
    typed: VecDeque<u8>,
    /// Who asked, the most recent last.
    readers: Vec<Session>,
}

impl Keyboard {
    /// Nothing typed, nobody asks.
    pub const fn new() -> Self {
        Self {
            typed: VecDeque::new(),
            readers: Vec::new(),
        }
    }

    /// Takes what was typed; true if there was a Ctrl-C to be told. Where nobody controls the
    /// terminal Ctrl-C is a byte like any other.
    pub fn typed(&mut self, bytes: &[u8], controlled: bool) -> bool {
        let mut interrupt = false;
        for byte in bytes {
            if *byte == INTERRUPT && controlled {
                // What was typed ahead was meant for what is now interrupted.
                self.typed.clear();
                interrupt = true;
            } else if self.typed.len() < MAX_TYPED {
                self.typed.push_back(*byte);
            }
        }
        interrupt
    }

    /// A session wants input. It is served once for each time it asks.
    pub fn ask(&mut self, session: Session) {
        self.readers.retain(|reader| *reader != session);
        self.readers.push(session);
    }

    /// A session is gone.
    pub fn forget(&mut self, session: Session) {
        self.readers.retain(|reader| *reader != session);
    }

    /// Input for a session, at most `limit` bytes; `None` if nothing was typed or nobody asks.
    pub fn deliver(&mut self, limit: usize) -> Option<(Session, Vec<u8>)> {
        if self.typed.is_empty() {
            return None;
        }
        let reader = self.readers.pop()?;
        let count = limit.min(self.typed.len());
        Some((reader, self.typed.drain(..count).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Keyboard, MAX_TYPED};

    #[test]
    fn the_most_recent_reader_gets_the_input() {
        let mut keyboard = Keyboard::new();
        keyboard.ask(1);
        keyboard.ask(2);
        keyboard.typed(b"yes", true);
        assert_eq!(keyboard.deliver(2), Some((2, b"ye".to_vec())));
        assert_eq!(keyboard.deliver(9), Some((1, b"s".to_vec())));
        keyboard.typed(b"!", true);
        assert_eq!(keyboard.deliver(9), None, "nobody asks");
        keyboard.ask(1);
        keyboard.ask(1);
        assert_eq!(keyboard.deliver(9), Some((1, b"!".to_vec())));
        keyboard.typed(b"?", true);
        assert_eq!(keyboard.deliver(9), None, "asked twice, served once");
    }

    #[test]
    fn a_gone_reader_gets_nothing() {
        let mut keyboard = Keyboard::new();
        keyboard.ask(1);
        keyboard.ask(2);
        keyboard.forget(2);
        keyboard.typed(b"x", true);
        assert_eq!(keyboard.deliver(9), Some((1, b"x".to_vec())));
    }

    #[test]
    fn an_interrupt_takes_back_what_was_typed_before() {
        let mut keyboard = Keyboard::new();
        keyboard.ask(1);
        assert!(keyboard.typed(b"old\x03new", true));
        assert_eq!(keyboard.deliver(9), Some((1, b"new".to_vec())));
        assert!(!keyboard.typed(b"a\x03", false));
        keyboard.ask(1);
        assert_eq!(keyboard.deliver(9), Some((1, b"a\x03".to_vec())));
    }

    #[test]
    fn what_is_typed_ahead_is_limited() {
        let mut keyboard = Keyboard::new();
        keyboard.typed(&[b'x'; 2 * MAX_TYPED], true);
        keyboard.ask(1);
        assert_eq!(keyboard.deliver(usize::MAX).unwrap().1.len(), MAX_TYPED);
    }
}
