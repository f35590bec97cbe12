//! What a new process is told before it runs: written by the first process, read by the run-time.

use alloc::{string::String, vec::Vec};

use ring::Full;

use super::message::{Note, Operation};
use crate::link::Link;

/// Extra of the first message: the seed comes from a seeded generator.
const SEEDED: u64 = 1;
/// Extra of the first message: the number of restarts stands from this bit on.
const RESTARTS: u32 = 32;

/// Everything that travels in messages; handles travel beside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// The process's number.
    pub process: u32,
    /// Its words, each followed by a zero byte, the program's name first.
    pub words: Vec<u8>,
    /// The kernel's command line.
    pub command_line: String,
    /// Random bytes for this process alone.
    pub seed: [u8; 32],
    /// The seed is really random.
    pub seeded: bool,
    /// How often the program has been started anew.
    pub restarts: u32,
}

impl Start {
    /// Writes it all into the link of a process that does not run yet.
    ///
    /// # Errors
    ///
    /// [`Full`] if words and command line are too long for the ring.
    pub fn send(&self, link: &mut Link) -> Result<(), Full> {
        let first = Note {
            extra: u64::from(self.restarts) << RESTARTS | if self.seeded { SEEDED } else { 0 },
            data: &self.seed,
            ..Note::new(Operation::Start, 0)
        };
        link.push(&first.emit())?;
        for message in Note::new(Operation::Arguments, 0).emit_long(&self.words) {
            link.push(&message)?;
        }
        let line = self.command_line.as_bytes();
        for message in Note::new(Operation::CommandLine, 0).emit_long(line) {
            link.push(&message)?;
        }
        let last = Note {
            value: self.process.into(),
            ..Note::new(Operation::Run, 0)
        };
        link.push(&last.emit())
    }

    /// Reads what was written before the process ran. What is missing stays empty.
    #[must_use]
    pub fn receive(link: &mut Link) -> Self {
        let mut start = Self::default();
        let mut command_line = Vec::new();
        while let Ok(Some(message)) = link.try_receive() {
            let note = Note::parse(&message);
            match Operation::from_number(note.operation) {
                Some(Operation::Start) => {
                    if let Some(seed) = note.data.first_chunk() {
                        start.seed = *seed;
                    }
                    start.seeded = note.extra & SEEDED != 0;
                    start.restarts = u32::try_from(note.extra >> RESTARTS).unwrap_or(0);
                }
                Some(Operation::Arguments) => start.words.extend_from_slice(note.data),
                Some(Operation::CommandLine) => command_line.extend_from_slice(note.data),
                Some(Operation::Run) => {
                    start.process = u32::try_from(note.value).unwrap_or(0);
                    break;
                }
                _ => {}
            }
        }
        start.command_line = String::from_utf8_lossy(&command_line).into_owned();
        start
    }
}

#[cfg(test)]
mod tests {
    use super::Start;
    use crate::link::Link;

    #[test]
    fn what_is_sent_is_received() {
        let start = Start {
            process: 7,
            words: [b"http\0".as_slice(), &[b'x'; 600], b"\0"].concat(),
            command_line: "ip=dhcp ".repeat(100),
            seed: [0xa5; 32],
            seeded: true,
            restarts: 3,
        };
        let (mut parent, mut child) = Link::pair(32);
        start.send(&mut parent).unwrap();
        assert_eq!(Start::receive(&mut child), start);
        assert_eq!(Start::receive(&mut child), Start::default());
    }

    #[test]
    fn too_much_is_refused() {
        let start = Start {
            words: vec![0; 4096],
            ..Start::default()
        };
        let (mut parent, _child) = Link::pair(8);
        assert!(start.send(&mut parent).is_err());
    }
}
