//! Heads that came before, and what they asked for.
//!
//! *Owns* copies of a few. Clients that ask for something again mostly do so in the same words, which are then
//! compared and not read: what a head asks for depends on its bytes alone.

use alloc::vec::Vec;

use crate::request::{Method, Parsed, Persistence, Request};
use crate::response::Status;
use crate::site;

/// Bytes of the longest head that is remembered: browsers send some hundreds.
const LONGEST: usize = 768;
/// How many are remembered, by their lengths.
const PLACES: usize = 8;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The file of that number.
    File(usize),
    /// The live figures.
    Figures,
    /// Something that there is not.
    Nothing,
}

/// A request, as far as the answer depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// How much of it is wanted.
    pub method: Method,
    /// What is wanted.
    pub wanted: Wanted,
    /// What happens to the connection.
    pub persistence: Persistence,
}

impl Asked {
    /// What a request asks for.
    pub fn by(request: &Request<'_>) -> Self {
        let wanted = match site::find(request.path) {
            Some(number) => Wanted::File(number),
            None if request.path == site::FIGURES_PATH => Wanted::Figures,
            None => Wanted::Nothing,
        };
        Self {
            method: request.method,
            wanted,
            persistence: request.persistence,
        }
    }
}

/// What is to be done about bytes that have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A whole head asks for this.
    Answer(Asked),
    /// They get this answer, after which the connection is closed.
    Refuse(Status),
    /// More is to come.
    Read,
}

/// A head, and what it asks for.
struct Head {
    bytes: Vec<u8>,
    asked: Asked,
}

impl Head {
    const NONE: Self = Self {
        bytes: Vec::new(),
        asked: Asked {
            method: Method::Get,
            wanted: Wanted::Nothing,
            persistence: Persistence::Close,
        },
    };
}

/// The latest of each length, as far as there are places.
pub struct Known([Head; PLACES]);

impl Known {
    /// None yet.
    pub const fn new() -> Self {
        Self([const { Head::NONE }; PLACES])
    }

    /// What is to be done about bytes, and how many of them that concerns.
    pub fn step(&mut self, bytes: &[u8]) -> (usize, Step) {
        if let Some(asked) = self.find(bytes) {
            return (bytes.len(), Step::Answer(asked));
        }
        match Request::parse(bytes) {
            Parsed::Complete(length, request) => {
                let asked = Asked::by(&request);
                self.remember(&bytes[..length], asked);
                (length, Step::Answer(asked))
            }
            Parsed::Refused(status) => (bytes.len(), Step::Refuse(status)),
            Parsed::Partial => (0, Step::Read),
        }
    }

    /// What bytes ask for that came before, if they are one head and nothing else.
    fn find(&self, bytes: &[u8]) -> Option<Asked> {
        let head = self.0.get(bytes.len() % PLACES)?;
        let is_same = !bytes.is_empty() && head.bytes == bytes;
        is_same.then_some(head.asked)
    }

    fn remember(&mut self, bytes: &[u8], asked: Asked) {
        if let Some(head) = self.0.get_mut(bytes.len() % PLACES)
            && bytes.len() <= LONGEST
        {
            head.bytes.clear();
            head.bytes.extend_from_slice(bytes);
            head.asked = asked;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Asked, Known, LONGEST, Step, Wanted};
    use crate::request::{Parsed, Request};

    fn asked(text: &[u8]) -> Asked {
        match Request::parse(text) {
            Parsed::Complete(used, request) if used == text.len() => Asked::by(&request),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_same_words_ask_for_the_same_and_others_are_read() {
        let mut known = Known::new();
        let text = b"GET /info.json HTTP/1.1\r\nHost: a\r\n\r\n";
        let what = asked(text);
        assert_eq!(what.wanted, Wanted::Figures);
        assert_eq!(known.find(text), None);
        assert_eq!(known.step(text), (text.len(), Step::Answer(what)));
        assert_eq!(known.find(text), Some(what));
        assert_eq!(known.step(text), (text.len(), Step::Answer(what)));
        // Not in part, nor with another word, nor with more behind it, which is another request.
        for end in 0..text.len() {
            assert_eq!(known.find(&text[..end]), None);
            assert_eq!(known.step(&text[..end]), (0, Step::Read));
        }
        let mut other = *text;
        for place in 0..other.len() {
            other[place] ^= 1;
            assert_eq!(known.find(&other), None);
            other[place] ^= 1;
        }
        let twice = [&text[..], text].concat();
        assert_eq!(known.find(&twice), None);
        assert_eq!(known.step(&twice), (text.len(), Step::Answer(what)));
        // Another of the same length takes its place.
        let other = b"HEAD /info.jso HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(known.step(other), (text.len(), Step::Answer(asked(other))));
        assert_eq!(
            (known.find(other), known.find(text)),
            (Some(asked(other)), None)
        );
    }

    #[test]
    fn one_that_is_too_long_is_read_each_time() {
        let mut known = Known::new();
        let mut long = b"GET / HTTP/1.1\r\nHost: ".to_vec();
        long.resize(LONGEST, b'a');
        long.extend_from_slice(b"\r\n\r\n");
        let answer = (long.len(), Step::Answer(asked(&long)));
        assert_eq!((known.step(&long), known.find(&long)), (answer, None));
    }

    #[test]
    fn what_is_no_request_is_refused_each_time() {
        let mut known = Known::new();
        for _ in 0..2 {
            let (_, step) = known.step(b"GET /\0 HTTP/1.1\r\n\r\n");
            assert!(matches!(step, Step::Refuse(_)));
        }
    }
}
